"""A network that is symmetric by construction says the same of a view and of all its turns by the group, whatever its weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import fit_one_step, logits_of, views_of

from inspection import params
from inspection.augmentation.turns import common_turns
from inspection.errors import ParamsError
from inspection.models.symmetry import SquareGroup
from inspection.views.renderer import turn_dies, turn_matrix
from inspection.wafer.taxonomy import Taxonomy, WaferClass

pytestmark = [
    pytest.mark.slow,  # builds networks
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),  # see tests/training/test_fit.py
]

EVERY_TURN = [turn_matrix(k * np.pi / 2, mirrored=m) for m in (False, True) for k in range(4)]
SHARED = {
    "every turn and flip": ["quarter_turn", "half_turn", "flip"],
    "turns": ["rotation", "quarter_turn", "half_turn"],
    "half turn and flip": ["half_turn", "flip"],
    "half turn": ["half_turn"],
    "flip": ["flip"],
    "none": [],
}
ORDERS = {"every turn and flip": 8, "turns": 4, "half turn and flip": 4, "half turn": 2, "flip": 2, "none": 1}


def group_of(shared: str) -> SquareGroup:
    """As training finds it: from the classes of a taxonomy, of which one has every symmetry."""
    every = frozenset(["rotation", "quarter_turn", "half_turn", "flip"])
    return SquareGroup.of(
        common_turns(Taxonomy((WaferClass("A", symmetries=frozenset(SHARED[shared])), WaferClass("B", symmetries=every))))
    )


def turned(views: dict[str, np.ndarray], turn: np.ndarray) -> dict[str, np.ndarray]:
    """Each view and each tile turned, as the renderer would draw the turned wafer."""
    result = {"image": np.stack([turn_dies(image, turn) for image in views["image"]])}
    if "tiles" in views:
        result["tiles"] = np.stack([[turn_dies(tile, turn) for tile in wafer] for wafer in views["tiles"]])
    return result


def symmetric(name, size, shared, *, tile_px=16, width=16):
    from inspection.models.backend import keras
    from inspection.models.builders import build
    from inspection.views.renderer import ViewSpec

    keras.utils.set_random_seed(0)
    return build(name, ViewSpec(size, tiles=2, tile_px=tile_px), 4, width=width, dropout=0.1, group=group_of(shared))


def differences(network, views):
    """Largest difference of the logits for each of the eight turns, as a share of their spread over the views."""
    logits = logits_of(network, views)
    spread = np.ptp(logits, axis=0).max()
    assert spread > 0
    return [float(np.abs(logits_of(network, turned(views, turn)) - logits).max() / spread) for turn in EVERY_TURN]


@pytest.mark.soak
@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize(
    ("size", "tile_px"), [(32, 16), pytest.param(70, 15, marks=pytest.mark.slow), pytest.param(75, 22, marks=pytest.mark.slow)]
)
def test_logits_are_those_of_the_unturned_view_for_the_group_and_for_nothing_else(shared, size, tile_px):
    """Also after a step, when batch statistics, scales and offsets are anybody's; on even and odd sizes, stem with and without stride."""
    network, group = symmetric("wafer_net", size, shared, tile_px=tile_px), group_of(shared)
    views = views_of(network, 6)
    for _ in range(2):
        for turn, difference in zip(EVERY_TURN, differences(network, views), strict=True):
            member = tuple(map(tuple, np.rint(turn).astype(int).tolist())) in group.elements
            assert (difference < 1e-4) if member else (difference > 1e-2)
        fit_one_step(network, views)


def test_the_plain_network_is_not_symmetric_by_itself():
    from inspection.models.builders import build
    from inspection.views.renderer import ViewSpec

    network = build("plain_cnn", ViewSpec(32), 4, width=8, dropout=0.0)
    assert all(d > 1e-2 for d in differences(network, views_of(network, 6))[1:])


def test_plain_cnn_can_be_symmetric_too_and_comes_back_from_its_file(tmp_path):
    from inspection.models.saved import load_network

    network = symmetric("plain_cnn", 32, "every turn and flip")
    views = views_of(network, 4)
    fit_one_step(network, views)
    network.save(tmp_path / "n.keras")
    again = load_network(tmp_path / "n.keras")
    np.testing.assert_array_equal(logits_of(again, views), logits_of(network, views))
    assert max(differences(again, views)) < 1e-4


def test_blocks_are_normalised_as_further_pixels_of_their_filter():
    """Against Keras' own layer, which sees the blocks as columns; in training, and after it by what it remembered."""
    from inspection.models.backend import keras
    from inspection.models.orbit_layers import OrbitBatchNormalization

    order, filters = 4, 3
    maps = np.random.default_rng(0).normal(3, 5, (5, 6, 7, order * filters)).astype(np.float32)
    ours, theirs = OrbitBatchNormalization(order, momentum=0.7), keras.layers.BatchNormalization(momentum=0.7)
    columns = maps.reshape(5, 6, 7 * order, filters)
    for training in (True, True, False):
        found = np.asarray(ours(maps, training=training)).reshape(columns.shape)
        np.testing.assert_allclose(found, np.asarray(theirs(columns, training=training)), rtol=1e-4, atol=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_weights_are_as_many_times_fewer_as_the_group_has_elements():
    """Same numbers of channels, hence of multiply-adds but for the 4x4 kernels that halve."""
    from inspection.models.anatomy.stages import anatomy
    from inspection.models.builders import build
    from inspection.views.renderer import ViewSpec

    plain = anatomy(build("plain_cnn", ViewSpec(64), 4, width=32, dropout=0.0))
    found = anatomy(symmetric("plain_cnn", 64, "every turn and flip", width=32))
    assert 6 < plain.parameters / found.parameters < 8
    assert 1 < found.multiply_adds / plain.multiply_adds < 16 / 9


def test_the_predictor_asks_a_symmetric_network_once_and_any_other_for_every_turn():
    from inspection.models.builders import build
    from inspection.scoring.bundle import Bundle
    from inspection.scoring.predictor import Predictor
    from inspection.views.renderer import ViewSpec
    from inspection.views.shards import Views

    taxonomy = Taxonomy(tuple(WaferClass(n, symmetries=frozenset(["flip", "half_turn"])) for n in "ABCD"))
    spec = ViewSpec(32)
    bundle = Bundle(taxonomy, spec, np.full(4, 0.5), 1.0, tuple(common_turns(taxonomy)))
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    views = Views(images, np.zeros((3, 0, 32, 32, 3), np.uint8), spec)
    for group, runs in ((group_of("half turn and flip"), 1), (group_of("every turn and flip"), 1), (group_of("flip"), 4), (None, 4)):
        network = build("plain_cnn", spec, 4, width=32, dropout=0.0, group=group)
        predictor = Predictor(bundle, network, (4,))
        assert len(predictor._turns) == runs
        mean = np.mean([logits_of(network, turned({"image": images}, turn)) for turn in bundle.turns], axis=0)
        np.testing.assert_allclose(predictor.look(views).logits, mean, atol=1e-5)


def test_a_published_network_cannot_be_symmetric_and_says_which_can():
    with pytest.raises(ParamsError, match="wafer_net, plain_cnn"):
        symmetric("lenet5", 32, "flip")


@pytest.mark.parametrize("shared", SHARED)
def test_the_group_is_the_one_that_the_classes_share(shared):
    assert len(group_of(shared)) == ORDERS[shared]


def test_the_shipped_taxonomy_shares_what_its_least_symmetric_class_has():
    classes = params.load().classes
    thirteen = [c for name, c in classes.items() if name in {"Incomplete", "Normal", "Donut", "BasketBall"}]
    assert len(SquareGroup.of(common_turns(Taxonomy(tuple(thirteen))))) == 2
    wm811k = ("none", "Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc", "Random", "Scratch", "Near-full")
    assert len(SquareGroup.of(common_turns(Taxonomy(tuple(classes[n] for n in wm811k))))) == 8


@given(st.sampled_from(list(SHARED)), st.integers(1, 9), st.data())
def test_the_group_acts_on_images_as_the_renderer_does_and_its_quotients_are_right(shared, size, data):
    group = group_of(shared)
    image = np.random.default_rng(size).integers(0, 256, (size, size))
    places, quotients = group.turned(size), group.quotients()
    g, h = (data.draw(st.integers(0, len(group) - 1)) for _ in "gh")
    np.testing.assert_array_equal(image.ravel()[places[g]].reshape(size, size), turn_dies(image, np.array(group.elements[g], float)))
    product = np.array(group.elements[g]) @ np.array(group.elements[quotients[g, h]])
    np.testing.assert_array_equal(product, group.elements[h])


@pytest.mark.parametrize("turns", [[turn_matrix(np.pi / 2)], [turn_matrix(0.3)], [np.ones((2, 2))]])
def test_turns_that_are_no_group_of_the_square_are_refused(turns):
    with pytest.raises(ParamsError, match="expected"):
        SquareGroup.of(turns)
