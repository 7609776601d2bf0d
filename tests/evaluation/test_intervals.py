import math

import numpy as np
import pytest

from inspection.evaluation.confusion import confusion
from inspection.evaluation.intervals import macro_f1_interval
from inspection.wafer.taxonomy import Taxonomy, WaferClass

TAXONOMY = Taxonomy((WaferClass("A"), WaferClass("B"), WaferClass("Normal", normal=True)))
NAMES = TAXONOMY.names


def draw(rng, wafers=200, lots=20, wrong=0.2):
    truth = rng.integers(0, 3, wafers)
    called = np.where(rng.random(wafers) < wrong, rng.integers(0, 3, wafers), truth)
    return truth, [NAMES[c] for c in called], rng.integers(0, lots, wafers)


def interval(truth, called, lot, seed=0, bootstrap=300):
    return macro_f1_interval(truth, called, lot, NAMES, bootstrap=bootstrap, rng=np.random.default_rng(seed))


def test_equals_a_loop_over_resampled_lots():
    truth, called, lot = draw(np.random.default_rng(1), wafers=60, lots=7)
    rng = np.random.default_rng(5)
    scores = []
    for drawn in rng.multinomial(7, np.full(7, 1 / 7), size=40):
        rows = np.concatenate([np.flatnonzero(lot == g) for g, times in enumerate(drawn) for _ in range(times)])
        scores.append(confusion(truth[rows], [called[i] for i in rows], TAXONOMY).macro_f1)
    assert interval(truth, called, lot, seed=5, bootstrap=40) == pytest.approx(tuple(np.percentile(scores, [2.5, 97.5])))


def test_holds_the_score_itself_and_a_seed_repeats_it():
    truth, called, lot = draw(np.random.default_rng(2))
    low, high = interval(truth, called, lot)
    assert 0 < low < confusion(truth, called, TAXONOMY).macro_f1 < high < 1
    assert (low, high) == interval(truth, called, lot)


def test_wafers_that_fail_by_the_lot_widen_the_interval():
    rng = np.random.default_rng(3)
    truth, lot = rng.integers(0, 3, 400), np.repeat(np.arange(16), 25)
    by_lot = np.where(lot % 4 == 0, (truth + 1) % 3, truth)  # whole lots go wrong
    spread = [np.subtract(*interval(truth, [NAMES[c] for c in by_lot], g)[::-1]) for g in (lot, np.arange(400))]
    assert spread[0] > 2 * spread[1]


def test_one_lot_has_no_interval():
    truth, called, _ = draw(np.random.default_rng(4))
    assert all(map(math.isnan, interval(truth, called, np.zeros(len(truth)))))


def test_lots_may_be_names():
    truth, called, lot = draw(np.random.default_rng(6))
    names = np.array([f"lot {g:02}" for g in lot], object)
    assert interval(truth, called, names) == interval(truth, called, lot)
