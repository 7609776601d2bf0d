"""Tiles of an array at any stride, and the array again from its tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def tile(array: NDArray, side: int, stride: int) -> tuple[NDArray, NDArray[np.intp]]:
    """Square tiles that together cover ``array``.

    Tiles begin at multiples of ``stride``; the last of each row and column is moved inwards so that it ends with the array.

    Parameters
    ----------
    array : ndarray of shape (rows, cols, ...)
    side : int
        At most the shorter of rows and columns.
    stride : int
        1 to ``side``: with a larger one pixels would lie in no tile.

    Returns
    -------
    tiles : ndarray of shape (n, side, side, ...)
    corners : ndarray of shape (n, 2)
        Upper-left pixel (row, col) of each.

    Raises
    ------
    ValueError
        ``side`` or ``stride`` outside its range.
    """
    rows, cols = array.shape[:2]
    if not 1 <= side <= min(rows, cols) or not 1 <= stride <= side:
        raise ValueError(f"Cannot tile: expected 1 <= side <= {min(rows, cols)} and 1 <= stride <= side, got {side} and {stride}.")
    starts = [np.unique(np.minimum(np.arange(0, n - side + stride, stride), n - side)) for n in (rows, cols)]
    corners = np.stack(np.meshgrid(*starts, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.stack([array[r : r + side, c : c + side] for r, c in corners]), corners


def untile(tiles: NDArray, corners: NDArray[np.intp], shape: tuple[int, int]) -> NDArray:
    """The array of ``shape`` (and the tiles' further axes) that ``tiles`` were cut from; where they overlap the later one counts."""
    array = np.zeros((*shape, *tiles.shape[3:]), tiles.dtype)
    side = tiles.shape[1]
    for piece, (row, col) in zip(tiles, corners, strict=True):
        array[row : row + side, col : col + side] = piece
    return array
