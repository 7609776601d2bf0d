from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.inference.batching import Batch, by_file, halves, plan
from inspection.inference.ledger import Job

SIZES = st.lists(st.integers(1, 300), min_size=1, max_size=5)


@given(st.integers(0, 5_000), SIZES)
def test_every_wafer_is_in_exactly_one_batch_in_order(wafers, sizes):
    batches = plan(wafers, sizes)
    assert [i for b in batches for i in range(b.start, b.stop)] == list(range(wafers))


@given(st.integers(0, 5_000), SIZES)
def test_only_static_sizes_occur_and_only_the_last_batch_is_padded_as_little_as_possible(wafers, sizes):
    batches = plan(wafers, sizes)
    assert {b.size for b in batches} <= set(sizes)
    assert all(b.padding == 0 and b.size == max(sizes) for b in batches[:-1])
    for last in batches[-1:]:
        assert 0 <= last.padding < last.size
        assert not [size for size in sizes if last.stop - last.start <= size < last.size]


def test_a_plan_by_hand():
    assert plan(70, (8, 64)) == [Batch(0, 64, 64), Batch(64, 70, 8)]
    assert plan(9, (8, 64)) == [Batch(0, 9, 64)]
    assert plan(0, (8, 64)) == []


@pytest.mark.parametrize(("wafers", "sizes"), [(1, ()), (1, (0, 8)), (-1, (8,))])
def test_a_plan_without_sense_is_refused(wafers, sizes):
    with pytest.raises(ValueError, match="expected wafers >= 0 and sizes >= 1"):
        plan(wafers, sizes)


@given(st.lists(st.integers(), min_size=2))
def test_halves_lose_nothing_and_none_is_empty(items):
    first, second = halves(items)
    assert first
    assert second
    assert [*first, *second] == items


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), max_size=40))
def test_ordered_by_file_each_file_is_one_run(places):
    jobs = [Job(i, str(i), {"file_sha256": f, "index": n}, 1) for i, (f, n) in enumerate(places)]
    ordered = [(job.payload["file_sha256"], job.payload["index"]) for job in by_file(jobs)]
    assert ordered == sorted(places)
