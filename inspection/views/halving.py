"""The inner loops of the dense way, compiled. A module of its own: the sparse way starts without the compiler."""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(nogil=True, cache=True)
def halve(sums: Any, peaks: Any, out_sums: Any, out_peaks: Any) -> None:
    """Write the 2 x 2 sums and maxima of two arrays (k, w) to ``out_*`` of shape (ceil(k/2), ceil(w/2)).

    The last row or column of an odd side stands alone. At level 0 both inputs are the pixels themselves.
    """
    rows, cols = sums.shape
    pairs = cols // 2
    for i in range(out_sums.shape[0]):
        top, low = 2 * i, min(2 * i + 1, rows - 1)
        both = low > top
        for j in range(pairs):
            left, right = 2 * j, 2 * j + 1
            out_peaks[i, j] = max(peaks[top, left], peaks[top, right], peaks[low, left], peaks[low, right])
        if both:
            for j in range(pairs):
                left, right = 2 * j, 2 * j + 1
                out_sums[i, j] = out_sums.dtype.type(sums[top, left]) + sums[top, right] + sums[low, left] + sums[low, right]
        else:
            for j in range(pairs):
                out_sums[i, j] = out_sums.dtype.type(sums[top, 2 * j]) + sums[top, 2 * j + 1]
        if cols % 2:
            last = cols - 1
            out_peaks[i, pairs] = max(peaks[top, last], peaks[low, last])
            total = out_sums.dtype.type(sums[top, last])
            out_sums[i, pairs] = total + sums[low, last] if both else total


@njit(nogil=True, cache=True)
def total_and_peak(pixels: Any, start: Any) -> Any:
    """Sum (in the type of ``start``, a zero) and maximum of an array of two dimensions with at least one pixel."""
    total, peak = start, pixels[0, 0]
    for i in range(pixels.shape[0]):
        row = start
        for j in range(pixels.shape[1]):
            row += pixels[i, j]
        for j in range(pixels.shape[1]):
            peak = max(peak, pixels[i, j])
        total += row
    return total, peak
