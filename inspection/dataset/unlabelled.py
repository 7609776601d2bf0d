"""Wafers without a label: which of them training may see.

They belong to no part. One that shares a lot with a validation or test wafer would tell training what that part looks like, so it is left
out, and so is the copy of a map of these parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from inspection.dataset.leakage import fingerprint
from inspection.dataset.split import TEST, VALIDATION
from inspection.formats.canonical import read_shard, shard_index

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from inspection.wafer.maps import WaferMap


def apart(unlabelled: pd.DataFrame, held: pd.DataFrame, border_rows: int) -> NDArray[np.bool_]:
    """Which rows of ``unlabelled`` share no lot with any row of ``held``.

    Parameters
    ----------
    unlabelled, held : DataFrame
        Columns ``source``, ``lot``, ``row``, ``index``, as ``formats.canonical.shard_index`` gives them; ``held`` are the validation and
        test part.
    border_rows : int
        Where a source names no lots, wafers so many rows apart or fewer may be of one.
    """
    lots = unlabelled["lot"].to_numpy(str)
    allowed = (lots == "") | ~np.isin(lots, held["lot"].to_numpy(str))
    for source, rows in _places(held[held["lot"] == ""]).items():
        mine = np.flatnonzero((lots == "") & (unlabelled["source"].to_numpy(str) == source))
        places = _rows(unlabelled.iloc[mine])
        after = np.searchsorted(rows, places)
        distance = np.minimum(
            np.abs(places - rows[np.maximum(after - 1, 0)]), np.abs(rows[np.minimum(after, len(rows) - 1)] - places)
        )  # fmt: skip
        allowed[mine[distance <= border_rows]] = False
    return allowed


def read_unlabelled(shard: Path, labelled: Path, parts: NDArray[np.str_], border_rows: int) -> list[WaferMap]:
    """The maps of the shard of unlabelled wafers that training may see; none where there is no such shard.

    ``labelled`` is the shard of labelled wafers, ``parts`` (n,) the part of each of them.
    """
    if not shard.is_file():
        return []
    index, known = shard_index(shard), shard_index(labelled)
    held = np.flatnonzero((parts == VALIDATION) | (parts == TEST))
    seen = {fingerprint(entry.wafer.map) for entry in read_shard(labelled, held.tolist())} - {""}
    chosen = np.flatnonzero(apart(index, known.iloc[held], border_rows))
    maps = (cast("WaferMap", entry.wafer.map) for entry in read_shard(shard, chosen.tolist()))
    return [wafer for wafer in maps if fingerprint(wafer) not in seen]


def _rows(table: pd.DataFrame) -> NDArray[np.int64]:
    return np.asarray(table["row"].where(table["row"] >= 0, table["index"]), np.int64)


def _places(held: pd.DataFrame) -> dict[str, NDArray[np.int64]]:
    """Sorted rows of each source."""
    return {str(source): np.sort(_rows(table)) for source, table in held.groupby("source")}
