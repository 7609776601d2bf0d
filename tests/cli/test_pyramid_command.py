"""`inspection pyramid`: what a user gets."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from views.rasters import naive

from inspection.views.pyramid_store import Pyramid

pytestmark = pytest.mark.slow
COMMAND = (sys.executable, "-c", "from inspection.cli import main; main()", "pyramid")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def pyramid(*arguments):
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, env=ENVIRONMENT)


@pytest.fixture
def raster(tmp_path):
    """A sparse wafer with a dense corner, on a side that no power of two divides."""
    rng = np.random.default_rng(5)
    array = np.zeros((5_003, 4_999), np.uint8)
    array[rng.integers(0, 5_003, 3_000), rng.integers(0, 4_999, 3_000)] = 9
    array[300:420, 4_500:4_620][rng.random((120, 120)) < 0.3] = 200
    np.save(tmp_path / "map.npy", array)
    return tmp_path / "map.npy", array


def test_the_answer_is_that_of_the_naive_reference(raster, tmp_path):
    file, array = raster
    done = pyramid(file, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    expected = naive((array > 0).astype(np.uint8), len(answer["levels"]) - 1)
    assert answer["defects"] == np.count_nonzero(array)
    assert len(answer["levels"]) >= 7
    for level, (sums, peaks) in zip(answer["levels"], expected, strict=True):
        assert level["shape"] == list(sums.shape)
        assert (level["sum"], level["max"]) == (answer["defects"], peaks.max())
    assert answer["seconds"] > 0
    assert answer["peak_rss_mb"] > 0
    assert (tmp_path / "out" / "view.png").stat().st_size > 1_000


def test_tiles_lie_where_the_defects_are_and_equal_the_window_of_their_level(raster, tmp_path):
    file, array = raster
    answer = json.loads(pyramid(file, "--out", tmp_path / "out", "--json", "--tiles", "5").stdout)
    store, group = Pyramid(tmp_path / "out"), zarr.open_group(tmp_path / "out", mode="r")
    assert answer["tiles"] == len(answer["windows"]) == 5
    totals = [w["total"] for w in answer["windows"]]
    assert totals[0] > 1_000  # the dense corner first
    for number, window in enumerate(answer["windows"]):
        level, row, col, side = (window[k] for k in ("level", "row", "col", "side"))
        height, width = store.shapes[level]
        inside = min(side, height - row), min(side, width - col)
        for kind in ("sum", "max"):
            tile = group[f"tiles/{kind}"][number]
            np.testing.assert_array_equal(tile[: inside[0], : inside[1]], store.window(level, row, col, *inside, kind))
            assert not tile[inside[0] :].any()
            assert not tile[:, inside[1] :].any()
        assert group["tiles/sum"][number].sum() == window["total"]
    assert group["view/sum"][:].sum() == np.count_nonzero(array)


def test_the_same_file_gives_the_same_pyramid_and_replaces_the_old_one(raster, tmp_path):
    file, _ = raster
    first = json.loads(pyramid(file, "--out", tmp_path / "out", "--json").stdout)
    second = json.loads(pyramid(file, "--out", tmp_path / "out", "--json").stdout)
    for answer in (first, second):
        del answer["seconds"], answer["peak_rss_mb"]
    assert first == second
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".aside")] == []


def test_a_compressed_raster_gives_the_pyramid_of_the_raster(raster, tmp_path):
    file, array = raster
    packed = tmp_path / "map.npy.gz"
    packed.write_bytes(gzip.compress(file.read_bytes(), 1))
    answer = json.loads(pyramid(packed, "--out", tmp_path / "out", "--json").stdout)
    assert answer["levels"][0]["shape"] == list(array.shape)
    assert answer["defects"] == np.count_nonzero(array)


def test_nothing_but_a_pyramid_is_ever_written_over(raster, tmp_path):
    file, _ = raster
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    (tmp_path / "empty").mkdir()
    assert pyramid(file, "--out", tmp_path / "both").returncode == 0
    (tmp_path / "both" / "cat.jpg").write_bytes(b"cat")
    for out in ("photos", "pipe", "link", "both"):
        done = pyramid(file, "--out", tmp_path / out)
        assert done.returncode == 2
        assert "expected a new or empty folder" in done.stderr
    assert {p.read_bytes() for p in tmp_path.glob("*/cat.jpg")} == {b"cat"}
    assert (tmp_path / "pipe").is_fifo()
    assert not list((tmp_path / "empty").iterdir())


def test_a_pyramid_is_a_raster_itself(raster, tmp_path):
    file, array = raster
    assert pyramid(file, "--out", tmp_path / "once").returncode == 0
    again = pyramid(tmp_path / "once", "--out", tmp_path / "twice", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["defects"] == np.count_nonzero(array)


def test_a_cut_raster_is_an_error_and_leaves_nothing(raster, tmp_path):
    file, _ = raster
    file.write_bytes(file.read_bytes()[:-1])
    done = pyramid(file, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "raster.truncated" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.npy"]
