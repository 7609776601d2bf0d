"""What a trained network is asked for: judgement, the gate, the worker and its alerts."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from inspection.params.section import Section, Share
from inspection.wafer.taxonomy import Severity


class Evaluate(Section):
    """Thresholds and intervals."""

    bootstrap: PositiveInt = 200
    min_positives: PositiveInt = 5
    unknown_quantile: Share = 0.999
    test_time_augmentation: bool = True


class Register(Section):
    """The gate: the margin by which a candidate's macro-F1 may lie below the champion's."""

    margin: Share = 0.01


class Infer(Section):
    """The worker: sizes of its warm static batches, largest first coalesced."""

    batch_sizes: tuple[PositiveInt, ...] = (8, 64)
    lease_s: float = Field(default=60.0, gt=0)
    max_attempts: PositiveInt = 3


class Alert(Section):
    """Rules: an excursion is ``min_wafers`` of one signature in one lot and layer; a severity in ``at_once`` alerts on a single wafer."""

    min_wafers: PositiveInt = 2
    at_once: tuple[Severity, ...] = ("high",)
    min_probability: Share = 0.5
