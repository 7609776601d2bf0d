"""Zarr as the zarr library writes it: any sharding, any fill value, the picture that is meant."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr as library
from hypothesis import given, settings
from hypothesis import strategies as st
from raster_samples import content, zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, ZstdCodec

from inspection.errors import FormatError
from inspection.formats.raster.kinds import open_raster
from inspection.params import Ingest

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


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    inner=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    times=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    codec=st.sampled_from([None, ZstdCodec(), GzipCodec(), BloscCodec(cname="lz4", shuffle="bitshuffle"), Crc32cCodec()]),
    endian=st.sampled_from(["little", "big"]),
    location=st.sampled_from(["start", "end"]),
    index=st.sampled_from([[BytesCodec()], [BytesCodec(), Crc32cCodec()]]),
    leading=st.integers(0, 3),
    present=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_any_sharding_is_read_with_its_absent_chunks(
    tmp_path_factory, shape, inner, times, codec, endian, location, index, leading, present, seed
):
    random, path = np.random.default_rng(seed), tmp_path_factory.mktemp("zarr") / "a.zarr"
    array = random.normal(size=shape).astype(np.float32)
    array[random.random(shape) > present] = np.nan
    ones = (1,) * leading
    codecs = [BytesCodec(endian=endian), *([codec] if codec else [])]
    shards = tuple(a * b for a, b in zip(inner, times, strict=True))
    written = library.create_array(
        path,
        shape=ones + shape,
        chunks=ones + shards,
        dtype=array.dtype,
        fill_value=np.nan,
        filters=[],
        compressors=[],
        serializer=ShardingCodec(chunk_shape=ones + inner, codecs=codecs, index_location=location, index_codecs=index),
    )
    written[...] = array[(None,) * leading]
    np.testing.assert_array_equal(content(path), array)


@pytest.mark.parametrize("fill", [0, 7, True])
@pytest.mark.parametrize("version", [2, 3])
def test_absent_chunks_are_the_fill_value_and_a_note_counts_them(tmp_path, version, fill):
    array = np.full((40, 40), fill, np.int16)
    array[3, 5] = -9
    path = zarr(tmp_path, array, version=version, fill_value=fill)
    np.testing.assert_array_equal(content(path), array)
    with open_raster(path, Ingest()) as stream:
        list(stream.strips())
        assert stream.notes == (f"8 of 9 chunks are not stored: their pixels are {int(fill)}",)
        list(stream.strips())
        assert stream.notes[0].startswith("8 of 9")


@pytest.mark.parametrize(("fill", "value"), [("NaN", np.nan), ("-Infinity", -np.inf), ("0x3f800000", 1.0), (2, 2.0), (0.5, 0.5)])
def test_every_way_to_write_a_fill_value(tmp_path, fill, value):
    path = changed(zarr(tmp_path, np.zeros((3, 4), np.float32)), fill_value=fill)
    np.testing.assert_array_equal(content(path), np.full((3, 4), value, np.float32))


def test_level_0_of_a_multiscale_picture_with_more_axes(tmp_path):
    path = tmp_path / "a.zarr"
    group = library.open_group(path, mode="w", zarr_format=3)
    for name, step in (("full", 1), ("half", 2)):
        group.create_array(name, data=GREY[None, None, None, ::step, ::step])
    axes = [{"name": n} for n in "tczyx"]
    datasets = [{"path": "full"}, {"path": "half"}]
    group.update_attributes({"ome": {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}})
    np.testing.assert_array_equal(content(path), GREY)


def test_a_group_with_one_array_and_a_bioformats_series_have_one_meaning(tmp_path):
    path = tmp_path / "a.zarr"
    inside = library.open_group(path, mode="w", zarr_format=2).create_group("0")
    library.open_group(path, mode="a").create_group("OME")
    inside.create_array("0", data=GREY)
    np.testing.assert_array_equal(content(path), GREY)


def test_what_has_no_one_meaning_is_refused(tmp_path):
    path = tmp_path / "a.zarr"
    group = library.open_group(path, mode="w", zarr_format=3)
    refused(path, "pages")
    group.create_array("a", data=GREY)
    group.create_array("b", data=GREY)
    refused(path, "pages")
    (tmp_path / "c").mkdir()
    refused(zarr(tmp_path / "c", np.zeros((3, 20, 30), np.uint8)), "channels")
