"""What the enqueue stage puts into the ledger: what landed without a label, and only without any such wafer the held-out test part."""

import pandas as pd
import pytest
from inference_fab import CONFIG, fill
from sqlalchemy import update

from inspection import params as parameters
from inspection import stages
from inspection.settings import Workspace
from inspection.store import predictions
from inspection.store.database import Store
from inspection.store.predictions import Prediction
from inspection.store.tables import wafers


@pytest.fixture
def place(tmp_path):
    """25 landed wafers; the first ten are labelled, the first four of these are the test part."""
    workspace = Workspace(tmp_path / "w")
    workspace.data.mkdir(parents=True)
    with Store(f"sqlite:///{workspace.store}") as store:
        landed = fill(store, 25)
        with store.write() as c:
            for payload in landed[:10]:
                c.execute(
                    update(wafers)
                    .where(wafers.c.file_sha256 == payload["file_sha256"], wafers.c["index"] == payload["index"])
                    .values(label="Ring")
                )
    pd.DataFrame([{**p, "part": "test" if n < 4 else "train"} for n, p in enumerate(landed[:10])]).to_parquet(
        workspace.data / "split.parquet"
    )
    return workspace, landed


def score(workspace, payloads):
    with Store(f"sqlite:///{workspace.store}") as store, store.write() as c:
        predictions.insert(
            c,
            [
                Prediction(**p, model_sha256="a" * 64, config_sha256=CONFIG, label="Ring", decision="Ring", probability=1.0,
                           probabilities={"Ring": 1.0})
                for p in payloads
            ],
        )  # fmt: skip


def test_labelled_wafers_are_not_scored_while_others_land(place):
    workspace, landed = place
    assert stages.enqueue(workspace, parameters.load()) == {"wafers": 15, "new": 15, "idle": False}
    score(workspace, landed[10:])
    assert stages.enqueue(workspace, parameters.load()) == {"wafers": 0, "new": 0, "idle": True}, "a second run has nothing to do"


def test_with_labelled_wafers_only_the_test_part_stands_for_fresh_lots(place):
    workspace, landed = place
    with Store(f"sqlite:///{workspace.store}") as store, store.write() as c:
        c.execute(update(wafers).values(label="Ring"))
    assert stages.enqueue(workspace, parameters.load())["wafers"] == 4
    score(workspace, landed[:4])
    assert stages.enqueue(workspace, parameters.load())["idle"]
