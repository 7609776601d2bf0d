"""One training session on the files of a snapshot: what is read, in which order, and what is left behind."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from inspection.augmentation.images import image_policy
from inspection.augmentation.policy import fitted_policy
from inspection.augmentation.turns import common_turns
from inspection.dataset.balance import LOOKS_AT_WAFERS, balanced_indices
from inspection.dataset.unlabelled import read_unlabelled
from inspection.errors import ParamsError
from inspection.formats.canonical import read_shard
from inspection.models import features
from inspection.models.head import Head
from inspection.models.symmetry import SquareGroup
from inspection.settings import Settings
from inspection.spawned import cores
from inspection.training.curves import read
from inspection.training.few_labels import learn
from inspection.training.fit import TrainingSet
from inspection.training.fusion import fuse
from inspection.views.shards import read_views
from inspection.wafer.taxonomy import choose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.params import Params
    from inspection.wafer.maps import WaferMap

    Told = Callable[[str, Mapping[str, Any], Sequence[Mapping[str, float]]], None]
    """(session, parameters that it reads, history so far): how a session tells its curves while it lasts."""

NETWORK, SESSION = "model.keras", "training.json"
COLUMNS = ("epoch", "loss", "validation_loss", "validation_macro_f1", "learning_rate")
"""Of ``history.csv``. Seconds are left out: the file is an output of the stage, and the same training must leave the same bytes."""
READ = {"base", "balance", "augment", "train", "transfer", "taxonomy"}
"""Sections of the parameters that training reads."""


def train(
    data: Path, params: Params, report: Callable[[int, int, str], None], told: Told | None = None, start: Path | None = None
) -> dict[str, Any]:
    """Train on ``data/wafers.parquet``, ``data/views`` and ``data/split.parquet``, from the weights of ``start``.

    Writes ``data/model/model.keras`` (the best epoch), ``data/model/training.json`` and ``data/history.csv``. The checkpoint in
    ``data/checkpoint`` lets an interrupted session go on; the next session of other data or parameters replaces it. ``told`` gets the
    history after each epoch; a session is the same for the same data and parameters, interrupted or not.
    """
    session = _fingerprint(data, params, start)
    split = pd.read_parquet(data / "split.parquet")
    views = read_views(data / "views")
    taxonomy = choose(split["label"], params.classes)
    labels = split["label"].map({name: k for k, name in enumerate(taxonomy.names)}).to_numpy()
    part = split["part"].to_numpy()
    training, validation = np.flatnonzero(part == "train"), np.flatnonzero(part == "validation")
    drawn = _drawn(labels[training], views.images[training], params, report)
    maps: Sequence[WaferMap] | NDArray[np.uint8]
    if views.spec.kind == "image":
        _check_images(params)
        maps, policy, donors = views.images[training], image_policy(taxonomy, params.augment), None
    else:
        maps = [cast("WaferMap", entry.wafer.map) for entry in read_shard(data / "wafers.parquet", training.tolist())]
        policy, donors = fitted_policy(taxonomy, params.augment, maps, labels[training])
    problem = TrainingSet(
        maps,
        labels[training],
        drawn,
        views.take(validation),
        labels[validation],
        len(taxonomy),
        SquareGroup.of(common_turns(taxonomy)),
        donors,
        balanced=params.balance.batches == "balanced",
        head=Head.of(taxonomy, params.train.head),
    )
    learnt = learn(
        problem,
        policy,
        params.train,
        params.transfer,
        data / "checkpoint",
        seed=params.base.seed,
        fingerprint=session,
        drawn=partial(_drawn_again, params=params),
        start=start,
        unlabelled=_unlabelled(data, split, params),
        membership=np.array(taxonomy.membership()) if taxonomy.combines else None,
        progress=report,
        told=None if told is None else partial(told, session, params.model_dump(mode="json", include=READ - {"taxonomy"})),
    )
    fitted = learnt.fitted
    model = data / "model"
    shutil.rmtree(model, ignore_errors=True)
    model.mkdir(parents=True)
    shutil.copyfile(fitted.network, model / NETWORK)
    fusion = None
    if params.train.fuse_features and views.spec.kind == "map":
        workers, seed = Settings().workers or cores(), params.base.seed
        fusion = fuse(model / NETWORK, problem, views.images[training], params.train, seed=seed, threads=workers, progress=report)
    summary = {"best_validation_macro_f1": fitted.best, "best_epoch": fitted.best_epoch + 1, "epochs": len(fitted.history)}
    curves = read(fitted.history)
    if fusion is not None:
        summary |= {"features_weight": fusion.weight, "fused_validation_macro_f1": fusion.both}
    content = {
        **summary,
        "fusion": fusion and fusion.to_dict(),
        "classes": taxonomy.names,
        "curves": curves.to_dict(),
        "session": session,
        "transfer": learnt.to_dict(),
    }
    (model / SESSION).write_text(json.dumps(content, indent=1), encoding="utf-8")
    with (data / "history.csv").open("w", newline="", encoding="utf-8") as stream:
        columns = [*COLUMNS, *(["phase"] if learnt.phases or learnt.rounds else [])]
        writer = csv.DictWriter(stream, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(fitted.history)
    seconds = sum(row["seconds"] for row in fitted.history)
    return {**summary, "curves": curves.words, "training_wafers": len(training), "seconds": seconds}


def _check_images(params: Params) -> None:
    """Learning from unlabelled wafers draws maps anew; of images there are views alone."""
    asked = {
        "transfer.pretrain.epochs": params.transfer.pretrain.epochs,
        "transfer.pseudo_labels.rounds": params.transfer.pseudo_labels.rounds,
    }
    wrong = [key for key, value in asked.items() if value]
    if wrong:
        raise ParamsError(f"Cannot train on images with {', '.join(wrong)}: expected 0, for wafer maps alone. Set it to 0 in params.yaml.")


def _drawn(
    labels: NDArray[np.integer], images: NDArray[np.uint8], params: Params, report: Callable[[int, int, str], None]
) -> NDArray[np.intp]:
    """Balanced draws of the training wafers with global views ``images``, which some samplers look at through hand-made features."""
    table = None
    if params.balance.sampler in LOOKS_AT_WAFERS:
        workers = Settings().workers or cores()
        table = features.extract(images, workers, lambda done, total: report(done, total, "hand-made features, for the balance"))
    return balanced_indices(labels, params.balance.tempering, params.base.seed, params.balance.sampler, table)


def _drawn_again(labels: NDArray[np.integer], params: Params) -> NDArray[np.intp]:
    """Balanced draws when pseudo-labels have joined; a sampler that looks at wafers has not seen those, and repeats at random instead."""
    sampler = "random" if params.balance.sampler in LOOKS_AT_WAFERS else params.balance.sampler
    return balanced_indices(labels, params.balance.tempering, params.base.seed, sampler)


def _unlabelled(data: Path, split: pd.DataFrame, params: Params) -> list[WaferMap]:
    """The wafers without a label that training may see, where anything is to be learnt from them."""
    if not (params.transfer.pretrain.epochs or params.transfer.pseudo_labels.rounds):
        return []
    parts = split["part"].to_numpy(str)
    return read_unlabelled(data / "unlabelled.parquet", data / "wafers.parquet", parts, params.split.border_rows)


def _fingerprint(data: Path, params: Params, start: Path | None) -> str:
    """What a checkpoint belongs to: the split, the views' recipe, every parameter that training reads and the weights it starts from."""
    digest = hashlib.sha256((data / "split.parquet").read_bytes())
    digest.update((data / "views" / "views.json").read_bytes())
    chosen = params.model_dump_json(by_alias=True, include=READ)
    digest.update(chosen.encode())
    unlabelled = data / "unlabelled.parquet"
    if unlabelled.is_file():
        digest.update(hashlib.sha256(unlabelled.read_bytes()).digest())
    if start is not None:
        digest.update(hashlib.sha256(start.read_bytes()).digest())
    return digest.hexdigest()
