"""The test of the trained model: a vote that a policy alone moves is told, with the class; any other vote is not."""

import numpy as np
import pytest
from test_examination import SIDE, Turning, bases, blurred

from inspection.augmentation.guard.verdict import Limits
from inspection.augmentation.guard.votes import maps_needed, policy_votes

LIMITS = Limits(0.05)
NAMES = ("none", "Loc", "Scratch", "Donut")


def probabilities(odds):
    odds = np.exp(odds - odds.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def by_density(views):
    """A model that looks at the wafer: the more failed dies, the less normal. Turns and blur leave it alone."""
    mean = views.image[..., 0].mean(axis=(1, 2))
    return probabilities(np.stack([0 * mean, mean / 4, mean / 5, mean / 6], axis=1))


def by_sharpness(views):
    """A model that has learnt a trace: what is blurred is Scratch."""
    middle = ((views.image[..., 1] > 0) & (views.image[..., 1] < 255)).mean(axis=(1, 2))
    odds = np.zeros((len(middle), 4))
    odds[:, 2] = 20 * middle - 3
    return probabilities(odds)


@pytest.fixture(scope="module")
def normals():
    return bases()


def test_a_model_that_has_learnt_a_trace_is_found_with_the_class_and_its_lift(normals):
    found = policy_votes(Turning({2: blurred}), normals, by_sharpness, LIMITS, 0)
    assert found.call == "fail"
    assert [row.name for row in found.classes if row.call == "fail"] == ["Scratch"]
    row = found.classes[2]
    assert row.low <= row.lift <= row.high
    assert row.low > 1.5
    assert row.lift == pytest.approx(row.own / row.others)
    assert found.words.startswith("fail: on normal wafers the policy alone raises")
    assert "Scratch" in found.words


@pytest.mark.parametrize("vote", [by_density, by_sharpness])
def test_a_policy_that_leaves_no_trace_moves_no_vote(normals, vote):
    found = policy_votes(Turning({}), normals, vote, LIMITS, 0)
    assert found.call == "clean"
    assert found.words.startswith("pass:")
    assert all(row.low <= 1 <= row.high or abs(row.lift - 1) < 0.02 for row in found.classes)


def test_a_trace_that_the_model_has_not_learnt_moves_no_vote(normals):
    """What the guard finds in the policy need not be in the model; the policy fails all the same, by the other tests."""
    assert policy_votes(Turning({2: lambda view, _: view[:, ::-1]}), normals, by_density, LIMITS, 0).call == "clean"


def test_too_few_normals_cannot_tell_and_the_same_seed_says_the_same(normals):
    rng = np.random.default_rng(0)
    few = type(normals)(normals.maps[:12], normals.groups[:12], 12)

    def guessing(views):
        return probabilities(rng.normal(0, 1, (len(views.image), len(NAMES))))

    found = policy_votes(Turning({}), few, guessing, LIMITS, 0)
    assert found.call == "cannot tell"
    assert found.words.startswith("cannot tell")
    assert max(row.missing for row in found.classes) > 0
    first, again = (policy_votes(Turning({}), few, by_density, LIMITS, 1).to_dict() for _ in range(2))
    assert first == again


def test_what_is_looked_at_is_bounded(normals):
    seen = []

    def counted(views):
        assert views.image.shape[1:] == (SIDE, SIDE, 3)
        seen.append(len(views.image))
        return by_density(views)

    policy_votes(Turning({}), normals, counted, LIMITS, 0)
    assert sum(seen) <= maps_needed(len(NAMES))[-1] * len(NAMES)
