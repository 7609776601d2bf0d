"""The guard against class-discriminative traces, tried on planted artefacts: caught, class and operation named, false alarms.

One class's views get an artefact (density changes at the source), at three strengths; a row is the share over the seeds. The policies
are those of params.yaml: WM-811K die maps with their nine classes, and simulated points with the thirteen of the reference taxonomy.

python benchmarks/bench_guard.py [--seeds 10] [--clean 10] [--strength middle] [--data ../shared/data] [--kept-aside]
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from inspection.augmentation.guard.blame import blame_failures
from inspection.augmentation.guard.neutral import Bases, neutral_bases
from inspection.augmentation.guard.trace import Effort, trace_test
from inspection.augmentation.guard.verdict import Limits
from inspection.augmentation.policy import policy_for
from inspection.params import load
from inspection.simulator.background import background
from inspection.simulator.difficulty import HARD
from inspection.simulator.products import PRODUCTS
from inspection.simulator.signatures import CLASSES, scene_of
from inspection.stages.guarding import PolicyViews
from inspection.wafer.maps import FAIL, PASS, DefectMap, DieMap, WaferInfo
from inspection.wafer.taxonomy import choose

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.guard.contract import ViewPolicy
    from inspection.wafer.maps import WaferMap

    Image = NDArray[np.uint8]
    Artefact = Callable[[Image, float, Generator], Image]

ARCHIVE = Path("wm811k") / "wm811k_dev.npz"


def rounded(image: NDArray) -> Image:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def warped(image: Image, matrix: NDArray, how: int, fill: float = 0.0) -> Image:
    return cv2.warpAffine(image, matrix, image.shape[1::-1], flags=how, borderValue=(fill,) * 3)


def turned(how: int) -> Artefact:
    def turn(image: Image, degrees: float, rng: Generator) -> Image:
        centre = (image.shape[1] - 1) / 2
        return warped(image, cv2.getRotationMatrix2D((centre, centre), float(rng.uniform(-degrees, degrees)), 1.0), how)

    return turn


def zoomed(image: Image, by: float, rng: Generator) -> Image:
    centre = (image.shape[1] - 1) / 2
    return warped(image, cv2.getRotationMatrix2D((centre, centre), 0, float(rng.uniform(1 - by, 1 + by))), cv2.INTER_LINEAR)


def padded(image: Image, value: float, rng: Generator) -> Image:
    """Whole-pixel shifts of one, the border filled with ``value``."""
    shift = np.array([[1.0, 0, rng.integers(-1, 2)], [0, 1, rng.integers(-1, 2)]])
    return warped(image, shift, cv2.INTER_NEAREST, value)


def shifted(image: Image, pixels: float, rng: Generator) -> Image:
    return warped(image, np.array([[1.0, 0, pixels * rng.choice((-1, 1))], [0, 1, 0]]), cv2.INTER_LINEAR)


def contrast(image: Image, by: float, rng: Generator) -> Image:
    middle = image.mean(axis=(0, 1))
    return rounded((image - middle) * (1 + by * rng.uniform(-1, 1)) + middle)


def cut_out(image: Image, side: float, rng: Generator) -> Image:
    image, size = image.copy(), int(side)
    low, high = image.shape[0] // 4, 3 * image.shape[0] // 4 - size
    row, col = rng.integers(low, high, 2)
    image[row : row + size, col : col + size] = 0
    return image


def jpeg(image: Image, quality: float, _: Generator) -> Image:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1], cv2.IMREAD_COLOR)


def thinned(wafer: WaferMap, share: float, rng: Generator) -> WaferMap:
    """A share of the defects left out at the source."""
    if isinstance(wafer, DefectMap):
        return replace(wafer, xy_um=wafer.xy_um[rng.random(wafer.defects) >= share], attributes={})
    healed = (wafer.status == FAIL) & (rng.random(wafer.status.shape) < share)
    return replace(wafer, status=np.where(healed, PASS, wafer.status).astype(np.uint8))


LISTED: dict[str, tuple[Artefact | None, tuple[float, float, float]]] = {
    "blur": (lambda i, s, _: cv2.GaussianBlur(i, (3, 3), s), (0.3, 0.5, 1.0)),
    "nearest rotation": (turned(cv2.INTER_NEAREST), (3.0, 10.0, 180.0)),
    "bilinear rotation": (turned(cv2.INTER_LINEAR), (3.0, 10.0, 180.0)),
    "zoom": (zoomed, (0.02, 0.05, 0.1)),
    "padding value": (padded, (4.0, 16.0, 64.0)),
    "brightness": (lambda i, s, r: rounded(i + r.uniform(-s, s)), (2.0, 8.0, 25.0)),
    "contrast": (contrast, (0.01, 0.05, 0.2)),
    "noise": (lambda i, s, r: rounded(i + r.normal(0, s, i.shape)), (0.3, 2.0, 8.0)),
    "cut-out": (cut_out, (2, 6, 12)),
    "sub-pixel shift": (shifted, (0.02, 0.1, 0.4)),
    "value rounding": (lambda i, s, _: rounded(np.floor(i / s) * s), (2.0, 4.0, 16.0)),
    "density": (None, (0.08, 0.2, 0.4)),
    "JPEG": (jpeg, (98, 90, 70)),
}
"""The artefacts of the issue, with their weak, middle and strong setting (px, degrees, grey values, shares, quality)."""


def gamma(image: Image, by: float, _: Generator) -> Image:
    return rounded(255.0 * (image / 255.0) ** by)


def salted(image: Image, share: float, rng: Generator) -> Image:
    hit = rng.random(image.shape[:2]) < share
    return np.where(hit[..., None], rng.choice((0, 255), (*image.shape[:2], 1)), image).astype(np.uint8)


def sharpened(image: Image, by: float, _: Generator) -> Image:
    return rounded(image + by * (image.astype(float) - cv2.GaussianBlur(image, (0, 0), 1.0)))


def vignette(image: Image, by: float, _: Generator) -> Image:
    y, x = np.mgrid[-1 : 1 : image.shape[0] * 1j, -1 : 1 : image.shape[1] * 1j]
    return rounded(image * (1 - by * (x * x + y * y) / 2)[..., None])


def interlaced(image: Image, by: float, _: Generator) -> Image:
    image = image.astype(float)
    image[1::2] *= 1 - by
    return rounded(image)


def swapped(image: Image, share: float, rng: Generator) -> Image:
    return image[..., [1, 0, 2]] if rng.random() < share else image


def medianed(image: Image, share: float, rng: Generator) -> Image:
    return cv2.medianBlur(image, 3) if rng.random() < share else image


def rolled(image: Image, share: float, rng: Generator) -> Image:
    return np.roll(image, 1, axis=1) if rng.random() < share else image


KEPT_ASIDE: dict[str, tuple[Artefact | None, tuple[float, float, float]]] = {
    "gamma": (gamma, (0.98, 0.9, 0.7)),
    "posterise": (lambda i, s, _: i & np.uint8(256 - int(s)), (2, 8, 32)),
    "salt and pepper": (salted, (0.0005, 0.002, 0.01)),
    "median filter": (medianed, (0.25, 0.5, 1.0)),
    "roll by 1 px": (rolled, (0.25, 0.5, 1.0)),
    "sharpening": (sharpened, (0.02, 0.1, 0.5)),
    "channel swap": (swapped, (0.25, 0.5, 1.0)),
    "vignette": (vignette, (0.01, 0.05, 0.2)),
    "interlace": (interlaced, (0.01, 0.05, 0.3)),
}
"""Artefacts that the issue does not list; looked at once, when the guard was finished."""


@dataclass(frozen=True)
class Planted:
    """A policy whose class ``label`` also meets an artefact; ``planted`` is its name among the operations."""

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

    def view(self, base: WaferMap, label: int, rng: Generator, without: frozenset[str] = frozenset()) -> Image:
        planted = label == self.label and self.name not in without
        if planted and self.artefact is None:
            base = thinned(base, self.strength, rng)
        view = self.inner.view(base, label, rng, without)
        return self.artefact(view, self.strength, rng) if planted and self.artefact is not None else view

    def plain(self, base: WaferMap) -> Image:
        return self.inner.plain(base)


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
    return PolicyViews(policy_for(taxonomy, params.augment), None, params.tile.dies.size_px), bases


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
    return PolicyViews(policy_for(taxonomy, params.augment), None, params.tile.points.size_px), bases


@dataclass(frozen=True)
class Outcome:
    """Of one guard: what it said, whether it named the planted class (alone) and operation, and its time."""

    call: str
    right_class: bool
    right_operation: bool
    area: float
    seconds: float


def guard(policy: ViewPolicy, bases: Bases, seed: int, planted: Planted | None = None) -> Outcome:
    started = time.perf_counter()
    effort = Effort()
    rng = np.random.default_rng([seed, 99])
    test = trace_test("neutral", policy, bases, effort, Limits(0.05, looks=effort.looks), rng)
    seconds = time.perf_counter() - started
    failed = [c.name for c in test.failed]
    area = max(c.call.matched.area for c in test.classes)
    if planted is None or test.call != "fail":
        return Outcome(test.call, False, False, area, seconds)
    name = planted.classes[planted.label]
    right_class = failed == [name]
    found = blame_failures(policy, replace(test, classes=tuple(c for c in test.classes if c.name == name)), bases, effort, rng)
    right_operation = name in found and found[name].operations == (planted.name,)
    return Outcome(test.call, right_class, right_operation, area, seconds)


def share(values: list[bool]) -> str:
    return f"{sum(values)}/{len(values)}"


def clean_row(made: Callable[[int], Any], seeds: range) -> None:
    outcomes = [guard(*made(seed), seed) for seed in seeds]
    if outcomes:
        calls = [o.call for o in outcomes]
        print(
            f"  {'clean policy':18} {'':6} false alarms {share([c == 'fail' for c in calls])}, cannot tell "
            f"{share([c == 'cannot tell' for c in calls])}, largest area {max(o.area for o in outcomes):.3f}, "
            f"{np.median([o.seconds for o in outcomes]):.1f} s",
            flush=True,
        )


def planted_row(made: Callable[[int], Any], seeds: range, name: str, artefact: Artefact | None, setting: float) -> None:
    outcomes = []
    for seed in seeds:
        policy, bases = made(seed)
        planted = Planted(policy, seed % len(policy.classes), name, artefact, setting)
        outcomes.append(guard(planted, bases, seed, planted))
    if outcomes:
        print(
            f"  {name:18} {setting:6g} {share([o.call == 'fail' for o in outcomes]):>6} "
            f"{share([o.right_class for o in outcomes]):>6} {share([o.right_operation for o in outcomes]):>6} "
            f"{share([o.call == 'cannot tell' for o in outcomes]):>6}  {min(o.area for o in outcomes):.3f} "
            f"{np.median([o.seconds for o in outcomes]):5.1f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--clean", type=int, default=10, help="seeds of the clean policies")
    parser.add_argument("--strength", choices=("weak", "middle", "strong", "all"), default="all")
    parser.add_argument("--source", choices=("dies", "points", "both"), default="both")
    parser.add_argument("--only", help="one artefact")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("INSPECTION_DATA", "../shared/data")))
    parser.add_argument("--kept-aside", action="store_true", help="the artefacts that the issue does not list")
    given = parser.parse_args()
    wanted = Effort().maps << (Effort().looks - 1)
    sources: dict[str, Callable[[int], Any]] = {"points": lambda seed: points(wanted, seed)}
    if (given.data / ARCHIVE).is_file():
        sources = {"dies": lambda seed: die_maps(given.data / ARCHIVE, wanted, seed), **sources}
    else:
        print(f"No archive at {given.data / ARCHIVE}: die maps are left out (--data names another folder).")
    strengths = range(3) if given.strength == "all" else [("weak", "middle", "strong").index(given.strength)]
    for source, made in sources.items():
        if given.source not in (source, "both"):
            continue
        print(
            f"\n{source}: artefact, strength, caught, class named, operation named, cannot tell, least area, seconds of the test (median)"
        )
        clean_row(made, range(given.first_seed, given.first_seed + given.clean))
        for name, (artefact, settings) in (KEPT_ASIDE if given.kept_aside else LISTED).items():
            for strength in strengths if given.only in (None, name) else ():
                planted_row(made, range(given.first_seed, given.first_seed + given.seeds), name, artefact, settings[strength])


if __name__ == "__main__":
    main()
