"""Stage of the guard: the policy of params.yaml proven to leave no trace of the class, and what follows from its verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from inspection.augmentation.guard.contract import NOTHING
from inspection.views.renderer import render_global

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.policy import Policy
    from inspection.wafer.maps import WaferMap

NUISANCES = {"thinning": "thinning", "background": "background", "jitter": "jitter_um"}
SYMMETRY = "symmetry"


class PolicyViews:
    """A policy as the guard sees it: global views of ``size_px``, drawn as training draws them."""

    def __init__(self, policy: Policy, classes: tuple[str, ...], size_px: int) -> None:
        self._policy, self.classes, self._size_px = policy, classes, size_px
        self._less: dict[frozenset[str], Policy] = {NOTHING: policy}

    def operations(self, label: int) -> tuple[str, ...]:
        """What the class may meet; nuisances act on points only."""
        met = tuple(name for name, key in NUISANCES.items() if getattr(self._policy, key) > 0)
        return (*met, SYMMETRY) if self._policy.symmetries[label] else met

    def view(self, base: WaferMap, label: int, rng: Generator, without: frozenset[str] = NOTHING) -> NDArray[np.uint8]:
        """One view, shape (size_px, size_px, 3)."""
        wafer, turn = self._without(without).draw(base, label, rng)
        return render_global(wafer, self._size_px, turn)

    def plain(self, base: WaferMap) -> NDArray[np.uint8]:
        """The map as it is served, shape (size_px, size_px, 3)."""
        return render_global(base, self._size_px)

    def _without(self, names: frozenset[str]) -> Policy:
        if names not in self._less:
            off: dict[str, float] = {key: 0.0 for name, key in NUISANCES.items() if name in names}
            less = replace(self._policy, **off)  # type: ignore[arg-type]
            if SYMMETRY in names:
                less = replace(less, symmetries=tuple(frozenset() for _ in less.symmetries), common=frozenset())
            self._less[names] = less
        return self._less[names]
