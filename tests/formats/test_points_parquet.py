"""Tables of points in Parquet: the same maps as the same rows in CSV, whatever the types; damage is refused."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspection.errors import FormatError
from inspection.formats import table
from inspection.formats.points import table as points_table
from inspection.params import Ingest

SOAK = os.environ.get("INSPECTION_SOAK") == "1"
SEEDS = range(100 if SOAK else 2)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FRAME = pd.DataFrame(
    {
        "lot": ["A", "A", "B", "A"],
        "wafer": [1, 2, 1, 1],
        "x_um": [1.5, 2.0, 3.0, 4.0],
        "y_um": [-1.0, 0.0, 1e4, 2.0],
        "class": pd.Categorical(["pit", "pit", "scratch", "pit"]),
        "size": np.array([1, 2, 3, 4], np.float32),
    }
)


@pytest.fixture
def read(tmp_path):
    def reader(content, limits=Ingest(max_file_mb=1), sidecar=None, **how):  # noqa: B008 - frozen
        path = tmp_path / "map.parquet"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            pq.write_table(content if isinstance(content, pa.Table) else pa.Table.from_pandas(content), path, **how)
        if sidecar:
            path.with_suffix(".yaml").write_text(sidecar)
        return list(points_table.read(path, limits))

    return reader


def test_a_frame_of_pandas_is_read(read):
    found = read(FRAME)
    assert [(w.map.info.lot, w.map.info.wafer) for w in found] == [("A", "1"), ("A", "2"), ("B", "1")]
    assert found[0].map.xy_um.tolist() == [[1.5, -1.0], [4.0, 2.0]]
    assert found[0].map.attributes["class"].tolist() == ["pit", "pit"]
    assert found[0].map.attributes["size"].dtype == np.float32


def test_blanks_around_the_names_of_columns_change_nothing(read):
    """A table of a spreadsheet has them, and so has a damaged header: \\x1e counts as one."""
    plain = read(FRAME)
    padded = read(FRAME.rename(columns=lambda name: {"lot": "lot\x1e", "x_um": " x_um"}.get(name, name + " ")))
    assert [w.map.info for w in padded] == [w.map.info for w in plain]
    for one, other in zip(padded, plain, strict=True):
        np.testing.assert_array_equal(one.map.xy_um, other.map.xy_um)
        assert {name: values.tolist() for name, values in one.map.attributes.items()} == {
            name: values.tolist() for name, values in other.map.attributes.items()
        }


@quick
@given(
    st.lists(
        st.tuples(st.sampled_from("ABC"), st.integers(0, 3), st.floats(-1e5, 1e5), st.floats(-1e5, 1e5), st.text("xyz", max_size=3)),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 9),
    st.sampled_from(["none", "snappy", "zstd"]),
    st.booleans(),
)
def test_what_was_written_is_read_whatever_the_row_groups(read, rows, group, compression, dictionary):
    names = ("lot", "wafer", "x_um", "y_um", "note")
    found = read(
        pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))),
        row_group_size=group,
        compression=compression,
        use_dictionary=dictionary,
    )
    expected = {}
    for lot, wafer, *rest in rows:
        expected.setdefault((lot, str(wafer)), []).append(rest)
    assert [(w.map.info.lot, w.map.info.wafer) for w in found] == list(expected)
    for wafer, points in zip(found, expected.values(), strict=True):
        assert wafer.map.xy_um.tolist() == [[x, y] for x, y, _ in points]
        assert [str(t) for t in wafer.map.attributes["note"].tolist()] == [n for *_, n in points]


def test_every_type_of_number_and_name_is_understood(read):
    stamps = [datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2)))] * 2
    (found,) = read(
        pa.table(
            {
                "wafer_id": pa.array([7.0, 7.0]),  # what pandas makes of whole numbers beside a gap
                "X (mm)": pa.array([1, 2], pa.int16()),
                "Y (mm)": pa.array(["1.5", "2.5"]).cast(pa.float32()).cast(pa.decimal128(6, 2)),
                "inspected_at": pa.array(stamps, pa.timestamp("ns", "Europe/Berlin")),
                "slot": pa.array([3, 3], pa.uint8()),
                "good": [True, False],
                "picture": pa.array([b"a", b"b"]),
                "nested": [[1], [2]],
            }
        )
    )
    info = found.map.info
    assert (info.wafer, info.slot, info.inspected_at) == ("7", 3, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert found.map.xy_um.tolist() == [[1000.0, 1500.0], [2000.0, 2500.0]]
    assert found.map.attributes["good"].tolist() == ["true", "false"]
    assert "picture" not in found.map.attributes
    assert any("picture" in note for note in found.notes)


def test_a_sidecar_names_the_columns(read):
    (found,) = read(pa.table({"A": [1.0], "B": [2.0]}), sidecar="columns: {x: B, y: A}\nwafer: W")
    assert (found.map.xy_um.tolist(), found.map.info.wafer) == ([[2.0, 1.0]], "W")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (pa.table({"A": [1.0], "B": [2.0]}), "points.columns"),
        (pa.table({"x": ["1"], "y": [2.0]}), "points.number"),
        (pa.table({"x": [1.0, None, 2.0], "y": [2.0, None, 2.0]}), "points.place"),
        (pa.table({"x": [1.0, np.inf], "y": [2.0, 1.0]}), "points.place"),
        (pa.table({"wafer": ["a", None], "x": [1.0, 3.0], "y": [2.0, 1.0]}), "points.wafer"),
        (pa.table({"x": np.zeros(200_000), "y": np.zeros(200_000)}), "points.size"),
        (b"PAR1", "points.damaged"),
        (b"PAR1" + b"\0" * 100 + b"PAR1", "points.damaged"),
    ],
)
def test_what_does_not_fit_is_refused(read, content, code):
    with pytest.raises(FormatError) as caught:
        read(content)
    assert caught.value.reason.code == code


def test_limits_hold_for_each_wafer(read):
    many = pa.table({"wafer": ["a"] * 5 + ["b"] * 6, "x": np.zeros(11), "y": np.zeros(11)})
    assert [w.map.defects for w in read(many, Ingest(max_defects=6))] == [5, 6]
    with pytest.raises(FormatError, match=r"points\.defects"):
        read(many, Ingest(max_defects=5))
    with pytest.raises(FormatError, match=r"points\.wafers"):
        read(many, Ingest(max_wafers=1))


def test_a_file_cut_at_any_byte_is_refused(read, tmp_path):
    read(FRAME)
    whole = (tmp_path / "map.parquet").read_bytes()
    # Every byte in the long campaign; each opening of a file takes milliseconds.
    for length in [*range(4, len(whole) - 12, 1 if SOAK else 29), *range(len(whole) - 12, len(whole))]:
        with pytest.raises(FormatError):
            read(whole[:length])


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_flipped_bytes_raise_nothing_but_format_errors(read, tmp_path, seed):
    rng = np.random.default_rng(seed)
    read(FRAME, compression=["none", "zstd"][seed % 2])
    whole = (tmp_path / "map.parquet").read_bytes()
    for _ in range(100):
        damaged = np.frombuffer(whole, dtype=np.uint8).copy()
        at = rng.integers(0, len(damaged), size=int(rng.integers(1, 4)))
        damaged[at] = rng.integers(0, 256, size=len(at))
        with suppress(FormatError):
            read(damaged.tobytes())


def test_a_parquet_file_is_known_by_its_content(tmp_path):
    pq.write_table(pa.Table.from_pandas(FRAME), tmp_path / "misleading.klarf")
    assert table.recognise(tmp_path / "misleading.klarf").name == "points"
