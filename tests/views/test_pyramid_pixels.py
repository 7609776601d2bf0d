"""`inspection pyramid` of rasters of gigabytes: every pixel of every level against a naive reference, and its memory.

The reference reads the plain bytes that the raster was made of, strip by strip, and halves them with NumPy; none of our readers is used
on that side. `make test` does the same on rasters of 2 000 pixels a side.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import zarr
from views.huge_rasters import Case, make
from views.rasters import naive

from inspection.views.pyramid_store import Pyramid

WHOLE = os.environ.get("INSPECTION_SOAK") == "1"
SAMPLE_PX = 2_000
HIGHEST_MB = 512
WINDOWS = 200
PIECE_PX = 4_096
"""Width of what the reference halves at a time: it stays in the processor's cache."""
FREE_BYTES = 4e9
ROOT = Path(__file__).resolve().parents[2]
CASES = [
    Case("sparse", "npy", "uint8", 3.2),
    Case("sparse", "npy by columns", "uint8", 3.2),
    Case("sparse", "BigTIFF tiles", "uint8", 3.2),
    Case("sparse", "zarr", "uint8", 3.2),
    Case("mille", "npy", "uint8", 3.2),
    Case("mille", "TIFF strips, deflate", "uint16", 3.2),
    Case("mille", "zarr", "float32", 3.2),
    Case("grey", "npy", "uint8", 3.2),
    Case("grey", "npy", "float32", 3.2),
    Case("grey", "BigTIFF tiles", "uint16", 3.2),
    Case("grey", "TIFF strips, deflate", "uint8", 3.2),
    Case("sparse", "npy", "uint8", 12),
    Case("mille", "npy", "uint8", 12),
    Case("grey", "npy", "uint8", 12),
]


@pytest.fixture
def room(tmp_path):
    """A folder whose gigabytes are gone after the test, however it ends."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_pixel_of_every_level_is_that_of_the_naive_reference(room, record_property, case):
    size = case.gigabytes * 1e9 if WHOLE else SAMPLE_PX**2 * np.dtype(case.dtype).itemsize
    if shutil.disk_usage(room).free < 2 * size + FREE_BYTES:
        pytest.skip(f"needs {(2 * size + FREE_BYTES) / 1e9:.0f} GB of free disk at {room}")
    shape = case.shape(size / np.dtype(case.dtype).itemsize)
    made = make(case, shape, room)
    answer, highest_mb = built(made.path, room / "out")
    levels = Levels(made, room / "out", counted=case.content != "grey")
    levels.compare()
    windows, tiles = compare_windows(room / "out", answer["windows"])
    found = {"pixels compared": levels.pixels, "differing": levels.differing, "windows": windows, "tiles": tiles}
    record_property("soak", {"table": "Pyramids, pixel by pixel", "row": str(case), **found, "highest RSS, MB": highest_mb})
    assert levels.differing == 0
    assert answer["kind"] == ("counts" if case.content != "grey" else "values")
    assert answer["defects"] == levels.defects
    assert [tuple(level["shape"]) for level in answer["levels"]] == levels.shapes
    assert [level["sum"] for level in answer["levels"]] == pytest.approx(levels.sums, rel=1e-12)
    assert [level["max"] for level in answer["levels"]] == levels.peaks
    assert highest_mb <= HIGHEST_MB


def built(path, out):
    """The command's answer, and the highest resident memory of all its processes together: what it says itself, or what was seen."""
    command = [sys.executable, "-c", "from inspection.cli import main; main()", "pyramid", str(path), "--out", str(out), "--json"]
    highest = Counter()
    with (out.parent / "answer").open("w+") as told, (out.parent / "errors").open("w+") as errors:
        process = subprocess.Popen(command, stdout=told, stderr=errors, env=os.environ | {"PYTHONPATH": str(ROOT)})
        try:
            while process.poll() is None:
                for pid in family(process.pid):
                    highest[pid] = max(highest[pid], resident_kb(pid))
                time.sleep(0.02)
        finally:  # interrupted, the campaign leaves nobody who still writes
            process.kill()
            process.wait()
        told.seek(0)
        errors.seek(0)
        assert process.returncode == 0, errors.read()
        answer = json.loads(told.read())
    return answer, max(answer["peak_rss_mb"], sum(highest.values()) / 1_024)


def family(pid):
    """A process and its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(one for child in children for one in family(int(child)))]


def resident_kb(pid):
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has just ended
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


class Levels:
    """The levels of a store beside those of the reference, a strip of the raster at a time."""

    def __init__(self, made, folder, *, counted):
        self._made, self._store, self._counted = made, Pyramid(folder), counted
        self.shapes = self._store.shapes
        self.pixels = self.differing = self.defects = 0
        self.sums, self.peaks = [0] * len(self.shapes), [-np.inf] * len(self.shapes)

    def compare(self):
        side = 2 ** (len(self.shapes) - 1)  # no block of any level lies in two strips, nor in two pieces of a strip
        step = side * max(1, PIECE_PX // side)
        for first in range(0, self._made.height, side):
            pixels = self._made.lines(first, side)
            marked = (pixels != 0) & (pixels == pixels)  # noqa: PLR0124 - NaN
            self.defects += int(np.count_nonzero(marked))
            found = [
                {kind: self._lines(level, first >> level, -(-len(pixels) >> level), kind) for kind in ("sum", "max")}
                for level in range(len(self.shapes))
            ]
            for left in range(0, self._made.width, step):
                piece = (marked if self._counted else pixels)[:, left : left + step]
                for level, reference in enumerate(naive(piece, len(self.shapes) - 1)):
                    self._compare(level, {kind: lines[:, left >> level :] for kind, lines in found[level].items()}, *reference)

    def _compare(self, level, found, sums, peaks):
        self.sums[level] += sums.sum().item()
        self.peaks[level] = max(self.peaks[level], peaks.max().item())
        for kind, reference in (("sum", sums), ("max", peaks)) if level else (("sum", peaks),):
            stored = found[kind][: len(reference), : reference.shape[1]]
            assert stored.shape == reference.shape
            unlike = stored != reference
            if kind == "sum" and reference.dtype.kind == "f":
                unlike &= ~np.isclose(stored, reference, rtol=1e-12, atol=0)
            self.pixels += reference.size
            self.differing += int(np.count_nonzero(unlike))

    def _lines(self, level, first, count, kind):
        rows, cols = self.shapes[level]
        if self._made.columns:
            return self._store.window(level, 0, first, rows, count, kind).T
        return self._store.window(level, first, 0, count, cols, kind)


def compare_windows(folder, tiles):
    """Windows anywhere, and the tiles, equal what zarr's own pipeline reads of the level there; how many of each."""
    store, group, rng = Pyramid(folder), zarr.open_group(folder, mode="r"), np.random.default_rng(0)

    def level_of(level, kind):
        return group[f"{kind}/{level}" if level else "0"]

    for _ in range(WINDOWS):
        level, kind = int(rng.integers(len(store.shapes))), ("sum", "max")[rng.integers(2)]
        rows, cols = (int(rng.integers(1, min(513, n + 1))) for n in store.shapes[level])
        row, col = (int(rng.integers(0, n - k + 1)) for n, k in zip(store.shapes[level], (rows, cols), strict=True))
        expected = level_of(level, kind)[row : row + rows, col : col + cols]
        np.testing.assert_array_equal(store.window(level, row, col, rows, cols, kind), expected)
    for number, tile in enumerate(tiles):
        row, col, side = tile["row"], tile["col"], tile["side"]
        for kind in ("sum", "max"):
            expected = level_of(tile["level"], kind)[row : row + side, col : col + side]
            found = group[f"tiles/{kind}"][number]
            np.testing.assert_array_equal(found[: expected.shape[0], : expected.shape[1]], expected)
            assert np.count_nonzero(found) == np.count_nonzero(expected)
    return WINDOWS, len(tiles)
