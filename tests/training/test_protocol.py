"""What each phase may change: frozen layers keep every bit, batch statistics too; the head learns; in the end all do; and it resumes."""

import numpy as np
import pytest
from small_problem import Killed, brief, packaged_policy, training_set

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),
]


@pytest.fixture(scope="module")
def data():
    return training_set()


def phases(**given):
    from inspection.params import Phase

    return {name: Phase(epochs=epochs, learning_rate=1e-2) for name, epochs in given.items()}


@pytest.fixture(scope="module")
def start(data, tmp_path_factory):
    """A file to start from, and what it gives: a network of other classes with lively batch statistics."""
    from inspection.models.builders import build
    from inspection.training.transfer import carry_over

    folder = tmp_path_factory.mktemp("start")
    network = build("plain_cnn", data.validation.spec, 5, width=8, dropout=0.1)
    rng = np.random.default_rng(1)
    network.set_weights([w + rng.random(w.shape).astype(w.dtype) * 0.1 for w in network.get_weights()])
    network.save(folder / "source.keras")
    fresh = build("plain_cnn", data.validation.spec, data.classes, width=8, dropout=0.1)
    return folder / "source.keras", carry_over(fresh, folder / "source.keras")


def run(data, start, folder, wanted, **more):
    from inspection.training.protocol import train_in_phases

    return train_in_phases(data, packaged_policy(), brief(), wanted, start, folder, seed=3, fingerprint="a", **more)


def layers_of(path):
    from inspection.models.saved import load_network
    from inspection.models.weights import named_layers

    return {name: layer.get_weights() for name, layer in named_layers(load_network(path)).items()}


def moved(before, after):
    return {name for name in before if not all(np.array_equal(a, b) for a, b in zip(before[name], after[name], strict=True))}


@pytest.mark.parametrize("phase", ["frozen", "shallow", "deep"])
def test_a_phase_moves_exactly_its_own_layers(data, start, tmp_path, phase):
    """Bit for bit, batch statistics included: those of a frozen layer must not drift either."""
    from inspection.models.saved import load_network
    from inspection.training.protocol import trained_layers

    course = run(data, start, tmp_path, phases(**{phase: 1}))
    source, after = layers_of(start[0]), layers_of(course.fitted.network)
    trained = trained_layers(load_network(course.fitted.network), phase, start[1].new)
    assert moved({n: source[n] for n in set(source) - {"logits"}}, after) == trained - {"logits"}
    assert np.abs(after["logits"][1]).max() > 0, "a new bias is zero, and this one has learnt"
    everything = {"frozen": {"logits"}, "deep": set(source)}
    assert trained == everything.get(phase, trained)
    assert {"logits"} < trained < set(source) or phase != "shallow"


def test_an_interrupted_protocol_goes_on_in_its_phase_with_its_layers_still_frozen(data, start, tmp_path):
    def kill(done, _total, text):
        if text.startswith("shallow") and done == 7:  # in its second epoch
            raise Killed

    wanted = phases(frozen=1, shallow=2)
    with pytest.raises(Killed):
        run(data, start, tmp_path, wanted, progress=kill)
    seen = []
    course = run(data, start, tmp_path, wanted, progress=lambda done, _total, text: seen.append((text.split(":")[0], done)))
    assert all(name == "shallow" for name, _ in seen), "the first phase is not trained again"
    assert seen[0][1] > 1, "nor is the first epoch of the second"
    first, last = (layers_of(next((tmp_path / f"{k}-{n}").glob("best-*.keras"))) for k, n in enumerate(("frozen", "shallow")))
    kept = {"conv2d_0", "batch_normalization_0"}
    assert not moved({n: first[n] for n in kept}, last), "a network read back from its checkpoint is still frozen"
    assert [entry["phase"] for entry in course.log] == ["frozen", "shallow"]
    assert [row["epoch"] for row in course.fitted.history] == [1, 2, 3]
    assert [row["phase"] for row in course.fitted.history] == ["frozen", "shallow", "shallow"]
    assert course.fitted.best == max(entry["best_validation_macro_f1"] for entry in course.log)


def test_layers_that_the_start_does_not_give_are_trained_from_the_first_phase_on():
    from inspection.models.builders import build
    from inspection.training.protocol import freeze_all_but, trained_layers
    from inspection.views.renderer import ViewSpec

    network = build("wafer_net", ViewSpec(32, 2, 16, 15.0), 3, width=8, dropout=0.1)
    assert trained_layers(network, "frozen", {"attend_tiles_0", "logits"}) == {"attend_tiles_0", "logits"}
    last = trained_layers(network, "shallow", {"logits"})
    assert trained_layers(network, "shallow", {"logits"}, stages=2) > last
    assert "attend_tiles_0" in last, "it comes after the last map"
    freeze_all_but(network, {"logits"})
    assert len(network.trainable_variables) == 2


def test_without_a_start_training_is_fit_itself(data, tmp_path):
    from inspection.params import Transfer
    from inspection.training.few_labels import learn
    from inspection.training.fit import fit

    plain = fit(data, packaged_policy(), brief(epochs=1), tmp_path / "a", seed=3, fingerprint="a")
    learnt = learn(
        data,
        packaged_policy(),
        brief(epochs=1),
        Transfer(),
        tmp_path / "b",
        seed=3,
        fingerprint="a",
        drawn=lambda labels: np.arange(len(labels)),
    )
    assert learnt.fitted.best == plain.best
    assert [row["loss"] for row in learnt.fitted.history] == [row["loss"] for row in plain.history]
    assert learnt.to_dict() == {"start": None, "phases": [], "pseudo_labels": []}


def test_sure_calls_on_unlabelled_wafers_are_learnt_from(data, tmp_path):
    from inspection.params import PseudoLabels, Transfer
    from inspection.training.few_labels import learn

    transfer = Transfer(pseudo_labels=PseudoLabels(rounds=1, epochs=1, precision=0.5, floor=0.5, cap=None))
    arguments = {
        "seed": 3, "fingerprint": "a", "drawn": lambda labels: np.arange(len(labels)), "unlabelled": training_set(seed=7).maps,
    }  # fmt: skip
    learnt = learn(data, packaged_policy(), brief(model="mlp", width=32, epochs=4, min_steps=40), transfer, tmp_path, **arguments)
    (entry,) = learnt.rounds
    assert 0 < entry["taken"] == sum(entry["by_class"]) <= 40
    assert entry["taken"] + sum(entry["left"].values()) == 40
    assert learnt.fitted.history[-1]["phase"] == "pseudo-labels 1"
    again = learn(data, packaged_policy(), brief(model="mlp", width=32, epochs=4, min_steps=40), transfer, tmp_path, **arguments)
    assert again == learnt, "a finished run is not trained again"
