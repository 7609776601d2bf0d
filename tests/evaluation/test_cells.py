import re
from importlib import resources

import numpy as np
import pytest

from inspection.evaluation.cells import SHADES, cells, worst_of_cells
from inspection.evaluation.evaluation import Part, evaluate
from inspection.params import Evaluate
from inspection.wafer.taxonomy import Taxonomy, WaferClass

NAMES = ("Donut", "Normal", "Ring")
TAXONOMY = Taxonomy(tuple(WaferClass(n, normal=n == "Normal") for n in NAMES))


@pytest.fixture(scope="module")
def evaluation():
    rng = np.random.default_rng(0)
    truth = rng.choice(3, 200, p=[0.2, 0.7, 0.1])
    p = np.exp(rng.normal(size=(200, 3)) + 2 * np.eye(3)[truth])
    part = Part(truth=truth, probabilities=p / p.sum(axis=1, keepdims=True), group=rng.integers(0, 5, 200), unknown=rng.random(200) < 0.1)
    return evaluate(part, part, TAXONOMY, Evaluate(bootstrap=5), rng)


def test_cells_hold_every_wafer_once_and_say_so(evaluation):
    table = cells(evaluation.by_decision)
    np.testing.assert_array_equal([[one.count for one in row] for row in table], evaluation.by_decision.counts)
    for row in table:
        for one in row:
            assert (one.shade == 0) == (one.count == 0)
            assert one.shade <= SHADES
    assert table[0][1].words.startswith(f"{table[0][1].count} of {evaluation.by_decision.support[0]} Donut wafers were called Normal: ")


def contrast(one, other):
    """Of two colours #rrggbb or #rgb, by WCAG 2."""
    wide = [c if len(c) == 6 else "".join(2 * x for x in c) for c in (one.strip("#"), other.strip("#"))]
    shares = np.array([[int(c[i : i + 2], 16) / 255 for i in (0, 2, 4)] for c in wide])
    light = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)
    return (light.max() + 0.05) / (light.min() + 0.05)


def test_the_number_in_a_cell_of_any_shade_can_be_read():
    style = resources.files("inspection.evaluation").joinpath("page/page.css").read_text(encoding="utf-8")
    shades = re.findall(r"\.s(\d+) \{ background: (#\w+); color: (#\w+); \}", style)
    assert [int(k) for k, *_ in shades] == list(range(1, SHADES + 1))
    assert min(contrast(paper, ink) for _, paper, ink in shades) >= 4.5


def cell_of(evaluation, position):
    return NAMES[evaluation.test.truth[position]], evaluation.decisions[position]


def test_every_cell_shows_its_worst_wafer_before_any_shows_its_second(evaluation):
    everyone = [cell_of(evaluation, i) for i in range(200)]
    kinds = set(everyone)
    first = worst_of_cells(evaluation, len(kinds))
    assert {cell_of(evaluation, i) for i in first} == kinds
    p = evaluation.test.probabilities
    for i in first:
        truth, call = cell_of(evaluation, i)
        column = NAMES.index(call) if call in NAMES else None
        said = {j: p[j].max() if column is None else p[j, column] for j in range(200) if everyone[j] == (truth, call)}
        assert said[i] == (min if truth == call else max)(said.values())


def test_pictures_are_bounded_and_no_wafer_comes_twice(evaluation):
    chosen = worst_of_cells(evaluation, 500)
    assert sorted(chosen) == list(range(200))
    assert worst_of_cells(evaluation, 30) == chosen[:30]
