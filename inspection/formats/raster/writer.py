"""A wafer written as a square raster (``.npy``) with its sidecar, in strips: it is never whole in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from numpy.lib import format as npy

from inspection.aside import aside
from inspection.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from inspection.wafer.maps import DefectMap

STRIP_BYTES = 4 * 2**20
"""Most that is held of a raster while it is written."""


def write_raster(path: Path, wafer_map: DefectMap, size_px: int, pixel_um: float, value: int = 255) -> int:
    """Write a wafer as a square 8-bit raster and its sidecar; two defects in one pixel become one.

    Strips without a defect are skipped over, which leaves zeros: the file has its full length and takes little room on
    most disks.

    Parameters
    ----------
    path : Path
        Ends in ``.npy``; replaced when it exists.
    wafer_map : DefectMap
    size_px : int
        Rows and columns. The wafer centre is the centre of the raster.
    pixel_um : float
        Size of a pixel. ``size_px * pixel_um`` below the diameter would cut the wafer: refused when a defect falls
        outside.
    value : int
        Of a defect's pixel, 1 to 255.

    Returns
    -------
    int
        Pixels set.

    Raises
    ------
    InputError
        A defect outside the raster, or an argument outside its domain.
    """
    if path.suffix != ".npy" or size_px < 1 or not pixel_um > 0 or not 1 <= value <= 255:
        raise InputError(
            "Cannot write a raster: expected a .npy path, size_px >= 1, pixel_um > 0, value 1 to 255, "
            f"got {path.name}, {size_px}, {pixel_um}, {value}. Correct the arguments."
        )
    column = np.floor(wafer_map.xy_um[:, 0] / pixel_um + size_px / 2).astype(np.int64)
    row = np.floor(size_px / 2 - wafer_map.xy_um[:, 1] / pixel_um).astype(np.int64)
    if np.any((column < 0) | (column >= size_px) | (row < 0) | (row >= size_px)):
        raise InputError(
            f"Cannot write {path.name}: expected every defect inside {size_px} x {size_px} pixels of {pixel_um} um, "
            "got some outside. Use a larger size_px or pixel_um."
        )
    flat = np.unique(row * size_px + column)
    with aside(path) as temporary:
        with temporary.open("wb") as file:
            npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (size_px, size_px)})
            _write_strips(file, flat, size_px * size_px, value)
        # The sidecar first: a raster that is there has one.
        path.with_suffix(".yaml").write_text(
            yaml.safe_dump(_sidecar_of(wafer_map, size_px, pixel_um), sort_keys=False, default_flow_style=None, width=200),
            encoding="utf-8",
        )
    return len(flat)


def _write_strips(file: BinaryIO, flat: NDArray[np.int64], total: int, value: int) -> None:
    """Write ``total`` bytes, ``value`` at the sorted places ``flat``."""
    start = file.tell()
    strip = np.zeros(min(STRIP_BYTES, total), np.uint8)
    for first in range(0, total, len(strip)):
        low, high = np.searchsorted(flat, (first, first + len(strip)))
        if low == high:
            continue
        inside = flat[low:high] - first
        strip[inside] = value
        file.seek(start + first)
        file.write(strip[: min(len(strip), total - first)].data)
        strip[inside] = 0
    file.truncate(start + total)


def _sidecar_of(wafer_map: DefectMap, size_px: int, pixel_um: float) -> dict[str, Any]:
    """The sidecar that describes a raster of ``wafer_map`` whose centre is the wafer's."""
    info = wafer_map.info
    content: dict[str, Any] = {
        "lot": info.lot,
        "wafer": info.wafer,
        "slot": info.slot,
        "product": info.product,
        "layer": info.layer,
        "tool": info.tool,
        "chamber": info.chamber,
        "recipe": info.recipe,
        "inspected_at": None if info.inspected_at is None else info.inspected_at.isoformat(),
        "diameter_mm": float(info.diameter_mm),
        "pixel_um": float(pixel_um),
        "centre_px": [size_px / 2, size_px / 2],
        "threshold": 1,
        "polarity": "bright",
    }
    if wafer_map.pitch_um is not None and wafer_map.origin_um is not None:
        content["die_pitch_um"] = [float(v) for v in wafer_map.pitch_um]
        content["die_origin_um"] = [float(v) for v in wafer_map.origin_um]
        if wafer_map.dies is not None:
            content["dies"] = _runs(wafer_map.dies)
    return {key: value for key, value in content.items() if value is not None}


def _runs(dies: NDArray[np.int32]) -> list[list[int]]:
    """Dies as runs ``[y, first x, last x]``, from the lowest row up."""
    ordered = dies[np.lexsort((dies[:, 0], dies[:, 1]))]
    step = np.diff(ordered, axis=0)
    breaks = (np.flatnonzero((step[:, 1] != 0) | (step[:, 0] != 1)) + 1).tolist()
    begins, ends = ([0, *breaks], [*breaks, len(ordered)]) if len(dies) else ([], [])
    return [[int(ordered[b, 1]), int(ordered[b, 0]), int(ordered[e - 1, 0])] for b, e in zip(begins, ends, strict=True)]
