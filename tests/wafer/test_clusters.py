"""Clusters are those of an independent algorithm, wherever the wafer is turned and however its defects are ordered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inspection.formats.table import read
from inspection.params import Ingest
from inspection.wafer.clusters import LEAST, clusters, threshold_um

place = st.floats(-150_000, 150_000)
quick = settings(max_examples=40, deadline=None)


def partition(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == n).tolist()) for n in set(labels.tolist()) - {0}}


def by_definition(xy: np.ndarray, threshold: float, least: int) -> set[frozenset[int]]:
    """Breadth first through all pairs."""
    near = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1)) <= threshold
    left, found = set(range(len(xy))), set()
    while left:
        group, edge = set(), {left.pop()}
        while edge:
            group |= edge
            edge = {int(j) for i in edge for j in np.flatnonzero(near[i])} - group
        left -= group
        if len(group) >= least:
            found.add(frozenset(group))
    return found


@quick
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(0, 60), st.just(2)), elements=place),
    st.floats(100, 60_000),
    st.integers(2, 6),
)
def test_clusters_are_the_groups_that_chains_of_near_defects_join(xy, threshold, least):
    assert partition(clusters(xy, threshold, least)) == by_definition(xy, threshold, least)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("threshold", [300.0, 1_500.0, 6_000.0, 40_000.0])
def test_three_or_more_are_the_clusters_of_dbscan(seed, threshold):
    from sklearn.cluster import DBSCAN

    rng = np.random.default_rng(seed)
    blobs = [rng.normal(rng.uniform(-80_000, 80_000, 2), 10 ** rng.uniform(1, 4), (300, 2)) for _ in range(3)]
    xy = np.concatenate([rng.uniform(-100_000, 100_000, (600, 2)), *blobs])
    other = DBSCAN(eps=threshold, min_samples=3).fit(xy).labels_
    assert partition(clusters(xy, threshold, 3)) == partition(other + 1)


def test_a_real_file_has_the_clusters_that_its_fab_wrote_into_it(shared_data):
    folder = shared_data / "klarf" / "wafermap-clustering"
    wafers = list(read(folder / "saved_QUU_NUU_dbscan.000", Ingest()))
    for wafer in wafers:
        theirs = wafer.map.attributes["DYN_CLUSTER_ID"].astype(int) + 1  # DBSCAN, 4 mm, 3 defects; -1 = in none
        assert partition(clusters(wafer.map.xy_um, 4_000.0, 3)) == partition(theirs)
    assert sum(wafer.map.defects for wafer in wafers) > 50


@quick
@given(st.integers(0, 2**32 - 1), st.floats(0, 2 * np.pi))
def test_turning_moving_and_shuffling_change_nothing(seed, angle):
    rng = np.random.default_rng(seed)
    xy = np.concatenate([rng.uniform(-90_000, 90_000, (60, 2)), rng.normal(0, 3_000, (40, 2))])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    order = rng.permutation(len(xy))
    before = clusters(xy, 3_333.3)
    after = clusters((xy @ turn.T + rng.uniform(-5_000, 5_000, 2))[order], 3_333.3)
    assert partition(after) == {frozenset(np.flatnonzero(np.isin(order, list(group))).tolist()) for group in partition(before)}


def test_numbers_fall_with_size_and_equal_ones_follow_their_first_defect():
    far = np.array([1.0, 0.0]) * 50_000
    xy = np.concatenate([far + np.zeros((5, 2)), np.zeros((7, 2)), -far + np.zeros((5, 2)), [[0.0, 90_000.0]]])
    assert clusters(xy, 100.0).tolist() == [2] * 5 + [1] * 7 + [3] * 5 + [0]


def test_exactly_the_threshold_apart_is_near_and_more_is_not():
    line = np.column_stack((np.arange(LEAST) * 1_000.0, np.zeros(LEAST)))
    assert clusters(line, 1_000.0).tolist() == [1] * LEAST
    assert clusters(line, 999.999).tolist() == [0] * LEAST


@pytest.mark.parametrize("defects", [100, 1_000, 20_000])
def test_few_defects_of_a_random_wafer_are_in_a_cluster(defects):
    rng = np.random.default_rng(defects)
    radius, angle = 150_000 * np.sqrt(rng.uniform(size=defects)), rng.uniform(0, 2 * np.pi, defects)
    xy = np.column_stack((radius * np.cos(angle), radius * np.sin(angle)))
    assert np.count_nonzero(clusters(xy, threshold_um(defects, 300.0))) <= 0.02 * defects


@pytest.mark.parametrize("shape", ["one place", "one cell", "two lines just too far apart", "a lattice"])
def test_a_hundred_thousand_defects_of_any_shape_are_done_in_little_memory(shape):
    import tracemalloc

    rng = np.random.default_rng(1)
    line = rng.uniform(0, 4_000, 50_000)
    xy, threshold, expected = {
        "one place": (np.zeros((100_000, 2)), 1_000.0, [100_000]),
        "one cell": (rng.uniform(0, 100, (100_000, 2)), 1_000.0, [100_000]),
        "two lines just too far apart": (np.column_stack((np.repeat([0, 6_000.1], 50_000), np.tile(line, 2))), 6_000.0, [50_000] * 2),
        "a lattice": (np.stack(np.meshgrid(*[np.arange(316) * 200.0] * 2), -1).reshape(-1, 2), 199.9, []),
    }[shape]
    tracemalloc.start()
    try:
        sizes = np.bincount(clusters(xy, threshold))[1:].tolist()
        assert tracemalloc.get_traced_memory()[1] < 128 << 20
    finally:
        tracemalloc.stop()
    assert sizes == expected
