"""What a lot's page and command say: no number that contradicts its limit, and nothing that was not tested passed over in silence."""

from dataclasses import asdict

import pytest

from inspection.cli.lots import _links as table_rows
from inspection.evaluation.lot.commonality import FACTORS, Link
from inspection.evaluation.lot.wording import _links, link, p_value

UNTOLD = [Link("Ring", factor, "inconclusive", 20, 3, 2) for factor in FACTORS]


@pytest.mark.parametrize(("p", "said"), [(0.0503, "0.0503"), (0.0499, "0.0499"), (0.32, "0.32"), (0.00002, "<0.0001"), (None, "–")])
def test_a_p_value_is_not_rounded_to_the_limit_that_it_misses(p, said):
    assert p_value(p) == said


def test_a_signature_that_could_not_be_tested_is_named():
    tested = Link("Donut", "tool", "no link", 20, 3, 3, "E1", 10, 2, 2, p=0.4, q=0.5, p_lots=0.5)
    told = _links([tested, *UNTOLD])
    assert told == [
        "No link with a tool, chamber, slot or recipe was found for Donut.",
        "Whether Ring goes with a tool, chamber, slot or recipe cannot be told.",
    ]
    assert _links([]) == []


def test_what_is_said_of_all_factors_alike_takes_one_row():
    rows = table_rows([{**asdict(one), "finding": link(one)} for one in UNTOLD])
    assert rows == [["Ring", "all four", "inconclusive: seen in 2 lots, 3 needed", "–", "–", "–"]]
