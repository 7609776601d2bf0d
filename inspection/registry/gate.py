"""The gate: may this candidate become champion? Pure; the caller brings the metrics of both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from inspection.errors import GateError, bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

Profile = Literal["local", "production"]

HEADLINE = "macro_f1"
"""The metric that decides; in [0, 1], higher is better."""
LINEAGE = ("snapshot_sha256", "params_sha256", "code_version")
"""What a version must be traceable to in production: the frozen data, the parameters, the code."""
Weight = Literal["refuse", "lenient", "note"]
_ROUNDING = 1e-12  # a candidate exactly at the margin passes


@dataclass(frozen=True)
class Verdict:
    """``passed``, and why or why not; a pass keeps the reasons that the local profile lets through."""

    passed: bool
    reasons: tuple[str, ...]


def judge(candidate: Mapping[str, Any], champion: Mapping[str, Any] | None, margin: float, profile: Profile) -> Verdict:
    """Compare a candidate with the champion.

    Parameters
    ----------
    candidate, champion : mapping
        ``metrics`` (mapping with ``macro_f1`` in [0, 1]), ``lineage`` (mapping of text), ``guard`` (``pass``, what failed, or
        None when the augmentation guard has not been run), ``guard_override`` (the reason for which a person overrode a guard that
        did not pass). ``champion`` is None for the first model.
    margin : float
        How far the candidate's macro-F1 may lie below the champion's, in [0, 1].
    profile : {"local", "production"}
        ``local`` lets missing lineage and a missing guard pass and records them; ``production`` refuses them.

    Returns
    -------
    Verdict
        A guard that did not pass and that nobody overrode, or a metric that is no number, is refused in either profile.
    """
    if not 0 <= margin <= 1:
        raise ValueError(f"margin: expected a share in [0, 1], got {margin}.")
    refused: list[str] = []
    noted: list[str] = []
    lenient = noted if profile == "local" else refused

    for sentence, weight in _compared(candidate, champion, margin):
        {"refuse": refused, "lenient": lenient, "note": noted}[weight].append(sentence)

    lineage = candidate.get("lineage") or {}
    missing = [key for key in LINEAGE if not lineage.get(key)]
    if missing:
        lenient.append(f"lineage is missing: {bounded(missing)}")
    guard = candidate.get("guard")
    if guard is None:
        lenient.append("the augmentation guard was not run")
    elif not guard_passed(guard):
        override = candidate.get("guard_override")
        told = f"; overridden: {str(override)[:200]}" if override else ""
        (noted if override else refused).append(f"the augmentation guard did not pass: {str(guard)[:200]}{told}")
    return Verdict(not refused, tuple(refused or noted))


def guard_passed(guard: str) -> bool:
    """Whether the guard's words are those of a pass."""
    return guard.partition(":")[0] == "pass"


def require_guard(guard: str | None, override: str) -> None:
    """Refuse to register a model whose guard did not pass, unless ``override`` says why it may be registered all the same.

    Raises
    ------
    GateError
        With what the guard found and how to go on.
    """
    if guard is None or guard_passed(guard) or override.strip():
        return
    raise GateError(
        f"Not registered: expected that the augmentation guard passes, got {guard[:1000]}. See guard/guard.html in the workspace's data "
        "folder; correct the policy in params.yaml and train again, or register with --override-guard REASON, which stays on the model."
    )


def _compared(candidate: Mapping[str, Any], champion: Mapping[str, Any] | None, margin: float) -> list[tuple[str, Weight]]:
    """What the scores say, each sentence with its weight: refuse, lenient (refused in production only) or note."""
    score = _score(candidate)
    if score is None:
        return [(f"the candidate has no {HEADLINE} in [0, 1] (got {_metrics(candidate).get(HEADLINE)!r})", "refuse")]
    if champion is None:
        return [("there is no champion to compare with", "note")]
    best = _score(champion)
    if best is None:
        return [(f"the champion has no {HEADLINE} to compare with", "lenient")]
    if _origin(champion) != _origin(candidate):
        learnt = f"the champion was trained on {_origin(champion)}, the candidate on {_origin(candidate)}"
        return [(f"{HEADLINE} is not comparable: {learnt}", "note")]
    if score < best - margin - _ROUNDING:
        return [(f"{HEADLINE} {score:.4f} lies more than {margin:g} below the champion's {best:.4f}", "refuse")]
    return [(f"{HEADLINE} {score:.4f} against the champion's {best:.4f} (margin {margin:g})", "note")]


def _origin(model: Mapping[str, Any]) -> str:
    """What a model was trained on; models that do not say are taken to be of one kind."""
    return str((model.get("lineage") or {}).get("trained_on") or "landed files")


def _metrics(model: Mapping[str, Any]) -> Mapping[str, Any]:
    return model.get("metrics") or {}


def _score(model: Mapping[str, Any]) -> float | None:
    value = _metrics(model).get(HEADLINE)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value) if 0 <= value <= 1 else None
