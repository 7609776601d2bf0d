"""Where a logit comes from, for any network: hide a part of the view and see how much of the logit goes with it (Zeiler and Fergus 2014).

The only way for a network with dense layers on its maps (mlp, lenet5, alexnet, vgg16, vgg19); elsewhere ``activation`` is exact and takes
one pass instead of one for each part. What parts lose does not add up to the logit: two parts may say the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

DEFECT_CHANNELS = slice(0, 2)
"""Count and occupancy (``views.renderer.CHANNELS``): what is hidden of a wafer map. What was inspected stays as it is."""


def occlusion(
    logits_of: Callable[[NDArray[np.uint8]], NDArray[np.floating]], image: NDArray[np.uint8], parts: int = 8, *, fill: int | None = None
) -> NDArray[np.float32]:
    """What each of ``parts`` by ``parts`` squares of ``image`` (s, s, c) adds to the logits: shape (parts, parts, k).

    Parameters
    ----------
    logits_of : callable
        From views (n, s, s, c) to logits (n, k). Called once, with ``parts ** 2 + 1`` views.
    image : ndarray of shape (s, s, c), uint8
    parts : int
        1 to s.
    fill : int, optional
        Hide all channels behind this grey (inspection images); default: take the defects away (wafer maps).

    Raises
    ------
    InputError
        ``parts`` outside its range.
    """
    size = image.shape[0]
    if not 1 <= parts <= size:
        raise InputError(f"Cannot hide parts of a view: expected 1 to {size} parts a side, got {parts}. A part has at least one pixel.")
    edge = np.linspace(0, size, parts + 1).round().astype(int)
    channels, value = (DEFECT_CHANNELS, 0) if fill is None else (slice(None), fill)
    views = np.repeat(image[None], parts * parts + 1, axis=0)
    for place, view in enumerate(views[1:]):
        row, col = divmod(place, parts)
        view[edge[row] : edge[row + 1], edge[col] : edge[col + 1], channels] = value
    logits = np.asarray(logits_of(views), np.float32)
    return (logits[0] - logits[1:]).reshape(parts, parts, -1)
