"""What a sink is told: one alert as a frozen value and as plain JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

FORMAT_VERSION = 1
"""Raised when a key of ``to_json`` changes its meaning or goes."""

LISTED_WAFERS = 50
"""At most this many wafers are listed in a message; ``wafer_count`` counts all that the alert stores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One alert as the sinks get it. Times are UTC and naive, as the store keeps them."""

    id: int
    key: str
    rule: str
    signature: str
    severity: str
    lot: str
    layer: str
    product: str
    wafers: tuple[Mapping[str, Any], ...]
    summary: str
    state: str
    owner: str
    opened_at: datetime
    changed_at: datetime
    picture: Path | None = None
    """The picture as a file of this machine, or None."""
    picture_name: str | None = None
    """The picture's path below the workspace."""

    @property
    def title(self) -> str:
        """One line for people."""
        place = f"lot {self.lot}" if self.lot else "a source without lots"
        layer = f", layer {self.layer}" if self.layer else ""
        return f"[{self.severity}] {self.signature} in {place}{layer}"

    def to_json(self, idempotency_key: str) -> dict[str, Any]:
        """Plain JSON; the same alert under the same ``idempotency_key`` is the same notification."""
        return {
            "version": FORMAT_VERSION,
            "idempotency_key": idempotency_key,
            "id": self.id,
            "key": self.key,
            "rule": self.rule,
            "signature": self.signature,
            "severity": self.severity,
            "lot": self.lot,
            "layer": self.layer,
            "product": self.product,
            "state": self.state,
            "owner": self.owner,
            "opened_at": iso(self.opened_at),
            "title": self.title,
            "summary": self.summary,
            "wafer_count": len(self.wafers),
            "wafers": [dict(w) for w in self.wafers[:LISTED_WAFERS]],
            "picture": self.picture_name,
        }


def of_row(row: Mapping[str, Any], root: Path) -> Message:
    """The message of one row of ``alerts``; ``root`` is the workspace."""
    name = row["picture"]
    path = None if name is None else root / name
    return Message(
        id=row["id"],
        key=row["key"],
        rule=row["rule"],
        signature=row["signature"],
        severity=row["severity"],
        lot=row["lot"],
        layer=row["layer"] or "",
        product=row["product"] or "",
        wafers=tuple(row["wafers"]),
        summary=row["summary"],
        state=row["state"],
        owner=row["owner"] or "",
        opened_at=row["opened_at"],
        changed_at=row["changed_at"],
        picture=path if path is not None and path.is_file() else None,
        picture_name=name,
    )


def iso(time: datetime) -> str:
    """RFC 3339 in UTC; naive times are UTC."""
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return aware.isoformat(timespec="milliseconds").replace("+00:00", "Z")
