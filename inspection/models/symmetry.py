"""The symmetries of the square that a network shall not see: a subgroup of D4, the turns that every class of a taxonomy shares.

Plain arrays and no Keras: what the layers of ``orbit_layers`` are made from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import ParamsError
from inspection.views.renderer import turn_dies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Matrix = tuple[tuple[int, int], tuple[int, int]]
"""A symmetry of the square in the wafer frame: integers of -1, 0 and 1."""
IDENTITY: Matrix = ((1, 0), (0, 1))


@dataclass(frozen=True, slots=True)
class SquareGroup:
    """A group of 1, 2, 4 or 8 symmetries of the square, in the order of ``elements``."""

    elements: tuple[Matrix, ...]

    @classmethod
    def of(cls, turns: Sequence[NDArray[np.floating] | Sequence[Sequence[float]]]) -> SquareGroup:
        """The group of ``turns``, (2, 2) matrices as ``augmentation.policy.common_turns`` gives them; the identity comes first.

        Raises
        ------
        ParamsError
            A turn that is no symmetry of the square, or turns that are no group: two of them make one that is not among them.
        """
        whole = {IDENTITY, *(_matrix(np.asarray(t, float)) for t in turns)}
        made = {_product(g, h) for g in whole for h in whole}
        if made != whole:
            raise ParamsError(
                f"Turns that are no group: expected any two of {sorted(whole)} to make one of them, got {sorted(made - whole)} too. "
                "Name the symmetries of the classes so that they are closed (params.yaml: taxonomy)."
            )
        return cls((IDENTITY, *sorted(whole - {IDENTITY})))

    def __len__(self) -> int:
        return len(self.elements)

    def turned(self, size: int) -> NDArray[np.int32]:
        """Where pixels come from, shape (order, size * size): ``image.flat[turned[g]]`` is the square image turned by element g."""
        places = np.arange(size * size).reshape(size, size)
        return np.stack([turn_dies(places, np.array(g, float)).ravel() for g in self.elements]).astype(np.int32)  # type: ignore[arg-type]

    def quotients(self) -> NDArray[np.int32]:
        """Shape (order, order): the position of g**-1 h at [g, h]."""
        inverse = [tuple(zip(*g, strict=True)) for g in self.elements]  # orthogonal: the transpose
        return np.array([[self.elements.index(_product(i, h)) for h in self.elements] for i in inverse], np.int32)  # type: ignore[arg-type]


def _matrix(turn: NDArray[np.floating]) -> Matrix:
    whole = np.rint(turn).astype(int)
    if whole.shape != (2, 2) or np.abs(turn - whole).max() > 1e-9 or not np.array_equal(np.abs(whole @ whole.T), np.eye(2)):
        raise ParamsError(f"No symmetry of the square: expected a quarter turn, a flip or both, got {turn.tolist()}. Leave it out.")
    (a, b), (c, d) = whole.tolist()
    return (a, b), (c, d)


def _product(g: Matrix, h: Matrix) -> Matrix:
    (a, b), (c, d) = (np.array(g) @ np.array(h)).tolist()
    return (a, b), (c, d)
