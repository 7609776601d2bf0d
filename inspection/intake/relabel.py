"""Putting the label table onto the wafers of the store, old and new alike."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspection.store.wafers import SUPERSEDED, names_and_labels, set_labels

if TYPE_CHECKING:
    from inspection.intake.labels import Key, Labels
    from inspection.store.database import Store


@dataclass(frozen=True)
class LabelReport:
    """What a label table did.

    Attributes
    ----------
    matched : int
        Wafers that the table names.
    changed : int
        Those whose label was another one before.
    unmatched : tuple of (str, str)
        Rows of the table that name no wafer of the store.
    ambiguous : tuple of (str, str)
        Rows that name a source by its bare file name while several files have it; they label nothing.
    """

    matched: int
    changed: int
    unmatched: tuple[Key, ...]
    ambiguous: tuple[Key, ...]


def relabel(store: Store, labels: Labels) -> LabelReport:
    """Write the labels of the table into the store, in one transaction; doing it twice changes nothing.

    A wafer that the table does not name keeps the label of its source.

    Raises
    ------
    EngineError
        The store refuses; nothing is changed.
    """
    with store.write() as connection:
        found: defaultdict[Key, list[tuple[str, int, str | None]]] = defaultdict(list)
        current: Counter[Key] = Counter()
        for sha256, index, source, lot, wafer, label, state in names_and_labels(connection):
            at = labels.match(source, index, lot, wafer)
            if at is not None:
                found[at].append((sha256, index, label))
                current[at] += state != SUPERSEDED
        # One place in one source is one wafer, in all the versions of its file; one (lot, wafer) may be many: layers and
        # re-inspections share the label.
        ambiguous = {at for at in found if labels.by_source and current[at] > 1}
        changes = [
            (sha256, index, labels.entries[at])
            for at, wafers in found.items()
            if at not in ambiguous
            for sha256, index, label in wafers
            if label != labels.entries[at]
        ]
        set_labels(connection, changes)
    return LabelReport(
        matched=sum(len(wafers) for at, wafers in found.items() if at not in ambiguous),
        changed=len(changes),
        unmatched=tuple(sorted(labels.entries.keys() - found.keys())),
        ambiguous=tuple(sorted(ambiguous)),
    )
