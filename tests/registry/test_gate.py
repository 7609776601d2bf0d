"""Laws of the gate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.registry.gate import LINEAGE, judge

scores = st.floats(0, 1)
FULL = dict.fromkeys(LINEAGE, "x")


def model(score: object, *, lineage: dict[str, str] | None = None, guard: str | None = "pass") -> dict[str, object]:
    return {"metrics": {"macro_f1": score}, "lineage": FULL if lineage is None else lineage, "guard": guard}


@given(candidate=scores, champion=scores, margin=scores)
def test_a_complete_candidate_passes_exactly_when_it_lies_within_the_margin(candidate: float, champion: float, margin: float) -> None:
    passed = judge(model(candidate), model(champion), margin, "production").passed
    assert passed == (candidate >= champion - margin - 1e-12)


@given(candidate=scores, champion=st.none() | scores, margin=scores, lineage=st.dictionaries(st.sampled_from(LINEAGE), st.text()),
       guard=st.sampled_from([None, "pass", "fail: Donut, rotation"]))  # fmt: skip
def test_what_production_passes_the_local_profile_passes_too(
    candidate: float, champion: float | None, margin: float, lineage: dict[str, str], guard: str | None
) -> None:
    one, other = model(candidate, lineage=lineage, guard=guard), None if champion is None else model(champion)
    if judge(one, other, margin, "production").passed:
        assert judge(one, other, margin, "local").passed


@given(lineage=st.dictionaries(st.sampled_from(LINEAGE), st.text(min_size=1)).filter(lambda d: len(d) < len(LINEAGE)))
def test_missing_lineage_is_noted_locally_and_refused_in_production(lineage: dict[str, str]) -> None:
    local = judge(model(0.9, lineage=lineage), None, 0.0, "local")
    assert local.passed
    assert any("lineage is missing" in reason for reason in local.reasons)
    assert not judge(model(0.9, lineage=lineage), None, 0.0, "production").passed


def test_a_guard_that_was_not_run_is_noted_locally_and_refused_in_production() -> None:
    local = judge(model(0.9, guard=None), None, 0.0, "local")
    assert local.passed
    assert "the augmentation guard was not run" in local.reasons
    assert not judge(model(0.9, guard=None), None, 0.0, "production").passed


@pytest.mark.parametrize("profile", ["local", "production"])
@pytest.mark.parametrize("bad", [model(0.9, guard="Donut: rotation"), model(float("nan")), model(None), model(True), model(1.2), {}])
def test_a_failed_guard_or_a_score_that_is_none_is_refused_everywhere(profile, bad) -> None:
    assert not judge(bad, None, 1.0, profile).passed


def test_a_margin_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="margin"):
        judge(model(0.9), None, 1.5, "local")


def test_scores_on_simulated_and_on_real_wafers_are_not_compared() -> None:
    def model(score: float, origin: str) -> dict[str, object]:
        return {"metrics": {"macro_f1": score}, "lineage": {"trained_on": origin}}

    real, simulated = model(0.7, "landed files"), model(0.99, "the simulated fab")
    verdict = judge(real, simulated, 0.01, "local")
    assert verdict.passed
    assert any("not comparable" in reason for reason in verdict.reasons)
    assert not judge(real, model(0.99, "landed files"), 0.01, "local").passed
