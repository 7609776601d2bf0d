"""Images on their way to the network: what is drawn, and what the layers do to pixels."""

import numpy as np
import pytest
from image_samples import picture
from scipy import ndimage

from inspection.augmentation.images import draw_image, image_bases, image_operations, image_policy
from inspection.errors import ParamsError
from inspection.params import OF_IMAGES, Augment, ClassAugment, Nuisance
from inspection.params.augment import LIMITS
from inspection.training.image_inputs import ImageBatches
from inspection.training.image_pipeline import ImagePipeline, ImageViews
from inspection.views.renderer import ViewSpec, render_global, turn_dies
from inspection.wafer.maps import ImageMap, WaferInfo
from inspection.wafer.taxonomy import Taxonomy, WaferClass

SIDE = 32
TURNING = frozenset({"rotation", "quarter_turn", "half_turn", "flip"})
TAXONOMY = Taxonomy((WaferClass("good", normal=True, symmetries=TURNING), WaferClass("scratched")))
OFF = Nuisance(**dict.fromkeys(Nuisance.model_fields, 0.0))
STRONG = OFF.model_copy(update={"image_brightness": 0.1, "image_contrast": 0.3, "image_shift": 0.1, "image_zoom": 0.1, "image_noise": 0.05})
ALL = STRONG.model_copy(update={"image_blur_px": 1.0})


def image(kind: str, seed: int, rows: int = 48, cols: int = 48) -> ImageMap:
    return ImageMap(info=WaferInfo(), planes=picture(kind, seed, rows, cols)[..., None])


def views(count: int) -> np.ndarray:
    return np.stack([render_global(image("scratched", seed), SIDE) for seed in range(count)])


def draws(count: int, strength: Nuisance, label: int = 0):
    policy = image_policy(TAXONOMY, Augment(nuisance=strength))
    return [draw_image(policy, label, np.random.default_rng([7, i])) for i in range(count)]


def still(drawn, **changes):
    """A draw that does nothing but ``changes``."""
    quiet = {"turn": None, "offset": 0.0, "gain": 1.0, "shift": (0.0, 0.0), "zoom": 1.0, "blur_px": 0.0, "noise": 0.0, "seed": 0}
    return type(drawn)(**quiet | changes)


def test_each_view_depends_on_its_own_draw_alone():
    pipeline, drawn, seen = ImagePipeline(ALL), draws(6, ALL), views(6)
    together = pipeline(seen, drawn)
    np.testing.assert_array_equal(together, pipeline(seen, drawn))
    order = [4, 0, 5]
    np.testing.assert_array_equal(together[order], pipeline(seen[order], [drawn[i] for i in order]))
    assert together.shape == seen.shape
    assert together.dtype == np.uint8
    assert not np.array_equal(together, seen)


def test_the_mean_stays_between_the_darkest_and_the_brightest():
    mean, brightest, darkest = np.moveaxis(ImagePipeline(ALL)(views(6), draws(6, ALL)).astype(int), 3, 0)
    assert (darkest <= mean).all()
    assert (mean <= brightest).all()


def test_every_class_draws_the_same_nuisances_and_its_own_turns():
    of_good, of_scratched = draws(40, ALL, 0), draws(40, ALL, 1)
    for a, b in zip(of_good, of_scratched, strict=True):
        assert (a.offset, a.gain, a.shift, a.zoom, a.blur_px, a.noise, a.seed) == (
            b.offset,
            b.gain,
            b.shift,
            b.zoom,
            b.blur_px,
            b.noise,
            b.seed,
        )
        assert b.turn is None
    turns = {None if d.turn is None else tuple(np.rint(d.turn).astype(int).ravel().tolist()) for d in of_good}
    assert len(turns) == 8, "all symmetries of the square, and no other angle"


def test_with_nuisances_off_a_view_is_only_turned():
    seen, drawn = views(8), draws(8, OFF)
    expected = np.stack([v if d.turn is None else turn_dies(v, d.turn) for v, d in zip(seen, drawn, strict=True)])
    np.testing.assert_array_equal(ImagePipeline(OFF)(seen, drawn), expected)


def test_a_limited_multiplicity_gives_so_many_turns_of_an_image():
    policy = image_policy(TAXONOMY, Augment(multiplicity=2))
    turns = [draw_image(policy, 0, np.random.default_rng(i), (5,)).turn for i in range(60)]
    assert len({None if t is None else tuple(np.rint(t).ravel()) for t in turns}) <= 3


@pytest.mark.parametrize(("shift", "zoom"), [((0.1, 0.0), 1.0), ((0.0, -0.05), 1.0), ((0.03, 0.07), 1.1), ((0.0, 0.0), 0.9)])
def test_shift_and_zoom_agree_with_scipy(shift, zoom):
    (seen,), (drawn,) = views(1), draws(1, OFF)
    strength = OFF.model_copy(update={"image_zoom": 0.1})
    found = ImagePipeline(strength)(seen[None], [still(drawn, shift=shift, zoom=zoom)])[0]
    centre = (SIDE - 1) / 2
    row, col = (centre + (np.arange(SIDE) - centre - SIDE * shift[axis]) / zoom for axis in (1, 0))
    places = np.stack(np.meshgrid(row, col, indexing="ij"))
    expected = [ndimage.map_coordinates(seen[..., k].astype(float), places, order=1, mode="reflect") for k in range(3)]
    inner = slice(6, -6)
    assert np.abs(found[inner, inner] - np.stack(expected, axis=-1)[inner, inner]).max() <= 0.6


def test_blur_agrees_with_scipy():
    (seen,), (drawn,) = views(1), draws(1, OFF)
    found = ImagePipeline(OFF.model_copy(update={"image_blur_px": 1.5}))(seen[None], [still(drawn, blur_px=1.2)])[0]
    expected = ndimage.gaussian_filter(seen.astype(float), (1.2, 1.2, 0), mode="mirror", radius=3)
    assert np.abs(found - expected).max() <= 0.6


def test_brightness_contrast_and_noise_are_as_strong_as_drawn():
    flat, (drawn,) = np.full((1, 64, 64, 3), 100, np.uint8), draws(1, OFF)
    strength = OFF.model_copy(update={"image_brightness": 0.1, "image_noise": 0.05})
    assert set(ImagePipeline(strength)(flat, [still(drawn, offset=0.1)]).ravel()) == {126}  # 125.5, to the even one
    assert set(ImagePipeline(strength)(flat, [still(drawn, gain=0.5)]).ravel()) == {114}
    noisy = ImagePipeline(strength)(flat, [still(drawn, noise=0.05)]).astype(float)
    assert noisy.std() == pytest.approx(0.05 * 255, rel=0.1)


def test_the_black_border_of_an_oblong_image_stays_black():
    view = render_global(image("good", 0, 20, 48), SIDE)[None]
    strength = OFF.model_copy(update={"image_brightness": 0.1, "image_contrast": 0.1, "image_noise": 0.05})
    found = ImagePipeline(strength)(view, draws(1, strength, label=1))
    rows = np.any(view[0], axis=(1, 2))
    assert not found[0, ~rows].any()
    assert found[0, rows].any()


@pytest.mark.parametrize("own", [{"classes": {"scratched": ClassAugment(recombine=0.1)}}, {"mixup": 0.2}])
def test_what_needs_points_is_refused_for_images(own):
    with pytest.raises(ParamsError, match="does not name"):
        image_policy(TAXONOMY, Augment(**own))


@pytest.mark.parametrize("name", OF_IMAGES)
def test_a_nuisance_that_hides_the_defect_is_refused(name):
    limit, reason = LIMITS[name]
    assert Nuisance(**{name: limit})
    with pytest.raises(ValueError, match=reason[:20]):
        Nuisance(**{name: limit * 1.01})
    with pytest.raises(ValueError, match="one distribution for all classes"):
        ClassAugment(**{name: 0.0})


def test_the_guard_sees_what_training_draws_and_can_leave_operations_out():
    policy = image_policy(TAXONOMY, Augment(nuisance=STRONG))
    base = image("good", 3)
    seen = ImageViews(policy, SIDE)
    assert set(seen.operations(0)) == {"symmetry", *(name for name in OF_IMAGES if getattr(STRONG, name) > 0)}
    assert "symmetry" not in image_operations(policy, 1)
    drawn = draw_image(policy, 0, np.random.default_rng(5))
    np.testing.assert_array_equal(
        seen.view(base, 0, np.random.default_rng(5)).image, ImagePipeline(STRONG)(render_global(base, SIDE)[None], [drawn])[0]
    )
    bare = seen.view(base, 1, np.random.default_rng(5), frozenset(seen.operations(1)))
    np.testing.assert_array_equal(bare.image, seen.plain(base).image)


def test_bases_are_the_normal_images_first_each_once():
    images = [image("good", n) for n in range(6)]
    normal = np.array([False, True, True, False, True, False])
    bases = image_bases(images, normal, np.array(list("aabbcc")), np.random.default_rng(0))
    places = [next(i for i, one in enumerate(images) if one is m) for m in bases.maps]
    assert sorted(places) == list(range(6))
    assert normal[places].tolist() == [True] * 3 + [False] * 3
    assert [len({bases.groups[places.index(i)] for i in pair}) for pair in ((0, 1), (2, 3), (4, 5))] == [1, 1, 1]


def test_a_resumed_epoch_goes_on_with_the_same_batches():
    policy, seen = image_policy(TAXONOMY, Augment(nuisance=ALL)), views(10)
    labels = np.arange(10) % 2
    options = {"classes": 2, "batch_size": 4, "steps": 3, "seed": 1, "epoch": 2, "with_tiles": False}
    whole = ImageBatches(seen, labels, np.arange(10), policy, ViewSpec(SIDE, kind="image"), **options)
    rest = ImageBatches(seen, labels, np.arange(10), policy, ViewSpec(SIDE, kind="image"), **options, start=1)
    assert (len(whole), len(rest)) == (3, 2)
    for index in range(2):
        (a, of_a), (b, of_b) = whole[index + 1], rest[index]
        np.testing.assert_array_equal(a["image"], b["image"])
        np.testing.assert_array_equal(of_a, of_b)
    assert of_a.sum(axis=1).tolist() == [1.0] * 4
