from __future__ import annotations

from dataclasses import replace

import pytest
from inference_fab import CONFIG, fill
from sqlalchemy.exc import IntegrityError

from inspection.store import alerts, predictions, status
from inspection.store.database import utc_now
from inspection.store.predictions import Prediction

MODEL, OTHER = "a" * 64, "b" * 64


def row(payload, model=MODEL, decision="Ring"):
    return Prediction(**payload, model_sha256=model, config_sha256=CONFIG, label="Ring", decision=decision, probability=0.75,
                      probabilities={"Ring": 0.75, "Normal": 0.25})  # fmt: skip


@pytest.fixture
def payloads(store):
    return fill(store, 25)


def test_a_wafer_has_one_prediction_per_model_and_configuration(store, payloads):
    first = row(payloads[0])
    with store.write() as c:
        assert predictions.insert(c, [first, first, row(payloads[1])]) == 2
        assert predictions.insert(c, [replace(first, decision="Review")]) == 0
        assert predictions.insert(c, [replace(first, model_sha256=OTHER), replace(first, config_sha256="d" * 64)]) == 2
        assert status.decisions(c, MODEL) == {"Ring": 3}
        assert status.decisions(c, OTHER) == {"Ring": 1}
        assert predictions.insert(c, []) == 0


def test_a_prediction_for_no_wafer_is_refused(store, payloads):
    with pytest.raises(IntegrityError), store.write() as c:
        predictions.insert(c, [row({**payloads[0], "index": 999})])


def test_unjudged_predictions_come_oldest_first_with_their_wafer_until_they_are_marked(store, payloads):
    with store.write() as c:
        predictions.insert(c, [row(p) for p in payloads])
    with store.write() as c:
        seen = alerts.unjudged(c, limit=10)
        assert [(s["file_sha256"], s["index"]) for s in seen] == [(p["file_sha256"], p["index"]) for p in payloads[:10]]
        assert seen[0]["lot"] == "L0"
        assert seen[0]["probabilities"] == {"Ring": 0.75, "Normal": 0.25}
        alerts.mark_judged(c, [s["id"] for s in seen], utc_now())
        assert len(alerts.unjudged(c, limit=100)) == status.unjudged(c) == 15


def test_a_lot_shows_the_last_prediction_of_each_wafer(store, payloads):
    with store.write() as c:
        predictions.insert(c, [row(p) for p in payloads])
        predictions.insert(c, [row(payloads[3], OTHER, "Normal")])
        found = alerts.signals_of_lot(c, "L3", "")
        assert sorted(s["decision"] for s in found) == ["Normal"] + ["Ring"] * (len(found) - 1)


def test_a_wafer_waits_until_any_model_has_scored_it(store, payloads):
    with store.write() as c:
        assert predictions.never_scored(c, labelled=False) == [(p["file_sha256"], p["index"]) for p in payloads]
        assert predictions.never_scored(c, labelled=True) == []
        predictions.insert(c, [row(p) for p in payloads[:20]])
        assert predictions.never_scored(c, labelled=False) == [(p["file_sha256"], p["index"]) for p in payloads[20:]]
