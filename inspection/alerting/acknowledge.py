"""What people do with an alert: take it on, close it, correct its label.

Each is one transaction and leaves a line in the alert's comment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspection.errors import InputError, InputNotFoundError
from inspection.store import alerts as table
from inspection.store.database import utc_now
from inspection.wafer.taxonomy import unknown_label

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping

    from inspection.store.database import Store

RESOLVING_SINKS = ("alertmanager",)
"""Sinks that must hear of a closing: those that keep an alert firing."""


def acknowledge(store: Store, alert_id: int, owner: str, comment: str = "", *, now: Callable[[], datetime] = utc_now) -> None:
    """``owner`` takes the alert on. Again by the same or another person: the owner changes.

    Raises
    ------
    InputNotFoundError
        No such alert.
    InputError
        It is closed, or ``owner`` is empty.
    """
    with store.write() as c:
        row = _open_row(c, alert_id, owner, "acknowledge")
        line = _comment(row, now(), owner, "acknowledged", comment)
        table.change(c, alert_id, state=table.ACKNOWLEDGED, owner=owner, comment=line, changed_at=now())
        table.refresh_now(c, alert_id, now())


def close(store: Store, alert_id: int, owner: str, comment: str = "", *, now: Callable[[], datetime] = utc_now) -> None:
    """``owner`` closes the alert; twice changes nothing. Sinks that keep it firing hear of it at the next delivery.

    Raises
    ------
    InputNotFoundError
        No such alert.
    InputError
        ``owner`` is empty.
    """
    with store.write() as c:
        row = _row(c, alert_id, owner, "close")
        if row["state"] == table.CLOSED:
            return
        line = _comment(row, now(), owner, "closed", comment)
        owned = row["owner"] or owner
        table.change(c, alert_id, state=table.CLOSED, owner=owned, comment=line, changed_at=now())
        table.requeue(c, now(), alert_id=alert_id, sinks=RESOLVING_SINKS)


def correct(
    store: Store,
    alert_id: int,
    owner: str,
    label: str,
    *,
    known: Collection[str],
    comment: str = "",
    now: Callable[[], datetime] = utc_now,
) -> None:
    """``owner`` says that the right class of the alert's wafers is ``label``. Allowed on a closed alert too.

    The alert keeps the signature that it was opened with; the correction is a line of its comment.

    Raises
    ------
    InputNotFoundError
        No such alert.
    InputError
        ``owner`` is empty.
    LabelError
        ``label`` is not in ``known``.
    """
    if label not in known:
        raise unknown_label(label, known, where=f"correction of alert {alert_id}")
    with store.write() as c:
        row = _row(c, alert_id, owner, "correct")
        line = _comment(row, now(), owner, f"corrected {row['signature']} -> {label}", comment)
        table.change(c, alert_id, comment=line, changed_at=row["changed_at"] if row["state"] == table.CLOSED else now())


def _row(c: Connection, alert_id: int, owner: str, action: str) -> RowMapping:
    if not owner.strip():
        raise InputError(f"Cannot {action} alert {alert_id}: expected the name of a person, got an empty one. Give an owner.")
    row = table.get(c, alert_id)
    if row is None:
        raise InputNotFoundError(
            f"Cannot {action} alert {alert_id}: expected the id of an alert, got one that the store does not have. "
            "List them with `inspection alerts`."
        )
    return row


def _open_row(c: Connection, alert_id: int, owner: str, action: str) -> RowMapping:
    row = _row(c, alert_id, owner, action)
    if row["state"] == table.CLOSED:
        raise InputError(
            f"Cannot {action} alert {alert_id}: expected an open alert, got one that {row['owner']} closed. "
            "Later wafers of the same lot, layer and signature belong to it."
        )
    return row


def _comment(row: RowMapping, at: datetime, owner: str, what: str, comment: str) -> str:
    """The comment with one more line; earlier lines stay as they are."""
    text = " ".join(comment.split())
    line = f"{at.isoformat(sep=' ', timespec='seconds')} {owner} {what}" + (f": {text}" if text else "")
    return line if not row["comment"] else f"{row['comment']}\n{line}"
