"""One picture in any dialect of TIFF - colours, planes, corner, compression, layout - is the same picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from raster_samples import content

from inspection.errors import FormatError
from inspection.formats.raster import tiff_layout
from inspection.formats.raster.kinds import open_raster
from inspection.params import Ingest

RANDOM = np.random.default_rng(12)
GREY = RANDOM.integers(0, 200, (90, 110), dtype=np.uint8)
MODELS = ("grey", "grey and opacity", "colour", "colour and opacity", "colour in planes", "palette")
COMPRESSIONS = (None, "deflate", "lzw", "packbits", "zstd", "lzma")
LAYOUTS = ({}, {"rowsperstrip": 7}, {"rowsperstrip": 1}, {"tile": (16, 48)})


def written(path, grey, model, **options):
    """``grey`` as tifffile writes it in a colour model whose luminance it is."""
    alpha = RANDOM.integers(0, 250, grey.shape).astype(grey.dtype)
    options = {"metadata": None, "photometric": "minisblack"} | options
    if model == "grey and opacity":
        array, more = np.dstack([grey, alpha]), {"planarconfig": "contig", "extrasamples": ["unassalpha"]}
    elif model == "colour":
        array, more = np.dstack([grey] * 3), {"photometric": "rgb"}
    elif model == "colour and opacity":
        array, more = np.dstack([grey, grey, grey, alpha]), {"photometric": "rgb", "extrasamples": ["unassalpha"]}
    elif model == "colour in planes":
        array, more = np.stack([grey] * 3), {"photometric": "rgb", "planarconfig": "separate"}
    elif model == "palette":  # each number stands for 255 less itself
        array, more = 255 - grey, {"photometric": "palette", "colormap": np.stack([np.arange(255, -1, -1) * 257] * 3).astype(np.uint16)}
    else:
        array, more = grey, {}
    tifffile.imwrite(path, array, **options | more)
    return path


def notes(path):
    with open_raster(path, Ingest()) as stream:
        list(stream.strips())
        return " ".join(stream.notes)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    model=st.sampled_from(MODELS),
    wide=st.booleans(),
    compression=st.sampled_from(COMPRESSIONS),
    predicted=st.booleans(),
    layout=st.sampled_from(LAYOUTS),
    order=st.sampled_from("<>"),
    big=st.booleans(),
    part=st.sampled_from((50, 700, 2**21)),
    seed=st.integers(0, 2**32),
)
def test_any_colour_model_of_a_grey_picture_is_the_picture(
    tmp_path_factory, shape, model, wide, compression, predicted, layout, order, big, part, seed
):
    dtype = np.uint16 if wide and model != "palette" else np.uint8
    grey = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    options = {"compression": compression, "byteorder": order, "bigtiff": big} | layout
    if predicted and compression not in {None, "packbits"}:
        options["predictor"] = 2
    path = written(tmp_path_factory.mktemp("tiff") / "a.tif", grey, model, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiff_layout, "_PART_BYTES", part)
        got = content(path)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, grey)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    orientation=st.integers(1, 8),
    model=st.sampled_from(("grey", "colour", "palette")),
    compression=st.sampled_from((None, "deflate", "lzw")),
    layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 2**32),
)
def test_any_first_corner_is_turned_as_the_reference_turns_it(tmp_path_factory, shape, orientation, model, compression, layout, seed):
    stored = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    written(path, stored, model, compression=compression, extratags=[(274, 3, 1, orientation, True)], **layout)
    exif = Image.Exif()
    exif[274] = orientation
    reference = Image.fromarray(stored)
    reference.info["exif"] = exif.tobytes()
    from PIL import ImageOps

    wanted = np.asarray(ImageOps.exif_transpose(reference))
    with open_raster(path, Ingest()) as stream:
        assert stream.shape == wanted.shape
    np.testing.assert_array_equal(content(path), wanted)


@pytest.mark.parametrize("compression", [None, "lzw", "jpeg"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_becomes_the_luminance_of_the_reference_with_a_note(tmp_path, dtype, compression):
    if compression == "jpeg" and dtype is np.uint16:
        pytest.skip("JPEG has 8 bits")
    colour = RANDOM.integers(0, np.iinfo(dtype).max, (50, 40, 3), dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", colour, photometric="rgb", compression=compression, metadata=None)
    wanted = cv2.cvtColor(tifffile.imread(tmp_path / "a.tif"), cv2.COLOR_RGB2GRAY)
    assert np.abs(content(tmp_path / "a.tif").astype(int) - wanted).max() <= 1
    assert "luminance" in notes(tmp_path / "a.tif")
    assert ("JPEG" in notes(tmp_path / "a.tif")) == (compression == "jpeg")


def test_a_palette_of_colours_is_what_the_reference_shows(tmp_path):
    image = Image.fromarray(RANDOM.integers(0, 256, (50, 40, 3), dtype=np.uint8)).quantize(17)
    image.save(tmp_path / "a.tif")
    wanted = cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2GRAY)
    assert np.abs(content(tmp_path / "a.tif").astype(int) - wanted).max() <= 1


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.booleans(), st.integers(0, 2**32))
def test_bits_in_group_4_are_what_the_reference_reads(tmp_path_factory, rows, columns, white, seed):
    path = tmp_path_factory.mktemp("fax") / "a.tif"
    bits = np.random.default_rng(seed).random((rows, columns)) < 0.2
    Image.fromarray(bits).save(path, compression="group4", tiffinfo={262: 0} if white else {})
    np.testing.assert_array_equal(content(path), np.asarray(Image.open(path)))


def test_group_4_without_its_end_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(GREY > 100).save(path, compression="group4")
    with tifffile.TiffFile(path) as file:
        offset, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    whole = bytearray(path.read_bytes())
    whole[offset + count // 2 : offset + count] = bytes(count - count // 2)
    path.write_bytes(whole)
    with pytest.raises(FormatError, match=r"raster\.damaged"):
        content(path)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    present=st.floats(0, 1),
    compression=st.sampled_from(COMPRESSIONS),
    white=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_tiles_that_are_not_stored_are_zero_as_the_reference_has_it(tmp_path_factory, shape, present, compression, white, seed):
    random, path = np.random.default_rng(seed), tmp_path_factory.mktemp("sparse") / "a.tif"
    count = -(-shape[0] // 16) * -(-shape[1] // 16)
    # The first one is always there: tifffile does not write a page without any.
    tiles = [random.integers(1, 256, (16, 16), dtype=np.uint8) if random.random() < present or not i else None for i in range(count)]
    options = {"photometric": "miniswhite" if white else "minisblack", "compression": compression, "metadata": None}
    tifffile.imwrite(path, iter(tiles), shape=shape, dtype=np.uint8, tile=(16, 16), **options)
    wanted = tifffile.imread(path)
    np.testing.assert_array_equal(content(path), 255 - wanted if white else wanted)
    absent = sum(tile is None for tile in tiles)
    assert (f"{absent} of {count} chunks are not stored" in notes(path)) == (absent > 0)


@pytest.mark.parametrize("steps", [(1, 2, 4), (4, 1, 2), (1, 3), (1, 1), (1, 2, 2)])
def test_pages_of_which_all_are_smaller_versions_of_one_have_one_meaning(tmp_path, steps):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for step in steps:
            file.write(GREY[::step, ::step], metadata=None, photometric="minisblack")
    if steps in {(1, 2, 4), (4, 1, 2)}:
        np.testing.assert_array_equal(content(tmp_path / "a.tif"), GREY)
        assert "smaller versions" in notes(tmp_path / "a.tif")
    else:
        with pytest.raises(FormatError, match=r"raster\.pages"):
            content(tmp_path / "a.tif")


def test_an_ome_tiff_with_a_pyramid_is_its_full_picture(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(GREY, subifds=2, tile=(32, 32), resolution=(1e4, 1e4), metadata={"axes": "YX", "PhysicalSizeX": 1.0})
        for step in (2, 4):
            file.write(GREY[::step, ::step], subfiletype=1, tile=(32, 32))
    np.testing.assert_array_equal(content(path), GREY)


@settings(max_examples=20, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    bits=st.sampled_from((1, 4, 8, 12, 16)),
    rows=st.integers(1, 90),
    part=st.integers(1, 400),
    seed=st.integers(0, 2**32),
)
def test_long_strips_without_compression_are_read_in_parts(tmp_path_factory, shape, bits, rows, part, seed):
    array = np.random.default_rng(seed).integers(0, 1 << bits, shape, dtype=np.uint8 if bits <= 8 else np.uint16)
    array = array.astype(bool) if bits == 1 else array
    path = tmp_path_factory.mktemp("parts") / "a.tif"
    tifffile.imwrite(path, array, bitspersample=bits, rowsperstrip=min(rows, shape[0]), metadata=None, photometric="miniswhite")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiff_layout, "_PART_BYTES", part)
        got = content(path)
    np.testing.assert_array_equal(got, ~array if bits == 1 else (1 << bits) - 1 - array)


@pytest.mark.parametrize("imagej", [True, False])
def test_pictures_behind_each_other_in_one_page_are_refused(tmp_path, imagej):
    stack = np.stack([GREY, GREY + 1, GREY + 2])
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=imagej, photometric="minisblack")
    whole = tmp_path / "b.tif"
    options = {} if imagej else {"metadata": {"truncated": True}}  # as they are for stacks of more than 4 GB
    tifffile.imwrite(whole, stack, imagej=imagej, photometric="minisblack", truncate=True, **options)
    with tifffile.TiffFile(whole) as file:
        assert len(file.pages) == 1
        assert file.series[0].shape == stack.shape
    for path in (tmp_path / "a.tif", whole):
        with pytest.raises(FormatError, match=r"raster\.pages"):
            content(path)
    tifffile.imwrite(whole, GREY, imagej=imagej, photometric="minisblack")
    np.testing.assert_array_equal(content(whole), GREY)
