"""Die-map archive: one ``.npz`` of many die maps, back to back.

``pixels`` (all maps, row after row, uint8: 0 no die, 1 pass, 2 fail), ``offsets`` (n + 1 places in ``pixels``) and
``shapes`` (n, 2: rows, cols) are required. Optional, one per map: ``label`` (index into ``classes``, or the class name
itself), ``row`` (place in the ordered source), ``lot`` and ``wafer`` (names). A label outside ``classes``, such as 255
or -1, means unlabelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.formats.diemap.npz_arrays import check_count, fault_of, load, names, per_map, places, texts
from inspection.wafer.maps import FAIL, DieMap, SourceWafer, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.params import Ingest

REQUIRED = ("pixels", "offsets", "shapes")
OPTIONAL = ("label", "classes", "row", "lot", "wafer")

_error = fault_of("diemap", "Write the archive again; the README names its arrays.")


def recognises(head: bytes, path: Path) -> bool:
    """Whether ``path`` is a zip that holds the required arrays."""
    return set(REQUIRED) <= names(head, path)


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Die maps of an archive in its order; everything is checked before the first one is given out.

    Parameters
    ----------
    path : Path
    limits : Ingest
        ``max_file_mb`` bounds the unpacked size, ``max_wafers`` the number of maps.

    Raises
    ------
    FormatError
        ``diemap.damaged``, ``diemap.size``, ``diemap.wafers``, ``diemap.arrays``, ``diemap.offsets``,
        ``diemap.shapes``, ``diemap.values``.

    Notes
    -----
    The maps are read-only views of one array: no copy is made.
    """
    arrays = load(path, REQUIRED, OPTIONAL, limits, _error)
    pixels, offsets, shapes = arrays["pixels"], arrays["offsets"], arrays["shapes"]
    count = offsets.size - 1
    check_count(count, "offsets", limits, _error)
    _check_places(pixels, offsets, shapes)
    _check_values(pixels)
    pixels = pixels.astype(np.uint8, copy=False)
    labels = _labels(arrays, count)
    rows = places(arrays, count, _error)
    lots, wafers = _names(arrays, "lot", count), _names(arrays, "wafer", count)
    begins, sizes = offsets.tolist(), shapes.tolist()
    for i in range(count):
        yield SourceWafer(
            index=i,
            map=DieMap(
                info=WaferInfo(lot=lots[i], wafer=wafers[i]),
                status=pixels[begins[i] : begins[i + 1]].reshape(sizes[i]),
            ),
            label=labels[i],
            row=rows[i],
        )


def _check_places(pixels: NDArray, offsets: NDArray, shapes: NDArray) -> None:
    count = offsets.size - 1
    if pixels.ndim != 1 or offsets.ndim != 1 or shapes.shape != (count, 2):
        raise _error(
            "arrays",
            "pixels, offsets, shapes",
            "shapes (p,), (n + 1,) and (n, 2)",
            f"{pixels.shape}, {offsets.shape}, {shapes.shape}",
        )
    if any(a.dtype.kind not in "iu" for a in (offsets, shapes)) or pixels.dtype.kind not in "biu":
        raise _error("arrays", "pixels, offsets, shapes", "whole numbers", f"{pixels.dtype}, {offsets.dtype}, {shapes.dtype}")
    # Compared before any subtraction: unsigned differences would wrap round.
    rising = bool(np.all(offsets[1:] >= offsets[:-1]))
    if not rising or (count and (int(offsets[0]) < 0 or int(offsets[-1]) > len(pixels))):
        raise _error("offsets", "offsets", f"a rising sequence within 0 to {len(pixels)}", _extremes(offsets))
    sides = shapes.astype(np.int64)
    longest = len(pixels) + 1
    if count and not (int(sides.min()) >= 1 and int(sides.max()) <= longest):
        raise _error("shapes", "shapes", f"sides of 1 to {longest}", _extremes(shapes))
    # As floats, so that no product wraps round; exact below 2**53, and what lies above cannot be equal to a span.
    area = sides[:, 0].astype(np.float64) * sides[:, 1]
    spans = np.diff(offsets.astype(np.int64))
    odd = np.flatnonzero(area != spans)
    if len(odd):
        i = int(odd[0])
        raise _error("shapes", f"map {i}", f"rows * cols = {int(spans[i])} pixels", " x ".join(map(str, sides[i].tolist())))


def _check_values(pixels: NDArray) -> None:
    if len(pixels) and not 0 <= int(pixels.min()) <= int(pixels.max()) <= FAIL:
        raise _error("values", "pixels", "0 no die, 1 pass, 2 fail", _extremes(pixels))


def _extremes(values: NDArray) -> str:
    return f"{values.min()} to {values.max()}" if values.size else "nothing"


def _names(arrays: dict[str, NDArray], name: str, count: int) -> list[str]:
    values = per_map(arrays, name, count, "USiu", _error)
    return [""] * count if values is None else texts(values)


def _labels(arrays: dict[str, NDArray], count: int) -> list[str | None]:
    values = per_map(arrays, "label", count, "USiu", _error)
    if values is None:
        return [None] * count
    if values.dtype.kind in "US":
        return [name or None for name in texts(values)]
    classes = arrays.get("classes")
    if classes is None or classes.ndim != 1 or classes.dtype.kind not in "US":
        raise _error("arrays", "classes", "the class names, as text, beside label", "none" if classes is None else classes.dtype)
    names = texts(classes)
    return [names[v] if 0 <= v < len(names) else None for v in values.tolist()]
