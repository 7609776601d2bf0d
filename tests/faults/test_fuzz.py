"""Every parser on mutated files, in a process with limits: no crash, no hang over 2 s, no more than 256 MB beyond the file's own size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import clean_files as clean
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOLE = os.environ.get("INSPECTION_SOAK") == "1"
BLOCKS, CASES = (range(10), 200) if WHOLE else (range(1), 20)
SLOWEST_S = 2.0
"""Processor time, the readers' own children included: a busy machine is no fault of a file."""
MOST_BYTES = 256 << 20
"""Resident, beyond the file's own size."""


class Child:
    """A process that reads mutated files; another one takes its place when a file kills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None

    def cases(self, parser: str, seed: int, count: int) -> Iterator[dict]:
        """What each case of one parser and seed came to."""
        first = 0
        while first < count:
            process = self.started()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{parser} {seed} {first} {count}\n")
            process.stdin.flush()
            in_hand = first - 1
            for line in process.stdout:
                if line.startswith("case"):
                    in_hand = int(line.split()[1])
                elif line == "done\n":
                    return
                else:
                    yield json.loads(line)
            self.process = None
            assert in_hand >= first, "the process died before its first case"
            yield {"case": in_hand, "how": "killed", "what": f"exit code {process.wait()}", "seconds": 0.0, "rss_bytes": 0, "size": 0}
            first = in_hand + 1

    def started(self) -> subprocess.Popen[str]:
        """The process, ready for the next line."""
        if self.process is None:
            here = Path(__file__).parent
            places = [here.parents[1], here, here.parent / "formats"]
            self.folder.mkdir(exist_ok=True)
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places)), "TMPDIR": str(self.folder)}
            self.process = subprocess.Popen(
                [sys.executable, str(here / "fuzz_child.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
        return self.process

    def end(self) -> None:
        if self.process is not None:
            self.process.communicate()


@pytest.fixture(scope="module")
def child(tmp_path_factory):
    made = Child(tmp_path_factory.mktemp("fuzz"))
    yield made
    made.end()


@pytest.mark.soak(inside=True)
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("parser", clean.MAKERS)
def test_no_mutated_file_crashes_hangs_or_eats_memory(child, record_property, parser, block):
    found = list(child.cases(parser, block, CASES))
    assert len(found) == CASES
    bad = [
        one
        for one in found
        if one["how"] not in {"read", "refused"} or one["seconds"] > SLOWEST_S or one["rss_bytes"] - one["size"] > MOST_BYTES
    ]
    ends = [one["how"] for one in found]
    row = {"cases": CASES, "refused": ends.count("refused"), "read": ends.count("read"), "faults": len(bad)}
    row["slowest, s"] = max(one["seconds"] for one in found)
    row["highest RSS above the file, MB"] = max(one["rss_bytes"] - one["size"] for one in found) / 1e6
    record_property("soak", {"table": "Fuzz", "row": parser, **row})
    assert not bad, f"{parser}, seed {block}; read again by: fuzz_child.py {parser} {block} CASE CASE+1; files in {child.folder}/findings"
