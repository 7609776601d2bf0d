"""Which wafers a lot's page is about: those of the lot and layer, and those of the lots before it."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from inspection.errors import InputNotFoundError, bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from inspection.store.lots import Alike

    Row = dict[str, Any]
    """A row of ``store.lots.lot_wafers``."""

_NEAR = 5


class LotRows:
    """What the store has: the lot's ``rows``, ``earlier`` ones for its zones, ``linked`` ones for commonality, and ``notes``."""

    def __init__(self, lot: str, alike: Alike, rows: list[Row]) -> None:
        self.lot, self.alike, self.rows = lot, alike, rows
        self.earlier: list[Row] = []
        self.linked: list[Row] = []
        self.notes: list[str] = []
        self.refused = ""

    @classmethod
    def of(cls, connection: Any, name: str, layer: str | None, most: int) -> LotRows:
        """Ask the store; errors as `stages.lots.lot` says."""
        from inspection.store.lots import Alike, earlier_lots, lot_wafers

        everything = lot_wafers(connection, [name]) if name else []
        if not everything:
            raise _unknown_lot(connection, name)
        rows = _of_layer(name, everything, layer)
        kind, product, diameter = (_commonest(row[key] for row in rows) for key in ("kind", "product", "diameter_mm"))
        kept = [row for row in rows if row["kind"] == kind and row["diameter_mm"] == diameter]
        found = cls(name, Alike(product or None, kind, kept[0]["layer"] or None, diameter), kept)
        found._note(everything, rows)
        begun = min((row["inspected_at"] for row in kept if row["inspected_at"] is not None), default=None)
        if begun is None:
            found.refused = "No baseline: the lot has no time of inspection, so no lot is known to be earlier."
            return found
        lots = earlier_lots(connection, name, begun, found.alike, most)
        found.earlier = lot_wafers(connection, lots, found.alike, begun)
        wide = Alike(found.alike.product, kind, any_layer=True)
        found.linked = lot_wafers(connection, earlier_lots(connection, name, begun, wide, most), wide, begun)
        return found

    def _note(self, everything: Sequence[Row], rows: Sequence[Row]) -> None:
        others = sorted({row["layer"] or "" for row in everything} - {rows[0]["layer"] or ""})
        if others:
            shown = bounded([other or "no layer" for other in others])
            self.notes.append(f"The lot was also inspected on {shown}: `inspection lot {self.lot} --layer LAYER` draws another page.")
        left = len(rows) - len(self.rows)
        if left:
            self.notes.append(f"{left} of its inspections are left out: they are of another kind or diameter than most.")
        if self.alike.product is None:
            self.notes.append("No product is named for this lot: earlier lots without a product may be of several.")


def _of_layer(name: str, rows: list[Row], layer: str | None) -> list[Row]:
    """The inspections of one layer; of the one inspected last where none is named."""
    if layer is None:
        timed = [row for row in rows if row["inspected_at"] is not None]
        layer = max(timed, key=lambda row: row["inspected_at"])["layer"] if timed else rows[0]["layer"]
    kept = [row for row in rows if (row["layer"] or "") == (layer or "")]
    if not kept:
        there = sorted({row["layer"] or "none" for row in rows})
        raise InputNotFoundError(
            f"No layer {layer!r} of lot {name}: expected one of {bounded(there)}, got no wafer. Name one of them, or leave out --layer."
        )
    return kept


def known_wafers(connection: Any, lot: str) -> str:
    """Which wafers a lot has, for whoever named one that it has not; of a lot that is not there, those like it."""
    from inspection.store.calls import Selection, calls

    names = sorted({row["wafer"] for row in calls(connection, Selection((lot,)))}) if lot else []
    return f"lot {lot} has {bounded(names, 30)}" if names else f"there is no lot {lot!r}: {_near_lots(connection, lot)}"


def _unknown_lot(connection: Any, name: str) -> InputNotFoundError:
    return InputNotFoundError(
        f"No lot {name!r}: expected one with valid wafers, got none; {_near_lots(connection, name)}. "
        "Check the name, or ingest the lot first."
    )


def _near_lots(connection: Any, name: str) -> str:
    from inspection.store.lots import lot_names

    names = lot_names(connection)
    lower = {n.lower(): n for n in names}
    near = [lower[n] for n in get_close_matches(name.lower(), list(lower), n=_NEAR, cutoff=0.5)]
    near = near or [n for n in names if name and (name.lower() in n.lower() or n.lower() in name.lower())][:_NEAR]
    return (
        f"near it are {bounded(near)}" if near else f"the store has {bounded(names, _NEAR)}" if names else "the store has no named lot yet"
    )


def _commonest(values: Iterable[Any]) -> Any:
    """The most frequent value, of equal ones the first."""
    return Counter(values).most_common(1)[0][0]
