"""What the training input promises: the same batches whatever the number of workers and wherever an epoch is taken up again."""

from dataclasses import replace

import numpy as np
import pytest

from inspection import params as parameters
from inspection.augmentation.background import fit_backgrounds
from inspection.augmentation.donors import TrainingDonors
from inspection.augmentation.policy import policy_for
from inspection.simulator.difficulty import EASY
from inspection.simulator.products import PRODUCTS
from inspection.simulator.signatures import draw_wafer
from inspection.views.renderer import ViewSpec
from inspection.wafer.maps import DefectMap, WaferInfo
from inspection.wafer.taxonomy import choose

pytestmark = pytest.mark.slow

CLASSES = ("Donut", "Normal", "Ring")
STEPS, BATCH = 7, 6


@pytest.fixture(scope="module")
def everything():
    """A policy with every operation on, its donors, and the wafers: what could depend on order or threads would."""
    packaged = parameters.load()
    taxonomy = choose(CLASSES, packaged.classes)
    rng, product = np.random.default_rng(0), PRODUCTS[2]
    labels = np.arange(36) % 3
    maps = []
    for label in labels:
        drawn = draw_wafer(CLASSES[label], product, EASY, rng)
        info = WaferInfo(product=product.name, diameter_mm=product.diameter_mm)
        maps.append(DefectMap(info=info, xy_um=drawn.xy_um, pitch_um=product.pitch_um, origin_um=product.origin_um, dies=drawn.dies))
    own = {"recombine": 0.2, "superpose": 0.2, "mosaic": 0.2, "multiplicity": 5}
    nuisance = dict.fromkeys(("radial_um", "lateral_um", "point_radial_um", "point_lateral_um"), 100.0)
    augment = parameters.Augment.model_validate({"mixup": 0.3, "nuisance": nuisance, "classes": {"Donut": own, "Ring": own}})
    policy = replace(policy_for(taxonomy, augment), backgrounds=fit_backgrounds(m for m, k in zip(maps, labels, strict=True) if k == 1))
    return maps, labels, policy, TrainingDonors(maps, labels, frozenset({1}))


def batches(everything, start=0, seed=3, epoch=1):
    from inspection.training.inputs import AugmentedBatches

    maps, labels, policy, donors = everything
    return AugmentedBatches(
        maps, labels, np.arange(len(maps)), policy, ViewSpec(48, 2, 24, 15.0), classes=3, batch_size=BATCH, steps=STEPS,
        seed=seed, epoch=epoch, with_tiles=True, donors=donors, start=start,
    )  # fmt: skip


def same(one, other):
    return all(np.array_equal(one[0][k], other[0][k]) for k in ("image", "tiles")) and np.array_equal(one[1], other[1])


def test_an_epoch_taken_up_at_any_batch_goes_on_as_the_whole_one(everything):
    whole = batches(everything)
    assert len(whole) == STEPS
    for start in (1, 4, 6):
        rest = batches(everything, start)
        assert len(rest) == STEPS - start
        assert all(same(rest[i], whole[start + i]) for i in reversed(range(len(rest))))


def test_batches_are_the_same_whatever_the_number_of_workers(everything):
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

    alone = batches(everything)
    wanted = [alone[i] for i in range(STEPS)]
    for workers in (1, 4):
        dataset = batches(everything)
        dataset.workers = workers
        adapter = PyDatasetAdapter(dataset, shuffle=False)
        given = list(adapter.get_numpy_iterator())[:STEPS]
        assert all(same(got, want) for got, want in zip(given, wanted, strict=True))


def test_another_seed_or_epoch_gives_other_batches_and_labels_sum_to_one(everything):
    one = batches(everything)[0]
    assert not same(one, batches(everything, seed=4)[0])
    assert not same(one, batches(everything, epoch=2)[0])
    labels = np.concatenate([batches(everything)[i][1] for i in range(STEPS)])
    assert np.allclose(labels.sum(axis=1), 1)
    assert (np.count_nonzero(labels, axis=1) == 2).any(), "some are mixed"
    assert batches(everything)[0][0]["image"].dtype == np.uint8
