"""A die map as defects: its failed dies at their centres, on the grid of all its dies."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inspection.wafer.failed_dies import as_defects
from inspection.wafer.maps import FAIL, NO_DIE, DieMap, WaferInfo

maps = st.builds(
    DieMap,
    info=st.just(WaferInfo(lot="L", wafer="1")),
    status=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 2)),
    pitch_um=st.one_of(st.none(), st.tuples(st.floats(100, 20_000), st.floats(100, 20_000))),
)


@given(maps)
def test_every_failed_die_is_one_defect_in_the_middle_of_its_die(wafer):
    made = as_defects(wafer)
    index = np.column_stack((made.attributes["XINDEX"], made.attributes["YINDEX"]))
    assert made.defects == wafer.defects
    assert np.allclose(made.xy_um, np.array(made.origin_um) + (index + 0.5) * np.array(made.pitch_um))
    rows = wafer.status.shape[0]
    assert {(int(r), int(c)) for r, c in zip(*np.nonzero(wafer.status == FAIL), strict=True)} == {
        (rows - 1 - y, x) for x, y in index.tolist()
    }
    assert len(made.dies) == np.count_nonzero(wafer.status != NO_DIE)
    assert {tuple(i) for i in index.tolist()} <= {tuple(i) for i in made.dies.tolist()}
