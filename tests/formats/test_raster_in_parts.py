"""A row of tiles or chunks that is more than memory may hold: each is decoded once, whatever the parts, and waits on disk."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.formats.raster import segments
from inspection.formats.raster import stream as raster_stream
from inspection.formats.raster.segments import SegmentedStream
from inspection.formats.raster.spool import Spool, from_the_end


class Grid:
    """The pieces of an array; counts how often each is decoded. Those at ``absent`` are not stored."""

    def __init__(self, array, segment, absent=()):
        self.array, self.segment, self.absent, self.decoded = array, segment, absent, []

    def piece(self, row, column):
        self.decoded.append((row, column))
        if (row, column) in self.absent:
            return None
        height, width = self.segment
        whole = np.zeros(self.segment, self.array.dtype)
        inside = self.array[row * height :, column * width :][:height, :width]
        whole[: len(inside), : inside.shape[1]] = inside
        return whole.astype(whole.dtype.newbyteorder(">"))  # as zarr's may be


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    segment=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    band=st.integers(1, 2_000),
    strip=st.integers(1, 2_000),
    backwards=st.booleans(),
    absent=st.booleans(),
)
def test_every_piece_is_decoded_once_and_in_its_place(shape, segment, band, strip, backwards, absent):
    array = np.random.default_rng(0).integers(0, 999, shape, dtype=np.uint16)
    grid = Grid(array, segment, {(0, 0)} if absent else ())
    wanted = array.copy()
    if absent:
        wanted[: segment[0], : segment[1]] = 7
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "BAND_BYTES", band)
        patch.setattr(raster_stream, "STRIP_BYTES", strip)
        stream = SegmentedStream(shape, array.dtype, segment, grid.piece, fill=7)
        for _ in range(2):
            grid.decoded.clear()
            strips = [piece.copy() for piece in stream.strips(backwards=backwards)]
            np.testing.assert_array_equal(np.concatenate(strips[:: -1 if backwards else 1]), wanted)
            assert sorted(grid.decoded) == sorted(set(grid.decoded))
            assert len(stream.notes) == absent
        stream.close()


def test_without_room_on_the_disk_the_pieces_are_decoded_again(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "no space left")

    array = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)
    grid = Grid(array, (40, 25))
    monkeypatch.setattr(segments, "BAND_BYTES", 1_000)
    monkeypatch.setattr(Spool, "put", full)
    stream = SegmentedStream(array.shape, array.dtype, grid.segment, grid.piece)
    np.testing.assert_array_equal(np.concatenate([strip.copy() for strip in stream.strips()]), array)
    assert len(grid.decoded) > 2
    stream.close()


def test_who_stops_in_the_middle_leaves_no_thread_that_still_writes(monkeypatch):
    array = np.zeros((400, 500), np.uint8)
    monkeypatch.setattr(segments, "BAND_BYTES", 1_000)
    monkeypatch.setattr(raster_stream, "STRIP_BYTES", 500)
    grid = Grid(array, (200, 100))
    stream = SegmentedStream(array.shape, array.dtype, grid.segment, grid.piece)
    strips = stream.strips()
    next(strips)
    strips.close()
    before = len(grid.decoded)
    assert sum(len(strip) for strip in stream.strips()) == 400
    assert len(grid.decoded) == before + 10
    stream.close()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_strips_from_the_end_are_the_strips(rows, seed):
    made = [np.random.default_rng(seed).integers(0, 9, (n, 7)) for n in rows]
    for got, wanted in zip(from_the_end(iter(made)), made[::-1], strict=True):
        np.testing.assert_array_equal(got, wanted)
