"""PNG and JPEG: what has one grey meaning is read, its size is checked before it is decoded, its end is missed."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raster_samples import content

from inspection.errors import FormatError
from inspection.formats.raster import picture, png_blocks
from inspection.formats.raster import stream as raster_stream
from inspection.formats.raster.kinds import open_raster
from inspection.params import Ingest

GREY = np.random.default_rng(3).integers(0, 256, (61, 47), dtype=np.uint8)


def saved(folder, array, ending=".png", options=()):
    path = folder / f"a{ending}"
    assert cv2.imwrite(str(path), array, list(options))
    return path


def notes(path):
    with open_raster(path, Ingest()) as stream:
        list(stream.strips())
        return " ".join(stream.notes)


def block(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(path, rows, columns, pixels, *, bits=8, colour=0, interlaced=0, more=b""):
    head = struct.pack(">IIBBBBB", columns, rows, bits, colour, 0, 0, interlaced)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + block(b"IHDR", head) + more + block(b"IDAT", pixels) + block(b"IEND", b""))
    return path


def refused(path, code):
    with pytest.raises(FormatError) as caught:
        content(path)
    assert caught.value.reason.code == f"raster.{code}", caught.value


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_few_bits_are_read_as_the_reference_spreads_them(tmp_path, bits):
    values = GREY >> (8 - bits)
    bytes_ = np.packbits(np.unpackbits(values[..., None], axis=2)[..., -bits:].reshape(61, -1), axis=1)
    path = png(tmp_path / "a.png", 61, 47, zlib.compress(np.insert(bytes_, 0, 0, axis=1).tobytes()), bits=bits)
    np.testing.assert_array_equal(content(path), values * (255 // ((1 << bits) - 1)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_of_equal_channels_is_grey_without_a_note(tmp_path, dtype):
    grey = GREY.astype(dtype) * (257 if dtype is np.uint16 else 1)
    path = saved(tmp_path, np.dstack([grey] * 3))
    np.testing.assert_array_equal(content(path), grey)
    assert notes(path) == ""


def test_other_colour_becomes_its_luminance_with_a_note(tmp_path):
    colour = np.random.default_rng(4).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    path = saved(tmp_path, colour)
    assert np.abs(content(path).astype(int) - cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY)).max() <= 1
    assert "luminance" in notes(path)


def test_opacity_is_left_out_with_a_note_unless_all_is_opaque(tmp_path):
    path = saved(tmp_path, np.dstack([GREY, GREY, GREY, np.full_like(GREY, 255)]))
    assert notes(path) == ""
    path = saved(tmp_path, np.dstack([GREY, GREY, GREY, GREY]))
    assert "opacity" in notes(path)
    np.testing.assert_array_equal(content(path), GREY)


@pytest.mark.parametrize("colour", [False, True])
def test_jpeg_is_what_the_reference_decodes_and_said_to_be_lossy(tmp_path, colour):
    path = saved(tmp_path, np.dstack([GREY] * 3) if colour else GREY, ".jpg")
    np.testing.assert_array_equal(content(path), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
    assert "JPEG" in notes(path)


@pytest.mark.parametrize("ending", [".png", ".jpg"])
@settings(max_examples=30, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_picture_that_ends_early_is_refused(tmp_path_factory, ending, share):
    path = saved(tmp_path_factory.mktemp("picture"), GREY, ending)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(FormatError):
        content(path)


@pytest.mark.parametrize("rows", [60, 62, 122])
def test_a_png_whose_header_claims_other_rows_is_refused(tmp_path, rows):
    refused(png(tmp_path / "a.png", rows, 47, zlib.compress(np.insert(GREY, 0, 0, axis=1).tobytes())), "damaged")


@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize("colour", [0, 2])
@pytest.mark.parametrize(("rows", "columns"), [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (15_000, 15_000)])
def test_a_png_header_of_many_pixels_is_refused_before_memory_is_taken(tmp_path, rows, columns, colour, interlaced):
    path = png(tmp_path / "a.png", rows, columns, zlib.compress(bytes(2000)), colour=colour, interlaced=interlaced)
    tracemalloc.start()
    with pytest.raises(FormatError, match=r"raster\.(size|header|row|damaged)"), open_raster(path, Ingest(max_file_mb=8_000)) as stream:
        list(stream.strips())
    assert tracemalloc.get_traced_memory()[1] < 36 * 2**20
    tracemalloc.stop()


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    kind=st.sampled_from([(colour, bits) for colour, depths in png_blocks.BITS.items() for bits in depths]),
    strip=st.integers(1, 4_000),
    filters=st.lists(st.integers(0, 4), min_size=1, max_size=9),
    seed=st.integers(0, 2**32),
)
def test_a_large_png_of_any_colour_is_read_row_by_row_as_the_reference_does(tmp_path_factory, shape, kind, strip, filters, seed):
    random, path, (colour, bits) = np.random.default_rng(seed), tmp_path_factory.mktemp("png") / "a.png", kind
    row_bytes = -(-shape[1] * png_blocks.CHANNELS[colour] * bits // 8)
    lines = random.integers(0, 256, (shape[0], 1 + row_bytes), dtype=np.uint8)
    lines[:, 0] = np.resize(filters, shape[0])
    palette = block(b"PLTE", random.bytes(3 << bits)) if colour == png_blocks.PALETTE else b""
    png(path, *shape, zlib.compress(lines.tobytes()), bits=bits, colour=colour, more=palette)
    reference = content(path)  # decoded whole, by OpenCV
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(picture, "WHOLE_BYTES", 0)
        patch.setattr(raster_stream, "STRIP_BYTES", strip)
        patch.setattr(png_blocks, "PIECE", strip // 2 + 1)
        got, by_row = content(path), notes(path)
    np.testing.assert_array_equal(got, reference)
    assert by_row == notes(path)


def test_a_palette_that_lies_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "WHOLE_BYTES", 0)
    lines = zlib.compress(np.insert(GREY, 0, 0, axis=1).tobytes())
    for palette in (b"", block(b"PLTE", b""), block(b"PLTE", bytes(10)), block(b"PLTE", bytes(3 * 257)), block(b"PLTE", bytes(2**20))):
        refused(png(tmp_path / "a.png", 61, 47, lines, colour=3, more=palette), "damaged")


def test_a_large_grey_png_that_lies_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "WHOLE_BYTES", 0)
    lines = np.insert(GREY, 0, 0, axis=1)
    for rows in (60, 62):
        refused(png(tmp_path / "a.png", rows, 47, zlib.compress(lines.tobytes())), "damaged")
    lines[30, 0] = 5
    refused(png(tmp_path / "a.png", 61, 47, zlib.compress(lines.tobytes())), "damaged")
    whole = saved(tmp_path, GREY).read_bytes()
    for cut in (*range(9, len(whole), 61), len(whole) - 1):
        (tmp_path / "a.png").write_bytes(whole[:cut])
        with pytest.raises(FormatError):
            content(tmp_path / "a.png")


def test_a_jpeg_header_of_many_pixels_is_refused(tmp_path):
    path = saved(tmp_path, GREY, ".jpg")
    whole = bytearray(path.read_bytes())
    frame = whole.index(b"\xff\xc0")
    whole[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    path.write_bytes(whole)
    refused(path, "size")


def test_a_png_that_unfolds_to_more_than_its_pixels_is_refused(tmp_path):
    bomb = zlib.compress(bytes(200 * 2**20), 9)
    path = png(tmp_path / "a.png", 61, 47, bomb)
    tracemalloc.start()
    refused(path, "damaged")
    assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()


def test_one_flipped_bit_anywhere_in_a_png_is_noticed(tmp_path):
    path = saved(tmp_path, GREY)
    whole = path.read_bytes()
    for place in range(8, len(whole), 37):
        flipped = bytearray(whole)
        flipped[place] ^= 4
        path.write_bytes(flipped)
        with pytest.raises(FormatError):
            content(path)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(-1, 1))
def test_an_interlaced_png_is_read_when_it_has_all_its_pixels(tmp_path_factory, rows, columns, more):
    # PNG (Third Edition), 8.1: the pixels of each pass by their place in an 8 x 8 pattern.
    pattern = np.array([
        [1, 6, 4, 6, 2, 6, 4, 6], [7] * 8, [5, 6, 5, 6, 5, 6, 5, 6], [7] * 8,
        [3, 6, 4, 6, 3, 6, 4, 6], [7] * 8, [5, 6, 5, 6, 5, 6, 5, 6], [7] * 8,
    ])  # fmt: skip
    grey = GREY[:rows, :columns]
    number = np.tile(pattern, (3, 3))[:rows, :columns]
    lines = [b"\0" + line[which].tobytes() for n in range(1, 8) for line, which in zip(grey, number == n, strict=True) if which.any()]
    pixels = b"".join(lines) + bytes(max(0, more))
    path = png(tmp_path_factory.mktemp("png") / "a.png", rows, columns, zlib.compress(pixels[: len(pixels) + min(0, more)]), interlaced=1)
    if more:
        refused(path, "damaged")
    else:
        np.testing.assert_array_equal(content(path), grey)


def test_an_animation_is_refused(tmp_path):
    from PIL import Image

    path = tmp_path / "a.png"
    Image.fromarray(GREY).save(path, save_all=True, append_images=[Image.fromarray(255 - GREY)])
    refused(path, "pages")
