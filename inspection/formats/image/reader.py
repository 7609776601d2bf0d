"""Reading an inspection image: a raster of any kind in grey, at a bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.image.levels import to_grey
from inspection.formats.image.sidecar import describes_image
from inspection.formats.image.sidecar import read_sidecar as sidecar_of
from inspection.formats.raster import kinds
from inspection.formats.raster.kinds import open_raster
from inspection.formats.sidecar import OfWafer
from inspection.wafer.image_planes import fitted, resized
from inspection.wafer.maps import ImageMap, SourceWafer, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.raster.stream import RasterStream
    from inspection.params import Ingest


def recognises(head: bytes, path: Path) -> bool:
    """Whether the file is a raster that its YAML calls an image."""
    return kinds.recognises(head, path) and describes_image(path)


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Read one image; whether anything calls it one is not asked.

    Colour becomes its luminance (BT.601), other types than bytes become bytes (`levels`). An image whose longer side is above
    ``limits.image_px`` is kept as the mean, the brightest and the darkest value of the area below each pixel.

    Parameters
    ----------
    path : Path
    limits : Ingest
        ``max_image_px`` bounds the pixels, ``image_px`` the longer side of what is kept.

    Yields
    ------
    SourceWafer
        One; its wafer is named by the file where nothing else names it.

    Raises
    ------
    FormatError
        ``image.size``, ``image.range``, ``image.sidecar``, and what the kind's ``open_stream`` and its strips name.
    """
    known = sidecar_of(path)
    with open_raster(path, limits) as stream:
        _check_size(path, stream.shape, limits)
        pixels, notes = _whole(stream), stream.notes
    grey, said = to_grey(pixels, path, known.range)
    planes = grey[..., None]
    if max(grey.shape) > limits.image_px:
        planes = resized(planes, fitted((grey.shape[0], grey.shape[1]), limits.image_px))
    facts = {name: getattr(known, name) for name in OfWafer.model_fields}
    info = WaferInfo(**facts | {"wafer": known.wafer or path.stem})
    yield SourceWafer(index=0, map=ImageMap(info=info, planes=planes), notes=(*known.notes, *notes, *said))


def _whole(stream: RasterStream) -> NDArray:
    """All pixels, shape (rows, cols)."""
    rows, cols = stream.shape[::-1] if stream.transposed else stream.shape
    pixels = np.empty((rows, cols), stream.dtype)
    row = 0
    for strip in stream.strips():
        pixels[row : row + len(strip)] = strip
        row += len(strip)
    return np.ascontiguousarray(pixels.T) if stream.transposed else pixels


def _check_size(path: Path, shape: tuple[int, int], limits: Ingest) -> None:
    if shape[0] * shape[1] > limits.max_image_px:
        raise FormatError(
            "image.size",
            where=path.name,
            expected=f"at most {limits.max_image_px} pixels (ingest.max_image_px)",
            got=f"{shape[0]} x {shape[1]}",
            action="An image that large is more than one view: look at it whole with `inspection pyramid FILE --out DIR`, whose detail "
            "tiles may be cut out as images to learn from; or raise the limit.",
        )
