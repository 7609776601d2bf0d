"""New classes among the unknowns: wafers that were decided Unknown and resemble one another. Pure.

Unknown wafers are clustered together with some labelled ones of each class (HDBSCAN: Campello, Moulavi & Sander 2013). By themselves,
the wafers of a single new pattern have no density to stand out from, and HDBSCAN calls all of them noise; among known classes they are
a cluster, and unknowns that belong with a known class are told as such. Real maps of classes that were hidden from the labelled ones:
8 Centers and 6 Edge-Rings made one cluster each, 40 Scratches one of 34; of 40 Donuts and 30 Scratches 32 and 25 came together, apart from
each other. Without the labelled wafers it was 0, 0, 0, 40 and 25.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.scoring.reference import Reference

LEAST = 5
"""Unknown wafers that make a cluster."""
KNOWN_PER_CLASS = 30
MOST = 10_000
"""Time grows with the square: a minute or two for so many."""


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """Unknown wafers that are alike.

    Attributes
    ----------
    members : ndarray of shape (s,)
        Positions among the unknowns, ascending.
    medoid : int
        The member with the least mean distance to the others: the wafer to show, and what the cluster is named by.
    cohesion : float
        Mean of 1 - distance over all pairs, in [-1, 1]; 1 = all the same.
    nearest_class, nearest_distance : int, float
        Class position of the labelled wafer nearest to the medoid, and how far it is; -1 and infinite without labelled wafers.
    resembles : int or None
        The known class that the cluster belongs with, as it holds half of that class's labelled wafers, or more labelled wafers than
        unknown ones. None: a new class.
    """

    members: NDArray[np.intp]
    medoid: int
    cohesion: float
    nearest_class: int
    nearest_distance: float
    resembles: int | None

    def __len__(self) -> int:
        return len(self.members)


@dataclass(frozen=True, slots=True, eq=False)
class Novelty:
    """Clusters, those of new classes first, then the largest; ``noise`` (m,): positions of the unknowns that belong to none."""

    clusters: tuple[Cluster, ...]
    noise: NDArray[np.intp]

    @property
    def offered(self) -> tuple[Cluster, ...]:
        """Those to label as a new class."""
        return tuple(c for c in self.clusters if c.resembles is None)


def cluster_unknowns(embedding: NDArray[np.floating], reference: Reference, *, seed: int, least: int = LEAST) -> Novelty:
    """Cluster the wafers that were decided Unknown.

    Parameters
    ----------
    embedding : ndarray of shape (n, f)
        Of the unknown wafers; any number, also none.
    reference : Reference
        Labelled wafers of the same network.
    seed : int
        Chooses the labelled wafers; same seed, same clusters.
    least : int, at least 2
        Unknown wafers that make a cluster. Fewer unknowns than that are all noise.

    Raises
    ------
    InputError
        ``least`` below 2, or more than ``MOST`` unknowns.
    """
    n = len(embedding)
    if least < 2 or n > MOST:
        raise InputError(
            f"Cannot cluster unknown wafers: expected at most {MOST} of them and clusters of at least 2, got {n} and {least}. "
            "Choose a shorter time or fewer lots."
        )
    if n < least:
        return Novelty((), np.arange(n))
    from sklearn.cluster import HDBSCAN  # noqa: PLC0415  (a second)

    unknown, rows = reference.directions(embedding), _some_of_each(reference.label, np.random.default_rng(seed))
    order = np.lexsort(unknown.T)  # HDBSCAN breaks ties by position: the same wafers must be the same clusters in any order
    points = np.concatenate([unknown[order], reference.vectors[rows]]).astype(np.float64)
    found = HDBSCAN(min_cluster_size=least, copy=True).fit_predict(points)
    of, known = np.empty(n, found.dtype), found[n:]
    of[order] = found[:n]
    clusters = []
    for number in np.unique(of[of >= 0]).tolist():
        members = np.flatnonzero(of == number)
        if len(members) >= least:
            inside = np.bincount(reference.label[rows[known == number]], minlength=int(reference.label.max(initial=0)) + 1)
            clusters.append(_described(members, unknown, embedding, reference, _belongs(inside, reference.label[rows], len(members))))
    clusters.sort(key=lambda c: (c.resembles is not None, -len(c), int(c.members[0])))
    taken = np.concatenate([np.zeros(0, np.intp), *(c.members for c in clusters)])
    return Novelty(tuple(clusters), np.setdiff1d(np.arange(n), taken))


def _some_of_each(label: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.intp]:
    """Rows of at most ``KNOWN_PER_CLASS`` wafers of each class."""
    order = rng.permutation(len(label))
    chosen = [order[label[order] == k][:KNOWN_PER_CLASS] for k in np.unique(label)]
    return np.sort(np.concatenate([np.zeros(0, np.intp), *chosen]))


def _belongs(inside: NDArray[np.integer], asked: NDArray[np.integer], unknown: int) -> int | None:
    """The known class that a cluster with ``inside[k]`` of the labelled wafers of each class belongs with, or None."""
    of_class = np.bincount(asked, minlength=len(inside))
    shares = np.divide(inside, of_class, out=np.zeros(len(inside)), where=of_class > 0)
    if shares.max(initial=0) >= 0.5 or inside.sum() > unknown:
        return int(shares.argmax())
    return None


def _described(
    members: NDArray[np.intp], unknown: NDArray[np.float32], embedding: NDArray[np.floating], reference: Reference, resembles: int | None
) -> Cluster:
    mine = unknown[members].astype(np.float64)
    alike = mine @ mine.T
    medoid = int(members[alike.sum(axis=1).round(9).argmax()])  # rounded: of wafers alike the first, whatever the processor sums up
    pairs = len(members) * (len(members) - 1)
    cohesion = float((alike.sum() - np.trace(alike)) / pairs)
    nearest = reference.nearest(embedding[[medoid]], 1)
    row, distance = int(nearest.rows[0, 0]), float(nearest.distance[0, 0])
    return Cluster(members, medoid, cohesion, int(reference.label[row]) if row >= 0 else -1, distance, resembles)
