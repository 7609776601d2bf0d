"""A real flow on Prefect's real local server, in a process of its own: Prefect reads its settings when it is first imported."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
    import json, sys, time
    from pathlib import Path
    from flows.engine import configure, local_api
    from inspection.settings import Workspace

    workspace = Workspace(sys.argv[1])
    configure(workspace)
    with local_api(workspace) as ready:
        from prefect import flow
        from flows.ingest import ingest_flow
        from flows.steps import step
        from inspection import stages
        from inspection.errors import EngineError, InputError

        address = ready()
        fab = workspace.root / "fab"
        stages.simulate_fab(fab, lots=1, wafers=3, seed=0, difficulty="easy", format="klarf12")
        steps = [ingest_flow(str(workspace.root), str(fab)) for _ in range(2)]

        calls = {"engine": 0, "input": 0}
        def engine(place, params, report):
            calls["engine"] += 1
            if calls["engine"] < 3:
                raise EngineError("the disk was full for a moment")
            return {"calls": calls["engine"]}
        def wrong(place, params, report):
            calls["input"] += 1
            raise InputError("no such label")
        stages.engine, stages.wrong = engine, wrong
        fast = step.with_options(retry_delay_seconds=0)

        @flow
        def trouble(workspace: str):
            retried = fast("engine", workspace)
            failed = fast("wrong", workspace, return_state=True)
            return retried, str(failed.type.value)
        retried, failed = trouble(str(workspace.root))
        print(json.dumps({"address": address, "steps": steps, "retried": retried, "failed": failed, "calls": calls}), flush=True)
        time.sleep(600)
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict, subprocess.Popen[str]]]:
    workspace = tmp_path_factory.mktemp("flow") / "space"
    with (workspace.parent / "stderr.txt").open("w") as stderr:
        command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(workspace)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        assert line, (workspace.parent / "stderr.txt").read_text()[-3000:]
        yield workspace, json.loads(line), process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_flow_runs_the_stages_in_order_and_a_second_run_finds_nothing_new(ran) -> None:
    workspace, answer, _ = ran
    first, second = answer["steps"]
    assert [step["stage"] for step in first] == ["ingest", "validate"]
    assert first[0]["result"]["wafers"] == 3
    assert first[1]["result"]["lots"] >= 1
    assert [step["result"]["idle"] for step in second] == [True, True]
    assert (workspace / "logs" / "flows.log").stat().st_size > 0
    assert (workspace.parent / "stderr.txt").read_text() == "", "Prefect's words go to the log, not to the console"


@pytest.mark.slow
def test_what_an_engine_failed_is_retried_and_what_the_user_got_wrong_is_not(ran) -> None:
    _, answer, _ = ran
    assert answer["retried"]["result"] == {"calls": 3}
    assert answer["failed"] == "FAILED"
    assert answer["calls"] == {"engine": 3, "input": 1}


@pytest.mark.slow
def test_prefect_keeps_the_runs_below_the_workspace_and_pickles_nothing(ran) -> None:
    workspace, _, _ = ran
    with sqlite3.connect(workspace / "prefect" / "prefect.db") as database:
        states = database.execute("select name, state_type from flow_run").fetchall()
    database.close()
    assert [state for _, state in states] == ["COMPLETED"] * 3
    assert not (workspace / "prefect" / "storage").exists()


@pytest.mark.slow
def test_the_server_ends_with_its_parent_even_when_that_is_killed(ran) -> None:
    _, answer, process = ran
    assert healthy(answer["address"])
    process.send_signal(signal.SIGKILL)
    end = time.monotonic() + 30
    while healthy(answer["address"]):
        assert time.monotonic() < end, "the server outlived its parent"
        time.sleep(0.2)


def healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=30) as response:  # noqa: S310  (our own loopback address)
            return response.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False
