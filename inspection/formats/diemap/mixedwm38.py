"""MixedWM38: 38 015 die maps of 52 x 52 with eight labels that may combine, as its authors published them.

``arr_0`` of shape (n, rows, cols): 0 no die, 1 pass, 2 fail. ``arr_1`` of shape (n, k): one flag per pattern. Optional: ``label_names``
(k names, as text) and ``row`` (n places in an ordered source). There are no lots.

A wafer's label is the names of its patterns in the order of the columns, joined by ``+`` (``Center+Scratch``), and `NORMAL` where no flag
is set. Each combination is a class of its own; one that ``params.yaml`` does not list follows from its patterns
(`wafer.taxonomy.choose`). 105 of the published maps, all Near_full, hold one die of value 3 each; it is taken as failed, as the users of
the set agreed on, and a note says so.

References
----------
J. Wang, C. Xu, Z. Yang, J. Zhang, X. Li, "Deformable Convolutional Networks for Efficient Mixed-Type Wafer Defect Pattern Recognition",
IEEE Trans. Semicond. Manuf. 33(4), 2020, doi 10.1109/TSM.2020.3020985; the value 3: github.com/Junliangwangdhu/WaferMap, issue 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.formats.diemap.npz_arrays import check_count, fault_of, headers, load, places, texts
from inspection.wafer.maps import FAIL, DieMap, SourceWafer, WaferInfo
from inspection.wafer.taxonomy import JOIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.params import Ingest

PATTERNS = ("Center", "Donut", "Edge_Loc", "Edge_Ring", "Loc", "Near_full", "Scratch", "Random")
"""The columns of ``arr_1`` in the order of the publication (its C2 to C9), by the names of ``params.yaml``."""
NORMAL = "Normal"
APART = 1_000
"""Rows between two maps. The set has no lots and its order only sorts the classes, so that no map belongs to its neighbours: they are put
further apart than any lot is long, and the split takes each by itself. (Measured on 13 686 of them: 97.5 % have no other map that shares
70 % of the failed dies, and the most similar one lies within 24 rows for 1.3 % of these. 2 % are copies, mostly 1 000 rows apart: of
these the split keeps those of one part.)"""
STRAY = 3
"""A value that some published maps hold in a single die, and that means nothing else than failed."""

_MAPS, _FLAGS, _NAMES = "arr_0", "arr_1", "label_names"
_error = fault_of("mixedwm38", "Fetch the published .npz again, or write arr_0 and arr_1 as numbers.")


def recognises(head: bytes, path: Path) -> bool:
    """Whether ``path`` is an archive with maps (n, rows, cols) in ``arr_0`` and flags (n, k) in ``arr_1``."""
    found = headers(head, path, (_MAPS, _FLAGS))
    if len(found) != 2:
        return False
    maps, flags = found[_MAPS][0], found[_FLAGS][0]
    return len(maps) == 3 and len(flags) == 2 and maps[0] == flags[0]


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Die maps in the archive's order; everything is checked before the first one is given out.

    Parameters
    ----------
    path : Path
    limits : Ingest
        ``max_file_mb`` bounds the unpacked size, ``max_wafers`` the number of maps.

    Raises
    ------
    FormatError
        ``mixedwm38.damaged``, ``mixedwm38.size``, ``mixedwm38.wafers``, ``mixedwm38.arrays``, ``mixedwm38.values``,
        ``mixedwm38.flags``.

    Notes
    -----
    The maps are read-only views of one array.
    """
    # Some copies keep the names as Python objects; those are never unpickled, the publication's order serves.
    arrays = load(path, (_MAPS, _FLAGS), (_NAMES, "row"), limits, _error, skip_objects=(_NAMES,))
    maps, flags = arrays.pop(_MAPS), arrays.pop(_FLAGS)
    if maps.ndim != 3 or flags.ndim != 2 or len(maps) != len(flags) or not all(maps.shape[1:]):
        raise _error("arrays", "arr_0, arr_1", "shapes (n, rows, cols) and (n, k)", f"{maps.shape}, {flags.shape}")
    check_count(len(maps), _MAPS, limits, _error)
    labels = _labels(flags, arrays.get(_NAMES))
    rows = places(arrays, len(maps), _error)
    status, strays = _status(maps)
    del maps
    for i, label in enumerate(labels):
        notes = (f"stray values: {strays[i]} dies of value {STRAY} are taken as failed",) if strays[i] else ()
        place = i if rows[i] < 0 else rows[i]
        yield SourceWafer(i, DieMap(info=WaferInfo(), status=status[i]), label, notes, place * APART)


def _status(maps: NDArray) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The maps as statuses, and how many dies of each had the stray value."""
    if maps.dtype.kind not in "biu":
        raise _error("arrays", _MAPS, "whole numbers", maps.dtype)
    status = np.empty(maps.shape, np.uint8)
    strays = np.zeros(len(maps), np.int64)
    # Map by map: the published file has 4 bytes per die, and no second copy of that size is needed.
    for i, one in enumerate(maps):
        low, high = int(one.min()), int(one.max())
        if not 0 <= low <= high <= STRAY:
            raise _error("values", f"map {i}", "0 no die, 1 pass, 2 fail", f"{low} to {high}")
        status[i] = one
        strays[i] = np.count_nonzero(one == STRAY) if high == STRAY else 0
    status[status == STRAY] = FAIL
    status.flags.writeable = False
    return status, strays


def _labels(flags: NDArray, given: NDArray | None) -> list[str]:
    names = PATTERNS if given is None else tuple(texts(given))
    if len(names) != flags.shape[1] or len(set(names)) != len(names) or not all(names):
        raise _error("arrays", _NAMES, f"{flags.shape[1]} different names for the columns of arr_1", ", ".join(names)[:80])
    if flags.dtype.kind not in "biuf" or not np.isin(flags, (0, 1)).all():
        raise _error("flags", _FLAGS, "flags 0 or 1", flags.dtype if flags.dtype.kind not in "biuf" else flags.max())
    combinations, which = np.unique(flags.astype(bool), axis=0, return_inverse=True)
    joined = [JOIN.join(n for n, on in zip(names, row, strict=True) if on) or NORMAL for row in combinations.tolist()]
    return [joined[k] for k in which.ravel().tolist()]
