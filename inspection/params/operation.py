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


class Unknowns(Section):
    """The unknown detector (``scoring.unknown``) and the share of known wafers that it may flag; 0 = nothing is Unknown."""

    detector: Literal["distances", "mahalanobis", "mixture", "neighbours", "energy"] = "distances"
    rate: float = Field(default=0.05, ge=0, lt=1)


class Evaluate(Section):
    """Calibration, prediction sets, thresholds, the detector of unknown patterns, and intervals.

    ``reference``: training wafers that the model keeps for look-alikes, and that its detector is fitted on. ``coverage``: share of each
    class whose prediction set must hold it; ``set_floor``: a class less likely than this is in no set (``scoring.conformal``).
    ``test_time_augmentation``: wafers whose first look is not sure are scored in their other turns, too, as many as keep the mean number of
    looks below ``looks``.
    """

    bootstrap: PositiveInt = 200
    reference: PositiveInt = 10_000
    min_positives: PositiveInt = 5
    threshold: Threshold = Threshold()
    calibration: Literal["temperature", "vector"] = "temperature"
    coverage: float = Field(default=0.95, gt=0.5, lt=1)
    set_floor: float = Field(default=0.02, ge=0, lt=0.5)
    unknown: Unknowns = Unknowns()
    combination_quantile: Share = 0.999
    test_time_augmentation: bool = True
    looks: float = Field(default=2.0, ge=1)


class Register(Section):
    """The gate: the margin by which a candidate's macro-F1 may lie below the champion's."""

    margin: Share = 0.01


class Infer(Section):
    """The worker: sizes of its warm static batches, largest first coalesced."""

    batch_sizes: tuple[PositiveInt, ...] = (8, 64)
    lease_s: float = Field(default=60.0, gt=0)
    max_attempts: PositiveInt = 3


class Alert(Section):
    """Rules: an excursion is ``min_wafers`` of one signature in one lot and layer; a severity in ``at_once`` alerts on a single wafer.

    Of Unknown it takes ``unknown_wafers``: the detector flags ``evaluate.unknown.rate`` of the known wafers, too, and at 5 % six or more
    of 25 come about by chance in one lot of 800.
    """

    min_wafers: PositiveInt = 2
    unknown_wafers: PositiveInt = 6
    at_once: tuple[Severity, ...] = ("high",)
    min_probability: Share = 0.5
