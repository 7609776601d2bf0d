"""Figures of the report as PNG bytes: confusion matrix, ROC, reliability, training history. Needs no display, keeps no state."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inspection.evaluation.confusion import Confusion
    from inspection.evaluation.evaluation import Evaluation
    from inspection.evaluation.reliability import Calibration

BLUE, RED, GREY, INK = "#1f4e79", "#a81424", "#9aa1ac", "#282c34"
_BLUES = ListedColormap([mpl.colormaps["Blues"](v) for v in np.linspace(0.0, 0.92, 256)], "wafer_blues")
_DPI = 150
_TITLE = 24
"""Letters that fit over a small plot; longer names (combinations of patterns) are written smaller."""


def confusion_png(matrix: Confusion, title: str) -> bytes:
    """The matrix: colour = share of the true class (row), number = wafers; empty cells stay blank, misses are outlined when large."""
    columns = [i for i, n in enumerate(matrix.counts.sum(axis=0)) if i < len(matrix.names) or n]
    counts, shares = matrix.counts[:, columns], np.nan_to_num(matrix.shares[:, columns])
    calls = [matrix.calls[i] for i in columns]
    k, m = counts.shape
    figure = Figure(dpi=_DPI, figsize=(2.4 + 0.56 * m, 2.0 + 0.48 * k), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap=_BLUES, vmin=0, vmax=1, aspect="auto")
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[row, column] > 0.77 else "black"  # whichever has the contrast of 4.5 on the blues between (WCAG 2, AA)
        weight = "bold" if row == columns[column] else "normal"
        axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=colour, fontsize=9, fontweight=weight)
    support = matrix.support
    axes.set_xticks(range(m), calls, rotation=40, ha="right", rotation_mode="anchor", fontsize=9)
    axes.set_yticks(range(k), [f"{n}  ({support[i]})" for i, n in enumerate(matrix.names)], fontsize=9)
    axes.set_xticks(np.arange(m + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(k + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#e3e6eb", linewidth=0.8)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_color("#c7ccd4")
    if m > k:
        axes.axvline(k - 0.5, color=GREY, linewidth=2)
    axes.set_xlabel("called", fontsize=10)
    axes.set_ylabel("true class  (test wafers)", fontsize=10)
    axes.set_title(title, fontsize=11, loc="left")
    bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.02)
    bar.set_label("share of the true class", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return _png(figure)


def roc_png(evaluation: Evaluation) -> bytes:
    """One small ROC per class (test part) with the point at which the tuned threshold works."""
    names = evaluation.taxonomy.names
    columns = min(5, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(dpi=_DPI, figsize=(2.1 * columns, 2.25 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for k, (name, axes) in enumerate(zip(names, grid.flat, strict=False)):
        axes.plot([0, 1], [0, 1], color="#d5d9e0", linewidth=1)
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        axes.tick_params(labelsize=7, length=2)
        axes.spines[["top", "right"]].set_visible(False)
        curve = evaluation.roc[k]
        if curve is None:
            axes.text(0.5, 0.5, "no test wafers", ha="center", va="center", fontsize=8, color=GREY)
            axes.set_title(name, fontsize=9, loc="left")
            continue
        axes.plot(curve.false_positive, curve.true_positive, color=BLUE, linewidth=1.6)
        at = int(np.searchsorted(-curve.threshold, -evaluation.thresholds.values[k], side="right")) - 1
        tuned = evaluation.thresholds.tuned[k]
        axes.plot(
            curve.false_positive[at], curve.true_positive[at], "o", markersize=5, color=RED if tuned else "white",
            markeredgecolor=RED, clip_on=False,
        )  # fmt: skip
        title = f"{name}  {curve.auc:.3f}"
        axes.set_title(title, fontsize=min(9.0, 9 * _TITLE / len(title)), loc="left")
    figure.supxlabel("false positive rate", fontsize=9)
    figure.supylabel("true positive rate", fontsize=9)
    return _png(figure)


def calibration_png(calibration: Calibration) -> bytes | None:
    """The reliability diagram of the likeliest class: what was said against what came true, the wafers of each bin; None without wafers."""
    top = calibration.top
    if not top.count.sum():
        return None
    figure = Figure(dpi=_DPI, figsize=(4.6, 5.0), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    low, high = top.interval
    axes.plot([0, 1], [0, 1], color="#d5d9e0", linewidth=1)
    axes.errorbar(
        top.confidence, top.accuracy, np.abs(np.stack((top.accuracy - low, high - top.accuracy))), fmt="o-", color=BLUE, ecolor=GREY,
        elinewidth=1.2, markersize=4.5, linewidth=1.4,
    )  # fmt: skip
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=np.linspace(0, 1, 6), yticks=np.linspace(0, 1, 6))
    axes.set_ylabel("share that was right (95 % interval)", fontsize=9)
    axes.text(0.97, 0.03, "too sure of itself", ha="right", fontsize=8, color=GREY)
    axes.text(0.03, 0.94, "not sure enough", fontsize=8, color=GREY)
    below.bar(top.confidence, top.count, width=0.012, color=BLUE)
    below.set_ylabel("wafers", fontsize=9)
    below.set_xlabel("probability of the likeliest class", fontsize=9)
    below.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    for panel in (axes, below):
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(color="#eceef2")
        panel.set_axisbelow(True)
    return _png(figure)


def history_png(rows: Sequence[Mapping[str, Any]]) -> bytes | None:
    """Loss (left) and validation score (right) per epoch; None when no row holds either."""
    columns = {key: [_number(row.get(key)) for row in rows] for key in (rows[0] if rows else {})}
    epochs = columns.get("epoch", [float(i + 1) for i in range(len(rows))])
    losses = {k: v for k, v in columns.items() if "loss" in k}
    scores = {k: v for k, v in columns.items() if any(word in k for word in ("f1", "accuracy", "auc", "recall", "precision"))}
    panels = [(name, found) for name, found in (("loss", losses), ("validation score", scores)) if found]
    if not panels:
        return None
    figure = Figure(dpi=_DPI, figsize=(4.6 * len(panels), 2.7), layout="constrained")
    for axes, (name, found) in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels, strict=True):
        for (key, values), colour in zip(found.items(), (BLUE, RED, GREY, INK) * len(found), strict=False):
            axes.plot(epochs, values, "o-", color=colour, markersize=3.5, linewidth=1.6, label=key.replace("_", " "))
        axes.set_xlabel("epoch", fontsize=9)
        axes.set_ylabel(name, fontsize=9)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#eceef2")
        axes.legend(fontsize=8, frameon=False)
    return _png(figure)


def _number(value: Any) -> float:
    return float("nan") if value in (None, "") else float(value)


def _png(figure: Figure) -> bytes:
    """Deterministic bytes: no date, no version of the program that drew it."""
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream, metadata={"Software": None})
    return stream.getvalue()
