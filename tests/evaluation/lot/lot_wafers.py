"""Healthy lots of the simulated fab as maps: lots that differ as a fab's lots do, with clustered backgrounds."""

from __future__ import annotations

import numpy as np

from inspection.evaluation.lot.zones import ZoneCounts, measure
from inspection.simulator.difficulty import SETTINGS
from inspection.simulator.products import PRODUCTS
from inspection.simulator.signatures import NORMAL, draw_wafer
from inspection.wafer.maps import DefectMap, WaferInfo

PRODUCT = PRODUCTS[2]


def clean_lot(rng: np.random.Generator, wafers: int, difficulty: str = "hard", spread: float = 0.0) -> list[DefectMap]:
    """Normal wafers; the lots' densities differ by a log-normal factor of ``spread`` (thinned, so that only fewer defects remain)."""
    keep = min(1.0, 0.4 * float(np.exp(rng.normal(0, spread)))) if spread else 1.0
    lot = []
    for i in range(wafers):
        drawn = draw_wafer(NORMAL, PRODUCT, SETTINGS[difficulty], rng)
        kept = drawn.xy_um[rng.uniform(size=len(drawn.xy_um)) < keep]
        info = WaferInfo(lot="L", wafer=f"{i:02d}", diameter_mm=PRODUCT.diameter_mm)
        lot.append(DefectMap(info=info, xy_um=kept, pitch_um=PRODUCT.pitch_um, origin_um=PRODUCT.origin_um, dies=drawn.dies))
    return lot


def with_edge_excess(lot: list[DefectMap], share: float, rng: np.random.Generator) -> list[DefectMap]:
    """The lot with so many more defects (a share of the wafer's own), all within the last 4 % of the radius."""
    out = []
    for wafer in lot:
        n = round(share * wafer.defects)
        angle, radius = rng.uniform(0, 2 * np.pi, n), wafer.info.radius_um * rng.uniform(0.96, 1.0, n)
        more = np.column_stack((radius * np.cos(angle), radius * np.sin(angle)))
        out.append(
            DefectMap(
                info=wafer.info,
                xy_um=np.concatenate((wafer.xy_um, more)),
                pitch_um=wafer.pitch_um,
                origin_um=wafer.origin_um,
                dies=wafer.dies,
            )
        )
    return out


def counted(seed: int, lots: int, wafers: int, spread: float, reticle: tuple[int, int] | None = None) -> list[ZoneCounts]:
    """Zone counts of clean lots."""
    rng = np.random.default_rng(seed)
    return [measure(clean_lot(rng, wafers, spread=spread), reticle) for _ in range(lots)]
