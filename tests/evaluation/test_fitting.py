"""What turns logits into decisions: second looks within their budget, and a table from which every figure can be computed again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from inspection.evaluation.coverage import coverage_of
from inspection.evaluation.evaluation import evaluate
from inspection.evaluation.fitting import Labelled, first_look, fit_bundle, part_of
from inspection.evaluation.predictions import confusion_table, table_of
from inspection.params import Evaluate
from inspection.scoring.bundle import Bundle
from inspection.scoring.predictor import Seen
from inspection.views.renderer import ViewSpec
from inspection.wafer.taxonomy import Taxonomy, WaferClass

TAXONOMY = Taxonomy((WaferClass("Donut"), WaferClass("Normal", normal=True), WaferClass("Scratch")))


def labelled(seed, wafers=900):
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, wafers, p=[0.2, 0.7, 0.1])
    embedding = rng.normal(size=(wafers, 5)) + 4 * np.eye(5)[truth]
    logits = (embedding @ np.eye(5)[:, :3] * 1.5).astype(np.float32)
    return Labelled(seen=Seen(logits, embedding.astype(np.float32), logits, np.ones(wafers, np.int64)), truth=truth)


def rows(count, seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"group": rng.integers(0, 20, count).astype(str), "file_sha256": "0" * 64, "index": np.arange(count)})


def judged(**changes):
    params = Evaluate(bootstrap=20, **changes)
    raw = Bundle(TAXONOMY, ViewSpec(16), np.full(3, 0.5), 1.0)
    validation, test, trained = labelled(1), labelled(2), labelled(3)
    rng = np.random.default_rng(0)
    bundle = fit_bundle(raw, validation, (trained.seen.embedding, trained.truth), params, rng, patterns=False)
    parts = {name: part_of(bundle, one, rows(900, k)) for k, (name, one) in enumerate((("validation", validation), ("test", test)))}
    return bundle, parts, evaluate(parts["validation"], parts["test"], TAXONOMY, params, rng)


def test_only_wafers_that_are_not_sure_are_looked_at_again_and_no_more_than_the_budget_pays_for():
    validation = labelled(1)
    rich = first_look(validation, Evaluate(looks=8.0), turns=8)
    again = rich.again(validation.seen.first)
    assert 0 < again.mean() < 0.3
    for looks in (1.0, 1.1, 1.5, 3.0):
        poor = first_look(validation, Evaluate(looks=looks), turns=8).again(validation.seen.first)
        assert 1 + 7 * poor.mean() <= looks + 1e-9
        assert not (poor & ~again).any(), "a part of the same wafers"
    s = validation.seen
    few = Labelled(seen=Seen(s.logits[:10], s.embedding[:10], s.first[:10], s.looks[:10]), truth=validation.truth[:10])
    assert first_look(few, Evaluate(), turns=8) is None


@pytest.mark.parametrize(
    "changes", [{}, {"calibration": "vector"}, {"unknown": {"detector": "neighbours", "rate": 0.1}}, {"coverage": 0.8}]
)
def test_every_figure_can_be_computed_from_the_table(changes):
    bundle, parts, found = judged(**changes)
    known = pd.DataFrame({"product": ["P"] * 900})
    table = table_of({name: (part, known) for name, part in parts.items()}, found.rule)
    assert len(table) == 1800
    assert set(table["product"]) == {"P"}
    test = table[table["part"] == "test"]
    metrics = found.metrics()
    assert f1_score(test["truth"], test["label"], average="macro") == pytest.approx(metrics["macro_f1"])
    escaped = (test["truth"] != "Normal") & (test["decision"] == "Normal")
    assert escaped.sum() / (test["truth"] != "Normal").sum() == pytest.approx(metrics["escape_rate"])
    held = [truth in names.split("|") for truth, names in zip(test["truth"], test["prediction_set"], strict=True)]
    assert np.mean(held) == pytest.approx(metrics["coverage"])
    assert (test["decision"] == "Unknown").sum() == test["unknown"].sum()
    limit = bundle.detector.limit(labelled(2).seen.first)
    assert ((test["unknown_score"] > limit) == test["unknown"]).all()
    shares = test[[f"p_{name}" for name in TAXONOMY.names]].to_numpy()
    assert list(test["label"]) == [TAXONOMY.names[k] for k in shares.argmax(axis=1)]
    cells = confusion_table(found.by_decision).set_index(["truth", "called"])
    for (truth, called), count in test.groupby(["truth", "decision"]).size().items():
        cell, of_class = cells.loc[(truth, called)], int((test["truth"] == truth).sum())
        assert (cell["count"], cell["share"]) == (count, pytest.approx(count / of_class))
        low, high = binomtest(int(count), of_class).proportion_ci(method="wilson")
        assert (cell["low"], cell["high"]) == (pytest.approx(low), pytest.approx(high))
    assert cells["count"].sum() == len(test)
    assert metrics["unknown_rate"] == pytest.approx(found.test.unknown.mean())


def test_known_wafers_are_called_unknown_at_the_stated_rate_and_covered_as_promised():
    _, _, found = judged()
    metrics = found.metrics()
    assert metrics["unknown_rate"] == pytest.approx(0.05, abs=0.03)
    assert metrics["coverage"] == pytest.approx(0.95, abs=0.03)


def test_coverage_counts_sets_and_classes():
    held = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1]], bool)
    found = coverage_of(held, np.array([0, 1, 1, 2]))
    assert (found.all.hits, found.all.trials) == (3, 4)
    assert [rate.value for rate in found.by_class] == [1.0, 0.5, 1.0]
    assert found.sizes.tolist() == [1, 1, 2, 0]
    assert found.mean_size == 1.25
    assert found.metrics("abc")["sets_of_one"] == 0.25
    assert np.isnan(coverage_of(held[:0], np.zeros(0, int)).mean_size)
