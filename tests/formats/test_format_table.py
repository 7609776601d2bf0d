from __future__ import annotations

import subprocess
import sys

import klarf_samples as sample
import numpy as np
import pytest

from inspection.errors import InputNotFoundError, UnknownFormatError
from inspection.formats import table
from inspection.params import Ingest

CSV = "lot,wafer,x_um,y_um\nL1,W1,1.5,2\nL1,W1,3,4\nL1,W1,5,6\n"


def file_of(folder, content):
    path = folder / "misleading.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (sample.klarf12().encode(), "klarf1"),
        (b"\xef\xbb\xbf" + sample.klarf12().replace("\n", "\r\n").encode(), "klarf1"),
        (sample.klarf12().replace("FileVersion", "fileversion").encode(), "klarf1"),
        (sample.KLARF18.encode(), "klarf18"),
        (b"\n\n" + sample.KLARF18.encode(), "klarf18"),
        (b"\xef\xbb\xbf" + sample.KLARF18.encode(), "klarf18"),
        (b"\xef\xbb\xbf" + CSV.encode(), "points"),
    ],
)
def test_content_decides_and_the_name_does_not(tmp_path, content, name):
    path = file_of(tmp_path, content)
    assert table.recognise(path).name == name
    assert [w.map.defects for w in table.read(path, Ingest())] == [3]


def test_a_die_map_archive_is_known_by_its_arrays(tmp_path):
    path = tmp_path / "x.klarf"
    with path.open("wb") as file:
        np.savez(file, pixels=np.array([1], np.uint8), offsets=np.array([0, 1]), shapes=np.array([[1, 1]]))
    assert table.recognise(path).name == "diemap_archive"


@pytest.mark.parametrize("content", [b"hello", b"PK\x03\x04", b"\x00" * 10_000, b"<xml/>"])
def test_an_unknown_file_is_told_what_is_known(tmp_path, content):
    with pytest.raises(UnknownFormatError, match=r"KLARF 1\.8.*die-map archive.*raster") as caught:
        table.recognise(file_of(tmp_path, content))
    assert caught.value.reason.action


@pytest.mark.parametrize("text", [sample.klarf12(), sample.KLARF18, CSV, "DEVICE:X\nLOT:1\n"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-16-be with a mark", "utf-32"])
def test_text_of_wide_characters_is_told_what_to_do(tmp_path, text, encoding):
    content = b"\xfe\xff" + text.encode("utf-16-be") if encoding.endswith("mark") else text.encode(encoding)
    with pytest.raises(UnknownFormatError) as caught:
        table.recognise(file_of(tmp_path, content))
    reason = caught.value.reason
    assert (reason.code, reason.expected) == ("format.unknown", "text in UTF-8 or ASCII")
    assert reason.got.startswith(encoding[:6].upper())
    assert text.splitlines()[0][:10] in reason.got
    assert "Save it as UTF-8" in reason.action


@pytest.mark.parametrize("content", [b"\x00" * 100, b"a\x00", bytes(range(256)), b"\x01\x00\x02\x00" * 40])
def test_bytes_with_zeros_are_no_text(tmp_path, content):
    with pytest.raises(UnknownFormatError, match="die-map archive"):
        table.recognise(file_of(tmp_path, content))


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(UnknownFormatError, match=r"format\.empty"):
        table.recognise(file_of(tmp_path, b""))


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputNotFoundError):
        list(table.read(tmp_path / "none", Ingest()))


def test_the_table_imports_no_engine():
    code = "import sys, inspection.formats.table; print(sorted({m.split('.')[0] for m in sys.modules}))"
    names = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not any(f"'{n}'" in names for n in ("pandas", "pyarrow", "tensorflow", "cv2", "yaml"))
