"""The whole guard of one policy: every test, what its failures are put down to, and the verdict in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.augmentation.guard.blame import Blame, blame_failures
from inspection.augmentation.guard.planted import planted_bases
from inspection.augmentation.guard.trace import Effort, TraceTest, trace_test
from inspection.augmentation.guard.verdict import Limits, overall
from inspection.errors import bounded

if TYPE_CHECKING:
    from inspection.augmentation.guard.contract import ViewPolicy
    from inspection.augmentation.guard.neutral import Bases
    from inspection.augmentation.guard.trace import Told

PASS = "pass"  # noqa: S105  (the gate's word)
NEUTRAL, SIGNATURE = "neutral maps", "planted signatures"


@dataclass(frozen=True, slots=True)
class Examination:
    """What the guard found.

    Attributes
    ----------
    tests : outcome of each test
    blames : test -> class -> what the class's failure is put down to
    """

    tests: tuple[TraceTest, ...]
    blames: dict[str, dict[str, Blame]]

    @property
    def verdict(self) -> str:
        """``pass``, ``fail`` or ``cannot tell``; anything but the first blocks registration."""
        call = overall([test.call for test in self.tests])
        return PASS if call == "clean" else call

    @property
    def words(self) -> str:
        """The verdict in a sentence: classes, operations and areas, or how many maps are missing."""
        if self.verdict == PASS:
            return "pass: no class's policy leaves a trace that a probe can tell"
        if self.verdict == "fail":
            told = [
                f"{trace.name} by {self.blames[test.name][trace.name].words} "
                f"(AUC {trace.call.alone.area:.2f}, on the same wafer {trace.call.matched.area:.2f}, {test.name})"
                for test in self.tests
                for trace in test.failed
            ]
            return f"fail: a trace of {bounded(told, 4)}"
        told = [
            f"{trace.name} (AUC {trace.call.alone.area:.3f}, on the same wafer {trace.call.matched.area:.3f}, {test.name})"
            for test in self.tests
            for trace in test.classes
            if trace.call.call == "cannot tell"
        ]
        missing = max(test.missing for test in self.tests)
        return f"cannot tell: {bounded(told, 4)}; about {missing} more neutral maps are needed"

    def to_dict(self) -> dict[str, Any]:
        """Content of ``guard.json``: areas are AUC in [0, 1], bounds one-sided."""
        return {"verdict": self.verdict, "words": self.words, "tests": [self._test(test) for test in self.tests]}

    def _test(self, test: TraceTest) -> dict[str, Any]:
        rows = []
        for trace in test.classes:
            row = {"class": trace.name, **asdict(trace.call), "statistics": list(trace.statistics)}
            found = self.blames[test.name].get(trace.name)
            if found is not None:
                row |= {"operation": found.words, "area_without": found.areas, "area_without_all": found.bare}
            rows.append(row)
        facts = {"name": test.name, "call": test.call, "base_maps": test.bases, "simulated": test.simulated, "looks": test.looks}
        return {**facts, "missing": test.missing, "classes": rows}


def examine(
    policy: ViewPolicy,
    bases: Bases,
    effort: Effort,
    delta: float,
    error: float,
    seed: int,
    *,
    on_signatures: bool = False,
    told: Told = lambda *_: None,
) -> tuple[Examination, dict[str, Bases]]:
    """Run every test on ``policy``.

    Parameters
    ----------
    bases : Bases
        Neutral maps in random order, as many as the last look may take.
    effort : Effort
    delta, error : as of ``Limits``
    on_signatures : bool
        Whether the policy has operations that act on a signature's own points: only then signatures are planted and tried, too.
    seed : int
        The same seed, policy and maps give the same examination.

    Returns
    -------
    The examination, and the base maps of each test by its name
    """
    rng = np.random.default_rng(seed)
    tried = {NEUTRAL: bases}
    if on_signatures:
        tried[SIGNATURE] = planted_bases(bases, rng)
    limits = Limits(delta, error, tests=len(tried), looks=effort.looks)
    tests, blames = [], {}
    for name, maps in tried.items():
        test = trace_test(name, policy, maps, effort, limits, rng, told)
        tests.append(test)
        blames[name] = blame_failures(policy, test, maps, effort, rng, told)
    return Examination(tuple(tests), blames), tried
