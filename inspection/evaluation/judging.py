"""From a trained network to a judged bundle: calibrate and tune on validation, open the test part once, write what people read."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from inspection.aside import write_text
from inspection.augmentation.turns import common_turns
from inspection.errors import BundleError, InputError
from inspection.evaluation.beside import Source, stand_beside
from inspection.evaluation.evaluation import evaluate
from inspection.evaluation.findings import LABELS, findings
from inspection.evaluation.fitting import Labelled, first_look, fit_bundle, part_of
from inspection.evaluation.intervals import macro_f1_lead_interval
from inspection.evaluation.pages import PARTS, Judged, write_pages
from inspection.evaluation.predictions import confusion_table, table_of
from inspection.formats.canonical import shard_index
from inspection.models import features
from inspection.models.baselines import stratified
from inspection.scoring.bundle import Bundle, write_bundle
from inspection.scoring.predictor import Predictor
from inspection.scoring.reference import Reference
from inspection.settings import Settings
from inspection.spawned import cores
from inspection.views.shards import read_views
from inspection.wafer.taxonomy import choose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.augmentation.guard.votes import Votes
    from inspection.evaluation.beside import Baseline
    from inspection.evaluation.evaluation import Evaluation, Part
    from inspection.params import Evaluate, Params
    from inspection.views.shards import Views

    Report = Callable[[int, int, str], None]

BATCH_SIZES = (16, 128)
KNOWN = ("source", "lot", "wafer", "product", "layer", "tool", "chamber", "recipe", "defects")
"""What the table of predictions says of a wafer besides how it was judged."""
HEADLINE = ("macro_f1", "macro_f1_low", "macro_f1_high", "escape_rate", "overkill_rate", "test_wafers")


def judge(
    data: Path,
    params: Params,
    report: Report,
    lineage: dict[str, str],
    votes: Votes | None = None,
    champion: tuple[str, Path] | None = None,
) -> dict[str, Any]:
    """Judge ``data/model`` on the parts of ``data/split.parquet``; the report shows the guard's test of the model, ``votes``, too.

    ``champion``: its name and its bundle; it is judged on the same test wafers where it reads the same views and names the same classes.

    Writes ``data/bundle``, ``data/report`` (report.html, pictures, and for other tools suspicious_labels.csv, confusion.csv,
    predictions.parquet), ``data/metrics.json`` and ``data/plots``; returns the headline.
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
    raw, labelled = _looked_at(predictor, views, truth, rows, params.evaluate, report)
    learnt = rows["train"][stratified(truth[rows["train"]], params.evaluate.reference, rng)]
    embedding = predictor.embeddings(views.take(learnt), partial(_told, report, "training wafers"))
    bundle = fit_bundle(raw, labelled["validation"], (embedding, truth[learnt]), params.evaluate, rng, patterns=predictor.reads_patterns)

    parts = {name: part_of(bundle, one, split.iloc[rows[name]]) for name, one in labelled.items()}
    judged = evaluate(parts["validation"], parts["test"], taxonomy, params.evaluate, rng)
    chosen = split.iloc[learnt]
    reference = Reference.of(
        embedding, truth[learnt], chosen["file_sha256"].astype(str), chosen["index"], chosen["group"].astype(str), seed=params.base.seed
    )  # fmt: skip
    bundle = replace(bundle, thresholds=judged.thresholds.values, least=judged.rule.least, reference=reference)
    write_bundle(data / "bundle", bundle, network_file)
    index = shard_index(data / "wafers.parquet")[list(KNOWN)]
    known = {name: index.iloc[rows[name]] for name in parts}

    baselines = _baselines(judged, views, labelled, (learnt, embedding), truth, rows, params, report)
    report(0, 0, "look-alikes, slices, unknown patterns")
    found = findings(
        judged, parts["validation"], labelled["test"], reference, (known["validation"], known["test"]), params.evaluate, rng,
        turns=len(turns),
    )  # fmt: skip
    metrics = judged.metrics() | found.metrics | {key: value for one in baselines for key, value in one.metrics().items()}
    (data / "metrics.json").write_text(json.dumps(metrics, indent=1, sort_keys=True), encoding="utf-8")
    beside, remark = None, ""
    if champion is not None:
        try:
            beside = _champion(*champion, judged, views.take(rows["test"]), parts["validation"], params, report)
        except (BundleError, InputError) as error:  # a candidate that may replace it must not fail with it
            remark = f"The {champion[0]} could not be judged on the same wafers: {error}"
    identities = list(zip(known["test"]["lot"].astype(str), known["test"]["wafer"].astype(str), strict=True))
    told = Judged(judged, baselines, votes, found.sections, identities, beside, remark)
    write_pages(data, told, split, params, lineage, predictor.localiser(), report)
    folder = data / "report"  # what lies in it goes to MLflow with the page
    write_text(folder / LABELS, found.labels)
    write_text(folder / "confusion.csv", confusion_table(judged.by_decision).to_csv(index=False))
    table_of({name: (part, known[name]) for name, part in parts.items()}, judged.rule).to_parquet(folder / "predictions.parquet")
    return {key: metrics[key] for key in HEADLINE if key in metrics}


def _looked_at(
    predictor: Predictor, views: Views, truth: NDArray[np.integer], rows: Mapping[str, NDArray[np.intp]], params: Evaluate, report: Report
) -> tuple[Bundle, dict[str, Labelled]]:
    """The predictor's bundle with its rule for second looks, and what it says of the validation and test wafers with it."""
    turns = len(predictor.bundle.turns)
    firsts = {name: predictor.first_look(views.take(rows[name]), partial(_told, report, f"{name} wafers")) for name in PARTS[1:]}
    labelled: dict[str, Labelled] = {}
    rule = first_look(Labelled(seen=firsts["validation"], truth=truth[rows["validation"]]), params, turns)
    for name, first in firsts.items():
        again = np.ones(len(rows[name]), bool) if rule is None else rule.again(first.first)
        seen = predictor.look_again(views.take(rows[name]), first, again, partial(_told, report, f"{name} wafers again"))
        labelled[name] = Labelled(seen=seen, truth=truth[rows[name]])
    return replace(predictor.bundle, first_look=rule if turns > 1 else None), labelled


def _baselines(
    judged: Evaluation,
    views: Views,
    labelled: Mapping[str, Labelled],
    learnt: tuple[NDArray[np.intp], NDArray[np.float32]],
    truth: NDArray[np.integer],
    rows: Mapping[str, NDArray[np.intp]],
    params: Params,
    report: Report,
) -> list[Baseline]:
    """Plain classifiers on hand-made features and on the network's embedding; none when they are switched off."""
    if not params.baselines.enabled:
        return []
    labels = [truth[rows[name]] for name in PARTS]
    workers = Settings().workers or cores()
    table = features.extract(views.images, workers, partial(_told, report, "hand-made features"))
    seen = [labelled[name].seen.embedding for name in PARTS[1:]]
    sources = [
        _source("features", "hand-made features", [table[rows[name]] for name in PARTS], labels),
        _source("embedding", "the network's embedding", [learnt[1], *seen], [truth[learnt[0]], *labels[1:]]),
    ]
    return stand_beside(judged, sources, params.baselines, seed=params.base.seed, workers=workers, progress=report)


def _champion(
    name: str, folder: Path, judged: Evaluation, test: Views, validation: Part, params: Params, report: Report
) -> tuple[str, Mapping[str, float]]:
    """The champion's metrics on the same test wafers, some of which it may have learnt from, with the interval of the candidate's lead.

    InputError where it cannot read them.
    """
    report(0, 0, "the champion on the same wafers")
    predictor = Predictor.load(folder, BATCH_SIZES)
    names = judged.taxonomy.names
    if predictor.bundle.spec != test.spec or set(predictor.bundle.taxonomy.names) != set(names):
        raise InputError("expected a model of the same views and classes, got another. Compare the two reports.")
    scored = predictor.score(test)
    shares = np.array([[one.probabilities[c] for c in names] for one in scored])
    part = replace(judged.test, probabilities=shares, decisions=tuple(one.decision for one in scored), unknown=None, shown=None)
    theirs = evaluate(validation, part, judged.taxonomy, params.evaluate, np.random.default_rng(params.base.seed))
    low, high = macro_f1_lead_interval(
        part.truth, judged.labels, theirs.labels, part.group, names,
        bootstrap=params.evaluate.bootstrap, rng=np.random.default_rng(params.base.seed),
    )  # fmt: skip
    return name, theirs.metrics() | {"macro_f1_lead_low": low, "macro_f1_lead_high": high}


def _told(report: Report, what: str, done: int, total: int) -> None:
    report(done, total, what)


def _source(key: str, name: str, tables: Sequence[NDArray[np.float32]], labels: Sequence[NDArray[np.integer]]) -> Source:
    """Tables and labels of ``PARTS`` as what baselines learn from."""
    train, validation, test = tables
    return Source(
        key=key, name=name, train=train, train_labels=labels[0], validation=validation, validation_labels=labels[1], test=test
    )  # fmt: skip
