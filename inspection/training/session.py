"""One training session on the files of a snapshot: what is read, in which order, and what is left behind."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from inspection.augmentation.images import image_policy
from inspection.augmentation.policy import fitted_policy
from inspection.augmentation.turns import common_turns
from inspection.dataset.balance import balanced_indices
from inspection.formats.canonical import read_shard
from inspection.models.symmetry import SquareGroup
from inspection.training.fit import TrainingSet, fit
from inspection.views.shards import read_views
from inspection.wafer.taxonomy import choose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.params import Params
    from inspection.wafer.maps import WaferMap

NETWORK, SESSION = "model.keras", "training.json"


def train(data: Path, params: Params, report: Callable[[int, int, str], None]) -> dict[str, Any]:
    """Train on ``data/wafers.parquet``, ``data/views`` and ``data/split.parquet``.

    Writes ``data/model/model.keras`` (the best epoch), ``data/model/training.json`` and ``data/history.csv``. The checkpoint in
    ``data/checkpoint`` lets an interrupted session go on; the next session of other data or parameters replaces it.
    """
    split = pd.read_parquet(data / "split.parquet")
    views = read_views(data / "views")
    taxonomy = choose(split["label"], params.classes)
    labels = split["label"].map({name: k for k, name in enumerate(taxonomy.names)}).to_numpy()
    part = split["part"].to_numpy()
    training, validation = np.flatnonzero(part == "train"), np.flatnonzero(part == "validation")
    drawn = balanced_indices(labels[training], params.balance.tempering, params.base.seed)
    maps: Sequence[WaferMap] | NDArray[np.uint8]
    if views.spec.kind == "image":
        maps, policy, donors = views.images[training], image_policy(taxonomy, params.augment), None
    else:
        maps = [cast("WaferMap", entry.wafer.map) for entry in read_shard(data / "wafers.parquet", training.tolist())]
        policy, donors = fitted_policy(taxonomy, params.augment, maps, labels[training])
    fitted = fit(
        TrainingSet(
            maps,
            labels[training],
            drawn,
            views.take(validation),
            labels[validation],
            len(taxonomy),
            SquareGroup.of(common_turns(taxonomy)),
            donors,
        ),
        policy,
        params.train,
        data / "checkpoint",
        seed=params.base.seed,
        fingerprint=_fingerprint(data, params),
        progress=report,
    )
    model = data / "model"
    shutil.rmtree(model, ignore_errors=True)
    model.mkdir(parents=True)
    shutil.copyfile(fitted.network, model / NETWORK)
    summary = {"best_validation_macro_f1": fitted.best, "best_epoch": fitted.best_epoch + 1, "epochs": len(fitted.history)}
    (model / SESSION).write_text(json.dumps({**summary, "classes": taxonomy.names}, indent=1), encoding="utf-8")
    with (data / "history.csv").open("w", newline="", encoding="utf-8") as stream:
        # Seconds are left out: the file is an output of the stage, and the same training must leave the same bytes.
        writer = csv.DictWriter(stream, ["epoch", "loss", "validation_macro_f1"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(fitted.history)
    return {**summary, "training_wafers": len(training), "seconds": sum(row["seconds"] for row in fitted.history)}


def _fingerprint(data: Path, params: Params) -> str:
    """What a checkpoint belongs to: the split, the views' recipe and every parameter that training reads."""
    digest = hashlib.sha256((data / "split.parquet").read_bytes())
    digest.update((data / "views" / "views.json").read_bytes())
    chosen = params.model_dump_json(by_alias=True, include={"base", "balance", "augment", "train", "taxonomy"})
    digest.update(chosen.encode())
    return digest.hexdigest()
