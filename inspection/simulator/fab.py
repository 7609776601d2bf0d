"""The fab: plans lots, draws their wafers, writes their files and the truth.

``OUT/LOT/LOT_WAFER_LAYER.klarf`` (or ``.npy`` with its ``.yaml``), ``OUT/labels.csv`` and ``OUT/truth.csv``.
"""

from __future__ import annotations

import csv
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from inspection.errors import InputError
from inspection.simulator.difficulty import SETTINGS, Setting
from inspection.simulator.schedule import plan_lot
from inspection.simulator.station import Station

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FileFormat = Literal["klarf12", "klarf18", "raster", "mixed"]
MAX_WAFERS, MAX_RASTER_PX = 25, 60_000
TRUTH = (
    *("file", "lot", "wafer", "slot", "product", "layer", "tool", "chamber", "inspected_at"),
    *("label", "signatures", "defects", "reinspection", "bad"),
)
"""Columns of ``truth.csv``: ``signatures`` is JSON, the dominant one first; ``bad`` is empty for a good file."""


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """What was written.

    ``wafers`` counts each wafer once, ``files`` every inspection and bad file, ``defects`` those of the good files,
    ``classes`` the wafers by label.
    """

    lots: int
    wafers: int
    files: int
    defects: int
    classes: dict[str, int]


def simulate(
    out: Path,
    *,
    lots: int,
    wafers: int = MAX_WAFERS,
    seed: int,
    difficulty: Setting,
    format: FileFormat,  # noqa: A002 - the word of the command line
    first_lot: int = 1,
    bad_files: bool = True,
    raster_px: int = 2048,
    labelled: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> SimulationReport:
    """Run the fab for ``lots`` lots and write what its inspection stations would deliver.

    The same arguments give the same bytes, and a lot does not depend on how many others were asked for.

    Parameters
    ----------
    out : Path
        Folder; made when it does not exist. Files of the same name are replaced, ``labels.csv`` and ``truth.csv`` cover
        this call only.
    lots : int
        Number of lots, at least 1, numbered from ``first_lot``.
    wafers : int
        Wafers per lot, 1 to 25.
    seed : int
        Not negative.
    difficulty : {"easy", "hard"}
    format : {"klarf12", "klarf18", "raster", "mixed"}
        ``mixed`` takes the format of the station that each lot goes to.
    first_lot : int
        Number of the first lot, from 1. Lots up to `schedule.RAMP_LOTS` show every class more often.
    bad_files : bool
        Add a bad file to every fifth lot: truncated, garbage, or with points off the wafer.
    raster_px : int
        Rows and columns of a raster, 64 to 60000.
    labelled : bool
        Write ``labels.csv`` (lot, wafer, label); ``truth.csv`` is always written.
    progress : callable or None
        Called with (lots done, lots).

    Raises
    ------
    InputError
        An argument outside its domain.
    """
    _check(
        lots=lots,
        wafers=wafers,
        seed=seed,
        difficulty=difficulty,
        file_format=format,
        first_lot=first_lot,
        raster_px=raster_px,
    )
    out.mkdir(parents=True, exist_ok=True)
    classes: Counter[str] = Counter()
    files = defects = 0
    with ExitStack() as stack:
        truth = _table(stack, out / "truth.csv", TRUTH)
        labels = _table(stack, out / "labels.csv", ("lot", "wafer", "label")) if labelled else None
        for done in range(lots):
            plan = plan_lot(seed, first_lot + done, wafers)
            writer = Station(out, plan, seed, SETTINGS[difficulty], plan.mixed_format if format == "mixed" else format, raster_px)
            for row in writer.inspections(bad_files=bad_files):
                truth.writerow(row)
                files += 1
                defects += 0 if row["bad"] else row["defects"]
            for wafer in plan.wafers:
                classes[wafer.label] += 1
                if labels is not None:
                    labels.writerow({"lot": plan.name, "wafer": wafer.wafer, "label": wafer.label})
            if progress is not None:
                progress(done + 1, lots)
    return SimulationReport(lots, lots * wafers, files, defects, dict(sorted(classes.items())))


def _table(stack: ExitStack, path: Path, columns: tuple[str, ...]) -> csv.DictWriter:
    file = stack.enter_context(path.open("w", encoding="utf-8", newline=""))
    table = csv.DictWriter(file, columns, lineterminator="\n")
    table.writeheader()
    return table


def _check(*, lots: int, wafers: int, seed: int, difficulty: str, file_format: str, first_lot: int, raster_px: int) -> None:
    domains = {
        "lots >= 1": lots >= 1,
        f"wafers 1 to {MAX_WAFERS}": 1 <= wafers <= MAX_WAFERS,
        "seed >= 0": seed >= 0,
        f"difficulty one of {', '.join(SETTINGS)}": difficulty in SETTINGS,
        "format one of klarf12, klarf18, raster, mixed": file_format in ("klarf12", "klarf18", "raster", "mixed"),
        "first_lot >= 1": first_lot >= 1,
        f"raster_px 64 to {MAX_RASTER_PX}": 64 <= raster_px <= MAX_RASTER_PX,
    }
    wrong = [domain for domain, holds in domains.items() if not holds]
    if wrong:
        got = f"{lots=} {wafers=} {seed=} {difficulty=} format={file_format!r} {first_lot=} {raster_px=}"
        raise InputError(f"Cannot simulate: expected {'; '.join(wrong)}; got {got}. Correct the arguments.")
