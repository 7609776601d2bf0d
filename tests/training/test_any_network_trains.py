"""``train.model`` from landed maps to a judged bundle: the real stages, on ten real wafers of each class."""

from __future__ import annotations

import json

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),  # see test_fit.py
]


@pytest.fixture(scope="module")
def split_workspace(shared_data, tmp_path_factory):
    """Ninety die maps of WM-811K, ingested, drawn and split."""
    from inspection import params as parameters
    from inspection import stages

    place = stages.open_workspace(tmp_path_factory.mktemp("zoo") / "w")
    params = parameters.load()
    stages.ingest(place, params, source=shared_data / "wm811k" / "wm811k_sample_90.npz")
    for stage in ("snapshot", "materialise", "tile", "split"):
        getattr(stages, stage)(place, params)
    return place, params


@pytest.mark.parametrize(("name", "symmetric"), [("lenet5", False), ("wafer_net", True)])
def test_a_network_of_the_table_trains_is_judged_and_serves(split_workspace, name, symmetric):
    from inspection import stages
    from inspection.scoring.predictor import Predictor
    from inspection.views.shards import read_views

    place, params = split_workspace
    train = params.train.model_copy(
        update={"model": name, "symmetric": symmetric, "width": 16, "epochs": 1, "min_steps": 6, "min_epoch_steps": 1, "batch_size": 16}
    )
    params = params.model_copy(
        update={"train": train, "evaluate": params.evaluate.model_copy(update={"bootstrap": 20, "test_time_augmentation": symmetric})}
    )
    assert stages.train(place, params)["epochs"] == 1
    stages.evaluate(place, params)
    metrics = json.loads((place.data / "metrics.json").read_text())
    assert 0 <= metrics["macro_f1"] <= 1

    predictor = Predictor.load(place.data / "bundle", (4,))
    assert len(predictor.bundle.turns) == (8 if symmetric else 1), "all classes of WM-811K share every turn and flip"
    assert len(predictor._turns) == 1, "a symmetric network is asked once"
    views = read_views(place.data / "views")
    outcome = predictor.score(views)
    assert len(outcome) == 90
    assert {one.label for one in outcome} <= set(predictor.bundle.taxonomy.names)
