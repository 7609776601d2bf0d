"""Wafer pictures for pages that carry hundreds of them: PNG files of the few colours that ``picture.draw`` mixes."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from inspection.views.picture import DEFECT, DISC, GRID, HATCH, INK, PAPER, PASSED, RIM

if TYPE_CHECKING:
    from numpy.typing import NDArray


def to_small_png(picture: NDArray[np.uint8]) -> bytes:
    """RGB ``picture`` (h, w, 3) of ``draw`` as a PNG file of few colours: a quarter of the bytes, and hardly a difference to the eye.

    The colours named in ``picture`` stay as they are; those of smoothed edges and of dots that overlap
    become the nearest blend of two of them. Grey pictures lose nothing.
    """
    from PIL import Image  # noqa: PLC0415  (imported when used)

    stream = io.BytesIO()
    if (picture == picture[..., :1]).all():
        Image.fromarray(np.ascontiguousarray(picture[..., 0])).save(stream, "PNG", optimize=True)
        return stream.getvalue()
    palette = Image.new("P", (1, 1))
    palette.putpalette(_blends().tobytes())
    few = Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE)
    few.save(stream, "PNG", optimize=True)
    return stream.getvalue()


@cache
def _blends() -> NDArray[np.uint8]:
    """What ``draw`` mixes: the named colours, and blends of those that meet, of shape (c, 3), c up to 128."""
    meet = {(DISC, DEFECT): 24, (PASSED, DEFECT): 12, (GRID, DEFECT): 12, (PAPER, DEFECT): 8, (RIM, DEFECT): 4, (PAPER, RIM): 8,
            (DISC, RIM): 8, (PASSED, RIM): 4, (DISC, PASSED): 4, (DISC, GRID): 4, (PAPER, HATCH): 6, (PAPER, INK): 10}  # fmt: skip
    found = [np.linspace(one, other, steps + 1) for (one, other), steps in meet.items()]
    return np.unique(np.rint(np.concatenate(found)).astype(np.uint8), axis=0)
