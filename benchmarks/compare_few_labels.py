"""Few labels: MixedWM38 from 1 % of its training labels, with what a network that knows WM-811K and 99 % of unlabelled maps can add.

Anchors (public protocol audit, 1 % of the training labels): macro-F1 over the eight patterns .877 from scratch, .965 from a network that
was trained on WM-811K; aimed at .975.

A fifth of the maps is the test part, judged once per try with the eight symmetries averaged. Of the rest, 1 % has labels (stratified by
combination, at least one map of each), and all that is learnt or chosen is learnt and chosen from these: a fifth of them is the validation
part, which picks the epoch and sets the gates of the pseudo-labels. The other 99 % have none. Copies of test maps are left out of training.

    python benchmarks/compare_few_labels.py [--data ../shared/data] [--work few_labels] [--start NETWORK.keras] [--seeds 0 1 2]

``--work`` holds checkpoints and ``results.jsonl``: run the same command again, and it goes on. ``--minutes`` ends a run in time.
Without ``--start`` a network is trained on WM-811K first (``--source-epochs``), as `inspection train` would.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from inspection import params as parameters
from inspection.augmentation.policy import fitted_policy
from inspection.augmentation.turns import common_turns
from inspection.dataset.balance import balanced_indices
from inspection.dataset.leakage import fingerprint
from inspection.dataset.split import TRAIN, VALIDATION, plan
from inspection.formats import table
from inspection.models.head import Head
from inspection.models.saved import load_network
from inspection.models.symmetry import SquareGroup
from inspection.params import ClassAugment, Phase, Pretrain, PseudoLabels, Train, Transfer
from inspection.training.few_labels import learn
from inspection.training.fit import TrainingSet, fit
from inspection.views.renderer import ViewSpec, render_global, turn_dies
from inspection.views.shards import Views
from inspection.wafer.taxonomy import JOIN, choose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.wafer.maps import WaferMap

TEST, LABELLED, HELD = 0.2, 0.01, 0.2


class OutOfTimeError(Exception):
    """The run has used its minutes; what is done is kept."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("INSPECTION_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, default=Path("few_labels"))
    parser.add_argument("--start", type=Path, help="a network trained on WM-811K; default: trained here")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tries", nargs="+", default=list(TRIES), choices=list(TRIES))
    parser.add_argument("--size-px", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--symmetric", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--source-epochs", type=int, default=16)
    parser.add_argument("--source-share", type=float, default=1.0, help="of WM-811K's maps")
    parser.add_argument("--contrast-epochs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=1000, help="of training on the labelled maps, in all phases")
    parser.add_argument("--union", type=float, default=0.5, help="share of a combination's draws that join one wafer of each pattern")
    parser.add_argument("--rounds", type=int, default=3, help="of pseudo-labels")
    parser.add_argument("--round-epochs", type=int, default=3, help="of each round with pseudo-labels")
    parser.add_argument("--minutes", type=float, default=1e9)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    progress = _Clock(given.minutes)
    try:
        _compare(given, progress)
    except OutOfTimeError:
        print("out of time: the same command goes on")
    _show(given.work / "results.jsonl")


def _compare(given: argparse.Namespace, progress: _Clock) -> None:
    params = parameters.load()
    train = params.train.model_copy(update={"width": given.width, "symmetric": given.symmetric})
    maps, names = _read(given.data / "mixedwm38" / "mixedwm38_dev.npz", params)
    results = given.work / "results.jsonl"
    done = {(r["seed"], r["try"]) for r in map(json.loads, results.read_text().splitlines())} if results.is_file() else set()
    for seed in given.seeds:
        wanted = [name for name in given.tries if (seed, name) not in done]
        if not wanted:
            continue
        problem = _Problem(maps, names, params, given, seed)
        for name in wanted:
            transfer, uses_start = TRIES[name](given)
            start = _source(given, params, train, progress) if uses_start else None
            outcome = problem.learn(train, transfer, given.work / f"seed-{seed}" / name, start, given.steps, progress)
            with results.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"seed": seed, "try": name, **outcome}) + "\n")
            print(json.dumps({"seed": seed, "try": name, **outcome}), flush=True)


def _phases(given: argparse.Namespace, **which: float) -> dict[str, Any]:
    """Steps are what counts with a hundred maps: every phase makes its share of ``--steps``, in epochs of a hundred."""
    epochs = max(1, given.steps // 100)
    every: dict[str, Any] = {"frozen": None, "shallow": None, "deep": None}
    shares = {"frozen": 0.2, "shallow": 0.3, "deep": 0.5} if len(which) == 3 else dict.fromkeys(which, 1.0)
    for name, rate in which.items():
        share = max(1, round(epochs * shares[name]))
        every[name] = Phase(epochs=share, learning_rate=rate, min_steps=100 * share)
    return every


def _protocol(given: argparse.Namespace) -> dict[str, Any]:
    return _phases(given, frozen=3e-3, shallow=1e-3, deep=1e-3)


def _contrast(given: argparse.Namespace) -> Pretrain:
    return Pretrain(epochs=given.contrast_epochs)


def _pseudo(given: argparse.Namespace) -> PseudoLabels:
    return PseudoLabels(rounds=given.rounds, epochs=given.round_epochs, precision=0.98, floor=0.8, cap=None)


TRIES = {
    "scratch": lambda _given: (Transfer(), False),
    "supervised start": lambda given: (Transfer(**_phases(given, deep=3e-3)), True),
    "protocol": lambda given: (Transfer(**_protocol(given)), True),
    "contrastive": lambda given: (Transfer(**_protocol(given), pretrain=_contrast(given)), False),
    "protocol, pseudo-labels": lambda given: (Transfer(**_protocol(given), pseudo_labels=_pseudo(given)), True),
    "contrastive, pseudo-labels": lambda given: (
        Transfer(**_protocol(given), pretrain=_contrast(given), pseudo_labels=_pseudo(given)), False,
    ),
    "supervised start, pseudo-labels": lambda given: (Transfer(**_phases(given, deep=3e-3), pseudo_labels=_pseudo(given)), True),
    "start, contrastive, pseudo-labels": lambda given: (
        Transfer(**_protocol(given), pretrain=_contrast(given), pseudo_labels=_pseudo(given)), True,
    ),
}  # fmt: skip


class _Problem:
    """One draw of test part and labels."""

    def __init__(
        self, maps: Sequence[WaferMap], names: NDArray[np.str_], params: parameters.Params, given: argparse.Namespace, seed: int
    ) -> None:
        self.seed = seed
        unions = {str(n): ClassAugment(union=given.union) for n in np.unique(names) if JOIN in str(n)}
        self.augment = params.augment.model_copy(update={"classes": unions if given.union else {}})
        self.taxonomy = choose(names.tolist(), params.classes)
        self.labels = np.array([self.taxonomy.index(str(n)) for n in names])
        rng = np.random.default_rng(seed)
        self.test = _stratified(self.labels, np.arange(len(maps)), TEST, rng)
        prints = np.array([fingerprint(m) for m in maps])
        rest = np.setdiff1d(np.flatnonzero(~np.isin(prints, prints[self.test])), self.test)
        labelled = _stratified(self.labels, rest, LABELLED, rng)
        self.held = rng.permutation(labelled)[: round(HELD * len(labelled))]
        self.learnt = np.setdiff1d(labelled, self.held)
        self.unlabelled = np.setdiff1d(rest, labelled)
        self.maps, self.spec = maps, ViewSpec(given.size_px)

    def learn(self, train: Train, transfer: Transfer, folder: Path, start: Path | None, steps: int, progress: _Clock) -> dict[str, Any]:
        began = time.monotonic()
        labels, drawn = self.labels[self.learnt], partial(balanced_indices, tempering=1.0, seed=self.seed)
        own = [self.maps[i] for i in self.learnt]
        policy, donors = fitted_policy(self.taxonomy, self.augment, own, labels)
        data = TrainingSet(
            own, labels, drawn(labels), self._views(self.held), self.labels[self.held], len(self.taxonomy),
            SquareGroup.of(common_turns(self.taxonomy)), donors, head=Head.of(self.taxonomy, train.head),
        )  # fmt: skip
        few = train.model_copy(
            update={"min_steps": steps if start is None and not transfer.pretrain.epochs else 100, "min_epoch_steps": 100}
        )
        few = few.model_copy(update={"patience": 99})
        others = self.unlabelled if transfer.pretrain.epochs or transfer.pseudo_labels.rounds else self.unlabelled[:0]
        identity = f"{self.seed} {few} {transfer} {start}"
        learnt = learn(
            data, policy, few, transfer, folder, seed=self.seed, fingerprint=identity, drawn=drawn, start=start,
            unlabelled=[self.maps[i] for i in others], membership=np.array(self.taxonomy.membership()), progress=progress,
        )  # fmt: skip
        return {
            **self._judge(learnt.fitted.network), "labels": len(self.learnt) + len(self.held), "validation": learnt.fitted.best,
            "rounds": [entry["taken"] for entry in learnt.rounds], "seconds": round(time.monotonic() - began),
        }  # fmt: skip

    def _views(self, at: NDArray[np.intp]) -> Views:
        images = np.stack([render_global(self.maps[i], self.spec.size_px) for i in at])
        return Views(images, np.zeros((len(at), 0, 32, 32, 3), np.uint8), self.spec)

    def _judge(self, network: Path) -> dict[str, float]:
        """Macro-F1 over the patterns and exact match on the test part."""
        from sklearn.metrics import f1_score

        views = self._views(self.test).images
        model = load_network(network)
        logits: Any = 0.0
        for turn in common_turns(self.taxonomy):
            logits = logits + model.predict(np.stack([turn_dies(v, turn) for v in views]), batch_size=256, verbose=0)
        called, truth = logits.argmax(axis=1), self.labels[self.test]
        flags = np.array(self.taxonomy.membership())
        return {
            "macro_f1": float(f1_score(flags[truth], flags[called], average="macro", zero_division=0)),
            "exact": float((called == truth).mean()),
        }


def _source(given: argparse.Namespace, params: parameters.Params, train: Train, progress: _Clock) -> Path:
    """A network that knows WM-811K: the one that was named, or one trained on its training part."""
    if given.start is not None:
        return given.start
    done = given.work / "wm811k.keras"
    if done.is_file():
        return done
    maps, names = _read(given.data / "wm811k" / "wm811k_dev.npz", params)
    taxonomy = choose(names, params.classes)
    labels = np.array([taxonomy.index(str(n)) for n in names])
    nowhere = np.full(len(maps), "")
    parts = plan(nowhere, np.arange(len(maps)), nowhere, labels, params.split, np.random.default_rng(0), taxonomy.names).parts
    training = _stratified(labels, np.flatnonzero(parts == TRAIN), given.source_share, np.random.default_rng(0))
    held = _stratified(labels, np.flatnonzero(parts == VALIDATION), min(1.0, 2 * given.source_share), np.random.default_rng(0))
    spec = ViewSpec(given.size_px)
    views = Views(np.stack([render_global(maps[i], spec.size_px) for i in held]), np.zeros((len(held), 0, 32, 32, 3), np.uint8), spec)
    own = [maps[i] for i in training]
    policy, donors = fitted_policy(taxonomy, params.augment, own, labels[training])
    drawn = balanced_indices(labels[training], params.balance.tempering, 0)
    group = SquareGroup.of(common_turns(taxonomy))
    data = TrainingSet(own, labels[training], drawn, views, labels[held], len(taxonomy), group, donors)
    recipe = train.model_copy(update={"epochs": given.source_epochs})
    fitted = fit(data, policy, recipe, given.work / "wm811k", seed=0, fingerprint=f"{recipe} {given.source_share}", progress=progress)
    print(f"WM-811K: validation macro-F1 {fitted.best:.3f}", flush=True)
    done.write_bytes(fitted.network.read_bytes())
    return done


def _read(path: Path, params: parameters.Params) -> tuple[list[WaferMap], NDArray[np.str_]]:
    wafers = list(table.read(path, params.ingest))
    return cast("list[WaferMap]", [w.map for w in wafers]), np.array([w.label for w in wafers])


def _stratified(labels: NDArray[np.integer], among: NDArray[np.intp], share: float, rng: np.random.Generator) -> NDArray[np.intp]:
    """``share`` of the places ``among``, of each class as much, at least one."""
    chosen = []
    for k in np.unique(labels[among]):
        own = rng.permutation(among[labels[among] == k])
        chosen.append(own[: max(1, round(share * len(own)))])
    return np.sort(np.concatenate(chosen))


class _Clock:
    """Progress that ends the run in time, and shows each minute how far it is."""

    def __init__(self, minutes: float) -> None:
        self._began = self._told = time.monotonic()
        self._limit = 60 * minutes

    def __call__(self, done: int, total: int, text: str) -> None:
        now = time.monotonic()
        if now - self._told > 60 or total == 0:
            self._told = now
            print(f"  {now - self._began:5.0f} s  {done}/{total}  {text}", flush=True)
        if now - self._began > self._limit:
            raise OutOfTimeError


def _show(results: Path) -> None:
    if not results.is_file():
        return
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    print("\n| try | seeds | macro-F1 over the patterns (lowest to highest) | exact match | pseudo-labels |")
    print("| --- | ---: | --- | --- | --- |")
    for name in dict.fromkeys(row["try"] for row in rows):
        own = [row for row in rows if row["try"] == name]
        f1, exact = (np.array([row[key] for row in own]) for key in ("macro_f1", "exact"))
        taken = ", ".join(str(row["rounds"][-1]) for row in own if row["rounds"])
        print(f"| {name} | {len(own)} | {f1.mean():.3f} ({f1.min():.3f} to {f1.max():.3f}) | {exact.mean():.3f} | {taken} |")


if __name__ == "__main__":
    main()
