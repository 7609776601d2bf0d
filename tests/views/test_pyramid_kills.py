"""`inspection pyramid` killed or interrupted at any moment leaves a whole, right store or what was there before."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from views.rasters import naive

from inspection.views.pyramid_store import Pyramid

pytestmark = pytest.mark.slow
COMMAND = (sys.executable, "-c", "from inspection.cli import main; main()", "pyramid")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
SEEDS = range(40)
WAYS = [(number, before) for before in ("an older store", "nothing") for number in (signal.SIGKILL, signal.SIGINT)]


def started(*arguments):
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)


class Raster:
    """A raster, its right pyramid, and how long the command takes when it is let be."""

    def __init__(self, folder, pixels):
        folder.mkdir()
        self.path, self.store = folder / "map.npy", folder / "out"
        np.save(self.path, pixels)
        for _ in range(2):  # the first one may have to compile
            begun = time.monotonic()
            assert started(self.path, "--out", self.store).wait() == 0
            self.seconds = time.monotonic() - begun
        dense = np.count_nonzero(pixels) > pixels.size // 2
        self._levels = naive(pixels if dense else pixels != 0, len(Pyramid(self.store).shapes) - 1)

    def is_at(self, store):
        """Whether every pixel of a store is that of this raster, and no file is missing.

        A store that opens to something broken is an error of its own.
        """
        whole = Pyramid(store)
        if whole.shapes != [sums.shape for sums, _ in self._levels]:
            return False
        for level, pair in enumerate(self._levels):
            for kind, expected in zip(("sum", "max"), pair, strict=True):
                if not np.array_equal(whole.window(level, 0, 0, *expected.shape, kind), expected):
                    return False
        return files(store) == files(self.store)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    return Raster(tmp_path_factory.mktemp("older") / "raster", np.eye(900, 1_100, dtype=np.uint8))


@pytest.fixture(scope="module", params=["sparse", "grey"])
def raster(request, tmp_path_factory):
    """Of several shards: the sparse one is nearly all start and end, the grey one writes for most of the time."""
    rng = np.random.default_rng(5)
    if request.param == "sparse":
        pixels = (rng.random((5_003, 4_999)) < 1e-3).astype(np.uint8)
    else:
        pixels = rng.integers(1, 255, (3_003, 2_999), np.uint8)
    return Raster(tmp_path_factory.mktemp("raster") / request.param, pixels)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_ended_at_any_moment_it_leaves_a_whole_store_or_what_was_there(raster, older, tmp_path, record_property, seed):
    rng = np.random.default_rng(seed)
    number, before = WAYS[seed % len(WAYS)]
    out = tmp_path / "out"
    if before != "nothing":
        shutil.copytree(older.store, out)
    process = started(raster.path, "--out", out)
    time.sleep(raster.seconds * rng.uniform(0.01, 1.10))
    process.send_signal(number)  # to nobody where it has ended
    ended = process.wait()
    left = list(tmp_path.glob(".aside-*"))
    kept = out.exists() and before != "nothing" and older.is_at(out)
    new = out.exists() and not kept and raster.is_at(out)
    nothing = not out.exists() and before == "nothing"
    counted = {"ended": 1, "before its end": ended != 0, "new store": new, "as before": kept or nothing, "left aside": bool(left)}
    assert started(raster.path, "--out", out).wait() == 0
    right = raster.is_at(out) and [path.name for path in tmp_path.iterdir()] == ["out"]
    counted |= {"wrong": not (kept or new or nothing), "wrong when run again": not right}
    row = f"{signal.Signals(number).name}, before it {before}"
    record_property("soak", {"table": "Pyramids killed and interrupted", "row": row, **counted})
    assert kept or new or nothing
    assert new or ended != 0
    assert right
