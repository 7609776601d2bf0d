"""Laws of the pyramid, against a naive reference that holds everything in memory."""

from contextlib import nullcontext

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from views.rasters import ArrayStream, any_nonzero, naive

from inspection.views import pyramid
from inspection.views.pyramid_store import Pyramid
from inspection.views.reduction import shapes_of, stored_sum
from inspection.views.tiling import tile, untile

DTYPES = ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8")


def built(array, folder, strip_rows=7):
    def opened():
        return nullcontext(ArrayStream(array, strip_rows))

    made = pyramid.build(opened, any_nonzero(), folder)
    made.writer.finish("test", 1.0, {"defects": made.defects, "kind": made.kind})
    return made


def matches(made, array, folder):
    """Every level, pixel by pixel, its totals, and what the metadata says."""
    store = Pyramid(folder)
    finest = (array != 0) & (array == array) if made.kind == "counts" else array  # noqa: PLR0124 - NaN
    for level, (sums, peaks) in enumerate(naive(finest, len(store.shapes) - 1)):
        rows, cols = store.shapes[level]
        found = store.window(level, 0, 0, rows, cols), store.window(level, 0, 0, rows, cols, "max")
        np.testing.assert_allclose(found[0].astype(sums.dtype), sums, rtol=1e-12, atol=1e-9)
        np.testing.assert_array_equal(found[1].astype(peaks.dtype), peaks)
        assert made.totals.sums[level] == pytest.approx(sums.sum(), rel=1e-12, abs=1e-6)
        assert (made.totals.peaks[level] or 0) == peaks.max() or made.kind == "counts"


@st.composite
def rasters(draw):
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(st.tuples(st.integers(1, 150), st.integers(1, 150)))
    share = draw(st.sampled_from([0.0, 0.01, 0.04, 0.5, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    array = np.zeros(shape, dtype)
    chosen = rng.random(shape) < share
    low, high = (0, 2) if dtype.kind == "b" else (0 if dtype.kind == "u" else -100, 100)
    array[chosen] = rng.integers(low, high, int(chosen.sum())).astype(dtype)
    if dtype.kind == "f" and draw(st.booleans()):
        array[rng.random(shape) < 0.02] = np.nan
    return np.asfortranarray(array) if draw(st.booleans()) else array


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(array=rasters(), strip_rows=st.integers(1, 200))
def test_every_level_is_that_of_the_naive_reference(tmp_path_factory, array, strip_rows):
    folder = tmp_path_factory.mktemp("p")
    made = built(array, folder, strip_rows)
    assert made.defects == np.count_nonzero((array != 0) & (array == array))  # noqa: PLR0124
    matches(made, array, folder)


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("share", "kind"), [(1e-4, "counts"), (0.03, "counts"), (0.3, "values")])
def test_a_raster_of_several_shards_and_bands(tmp_path, monkeypatch, share, kind, order):
    monkeypatch.setattr(pyramid, "SPARSE_MOST", 20_000)  # 3 % then takes the dense way, as a larger raster would
    rng = np.random.default_rng(3)
    array = np.asarray((rng.random((4_300, 5_001)) < share) * rng.integers(1, 256, (4_300, 5_001)), "u1", order=order)
    made = built(array, tmp_path / "p", 333)
    assert made.kind == kind
    matches(made, array, tmp_path / "p")


def test_both_ways_give_the_same_numbers(tmp_path, monkeypatch):
    array = (np.random.default_rng(0).random((900, 1_500)) < 0.02).astype("u1")
    sparse = built(array, tmp_path / "sparse")
    monkeypatch.setattr(pyramid, "SPARSE_MOST", 10)
    dense = built(array, tmp_path / "dense")
    assert sparse.totals.sums == dense.totals.sums == [array.sum()] * len(sparse.totals.shapes)
    one, other = Pyramid(tmp_path / "sparse"), Pyramid(tmp_path / "dense")
    for level, shape in enumerate(one.shapes):
        for kind in ("sum", "max"):
            np.testing.assert_array_equal(one.window(level, 0, 0, *shape, kind), other.window(level, 0, 0, *shape, kind))


@pytest.mark.slow
@given(places=hnp.arrays(np.int64, st.tuples(st.integers(0, 60), st.just(2)), elements=st.integers(0, 999)), level=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_points_give_the_pyramid_of_their_counts(tmp_path_factory, places, level):
    """The sum of every level is the number of points, and max > 0 exactly where one lies below: also with many in one pixel."""
    folder = tmp_path_factory.mktemp("p")
    places = np.concatenate((places, places[:3], places[:3]))
    made = pyramid.build_from_points(places[:, 0], places[:, 1], (1_000, 1_000), folder)
    made.writer.finish("test", None, {"defects": made.defects, "kind": made.kind})
    counts = np.zeros((1_000, 1_000), np.int64)
    np.add.at(counts, (places[:, 0], places[:, 1]), 1)
    store = Pyramid(folder)
    sums, peaks = naive(counts, level)[level]
    rows, cols = store.shapes[level]
    np.testing.assert_array_equal(store.window(level, 0, 0, rows, cols), sums)
    np.testing.assert_array_equal(store.window(level, 0, 0, rows, cols, "max"), peaks)
    assert made.totals.sums == [len(places)] * len(store.shapes)


@pytest.mark.slow
@given(data=st.data(), level=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_downsampling_commutes_with_cropping_on_the_grid(tmp_path_factory, data, level):
    array = (np.random.default_rng(data.draw(st.integers(0, 99))).random((192, 160)) < 0.3).astype("u1")
    block = 2**level
    row, col = (block * data.draw(st.integers(0, n // block - 1)) for n in array.shape)
    whole, part = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("part")
    built(array, whole)
    built(array[row:, col:], part)
    shape = Pyramid(part).shapes[level]
    cropped = Pyramid(whole).window(level, row // block, col // block, *shape)
    np.testing.assert_array_equal(cropped, Pyramid(part).window(level, 0, 0, *shape))


def test_any_zarr_reader_reads_it(tmp_path):
    """The sparse shards are written by us: the library's own pipeline reads them, not only the fast one."""
    array = (np.random.default_rng(0).random((5_000, 4_200)) < 1e-3).astype("u1")
    built(array, tmp_path / "p")
    group = zarr.open_group(tmp_path / "p", mode="r")
    np.testing.assert_array_equal(group["0"][:], array)
    kinds = group.attrs["ome"]["multiscales"]
    assert [kind["name"] for kind in kinds] == ["test (sum)", "test (max)"]
    for kind in kinds:
        for level, dataset in enumerate(kind["datasets"]):
            scale, *shift = dataset["coordinateTransformations"]
            assert group[dataset["path"]].shape == shapes_of(array.shape)[level]
            assert scale["scale"] == [2.0**level] * 2
            assert [s["translation"] for s in shift] == ([[(2**level - 1) / 2] * 2] if level else [])


def test_empty_chunks_are_not_written(tmp_path):
    array = np.zeros((9_000, 9_000), "u1")
    array[8_999, 0] = 7
    built(array, tmp_path / "p")
    assert len([f for f in (tmp_path / "p" / "0").rglob("*") if f.is_file() and f.name != "zarr.json"]) == 1
    assert sum(f.stat().st_size for f in (tmp_path / "p").rglob("*") if f.is_file()) < 60_000


@given(dtype=st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4"]), level=st.integers(0, 9))
def test_the_stored_type_holds_the_largest_and_smallest_sum(dtype, level):
    limits, held = np.iinfo(dtype), stored_sum(np.dtype(dtype), level)
    for extreme in (limits.min, limits.max):
        total = int(extreme) * 4**level
        assert held.type(total) == total


@pytest.mark.parametrize("dtype", ["u8", "i8", "u4"])
def test_the_sum_of_the_largest_pixels_does_not_wrap_round(tmp_path, dtype):
    limits = np.iinfo(dtype)
    for number, extreme in enumerate({limits.min, limits.max} - {0}):
        made = built(np.full((50, 60), extreme, dtype), tmp_path / f"{number}")
        assert made.totals.sums[0] == 3_000 * int(extreme)
        assert made.totals.sums == pytest.approx([3_000 * float(extreme)] * len(made.totals.sums))


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    channels=st.sampled_from([(), (3,)]),
    data=st.data(),
)
def test_untile_is_the_inverse_of_tile_at_any_stride(shape, channels, data):
    array = np.random.default_rng(0).integers(0, 255, (*shape, *channels))
    side = data.draw(st.integers(1, min(shape)))
    stride = data.draw(st.integers(1, side))
    tiles, corners = tile(array, side, stride)
    np.testing.assert_array_equal(untile(tiles, corners, shape), array)
    for piece, (row, col) in zip(tiles, corners, strict=True):
        np.testing.assert_array_equal(piece, array[row : row + side, col : col + side])


def test_tiles_refuse_a_stride_that_leaves_gaps():
    with pytest.raises(ValueError, match="stride"):
        tile(np.zeros((9, 9)), 3, 4)
