"""The accuracy anchor on WM-811K: the default training beside the floor, on the same lots.

The floor is a plain residual CNN of .70 M parameters on the 64 px view, wafers drawn as they come, quarter turns and flips, 12 epochs, no
averaged weights, no softened labels, no hand-made features. Both are trained on the training part of ``wm811k_dev.npz`` split by blocks of
rows (no lot on two sides), each keeps its best epoch on the validation part, and is judged once on the test part; the interval draws whole
blocks. ``alike``: the default, but that all classes are drawn equally often.

    python benchmarks/compare_wm811k.py --workspace FOLDER [--ways floor default] [--seeds 0] [--share 1.0]

What is done stays in FOLDER: the same command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from inspection import params as parameters
from inspection import stages

BASE = parameters.load()
FLOOR = {
    "model": "plain_cnn", "fuse_features": False, "epochs": 12, "ema": 0.0, "label_smoothing": 0.0, "dropout": 0.0, "learning_rate": 1e-3,
    "weight_decay": 0.0,
}  # fmt: skip
WAYS: dict[str, dict[str, Any]] = {
    "floor": {"balance": BASE.balance.model_copy(update={"tempering": 1.0}), "train": BASE.train.model_copy(update=FLOOR)},
    "default": {},
    "alike": {"balance": BASE.balance.model_copy(update={"tempering": 0.0})},
}
"""Sections of params.yaml that each way replaces."""
KEPT = ("macro_f1", "macro_f1_low", "macro_f1_high", "escape_rate", "overkill_rate", "recall_Scratch", "recall_Loc", "recall_Donut")
STAGES = ("materialise", "tile", "split", "train", "evaluate")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("INSPECTION_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=shared / "wm811k" / "wm811k_dev.npz")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--ways", nargs="+", choices=sorted(WAYS), default=list(WAYS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the split and of the training alike")
    parser.add_argument("--epochs", type=int, help="fewer, to see that the recipe works")
    given = parser.parse_args()
    print("| way | seed | macro-F1 | 95 % interval | escapes | overkill | Scratch | Loc | Donut | training, min |")
    print("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for seed in given.seeds:
        for way in given.ways:
            _print(way, seed, _run(given.data, given.workspace, way, seed, given.epochs))


def _run(data: Path, folder: Path, way: str, seed: int, epochs: int | None) -> dict[str, float]:
    """One way, or what it left when it was run before."""
    result = folder / f"{way}-{seed}.json"
    if not result.is_file():
        params = BASE.model_copy(update={**WAYS[way], "base": parameters.Base(seed=seed)})
        params = params.model_copy(update={"baselines": BASE.baselines.model_copy(update={"enabled": False})})
        if epochs:
            params = params.model_copy(update={"train": params.train.model_copy(update={"epochs": epochs})})
        place = stages.open_workspace(folder / f"{way}-{seed}")
        stages.ingest(place, params, source=data)
        stages.snapshot(place, params)
        seconds = {}
        for stage in STAGES:
            started = time.monotonic()
            getattr(stages, stage)(place, params)
            seconds[stage] = time.monotonic() - started
        metrics = json.loads((place.data / "metrics.json").read_text(encoding="utf-8"))
        row = {key: metrics[key] for key in KEPT if key in metrics} | {"train_s": seconds["train"]}
        result.write_text(json.dumps(row, indent=1), encoding="utf-8")
    kept: dict[str, float] = json.loads(result.read_text(encoding="utf-8"))
    return kept


def _print(way: str, seed: int, row: dict[str, float]) -> None:
    recalls = " | ".join(f"{row[f'recall_{name}']:.3f}" for name in ("Scratch", "Loc", "Donut"))
    print(
        f"| {way} | {seed} | {row['macro_f1']:.3f} | {row['macro_f1_low']:.3f} to {row['macro_f1_high']:.3f} | {row['escape_rate']:.2%} | "
        f"{row['overkill_rate']:.2%} | {recalls} | {row['train_s'] / 60:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
