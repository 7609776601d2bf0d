"""An explanation ends with the decision that the rule makes, and every step says its own numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.scoring import unknown
from inspection.scoring.bundle import Bundle, FirstLook
from inspection.scoring.explanation import why_called
from inspection.views.renderer import ViewSpec
from inspection.wafer.taxonomy import Taxonomy, WaferClass

TAXONOMY = Taxonomy((WaferClass("Donut"), WaferClass("Normal", normal=True), WaferClass("Scratch")))
TURNS = (np.eye(2), -np.eye(2))
KNOWN = np.random.default_rng(0).normal(size=(60, 4))
DETECTOR = unknown.fit("mahalanobis", KNOWN, np.arange(60) % 3, np.random.default_rng(0)).with_limits(KNOWN, KNOWN[:, :3], 0.05)


def bundle(**changes):
    content = {"turns": TURNS, "detector": DETECTOR, "least": np.array([0.2, 0.6, 0.1]), "first_look": FirstLook(1.0, np.full(3, 0.4))}
    return Bundle(TAXONOMY, ViewSpec(16), np.array([0.3, 0.7, 0.2]), 1.3, **{**content, **changes})


@given(st.lists(st.floats(-6, 6), min_size=3, max_size=3), st.floats(0, 9))
def test_the_last_step_is_what_the_rule_decides(logits, far):
    made, logits, embedding = bundle(), np.array([logits]), np.full((1, 4), far)
    flag = made.detector.unknown(embedding, logits)
    steps = why_called(made, logits, logits, embedding, 1)
    assert steps[-1].so == made.rule.decide(made.probabilities(logits), flag)[0]
    assert [s.so for s in steps if s.question == "Is it unlike all that was learnt?"] == ["yes" if flag[0] else "no"]


def told(made, logits, embedding=0.0, looks=2):
    x = np.array([logits])
    return {step.question: step for step in why_called(made, x, x, np.full((1, 4), embedding), looks)}


def test_each_reason_is_named():
    sure = told(bundle(), [0.0, 9.0, 0.0])
    assert sure["The decision"].so == "Normal"
    assert sure["Is the first look sure?"].so == "no second look"
    assert "threshold 70.0%" in sure["Does it reach its threshold?"].found
    missed = told(bundle(), [0.6, 1.0, 0.0])
    assert missed["Does it reach its threshold?"].so.startswith("no")
    assert missed["The decision"].so == "Review"
    several = told(bundle(), [2.0, -5.0, 1.9])
    assert "Donut" in several["Which classes may it well be?"].found
    assert "Scratch" in several["Which classes may it well be?"].found
    assert several["The decision"].so == "Review"
    strange = told(bundle(), [0.0, 9.0, 0.0], embedding=50.0)
    assert strange["The decision"].so == "Unknown"
    assert "stranger" in strange["The decision"].found


def test_a_share_just_below_what_is_usual_does_not_read_like_it():
    made = bundle(least=np.array([0.2, 0.99998, 0.1]))
    logits = [0.0, 13.0, 0.0]
    normal = made.probabilities(np.array([logits]))[0, 1]
    assert 0.9999 < normal < 0.99998
    step = told(made, logits)["Which classes may it well be?"]
    assert step.so.startswith("not one alone")
    assert step.found == "none: Normal 99.9909%, usual for it from 99.9980%"


def test_a_wafer_that_the_budget_leaves_at_one_look_is_not_called_sure():
    unsure = [1.0, 1.2, 0.9]
    for margin, so in ((1.0, "the mean of all turns counts"), (-1.0, "no second look")):
        step = told(bundle(first_look=FirstLook(1.0, np.full(3, 0.4), margin)), unsure)["Is the first look sure?"]
        assert step.found.startswith("not sure")
        assert step.so == so


@pytest.mark.parametrize(("rule", "question"), [(FirstLook(1.0, np.full(3, 0.4)), "Is the first look sure?"), (None, "How often was it")])
def test_a_network_that_turns_say_nothing_to_has_no_mean_of_turns(rule, question):
    """A symmetric network looks once, though the bundle names turns."""
    (step,) = (s for q, s in told(bundle(first_look=rule), [1.0, 1.2, 0.9], looks=1).items() if q.startswith(question))
    assert "same of every turn" in step.found
    assert "mean" not in step.so


@pytest.mark.parametrize("gone", ["detector", "least", "first_look", "turns"])
def test_what_a_bundle_does_not_have_is_not_asked(gone):
    plain = told(bundle(**{gone: (np.eye(2),) if gone == "turns" else None}), [0.0, 9.0, 0.0])
    assert plain["The decision"].so == "Normal"
    question = {"detector": "Is it unlike all that was learnt?", "least": "Which classes may it well be?"}.get(
        gone, "Is the first look sure?"
    )
    assert question not in plain


def test_a_share_near_one_is_not_said_to_be_all_and_tells_apart_what_is_compared():
    found = told(bundle(least=np.array([0.2, 0.99999, 0.1])), [0.0, 12.0, 0.0])["Which classes may it well be?"].found
    assert found.count("100.0%") == 0
    have, need = (float(share.split()[-1].rstrip("%,")) for share in found.split("%")[:2])
    assert have < need < 100.0
