"""The headline numbers by product, tool, layer, lot, defect count, die size: where a model does worse than its average says. Pure.

**What is compared.** Classes are not equally hard, and a slice with more of the hard ones has a lower accuracy whoever made its wafers. So
the accuracy of a slice is set against ``expected``: what it would be if each class were recognised there as in the whole test part.

**The test.** Wafers of a lot resemble one another, so lots are the units (`differences.by_lots`). A slice of less
than `MIN_LOTS` lots is not ranked. Where each slice is one lot, lots cannot be units; wafers are (`differences.by_wafers`): such a slice
says that this lot differs, not why.

**Many slices.** Among fifty slices some differ by chance. ``q`` is the p-value after Benjamini & Hochberg (1995): of the slices with
``q <= .05`` about one in twenty does not differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import InputError
from inspection.evaluation.confusion import Rate, column_of, confusion
from inspection.evaluation.differences import by_lots, by_wafers, crossed
from inspection.evaluation.intervals import macro_f1_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from inspection.wafer.taxonomy import Taxonomy

MIN_LOTS = 3
"""Lots inside and outside of a slice that is ranked: with fewer, what ails a lot cannot be told from what ails the slice."""
MIN_WAFERS = 15
"""Wafers that a slice needs to be ranked."""
DIFFERENT = 0.05
"""The false discovery rate below which a slice is said to differ."""
NOT_GIVEN = "not given"
"""The slice of wafers of which a column says nothing (None, NaN or an empty text)."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The wafers of one value of one column.

    Attributes
    ----------
    column, value : which wafers; a band of numbers is named by its lowest and highest
    wafers, lots : how many
    accuracy, escapes, overkill : Rate
        As in ``Confusion``.
    expected : the accuracy of as many wafers of the same classes from the whole test part
    macro_f1 : NaN for no wafers
    macro_interval : 95 %, by lots; NaN for a single lot
    unit : what was taken as independent, "lot" or "wafer"; "" = not ranked, ``note`` says why
    p, q : of the difference between ``accuracy`` and ``expected``, before and after the number of slices; NaN where not ranked
    """

    column: str
    value: str
    wafers: int
    lots: int
    accuracy: Rate
    expected: float
    escapes: Rate
    overkill: Rate
    macro_f1: float
    macro_interval: tuple[float, float]
    unit: str
    p: float
    q: float
    note: str

    @property
    def lead(self) -> float:
        """By how much the accuracy is above the expected one; negative = worse."""
        return self.accuracy.value - self.expected

    @property
    def different(self) -> bool:
        """Whether the slice is said to differ."""
        return self.q <= DIFFERENT

    def row(self) -> dict[str, Any]:
        """As plain JSON; None = cannot be known."""
        low, high = self.macro_interval
        numbers = {"expected": self.expected, "lead": self.lead, "macro_f1": self.macro_f1, "macro_f1_low": low, "macro_f1_high": high}
        numbers |= {"p": self.p, "q": self.q}
        rates = {"accuracy": self.accuracy, "escapes": self.escapes, "overkill": self.overkill}
        return (
            {"column": self.column, "value": self.value, "wafers": self.wafers, "lots": self.lots}
            | {key: rate.row() for key, rate in rates.items()}
            | {key: value if np.isfinite(value) else None for key, value in numbers.items()}
            | {"unit": self.unit, "note": self.note, "different": self.different}
        )


def bands(values: ArrayLike, count: int = 4) -> tuple[NDArray[np.intp], list[str]]:
    """Numbers cut at their quantiles.

    Parameters
    ----------
    values : array-like of shape (n,), numbers; NaN and infinity are `NOT_GIVEN`
    count : bands; where there are no more distinct numbers than this, each is its own

    Returns
    -------
    band : ndarray of shape (n,), position in ``names``
    names : lowest and highest number of each band ("12 to 85"), rising; then ``NOT_GIVEN``, where there is such a wafer
    """
    numbers = np.asarray(values, np.float64)
    known = np.isfinite(numbers)
    distinct = np.unique(numbers[known])
    edges = distinct[1:] if len(distinct) <= count else np.unique(np.quantile(numbers[known], np.arange(1, count) / count))
    used, band = np.unique(np.where(known, np.searchsorted(edges, numbers, side="right"), len(edges) + 1), return_inverse=True)
    names = []
    for b in range(len(used)):
        of = numbers[band == b]
        low, high = (f"{end:.6g}" for end in (of.min(), of.max()))
        names.append(NOT_GIVEN if used[b] > len(edges) else low if low == high else f"{low} to {high}")
    return band, names


def slices(
    columns: Mapping[str, ArrayLike],
    truth: NDArray[np.integer],
    called: Sequence[str],
    group: NDArray,
    taxonomy: Taxonomy,
    *,
    bootstrap: int,
    rng: np.random.Generator,
    count: int = 4,
) -> list[Slice]:
    """Headline numbers of every slice, the surest differences first, then those that are not ranked.

    Parameters
    ----------
    columns : name -> array-like of shape (n,)
        Numbers are cut into ``count`` `bands`; anything else is taken as it is, each value a slice.
    truth : ndarray of shape (n,), class positions
    called : n names, by decision
    group : ndarray of shape (n,), the lot of each wafer
    taxonomy : Taxonomy
    bootstrap : resamples of lots for the interval of the macro-F1
    rng : numpy Generator
    count : bands of a column of numbers

    Raises
    ------
    InputError
        A column that has not one entry per wafer.
    """
    short = {name: len(np.asarray(values)) for name, values in columns.items() if len(np.asarray(values)) != len(truth)}
    if short:
        raise InputError(f"Cannot slice: expected columns of {len(truth)} entries, one per test wafer, got {short}. Pass the same wafers.")
    if not len(truth):
        return []
    right = column_of(called, taxonomy.names) == truth
    lot = np.unique(group, return_inverse=True)[1]
    names = np.array(called, object)
    found: list[Slice] = []
    for column, values in columns.items():
        place, labels = _placed(values, count)
        inside = crossed(place, truth, len(labels), len(taxonomy))
        recall = np.bincount(truth, right, len(taxonomy)) / np.maximum(np.bincount(truth, minlength=len(taxonomy)), 1)
        expected = inside @ recall / inside.sum(axis=1)
        tested = _tested(place, truth, right, lot, inside)
        for s, label in enumerate(labels):
            rows = np.flatnonzero(place == s)
            calls = names[rows].tolist()
            matrix = confusion(truth[rows], calls, taxonomy)
            interval = macro_f1_interval(truth[rows], calls, lot[rows], taxonomy.names, bootstrap=bootstrap, rng=rng)
            unit, p, note = tested[s]
            found.append(
                Slice(
                    column, label, len(rows), len(np.unique(lot[rows])), matrix.accuracy, float(expected[s]), matrix.escapes,
                    matrix.overkill, matrix.macro_f1, interval, unit, p, float("nan"), note,
                )
            )  # fmt: skip
    return _ranked(found)


def _placed(values: ArrayLike, count: int) -> tuple[NDArray[np.intp], list[str]]:
    """Slice of each wafer, and the names of the slices."""
    array = np.asarray(values)
    if array.dtype.kind in "fiu":
        return bands(array, count)
    texts = np.array([NOT_GIVEN if v is None or v != v or v == "" else str(v) for v in array.tolist()])  # noqa: PLR0124  (NaN)
    names, place = np.unique(texts, return_inverse=True)
    return place, names.tolist()


def _tested(
    place: NDArray[np.intp],
    truth: NDArray[np.integer],
    right: NDArray[np.bool_],
    lot: NDArray[np.intp],
    inside: NDArray[np.float64],
) -> list[tuple[str, float, str]]:
    """Unit, p-value and note of each slice of a column, whose wafers by class are ``inside`` (s, k)."""
    s, lots = len(inside), int(lot.max()) + 1
    of_lot = crossed(place, lot, s, lots)
    in_lots, out_lots = (of_lot > 0).sum(axis=1), (of_lot < np.bincount(lot, minlength=lots)).sum(axis=1)
    wafers, single = inside.sum(axis=1), bool((in_lots == 1).all())
    unknown = float("nan")
    p = by_wafers(place, truth, right, inside) if single else by_lots(place, truth, right, lot, inside)
    found = []
    for i in range(s):
        if s == 1:
            found.append(("", unknown, "all wafers: nothing to compare with"))
        elif wafers[i] < MIN_WAFERS:
            found.append(("", unknown, f"few wafers: {wafers[i]:.0f}, {MIN_WAFERS} needed"))
        elif not single and min(in_lots[i], out_lots[i]) < MIN_LOTS:
            where, few = ("", in_lots[i]) if in_lots[i] <= out_lots[i] else (" outside of it", out_lots[i])
            found.append(("", unknown, f"few lots{where}: {few}, {MIN_LOTS} needed"))
        else:
            found.append(("wafer", float(p[i]), "a single lot") if single else ("lot", float(p[i]), ""))
    return found


def _ranked(found: list[Slice]) -> list[Slice]:
    from scipy.stats import false_discovery_control  # noqa: PLC0415  (imported when used)

    ranked, rest = [one for one in found if one.unit], [one for one in found if not one.unit]
    q = false_discovery_control([one.p for one in ranked], method="bh") if ranked else []
    ranked = [replace(one, q=float(value)) for one, value in zip(ranked, q, strict=True)]
    return sorted(ranked, key=lambda one: (one.q, one.p, -abs(one.lead))) + sorted(rest, key=lambda one: -one.wafers)
