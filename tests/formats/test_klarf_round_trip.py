"""What our writers write, our readers read: the same wafers, through the same table that a user's file takes."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspection.formats import table
from inspection.formats.klarf.writer import write_klarf12, write_klarf18
from inspection.params import Ingest
from inspection.wafer.maps import DefectMap, WaferInfo

quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
place = st.floats(-140_000, 140_000).map(lambda v: round(v, 3))
places = st.lists(st.tuples(place, place), max_size=20)
names = st.text("abcXYZ019 ;-_äµ", min_size=1, max_size=8).map(str.strip).filter(bool)


def made(xy, slot, lot, tool, chamber):
    info = WaferInfo(
        lot=lot,
        wafer=f"{slot:02}",
        slot=slot,
        product="P 1",
        layer="M1",
        tool=tool,
        chamber=chamber if tool else None,
        recipe="r",
        inspected_at=datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
    )
    return DefectMap(
        info=info,
        xy_um=np.array(xy, dtype=np.float64).reshape(-1, 2),
        pitch_um=(8000.125, 6000.25),
        origin_um=(-4000.5, 1200.25),
        dies=np.array([[0, 0], [-3, 2], [1, -1]], np.int32),
        attributes={"CLASSNUMBER": np.arange(len(xy), dtype=np.int32)},
    )


@pytest.mark.parametrize("write", [write_klarf12, write_klarf18])
@quick
@given(wafers=st.lists(places, min_size=1, max_size=3), lot=names, tool=st.one_of(st.none(), names), chamber=st.one_of(st.none(), names))
def test_reading_gives_the_wafers_that_were_written(tmp_path, write, wafers, lot, tool, chamber):
    maps = [made(xy, i + 1, lot, tool, chamber) for i, xy in enumerate(wafers)]
    write(tmp_path / "file", maps)
    found = list(table.read(tmp_path / "file", Ingest()))
    assert [f.map.info for f in found] == [m.info for m in maps]
    for one, other in zip(maps, (f.map for f in found), strict=True):
        assert (other.pitch_um, other.origin_um) == (one.pitch_um, one.origin_um)
        assert other.xy_um == pytest.approx(one.xy_um, abs=5e-4)
        assert np.array_equal(other.dies, one.dies)
        assert np.array_equal(other.attributes["CLASSNUMBER"], one.attributes["CLASSNUMBER"])
    assert not any(f.notes for f in found)
