"""The guard on images: the policy of the shipped parameters leaves no trace, and one class's own blur is seen and named."""

import numpy as np
import pytest
from image_samples import picture

from inspection.augmentation.guard.contract import NOTHING
from inspection.augmentation.guard.examination import Material, examine
from inspection.augmentation.guard.trace import Effort
from inspection.augmentation.images import image_bases, image_policy
from inspection.params import Augment
from inspection.training.image_pipeline import ImageViews
from inspection.wafer.maps import ImageMap, WaferInfo
from inspection.wafer.taxonomy import Taxonomy, WaferClass

pytestmark = pytest.mark.slow
SQUARE = frozenset({"quarter_turn", "half_turn", "flip"})
TAXONOMY = Taxonomy((WaferClass("good", normal=True, symmetries=SQUARE), WaferClass("scratched"), WaferClass("pitted", symmetries=SQUARE)))
SIDE, MAPS = 32, 100


class Blurred(ImageViews):
    """The same policy, but that one class is blurred too, which a policy of params.yaml cannot say."""

    def __init__(self, augment: Augment, label: int) -> None:
        blurring = augment.model_copy(update={"nuisance": augment.nuisance.model_copy(update={"image_blur_px": 1.6})})
        super().__init__(image_policy(TAXONOMY, augment), SIDE)
        self._label, self._blurring = label, ImageViews(image_policy(TAXONOMY, blurring), SIDE)

    def operations(self, label):
        return (*super().operations(label), "image_blur_px")

    def view(self, base, label, rng, without=NOTHING):
        chosen = self._blurring if label == self._label and "image_blur_px" not in without else super()
        return chosen.view(base, label, rng, without)


def examined(views):
    rng = np.random.default_rng(0)
    images = [ImageMap(info=WaferInfo(), planes=picture("good", seed, SIDE, SIDE)[..., None]) for seed in range(MAPS)]
    bases = image_bases(images, np.ones(MAPS, bool), np.arange(MAPS), rng)
    return examine(views, Material(bases), Effort(MAPS, 1, 1), 0.15, 0.05, 0)


def test_the_shipped_policy_of_images_leaves_no_trace():
    found = examined(ImageViews(image_policy(TAXONOMY, Augment()), SIDE))
    assert found.verdict != "fail", found.words
    assert max(trace.call.alone.area for test in found.tests for trace in test.classes) < 0.65


def test_one_classs_own_blur_is_seen_and_named():
    found = examined(Blurred(Augment(), 2))
    assert found.verdict == "fail"
    (test,) = found.tests
    assert [trace.name for trace in test.failed] == ["pitted"]
    assert found.blames[test.name]["pitted"].operations == ("image_blur_px",)
