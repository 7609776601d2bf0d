"""The guard against class-discriminative traces, tried on planted artefacts: caught, class and operation named, false alarms.

One class's views (global view and detail tiles) get an artefact, those of density at the source, at three strengths. The policies are those
of params.yaml: WM-811K die maps with their nine classes, and simulated points with the thirteen of the reference taxonomy. Artefacts are
those that the guard was made for, and others that it does not know (``guard_artefacts.py``).

Each guard is one line of the results file as soon as it is done. What is there is not done again, so that a run may be cut at any time, and
``--table`` shows the table of what is there.

    python benchmarks/bench_guard.py [--seeds 10] [--clean 10] [--strength middle] [--kind listed] [--source dies] [--minutes 60] [--table]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from guard_artefacts import AT_SOURCE, LISTED, UNLISTED
from scipy.stats import beta

from inspection.augmentation.guard.blame import blame_failures
from inspection.augmentation.guard.contract import NOTHING, View
from inspection.augmentation.guard.neutral import Bases, neutral_bases
from inspection.augmentation.guard.trace import Effort, trace_test
from inspection.augmentation.guard.verdict import Limits
from inspection.augmentation.policy import policy_for
from inspection.params import load
from inspection.simulator.background import background
from inspection.simulator.difficulty import HARD
from inspection.simulator.products import PRODUCTS
from inspection.simulator.signatures import CLASSES, scene_of
from inspection.stages.policy_views import PolicyViews, view_spec
from inspection.wafer.maps import DefectMap, DieMap, WaferInfo
from inspection.wafer.taxonomy import choose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from guard_artefacts import Artefact, Image
    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.guard.contract import ViewPolicy
    from inspection.wafer.maps import WaferMap

ARCHIVE = Path("wm811k") / "wm811k_dev.npz"
STRENGTHS = ("weak", "middle", "strong")
CLEAN = "clean policy"
EFFORT = Effort()


@dataclass(frozen=True)
class Planted:
    """A policy whose class ``label`` also meets an artefact; ``name`` is its name among the operations."""

    inner: ViewPolicy
    label: int
    name: str
    artefact: Artefact | None
    strength: float

    @property
    def classes(self) -> tuple[str, ...]:
        return self.inner.classes

    def operations(self, label: int) -> tuple[str, ...]:
        return (*self.inner.operations(label), *((self.name,) if label == self.label else ()))

    def view(self, base: WaferMap, label: int, rng: Generator, without: frozenset[str] = NOTHING) -> View:
        planted = label == self.label and self.name not in without
        without = without - {self.name}  # which is no operation of the policy
        if not planted:
            return self.inner.view(base, label, rng, without)
        if self.artefact is None:
            return self.inner.view(AT_SOURCE[self.name](base, self.strength, rng), label, rng, without)
        view = self.inner.view(base, label, rng, without)
        tiles = [self._changed(tile, rng) if tile.any() else tile for tile in view.tiles]
        return View(self._changed(view.image, rng), np.stack(tiles) if tiles else view.tiles)

    def plain(self, base: WaferMap) -> View:
        return self.inner.plain(base)

    def _changed(self, image: Image, rng: Generator) -> Image:
        return image if self.artefact is None else self.artefact(image, self.strength, rng)


def die_maps(path: Path, wanted: int, seed: int) -> tuple[ViewPolicy, Bases]:
    """WM-811K's normal wafers, blocks of 25 rows as lots, under the policy of params.yaml."""
    params = load()
    archive = archive_of(path)
    names = [str(c) for c in archive["classes"]]
    taxonomy = choose(names, params.classes)
    pixels, offsets, shapes = archive["pixels"], archive["offsets"], archive["shapes"]
    rng = np.random.default_rng(seed)
    chosen = rng.choice(np.flatnonzero(archive["label"] == names.index("none")), wanted, replace=False)
    maps = [DieMap(info=WaferInfo(), status=pixels[offsets[i] : offsets[i + 1]].reshape(shapes[i])) for i in chosen]
    bases = neutral_bases(maps, np.ones(len(maps), bool), archive["row"][chosen] // 25, wanted, rng)
    return PolicyViews(policy_for(taxonomy, params.augment), None, view_spec(params, points=False)), bases


@lru_cache
def archive_of(path: Path) -> dict[str, NDArray]:
    with np.load(path) as archive:
        return dict(archive)


def points(wanted: int, seed: int) -> tuple[ViewPolicy, Bases]:
    """Background of the simulator's hard setting on its three products, under the policy of params.yaml."""
    params = load()
    taxonomy = choose(CLASSES, params.classes)
    rng = np.random.default_rng(seed)
    maps = []
    for _ in range(wanted):
        product = PRODUCTS[rng.choice(len(PRODUCTS), p=[p.share for p in PRODUCTS])]
        xy = background(scene_of(product, HARD), rng)
        maps.append(
            DefectMap(
                info=WaferInfo(diameter_mm=product.diameter_mm),
                xy_um=xy[product.on_dies(xy, product.dies)],
                pitch_um=product.pitch_um,
                origin_um=product.origin_um,
                dies=product.dies,
            )
        )
    bases = neutral_bases(maps, np.ones(wanted, bool), np.arange(wanted), wanted, rng)
    return PolicyViews(policy_for(taxonomy, params.augment), None, view_spec(params, points=True)), bases


def guarded(policy: ViewPolicy, bases: Bases, seed: int, planted: Planted | None = None) -> dict[str, Any]:
    """One guard: what it said, whether it named the planted class (alone) and operation, and its time."""
    started, used = time.perf_counter(), time.process_time()
    rng = np.random.default_rng([seed, 99])
    test = trace_test("neutral", policy, bases, EFFORT, Limits(0.05), rng)
    found: dict[str, Any] = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - used, "looks": test.looks}
    found |= {"call": test.call, "area": max(c.call.alone.area for c in test.classes), "hidden": any(c.hidden for c in test.classes)}
    if planted is not None and test.call == "fail":
        name = planted.classes[planted.label]
        found["class"] = [c.name for c in test.failed] == [name]
        own = replace(test, classes=tuple(c for c in test.classes if c.name == name))
        blames = blame_failures(policy, own, bases, EFFORT, rng)
        found["operation"] = name in blames and blames[name].operations == (planted.name,)
    return found


def guards(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What there is to do: artefact (or clean), source, strength, seed."""
    for source in ("dies", "points") if given.source == "both" else (given.source,):
        for seed in range(given.first_seed, given.first_seed + given.clean) if given.only in (None, CLEAN) else ():
            yield {"source": source, "artefact": CLEAN, "strength": "", "seed": seed}
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            for name in {"listed": LISTED, "unlisted": UNLISTED}.get(given.kind, {**LISTED, **UNLISTED}):
                for strength in STRENGTHS:
                    chosen = given.only in (None, name) and given.strength in ("all", strength)
                    if chosen and (source == "points" or name != "quantised angles"):
                        yield {"source": source, "artefact": name, "strength": strength, "seed": seed}


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["source"], row["artefact"], row["strength"], row["seed"]


def table(rows: list[dict[str, Any]]) -> None:
    for source in ("dies", "points"):
        own = [row for row in rows if row["source"] == source]
        if not own:
            continue
        print(f"\n{source}: artefact, strength, caught, class named, operation named, cannot tell, least area, seconds (CPU), medians")
        for name in (CLEAN, *LISTED, *UNLISTED):
            for strength in ("", *STRENGTHS):
                here = [row for row in own if (row["artefact"], row["strength"]) == (name, strength)]
                if here:
                    print(line(name, strength, here), flush=True)


def line(name: str, strength: str, rows: list[dict[str, Any]]) -> str:
    count, caught, open_ = len(rows), sum(row["call"] == "fail" for row in rows), sum(row["call"] == "cannot tell" for row in rows)
    time_s = f"{np.median([row['seconds'] for row in rows]):.1f} ({np.median([row['cpu'] for row in rows]):.1f})"
    if name == CLEAN:
        high = beta.ppf(0.975, caught + 1, count - caught) if caught < count else 1.0
        low = beta.ppf(0.025, caught, count - caught + 1) if caught else 0.0
        largest = max(row["area"] for row in rows)
        return f"  {name:22} false alarms {caught}/{count} (95 %: {low:.3f} to {high:.3f}), cannot tell {open_}, {largest=:.3f}, {time_s} s"
    named = [sum(bool(row.get(what)) for row in rows) for what in ("class", "operation")]
    shares = " ".join(f"{n:>3}/{count}" for n in (caught, *named, open_))
    kind = " " if name in LISTED else "*"
    return f"{kind} {name:22} {strength:7} {shares}  {min(row['area'] for row in rows):.3f}  {time_s}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--clean", type=int, default=10, help="seeds of the clean policies")
    parser.add_argument("--strength", choices=(*STRENGTHS, "all"), default="all")
    parser.add_argument("--source", choices=("dies", "points", "both"), default="both")
    parser.add_argument(
        "--kind", choices=("listed", "unlisted", "all"), default="all", help="artefacts that the guard was made for, or not"
    )
    parser.add_argument("--only", help="one artefact, or 'clean policy'")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=np.inf, help="stop after so long; the next run goes on")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("INSPECTION_DATA", "../shared/data")))
    parser.add_argument("--results", type=Path, default=Path("bench_guard.jsonl"))
    parser.add_argument("--table", action="store_true", help="show what is there, and do nothing")
    given = parser.parse_args()
    rows = [json.loads(text) for text in given.results.read_text().splitlines()] if given.results.is_file() else []
    wanted = EFFORT.maps << (EFFORT.looks - 1)
    made: dict[str, Callable[[int], tuple[ViewPolicy, Bases]]] = {
        "dies": lambda seed: die_maps(given.data / ARCHIVE, wanted, seed),
        "points": lambda seed: points(wanted, seed),
    }
    done, end = {key(row) for row in rows}, time.monotonic() + 60 * given.minutes
    material = lru_cache(maxsize=1)(lambda source, seed: made[source](seed))
    for todo in () if given.table else guards(given):
        if key(todo) in done or time.monotonic() > end:
            continue
        policy, bases = material(todo["source"], todo["seed"])
        planted = None
        if todo["artefact"] != CLEAN:
            artefact, settings = {**LISTED, **UNLISTED}[todo["artefact"]]
            label = todo["seed"] % len(policy.classes)
            planted = Planted(policy, label, todo["artefact"], artefact, settings[STRENGTHS.index(todo["strength"])])
        rows.append({**todo, **guarded(planted or policy, bases, todo["seed"], planted)})
        with given.results.open("a") as results:
            results.write(json.dumps(rows[-1]) + "\n")
    table(rows)


if __name__ == "__main__":
    main()
