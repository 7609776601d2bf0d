"""What a reference promises: the true nearest, none that is barred, the same after a file, and no harm from a file."""

import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from inspection.errors import BundleError, InputError
from inspection.scoring import reference as module
from inspection.scoring.cells import TARGET_RECALL, Cells, unit
from inspection.scoring.reference import Reference
from inspection.scoring.reference_file import read_reference, write_reference


def made(vectors, groups=5, seed=0):
    n = len(vectors)
    rng = np.random.default_rng(seed)
    files = np.array(["a" * 64, "b" * 64])[rng.integers(0, 2, n)]
    return Reference.of(vectors, rng.integers(0, 3, n), files, np.arange(n), [f"lot {g}" for g in rng.integers(0, groups, n)])


def draw(n, f=12, seed=0):
    return np.random.default_rng([seed, n]).normal(1.0, 2.0, (n, f))


def brute(reference, queries, k):
    """Scikit-learn's answer on the stored vectors."""
    model = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(reference.vectors.astype(np.float64))
    return model.kneighbors(np.asarray(queries - reference.centre, np.float64))


@pytest.mark.parametrize("block", [1, 1_000, 1 << 23])
@pytest.mark.parametrize("k", [1, 3, 300])
def test_the_nearest_are_scikit_learns_whatever_the_blocks(monkeypatch, block, k):
    monkeypatch.setattr(module, "_BLOCK", block)
    reference, queries = made(draw(300)), draw(40, seed=1)
    distance, rows = brute(reference, queries, k)
    found = reference.nearest(queries, k)
    assert np.allclose(found.distance, distance, atol=1e-6)
    assert (found.rows == rows).mean() > 0.99  # near ties may stand in another order


@settings(deadline=None)
@given(seed=st.integers(0, 1000), k=st.integers(1, 12), n=st.integers(0, 12))
def test_a_barred_wafer_is_never_a_neighbour_and_every_other_can_be(seed, k, n):
    reference, queries = made(draw(n, seed=seed), groups=3, seed=seed), draw(4, seed=seed + 1)
    own = ["lot 0", "lot 1", None, "no such lot"]
    but = [None, ("a" * 64, 0), ("b" * 64, 1), None]
    found = reference.nearest(queries, k, not_of=own, but=but)
    for i, (rows, distance) in enumerate(zip(found.rows, found.distance, strict=True)):
        allowed = [r for r in range(n) if reference.group[r] != own[i] and (reference.file_sha256[r], reference.index[r]) != but[i]]
        held = rows[rows >= 0].tolist()
        assert len(set(held)) == len(held) == min(k, len(allowed))
        assert set(held) <= set(allowed)
        assert np.isinf(distance[rows < 0]).all()
        assert np.isfinite(distance[rows >= 0]).all()
        assert (np.diff(distance[rows >= 0]) > -1e-9).all()


def test_of_wafers_alike_the_lower_row_is_nearer():
    reference = made(np.repeat(draw(6), 4, axis=0))
    found = reference.nearest(np.repeat(draw(6), 4, axis=0)[8:9], 4)
    assert found.rows.tolist() == [[8, 9, 10, 11]]


def test_a_query_alone_gets_what_it_gets_among_others():
    reference, queries = made(draw(500)), draw(20, seed=3)
    together = reference.nearest(queries, 5)
    for i in range(20):
        assert reference.nearest(queries[i : i + 1], 5).rows.tolist() == together.rows[i : i + 1].tolist()


def test_half_precision_moves_no_distance_by_a_thousandth():
    vectors = draw(400, f=64)
    queries = draw(50, f=64, seed=1)
    centre = vectors.mean(axis=0)
    exact = 1 - unit(queries - centre) @ unit(vectors - centre).T
    kept = np.concatenate([far for _, far in made(vectors).distances(queries)])
    assert np.abs(exact - kept).max() < 1e-3


def test_distances_are_those_of_nearest_and_infinite_in_the_own_lot():
    reference, queries = made(draw(80)), draw(7, seed=2)
    all_of_them = np.concatenate([far for _, far in reference.distances(queries, not_of=["lot 1"] * 7)])
    assert np.array_equal(np.isinf(all_of_them), np.tile(reference.group == "lot 1", (7, 1)))
    found = reference.nearest(queries, 3, not_of=["lot 1"] * 7)
    assert np.allclose(np.take_along_axis(all_of_them, found.rows, 1), found.distance, atol=1e-6)


def clustered(n, f=16, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(0, 1, (30, f))
    return centres[rng.integers(0, 30, n)] + rng.normal(0, 0.3, (n, f))


@pytest.fixture
def indexed(monkeypatch):
    monkeypatch.setattr(module, "EXACT_BELOW", 3_000)
    return made(clustered(6_000), groups=40)


@pytest.mark.parametrize(("queries", "least"), [(clustered(300, seed=1), TARGET_RECALL), (draw(300, f=16), 0.97)], ids=["known", "odd"])
def test_beyond_the_limit_cells_find_what_they_promise(indexed, queries, least):
    _, true = brute(indexed, queries, 10)
    found = indexed.nearest(queries, 10)
    recall = np.mean([np.isin(t, f).mean() for t, f in zip(true, found.rows, strict=True)])
    assert indexed.kept_cells.recall >= TARGET_RECALL
    assert recall >= least
    looked = np.mean([len(Cells(indexed._unit, indexed.kept_cells).candidates(q)) for q in unit(queries - indexed.centre)])
    assert looked < 0.5 * len(indexed)


def test_cells_repeat_with_the_seed(indexed):
    again = made(clustered(6_000), groups=40)
    assert np.array_equal(again.kept_cells.cell, indexed.kept_cells.cell)
    assert again.kept_cells.probes == indexed.kept_cells.probes


def test_where_the_cells_hold_too_few_all_are_looked_through(monkeypatch):
    monkeypatch.setattr(module, "EXACT_BELOW", 100)
    reference = made(clustered(200), groups=2)
    found = reference.nearest(clustered(5, seed=1), 90, not_of=["lot 0"] * 5)
    assert (found.rows >= 0).sum(axis=1).tolist() == [min(90, int((reference.group != "lot 0").sum()))] * 5


@pytest.mark.parametrize("n", [0, 1, 50])
def test_what_is_written_is_what_is_read(tmp_path, n):
    reference = made(draw(n))
    write_reference(tmp_path / "reference.npz", reference)
    back = read_reference(tmp_path / "reference.npz")
    for name in ("centre", "vectors", "label", "file_sha256", "index", "group"):
        assert np.array_equal(getattr(back, name), getattr(reference, name)), name
    assert back.nearest(draw(3, seed=1), 4).rows.tolist() == reference.nearest(draw(3, seed=1), 4).rows.tolist()


def test_cells_are_written_too_and_the_same_reference_is_the_same_file(tmp_path, indexed):
    for name in "ab":
        write_reference(tmp_path / f"{name}.npz", indexed)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back, queries = read_reference(tmp_path / "a.npz"), clustered(9, seed=4)
    assert np.array_equal(back.nearest(queries, 5).rows, indexed.nearest(queries, 5).rows)


def _claims_more(path):
    """A file whose header claims an array of 10 TB."""
    header = b"{'descr': '<f2', 'fortran_order': False, 'shape': (10000000000, 512), }"
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    padded = header + b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    content["vectors.npy"] = b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded
    _write(path, content)


def _write(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def _pickled(path):
    with np.load(path) as arrays:
        content = dict(arrays)
    content["groups"] = content["groups"].astype(object)
    np.savez(path, **content)


def _misfit(path):
    with np.load(path) as arrays:
        content = dict(arrays)
    content["label"] = content["label"][:-1]
    np.savez(path, **content)


def _astray(path):
    with np.load(path) as arrays:
        content = dict(arrays)
    content["file_of"] = content["file_of"] + 1000
    np.savez(path, **content)


def _more(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../evil.npy", b"x")


@pytest.mark.parametrize(
    "harm",
    [_claims_more, _pickled, _misfit, _astray, _more, lambda p: p.write_bytes(b"no zip"), lambda p: p.write_bytes(p.read_bytes()[:900])],
)
def test_a_file_that_is_none_is_refused_with_advice(tmp_path, harm):
    path = tmp_path / "reference.npz"
    write_reference(path, made(draw(20)))
    harm(path)
    with pytest.raises(BundleError, match="Register the model again"):
        read_reference(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BundleError, match="Register the model again"):
        read_reference(tmp_path / "reference.npz")


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="Embed the labelled wafers again"):
        Reference.of(draw(4), [0, 1], ["a"] * 4, range(4), ["l"] * 4)
    with pytest.raises(InputError, match="finite"):
        Reference.of(np.full((1, 3), np.nan), [0], ["a"], [0], ["l"])
    for queries, k in ((draw(2, f=3), 1), (draw(2), 0), (np.full((1, 12), np.inf), 1)):
        with pytest.raises(InputError, match="reference was made with"):
            made(draw(9)).nearest(queries, k)
