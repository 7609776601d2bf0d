"""gzip and zstd around any format: the same wafers as from the file itself, and nothing left behind."""

from __future__ import annotations

import errno
import gzip
import itertools
import os
import subprocess
import sys
import tempfile

import diemap_writers as write
import klarf_samples as sample
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.errors import FormatError, UnknownFormatError
from inspection.formats import compressed, table
from inspection.params import Ingest

STATUS = np.array([[0, 1, 1, 0], [1, 2, 1, 1], [0, 2, 1, 0]], np.uint8)


def zst(content):
    return pa.Codec("zstd").compress(content, asbytes=True)


PACK = {".gz": gzip.compress, ".zst": zst}


def archive(folder):
    path = folder / "maps.npz"
    with path.open("wb") as file:
        np.savez(file, pixels=STATUS.ravel(), offsets=np.array([0, STATUS.size]), shapes=np.array([STATUS.shape]), padding=np.arange(5000))
    return path.read_bytes()


INSIDES = {
    "klarf1": ("lot.001", sample.klarf12().encode()),
    "klarf18": ("lot.kla", sample.KLARF18.encode()),
    "sinf": ("w.sinf", write.sinf(STATUS)),
    "semi_g85": ("w.xml", write.g85(STATUS)),
    "semi_e142": ("w.xml", write.e142([STATUS, STATUS])),
    "stdf": ("w.stdf", write.stdf([STATUS])),
    "diemap_archive": ("maps.npz", None),
}


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    folder = tmp_path / "unpack"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def values(wafer):
    made = wafer.map
    return (
        made.status.tolist() if hasattr(made, "status") else made.xy_um.tolist(),
        made.info,
        made.pitch_um,
        wafer.notes,
        wafer.label,
        wafer.row,
    )


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("name", INSIDES)
def test_the_wafers_are_those_of_the_file_itself(tmp_path, name, suffix):
    file, content = INSIDES[name]
    content = content if content is not None else archive(tmp_path)
    plain, packed = tmp_path / file, tmp_path / f"{file}{suffix}"
    plain.write_bytes(content)
    packed.write_bytes(PACK[suffix](content))
    assert table.recognise(packed).name == name
    assert "compressed" in table.recognise(packed).title
    expected = [values(w) for w in table.read(plain, Ingest())]
    assert expected
    assert [values(w) for w in table.read(packed, Ingest())] == expected


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("sidecar", ["scan.yaml", "scan.npy.yaml", "scan.npy{}.yaml", "scan.npy{}.yml"])
def test_a_raster_finds_its_sidecar_beside_the_packed_file(tmp_path, suffix, sidecar):
    raster = tmp_path / "plain.npy"
    pixels = np.zeros((40, 50), np.uint8)
    pixels[3, 7] = 9
    np.save(raster, pixels)
    packed = tmp_path / f"scan.npy{suffix}"
    packed.write_bytes(PACK[suffix](raster.read_bytes()))
    (tmp_path / sidecar.format(suffix)).write_text("lot: L7\npixel_um: 100\nthreshold: 5\n", encoding="utf-8")
    (wafer,) = table.read(packed, Ingest())
    assert wafer.map.info.lot == "L7"
    assert wafer.map.xy_um.tolist() == [[(7.5 - 25) * 100.0, (20 - 3.5) * 100.0]]
    assert wafer.notes == ()


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=4), suffix=st.sampled_from(tuple(PACK)))
def test_several_members_are_one_file(tmp_path_factory, cuts, suffix):
    content = write.g85(STATUS)
    places = sorted({0, len(content), *(c for c in cuts if c < len(content))})
    pieces = [content[a:b] for a, b in itertools.pairwise(places)]
    path = tmp_path_factory.mktemp("members") / f"w.xml{suffix}"
    path.write_bytes(b"".join(map(PACK[suffix], pieces)))
    assert table.recognise(path).name == "semi_g85"
    (wafer,) = table.read(path, Ingest())
    np.testing.assert_array_equal(wafer.map.status, STATUS)


@pytest.mark.parametrize("suffix", PACK)
def test_a_stream_cut_or_flipped_anywhere_is_a_format_error_or_the_same(tmp_path, suffix):
    content = write.sinf(STATUS)
    whole = PACK[suffix](content)
    path = tmp_path / f"w.sinf{suffix}"
    path.write_bytes(whole)
    expected = [values(w) for w in table.read(path, Ingest())]
    rng = np.random.default_rng(5)
    for at in range(len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= int(rng.integers(1, 256))
        for damaged in (whole[:at], bytes(flipped)):
            path.write_bytes(damaged)
            found = outcome(path)
            # Frames without a checksum, as this codec writes them, cannot tell a changed letter.
            assert found is None or suffix == ".zst" or found == expected


def outcome(path):
    """Values of the wafers; None where the file is refused."""
    try:
        return [values(w) for w in table.read(path, Ingest())]
    except FormatError as error:
        assert error.reason.action  # noqa: PT017 - that it is this error is the point
        return None


def test_what_is_compressed_twice_is_refused(tmp_path):
    path = tmp_path / "w.sinf.gz.gz"
    for outer, inner in ((gzip.compress, gzip.compress), (gzip.compress, zst), (zst, gzip.compress)):
        path.write_bytes(outer(inner(write.sinf(STATUS))))
        with pytest.raises(FormatError, match=r"compressed\.nested"):
            table.recognise(path)


def test_what_is_inside_may_be_unknown_or_empty(tmp_path):
    path = tmp_path / "x.gz"
    for content, code in ((b"hello", r"format\.unknown"), (b"", r"format\.empty"), (b"PK\3\4 no archive", r"format\.unknown")):
        path.write_bytes(gzip.compress(content))
        with pytest.raises(UnknownFormatError, match=code):
            table.recognise(path)


@pytest.mark.parametrize("suffix", PACK)
def test_a_bomb_is_stopped_at_the_limit_and_an_empty_raster_is_not(tmp_path, suffix):
    raster = tmp_path / "empty.npy"
    np.save(raster, np.zeros((4096, 4096), np.uint8))  # 16 MiB that shrink a thousandfold
    path = tmp_path / f"empty.npy{suffix}"
    path.write_bytes(PACK[suffix](raster.read_bytes()))
    assert raster.stat().st_size > 900 * path.stat().st_size
    (wafer,) = table.read(path, Ingest(max_file_mb=17))
    assert wafer.map.defects == 0
    with pytest.raises(FormatError, match=r"compressed\.size"):
        list(table.read(path, Ingest(max_file_mb=15)))


def test_a_full_disk_is_not_the_files_fault(tmp_path, monkeypatch):
    path = tmp_path / "w.sinf.gz"
    path.write_bytes(gzip.compress(write.sinf(STATUS)))
    monkeypatch.setattr(compressed, "_KEPT_FREE", 2**62)
    with pytest.raises(OSError, match="no room") as caught:
        list(table.read(path, Ingest()))
    assert caught.value.errno == errno.ENOSPC
    assert not isinstance(caught.value, FormatError)


def test_a_reader_that_is_left_half_way_cleans_up(tmp_path, nothing_is_left):
    path = tmp_path / "w.xml.gz"
    path.write_bytes(gzip.compress(write.e142([STATUS] * 3)))
    wafers = table.read(path, Ingest())
    next(wafers)
    assert len(list(nothing_is_left.iterdir())) == 1
    wafers.close()


def test_what_a_killed_process_left_is_swept(tmp_path, nothing_is_left):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = nothing_is_left / f"inspection-unpacked-{ended.pid}-abc"
    left.mkdir()
    (left / "w.npy").write_bytes(b"x")
    mine = nothing_is_left / f"inspection-unpacked-{os.getpid()}-abc"
    mine.mkdir()
    path = tmp_path / "w.sinf.gz"
    path.write_bytes(gzip.compress(write.sinf(STATUS)))
    assert len(list(table.read(path, Ingest()))) == 1
    assert not left.exists()
    assert mine.exists()
    mine.rmdir()


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        ("a.npy.gz", "a.npy"),
        ("A.NPY.ZST", "A.NPY"),
        ("a.zstd", "a"),
        ("a.npy", "a.npy"),
        (".gz", ".gz"),
        ("..gz", "..gz"),
        ("a.tar.gzip", "a.tar"),
    ],
)
def test_the_name_of_the_inside(name, inner):
    assert compressed.inner_name(name) == inner


@pytest.mark.parametrize("suffix", PACK)
def test_a_text_that_unpacks_to_very_many_times_its_size_is_a_bomb(tmp_path, suffix):
    path = tmp_path / f"a.001{suffix}"
    path.write_bytes(PACK[suffix](b"FileVersion 1 2;\n" + b" " * 40_000_000))
    with pytest.raises(FormatError, match=r"compressed\.bomb"):
        list(table.read(path, Ingest()))
