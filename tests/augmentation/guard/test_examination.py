"""The guard on whole policies: clean ones pass, a trace is named, and it blocks until a person says why not."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest

from inspection.augmentation.guard.against import CREATED, FEWEST, SERVED
from inspection.augmentation.guard.contract import NOTHING, View
from inspection.augmentation.guard.examination import Material, examine
from inspection.augmentation.guard.network import ask_network
from inspection.augmentation.guard.neutral import Bases, neutral_bases
from inspection.augmentation.guard.page import render_page
from inspection.augmentation.guard.planted import planted_bases
from inspection.augmentation.guard.trace import Effort, trace_test
from inspection.augmentation.guard.verdict import Limits
from inspection.errors import GateError, InputError
from inspection.registry.gate import judge, require_guard
from inspection.views.renderer import render_global, turn_matrix
from inspection.wafer.maps import FAIL, NO_DIE, PASS, DefectMap, DieMap, WaferInfo

EFFORT = Effort(maps=60, looks=4)
DELTA = 0.1  # wider than the shipped one: fewer maps will do
SIDE = 32


@dataclass(frozen=True)
class Turning:
    """Every class turns by quarters; the classes in ``own`` meet an operation of their own on the picture, too."""

    own: dict
    classes: tuple = ("none", "Loc", "Scratch", "Donut")

    def operations(self, label):
        return ("symmetry", "blot") if label in self.own else ("symmetry",)

    def view(self, base, label, rng, without=NOTHING):
        turn = None if "symmetry" in without else turn_matrix(np.pi / 2 * rng.integers(4))
        view = render_global(base, SIDE, turn)
        return View.of(view if label not in self.own or "blot" in without else self.own[label](view, rng))

    def plain(self, base):
        return View.of(render_global(base, SIDE))


def maps(n, rng):
    y, x = np.mgrid[-1:1:25j, -1:1:25j]
    disc = np.hypot(x, y) <= 1
    found = []
    for _ in range(n):
        failed = rng.random(disc.shape) < rng.gamma(3, 0.02)
        status = np.where(disc, np.where(failed, FAIL, PASS), NO_DIE).astype(np.uint8)
        found.append(DieMap(info=WaferInfo(), status=status))
    return found


def bases(seed=0, real=40):
    rng = np.random.default_rng(seed)
    return neutral_bases(maps(real, rng), np.ones(real, bool), np.arange(real) // 4, EFFORT.maps << (EFFORT.looks - 1), rng)


def examined(policy, seed=0, network=None, **material):
    return examine(policy, Material(bases(seed), **material), EFFORT, DELTA, 0.05, seed, network=network)


def blurred(view, _):
    return cv2.GaussianBlur(view, (3, 3), 0.6)


def speckled(view, rng):
    return np.clip(view + rng.normal(0, 3, view.shape), 0, 255).astype(np.uint8)


def test_a_policy_without_a_trace_passes_and_the_same_seed_says_the_same():
    found = examined(Turning({}))
    assert found.verdict == "pass"
    assert found.to_dict() == examined(Turning({})).to_dict()


@pytest.mark.parametrize("operation", [blurred, speckled])
def test_a_trace_is_named_with_its_class_and_operation_and_shown(operation):
    policy = Turning({2: operation})
    found = examined(policy)
    assert found.verdict == "fail"
    test = found.to_dict()["tests"][0]
    assert [row["class"] for row in test["classes"] if row["call"] == "fail"] == ["Scratch"]
    row = test["classes"][2]
    assert row["operation"] == "blot"
    assert row["area_without"]["blot"] < 0.6 < row["area_without"]["symmetry"]
    page = render_page("Guard", found, DELTA, 0)
    assert "Scratch: blot" in page
    assert page.count("data:image/png") >= 6
    assert page == render_page("Guard", found, DELTA, 0)


def test_two_classes_with_traces_of_their_own_are_both_named():
    found = examined(Turning({1: blurred, 3: speckled}))
    assert {trace.name for trace in found.tests[0].failed} == {"Loc", "Donut"}


def test_of_two_classes_the_one_that_is_not_as_it_is_served_is_named():
    policy = replace(Turning({1: speckled}), classes=("none", "Loc"))
    assert [trace.name for trace in examined(policy).tests[0].failed] == ["Loc"]


def test_too_few_maps_cannot_tell_and_say_how_many_are_missing():
    small = replace(EFFORT, maps=20, looks=1)
    found = examine(Turning({}), Material(bases()), small, 0.01, 0.05, 0)
    assert found.verdict == "cannot tell"
    assert found.tests[0].missing > 0
    assert "more neutral maps are needed" in found.words


def test_later_looks_draw_open_classes_and_a_sample_of_the_rest_alone():
    drawn = []

    class Watched(Turning):
        def view(self, base, label, rng, without=NOTHING):
            drawn.append(label)
            return super().view(base, label, rng, without)

    faint = Watched({2: lambda view, rng: speckled(view, rng) if rng.random() < 0.25 else view}, tuple("abcdefgh"))
    test = trace_test("t", faint, bases(), EFFORT, Limits(DELTA), np.random.default_rng(0))
    assert test.looks > 1
    assert len(drawn) < 0.8 * test.bases * len(faint.classes)
    assert {trace.name for trace in test.classes} == set("abcdefgh")


def oracle(views, labels, tried, seed):
    """A network that sees the mark: how bright the upper left corner is."""
    del views, seed
    bright = tried.image[:, 0, 0, 0].astype(np.float32)
    return np.stack([bright if k == 0 else -bright for k in range(int(labels.max()) + 1)], axis=1)


def blind(views, labels, tried, seed):
    """A network that has learnt nothing."""
    del views
    return np.random.default_rng(seed).normal(0, 1, (len(tried.image), int(labels.max()) + 1)).astype(np.float32)


def faintly_marked(view, rng):
    view = view.copy()
    view[0, 0] = 255 * (rng.random() < 0.8)
    return view


@pytest.mark.parametrize(("network", "call"), [(oracle, "fail"), (blind, "cannot tell")])
def test_a_network_convicts_where_the_probe_is_inconclusive_and_never_clears(network, call):
    policy, maps = Turning({2: faintly_marked}), bases()
    found = trace_test("t", policy, maps, replace(EFFORT, maps=200, looks=1), Limits(0.05), np.random.default_rng(0))
    opened = tuple(replace(c, call=replace(c.call, call="cannot tell" if c.name == "Scratch" else "clean")) for c in found.classes)
    seen = ask_network(network, policy, replace(found, classes=opened), maps, Limits(0.05), np.random.default_rng(0), lambda *_: None)
    assert {c.name: c.call.call for c in seen.classes}["Scratch"] == call
    assert [c.name for c in seen.classes if c.call.network is not None] == ["Scratch"]


def test_a_network_is_not_asked_where_the_probe_is_sure():
    def never(*_):
        raise AssertionError

    assert examined(Turning({2: speckled}), network=never).verdict == "fail"


def test_few_normal_wafers_are_filled_up_with_background_as_dense_as_theirs():
    rng = np.random.default_rng(0)
    real = maps(30, rng)
    found = neutral_bases(real, np.arange(30) < 20, np.arange(30), 300, rng)
    assert found.real == 20
    assert len(found.maps) == len(found.groups) == 300
    assert len(np.unique(found.groups[20:])) == 280
    drawn = [m.defects for m in found.maps[20:]]
    assert np.mean(drawn) == pytest.approx(np.mean([m.defects for m in real[:20]]), rel=0.25)
    assert all(np.array_equal(m.status == NO_DIE, real[0].status == NO_DIE) for m in found.maps)


def test_background_of_points_lies_on_the_inspected_dies():
    rng = np.random.default_rng(0)
    dies = np.array([[0, 0], [1, 0], [0, 1]], np.int32)
    wafer = DefectMap(info=WaferInfo(), xy_um=np.empty((0, 2)), pitch_um=(9e3, 8e3), origin_um=(0.0, 0.0), dies=dies)
    found = neutral_bases([wafer], np.zeros(1, bool), np.zeros(1), 50, rng)
    points = np.concatenate([m.xy_um for m in found.maps])
    assert len(points) > 10
    place = {tuple(p) for p in np.floor(points / (9e3, 8e3)).astype(int)}
    assert place <= {tuple(d) for d in dies}


def test_no_wafers_at_all_is_the_users_mistake():
    with pytest.raises(InputError, match="nothing to work on"):
        neutral_bases([], np.zeros(0, bool), np.zeros(0), 10, np.random.default_rng(0))


def real_wafers(n, rng, lots=10):
    return Bases(maps(n, rng), np.arange(n) % lots, n)


def test_new_examples_that_look_unlike_the_real_ones_of_their_class_are_told_and_block():
    """``blot`` stands for an operation that makes new examples: Scratch has it for itself, on its own wafers alone."""
    rng = np.random.default_rng(0)

    class OnSignatures(Turning):
        def view(self, base, label, rng, without=NOTHING):
            return super().view(base, label, rng, without if base.defects > 100 else without | {"blot"})

    crowded = [replace(m, status=np.where((m.status == PASS) & (rng.random(m.status.shape) < 0.4), FAIL, m.status)) for m in maps(150, rng)]
    real = {2: Bases(crowded, np.arange(150) // 5, 150), 1: real_wafers(FEWEST - 5, rng)}
    created = {2: frozenset({"blot"}), 1: frozenset({"blot"})}
    found = examined(OnSignatures({2: blurred}), real=real, created=created)
    calls = {test.name: (test.blocking, {c.name: c.call.call for c in test.classes}) for test in found.tests}
    assert calls["neutral maps"][0] == "clean"
    assert calls[CREATED] == ("fail", {"Scratch": "fail", "Loc": "cannot tell"})
    assert "Scratch by blot" in found.words
    clean = examined(OnSignatures({}), real=real, created=created)
    assert clean.verdict == "pass"  # too few wafers of Loc to tell, which does not block


def test_nuisances_that_all_classes_meet_are_told_from_what_is_served_and_block_nothing():
    every = Turning(dict.fromkeys(range(4), speckled))
    found = examined(every, real={1: real_wafers(60, np.random.default_rng(0))})
    served = found.tests[1]
    assert (served.name, served.call, served.blocking) == (SERVED, "fail", "clean")
    assert found.verdict == "pass"
    assert "can be told" in render_page("Guard", found, DELTA, 0)


def test_planted_signatures_only_add_defects():
    before = bases()
    planted, _ = planted_bases(before, np.random.default_rng(0))
    for old, new in zip(before.maps, planted.maps, strict=True):
        assert new.defects > old.defects
        assert np.array_equal(new.status == NO_DIE, old.status == NO_DIE)
        assert (new.status >= old.status).all()


def test_a_failure_blocks_registration_until_a_person_says_why_not():
    with pytest.raises(GateError, match=r"Scratch by blur.*--override-guard"):
        require_guard("fail: a trace of Scratch by blur", " ")
    for guard, reason in ((None, ""), ("pass: nothing", ""), ("fail: a trace", "a trial on one tool")):
        require_guard(guard, reason)


@pytest.mark.parametrize("profile", ["local", "production"])
def test_the_gate_lets_an_overridden_failure_pass_and_repeats_the_reason(profile):
    lineage = {"snapshot_sha256": "a", "params_sha256": "b", "code_version": "c"}
    candidate = {"metrics": {"macro_f1": 0.9}, "lineage": lineage, "guard": "cannot tell: Loc"}
    assert not judge(candidate, None, 0.01, profile).passed
    found = judge({**candidate, "guard_override": "a trial on one tool"}, None, 0.01, profile)
    assert found.passed
    assert any("a trial on one tool" in reason for reason in found.reasons)
    assert judge({**candidate, "guard": "pass: no trace"}, None, 0.01, profile).passed


@pytest.mark.soak
@pytest.mark.parametrize("block", range(20))
def test_clean_policies_are_not_called_failures(block):
    """200 seeds in all: at most one in twenty may be called a failure, so in a block of ten hardly ever two."""
    verdicts = [examined(Turning({}), seed).verdict for seed in range(10 * block, 10 * block + 10)]
    assert verdicts.count("fail") <= 1
