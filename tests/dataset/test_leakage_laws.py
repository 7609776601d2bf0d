"""The check behind the split notices what a split must never do."""

from __future__ import annotations

import numpy as np
import pytest

from inspection.dataset.leakage import fingerprint, refuse_close_rows, refuse_leakage
from inspection.errors import LeakageError
from inspection.wafer.maps import DefectMap, DieMap, WaferInfo


def test_a_lot_on_two_sides_is_refused_and_named():
    with pytest.raises(LeakageError, match=r"1 lots in several \(B in test and train\)"):
        refuse_leakage(["train", "train", "test"], ["A", "B", "B"], ["", "", ""])


def test_a_dropped_wafer_is_on_no_side():
    parts, count = refuse_leakage(["train", "dropped"], ["A", "A"], ["x", "x"])
    assert (parts.tolist(), count) == (["train", "dropped"], 0)


def test_the_message_stays_short_however_many_lots_leak():
    lots = [f"L{i}" for i in range(5_000)]
    with pytest.raises(LeakageError, match="and 4990 more") as caught:
        refuse_leakage(["train"] * 5_000 + ["test"] * 5_000, lots * 2, [""] * 10_000)
    assert len(str(caught.value)) < 700


def test_copies_leave_the_later_part_and_training_loses_nothing():
    parts = ["train", "train", "validation", "validation", "test", "test", "test"]
    content = ["a", "a", "a", "b", "a", "b", "c"]
    checked, count = refuse_leakage(parts, list("ABCDEFG"), content)
    assert checked.tolist() == ["train", "train", "dropped", "validation", "dropped", "dropped", "test"]
    assert count == 3


def test_maps_without_a_defect_are_no_copies():
    assert refuse_leakage(["train", "test"], ["A", "B"], ["", ""])[1] == 0


def test_wafers_without_lots_must_keep_their_distance():
    parts, lots, sources = ["train", "test"], ["", ""], ["s", "s"]
    refuse_close_rows(parts, lots, [0, 25], sources, 24)
    refuse_close_rows(parts, lots, [0, 24], ["s", "t"], 24)
    with pytest.raises(LeakageError, match=r"s rows 0 \(train\) and 24 \(test\)"):
        refuse_close_rows(parts, lots, [0, 24], sources, 24)


def test_a_fingerprint_knows_the_content_and_nothing_else():
    status = np.array([[0, 2], [1, 1]], dtype=np.uint8)
    one = fingerprint(DieMap(info=WaferInfo(lot="A"), status=status))
    assert one == fingerprint(DieMap(info=WaferInfo(lot="B", wafer="7"), status=status.copy(order="F")))
    assert one != fingerprint(DieMap(info=WaferInfo(lot="A"), status=status.T.copy()))
    points = DefectMap(info=WaferInfo(), xy_um=np.array([[1.0, 2.0]]))
    assert fingerprint(points) == fingerprint(DefectMap(info=WaferInfo(lot="A"), xy_um=np.array([[1.0, 2.0]])))
    assert fingerprint(points) != one
    assert not fingerprint(DefectMap(info=WaferInfo(), xy_um=np.zeros((0, 2))))
    assert not fingerprint(DieMap(info=WaferInfo(), status=np.ones((3, 3), dtype=np.uint8)))
