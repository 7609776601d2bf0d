"""The record of the long campaigns says what was run, and keeps what was not."""

from datetime import UTC, datetime

import numpy as np
import soak_record
from campaigns import forget, passed_before
from soak_record import CAMPAIGNS, Figures, parsed, read_figures, tables_of, text_of, update

AT = datetime(2026, 1, 5, 6, 7, tzinfo=UTC)
HERE = "tests/test_soak_record.py"
RUN = [
    Figures(
        f"{HERE}::test_a[1]", outcome="passed", seconds=1.5, counted=[{"table": "Fuzz", "row": "x / y", "files": 3, "slowest, s": 0.5}]
    ),
    Figures(f"{HERE}::test_a[2]", outcome="failed", seconds=2, counted=[{"table": "Fuzz", "row": "x / y", "files": 4, "slowest, s": 0.25}]),
]


def test_numbers_are_added_up_and_of_the_slowest_the_largest_counts():
    tables = tables_of(RUN, AT, "abc")
    row = tables[CAMPAIGNS][f"{HERE}::test_a"]
    assert (row["cases"], row["passed"], row["failed"], row["seconds"], row["commit"]) == ("2", "1", "1", "3.50", "abc")
    assert tables["Fuzz"]["x / y"] == {"files": "7", "slowest, s": "0.50", "run at, UTC": "2026-01-05 06:07", "commit": "abc"}


def test_a_page_is_read_as_it_was_written():
    tables = tables_of(RUN, AT, "abc")
    assert parsed(text_of(tables)) == tables


def test_what_a_run_did_not_cover_stays_and_what_is_gone_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(soak_record, "commit", lambda: "abc")
    page = tmp_path / "soak.md"
    others = [
        Figures("tests/campaigns.py::test_other", outcome="passed", seconds=1, counted=[{"table": "Clean", "row": "r", "files": 1}]),
        Figures("tests/test_gone.py::test_b", outcome="passed", seconds=1),
        Figures(f"{HERE}::test_renamed", outcome="passed", seconds=1),
    ]
    update(page, others, AT)
    update(page, RUN, AT)
    tables = parsed(page.read_text())
    assert set(tables) == {CAMPAIGNS, "Clean", "Fuzz"}
    assert set(tables[CAMPAIGNS]) == {"tests/campaigns.py::test_other", f"{HERE}::test_a"}


def test_the_last_figures_of_a_test_count(tmp_path):
    path = tmp_path / "figures.jsonl"
    assert read_figures(path) == {}
    path.write_text("".join(one.line() for one in (RUN[1], RUN[0], Figures(RUN[1].test, outcome="passed", seconds=9))))
    assert [one.outcome for one in read_figures(path).values()] == ["passed", "passed"]


def test_a_count_may_be_one_of_numpy(tmp_path):
    (tmp_path / "figures").write_text(Figures("a::b", outcome="passed", seconds=1, counted=[{"pixels": np.int64(7)}]).line())
    assert read_figures(tmp_path / "figures")["a::b"].counted == [{"pixels": 7}]


def test_what_has_passed_whole_is_forgotten_and_what_was_begun_is_not(tmp_path):
    record, figures = tmp_path / "passed", tmp_path / "figures"
    record.write_text("state\na::b[1]\nc::d[1]\n")
    figures.write_text("".join(Figures(name, outcome="passed", seconds=1).line() for name in ("a::b[1]", "c::d[1]")))
    forget(record, figures, {"a::b[1]"})
    assert passed_before(record, "state") == set(read_figures(figures)) == {"c::d[1]"}
    forget(record, figures, {"c::d[1]"})
    assert not record.exists()
    assert not figures.exists()
