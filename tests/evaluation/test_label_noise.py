"""Suspicious labels: planted flips are found, clean labels left alone, and a corrected table comes back as labels."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection import stages
from inspection.errors import InputError
from inspection.evaluation.label_noise import find_suspicious, label_table
from inspection.intake.labels import read_labels
from inspection.settings import Workspace
from inspection.stages.place import open_store, params_of
from inspection.store.labelled import names_and_formats
from inspection.store.wafers import names_and_labels
from inspection.wafer.taxonomy import Taxonomy, WaferClass

NAMES = ("Center", "Donut", "Normal", "Ring")
TAXONOMY = Taxonomy(tuple(WaferClass(n, normal=n == "Normal") for n in NAMES))


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def draw(n, seed, sharpness):
    """True classes, unbalanced, and the probabilities of a model that is right more often the higher ``sharpness``."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(4, n, p=[0.1, 0.05, 0.7, 0.15])
    return truth, softmax(rng.normal(0, 1, (n, 4)) + sharpness * np.eye(4)[truth])


def flipped(truth, rate, seed):
    rng = np.random.default_rng([seed, 1])
    wrong = rng.random(len(truth)) < rate
    return np.where(wrong, (truth + rng.integers(1, 4, len(truth))) % 4, truth), wrong


def find(label, p):
    return find_suspicious(label, p, TAXONOMY, ["a" * 64] * len(label), range(len(label)))


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.15])
@pytest.mark.parametrize(("sharpness", "accuracy", "precision"), [(5.0, 0.995, 0.98), (3.5, 0.98, 0.87)])
def test_planted_flips_are_found(rate, sharpness, accuracy, precision):
    """At least four of five flips are named, and what is named is a flip nearly always, at 1 % of wrong labels as at 15 %."""
    truth, p = draw(6_000, 3, sharpness)
    label, wrong = flipped(truth, rate, 3)
    assert (p.argmax(axis=1) == truth).mean() > accuracy
    result = find(label, p)
    found = np.zeros(len(label), bool)
    found[[s.position for s in result.suspicions]] = True
    assert (found & wrong).sum() / wrong.sum() > 0.82
    assert (found & wrong).sum() / found.sum() > precision
    right = [NAMES.index(s.suggested) == truth[s.position] for s in result.suspicions if wrong[s.position]]
    assert np.mean(right) > 0.95
    assert result.noise == pytest.approx(wrong.mean(), rel=0.15)


@pytest.mark.parametrize("copies", range(3, 12))
def test_a_flip_among_copies_of_one_wafer_is_found(copies):
    """The mean of equal floats may be above each of them: none would then be sure of its own class."""
    for share in (0.7, 0.9, 0.97, 0.992):
        wafer = [share, (1 - share) / 2, (1 - share) / 2, 0.0]
        other = [0.05, 0.9, 0.05, 0.0]
        result = find(np.array([0] * copies + [1, 1, 1]), np.array([wafer] * copies + [wafer, other, other]))
        assert [s.position for s in result.suspicions] == [copies]


def test_the_worst_come_first():
    truth, p = draw(4_000, 5, 4.0)
    label, wrong = flipped(truth, 0.05, 5)
    named = wrong[[s.position for s in find(label, p).suspicions]]
    assert named[: len(named) // 2].mean() > named[len(named) // 2 :].mean()
    assert named[:100].mean() > 0.98


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 80))
def test_where_the_model_agrees_with_every_label_none_is_suspicious(seed, n):
    truth, p = draw(n, seed, 0.0)
    result = find(truth, p * 0.49 + 0.51 * np.eye(4)[truth])
    assert result.suspicions == ()
    assert n == 0 or result.noise == pytest.approx(0)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_counts_equal_the_papers_definition_in_plain_loops(seed, n):
    label, p = draw(n, seed, 1.0)
    label = np.random.default_rng(seed).permutation(label)
    result = find(label, p)
    limit = [np.mean([p[i, j] for i in range(n) if label[i] == j]) if j in label else np.inf for j in range(4)]
    assert np.allclose(result.thresholds, limit)
    counts, named = np.zeros((4, 4)), []
    for i in range(n):
        reached = [j for j in range(4) if p[i, j] >= limit[j]]
        if reached:
            j = max(reached, key=lambda j: p[i, j])
            counts[label[i], j] += 1
    joint = np.zeros((4, 4))
    for i in range(4):
        joint[i] = (counts[i] / counts[i].sum() if counts[i].any() else np.eye(4)[i]) * (label == i).sum() / n
        for j in set(range(4)) - {i}:
            ranked = sorted((p[w, i] - p[w, j], w) for w in range(n) if label[w] == i)
            named += [w for _, w in ranked[: round(joint[i, j] * n)] if p[w].argmax() != i]
    assert np.allclose(result.joint, joint)
    assert [s.position for s in result.suspicions] == sorted(set(named), key=lambda w: (p[w, label[w]] - p[w].max(), p[w, label[w]], w))
    assert result.joint.sum() == pytest.approx(1)


def test_what_does_not_fit_is_refused():
    truth, p = draw(5, 0, 1.0)
    for label, shares in ((truth[:4], p), (truth, p[:, :3]), (truth + 4, p), (truth, p - 0.5)):
        with pytest.raises(InputError, match="columns of one part"):
            find(label, shares)


def archive(path, label):
    """Six die maps of the archive format, each different."""
    maps = np.ones((6, 10, 10), np.uint8)
    for i, wafer in enumerate(maps):
        wafer[i, : i + 2] = 2
    offsets = np.arange(7) * 100
    np.savez(
        path, pixels=maps.ravel(), offsets=offsets, shapes=np.full((6, 2), 10), label=np.array(label), classes=np.array(["Donut", "Ring"])
    )


def labels_of(place):
    with open_store(place) as store, store.read() as connection:
        return {(sha, index): label for sha, index, _, _, _, label, _ in names_and_labels(connection)}


def test_exported_corrected_and_ingested_labels_are_those_of_the_store(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    archive(folder / "a.npz", [0, 0, 0, 1, 1, 1])
    place = Workspace(tmp_path / "workspace")
    place.root.mkdir()
    stages.ingest(place, params_of(place), source=folder)
    before = labels_of(place)
    (sha,) = {sha for sha, _ in before}
    assert [before[sha, i] for i in range(6)] == ["Donut"] * 3 + ["Ring"] * 3

    with open_store(place) as store, store.read() as connection:
        sources = {sha: name for sha, (name, _) in names_and_formats(connection).items()}
    taxonomy = Taxonomy((WaferClass("Donut"), WaferClass("Ring")))
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.1, 0.9], [0.97, 0.03], [0.2, 0.8]])
    found = find_suspicious(np.array([0, 0, 0, 1, 1, 1]), p, taxonomy, [sha] * 6, range(6))
    assert [(s.index, s.given, s.suggested) for s in found.suspicions] == [(4, "Ring", "Donut"), (2, "Donut", "Ring")]

    table = folder / "labels.csv"
    table.write_text(label_table(found.suspicions, sources), encoding="utf-8")
    stages.ingest(place, params_of(place), source=folder)
    assert labels_of(place) == before  # nobody touched it

    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[0]["label"], rows[1]["label"] = rows[0]["suggested"], ""
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    report = stages.ingest(place, params_of(place), source=folder)
    assert labels_of(place) == before | {(sha, 4): "Donut", (sha, 2): None}
    assert report["labels"]["changed"] == 2


def test_a_table_of_images_names_files_and_may_name_any_class(tmp_path):
    found = find_suspicious(
        np.array([0, 1, 1]),
        np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]),
        Taxonomy((WaferClass("scratched, deep"), WaferClass("b"))),
        ["f1", "f2", "f3"],
        [0, 0, 0],
    )
    path = tmp_path / "labels.csv"
    path.write_text(label_table(found.suspicions, {"f2": 'a "b", c/2.png'}, images=True), encoding="utf-8")
    assert dict(read_labels(path, ()).entries) == {('a "b", c/2.png', "0"): "b"}


def test_names_that_a_spreadsheet_would_run_are_texts_in_the_table_and_read_back_as_they_were(tmp_path):
    found = find_suspicious(
        np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]), Taxonomy((WaferClass("@a"), WaferClass("=1+1"))),
        ["f1", "f2", "f3"], [0, 0, 0],
    )  # fmt: skip
    path = tmp_path / "labels.csv"
    path.write_text(label_table(found.suspicions, {"f2": "-2+3.png"}, images=True), encoding="utf-8")
    with path.open(newline="") as stream:
        cells = next(csv.DictReader(stream))
    assert [cells[name][0] for name in ("file", "label", "suggested")] == ["'"] * 3
    assert dict(read_labels(path, ()).entries) == {("-2+3.png", "0"): "=1+1"}


def test_a_wafer_whose_file_has_no_name_is_refused():
    truth, p = draw(200, 1, 3.0)
    with pytest.raises(InputError, match="Ingest the files"):
        label_table(find(flipped(truth, 0.2, 1)[0], p).suspicions, {})
