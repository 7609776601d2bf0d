"""Training in phases from carried-over weights: new layers alone, then the last stages, then the whole network at a low rate.

Each phase is a run of `fit` with its own trainable layers, rate, epochs and checkpoint, and begins with the best network of the one before.
So an interrupted protocol goes on in the phase, and at the place in it, where it stopped.

A layer that is not trained does not change in any way: batch normalisation in it runs as in scoring, so that its statistics stay, too
(Keras couples the two: ``trainable = False`` is inference mode).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.models.anatomy.stages import HEAD as AFTER_MAPS
from inspection.models.anatomy.stages import anatomy
from inspection.models.weights import named_layers
from inspection.training.fit import Fitted, fit
from inspection.training.transfer import HEAD, Account, carry_over

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from inspection.augmentation.policy import Policy
    from inspection.models.backend import keras
    from inspection.params import Phase, PhaseName, Train
    from inspection.training.fit import TrainingSet


@dataclass(frozen=True)
class Course:
    """What came of the phases: the best of them, and the ``log`` with one entry each (name, rate, trained layers, epochs, best score)."""

    fitted: Fitted
    log: list[dict[str, Any]]


def train_in_phases(
    data: TrainingSet,
    policy: Policy,
    params: Train,
    phases: Mapping[PhaseName, Phase],
    start: tuple[Path, Account],
    folder: Path,
    *,
    seed: int,
    fingerprint: str,
    head: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
    told: Callable[[list[dict[str, Any]]], None] | None = None,
) -> Course:
    """Train ``params.model`` from the weights of ``start`` through ``phases``, and keep the best network of all (the later one of equals).

    Parameters
    ----------
    data, policy
        As `fit` takes them.
    params : params.Train
        Of every phase but for epochs, learning rate and least steps.
    phases : mapping
        Done in their order.
    start : (Path, Account)
        The file, and what it gives to this network (`transfer.carry_over`).
    folder : Path
        Has a checkpoint for each phase.
    seed : int
        Each phase draws other pictures from it.
    fingerprint : str
        Of data, parameters and the start's bytes.
    head : bool
        Whether the start's head is kept, too: it speaks of the same classes.
    progress : callable, optional
        As `fit` calls it, its text preceded by the phase.
    told : callable, optional
        Gets the history of all phases so far after each epoch.
    """
    source, account = start
    log: list[dict[str, Any]] = []
    history: list[dict[str, Any]] = []
    best: Fitted | None = None
    best_epoch, weights, new = -1, source, frozenset(account.new)
    for place, (name, phase) in enumerate(phases.items()):
        fitted = fit(
            data,
            policy,
            params.model_copy(
                update={
                    "epochs": phase.epochs,
                    "learning_rate": phase.learning_rate,
                    "min_steps": phase.min_steps or params.min_steps,
                }
            ),
            folder / f"{place}-{name}",
            seed=int(np.random.default_rng([seed, place]).integers(1 << 31)),
            fingerprint=f"{fingerprint} {place} {name}",
            progress=None if progress is None else _preceded(progress, name),
            told=None if told is None else partial(_follow, told, history),
            start=partial(_prepare, weights=weights, head=head or place > 0, phase=name, new=new, stages=phase.stages),
        )
        log.append({
            "phase": name, "learning_rate": phase.learning_rate, "epochs": len(fitted.history), "best_validation_macro_f1": fitted.best,
        })  # fmt: skip
        if best is None or fitted.best >= best.best:
            best, best_epoch = fitted, len(history) + fitted.best_epoch
        history += [{**row, "epoch": len(history) + k, "phase": name} for k, row in enumerate(fitted.history, 1)]
        weights = fitted.network
    if best is None:
        raise ValueError("No phase: expected at least one of frozen, shallow, deep.")
    return Course(Fitted(best.network, best.best, best_epoch, history), log)


def trained_layers(network: keras.Model, phase: PhaseName, new: Collection[str], stages: int = 1) -> frozenset[str]:
    """Names (as `models.weights` gives them) of the layers that are trained in ``phase``.

    Parameters
    ----------
    network : keras.Model
        With the layers ``embedding`` and ``logits``.
    phase : str
        ``frozen``: the head and the layers ``new``, that have nothing to keep; ``shallow``: what comes after the last map, too, and in each
        branch (global view, tiles) the ``stages`` coarsest resolutions; ``deep``: all.
    new : collection of str
    stages : int
    """
    layers = named_layers(network)
    if phase == "deep":
        return frozenset(layers)
    chosen = set(layers) & {*HEAD, *new}
    if phase == "shallow":
        of = {layer.name: layer.stage for layer in anatomy(network).layers}
        resolutions: dict[str, set[int]] = {}
        for layer in layers.values():
            if of[layer.name] != AFTER_MAPS:
                branch, rows, *_ = of[layer.name].split()
                resolutions.setdefault(branch, set()).add(int(rows))
        last = {(branch, rows) for branch, every in resolutions.items() for rows in sorted(every)[:stages]}
        for name, layer in layers.items():
            stage = of[layer.name]
            if stage == AFTER_MAPS or (stage.split()[0], int(stage.split()[1])) in last:
                chosen.add(name)
    return frozenset(chosen)


def freeze_all_but(network: keras.Model, trained: Collection[str]) -> None:
    """Let only the layers ``trained`` learn; all others keep weights and statistics."""
    for name, layer in named_layers(network).items():
        layer.trainable = name in trained


def _prepare(network: keras.Model, *, weights: Path, head: bool, phase: PhaseName, new: Collection[str], stages: int) -> None:
    # A later phase goes on with the network of the one before: all of it fits.
    carry_over(network, weights, head=head)
    freeze_all_but(network, trained_layers(network, phase, new, stages))


def _preceded(progress: Callable[[int, int, str], None], phase: str) -> Callable[[int, int, str], None]:
    return lambda done, total, text: progress(done, total, f"{phase}: {text}")


def _follow(told: Callable[[list[dict[str, Any]]], None], before: list[dict[str, Any]], rows: list[dict[str, float]]) -> None:
    """Tell the curves of the phases ``before`` and of this one so far: numbers alone."""
    told([{**row, "epoch": k} for k, row in enumerate(({key: v for key, v in r.items() if key != "phase"} for r in (*before, *rows)), 1)])
