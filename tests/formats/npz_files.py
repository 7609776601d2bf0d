"""Archives for the tests of the formats that are one."""

from __future__ import annotations

import numpy as np

from inspection.params import Ingest


def reader(module, folder):
    """A function that reads arrays, or the bytes of an archive, as ``module`` reads the file."""

    def read(content, limits=Ingest()):  # noqa: B008 - frozen
        path = folder / "maps.npz"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            np.savez_compressed(path, **content)
        return list(module.read(path, limits))

    return read
