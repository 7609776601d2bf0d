"""What the fab delivers, our readers take: every good file gives its wafer back, every bad one is refused for its reason."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from inspection.errors import FormatError, InspectionError, PhysicsError
from inspection.formats.table import read
from inspection.intake.physics import check
from inspection.params import Ingest, Validate
from inspection.simulator.difficulty import HARD
from inspection.simulator.fab import simulate
from inspection.simulator.schedule import generator, plan_lot
from inspection.simulator.signatures import draw_wafer


@pytest.fixture(scope="module")
def delivery(tmp_path_factory):
    out = tmp_path_factory.mktemp("delivery")
    simulate(out, lots=13, wafers=6, seed=4, difficulty="hard", format="mixed", raster_px=1024)
    with (out / "truth.csv").open(newline="") as file:
        return out, list(csv.DictReader(file))


def taken(path):
    (wafer,) = read(path, Ingest())
    return wafer, check(wafer.map, Validate())


def test_every_good_file_gives_its_wafer_back_without_a_note(delivery):
    out, truth = delivery
    endings = set()
    for row in (r for r in truth if not r["bad"]):
        path = out / row["file"]
        endings.add(path.suffix)
        wafer, notes = taken(path)
        info = wafer.map.info
        got = (info.lot, info.wafer, info.slot, info.product, info.layer, info.tool, info.chamber)
        assert got == (row["lot"], row["wafer"], int(row["slot"]), *(row[k] for k in ("product", "layer", "tool", "chamber")))
        assert info.inspected_at.isoformat() == row["inspected_at"]
        assert (*wafer.notes, *notes) == ()
        if path.suffix == ".klarf":
            assert wafer.map.defects == int(row["defects"])
    assert endings == {".klarf", ".npy"}


def test_the_points_that_were_drawn_are_the_points_that_are_read(delivery):
    out, truth = delivery
    first = [r for r in truth if not r["bad"] and r["reinspection"] == "0"]
    for row in first[::4]:
        plan = plan_lot(4, int(row["lot"][1:]), 6)
        drawn = draw_wafer(row["label"], plan.product, HARD, generator(4, plan.number, int(row["slot"])))
        got = taken(out / row["file"])[0].map
        assert set(map(tuple, got.dies.tolist())) == set(map(tuple, drawn.dies.tolist()))
        if row["file"].endswith(".npy"):
            pixel = plan.product.diameter_mm * 1000 / 1024
            near = np.abs(got.xy_um[None] - drawn.xy_um[:, None]).max(axis=2).min(axis=1, initial=np.inf)
            assert near.max(initial=0) <= pixel / 2 + 1e-6
        else:
            np.testing.assert_allclose(got.xy_um, drawn.xy_um, atol=6e-4)


def test_every_bad_file_is_refused_for_its_reason(delivery):
    out, truth = delivery
    expected = {"truncated": FormatError, "garbage": FormatError, "off_wafer": PhysicsError}
    bad = [r for r in truth if r["bad"]]
    assert {r["bad"] for r in bad} == set(expected)
    for row in bad:
        with pytest.raises(InspectionError) as caught:
            taken(out / row["file"])
        assert isinstance(caught.value, expected[row["bad"]])


@pytest.mark.parametrize("file_format", ["klarf12", "klarf18", "raster"])
def test_a_truncated_file_of_any_format_is_refused(tmp_path, file_format):
    simulate(tmp_path, lots=2, wafers=1, seed=8, difficulty="easy", format=file_format, raster_px=256)
    (path,) = (p for p in tmp_path.rglob("*_truncated.*") if p.suffix != ".yaml")
    with pytest.raises(FormatError):
        taken(path)
