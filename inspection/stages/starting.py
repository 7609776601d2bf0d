"""What ``transfer.start`` stands for: a file, a registered model, ImageNet weights."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from inspection.errors import InputNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inspection.params import Params
    from inspection.settings import Workspace

REGISTERED, IMAGENET = "registry:", "imagenet"


@contextmanager
def start_weights(workspace: Workspace, params: Params) -> Iterator[Path | None]:
    """The file that ``transfer.start`` stands for now, for as long as the context lasts; None for none.

    Raises
    ------
    InputNotFoundError
        No such file or registered version.
    BundleError
        A registered bundle that was changed.
    EngineError
        The registry failed, or ImageNet weights can not be had here.
    """
    reference = params.transfer.start
    with tempfile.TemporaryDirectory() as folder:
        if reference is None:
            yield None
        elif reference == IMAGENET:
            from inspection.training.transfer import imagenet_weights

            yield imagenet_weights(params.train.model, Path(folder))
        elif reference.startswith(REGISTERED):
            yield _registered(workspace, reference.removeprefix(REGISTERED), Path(folder))
        else:
            path = Path(reference).expanduser()
            if not path.is_file():
                raise InputNotFoundError(
                    f"No weights to start from: expected a .keras or .weights.h5 file, {REGISTERED}VERSION or {IMAGENET}, "
                    f"got {reference!r}, which is no file here. Correct transfer.start in params.yaml."
                )
            yield path


def _registered(workspace: Workspace, version: str, folder: Path) -> Path:
    """The network of a registered bundle, whose files have been checked against their sha256."""
    from inspection.scoring.bundle import NETWORK, read_bundle
    from inspection.stages.place import open_registry

    bundle = open_registry(workspace).fetch(version, folder)
    read_bundle(bundle)
    return bundle / NETWORK
