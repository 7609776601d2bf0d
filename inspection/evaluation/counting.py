"""Counting objects in a huge image: a patch classifier slid over it, streamed, and every object counted once.

Every window of the image gets a class, background included (``models.convolutional``). A window is a *candidate* where its likeliest class
is no background, its probability is at least ``threshold``, and no window beside it is likelier. Of candidates whose windows overlap by
more than ``iou`` the likeliest stays (``regions.suppressed``): an object is of one class, so classes are not told apart there.

The image is read in blocks that overlap by what a window at their border needs, so that every window is judged once and with its
neighbours, in whichever block it lies; candidates of all blocks are suppressed together. The result does not depend on the size of the
blocks, and memory holds one block and the candidates, 32 bytes each: not the image. Half a window of the nearest pixels is put around the
image, so that an object at its border is the middle of a window, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import InputError
from inspection.evaluation.regions import suppressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from inspection.models.convolutional import FullyConvolutional
    from inspection.views.pyramid_store import Pyramid

    Read = Callable[[int, int, int, int], NDArray[np.uint8]]
    """Pixels (rows, cols, c) of the window at (row, col) of so many rows and cols, which lies inside the image."""

STEP = 1e-4
"""Probabilities are compared in steps of so much: a block of another size adds up the same numbers in another order."""


@dataclass(frozen=True, eq=False)
class Counted:
    """The objects of an image, the likeliest first.

    Attributes
    ----------
    boxes : ndarray of shape (n, 4), int64
        top, left, bottom, right in pixels of the image: the window that saw it; at the border it reaches beyond.
    classes : ndarray of shape (n,), int64
    scores : ndarray of shape (n,)
        Probability of the class.
    names : k class names
    background : int
    """

    boxes: NDArray[np.int64]
    classes: NDArray[np.int64]
    scores: NDArray[np.float64]
    names: tuple[str, ...]
    background: int

    @property
    def counts(self) -> dict[str, int]:
        """Objects of each class but the background."""
        return {name: int((self.classes == k).sum()) for k, name in enumerate(self.names) if k != self.background}

    @property
    def centres(self) -> NDArray[np.float64]:
        """Where they lie, (n, 2): row, col."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2


def count_objects(
    read: Read,
    shape: tuple[int, int],
    classifier: FullyConvolutional,
    names: Sequence[str],
    *,
    background: int = 0,
    threshold: float = 0.5,
    iou: float = 0.2,
    block_px: int = 1024,
    progress: Callable[[int, int], None] | None = None,
) -> Counted:
    """Count the objects of an image of ``shape`` (rows, cols) that ``read`` gives piece by piece.

    Parameters
    ----------
    read : callable
        See ``Read``; `read_pyramid` makes one.
    classifier : FullyConvolutional
        Of patches with one object in the middle, or background.
    names : k class names
    background : int
        Place of the background in ``names``.
    threshold : float
        Least probability of an object, in [0, 1].
    iou : float
        Overlap of two windows beyond which they show the same object. Windows of side w that are d apart in a row overlap by
        (w - d) / (w + d): objects nearer to one another than w (1 - iou) / (1 + iou) count as one.
    block_px : int
        About how many pixels a side are read at a time.
    progress : callable (blocks done, blocks in all), optional

    Raises
    ------
    InputError
        Not one name per class, or a background that is none of them.
    """
    if len(names) != classifier.classes or not 0 <= background < len(names):
        raise InputError(
            f"Cannot count: expected {classifier.classes} class names and a background among them, got {len(names)} and {background}. "
            "Name the classes as the patch classifier was trained on them."
        )
    found = list(_candidates(read, shape, classifier, background, threshold, block_px, progress))
    table = np.concatenate(found) if found else np.zeros((0, 4), np.int64)
    corner = table[:, :2] * classifier.stride_px - classifier.window_px // 2
    boxes, scores = np.column_stack((corner, corner + classifier.window_px)), (table[:, 3] * STEP).astype(np.float64)
    kept = suppressed(boxes.astype(np.float64), scores, iou)
    return Counted(boxes[kept], table[kept, 2], scores[kept], tuple(names), background)


def _candidates(
    read: Read,
    shape: tuple[int, int],
    classifier: FullyConvolutional,
    background: int,
    threshold: float,
    block_px: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[NDArray[np.int64]]:
    """Row, column, class and score (in steps) of the candidates of each block; rows and columns in strides of the padded image."""
    from scipy import ndimage  # noqa: PLC0415 - a tenth of a second, for who counts only

    window, stride, half = classifier.window_px, classifier.stride_px, classifier.window_px // 2
    rows, cols = (classifier.places(side + 2 * half) for side in shape)
    side = max(1, (block_px - window) // stride)
    corners = [(row, col) for row in range(0, rows, side) for col in range(0, cols, side)]
    for done, (row, col) in enumerate(corners, 1):
        # A ring of one place more on every side: whether a neighbour is likelier.
        first = np.maximum((row - 1, col - 1), 0)
        last = np.minimum((row + side, col + side), (rows - 1, cols - 1))
        begin, size = first * stride - half, (last - first) * stride + window
        logits = classifier(_padded(read, shape, (int(begin[0]), int(begin[1])), (int(size[0]), int(size[1]))))
        odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
        odds /= odds.sum(axis=-1, keepdims=True)
        label = odds.argmax(axis=-1)
        score = np.where(label == background, 0, np.rint(odds.max(axis=-1) / STEP)).astype(np.int64)
        peak = (score > 0) & (score >= threshold / STEP) & (score == ndimage.maximum_filter(score, 3, mode="constant"))
        place = np.argwhere(peak)
        own = ((place + first >= (row, col)) & (place + first < (row + side, col + side))).all(axis=1)
        place = place[own]
        yield np.column_stack((place + first, label[tuple(place.T)], score[tuple(place.T)]))
        if progress is not None:
            progress(done, len(corners))


def _padded(read: Read, shape: tuple[int, int], begin: tuple[int, int], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Pixels of a window that may reach beyond the image, where the nearest pixel is repeated."""
    ends = [(max(b, 0), min(b + s, n)) for b, s, n in zip(begin, size, shape, strict=True)]
    (top, bottom), (left, right) = ends
    inside = read(top, left, bottom - top, right - left)
    around = [(low - b, b + s - high) for b, s, (low, high) in zip(begin, size, ends, strict=True)]
    return inside if not np.any(around) else np.pad(inside, (*around, (0, 0)), mode="edge")


def read_pyramid(pyramid: Pyramid, level: int = 0) -> Read:
    """Reads a level's maxima as pixels of one channel, uint8; level 0 are the pixels of the raster themselves.

    Raises
    ------
    InputError
        Pixels of another type: a patch classifier reads 0 to 255.
    """
    kind = pyramid.window(level, 0, 0, 1, 1, "max").dtype
    if kind != np.uint8:
        raise InputError(
            f"Cannot count objects on level {level}: expected pixels of type uint8, got {kind}. Scale the raster to 0..255 first."
        )

    def read(row: int, col: int, rows: int, cols: int) -> NDArray[np.uint8]:
        return pyramid.window(level, row, col, rows, cols, "max")[..., None]

    return read


@dataclass(frozen=True)
class CountError:
    """One class: ``true`` and ``counted`` objects, how many of both are the same one (``matched``)."""

    name: str
    true: int
    counted: int
    matched: int

    @property
    def error(self) -> float:
        """(counted - true) / true; NaN where there are none."""
        return (self.counted - self.true) / self.true if self.true else float("nan")


def against_truth(counted: Counted, centres: NDArray[np.float64], classes: NDArray[np.integer], reach_px: float) -> list[CountError]:
    """Each class's count beside the truth: objects at ``centres`` (m, 2) of ``classes`` (m,).

    A counted object matches a true one of its class at most ``reach_px`` away; each is used once, and as many are matched as can be. A
    count that is right by two errors shows in ``matched``.
    """
    from scipy.sparse.csgraph import maximum_bipartite_matching  # noqa: PLC0415 - as above
    from scipy.spatial import cKDTree  # noqa: PLC0415

    centres, classes = np.asarray(centres, np.float64).reshape(-1, 2), np.asarray(classes)
    rows = []
    for k, name in enumerate(counted.names):
        if k == counted.background:
            continue
        seen, true = counted.centres[counted.classes == k], centres[classes == k]
        near = cKDTree(seen).sparse_distance_matrix(cKDTree(true), reach_px, output_type="coo_matrix") if len(seen) and len(true) else None
        matched = 0
        if near is not None and near.nnz:
            near.data[:] = 1.0  # a distance of 0 is an edge, too
            matched = int((maximum_bipartite_matching(near.tocsr()) >= 0).sum())
        rows.append(CountError(name, len(true), len(seen), matched))
    return rows
