"""An inspection station: draws the wafers of one lot, writes their files, and says what is true of each."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.formats.klarf.writer import write_klarf12, write_klarf18
from inspection.formats.raster.writer import write_raster
from inspection.simulator import damage
from inspection.simulator.schedule import LotPlan, WaferPlan, generator
from inspection.simulator.signatures import DrawnWafer, draw_wafer, inspect_again
from inspection.wafer.maps import DefectMap, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.simulator.difficulty import Difficulty

STATION = ("SIMFAB", "BRIGHTFIELD 7", "INSP01")
DEFECT_CLASSES = {0: "Unclassified", 1: "Particle", 2: "Residue", 3: "Pattern"}
AGAIN, BAD = 1, 2
"""Keys of the generators of a wafer's second inspection and of a lot's bad file."""
LOST_WAFER = "99"
"""Wafer id in a file whose points lie off the wafer: no wafer of a lot has it."""


@dataclass(frozen=True, slots=True)
class Station:
    """Inspects one lot.

    Attributes
    ----------
    out : Path
        Root of the delivery; the lot's files go to a folder of its name.
    plan : LotPlan
    seed : int
        Of the fab.
    difficulty : Difficulty
    file_format : str
        ``klarf12``, ``klarf18`` or ``raster``.
    raster_px : int
    """

    out: Path
    plan: LotPlan
    seed: int
    difficulty: Difficulty
    file_format: str
    raster_px: int

    def inspections(self, *, bad_files: bool) -> list[dict[str, Any]]:
        """Write all files of the lot; one row of the truth table for each."""
        (self.out / self.plan.name).mkdir(exist_ok=True)
        rows = []
        for wafer in self.plan.wafers:
            drawn = self._draw(wafer)
            rows.append(self._inspect(wafer, drawn, wafer.inspected_at))
            if wafer.again_at is not None:
                rng = generator(self.seed, self.plan.number, wafer.slot, AGAIN)
                again = inspect_again(drawn, self.plan.product, rng)
                rows.append(self._inspect(wafer, again, wafer.again_at, suffix="_R2"))
        kind = damage.kind_of_lot(self.plan.number) if bad_files else None
        return rows if kind is None else [*rows, self._bad(kind)]

    def drawn(self) -> Iterator[tuple[WaferPlan, DrawnWafer, DefectMap]]:
        """Each wafer of the lot as it is, and the map that its first inspection's file holds; writes nothing.

        The drawing knows what made each defect (``made_by``, in the order of the map's points): the truth that a model's places on
        the wafer are judged by.
        """
        for wafer in self.plan.wafers:
            drawn = self._draw(wafer)
            yield wafer, drawn, self._map(wafer, drawn, wafer.inspected_at)

    def _draw(self, wafer: WaferPlan) -> DrawnWafer:
        return draw_wafer(wafer.label, self.plan.product, self.difficulty, generator(self.seed, self.plan.number, wafer.slot))

    def _inspect(self, wafer: WaferPlan, drawn: DrawnWafer, at: datetime, suffix: str = "") -> dict[str, Any]:
        path = self._path(wafer.wafer, suffix)
        self._write(path, self._map(wafer, drawn, at))
        return self._row(wafer, drawn, path, at, reinspection=bool(suffix))

    def _bad(self, kind: str) -> dict[str, Any]:
        """One bad file: a broken or displaced copy of a wafer that was also delivered well."""
        rng = generator(self.seed, self.plan.number, 0, BAD)
        wafer = self.plan.wafers[int(rng.integers(len(self.plan.wafers)))]
        drawn = self._draw(wafer)
        path = self._path(wafer.wafer, f"_{kind}")
        wafer_map = self._map(wafer, drawn, wafer.inspected_at)
        if kind == "garbage":
            damage.garble(path, rng)
        elif kind == "truncated":
            self._write(path, wafer_map)
            damage.truncate(path)
        else:
            # A raster as wide as the wafer cannot show what lies off it: the station then writes a KLARF.
            path = path.with_suffix(".klarf")
            write_klarf12(path, [damage.displaced(wafer_map, LOST_WAFER)], station=STATION, classes=DEFECT_CLASSES)
        row = self._row(wafer, drawn, path, wafer.inspected_at) | {"bad": kind}
        return row | {"wafer": LOST_WAFER, "slot": ""} if kind == "off_wafer" else row

    def _path(self, wafer: str, suffix: str) -> Path:
        ending = "npy" if self.file_format == "raster" else "klarf"
        name = f"{self.plan.name}_{wafer}_{self.plan.layer}{suffix}.{ending}"
        return self.out / self.plan.name / name

    def _write(self, path: Path, wafer_map: DefectMap) -> None:
        if self.file_format == "raster":
            pixel_um = wafer_map.info.diameter_mm * 1_000.0 / self.raster_px
            write_raster(path, replace(wafer_map, attributes={}), self.raster_px, pixel_um)
        else:
            write = write_klarf12 if self.file_format == "klarf12" else write_klarf18
            write(path, [wafer_map], station=STATION, classes=DEFECT_CLASSES)

    def _map(self, wafer: WaferPlan, drawn: DrawnWafer, at: datetime) -> DefectMap:
        product = self.plan.product
        info = WaferInfo(
            lot=self.plan.name,
            wafer=wafer.wafer,
            slot=wafer.slot,
            product=product.name,
            layer=self.plan.layer,
            tool=wafer.tool,
            chamber=wafer.chamber,
            recipe=f"{product.name}-{self.plan.layer}-01",
            inspected_at=at,
            diameter_mm=product.diameter_mm,
        )
        sizes = _sizes(len(drawn.xy_um), generator(self.seed, self.plan.number, wafer.slot, AGAIN, int(at.timestamp())))
        return DefectMap(
            info=info,
            xy_um=drawn.xy_um,
            pitch_um=product.pitch_um,
            origin_um=product.origin_um,
            dies=drawn.dies,
            attributes=sizes,
        )

    def _row(self, wafer: WaferPlan, drawn: DrawnWafer, path: Path, at: datetime, *, reinspection: bool = False) -> dict[str, Any]:
        signatures = [
            {"class": s.name, "points": len(s.xy_um), **{k: float(f"{v:.6g}") for k, v in s.parameters.items()}} for s in drawn.signatures
        ]
        return {
            "file": path.relative_to(self.out).as_posix(),
            "lot": self.plan.name,
            "wafer": wafer.wafer,
            "slot": wafer.slot,
            "product": self.plan.product.name,
            "layer": self.plan.layer,
            "tool": wafer.tool,
            "chamber": wafer.chamber,
            "inspected_at": at.isoformat(),
            "label": wafer.label,
            "signatures": json.dumps(signatures),
            "defects": len(drawn.xy_um),
            "reinspection": int(reinspection),
            "bad": "",
        }


def _sizes(defects: int, rng: Generator) -> dict[str, NDArray]:
    """Size columns of ``defects`` defects, um: log-normal widths; they say nothing about the signature."""
    width = np.round(rng.lognormal(-0.3, 0.7, size=defects), 3)
    height = np.round(width * rng.uniform(0.6, 1.6, size=defects), 3)
    return {
        "XSIZE": width,
        "YSIZE": height,
        "DEFECTAREA": np.round(np.pi / 4 * width * height, 6),
        "DSIZE": np.round(np.hypot(width, height), 3),
        "CLASSNUMBER": rng.choice(4, size=defects, p=(0.7, 0.15, 0.1, 0.05)),
    }
