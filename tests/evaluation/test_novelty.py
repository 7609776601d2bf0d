"""New classes among the unknowns: found when they are there, whatever else is unknown, and none made up from few wafers."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inspection.errors import InputError
from inspection.evaluation import novelty
from inspection.evaluation.novelty import cluster_unknowns
from inspection.scoring.reference import Reference

F = 16
CENTRES = np.random.default_rng(42).normal(0, 1, (9, F))
"""Of six known classes, then of three new ones."""


def around(centre, n, seed, spread=0.25):
    return CENTRES[centre] + np.random.default_rng([seed, centre]).normal(0, spread, (n, F))


@pytest.fixture(scope="module")
def known():
    vectors = np.concatenate([around(k, 60, 0) for k in range(6)])
    return Reference.of(vectors, np.repeat(np.arange(6), 60), np.full(360, "a" * 64), np.arange(360), np.full(360, "lot"))


def odd(n, seed):
    """Wafers that resemble nothing, not even one another."""
    return np.random.default_rng([seed, 77]).normal(0, 1.5, (n, F))


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_few_unknowns_are_no_class(known, n):
    found = cluster_unknowns(around(6, n, 1), known, seed=0)
    assert found.clusters == ()
    assert found.noise.tolist() == list(range(n))


@pytest.mark.parametrize("n", [5, 8, 40, 300])
def test_a_single_new_pattern_is_one_cluster(known, n):
    found = cluster_unknowns(around(6, n, 1, spread=0.1), known, seed=0)
    (cluster,) = found.offered
    assert len(cluster) >= 0.8 * n
    assert len(cluster) + len(found.noise) == n
    assert cluster.cohesion > 0.9
    assert cluster.nearest_distance > 0.1


def test_each_new_pattern_is_a_cluster_and_odd_wafers_are_noise(known):
    parts = [around(6, 30, 1), around(7, 12, 1), around(8, 20, 1), odd(15, 1)]
    truth = np.repeat([6, 7, 8, -1], [30, 12, 20, 15])
    found = cluster_unknowns(np.concatenate(parts), known, seed=0)
    assert [len(set(truth[c.members])) for c in found.offered] == [1, 1, 1]
    assert {int(truth[c.medoid]) for c in found.offered} == {6, 7, 8}
    assert [len(c) for c in found.offered] == sorted((len(c) for c in found.offered), reverse=True)
    assert sum(len(c) for c in found.offered) >= 0.9 * 62
    assert (truth[found.noise] == -1).sum() >= 13


def test_unknowns_that_belong_with_a_known_class_are_not_offered(known):
    unknown = np.concatenate([around(2, 25, 5), around(7, 15, 5)])
    found = cluster_unknowns(unknown, known, seed=0)
    (new,) = found.offered
    assert set(new.members.tolist()) <= set(range(25, 40))
    assert [c.resembles for c in found.clusters if c.resembles is not None] == [2]
    assert all(c.nearest_class == 2 for c in found.clusters if c.resembles is not None)
    assert found.clusters[0] is new


def test_odd_wafers_alone_make_no_class(known):
    assert cluster_unknowns(odd(40, 3), known, seed=0).offered == ()


@settings(deadline=None, max_examples=15)
@example(seed=197)
@given(seed=st.integers(0, 10_000))
def test_the_same_wafers_are_the_same_clusters_in_any_order(known, seed):
    unknown = np.concatenate([around(6, 20, seed), around(7, 10, seed), odd(6, seed)])
    order = np.random.default_rng(seed).permutation(len(unknown))
    one, other = cluster_unknowns(unknown, known, seed=1), cluster_unknowns(unknown[order], known, seed=1)
    again = cluster_unknowns(unknown, known, seed=1)
    assert [c.members.tolist() for c in again.clusters] == [c.members.tolist() for c in one.clusters]
    assert {frozenset(order[c.members].tolist()) for c in other.clusters} == {frozenset(c.members.tolist()) for c in one.clusters}
    assert {int(order[c.medoid]) for c in other.clusters} == {c.medoid for c in one.clusters}


def test_medoid_and_cohesion_are_those_of_a_plain_loop(known):
    unknown = around(6, 12, 9)
    (cluster,) = cluster_unknowns(unknown, known, seed=0).offered
    ready = (unknown - known.centre) / np.linalg.norm(unknown - known.centre, axis=1)[:, None]
    alike = {(i, j): float(ready[i] @ ready[j]) for i in cluster.members.tolist() for j in cluster.members.tolist() if i != j}
    assert cluster.cohesion == pytest.approx(np.mean(list(alike.values())), abs=1e-5)
    totals = {i: sum(v for (a, _), v in alike.items() if a == i) for i in cluster.members.tolist()}
    assert cluster.medoid == max(totals, key=totals.__getitem__)


def test_wafers_all_the_same_are_one_cluster(known):
    (cluster,) = cluster_unknowns(np.repeat(around(6, 1, 4), 9, axis=0), known, seed=0).offered
    assert (len(cluster), cluster.medoid) == (9, 0)
    assert cluster.cohesion == pytest.approx(1)


def test_without_labelled_wafers_nothing_breaks():
    empty = Reference.of(np.zeros((0, F)), [], [], [], [])
    found = cluster_unknowns(np.concatenate([around(6, 20, 1), around(7, 20, 1)]), empty, seed=0)
    assert len(found.offered) == 2
    assert {c.nearest_class for c in found.offered} == {-1}


def test_too_many_and_too_small_are_refused(known, monkeypatch):
    monkeypatch.setattr(novelty, "MOST", 9)
    with pytest.raises(InputError, match="shorter time"):
        cluster_unknowns(around(6, 10, 1), known, seed=0)
    with pytest.raises(InputError, match="at least 2"):
        cluster_unknowns(around(6, 3, 1), known, seed=0, least=1)
