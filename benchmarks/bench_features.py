"""How fast hand-made features are computed, against one training step of the default network on the same views, on one core.

    python benchmarks/bench_features.py [--wafers 512] [--repeat 5]

Views of the simulated fab (points) and of die maps drawn from them, 64 px. Processor seconds of one thread for the features; the network
is fitted on one core too, without augmentation: the bare step. The two take turns, the best of each counts. "Ratio" is maps per second of
the features over images per second of the step: above 1, features cost less than the step that they stand beside.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import argparse
import time
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inspection.models.builders import build
from inspection.models.features import NAMES, extract
from inspection.models.features.extraction import FAMILIES
from inspection.models.features.planes import SIZE_PX, planes_of
from inspection.params import Tile, Train
from inspection.simulator.difficulty import SETTINGS
from inspection.simulator.products import PRODUCTS
from inspection.simulator.signatures import CLASSES, draw_wafer
from inspection.views.renderer import ViewSpec, render_global
from inspection.wafer.maps import FAIL, NO_DIE, PASS, DefectMap, DieMap, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--wafers", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    points = simulated(given.wafers)
    kinds = {
        "points": np.stack([render_global(w, SIZE_PX) for w in points]),
        "die maps": np.stack([render_global(dies_of(w), SIZE_PX) for w in points]),
    }
    step = bare_step(kinds["points"])
    extract(kinds["points"][:2])
    print(f"{len(NAMES)} features, {SIZE_PX} px, one core\n")
    print("| views | features, maps/s | bare training step, images/s | ratio |\n| --- | ---: | ---: | ---: |")
    for kind, images in kinds.items():
        ours, theirs = [], []
        for _ in range(given.repeat):
            ours.append(cpu_s(lambda images=images: extract(images)))
            theirs.append(cpu_s(step))
        features, steps = len(images) / min(ours), len(kinds["points"]) / min(theirs)
        print(f"| {kind} | {features:.0f} | {steps:.0f} | {features / steps:.1f} |", flush=True)
    print("\n| family | columns | ms per map |\n| --- | ---: | ---: |")
    planes = planes_of(kinds["die maps"])
    for family in FAMILIES:
        best = min(cpu_s(lambda family=family: family.measure(planes)) for _ in range(given.repeat))
        print(f"| {family.__name__.rpartition('.')[2]} | {len(family.NAMES)} | {best / len(planes) * 1e3:.3f} |")


def simulated(wafers: int) -> list[DefectMap]:
    """Wafers of every class of the reference taxonomy in turn, as the hard fab draws them."""
    found = []
    for i in range(wafers):
        rng = np.random.default_rng([0, i])
        product = PRODUCTS[i % len(PRODUCTS)]
        drawn = draw_wafer(CLASSES[i % len(CLASSES)], product, SETTINGS["hard"], rng)
        info = WaferInfo(diameter_mm=product.radius_um / 500)
        found.append(DefectMap(info=info, xy_um=drawn.xy_um, pitch_um=product.pitch_um, origin_um=product.origin_um, dies=drawn.dies))
    return found


def dies_of(wafer: DefectMap, side: int = 40) -> DieMap:
    """A die map of ``side`` x ``side`` dies: one fails with the first point on it."""
    radius = wafer.info.radius_um
    centre = (np.arange(side) + 0.5) / side * 2 - 1
    status = np.where(centre[:, None] ** 2 + centre**2 <= 1, PASS, NO_DIE).astype(np.uint8)
    col, row = (np.clip(((p / radius + 1) / 2 * side).astype(int), 0, side - 1) for p in (wafer.xy_um[:, 0], -wafer.xy_um[:, 1]))
    status[row, col] = np.where(status[row, col] == NO_DIE, NO_DIE, FAIL)
    return DieMap(info=wafer.info, status=status)


def bare_step(images: NDArray[np.uint8]) -> Callable[[], object]:
    """One epoch of bare Keras over ``images``, compiled and warm: the default network on the global view alone."""
    from inspection.models.backend import keras

    train = Train()
    spec = ViewSpec(SIZE_PX, Tile().dies.tiles)
    network = build(train.model, spec, len(CLASSES), width=train.width, dropout=train.dropout)
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    labels = np.arange(len(images)) % len(CLASSES)

    def epoch() -> object:
        return network.fit(images, labels, batch_size=train.batch_size, epochs=1, verbose=0)

    epoch()
    return epoch


def cpu_s(work: Callable[[], object]) -> float:
    """Processor seconds of ``work``: on a busy machine they mean more than the clock's."""
    before = time.process_time()
    work()
    return time.process_time() - before


if __name__ == "__main__":
    main()
