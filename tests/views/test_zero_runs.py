"""A frame of zero runs is what any zstd decoder takes for those pixels."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numcodecs import Zstd

from inspection.views import zero_runs


@st.composite
def chunks(draw):
    dtype = np.dtype(draw(st.sampled_from(["u1", "<u2", "<u4", "<i8", "<f8"])))
    size = draw(st.one_of(st.integers(1, 40), st.sampled_from([131_071, 131_072, 131_073, 262_144])))
    places = draw(st.lists(st.integers(0, size - 1), max_size=20, unique=True).map(sorted))
    pixels = np.zeros(size, dtype)
    pixels[places] = draw(st.lists(st.integers(0, 100), min_size=len(places), max_size=len(places)))
    return pixels, np.array(places, np.int64)


@given(chunks())
def test_every_decoder_reads_the_pixels(chunk):
    pixels, places = chunk
    frame = zero_runs.frame(places, pixels[places], len(pixels))
    assert pa.Codec("zstd").decompress(frame, pixels.nbytes, asbytes=True) == pixels.tobytes()
    assert bytes(Zstd().decode(frame)) == pixels.tobytes()


@pytest.mark.parametrize("count", [1, zero_runs.MOST])
def test_it_is_about_as_small_as_compressed(count):
    places = np.sort(np.random.default_rng(count).choice(512 * 512, count, replace=False))
    pixels = np.zeros(512 * 512, np.uint8)
    pixels[places] = 1
    frame = zero_runs.frame(places, pixels[places], len(pixels))
    assert len(frame) <= 3 * len(pa.Codec("zstd", 1).compress(pixels.data, asbytes=True))
