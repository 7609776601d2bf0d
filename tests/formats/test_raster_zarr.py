"""Zarr as the zarr library writes it: any sharding, any fill value, the picture that is meant."""

from __future__ import annotations

import json
from contextlib import suppress

import numcodecs
import numpy as np
import pytest
import zarr as library
from hypothesis import HealthCheck, given, settings
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


@pytest.mark.slow
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


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    chunks=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    dtype=st.sampled_from(["bool", "uint8", "<i2", ">i2", "<u4", ">u8", "<f4", ">f8", "<f2"]),
    order=st.sampled_from("CF"),
    separator=st.sampled_from("./"),
    filters=st.sampled_from([(), ("delta",), ("shuffle",), ("delta", "shuffle")]),
    compressor=st.sampled_from([None, "blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"]),
    fill=st.sampled_from([None, 0, 1]),
    ones=st.sampled_from([(0, 0), (1, 0), (3, 0), (0, 1)]),
    present=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_any_version_2_array_is_read_with_its_absent_chunks(
    tmp_path_factory, shape, chunks, dtype, order, separator, filters, compressor, fill, ones, present, seed
):
    random, path, dtype = np.random.default_rng(seed), tmp_path_factory.mktemp("zarr") / "a.zarr", np.dtype(dtype)
    array = (random.random(shape) * 250).astype(dtype)
    array[random.random(shape) > present] = fill or 0
    filters = [name for name in filters if dtype.kind in "iu" or name != "delta"]
    settings_of = {"delta": {"dtype": dtype.str}, "shuffle": {"elementsize": dtype.itemsize}}
    before, after = (1,) * ones[0], (1,) * (ones[1] if shape[0] > 1 else 0)
    written = library.create_array(
        path,
        shape=before + shape + after,
        chunks=before + chunks + after,
        dtype=dtype,
        fill_value=fill,
        order=order,
        zarr_format=2,
        chunk_key_encoding={"name": "v2", "separator": separator},
        filters=[numcodecs.get_codec({"id": name} | settings_of[name]) for name in filters],
        compressors=compressor and numcodecs.get_codec({"id": compressor}),
    )
    written[...] = array.reshape(before + shape + after)
    np.testing.assert_array_equal(content(path), array)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["<u2", "|b1", "<u1x", "NaN", "zstd", "/", "C"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "name", "configuration"]), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.slow
@pytest.mark.parametrize("version", [2, 3])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_other_value_in_the_metadata_is_read_or_refused(tmp_path_factory, version, data):
    path = zarr(tmp_path_factory.mktemp("zarr"), GREY, version=version)
    place = path / (".zarray" if version == 2 else "zarr.json")
    known = json.loads(place.read_text())
    place.write_text(json.dumps(known | {data.draw(st.sampled_from(sorted(known))): data.draw(JSON)}))
    with suppress(FormatError):
        content(path)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("fill", [1.5, -1, 300, 2**70, 1e300, "0", "NaN", [1]])
def test_a_fill_value_of_another_type_is_refused(tmp_path, version, fill):
    path = zarr(tmp_path, GREY.astype(np.uint8), version=version)
    place = path / (".zarray" if version == 2 else "zarr.json")
    place.write_text(json.dumps(json.loads(place.read_text()) | {"fill_value": fill}))
    refused(path, "header")


@pytest.mark.parametrize("shapes", [(1, 2, 4), (4, 1, 2), (1, 3)])
def test_levels_that_no_metadata_names_have_one_meaning_where_they_are_a_pyramid(tmp_path, shapes):
    group = library.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    for number, step in enumerate(shapes):
        group.create_array(f"{number}", data=GREY[None, ::step, ::step])
    if 3 in shapes:
        refused(tmp_path / "a.zarr", "pages")
    else:
        np.testing.assert_array_equal(content(tmp_path / "a.zarr"), GREY)


def test_the_one_field_of_a_plate_is_read(tmp_path):
    field = library.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2).create_group("A/1/0")
    field.create_array("0", data=GREY[None, None, None])
    field.update_attributes({"multiscales": [{"version": "0.4", "datasets": [{"path": "0"}]}]})
    np.testing.assert_array_equal(content(tmp_path / "a.zarr"), GREY)


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


LETTERS = st.permutations("tczyx").map("".join)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    order=LETTERS,
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    said=st.sampled_from(["dimension_names", "xarray", "ome 0.4", "ome 0.5", "ome 0.5 and dimension_names", "ome 0.3"]),
    sharded=st.booleans(),
    words=st.sampled_from([{}, {"y": "Y", "x": "X"}, {"y": "rows", "x": "columns"}]),
    chunk=st.integers(1, 20),
)
def test_axes_in_any_order_are_taken_by_their_names(tmp_path_factory, order, shape, said, sharded, words, chunk):
    picture = np.random.default_rng(1).integers(0, 999, shape, dtype=np.uint16)
    held = {"y": shape[0], "x": shape[1]}
    array = (picture if order.index("y") < order.index("x") else picture.T).reshape([held.get(name, 1) for name in order])
    names = [words.get(name, name) for name in order]
    path, version = tmp_path_factory.mktemp("axes") / "a.zarr", 2 if said in {"xarray", "ome 0.4", "ome 0.3"} else 3
    options = {"dimension_names": names} if "dimension_names" in said else {}
    chunks = tuple(min(chunk, n) for n in array.shape)
    if sharded and version == 3:
        options["shards"] = tuple(2 * n for n in chunks)
    root = library.open_group(path, mode="w", zarr_format=version)
    written = root.create_array("0", shape=array.shape, dtype=array.dtype, chunks=chunks, **options)
    written[...] = array
    if said == "xarray":
        written.update_attributes({"_ARRAY_DIMENSIONS": names})
    elif "ome" in said:
        axes = names if said == "ome 0.3" else [{"name": name} for name in names]
        levels = [{"axes": axes, "datasets": [{"path": "0"}]}]
        root.update_attributes({"ome": {"multiscales": levels}} if version == 3 else {"multiscales": levels})
    got = content(path)
    np.testing.assert_array_equal(got, picture)
    with open_raster(path, Ingest()) as stream:
        assert (stream.shape, stream.transposed) == (shape, order.index("x") < order.index("y"))


@pytest.mark.parametrize("names", [["x", "z"], ["z", "y"], ["y", "y"], ["x", "X"], ["row", "y"]])
def test_names_that_leave_open_what_is_a_row_are_refused(tmp_path, names):
    refused(zarr(tmp_path, GREY, dimension_names=names), "axes")


@pytest.mark.parametrize("names", [None, [None, None], ["a", "b"], ["y", "x"]])
def test_without_names_the_rows_come_first(tmp_path, names):
    np.testing.assert_array_equal(content(zarr(tmp_path, GREY, dimension_names=names)), GREY)


def test_metadata_that_contradicts_itself_is_refused(tmp_path):
    path = tmp_path / "a.zarr"
    for axes, names, code in (
        ("yx", ["x", "y"], "axes"),
        ("xy", ["y", "x"], "axes"),
        ("cyx", None, "axes"),
        ("y", None, "axes"),
        ("xy", ["x"], "header"),
        ("yx", [3, 4], "header"),
    ):
        group = library.open_group(path, mode="w", zarr_format=3)
        group.create_array("0", data=GREY)
        if names:
            changed(path / "0", dimension_names=names)
        group.update_attributes({"ome": {"multiscales": [{"axes": [{"name": n} for n in axes], "datasets": [{"path": "0"}]}]}})
        refused(path, code)
    for axes in ("yx", {"name": "x"}, 7, [[], []], [7, 8]):
        group.update_attributes({"ome": {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}})
        with suppress(FormatError):
            content(path)


@pytest.mark.parametrize("shape", [(50, 1, 70), (1, 50, 1, 70, 1), (50, 70, 1, 1), (1, 1, 50, 70)])
def test_axes_of_one_place_may_stand_anywhere(tmp_path, shape):
    np.testing.assert_array_equal(content(zarr(tmp_path, GREY.reshape(shape))), GREY)
