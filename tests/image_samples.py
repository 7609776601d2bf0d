"""Inspection images as a microscope shows them: a rough grey surface, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


def surface(rng: np.random.Generator, rows: int = 64, cols: int = 64) -> NDArray[np.float32]:
    """Grey about 120, grain of two pixels."""
    grain = cv2.GaussianBlur(rng.normal(0, 40, (rows, cols)).astype(np.float32), (0, 0), 1.2)
    return np.float32(120 + rng.normal(0, 6)) + grain


def scratch(image: NDArray[np.float32], rng: np.random.Generator) -> None:
    rows, cols = image.shape
    ends = rng.integers(0, (cols, rows), (2, 2)).tolist()
    cv2.line(image, ends[0], ends[1], 230, 2)


def pits(image: NDArray[np.float32], rng: np.random.Generator) -> None:
    rows, cols = image.shape
    for _ in range(rng.integers(4, 9)):
        cv2.circle(image, rng.integers(0, (cols, rows)).tolist(), int(rng.integers(2, 5)), 20, -1)


KINDS: dict[str, Callable[[NDArray[np.float32], np.random.Generator], None]] = {
    "good": lambda _image, _rng: None,
    "scratched": scratch,
    "pitted": pits,
}


def picture(kind: str, seed: int, rows: int = 64, cols: int = 64) -> NDArray[np.uint8]:
    """One image of a kind; the same seed, the same pixels."""
    rng = np.random.default_rng([seed, *kind.encode()])
    image = surface(rng, rows, cols)
    KINDS[kind](image, rng)
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)


def write_folders(root: Path, each: int, ending: str = ".png", kinds: tuple[str, ...] = tuple(KINDS)) -> None:
    """``root/KIND/NUMBER.png``, ``each`` of every kind."""
    for kind in kinds:
        (root / kind).mkdir(parents=True)
        for number in range(each):
            write(root / kind / f"{number}{ending}", picture(kind, number))


def write(path: Path, pixels: NDArray) -> None:
    """Any format that OpenCV writes, by the name's ending."""
    assert cv2.imwrite(str(path), pixels)
