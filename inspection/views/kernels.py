"""The inner loops of drawing points, compiled. A module of its own: who draws no points starts without the compiler.

NumPy would pass over each picture a dozen times, and a training step waits for seven pictures of each wafer. The sums are those of NumPy's
64-bit floats in the same order, so that nothing depends on who computed them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inspection.compiled import compiled


@compiled
def count_points(xy_um: Any, left_um: float, top_um: float, scale: float, clip: bool, count: Any) -> None:
    """Add each point of ``xy_um``, shape (n, 2), to its pixel of ``count``, shape (size, size); ``clip`` adds outer ones to the border."""
    size = count.shape[0]
    for i in range(len(xy_um)):
        col, row = np.floor((xy_um[i, 0] - left_um) * scale), np.floor((top_um - xy_um[i, 1]) * scale)
        if clip:  # in this order, which puts what is no number at 0
            col = min(col, size - 1.0) if col > 0 else 0.0
            row = min(row, size - 1.0) if row > 0 else 0.0
        elif not (0 <= col < size and 0 <= row < size):
            continue
        count[int(row), int(col)] += 1


@compiled
def paint(count: Any, codes: Any, x_um: Any, y_um: Any, radius_um: float, image: Any) -> None:
    """Fill ``image``, shape (size, size, 3): code of the count, 255 where there is any, 255 where the pixel's centre lies on the disc."""
    white = len(codes) - 1
    for i in range(count.shape[0]):
        for j in range(count.shape[1]):
            image[i, j, 0] = codes[min(count[i, j], white)]
            image[i, j, 1] = 255 if count[i, j] > 0 else 0
            image[i, j, 2] = 255 if x_um[j] * x_um[j] + y_um[i] * y_um[i] <= radius_um * radius_um else 0


@compiled
def clear_uninspected(x_um: Any, y_um: Any, turn: Any, origin_um: Any, pitch_um: Any, low: Any, table: Any, image: Any) -> None:
    """0 in channel 2 of ``image`` where the pixel's centre, turned back by ``turn``, lies on no die of ``table`` (``wafer.die_grid``)."""
    cols, rows = table.shape
    if turn[0, 1] == 0 and turn[1, 0] == 0:  # no turn, or a flip: a pixel's column tells the die's, its row the die's
        col_of = np.floor((turn[0, 0] * x_um - origin_um[0]) / pitch_um[0]) - low[0]
        row_of = np.floor((turn[1, 1] * y_um - origin_um[1]) / pitch_um[1]) - low[1]
        for i in range(len(y_um)):
            row = row_of[i]
            for j in range(len(x_um)):
                col = col_of[j]
                if not (0 <= col < cols and 0 <= row < rows and table[int(col), int(row)]):
                    image[i, j, 2] = 0
        return
    for i in range(len(y_um)):
        for j in range(len(x_um)):
            if image[i, j, 2]:
                x, y = turn[0, 0] * x_um[j] + turn[1, 0] * y_um[i], turn[0, 1] * x_um[j] + turn[1, 1] * y_um[i]
                col = np.floor((x - origin_um[0]) / pitch_um[0]) - low[0]
                row = np.floor((y - origin_um[1]) / pitch_um[1]) - low[1]
                if not (0 <= col < cols and 0 <= row < rows and table[int(col), int(row)]):
                    image[i, j, 2] = 0


@compiled
def draw(
    xy_um: Any, corners_um: Any, side_um: float, clip: bool, codes: Any, radius_um: float, listed: bool, grid: Any, images: Any
) -> None:
    """Draw the windows of ``side_um`` whose upper left corners are ``corners_um``, shape (k, 2), into ``images``, (k, size, size, 3).

    ``grid`` is (turn, origin_um, pitch_um, low, table), see `clear_uninspected`; without ``listed`` dies, the whole disc was inspected.
    """
    turn, origin_um, pitch_um, low, table = grid
    size = images.shape[1]
    centre = (np.arange(size) + 0.5) * (side_um / size)
    count = np.empty((size, size), np.int64)
    for k in range(len(images)):
        count[:] = 0
        count_points(xy_um, corners_um[k, 0], corners_um[k, 1], size / side_um, clip, count)
        x_um, y_um = corners_um[k, 0] + centre, corners_um[k, 1] - centre
        paint(count, codes, x_um, y_um, radius_um, images[k])
        if listed:
            clear_uninspected(x_um, y_um, turn, origin_um, pitch_um, low, table, images[k])


@compiled
def window_sums(cells: Any, side: int, first: Any, last: Any, sums: Any) -> None:
    """Write what lies in the windows of ``side`` cells from the cell ``first`` to before ``last`` to their places in ``sums``."""
    for row in range(max(first[0], 0), min(last[0], sums.shape[0])):
        for col in range(max(first[1], 0), min(last[1], sums.shape[1])):
            full = cells[row, col]
            for i in range(side):
                for j in range(side):
                    if i or j:
                        full += cells[row + i, col + j]
            sums[row, col] = full


@compiled
def take_fullest(cells: Any, side: int, chosen: Any) -> int:
    """Take the windows of ``side`` cells with most in them into the rows of ``chosen``, shape (tiles, 2); how many there are.

    ``cells`` is emptied where a window was taken. Of equal ones the upper is taken, then the left one.
    """
    sums = np.empty((cells.shape[0] - side + 1, cells.shape[1] - side + 1), cells.dtype)
    window_sums(cells, side, (0, 0), sums.shape, sums)
    for k in range(len(chosen)):
        best = np.argmax(sums)
        row, col = best // sums.shape[1], best % sums.shape[1]
        if not sums[row, col] > 0:
            return k
        chosen[k, 0], chosen[k, 1] = row, col
        cells[row : row + side, col : col + side] = 0
        window_sums(cells, side, (row - side + 1, col - side + 1), (row + side, col + side), sums)
    return len(chosen)
