"""The contract of a raster stream, held by every kind of file: the pixels that the kind's own writer was given, or an error."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raster_samples import KINDS, content, npy

from inspection.errors import FormatError, UnknownFormatError
from inspection.formats import table
from inspection.formats.raster import segments
from inspection.formats.raster import stream as raster_stream
from inspection.formats.raster.kinds import open_raster
from inspection.params import Ingest

pytestmark = pytest.mark.slow  # every kind of raster many times
ANY_KIND = pytest.mark.parametrize("kind", list(KINDS))
SOME = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def numbers(shape, dtype, seed=0):
    """Any values of a type; floats with NaN and infinity."""
    random, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind == "b":
        return random.random(shape) < 0.5
    if dtype.kind != "f":
        return np.frombuffer(random.bytes(shape[0] * shape[1] * dtype.itemsize), dtype).reshape(shape)
    array = random.normal(size=shape).astype(dtype)
    array[random.random(shape) < 0.1] = np.nan
    array[random.random(shape) < 0.1] = -np.inf
    return array


@ANY_KIND
@SOME
@given(data=st.data(), shape=st.tuples(st.integers(1, 70), st.integers(1, 70)), seed=st.integers(0, 2**32))
def test_the_strips_laid_together_are_the_picture(tmp_path_factory, kind, data, shape, seed):
    array = numbers(shape, data.draw(st.sampled_from(KINDS[kind].dtypes)), seed)
    path = KINDS[kind].write(tmp_path_factory.mktemp("raster"), array)
    with open_raster(path, Ingest()) as stream:
        assert stream.shape == shape
        # An array of one row or column lies alike in both orders.
        assert stream.transposed == KINDS[kind].transposed or min(shape) == 1
    np.testing.assert_array_equal(content(path), array)


@ANY_KIND
@SOME
@given(strip=st.integers(1, 3_000), band=st.integers(300, 3_000))
def test_however_small_the_strips_the_picture_is_the_same(tmp_path_factory, monkeypatch, kind, strip, band):
    array = numbers((67, 41), KINDS[kind].dtypes[-1], 5)
    path = KINDS[kind].write(tmp_path_factory.mktemp("raster"), array)
    with monkeypatch.context() as patch:
        patch.setattr(raster_stream, "STRIP_BYTES", strip)
        patch.setattr(segments, "BAND_BYTES", band)
        patch.setattr(segments, "MAX_PASSES", 2**20)
        with open_raster(path, Ingest()) as stream:
            row = stream.shape[stream.transposed ^ 1] * stream.dtype.itemsize
            assert all(len(s) == 1 or s.nbytes <= max(strip, row) for s in stream.strips())
        np.testing.assert_array_equal(content(path), array)


@ANY_KIND
def test_a_stream_can_be_read_twice_and_left_in_the_middle(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(raster_stream, "STRIP_BYTES", 500)
    array = numbers((60, 50), "uint8", 2)
    path = KINDS[kind].write(tmp_path, array) if "uint8" in KINDS[kind].dtypes else npy(tmp_path, array)
    with open_raster(path, Ingest()) as stream:
        next(iter(stream.strips()))
        again = np.concatenate([strip.copy() for strip in stream.strips()])
        next(iter(stream.strips()))
    np.testing.assert_array_equal(again.T if stream.transposed else again, array)


def parts(path):
    """Where the bytes of a raster lie."""
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


@ANY_KIND
@SOME
@given(data=st.data())
def test_a_truncated_raster_is_refused_and_never_part_of_a_picture(tmp_path_factory, kind, data):
    array = numbers((40, 50), KINDS[kind].dtypes[-1], 9)
    path = KINDS[kind].write(tmp_path_factory.mktemp("raster"), array)
    part = data.draw(st.sampled_from(parts(path)))
    whole = part.read_bytes()
    part.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    try:
        got = content(path)
    except FormatError:
        return
    # Nothing that bears pixels was lost: the padding of the last tile, an attribute.
    np.testing.assert_array_equal(got, array)


@ANY_KIND
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_flipped_bits_give_pixels_of_the_promised_shape_or_a_format_error(tmp_path_factory, kind, data):
    array = numbers((40, 50), KINDS[kind].dtypes[0], 9)
    path = KINDS[kind].write(tmp_path_factory.mktemp("raster"), array)
    part = data.draw(st.sampled_from(parts(path)))
    flipped = bytearray(part.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.one_of(st.integers(0, len(flipped) - 1), st.integers(0, min(200, len(flipped) - 1))))
        flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    part.write_bytes(flipped)
    with suppress(FormatError):
        content(path)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(40))
def test_no_damage_crashes_any_kind(tmp_path, seed):
    random = np.random.default_rng(seed)
    for name, kind in KINDS.items():
        (folder := tmp_path / name).mkdir()
        path = kind.write(folder, numbers((40, 50), random.choice(kind.dtypes), seed))
        wholes = {part: part.read_bytes() for part in parts(path)}
        for _ in range(15):
            part = list(wholes)[random.integers(len(wholes))]
            damaged = bytearray(wholes[part])
            for place in random.integers(0, len(damaged), random.integers(1, 12)) // random.choice([1, 8]):
                damaged[place] = random.choice([0, 1, 127, 255, damaged[place] ^ 16])
            part.write_bytes(damaged[: random.integers(1, len(damaged) + 1)] if random.random() < 0.3 else damaged)
            with suppress(FormatError):
                content(path, Ingest(max_file_mb=64))
            part.write_bytes(wholes[part])
        np.testing.assert_array_equal(content(path).shape, (40, 50))


@ANY_KIND
@settings(max_examples=5, deadline=None)
@given(head=st.integers(0, 300), junk=st.binary(max_size=300))
def test_junk_after_a_true_beginning_never_crashes(tmp_path_factory, kind, head, junk):
    path = KINDS[kind].write(tmp_path_factory.mktemp("raster"), numbers((20, 30), KINDS[kind].dtypes[0], 1))
    part = parts(path)[-1]
    part.write_bytes(part.read_bytes()[:head] + junk)
    with suppress(FormatError):
        content(path)


@ANY_KIND
def test_an_empty_file_is_refused(tmp_path, kind):
    path = KINDS[kind].write(tmp_path, numbers((20, 30), KINDS[kind].dtypes[0], 1))
    for part in parts(path):
        part.write_bytes(b"")
    with pytest.raises(FormatError):
        content(path)


@ANY_KIND
def test_the_table_reads_every_kind_as_points(tmp_path, kind):
    if "uint8" not in KINDS[kind].dtypes:
        pytest.skip("a kind of floats or wide integers only")
    array = np.zeros((60, 80), np.uint8)
    array[3, 70], array[59, 0] = 200, 90
    path = KINDS[kind].write(tmp_path, array)
    sidecar = next(iter(tmp_path.glob("*.yaml")), path.with_name(path.name + ".yaml"))
    said = yaml.safe_load(sidecar.read_text()) if sidecar.exists() else {}
    sidecar.write_text(yaml.safe_dump(said | {"lot": "L1", "pixel_um": 100.0, "threshold": 100}))
    assert table.recognise(path).name == "raster"
    (wafer,) = table.read(path, Ingest())
    assert wafer.map.info.lot == "L1"
    assert wafer.map.xy_um.tolist() == [[(70.5 - 40) * 100, (30 - 3.5) * 100]]


def test_a_folder_that_is_no_store_and_a_missing_file_are_told_apart_from_rasters(tmp_path):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "none"):
        with pytest.raises(UnknownFormatError, match=r"raster\.unknown"):
            open_raster(path, Ingest())


@pytest.mark.parametrize("kind", ["npy", "raw", "tiff", "tiff-deflate-strips", "png", "zarr-v2", "zarr-v3"])
def test_more_pixels_than_the_limit_are_refused(tmp_path, kind):
    options = {"chunks": (500, 500)} if "zarr" in kind else {}
    path = KINDS[kind].write(tmp_path, np.zeros((1500, 1000), KINDS[kind].dtypes[0]), **options)
    content(path, Ingest(max_file_mb=2))
    with pytest.raises(FormatError, match=r"raster\.size"):
        content(path, Ingest(max_file_mb=1))


@ANY_KIND
def test_no_file_is_left_open(tmp_path, kind):
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("no list of open files on this system")
    path = KINDS[kind].write(tmp_path, numbers((20, 30), KINDS[kind].dtypes[0], 1))
    content(path)
    assert not [d for d in descriptors.iterdir() if d.is_symlink() and str(tmp_path) in str(d.readlink())]
