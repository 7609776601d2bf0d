"""Packed views: one ``.npy`` for all global views, one for all tiles, and the recipe that made them. Never one file per wafer.

A wafer's views are a function of its map and the recipe, and their place in the files follows from its position in the shard.
So parts of a shard may be drawn in any order, by any process of any machine that sees the folder, and the bytes are the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.aside import aside_folder, sweep
from inspection.errors import EngineError
from inspection.formats.canonical import parts_of, read_shard
from inspection.views.renderer import CHANNELS, ViewSpec, bin_points, whole_wafer
from inspection.views.tiles import render
from inspection.wafer.maps import DefectMap, ImageMap, InspectionMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Drawn = dict[str, int]
    """How many ``wafers``, ``defects`` and not empty ``tiles`` were drawn."""
    Spread = Callable[["Drawing", Iterable[range]], Iterator[tuple[range, Drawn | None]]]
    """Has the parts drawn, in any order; None = whoever drew that part died."""

PART_WAFERS = 128
"""What is drawn at a time: a tenth of a second of work for wafers of a thousand defects, and 10 MB at 96 px."""


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


@dataclass(frozen=True, slots=True)
class Drawing:
    """The views of a shard on their way into ``folder``; travels to other processes.

    Attributes
    ----------
    shard : Path
        Canonical shard of the maps.
    folder : Path
        Holds ``images.npy`` and ``tiles.npy`` in their full size.
    spec : ViewSpec
        The recipe.
    images_at, tiles_at : int
        Bytes before the first wafer's views in either file.
    """

    shard: Path
    folder: Path
    spec: ViewSpec
    images_at: int
    tiles_at: int

    @classmethod
    def begun(cls, shard: Path, folder: Path, count: int, spec: ViewSpec) -> Drawing:
        """With both files made, all zeros: ``count`` wafers of them."""
        shapes = dict(zip(("images.npy", "tiles.npy"), _shapes(count, spec), strict=True))
        made = [np.lib.format.open_memmap(folder / name, "w+", np.uint8, shape).offset for name, shape in shapes.items()]
        return cls(shard, folder, spec, *made)

    def draw(self, part: range) -> Drawn:
        """Render the wafers at the positions ``part`` and write them to their places.

        Raises
        ------
        EngineError
            When a view does not hold exactly the defects of its map: the law of downsampling is checked on every wafer.
        """
        images, tiles = (np.empty(shape, np.uint8) for shape in _shapes(len(part), self.spec))
        defects = 0
        for i, entry in enumerate(read_shard(self.shard, part)):
            wafer = entry.wafer.map
            images[i], tiles[i] = render(wafer, self.spec)
            _check_nothing_lost(wafer, images[i], self.spec, part[i])
            defects += wafer.defects
        # Written, not mapped: two machines that map one page of a shared file overwrite each other's bytes.
        for name, views, begin in (("images.npy", images, self.images_at), ("tiles.npy", tiles, self.tiles_at)):
            if views.size:
                with (self.folder / name).open("r+b") as file:
                    file.seek(begin + part.start * views[0].nbytes)
                    file.write(views.data)
        return {"wafers": len(part), "defects": defects, "tiles": int(np.any(tiles[..., 1], axis=(2, 3)).sum())}


def draw_here(drawing: Drawing, parts: Iterable[range]) -> Iterator[tuple[range, Drawn | None]]:
    """Draw ``parts`` one after the other in this process."""
    for part in parts:
        yield part, drawing.draw(part)


def write_views(
    folder: Path, shard: Path, spec: ViewSpec, spread: Spread = draw_here, progress: Callable[[int, int], None] | None = None
) -> Drawn:
    """Render the maps of ``shard`` into ``folder`` (``images.npy``, ``tiles.npy``, ``views.json``) and return what was drawn.

    The folder gets its name when it is whole; an old one stays until then. What died on its way is drawn again in this process.

    Raises
    ------
    EngineError
        As :meth:`Drawing.draw`.
    """
    parts = parts_of(shard, PART_WAFERS)
    count = parts[-1].stop if parts else 0
    drawn = {"wafers": 0, "defects": 0, "tiles": 0}
    sweep(folder.parent)
    with aside_folder(folder) as temporary:
        drawing = Drawing.begun(shard, temporary, count, spec)
        for done in _surely(drawing, parts, spread):
            drawn = {key: number + done[key] for key, number in drawn.items()}
            if progress is not None:
                progress(drawn["wafers"], count)
        (temporary / "views.json").write_text(json.dumps(spec.to_dict(), indent=1), encoding="utf-8")
    return drawn


def read_views(folder: Path) -> Views:
    """The views that ``write_views`` left in ``folder``; arrays are read, not mapped."""
    spec = ViewSpec(**json.loads((folder / "views.json").read_text(encoding="utf-8")))
    return Views(np.load(folder / "images.npy", allow_pickle=False), np.load(folder / "tiles.npy", allow_pickle=False), spec)


def _surely(drawing: Drawing, parts: Iterable[range], spread: Spread) -> Iterator[Drawn]:
    died = []
    for part, drawn in spread(drawing, parts):
        if drawn is None:
            died.append(part)
        else:
            yield drawn
    for part in died:
        yield drawing.draw(part)


def _shapes(count: int, spec: ViewSpec) -> tuple[tuple[int, ...], tuple[int, ...]]:
    channels = len(CHANNELS)
    return (count, spec.size_px, spec.size_px, channels), (count, spec.tiles, spec.tile_px, spec.tile_px, channels)


def _check_nothing_lost(wafer: InspectionMap, image: NDArray[np.uint8], spec: ViewSpec, position: int) -> None:
    if isinstance(wafer, ImageMap):
        return
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
