"""Unlabelled wafers: none that shares a lot with validation or test comes to training, and no copy of their maps."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from inspection.dataset.unlabelled import apart, read_unlabelled
from inspection.formats.canonical import CanonicalWafer, write_shard
from inspection.wafer.maps import DieMap, SourceWafer, WaferInfo

wafers = st.lists(
    st.fixed_dictionaries({
        "source": st.sampled_from(["a", "b"]), "lot": st.sampled_from(["", "", "L1", "L2"]), "row": st.integers(-1, 60),
        "index": st.integers(0, 60),
    }),
    max_size=25,
)  # fmt: skip
COLUMNS = ["source", "lot", "row", "index"]


def place(wafer):
    return wafer["row"] if wafer["row"] >= 0 else wafer["index"]


@given(wafers, wafers, st.integers(0, 10))
def test_a_wafer_is_apart_exactly_when_no_held_wafer_may_be_of_its_lot(unlabelled, held, border):
    found = apart(pd.DataFrame(unlabelled, columns=COLUMNS), pd.DataFrame(held, columns=COLUMNS), border)
    for wafer, allowed in zip(unlabelled, found, strict=True):
        near = [
            h for h in held
            if h["lot"] == wafer["lot"] and (wafer["lot"] or (h["source"] == wafer["source"] and abs(place(h) - place(wafer)) <= border))
        ]  # fmt: skip
        assert allowed == (not near)


def shard(path, rows):
    made = []
    for i, (lot, pixels, label) in enumerate(rows):
        status = np.ones((4, 4), np.uint8)
        status.flat[pixels] = 2
        made.append(
            CanonicalWafer("f" * 64, "maps", SourceWafer(i, DieMap(info=WaferInfo(lot=lot, wafer=str(i)), status=status), label, row=i))
        )
    write_shard(path, made)


def test_copies_of_held_maps_and_wafers_of_held_lots_stay_out(tmp_path):
    shard(tmp_path / "wafers.parquet", [("L1", [0], "Loc"), ("L2", [1], "Loc"), ("L3", [2], "Loc")])
    shard(tmp_path / "unlabelled.parquet", [("L1", [5], None), ("L3", [6], None), ("L9", [2], None), ("L9", [0, 7], None)])
    parts = np.array(["train", "validation", "test"])
    found = read_unlabelled(tmp_path / "unlabelled.parquet", tmp_path / "wafers.parquet", parts, 24)
    assert [np.flatnonzero(m.status.ravel() == 2).tolist() for m in found] == [[5], [0, 7]]
    assert read_unlabelled(tmp_path / "none.parquet", tmp_path / "wafers.parquet", parts, 24) == []
