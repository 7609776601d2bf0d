"""Counting objects in an image of any size with a registered classifier of patches."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import InputError, ParamsError, bounded
from inspection.stages.place import open_store, require_input, require_output, require_workspace, silent
from inspection.stages.rasters import SUMMARY, pyramid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from inspection.evaluation.counting import Counted
    from inspection.models.convolutional import FullyConvolutional
    from inspection.params import Params
    from inspection.scoring.bundle import Bundle
    from inspection.settings import Workspace
    from inspection.stages.place import Report
    from inspection.views.pyramid_store import Pyramid

PICTURE_PX = 1_600
"""Longer side of the picture, at most."""
WINDOWS_ACROSS = 4
"""Of a network without an exact form for images of any size: how many windows begin within one, along a side."""


def count(
    workspace: Workspace,
    _params: Params,
    *,
    image: Path,
    model: str = "champion",
    background: str | None = None,
    threshold: float = 0.5,
    truth: Path | None = None,
    out: Path | None = None,
    png: Path | None = None,
    report: Report = silent,
) -> dict[str, Any]:
    """Count the objects of ``image``, a grey image or its pyramid, with a model of images that was trained on patches.

    Each patch is of one class, ``background`` (default: the class that ``params.yaml`` calls normal) included, and as large as the views of
    the model: one pixel of the image is one pixel of a patch. Pass a CSV file of ``row,col,label`` (pixels) as ``truth`` to see the errors;
    ``out`` is written in the same form, with ``probability``.

    Returns
    -------
    dict
        ``image pixels`` (rows, cols) ``model window_px stride_px objects``; ``classes``: of each class but the background ``class
        counted``, with a truth also ``true matched error``; ``out``, ``png``.

    Raises
    ------
    InputNotFoundError, InputError
        No such image, model or background; a model of wafer maps; a truth of other columns or classes.
    """
    require_input(image)
    require_workspace(workspace)
    require_output(out, png)
    from inspection.aside import write_bytes
    from inspection.evaluation.counting import count_objects, read_pyramid
    from inspection.evaluation.object_table import check_places, read_objects, write_objects
    from inspection.registry.promotion import resolve
    from inspection.scoring.bundle import read_bundle

    with open_store(workspace) as store:
        folder = resolve(store, workspace.bundles, model)
    bundle = read_bundle(folder)
    names = bundle.taxonomy.names
    behind = _background(bundle, background)
    kinds = [name for name in names if name != names[behind]]
    known = None if truth is None else read_objects(truth, kinds)  # before the image is read: that may take long
    classifier, channels = _classifier(bundle, folder)

    def told(done: int, total: int) -> None:
        report(done, total, "blocks")

    with _opened(image, workspace, report) as source:
        read = read_pyramid(source)

        def pixels(row: int, col: int, rows: int, cols: int) -> NDArray[np.uint8]:
            return np.repeat(read(row, col, rows, cols), channels, axis=-1)

        shape = source.shapes[0]
        if known is not None:
            check_places(known[0], shape, classifier.window_px / 2)
        found = count_objects(pixels, shape, classifier, names, background=behind, threshold=threshold, progress=told)
        if png is not None:
            write_bytes(png, _picture(source, found, image.name))
    if out is not None:
        write_objects(out, found)
    return {
        "image": str(image),
        "pixels": list(shape),
        "model": folder.name,
        "window_px": classifier.window_px,
        "stride_px": classifier.stride_px,
        "objects": len(found.boxes),
        "classes": _rows(found, known, classifier.window_px / 2),
        "out": None if out is None else str(out),
        "png": None if png is None else str(png),
    }


def _background(bundle: Bundle, named: str | None) -> int:
    names = bundle.taxonomy.names
    if bundle.spec.kind != "image":
        raise InputError(
            "Cannot count with this model: expected one of images, trained on a folder of patches, got one of wafer maps. "
            "Train patches in a workspace of their own, with train.model: patch_net (params.yaml)."
        )
    normal = [c.name for c in bundle.taxonomy.classes if c.normal]
    chosen = named if named is not None else normal[0] if len(normal) == 1 else None
    if chosen not in names:
        raise InputError(f"No background: expected --background to be one of {bounded(list(names))}, got {chosen}.")
    return names.index(chosen)


def _classifier(bundle: Bundle, folder: Path) -> tuple[FullyConvolutional, int]:
    """The network for images of any size, calibrated; and the channels that it reads."""
    from inspection.models.convolutional import convolutional, sliding
    from inspection.models.saved import load_network
    from inspection.scoring.bundle import NETWORK

    network = load_network(folder / NETWORK)
    try:
        classifier = convolutional(network)
    except ParamsError:  # a layer that pads: asked window by window instead
        classifier = sliding(network, max(1, bundle.spec.size_px // WINDOWS_ACROSS))
    return classifier.scaled(bundle.scaled), int(network.inputs[0].shape[-1])


@contextmanager
def _opened(image: Path, workspace: Workspace, report: Report) -> Iterator[Pyramid]:
    """The pyramid ``image``, or one made of it for as long as it is needed."""
    from inspection.views.pyramid_store import Pyramid

    if (image / SUMMARY).is_file():
        yield Pyramid(image)
        return
    with tempfile.TemporaryDirectory(prefix="count-", dir=workspace.root) as aside:
        pyramid(image, Path(aside) / "pyramid", workspace, tiles=0, report=report)
        yield Pyramid(Path(aside) / "pyramid")


def _rows(found: Counted, known: tuple[NDArray[np.float64], list[str]] | None, reach_px: float) -> list[dict[str, Any]]:
    from inspection.evaluation.counting import against_truth

    if known is None:
        return [{"class": name, "counted": counted} for name, counted in found.counts.items()]
    centres, labels = known
    errors = against_truth(found, centres, np.array([found.names.index(label) for label in labels], np.int64), reach_px)
    return [
        {"class": e.name, "counted": e.counted, "true": e.true, "matched": e.matched, "error": None if np.isnan(e.error) else e.error}
        for e in errors
    ]


def _picture(source: Pyramid, found: Counted, title: str) -> bytes:
    from inspection.views.marked import draw_marked
    from inspection.views.picture import to_png

    level = next((k for k, shape in enumerate(source.shapes) if max(shape) <= PICTURE_PX), len(source.shapes) - 1)
    rows, cols = source.shapes[level]
    grey = source.window(level, 0, 0, rows, cols, "max")
    kinds = [name for k, name in enumerate(found.names) if k != found.background]
    place = [kinds.index(found.names[k]) for k in found.classes]
    return to_png(draw_marked(grey, found.boxes / 2**level, place, kinds, title))
