"""MixedWM38: the maps come back, the labels combine, and nothing is unpickled."""

from __future__ import annotations

import io
import os
from collections import Counter
from contextlib import suppress

import npz_files
import numpy as np
import pytest
from damaged_bytes import flipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inspection.dataset.groups import group
from inspection.errors import FormatError
from inspection.formats import table
from inspection.formats.diemap import mixedwm38
from inspection.params import Ingest, load
from inspection.wafer.taxonomy import choose

SEEDS = range(100 if os.environ.get("INSPECTION_SOAK") == "1" else 2)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MAPS = np.array([[[0, 1, 2], [1, 2, 0]], [[1, 1, 1], [2, 2, 2]], [[0, 1, 0], [0, 2, 0]]], np.int32)
FLAGS = np.array([[1, 0, 0, 0, 0, 0, 1, 0], [0] * 8, [0, 0, 0, 1, 1, 0, 1, 0]], np.int32)


@pytest.fixture
def read(tmp_path):
    return npz_files.reader(mixedwm38, tmp_path)


@quick
@given(
    hnp.arrays(np.int32, hnp.array_shapes(min_dims=3, max_dims=3, max_side=6), elements=st.integers(0, 2)),
    st.data(),
    st.sampled_from([np.uint8, np.int32, np.int64, np.float32, bool]),
)
def test_every_map_and_every_label_comes_back(read, maps, data, kind):
    flags = data.draw(hnp.arrays(np.uint8, (len(maps), 8), elements=st.integers(0, 1)))
    found = read({"arr_0": maps, "arr_1": flags.astype(kind)})
    assert all(np.array_equal(w.map.status, m) for w, m in zip(found, maps, strict=True))
    for wafer, row in zip(found, flags, strict=True):
        names = [] if wafer.label == mixedwm38.NORMAL else wafer.label.split(mixedwm38.JOIN)
        assert names == [n for n, on in zip(mixedwm38.PATTERNS, row, strict=True) if on]


def test_without_names_the_order_of_the_publication_serves(read):
    content = {"arr_0": MAPS, "arr_1": FLAGS}
    expected = ["Center+Scratch", "Normal", "Edge_Ring+Loc+Scratch"]
    assert [w.label for w in read(content)] == expected
    objects = np.array([*"abcdefgh"], dtype=object)
    assert [w.label for w in read(content | {"label_names": objects})] == expected
    assert [w.label for w in read(content | {"label_names": np.array([*"abcdefgh"])})] == ["a+g", "Normal", "d+e+g"]


def test_no_map_belongs_to_its_neighbours(read):
    """There are no lots: the split takes each map by itself, in the archive's order or in the source's."""
    for content in ({}, {"row": np.array([9, 4, 5])}):
        rows = np.array([w.row for w in read({"arr_0": MAPS, "arr_1": FLAGS} | content)])
        assert np.array_equal(np.argsort(rows), np.argsort(content.get("row", np.arange(3))))
        nowhere = np.full(3, "")
        assert group(nowhere, rows, nowhere, load().split.block_rows, load().split.border_rows).count == 3


def test_the_stray_value_of_the_published_maps_is_a_failed_die(read):
    maps = MAPS.copy()
    maps[1, 0, 0] = 3
    found = read({"arr_0": maps, "arr_1": FLAGS})
    assert found[1].map.status[0, 0] == 2
    assert "1 dies of value 3" in found[1].notes[0]
    assert not found[0].notes


def test_every_single_pattern_and_normal_is_in_the_taxonomy():
    known = load().classes
    assert set(mixedwm38.PATTERNS) | {mixedwm38.NORMAL} <= known.keys()
    assert known[mixedwm38.NORMAL].normal
    mixed = choose(["Center+Scratch", "Normal"], known)
    assert mixed.normal == ("Normal",)
    assert mixed.classes[mixed.index("Center+Scratch")].symmetries == known["Center"].symmetries & known["Scratch"].symmetries


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"arr_0": MAPS + 2}, "mixedwm38.values"),
        ({"arr_0": MAPS - 1}, "mixedwm38.values"),
        ({"arr_0": MAPS.astype(np.float32)}, "mixedwm38.arrays"),
        ({"arr_0": MAPS[:2]}, "mixedwm38.arrays"),
        ({"arr_0": MAPS.astype(object)}, "mixedwm38.arrays"),
        ({"arr_1": FLAGS * 2}, "mixedwm38.flags"),
        ({"arr_1": FLAGS.astype(np.float32) + np.nan}, "mixedwm38.flags"),
        ({"arr_1": FLAGS[:, :7]}, "mixedwm38.arrays"),
        ({"label_names": np.array(["a"] * 8)}, "mixedwm38.arrays"),
        ({"row": np.array([1, 2])}, "mixedwm38.arrays"),
    ],
)
def test_what_does_not_fit_is_refused(read, change, code):
    with pytest.raises(FormatError) as caught:
        read({"arr_0": MAPS, "arr_1": FLAGS} | change)
    assert caught.value.reason.code == code


def test_limits_hold(read):
    content = {"arr_0": MAPS, "arr_1": FLAGS}
    with pytest.raises(FormatError, match=r"mixedwm38\.wafers"):
        read(content, Ingest(max_wafers=2))
    with pytest.raises(FormatError, match=r"mixedwm38\.size"):
        read({"arr_0": np.zeros((3, 1000, 1000), np.uint8), "arr_1": FLAGS}, Ingest(max_file_mb=1))


def whole_file(content):
    file = io.BytesIO()
    np.savez_compressed(file, **content)
    return file.getvalue()


def test_an_archive_cut_at_any_byte_is_refused(read):
    whole = whole_file({"arr_0": MAPS, "arr_1": FLAGS})
    for length in range(len(whole)):
        with pytest.raises(FormatError):
            read(whole[:length])


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_flipped_bytes_raise_nothing_but_format_errors(read, seed):
    rng = np.random.default_rng(seed)
    whole = whole_file({"arr_0": MAPS, "arr_1": FLAGS, "label_names": np.array([*"abcdefgh"], dtype=object)})
    for _ in range(150):
        with suppress(FormatError):
            read(flipped(rng, whole), Ingest(max_file_mb=1))


def test_it_is_known_by_the_shapes_of_its_arrays(tmp_path):
    path = tmp_path / "x.csv"
    for content, known in (
        ({"arr_0": MAPS, "arr_1": FLAGS}, True),
        ({"arr_0": MAPS[0], "arr_1": FLAGS}, False),
        ({"arr_0": MAPS, "arr_1": FLAGS[:2]}, False),
        ({"arr_0": MAPS}, False),
    ):
        with path.open("wb") as file:
            np.savez(file, **content)
        assert mixedwm38.recognises(path.read_bytes()[:64], path) is known
    with path.open("wb") as file:
        np.savez(file, arr_0=MAPS, arr_1=FLAGS)
    assert table.recognise(path).name == "mixedwm38"


def test_the_real_maps_are_read_whole(shared_data):
    path = shared_data / "mixedwm38/mixedwm38_dev.npz"
    with np.load(path) as archive:
        maps, flags, names = archive["arr_0"], archive["arr_1"], archive["label_names"]
    found = list(table.read(path, Ingest()))
    assert len(found) == 13_686
    assert all(np.array_equal(w.map.status, m) for w, m in zip(found, maps, strict=True))
    assert len(Counter(w.label for w in found)) == 38
    for wafer, row in zip(found, flags.astype(bool), strict=True):
        assert wafer.label == ("+".join(names[row]) or "Normal")
