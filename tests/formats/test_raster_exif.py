"""A PNG or JPEG that EXIF turns is given out as it is meant: as Pillow's own ``exif_transpose`` shows it, and as OpenCV does."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from raster_samples import content
from test_raster_picture import block, png, refused

from inspection.formats.raster import picture
from inspection.formats.raster import stream as raster_stream
from inspection.formats.raster.kinds import open_raster
from inspection.params import Ingest


def directory(turned, order=">"):
    """An EXIF directory of one entry."""
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, turned, 0)
    return {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, 1) + entry + bytes(4)


def png_of(path, array, turned, order=">", *, behind=False):
    """A PNG with its EXIF before its pixels, or ``behind`` them."""
    rows = zlib.compress(np.insert(array, 0, 0, axis=1).tobytes())
    exif = block(b"eXIf", directory(turned, order))
    png(path, *array.shape, rows, more=b"" if behind else exif)
    if behind:
        whole = path.read_bytes()
        path.write_bytes(whole[:-12] + exif + whole[-12:])
    return path


def jpeg_of(path, array, turned, order=">", before=b""):
    """A JPEG with its EXIF, as cameras write it, after ``before``."""
    data = cv2.imencode(".jpg", array, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    exif = b"Exif\0\0" + directory(turned, order)
    path.write_bytes(data[:2] + before + b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif + data[2:])
    return path


def shown(path):
    """The picture as Pillow turns it."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image))


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    turned=st.integers(1, 8),
    kind=st.sampled_from(["png", "png, EXIF behind the pixels", "large png", "large png, EXIF behind the pixels", "jpeg"]),
    order=st.sampled_from("<>"),
    strip=st.integers(1, 900),
    seed=st.integers(0, 2**32),
)
def test_every_orientation_is_what_the_reference_shows(tmp_path_factory, shape, turned, kind, order, strip, seed):
    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path_factory.mktemp("exif") / "a.bin"
    if kind == "jpeg":
        jpeg_of(path, array, turned, order)
    else:
        png_of(path, array, turned, order, behind="behind" in kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raster_stream, "STRIP_BYTES", strip)
        patch.setattr(picture, "WHOLE_BYTES", 0 if "large" in kind else 2**20)
        got = content(path)
        with open_raster(path, Ingest()) as stream:
            assert stream.shape == got.shape
            assert stream.transposed == (turned > 4)
    np.testing.assert_array_equal(got, shown(path))
    if "behind" not in kind:  # which OpenCV does not look for there
        np.testing.assert_array_equal(got, cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))


@pytest.mark.parametrize("turned", [3, 6, 8])
def test_colour_and_its_notes_are_turned_too(tmp_path, turned):
    colour = np.random.default_rng(1).integers(0, 256, (40, 70, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = turned
    Image.fromarray(colour).save(tmp_path / "a.png", exif=exif)
    wanted = cv2.cvtColor(shown(tmp_path / "a.png"), cv2.COLOR_RGB2GRAY).astype(int)
    assert np.abs(content(tmp_path / "a.png") - wanted).max() <= 1
    with open_raster(tmp_path / "a.png", Ingest()) as stream:
        assert "luminance" in " ".join(stream.notes)


@pytest.mark.parametrize("turned", [0, 9, 65_535])
def test_a_corner_that_there_is_not_is_refused(tmp_path, turned):
    array = np.zeros((8, 12), np.uint8)
    refused(png_of(tmp_path / "a.png", array, turned), "orientation")
    refused(jpeg_of(tmp_path / "a.jpg", array, turned), "orientation")


def test_what_only_looks_like_exif_turns_nothing(tmp_path):
    array = np.arange(96, dtype=np.uint8).reshape(8, 12)
    text = block(b"tEXt", b"Comment\0eXIf" + directory(6) + b"Exif\0\0" + directory(6))
    path = png(tmp_path / "a.png", 8, 12, zlib.compress(np.insert(array, 0, 0, axis=1).tobytes()), more=text)
    np.testing.assert_array_equal(content(path), array)
    comment = b"Exif\0\0" + directory(6)
    path = jpeg_of(tmp_path / "a.jpg", array, 1, before=b"\xff\xfe" + struct.pack(">H", 2 + len(comment)) + comment)
    assert content(path).shape == (8, 12)


def test_exif_that_is_no_directory_turns_nothing(tmp_path):
    array = np.arange(96, dtype=np.uint8).reshape(8, 12)
    rows = zlib.compress(np.insert(array, 0, 0, axis=1).tobytes())
    for junk in (b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", bytes(2**17), directory(6)[2:]):
        np.testing.assert_array_equal(content(png(tmp_path / "a.png", 8, 12, rows, more=block(b"eXIf", junk))), array)
