"""What is carried over from a file: exactly the layers of the same name and shape, bit for bit, and a word on every other."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from inspection.errors import EngineError, InputError, InputNotFoundError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),
]


def net(name="plain_cnn", classes=3, *, width=8, tiles=0, size_px=32, group=None):
    from inspection.models.builders import build
    from inspection.views.renderer import ViewSpec

    return build(name, ViewSpec(size_px, tiles, 16, 15.0), classes, width=width, dropout=0.1, group=group)


def scrambled(network, seed=0):
    """``network`` with other weights and other batch statistics."""
    rng = np.random.default_rng(seed)
    network.set_weights([rng.random(w.shape).astype(w.dtype) for w in network.get_weights()])
    return network


def weights_of(network):
    from inspection.models.weights import named_layers

    return {name: layer.get_weights() for name, layer in named_layers(network).items()}


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_all_but_the_head_is_carried_over_bit_for_bit_though_keras_counts_its_names_on(tmp_path, ending):
    from inspection.training.transfer import carry_over

    source, target = scrambled(net()), net(classes=5)
    path = tmp_path / f"source{ending}"
    source.save(path) if ending == ".keras" else source.save_weights(path)
    assert {layer.name for layer in source.layers} != {layer.name for layer in target.layers}, "else this shows nothing"
    head = target.get_layer("logits").get_weights()
    account = carry_over(target, path)
    offered, got = weights_of(source), weights_of(target)
    assert set(account.carried) == set(got) - {"logits"}
    assert all(same(offered[name], got[name]) for name in account.carried)
    assert same(head, got["logits"]), "a new head keeps what it was made with"
    assert dict(account.new) == {"logits": "the head"}
    assert account.share == 1.0
    assert account.unused == ()
    assert account.words().endswith("new: logits (the head)")


def test_the_head_comes_too_when_it_speaks_of_the_same_classes(tmp_path):
    from inspection.training.transfer import carry_over

    source, target = scrambled(net()), net()
    source.save(tmp_path / "source.keras")
    assert not carry_over(target, tmp_path / "source.keras", head=True).new
    assert same(source.get_weights(), target.get_weights())


def test_every_network_is_read_back_under_the_names_it_has_here(tmp_path):
    from inspection.models.weights import named_layers, saved_layers

    for network in (net("wafer_net", tiles=2), net("googlenet"), net("alexnet", size_px=64), net("mobilenet_v2")):
        network.save(tmp_path / "network.keras")
        with saved_layers(tmp_path / "network.keras") as layers:
            assert set(layers) == set(named_layers(network))
            for name, layer in named_layers(network).items():
                assert sorted(a.shape for a in layers[name].values()) == sorted(tuple(w.shape) for w in layer.weights)


def test_a_network_with_tiles_and_one_without_share_the_global_branch(tmp_path):
    """By place in the graph alone, a convolution of the tiles could pass for one of the global view."""
    from inspection.training.transfer import carry_over

    source = scrambled(net("wafer_net"))
    source.save(tmp_path / "global.keras")
    target = net("wafer_net", tiles=2)
    account = carry_over(target, tmp_path / "global.keras")
    offered, got = weights_of(source), weights_of(target)
    assert set(account.carried) == set(offered) - {"logits"}
    assert all(same(offered[name], got[name]) for name in account.carried)
    assert all(reason == "not in the file" for name, reason in account.new.items() if name != "logits")


def test_a_file_that_does_not_fit_is_refused_and_the_network_stays(tmp_path):
    from inspection.training.transfer import carry_over

    net(width=16).save(tmp_path / "wide.keras")
    target = net()
    before = target.get_weights()
    with pytest.raises(InputError, match=r"at least 50% of its layers.*shape.*transfer\.start"):
        carry_over(target, tmp_path / "wide.keras")
    assert same(before, target.get_weights())


def test_what_is_no_weights_of_keras_is_refused_unread(tmp_path):
    import h5py

    from inspection.models.weights import saved_layers

    def refused(path, words, error=InputError):
        with pytest.raises(error, match=words), saved_layers(path):
            pass

    refused(tmp_path / "none.keras", "got none", InputNotFoundError)
    for name, content in (("a.pkl", b"\x80\x04."), ("b.h5", b"\x89HDF"), ("c.keras", b"no zip"), ("d.weights.h5", b"no hdf5")):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, "Cannot start from")
    with zipfile.ZipFile(tmp_path / "e.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    refused(tmp_path / "e.keras", "Cannot start from")
    with h5py.File(tmp_path / "f.weights.h5", "w") as file:
        file.create_group("elsewhere")
    refused(tmp_path / "f.weights.h5", "group `layers`")
    with h5py.File(tmp_path / "g.weights.h5", "w") as file:
        file.create_group("layers/conv2d/vars")["0"] = h5py.ExternalLink(str(tmp_path / "f.weights.h5"), "/elsewhere")
    refused(tmp_path / "g.weights.h5", "link to elsewhere")
    with h5py.File(tmp_path / "h.weights.h5", "w") as file:
        layout = h5py.VirtualLayout((3,), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "x.h5"), "data", (3,))
        file.create_group("layers/conv2d/vars").create_virtual_dataset("0", layout)
    refused(tmp_path / "h.weights.h5", "link to elsewhere")


def test_the_description_in_an_archive_is_never_looked_at(tmp_path):
    """So nothing in it can be run, whatever it names."""
    from inspection.training.transfer import carry_over

    source = scrambled(net())
    source.save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as good, zipfile.ZipFile(tmp_path / "odd.keras", "w") as odd:
        odd.writestr("config.json", '{"module": "os", "class_name": "system"}')
        odd.writestr("model.weights.h5", good.read("model.weights.h5"))
    target = net(classes=5)
    assert carry_over(target, tmp_path / "odd.keras").share == 1.0


def test_published_weights_saved_to_a_file_start_our_network_of_that_name(tmp_path):
    from inspection.models.backend import keras
    from inspection.training.transfer import carry_over

    published = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(96, 96, 3))
    published.save(tmp_path / "mobilenet_v2.keras")
    target = net("mobilenet_v2")
    account = carry_over(target, tmp_path / "mobilenet_v2.keras")
    assert account.share == 1.0
    assert same(published.get_layer("Conv1").get_weights(), target.get_layer("Conv1").get_weights())


def test_imagenet_weights_that_cannot_be_had_say_how_to_bring_them(tmp_path, monkeypatch):
    from inspection.training.transfer import imagenet_weights

    with pytest.raises(InputError, match="No ImageNet weights for lenet5"):
        imagenet_weights("lenet5", tmp_path)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    if list((Path.home() / ".keras" / "models").glob("mobilenet_v2_*")):
        pytest.skip("they are in Keras's cache")
    with pytest.raises(EngineError, match=r"MobileNetV2\(include_top=False\)\.save.*transfer\.start"):
        imagenet_weights("mobilenet_v2", tmp_path)
