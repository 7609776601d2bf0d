"""The result of one lot and layer, or of one day: what failed, what it was compared with, and whether history was there at all. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inspection.intake.suites import DAYS, LOTS, WAFERS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    import pandas as pd

    from inspection.intake.expectations import Unexpected

SHOWN = 10
"""Wafers or tools named as evidence of one fault."""


@dataclass(frozen=True)
class Check:
    """The result of a lot and layer (``suite`` lot), or of a day.

    ``failed`` counts for each fault the wafers, lots or tools that show it. ``cold_start``: too little history, so that physics
    alone has judged; ``statistics`` says how much is missing, what was compared with what, and names the evidence.
    """

    suite: str
    lot: str
    layer: str
    day: date | None
    cold_start: bool
    failed: dict[str, int]
    statistics: dict[str, Any]

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.failed

    @property
    def subject(self) -> str:
        """What was checked, in a few words."""
        return self.day.isoformat() if self.day is not None else " ".join(filter(None, (self.lot or "wafers without a lot", self.layer)))


def lot_checks(wafers: pd.DataFrame, lots: pd.DataFrame, unexpected: Iterable[Unexpected]) -> list[Check]:
    """One result per row of ``lots``; ``wafers`` are the rows of these lots."""
    faults: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for suite, fault, named in unexpected:
        if suite in {WAFERS, LOTS}:
            faults[named[0], named[1]][fault].append(named[2] if suite == WAFERS and isinstance(named[2], str) else "")
    sizes = wafers.groupby(["lot", "layer"]).size()
    compared = ("product", "inspections", "background", "background_low", "background_high", "odds_of_no_defect", "lots_missing", "missing")
    found = []
    for row in _records(lots):
        key = (row["lot"], row["layer"])
        maps = int(sizes[key])
        statistics = {"wafers": maps if key[0] == "" else row["wafers"], "maps": maps, "history_lots": row["history"]}
        statistics |= {name: row[name] for name in compared}
        statistics["evidence"] = {"slots_missing": [f"slot {slot}" for slot in row["missing"]]} if "slots_missing" in faults[key] else {}
        found.append(_check("lot", key, None, row, faults[key], statistics))
    return found


def day_checks(days: pd.DataFrame, unexpected: Iterable[Unexpected]) -> list[Check]:
    """One result per day of ``days``; its first row of each day is that of all tools."""
    faults: dict[Any, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for suite, fault, (day, tool, *_) in unexpected:
        if suite == DAYS:
            faults[day][fault].append(str(tool))
    compared = ("files", "files_low", "files_high", "wafers", "wafers_low", "wafers_high", "silence_h", "silence_high_h", "open")
    found = []
    for row in _records(days.drop_duplicates("day")):
        statistics = {**{name: row[name] for name in compared}, "history_days": row["history"], "days_missing": row["days_missing"]}
        found.append(_check("day", ("", ""), row["day"], row, faults[row["day"]], statistics))
    return found


def _check(
    suite: str, key: tuple[str, str], day: date | None, row: dict[str, Any], faults: dict[str, list[str]], statistics: dict[str, Any]
) -> Check:
    named = {fault: list(dict.fromkeys(filter(None, names))) for fault, names in faults.items()} | statistics.pop("evidence", {})
    evidence = {fault: names[:SHOWN] for fault, names in named.items() if names}
    return Check(
        suite=suite,
        lot=key[0],
        layer=key[1],
        day=day,
        cold_start=bool(row["cold_start"]),
        failed={fault: len(names) for fault, names in sorted(faults.items())},
        statistics={name: _json(value) for name, value in statistics.items()} | {"evidence": evidence},
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _json(value: Any) -> Any:
    """A value of a data frame as JSON knows it: null for NaN, Python's own numbers, four significant decimals."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.4g}") if not value.is_integer() else int(value)
    return [_json(one) for one in value] if isinstance(value, list) else value
