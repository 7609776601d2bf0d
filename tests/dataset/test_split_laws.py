"""Laws of the split: no lot on two sides, every class in training, shares as asked, nothing left to chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.dataset.leakage import refuse_close_rows, refuse_leakage
from inspection.dataset.split import PARTS, plan
from inspection.errors import InputError, ParamsError
from inspection.params import Split

ASKED = Split()


def split(*asked):
    return plan(*asked).parts


def lots_of(n_lots: int, per_lot: int, classes: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    lots = np.repeat([f"L{i:04d}" for i in range(n_lots)], per_lot)
    labels = rng.integers(0, classes, len(lots))
    return lots, np.arange(len(lots)), np.full(len(lots), "fab"), labels


@settings(max_examples=40, deadline=None)
@given(
    n_lots=st.integers(3, 40),
    sizes=st.integers(1, 25),
    classes=st.integers(1, 6),
    seed=st.integers(0, 2**31),
    nameless=st.booleans(),
)
def test_no_lot_is_on_two_sides_and_every_class_has_training_examples(n_lots, sizes, classes, seed, nameless):
    rng = np.random.default_rng(seed)
    lot = np.repeat(np.arange(n_lots), rng.integers(1, sizes + 1, n_lots))
    labels = rng.integers(-1, classes, len(lot))
    labels[np.unique(lot, return_index=True)[1]] = 0  # every lot has a labelled wafer
    lots = np.array([f"L{i}" for i in lot])
    if nameless:  # one source names its lots, the other does not
        lots[lot % 2 == 0] = ""
    try:
        made = plan(lots, np.arange(len(lot)), np.full(len(lot), "a"), labels, ASKED, np.random.default_rng(seed))
    except InputError as error:
        assert "Cannot split by lot" in str(error)  # noqa: PT017 - too few groups for three parts is an answer, too
        return
    assert set(labels[made.parts == "train"]) == set(labels[labels >= 0])
    assert (made.parts[labels < 0] == "dropped").all()
    refuse_leakage(made.parts, lots, np.arange(len(lot)).astype(str))
    refuse_close_rows(made.parts, lots, np.arange(len(lot)), np.full(len(lot), "a"), made.border_rows)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(150, 3_000), border=st.integers(1, 30), block=st.integers(5, 400), seed=st.integers(0, 2**31))
def test_without_lot_names_no_two_parts_come_closer_than_the_border(n, border, block, seed):
    rng = np.random.default_rng(seed)
    rows = np.cumsum(rng.choice([1, 1, 1, 2, border + 1], n))
    labels = (np.arange(n) // rng.integers(1, n)) % 5
    params = Split(block_rows=block, border_rows=border)
    made = plan(np.full(n, ""), rows, np.full(n, "z"), labels, params, np.random.default_rng(seed))
    order = np.flatnonzero(made.parts != "dropped")
    changes = np.flatnonzero(made.parts[order][1:] != made.parts[order][:-1])
    gaps = rows[order][1:][changes] - rows[order][:-1][changes]
    assert made.border_rows in {0, border}
    assert (gaps > made.border_rows).all()
    assert bool(made.notes) or made.border_rows == border  # the fallback never comes without a word
    assert set(labels[made.parts == "train"]) == set(labels)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), named=st.booleans())
def test_the_same_seed_gives_the_same_parts_in_whatever_order_the_wafers_come(seed, named):
    lots, rows, sources, labels = lots_of(30, 20, 4)
    lots = lots if named else np.full(len(lots), "")
    parts = split(lots, rows, sources, labels, ASKED, np.random.default_rng(seed))
    mixed = np.random.default_rng(1).permutation(len(lots))
    again = split(lots[mixed], rows[mixed], sources[mixed], labels[mixed], ASKED, np.random.default_rng(seed))
    assert (again == parts[mixed]).all()


def test_seed_zero_is_a_seed():
    arrays = lots_of(40, 10, 3)
    one, two, other = (split(*arrays, ASKED, np.random.default_rng(s)) for s in (0, 0, 1))
    assert (one == two).all()
    assert (one != other).any()


@pytest.mark.parametrize(("validation", "test"), [(0.15, 0.15), (0.1, 0.3), (0.2, 0.0)])
def test_every_class_has_about_its_share_in_every_part(validation, test):
    lots, rows, sources, _ = lots_of(200, 25, 1)
    rng = np.random.default_rng(5)
    labels = rng.choice(5, len(lots), p=[0.9, 0.05, 0.03, 0.015, 0.005])
    parts = split(lots, rows, sources, labels, Split(validation=validation, test=test), np.random.default_rng(0))
    for name, share in zip(PARTS, (1 - validation - test, validation, test), strict=True):
        mine = parts == name
        assert mine.mean() == pytest.approx(share, abs=0.01)
        for k in range(5):
            assert mine[labels == k].mean() == pytest.approx(share, abs=0.05)


def test_a_class_of_three_lots_is_in_every_part_and_one_of_a_single_lot_in_training():
    lots, rows, sources, labels = lots_of(60, 25, 1)
    labels[[30, 700, 1_300]] = 1
    labels[lots == "L0007"] = 2
    parts = split(lots, rows, sources, labels, ASKED, np.random.default_rng(3))
    assert sorted(parts[labels == 1]) == ["test", "train", "validation"]
    assert set(parts[labels == 2]) == {"train"}


def test_the_same_lot_in_two_sources_is_one_lot():
    lots, rows, sources, labels = lots_of(12, 4, 2)
    sources[::2] = "other"
    parts = split(lots, rows, sources, labels, ASKED, np.random.default_rng(0))
    assert all(len(set(parts[lots == lot])) == 1 for lot in set(lots))


def test_far_rows_are_their_own_groups_and_nothing_is_dropped():
    rows = np.arange(90) * 25
    labels = np.repeat(np.arange(9), 10)
    made = plan(np.full(90, ""), rows, np.full(90, "z"), labels, ASKED, np.random.default_rng(0))
    assert made.groups == 90
    assert made.border_rows == 24
    assert not made.notes
    for name, least in zip(PARTS, (6, 1, 1), strict=True):
        assert np.bincount(labels[made.parts == name], minlength=9).min() >= least


def test_a_tiny_archive_in_class_order_is_split_wafer_by_wafer_and_says_so():
    labels = np.repeat(np.arange(9), 10)
    made = plan(np.full(90, ""), np.arange(90), np.full(90, "z"), labels, ASKED, np.random.default_rng(0))
    assert made.border_rows == 0
    assert "wafer by wafer" in made.notes[0]
    for name in PARTS:
        assert set(labels[made.parts == name]) == set(range(9))


def test_borders_lie_where_they_lose_no_rare_wafer():
    n = 1_000
    labels = np.zeros(n, dtype=int)
    labels[::100] = 1
    parts = split(np.full(n, ""), np.arange(n), np.full(n, "z"), labels, ASKED, np.random.default_rng(0))
    assert not (parts[labels == 1] == "dropped").any()
    assert 0 < (parts == "dropped").sum() < 10 * 24


def test_missing_classes_of_a_part_are_told():
    lots, rows, sources, labels = lots_of(12, 5, 1)
    labels[lots == "L0003"] = 4
    arrays = lots, rows, sources, labels, ASKED
    assert "No validation wafer of class 4: too few lots show it." in plan(*arrays, np.random.default_rng(0)).notes
    names = ["a", "b", "c", "d", "Donut"]
    assert any("class Donut" in note for note in plan(*arrays, np.random.default_rng(0), names).notes)


def test_one_lot_cannot_be_split_and_the_message_says_what_to_do():
    lots, rows, sources, labels = lots_of(1, 25, 2)
    with pytest.raises(InputError, match=r"none in validation, test.*Add labelled wafers of more lots"):
        split(lots, rows, sources, labels, ASKED, np.random.default_rng(0))


def test_without_labels_there_is_nothing_to_split():
    lots, rows, sources, labels = lots_of(4, 5, 2)
    with pytest.raises(InputError, match=r"labels\.csv"):
        split(lots, rows, sources, labels - 5, ASKED, np.random.default_rng(0))


def test_a_wafer_needs_a_lot_or_a_row():
    with pytest.raises(InputError, match="neither for 2 wafers"):
        split(
            np.array(["", ""]),
            np.array([-1, -1]),
            np.array(["a", "a"]),
            np.array([0, 0]),
            ASKED,
            np.random.default_rng(0),
        )


def test_something_must_be_left_to_train_on():
    arrays = lots_of(4, 5, 2)
    with pytest.raises(ParamsError, match="below 1, got 1"):
        split(*arrays, Split(validation=0.5, test=0.5), np.random.default_rng(0))
