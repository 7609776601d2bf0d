"""Bad files, as a fab delivers them: a broken transfer, garbage, a stage that lost its origin."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.random import Generator

    from inspection.wafer.maps import DefectMap

KINDS = ("truncated", "garbage", "off_wafer")
BAD_EVERY, BAD_FIRST = 5, 2
"""Every fifth lot, from the second on, has one bad file."""


def kind_of_lot(number: int) -> str | None:
    """Which bad file lot ``number`` has, or None."""
    turn, rest = divmod(number - BAD_FIRST, BAD_EVERY)
    return KINDS[turn % len(KINDS)] if rest == 0 and turn >= 0 else None


def truncate(path: Path, share: float = 0.55) -> None:
    """Cut ``path`` after ``share`` of its bytes, as a broken transfer does."""
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * share))


def garble(path: Path, rng: Generator, size: int = 20_000) -> None:
    """Fill ``path`` with random bytes."""
    path.write_bytes(rng.integers(0, 256, size=size, dtype=np.uint8).tobytes())


def displaced(wafer_map: DefectMap, wafer: str) -> DefectMap:
    """What a stage that lost its origin reports: the map 45 % of the radius aside, as ``wafer`` without a slot."""
    info = replace(wafer_map.info, wafer=wafer, slot=None)
    shift = np.array((0.45 * wafer_map.info.radius_um, 0.0))
    return replace(wafer_map, info=info, xy_um=wafer_map.xy_um + shift)
