"""How many wafers a second a network scores on this machine, the way it is served: the warm predictor, from views to logits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from inspection.scoring.bundle import Bundle
from inspection.scoring.predictor import Predictor
from inspection.views.shards import Views
from inspection.wafer.taxonomy import Taxonomy, WaferClass

if TYPE_CHECKING:
    from inspection.models.backend import keras
    from inspection.views.renderer import ViewSpec

LEAST_RUNS, MOST_RUNS = 3, 200


def images_per_second(network: keras.Model, spec: ViewSpec, batch: int, *, seconds: float = 1.0) -> float:
    """Views of ``spec`` scored a second in batches of ``batch``, without turns: by the median time of a batch.

    Compiled and run once before; then as often as ``seconds`` allow, 3 times at least.
    """
    classes = network.get_layer("logits").output.shape[-1]
    taxonomy = Taxonomy(tuple(WaferClass(f"class {k}") for k in range(classes)))
    predictor = Predictor(Bundle(taxonomy, spec, np.full(classes, 0.5), 1.0), network, (batch,))
    views = _views(spec, batch, network.inputs[0].shape[-1])
    took: list[float] = []
    began = time.perf_counter()
    while len(took) < LEAST_RUNS or (time.perf_counter() - began < seconds and len(took) < MOST_RUNS):
        before = time.perf_counter()
        predictor.look(views)
        took.append(time.perf_counter() - before)
    return batch / float(np.median(took))


def _views(spec: ViewSpec, batch: int, channels: int) -> Views:
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> np.ndarray:
        return rng.integers(0, 256, shape, np.uint8)

    return Views(
        drawn(batch, spec.size_px, spec.size_px, channels), drawn(batch, spec.tiles, spec.tile_px, spec.tile_px, channels), spec
    )  # fmt: skip
