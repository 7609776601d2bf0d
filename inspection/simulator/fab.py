"""The fab: plans lots, draws their wafers, writes their files and the truth.

``OUT/LOT/LOT_WAFER_LAYER.klarf`` (or ``.npy`` with its ``.yaml``), ``OUT/labels.csv`` and ``OUT/truth.csv``.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from inspection.errors import InputError
from inspection.formats.klarf_writer import write_klarf12, write_klarf18
from inspection.formats.raster import write_raster
from inspection.simulator import damage
from inspection.simulator.difficulty import SETTINGS, Difficulty, Setting
from inspection.simulator.schedule import LotPlan, WaferPlan, generator, plan_lot
from inspection.simulator.signatures import DrawnWafer, draw_wafer, inspect_again
from inspection.wafer.maps import DefectMap, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

FileFormat = Literal["klarf12", "klarf18", "raster", "mixed"]
STATION = ("SIMFAB", "BRIGHTFIELD 7", "INSP01")
DEFECT_CLASSES = {0: "Unclassified", 1: "Particle", 2: "Residue", 3: "Pattern"}
MAX_WAFERS, MAX_RASTER_PX = 25, 60_000
AGAIN, BAD = 1, 2
"""Keys of the generators of a wafer's second inspection and of a lot's bad file."""
TRUTH = (
    "file lot wafer slot product layer tool chamber inspected_at label signatures defects reinspection bad".split()  # noqa: SIM905 - a row of names
)


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """What was written: ``wafers`` counts each wafer once, ``files`` every inspection and bad file, ``classes`` wafers by label."""

    lots: int
    wafers: int
    files: int
    defects: int
    classes: dict[str, int]


def simulate(
    out: Path,
    *,
    lots: int,
    wafers: int = MAX_WAFERS,
    seed: int,
    difficulty: Setting,
    format: FileFormat,  # noqa: A002 - the word of the command line
    first_lot: int = 1,
    bad_files: bool = True,
    raster_px: int = 2048,
    labelled: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> SimulationReport:
    """Run the fab for ``lots`` lots and write what its inspection stations would deliver.

    The same arguments give the same bytes, and a lot does not depend on how many others were asked for.

    Parameters
    ----------
    out : Path
        Folder; made when it does not exist. Files of the same name are replaced, ``labels.csv`` and ``truth.csv`` cover this call only.
    lots : int
        Number of lots, at least 1, numbered from ``first_lot``.
    wafers : int
        Wafers per lot, 1 to 25.
    seed : int
        Not negative.
    difficulty : {"easy", "hard"}
    format : {"klarf12", "klarf18", "raster", "mixed"}
        ``mixed`` takes the format of the station that each lot goes to.
    first_lot : int
        Number of the first lot, from 1. Lots up to `schedule.RAMP_LOTS` show every class more often.
    bad_files : bool
        Add a bad file to every fifth lot: truncated, garbage, or with points off the wafer.
    raster_px : int
        Rows and columns of a raster, 64 to 60000.
    labelled : bool
        Write ``labels.csv`` (lot, wafer, label); ``truth.csv`` is always written.
    progress : callable or None
        Called with (lots done, lots).

    Raises
    ------
    InputError
        An argument outside its domain.
    """
    _check(lots, wafers, seed, difficulty, format, first_lot, raster_px)
    out.mkdir(parents=True, exist_ok=True)
    classes: Counter[str] = Counter()
    files = defects = 0
    with ExitStack() as stack:
        truth = _table(stack, out / "truth.csv", TRUTH)
        labels = _table(stack, out / "labels.csv", ("lot", "wafer", "label")) if labelled else None
        for done in range(lots):
            plan = plan_lot(seed, first_lot + done, wafers)
            writer = _LotWriter(
                out, plan, seed, SETTINGS[difficulty], plan.mixed_format if format == "mixed" else format, raster_px
            )
            for row in writer.inspections(bad_files=bad_files):
                truth.writerow(row)
                files += 1
                defects += 0 if row["bad"] else row["defects"]
            for wafer in plan.wafers:
                classes[wafer.label] += 1
                if labels is not None:
                    labels.writerow({"lot": plan.name, "wafer": wafer.wafer, "label": wafer.label})
            if progress is not None:
                progress(done + 1, lots)
    return SimulationReport(lots, lots * wafers, files, defects, dict(sorted(classes.items())))


@dataclass(frozen=True, slots=True)
class _LotWriter:
    """Draws and writes one lot."""

    out: Path
    plan: LotPlan
    seed: int
    difficulty: Difficulty
    format: str
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

    def _draw(self, wafer: WaferPlan) -> DrawnWafer:
        return draw_wafer(
            wafer.label, self.plan.product, self.difficulty, generator(self.seed, self.plan.number, wafer.slot)
        )

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
            write_klarf12(path, [damage.displaced(wafer_map, "99")], station=STATION, classes=DEFECT_CLASSES)
        return self._row(wafer, drawn, path, wafer.inspected_at) | {"bad": kind}

    def _path(self, wafer: str, suffix: str) -> Path:
        ending = "npy" if self.format == "raster" else "klarf"
        name = f"{self.plan.name}_{wafer}_{self.plan.layer}{suffix}.{ending}"
        return self.out / self.plan.name / name

    def _write(self, path: Path, wafer_map: DefectMap) -> None:
        if self.format == "raster":
            pixel_um = wafer_map.info.diameter_mm * 1_000.0 / self.raster_px
            write_raster(path, replace(wafer_map, attributes={}), self.raster_px, pixel_um)
        else:
            write = write_klarf12 if self.format == "klarf12" else write_klarf18
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

    def _row(
        self, wafer: WaferPlan, drawn: DrawnWafer, path: Path, at: datetime, *, reinspection: bool = False
    ) -> dict[str, Any]:
        signatures = [
            {"class": s.name, "points": len(s.xy_um), **{k: float(f"{v:.6g}") for k, v in s.parameters.items()}}
            for s in drawn.signatures
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


def _table(stack: ExitStack, path: Path, columns: tuple[str, ...] | list[str]) -> csv.DictWriter:
    file = stack.enter_context(path.open("w", encoding="utf-8", newline=""))
    table = csv.DictWriter(file, columns, lineterminator="\n")
    table.writeheader()
    return table


def _check(
    lots: int, wafers: int, seed: int, difficulty: str, file_format: str, first_lot: int, raster_px: int
) -> None:
    domains = {
        "lots >= 1": lots >= 1,
        f"wafers 1 to {MAX_WAFERS}": 1 <= wafers <= MAX_WAFERS,
        "seed >= 0": seed >= 0,
        f"difficulty one of {', '.join(SETTINGS)}": difficulty in SETTINGS,
        "format one of klarf12, klarf18, raster, mixed": file_format in ("klarf12", "klarf18", "raster", "mixed"),
        "first_lot >= 1": first_lot >= 1,
        f"raster_px 64 to {MAX_RASTER_PX}": 64 <= raster_px <= MAX_RASTER_PX,
    }
    wrong = [domain for domain, holds in domains.items() if not holds]
    if wrong:
        got = f"{lots=} {wafers=} {seed=} {difficulty=} format={file_format!r} {first_lot=} {raster_px=}"
        raise InputError(f"Cannot simulate: expected {'; '.join(wrong)}; got {got}. Correct the arguments.")
