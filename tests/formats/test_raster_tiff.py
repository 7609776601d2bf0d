"""TIFF as others write it, held against tifffile's own reader; and TIFF that lies."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from raster_samples import content

from inspection.errors import FormatError
from inspection.formats.raster.kinds import open_raster
from inspection.params import Ingest

RANDOM = np.random.default_rng(11)
GREY = RANDOM.integers(0, 200, (90, 110), dtype=np.uint8)


def written(folder, *pages, name="a.tif", **options):
    path = folder / name
    with tifffile.TiffWriter(path, bigtiff=options.pop("bigtiff", False), byteorder=options.pop("byteorder", "<")) as file:
        for page, own in pages:
            file.write(page, **{"photometric": "minisblack", "metadata": None} | options | own)
    return path


def refused(path, code, limits=None):
    with pytest.raises(FormatError) as caught:
        content(path, limits)
    assert caught.value.reason.code == f"raster.{code}", caught.value


def handmade(path, tags, data=b"", order="<", next_page=0, places=()):
    """A TIFF file of the tags (code, type, values); the value of a code in ``places`` is where ``data`` begins."""
    formats = {1: "B", 3: "H", 4: "I", 16: "Q"}
    body, extra = b"", b""
    extra_at = 8 + 2 + 12 * len(tags) + 4
    for code, kind, given_values in tags:
        values = [extra_at] if code in places else given_values
        packed = struct.pack(f"{order}{len(values)}{formats[kind]}", *values)
        if len(packed) > 4:
            packed, extra = struct.pack(order + "I", extra_at + len(data) + len(extra)), extra + packed
        body += struct.pack(order + "HHI", code, kind, len(values)) + packed.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", len(tags))
    path.write_bytes(head + body + struct.pack(order + "I", next_page) + data + extra)
    return path


def grey_tags(rows, columns, size, **changed):
    tags = {256: columns, 257: rows, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: rows, 279: size} | {
        int(k[1:]): v for k, v in changed.items()
    }
    return [(code, 4, value if isinstance(value, list) else [value]) for code, value in sorted(tags.items()) if value is not None]


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    bits=st.sampled_from([1, 2, 4, 6, 8, 10, 12, 14, 16]),
    order=st.sampled_from("<>"),
    compression=st.sampled_from([None, "deflate", "lzw", "packbits", "zstd"]),
    layout=st.sampled_from([{}, {"rowsperstrip": 7}, {"rowsperstrip": 1}, {"tile": (16, 32)}]),
    white=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_any_depth_of_bits_from_black_or_from_white(tmp_path_factory, shape, bits, order, compression, layout, white, seed):
    array = np.random.default_rng(seed).integers(0, 1 << bits, shape, dtype=np.uint8 if bits <= 8 else np.uint16)
    array = array.astype(bool) if bits == 1 else array
    compression = compression if bits in {1, 8, 16} else None  # tifffile writes no other
    order = order if bits in {1, 8, 16} else "<"  # and turns the bytes of packed pixels, which TIFF 6.0 does not
    options = {"photometric": "miniswhite" if white else "minisblack", "compression": compression, **layout}
    path = written(tmp_path_factory.mktemp("tiff"), (array, {"bitspersample": bits}), byteorder=order, **options)
    assert np.array_equal(tifffile.imread(path), array)
    got = content(path)
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, ((1 << bits) - 1 - array if bits > 1 else ~array) if white else array)


@pytest.mark.parametrize("layout", [{"tile": (32, 48)}, {"rowsperstrip": 16}, {}])
@pytest.mark.parametrize("white", [False, True])
def test_jpeg_in_tiff_is_what_the_reference_reader_gives(tmp_path, layout, white):
    path = written(tmp_path, (GREY, {}), compression="jpeg", photometric="miniswhite" if white else "minisblack", **layout)
    wanted = tifffile.imread(path)
    np.testing.assert_array_equal(content(path), 255 - wanted if white else wanted)


def test_jpeg_in_tiff_without_its_end_is_refused(tmp_path):
    path = written(tmp_path, (GREY, {}), compression="jpeg")
    with tifffile.TiffFile(path) as file:
        offset, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    whole = bytearray(path.read_bytes())
    whole[offset + count // 2 : offset + count] = bytes(count - count // 2)
    path.write_bytes(whole)
    refused(path, "damaged")


def test_smaller_versions_and_masks_are_passed_over(tmp_path):
    path = written(tmp_path, (GREY, {}), (GREY[::2, ::2], {"subfiletype": 1}), (GREY > 9, {"subfiletype": 4}))
    with open_raster(path, Ingest()) as stream:
        assert stream.notes == ()
    np.testing.assert_array_equal(content(path), GREY)


def test_a_pyramid_below_its_page_is_passed_over(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(GREY, subifds=1, photometric="minisblack", tile=(32, 32))
        file.write(GREY[::2, ::2], subfiletype=1, photometric="minisblack", tile=(32, 32))
    np.testing.assert_array_equal(content(path), GREY)


def test_colour_beside_the_grey_page_is_left_out_with_a_note(tmp_path):
    colour = np.zeros((20, 30, 3), np.uint8)
    path = written(tmp_path, (colour, {"photometric": "rgb"}), (GREY, {}))
    np.testing.assert_array_equal(content(path), GREY)
    with open_raster(path, Ingest()) as stream:
        assert "1 colour page" in stream.notes[0]


def test_what_has_no_clear_meaning_is_refused_with_the_reason(tmp_path):
    colour = np.zeros((20, 30, 3), np.uint8)
    refused(written(tmp_path, (GREY, {}), (GREY, {})), "pages")
    refused(written(tmp_path, (colour, {"photometric": "rgb"}), (colour, {"photometric": "rgb"})), "pages")
    refused(written(tmp_path, (colour.astype(np.float32), {"photometric": "rgb"})), "photometric")
    Image.fromarray(np.dstack([colour, GREY[:20, :30]])).save(tmp_path / "a.tif", compression="jpeg")
    refused(tmp_path / "a.tif", "compression")
    refused(written(tmp_path, (colour[..., :2], {"planarconfig": "contig"})), "channels")
    refused(written(tmp_path, (GREY, {"compression": "jpegxl"})), "compression")
    refused(written(tmp_path, (GREY, {"extratags": [(274, 3, 1, 9, True)]})), "orientation")
    refused(written(tmp_path, (GREY.astype(np.float32), {"photometric": "miniswhite"})), "photometric")
    refused(written(tmp_path, (GREY.astype(np.complex64), {})), "header")


def test_bits_in_reversed_order_are_turned(tmp_path):
    turned = np.array([int(f"{n:08b}"[::-1], 2) for n in range(256)], np.uint8)[GREY]
    path = handmade(tmp_path / "a.tif", grey_tags(90, 110, 9_900, _266=2), turned.tobytes(), places=(273,))
    np.testing.assert_array_equal(content(path), GREY)


@pytest.mark.parametrize("order", "<>")
def test_a_file_of_the_fewest_tags_is_read(tmp_path, order):
    tags = grey_tags(90, 110, None, _277=None, _278=None, _279=None)
    path = handmade(tmp_path / "a.tif", tags, GREY.tobytes(), order=order, places=(273,))
    np.testing.assert_array_equal(content(path), GREY)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"_256": 2**20, "_257": 2**20}, "size"),
        ({"_256": 2**31, "_257": 2**31}, "header"),
        ({"_256": 0}, "header"),
        ({"_257": 91, "_278": 91}, "truncated"),
        ({"_256": 2**30, "_257": 1, "_278": 1}, "row"),
        ({"_273": 2**31}, "truncated"),
        ({"_273": 0}, "truncated"),
        ({"_279": 0}, "truncated"),
        ({"_273": 0, "_279": 0}, "truncated"),
        ({"_279": 9_899}, "truncated"),
        ({"_279": 2**31}, "truncated"),
        ({"_278": 45}, "header"),
        ({"_278": 0}, "header"),
        ({"_258": 7}, "header"),
        ({"_258": 32}, "truncated"),
        ({"_339": 3}, "header"),
        ({"_259": 34_712}, "compression"),
        ({"_259": 8}, "damaged"),
        ({"_259": 5}, "damaged"),
        ({"_259": 50_000}, "damaged"),
        ({"_259": 7}, "damaged"),
        ({"_317": 4}, "compression"),
        ({"_317": 3}, "compression"),
        ({"_254": 1}, "channels"),
        ({"_262": 3}, "channels"),
        ({"_277": 3}, "channels"),
        ({"_322": 16, "_323": 16, "_324": 8, "_325": 256}, "header"),
        ({"_322": 2**17, "_323": 2**16, "_324": 8, "_325": 256}, "truncated"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path, changed, code):
    places = () if "_273" in changed else (273,)
    refused(handmade(tmp_path / "a.tif", grey_tags(90, 110, 9_900, **changed), GREY.tobytes(), places=places), code)


def test_two_to_the_forty_pixels_in_two_hundred_bytes_are_refused(tmp_path):
    path = handmade(tmp_path / "a.tif", grey_tags(2**20, 2**20, 30, _259=8), b"x" * 30, places=(273,))
    assert path.stat().st_size < 200
    refused(path, "size")
    refused(path, "segment", Ingest(max_file_mb=2**21))


def test_pages_in_a_circle_end(tmp_path):
    refused(handmade(tmp_path / "a.tif", grey_tags(90, 110, 9_900), GREY.tobytes(), next_page=8, places=(273,)), "header")


def test_strips_that_overlap_are_refused(tmp_path):
    # One strip of bytes named a thousand times would unfold to a thousand times its size.
    tags = grey_tags(1000, 110, 0, _278=1, _273=[8] * 1000, _279=[5000] * 1000, _259=8)
    refused(handmade(tmp_path / "a.tif", tags, bytes(6_000)), "truncated")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"]))
def test_junk_behind_a_true_beginning_is_refused(tmp_path_factory, junk, head):
    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    path.write_bytes((head + junk).ljust(16, b"\1"))
    with pytest.raises(FormatError):
        content(path)
