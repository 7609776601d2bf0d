"""Suspicious labels: wafers whose label a model that never saw them contradicts with confidence. Pure.

Confident learning (Northcutt, Jiang & Chuang 2021, "Confident learning: estimating uncertainty in dataset labels", JAIR 70). What counts
as confident is asked of each class by itself: the mean probability of a class over the wafers that bear its label. So a class that the
model is never sure of can still be found under another label. From the confident wafers follows how many of each label are of each other
class, and so many are named, those with the largest margin first (the paper's "prune by noise rate").

Measured with flipped labels: 2 000 WM-811K maps of other lots, network right in .97, 1, 5 and 15 % flipped: .94, .97 and .98 of the flips
are named, and .58, .80 and .90 of what is named is a flip. (Of the labels as they come it names 12: not all of the rest are false alarms.)
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import InputError
from inspection.formats.spreadsheet import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from inspection.wafer.taxonomy import Taxonomy

COLUMNS = ("label", "suggested", "score", "self_confidence", "file_sha256")
"""Of the exported table, behind those that name the wafer; what reads a label table uses ``label`` alone."""
_ROUNDING = 1e-9
"""The mean of equal probabilities may come out above each of them."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """One suspicious label.

    ``position`` among the judged wafers; ``given`` and ``suggested`` class; ``self_confidence`` the probability of the given class in
    [0, 1]; ``score`` that less the probability of the suggested one, in [-1, 0): the normalised margin, the lower the more suspicious.
    """

    position: int
    file_sha256: str
    index: int
    given: str
    suggested: str
    self_confidence: float
    score: float

    def row(self) -> dict[str, Any]:
        """For a report: every field but the position."""
        return {name: getattr(self, name) for name in ("file_sha256", "index", "given", "suggested", "self_confidence", "score")}


@dataclass(frozen=True, slots=True, eq=False)
class LabelNoise:
    """What was found.

    Attributes
    ----------
    suspicions : most suspicious first
    thresholds : ndarray of shape (k,)
        From which probability a class counts as confidently seen; infinite for a class without wafers.
    joint : ndarray of shape (k, k)
        Estimated share of all wafers by [label][true class]; sums to 1, its rows to the shares of the labels.
    wafers : int
    """

    suspicions: tuple[Suspicion, ...]
    thresholds: NDArray[np.float64]
    joint: NDArray[np.float64]
    wafers: int

    @property
    def noise(self) -> float:
        """Estimated share of wrong labels in [0, 1]; NaN for no wafers."""
        return float(1 - np.trace(self.joint)) if self.wafers else float("nan")


def find_suspicious(
    label: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    taxonomy: Taxonomy,
    file_sha256: Sequence[str] | NDArray[np.str_],
    index: Sequence[int] | NDArray[np.integer],
) -> LabelNoise:
    """Find labels that are likely wrong.

    For each pair of a label and another class, the estimated number of wafers with the largest margin of that class over the label;
    of these, the wafers whose likeliest class is not their label.

    Parameters
    ----------
    label : ndarray of shape (n,)
        Class positions as labelled.
    probabilities : ndarray of shape (n, k)
        Of a model that did not learn from these wafers, nor from others of their lots: the validation and test parts, or folds. A model
        agrees with the labels that it learnt, wrong ones too.
    taxonomy : Taxonomy
        Names the k classes.
    file_sha256, index : n values each, where each wafer comes from

    Raises
    ------
    InputError
        Columns that do not fit, labels that are no class, or probabilities outside [0, 1].
    """
    n, k = len(label), len(taxonomy)
    p = np.asarray(probabilities, np.float64)
    fits = p.shape == (n, k) and len(file_sha256) == len(index) == n
    if not fits or (n and not (0 <= p.min() <= p.max() <= 1 + 1e-6 and 0 <= label.min() <= label.max() < k)):
        raise InputError(
            f"Cannot judge labels: expected {n} rows of {k} probabilities in [0, 1], labels below {k} and as many files and indices, "
            f"got {p.shape}, {len(file_sha256)} and {len(index)}. Pass the columns of one part, or of several put together."
        )
    given, likeliest = np.asarray(label), p.argmax(axis=1) if n else np.zeros(0, np.intp)
    thresholds = np.array([p[given == j, j].mean() if (given == j).any() else np.inf for j in range(k)])
    confident = np.where(p >= thresholds - _ROUNDING, p, -np.inf)
    seen = confident.argmax(axis=1) if n else np.zeros(0, np.intp)
    sure = np.isfinite(confident).any(axis=1)
    counts = np.zeros((k, k), np.int64)
    np.add.at(counts, (given[sure], seen[sure]), 1)

    joint = _joint(counts, np.bincount(given, minlength=k))
    own = p[np.arange(n), given]
    score = own - p.max(axis=1, initial=0)
    found = np.flatnonzero(_with_largest_margins(given, p, np.rint(joint * n).astype(int)) & (score < 0))
    ranked = found[np.lexsort((found, own[found], score[found]))]
    names = taxonomy.names
    suspicions = tuple(
        Suspicion(i, str(file_sha256[i]), int(index[i]), names[given[i]], names[likeliest[i]], float(own[i]), float(score[i]))
        for i in ranked.tolist()
    )
    return LabelNoise(suspicions, thresholds, joint, n)


def _with_largest_margins(given: NDArray[np.integer], p: NDArray[np.float64], expected: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Of the wafers labelled i, the ``expected[i, j]`` with the largest p_j - p_i, for every other class j; shape (n,)."""
    named = np.zeros(len(given), bool)
    for i, j in zip(*np.nonzero(expected), strict=True):
        if i != j:
            mine = np.flatnonzero(given == i)
            margins = p[mine, j] - p[mine, i]
            named[mine[np.argsort(-margins, kind="stable")[: expected[i, j]]]] = True
    return named


def _joint(counts: NDArray[np.int64], labelled: NDArray[np.int64]) -> NDArray[np.float64]:
    """Confident counts [label][true class] scaled to all wafers of each label, as shares; a label nobody is sure of is taken as right."""
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.where(rows > 0, counts / np.maximum(rows, 1), np.eye(len(counts)))
    return shares * labelled[:, None] / max(int(labelled.sum()), 1)


def label_table(suspicions: Sequence[Suspicion], sources: Mapping[str, str], *, images: bool = False) -> str:
    """The suspicious labels as a label table (CSV text): correct the column ``label``, save it as ``labels.csv`` beside the files, ingest.

    ``label`` is the one given, so that a row nobody touched changes nothing; empty takes the label away. The further columns are for the
    person who decides, and are not read. No name starts a formula (``formats.spreadsheet``).

    Parameters
    ----------
    suspicions : sequence of Suspicion
    sources : mapping of file_sha256 to the file's name in the landing place
    images : bool
        A table of files (``file,label``), which may name classes that ``params.yaml`` does not know, instead of ``source,index,label``.

    Raises
    ------
    InputError
        A wafer of a file that ``sources`` does not name.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(["file"] if images else ["source", "index"]), *COLUMNS])
    for one in suspicions:
        if one.file_sha256 not in sources:
            raise InputError(
                f"Cannot export a label: expected the name of the file of wafer {one.index} of {one.file_sha256}, got none. "
                "Ingest the files of this snapshot into this workspace first."
            )
        place = [as_text(sources[one.file_sha256]), *([] if images else [one.index])]
        classes = as_text(one.given), as_text(one.suggested)
        writer.writerow([*place, *classes, f"{one.score:.4f}", f"{one.self_confidence:.4f}", one.file_sha256])
    return text.getvalue()
