"""Heads for patterns that combine: MixedWM38, the same network, split and draws, four heads.

``softmax``: a logit for each of the 38 combinations. ``patterns``: a logit for each of the eight patterns, added up, learnt by the softmax
over the combinations. ``sigmoid``: the same network, each pattern learnt by itself. ``joint``: the sum of both losses. All are judged by
the likeliest combination. Those with logits of patterns once more ``as served`` (a combination not seen in training is said where a wafer
insists on it), and ``free``: all patterns above one half, whatever was seen together.

    python benchmarks/compare_mixed.py [--data ../shared/data/mixedwm38/mixedwm38_dev.npz] [--heads softmax patterns ...] [--seeds 0]
    python benchmarks/compare_mixed.py --maps 2000 --epochs 4 --width 8                  # to try it out, minutes
    python benchmarks/compare_mixed.py --leave-out Center+Edge-Ring+Scratch --heads patterns joint   # is a new combination said?

Peers: ResNet-18 with CBAM on all 38 015 maps, macro-F1 over patterns .985, exact match .970; a plain residual CNN on the 13 686 maps of
this file, 15 epochs, .982 and .963, with turns .968 (10 minutes on two cores). Goal: .99 and .98.

Trained to the end, ``--heads joint --seeds 0``, 16 epochs in 10 minutes on two cores: exact match .9812 (.9748 to .9871), macro-F1 over
patterns .9970 (.9958 to .9980), no escape and no overkill; 9 580 training and 2 022 test maps. The others were seen only after 200 steps
(``--maps 1500 --epochs 2 --width 8``, one seed, 225 validation maps), which says who learns fastest, not who ends best: exact match
.396 of ``patterns``, .289 of ``softmax``, .280 of ``joint``, .271 of ``sigmoid``.

Maps are split as the project splits them (``split`` of params.yaml: each by itself, copies of another part's maps left out); everything
else is params.yaml, too, but for what is given. Judged once on the test part, averaged over the turns that all classes share. Intervals
draw wafers. A run that is stopped goes on where it was when it is started again with the same arguments and ``--work``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from inspection import params as parameters
from inspection.augmentation.policy import fitted_policy
from inspection.augmentation.turns import common_turns
from inspection.dataset.balance import balanced_indices
from inspection.dataset.leakage import fingerprint, refuse_leakage
from inspection.dataset.split import TEST, TRAIN, VALIDATION, plan
from inspection.evaluation.confusion import confusion
from inspection.evaluation.patterns import pattern_scores
from inspection.formats.diemap import mixedwm38
from inspection.models.head import Head, HeadKind
from inspection.params import ClassAugment
from inspection.scoring.bundle import Bundle
from inspection.scoring.combinations import Reading
from inspection.scoring.predictor import Predictor
from inspection.training.fit import TrainingSet, fit
from inspection.views.renderer import ViewSpec, render_global
from inspection.views.shards import Views
from inspection.wafer.taxonomy import JOIN, choose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.wafer.maps import SourceWafer, WaferMap
    from inspection.wafer.taxonomy import Taxonomy

BOOTSTRAP = 1_000
QUANTILE = 0.999
TOLD_S = 30.0
"""Seconds between two lines of progress."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Wafers of one split; ``left`` are test wafers of the combinations that training was not shown."""

    taxonomy: Taxonomy
    maps: dict[str, list[WaferMap]]
    names: dict[str, NDArray[np.str_]]
    left: list[SourceWafer]

    def labels(self, part: str) -> NDArray[np.intp]:
        """Class positions of a part."""
        return np.array([self.taxonomy.index(str(name)) for name in self.names[part]], np.intp)


def main() -> None:
    given = _arguments()
    params = parameters.load()
    changed = {key: value for key in ("epochs", "width", "model", "label_smoothing") if (value := getattr(given, key)) is not None}
    size_px = given.size_px or params.tile.dies.size_px
    dies = params.tile.dies.model_copy(update={"size_px": size_px})
    train, tile = params.train.model_copy(update=changed), params.tile.model_copy(update={"dies": dies})
    params = params.model_copy(update={"train": train, "tile": tile})
    wafers = list(mixedwm38.read(given.data, params.ingest))
    if given.maps is not None:
        chosen = np.sort(np.random.default_rng(0).permutation(len(wafers))[: given.maps])
        wafers = [wafers[i] for i in chosen.tolist()]
    print("| seed | head | exact match | 95 % | macro-F1, patterns | 95 % | combinations | overkill, escapes |")
    print("| ---: | --- | ---: | --- | ---: | --- | ---: | --- |")
    for seed in given.seeds:
        parts = _split(wafers, params, seed, set(given.leave_out))
        for name in given.heads:
            case = f"{seed} {name} {sorted(given.leave_out)} {given.maps} {size_px} {train.model_dump_json(exclude={'head'})} {given.union}"
            folder = given.work / hashlib.sha256(case.encode()).hexdigest()[:12]
            unions = {n: ClassAugment(union=given.union) for n in parts.taxonomy.names if JOIN in n} if given.union else {}
            augment = params.augment.model_copy(update={"classes": params.augment.classes | unions})
            outputs = _trained(folder, parts, params.model_copy(update={"augment": augment}), name, seed)
            _print(parts, name, seed, outputs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("INSPECTION_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=shared / "mixedwm38" / "mixedwm38_dev.npz")
    parser.add_argument("--heads", nargs="+", choices=[kind.value for kind in HeadKind], default=[kind.value for kind in HeadKind])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--maps", type=int, help="so many maps only, drawn at random")
    parser.add_argument("--leave-out", nargs="+", default=[], metavar="COMBINATION", help="not shown in training: are they said?")
    parser.add_argument("--size-px", type=int, help="of the views; the maps have 52 dies a side")
    parser.add_argument("--union", type=float, default=0.0, help="share of a combination's draws that join one wafer of each pattern")
    parser.add_argument("--work", type=Path, default=Path(".compare_mixed"), help="checkpoints and outputs")
    for key, kind in (("epochs", int), ("width", int), ("model", str), ("label_smoothing", float)):
        parser.add_argument(f"--{key.replace('_', '-')}", type=kind, help=f"train.{key} of params.yaml")
    return parser.parse_args()


def _split(wafers: Sequence[SourceWafer], params: parameters.Params, seed: int, leave_out: set[str]) -> Parts:
    names = np.array([w.label for w in wafers])
    everything = choose(names, params.classes)
    rows, nowhere = np.array([w.row for w in wafers]), np.full(len(wafers), "")
    labels = np.array([everything.index(str(name)) for name in names])
    found = plan(nowhere, rows, nowhere, labels, params.split, np.random.default_rng(seed), everything.names)
    part, _ = refuse_leakage(found.parts, nowhere, [fingerprint(w.map) for w in wafers])
    out = np.isin(names, sorted(leave_out))
    rows_of = {p: np.flatnonzero((part == p) & ~out) for p in (TRAIN, VALIDATION, TEST)}
    return Parts(
        choose(names[~out], params.classes),
        {p: cast("list[WaferMap]", [wafers[i].map for i in rows.tolist()]) for p, rows in rows_of.items()},
        {p: names[rows] for p, rows in rows_of.items()},
        [wafers[i] for i in np.flatnonzero((part == TEST) & out).tolist()],
    )


def _trained(folder: Path, parts: Parts, params: parameters.Params, name: str, seed: int) -> dict[str, NDArray[Any]]:
    """Logits of the classes for validation, test and left-out wafers, of the network trained in ``folder`` or now."""
    done = folder / "logits.npz"
    if done.is_file():
        with np.load(done) as arrays:
            return dict(arrays)
    recipe = params.tile.dies
    spec = ViewSpec(recipe.size_px, recipe.tiles, recipe.tile_px, recipe.tile_mm)
    taxonomy, labels = parts.taxonomy, parts.labels(TRAIN)
    views = {p: _views(parts.maps[p], spec) for p in (VALIDATION, TEST)} | {
        "left": _views(cast("list[WaferMap]", [w.map for w in parts.left]), spec)
    }
    policy, donors = fitted_policy(taxonomy, params.augment, parts.maps[TRAIN], labels)
    drawn = balanced_indices(labels, params.balance.tempering, seed)
    head = Head.of(taxonomy, name)
    data = TrainingSet(
        parts.maps[TRAIN], labels, drawn, views[VALIDATION], parts.labels(VALIDATION), len(taxonomy), donors=donors, head=head
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    told = [started]

    def progress(step: int, steps: int, text: str) -> None:
        if time.perf_counter() - told[0] > TOLD_S:
            told[0] = time.perf_counter()
            print(f"<!-- {name}: step {step}/{steps}, {text} -->", flush=True)

    fitted = fit(data, policy, params.train, folder / "checkpoint", seed=seed, fingerprint=folder.name, progress=progress)
    seconds = sum(row["seconds"] for row in fitted.history)
    best = f"best epoch {fitted.best_epoch + 1} of {len(fitted.history)}, validation macro-F1 {fitted.best:.4f}"
    print(f"<!-- {name}: {len(labels)} training maps, {best}, {seconds:.0f} s of training -->", flush=True)
    bundle = Bundle(taxonomy, spec, np.full(len(taxonomy), 0.5), 1.0, tuple(common_turns(taxonomy)))
    predictor = Predictor.of(bundle, fitted.network, (16, 128))
    outputs = {part: predictor.look(one).logits for part, one in views.items()}
    np.savez(folder / "logits.part.npz", allow_pickle=False, **outputs)
    (folder / "logits.part.npz").rename(done)
    (folder / "history.json").write_text(json.dumps(fitted.history), encoding="utf-8")
    return outputs


def _views(maps: Sequence[WaferMap], spec: ViewSpec) -> Views:
    images = np.zeros((len(maps), spec.size_px, spec.size_px, 3), np.uint8)
    for i, wafer in enumerate(maps):
        images[i] = render_global(wafer, spec.size_px)
    return Views(images, np.zeros((len(maps), spec.tiles, spec.tile_px, spec.tile_px, 3), np.uint8), spec)


def _print(parts: Parts, name: str, seed: int, outputs: dict[str, NDArray[Any]]) -> None:
    taxonomy, truth, logits = parts.taxonomy, parts.labels(TEST), outputs[TEST]
    membership = np.array(taxonomy.membership(), bool)
    likeliest = logits.argmax(axis=1)
    called = [taxonomy.names[k] for k in likeliest]
    matrix = confusion(truth, called, taxonomy)
    rates = f"{matrix.overkill.hits} of {matrix.overkill.trials}, {matrix.escapes.hits} of {matrix.escapes.trials}"
    _row(parts, f"{seed} | {name}", membership[likeliest], f"{matrix.macro_f1:.4f} | {rates}")
    if name == HeadKind.softmax:
        return
    reading = Reading(taxonomy, logits)
    _row(parts, f"{seed} | {name}, free", reading.shown, "– | –")
    limit = Reading(taxonomy, outputs[VALIDATION]).limit(QUANTILE)
    new = reading.insistence > limit
    _row(parts, f"{seed} | {name}, as served", np.where(new[:, None], reading.shown, membership[likeliest]), f"– | {new.sum()} called new")
    for combination in sorted({str(w.label) for w in parts.left}):
        of = np.array([w.label == combination for w in parts.left])
        far = Reading(taxonomy, outputs["left"][of])
        said = np.array([set(n.split("+")) == set(combination.split("+")) for n in far.names()])
        told = far.insistence > limit
        print(
            f"<!-- never seen: {combination}, {of.sum()} test wafers: {said.sum()} read so, {(said & told).sum()} called so as served, "
            f"{(~said & told).sum()} called another new combination -->",
            flush=True,
        )


def _row(parts: Parts, who: str, said: NDArray[np.bool_], more: str) -> None:
    membership = np.array(parts.taxonomy.membership(), bool)
    wafers = np.arange(len(said))
    drawn = np.random.default_rng(0)
    scores = pattern_scores(
        membership[parts.labels(TEST)], said, wafers, parts.taxonomy.patterns, bootstrap=BOOTSTRAP, rng=drawn
    )  # fmt: skip
    (low, high), (less, most) = scores.exact_interval, scores.macro_interval
    ends = f"{low:.4f} to {high:.4f} | {scores.macro_f1:.4f} | {less:.4f} to {most:.4f}"
    print(f"| {who} | {scores.exact.value:.4f} | {ends} | {more} |", flush=True)


if __name__ == "__main__":
    main()
