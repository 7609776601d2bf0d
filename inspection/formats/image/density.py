"""Whether a picture holds too much to be a sparse map of defects: then it can only be an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.raster.kinds import open_raster
from inspection.formats.raster.stream import DENSE_SHARE

if TYPE_CHECKING:
    from pathlib import Path

    from inspection.params import Ingest


def is_dense(path: Path, limits: Ingest) -> bool:
    """Whether more than 5 % of the pixels are not zero; False for what cannot be read.

    The first strip (16 MiB) of a large picture has to do.
    """
    try:
        with open_raster(path, limits) as stream:
            strip = next(iter(stream.strips()))
            return bool(np.count_nonzero(strip) > DENSE_SHARE * strip.size)
    except (FormatError, OSError, ValueError, ArithmeticError, LookupError, RuntimeError):
        return False
