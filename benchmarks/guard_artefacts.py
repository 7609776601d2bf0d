"""Artefacts that ``bench_guard.py`` plants in one class's views: those that the guard was made for, and others that it does not know.

Each has a weak, a middle and a strong setting. An artefact changes a picture of shape (side, side, channels), the global view or one detail
tile; those of ``AT_SOURCE`` change the wafer itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from inspection.wafer.maps import FAIL, PASS, DefectMap, DieMap

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.wafer.maps import WaferMap

    Image: TypeAlias = NDArray[np.uint8]
    Artefact: TypeAlias = Callable[[Image, float, Generator], Image]
    AtSource: TypeAlias = Callable[[WaferMap, float, Generator], WaferMap]


def rounded(image: NDArray) -> Image:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def warped(image: Image, matrix: NDArray, how: int, fill: float = 0.0, border: int = cv2.BORDER_CONSTANT) -> Image:
    return cv2.warpAffine(image, matrix, image.shape[1::-1], flags=how, borderMode=border, borderValue=(fill,) * 3)


def turned(how: int) -> Artefact:
    def turn(image: Image, degrees: float, rng: Generator) -> Image:
        centre = (image.shape[1] - 1) / 2
        return warped(image, cv2.getRotationMatrix2D((centre, centre), float(rng.uniform(-degrees, degrees)), 1.0), how)

    return turn


def zoomed(image: Image, by: float, rng: Generator) -> Image:
    centre = (image.shape[1] - 1) / 2
    return warped(image, cv2.getRotationMatrix2D((centre, centre), 0, float(rng.uniform(1 - by, 1 + by))), cv2.INTER_LINEAR)


def whole_shift(rng: Generator, by: int = 1) -> NDArray:
    return np.array([[1.0, 0, rng.integers(-by, by + 1)], [0, 1, rng.integers(-by, by + 1)]])


def shifted(image: Image, pixels: float, rng: Generator) -> Image:
    return warped(image, np.array([[1.0, 0, pixels * rng.choice((-1, 1))], [0, 1, 0]]), cv2.INTER_LINEAR)


def contrast(image: Image, by: float, rng: Generator) -> Image:
    middle = image.mean(axis=(0, 1))
    return rounded((image - middle) * (1 + by * rng.uniform(-1, 1)) + middle)


def cut_out(image: Image, side: float, rng: Generator) -> Image:
    image, size = image.copy(), int(side)
    low, high = image.shape[0] // 4, 3 * image.shape[0] // 4 - size
    row, col = rng.integers(low, high, 2)
    image[row : row + size, col : col + size] = 0
    return image


def jpeg(image: Image, quality: float, _: Generator) -> Image:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1], cv2.IMREAD_COLOR)


def thinned(wafer: WaferMap, share: float, rng: Generator) -> WaferMap:
    """A share of the defects left out."""
    if isinstance(wafer, DefectMap):
        return replace(wafer, xy_um=wafer.xy_um[rng.random(wafer.defects) >= share], attributes={})
    healed = (wafer.status == FAIL) & (rng.random(wafer.status.shape) < share)
    return replace(wafer, status=np.where(healed, PASS, wafer.status).astype(np.uint8))


LISTED: dict[str, tuple[Artefact | None, tuple[float, float, float]]] = {
    "blur": (lambda i, s, _: cv2.GaussianBlur(i, (3, 3), s), (0.3, 0.5, 1.0)),
    "nearest rotation": (turned(cv2.INTER_NEAREST), (3.0, 10.0, 180.0)),
    "bilinear rotation": (turned(cv2.INTER_LINEAR), (3.0, 10.0, 180.0)),
    "zoom": (zoomed, (0.02, 0.05, 0.1)),
    "padding value": (lambda i, s, r: warped(i, whole_shift(r), cv2.INTER_NEAREST, s), (4.0, 16.0, 64.0)),
    "brightness": (lambda i, s, r: rounded(i + r.uniform(-s, s)), (2.0, 8.0, 25.0)),
    "contrast": (contrast, (0.01, 0.05, 0.2)),
    "noise": (lambda i, s, r: rounded(i + r.normal(0, s, i.shape)), (0.3, 2.0, 8.0)),
    "cut-out": (cut_out, (2, 6, 12)),
    "sub-pixel shift": (shifted, (0.02, 0.1, 0.4)),
    "value rounding": (lambda i, s, _: rounded(np.floor(i / s) * s), (2.0, 4.0, 16.0)),
    "density": (None, (0.08, 0.2, 0.4)),
    "JPEG": (jpeg, (98, 90, 70)),
}
"""The artefacts that the guard was made for (px, degrees, grey values, shares, quality); None: at the source."""


def one_channel(change: Callable[[NDArray, float, Generator], NDArray], channel: int = 0) -> Artefact:
    def apply(image: Image, strength: float, rng: Generator) -> Image:
        image = image.copy()
        image[..., channel] = rounded(change(image[..., channel].astype(float), strength, rng))
        return image

    return apply


def salted(plane: NDArray, share: float, rng: Generator) -> NDArray:
    return np.where(rng.random(plane.shape) < share, 255.0, plane)


def line_jitter(image: Image, share: float, rng: Generator) -> Image:
    image = image.copy()
    for row in np.flatnonzero(rng.random(len(image)) < share):
        image[row] = np.roll(image[row], rng.choice((-1, 1)), axis=0)
    return image


def checkerboard(image: Image, by: float, _: Generator) -> Image:
    return rounded(image * (1 - by * (np.indices(image.shape[:2]).sum(axis=0) % 2))[..., None])


def periodic(image: Image, by: float, rng: Generator) -> Image:
    wave = np.sin(2 * np.pi * (np.arange(image.shape[1]) / 7.3 + rng.random()))
    return rounded(image * (1 + by * wave)[None, :, None])


def vignette(image: Image, by: float, _: Generator) -> Image:
    y, x = np.mgrid[-1 : 1 : image.shape[0] * 1j, -1 : 1 : image.shape[1] * 1j]
    return rounded(image * (1 - by * (x * x + y * y) / 2)[..., None])


def interlaced(image: Image, by: float, _: Generator) -> Image:
    image = image.astype(float)
    image[1::2] *= 1 - by
    return rounded(image)


def sometimes(change: Callable[[Image, Generator], Image]) -> Artefact:
    """A change that happens to a share of the views."""
    return lambda image, share, rng: change(image, rng) if rng.random() < share else image


def morphed(how: int) -> Artefact:
    return sometimes(lambda image, _: cv2.morphologyEx(image, how, np.ones((2, 2), np.uint8)))


def elastic(image: Image, pixels: float, rng: Generator) -> Image:
    side = image.shape[0]
    flow = cv2.resize(rng.normal(0, pixels, (5, 5, 2)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    y, x = np.indices((side, side), np.float32)
    return cv2.remap(image, x + flow[..., 0], y + flow[..., 1], cv2.INTER_NEAREST)


def mirrored_border(image: Image, pixels: float, rng: Generator) -> Image:
    return warped(image, whole_shift(rng, int(pixels)), cv2.INTER_NEAREST, border=cv2.BORDER_REFLECT_101)


def ring_clipped(image: Image, share: float, _: Generator) -> Image:
    y, x = np.mgrid[-1 : 1 : image.shape[0] * 1j, -1 : 1 : image.shape[1] * 1j]
    return np.where((np.hypot(x, y) > 1 - share)[..., None], 0, image).astype(np.uint8)


def corner_mark(image: Image, value: float, rng: Generator) -> Image:
    image = image.copy()
    image[-4:-1, 1:10] = np.maximum(image[-4:-1, 1:10], (value * (rng.random((3, 9, 1)) < 0.5)).astype(np.uint8))
    return image


def duplicated(wafer: WaferMap, share: float, rng: Generator) -> WaferMap:
    """A share of the defects twice: points a little beside themselves, failed dies with their neighbour."""
    if isinstance(wafer, DefectMap):
        twice = wafer.xy_um[rng.random(wafer.defects) < share]
        return replace(wafer, xy_um=np.concatenate((wafer.xy_um, twice + rng.normal(0, 500.0, twice.shape))), attributes={})
    again = np.roll((wafer.status == FAIL) & (rng.random(wafer.status.shape) < share), 1, axis=1)
    return replace(wafer, status=np.where(again & (wafer.status == PASS), FAIL, wafer.status).astype(np.uint8))


def dies_dropped(wafer: WaferMap, share: float, rng: Generator) -> WaferMap:
    """All defects in a share of the dies, or of squares of 10 mm, left out."""
    if isinstance(wafer, DieMap):
        return thinned(wafer, share, rng)
    cell = np.floor(wafer.xy_um / 10_000.0).astype(int) + 64
    return replace(wafer, xy_um=wafer.xy_um[rng.random((128, 128))[cell[:, 0], cell[:, 1]] >= share], attributes={})


def snapped_angles(wafer: WaferMap, degrees: float, _: Generator) -> WaferMap:
    """Points turned about the centre to the next multiple of an angle; die maps stay."""
    if isinstance(wafer, DieMap):
        return wafer
    radius, angle = np.hypot(*wafer.xy_um.T), np.arctan2(wafer.xy_um[:, 1], wafer.xy_um[:, 0])
    angle = np.rint(angle / np.deg2rad(degrees)) * np.deg2rad(degrees)
    return replace(wafer, xy_um=np.column_stack((radius * np.cos(angle), radius * np.sin(angle))), attributes={})


UNLISTED: dict[str, tuple[Artefact | None, tuple[float, float, float]]] = {
    "salt in one channel": (one_channel(salted), (0.0005, 0.002, 0.01)),
    "offset in one channel": (one_channel(lambda p, s, _: p + s, 1), (1, 3, 10)),
    "line jitter": (line_jitter, (0.05, 0.2, 0.5)),
    "checkerboard": (checkerboard, (0.01, 0.05, 0.3)),
    "posterise": (lambda i, s, _: i & np.uint8(256 - int(s)), (2, 8, 32)),
    "roll by 1 px": (sometimes(lambda i, _: np.roll(i, 1, axis=1)), (0.25, 0.5, 1.0)),
    "channel swap": (sometimes(lambda i, _: i[..., [1, 0, 2]]), (0.25, 0.5, 1.0)),
    "gamma": (lambda i, s, _: rounded(255.0 * (i / 255.0) ** s), (0.98, 0.9, 0.7)),
    "sharpening": (lambda i, s, _: rounded(i + s * (i.astype(float) - cv2.GaussianBlur(i, (0, 0), 1.0))), (0.02, 0.1, 0.5)),
    "interlace": (interlaced, (0.01, 0.05, 0.3)),
    "opening": (morphed(cv2.MORPH_OPEN), (0.25, 0.5, 1.0)),
    "closing": (morphed(cv2.MORPH_CLOSE), (0.25, 0.5, 1.0)),
    "median filter": (sometimes(lambda i, _: cv2.medianBlur(i, 3)), (0.25, 0.5, 1.0)),
    "elastic warp": (elastic, (0.2, 0.5, 1.5)),
    "periodic grid": (periodic, (0.02, 0.05, 0.2)),
    "vignetting": (vignette, (0.01, 0.05, 0.2)),
    "mirrored border": (mirrored_border, (1, 2, 4)),
    "edge ring clipped": (ring_clipped, (0.01, 0.03, 0.1)),
    "corner mark": (corner_mark, (4, 40, 255)),
    "duplicates": (None, (0.05, 0.2, 0.5)),
    "dies dropped": (None, (0.05, 0.2, 0.5)),
    "quantised angles": (None, (1, 5, 15)),
}
"""Artefacts that the guard was not made for; no statistic was."""

AT_SOURCE: dict[str, AtSource] = {
    "density": thinned,
    "duplicates": duplicated,
    "dies dropped": dies_dropped,
    "quantised angles": snapped_angles,
}
