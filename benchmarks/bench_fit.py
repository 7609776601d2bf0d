"""What watching a training costs: an epoch with progress and checkpoints against the same epoch of a bare ``model.fit``.

Both train the same network on the same batches in this process; rounds are interleaved, each in either order, and the median ratio within
a round counts. Beside it: what one checkpoint takes and weighs, and the share of the time that checkpoints take at their default pace.

    python benchmarks/bench_fit.py [--rounds 5] [--steps 20] [--model wafer_net] [--width 32]

WM-811K die maps at 64 px from INSPECTION_DATA (default ../shared/data); nothing but the training is timed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from bench_augment import BATCH, die_maps

from inspection import params as parameters
from inspection.augmentation.policy import fitted_policy
from inspection.views.renderer import ViewSpec
from inspection.wafer.taxonomy import choose

if TYPE_CHECKING:
    from inspection.training.inputs import AugmentedBatches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--model", default="wafer_net")
    parser.add_argument("--width", type=int, default=32)
    given = parser.parse_args()
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="keras")
    with tempfile.TemporaryDirectory() as folder:
        compare(given, Path(folder))


def compare(given: Any, folder: Path) -> None:
    from inspection.models.backend import keras
    from inspection.models.builders import build
    from inspection.training.checkpoint import STATE, Checkpoint, Progress
    from inspection.training.inputs import AugmentedBatches
    from inspection.training.optimisers import optimiser_of
    from inspection.training.watching import CHECKPOINT_S, Watcher

    params = parameters.load()
    maps, names = die_maps()
    taxonomy = choose(names, params.classes)
    labels = np.array([taxonomy.index(name) for name in names])
    policy, donors = fitted_policy(taxonomy, params.augment, maps, labels)
    recipe = params.tile.dies
    spec = ViewSpec(recipe.size_px, recipe.tiles, recipe.tile_px, recipe.tile_mm)

    def batches(epoch: int, steps: int) -> AugmentedBatches:
        return AugmentedBatches(
            maps, labels, np.arange(len(maps)), policy, spec, classes=len(taxonomy), batch_size=BATCH, steps=steps, seed=0, epoch=epoch,
            with_tiles=spec.tiles > 0, donors=donors,
        )  # fmt: skip

    model = build(given.model, spec, len(taxonomy), width=given.width, dropout=0.3)
    model.compile(optimizer=optimiser_of(params.train, 1000), loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)
    model.fit(batches(0, 2), shuffle=False, verbose=0)  # traced once
    checkpoint = Checkpoint(folder / "run", "bench")
    checkpoint.load(model)

    def epoch(one_round: int, *, watched: bool) -> float:
        state = Progress("bench", epoch=one_round)
        watcher = [Watcher(state, checkpoint, CHECKPOINT_S, given.rounds, given.steps, lambda *_: None)] if watched else []
        ready = batches(1 + one_round, given.steps)
        started = time.perf_counter()
        model.fit(ready, shuffle=False, verbose=0, callbacks=watcher)
        return time.perf_counter() - started

    ratios, rates = [], []
    for one_round in range(given.rounds):
        taken = {watched: epoch(one_round, watched=watched) for watched in ((False, True) if one_round % 2 else (True, False))}
        ratios.append(taken[True] / taken[False])
        rates.append(given.steps * BATCH / taken[False])
    saves = []
    for _ in range(10):
        started = time.perf_counter()
        checkpoint.save(Progress("bench"), model)
        saves.append(time.perf_counter() - started)
    save_s, size = statistics.median(saves), (checkpoint.folder / STATE).stat().st_size
    print(
        f"{given.model} ({model.count_params():,} parameters), {spec.size_px} px, {os.cpu_count()} cores, {given.rounds} rounds of "
        f"{given.steps} steps of {BATCH}:\n"
        f"  bare fit {statistics.median(rates):.0f} images/s; watched {statistics.median(ratios):.3f} times its wall time "
        f"({min(ratios):.3f} to {max(ratios):.3f})\n"
        f"  a checkpoint takes {save_s * 1000:.0f} ms and {size / 1e6:.1f} MB: {save_s / CHECKPOINT_S:.2%} of the time at one in "
        f"{CHECKPOINT_S:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
