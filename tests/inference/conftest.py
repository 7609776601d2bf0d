"""Stores for the ledger's contract suite: SQLite and Postgres."""

from __future__ import annotations

import pytest

from inspection.store.database import Store


@pytest.fixture
def store(each_store):
    """An empty store of each kind."""
    return each_store


@pytest.fixture
def sqlite_store(tmp_path):
    with Store(f"sqlite:///{tmp_path / 'store.sqlite'}") as opened:
        yield opened
