"""What the checks of lots and days cost beside their wafers' ingestion, and against one engine run per lot.

``python benchmarks/bench_validation.py [--lots 1 25 200]`` fills a store with simulated lots of 25 wafers and times
``inspection.intake.lots.validate`` on all of them at once, the engine's import apart; the peer is one run per lot, as each
lands (timed on at most 20 lots and scaled).
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from typing import Any

from inspection.intake.lots import validate
from inspection.params import Validate
from inspection.settings import Workspace
from inspection.simulator.difficulty import SETTINGS
from inspection.simulator.schedule import generator, plan_lot
from inspection.simulator.signatures import draw_wafer
from inspection.store.database import Store, as_stored
from inspection.store.files import add_claimed
from inspection.store.wafers import replace_wafers

SAMPLE = 20


def rows_of(number: int) -> list[dict[str, Any]]:
    plan = plan_lot(0, number, 25)
    return [
        {
            "index": k, "source": f"{plan.name}.klarf", "row": -1, "lot": plan.name, "wafer": wafer.wafer, "slot": wafer.slot,
            "product": plan.product.name, "layer": plan.layer, "tool": wafer.tool, "chamber": wafer.chamber,
            "inspected_at": as_stored(wafer.inspected_at), "kind": "points", "diameter_mm": plan.product.diameter_mm,
            "defects": len(draw_wafer(wafer.label, plan.product, SETTINGS["hard"], generator(0, number, wafer.slot)).xy_um),
            "label": None, "state": "valid", "reason": None, "notes": [],
        }
        for k, wafer in enumerate(plan.wafers)
    ]  # fmt: skip


def land(store: Store, number: int) -> None:
    sha256 = f"{number:064x}"
    with store.write() as connection:
        add_claimed(connection, sha256=sha256, name=sha256, size=1)
        replace_wafers(connection, sha256, [{**row, "file_sha256": sha256} for row in rows_of(number)])


def timed(lots: int, at_once: int) -> tuple[float, int]:
    """Seconds of checking ``lots`` lots that land ``at_once`` at a time, and how many of them had enough history."""
    seconds, judged = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder)
        with Store(f"sqlite:///{workspace.store}") as store:
            for first in range(1, lots + 1, at_once):
                for number in range(first, min(first + at_once, lots + 1)):
                    land(store, number)
                started = time.perf_counter()
                checks = validate(workspace, store, Validate())
                seconds += time.perf_counter() - started
                judged += sum(check.suite == "lot" and not check.cold_start for check in checks)
    return seconds, judged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lots", type=int, nargs="+", default=[1, 25, 200])
    sizes = parser.parse_args().lots
    warnings.simplefilter("ignore")  # the engine's own, of what pandas will change
    started = time.perf_counter()
    import great_expectations  # noqa: F401 - timed apart

    print(f"import of the engine: {time.perf_counter() - started:.1f} s, once per process and never on a wafer's path")
    print(f"{'lots':>6} {'wafers':>7} {'all at once s':>14} {'ms per lot':>11} {'one run per lot s':>18} {'judged by history':>18}")
    timed(1, 1)
    for lots in sizes:
        seconds, judged = timed(lots, lots)
        few = min(lots, SAMPLE)
        peer = timed(few, 1)[0] * lots / few
        print(f"{lots:>6} {25 * lots:>7} {seconds:>14.2f} {seconds / lots * 1e3:>11.1f} {peer:>18.2f} {judged:>18}", flush=True)


if __name__ == "__main__":
    main()
