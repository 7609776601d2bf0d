"""Zarr stores that name places outside of them, unfold to more than they say, or lie."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zipfile
from contextlib import suppress

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raster_samples import content, packed, sharded, zarr, zarr_v2

from inspection.errors import FormatError
from inspection.formats import table
from inspection.formats.raster.zarr_raster import is_store
from inspection.formats.raster.zarr_store import directory_bytes

GREY = np.random.default_rng(5).integers(0, 9, (50, 70), dtype=np.uint16)


def refused(path, code, limits=None):
    with pytest.raises(FormatError) as caught:
        content(path, limits)
    assert caught.value.reason.code == f"raster.{code}", caught.value


def changed(path, **values):
    """Other metadata of a v3 array."""
    place = path / "zarr.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | values))
    return path


@pytest.mark.parametrize("place", ["../b.zarr", "/etc", "0/../../b.zarr", "..", "a\\..\\b", "", "0//1", 7, None])
def test_a_path_that_leads_out_of_the_store_is_refused(tmp_path, place):
    (tmp_path / "b.zarr").mkdir()
    zarr(tmp_path / "b.zarr", GREY)
    path = zarr(tmp_path, GREY, ome=True)
    ome = {"ome": {"multiscales": [{"datasets": [{"path": place}]}]}}
    changed(path, attributes=ome)
    refused(path, "link")


@pytest.mark.parametrize("place", ["x" * 5_000, "\ud800", "a/" * 3_000 + "b"])
def test_a_path_that_no_file_can_have_is_refused(tmp_path, place):
    path = zarr(tmp_path, GREY, ome=True)
    changed(path, attributes={"ome": {"multiscales": [{"datasets": [{"path": place}]}]}})
    refused(path, "damaged")


def test_links_are_followed_inside_the_store_only(tmp_path):
    path = zarr(tmp_path, GREY)
    secret = tmp_path / "secret"
    shutil.copy(path / "c" / "0" / "0", secret)
    shutil.move(path / "c" / "0" / "0", path / "moved")
    (path / "c" / "0" / "0").symlink_to(path / "moved")
    np.testing.assert_array_equal(content(path), GREY)
    (path / "c" / "0" / "0").unlink()
    (path / "c" / "0" / "0").symlink_to(secret)
    refused(path, "link")
    (tmp_path / "link.zarr").symlink_to(path)
    assert is_store(path)
    assert not is_store(tmp_path / "link.zarr")
    assert not is_store(tmp_path)


def test_a_pipe_in_the_place_of_a_chunk_does_not_hang(tmp_path):
    path = zarr(tmp_path, GREY)
    (path / "c" / "0" / "0").unlink()
    os.mkfifo(path / "c" / "0" / "0")
    refused(path, "damaged")


@pytest.mark.parametrize(
    "values",
    [
        {"data_type": "string"},
        {"data_type": "complex64"},
        {"data_type": {"name": "numpy.datetime64"}},
        {"shape": [50]},
        {"shape": [0, 70]},
        {"shape": [-50, 70]},
        {"shape": [1e99, 70]},
        {"chunk_grid": {"name": "rectilinear", "configuration": {"chunk_shape": [16, 16]}}},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 16]}}},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [16, 16, 16]}}},
        {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "/../"}}},
        {"codecs": []},
        {"codecs": [{"name": "numcodecs.pickle"}]},
        {"codecs": [{"name": "bytes"}, {"name": "numcodecs.pickle"}]},
        {"codecs": [{"name": "bytes"}, {"name": "gzip"}, {"name": "zstd"}]},
        {"codecs": [{"name": "transpose", "configuration": {"order": [0, "a"]}}, {"name": "bytes"}]},
        {
            "codecs": [
                {"name": "sharding_indexed", "configuration": {"chunk_shape": [5, 16], "codecs": ["bytes"], "index_codecs": ["bytes"]}}
            ]
        },
        {"fill_value": {"a": 1}},
        {"fill_value": "0xzz"},
        {"fill_value": [1]},
        {"storage_transformers": [{"name": "x"}]},
        {"node_type": "table"},
        {"zarr_format": 4},
    ],
)
def test_metadata_of_what_is_not_read_is_refused(tmp_path, values):
    refused(changed(zarr(tmp_path, GREY), **values), "header")


def test_objects_and_pickles_of_v2_are_refused(tmp_path):
    path = zarr_v2(tmp_path, GREY)
    whole = json.loads((path / ".zarray").read_text())
    for values in (
        {"dtype": "|O"},
        {"filters": [{"id": "pickle"}]},
        {"compressor": {"id": "pickle"}},
        {"dtype": [["a", "<u2"]]},
        {"order": "Z"},
    ):
        (path / ".zarray").write_text(json.dumps(whole | values))
        refused(path, "header")


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"zarr_format": 3}', "[" * 100_000, '{"shape": ' + "9" * 5000 + "}", "\udcff"])
def test_metadata_that_is_no_json_is_refused(tmp_path, text):
    path = zarr(tmp_path, GREY)
    (path / "zarr.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(FormatError):
        content(path)


@pytest.mark.parametrize("codec", ["zstd", "zlib", "gzip", "blosc", "bz2", "lz4"])
def test_a_chunk_that_unfolds_to_more_than_its_pixels_is_refused(tmp_path, codec):
    path = zarr_v2(tmp_path, GREY, compressor=codec)
    bomb = getattr(imagecodecs, {"zlib": "zlib_encode"}.get(codec, f"{codec}_encode"))(bytes(3_000_000))
    (path / "0.0").write_bytes(struct.pack("<I", 512) + bomb if codec == "lz4" else bomb)
    refused(path, "damaged")


def test_chunks_too_large_for_memory_and_false_sizes_are_refused(tmp_path):
    path = zarr(tmp_path, GREY)
    grid = {"name": "regular", "configuration": {"chunk_shape": [40_000, 40_000]}}
    refused(changed(path, shape=[40_000, 40_000], chunk_grid=grid), "segment")
    refused(changed(path, shape=[2**20, 2**20]), "size")
    refused(changed(path, shape=[2**31, 2**31]), "header")


def test_an_index_of_a_shard_that_lies_is_refused(tmp_path):
    path = sharded(tmp_path, GREY)
    shard = path / "c" / "0" / "0"
    whole = bytearray(shard.read_bytes())
    whole[-10] ^= 1
    shard.write_bytes(whole)
    refused(path, "damaged")
    whole[-68:] = struct.pack("<Q", 2**63) * 8 + b"\0\0\0\0"
    shard.write_bytes(whole)
    refused(path, "damaged")


def test_a_zip_of_a_store_is_known_by_its_content_and_other_zips_are_not(tmp_path):
    path = zarr(tmp_path, GREY, zipped=True)
    assert table.recognise(path).name == "raster"
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a/b.txt", "x")
    with pytest.raises(FormatError, match=r"format\.unknown"):
        table.recognise(other)


def test_the_directory_of_a_zip_is_measured_before_it_is_read(tmp_path):
    path = zarr(tmp_path, GREY, zipped=True)
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    end = path.read_bytes().rfind(b"PK\5\6")
    assert directory_bytes(path) == end - start


def test_a_zip_whose_entry_unfolds_to_more_than_a_chunk_is_refused(tmp_path):
    path = zarr(tmp_path, GREY)
    (path / "c" / "0" / "0").write_bytes(bytes(10_000_000))
    refused(packed(path, tmp_path), "damaged")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_metadata_value_may_be_anything(tmp_path_factory, data):
    path = zarr(tmp_path_factory.mktemp("zarr"), GREY)
    whole = json.loads((path / "zarr.json").read_text())
    key = data.draw(st.sampled_from(sorted(whole)))
    scalar = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8))
    whole[key] = data.draw(st.recursive(scalar, lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=8), c, max_size=3)))
    (path / "zarr.json").write_text(json.dumps(whole))
    with suppress(FormatError):
        content(path)


@pytest.mark.parametrize("fill", [300, -1, 10**60, 0.5, float("nan"), float("inf"), 10**400])
def test_a_fill_value_that_no_pixel_can_have_is_refused(tmp_path, fill):
    refused(changed(zarr(tmp_path, GREY.astype(np.uint8)), fill_value=fill), "header")


@pytest.mark.parametrize("fill", [7, 7.0])
def test_a_chunk_that_is_not_stored_holds_the_fill_value(tmp_path, fill):
    path = changed(zarr(tmp_path, GREY.astype(np.uint8)), fill_value=fill)
    (path / "c" / "0" / "0").unlink()
    assert (content(path)[:16, :16] == 7).all()
