"""The fab: reproducible byte by byte, honest class rates, truth that is true."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from inspection.errors import InputError
from inspection.simulator.fab import simulate
from inspection.simulator.schedule import CULPRITS, RAMP_LOTS, RATES, plan_lot
from inspection.simulator.signatures import CLASSES, NORMAL

if TYPE_CHECKING:
    from pathlib import Path


def digest(root: Path) -> dict[str, str]:
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(root.rglob("*")) if p.is_file()}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def fab(tmp_path_factory):
    out = tmp_path_factory.mktemp("fab")
    report = simulate(out, lots=8, wafers=10, seed=11, difficulty="hard", format="mixed", raster_px=256)
    return out, report


def test_same_arguments_give_the_same_bytes(fab, tmp_path):
    simulate(tmp_path, lots=8, wafers=10, seed=11, difficulty="hard", format="mixed", raster_px=256)
    assert digest(tmp_path) == digest(fab[0])


def test_a_lot_does_not_depend_on_how_many_were_asked_for(fab, tmp_path):
    simulate(tmp_path / "few", lots=3, wafers=10, seed=11, difficulty="hard", format="mixed", raster_px=256)
    simulate(tmp_path / "late", lots=2, wafers=10, seed=11, difficulty="hard", format="mixed", raster_px=256, first_lot=7)
    whole = digest(fab[0])
    for name in ("few", "late"):
        part = {k: v for k, v in digest(tmp_path / name).items() if "/" in k}
        assert part
        assert part == {k: whole[k] for k in part}
    assert (fab[0] / "truth.csv").read_text().startswith((tmp_path / "few" / "truth.csv").read_text())


def test_another_seed_gives_another_fab(fab, tmp_path):
    simulate(tmp_path, lots=1, wafers=10, seed=12, difficulty="hard", format="mixed", raster_px=256)
    whole = digest(fab[0])
    assert not set(digest(tmp_path).values()) & set(whole.values())


def test_seed_zero_is_a_seed(tmp_path):
    for name in ("a", "b"):
        simulate(tmp_path / name, lots=1, wafers=3, seed=0, difficulty="easy", format="klarf12")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_truth_lists_every_file_and_labels_every_wafer_once(fab):
    out, report = fab
    truth, labels = table(out / "truth.csv"), table(out / "labels.csv")
    files = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.suffix in (".klarf", ".npy")}
    assert {row["file"] for row in truth} == files
    assert len(truth) == len(files) == report.files
    assert len(labels) == len({(r["lot"], r["wafer"]) for r in labels}) == report.wafers == 80
    by_wafer = {(r["lot"], r["wafer"]): r["label"] for r in labels}
    assert all(by_wafer[row["lot"], row["wafer"]] == row["label"] for row in truth if row["bad"] != "off_wafer")
    assert Counter(by_wafer.values()) == report.classes
    assert sum(int(r["defects"]) for r in truth if not r["bad"]) == report.defects
    assert {r["bad"] for r in truth} == {"", "truncated", "garbage"}
    for row in truth:
        signatures = json.loads(row["signatures"])
        assert [s["class"] for s in signatures[:1]] == ([] if row["label"] == NORMAL else [row["label"]])
        points = [s["points"] for s in signatures]
        assert row["label"] == "Incomplete" or points == sorted(points, reverse=True)


def test_a_second_inspection_is_later_and_of_the_same_label(fab):
    truth = table(fab[0] / "truth.csv")
    first = {(r["lot"], r["wafer"]): r for r in truth if r["reinspection"] == "0" and not r["bad"]}
    again = [r for r in truth if r["reinspection"] == "1"]
    assert again
    for row in again:
        earlier = first[row["lot"], row["wafer"]]
        assert row["inspected_at"] > earlier["inspected_at"]
        assert all(row[k] == earlier[k] for k in ("slot", "label", "tool", "chamber", "layer", "product"))


def test_unlabelled_fabs_have_no_labels_and_no_bad_files_when_told(tmp_path):
    simulate(tmp_path, lots=3, wafers=2, seed=1, difficulty="easy", format="klarf18", bad_files=False, labelled=False)
    assert not (tmp_path / "labels.csv").exists()
    assert {r["bad"] for r in table(tmp_path / "truth.csv")} == {""}


@pytest.mark.parametrize("seed", [0, 1, 7, 123])
def test_forty_lots_hold_every_class_and_the_long_run_is_unequal(seed):
    early = Counter(w.label for n in range(1, RAMP_LOTS + 1) for w in plan_lot(seed, n, 25).wafers)
    assert set(early) == set(CLASSES)
    assert min(early.values()) >= 8
    assert 0.5 < early[NORMAL] / 1000 < 0.62
    lots = 240
    late = Counter(w.label for n in range(RAMP_LOTS + 1, RAMP_LOTS + 1 + lots) for w in plan_lot(seed, n, 25).wafers)
    total = sum(late.values())
    assert min(late.values()) / total < 0.005
    for label, rate in RATES.items():
        assert late[label] / total == pytest.approx(rate, abs=0.002)


def test_small_wafer_counts_keep_the_rates():
    seen = Counter(w.label for n in range(1, 201) for w in plan_lot(3, n, 5).wafers)
    assert 0.5 < seen[NORMAL] / 1000 < 0.62


def test_a_culprit_chamber_stands_out():
    wafers = [w for n in range(1, 121) for w in plan_lot(5, n, 25).wafers]
    for label in ("Ring", "Donut", "HalfMoon"):
        hit = Counter((w.tool, w.chamber) for w in wafers if w.label == label)
        ran = Counter((w.tool, w.chamber) for w in wafers)
        rate = {where: hit[where] / ran[where] for where in ran}
        worst = max(rate, key=rate.__getitem__)
        assert worst == CULPRITS[label]
        assert rate[worst] > 3 * sorted(rate.values())[-2]


def test_nonsense_is_refused_before_anything_is_written(tmp_path):
    good = {"lots": 1, "seed": 0, "difficulty": "easy", "format": "klarf12"}
    for wrong in (
        {"lots": 0},
        {"seed": -1},
        {"difficulty": "soft"},
        {"format": "gds"},
        {"wafers": 26},
        {"first_lot": 0},
        {"raster_px": 5},
    ):
        with pytest.raises(InputError):
            simulate(tmp_path / "out", **(good | wrong))
    assert not (tmp_path / "out").exists()


def test_progress_counts_lots(tmp_path):
    seen = []
    simulate(
        tmp_path,
        lots=3,
        wafers=1,
        seed=0,
        difficulty="easy",
        format="klarf12",
        progress=lambda a, b: seen.append((a, b)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("lots", [12])
def test_bad_files_are_bad(tmp_path, lots):
    simulate(tmp_path, lots=lots, wafers=3, seed=2, difficulty="easy", format="klarf12")
    bad = {r["bad"]: tmp_path / r["file"] for r in table(tmp_path / "truth.csv") if r["bad"]}
    assert set(bad) == {"truncated", "garbage", "off_wafer"}
    assert "EndOfFile" not in bad["truncated"].read_text()
    assert not bad["garbage"].read_bytes().startswith(b"FileVersion")
    assert 'WaferID "99"' in bad["off_wafer"].read_text()
