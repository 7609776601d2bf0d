"""What the guard sees of a policy. Whoever has one writes the adapter; the guard never looks inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.wafer.maps import WaferMap

NOTHING: frozenset[str] = frozenset()


class ViewPolicy(Protocol):
    """The pictures that a network would be trained on."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names; a class's place is its label."""
        ...

    def operations(self, label: int) -> tuple[str, ...]:
        """Names of what a wafer of this class may meet."""
        ...

    def view(self, base: WaferMap, label: int, rng: Generator, without: frozenset[str] = NOTHING) -> NDArray[np.uint8]:
        """One view of ``base``, shape (side, side, channels), as if its label were ``label``; ``without`` these operations."""
        ...

    def plain(self, base: WaferMap) -> NDArray[np.uint8]:
        """``base`` as it is served, untouched, of the same shape."""
        ...


def draw_views(
    policy: ViewPolicy,
    bases: Sequence[WaferMap],
    copies: int,
    rng: Generator,
    *,
    without: frozenset[str] = NOTHING,
    progress: Callable[[int], None] | None = None,
) -> NDArray[np.uint8]:
    """Views of each base map by each class's policy, of shape (bases, classes, copies, side, side, channels).

    Every view has a generator of its own, so that what one class draws moves nothing in another.
    """
    seed = int(rng.integers(2**62))
    labels = range(len(policy.classes))
    found: NDArray[np.uint8] | None = None
    for b, base in enumerate(bases):
        for c in labels:
            for k in range(copies):
                view = policy.view(base, c, np.random.default_rng([seed, b, c, k]), without)
                if found is None:
                    found = np.empty((len(bases), len(labels), copies, *view.shape), np.uint8)
                found[b, c, k] = view
        if progress is not None:
            progress(b + 1)
    if found is None:
        raise ValueError("draw_views: expected at least one base map and one class, got none.")
    return found
