"""Patterns never seen in training: how strange a wafer is to the network, and from where on it counts as Unknown.

===============  ==========================================================================================================
``distances``    mean of the logarithms of the next two, each in its own spread: they err on different wafers
``mahalanobis``  squared distance of the embedding to the nearest class mean, by one shared, shrunk covariance (Lee et al. 2018)
``mixture``      negative log likelihood of the embedding under a Gaussian mixture, in its principal directions
``neighbours``   distance of the normalised embedding to its k-th nearest training wafer (Sun et al. 2022)
``energy``       negative log of the summed exponentials of the logits (Liu et al. 2020)
===============  ==========================================================================================================

`python benchmarks/compare_unknown.py` leaves out one class after the other on real maps; its table (README) decided for ``distances``
(``evaluate.unknown.detector``). The limit is conformal and each likeliest class has its own: validation wafers, which are all known, exceed
it at the rate that is allowed, those called Donut as seldom as those called normal. (One limit for all flagged 9 of 10 Donuts of real maps:
rare classes are spread wider than the many normal wafers, and paid for their rate.)
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from inspection.errors import BundleError
from inspection.scoring.conformal import needed, pooled, upper_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Embeddings = NDArray[np.floating]

NEIGHBOUR = 10
"""Which nearest training wafer counts: one mislabelled or odd one alone makes nothing known."""
DIRECTIONS = 32
"""Principal directions of the embedding that the mixture lives in, at most."""
KEPT_WAFERS = 8_000
"""Training wafers that ``neighbours`` keeps, at most."""
NEAREST = np.float32(3.0)
"""Spreads: the logarithm of a distance of next to nothing would outweigh all that the other one says."""


class Strangeness(Protocol):
    """How strange wafers are: more is stranger, the unit is each detector's own."""

    def __call__(self, embedding: Embeddings, logits: Embeddings) -> NDArray[np.float32]:
        """Embeddings (n, f) and logits (n, k) -> (n,)."""
        ...


@dataclass(frozen=True, eq=False)
class Mahalanobis:
    """``means`` (k, f), ``whitening`` (f, r) with whitening @ whitening.T the precision."""

    means: NDArray[np.float32]
    whitening: NDArray[np.float32]

    def __call__(self, embedding: Embeddings, logits: Embeddings) -> NDArray[np.float32]:  # noqa: ARG002
        """Squared distance to the nearest mean."""
        return _squares(embedding @ self.whitening, self.means @ self.whitening).min(axis=1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Mixture:
    """``centre`` (f,) and ``basis`` (f, d) of the principal directions; ``weights`` (c,), ``means`` (c, d), ``roots`` (c, d, d).

    ``roots`` are the Cholesky factors of the components' precisions.
    """

    centre: NDArray[np.float32]
    basis: NDArray[np.float32]
    weights: NDArray[np.float32]
    means: NDArray[np.float32]
    roots: NDArray[np.float32]

    def __call__(self, embedding: Embeddings, logits: Embeddings) -> NDArray[np.float32]:  # noqa: ARG002
        """Negative log likelihood."""
        points = (np.asarray(embedding, np.float64) - self.centre) @ self.basis
        parts = []
        for weight, mean, root in zip(self.weights, self.means, self.roots, strict=True):
            off = points @ root - mean @ root
            volume = np.log(np.diagonal(root).astype(np.float64)).sum() - 0.5 * len(mean) * np.log(2 * np.pi)
            parts.append(np.log(np.float64(weight)) + volume - 0.5 * (off**2).sum(axis=1))
        return (-np.logaddexp.reduce(parts, axis=0)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """``known`` (m, f): unit embeddings of training wafers."""

    known: NDArray[np.float32]

    def __call__(self, embedding: Embeddings, logits: Embeddings) -> NDArray[np.float32]:  # noqa: ARG002
        """Distance of the unit embedding to the ``NEIGHBOUR``-th nearest."""
        unit, place = _unit(embedding), min(NEIGHBOUR, len(self.known)) - 1
        blocks = [unit[start : start + 1024] for start in range(0, len(unit), 1024)]
        found = [np.partition(_squares(block, self.known), place, axis=1)[:, place] for block in blocks]
        return np.sqrt(np.concatenate(found)).astype(np.float32) if found else np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class Distances:
    """``means``, ``whitening`` and ``known`` as above; ``centre`` and ``spread`` (2,) of the logarithms of both on training wafers."""

    means: NDArray[np.float32]
    whitening: NDArray[np.float32]
    known: NDArray[np.float32]
    centre: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))
    spread: NDArray[np.float32] = field(default_factory=lambda: np.ones(2, np.float32))

    def __call__(self, embedding: Embeddings, logits: Embeddings) -> NDArray[np.float32]:
        """The mean, in spreads from the middle training wafer; what is ``NEAREST`` spreads nearer than that is no news."""
        both = (Mahalanobis(self.means, self.whitening), Neighbours(self.known))
        logarithms = np.log(np.maximum([one(embedding, logits) for one in both], np.float32(1e-12)))
        standard = (logarithms - self.centre[:, None]) / self.spread[:, None]
        return np.maximum(standard, -NEAREST).mean(axis=0).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Energy:
    """Of the logits alone."""

    def __call__(self, embedding: Embeddings, logits: Embeddings) -> NDArray[np.float32]:  # noqa: ARG002
        """Negative log of the summed exponentials."""
        return (-np.logaddexp.reduce(np.asarray(logits, np.float64), axis=1)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class UnknownDetector:
    """A way to measure strangeness, and the ``limits`` (k,) above which a wafer is Unknown, by its likeliest class at the first look.

    A single number is the same limit for all classes.
    """

    measure: Strangeness
    limits: NDArray[np.float64] = field(default_factory=lambda: np.array(np.inf))

    def score(self, embedding: Embeddings, logits: Embeddings) -> NDArray[np.float32]:
        """Strangeness (n,) of wafers with embeddings (n, f) and logits (n, k) before any scaling."""
        return self.measure(embedding, logits)

    def limit(self, logits: Embeddings) -> NDArray[np.float64]:
        """The limit of each wafer (n,)."""
        return np.broadcast_to(self.limits, logits.shape[1:])[np.asarray(logits).argmax(axis=1)]

    def unknown(self, embedding: Embeddings, logits: Embeddings) -> NDArray[np.bool_]:
        """Whether a wafer is stranger than its limit, shape (n,)."""
        flags: NDArray[np.bool_] = self.score(embedding, logits) > self.limit(logits)
        return flags

    def with_limits(self, embedding: Embeddings, logits: Embeddings, rate: float) -> UnknownDetector:
        """The same detector, whose limits at most ``rate`` of the wafers that come like these known ones exceed, whatever they are called.

        Classes that too few of them are called for that share a limit (`conformal.pooled`); with too few wafers in all it is infinite, and
        with a rate of 0, which no number of wafers could promise: nothing is Unknown.
        """
        if rate == 0:
            return replace(self, limits=np.array(np.inf))
        score, called = self.score(embedding, logits), np.asarray(logits).argmax(axis=1)
        count = np.bincount(called, minlength=logits.shape[1])
        together = upper_limit(score[pooled(count, 1 - rate)[called]], rate)
        own = [upper_limit(score[called == c], rate) if count[c] >= needed(1 - rate) else together for c in range(len(count))]
        return replace(self, limits=np.array(own))

    def save(self, path: Path) -> None:
        """Write arrays, no objects."""
        kind = next(name for name, made in MEASURES.items() if type(self.measure) is made)
        np.savez(path, kind=np.array(kind), limit=self.limits, **vars(self.measure))

    @classmethod
    def load(cls, path: Path) -> UnknownDetector:
        """Read what ``save`` wrote, and detectors of bundles of version 1, which are Mahalanobis.

        Raises
        ------
        BundleError
            A kind that this software does not know.
        """
        with np.load(path, allow_pickle=False) as stored:
            arrays: dict[str, Any] = dict(stored)
        kind, limits = str(arrays.pop("kind", "mahalanobis")), np.asarray(arrays.pop("limit"), np.float64)
        if kind not in MEASURES or set(arrays) != {one.name for one in fields(MEASURES[kind])}:
            raise BundleError(f"Cannot read {path.name}: expected a detector of {list(MEASURES)}, got {kind!r}. Register the model again.")
        return cls(MEASURES[kind](**arrays), limits)


MEASURES: Mapping[str, Any] = {
    "distances": Distances,
    "mahalanobis": Mahalanobis,
    "mixture": Mixture,
    "neighbours": Neighbours,
    "energy": Energy,
}


def fit(kind: str, embedding: Embeddings, labels: NDArray[np.integer], rng: np.random.Generator) -> UnknownDetector:
    """Fit a detector on training embeddings (n, f) with class positions (n,); its limits are infinite."""
    fitted: Mapping[str, Callable[[], Strangeness]] = {
        "distances": lambda: _distances(embedding, labels, rng),
        "mahalanobis": lambda: _mahalanobis(embedding, labels),
        "mixture": lambda: _mixture(embedding, len(np.unique(labels)), rng),
        "neighbours": lambda: _neighbours(embedding, rng),
        "energy": Energy,
    }
    return UnknownDetector(fitted[kind]())


def _distances(embedding: Embeddings, labels: NDArray[np.integer], rng: np.random.Generator) -> Distances:
    """Both, and how their logarithms lie on the wafers that they were fitted on."""
    mean, near = _mahalanobis(embedding, labels), _neighbours(embedding, rng)
    logits = np.zeros((len(embedding), 1), np.float32)  # which neither asks for
    logarithms = np.log(np.maximum([one(embedding, logits) for one in (mean, near)], np.float32(1e-12)))
    centre, high = np.quantile(logarithms, (0.5, 0.9), axis=1).astype(np.float32)
    return Distances(mean.means, mean.whitening, near.known, centre, np.maximum(high - centre, np.float32(1e-3)))


def _neighbours(embedding: Embeddings, rng: np.random.Generator) -> Neighbours:
    return Neighbours(_unit(embedding[np.sort(rng.permutation(len(embedding))[:KEPT_WAFERS])]))


def _mahalanobis(embedding: Embeddings, labels: NDArray[np.integer]) -> Mahalanobis:
    from sklearn.covariance import LedoitWolf  # noqa: PLC0415  (slow import, needed in evaluation only)

    seen, places = np.unique(labels, return_inverse=True)
    means = np.stack([embedding[labels == k].mean(axis=0) for k in seen])
    values, vectors = np.linalg.eigh(LedoitWolf(assume_centered=True).fit(embedding - means[places]).covariance_)
    whitening = vectors / np.sqrt(np.maximum(values, 1e-8))
    return Mahalanobis(means.astype(np.float32), whitening.astype(np.float32))


def _mixture(embedding: Embeddings, classes: int, rng: np.random.Generator) -> Mixture:
    """Two components for each class, as many as there are wafers for."""
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415  (as above)

    x = np.asarray(embedding, np.float64)
    centre = x.mean(axis=0)
    _, spread, directions = np.linalg.svd(x - centre, full_matrices=False)
    basis = directions[: min(DIRECTIONS, max(1, int(np.count_nonzero(spread > 1e-6 * spread.max(initial=0.0)))))].T
    points = (x - centre) @ basis
    components = int(np.clip(len(x) // (4 * points.shape[1]), 1, 2 * classes))
    fitted = GaussianMixture(components, reg_covar=1e-4 * float(points.var()) + 1e-12, random_state=int(rng.integers(2**31))).fit(points)
    arrays = (centre, basis, fitted.weights_, fitted.means_, fitted.precisions_cholesky_)
    return Mixture(*(np.asarray(a, np.float32) for a in arrays))


def _unit(embedding: Embeddings) -> NDArray[np.float32]:
    x = np.asarray(embedding, np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.float32(1e-12))


def _squares(points: Embeddings, others: Embeddings) -> NDArray[np.floating]:
    """Squared distances (n, m)."""
    found: NDArray[np.floating] = (points**2).sum(1)[:, None] - 2 * points @ others.T + (others**2).sum(1)[None, :]
    return np.maximum(found, 0)
