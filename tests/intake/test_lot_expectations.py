"""The expectations of a lot, run by the real engine."""

import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import select

from inspection.intake import expectations
from inspection.intake.docs import offline
from inspection.intake.expectations import prepare, site, validate_lots
from inspection.intake.lots import validate
from inspection.params import Validate
from inspection.store.files import add_claimed
from inspection.store.tables import lot_checks
from inspection.store.wafers import replace_wafers

# The engine still calls what pandas and its own models have announced to change; nothing that we could call otherwise.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:great_expectations"),
    pytest.mark.filterwarnings("ignore::FutureWarning:great_expectations"),
]


def lot(name, wafers=25, **changes):
    table = pd.DataFrame(
        {
            "lot": name,
            "layer": "M1",
            "wafer": [f"{k:02d}" for k in range(1, wafers + 1)],
            "slot": range(1, wafers + 1),
            "kind": "points",
            "defects": 10,
            "diameter_mm": 300.0,
            "label": None,
            "inspected_at": datetime(2026, 1, 5, 6, 0, 0),  # noqa: DTZ001 - UTC and naive, as in the store
            "source": f"{name}.klarf",
            "index": range(wafers),
        }
    )
    for column, (at, value) in changes.items():
        table[column] = table[column].astype(object)
        table.loc[at, column] = value
    return table


def nameless(wafers):
    return lot("", wafers).assign(layer="", wafer="", slot=None, inspected_at=None, kind="dies")


FAULTS = {
    "noname": ({"wafer": (3, "")}, "expect_column_values_to_not_be_null(wafer)", 1),
    "twice": ({"wafer": (3, "03")}, "expect_compound_columns_to_be_unique(lot, layer, wafer, inspected_at)", 2),
    "slot": ({"slot": (0, 26)}, "expect_column_values_to_be_between(slot)", 1),
    "slot0": ({"slot": (0, 0)}, "expect_column_values_to_be_between(slot)", 1),
    "defects": ({"defects": (0, -1)}, "expect_column_values_to_be_between(defects)", 1),
    "diameter": ({"diameter_mm": (5, 299.0)}, "expect_column_values_to_be_in_set(diameter_mm)", 1),
}


def all_lots():
    return pd.concat(
        [
            lot("good"),
            pd.concat([lot("again"), lot("again").assign(inspected_at=datetime(2026, 1, 6))]),  # noqa: DTZ001
            lot("noslots").assign(slot=None),
            *(lot(name, **changes) for name, (changes, _, _) in FAULTS.items()),
            lot("many", 26).assign(slot=1),
            nameless(300),
        ],
        ignore_index=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("separate", [60, 0])
def test_each_fault_is_found_in_its_lot_and_nowhere_else(tmp_path, monkeypatch, separate):
    monkeypatch.setattr(expectations, "SEPARATE_LOTS", separate)
    facts, seen = all_lots(), []
    checks = validate_lots(facts, tmp_path, Validate(), lambda *pair: seen.append(pair))
    failed = {check.lot: check.failed for check in checks if not check.success}
    assert failed == {
        **{name: {expectation: count} for name, (_, expectation, count) in FAULTS.items()},
        "many": {"expect_column_values_to_be_between(wafers_in_lot)": 26},
    }
    assert {check.lot: check.wafers for check in checks} == facts.groupby("lot").size().to_dict()
    assert seen[-1] == (len(checks), len(checks))


@pytest.mark.slow
def test_data_docs_exist_load_nothing_from_elsewhere_and_keep_one_page_per_lot(tmp_path):
    for _ in range(2):
        validate_lots(pd.concat([lot("../x y/ä"), lot("b")]), tmp_path, Validate())
    pages = list(site(tmp_path).parent.rglob("*.html"))
    assert site(tmp_path) in pages
    assert len([page for page in pages if "validations" in page.parts]) == 2
    assert all(page.is_relative_to(tmp_path) for page in pages)
    for page in pages:
        text = page.read_text()
        assert not re.search(r"<(script|img|iframe)[^>]+src=[\"']?(https?:)?//", text)
        assert not re.search(r"<link[^>]+href=[\"']?(https?:)?//", text)
        assert not re.search(r"url\(['\"]?(https?:)?//", text)
    rows = re.findall(r'<tr class="([^"]*)"><td><a href="([^"]+)">', site(tmp_path).read_text())
    assert len(rows) == 2, "the index lists every run without a script"
    assert all((site(tmp_path).parent / link).is_file() for _, link in rows)


@pytest.mark.slow
def test_a_project_left_half_written_by_a_killed_run_is_started_anew(tmp_path):
    validate_lots(lot("a"), tmp_path, Validate())
    (tmp_path / "gx" / "great_expectations.yml").write_text("config_version: [")
    (result,) = (tmp_path / "gx" / "uncommitted" / "validations").rglob("*.json")
    result.write_text('{"half')
    (check,) = validate_lots(lot("b"), tmp_path, Validate())
    assert check.success


def rows(name, wafers=2):
    return [
        {
            "file_sha256": name.ljust(64, "0"),
            "row": -1,
            "product": None,
            "tool": None,
            "chamber": None,
            "state": "valid",
            "reason": None,
            "notes": [],
            **{k: (v.to_pydatetime() if isinstance(v, pd.Timestamp) else v) for k, v in row.items()},
        }
        for row in lot(name, wafers).to_dict("records")
    ]


@pytest.mark.slow
def test_only_lots_with_new_wafers_are_checked_again(workspace, store):
    def add(name, **changes):
        with store.write() as connection:
            add_claimed(connection, sha256=name.ljust(64, "0"), name=name, size=1)
            replace_wafers(connection, name.ljust(64, "0"), [{**row, **changes} for row in rows(name)])

    assert validate(workspace, store, Validate()) == []
    add("a")
    add("b", diameter_mm=7.0)
    assert [(check.lot, check.success) for check in validate(workspace, store, Validate())] == [
        ("a", True),
        ("b", False),
    ]
    with store.read() as connection:
        assert recorded(connection, success=False) == [("b", "M1", {"expect_column_values_to_be_in_set(diameter_mm)": 2})]
    assert validate(workspace, store, Validate()) == []
    add("b")
    assert [(check.lot, check.success) for check in validate(workspace, store, Validate())] == [("b", True)]
    with store.read() as connection:
        assert recorded(connection, success=False) == []
        assert recorded(connection, success=True) == [("a", "M1", {}), ("b", "M1", {})]


def recorded(connection, *, success):
    columns = (lot_checks.c.lot, lot_checks.c.layer, lot_checks.c.failed)
    return [tuple(found) for found in connection.execute(select(*columns).where(lot_checks.c.success.is_(success)).order_by(*columns[:2]))]


def test_facts_without_a_lot_get_names_and_no_bound_on_their_number():
    table = prepare(pd.concat([nameless(40), lot("L1", 3)], ignore_index=True))
    assert table["wafer"].is_unique
    assert table.loc[table["lot"] == "", "wafers_in_lot"].isna().all()
    assert (table.loc[table["lot"] == "L1", "wafers_in_lot"] == 3).all()


def test_no_facts_no_checks(tmp_path):
    assert validate_lots(lot("a", 0), tmp_path, Validate()) == []


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
