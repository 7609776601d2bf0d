"""The check behind the split: nothing that training saw may be measured on. Knows nothing of how the split was made."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import LeakageError, bounded
from inspection.wafer.maps import DieMap, ImageMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.wafer.maps import InspectionMap

PRECEDENCE = ("train", "validation", "test")
"""Of identical maps in two parts, the copy in the earlier part stays."""
DROPPED = "dropped"


def fingerprint(wafer_map: InspectionMap) -> str:
    """What two byte-identical maps share, whatever their lot, wafer or file: a SHA-256 of the content.

    Parameters
    ----------
    wafer_map : DefectMap, DieMap or ImageMap

    Returns
    -------
    str
        64 hexadecimal digits; empty for a map without a defect: it is like any other such map.
    """
    content: NDArray
    if isinstance(wafer_map, ImageMap):
        content = wafer_map.planes
    elif wafer_map.defects == 0:
        return ""
    else:
        content = wafer_map.status if isinstance(wafer_map, DieMap) else wafer_map.xy_um
    digest = hashlib.sha256(f"{type(wafer_map).__name__} {content.shape} {content.dtype.str}".encode())
    digest.update(np.ascontiguousarray(content).tobytes())
    return digest.hexdigest()


def refuse_leakage(
    parts: Sequence[str] | NDArray[np.str_],
    lots: Sequence[str] | NDArray[np.str_],
    content: Sequence[str] | NDArray[np.str_],
) -> tuple[NDArray[np.str_], int]:
    """Refuse a split with a lot on two sides; drop the copies of maps that an earlier part holds.

    Parameters
    ----------
    parts : n str
        ``train``, ``validation``, ``test`` or ``dropped``.
    lots : n str
        Lot names, empty = none.
    content : n str
        Equal for byte-identical maps (`fingerprint`, or the archive's duplicate group as text); empty = not compared.

    Returns
    -------
    parts : ndarray of shape (n,), str
        As given, but ``dropped`` for every map in validation that training holds too, and in test that training or
        validation holds too. Training loses nothing.
    count : int
        How many were dropped so.

    Raises
    ------
    LeakageError
        When wafers of one lot are in two parts.
    """
    checked = np.array(parts, dtype="U10")
    lots, content = np.asarray(lots, dtype=np.str_), np.asarray(content, dtype=np.str_)
    used = checked != DROPPED
    _refuse_shared_lots(checked[used], lots[used])
    seen = np.zeros(0, dtype=content.dtype)
    count = 0
    for part in PRECEDENCE:
        mine = np.flatnonzero((checked == part) & (content != ""))
        copies = mine[np.isin(content[mine], seen)]
        checked[copies] = DROPPED
        count += len(copies)
        seen = np.union1d(seen, content[mine])
    return checked, count


def refuse_close_rows(
    parts: Sequence[str] | NDArray[np.str_],
    lots: Sequence[str] | NDArray[np.str_],
    rows: Sequence[int] | NDArray[np.integer],
    sources: Sequence[str] | NDArray[np.str_],
    border_rows: int,
) -> None:
    """Refuse a split in which wafers without lot names lie close enough in their source to share a lot.

    Parameters
    ----------
    parts, lots, sources : n str
    rows : n int
    border_rows : int
        Two wafers of different parts must be more than this many rows apart; 0 checks nothing.

    Raises
    ------
    LeakageError
        When two are not.
    """
    checked, lots = np.asarray(parts, dtype=np.str_), np.asarray(lots, dtype=np.str_)
    rows, sources = np.asarray(rows), np.asarray(sources, dtype=np.str_)
    bare = np.flatnonzero((checked != DROPPED) & (lots == ""))
    order = bare[np.lexsort((rows[bare], sources[bare]))]
    first, second = order[:-1], order[1:]
    close = (sources[first] == sources[second]) & (checked[first] != checked[second]) & (rows[second] - rows[first] <= border_rows)
    if border_rows > 0 and close.any():
        shown = [
            f"{sources[a]} rows {rows[a]} ({checked[a]}) and {rows[b]} ({checked[b]})"
            for a, b in zip(first[close], second[close], strict=True)
        ]
        raise LeakageError(
            f"Split refused: expected wafers of different parts more than {border_rows} rows apart where a source "
            f"names no lots, got {len(shown)} pairs closer ({bounded(shown)}). Split again with `inspection split`."
        )


def _refuse_shared_lots(parts: NDArray[np.str_], lots: NDArray[np.str_]) -> None:
    """Raise when one lot is in two parts."""
    named = lots != ""
    names, lot = np.unique(lots[named], return_inverse=True)
    kinds, part = np.unique(parts[named], return_inverse=True)
    inside = np.zeros((len(names), len(kinds)), dtype=bool)
    inside[lot, part] = True
    shared = np.flatnonzero(inside.sum(axis=1) > 1)
    if len(shared):
        shown = [f"{names[i]} in {' and '.join(kinds[inside[i]])}" for i in shared]
        raise LeakageError(
            f"Split refused: expected every lot in one part, got {len(shared)} lots in several ({bounded(shown)}). "
            "Split again with `inspection split`, and do not edit its result by hand."
        )
