"""From a trained network to a judged bundle: calibrate and tune on validation, open the test part once, write what people read."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from inspection.augmentation.turns import common_turns
from inspection.evaluation.beside import Source, stand_beside
from inspection.evaluation.evaluation import evaluate
from inspection.evaluation.fitting import Labelled, first_look, fit_bundle, part_of
from inspection.evaluation.predictions import table_of
from inspection.evaluation.report import Background, write_report
from inspection.formats.canonical import read_shard, shard_index
from inspection.models import features
from inspection.models.baselines import stratified
from inspection.scoring.bundle import Bundle, write_bundle
from inspection.scoring.predictor import Predictor
from inspection.settings import Settings
from inspection.spawned import cores
from inspection.views.shards import read_views
from inspection.wafer.taxonomy import choose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.augmentation.guard.votes import Votes
    from inspection.evaluation.beside import Baseline
    from inspection.evaluation.evaluation import Evaluation
    from inspection.params import Params
    from inspection.wafer.maps import InspectionMap

DETECTOR_WAFERS = 4_000
"""Training wafers whose embeddings the unknown detector is fitted on."""
BATCH_SIZES = (16, 128)
SIMULATED = "The wafers come from the simulated fab: the numbers say nothing about real wafers, and the model has not seen any."
BALANCED = (
    "The loss was balanced (train.class_weight_beta or train.logit_adjustment): probabilities are those of a fab in which rare classes "
    "come more often than here. Decisions take that in, since their thresholds were tuned on wafers as they come."
)
PARTS = ("train", "validation", "test")
KNOWN = ("source", "lot", "wafer", "product", "layer", "tool", "chamber", "recipe", "defects")
"""What the table of predictions says of a wafer besides how it was judged."""
SHOWN = ("train", "balance", "augment", "evaluate", "baselines", "split")
"""Sections of the parameters that the report shows."""


def judge(
    data: Path, params: Params, report: Callable[[int, int, str], None], lineage: dict[str, str], votes: Votes | None = None
) -> dict[str, Any]:
    """Judge ``data/model`` on the parts of ``data/split.parquet``; the report shows the guard's test of the model, ``votes``, too.

    Writes ``data/bundle``, ``data/report`` (report.html and pictures), ``data/predictions.parquet``, ``data/metrics.json`` and
    ``data/plots``; returns the headline.
    """
    split = pd.read_parquet(data / "split.parquet")
    views = read_views(data / "views")
    taxonomy = choose(split["label"], params.classes)
    truth = split["label"].map({name: k for k, name in enumerate(taxonomy.names)}).to_numpy()
    rows = {part: np.flatnonzero(split["part"].to_numpy() == part) for part in PARTS}
    turns = common_turns(taxonomy) if params.evaluate.test_time_augmentation else [np.eye(2)]
    rng = np.random.default_rng(params.base.seed)

    network_file = data / "model" / "model.keras"
    raw = Bundle(taxonomy, views.spec, np.full(len(taxonomy), 0.5), 1.0, tuple(turns), lineage=lineage)
    predictor = Predictor.of(raw, network_file, BATCH_SIZES)

    def embedded(indices: NDArray[np.intp]) -> NDArray[np.float32]:
        return predictor.embeddings(views.take(indices), partial(_told, report, "training wafers"))

    firsts = {name: predictor.first_look(views.take(rows[name]), partial(_told, report, f"{name} wafers")) for name in PARTS[1:]}
    labelled: dict[str, Labelled] = {}
    rule = first_look(Labelled(seen=firsts["validation"], truth=truth[rows["validation"]]), params.evaluate, len(turns))
    for name, first in firsts.items():
        again = np.ones(len(rows[name]), bool) if rule is None else rule.again(first.first)
        seen = predictor.look_again(views.take(rows[name]), first, again, partial(_told, report, f"{name} wafers again"))
        labelled[name] = Labelled(seen=seen, truth=truth[rows[name]])
    sample = np.sort(rng.permutation(rows["train"])[:DETECTOR_WAFERS])
    bundle = fit_bundle(
        replace(raw, first_look=rule if len(turns) > 1 else None), labelled["validation"], (embedded(sample), truth[sample]),
        params.evaluate, rng, patterns=predictor.reads_patterns,
    )  # fmt: skip
    parts = {name: part_of(bundle, one, split.iloc[rows[name]]) for name, one in labelled.items()}
    judged = evaluate(parts["validation"], parts["test"], taxonomy, params.evaluate, rng)
    bundle = replace(bundle, thresholds=judged.thresholds.values, least=judged.rule.least)
    write_bundle(data / "bundle", bundle, network_file)
    known = shard_index(data / "wafers.parquet")[list(KNOWN)]
    table_of({name: (part, known.iloc[rows[name]]) for name, part in parts.items()}, judged.rule).to_parquet(data / "predictions.parquet")

    baselines: list[Baseline] = []
    if params.baselines.enabled:
        labels = [truth[rows[name]] for name in PARTS]
        learnt = rows["train"][stratified(labels[0], params.baselines.embedding_rows, np.random.default_rng(params.base.seed))]
        workers = Settings().workers or cores()
        table = features.extract(views.images, workers, partial(_told, report, "hand-made features"))
        sources = [
            _source("features", "hand-made features", [table[rows[name]] for name in PARTS], labels),
            _source(
                "embedding",
                "the network's embedding",
                [embedded(learnt), *(labelled[name].seen.embedding for name in PARTS[1:])],
                [truth[learnt], *labels[1:]],
            ),
        ]
        baselines = stand_beside(judged, sources, params.baselines, seed=params.base.seed, workers=workers, progress=report)

    metrics = judged.metrics() | {key: value for one in baselines for key, value in one.metrics().items()}
    (data / "metrics.json").write_text(json.dumps(metrics, indent=1, sort_keys=True), encoding="utf-8")
    report(0, 0, "report")
    _write_pages(data, judged, baselines, split, params, lineage, votes)
    return {
        k: metrics[k] for k in ("macro_f1", "macro_f1_low", "macro_f1_high", "escape_rate", "overkill_rate", "test_wafers") if k in metrics
    }


def _told(report: Callable[[int, int, str], None], what: str, done: int, total: int) -> None:
    report(done, total, what)


def _limits(params: Params, lineage: dict[str, str]) -> list[str]:
    """What the numbers cannot say because of how the network was taught."""
    simulated = "simulated" in lineage.get("trained_on", "")
    balanced = params.train.class_weight_beta > 0 or params.train.logit_adjustment > 0
    return [sentence for sentence, holds in ((SIMULATED, simulated), (BALANCED, balanced)) if holds]


def _source(key: str, name: str, tables: Sequence[NDArray[np.float32]], labels: Sequence[NDArray[np.integer]]) -> Source:
    """Tables and labels of ``PARTS`` as what baselines learn from."""
    train, validation, test = tables
    return Source(
        key=key, name=name, train=train, train_labels=labels[0], validation=validation, validation_labels=labels[1], test=test
    )  # fmt: skip


def _write_pages(
    data: Path,
    judged: Evaluation,
    baselines: Sequence[Baseline],
    split: pd.DataFrame,
    params: Params,
    lineage: dict[str, str],
    votes: Votes | None,
) -> None:
    """The report below ``data/report`` and the plots of DVC below ``data/plots``."""
    test = np.flatnonzero(split["part"].to_numpy() == "test")

    def maps_of(positions: Sequence[int]) -> list[InspectionMap]:
        return [entry.wafer.map for entry in read_shard(data / "wafers.parquet", [int(test[p]) for p in positions])]

    used = split[split["part"].isin(PARTS)]
    parts = used.groupby("part")
    background = Background(
        title=f"{params.train.model}, snapshot {lineage.get('snapshot_sha256', '')[:8]}",
        wafers={part: Counter(parts.get_group(part)["label"]) for part in PARTS if part in parts.groups},
        lots={part: parts.get_group(part)["group"].nunique() for part in PARTS if part in parts.groups},
        history=data / "history.csv",
        curves=json.loads((data / "model" / "training.json").read_text(encoding="utf-8")).get("curves", {}).get("words", ""),
        beside=baselines,
        votes=votes,
        lineage=lineage,
        limits=_limits(params, lineage),
        params={f"{name}.{key}": value for name in SHOWN for key, value in getattr(params, name).model_dump().items()},
    )
    folder = data / "report"
    shutil.rmtree(folder, ignore_errors=True)
    write_report(folder, judged, background, maps_of)
    plots = data / "plots"
    shutil.rmtree(plots, ignore_errors=True)
    shutil.copytree(folder / "plots", plots)
