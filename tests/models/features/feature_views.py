"""Views to compute features of: any picture that the renderer could have drawn, and shapes whose features are known in closed form."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inspection.models.features.planes import PIXEL_R, SIZE_PX
from inspection.views.renderer import render_global
from inspection.wafer.maps import DefectMap, DieMap, WaferInfo

RADIUS_UM = 150_000.0

points = arrays(np.float64, st.tuples(st.integers(0, 120), st.just(2)), elements=st.floats(-RADIUS_UM * 1.01, RADIUS_UM * 1.01))
dies = arrays(np.uint8, st.tuples(st.integers(1, 70), st.integers(1, 70)), elements=st.integers(0, 2))


def points_view(xy_um, size_px=SIZE_PX):
    return render_global(DefectMap(info=WaferInfo(), xy_um=np.asarray(xy_um, float).reshape(-1, 2)), size_px)


def dies_view(status, size_px=SIZE_PX):
    return render_global(DieMap(info=WaferInfo(), status=status), size_px)


views = st.one_of(points.map(points_view), dies.map(dies_view))


def pixel_places():
    """x, y of each pixel's centre, in radii, y up; both (SIZE_PX, SIZE_PX)."""
    centre = (np.arange(SIZE_PX) + 0.5) * PIXEL_R - 1
    return np.meshgrid(centre, -centre)


def view_of(mask):
    """A view in which exactly the pixels of ``mask`` are wholly defective, the disc inspected."""
    x, y = pixel_places()
    image = np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8)
    image[..., 0] = image[..., 1] = np.where(mask, 255, 0)
    image[..., 2] = np.where(x**2 + y**2 <= 1, 255, 0)
    return image


def noisy_view(seed, share=0.15):
    """A blob, a line and noise: something for every family."""
    rng = np.random.default_rng(seed)
    x, y = pixel_places()
    cx, cy, a = *rng.uniform(-0.5, 0.5, 2), rng.uniform(0, np.pi)
    blob = (x - cx) ** 2 + (y - cy) ** 2 < rng.uniform(0.05, 0.4) ** 2
    line = np.abs(x * np.cos(a) + y * np.sin(a) - rng.uniform(-0.4, 0.4)) < 0.03
    image = view_of((blob | line | (rng.random(x.shape) < share)) & (x**2 + y**2 <= 1))
    image[..., 0] = np.where(image[..., 0] > 0, rng.integers(1, 256, x.shape), 0)
    return image


def turned(image, quarter_turns, mirrored):
    return np.ascontiguousarray(np.rot90(image[:, ::-1] if mirrored else image, quarter_turns))
