"""Learning from few labels: a start from other weights, self-supervised pre-training, phases, and pseudo-labels, as far as asked for.

With nothing asked for it is `fit`, to the same result.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.models.saved import load_network
from inspection.params import Phase
from inspection.scoring.calibration import softmax
from inspection.training.fit import Fitted, TrainingSet, build_network, fit
from inspection.training.pretrain import pretrain
from inspection.training.protocol import train_in_phases
from inspection.training.pseudo_labels import UNLABELLED, Taken, gate, take
from inspection.training.transfer import carry_over
from inspection.views.shards import Views
from inspection.views.tiles import render

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.augmentation.policy import Policy
    from inspection.models.backend import keras
    from inspection.params import PhaseName, PseudoLabels, Train, Transfer
    from inspection.wafer.maps import WaferMap

    Progress = Callable[[int, int, str], None]
    Told = Callable[[list[dict[str, Any]]], None]

BATCH = 256


@dataclass(frozen=True)
class Learnt:
    """The best network, and what led to it: ``account`` of the start's layers, ``phases``, ``rounds`` of pseudo-labels."""

    fitted: Fitted
    account: dict[str, Any] | None = None
    phases: list[dict[str, Any]] = field(default_factory=list)
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """What is worth a place in training.json."""
        return {"start": self.account, "phases": self.phases, "pseudo_labels": self.rounds}


def learn(
    data: TrainingSet,
    policy: Policy,
    train: Train,
    transfer: Transfer,
    folder: Path,
    *,
    seed: int,
    fingerprint: str,
    drawn: Callable[[NDArray[np.integer]], NDArray[np.integer]],
    start: Path | None = None,
    unlabelled: Sequence[WaferMap] = (),
    membership: NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
    told: Told | None = None,
) -> Learnt:
    """Train as ``train`` and ``transfer`` say.

    Parameters
    ----------
    data, policy
        As `fit` takes them.
    train, transfer : params.Train, params.Transfer
    folder : Path
        Checkpoints of all that is done; an interrupted run of the same ``fingerprint`` goes on.
    seed : int
    fingerprint : str
        Of data, parameters and the start's bytes.
    drawn : callable
        Class indices of training wafers -> balanced positions (`dataset.balance`), for the training part with pseudo-labels.
    start : Path, optional
        Weights to start from.
    unlabelled : sequence of WaferMap
        Wafers for pre-training and pseudo-labels, of no lot of the validation or test part.
    membership : ndarray of shape (classes, patterns), optional
        Which patterns each class has, where they combine: pseudo-labels are then judged pattern by pattern, since few of the combinations
        have enough validation wafers to be judged by themselves.
    progress : callable, optional
        Gets (steps done, steps in all, text); the steps are those of the step that is being done.
    told : callable, optional
        Gets the history so far after each epoch, those of pseudo-labels excepted.
    """
    account = None
    if transfer.pretrain.epochs:
        group = data.group if train.symmetric else None
        everything = [*data.maps, *unlabelled]
        start = pretrain(
            everything, policy, data.validation.spec, train, transfer.pretrain, folder / "pretrain",
            seed=seed, fingerprint=f"{fingerprint} pretrain", group=group, start=start, progress=progress,
        )  # fmt: skip
    if start is None:
        learnt = Learnt(fit(data, policy, train, folder, seed=seed, fingerprint=fingerprint, progress=progress, told=told))
    else:
        account = carry_over(build_network(train, data), start)
        if progress is not None:
            progress(0, 0, account.words())
        course = train_in_phases(
            data, policy, train, transfer.phases, (start, account), folder / "phases",
            seed=seed, fingerprint=fingerprint, progress=progress, told=told,
        )  # fmt: skip
        learnt = Learnt(course.fitted, account.to_dict(), course.log)
    if not len(unlabelled):
        return learnt
    views = _rendered(unlabelled, data.validation) if transfer.pseudo_labels.rounds else None
    for number in range(1, transfer.pseudo_labels.rounds + 1):
        learnt = _round(
            learnt, number, data, policy, train, transfer, folder / f"round-{number}",
            seed=seed, fingerprint=fingerprint, drawn=drawn, unlabelled=(unlabelled, views), membership=membership, progress=progress,
        )  # fmt: skip
    return learnt


def _round(
    learnt: Learnt,
    number: int,
    data: TrainingSet,
    policy: Policy,
    train: Train,
    transfer: Transfer,
    folder: Path,
    *,
    seed: int,
    fingerprint: str,
    drawn: Callable[[NDArray[np.integer]], NDArray[np.integer]],
    unlabelled: tuple[Sequence[WaferMap], Views | None],
    membership: NDArray[np.bool_] | None,
    progress: Progress | None,
) -> Learnt:
    """Label the unlabelled wafers by the network so far, and go on training it on them, too; the better network is kept."""
    maps, views = unlabelled
    network = load_network(learnt.fitted.network)
    taken = _taken(_probabilities(network, data.validation), _probabilities(network, views), data, transfer.pseudo_labels, membership)
    entry = {"round": number, "taken": len(taken.rows), "left": dict(taken.left), "by_class": _counts(taken, data.classes)}
    if not len(taken.rows):
        return replace(learnt, rounds=[*learnt.rounds, entry])
    labels = np.concatenate((data.labels, taken.labels))
    more = replace(data, maps=[*data.maps, *(maps[row] for row in taken.rows.tolist())], labels=labels, drawn=drawn(labels))
    asked = transfer.pseudo_labels
    phases: dict[PhaseName, Phase] = {"deep": Phase(epochs=asked.epochs, learning_rate=asked.learning_rate)}
    teacher = learnt.fitted.network
    digest = hashlib.sha256(teacher.read_bytes()).hexdigest()
    course = train_in_phases(
        more, policy, train, phases, (teacher, carry_over(build_network(train, data), teacher, head=True)), folder,
        seed=seed + number, fingerprint=f"{fingerprint} {digest}", head=True, progress=progress,
    )  # fmt: skip
    before = learnt.fitted
    offset = len(before.history)
    rows: list[Any] = [{**row, "epoch": offset + int(row["epoch"]), "phase": f"pseudo-labels {number}"} for row in course.fitted.history]
    better = course.fitted.best >= before.best
    fitted = replace(
        course.fitted if better else before,
        best_epoch=offset + course.fitted.best_epoch if better else before.best_epoch,
        history=[*before.history, *rows],
    )
    return replace(learnt, fitted=fitted, rounds=[*learnt.rounds, {**entry, "best_validation_macro_f1": course.fitted.best}])


def _taken(
    validation: NDArray[np.float64],
    unlabelled: NDArray[np.float64],
    data: TrainingSet,
    params: PseudoLabels,
    membership: NDArray[np.bool_] | None,
) -> Taken:
    """What passes the gate, with class indices as labels."""
    parts = np.full(len(unlabelled), UNLABELLED)
    if membership is None:
        return take(unlabelled, parts, gate(validation, data.validation_labels, params), data.labels, params)
    flags = np.asarray(membership, np.int64)
    through = gate(validation @ flags, flags[data.validation_labels], params)
    taken = take(unlabelled @ flags, parts, through, flags[data.labels], params)
    index = {tuple(row): k for k, row in enumerate(flags.tolist())}
    labels = np.array([index.get(tuple(row), -1) for row in taken.labels.tolist()], np.int64)
    known = labels >= 0
    return Taken(taken.rows[known], labels[known], {**taken.left, "no such class": int((~known).sum())})


def _rendered(maps: Sequence[WaferMap], like: Views) -> Views:
    pairs = [render(m, like.spec) for m in maps]
    return Views(np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs]), like.spec)


def _probabilities(network: keras.Model, views: Views | None) -> NDArray[np.float64]:
    """Softmax over the classes, shape (n, k)."""
    if views is None or not len(views):
        return np.zeros((0, network.output_shape[-1]))
    inputs: dict[str, Any] = {"image": views.images}
    if any(t.name == "tiles" for t in network.inputs):
        inputs["tiles"] = views.tiles
    return softmax(network.predict(inputs, batch_size=BATCH, verbose=0))


def _counts(taken: Taken, classes: int) -> list[int]:
    return np.bincount(taken.labels, minlength=classes).tolist()
