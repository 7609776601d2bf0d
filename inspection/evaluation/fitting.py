"""From what a network says of the validation part to a bundle that decides: second looks, calibration, unknown detector."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from inspection.evaluation.evaluation import Part
from inspection.scoring import unknown
from inspection.scoring.bundle import Bundle, FirstLook, margins
from inspection.scoring.calibration import fit_temperature, fit_vector, softmax
from inspection.scoring.combinations import Reading
from inspection.scoring.conformal import fit_inclusion

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from inspection.params import Evaluate
    from inspection.scoring.predictor import Seen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """What the network said of labelled wafers: ``seen`` and their class positions ``truth`` (n,)."""

    seen: Seen
    truth: NDArray[np.integer]


def first_look(validation: Labelled, params: Evaluate, turns: int) -> FirstLook | None:
    """Which wafers are looked at again, from the first look at the validation part; None = all: it is too small to say.

    The budget ``params.looks`` is the mean number of looks at a validation wafer, and looking again costs ``turns`` - 1: where more wafers
    are unsure than it pays for, those whose two likeliest classes lie closest together come first.
    """
    temperature = fit_temperature(validation.seen.first, validation.truth)
    probabilities = softmax(validation.seen.first, temperature)
    inclusion = fit_inclusion(probabilities, validation.truth, params.coverage, params.set_floor)
    if inclusion is None:
        return None
    rule = FirstLook(temperature, inclusion.least)
    unsure = np.sort(margins(probabilities)[rule.again(validation.seen.first)])
    paid = int((params.looks - 1) / max(turns - 1, 1) * len(probabilities))
    return rule if len(unsure) <= paid else replace(rule, margin=float(unsure[paid - 1]) if paid else -1.0)


def fit_bundle(
    raw: Bundle,
    validation: Labelled,
    trained: tuple[NDArray[np.floating], NDArray[np.integer]],
    params: Evaluate,
    rng: np.random.Generator,
    *,
    patterns: bool,
) -> Bundle:
    """``raw`` with temperature or vector scaling, detector and the limit of new combinations; thresholds and sets follow (``evaluate``).

    Parameters
    ----------
    raw : Bundle
        With the first look that ``validation`` was scored by.
    validation : Labelled
        Scored to the end; it alone sets what is fitted here, but for the detector itself.
    trained : ndarrays of shape (m, f) and (m,)
        Embeddings and class positions of training wafers, which the detector is fitted on.
    rng : numpy Generator
    patterns : bool
        Whether the network has a logit for each pattern; then there is no vector scaling, which would tear combinations apart.
    """
    logits = validation.seen.logits
    temperature, vector = fit_temperature(logits, validation.truth), None
    if params.calibration == "vector" and not patterns and len(validation.truth):
        vector, temperature = fit_vector(logits, validation.truth, temperature), 1.0
    detector = unknown.fit(params.unknown.detector, *trained, rng)
    if len(logits):
        detector = detector.with_limits(validation.seen.embedding, validation.seen.first, params.unknown.rate)
    insistence = Reading(raw.taxonomy, logits).limit(params.combination_quantile) if patterns else None
    return replace(raw, temperature=temperature, vector=vector, detector=detector, new_combination=insistence)


def part_of(bundle: Bundle, labelled: Labelled, rows: pd.DataFrame) -> Part:
    """The wafers of one part as they are judged; ``rows`` of the split, with ``group, file_sha256, index``."""
    seen, taxonomy = labelled.seen, bundle.taxonomy
    strange = np.zeros(len(rows), np.float32) if bundle.detector is None else bundle.detector.score(seen.embedding, seen.first)
    flags = np.zeros(len(rows), bool) if bundle.detector is None else strange > bundle.detector.limit(seen.first)
    shown = None
    if bundle.new_combination is not None:
        reading = Reading(taxonomy, seen.logits)
        new = reading.insistence > bundle.new_combination
        membership = np.array(taxonomy.membership(), bool)
        shown = np.where(new[:, None], reading.shown, membership[seen.logits.argmax(axis=1)])
        flags = flags | new
    return Part(
        truth=labelled.truth,
        probabilities=bundle.probabilities(seen.logits),
        group=rows["group"].to_numpy(str),
        unknown=flags,
        shown=shown,
        file_sha256=rows["file_sha256"].to_numpy(str),
        index=rows["index"].to_numpy(),
        strangeness=strange,
        looks=seen.looks,
    )
