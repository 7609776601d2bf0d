"""Packed views: one ``.npy`` for all global views, one for all tiles, and the recipe that made them. Never one file per wafer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import EngineError
from inspection.views.renderer import CHANNELS, ViewSpec, bin_points, whole_wafer
from inspection.views.tiles import render
from inspection.wafer.maps import DefectMap, WaferMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Rendered views: ``images`` of shape (n, size_px, size_px, 3), ``tiles`` of shape (n, tiles, tile_px, tile_px, 3), uint8."""

    images: NDArray[np.uint8]
    tiles: NDArray[np.uint8]
    spec: ViewSpec

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: NDArray[np.integer]) -> Views:
        """The views at ``indices``, in that order."""
        return Views(self.images[indices], self.tiles[indices], self.spec)


def write_views(
    folder: Path,
    maps: Iterable[WaferMap],
    count: int,
    spec: ViewSpec,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Render ``count`` maps into ``folder`` (``images.npy``, ``tiles.npy``, ``views.json``) and return what was drawn.

    Raises
    ------
    EngineError
        When a view does not hold exactly the defects of its map: the law of downsampling is checked on every wafer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    channels = len(CHANNELS)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (count, spec.size_px, spec.size_px, channels))
    tiles = np.lib.format.open_memmap(folder / "tiles.npy", "w+", np.uint8, (count, spec.tiles, spec.tile_px, spec.tile_px, channels))
    drawn = {"wafers": 0, "defects": 0, "tiles": 0}
    for i, wafer in enumerate(maps):
        images[i], tiles[i] = render(wafer, spec)
        _check_nothing_lost(wafer, images[i], spec, i)
        drawn["wafers"] += 1
        drawn["defects"] += wafer.defects
        drawn["tiles"] += int(np.any(tiles[i, ..., 1], axis=(1, 2)).sum())
        if progress is not None:
            progress(i + 1, count)
    images.flush()
    tiles.flush()
    (folder / "views.json").write_text(json.dumps(spec.to_dict(), indent=1), encoding="utf-8")
    return drawn


def read_views(folder: Path) -> Views:
    """The views that ``write_views`` left in ``folder``; arrays are read, not mapped."""
    spec = ViewSpec(**json.loads((folder / "views.json").read_text(encoding="utf-8")))
    return Views(np.load(folder / "images.npy", allow_pickle=False), np.load(folder / "tiles.npy", allow_pickle=False), spec)


def _check_nothing_lost(wafer: WaferMap, image: NDArray[np.uint8], spec: ViewSpec, position: int) -> None:
    occupied = image[..., 1] > 0
    if isinstance(wafer, DefectMap):
        count = bin_points(wafer.xy_um, whole_wafer(wafer), spec.size_px, clip=True)
        kept = int(count.sum()) == wafer.defects and np.array_equal(count > 0, occupied)
    else:
        kept = bool(occupied.any()) == (wafer.defects > 0)
    if not kept:
        raise EngineError(
            f"A view lost defects: expected {wafer.defects} of wafer {wafer.info.lot}/{wafer.info.wafer} (position {position}), "
            "got another number. This is a fault of the renderer: please report it with the file."
        )
