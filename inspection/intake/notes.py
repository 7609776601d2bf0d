"""Notes of the wafers taken in, by kind: what a person who has ten thousand wafers can look at."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_KINDS = 100
OTHER = "other notes"
_LONGEST = 80
_QUOTED = re.compile(r"(?<!\w)'[^']*'|\"[^\"]*\"|`[^`]*`")
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d.,]*(?:e[-+]?\d+)?(?![\w.])")


def kind_of(note: str) -> str:
    """What notes of one cause have in common: the words before the colon, or before the comma, without numbers and quotations.

    Examples
    --------
    >>> kind_of("no SampleSize: 300 mm assumed")
    'no SampleSize'
    >>> kind_of("12 points repeat another point's place, 3 of them every column")
    "points repeat another point's place"
    >>> kind_of("PCR says 5 parts, the file holds 4")
    'PCR says N parts'
    """
    plain = _QUOTED.sub("...", note)
    words = next((plain.partition(end)[0] for end in (":", ",") if end in plain), plain)
    return _NUMBER.sub("N", words).removeprefix("N ").strip()[:_LONGEST] or OTHER


@dataclass
class NotesTally:
    """Wafers by kind of note.

    Attributes
    ----------
    wafers : int
        Wafers with a note of any kind.
    kinds : Counter of str
        Wafers by kind; at most ``MOST_KINDS``, all further kinds are one.
    examples : dict of str to dict
        For each kind the first of its wafers by file and index: ``source index lot wafer note``.
    """

    wafers: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    examples: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count the wafers of ``rows`` (of the store's table ``wafers``)."""
        for row in rows:
            by_kind: dict[str, str] = {}
            for note in row["notes"]:
                kind = kind_of(note)
                by_kind.setdefault(kind if kind in self.kinds or len(self.kinds) < MOST_KINDS else OTHER, note)
            self.wafers += bool(by_kind)
            self.kinds.update(by_kind.keys())
            for kind, note in by_kind.items():
                found = {key: row[key] for key in ("source", "index", "lot", "wafer")} | {"note": note}
                # The same one however many processes read the files.
                self.examples[kind] = min(self.examples.get(kind, found), found, key=lambda one: (one["source"], one["index"]))
