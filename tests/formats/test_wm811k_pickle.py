"""The original WM-811K pickle is read as pandas itself reads it; every other pickle is refused, whatever it tries."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
import sys
import warnings
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from wm811k_writer import Called, Global, Instance, Pickler, frame, lswmd, nested

from inspection.errors import FormatError
from inspection.formats import table
from inspection.formats.diemap import wm811k_child, wm811k_pickle
from inspection.params import Ingest

SEEDS = range(60 if os.environ.get("INSPECTION_SOAK") == "1" else 2)
LIMITS = Ingest(max_file_mb=64)
few = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = st.sampled_from([None, "none", "Edge-Ring", "Near-full", "Loc"])
WAFERS = st.lists(
    st.tuples(
        hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 2)),
        st.integers(1, 4).map("lot{}".format),
        st.integers(1, 25),
        NAMES,
        st.sampled_from([None, "Training", "Test"]),
    ),
    min_size=1,
    max_size=12,
)
SMALL = [
    (np.array([[0, 1, 2], [1, 2, 1]], np.uint8), "lot1", 1, "none", "Training"),
    (np.array([[2, 2]], np.uint8), "lot1", 2, None, None),
    (np.asfortranarray(np.array([[0, 1], [2, 0], [1, 1]], np.uint8)), "lot2", 1, "Edge-Ring", "Test"),
]


@pytest.fixture
def read(tmp_path):
    def reader(content, limits=LIMITS):
        path = tmp_path / "LSWMD.pkl"
        path.write_bytes(content)
        return list(wm811k_pickle.read(path, limits))

    return reader


def refused(read, content, code, **more):
    with pytest.raises(FormatError) as caught:
        read(content, **more)
    assert caught.value.reason.code == code, caught.value
    return caught.value.reason


@few
@given(WAFERS, st.booleans())
def test_every_wafer_comes_back(read, wafers, old):
    found = read(lswmd(wafers, old=old))
    assert [(w.map.info.lot, w.map.info.wafer, w.label) for w in found] == [(lot, str(k), label) for _, lot, k, label, _ in wafers]
    assert [(w.index, w.row) for w in found] == [(i, i) for i in range(len(wafers))]
    assert all(np.array_equal(w.map.status, m) for w, (m, *_) in zip(found, wafers, strict=True))
    assert not any(w.notes for w in found)


def test_pandas_reads_the_same_from_the_same_bytes(read, monkeypatch):
    """The writer of these tests is held against pandas, with the aliases by which the public loads LSWMD.pkl."""
    content = lswmd(SMALL)
    assert {op.proto for op, *_ in pickletools.genops(content)} <= {0, 1, 2}
    from pandas.core import indexes

    monkeypatch.setitem(sys.modules, "pandas.indexes", indexes)
    for name in ("base", "range"):
        monkeypatch.setitem(sys.modules, f"pandas.indexes.{name}", getattr(indexes, name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old names of NumPy and pandas
        frame = pickle.loads(content, encoding="latin1")  # noqa: S301 - written above
    found = read(content)
    assert list(frame.columns) == ["waferMap", "dieSize", "lotName", "waferIndex", "trianTestLabel", "failureType"]
    for row, wafer in zip(frame.itertuples(), found, strict=True):
        assert np.array_equal(row.waferMap, wafer.map.status)
        assert (row.lotName, row.waferIndex) == (wafer.map.info.lot, float(wafer.map.info.wafer))
        assert (row.failureType.item() if row.failureType.size else None) == wafer.label


def test_it_is_known_by_its_content(tmp_path):
    path = tmp_path / "misleading.csv"
    path.write_bytes(lswmd(SMALL))
    assert table.recognise(path).name == "wm811k_pickle"
    assert [w.label for w in table.read(path, LIMITS)] == ["none", None, "Edge-Ring"]


def test_a_wrong_die_size_is_noted(read):
    whole = frame(SMALL)
    whole.state["_data"].state[1][0][0, 1] = 77
    assert read(Pickler().dump(whole))[1].notes == ("dieSize says 77 dies, the map has 2",)


def g(module, name):
    return f"c{module}\n{name}\n".encode()


EVIL = {
    "os.system": b"\x80\x02" + g("os", "system") + b"U\x02id\x85R.",
    "posix.system": b"\x80\x04\x95\x1d\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x02id\x94\x85\x94R\x94.",
    "builtins.eval": b"\x80\x02" + g("builtins", "eval") + b"U\x011\x85R.",
    "__builtin__.getattr": b"\x80\x02" + g("__builtin__", "getattr") + b"U\x011U\x011\x86R.",
    "subprocess.Popen": b"\x80\x02(" + b"isubprocess\nPopen\n.",
    "numpy.load": b"\x80\x02" + g("numpy", "load") + b"U\x04/etc\x85R.",
    "numpy.core.multiarray.scalar": b"\x80\x02" + g("numpy.core.multiarray", "scalar") + b").",
    "pandas.io.common.urlopen": b"\x80\x02" + g("pandas.io.common", "urlopen") + b").",
    "numpy.core.multiarray._reconstruct.__globals__": b"\x80\x04\x8c\x15numpy.core.multiarray\x8c\x18_reconstruct.__globals__\x93.",
    "__main__.os": b"\x80\x02" + g("__main__", "os") + b".",
}


@pytest.mark.parametrize("name", EVIL)
def test_any_other_name_is_refused_and_named(read, name):
    assert refused(read, EVIL[name], "wm811k.class").got == name


def test_nothing_of_the_file_is_executed(read, tmp_path):
    trap = tmp_path / "sprung"
    for module in ("os", "posix", "nt", "builtins", "__builtin__"):
        name = "system" if module in ("os", "posix", "nt") else "exec"
        command = f"touch {trap}" if name == "system" else f"open({str(trap)!r}, 'w')"
        hidden = Called(Global(module, name), (command,))
        whole = frame(SMALL)
        whole.state["_metadata"] = [hidden]
        refused(read, Pickler().dump(whole), "wm811k.class")
    assert not trap.exists()


NDARRAY = g("numpy.core.multiarray", "_reconstruct") + g("numpy", "ndarray") + b"K\0\x85U\x01b\x87R"
DTYPE = g("numpy", "dtype") + b"U\x02u1K\0K\1\x87R"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\x80\x02}" + b")" + b"2\x86" * 80 + b"Ns.", "wm811k.limits"),  # a key whose hash takes 2 to the 80th steps
        (b"\x80\x02Nr\xff\xff\xff\x7f.", "wm811k.limits"),  # a memo of 2 to the 31st places
        (b"\x80\x02T" + struct.pack("<i", 2**31 - 1) + b"a.", "wm811k.limits"),
        (b"\x80\x04\x95" + struct.pack("<Q", 10**12) + b"N.", "wm811k.limits"),
        (b"\x80\x02" + b"(" * 100_000 + b".", "wm811k.damaged"),
        (b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".", "wm811k.structure"),
        (b"\x80\x02" + NDARRAY + b"(K\1J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86" + DTYPE + b"\x89U\0tb.", "wm811k.structure"),
        (b"\x80\x02" + NDARRAY + b"(K\1K\4\x85" + DTYPE + b"\x89U\3abctb.", "wm811k.structure"),
        (b"\x80\x02" + NDARRAY + b"NU\1aNs\x86b.", "wm811k.damaged"),
        (b"\x80\x02" + g("numpy", "ndarray") + b")R.", "wm811k.structure"),
        (b"\x80\x02" + g("numpy", "ndarray") + b"}U\3actNsb.", "wm811k.structure"),
        (b"\x80\x02" + g("__builtin__", "slice") + g("numpy", "dtype") + b"\x85R.", "wm811k.structure"),
        (b"\x80\x02N.", "wm811k.structure"),
        (b"\x80\x02K\1.", "wm811k.structure"),
        (b"\x80\x02Pabc\n.", "wm811k.class"),
        (b"\x80\x02\x82\x01.", "wm811k.damaged"),
        (b"\x80\x02N.more", "wm811k.damaged"),
        (b"\x80\x02", "wm811k.damaged"),
        (b"", "wm811k.damaged"),
    ],
)
def test_bombs_and_junk_are_refused(read, content, code):
    refused(read, content, code)


def changed(column, value):
    """A pickle of `SMALL` whose first cell in a column of objects is another one."""
    whole = frame(SMALL)
    whole.state["_data"].state[1][1][column, 0] = value
    return Pickler().dump(whole)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (changed(0, np.array([[0, 3]], np.uint8)), "wm811k.values"),
        (changed(0, np.array([[0.5, 1.0]])), "wm811k.values"),
        (changed(0, np.array([1, 2], np.uint8)), "wm811k.values"),
        (changed(0, "map"), "wm811k.values"),
        (changed(3, np.array([["none", "Loc"]])), "wm811k.values"),
        (changed(3, 5), "wm811k.structure"),
        (Pickler().dump(Instance(Global("pandas.core.frame", "DataFrame"), {"_data": None})), "wm811k.structure"),
        (Pickler().dump([1, 2]), "wm811k.structure"),
        (lswmd(SMALL).replace(b"failureType", b"failureKind"), "wm811k.columns"),
    ],
)
def test_what_does_not_fit_is_refused(read, content, code):
    refused(read, content, code)


def test_other_ways_to_write_the_same_cells_are_understood(read):
    assert read(changed(0, np.array([[0, 1], [2, 1]], ">i8")))[0].map.status.tolist() == [[0, 1], [2, 1]]
    assert read(changed(0, np.array([[0.0, 1.0], [2.0, 1.0]])))[0].map.status.tolist() == [[0, 1], [2, 1]]
    for label in ("Loc", nested("Loc").astype("S"), nested("Loc").astype(object), np.array(["Loc"])):
        assert read(changed(3, label))[0].label == "Loc"
    for label in ("", float("nan"), None, np.array([], object)):
        assert read(changed(3, label))[0].label is None


def test_one_map_written_once_and_named_often_does_not_fill_the_disk(read):
    big = np.ones((300, 300), np.uint8)
    refused(read, lswmd([(big, "lot1", 1, None, None)] * 50), "wm811k.size")


def test_limits_hold(read):
    refused(read, lswmd(SMALL), "wm811k.wafers", limits=Ingest(max_wafers=2))
    refused(read, lswmd([(np.ones((1100, 1000), np.uint8), "lot1", 1, None, None)]), "wm811k.size", limits=Ingest(max_file_mb=1))


def test_a_pickle_cut_at_any_byte_is_refused(read):
    whole = lswmd(SMALL)
    for length in range(len(whole)):  # as the process would see it; a process for each would take minutes
        with pytest.raises((wm811k_child.RefusedError, pickle.UnpicklingError, EOFError)):
            wm811k_child.unpickled(io.BytesIO(whole[:length]))
    for length in range(1, len(whole), len(whole) // 5):
        refused(read, whole[:length], "wm811k.damaged")


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_flipped_bytes_raise_nothing_but_format_errors(read, seed):
    rng = np.random.default_rng(seed)
    for _ in range(8):
        damaged = np.frombuffer(lswmd(SMALL), dtype=np.uint8).copy()
        at = rng.integers(0, len(damaged), size=int(rng.integers(1, 4)))
        damaged[at] = rng.integers(0, 256, size=len(at))
        with suppress(FormatError):
            read(damaged.tobytes())
