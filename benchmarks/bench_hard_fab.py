"""How hard is the simulator's hard setting? A plain CNN on the global view alone, and the default network, on the same lots.

The setting is frozen where the plain network's recall of ZigZag and of ClusterSmall lies between .70 and .85, its classes drawn alike and
the best of all epochs on the validation part taken.

    python benchmarks/bench_hard_fab.py [--lots 200] [--seeds 0 1] [--epochs 30]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from inspection import params as parameters
from inspection import stages
from inspection.evaluation.confusion import wilson
from inspection.simulator.difficulty import HARD_VERSION

WATCHED = ("ZigZag", "ClusterSmall", "GeoScratch", "ClusterBig", "Grid")
TEST_SHARE = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lots", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--models", nargs="+", default=["plain_cnn", "wafer_net"])
    given = parser.parse_args()
    print(f"hard setting version {HARD_VERSION}, {given.lots} lots of 25 wafers, lot-disjoint, {TEST_SHARE:.0%} of the lots for test")
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            place = stages.open_workspace(Path(folder) / "w")
            base = parameters.load()
            stages.simulate_fab(Path(folder) / "fab", lots=given.lots, seed=seed, difficulty="hard", format="klarf12")
            stages.ingest(place, base, source=Path(folder) / "fab")
            stages.snapshot(place, base)
            for model in given.models:
                params = base.model_copy(
                    update={
                        "base": parameters.Base(seed=seed),
                        "split": base.split.model_copy(update={"test": TEST_SHARE}),
                        "balance": parameters.Balance(tempering=0.0),
                        "train": base.train.model_copy(update={"model": model, "epochs": given.epochs, "patience": given.epochs}),
                    }
                )
                started = time.monotonic()
                for stage in ("materialise", "tile", "split", "train", "evaluate"):
                    getattr(stages, stage)(place, params)
                _print(model, seed, place.data, time.monotonic() - started)


def _print(model: str, seed: int, data: Path, seconds: float) -> None:
    metrics = json.loads((data / "metrics.json").read_text(encoding="utf-8"))
    counts = json.loads((data / "split.json").read_text(encoding="utf-8"))["by_class"]
    low, high = metrics["macro_f1_low"], metrics["macro_f1_high"]
    print(f"{model}, seed {seed}: macro-F1 {metrics['macro_f1']:.3f} ({low:.3f} to {high:.3f}), {seconds:.0f} s", flush=True)
    for name in WATCHED:
        total, recall = counts[name]["test"], metrics[f"recall_{name}"]
        low, high = wilson(round(recall * total), total)
        print(
            f"  {name:13s} recall {recall:.3f} ({low:.3f} to {high:.3f}) of {total} test wafers, F1 {metrics[f'f1_{name}']:.3f}", flush=True
        )


if __name__ == "__main__":
    main()
