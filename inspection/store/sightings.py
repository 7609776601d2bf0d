"""The ``sightings`` table: what lay where when it was last read, so that an unchanged file is not read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from inspection.store.database import chunks, insert_or
from inspection.store.tables import sightings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection


class Sighting(NamedTuple):
    """``fingerprint`` changes whenever the content does; ``sha256`` is the content's."""

    fingerprint: str
    sha256: str


def seen_in(connection: Connection, place: str) -> dict[str, Sighting]:
    """The last sighting of every name in ``place``."""
    query = select(sightings.c.name, sightings.c.fingerprint, sightings.c.sha256).where(sightings.c.place == place)
    return {row.name: Sighting(row.fingerprint, row.sha256) for row in connection.execute(query)}


def put_sightings(connection: Connection, place: str, seen: Mapping[str, Sighting]) -> None:
    """Remember ``seen`` (by name) in place of what was seen before."""
    rows = [{"place": place, "name": name, **one._asdict()} for name, one in seen.items()]
    statement = insert_or(connection, sightings)
    new = {"fingerprint": statement.excluded.fingerprint, "sha256": statement.excluded.sha256}
    for piece in chunks(rows):
        connection.execute(statement.on_conflict_do_update(index_elements=["place", "name"], set_=new), piece)
