"""From the landing folder to a network that was started from another one, through the stages as DVC calls them."""

import json

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    # Of MLflow and its dependencies, as in tests/registry.
    pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType:UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SIZE, LOTS, WAFERS = 16, 9, 8


def write_maps(path):
    """Nine lots of eight wafers: half of them with failed dies on the left, every fourth without a label."""
    rng = np.random.default_rng(0)
    count = LOTS * WAFERS
    maps = np.ones((count, SIZE, SIZE), np.uint8)
    maps[rng.random(maps.shape) < 0.05] = 2
    label = np.arange(count) % 2
    maps[label == 1, :, : SIZE // 2] = 2
    np.savez(
        path, pixels=maps.ravel(), offsets=np.arange(count + 1) * SIZE**2, shapes=np.tile([SIZE, SIZE], (count, 1)),
        label=np.where(np.arange(count) % 4 == 3, 255, label).astype(np.uint8), classes=np.array(["none", "Edge-Loc"]),
        lot=np.array([f"L{i // WAFERS}" for i in range(count)]), wafer=np.array([str(i % WAFERS) for i in range(count)]),
    )  # fmt: skip


def params_with(**transfer):
    from inspection import params as parameters

    shipped = parameters.load()
    train = shipped.train.model_copy(
        update={"model": "plain_cnn", "width": 8, "epochs": 1, "min_steps": 4, "min_epoch_steps": 1, "batch_size": 8}
    )
    return shipped.model_copy(update={
        "tile": shipped.tile.model_copy(update={"dies": shipped.tile.dies.model_copy(update={"size_px": SIZE})}),
        "train": train,
        "transfer": parameters.Transfer(**transfer),
    })  # fmt: skip


def one_epoch():
    from inspection.params import Phase

    return Phase(epochs=1, learning_rate=1e-3)


def test_a_start_that_was_frozen_is_carried_over_and_unlabelled_wafers_are_learnt_from(tmp_path):
    from inspection import stages
    from inspection.errors import InputError
    from inspection.models.builders import build
    from inspection.params import Pretrain
    from inspection.views.renderer import ViewSpec

    workspace = stages.open_workspace(tmp_path / "space")
    write_maps(tmp_path / "maps.npz")
    source = tmp_path / "source.keras"
    build("plain_cnn", ViewSpec(SIZE), 7, width=8, dropout=0.1).save(source)
    phases = {"frozen": one_epoch(), "shallow": None, "deep": one_epoch()}
    params = params_with(start=str(source), unlabelled=100, pretrain=Pretrain(epochs=1, batch_size=16), **phases)
    stages.ingest(workspace, params, source=str(tmp_path / "maps.npz"))
    frozen = stages.snapshot(workspace, params)
    assert (frozen["wafers"], frozen["unlabelled"], frozen["idle"]) == (54, 18, False)
    assert stages.snapshot(workspace, params)["idle"]
    source.write_bytes(b"another file under the same name")
    for stage in (stages.materialise, stages.tile, stages.split):
        stage(workspace, params)
    assert "unlabelled" not in (workspace.data / "split.json").read_text(), "they belong to no part"
    result = stages.train(workspace, params)
    assert result["epochs"] == 2
    told = json.loads((workspace.data / "model" / "training.json").read_text())["transfer"]
    assert [entry["phase"] for entry in told["phases"]] == ["frozen", "deep"]
    assert told["start"]["share"] == 1.0
    assert told["start"]["new"] == {"logits": "the head"}
    rows = (workspace.data / "history.csv").read_text().splitlines()
    assert rows[0] == "epoch,loss,validation_loss,validation_macro_f1,learning_rate,phase"
    assert [row.split(",")[-1] for row in rows[1:]] == ["frozen", "deep"]
    with pytest.raises(InputError, match="Run `inspection snapshot` again"):
        stages.train(workspace, params_with(start="registry:1"))


def test_a_registered_model_and_a_file_are_found_and_nothing_else(tmp_path):
    from inspection import stages
    from inspection.errors import InputNotFoundError
    from inspection.scoring.bundle import Bundle, write_bundle
    from inspection.stages.place import open_registry
    from inspection.stages.starting import start_weights
    from inspection.views.renderer import ViewSpec
    from inspection.wafer.taxonomy import Taxonomy, WaferClass

    workspace = stages.open_workspace(tmp_path / "space")
    workspace.root.mkdir()
    network = tmp_path / "a.keras"
    network.write_bytes(b"weights")
    taxonomy = Taxonomy((WaferClass("none", normal=True), WaferClass("Loc")))
    write_bundle(tmp_path / "bundle", Bundle(taxonomy, ViewSpec(SIZE), np.array([0.5, 0.5]), 1.0), network)
    facts = {"actor": "a", "reason": "r", "metrics": {"macro_f1": 0.5}, "params": {}, "lineage": {}}
    version = open_registry(workspace).register(tmp_path / "bundle", **facts).version
    for reference in (f"registry:{version}", "registry:candidate", str(network)):
        with start_weights(workspace, params_with(start=reference)) as found:
            assert found.read_bytes() == b"weights"
            assert found.suffix == ".keras"
    with start_weights(workspace, params_with()) as found:
        assert found is None
    for reference in ("registry:77", str(tmp_path / "none.keras"), "imagnet"):
        with pytest.raises(InputNotFoundError), start_weights(workspace, params_with(start=reference)):
            pass
