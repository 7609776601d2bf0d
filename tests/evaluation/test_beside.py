"""Plain classifiers beside the network: same wafers, same lots, names for the metrics, and words that say who is ahead."""

import numpy as np
import pytest

from inspection.evaluation import beside, wording
from inspection.evaluation.beside import Source, stand_beside
from inspection.evaluation.confusion import confusion
from inspection.evaluation.evaluation import Part, evaluate
from inspection.evaluation.intervals import macro_f1_interval, macro_f1_lead_interval
from inspection.params import Baselines, Evaluate
from inspection.wafer.taxonomy import Taxonomy, WaferClass

TAXONOMY = Taxonomy((WaferClass("Donut"), WaferClass("Normal", normal=True), WaferClass("Rare"), WaferClass("Absent")))
PARAMS = Baselines(trees=20, svm_rows=150)


def network(strength, seed=0, wafers=240, lots=12):
    rng = np.random.default_rng(seed)
    truth = rng.choice(4, wafers, p=[0.3, 0.6, 0.1, 0.0])
    logits = rng.normal(size=(wafers, 4)) + strength * np.eye(4)[truth]
    p = np.exp(logits)
    part = Part(truth=truth, probabilities=p / p.sum(axis=1, keepdims=True), group=rng.integers(0, lots, wafers))
    return evaluate(part, part, TAXONOMY, Evaluate(bootstrap=40), rng)


def source(key, test_labels, apart=4.0, classes=3):
    rng = np.random.default_rng(5)

    def table(labels):
        return (rng.normal(size=(len(labels), 4)) + apart * np.eye(4)[labels]).astype(np.float32)

    train, validation = rng.integers(0, classes, 300), rng.integers(0, classes, 60)
    return Source(
        key=key, name=f"{key} columns", train=table(train), train_labels=train,
        validation=table(validation), validation_labels=validation, test=table(test_labels),
    )  # fmt: skip


@pytest.fixture(scope="module")
def weak():
    judged = network(0.5)
    return judged, stand_beside(judged, [source("a", judged.test.truth), source("b", judged.test.truth, 0.0)], PARAMS, seed=0)


def test_each_source_has_a_forest_and_a_support_vector_machine_with_metrics_of_its_own(weak):
    judged, found = weak
    assert [b.key for b in found] == ["a_forest", "a_svm", "b_forest", "b_svm"]
    assert [b.rows for b in found] == [300, 150, 300, 150]
    metrics = {k: v for b in found for k, v in b.metrics().items()}
    assert {
        f"baseline_a_svm_{n}" for n in ("macro_f1", "macro_f1_low", "macro_f1_high", "escape_rate", "overkill_rate", "recall_Donut")
    } <= set(metrics)
    assert "baseline_a_svm_recall_Absent" not in metrics  # cannot be known
    assert all(np.isfinite(v) and isinstance(v, float) for v in metrics.values())
    assert not set(metrics) & set(judged.metrics())
    for b in found:
        assert b.matrix.counts.sum() == len(judged.test)
        assert b.interval[0] <= b.matrix.macro_f1 <= b.interval[1]


def test_the_same_seed_gives_the_same_numbers_with_any_number_of_workers(weak):
    judged, found = weak
    again = stand_beside(judged, [source("a", judged.test.truth), source("b", judged.test.truth, 0.0)], PARAMS, seed=0, workers=2)
    assert [b.metrics() for b in found] == [b.metrics() for b in again]
    assert [b.lead for b in found] == [b.lead for b in again]


def test_a_source_of_one_class_stands_aside_and_progress_is_told():
    judged, told = network(2.0), []
    sources = [source("a", judged.test.truth, classes=1), source("b", judged.test.truth)]
    found = stand_beside(judged, sources, PARAMS, seed=0, progress=lambda *said: told.append(said))
    assert [b.key for b in found] == ["b_forest", "b_svm"]
    assert told == [(2, 4, "random forest on b columns"), (3, 4, "support vector machine on b columns")]


def test_the_table_puts_the_network_first_and_marks_the_best_recall_of_each_class(weak):
    judged, found = weak
    table = beside.rows(judged, found)
    assert [row["name"] for row in table] == [
        "The network", "Random forest on a columns", "Support vector machine on a columns", "Random forest on b columns",
        "Support vector machine on b columns",
    ]  # fmt: skip
    assert table[0]["ahead"] is None
    for row, one in zip(table[1:], found, strict=True):
        assert row["ahead"] == pytest.approx(judged.by_label.macro_f1 - one.matrix.macro_f1)
    for k, name in enumerate(TAXONOMY.names):
        recalls = [row["recalls"][k] for row in table]
        best = [row["recalls"][k] for row in table if row["best"][k]]
        assert best == ([] if name == "Absent" or min(recalls) == max(recalls) else [max(recalls)] * len(best))
        assert bool(best) == (name != "Absent" and min(recalls) < max(recalls))


def test_words_say_who_is_ahead_and_when_nobody_is(weak):
    judged, found = weak
    assert "The network falls behind the best of them, the " in wording.beside(judged, found)
    assert "Train it longer" in wording.beside(judged, found)
    strong = network(9.0)
    beaten = stand_beside(strong, [source("b", strong.test.truth, 0.0)], PARAMS, seed=0)
    assert "The network leads the best of them" in wording.beside(strong, beaten)
    even = network(9.0)
    alike = stand_beside(even, [source("a", even.test.truth, 9.0)], PARAMS, seed=0)
    assert "No difference in macro-F1 can be told" in wording.beside(even, alike)
    assert wording.beside(judged, []) == ""


def test_one_lot_has_no_interval_and_is_still_compared():
    judged = network(0.5, lots=1)
    found = stand_beside(judged, [source("a", judged.test.truth)], PARAMS, seed=0)
    assert all(np.isnan(b.lead).all() for b in found)
    assert "interval" not in wording.beside(judged, found)
    assert "baseline_a_forest_macro_f1_low" not in found[0].metrics()
    assert wording.lead_interval(found[0].lead) == "no interval"


def test_the_lead_is_drawn_from_the_same_lots_on_both_sides():
    rng = np.random.default_rng(0)
    truth, lot = rng.integers(0, 3, 120), rng.integers(0, 8, 120)
    names = TAXONOMY.names
    ours = [names[t] for t in np.where(rng.random(120) < 0.2, 0, truth)]
    theirs = [names[t] for t in np.where(rng.random(120) < 0.4, 1, truth)]
    found = macro_f1_lead_interval(truth, ours, theirs, lot, names, bootstrap=50, rng=np.random.default_rng(3))
    draw, leads = np.random.default_rng(3), []
    for drawn in draw.multinomial(8, np.full(8, 1 / 8), size=50):
        rows = np.concatenate([np.flatnonzero(lot == g) for g, times in enumerate(drawn) for _ in range(times)])
        one, other = (confusion(truth[rows], [c[i] for i in rows], TAXONOMY).macro_f1 for c in (ours, theirs))
        leads.append(one - other)
    assert found == pytest.approx(tuple(np.percentile(leads, [2.5, 97.5])))
    same = macro_f1_lead_interval(truth, ours, ours, lot, names, bootstrap=50, rng=draw)
    assert same == (0.0, 0.0)
    alone = macro_f1_interval(truth, ours, lot, names, bootstrap=50, rng=np.random.default_rng(3))
    assert alone[1] - alone[0] > 0
