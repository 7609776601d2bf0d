"""Packed views: whoever draws them, in whatever order, and whoever dies: the same bytes, each wafer at its place."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from drawing_process import Deadly
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.aside import alive
from inspection.errors import EngineError
from inspection.formats.canonical import CanonicalWafer, shard_index, write_shard
from inspection.views import shards
from inspection.views.processes import draw_in_processes, spread_over
from inspection.views.renderer import ViewSpec
from inspection.views.shards import draw_here, read_views, write_views
from inspection.views.tiles import render
from inspection.wafer.maps import DefectMap, DieMap, SourceWafer, WaferInfo

SPEC = ViewSpec(size_px=24, tiles=2, tile_px=8)


def maps(count):
    rng = np.random.default_rng(count)
    for i in range(count):
        info = WaferInfo(lot="L", wafer=str(i))
        if i % 3:
            yield DefectMap(info=info, xy_um=rng.uniform(-100_000, 100_000, (int(rng.integers(0, 40)), 2)))
        else:
            yield DieMap(info=info, status=rng.integers(0, 3, (9, 7)).astype(np.uint8))


def shard_of(path, wafers):
    sources = (SourceWafer(index=i, row=i, map=one, label=None, notes=()) for i, one in enumerate(wafers))
    write_shard(path, (CanonicalWafer(file_sha256="0" * 64, source="s", wafer=one) for one in sources))
    return path


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    return shard_of(tmp_path_factory.mktemp("shard") / "wafers.parquet", maps(700))  # two row groups, six parts


@pytest.fixture(scope="module")
def drawn(shard, tmp_path_factory):
    """The views as one process draws them, part after part."""
    folder = tmp_path_factory.mktemp("drawn") / "views"
    return write_views(folder, shard, SPEC), content(folder)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_wafer_lies_at_its_place(shard, tmp_path):
    counted = write_views(tmp_path / "views", shard, SPEC)
    views = read_views(tmp_path / "views")
    wafers = list(maps(700))
    assert len(views) == counted["wafers"] == 700
    assert counted["defects"] == sum(wafer.defects for wafer in wafers)
    assert views.spec == SPEC
    for i in (0, 1, 127, 128, 511, 512, 699):
        image, tiles = render(wafers[i], SPEC)
        assert np.array_equal(views.images[i], image)
        assert np.array_equal(views.tiles[i], tiles)


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1), st.integers(60, 300))
def test_the_order_and_the_size_of_the_parts_change_no_byte(shard, drawn, tmp_path_factory, seed, size):
    def shuffled(drawing, parts):
        parts = list(parts)
        yield from draw_here(drawing, (parts[i] for i in np.random.default_rng(seed).permutation(len(parts))))

    folder = tmp_path_factory.mktemp("shuffled") / "views"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "PART_WAFERS", size)
        assert write_views(folder, shard, SPEC, shuffled) == drawn[0]
    assert content(folder) == drawn[1]


@pytest.mark.slow
def test_many_processes_draw_the_same_bytes(shard, drawn, tmp_path):
    told = []
    spread = spread_over(shard_index(shard), 3, worth_s=0.0)
    assert write_views(tmp_path / "views", shard, SPEC, spread, lambda done, total: told.append((done, total))) == drawn[0]
    assert content(tmp_path / "views") == drawn[1]
    assert told == sorted(told)
    assert told[-1] == (700, 700)


@pytest.mark.slow
def test_what_a_killed_process_had_in_hand_is_drawn_all_the_same(shard, drawn, tmp_path):
    def deadly(drawing, parts):
        yield from draw_in_processes(Deadly(*(getattr(drawing, name) for name in drawing.__slots__)), parts, 2)

    assert write_views(tmp_path / "views", shard, SPEC, deadly) == drawn[0]
    assert content(tmp_path / "views") == drawn[1]


def test_little_work_starts_no_process(shard):
    assert spread_over(shard_index(shard), 4) is draw_here
    assert spread_over(shard_index(shard), 1, worth_s=0.0) is draw_here
    assert spread_over(shard_index(shard), 4, worth_s=0.0) is not draw_here


def test_old_views_stay_until_the_new_ones_are_whole(shard, drawn, tmp_path):
    def fails(drawing, parts):
        yield from draw_here(drawing, [next(iter(parts))])
        raise EngineError("the second part fails")

    write_views(tmp_path / "views", shard, SPEC)
    with pytest.raises(EngineError):
        write_views(tmp_path / "views", shard, ViewSpec(size_px=32, tiles=0), fails)
    assert content(tmp_path / "views") == drawn[1]
    assert os.listdir(tmp_path) == ["views"]  # noqa: PTH208


def test_a_view_that_loses_a_defect_is_an_error(tmp_path, monkeypatch):
    wafer = DefectMap(info=WaferInfo(lot="L", wafer="1"), xy_um=np.array([[0.0, 0.0], [50_000.0, 0.0]]))
    real = render

    def loses(wafer, spec):
        images, tiles = real(wafer, spec)
        return np.where(np.arange(24)[None, :, None] > 12, 0, images).astype(np.uint8), tiles

    monkeypatch.setattr(shards, "render", loses)
    with pytest.raises(EngineError, match="lost defects"):
        write_views(tmp_path / "views", shard_of(tmp_path / "wafers.parquet", [wafer]), SPEC)


def test_no_wafers_are_no_views(tmp_path):
    counted = write_views(tmp_path / "views", shard_of(tmp_path / "wafers.parquet", []), SPEC)
    assert counted == {"wafers": 0, "defects": 0, "tiles": 0}
    assert len(read_views(tmp_path / "views")) == 0


@pytest.mark.slow
def test_the_processes_end_when_the_one_that_asked_is_killed(shard, tmp_path):
    script = Path(__file__).with_name("drawing_process.py")
    with subprocess.Popen([sys.executable, str(script), str(shard), str(tmp_path / "views")], stdout=subprocess.PIPE, text=True) as asked:
        children = [int(word) for word in asked.stdout.readline().split()]
        assert len(children) == 2
        os.kill(asked.pid, signal.SIGKILL)
        asked.wait()
    until = time.monotonic() + 30
    while any(map(alive, children)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(alive, children))
    assert not (tmp_path / "views").exists()
