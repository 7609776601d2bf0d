"""Which days are looked at."""

from datetime import date

import pandas as pd

from inspection.intake.day_table import day_table
from inspection.intake.history import LONGEST
from inspection.params import Validate


def arrivals(*days):
    at = [pd.Timestamp(day) + pd.Timedelta(hours=8) for day in days]
    return pd.DataFrame({"tool": "T1", "inspected_at": at, "file_sha256": [str(n) for n in range(len(at))]})


def test_a_long_pause_starts_everything_anew():
    """A folder with one map of 1971 beside those of this year is not fifty years of silence."""
    table = day_table(arrivals("1971-12-11", "2026-01-05", "2026-01-09"), Validate())
    assert min(table["day"]) == date(2026, 1, 5)
    assert len(table) == 2 * 5  # all tools, and the one


def test_a_pause_that_a_history_spans_is_silence():
    first = pd.Timestamp("2026-01-01")
    table = day_table(arrivals(first, first + pd.Timedelta(days=LONGEST)), Validate())
    assert len(table[table["tool"] == "all tools"]) == LONGEST + 1
