"""An inverted file: vectors sorted into cells, so that a query is compared with the cells around it and not with everything.

Cells are those of k-means (Sivic & Zisserman 2003, "Video Google"; Jégou et al. 2011, "Product quantization for nearest neighbor search",
without the compression). How many cells a query must look into is not assumed but measured when the file is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

TARGET_RECALL = 0.99
"""Share of the true ten nearest that the probed cells must hold."""
_NEIGHBOURS, _TRIALS = 10, 256
_SAMPLE_PER_CELL = 64
_BLOCK = 1 << 24  # entries of one product: 64 MB


@dataclass(frozen=True, slots=True, eq=False)
class CellArrays:
    """What is kept of an inverted file.

    ``centres`` (m, f) float32 of unit length, ``cell`` (n,) int32 the cell of each vector, ``probes`` how many cells a query looks into,
    ``recall`` what they held of the true ten nearest neighbours when it was built.
    """

    centres: NDArray[np.float32]
    cell: NDArray[np.int32]
    probes: int
    recall: float


@dataclass(frozen=True, eq=False)
class Cells:
    """An inverted file over unit vectors (n, f), float32."""

    vectors: NDArray[np.float32]
    kept: CellArrays

    @cached_property
    def _members(self) -> list[NDArray[np.intp]]:
        """Rows of each cell, ascending."""
        order = np.argsort(self.kept.cell, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.kept.cell, minlength=len(self.kept.centres)))[:-1])

    def candidates(self, query: NDArray[np.float32], probes: int | None = None) -> NDArray[np.intp]:
        """Rows in the ``probes`` cells (default: as built) whose centres are nearest to ``query`` (f,)."""
        nearest = np.argsort(-(self.kept.centres @ query), kind="stable")[: self.kept.probes if probes is None else probes]
        return np.concatenate([self._members[c] for c in nearest.tolist()])

    @classmethod
    def build(cls, vectors: NDArray[np.float32], seed: int) -> Cells:
        """Sort ``vectors`` into about sqrt(n) cells and find the probes that reach ``TARGET_RECALL``; the same seed, the same cells."""
        from sklearn.cluster import MiniBatchKMeans  # noqa: PLC0415  (a second)

        rng = np.random.default_rng(seed)
        n = len(vectors)
        count = max(1, round(np.sqrt(n)))
        sample = vectors[np.sort(rng.permutation(n)[: count * _SAMPLE_PER_CELL])]
        means = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=4096, max_iter=20).fit(sample).cluster_centers_
        centres = unit(means.astype(np.float32))
        cell = in_blocks(vectors, count, lambda part: (part @ centres.T).argmax(axis=1)).astype(np.int32)
        trials = _trials(vectors, rng)
        true = in_blocks(trials, n, lambda part: np.argpartition(-(part @ vectors.T), _NEIGHBOURS - 1, axis=1)[:, :_NEIGHBOURS])
        probes = 1
        while True:
            found = cls(vectors, CellArrays(centres, cell, probes, 0.0))
            recall = float(np.mean([np.isin(rows, found.candidates(v)).mean() for v, rows in zip(trials, true, strict=True)]))
            if recall >= TARGET_RECALL or probes >= count:
                return cls(vectors, CellArrays(centres, cell, probes, recall))
            probes = min(count, 2 * probes)


def _trials(vectors: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Queries to measure with: members, and points halfway between two of them, since what is looked up may lie where no member does."""
    one, other = (vectors[rng.integers(0, len(vectors), _TRIALS)] for _ in range(2))
    return np.concatenate([one, unit(one + other)])


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """``vectors`` (n, f) scaled to length 1; zero stays zero."""
    exact = np.asarray(vectors, np.float32)
    length = np.asarray(np.linalg.norm(exact, axis=1, keepdims=True), np.float32)
    return np.asarray(exact / np.where(length > 0, length, 1), np.float32)


def in_blocks(
    queries: NDArray[np.float32], columns: int, answer: Callable[[NDArray[np.float32]], NDArray[np.integer]]
) -> NDArray[np.integer]:
    """``answer`` to all ``queries``, asked in blocks so that a product with ``columns`` columns stays small."""
    size = max(1, _BLOCK // max(columns, 1))
    return np.concatenate([answer(queries[i : i + size]) for i in range(0, len(queries), size)])
