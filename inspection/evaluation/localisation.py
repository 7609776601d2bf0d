"""Does the heat lie where the signature is? Pointing game and overlap, against a truth that only a simulator knows. Pure.

*Pointing game* (Zhang et al. 2016, "Top-down neural attention by excitation backprop"): a hit, when the hottest cell or one of its eight
neighbours holds a part of the signature: within two cells, 6 mm on a wafer of 300 mm at 96 cells. *Overlap*: intersection over union of
the defects that lie in hot cells with those that the signature made (of a signature that is missing dies, of cells); and the same of dies.
Both depend on how much of the wafer the signature covers: compare them with another heat on the same wafers, such as the density of
defects, not with 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.evaluation.confusion import Rate
from inspection.evaluation.intervals import percentiles, resampled_lots
from inspection.evaluation.regions import EIGHT, LEVEL, cell_of, defects_in, dies_of, places_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.views.renderer import Window
    from inspection.wafer.maps import WaferMap


@dataclass(frozen=True, eq=False)
class Truth:
    """What belongs to the signature: ``cells`` (rows, cols), and which ``defects`` (n,), None where it is made of missing dies."""

    cells: NDArray[np.bool_]
    defects: NDArray[np.bool_] | None = None

    @classmethod
    def of_defects(cls, wafer: WaferMap, own: NDArray[np.bool_], window: Window, shape: tuple[int, int]) -> Truth:
        """The truth of a signature that made the defects ``own`` (n,) of ``wafer``."""
        cells = np.zeros(shape, bool)
        cells[tuple(cell_of(places_of(wafer)[own], window, shape).T)] = True
        return cls(cells, own)


@dataclass(frozen=True, slots=True)
class Agreement:
    """One wafer: whether the hottest cell ``points`` at the signature, and the overlap ``iou`` and ``die_iou`` (NaN without dies)."""

    points: bool
    iou: float
    die_iou: float


def agreement(heat: NDArray[np.floating], window: Window, wafer: WaferMap, truth: Truth, *, level: float = LEVEL) -> Agreement:
    """How well ``heat`` (rows, cols) over ``window`` agrees with ``truth``; no positive heat agrees with nothing."""
    from scipy.ndimage import binary_dilation  # noqa: PLC0415 - a tenth of a second, for who asks only

    top = float(heat.max())
    if top <= 0:
        return Agreement(points=False, iou=0.0, die_iou=0.0)
    near = binary_dilation(truth.cells, EIGHT)
    points = bool(near[np.unravel_index(int(heat.argmax()), heat.shape)])
    hot = heat >= level * top
    if truth.defects is None:
        return Agreement(points, _iou(hot, truth.cells), float("nan"))
    called = defects_in(hot, window, wafer)
    dies = [dies_of(wafer, which) for which in (called, truth.defects)]
    die_iou = float("nan")
    if dies[0] is not None and dies[1] is not None:
        ours, true = ({(int(a), int(b)) for a, b in some} for some in dies if some is not None)
        die_iou = len(ours & true) / len(ours | true) if ours | true else 0.0
    return Agreement(points, _iou(called, truth.defects), die_iou)


def _iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 0.0


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """A class: ``wafers``, pointing game with its Wilson interval, mean overlaps with 95 % intervals by lot (NaN below two lots)."""

    name: str
    wafers: int
    pointing: Rate
    iou: float
    iou_interval: tuple[float, float]
    die_iou: float


def by_class(
    found: Sequence[Agreement], names: Sequence[str], lots: NDArray, *, bootstrap: int, rng: np.random.Generator
) -> list[ClassAgreement]:
    """Agreement of each class in alphabetical order; ``names`` and ``lots`` say the class and the lot of each wafer."""
    label, lots = np.asarray(names), np.asarray(lots)
    rows = []
    for name in sorted(set(names)):
        own = np.flatnonzero(label == name).tolist()
        iou = np.array([found[i].iou for i in own])
        drawn = resampled_lots(np.column_stack((iou, np.ones(len(iou)))), lots[own], bootstrap, rng)
        dies = np.array([found[i].die_iou for i in own])
        die_iou = float(np.nanmean(dies)) if np.isfinite(dies).any() else float("nan")
        hits = Rate(sum(found[i].points for i in own), len(own))
        rows.append(ClassAgreement(name, len(own), hits, float(iou.mean()), percentiles(drawn[:, 0] / drawn[:, 1]), die_iou))
    return rows
