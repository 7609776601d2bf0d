"""What augmentation, rendering and balance cost a training step: a fit on ready arrays against the same fit on augmented batches.

Both train the same network for the same steps in this process; rounds are interleaved, each in either order, and the median ratio within a
round counts. The limit is a fit that never waits for its input. Beside it stands the processor time of one drawn and rendered wafer over
that of one trained image: on a machine whose cores the network fills, that share is what augmentation must cost in the long run.

    python benchmarks/bench_augment.py [--rounds 5] [--steps 20] [--kinds dies points] [--model wafer_net] [--all]

``dies``: WM-811K die maps at 64 px from INSPECTION_DATA (default ../shared/data);
``points``: the simulated fab at 96 px with six detail tiles. ``--all`` switches every nuisance and operation on, not only the shipped ones.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection import params as parameters
from inspection.augmentation.policy import fitted_policy
from inspection.dataset.balance import balanced_indices
from inspection.params import Augment, Ingest
from inspection.simulator.difficulty import HARD
from inspection.simulator.products import PRODUCTS
from inspection.simulator.signatures import CLASSES, draw_wafer
from inspection.views.renderer import ViewSpec
from inspection.wafer.maps import DefectMap, WaferInfo
from inspection.wafer.taxonomy import choose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspection.wafer.maps import WaferMap
    from inspection.wafer.taxonomy import Taxonomy

BATCH = 64
NUISANCES = ("radial_um", "lateral_um", "point_radial_um", "point_lateral_um")
OWN = {"recombine": 0.2, "superpose": 0.1, "mosaic": 0.1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--kinds", nargs="+", default=["dies", "points"])
    parser.add_argument("--model", default="wafer_net")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--all", action="store_true")
    given = parser.parse_args()
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="keras")
    params = parameters.load()
    for kind in given.kinds:
        maps, names = WAFERS[kind]()
        recipe = params.tile.dies if kind == "dies" else params.tile.points
        spec = ViewSpec(recipe.size_px, recipe.tiles, recipe.tile_px, recipe.tile_mm)
        compare(kind, maps, names, spec, params, given)


def compare(kind: str, maps: list[WaferMap], names: Sequence[str], spec: ViewSpec, params: parameters.Params, given: Any) -> None:
    """Print the ratios of one kind of source."""
    from inspection.models.backend import keras
    from inspection.models.builders import build
    from inspection.training.inputs import AugmentedBatches

    taxonomy = choose(names, params.classes)
    labels = np.array([taxonomy.index(name) for name in names])
    augment = everything(taxonomy) if given.all else params.augment
    started = time.perf_counter()
    policy, donors = fitted_policy(taxonomy, augment, maps, labels)
    fitted_s = time.perf_counter() - started
    started = time.perf_counter()
    drawn = balanced_indices(labels, params.balance.tempering, 0)
    balanced_s = time.perf_counter() - started

    def batches(epoch: int, steps: int) -> AugmentedBatches:
        return AugmentedBatches(
            maps, labels, drawn, policy, spec, classes=len(taxonomy), batch_size=BATCH, steps=steps, seed=0, epoch=epoch,
            with_tiles=spec.tiles > 0, donors=donors,
        )  # fmt: skip

    model = build(given.model, spec, len(taxonomy), width=given.width, dropout=0.3)
    model.compile(optimizer="adamw", loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    inputs = [t.name for t in model.inputs]
    made = [batches(0, given.steps)[i] for i in range(given.steps)]
    ready = {name: np.concatenate([images[name] for images, _ in made]) for name in inputs}
    ready_labels = np.concatenate([one for _, one in made])
    model.fit(ready, ready_labels, batch_size=BATCH, shuffle=False, verbose=0)  # traced once; both ways give the same shapes
    model.fit(batches(0, 2), shuffle=False, verbose=0)

    def bare(_round: int) -> None:
        model.fit(ready, ready_labels, batch_size=BATCH, shuffle=False, verbose=0)

    def augmented(one_round: int) -> None:
        model.fit(batches(1 + one_round, given.steps), shuffle=False, verbose=0)

    walls: list[float] = []
    rates: list[float] = []
    processors: list[float] = []
    for one_round in range(given.rounds):
        ways = (bare, augmented) if one_round % 2 else (augmented, bare)
        taken = {way: timed(way, one_round) for way in ways}
        walls.append(taken[augmented][0] / taken[bare][0])
        processors.append(taken[bare][1])
        rates.append(given.steps * BATCH / taken[bare][0])
    input_s = min(timed(lambda _: [batches(99, given.steps)[i] for i in range(given.steps)], 0)[1] for _ in range(3))
    share = input_s / statistics.median(processors)
    images = given.steps * BATCH
    print(
        f"{kind}, {spec.size_px} px, {spec.tiles} tiles, {given.model} ({model.count_params():,} parameters), {os.cpu_count()} cores, "
        f"{given.rounds} rounds of {given.steps} steps of {BATCH}, {'every operation' if given.all else 'shipped operations'}:\n"
        f"  bare fit {statistics.median(rates):.0f} images/s; with augmentation {statistics.median(walls):.3f} times its wall time "
        f"({min(walls):.3f} to {max(walls):.3f})\n"
        f"  processor time of the input {share:.1%} of the bare fit's ({input_s / images * 1e6:.0f} us of "
        f"{statistics.median(processors) / images * 1e6:.0f} us per image)\n"
        f"  once per training: balance {balanced_s:.2f} s, backgrounds and donors {fitted_s:.2f} s for {len(maps)} wafers",
        flush=True,
    )


def timed(run: Callable[[int], object], number: int) -> tuple[float, float]:
    """Wall and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    run(number)
    return time.perf_counter() - wall, time.process_time() - processor


def everything(taxonomy: Taxonomy) -> Augment:
    """All nuisances, and all operations on the signatures of all classes."""
    shipped = parameters.load().augment.nuisance.model_dump()
    strong = {**shipped, **dict.fromkeys(NUISANCES, 100.0), "pitch": 0.005, "die_thinning": 0.1, "die_background": 0.1}
    classes = {c.name: OWN for c in taxonomy.classes if not c.normal}
    return Augment.model_validate({"nuisance": strong, "mixup": 0.1, "classes": classes})


def die_maps() -> tuple[list[WaferMap], list[str]]:
    """WM-811K, ten maps of each class: all that a training needs to take the time it takes."""
    from inspection.formats.diemap import archive

    folder = Path(os.environ.get("INSPECTION_DATA", Path(__file__).parents[2] / "shared" / "data")) / "wm811k"
    path = folder / "wm811k_sample_90.npz"
    if not path.is_file():
        raise SystemExit(f"No die maps: expected {path}. Set INSPECTION_DATA to a folder that holds wm811k/, or take --kinds points.")
    wafers = list(archive.read(path, Ingest()))
    return [w.map for w in wafers], [w.label or "" for w in wafers]


def points() -> tuple[list[WaferMap], list[str]]:
    """The simulated fab's hard setting, every class alike."""
    rng = np.random.default_rng(0)
    maps: list[WaferMap] = []
    names = [CLASSES[i % len(CLASSES)] for i in range(650)]
    for i, name in enumerate(names):
        product = PRODUCTS[i % len(PRODUCTS)]
        drawn = draw_wafer(name, product, HARD, rng)
        info = WaferInfo(product=product.name, diameter_mm=product.diameter_mm)
        maps.append(DefectMap(info=info, xy_um=drawn.xy_um, pitch_um=product.pitch_um, origin_um=product.origin_um, dies=drawn.dies))
    return maps, names


WAFERS: dict[str, Callable[[], tuple[list[WaferMap], list[str]]]] = {"dies": die_maps, "points": points}

if __name__ == "__main__":
    main()
