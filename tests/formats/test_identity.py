"""No format lets a name of any length into the store."""

from __future__ import annotations

import io

import klarf_samples as sample
import numpy as np
import pytest

from inspection.errors import FormatError
from inspection.formats import table
from inspection.formats.identity import LONGEST
from inspection.params import Ingest


def archive(lot):
    file = io.BytesIO()
    np.savez(file, pixels=np.ones(9, np.uint8), offsets=np.array([0, 9]), shapes=np.array([[3, 3]]), lot=np.array([lot]))
    return file.getvalue()


def klarf12(old):
    return lambda name: sample.klarf12().replace(old, f'"{name}"').encode()


def klarf18(old):
    return lambda name: sample.KLARF18.replace(old, f'"{name}"').encode()


FILES = {
    **{f"klarf12 {what}": klarf12(f'"{what}"') for what in ("L1", "W0", "M1", "product", "recipe", "TOOL7", "particle")},
    **{f"klarf18 {what}": klarf18(f'"{what}"') for what in ("L1", "W0", "M1", "product", "recipe", "TOOL7")},
    "klarf12 column": lambda name: sample.klarf12().replace("DSIZE", name).encode(),
    "csv": lambda name: f"lot,wafer,x,y\n{name},1,5,6\n".encode(),
    "archive": archive,
}


@pytest.mark.parametrize("form", FILES)
def test_a_name_is_as_long_as_it_may_be_and_no_longer(tmp_path, form):
    path = tmp_path / "file"
    path.write_bytes(FILES[form]("N" * LONGEST))
    assert [w.index for w in table.read(path, Ingest())] == [0]
    for length, codes in ((LONGEST + 1, {"file.identity"}), (3_000_000, {"file.identity", "points.row"})):
        path.write_bytes(FILES[form]("N" * length))
        given = table.read(path, Ingest())
        with pytest.raises(FormatError) as caught:
            next(given)
        assert caught.value.reason.code in codes
        assert caught.value.reason.action
        assert len(str(caught.value)) < 1_000


def test_a_long_text_in_one_row_takes_no_memory_in_all_of_them(tmp_path):
    """Texts of one column are as wide as the longest: a file of 2 MB would ask for 16 GB."""
    path = tmp_path / "file"
    rows = [f"{i} 10 20 0 0 {'x' * (1_000_000 if i == 7 else 1)}" for i in range(4_000)]
    path.write_text(sample.klarf12(rows, "DEFECTID XREL YREL XINDEX YINDEX REMARK"))
    with pytest.raises(FormatError, match=r"klarf\.text"):
        next(table.read(path, Ingest()))
    rows = [f"{i} 10 20 0 0 {'x' * (1_000 if i == 7 else 1)}" for i in range(4_000)]
    path.write_text(sample.klarf12(rows, "DEFECTID XREL YREL XINDEX YINDEX REMARK"))
    (wafer,) = table.read(path, Ingest())
    assert wafer.map.attributes["REMARK"].dtype == "<U1000"
