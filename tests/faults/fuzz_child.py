"""Reads mutated files in a process of its own, and measures what each takes: started by ``test_fuzz``.

Each line of standard input is ``PARSER SEED FIRST LAST``; for each case there is a line ``case N`` before it is read and a line of
JSON behind it. A case is given by its parser, seed and number alone: ``python fuzz_child.py`` with these four reads it again.
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from functools import cache
from pathlib import Path

import clean_files as clean
import numpy as np
from mutations import mutate

from inspection.formats import table
from inspection.intake.landing import Claim
from inspection.intake.parsing import Parser
from inspection.params import Ingest, Params

LIMITS = Ingest(max_file_mb=256, max_defects=1_000_000)
KILLED_AFTER_S = 20
"""Of processor time: what never ends is ended by its signal."""
ROOM_BYTES = 4 << 30
"""Of address space beyond what the process has when it is warm: what wants more gets a MemoryError, and the machine lives."""
CASES_OF_A_FILE = 20
"""A clean file is made once for so many cases: making it takes longer than reading it."""
CRASHES = ("file.unreadable", "file.memory", "file.deadly")
"""Reasons that a reader's crash is given on the way in."""


def status(name: str) -> int:
    """A figure of ``/proc/self/status`` in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def processor_s() -> float:
    """Seconds of processor time of this process and its children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + used.ru_utime + used.ru_stime


def size_of(path: Path) -> int:
    """Bytes of a file with its sidecar, or of a folder."""
    return sum(p.stat().st_size for p in (path if path.is_dir() else path.parent).rglob("*") if p.is_file())


def outcome(path: Path, canonical: Path) -> tuple[str, str]:
    """How one file ends: ``read``, ``refused`` with its code, or ``crashed`` with what was raised."""
    parser = Parser(canonical, Params(ingest=LIMITS), table.read, table.recognise)
    try:
        parsed = parser.parse(Claim("0" * 64, path.name, path))
    except Exception:  # noqa: BLE001 - any is a finding
        return "crashed", traceback.format_exc()[-1_500:]
    if parsed.fault is not None:  # would stop the ingest of all other files
        return "crashed", f"taken for a fault of the machine: {parsed.fault}"
    if parsed.reason is None:
        return "read", ""
    reason = parsed.reason
    if reason.code in CRASHES or len(str(reason)) > 2_000 or not (reason.action and reason.expected and "." in reason.code):
        return "crashed", str(reason)[:1_500]
    return "refused", reason.code


def say(line: str) -> None:
    """A line for whoever started this, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@cache
def clean_pair(parser: str, seed: int, group: int) -> tuple[Path, Path]:
    """Two clean files of one parser."""
    rng, folder = np.random.default_rng([seed, group]), Path(tempfile.mkdtemp(prefix="clean-"))
    places = folder / "0", folder / "1"
    for place in places:
        place.mkdir(parents=True)
    return clean.MAKERS[parser](rng, places[0]), clean.MAKERS[parser](rng, places[1])


def run(parser: str, seed: int, case: int) -> dict[str, object]:
    """Make, mutate and read one file."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        places = [Path(folder, name) for name in ("other", "file", "canonical")]
        pair = clean_pair(parser, seed, case // CASES_OF_A_FILE + 1)
        other, path = (shutil.copytree(made.parent, place) / made.name for made, place in zip(pair, places[:2], strict=True))
        places[2].mkdir()
        if case >= 0:  # -1 stays clean
            mutate(np.random.default_rng([seed, case]), path, other)
        size = size_of(path)
        Path("/proc/self/clear_refs").write_text("5")
        before, started = status("VmRSS"), processor_s()
        signal.setitimer(signal.ITIMER_PROF, KILLED_AFTER_S)
        how, what = outcome(path, places[2])
        signal.setitimer(signal.ITIMER_PROF, 0)
        seconds, peak = processor_s() - started, status("VmHWM") - before
        if how == "crashed":
            kept = Path(tempfile.gettempdir(), "findings", f"{parser}-{seed}-{case}".replace(" ", "_"))
            shutil.copytree(places[1], kept, dirs_exist_ok=True)
    return {"case": case, "how": how, "what": what, "seconds": seconds, "rss_bytes": peak, "size": size}


def main() -> None:
    warnings.simplefilter("error", RuntimeWarning)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in [" ".join(sys.argv[1:])] if len(sys.argv) > 1 else sys.stdin:
        *words, seed, first, last = line.split()
        parser = " ".join(words)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        for warm in range(2):  # what is imported or compiled once is no case's fault
            run(parser, warm, -1)
        resource.setrlimit(resource.RLIMIT_AS, (status("VmSize") + ROOM_BYTES, resource.RLIM_INFINITY))
        for case in range(int(first), int(last)):
            say(f"case {case}")
            say(json.dumps(run(parser, int(seed), case)))
        say("done")


if __name__ == "__main__":
    main()
