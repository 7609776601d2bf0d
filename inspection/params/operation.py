"""What a trained network is asked for: judgement, the gate, the worker and its alerts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from inspection.params.section import NotNegative, Section, Share
from inspection.wafer.taxonomy import Severity

Criterion = Literal["nearest", "youden", "fpr", "cost", "workload"]


class Threshold(Section):
    """What each class's threshold is tuned for, on validation wafers only; ``evaluation.thresholds`` states each criterion exactly.

    ``nearest`` to (0, 1) of the ROC curve, ``youden``, ``fpr`` (most found with a false positive rate up to ``max_fpr``), ``cost`` (a
    defect called normal costs ``escape_cost``, any other mistake ``overkill_cost``), ``workload`` (at most ``alerts_per_day`` defect calls
    among ``wafers_per_day``). Validation wafers are taken as they come: where they hold more defects than the fab, fewer alerts come.
    """

    criterion: Criterion = "nearest"
    max_fpr: Share = 0.01
    escape_cost: NotNegative = 10.0
    overkill_cost: NotNegative = 1.0
    alerts_per_day: int = Field(default=50, ge=0)
    wafers_per_day: PositiveInt = 1000


class Evaluate(Section):
    """Thresholds and intervals."""

    bootstrap: PositiveInt = 200
    min_positives: PositiveInt = 5
    threshold: Threshold = Threshold()
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
