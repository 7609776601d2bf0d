"""Every test of one policy, what its failures are put down to, and the verdict in words. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.augmentation.guard.against import CREATED, SERVED, Pair, against_test
from inspection.augmentation.guard.blame import Blame, blame, blame_failures
from inspection.augmentation.guard.contract import NOTHING
from inspection.augmentation.guard.network import ask_network
from inspection.augmentation.guard.trace import trace_test
from inspection.augmentation.guard.verdict import Limits, overall
from inspection.errors import bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inspection.augmentation.guard.contract import ViewPolicy
    from inspection.augmentation.guard.network import Network
    from inspection.augmentation.guard.neutral import Bases
    from inspection.augmentation.guard.trace import Effort, Told, TraceTest
    from inspection.augmentation.guard.verdict import ClassCall

PASS = "pass"  # noqa: S105  (the gate's word)
NEUTRAL, SIGNATURE = "neutral maps", "planted signatures"


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a policy is tried on.

    Attributes
    ----------
    neutral : neutral maps in random order, as many as the last look may take
    signatures : the policy with the donors of planted signatures, and these; None where no operation acts on a signature's own points
    real : label -> training wafers of the class with their lots; none = that test is left out
    created : label -> operations that make new examples of the class
    """

    neutral: Bases
    signatures: tuple[ViewPolicy, Bases] | None = None
    real: Mapping[int, Bases] = field(default_factory=dict)
    created: Mapping[int, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Exhibit:
    """Where a failure can be looked at: views of ``bases`` by ``policy``, of the class and of one that left no trace."""

    policy: ViewPolicy
    bases: Bases
    label: int
    other: int


@dataclass(frozen=True, slots=True)
class Examination:
    """What the guard found.

    Attributes
    ----------
    tests : outcome of each test
    blames, exhibits : test -> class -> what the class's failure is put down to, and where it can be seen
    """

    tests: tuple[TraceTest, ...]
    blames: dict[str, dict[str, Blame]]
    exhibits: dict[str, dict[str, Exhibit]]

    @property
    def verdict(self) -> str:
        """``pass``, ``fail`` or ``cannot tell``; anything but the first blocks registration."""
        call = overall([test.blocking for test in self.tests])
        return PASS if call == "clean" else call

    @property
    def words(self) -> str:
        """The verdict in a sentence: classes, operations and areas, or how many maps are missing."""
        if self.verdict == PASS:
            return "pass: no class's policy leaves a trace that a probe can tell"
        if self.verdict == "fail":
            told = [
                f"{trace.name} by {self.blames[test.name][trace.name].words} (AUC {_seen(trace.call):.2f}, {test.name})"
                for test in self.tests
                if test.blocking == "fail"
                for trace in test.failed
            ]
            return f"fail: a trace of {bounded(told, 4)}"
        open_tests = [test for test in self.tests if test.blocking == "cannot tell"]
        told = [
            f"{trace.name} (AUC {trace.call.alone.low:.3f} to {trace.call.alone.high:.3f}, {test.name})"
            for test in open_tests
            for trace in test.classes
            if trace.call.call == "cannot tell"
        ]
        missing = max(test.missing for test in open_tests)
        return f"cannot tell: {bounded(told, 4)}; about {missing} more neutral maps are needed (guard.maps, guard.looks)"

    def joined(self, test: TraceTest, blames: dict[str, Blame], exhibits: dict[str, Exhibit]) -> Examination:
        """With the outcome of one more test."""
        return Examination((*self.tests, test), {**self.blames, test.name: blames}, {**self.exhibits, test.name: exhibits})

    def to_dict(self) -> dict[str, Any]:
        """Content of ``guard.json``: areas are AUC in [0, 1], bounds one-sided."""
        return {"verdict": self.verdict, "words": self.words, "tests": [self._test(test) for test in self.tests]}

    def _test(self, test: TraceTest) -> dict[str, Any]:
        rows = []
        for trace in test.classes:
            row = {"class": trace.name, **asdict(trace.call), "hidden": trace.hidden, "statistics": list(trace.statistics)}
            found = self.blames.get(test.name, {}).get(trace.name)
            if found is not None:
                row |= {"operation": found.words, "area_without": found.areas, "area_without_all": found.bare}
            rows.append(row)
        facts = {"name": test.name, "call": test.call, "blocks": list(test.blocks), "base_maps": test.bases, "simulated": test.simulated}
        return {**facts, "looks": test.looks, "missing": test.missing, "classes": rows}


def _seen(call: ClassCall) -> float:
    """The area that a failure rests on: of either probe the larger."""
    return call.alone.area if call.network is None else max(call.alone.area, call.network.area)


def examine(
    policy: ViewPolicy,
    material: Material,
    effort: Effort,
    delta: float,
    error: float,
    seed: int,
    *,
    network: Network | None = None,
    told: Told = lambda *_: None,
) -> Examination:
    """Run every test on ``policy``.

    Parameters
    ----------
    material : Material
    effort : Effort
    delta, error : as of ``Limits``
    network : the small network for what the linear probe cannot call; None = it stays so
    seed : int
        The same seed, policy and maps give the same examination.
    """
    rng = np.random.default_rng(seed)
    tried: dict[str, tuple[ViewPolicy, Bases]] = {NEUTRAL: (policy, material.neutral)}
    if material.signatures is not None:
        tried[SIGNATURE] = material.signatures
    limits = Limits(delta, error, trials=len(tried) * (1 if network is None else 2) + bool(material.created))
    found = Examination((), {}, {})
    for name, (viewed, bases) in tried.items():
        test = trace_test(name, viewed, bases, effort, limits, rng, told)
        if network is not None:
            test = ask_network(network, viewed, test, bases, limits, rng, told)
        blames = blame_failures(viewed, test, bases, effort, rng, told)
        found = found.joined(test, blames, _exhibits(viewed, test, bases))
    for name, created in ((CREATED, material.created), (SERVED, dict.fromkeys(material.real, NOTHING))):
        pairs = {label: Pair(policy, label, created[label]) for label in created if label in material.real}
        if not pairs:
            continue
        test = against_test(name, pairs, material.real, effort, limits, rng, told)
        blames, exhibits = {}, {}
        for trace in test.failed if test.blocks else ():
            label = policy.classes.index(trace.name)
            pair, bases = pairs[label], material.real[label]
            blames[trace.name] = blame(pair, 1, [0], trace.call.matched, bases, effort, rng, told)
            exhibits[trace.name] = Exhibit(pair, bases, label=1, other=0)
        found = found.joined(test, blames, exhibits)
    return found


def _exhibits(policy: ViewPolicy, test: TraceTest, bases: Bases) -> dict[str, Exhibit]:
    failed = [policy.classes.index(trace.name) for trace in test.failed]
    innocent = [c for c in range(len(policy.classes)) if c not in failed]
    return {
        policy.classes[label]: Exhibit(policy, bases, label, innocent[0] if innocent else (label + 1) % len(policy.classes))
        for label in failed
    }
