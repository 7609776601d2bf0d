"""Images in a split: neighbours by name stay together, and a picture saved twice is on one side only."""

import cv2
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from image_samples import picture

from inspection.dataset.images import MOST, block_lots, natural_key, near_copies, thumbnail
from inspection.wafer.maps import ImageMap, WaferInfo


def thumbs(pictures) -> np.ndarray:
    return np.stack([thumbnail(ImageMap(info=WaferInfo(), planes=p[..., None])) for p in pictures])


@given(st.integers(1, 200), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_block_is_a_stretch_of_names_whatever_the_order_of_the_images(count, seed):
    names = [f"kind/{number}.png" for number in range(count)]
    order = np.random.default_rng(seed).permutation(count)
    shuffled = block_lots([names[i] for i in order], [""] * count)
    lots = np.empty(count, shuffled.dtype)
    lots[order] = shuffled
    assert lots.tolist() == block_lots(names, [""] * count).tolist()
    changes = np.count_nonzero(lots[1:] != lots[:-1])
    assert changes + 1 == len(set(lots)), "a block is one stretch"
    assert max(np.unique(lots, return_counts=True)[1]) <= MOST
    assert len(set(lots)) >= min(count, 12)


def test_a_lot_that_is_known_stays_and_folders_are_apart():
    lots = block_lots(["a/1.png", "a/2.png", "b/1.png"], ["L1", "", ""])
    assert lots[0] == "L1"
    assert len(set(lots)) == 3


def test_numbers_in_names_are_ordered_as_numbers():
    assert sorted(["i10", "i9", "i1_2", "i1"], key=natural_key) == ["i1", "i1_2", "i9", "i10"]


def test_a_picture_saved_again_is_found_and_another_one_is_not():
    seen = [picture("good", n) for n in range(30)] + [picture("pitted", n) for n in range(30)]
    labels = np.repeat([0, 1], 30)
    resaved = cv2.imdecode(cv2.imencode(".jpg", seen[3])[1], cv2.IMREAD_GRAYSCALE)
    larger = cv2.resize(seen[40], (128, 128), interpolation=cv2.INTER_CUBIC)
    dimmer = (seen[5] * 0.7 + 20).astype(np.uint8)
    fresh = [picture("good", 99), picture("pitted", 99)]
    found = near_copies(thumbs([resaved, larger, dimmer, *fresh]), np.array([0, 1, 0, 0, 1]), thumbs(seen), labels)
    assert found.tolist() == [True, True, True, False, False]


def test_where_all_pictures_show_one_pattern_likeness_is_no_sign():
    chip = 100 + 100 * (np.indices((64, 64)).sum(axis=0) % 16 < 8)
    noisy = [np.clip(chip + np.random.default_rng(n).normal(0, 3, chip.shape), 0, 255).astype(np.uint8) for n in range(40)]
    labels = np.arange(40) % 2
    assert not near_copies(thumbs(noisy[:10]), labels[:10], thumbs(noisy[10:]), labels[10:]).mean() > 0.2
