"""What pre-training promises: the loss of the paper, views that keep every class's label, and weights that training can start from."""

import numpy as np
import pytest
from small_problem import Killed, brief, packaged_policy, training_set

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),
]


def reference(z, temperature):
    """NT-Xent of each row, term by term as the paper writes it; rows i and i + b are partners."""
    b = len(z) // 2
    losses = []
    for i in range(2 * b):
        cosine = [float(z[i] @ z[k] / (np.linalg.norm(z[i]) * np.linalg.norm(z[k]))) for k in range(2 * b)]
        others = sum(np.exp(cosine[k] / temperature) for k in range(2 * b) if k != i)
        losses.append(-np.log(np.exp(cosine[(i + b) % (2 * b)] / temperature) / others))
    return np.array(losses)


@pytest.mark.parametrize(("pairs", "temperature", "length"), [(1, 0.5, 1.0), (2, 0.1, 1.0), (9, 0.2, 1e-3), (16, 1.0, 1e3)])
def test_the_loss_is_that_of_the_paper(pairs, temperature, length):
    from inspection.training.pretrain import NormalizedTemperatureCrossEntropy

    rng = np.random.default_rng(pairs)
    z = rng.normal(size=(2 * pairs, 7)) * length
    own = np.arange(2 * pairs, dtype=np.int32)
    truth = np.column_stack((own, np.roll(own, pairs)))
    loss = NormalizedTemperatureCrossEntropy(temperature)
    expected = reference(z, temperature)
    assert np.asarray(loss.call(truth, z.astype(np.float32))) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert float(loss(truth, z.astype(np.float32))) == pytest.approx(expected.mean(), rel=1e-4, abs=1e-5)
    order = rng.permutation(2 * pairs)
    assert float(loss(truth[order], z[order].astype(np.float32))) == pytest.approx(expected.mean(), rel=1e-4, abs=1e-5), "by row, not place"
    assert NormalizedTemperatureCrossEntropy.from_config(loss.get_config()).temperature == temperature


@pytest.mark.parametrize(
    ("names", "turns"),
    [
        (("none", "Edge-Loc"), 8),
        (("Normal", "BasketBall"), 4),  # half turns and flips
        (("Normal", "Incomplete"), 2),  # flips
        (("Normal", "no such class"), 1),
    ],
)
@pytest.mark.parametrize("kind", ["dies", "points"])
def test_views_show_a_wafer_turned_only_as_every_class_allows(names, turns, kind):
    from inspection.params import Nuisance
    from inspection.training.pretrain import PairedBatches, class_independent
    from inspection.views.renderer import ViewSpec, render_global, turn_dies
    from inspection.wafer.maps import DefectMap, DieMap, WaferInfo
    from inspection.wafer.taxonomy import choose

    still = Nuisance(thinning=0, background=0, jitter_um=0)
    free = class_independent(packaged_policy(names), still)
    rng = np.random.default_rng(0)
    maps = []
    for k in range(4):
        status = np.ones((8, 8), np.uint8)
        status.flat[rng.choice(64, 9, replace=False)] = 2
        xy = rng.uniform(-90_000, 90_000, (12, 2))
        maps.append(DieMap(info=WaferInfo(wafer=str(k)), status=status) if kind == "dies" else DefectMap(info=WaferInfo(), xy_um=xy))
    from inspection import params
    from inspection.augmentation.turns import common_turns

    allowed = common_turns(choose(names, params.load().classes))
    assert len(allowed) == turns
    if kind == "points" and turns == 8:
        pytest.skip("points may then turn by any angle: no list of pictures")
    pictures = [{turn_dies(render_global(m, 8), t).tobytes() for t in allowed} for m in maps]
    for epoch in range(6):
        batches = PairedBatches(maps, free, ViewSpec(8), batch_size=4, seed=1, epoch=epoch, with_tiles=False)
        inputs, rows = batches[0]
        again, _ = batches[0]
        assert np.array_equal(inputs["image"], again["image"]), "the same seed, the same views"
        for i, image in enumerate(inputs["image"]):
            mine = [k for k, every in enumerate(pictures) if image.tobytes() in every]
            assert len(mine) >= 1
            partner = inputs["image"][rows[i, 1]].tobytes()
            assert any(partner in pictures[k] for k in mine), "both views are of one wafer"
        assert np.array_equal(rows[rows[:, 1], 1], rows[:, 0]), "partners are partners of each other"


def test_nothing_of_a_class_of_its_own_is_left_in_the_policy():
    from inspection.augmentation.policy import policy_for
    from inspection.params import Augment, ClassAugment, Nuisance, load
    from inspection.training.pretrain import class_independent
    from inspection.wafer.taxonomy import choose

    own = Augment(mixup=0.3, multiplicity=2, classes={"Donut": ClassAugment(symmetries=("flip",), recombine=0.5)})
    free = class_independent(policy_for(choose(["none", "Donut"], load().classes), own), Nuisance())
    assert set(free.symmetries) == {free.common} == {frozenset({"flip"})}
    assert not any(free.created)
    assert free.mixup == 0
    assert set(free.multiplicity) == {None}


def test_pre_training_resumes_learns_and_can_be_started_from(tmp_path):
    from inspection.models.builders import build
    from inspection.params import Pretrain
    from inspection.training.pretrain import pretrain
    from inspection.training.protocol import trained_layers
    from inspection.training.transfer import carry_over

    data, params = training_set(), Pretrain(epochs=3, batch_size=8, learning_rate=0.01, projection=8)
    arguments = (data.maps, packaged_policy(), data.validation.spec, brief(model="mlp"), params, tmp_path)

    def kill(done, _total, _text):
        if done == 10:  # after the second of three epochs
            raise Killed

    with pytest.raises(Killed):
        pretrain(*arguments, seed=1, fingerprint="a", progress=kill)
    seen = []
    weights = pretrain(*arguments, seed=1, fingerprint="a", progress=lambda done, total, _: seen.append((done, total)))
    assert seen == [(15, 15)], "two epochs are not done again"
    network = build("mlp", data.validation.spec, 2, width=8, dropout=0.1)
    account = carry_over(network, weights)
    assert account.share == 1.0
    assert set(account.unused) == {"projection", "projection_hidden"}
    assert trained_layers(network, "frozen", account.new) == {"logits"}


def test_too_few_wafers_are_refused(tmp_path):
    from inspection.errors import InputError
    from inspection.params import Pretrain
    from inspection.training.pretrain import pretrain

    data = training_set()
    with pytest.raises(InputError, match="at least 2 wafers, got 1"):
        pretrain(data.maps[:1], packaged_policy(), data.validation.spec, brief(), Pretrain(epochs=1), tmp_path, seed=1, fingerprint="a")
