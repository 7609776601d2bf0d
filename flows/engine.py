"""Prefect's own local API: its settings, and a server that starts beside the imports and ends with this process.

Nothing here imports Prefect: it reads its settings from the environment when it is first imported.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from inspection.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inspection.settings import Workspace

START_LIMIT_S = 180.0
"""Two slow cores need 10 to 30 s."""
_API = "PREFECT_API_URL"
_ALWAYS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
}
_ONE_RUN = {  # what a single run does not need of a server
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "",
    **{
        f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false"
        for name in (
            "CANCELLATION_CLEANUP", "CLEANUP_RECONCILER", "EVENT_PERSISTER", "FOREMAN", "LATE_RUNS", "PAUSE_EXPIRATIONS",
            "REPOSSESSOR", "SCHEDULER", "TRIGGERS",
        )
    },
}  # fmt: skip


def configure(workspace: Workspace, *, schedules: bool = False) -> None:
    """Set Prefect's environment: its home below the workspace, its log in a file, no telemetry, no pickled results.

    Call it before Prefect is imported. With ``schedules`` the server's background services stay on.
    """
    if "prefect" in sys.modules:
        raise EngineError("Prefect is imported already and has read its settings: call configure() before anything imports it.")
    for folder in (workspace.prefect, workspace.logs):
        folder.mkdir(parents=True, exist_ok=True)
    logging = workspace.prefect / "logging.json"
    logging.write_text(json.dumps(_logging(workspace.logs / "flows.log")), encoding="utf-8")
    os.environ.update(_ALWAYS if schedules else _ALWAYS | _ONE_RUN)
    os.environ["PREFECT_HOME"] = str(workspace.prefect)
    os.environ["PREFECT_LOGGING_CONFIG_PATH"] = str(logging)


@contextmanager
def local_api(workspace: Workspace) -> Iterator[Callable[[], str]]:
    """Start the local server and yield a callable that waits until it answers and returns its address.

    Somebody else's server is used when ``PREFECT_API_URL`` names one. The server watches a pipe from this process, so that
    it ends however this process ends.
    """
    given = os.environ.get(_API)
    if given:
        yield lambda: given
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}/api"
    log = workspace.logs / "prefect-server.log"
    root = Path(__file__).resolve().parents[1]
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    with log.open("ab") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "flows.server", str(port)],
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C stops the flow first; the server must still take its last state
        )
    os.environ[_API] = address
    try:
        yield lambda: _wait(address, server, log)
    finally:
        os.environ.pop(_API, None)
        if server.stdin is not None:
            server.stdin.close()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):  # noqa: S310  (our own loopback address)
                return address
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise EngineError(f"Prefect's local server did not answer at {address} within {START_LIMIT_S:g} s. Look into {log}, then run again.")


def _logging(log: Path) -> dict[str, object]:
    """Python's logging configuration: Prefect's words go to a file, so that the console shows only our progress."""
    handler = {"class": "logging.FileHandler", "filename": str(log), "formatter": "line", "delay": True}
    line = {"format": "%(asctime)s %(levelname)-7s %(name)s - %(message)s"}
    quiet = {"level": "INFO", "handlers": ["file"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": line},
        "handlers": {"file": handler},
        "loggers": {"prefect": quiet, "prefect.flow_runs": quiet, "prefect.task_runs": quiet},
    }
