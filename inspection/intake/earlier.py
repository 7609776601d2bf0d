"""Which earlier lots are the history of a lot, and which days are due: from what the store lists. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from inspection.intake.history import LONGEST, PastLot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    LotKey = tuple[str, str]


class Begun(Protocol):
    """Wafers of one lot, layer, product and kind of map."""

    lot: str
    layer: str
    product: str
    kind: str
    wafers: int


def earlier_lots(in_order: Iterable[Begun], new: Iterable[LotKey]) -> dict[LotKey, list[LotKey]]:
    """For each of ``new`` the up to ``LONGEST`` lots before it of the same product, layer and kind of map, oldest first.

    Parameters
    ----------
    in_order : iterable of Begun
        All lots, in the order in which they began. A lot of two products counts as what most of its wafers are.
    new : iterable of (lot, layer)
    """
    kin_of: dict[LotKey, tuple[int, tuple[str, str, str]]] = {}
    for row in in_order:
        key = (row.lot, row.layer)
        if key not in kin_of or row.wafers > kin_of[key][0]:
            kin_of[key] = (row.wafers, (row.product, row.layer, row.kind))
    wanted = set(new)
    begun: dict[tuple[str, str, str], list[LotKey]] = defaultdict(list)
    earlier: dict[LotKey, list[LotKey]] = {}
    for key, (_, kin) in kin_of.items():
        if key in wanted:
            earlier[key] = begun[kin][-LONGEST:]
        begun[kin].append(key)
    return earlier


def past_lots(
    earlier: Mapping[LotKey, Sequence[LotKey]], counts: Iterable[tuple[str, str, int | None, int]]
) -> dict[LotKey, list[PastLot]]:
    """``earlier`` with the counts of the wafers: ``counts`` are rows (lot, layer, slot, defects), by slot."""
    defects: dict[LotKey, list[float]] = defaultdict(list)
    slots: dict[LotKey, set[int]] = defaultdict(set)
    for lot, layer, slot, count in counts:
        defects[lot, layer].append(count)
        if slot is not None:
            slots[lot, layer].add(slot)
    needed = {key for keys in earlier.values() for key in keys}
    past = {key: PastLot(np.array(defects[key], np.float64), frozenset(slots[key])) for key in needed}
    return {key: [past[one] for one in keys] for key, keys in earlier.items()}


@dataclass(frozen=True)
class Seen:
    """What is known of the days: those checked so far, those that were not over then, and the time ``at`` of the last check."""

    days: frozenset[date]
    unfinished: frozenset[date]
    at: datetime | None

    @classmethod
    def of(cls, checked: Sequence[Mapping[str, Any]]) -> Self:
        """From the newest row of each day."""
        unfinished = frozenset(row["day"] for row in checked if row["statistics"]["open"])
        return cls(frozenset(row["day"] for row in checked), unfinished, max((row["checked_at"] for row in checked), default=None))

    def first_due(self, earliest: datetime | None) -> date | None:
        """The first day to check again; ``earliest`` is the first inspection among the new wafers, None = there is no new one."""
        return None if earliest is None else min([earliest.date(), *self.unfinished])

    def due(self, days: Iterable[date], arrivals: Iterable[Mapping[str, Any]], first: date | None) -> set[date]:
        """Of ``days`` those with new wafers, those never checked (no file came on them at all), and those that were not over."""
        new = {row["inspected_at"].date() for row in arrivals if self.at is None or row["ingested_at"] >= self.at}
        return {
            day for day in days if first is not None and day >= first and (day in new or day in self.unfinished or day not in self.days)
        }


def midnight(day: date) -> datetime:
    """When ``day`` begins: UTC and naive, as in the store."""
    return datetime.combine(day, time())
