from __future__ import annotations

from datetime import UTC, datetime

import klarf_samples as sample
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inspection.errors import FormatError, InputError
from inspection.formats import canonical
from inspection.formats.canonical import CanonicalWafer, read_shard, shard_index, write_shard
from inspection.wafer.maps import DefectMap, DieMap, SourceWafer, WaferInfo

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

names = st.one_of(st.none(), st.text(max_size=5))
finite = st.floats(-2e5, 2e5)
pairs = st.one_of(st.none(), st.tuples(finite, finite))
infos = st.builds(
    WaferInfo,
    lot=st.text(max_size=5),
    wafer=st.text(max_size=5),
    slot=st.one_of(st.none(), st.integers(-5, 30)),
    product=names,
    layer=names,
    tool=names,
    chamber=names,
    recipe=names,
    inspected_at=st.one_of(st.none(), st.datetimes(timezones=st.just(UTC))),
    diameter_mm=st.floats(1, 450),
)
dtypes = st.sampled_from(["<f8", "<f4", "<i4", "<i8", "|u1", "|b1", "<U3"])


@st.composite
def defect_maps(draw):
    count = draw(st.integers(0, 6))
    return DefectMap(
        info=draw(infos),
        xy_um=draw(hnp.arrays(np.float64, (count, 2))),
        pitch_um=draw(pairs),
        origin_um=draw(pairs),
        dies=draw(st.one_of(st.none(), hnp.arrays(np.int32, st.tuples(st.integers(0, 5), st.just(2))))),
        attributes={n: draw(hnp.arrays(draw(dtypes), count)) for n in draw(st.lists(st.text(max_size=4), unique=True, max_size=3))},
    )


die_maps = st.builds(
    DieMap,
    info=infos,
    status=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(0, 2)),
    pitch_um=pairs,
)
wafers = st.builds(
    CanonicalWafer,
    st.text("0123456789abcdef", min_size=4, max_size=4),
    st.text(max_size=5),
    st.builds(
        SourceWafer,
        st.integers(0, 2**40),
        st.one_of(defect_maps(), die_maps),
        names,
        st.lists(st.text(max_size=5), max_size=2).map(tuple),
        st.integers(-1, 2**40),
        st.dictionaries(st.integers(-5, 2**40), st.text(max_size=5), max_size=3),
    ),
)


def die_map(i):
    return CanonicalWafer("ab", "s", SourceWafer(i, DieMap(info=WaferInfo(), status=np.full((2, 2), i % 3, np.uint8)), row=i))


@quick
@given(st.lists(wafers, max_size=6))
def test_reading_gives_what_was_written(tmp_path, items):
    path = tmp_path / "shard.parquet"
    assert write_shard(path, items) == len(items)
    found = list(read_shard(path))
    assert [(f.file_sha256, f.source) for f in found] == [(i.file_sha256, i.source) for i in items]
    for one, other in zip(items, found, strict=True):
        assert sample.same(one.wafer, other.wafer)
        assert one.wafer.classes == other.wafer.classes


@quick
@given(st.lists(st.integers(0, 1299), max_size=8))
def test_any_positions_can_be_asked(tmp_path, indices):
    path = tmp_path / "many.parquet"
    if not path.exists():
        write_shard(path, map(die_map, range(1300)))
    assert [c.wafer.index for c in read_shard(path, indices)] == indices


def test_row_groups_hold_512_wafers_and_less_where_they_are_large(tmp_path, monkeypatch):
    path = tmp_path / "s.parquet"
    write_shard(path, map(die_map, range(1300)))
    with pq.ParquetFile(path) as file:
        assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [512, 512, 276]
    monkeypatch.setattr(canonical, "_GROUP_BYTES", 40)
    write_shard(path, map(die_map, range(25)))
    with pq.ParquetFile(path) as file:
        assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [10, 10, 5]
    assert [c.wafer.index for c in read_shard(path, [24, 3])] == [24, 3]


def test_only_the_row_groups_needed_are_read(tmp_path, monkeypatch):
    path, read = tmp_path / "s.parquet", []
    write_shard(path, map(die_map, range(1300)))
    inner = pq.ParquetFile.read_row_group
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", lambda self, i, **k: (read.append(i), inner(self, i, **k))[1])
    list(read_shard(path, [600, 700, 1299]))
    assert read == [1, 2]


def test_the_index_has_all_scalars_and_no_arrays(tmp_path):
    path = tmp_path / "s.parquet"
    at = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
    made = DefectMap(info=WaferInfo(lot="L", slot=3, inspected_at=at), xy_um=np.zeros((7, 2)))
    write_shard(path, [CanonicalWafer("ab", "s", SourceWafer(0, made, "Ring")), die_map(2)])
    index = shard_index(path)
    assert tuple(index.columns) == canonical.INDEX_COLUMNS
    assert index["kind"].tolist() == ["points", "dies"]
    assert index["defects"].tolist() == [7, 4]
    assert index["inspected_at"][0] == at
    assert index["label"][0] == "Ring"


def test_a_failure_leaves_the_old_shard(tmp_path):
    path = tmp_path / "s.parquet"
    write_shard(path, [die_map(0)])
    before = path.read_bytes()
    bad = DefectMap(info=WaferInfo(), xy_um=np.zeros((2, 2)), attributes={"X": np.zeros(3)})
    with pytest.raises(InputError, match="attribute X"):
        write_shard(path, [die_map(1), CanonicalWafer("ab", "s", SourceWafer(0, bad))])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_wafers_give_the_same_bytes(tmp_path):
    write_shard(tmp_path / "a", map(die_map, range(600)))
    write_shard(tmp_path / "b", map(die_map, range(600)))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_position_outside_is_an_index_error(tmp_path):
    write_shard(tmp_path / "s", [die_map(0)])
    for at in (-1, 1):
        with pytest.raises(IndexError, match="expected 0 to 0"):
            list(read_shard(tmp_path / "s", [at]))


def test_what_is_no_shard_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"PAR1 is not enough PAR1")
    with pytest.raises(FormatError, match=r"shard\.damaged"):
        shard_index(tmp_path / "x")
    pq.write_table(pq.ParquetFile(_shard(tmp_path)).read().replace_schema_metadata({}), tmp_path / "y")
    with pytest.raises(FormatError, match=r"shard\.version"):
        list(read_shard(tmp_path / "y"))


def _shard(folder):
    write_shard(folder / "s", [die_map(0)])
    return folder / "s"


def test_a_shard_from_before_class_names_were_kept_is_read(tmp_path):
    path = tmp_path / "shard.parquet"
    write_shard(
        path, [CanonicalWafer("ab", "s", SourceWafer(0, DieMap(info=WaferInfo(), status=np.ones((2, 2), np.uint8)), classes={1: "a"}))]
    )
    pq.write_table(pq.read_table(path).drop_columns("classes"), path)
    (found,) = read_shard(path)
    assert found.wafer.classes == {}
    assert found.wafer.map.status.tolist() == [[1, 1], [1, 1]]
