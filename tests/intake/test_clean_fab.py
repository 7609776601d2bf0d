"""A thousand clean files of the simulator, in each of its formats: none refused, and hardly one with a note."""

from __future__ import annotations

import csv
from itertools import count

import pytest

from inspection.errors import FormatError, PhysicsError
from inspection.formats.table import read
from inspection.intake.physics import check
from inspection.params import Ingest, Validate
from inspection.simulator.fab import simulate
from inspection.simulator.schedule import plan_lot

CASES = [
    (difficulty, file_format, wafers)
    for wafers in (18, 7, 25, 1, 20)
    for difficulty in ("easy", "hard")
    for file_format in ("klarf12", "klarf18", "raster", "mixed")
]
LOTS = 2
"""Of a case, each of so many wafers: 1 136 files in all, whole lots and short ones, and some re-inspections."""
WHOLE_LOT, PARTIAL = 25, "Incomplete"
NOTED = 0.01
"""At most this share of the files may have a note."""


def lot_with_a_partial_map(seed, wafers):
    """The first lot from the 60th on that holds one: they are rare, and have to be clean like any other."""
    return next(lot for lot in count(60) if any(wafer.label == PARTIAL for wafer in plan_lot(seed, lot, wafers).wafers))


@pytest.mark.soak
@pytest.mark.parametrize(("seed", "difficulty", "file_format", "wafers"), [(k, *case) for k, case in enumerate(CASES)])
def test_no_clean_file_is_refused_and_hardly_one_is_noted(tmp_path, record_property, seed, difficulty, file_format, wafers):
    simulate(
        tmp_path, lots=LOTS, wafers=wafers, seed=seed, difficulty=difficulty, format=file_format,
        first_lot=lot_with_a_partial_map(seed, wafers), bad_files=False, raster_px=1024,
    )  # fmt: skip
    with (tmp_path / "truth.csv").open(newline="") as file:
        truth = list(csv.DictReader(file))
    assert len(truth) >= LOTS * wafers
    noted, refused = 0, {}
    for row in truth:
        try:
            for wafer in read(tmp_path / row["file"], Ingest()):
                noted += bool((*wafer.notes, *check(wafer.map, Validate())))
        except (FormatError, PhysicsError) as error:
            refused[row["file"]] = error.reason
    partial = sum(row["label"] == PARTIAL for row in truth)
    counted = {"files": len(truth), "of short lots": len(truth) * (wafers < WHOLE_LOT), "partial maps": partial}
    record_property(
        "soak", {"table": "Clean files of the simulator", "row": file_format, **counted, "noted": noted, "refused": len(refused)}
    )
    assert partial
    assert not refused
    assert noted <= NOTED * len(truth)
