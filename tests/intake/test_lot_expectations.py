"""Lots and days against their expectations, by the real engine, from the store to the Data Docs."""

import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from inspection import stages
from inspection.errors import EngineError
from inspection.intake import expectations, suites
from inspection.intake.docs import offline
from inspection.intake.expectations import run_suites, site
from inspection.intake.lots import validate
from inspection.params import Params, Validate
from inspection.store import validations
from inspection.store.files import add_claimed
from inspection.store.wafers import replace_wafers

# The engine still calls what pandas and its own models have announced to change; nothing that we could call otherwise.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:great_expectations"),
    pytest.mark.filterwarnings("ignore::FutureWarning:great_expectations"),
]

MONDAY = datetime(2026, 1, 5)  # noqa: DTZ001 - UTC and naive, as in the store
PARAMS = Validate()


def lot(name, day, wafers=25, *, seed=0, **changes):
    """The wafers of one lot, inspected from six in the morning of ``day`` on, four minutes apart; negative binomial counts."""
    counts = np.random.default_rng([seed, day]).negative_binomial(6, 6 / 106, wafers)
    return [
        {
            "index": k, "source": f"{name}.klarf", "row": -1, "lot": name, "wafer": f"{k + 1:02d}", "slot": k + 1, "product": "LOGIC7",
            "layer": "M1", "tool": "INSP1", "chamber": None, "inspected_at": MONDAY + timedelta(days=day, hours=6, minutes=4 * k),
            "kind": "points", "diameter_mm": 300.0, "defects": int(counts[k]), "label": None, "state": "valid", "reason": None, "notes": [],
            **changes,
        }
        for k in range(wafers)
    ]  # fmt: skip


def but(rows, at, **changes):
    """``rows`` with changes to one of them."""
    rows[at] |= changes
    return rows


def land(store, rows):
    """Write ``rows`` as the wafers of one file of their own."""
    sha256 = f"{rows[0]['lot']}{len(rows)}{rows[0]['inspected_at']:%d}".encode().hex().ljust(64, "0")[:64]
    with store.write() as connection:
        add_claimed(connection, sha256=sha256, name=rows[0]["source"], size=1)
        replace_wafers(connection, sha256, [{**row, "file_sha256": sha256} for row in rows])


def history(store, lots=12, **changes):
    for day in range(lots):
        land(store, lot(f"H{day:02d}", day, seed=1, **changes))


FAULTS = {
    "missing": (lambda rows: [row for row in rows if row["slot"] not in {5, 9}], {"slots_missing": 1}),
    "slot": (lambda rows: but(rows, 6, slot=12), {"slot_twice": 2, "slots_missing": 1}),
    "layer": (lambda rows: but(rows, 24, layer="M2"), {}),
    "dense": (lambda rows: [{**row, "defects": 10 * row["defects"]} for row in rows], {"density_high": 1}),
    "thin": (lambda rows: [{**row, "defects": row["defects"] // 20 + 1} for row in rows], {"density_low": 1}),
    "silent": (lambda rows: [{**row, "defects": 0} for row in rows], {"defects_none": 1}),
    "noname": (lambda rows: but(rows, 3, wafer=""), {"wafer_unnamed": 1}),
    "twice": (lambda rows: [*rows, {**rows[3], "index": 25, "slot": None}], {"wafer_twice": 2}),
    "slot26": (lambda rows: but(rows, 24, slot=26), {"slot_impossible": 1, "slots_missing": 1}),
    "defects": (lambda rows: but(rows, 0, defects=-1), {"defects_impossible": 1}),
    "diameter": (lambda rows: but(rows, 5, diameter_mm=299.0), {"diameter_unknown": 1, "diameter_mixed": 1}),
    "product": (lambda rows: but(rows, 5, product="DRAM4"), {"product_mixed": 1}),
    "checksum": (lambda rows: but(rows, 2, notes=["summary: test 1 declares NDEFECT 4, the list holds 2"]), {"checksum_wrong": 1}),
    "many": (lambda rows: [*rows, {**rows[0], "index": 25, "wafer": "26", "slot": None}], {"lot_too_large": 1}),
}
CLEAN = {
    "whole": lambda rows: rows,
    "short": lambda rows: rows[:11],
    "single": lambda rows: rows[:1],
    "again": lambda rows: [*rows, {**rows[3], "index": 25, "inspected_at": rows[3]["inspected_at"] + timedelta(hours=12)}],
    "twolayers": lambda rows: [*rows, *({**row, "index": 25 + row["index"], "layer": "M2", "defects": 7} for row in rows)],
    "noslots": lambda rows: [{**row, "slot": None} for row in rows],
    "excursion": lambda rows: [{**row, "defects": row["defects"] + 2_000 * (row["slot"] <= 15)} for row in rows],
    "refused": lambda rows: but(rows, 8, state="quarantined", reason={"code": "wafer.outside"}),
}


@pytest.mark.slow
def test_each_planted_fault_is_caught_by_its_own_expectation_and_nothing_clean_is(workspace, store):
    history(store)
    for day, (name, (plant, _)) in enumerate(FAULTS.items(), 20):
        land(store, plant(lot(name, day)))
    for day, (name, change) in enumerate(CLEAN.items(), 20 + len(FAULTS)):
        land(store, change(lot(name, day)))
    checks = {(check.lot, check.layer): check for check in validate(workspace, store, PARAMS) if check.suite == "lot"}
    failed = {key: check.failed for key, check in checks.items() if check.failed}
    expected = {(name, "M1"): faults for name, (_, faults) in FAULTS.items() if faults}
    assert failed == expected | {("layer", "M2"): {"layer_wrong": 1}}
    assert checks["slot", "M1"].statistics["evidence"] == {"slot_twice": ["07", "12"], "slots_missing": ["slot 7"]}
    assert checks["missing", "M1"].statistics["evidence"] == {"slots_missing": ["slot 5", "slot 9"]}
    assert checks["noname", "M1"].statistics["evidence"] == {}
    assert checks["twice", "M1"].statistics["evidence"] == {"wafer_twice": ["04"]}
    assert all(not check.cold_start for key, check in checks.items() if key[1] == "M1" and not key[0].startswith("H"))
    with store.read() as connection:
        assert {(row["lot"], row["layer"]) for row in validations.failing(connection, "lot")} == set(failed)


@pytest.mark.slow
def test_without_history_physics_alone_judges_and_says_how_many_lots_are_missing(workspace, store):
    history(store, 3)
    land(store, [{**row, "defects": 50 * row["defects"]} for row in lot("dense", 5)])
    land(store, but(lot("slot", 6), 6, slot=12))
    land(store, [{**row, "product": "NEW"} for row in lot("new", 7)])
    checks = {check.lot: check for check in validate(workspace, store, PARAMS) if check.suite == "lot"}
    assert all(check.cold_start for check in checks.values())
    assert {name: checks[name].statistics["lots_missing"] for name in ("H00", "dense", "new")} == {"H00": 8, "dense": 5, "new": 8}
    assert {name: check.failed for name, check in checks.items() if check.failed} == {"slot": {"slot_twice": 2}}, "no history is needed"
    with store.read() as connection:
        assert validations.cold_starts(connection) == len(checks)
    page = site(workspace.expectations).read_text()
    assert "as expected; cold start, 5 more lots needed" in page


@pytest.mark.slow
def test_only_lots_and_days_with_new_wafers_are_checked_again(workspace, store):
    def checked():
        return [check.subject for check in validate(workspace, store, PARAMS)]

    assert checked() == []
    land(store, lot("a", 0))
    land(store, but(lot("b", 2), 0, diameter_mm=7.0))
    assert checked() == ["a M1", "b M1", "2026-01-05", "2026-01-06", "2026-01-07"]
    assert checked() == []
    land(store, lot("b", 2))  # the mended file, in place of the other
    assert checked() == ["b M1", "2026-01-07"]
    with store.read() as connection:
        assert validations.failing(connection, "lot") == []
        assert len(validations.newest(connection, "lot")) == 2
    land(store, lot("c", 4))
    assert checked() == ["c M1", "2026-01-07", "2026-01-08", "2026-01-09"], "the last day was open, and one came without a file"


@pytest.mark.slow
def test_a_silent_tool_and_days_with_too_little_or_too_much_are_found(workspace, store):
    for day in range(40):
        if day not in {30, 31, 32}:
            land(store, lot(f"A{day}", day, tool="INSP1"))
        land(store, lot(f"B{day}", day, wafers=100 if day == 36 else 20, tool="INSP2", slot=None))
    checks = {check.day: check for check in validate(workspace, store, PARAMS) if check.suite == "day"}
    failed = {(day - MONDAY.date()).days: check.failed for day, check in checks.items() if check.failed}
    assert set(failed) == {30, 31, 32, 33, 36}
    assert all("tool_silent" in failed[day] for day in (31, 32, 33)), "33 is the day on which the silence ended"
    assert "wafers_few" in failed[30]
    assert "wafers_many" in failed[36]
    assert checks[MONDAY.date() + timedelta(days=31)].statistics["evidence"]["tool_silent"] == ["INSP1"]
    assert [check.cold_start for check in checks.values()] == [True] * 15 + [False] * 25


@pytest.mark.slow
def test_data_docs_exist_load_nothing_from_elsewhere_and_keep_the_newest_runs(workspace, store, monkeypatch):
    monkeypatch.setattr(expectations, "KEPT_RUNS", 2)
    for day, name in enumerate(("../x y/ä", "<b>", "c")):
        land(store, but(lot(name, day), 6, slot=12))
        validate(workspace, store, PARAMS)
    root = site(workspace.expectations).parent
    pages = list(root.rglob("*.html"))
    assert sorted(page.parts[-4] for page in pages if "validations" in page.parts) == ["days"] * 2 + ["lots"] * 2 + ["wafers"] * 2
    assert all(page.is_relative_to(workspace.expectations) for page in pages)
    for page in pages:
        text = page.read_text()
        assert not re.search(r"<(script|img|iframe)[^>]+src=[\"']?(https?:)?//", text)
        assert not re.search(r"<link[^>]+href=[\"']?(https?:)?//", text)
        assert not re.search(r"url\(['\"]?(https?:)?//", text)
    index = site(workspace.expectations).read_text()
    assert "Lots and layers: 3, 3 not as expected, 3 in a cold start. Days: 3," in index
    assert index.count("2 wafers share a slot (slot_twice): 07, 12; cold start, 8 more lots needed to compare") == 1
    assert "&lt;b&gt; M1" in index
    links = re.findall(r'<td><a href="([^"]+)">', index)
    assert len(links) == 6
    assert all((root / link).is_file() for link in links)
    wafers = [(root / link).read_text() for link in links if "wafers" in link]
    assert all("A slot holds one wafer per layer and inspection (slot_twice)" in page for page in wafers)
    assert all("What was expected, and what was found" in page and "Data asset" not in page for page in wafers)


@pytest.mark.slow
def test_every_fault_has_its_words():
    named = {one.meta["fault"] for suite in suites.INDEX for one in suites.expectations(suite, PARAMS)}
    assert named == suites.FAULTS.keys()


@pytest.mark.slow
def test_a_project_left_half_written_by_a_killed_run_is_started_anew(workspace, store):
    land(store, lot("a", 0))
    validate(workspace, store, PARAMS)
    (workspace.expectations / "gx" / "great_expectations.yml").write_text("config_version: [")
    for result in (workspace.expectations / "gx" / "uncommitted" / "validations").rglob("*.json"):
        result.write_text('{"half')
    land(store, lot("b", 0))
    assert [check.lot for check in validate(workspace, store, PARAMS) if check.suite == "lot"] == ["b"]


@pytest.mark.slow
def test_an_expectation_that_cannot_be_computed_is_an_engine_error_and_records_nothing(tmp_path):
    lots = pd.DataFrame({"lot": ["a"], "layer": ["M1"], "wafers": [25]})  # the other columns are not there
    with pytest.raises(EngineError, match="Cannot check slots_missing"):
        run_suites({"lots": lots}, tmp_path, PARAMS)


@pytest.mark.slow
def test_the_command_reports_what_failed_and_who_has_no_history(workspace, store):
    land(store, but(lot("a", 0), 6, slot=12))
    answer = stages.validate(workspace, Params())
    assert answer["lots"] == answer["days"] == answer["cold_start"] == answer["days_cold_start"] == 1
    assert answer["failed"] == ["a M1: slot_twice 2"]
    assert answer["without_history"] == ["a M1: physics alone, 8 earlier lots missing"]
    assert Path(answer["data_docs"]).is_file()
    status = stages.status(workspace, Params())
    assert (status["lots_failed"], status["lots_cold_start"], status["failing"]) == (1, 1, ["a M1: slot_twice 2"])


@pytest.mark.slow
def test_wafers_without_lot_name_or_time_are_one_block_of_any_size(workspace, store):
    bare = {"lot": "", "layer": None, "wafer": "", "slot": None, "inspected_at": None, "product": None, "tool": None, "kind": "dies"}
    with store.write() as connection:
        add_claimed(connection, sha256="f" * 64, name="archive.npz", size=1)
        replace_wafers(connection, "f" * 64, [{**row, **bare, "file_sha256": "f" * 64} for row in lot("x", 0, 300)])
    (check,) = validate(workspace, store, PARAMS)
    assert (check.passed, check.cold_start, check.day, check.statistics["maps"]) == (True, True, None, 300)


def test_a_page_keeps_its_text_and_local_files_and_loses_the_rest():
    page = (
        '<html><head><link rel="stylesheet" href="https://cdn.example/x.css"/><link href="static/own.css">'
        '<script\n src="//cdn.example/x.js"></script><script>own()</script></head>'
        '<body><img src="https://example/pixel.png?id=1"><img src="static/own.png"><a href="https://example">read</a></body>'
    )
    clean = offline(page)
    assert "cdn.example" not in clean
    assert "pixel" not in clean
    for kept in ("static/own.css", "own()", "static/own.png", '<a href="https://example">read</a>'):
        assert kept in clean
    assert offline(clean) == clean


def test_importing_the_checks_loads_neither_the_engine_nor_pandas():
    code = "import sys, inspection.intake.lots; sys.exit(bool({'great_expectations', 'pandas'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


def test_no_tables_no_engine(tmp_path):
    assert run_suites({"lots": pd.DataFrame()}, tmp_path, PARAMS) == []
    assert not any(tmp_path.iterdir())
