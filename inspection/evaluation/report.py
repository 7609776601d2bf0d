"""The report that people look at: one HTML page that needs no network, its figures, and the tables for DVC's plots.

Reads only the maps that it shows. The same input gives the same bytes.
"""

from __future__ import annotations

import base64
import csv
import io
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.aside import write_bytes, write_text
from inspection.errors import InputError, InputNotFoundError
from inspection.evaluation import beside, gallery, wording
from inspection.evaluation.confusion import confusions
from inspection.evaluation.imbalance import imbalance
from inspection.views import picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from inspection.augmentation.guard.votes import Votes
    from inspection.evaluation.beside import Baseline
    from inspection.evaluation.evaluation import Evaluation
    from inspection.wafer.maps import InspectionMap

TEMPLATE = "report.html.j2"
PICTURE_PX = 190
ROC_ROWS = 200
"""Most rows per class in plots/roc.csv."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What the page tells besides the evaluation itself.

    Attributes
    ----------
    title : what was evaluated, such as "wafer_net 3"
    wafers : part -> class -> wafers, parts in the order to show
    lots : part -> lots
    history : rows of the training history, or the path of a CSV file with them (columns ``epoch``, any ``...loss``, any score)
    curves : what the history says, in words
    beside : plain classifiers judged on the same wafers (``beside.stand_beside``); none = no such table
    votes : the guard's test of the model (``augmentation.guard.votes``); None = no such table
    baseline : metrics (as ``Evaluation.metrics``) to compare with, and its name; None = no such table
    lineage : name -> value: snapshot, code version, seed, library versions, who and when
    params : name -> value: what was set
    limits : further sentences on what the numbers cannot say
    """

    title: str
    wafers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    lots: Mapping[str, int] = field(default_factory=dict)
    history: Path | Sequence[Mapping[str, Any]] = ()
    curves: str = ""
    beside: Sequence[Baseline] = ()
    votes: Votes | None = None
    baseline: tuple[str, Mapping[str, float]] | None = None
    lineage: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    limits: Sequence[str] = ()


def write_report(
    folder: Path,
    evaluation: Evaluation,
    background: Background,
    maps: Callable[[Sequence[int]], Sequence[InspectionMap]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write ``report.html``, ``confusion.png``, ``roc.png``, ``plots/confusion.csv`` and ``plots/roc.csv`` below ``folder``.

    Parameters
    ----------
    folder : made when missing; files of the same name are replaced, each in one step
    evaluation : Evaluation
    background : Background
    maps : called once with the ascending positions in the test part of the wafers to show; returns their maps in that order.
        None = no gallery
    progress : gets (pictures drawn, pictures in all)

    Returns
    -------
    Path of the page

    Raises
    ------
    InputError
        ``maps`` did not return one map per position.
    InputNotFoundError
        ``background.history`` is a path where no file is.
    """
    from inspection.evaluation.figures import confusion_png, history_png, roc_png  # noqa: PLC0415  (matplotlib: imported when used)

    shown = gallery.choose(evaluation) if maps is not None else []
    pictures = _pictures(shown, maps, progress) if maps is not None else {}
    figures = {
        "confusion": confusion_png(evaluation.by_decision, "By decision: what the fab would have read"),
        "roc": roc_png(evaluation),
        "history": history_png(_history(background.history)),
    }
    page = _page(evaluation, background, shown, pictures, {k: _data_uri(v) for k, v in figures.items() if v is not None})
    for name in ("confusion", "roc"):
        drawn = figures[name]
        if drawn is not None:
            write_bytes(folder / f"{name}.png", drawn)
    names = evaluation.taxonomy.names
    calls = [(names[t], d) for t, d in zip(evaluation.test.truth, evaluation.decisions, strict=True)]
    _write_csv(folder / "plots" / "confusion.csv", ("actual", "predicted"), calls)
    _write_csv(folder / "plots" / "roc.csv", ("class", "fpr", "tpr", "threshold"), _roc_rows(evaluation))
    write_bytes(folder / "report.html", page.encode())
    return folder / "report.html"


def _page(
    evaluation: Evaluation,
    background: Background,
    shown: list[gallery.ClassExhibits],
    pictures: dict[int, tuple[str, str]],
    figures: dict[str, str],
) -> str:
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  (imported when used)

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": wording.percent, "score": wording.score, "odds": wording.odds, "lead": wording.lead}
    environment.globals |= {"interval": wording.interval, "lead_interval": wording.lead_interval}
    text = resources.files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text).render(
        title=background.title,
        summary=wording.summary(evaluation),
        cards=wording.cards(evaluation),
        patterns=evaluation.patterns,
        confusions=confusions(evaluation.by_decision),
        limits=[*background.limits, *wording.limits(evaluation)],
        rows=evaluation.per_class(),
        imbalance=_imbalance(evaluation),
        wafers=background.wafers,
        lots=background.lots,
        classes=evaluation.taxonomy.names,
        beside=beside.rows(evaluation, background.beside) if background.beside else [],
        beside_summary=wording.beside(evaluation, background.beside),
        votes=background.votes,
        comparison=_comparison(evaluation, background),
        baseline=background.baseline[0] if background.baseline else None,
        agreement=_agreement(evaluation),
        figures=figures,
        curves=background.curves,
        gallery=shown,
        pictures=pictures,
        lineage=background.lineage,
        params=background.params,
    )


def _pictures(
    shown: list[gallery.ClassExhibits],
    maps: Callable[[Sequence[int]], Sequence[InspectionMap]],
    progress: Callable[[int, int], None] | None,
) -> dict[int, tuple[str, str]]:
    """Position -> (picture as data URI, who it is)."""
    positions = sorted({e.position for c in shown for e in (*c.right, *c.wrong)})
    found = maps(positions)
    if len(found) != len(positions):
        raise InputError(
            f"Cannot draw the gallery: expected {len(positions)} maps, got {len(found)}. Return one map per position, in order."
        )
    drawn = {}
    for done, (position, wafer) in enumerate(zip(positions, found, strict=True), 1):
        drawn[position] = (_data_uri(picture.to_png(picture.draw(wafer, PICTURE_PX))), picture.describe(wafer.info))
        if progress is not None:
            progress(done, len(positions))
    return drawn


def _comparison(evaluation: Evaluation, background: Background) -> list[dict[str, Any]]:
    """The candidate beside the baseline, row by row, for the numbers both have."""
    if background.baseline is None:
        return []
    ours, theirs = evaluation.metrics(), background.baseline[1]
    told = {
        "macro_f1": ("Macro-F1", True),
        "decision_macro_f1": ("Macro-F1 by decision", True),
        "balanced_accuracy": ("Balanced accuracy", True),
        "geometric_mean": ("Geometric mean of the recalls", True),
        "index_balanced_accuracy": ("Index of balanced accuracy", True),
        "accuracy": ("Accuracy", True),
        "escape_rate": ("Escape rate", False),
        "overkill_rate": ("Overkill rate", False),
    }
    return [
        {"name": name, "ours": ours[key], "theirs": theirs[key], "better": (ours[key] - theirs[key]) * (1 if high else -1)}
        for key, (name, high) in told.items()
        if key in ours and key in theirs
    ]


def _agreement(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """The same scores from the likeliest class and from the decision."""
    metrics = evaluation.metrics()
    rows = [
        ("Macro-F1", evaluation.by_label.macro_f1, evaluation.by_decision.macro_f1),
        ("Balanced accuracy", evaluation.by_label.balanced_accuracy, evaluation.by_decision.balanced_accuracy),
        ("Accuracy", evaluation.by_label.accuracy.value, evaluation.by_decision.accuracy.value),
        ("Escape rate", evaluation.by_label.escapes.value, evaluation.by_decision.escapes.value),
        ("Overkill rate", evaluation.by_label.overkill.value, evaluation.by_decision.overkill.value),
        ("Geometric mean of the recalls", metrics.get("geometric_mean"), metrics.get("decision_geometric_mean")),
        ("Index of balanced accuracy", metrics.get("index_balanced_accuracy"), metrics.get("decision_index_balanced_accuracy")),
    ]
    return [(name, wording.score(label), wording.score(decision)) for name, label, decision in rows]


def _imbalance(evaluation: Evaluation) -> list[tuple[str, int, list[str]]]:
    """imbalanced-learn's report by the likeliest class: name, wafers, and precision to index of balanced accuracy."""
    matrix = evaluation.by_label
    found = imbalance(matrix)
    columns = (
        matrix.precision, matrix.recall, found.specificity, matrix.f1, found.geometric_mean, found.index_balanced_accuracy,
    )  # fmt: skip
    scores = np.stack(columns, axis=1)
    return [
        (name, int(wafers), [wording.score(value) for value in row])
        for name, wafers, row in zip(matrix.names, matrix.support, scores, strict=True)
    ]


def _history(history: Path | Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    if not isinstance(history, Path):
        return history
    if not history.is_file():
        raise InputNotFoundError(f"No training history: expected a CSV file at {history}. Train first.")
    with history.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _roc_rows(evaluation: Evaluation) -> Iterable[tuple[str, str, str, str]]:
    for name, curve in zip(evaluation.taxonomy.names, evaluation.roc, strict=True):
        if curve is None:
            continue
        points = len(curve.threshold)
        for i in np.unique(np.linspace(0, points - 1, min(points, ROC_ROWS)).astype(int)):
            threshold = min(float(curve.threshold[i]), 1.0)  # the first is +inf: calls nothing
            yield name, f"{curve.false_positive[i]:.6f}", f"{curve.true_positive[i]:.6f}", f"{threshold:.6f}"


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, stream.getvalue())
