"""One large raster without a workspace: its pyramid, global view and detail tiles."""

from __future__ import annotations

import json
import resource
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import FormatError, InputError, InputNotFoundError, bounded
from inspection.stages.place import params_of, silent

if TYPE_CHECKING:
    from inspection.params import Ingest
    from inspection.settings import Workspace
    from inspection.stages.place import Report
    from inspection.views.pyramid import Built

VIEW_PX = 224
TILE_PX = 256
POINTS_PX = 8_192
"""Finest level of a wafer of points: 37 um on 300 mm."""
SUMMARY = "pyramid.json"
_PARTS = frozenset((SUMMARY, "zarr.json", "0", "sum", "max", "view", "tiles", "view.png"))
"""What lies in the folder of a pyramid."""


def pyramid(file: Path, out: Path, workspace: Workspace, *, tiles: int = 16, index: int = 0, report: Report = silent) -> dict[str, Any]:
    """Build the pyramid of ``file`` into the folder ``out``, which appears whole or not at all.

    A raster is streamed; of a file of points, wafer number ``index`` is drawn on `POINTS_PX` pixels across the wafer.

    Returns
    -------
    dict
        ``defects``; ``kind`` (``counts``, or ``values`` of a dense grey raster); ``levels``, each with ``level``, ``shape``,
        ``sum``, ``max``; ``tiles`` and where they lie in ``windows``; ``pixel_um``; ``notes``; ``seconds``; ``peak_rss_mb`` of
        this process and its children.

    Raises
    ------
    InputNotFoundError, InputError
        No such file; ``out`` holds something else.
    FormatError
        The file is not what its format says.
    """
    from inspection.aside import aside_folder, sweep

    started = time.perf_counter()
    if not file.exists():
        raise InputNotFoundError(f"No such file: expected a raster or a defect map at {file}. Check the path.")
    _refuse_foreign(out)
    sweep(out.parent)
    limits = params_of(workspace).ingest
    with aside_folder(out) as folder:
        try:
            made = _build(file, folder, limits, index, report)
        except FormatError as error:
            raise error.found_in(file) from error
        summary = _finished(made, folder, file.name, tiles)
        summary |= {"seconds": time.perf_counter() - started, "peak_rss_mb": _peak_rss_mb()}
        (folder / SUMMARY).write_text(json.dumps(summary, indent=1), encoding="utf-8")
    return summary


@dataclass(frozen=True, eq=False)
class _Made:
    built: Built
    pixel_um: float
    notes: tuple[str, ...]
    pixel_known: bool = True


def _build(file: Path, folder: Path, limits: Ingest, index: int, report: Report) -> _Made:
    from inspection.formats import compressed
    from inspection.formats.raster.kinds import HEAD_BYTES, open_raster, recognises
    from inspection.formats.raster.sidecar import read_sidecar
    from inspection.views.pyramid import build

    head = b""  # of the folder of a zarr store
    if file.is_file():
        with file.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
    if compressed.recognises(head):
        with compressed.unpacked(file, limits) as inner:
            return _build(inner, folder, limits, index, report)
    if not recognises(head, file):
        return _from_points(file, folder, limits, index)
    with open_raster(file, limits) as stream:
        notes, sidecar = stream.notes, read_sidecar(file, stream.shape, stream.pixel_um)
    built = build(lambda: open_raster(file, limits), sidecar, folder, progress=lambda done, total: report(done, total, "rows"))
    return _Made(built, sidecar.pixel_um, (*notes, *sidecar.notes), pixel_known=sidecar.pixel_known)


def _from_points(file: Path, folder: Path, limits: Ingest, index: int) -> _Made:
    """The pyramid of a wafer that is points already; those beyond its edge fall into the border pixels."""
    from inspection.formats import table
    from inspection.views.pyramid import build_from_points
    from inspection.wafer.maps import DieMap, ImageMap

    found = next((w for w in table.read(file, limits) if w.index == index), None)
    if found is None:
        raise InputNotFoundError(f"No wafer {index} in {file}: `inspection show` says how many it holds, counted from 0.")
    wafer = found.map
    if isinstance(wafer, ImageMap):  # a raster is streamed: none comes this way
        raise FormatError("pyramid.image", where=file.name, expected="a raster or points", got="an image", action="Name the raster itself.")
    xy_um = wafer.fail_xy_um if isinstance(wafer, DieMap) else wafer.xy_um
    pixel_um = 2 * wafer.info.radius_um / POINTS_PX
    cols = np.clip(np.floor(xy_um[:, 0] / pixel_um + POINTS_PX / 2), 0, POINTS_PX - 1).astype(np.int64)
    rows = np.clip(np.floor(POINTS_PX / 2 - xy_um[:, 1] / pixel_um), 0, POINTS_PX - 1).astype(np.int64)
    return _Made(build_from_points(rows, cols, (POINTS_PX, POINTS_PX), folder), pixel_um, found.notes)


def _finished(made: _Made, folder: Path, name: str, tiles: int) -> dict[str, Any]:
    """View, tiles and metadata beside the levels; what there is to say about them."""
    from inspection.views.overview import draw_view, global_view, tile_windows
    from inspection.views.picture import to_png

    built, writer = made.built, made.built.writer
    sums, peaks = global_view(built.totals, VIEW_PX)
    writer.write_array("view/sum", sums, ("y", "x"))
    writer.write_array("view/max", peaks, ("y", "x"))
    windows = tile_windows(built.totals, TILE_PX, tiles)
    cut = [writer.read(w.level, w.row, w.col, w.side) for w in windows]
    if cut:
        writer.write_array("tiles/sum", np.stack([s for s, _ in cut]), ("tile", "y", "x"))
        writer.write_array("tiles/max", np.stack([p for _, p in cut]), ("tile", "y", "x"))
    (folder / "view.png").write_bytes(to_png(draw_view(built, sums, windows)))
    facts = {
        "defects": built.defects,
        "kind": built.kind,
        "pixel_um": made.pixel_um,
        "tiles": len(windows),
        "windows": [asdict(w) for w in windows],
        "notes": list(made.notes),
    }
    # What was only taken must not come back as a fact with a unit, when the pyramid is read as a raster.
    writer.finish(name, made.pixel_um if made.pixel_known else None, facts)
    totals = built.totals
    levels = [
        {"level": k, "shape": list(shape), "sum": totals.sums[k], "max": totals.peaks[k] or 0} for k, shape in enumerate(totals.shapes)
    ]
    return {**facts, "levels": levels}


def _peak_rss_mb() -> float:
    """Of this process since it began, and of its children. ``ru_maxrss`` alone would count what started it, too."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with suppress(OSError):  # elsewhere than on Linux
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return (int(line.split()[1]) + children) / 1024
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + children) / 1024


def _refuse_foreign(out: Path) -> None:
    """Only a pyramid, and nothing beside it, or an empty folder is written over; a link or a device never is."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        what = "a link" if out.is_symlink() else "something else"
    else:
        held = {entry.name for entry in out.iterdir()} if out.is_dir() else set()
        foreign = sorted(held - _PARTS) if SUMMARY in held else sorted(held)
        what = f"one that holds {bounded(foreign, 3)}" if foreign else ""
    if what:
        raise InputError(f"Cannot write to {out}: expected a new or empty folder, or a pyramid to replace, got {what}. Choose another.")
