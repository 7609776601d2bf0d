"""What the fab runs: for every lot its product, layer, tools, chambers, and the class of every wafer.

A lot depends on the seed and on its own number only, never on how many lots were asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from inspection.simulator.products import LAYERS, PRODUCTS, Product
from inspection.simulator.signatures import NORMAL

if TYPE_CHECKING:
    from numpy.random import Generator

EPOCH = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
LOT_INTERVAL, WAFER_INTERVAL = timedelta(hours=7), timedelta(minutes=4)

RATES: dict[str, float] = {
    "Ring": 0.070,
    "ClusterSmall": 0.065,
    "GeoScratch": 0.060,
    "ClusterBig": 0.045,
    "HalfMoon": 0.040,
    "Donut": 0.036,
    "ZigZag": 0.036,
    "Grid": 0.026,
    "Slice": 0.024,
    "Incomplete": 0.016,
    "Fingerprints": 0.009,
    "BasketBall": 0.004,
}
"""Share of the wafers of each class in the long run; the rest is Normal."""
RAMP_LOTS, RAMP_RATE = 40, 0.011
"""The first lots ramp up the processes: no class is rarer than ``RAMP_RATE`` there, so a small fab shows them all."""
RUN = 2
"""Wafers of one excursion within a lot."""
BURST, BURST_LOTS = 0.8, 10.0
"""Excursions come in waves: the rate of a class swings by ``BURST`` over ``BURST_LOTS`` lots."""

TOOLS = ("ETCH1", "ETCH2", "CVD1", "CMP1", "LITHO1", "CLEAN1")
CHAMBERS = ("A", "B", "C")
TOOLS_PER_LOT = 3
CULPRITS: dict[str, tuple[str, str]] = {
    "BasketBall": ("CMP1", "C"),
    "ClusterBig": ("CVD1", "A"),
    "Donut": ("ETCH1", "B"),
    "Fingerprints": ("CMP1", "A"),
    "Grid": ("LITHO1", "B"),
    "HalfMoon": ("CLEAN1", "C"),
    "Ring": ("ETCH2", "A"),
    "Slice": ("CVD1", "C"),
    "ZigZag": ("CMP1", "B"),
}
"""The chamber that causes most wafers of a class. The other classes come from anywhere."""
BLAME = 0.85
"""Probability that an excursion of a class with a culprit, in a lot that ran on it, hit that chamber's wafers."""
REINSPECTED = 0.03

RASTER_EVERY, RASTER_FIRST = 10, 4
"""Every tenth lot, from the fourth on, goes to the station that writes rasters: their size is not left to chance."""
KLARF18_SHARE = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class WaferPlan:
    """One wafer: where it ran and what it will show. ``again_at`` is the time of a second inspection, or None."""

    slot: int
    label: str
    tool: str
    chamber: str
    inspected_at: datetime
    again_at: datetime | None

    @property
    def wafer(self) -> str:
        """The wafer's id within its lot."""
        return f"{self.slot:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LotPlan:
    """One lot. ``mixed_format`` is what a fab with several kinds of inspection stations writes for it."""

    number: int
    name: str
    product: Product
    layer: str
    mixed_format: str
    wafers: tuple[WaferPlan, ...]


def generator(seed: int, *key: int) -> Generator:
    """The generator of one thing in the fab: lot, or lot and slot, or (0,) for the fab itself."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def plan_lot(seed: int, number: int, wafers: int) -> LotPlan:
    """Plan lot ``number`` (from 1) of ``wafers`` wafers."""
    rng = generator(seed, number)
    product = PRODUCTS[int(rng.choice(len(PRODUCTS), p=[p.share for p in PRODUCTS]))]
    layer = str(rng.choice(LAYERS))
    mixed_format = "klarf18" if rng.uniform() < KLARF18_SHARE else "klarf12"
    if number % RASTER_EVERY == RASTER_FIRST:
        mixed_format = "raster"
    excursions = _excursions(seed, number, wafers)
    tools = _tools(excursions, rng)
    shift = int(rng.integers(len(CHAMBERS)))
    where = [(tools[i * len(tools) // wafers], CHAMBERS[(i + shift) % len(CHAMBERS)]) for i in range(wafers)]
    labels = _labels(excursions, where, rng)
    start = EPOCH + number * LOT_INTERVAL
    again = rng.uniform(size=wafers) < REINSPECTED
    later = rng.integers(9 * 60, 30 * 60, size=wafers)
    plans = []
    for i, (label, (tool, chamber)) in enumerate(zip(labels, where, strict=True)):
        at = start + i * WAFER_INTERVAL
        plans.append(
            WaferPlan(
                slot=i + 1,
                label=label,
                tool=tool,
                chamber=chamber,
                inspected_at=at,
                again_at=at + timedelta(minutes=int(later[i])) if again[i] else None,
            )
        )
    return LotPlan(
        number=number,
        name=f"L{number:05d}",
        product=product,
        layer=layer,
        mixed_format=mixed_format,
        wafers=tuple(plans),
    )


def _expected(label: str, lots: int, wafers: int, phase: float) -> float:
    """Wafers of class ``label`` expected in the first ``lots`` lots: the integral of its rate, which goes in waves."""
    omega = 2 * np.pi / BURST_LOTS
    swing = BURST / omega * (np.sin(omega * lots + phase) - np.sin(phase))
    warped = lots + swing
    ramped = min(warped, float(RAMP_LOTS))
    rate = RATES[label]
    return wafers * (max(rate, RAMP_RATE) * ramped + rate * (warped - ramped))


def _excursions(seed: int, number: int, wafers: int) -> list[str]:
    """Class of each excursion (``RUN`` wafers) in the lot, the rarest class first.

    Stratified: over any stretch of lots, a class has its expected number of wafers to within one excursion.
    """
    rng = generator(seed, 0)
    found: list[str] = []
    for label in sorted(RATES, key=RATES.__getitem__):
        phase, offset = rng.uniform(0, 2 * np.pi), rng.uniform()
        before, after = (_expected(label, n, wafers, phase) / RUN + offset for n in (number - 1, number))
        found += [label] * (int(np.floor(after)) - int(np.floor(before)))
    return found


def _tools(excursions: list[str], rng: Generator) -> list[str]:
    """Tools that the lot was spread over: those of the culprits of its excursions, filled up at random."""
    votes = dict.fromkeys(TOOLS, 0.0)
    for label in excursions:
        if label in CULPRITS:
            votes[CULPRITS[label][0]] += 1
    chance = dict(zip(TOOLS, rng.uniform(size=len(TOOLS)), strict=True))
    return sorted(TOOLS, key=lambda t: votes[t] + chance[t], reverse=True)[:TOOLS_PER_LOT]


def _labels(excursions: list[str], where: list[tuple[str, str]], rng: Generator) -> list[str]:
    labels = [NORMAL] * len(where)
    free = list(range(len(where)))
    for label in excursions:
        blamed = rng.uniform() < BLAME
        hit = [i for i in free if blamed and where[i] == CULPRITS.get(label)]
        others = [i for i in free if i not in hit]
        # A run: neighbours in the chamber first, then neighbours anywhere.
        start = int(rng.integers(len(others))) if others else 0
        for i in (hit + others[start:] + others[:start])[:RUN]:
            labels[i] = label
            free.remove(i)
    return labels
