"""Each way of balancing, in the training that users run: it learns, goes on where it was interrupted, and touches training wafers only."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),  # see test_fit.py
]

SIZE = 16


@pytest.fixture(scope="module")
def unequal():
    """Forty wafers without a pattern to eight with failed dies on the left half; labels mixed half of the time."""
    from inspection import params
    from inspection.augmentation.donors import TrainingDonors
    from inspection.augmentation.policy import policy_for
    from inspection.views.renderer import ViewSpec, render_global
    from inspection.views.shards import Views
    from inspection.wafer.maps import DieMap, WaferInfo
    from inspection.wafer.taxonomy import choose

    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([0, 1], [60, 12]))
    maps = []
    for label in labels:
        status = np.ones((SIZE, SIZE), np.uint8)
        status[rng.random((SIZE, SIZE)) < 0.05] = 2
        if label:
            status[:, : SIZE // 2] = 2
        maps.append(DieMap(info=WaferInfo(), status=status))
    packaged = params.load()
    policy = policy_for(choose(["none", "Edge-Loc"], packaged.classes), packaged.augment.model_copy(update={"mixup": 0.3}))
    images = np.stack([render_global(m, SIZE) for m in maps[48:]])
    held_out = Views(images, np.zeros((24, 0, 32, 32, 3), np.uint8), ViewSpec(SIZE))
    return maps, labels, policy, TrainingDonors(maps[:48], labels[:48], frozenset({0})), held_out


def batches(unequal, start=0, **changes):
    from inspection.training.inputs import AugmentedBatches

    maps, labels, policy, donors, held_out = unequal
    return AugmentedBatches(
        maps[:48], labels[:48], np.arange(48), policy, held_out.spec, classes=2, steps=6, with_tiles=False, donors=donors, start=start,
        **{"batch_size": 8, "seed": 3, "epoch": 1, "balanced": True, **changes},
    )  # fmt: skip


def test_balanced_batches_are_taken_up_at_any_batch(unequal):
    whole = [batches(unequal)[i] for i in range(6)]
    for start in (1, 5):
        rest = batches(unequal, start)
        assert len(rest) == 6 - start
        for i in reversed(range(len(rest))):
            assert np.array_equal(rest[i][0]["image"], whole[start + i][0]["image"])
            assert np.array_equal(rest[i][1], whole[start + i][1])
    assert not np.array_equal(batches(unequal, epoch=2)[0][0]["image"], whole[0][0]["image"])


def test_every_balanced_batch_holds_the_rare_class(unequal):
    labels = unequal[1]
    rare = int(labels[:48].sum())
    order = batches(unequal)._order.reshape(6, 8)
    held = labels[order].sum(axis=1)
    assert held.sum() == rare
    assert set(held.tolist()) <= {rare // 6, -(-rare // 6)}
    assert sorted(order.ravel()) == list(range(48)), "an epoch as long as the set shows each wafer once"


@pytest.mark.parametrize(
    ("changes", "balanced"),
    [({"focal_gamma": 2.0, "class_weight_beta": 0.99}, False), ({"logit_adjustment": 1.0}, True)],
)
def test_it_learns_with_mixed_labels_and_goes_on_after_a_kill(unequal, tmp_path, changes, balanced):
    from inspection.params import Train
    from inspection.training.fit import TrainingSet, fit

    class Killed(Exception):  # noqa: N818
        pass

    def kill(done, _total, _text):
        if done == 8:  # in the second epoch
            raise Killed

    maps, labels, policy, donors, held_out = unequal
    data = TrainingSet(maps[:48], labels[:48], np.arange(48), held_out, labels[48:], 2, donors=donors, balanced=balanced)
    assert data.counts.tolist() == np.bincount(labels[:48]).tolist()
    params = Train(width=8, epochs=3, min_steps=15, min_epoch_steps=1, batch_size=8, patience=9, **changes)
    with pytest.raises(Killed):
        fit(data, policy, params, tmp_path / "run", seed=3, fingerprint="a", progress=kill)
    fitted = fit(data, policy, params, tmp_path / "run", seed=3, fingerprint="a")
    assert [row["epoch"] for row in fitted.history] == [1, 2, 3]
    assert fitted.best > 0.9
    assert np.isfinite([row["loss"] for row in fitted.history]).all()


@pytest.mark.parametrize("balance", [{"sampler": "none"}, {"sampler": "adasyn", "tempering": 0.0, "batches": "balanced"}])
def test_the_stages_balance_training_wafers_only_and_report_it(shared_data, tmp_path, balance):
    """Ninety real wafers from the landed file to the judged bundle; the split and what is judged stay as they were."""
    from inspection import params as parameters
    from inspection import stages

    place = stages.open_workspace(tmp_path / "w")
    params = parameters.load()
    train = {"width": 16, "epochs": 1, "min_steps": 6, "min_epoch_steps": 1, "batch_size": 16, "logit_adjustment": 1.0, "focal_gamma": 1.0}
    params = parameters.Params.model_validate({
        **params.model_dump(by_alias=True), "balance": balance, "train": {**params.train.model_dump(), **train},
        "evaluate": {"bootstrap": 20, "test_time_augmentation": False}, "baselines": {"enabled": False},
    })  # fmt: skip
    stages.ingest(place, params, source=shared_data / "wm811k" / "wm811k_sample_90.npz")
    for stage in ("snapshot", "materialise", "tile", "split", "train"):
        before = (place.data / "split.parquet").read_bytes() if stage == "train" else b""
        getattr(stages, stage)(place, params)
    assert (place.data / "split.parquet").read_bytes() == before
    stages.evaluate(place, params)
    metrics = json.loads((place.data / "metrics.json").read_text())
    assert {"geometric_mean", "index_balanced_accuracy", "specificity_none", "decision_specificity_none"} <= set(metrics)
    assert metrics["test_wafers"] == json.loads((place.data / "split.json").read_text())["test"]
    page = (place.data / "report" / "report.html").read_text()
    assert "The balance between the classes" in page
    assert "probabilities are those of a fab in which rare classes" in page
