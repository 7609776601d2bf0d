"""What the guard sees of a policy. Whoever has one writes the adapter; the guard never looks inside."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.wafer.maps import WaferMap

NOTHING: frozenset[str] = frozenset()


class View(NamedTuple):
    """One or many pictures of what a network sees: ``image`` of shape (..., side, side, channels), ``tiles`` (..., k, t, t, channels)."""

    image: NDArray[np.uint8]
    tiles: NDArray[np.uint8]

    @classmethod
    def of(cls, image: NDArray[np.uint8]) -> View:
        """A view without detail tiles."""
        return cls(image, np.zeros((*image.shape[:-3], 0, 1, 1, image.shape[-1]), np.uint8))

    def flat(self) -> View:
        """Many views in one row: shapes (n, side, side, channels) and (n, k, t, t, channels)."""
        count = math.prod(self.image.shape[:-3])  # there may be no tiles to count by
        return View(self.image.reshape(count, *self.image.shape[-3:]), self.tiles.reshape(count, *self.tiles.shape[-4:]))


class ViewPolicy(Protocol):
    """The pictures that a network would be trained on."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names; a class's place is its label."""
        ...

    def operations(self, label: int) -> tuple[str, ...]:
        """Names of what a wafer of this class may meet."""
        ...

    def view(self, base: WaferMap, label: int, rng: Generator, without: frozenset[str] = NOTHING) -> View:
        """One view of ``base`` as if its label were ``label``; ``without`` these operations."""
        ...

    def plain(self, base: WaferMap) -> View:
        """``base`` as it is served, untouched, of the same shape."""
        ...


def draw_views(
    policy: ViewPolicy,
    bases: Sequence[WaferMap],
    labels: NDArray[np.integer],
    copies: int,
    seed: int,
    *,
    first: int = 0,
    without: frozenset[str] = NOTHING,
    progress: Callable[[int], None] | None = None,
) -> View:
    """Views of base map b by the policies of the classes ``labels[b]``.

    Every view has a generator of its own, made of ``seed``, the map's number, its class and its copy, so that what one class draws moves
    nothing in another, and the same view can be drawn again.

    Parameters
    ----------
    labels : ndarray of shape (bases, columns), int
    first : int
        The number of the first of ``bases``.

    Returns
    -------
    View
        With the leading axes (bases, columns, copies).
    """
    images: NDArray[np.uint8] | None = None
    tiles: NDArray[np.uint8] | None = None
    lead = (*labels.shape, copies)
    for b, base in enumerate(bases):
        for i, c in enumerate(labels[b].tolist()):
            for k in range(copies):
                view = policy.view(base, c, np.random.default_rng([seed, first + b, c, k]), without)
                if images is None or tiles is None:
                    images, tiles = np.empty((*lead, *view.image.shape), np.uint8), np.empty((*lead, *view.tiles.shape), np.uint8)
                images[b, i, k], tiles[b, i, k] = view
        if progress is not None:
            progress(b + 1)
    if images is None or tiles is None:
        raise ValueError("draw_views: expected at least one base map and one class, got none.")
    return View(images, tiles)


def plain_views(policy: ViewPolicy, bases: Sequence[WaferMap]) -> View:
    """The base maps as they are served, with the leading axes (bases, 1, 1)."""
    drawn = [policy.plain(base) for base in bases]
    return View(np.stack([v.image for v in drawn])[:, None, None], np.stack([v.tiles for v in drawn])[:, None, None])


def everyone(classes: int, bases: int) -> NDArray[np.int64]:
    """``labels`` of :func:`draw_views` when every map goes through every class's policy, shape (bases, classes)."""
    return np.broadcast_to(np.arange(classes), (bases, classes))
