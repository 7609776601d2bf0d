import json
from dataclasses import replace

import numpy as np
import pytest

from inspection.errors import InputError
from inspection.evaluation.evaluation import Part, evaluate
from inspection.evaluation.gallery import choose
from inspection.params import Evaluate
from inspection.scoring.decision import DecisionRule
from inspection.wafer.taxonomy import Taxonomy, WaferClass

TAXONOMY = Taxonomy((WaferClass("Donut"), WaferClass("Normal", normal=True), WaferClass("Rare"), WaferClass("Absent")))
PARAMS = Evaluate(bootstrap=50)


def part(seed, wafers=300, lots=12, strength=3.0, **more):
    rng = np.random.default_rng(seed)
    truth = rng.choice(4, wafers, p=[0.3, 0.67, 0.03, 0.0])
    logits = rng.normal(size=(wafers, 4))
    logits[np.arange(wafers), truth] += strength
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Part(truth=truth, probabilities=probabilities.astype(np.float32), group=rng.integers(0, lots, wafers), **more)


def judge(test=None, validation=None, seed=0):
    return evaluate(part(1) if validation is None else validation, part(2) if test is None else test, TAXONOMY, PARAMS,
                    np.random.default_rng(seed))  # fmt: skip


def test_metrics_are_finite_and_complete_for_the_gate():
    found = judge().metrics()
    wanted = {"macro_f1", "macro_f1_low", "macro_f1_high", "accuracy", "balanced_accuracy", "escape_rate", "overkill_rate",
              "decision_macro_f1", "f1_Donut", "recall_Normal", "precision_Rare", "auc_Donut", "geometric_mean",
              "specificity_Rare", "geometric_mean_Rare", "iba_Rare", "decision_specificity_Rare", "decision_geometric_mean"}  # fmt: skip
    assert wanted <= set(found)
    assert all(np.isfinite(v) and isinstance(v, float) for v in found.values())
    assert found["macro_f1_low"] <= found["macro_f1"] <= found["macro_f1_high"]
    assert "f1_Absent" not in found  # nothing is known about it


def test_thresholds_come_from_validation_alone():
    first, other = judge(test=part(2)), judge(test=part(3, strength=0.5))
    np.testing.assert_array_equal(first.thresholds.values, other.thresholds.values)


def test_decisions_follow_the_decision_rule_with_the_tuned_thresholds():
    unknown = np.arange(300) % 50 == 0
    test = part(2, unknown=unknown)
    found = judge(test=test)
    rule = DecisionRule(TAXONOMY.names, found.thresholds.values, found.inclusion.least)
    assert list(found.decisions) == rule.decide(test.probabilities, unknown)
    assert found.by_decision.unknown.hits == unknown.sum()
    assert found.by_label.unknown.hits == 0


def test_decisions_that_are_given_are_used():
    given = ("Review",) * 300
    found = judge(test=part(2, decisions=given))
    assert found.metrics()["review_rate"] == 1.0
    assert found.metrics()["escape_rate"] == 0.0
    assert found.metrics()["decision_macro_f1"] == 0.0


def test_the_same_seed_gives_the_same_json_without_nan():
    first = json.dumps(judge().to_json(), allow_nan=False)
    assert first == json.dumps(judge().to_json(), allow_nan=False)
    rows = json.loads(first)["per_class"]
    assert rows[3]["support"] == 0
    assert rows[3]["recall"] is rows[3]["recall_low"] is rows[3]["auc"] is None


def test_no_test_wafer_is_an_error_that_says_what_to_do():
    with pytest.raises(InputError, match="at least one test wafer"):
        judge(test=part(2, wafers=0))


def test_an_empty_validation_part_still_judges_the_test_part():
    found = judge(validation=part(1, wafers=0))
    assert not any(found.thresholds.tuned)
    assert found.inclusion is found.coverage is None
    assert "coverage" not in found.metrics()
    assert found.metrics()["macro_f1"] > 0.5


@pytest.mark.parametrize("fault", [{"probabilities": np.ones((300, 4))}, {"group": np.zeros(3)}, {"probabilities": np.ones((300, 2)) / 2}])
def test_a_part_that_does_not_fit_is_refused(fault):
    with pytest.raises(InputError, match=r"\(test part\)"):
        judge(test=replace(part(2), **fault))


def test_gallery_shows_escapes_first_then_by_confidence():
    found = judge(test=part(5, strength=1.5, unknown=np.arange(300) % 20 == 0))
    shown = {c.name: c for c in choose(found, right=3, wrong=300)}
    assert "Absent" not in shown
    order = {"escape": 0, "overkill": 1, "mistake": 2, "undecided": 3}
    for name, row in shown.items():
        keys = [(order[e.kind], -e.probability) for e in row.wrong]
        assert keys == sorted(keys)
        assert len(row.wrong) == row.wrong_of
        assert {e.decision for e in row.right} <= {name}
        assert [e.probability for e in row.right] == sorted((e.probability for e in row.right), reverse=True)
    assert {e.kind for e in shown["Donut"].wrong} >= {"escape", "undecided"}
    assert "overkill" in {e.kind for e in shown["Normal"].wrong}
    assert sum(c.right_of + c.wrong_of for c in shown.values()) == 300
