"""What symmetry by construction costs: a training step and scoring of the symmetric network against the plain one, in one run.

Scoring with the plain network means one pass for each turn of test-time augmentation, which a symmetric network does not need.
Rounds alternate, and the ratio is that of medians, so that a busy machine slows both.

    python benchmarks/bench_symmetric.py [--batch 64] [--rounds 9] [--size-px 64] [--tiles 0]
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np

from inspection.models.anatomy.stages import anatomy
from inspection.models.backend import keras
from inspection.models.builders import build
from inspection.models.symmetry import SquareGroup
from inspection.scoring.bundle import Bundle
from inspection.scoring.predictor import Predictor
from inspection.views.renderer import ViewSpec, turn_matrix
from inspection.views.shards import Views
from inspection.wafer.taxonomy import Taxonomy, WaferClass

if TYPE_CHECKING:
    from collections.abc import Callable

CLASSES = 9
TURNS = tuple(turn_matrix(k * np.pi / 2, mirrored=m) for m in (False, True) for k in range(4))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size-px", type=int, default=64)
    parser.add_argument("--tiles", type=int, default=0)
    given = parser.parse_args()
    spec = ViewSpec(given.size_px, tiles=given.tiles, tile_px=48)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (given.batch, spec.size_px, spec.size_px, 3), np.uint8)
    tiles = rng.integers(0, 256, (given.batch, spec.tiles, spec.tile_px, spec.tile_px, 3), np.uint8)
    views = Views(images, tiles, spec)
    steps: dict[str, Callable[[], object]] = {}
    scores: dict[str, Callable[[], object]] = {}
    for name, width, group in (
        ("plain, width 32", 32, None),
        ("symmetric, width 32", 32, SquareGroup.of(TURNS)),
        ("symmetric, width 64", 64, SquareGroup.of(TURNS)),
    ):
        network = build("wafer_net", spec, CLASSES, width=width, dropout=0.3, group=group)
        found = anatomy(network)
        print(f"{name}: {found.parameters:,} parameters, {found.multiply_adds / 1e6:.1f} M multiply-adds")
        scores[name] = _scoring(network, views)
        steps[name] = _training(network, views)
    for what, runs in (("training step", steps), (f"scoring, {len(TURNS)} turns", scores)):
        took: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(given.rounds):
            for name, run in runs.items():
                began = time.perf_counter()
                run()
                took[name].append(time.perf_counter() - began)
        middle = {name: float(np.median(times)) for name, times in took.items()}
        base = next(iter(middle.values()))
        for name, seconds in middle.items():
            print(f"{what:18s} {name:20s} {seconds * 1e3:7.0f} ms, {seconds / base:.2f} of the plain one")


def _training(network: keras.Model, views: Views) -> Callable[[], object]:
    network.compile(keras.optimizers.AdamW(1e-3), keras.losses.CategoricalCrossentropy(from_logits=True))
    inputs = {"image": views.images} | ({"tiles": views.tiles} if views.spec.tiles else {})
    labels = np.eye(CLASSES, dtype=np.float32)[np.arange(len(views)) % CLASSES]
    network.train_on_batch(inputs, labels)  # compiles
    return lambda: network.train_on_batch(inputs, labels)


def _scoring(network: keras.Model, views: Views) -> Callable[[], object]:
    taxonomy = Taxonomy(tuple(WaferClass(str(k)) for k in range(CLASSES)))
    bundle = Bundle(taxonomy, views.spec, np.full(CLASSES, 0.5), 1.0, TURNS)
    predictor = Predictor(bundle, network, (len(views),))
    return lambda: predictor.look(views)


if __name__ == "__main__":
    main()
