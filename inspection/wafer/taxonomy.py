"""A taxonomy: the classes, which of them is normal, and which symmetries keep each label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from inspection.errors import LabelError, bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Symmetry = Literal["rotation", "quarter_turn", "half_turn", "flip"]
Severity = Literal["none", "low", "medium", "high"]
UNKNOWN, REVIEW = "Unknown", "Review"
"""Decisions that are never training labels: a pattern not seen before; a vote that no threshold passes."""
JOIN = "+"
"""Between the parts of a combination's name: ``Center+Scratch``."""


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

    A name without an entry has no symmetries and medium severity.
    """
    wanted = set(names)
    known = [entries[n] for n in entries if n in wanted]
    return Taxonomy(tuple(known + [WaferClass(n) for n in sorted(wanted - set(entries))]))
