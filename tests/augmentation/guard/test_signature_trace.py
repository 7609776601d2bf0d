"""The signature test: what acts on signatures alone is tried on planted ones, with planted donors."""

from functools import partial

import numpy as np
import pytest

from inspection import params as parameters
from inspection.augmentation.guard.neutral import neutral_bases
from inspection.augmentation.guard.planted import planted_bases
from inspection.augmentation.guard.trace import Effort, trace_test
from inspection.augmentation.guard.verdict import Limits
from inspection.augmentation.policy import fitted_policy
from inspection.augmentation.recombination import Recombination, compose
from inspection.augmentation.signature import places
from inspection.stages.policy_views import PolicyViews
from inspection.views.renderer import ViewSpec
from inspection.wafer.maps import FAIL, NO_DIE, PASS, DieMap, WaferInfo
from inspection.wafer.taxonomy import choose

EFFORT, DELTA, MAPS = Effort(maps=100, looks=3), 0.1, 400
NAMES = ("none", "Loc", "Scratch", "Donut")


@pytest.fixture(scope="module")
def normals():
    """Normal wafers of one product: every third die fails on none, one in twenty on the others, more or less."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:31j, -1:1:31j]
    disc = np.hypot(x, y) <= 1
    made = []
    for _ in range(MAPS):
        failed = rng.random(disc.shape) < rng.gamma(4, 0.01)
        made.append(DieMap(info=WaferInfo(), status=np.where(disc, np.where(failed, FAIL, PASS), NO_DIE).astype(np.uint8)))
    return made


def planted(normals, **created):
    """The policy in which Loc makes new examples, on planted signatures."""
    taxonomy = choose(NAMES, parameters.load().classes)
    augment = parameters.Augment.model_validate({"classes": {"Loc": created}})
    policy, donors = fitted_policy(taxonomy, augment, normals, np.full(len(normals), taxonomy.names.index("none")))
    views = PolicyViews(policy, donors, ViewSpec(48))
    assert views.on_signatures
    rng = np.random.default_rng(1)
    bases, lent = planted_bases(neutral_bases(normals, np.ones(MAPS, bool), np.arange(MAPS) // 5, MAPS, rng), rng)
    return views.lent_by(lent), bases


def tried(normals, **created):
    views, bases = planted(normals, **created)
    return trace_test("planted", views, bases, EFFORT, Limits(DELTA), np.random.default_rng(2))


def test_a_policy_that_recombines_with_care_passes(normals):
    assert tried(normals, recombine=0.5).call == "clean"


def laid_with_a_seam(self, wafer, label, rng):
    """The signature on another wafer, from which all that lies in the signature's rectangle is wiped out."""
    del label
    parts, donor = self.backgrounds.separate(wafer), self.donors.normal(wafer, rng)
    if parts is None or donor is None:
        return None
    xy, ground = places(wafer)[parts > 0], places(donor)
    inside = ((ground >= xy.min(axis=0)) & (ground <= xy.max(axis=0))).all(axis=1)
    return compose([(donor, ~inside), (wafer, parts > 0)])


def laid_with_its_background(self, wafer, label, rng):
    """The whole wafer on another: the background is there twice."""
    del label
    donor = self.donors.normal(wafer, rng)
    return None if donor is None else compose([(donor, np.ones(donor.defects, bool)), (wafer, np.ones(wafer.defects, bool))])


@pytest.mark.parametrize("careless", [laid_with_a_seam, laid_with_its_background])
def test_a_careless_recombination_is_told_and_its_class_named(normals, monkeypatch, careless):
    monkeypatch.setattr(Recombination, "recombine", careless)
    found = tried(normals, recombine=1.0)
    assert [trace.name for trace in found.failed] == ["Loc"]


def test_neutral_maps_show_nothing_of_what_acts_on_signatures(normals):
    views, _ = planted(normals, recombine=1.0)
    bases = neutral_bases(normals, np.ones(MAPS, bool), np.arange(MAPS) // 5, MAPS, np.random.default_rng(1))
    assert trace_test("neutral", views, bases, EFFORT, Limits(DELTA), np.random.default_rng(2)).call == "clean"


def test_donors_carry_the_signature_that_the_wafer_carries(normals):
    rng = np.random.default_rng(1)
    neutral = neutral_bases(normals[:60], np.ones(60, bool), np.arange(60), 60, rng)
    bases, lent = planted_bases(neutral, rng)
    number = {id(wafer): k for k, wafer in enumerate(bases.maps)}
    before = {id(wafer) for wafer in neutral.maps}
    for wafer in bases.maps[:20]:
        again = partial(np.random.default_rng, number[id(wafer)])
        kind = {id(lent.of(label, wafer, again())) for label in range(4)}
        assert len(kind) == 1  # whatever the policy calls it
        assert kind <= set(number) - {id(wafer)}
        assert id(lent.normal(wafer, again())) in before
