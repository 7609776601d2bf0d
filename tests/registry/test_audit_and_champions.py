"""The audit chain and the history of champions, in a real SQLite store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, text, update

from inspection.store import audit, champions
from inspection.store.database import Store
from inspection.store.tables import audit as table

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path}/store.sqlite") as store:
        yield store


def fill(store: Store, count: int = 5) -> None:
    for number in range(count):
        with store.write() as connection:
            audit.append(
                connection, actor="alice", action="promote", subject=f"model {number}", detail={"f1": 0.1 + number, "µ": [1, None]}
            )


def test_an_untouched_chain_verifies_and_starts_from_nothing(store: Store) -> None:
    assert audit.verify(store) == []
    fill(store)
    assert audit.verify(store) == []
    assert [entry.subject for entry in audit.entries(store)] == [f"model {n}" for n in range(5)]
    assert len(audit.entries(store, "model 3")) == 1


@pytest.mark.parametrize("column", ["actor", "action", "subject", "detail", "at", "hash", "previous_hash"])
def test_an_edit_of_any_column_is_found_at_its_row(store: Store, column: str) -> None:
    fill(store)
    value = {"detail": {"f1": 9}, "at": datetime(2020, 1, 1)}.get(column, "0" * 63 + "f")  # noqa: DTZ001  (as the store keeps it)
    with store.write() as connection:
        connection.execute(update(table).where(table.c.id == 3).values({column: value}))
    assert 3 in {fault.id for fault in audit.verify(store)}


def test_a_removed_row_is_found(store: Store) -> None:
    fill(store)
    with store.write() as connection:
        connection.execute(delete(table).where(table.c.id == 2))
    assert [fault.what for fault in audit.verify(store)] == ["rows 2 to 2 are missing", "does not follow the row before it"]


def test_a_row_of_a_transaction_that_failed_was_never_written(store: Store) -> None:
    fill(store, 1)

    def failing() -> None:
        with store.write() as connection:
            audit.append(connection, actor="bob", action="promote", subject="x", detail={})
            connection.execute(text("SELECT no_such_column FROM audit"))

    with pytest.raises(Exception, match="no_such_column"):
        failing()
    fill(store, 1)
    assert len(audit.entries(store)) == 2
    assert audit.verify(store) == []


def test_the_champion_at_any_moment_is_the_one_that_was_promoted_last_before_it(store: Store) -> None:
    assert champions.current(store) is None
    moments = []
    for version in ("1", "2"):
        with store.write() as connection:
            now = champions.replace(
                connection, version=version, bundle_sha256=version * 64, bundle_path=Path("x"), promoted_by="alice", reason="better"
            )
        moments.append(now.since)
    first, second = moments
    found = champions.champion_at(store, first - timedelta(microseconds=1))
    assert found is None
    assert getattr(champions.champion_at(store, first), "version", None) == "1"
    assert getattr(champions.champion_at(store, second), "version", None) == "2"
    elsewhere = second.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=9)))
    assert getattr(champions.champion_at(store, elsewhere), "version", None) == "2"
    assert getattr(champions.current(store), "version", None) == "2"
    assert [c.until for c in champions.history(store)] == [second, None]
