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
    params = Train(model="mlp", width=16, epochs=3, min_steps=15, min_epoch_steps=1, batch_size=8, patience=9, **changes)
    with pytest.raises(Killed):
        fit(data, policy, params, tmp_path / "run", seed=3, fingerprint="a", progress=kill)
    fitted = fit(data, policy, params, tmp_path / "run", seed=3, fingerprint="a")
    assert [row["epoch"] for row in fitted.history] == [1, 2, 3]
    assert fitted.best > 0.9
    assert np.isfinite([row["loss"] for row in fitted.history]).all()


@pytest.fixture(scope="module")
def real_wafers(shared_data, tmp_path_factory):
    """Ninety maps of WM-811K, drawn and split as the pipeline does it."""
    from inspection import params as parameters
    from inspection.dataset.parts import cut
    from inspection.formats.canonical import CanonicalWafer, write_shard
    from inspection.formats.diemap import archive
    from inspection.views.renderer import ViewSpec
    from inspection.views.shards import write_views

    data, params = tmp_path_factory.mktemp("balance") / "data", parameters.load()
    data.mkdir()
    wafers = archive.read(shared_data / "wm811k" / "wm811k_sample_90.npz", params.ingest)
    write_shard(data / "wafers.parquet", (CanonicalWafer("0" * 64, "sample", wafer) for wafer in wafers))
    write_views(data / "views", data / "wafers.parquet", ViewSpec(32, 0, 32, 15.0))
    return data, cut(data / "wafers.parquet", data / "split.parquet", params, lambda _done, _total: None)


@pytest.mark.parametrize("balance", [{"sampler": "none"}, {"sampler": "adasyn", "tempering": 0.0, "batches": "balanced"}])
def test_a_session_balances_training_wafers_only_and_the_report_tells(real_wafers, balance):
    from inspection import params as parameters
    from inspection.evaluation.judging import judge
    from inspection.training.session import train

    data, parts = real_wafers
    shipped = parameters.load()
    learning = {"model": "mlp", "width": 8, "epochs": 1, "min_steps": 6, "min_epoch_steps": 1, "batch_size": 16, "focal_gamma": 1.0}
    params = parameters.Params.model_validate({
        **shipped.model_dump(by_alias=True), "balance": balance, "baselines": {"enabled": False},
        "train": {**shipped.train.model_dump(), **learning, "logit_adjustment": 1.0},
        "evaluate": {"bootstrap": 20, "test_time_augmentation": False},
    })  # fmt: skip
    before = (data / "split.parquet").read_bytes()
    said = []
    assert train(data, params, lambda _done, _total, text: said.append(text))["training_wafers"] == parts["train"]
    assert any("for the balance" in text for text in said) == (balance["sampler"] == "adasyn")
    judge(data, params, lambda _done, _total, _text: None, {})
    assert (data / "split.parquet").read_bytes() == before
    metrics = json.loads((data / "metrics.json").read_text())
    assert {"geometric_mean", "index_balanced_accuracy", "specificity_none", "decision_specificity_none"} <= set(metrics)
    assert metrics["test_wafers"] == parts["test"]
    page = (data / "report" / "report.html").read_text()
    assert "The balance between the classes" in page
    assert "probabilities are those of a fab in which rare classes" in page
