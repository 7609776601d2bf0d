"""A taxonomy: the classes, which of them is normal, which symmetries keep each label, and which patterns a class combines.

Patterns of one wafer may combine (MixedWM38): ``Center+Scratch`` is a class of its own with two patterns. Every other class that is not
normal is one pattern; a normal class has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from inspection.errors import LabelError, bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Symmetry = Literal["rotation", "quarter_turn", "half_turn", "flip"]
Severity = Literal["none", "low", "medium", "high"]
_SEVERITIES: tuple[Severity, ...] = ("none", "low", "medium", "high")
JOIN = "+"
"""Between the patterns of a class that combines them: ``Center+Scratch``."""
UNKNOWN, REVIEW = "Unknown", "Review"
"""Decisions that are never training labels: a pattern not seen before; a vote that no threshold passes."""


@dataclass(frozen=True, slots=True)
class WaferClass:
    """One class: ``symmetries`` keep its label (rotation = any angle); ``severity`` drives the alert rules."""

    name: str
    normal: bool = False
    symmetries: frozenset[Symmetry] = frozenset()
    severity: Severity = "medium"


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Classes in a fixed order; a class's position is its index in every label and probability array."""

    classes: tuple[WaferClass, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in order."""
        return tuple(c.name for c in self.classes)

    @property
    def normal(self) -> tuple[str, ...]:
        """Names of the classes that count as normal."""
        return tuple(c.name for c in self.classes if c.normal)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of all classes, in the order of their first appearance."""
        return tuple(dict.fromkeys(pattern for c in self.classes for pattern in _patterns(c)))

    @property
    def combines(self) -> bool:
        """Whether any class has several patterns."""
        return any(len(_patterns(c)) > 1 for c in self.classes)

    def __len__(self) -> int:
        return len(self.classes)

    def index(self, name: str) -> int:
        """Position of ``name``.

        Raises
        ------
        LabelError
            When no class has that name; the message lists the known ones.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise unknown_label(name, self.names) from None

    def membership(self) -> tuple[tuple[bool, ...], ...]:
        """For each class, for each of ``patterns``: whether the class has it. No two classes have the same, unless both are normal."""
        wanted = self.patterns
        return tuple(tuple(pattern in _patterns(c) for pattern in wanted) for c in self.classes)


def generated(symmetries: Iterable[Symmetry]) -> frozenset[Symmetry]:
    """``symmetries`` and those that follow from them: any angle holds the quarter turns, these hold the half turn."""
    given = set(symmetries)
    if "rotation" in given:
        given.add("quarter_turn")
    if "quarter_turn" in given:
        given.add("half_turn")
    return frozenset(given)


def unknown_label(name: str, known: Iterable[str], where: str = "label") -> LabelError:
    """The one error for a class name that nobody knows."""
    return LabelError(
        f"Unknown class name: expected one of {bounded(sorted(known), 40)}, got {name!r} ({where}). "
        "Correct the label, or add the class to `taxonomy` in params.yaml."
    )


def choose(names: Iterable[str], entries: Mapping[str, WaferClass]) -> Taxonomy:
    """The taxonomy of a data set: its class ``names`` in the order of first appearance in ``entries``, then the rest by name.

    A combination without an entry keeps its label under what keeps that of each of its patterns, and is as severe as the worst of them.
    Any other name without an entry has no symmetries and medium severity.
    """
    wanted = set(names)
    known = [entries[n] for n in entries if n in wanted]
    return Taxonomy(tuple(known + [_without_entry(n, entries) for n in sorted(wanted - set(entries))]))


def _without_entry(name: str, entries: Mapping[str, WaferClass]) -> WaferClass:
    parts = [entries.get(part, WaferClass(part)) for part in name.split(JOIN)]
    severity = max((part.severity for part in parts), key=_SEVERITIES.index)
    return WaferClass(name, symmetries=frozenset.intersection(*(part.symmetries for part in parts)), severity=severity)


def _patterns(c: WaferClass) -> tuple[str, ...]:
    return () if c.normal else tuple(c.name.split(JOIN))
