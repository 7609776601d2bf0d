"""The curves of a training in the real MLflow: live, in one run however often it is interrupted, and never in the training's way."""

from __future__ import annotations

import logging
import threading
import time

import pytest
from test_registry import LINEAGE, make_bundle

from inspection.errors import EngineError
from inspection.registry.live import LiveCurves
from inspection.registry.tracking import Registry

pytestmark = [
    pytest.mark.slow,
    # See test_registry.py.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType:UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
PARAMS = {"train": {"epochs": 4, "optimiser": "adamw"}}


def rows(epochs):
    return [
        {"epoch": k, "loss": 1 / k, "validation_loss": float("nan"), "validation_macro_f1": k / 10, "learning_rate": 0.1, "seconds": 1.0}
        for k in range(1, epochs + 1)
    ]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("live")


def registry(place):
    return Registry(f"sqlite:///{place}/mlflow.sqlite", place / "mlartifacts")


def curve(place, run_id, name):
    return [(m.step, m.value) for m in registry(place)._client.get_metric_history(run_id, f"training/{name}")]


def test_epochs_are_there_while_the_training_lasts_and_each_once(place):
    live = LiveCurves(lambda: registry(place))
    live.told("one", PARAMS, rows(1))
    deadline = time.monotonic() + 240
    while live.run_id is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert curve(place, live.run_id, "loss") == [(1, 1.0)], "before the training has ended"
    live.told("one", PARAMS, rows(2))
    while len(curve(place, live.run_id, "loss")) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert registry(place)._client.get_run(live.run_id).info.status == "RUNNING"

    resumed = LiveCurves(lambda: registry(place))  # the first one was killed
    resumed.told("one", PARAMS, rows(2))
    resumed.told("one", PARAMS, rows(4))
    assert resumed.close() == live.run_id, "an interrupted session goes on in its run"
    assert curve(place, live.run_id, "loss") == [(k, 1 / k) for k in range(1, 5)]
    assert curve(place, live.run_id, "validation_loss") == [], "what is no number is left out"
    run = registry(place)._client.get_run(live.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["train.optimiser"] == "adamw"


def test_the_bundle_joins_the_run_of_its_training_and_a_second_one_gets_its_own(place, tmp_path):
    begun = registry(place).log_curves("two", PARAMS, rows(2))

    def register(name):
        bundle = make_bundle(tmp_path / name, name.encode())
        given = {"metrics": {"macro_f1": 0.9}, "params": {**PARAMS, "evaluate": {"bootstrap": 7}}, "lineage": LINEAGE}
        return registry(place).register(bundle, actor="a", reason="r", session="two", history=rows(4), **given)

    first, second = register("first"), register("second")
    assert first.run_id == begun
    assert second.run_id != begun, "one run and one version per bundle"
    for version in (first, second):
        assert curve(place, version.run_id, "loss") == [(k, 1 / k) for k in range(1, 5)], "what was not written live comes with the bundle"
        assert registry(place).describe(version.version).metrics["macro_f1"] == 0.9
    assert registry(place).log_curves("two", PARAMS, rows(4), ended=True) == begun


def test_a_registry_that_fails_or_hangs_is_said_once_and_holds_up_nothing(caplog, monkeypatch):
    from inspection.registry import live as module

    def fails():
        raise EngineError("MLflow failed to begin: no such host.")

    live = LiveCurves(fails)
    with caplog.at_level(logging.WARNING, module.__name__):
        for epochs in (1, 2, 3):
            live.told("three", PARAMS, rows(epochs))
            time.sleep(0.05)
        assert live.close() is None
    assert [r.message for r in caplog.records if "no such host" in r.message] == [caplog.records[0].message]

    hang = threading.Event()
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    hanging = LiveCurves(hang.wait)
    hanging.told("four", PARAMS, rows(1))
    assert hanging.close() is None
    assert "has not taken" in caplog.records[-1].message
    hang.set()


def test_a_short_training_starts_nothing():
    live = LiveCurves(lambda: pytest.fail("MLflow was asked"), after_s=3600)
    live.told("five", PARAMS, rows(1))
    assert live.close() is None
