"""The gate: may this candidate become champion? Pure; the caller brings the metrics of both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from inspection.errors import bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

Profile = Literal["local", "production"]

HEADLINE = "macro_f1"
"""The metric that decides; in [0, 1], higher is better."""
LINEAGE = ("snapshot_sha256", "params_sha256", "code_version")
"""What a version must be traceable to in production: the frozen data, the parameters, the code."""
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
        ``metrics`` (mapping with ``macro_f1`` in [0, 1]), ``lineage`` (mapping of text), ``guard`` (``pass``, ``fail`` or
        None when the augmentation guard has not been run). ``champion`` is None for the first model.
    margin : float
        How far the candidate's macro-F1 may lie below the champion's, in [0, 1].
    profile : {"local", "production"}
        ``local`` lets missing lineage and a missing guard pass and records them; ``production`` refuses them.

    Returns
    -------
    Verdict
        A failed guard or a metric that is no number is refused in either profile.
    """
    if not 0 <= margin <= 1:
        raise ValueError(f"margin: expected a share in [0, 1], got {margin}.")
    refused: list[str] = []
    noted: list[str] = []
    lenient = noted if profile == "local" else refused

    score = _score(candidate)
    if score is None:
        refused.append(f"the candidate has no {HEADLINE} in [0, 1] (got {_metrics(candidate).get(HEADLINE)!r})")
    best = None if champion is None else _score(champion)
    if champion is None:
        noted.append("there is no champion to compare with")
    elif best is None:
        lenient.append(f"the champion has no {HEADLINE} to compare with")
    elif _origin(champion) != _origin(candidate):
        noted.append(f"macro-F1 is not comparable: the champion was trained on {_origin(champion)}, the candidate on {_origin(candidate)}")
    elif score is not None and score < best - margin - _ROUNDING:
        refused.append(f"{HEADLINE} {score:.4f} lies more than {margin:g} below the champion's {best:.4f}")
    elif score is not None:
        noted.append(f"{HEADLINE} {score:.4f} against the champion's {best:.4f} (margin {margin:g})")

    lineage = candidate.get("lineage") or {}
    missing = [key for key in LINEAGE if not lineage.get(key)]
    if missing:
        lenient.append(f"lineage is missing: {bounded(missing)}")
    guard = candidate.get("guard")
    if guard is None:
        lenient.append("the augmentation guard was not run")
    elif guard != "pass":
        refused.append(f"the augmentation guard did not pass: {str(guard)[:200]}")
    return Verdict(not refused, tuple(refused or noted))


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
