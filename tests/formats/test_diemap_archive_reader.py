from __future__ import annotations

import io
import os
import zipfile
from collections import Counter
from contextlib import suppress

import npz_files
import numpy as np
import pytest
from damaged_bytes import flipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inspection.errors import FormatError
from inspection.formats import table
from inspection.formats.diemap import archive as diemap_archive
from inspection.params import Ingest

SEEDS = range(100 if os.environ.get("INSPECTION_SOAK") == "1" else 2)
MAPS = [np.array([[0, 1, 2], [1, 2, 0]], np.uint8), np.array([[2]], np.uint8), np.zeros((4, 1), np.uint8)]
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def arrays(maps=MAPS, **more):
    """Arrays of an archive."""
    return {
        "pixels": np.concatenate([m.ravel() for m in maps]) if len(maps) else np.empty(0, np.uint8),
        "offsets": np.concatenate(([0], np.cumsum([m.size for m in maps]))).astype(np.int64),
        "shapes": np.array([m.shape for m in maps], np.int16).reshape(-1, 2),
        **more,
    }


@pytest.fixture
def read(tmp_path):
    return npz_files.reader(diemap_archive, tmp_path)


@quick
@given(
    st.lists(
        hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 2)),
        max_size=8,
    )
)
def test_every_map_comes_back(read, maps):
    found = read(arrays(maps))
    assert [w.index for w in found] == list(range(len(maps)))
    assert all(np.array_equal(w.map.status, m) for w, m in zip(found, maps, strict=True))


def test_only_three_arrays_are_required(read):
    assert [(w.label, w.row, w.map.info.lot) for w in read(arrays())] == [(None, -1, "")] * 3


def test_labels_outside_the_classes_mean_unlabelled(read):
    classes = np.array(["none", "Ring"])
    assert [w.label for w in read(arrays(label=np.array([1, 255, 0], np.uint8), classes=classes))] == [
        "Ring",
        None,
        "none",
    ]
    assert [w.label for w in read(arrays(label=np.array([-1, 1, -2], np.int8), classes=classes))] == [
        None,
        "Ring",
        None,
    ]


def test_optional_names_and_rows_are_used(read):
    more = {"lot": np.array(["a", "a", "b"]), "wafer": np.array([7, 8, 9]), "row": np.array([5, 6, 90], np.int32)}
    found = read(arrays(**more))
    assert [(w.map.info.lot, w.map.info.wafer, w.row) for w in found] == [("a", "7", 5), ("a", "8", 6), ("b", "9", 90)]


def test_byte_strings_serve_as_names(read):
    found = read(arrays(lot=np.array([b"a", b"b", b"c"]), label=np.array([b"Ring", b"", b"none"])))
    assert [(w.map.info.lot, w.label) for w in found] == [("a", "Ring"), ("b", None), ("c", "none")]


def test_large_sides_do_not_wrap_round(read):
    big = np.ones((300, 300), np.uint8)
    assert read(arrays([big]))[0].map.status.shape == (300, 300)
    wrapped = arrays([np.ones((1, 1), np.uint8)], shapes=np.array([[257, 255]], np.int16))
    with pytest.raises(FormatError, match=r"diemap\.shapes"):
        read(wrapped)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"offsets": np.array([0, 6, 5, 11])}, "diemap.offsets"),
        ({"offsets": np.array([0, 6, 7, 12])}, "diemap.offsets"),
        ({"offsets": np.array([-1, 6, 7, 11])}, "diemap.offsets"),
        ({"offsets": np.array([0.0, 6.0, 7.0, 11.0])}, "diemap.arrays"),
        ({"offsets": np.array([0, 6, 7])}, "diemap.arrays"),
        ({"offsets": np.array([0, 6, 2**64 - 1, 11], np.uint64)}, "diemap.offsets"),
        ({"offsets": np.array([], np.int64)}, "diemap.arrays"),
        ({"shapes": np.array([[2, 3], [1, 1], [2, 3]])}, "diemap.shapes"),
        ({"shapes": np.array([[-2, -3], [1, 1], [4, 1]])}, "diemap.shapes"),
        ({"pixels": np.full(11, 3, np.uint8)}, "diemap.values"),
        ({"pixels": np.full(11, -1, np.int8)}, "diemap.values"),
        ({"pixels": np.zeros(11)}, "diemap.arrays"),
        ({"label": np.zeros(3, np.uint8)}, "diemap.arrays"),
        ({"label": np.zeros(2, np.uint8), "classes": np.array(["a"])}, "diemap.arrays"),
        ({"row": np.zeros(4, np.int32)}, "diemap.arrays"),
        ({"lot": np.array(["a", None, "b"], object)}, "diemap.arrays"),
    ],
)
def test_what_does_not_fit_is_refused(read, change, code):
    with pytest.raises(FormatError) as caught:
        read(arrays() | change)
    assert caught.value.reason.code == code


def test_limits_hold_before_memory_is_taken(read):
    with pytest.raises(FormatError, match=r"diemap\.size"):
        read(arrays([np.zeros((1100, 1000), np.uint8)]), Ingest(max_file_mb=1))
    with pytest.raises(FormatError, match=r"diemap\.wafers"):
        read(arrays(), Ingest(max_wafers=2))


def test_a_header_that_promises_terabytes_takes_no_memory(read):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**13,)})
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("pixels", "offsets", "shapes"):
            archive.writestr(f"{name}.npy", header.getvalue())
    with pytest.raises(FormatError, match=r"diemap\.damaged"):
        read(file.getvalue())


def test_an_archive_cut_at_any_byte_is_refused(read):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays())
    whole = file.getvalue()
    for length in range(len(whole)):
        with pytest.raises(FormatError):
            read(whole[:length])


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_flipped_bytes_raise_nothing_but_format_errors(read, seed):
    rng = np.random.default_rng(seed)
    file = io.BytesIO()
    (np.savez if seed % 2 else np.savez_compressed)(file, **arrays(label=np.zeros(3, np.uint8), classes=np.array(["a"])))
    for _ in range(150):
        with suppress(FormatError):
            read(flipped(rng, file.getvalue()), Ingest(max_file_mb=1))


def test_the_real_sample_has_ten_maps_of_each_class(shared_data):
    found = list(table.read(shared_data / "wm811k/wm811k_sample_90.npz", Ingest()))
    assert set(Counter(w.label for w in found).values()) == {10}
    assert len(found) == 90


def test_the_real_archive_is_read_whole(shared_data):
    path = shared_data / "wm811k/wm811k_dev.npz"
    with np.load(path) as archive:
        labels, classes, rows = archive["label"], archive["classes"], archive["row"]
    found = list(diemap_archive.read(path, Ingest()))
    assert [w.label for w in found] == classes[labels].tolist()
    assert [w.row for w in found] == rows.tolist()
