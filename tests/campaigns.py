"""Pytest plugin of the Makefile (``-p campaigns``) for the long seeded campaigns: the tests marked ``soak``.

Without ``INSPECTION_SOAK=1`` the first cases of each are run as a sample. With it all are run, and ``.soak/passed.txt`` remembers
what has passed, so that an interrupted campaign goes on where it stopped. The record belongs to one state of the code (its first
line is a hash of ``inspection``, ``flows`` and ``tests``) and is removed once everything has passed: the next run is a whole one.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RECORD = ROOT / ".soak" / "passed.txt"
WHOLE = os.environ.get("INSPECTION_SOAK") == "1"
SAMPLE = 3
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
    return set()


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


@pytest.hookimpl(tryfirst=True)  # before the order is made random
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    soak = [item.nodeid for item in items if item.get_closest_marker("soak")]
    left = set(soak) - (sampled(soak) if not WHOLE else set())
    if WHOLE:
        left &= passed_before(RECORD, state_of_the_code())
    out = [item for item in items if item.nodeid in left]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item.nodeid not in left]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if WHOLE and report.when == "call" and report.passed and "soak" in report.keywords:
        with RECORD.open("a", encoding="utf-8") as record:
            record.write(report.nodeid + "\n")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    finished = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    if WHOLE and finished and not session.config.option.collectonly:
        RECORD.unlink(missing_ok=True)
