"""What training promises: it learns, resumes, and makes the same pictures whatever happens in between."""

import numpy as np
import pytest
from small_problem import packaged_policy, settings, training_set

pytestmark = [
    pytest.mark.slow,
    # Keras passes a NumPy scalar where NumPy 2.4 asks for an array of no dimension; harmless, and theirs to mend.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),
]


@pytest.fixture(scope="module")
def problem():
    return training_set()


@pytest.fixture(scope="module")
def policy():
    return packaged_policy()


class Killed(Exception):  # noqa: N818
    pass


def test_a_network_learns_and_an_interrupted_run_goes_on(problem, policy, tmp_path):
    from inspection.training.fit import fit

    def run(progress=lambda *_: None, fingerprint="a", **changes):
        params = settings(model="plain_cnn", **changes)
        return fit(problem, policy, params, tmp_path / "run", seed=3, fingerprint=fingerprint, progress=progress)

    def kill(done, _total, _text):
        if done == 8:  # in the second epoch
            raise Killed

    with pytest.raises(Killed):
        run(kill)
    steps = []
    fitted = run(lambda done, total, _: steps.append((done, total)))
    assert steps[0][0] == 6, "the first epoch is not trained again"
    assert [row["epoch"] for row in fitted.history] == [1, 2, 3]
    assert fitted.best > 0.9
    assert fitted.network.is_file()

    assert run().history == fitted.history, "a finished run is not trained again"
    assert len(run(fingerprint="b", epochs=1).history) == 1, "another fingerprint starts afresh"


def test_batches_depend_on_seed_epoch_and_place_only(problem, policy):
    from inspection.training.inputs import AugmentedBatches

    def batches(seed=1, epoch=2):
        return AugmentedBatches(
            problem.maps, problem.labels, problem.drawn, policy, problem.validation.spec,
            classes=2, batch_size=8, steps=12, seed=seed, epoch=epoch, with_tiles=False,
        )  # fmt: skip

    forwards, backwards = batches(), batches()
    late = backwards[11][0]["image"]
    assert np.array_equal(forwards[0][0]["image"], backwards[0][0]["image"])
    assert np.array_equal(forwards[11][0]["image"], late)
    assert not np.array_equal(batches(seed=0)[0][0]["image"], batches(seed=1)[0][0]["image"]), "seed 0 is a seed"
    assert not np.array_equal(batches(epoch=0)[0][0]["image"], batches(epoch=1)[0][0]["image"])


def test_small_sets_get_their_steps_in_fewer_epochs_and_large_ones_every_epoch():
    from inspection.training.fit import steps_of

    assert steps_of(settings(epochs=16, min_steps=200, min_epoch_steps=40, batch_size=64), 63) == (5, 40)
    assert steps_of(settings(epochs=16, min_steps=200, min_epoch_steps=40, batch_size=64), 31_127) == (16, 486)
    assert steps_of(settings(epochs=3, min_steps=15), 40) == (3, 5)


def test_the_average_of_the_weights_is_what_is_judged_and_never_what_is_trained(problem, policy, tmp_path):
    from inspection.training.fit import fit

    histories = {}
    for ema in (0.0, 0.9):
        params = settings(model="mlp", ema=ema)
        histories[ema] = fit(problem, policy, params, tmp_path / str(ema), seed=3, fingerprint="a").history
    losses, judged = ([[row[key] for row in histories[ema]] for ema in (0.0, 0.9)] for key in ("loss", "validation_loss"))
    assert losses[0] == losses[1]
    assert judged[0] != judged[1]
