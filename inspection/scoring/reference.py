"""Labelled wafers in the network's latent space: what a new wafer is compared with.

The distance of two wafers is 1 - cos of their embeddings seen from the mean of the reference, in [0, 2]. It was chosen on real maps (4 000
training wafers of WM-811K and 2 000 of other lots, 256 numbers each) by the share whose nearest neighbour is of their class and by the mean
average precision; in brackets the means over the nine classes:

====================================  ============  ============
1 - cos, from the mean                .955 (.914)   .937 (.864)
1 - cos, from the origin              .958 (.911)   .931 (.844)
Euclid                                .958 (.911)   .917 (.795)
Euclid, each number standardised      .956 (.901)   .900 (.777)
Euclid, whitened within the classes   .937 (.844)   .801 (.520)
====================================  ============  ============
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import InputError
from inspection.scoring.cells import CellArrays, Cells, unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

EXACT_BELOW = 100_000
"""Up to here every query is compared with every vector; beyond, with those of the cells around it (``cells``)."""
_BLOCK = 1 << 23  # distances at a time: 32 MB
_SPARE = 16  # candidates beyond k that single precision chooses and double precision puts in order


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The nearest of each query, nearest first.

    ``rows`` (q, k) into the reference, -1 where it holds fewer that are allowed; ``distance`` (q, k), 1 - cos in [0, 2], there infinite.
    """

    rows: NDArray[np.intp]
    distance: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reference:
    """Labelled wafers in latent space.

    Attributes
    ----------
    centre : ndarray of shape (f,), float32
        Mean embedding: where the angles are measured.
    vectors : ndarray of shape (n, f), float16
        Embeddings less the centre, of length 1. Half precision halves the file; it moves a distance by less than 1e-3, and on real maps
        none of the figures above.
    label : ndarray of shape (n,), int
        Class positions in the taxonomy of the bundle.
    file_sha256, index : ndarrays of shape (n,)
        Which wafer it is.
    group : ndarray of shape (n,), str
        Its lot, or the block of its source where that names no lots.
    kept_cells : CellArrays or None
        The inverted file, beyond ``EXACT_BELOW`` vectors.
    """

    centre: NDArray[np.float32]
    vectors: NDArray[np.float16]
    label: NDArray[np.int32]
    file_sha256: NDArray[np.str_]
    index: NDArray[np.int64]
    group: NDArray[np.str_]
    kept_cells: CellArrays | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def of(
        cls, embedding: NDArray[np.floating], label: ArrayLike, file_sha256: ArrayLike, index: ArrayLike, group: ArrayLike, *, seed: int = 0
    ) -> Reference:
        """From embeddings (n, f) and what is known of each wafer.

        Raises
        ------
        InputError
            Columns of other lengths, or embeddings that are not finite.
        """
        labels, files = np.asarray(label, np.int32), np.asarray(file_sha256, str)
        indices, groups = np.asarray(index, np.int64), np.asarray(group, str)
        shapes = [column.shape for column in (labels, files, indices, groups)]
        if embedding.ndim != 2 or any(shape != embedding.shape[:1] for shape in shapes) or not np.isfinite(embedding).all():
            raise InputError(
                f"No reference: expected finite embeddings (n, f) and one label, file, index and group for each, got {embedding.shape} "
                f"and {shapes}, finite: {bool(np.isfinite(embedding).all())}. Embed the labelled wafers again."
            )
        centre = np.asarray(embedding, np.float64).mean(axis=0) if len(embedding) else np.zeros(embedding.shape[1])
        vectors = unit(embedding - centre)
        kept = Cells.build(vectors, seed).kept if len(vectors) >= EXACT_BELOW else None
        return cls(centre.astype(np.float32), vectors.astype(np.float16), labels, files, indices, groups, kept)

    @cached_property
    def _unit(self) -> NDArray[np.float32]:
        return unit(self.vectors)

    @cached_property
    def _cells(self) -> Cells | None:
        return None if self.kept_cells is None else Cells(self._unit, self.kept_cells)

    @cached_property
    def _group_codes(self) -> tuple[dict[str, int], NDArray[np.intp]]:
        names, codes = np.unique(self.group, return_inverse=True)
        return {str(name): code for code, name in enumerate(names)}, codes

    def directions(self, embedding: NDArray[np.floating]) -> NDArray[np.float32]:
        """Embeddings (q, f) less the centre, of length 1: half the squared distance of two of them is their distance here."""
        return unit(embedding - self.centre)

    def nearest(
        self,
        queries: NDArray[np.floating],
        k: int,
        *,
        not_of: Sequence[str | None] | None = None,
        but: Sequence[tuple[str, int] | None] | None = None,
    ) -> Neighbours:
        """The ``k`` nearest of each query.

        Ties go to the lower row. Exact under ``EXACT_BELOW`` vectors; beyond, as good as ``kept_cells.recall`` says.

        Parameters
        ----------
        queries : ndarray of shape (q, f)
            Embeddings of the same network.
        k : int, at least 1
        not_of : q group names or None, optional
            A wafer of this group is no neighbour of the query: how a model is judged, since wafers of one lot resemble one another.
        but : q (file_sha256, index) or None, optional
            This wafer is no neighbour of the query: it is the query.

        Raises
        ------
        InputError
            Embeddings of another length, not finite, or ``k`` below 1.
        """
        self._check(queries, k)
        ready = self.directions(queries)
        rows = np.full((len(ready), k), -1, np.intp)
        distance = np.full((len(ready), k), np.inf)
        for start, block in self._blocks(ready):
            places = range(start, start + len(block))
            if self._cells is None:
                barred = self._barred(places, not_of, but)
                chosen = _least(1 - block @ self._unit.T, barred, k + _SPARE)
            else:
                chosen = [self._probed(self._cells, block[i], p, k, not_of, but) for i, p in enumerate(places)]
            for i, found in zip(places, chosen, strict=True):
                ordered, far = self._in_order(ready[i], found)
                rows[i, : len(ordered[:k])], distance[i, : len(ordered[:k])] = ordered[:k], far[:k]
        return Neighbours(rows, distance)

    def distances(
        self, queries: NDArray[np.floating], *, not_of: Sequence[str | None] | None = None
    ) -> Iterator[tuple[range, NDArray[np.float32]]]:
        """Distances of all vectors to the queries, a block of queries at a time: (which queries, (b, n)); infinite where barred."""
        self._check(queries, 1)
        for start, block in self._blocks(self.directions(queries)):
            places = range(start, start + len(block))
            far = np.maximum(1 - block @ self._unit.T, 0)
            far[self._barred(places, not_of, None)] = np.inf
            yield places, far

    def _check(self, queries: NDArray[np.floating], k: int) -> None:
        if queries.ndim != 2 or queries.shape[1] != self.vectors.shape[1] or not np.isfinite(queries).all() or k < 1:
            raise InputError(
                f"Cannot look for neighbours: expected finite embeddings (q, {self.vectors.shape[1]}) and k of at least 1, got "
                f"{queries.shape} and k = {k}. Use the network that this reference was made with."
            )

    def _blocks(self, queries: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        size = max(1, _BLOCK // max(len(self), 1))
        for start in range(0, len(queries), size):
            yield start, queries[start : start + size]

    def _barred(
        self, places: range, not_of: Sequence[str | None] | None, but: Sequence[tuple[str, int] | None] | None
    ) -> NDArray[np.bool_]:
        """Which rows are no neighbours of the queries at ``places``, shape (b, n)."""
        barred = np.zeros((len(places), len(self)), bool)
        if not_of is not None:
            codes, of = self._group_codes
            barred |= of == np.array([codes.get(name, -1) if (name := not_of[p]) is not None else -1 for p in places])[:, None]
        if but is not None:
            for i, place in enumerate(places):
                if (wafer := but[place]) is not None:
                    barred[i] |= (self.index == wafer[1]) & (self.file_sha256 == wafer[0])
        return barred

    def _probed(
        self,
        cells: Cells,
        query: NDArray[np.float32],
        place: int,
        k: int,
        not_of: Sequence[str | None] | None,
        but: Sequence[tuple[str, int] | None] | None,
    ) -> NDArray[np.intp]:
        """Candidates from the cells around ``query``; from all, where those hold too few that are allowed."""
        (barred,) = self._barred(range(place, place + 1), not_of, but)
        found = cells.candidates(query)
        found = found[~barred[found]]
        if len(found) < k:
            found = np.flatnonzero(~barred)
        far = 1 - self._unit[found] @ query
        return found[np.argpartition(far, k + _SPARE)[: k + _SPARE]] if len(found) > k + _SPARE else found

    def _in_order(self, query: NDArray[np.float32], rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """``rows`` by their distance in double precision, then by row."""
        near, here = self._unit[rows].astype(np.float64), query.astype(np.float64)
        length = np.linalg.norm(near, axis=1) * np.linalg.norm(here)
        far = np.maximum(1 - np.divide(near @ here, length, out=np.zeros(len(rows)), where=length > 0), 0)
        # The same vector twice may differ in the last bit, as sums of products are grouped by the processor: that is a tie.
        order = np.lexsort((rows, np.round(far, 12)))
        return rows[order], far[order]


def _least(far: NDArray[np.float32], barred: NDArray[np.bool_], count: int) -> list[NDArray[np.intp]]:
    """For each row the places of its ``count`` smallest that are not barred, in no order."""
    far[barred] = np.inf
    if count < far.shape[1]:
        nearest = np.argpartition(far, count - 1, axis=1)[:, :count]
    else:
        nearest = np.broadcast_to(np.arange(far.shape[1]), far.shape)
    return [places[~line[places]] for places, line in zip(nearest, barred, strict=True)]
