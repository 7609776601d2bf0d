"""Objects of a huge image: each counted once, whatever the size of the blocks; at its border, and in a pyramid on disk."""

from __future__ import annotations

import numpy as np
import pytest
from counted_scenes import NAMES, patch_classifier, scene

from inspection.errors import InputError
from inspection.evaluation.counting import Counted, against_truth, count_objects, read_pyramid


@pytest.fixture(scope="module")
def classifier():
    from inspection.models.convolutional import convolutional

    return convolutional(patch_classifier(channels=1))


def reader(image):
    def read(row, col, rows, cols):
        assert 0 <= row <= row + rows <= image.shape[0]
        assert 0 <= col <= col + cols <= image.shape[1]
        return image[row : row + rows, col : col + cols]

    return read


def count(image, classifier, **more):
    return count_objects(reader(image), image.shape[:2], classifier, NAMES, threshold=0.5, **more)


@pytest.mark.slow
def test_the_count_is_right_and_each_object_is_found_where_it_is(classifier):
    image, centres, classes = scene(400, 520, 110, seed=7)
    counted = count(image, classifier, block_px=256)
    for row in against_truth(counted, centres, classes, reach_px=4):
        assert abs(row.error) <= 0.03, row
        assert row.matched >= 0.97 * row.true, row
    assert sum(counted.counts.values()) == len(counted.boxes)


@pytest.mark.slow
def test_the_result_is_the_same_whatever_the_size_of_the_blocks(classifier):
    image, _, _ = scene(215, 190, 45, seed=3)
    whole = count(image, classifier, block_px=4096)
    assert len(whole.boxes) > 20
    for block_px in (21, 53, 100):
        found = count(image, classifier, block_px=block_px)
        np.testing.assert_array_equal(found.boxes, whole.boxes)
        np.testing.assert_array_equal(found.classes, whole.classes)
        np.testing.assert_allclose(found.scores, whole.scores, atol=1e-3)


@pytest.mark.slow
def test_a_pyramid_on_disk_gives_the_same_as_the_array_and_is_read_in_blocks(classifier, tmp_path):
    from inspection.views.pyramid_store import LevelSpec, Pyramid, PyramidWriter

    image, _, _ = scene(150, 170, 30, seed=5)
    kind = np.dtype(np.uint8)
    writer = PyramidWriter(tmp_path / "p", [LevelSpec(image.shape[:2], kind, kind)], (512, 512))
    writer.write_rows(0, 0, image[..., 0], image[..., 0])
    writer.finish("scene", None, {"kind": "values"})
    pyramid = Pyramid(tmp_path / "p")
    told, read_px = [], []
    read = read_pyramid(pyramid)

    def watched(row, col, rows, cols):
        read_px.append(rows * cols)
        return read(row, col, rows, cols)

    found = count_objects(watched, pyramid.shapes[0], classifier, NAMES, block_px=64, progress=lambda *done: told.append(done))
    whole = count(image, classifier)
    np.testing.assert_array_equal(found.boxes, whole.boxes)
    assert told[-1][0] == told[-1][1] == len(told)
    assert max(read_px) <= (64 + 2 * classifier.stride_px) ** 2


class Lookup:
    """A classifier whose answer is written in the image: a window's class is the value of its middle pixel."""

    window_px, stride_px, classes = 8, 1, 3

    def places(self, size_px):
        return max(0, size_px - self.window_px + 1)

    def __call__(self, image):
        middle = image[4 : 4 + self.places(image.shape[0]), 4 : 4 + self.places(image.shape[1]), 0]
        logits = np.zeros((*middle.shape, 3), np.float32)
        logits[..., 0] = 5
        label = np.minimum(middle // 100, 2)
        np.put_along_axis(logits, label[..., None].astype(int), 5.0 + middle[..., None] / 50.0, axis=-1)
        return logits


def marks(rows, cols, places, value=150):
    image = np.zeros((rows, cols, 1), np.uint8)
    for row, col in places:
        image[row, col] = value
    return image


@pytest.mark.parametrize("block_px", [9, 10, 16, 1000])
def test_an_object_on_any_border_of_blocks_and_of_the_image_is_counted_once(block_px):
    places = [(row, col) for row in range(0, 41, 10) for col in range(0, 41, 10)]
    found = count(marks(41, 41, places), Lookup(), block_px=block_px)
    assert sorted(map(tuple, found.centres.astype(int).tolist())) == places
    assert found.counts == {"dot": 25, "bar": 0}


def test_of_neighbours_the_likeliest_is_counted_also_across_blocks():
    image = marks(30, 30, [(10, 10), (10, 12)], 120)
    image[10, 11] = 190
    for block_px in (9, 10, 11, 12, 100):
        found = count(image, Lookup(), block_px=block_px)
        np.testing.assert_array_equal(found.centres, [[10, 11]])


def test_an_image_smaller_than_a_window_and_an_empty_one_are_counted_too():
    assert count(marks(3, 3, [(1, 1)]), Lookup()).counts == {"dot": 1, "bar": 0}
    assert count(marks(30, 30, []), Lookup()).counts == {"dot": 0, "bar": 0}


def test_truth_is_matched_once_and_two_errors_do_not_make_it_right():
    boxes = np.array([(0, 0, 4, 4), (0, 2, 4, 6), (20, 20, 24, 24), (50, 50, 54, 54)])
    counted = Counted(boxes, np.array([1, 1, 1, 2]), np.ones(4), NAMES, 0)
    dot, bar = against_truth(counted, [(2, 3), (40, 40), (21, 21), (52, 52)], [1, 1, 1, 1], 3.0)
    assert (dot.true, dot.counted, dot.matched) == (4, 3, 2)
    assert (bar.true, bar.counted, bar.matched) == (0, 1, 0)
    assert dot.error == -0.25
    assert np.isnan(bar.error)


@pytest.mark.parametrize(("names", "background"), [(("a", "b"), 0), (NAMES, 3)])
def test_names_that_do_not_fit_are_refused(names, background):
    with pytest.raises(InputError, match="Cannot count"):
        count_objects(reader(marks(9, 9, [])), (9, 9), Lookup(), names, background=background)
