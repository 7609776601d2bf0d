"""The report that people look at: one HTML page that needs no network, its figures, and the tables for DVC's plots.

Reads only the maps that it shows. The same input gives the same bytes.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.aside import write_bytes, write_text
from inspection.errors import InputError, InputNotFoundError, bounded
from inspection.evaluation import album, webpage
from inspection.formats.spreadsheet import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from inspection.augmentation.guard.votes import Votes
    from inspection.evaluation.beside import Baseline
    from inspection.evaluation.evaluation import Evaluation
    from inspection.evaluation.section import Section
    from inspection.wafer.maps import InspectionMap

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
    baseline : its name, and metrics (as ``Evaluation.metrics``) to compare with, with ``macro_f1_lead_low`` and ``_high``: the paired 95 %
        interval of the candidate's lead, NaN from one lot; None = no such table
    lineage : name -> value: snapshot, code version, seed, library versions, who and when
    params : name -> value: what was set
    limits : further sentences on what the numbers cannot say
    sections : what other modules found, each a section of the page, in this order
    activation : gets positions in the test part and their maps, returns for each an RGB picture (``album.PICTURE_PX`` square, uint8) of
        where the model looked, or None; None = no such pictures
    identities : (lot, wafer) of each test wafer; None = its group and its place in the source
    ungated : what each test wafer would be called if every threshold were 0; None = as far as the decisions tell (``operating.ungated``)
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
    sections: Sequence[Section] = ()
    activation: album.Activation | None = None
    identities: Sequence[tuple[str, str]] | None = None
    ungated: Sequence[str] | None = None

    def __post_init__(self) -> None:
        keys = [section.key for section in self.sections]
        if len(keys) != len(set(keys)):
            raise InputError(f"Cannot write the report: expected sections of different keys, got {bounded(keys, 20)}. Rename one.")


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
        None = no pictures of wafers
    progress : gets (pictures drawn, pictures in all)

    Returns
    -------
    Path of the page

    Raises
    ------
    InputError
        ``maps`` did not return one map per position; sections of one key; ``identities`` or ``ungated`` that do not fit.
    InputNotFoundError
        ``background.history`` is a path where no file is.
    """
    from inspection.evaluation import figures as figure  # noqa: PLC0415  (matplotlib: imported when used)

    names = evaluation.taxonomy.names
    calibrated = evaluation.calibration
    shown = album.album(evaluation, maps, background.sections, background.activation, progress)
    figures = {
        "confusion": figure.confusion_png(evaluation.by_decision, "By decision: what the fab would have read"),
        "roc": figure.roc_png(evaluation),
        "calibration": figure.calibration_png(calibrated),
        "history": figure.history_png(_history(background.history)),
    }
    page = webpage.render(evaluation, background, shown, figures, calibrated)
    for name in ("confusion", "roc"):
        drawn = figures[name]
        if drawn is not None:
            write_bytes(folder / f"{name}.png", drawn)
    calls = [(as_text(names[t]), as_text(d)) for t, d in zip(evaluation.test.truth, evaluation.decisions, strict=True)]
    _write_csv(folder / "plots" / "confusion.csv", ("actual", "predicted"), calls)
    _write_csv(folder / "plots" / "roc.csv", ("class", "fpr", "tpr", "threshold"), _roc_rows(evaluation))
    write_bytes(folder / "report.html", page.encode())
    return folder / "report.html"


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
            yield as_text(name), f"{curve.false_positive[i]:.6f}", f"{curve.true_positive[i]:.6f}", f"{threshold:.6f}"


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, stream.getvalue())
