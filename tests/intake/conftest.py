"""A workspace, its store and a landing folder for the tests of intake."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from inspection.params import Params
from inspection.settings import Workspace
from inspection.store.database import Store

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault of an example
settings.load_profile("untimed")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def store(workspace):
    workspace.root.mkdir(parents=True)
    with Store(f"sqlite:///{workspace.store}") as opened:
        yield opened


@pytest.fixture
def params():
    return Params()


@pytest.fixture
def landing(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


class Runner:
    """A process that has imported everything and ingests in forked children; see killable_ingest.py."""

    def __init__(self, process):
        self.process = process

    def start(self, *words):
        """Start a child; its process id."""
        self.process.stdin.write("\t".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def status(self):
        """Wait for the child; its exit status, negative for a signal."""
        return int(self.process.stdout.readline())


@pytest.fixture(scope="session")
def runner():
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here.parents[1]), str(here)])}
    command = [sys.executable, str(here / "killable_ingest.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        yield Runner(process)
        process.stdin.close()
