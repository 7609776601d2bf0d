"""The verdict and the sections say in words what the numbers say, where nothing is known and where nothing is wrong, too."""

import numpy as np
import pytest

from inspection.evaluation.evaluation import Part, evaluate
from inspection.evaluation.sections import areas_under_curves, prediction_sets
from inspection.evaluation.verdict import verdict
from inspection.evaluation.wording import limits
from inspection.params import Evaluate
from inspection.wafer.taxonomy import Taxonomy, WaferClass

TAXONOMY = Taxonomy((WaferClass("Donut"), WaferClass("Normal", normal=True), WaferClass("Ring"), WaferClass("Scratch")))


def part(truth, likeliest, lots=4, sure=0.9):
    """Wafers of which the class ``likeliest`` has the probability ``sure``."""
    rest = (1 - sure) / 3
    shares = np.where(np.asarray(likeliest)[:, None] == np.arange(4), sure, rest)
    return Part(truth=np.asarray(truth), probabilities=shares, group=np.arange(len(truth)) % lots)


def judged(test, validation=None):
    everyone = np.arange(80) % 4
    return evaluate(validation or part(everyone, everyone), test, TAXONOMY, Evaluate(bootstrap=20), np.random.default_rng(0))


def finding(evaluation, topic, champion=None):
    (one,) = (f for f in verdict(evaluation, evaluation.calibration, champion=champion) if f.topic == topic)
    return one


def mistaken(lots=4):
    """Of 10 Donuts 4 are right, 2 are called each of the other classes; all others are right."""
    truth = np.repeat([0, 1, 2, 3], 10)
    called = truth.copy()
    called[:6] = [1, 1, 2, 2, 3, 3]
    return judged(part(truth, called, lots))


def test_what_the_weakest_class_is_lost_to_is_not_called_most_of_it():
    text = finding(mistaken(), "Weakest class").text
    assert text.startswith("Donut: 40.0")
    assert text.endswith("most often it was called Normal instead (2 of 6).")


def test_an_equal_champion_is_neither_ahead_nor_behind():
    evaluation = mistaken()
    found = finding(evaluation, "Champion", ("champion 3", {"macro_f1": evaluation.by_label.macro_f1}))
    assert found.mark == "note"
    assert found.text.startswith("The macro-F1 is that of champion 3")


@pytest.mark.parametrize(("theirs", "way"), [(0.1, "ahead of"), (0.99, "behind")])
def test_a_champion_is_better_or_worse_only_where_the_lead_on_the_same_lots_says_so(theirs, way):
    sign = 1 if way == "ahead of" else -1
    evaluation = mistaken()
    clear, open_, one_lot = (
        finding(evaluation, "Champion", ("champion 3", {"macro_f1": theirs, "macro_f1_lead_low": low, "macro_f1_lead_high": high}))
        for low, high in (sorted((sign * 0.01, sign * 0.2)), (-0.01, 0.02), (np.nan, np.nan))
    )
    assert clear.mark == ("good" if way == "ahead of" else "bad")
    assert [open_.mark, one_lot.mark] == ["note", "note"]
    assert all(way in found.text for found in (clear, open_, one_lot))


def test_no_class_is_hardest_where_every_class_is_told_apart():
    truth = np.arange(40) % 4
    assert areas_under_curves(judged(part(truth, truth))).sentence == "Every class is ranked above all others without a mistake."
    assert "Donut" in areas_under_curves(mistaken()).sentence
    assert areas_under_curves(judged(part(truth[:1], truth[:1]))).sentence.startswith("No areas")


def test_a_class_that_belongs_from_just_below_one_does_not_read_as_from_certainty_on():
    truth = np.arange(80) % 4
    section = prediction_sets(judged(part(truth, truth), part(truth, truth, sure=0.99998)))
    assert {row[section.columns.index("belongs from")] for row in section.rows} == {">99.9\N{NO-BREAK SPACE}%"}


def test_a_class_that_stays_neutral_for_want_of_others_is_not_said_to_lack_wafers():
    normal = np.ones(60, int)
    (said,) = (one for one in limits(judged(part(normal, normal), part(normal, normal))) if "tune a threshold" in one)
    assert "Normal" in said
    assert "as many of others" in said
