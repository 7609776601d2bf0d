"""A workspace, its store and a landing folder for the tests of intake."""

import pytest

from inspection.params import Params
from inspection.settings import Workspace
from inspection.store.database import Store


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
