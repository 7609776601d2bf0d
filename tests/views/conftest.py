"""Fixtures of the views."""

import numpy as np
import pytest

from inspection.views.renderer import ViewSpec
from inspection.views.tiles import render
from inspection.wafer.maps import DefectMap, WaferInfo


@pytest.fixture(scope="session", autouse=True)
def compiled_loops():
    """The compiled loops, so that no example with a deadline waits for the compiler."""
    one = np.zeros((1, 2), np.int32)
    wafer = DefectMap(info=WaferInfo(), xy_um=np.zeros((1, 2)), pitch_um=(1.0, 1.0), origin_um=(0.0, 0.0), dies=one)
    render(wafer, ViewSpec(8, 1))
