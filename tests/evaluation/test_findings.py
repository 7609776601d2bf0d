"""What is found besides scores: every section says numbers that follow from the judged wafers, and planted facts are seen."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from test_fitting import TAXONOMY, judged, labelled, rows

from inspection.evaluation.evaluation import evaluate
from inspection.evaluation.findings import findings
from inspection.evaluation.fitting import part_of
from inspection.params import Evaluate
from inspection.scoring.predictor import Seen
from inspection.scoring.reference import Reference

PARAMS = Evaluate(bootstrap=20)


@pytest.fixture(scope="module")
def found():
    """Twenty test wafers of Scratch labelled Donut, thirty of a pattern that nobody taught."""
    bundle, parts, _ = judged()
    test, trained = labelled(2), labelled(3)
    truth, embedding, logits = test.truth.copy(), test.seen.embedding.copy(), test.seen.logits.copy()
    flipped = np.flatnonzero(truth == 2)[:20]
    truth[flipped] = 0
    strange = np.flatnonzero(truth == 1)[:30]
    embedding[strange, 4] += 30.0
    seen = Seen(logits, embedding, logits, np.where(np.arange(900) % 10 == 0, 8, 1))
    split = rows(900, 1)
    changed = replace(test, truth=truth, seen=seen)
    part = part_of(bundle, changed, split)
    evaluation = evaluate(parts["validation"], part, TAXONOMY, PARAMS, np.random.default_rng(0))
    reference = Reference.of(trained.seen.embedding, trained.truth, ["f" * 64] * 900, np.arange(900), ["L"] * 900)
    known = [
        pd.DataFrame(
            {"source": "maps.npz", "lot": frame["group"], "wafer": frame["index"].astype(str), "tool": "A", "defects": np.arange(900)}
        )
        for frame in (rows(900, 0), split)
    ]
    result = findings(evaluation, parts["validation"], changed, reference, (known[0], known[1]), PARAMS, np.random.default_rng(1), turns=8)
    return evaluation, result, flipped, strange


def section(found, key):
    (one,) = (s for s in found[1].sections if s.key == key)
    return one


def test_every_section_is_there_once_and_in_words(found):
    keys = [one.key for one in found[1].sections]
    assert keys == ["sets", "scorecard", "areas", "slices", "unknown", "similar", "labels", "looks"]
    assert all(one.sentence and one.title for one in found[1].sections)


def test_flipped_labels_are_found_and_can_be_corrected_in_the_table(found):
    evaluation, result, flipped, _ = found
    table = pd.read_csv(io.StringIO(result.labels))
    assert len(table) == result.metrics["suspicious_labels"]
    named = set(table[table["suggested"] == "Scratch"]["index"])
    assert len(named & set(evaluation.test.index[flipped].tolist())) >= 15
    assert set(table["source"]) == {"maps.npz"}
    assert len(section(found, "labels").rows) == min(25, len(table))


def test_a_pattern_that_nobody_taught_is_a_group_of_its_own(found):
    evaluation, _, _, strange = found
    assert np.mean([evaluation.decisions[i] == "Unknown" for i in strange]) > 0.9
    groups = section(found, "unknown").rows
    assert groups
    assert max(row[1] for row in groups) >= 20


def test_coverage_and_scorecard_are_those_of_the_metrics(found):
    evaluation, result, *_ = found
    metrics = evaluation.metrics() | result.metrics
    assert f"{metrics['coverage'] * 100:.1f}" in section(found, "sets").sentence
    assert f"{metrics['purity'] * 100:.1f}" in section(found, "scorecard").sentence
    assert metrics["purity"] * metrics["classification_rate"] == pytest.approx(metrics["accuracy_of_all"])


def test_second_looks_count_the_wafers_that_got_them(found):
    assert section(found, "looks").sentence.startswith("90 of 900 wafers were looked at in all 8 turns")
    assert sum(row[1] for row in section(found, "looks").rows) == 90


def test_slices_are_by_what_varies(found):
    names = {str(row[0]).split()[0] for row in section(found, "slices").rows}
    assert names == {"lot", "defects"}, "one tool is no slice"
