"""What was found besides scores, as sections of the report: each function turns one result into words, a table and pictures. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.evaluation.section import Picture, Section
from inspection.evaluation.wording import interval, percent, score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.evaluation.confusion import Rate
    from inspection.evaluation.curves import OperatingPoint
    from inspection.evaluation.evaluation import Evaluation
    from inspection.evaluation.label_noise import LabelNoise
    from inspection.evaluation.novelty import Novelty
    from inspection.evaluation.retrieval import Retrieval
    from inspection.evaluation.scorecard import Scorecard
    from inspection.evaluation.slices import Slice

SHOWN_SLICES, SHOWN_LABELS, SHOWN_PICTURES = 20, 25, 8


def prediction_sets(evaluation: Evaluation) -> Section | None:
    """Coverage of the prediction sets, class by class; None where there are no sets."""
    found, inclusion = evaluation.coverage, evaluation.inclusion
    if found is None or inclusion is None:
        return None
    wanted, n = inclusion.coverage, max(int(found.sizes.sum()), 1)
    kept = "is kept" if found.all.interval[1] >= wanted else "is not kept on this test part"
    return Section(
        key="sets",
        title="Which classes a wafer may well be",
        sentence=f"The true class is in the prediction set of {_rated(found.all)} of the wafers; "
        f"{percent(wanted)} were promised, which {kept}.",
        text="Each wafer gets the set of classes that it may well be; a set of one class that is also the likeliest decides, any other "
        f"goes to a person. {percent(found.sizes[1] / n)} of the sets hold one class, {percent(found.sizes[0] / n)} none; the mean is "
        f"{found.mean_size:.2f}. The promise is made to every class by itself, for wafers that come like those of the validation part."
        + _floored(inclusion.floor),
        columns=("class", "in its set", "95 % interval", "wafers", "belongs from", "threshold from"),
        rows=[
            (name, percent(rate.value), interval(*rate.interval, shares=True), rate.trials, _from(least), ("rare ones", "the class")[own])
            for name, rate, least, own in zip(evaluation.taxonomy.names, found.by_class, inclusion.least, inclusion.own, strict=True)
        ],
    )  # fmt: skip


def _floored(floor: float) -> str:
    return f" A class below {percent(floor)} is in no set: one whose label is often wrong would be in every one." if floor else ""


def second_looks(evaluation: Evaluation, first: NDArray[np.floating], turns: int, names: Sequence[str]) -> Section | None:
    """What looking again at unsure wafers in their other turns gained, and what it cost; None where nobody looks again.

    ``first``: logits (n, k) of the first look at the test wafers.
    """
    looks = evaluation.test.looks
    if looks is None or turns < 2:
        return None
    truth, again = evaluation.test.truth, looks > 1
    once, now = first.argmax(axis=1), evaluation.test.probabilities.argmax(axis=1)
    mended, spoilt = int((again & (once != truth) & (now == truth)).sum()), int((again & (once == truth) & (now != truth)).sum())
    return Section(
        key="looks",
        title="Second looks",
        sentence=f"{int(again.sum())} of {len(truth)} wafers were looked at in all {turns} turns: {mended} then got their right class, "
        f"{spoilt} lost it. A wafer costs {looks.mean():.2f} looks in the mean.",
        text="Turning a wafer as the classes allow and averaging helps where the first look is not sure; the others are left at one look. "
        f"Looking at every wafer in every turn would cost {turns} looks.",
        columns=("class", "looked at again", "right at the first look", "right now"),
        rows=[
            (name, int((again & (truth == k)).sum()), int((again & (truth == k) & (once == k)).sum()),
             int((again & (truth == k) & (now == k)).sum()))
            for k, name in enumerate(names) if (again & (truth == k)).any()
        ],
    )  # fmt: skip


def review_tool_scores(card: Scorecard, tuned: Sequence[OperatingPoint], neutral: Sequence[OperatingPoint]) -> Section:
    """The scorecard of a review tool, and each class at its tuned threshold and at .5."""
    overall = card.overall
    return Section(
        key="scorecard",
        title="As a review tool's scorecard",
        sentence=f"Purity {_rated(overall.purity)}, accuracy {_rated(overall.accuracy)}, "
        f"classification rate {_rated(overall.classification)}.",
        text="Purity: right, of what was called so. Accuracy: right, of the wafers of the class. Classification rate: given a class at "
        "all, neither Unknown nor Review. Found and false calls are one class against the rest, at its tuned threshold and at .5.",
        columns=("class", "purity", "accuracy", "classified", "threshold", "found", "false calls", "found at .5", "false at .5"),
        rows=[
            (one.name, *(percent(r.value) for r in (one.purity, one.accuracy, one.classification)), score(at.threshold),
             *(text for point in (at, half) for text in (percent(point.recall.value), percent(point.false_positive.value, 2))))
            for one, at, half in zip(card.classes, tuned, neutral, strict=True)
        ],
    )  # fmt: skip


def areas_under_curves(evaluation: Evaluation) -> Section:
    """ROC and precision-recall areas of each class, with their intervals by lots."""
    found = evaluation.areas
    known = np.isfinite(found.auc)
    least = int(np.nanargmin(found.auc)) if known.any() else 0
    names = evaluation.taxonomy.names
    return Section(
        key="areas",
        title="Areas under the curves",
        sentence="No areas: no class has both wafers of its own and others beside them." if not known.any()
        else "Every class is ranked above all others without a mistake." if found.auc[least] == 1
        else f"Hardest to tell from the rest is {names[least]}: AUC {score(found.auc[least])}.",
        text="Each class against the rest, whatever the threshold. The average precision is the area under the precision-recall curve: "
        "of rare classes it says more than the AUC. The intervals draw whole lots.",
        columns=("class", "AUC", "95 % interval", "average precision", "95 % interval"),
        rows=[
            (name, score(found.auc[k]), interval(*found.auc_interval[k], shares=False), score(found.average_precision[k]),
             interval(*found.average_precision_interval[k], shares=False))
            for k, name in enumerate(names)
        ],
    )  # fmt: skip


def by_slice(found: Sequence[Slice]) -> Section | None:
    """Where the model is better or worse than its mix of classes explains; None without any column to slice by."""
    ranked = [one for one in found if one.unit]
    if not found:
        return None
    differ = [one for one in found if one.different]
    worst = ", ".join(f"{one.column} {one.value}" for one in differ[:5] if one.lead < 0)
    sentence = f"{len(differ)} of {len(ranked)} slices differ from what their classes lead one to expect"
    return Section(
        key="slices",
        title="By product, tool, layer, lot and size",
        sentence=f"{sentence}{f'; worse: {worst}' if worst else ''}." if ranked else "No slice is large enough to be told from chance.",
        text="Expected is the accuracy of as many wafers of the same classes from the whole test part. q is the p-value adjusted for the "
        f"number of slices; up to .05 a slice is said to differ. {len(found) - len(ranked)} slices are too small to be ranked.",
        columns=("slice", "wafers", "lots", "accuracy", "95 % interval", "expected", "escapes", "overkill", "q", "note"),
        rows=[
            (f"{one.column} {one.value}", one.wafers, one.lots, percent(one.accuracy.value), interval(*one.accuracy.interval, shares=True),
             percent(one.expected), percent(one.escapes.value), percent(one.overkill.value),
             score(one.q) if np.isfinite(one.q) else None, one.note)
            for one in found[:SHOWN_SLICES]
        ],
    )  # fmt: skip


def unknown_patterns(evaluation: Evaluation, rate: float, novelty: Novelty, positions: NDArray[np.intp]) -> Section:
    """How many known wafers the detector flags, and which of the flagged are alike.

    ``positions`` (m,): places in the test part of the wafers that ``novelty`` clustered.
    """
    flagged = evaluation.by_decision.unknown
    offered = novelty.offered
    names = evaluation.taxonomy.names
    told = f"{len(offered)} groups of them look alike and like no class: worth a name of their own?" if offered else "They form no group."
    return Section(
        key="unknown",
        title="Unknown patterns",
        sentence=f"{_rated(flagged)} of the test wafers were called Unknown, though all of them are of known classes; "
        f"{percent(rate)} were aimed at. {told}",
        text="A wafer is Unknown when it lies farther from all that was learnt than all but that share of the validation wafers. The "
        "groups come from clustering the Unknown wafers among labelled ones (HDBSCAN); each is shown by its most central wafer.",
        columns=("group", "wafers", "alike", "nearest class", "most central wafer"),
        rows=[
            (number, len(one), score(one.cohesion), names[one.nearest_class] if one.nearest_class >= 0 else None,
             _who(evaluation, int(positions[one.medoid])))
            for number, one in enumerate(offered, 1)
        ],
        pictures=[
            Picture(caption=f"group {number}: {len(one)} wafers", position=int(positions[one.medoid]), group="most central")
            for number, one in enumerate(offered[:SHOWN_PICTURES], 1)
        ],
    )  # fmt: skip


def look_alikes(found: Retrieval) -> Section:
    """How well the nearest labelled wafers tell a wafer's class."""
    reached = ", ".join(f"{percent(rate.value)} within {k}" for k, rate in zip(found.at, found.recall, strict=True))
    return Section(
        key="similar",
        title="Look-alikes",
        sentence=f"The nearest of {found.reference:,} labelled wafers is of the right class for {percent(found.nearest.value)} of the "
        f"wafers ({interval(*found.nearest_interval, shares=True)}); the model itself names {percent(found.classifier.value)} rightly.",
        text=f"A wafer of the class is among the nearest: {reached}. Mean average precision {score(found.mean_average_precision)} "
        f"({interval(*found.precision_interval, shares=False)}). `inspection similar LOT WAFER` shows the look-alikes of one wafer.",
        columns=("class", "wafers", "nearest is right", "mean average precision"),
        rows=[
            (row["name"], row["wafers"], percent(row["nearest"].value), score(row["mean_average_precision"])) for row in found.per_class()
        ],
    )


def suspicious_labels(found: LabelNoise, validation: int, table: str, identities: Sequence[str]) -> Section:
    """Labels that are likely wrong. ``validation``: so many of the judged wafers come before the test part; ``identities`` of all."""
    shown = found.suspicions[:SHOWN_LABELS]
    return Section(
        key="labels",
        title="Labels to look at again",
        sentence=f"{len(found.suspicions)} of {found.wafers} labels look wrong to the model: it is sure of another class."
        if found.suspicions else f"None of {found.wafers} labels looks wrong to the model.",
        text="Confident learning on validation and test wafers, which the model did not learn from. The model may be wrong, too: look "
        f"before you relabel. All are in {table}: correct its column `label`, save it as labels.csv beside the files and ingest again.",
        columns=("wafer", "label", "the model says", "probability of the label", "suspicion"),
        rows=[(identities[one.position], one.given, one.suggested, percent(one.self_confidence, 2), score(one.score)) for one in shown],
        note=f"{len(found.suspicions) - len(shown)} more in {table}." if len(found.suspicions) > len(shown) else "",
        pictures=[
            Picture(caption=f"{one.given}, or rather {one.suggested}?", position=one.position - validation, group="most suspicious")
            for one in [one for one in shown if one.position >= validation][:SHOWN_PICTURES]
        ],
    )  # fmt: skip


def _rated(rate: Rate) -> str:
    return f"{percent(rate.value)} ({interval(*rate.interval, shares=True)})"


def _from(least: float) -> str:
    """A probability that must be reached; never "100 %" for less."""
    return ">99.9\N{NO-BREAK SPACE}%" if 0.9995 <= least < 1 else percent(least)


def _who(evaluation: Evaluation, position: int) -> str:
    index = evaluation.test.index
    return f"{evaluation.test.group[position]}" + ("" if index is None else f", wafer {index[position]}")
