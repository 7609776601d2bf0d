"""A policy as the guard sees it, and the wafers that it is tried on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.augmentation.guard.contract import NOTHING, View
from inspection.views.renderer import ViewSpec
from inspection.views.tiles import render

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.donors import Donors
    from inspection.augmentation.policy import Policy
    from inspection.params import Params
    from inspection.wafer.maps import WaferMap

REAL, CREATING = 120, 400
"""Real wafers of a class that its augmented ones are held against, and of one that makes new examples of them."""


class PolicyViews:
    """A policy as the guard sees it: views of ``spec``, drawn as training draws them."""

    def __init__(self, policy: Policy, donors: Donors | None, spec: ViewSpec) -> None:
        self._policy, self._donors, self.spec = policy, donors, spec
        self._less: dict[frozenset[str], Policy] = {NOTHING: policy}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self._policy.classes

    def operations(self, label: int) -> tuple[str, ...]:
        """What the class may meet."""
        return self._policy.operations(label)

    @property
    def on_signatures(self) -> bool:
        """Whether an operation acts on a signature's own points, so that neutral maps do not show it."""
        return self._policy.needs_donors

    def lent_by(self, donors: Donors) -> PolicyViews:
        """The same policy with other donors."""
        return PolicyViews(self._policy, donors, self.spec)

    def view(self, base: WaferMap, label: int, rng: Generator, without: frozenset[str] = NOTHING) -> View:
        """One view, as a network would be trained on it."""
        if without not in self._less:
            self._less[without] = self._policy.without(*without)
        drawn = self._less[without].draw(base, label, rng, self._donors)
        return View(*render(drawn.wafer, self.spec, drawn.turn))

    def plain(self, base: WaferMap) -> View:
        """The map as it is served."""
        return View(*render(base, self.spec))


def view_spec(params: Params, *, points: bool) -> ViewSpec:
    """The views that ``params`` ask for, of wafers with points or of die maps."""
    recipe = params.tile.points if points else params.tile.dies
    return ViewSpec(recipe.size_px, recipe.tiles, recipe.tile_px, recipe.tile_mm)


def wafers_to_draw(
    labels: NDArray[np.integer], normal: NDArray[np.bool_], wanted: int, real: NDArray[np.integer], rng: Generator
) -> NDArray[np.int64]:
    """Which training wafers to read, ascending positions: as many normal ones as wanted, and ``real[c]`` of each other class c at most.

    Where normal wafers are few, the others lend their dies, too.

    Parameters
    ----------
    labels : ndarray of shape (n,), int
    normal : ndarray of shape (n,), bool
    wanted : int
    real : ndarray of shape (classes,), int
    """
    chosen = [rng.permutation(np.flatnonzero(normal))[:wanted]]
    chosen += [rng.permutation(np.flatnonzero((labels == c) & ~normal))[:most] for c, most in enumerate(real.tolist())]
    return np.sort(np.concatenate(chosen)).astype(np.int64)
