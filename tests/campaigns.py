"""Pytest plugin of the Makefile (``-p campaigns``) for the long seeded campaigns: the tests marked ``soak``.

Without ``INSPECTION_SOAK=1`` the first cases of each are run as a sample. With it all are run, and ``.soak/passed.txt`` remembers
what has passed, so that an interrupted campaign goes on where it stopped. The record belongs to one state of the code (its first
line is a hash of ``inspection``, ``flows`` and ``tests``) and forgets what has passed whole: the next run of it is a whole one.
When every case has its outcome, ``docs/soak.md`` is written (``soak_record``).

``soak(inside=True)`` marks a test that makes its own sample: all of its cases belong to the sample, each with fewer seeds.

Files with a test marked ``slow`` go first (with ``--no-loadscope-reorder``), so that no process ends minutes after the other.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from soak_record import Figures, read_figures, update

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROOT = Path(__file__).parent.parent
RECORD = ROOT / ".soak" / "passed.txt"
FIGURES = ROOT / ".soak" / "figures.jsonl"
PAGE = ROOT / "docs" / "soak.md"
WHOLE = os.environ.get("INSPECTION_SOAK") == "1"
SAMPLE = 1
"""Cases of one campaign that are run as its sample."""


def state_of_the_code() -> str:
    digest = hashlib.sha256()
    for path in sorted(p for room in ("inspection", "flows", "tests") for p in (ROOT / room).rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def passed_before(record: Path, state: str) -> set[str]:
    """Names of the tests that passed in this state of the code; starts a new record where there is none of it."""
    if record.is_file():
        first, *passed = record.read_text(encoding="utf-8").splitlines() or [""]
        if first == state:
            return set(passed)
    record.parent.mkdir(exist_ok=True)
    record.write_text(state + "\n", encoding="utf-8")
    FIGURES.unlink(missing_ok=True)
    return set()


def forget(record: Path, figures: Path, names: Collection[str]) -> None:
    """Remove what has passed whole from both records; what was begun of other campaigns stays."""
    left = {name: one for name, one in read_figures(figures).items() if name not in names}
    if not left:
        record.unlink(missing_ok=True)
        figures.unlink(missing_ok=True)
        return
    state, *passed = record.read_text(encoding="utf-8").splitlines()
    # The record first: killed in between, a campaign is run once more and its last figures count.
    record.write_text("".join(f"{line}\n" for line in (state, *(name for name in passed if name not in names))), encoding="utf-8")
    figures.write_text("".join(one.line() for one in left.values()), encoding="utf-8")


def sampled(names: list[str]) -> set[str]:
    """The first cases of each campaign: ``names`` are test names with their case in brackets."""
    seen: Counter[str] = Counter()
    kept = set()
    for name in names:
        campaign = name.partition("[")[0]
        seen[campaign] += 1
        if seen[campaign] <= SAMPLE:
            kept.add(name)
    return kept


_COLLECTED = pytest.StashKey[set[str]]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    _sample(config, items)  # before the order is made random
    yield
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def _sample(config: pytest.Config, items: list[pytest.Item]) -> None:
    marks = {item.nodeid: mark for item in items if (mark := item.get_closest_marker("soak"))}
    config.stash[_COLLECTED] = set(marks)
    left = set()
    if WHOLE:
        left = set(marks) & passed_before(RECORD, state_of_the_code())
    else:
        to_sample = [name for name, mark in marks.items() if not mark.kwargs.get("inside")]
        left = set(to_sample) - sampled(to_sample)
    out = [item for item in items if item.nodeid in left]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item.nodeid not in left]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if not WHOLE or "soak" not in report.keywords or (report.when != "call" and report.passed):
        return
    counted = [dict(value) for name, value in report.user_properties if name == "soak" and isinstance(value, dict)]
    with FIGURES.open("a", encoding="utf-8") as figures:
        figures.write(Figures(report.nodeid, report.outcome, report.duration, counted).line())
    if report.passed:  # after its figures: killed in between, it is run again, and the last figures count
        with RECORD.open("a", encoding="utf-8") as record:
            record.write(report.nodeid + "\n")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    if not WHOLE or config.option.collectonly or hasattr(config, "workerinput"):
        return
    found, collected = read_figures(FIGURES), config.stash.get(_COLLECTED, set())
    chosen = config.option.keyword or any("::" in word for word in config.args)
    if chosen or not collected or not collected <= found.keys():  # no campaign was run whole
        return
    update(PAGE, [found[name] for name in collected], datetime.now(UTC))
    if exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        forget(RECORD, FIGURES, collected)
