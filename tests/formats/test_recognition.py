"""Each file belongs to one format, whatever its name; a new format takes nothing from an older one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import klarf_samples as sample
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from wm811k_writer import lswmd

from inspection.formats import table

if TYPE_CHECKING:
    from pathlib import Path

DIES = np.ones((2, 3, 3), np.uint8)


def npz(**arrays):
    def write(path):
        with path.open("wb") as file:
            np.savez(file, **arrays)

    return write


def text(content):
    return lambda path: path.write_bytes(content.encode())


def raster(path):
    with path.open("wb") as file:
        np.save(file, np.eye(4))


FILES = {
    "klarf1": text(sample.klarf12()),
    "klarf18": text(sample.KLARF18),
    "diemap_archive": npz(pixels=DIES.ravel(), offsets=np.array([0, 9, 18]), shapes=np.array([[3, 3], [3, 3]])),
    "mixedwm38": npz(arr_0=DIES, arr_1=np.zeros((2, 8), np.uint8)),
    "wm811k_pickle": lambda path: path.write_bytes(lswmd([(DIES[0], "lot1", 1, None, None)])),
    "raster": raster,
    "points": text("lot;wafer;X;Y\nA;1;1,5;2\n"),
}


@pytest.mark.parametrize("ending", [".csv", ".klarf", ".npz", ".pkl", ""])
@pytest.mark.parametrize("name", FILES)
def test_one_format_and_no_other_knows_a_file(tmp_path, name, ending):
    path = tmp_path / f"wafer{ending}"
    FILES[name](path)
    head = path.read_bytes()[: table.HEAD_BYTES]
    assert [f.name for f in table.FORMATS if f.recognises(head, path)] == [name]


def test_the_table_holds_them_all():
    assert set(FILES) <= {f.name for f in table.FORMATS}


def test_parquet_is_points(tmp_path):
    path = tmp_path / "wafer.csv"
    pq.write_table(pa.table({"x": [1.0], "y": [2.0]}), path)
    assert [f.name for f in table.FORMATS if f.recognises(path.read_bytes()[:100], path)] == ["points"]


def test_no_real_file_of_another_maker_is_taken_for_a_table(shared_data):
    files = [p for folder in ("klarf", "formats") for p in sorted((shared_data / folder).rglob("*")) if p.is_file()]
    assert files
    points = next(f for f in table.FORMATS if f.name == "points")
    taken = [p.name for p in files if points.recognises(_head(p), p)]
    assert not taken


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(table.HEAD_BYTES)
