"""The table that the expectations of a day look at: one row per day and tool, and one for all tools together. Pure.

The clock is the newest inspection of any tool, not the machine's: an archive of last year is no silence of a year, and a tool
is silent while others go on. Days are UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from inspection.intake.history import LONGEST, QUANTILES, count_limits, duration_limit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.params import Validate

ALL_TOOLS = "all tools"
COUNTED = ("files", "wafers")
_HOUR = pd.Timedelta(hours=1)
_DAY = pd.Timedelta(days=1)


def day_table(arrivals: pd.DataFrame, params: Validate) -> pd.DataFrame:
    """Files and wafers of each day and tool, its longest silence, and the limits that its earlier days set.

    Parameters
    ----------
    arrivals : DataFrame
        One row per wafer: ``tool inspected_at file_sha256``; the time is never null, the tool may be.
    params : Validate

    Returns
    -------
    DataFrame
        ``day`` (date), ``tool files wafers silence_h``, each with its limits (``files_low files_high wafers_low wafers_high
        silence_high_h``), ``history`` (earlier days), ``cold_start``, ``days_missing`` and ``open`` (the last day, not over
        yet). Limits are null with fewer than ``history_days`` earlier days; an open day has no lower ones. The first day of
        all was not seen whole and is nobody's history. Days before the last pause of more than `LONGEST` days of all tools
        are left out: after it everything starts anew.

        A tool's silence on a day is the longest stretch without a file that ends on it or lasts beyond it, in hours.
    """
    if arrivals.empty:
        return pd.DataFrame(columns=["day", "tool", "files", "wafers", "silence_h", "cold_start", "days_missing", "open"])
    seen = arrivals.assign(at=pd.to_datetime(arrivals["inspected_at"]), tool=arrivals["tool"].fillna(""))
    seen["day"] = seen["at"].dt.floor("D")
    with_files = np.sort(seen["day"].unique())
    anew = np.flatnonzero(np.diff(with_files) > LONGEST * _DAY.to_timedelta64())
    if len(anew):
        seen = seen[seen["day"] >= with_files[anew[-1] + 1]]
    days = pd.date_range(seen["day"].min(), seen["day"].max(), freq="D")
    tools = [(ALL_TOOLS, seen), *((str(name), part) for name, part in seen.groupby("tool") if name)]
    table = pd.concat([_of_tool(name, part, days, seen["at"].max(), params) for name, part in tools], ignore_index=True)
    table["day"] = [day.date() for day in table["day"]]
    return table.sort_values("day", kind="stable", ignore_index=True)  # stable: all tools stay first


def _of_tool(tool: str, seen: pd.DataFrame, days: pd.DatetimeIndex, clock: pd.Timestamp, params: Validate) -> pd.DataFrame:
    days = days[days >= seen["day"].min()]  # before its first file there was no such tool
    per_day = seen.groupby("day")
    table = pd.DataFrame({
        "day": days,
        "tool": tool,
        "files": per_day["file_sha256"].nunique().reindex(days, fill_value=0).to_numpy(),
        "wafers": per_day.size().reindex(days, fill_value=0).to_numpy(),
        "silence_h": _silences(seen["at"], days, clock),
        "history": np.clip(np.arange(len(days)) - 1, 0, LONGEST),
        "open": days == days[-1],
    })  # fmt: skip
    table["days_missing"] = (params.history_days - table["history"]).clip(lower=0)
    table["cold_start"] = table["days_missing"] > 0
    known = ~table["cold_start"]
    for column in COUNTED:
        low, high = count_limits(_past(table[column]), table["history"].to_numpy(np.float64), params.odds)
        table[f"{column}_low"] = pd.Series(low).where(known & ~table["open"])
        table[f"{column}_high"] = pd.Series(high).where(known)
    limit = duration_limit(_past(table["silence_h"]), table["history"].to_numpy(np.float64), params.odds)
    table["silence_high_h"] = pd.Series(limit).where(known)
    return table


def _past(values: pd.Series) -> NDArray[np.float64]:
    """``QUANTILES`` of the up to ``LONGEST`` days before each day, the first of all left out; 0 where there are none. Shape (3, n)."""
    earlier = values.where(values.index > 0).shift(1).astype("float64")
    return np.array([earlier.rolling(LONGEST, min_periods=1).quantile(q).fillna(0.0) for q in QUANTILES])


def _silences(at: pd.Series, days: pd.DatetimeIndex, clock: pd.Timestamp) -> NDArray[np.float64]:
    """Hours of the longest stretch without a file that ends on each day or lasts beyond it."""
    times = np.sort(at.unique())
    gaps = pd.Series(np.diff(times, prepend=times[:1]), index=pd.DatetimeIndex(times))
    ending = gaps.groupby(pd.DatetimeIndex(gaps.index).floor("D")).max().reindex(days, fill_value=pd.Timedelta(0)).to_numpy()
    ends = np.minimum((days + _DAY).to_numpy(), np.datetime64(clock))
    last = times[np.maximum(np.searchsorted(times, ends) - 1, 0)]
    return np.asarray(np.maximum(ending, ends - last) / np.timedelta64(_HOUR.to_timedelta64()), np.float64)
