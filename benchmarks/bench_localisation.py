"""Does the heat of a class lie on its signature? The default network on lots of the simulator's hard setting that it never saw.

For every class: pointing game (Wilson interval) and overlap of hot defects with the signature's own (interval by lot), beside two other
heats on the same wafers: the density of defects alone, which asks no network, and the class activation of the global view alone. Then the
time for one wafer, beside one bare pass of the network.

    python benchmarks/bench_localisation.py [--lots 60] [--epochs 16] [--test-lots 40] [--seed 0] [--network FILE.keras]

With --network (``data/model/model.keras`` of a workspace with the simulator's thirteen classes and the packaged recipe) nothing is trained.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inspection import params as parameters
from inspection import stages
from inspection.evaluation.confusion import Rate
from inspection.evaluation.intervals import percentiles, resampled_lots
from inspection.evaluation.localisation import Agreement, Truth, agreement, by_class
from inspection.evaluation.regions import LEVEL, cells_to_um
from inspection.models.activation import ClassActivation
from inspection.models.backend import keras
from inspection.models.fusion import FEATURES
from inspection.models.saved import load_network
from inspection.scoring.localisation import SPREAD_CELLS, Localiser
from inspection.simulator.difficulty import HARD
from inspection.simulator.schedule import plan_lot
from inspection.simulator.signatures import CLASSES, INCOMPLETE, NORMAL
from inspection.simulator.station import Station
from inspection.views.renderer import ViewSpec, bin_points, whole_wafer
from inspection.views.tiles import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from inspection.simulator.products import Product
    from inspection.simulator.signatures import DrawnWafer
    from inspection.wafer.maps import DefectMap

HEATS = ("localiser", "density", "global view")
PEER_LEVELS = (0.05, 0.1, 0.2, 0.4)
"""A peer gets that of these levels with which its overlap is best on the very wafers it is judged on; ours has the packaged one."""
TEST_FAB = 1_000
"""Added to the seed: the test lots are of another fab."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lots", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--test-lots", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--network", type=Path)
    given = parser.parse_args()
    base = parameters.load()
    with tempfile.TemporaryDirectory() as folder:
        network = load_network(given.network or _train(Path(folder), base, given))
    spec = ViewSpec(**base.tile.points.model_dump())
    localiser, activation = Localiser(network, spec), ClassActivation(network)
    levels = {heat: (LEVEL,) if heat == HEATS[0] else PEER_LEVELS for heat in HEATS}
    rows: dict[tuple[str, float], list[Agreement]] = {(heat, level): [] for heat in HEATS for level in levels[heat]}
    names, lots, called = [], [], []
    for number, label, drawn, wafer, product in _test_wafers(given.seed + TEST_FAB, given.test_lots):
        k, window, cells = CLASSES.index(label), whole_wafer(wafer), spec.size_px
        truth = _truth(label, drawn, wafer, product, cells)
        image, tiles = render(wafer, spec)
        shares = activation(image[None], tiles[None])
        own = shares.image[0, ..., k] - (shares.image[0].sum(-1) - shares.image[0, ..., k]) / (len(CLASSES) - 1)
        count = bin_points(wafer.xy_um, window, cells, clip=True).astype(np.float32)
        heats = {
            "localiser": localiser.heat(wafer, k).values,
            "density": cv2.GaussianBlur(count, (0, 0), SPREAD_CELLS, borderType=cv2.BORDER_CONSTANT),
            "global view": cv2.resize(np.clip(own, 0, None), (cells, cells), interpolation=cv2.INTER_LINEAR),
        }
        for name, heat in heats.items():
            for level in levels[name]:
                rows[name, level].append(agreement(heat, window, wafer, truth, level=level))
        names.append(label)
        lots.append(number)
        called.append(int(shares.logits[0].argmax()) == k)
    print(f"{len(names)} wafers of {len(set(lots))} lots with a signature, {np.mean(called):.1%} called right by the pictures alone")
    best = {heat: max(levels[heat], key=lambda level: np.mean([r.iou for r in rows[heat, level]])) for heat in HEATS}
    print(f"{spec.size_px} cells a side; heat of the true class, right call or not; hot from so much of the hottest cell on: {best}")
    found = {heat: rows[heat, best[heat]] for heat in HEATS}
    _print(found, names, np.array(lots), np.random.default_rng(given.seed))
    _speed(network, localiser, spec, given.seed + TEST_FAB)


def _train(folder: Path, base: parameters.Params, given: argparse.Namespace) -> Path:
    """The default, trained as `inspection run` trains it."""
    place = stages.open_workspace(folder / "w")
    train = base.train.model_copy(update={"epochs": given.epochs})
    params = base.model_copy(update={"base": parameters.Base(seed=given.seed), "train": train})
    started = time.monotonic()
    stages.simulate_fab(folder / "fab", lots=given.lots, seed=given.seed, difficulty="hard", format="klarf12")
    stages.ingest(place, params, source=folder / "fab")
    for stage in ("snapshot", "materialise", "tile", "split", "train"):
        getattr(stages, stage)(place, params)
    print(f"trained on {given.lots} lots in {time.monotonic() - started:.0f} s", flush=True)
    return place.data / "model" / "model.keras"


def _test_wafers(seed: int, lots: int) -> Iterator[tuple[int, str, DrawnWafer, DefectMap, Product]]:
    for number in range(1, lots + 1):
        plan = plan_lot(seed, number, 25)
        for wafer, drawn, defect_map in Station(Path(), plan, seed, HARD, "klarf12", 512).drawn():
            if wafer.label != NORMAL:
                yield number, wafer.label, drawn, defect_map, plan.product


def _truth(label: str, drawn: DrawnWafer, wafer: DefectMap, product: Product, cells: int) -> Truth:
    """The dominant signature's own defects; of an incomplete inspection the cells on dies that it did not reach."""
    window = whole_wafer(wafer)
    if label != INCOMPLETE:
        return Truth.of_defects(wafer, drawn.made_by == 0, window, (cells, cells))
    centres = cells_to_um((cells, cells), window).reshape(-1, 2)
    missing = product.on_dies(centres, product.dies) & ~product.on_dies(centres, drawn.dies)
    return Truth(missing.reshape(cells, cells))


def _print(found: dict[str, list[Agreement]], names: list[str], lots: NDArray, rng: np.random.Generator) -> None:
    by_name = {heat: by_class(rows, names, lots, bootstrap=1_000, rng=rng) for heat, rows in found.items()}
    print(
        f"{'':14s}{'wafers':>7s}  {'points at it':24s}{'overlap of defects':24s}{'of dies':>8s}",
        *(f"  {h}: points, overlap" for h in HEATS[1:]),
    )
    for place, row in enumerate(by_name[HEATS[0]]):
        low, high = row.pointing.interval
        first, last = row.iou_interval
        others = "".join(f"{p.pointing.value:11.2f} {p.iou:11.2f}     " for p in (by_name[h][place] for h in HEATS[1:]))
        print(
            f"{row.name:14s}{row.wafers:7d}  {row.pointing.value:.2f} ({low:.2f} to {high:.2f})     "
            f"{row.iou:.2f} ({first:.2f} to {last:.2f})     {row.die_iou:8.2f} {others}"
        )
    for heat, rows in found.items():
        hits = Rate(sum(r.points for r in rows), len(rows))
        iou = np.array([r.iou for r in rows])
        drawn = resampled_lots(np.column_stack((iou, np.ones(len(iou)))), lots, 1_000, rng)
        low, high = percentiles(drawn[:, 0] / drawn[:, 1])
        least, most = hits.interval
        macro = np.mean([r.pointing.value for r in by_name[heat]]), np.mean([r.iou for r in by_name[heat]])
        print(
            f"all, {heat:12s} points {hits.value:.3f} ({least:.3f} to {most:.3f}), overlap {iou.mean():.3f} ({low:.3f} to {high:.3f}); "
            f"mean over classes {macro[0]:.3f}, {macro[1]:.3f}"
        )


def _speed(network: keras.Model, localiser: Localiser, spec: ViewSpec, seed: int, rounds: int = 40) -> None:
    """Median and least time for one wafer, drawing of its views included; beside a bare compiled pass on views that are there."""
    wafers = [w for *_, w, _ in _test_wafers(seed, 4)]
    pictures = [t for t in network.inputs if t.name != FEATURES]
    bare = keras.Model(pictures, network.get_layer("logits").output)
    views = [render(w, spec) for w in wafers]
    given = [[{"image": v[0], "tiles": v[1]}[t.name][None] for t in pictures] for v in views]
    took: dict[str, list[float]] = {"heat of one wafer": [], "bare pass": []}
    for i in range(-3, rounds):
        for name, run in (
            ("heat of one wafer", lambda i=i: localiser.heat(wafers[i % len(wafers)], 1)),
            ("bare pass", lambda i=i: bare.predict_on_batch(given[i % len(wafers)])),
        ):
            began = time.perf_counter()
            run()
            if i >= 0:
                took[name].append(time.perf_counter() - began)
    for name, seconds in took.items():
        print(f"{name:18s} median {np.median(seconds) * 1e3:6.1f} ms, least {min(seconds) * 1e3:6.1f} ms")


if __name__ == "__main__":
    main()
