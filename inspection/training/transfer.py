"""Starting from another network's weights: which layers are carried over, and a clear account of it.

A layer is carried over when the file has one of the same name whose arrays have the same shapes; all others start new. Both networks are
looked at as Keras writes them (``models.weights``), so that every layer is compared whole, its batch statistics, too.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from inspection.errors import EngineError, InputError, bounded
from inspection.models.backend import keras
from inspection.models.weights import saved_layers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inspection.models.weights import Layers

HEAD = frozenset({"logits", "patterns"})
"""The layers that every network of ours ends in; they speak of classes, and the other network may have had others."""
LEAST_CARRIED = 0.5


@dataclass(frozen=True, slots=True)
class Account:
    """What was carried over into a network and what was not.

    Attributes
    ----------
    carried : tuple of str
        Layers that have the file's weights.
    new : mapping
        Layers that start new, each with the reason.
    unused : tuple of str
        Layers of the file that the network has no place for.
    share : float
        Of the network's layers with weights outside the head, 0..1, that were carried over.
    """

    carried: tuple[str, ...]
    new: Mapping[str, str]
    unused: tuple[str, ...]
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping for JSON."""
        return asdict(self)

    def words(self) -> str:
        """The account in a sentence for the log."""
        new = bounded([f"{name} ({reason})" for name, reason in self.new.items()], 4)
        return f"{len(self.carried)} layers carried over ({self.share:.0%} of those before the head), new: {new or 'none'}"


def carry_over(network: keras.Model, source: Path, *, head: bool = False, least: float = LEAST_CARRIED) -> Account:
    """Give ``network`` the weights of ``source`` wherever a layer of the same name and shape has some.

    Parameters
    ----------
    network : keras.Model
        Changed in place; layers that are not carried over keep what they have.
    source : Path
        ``.keras`` or ``.weights.h5``. Only its arrays are read; nothing in it is run.
    head : bool
        Whether the last layer is carried over, too: for going on with the same classes.
    least : float
        Share of the layers outside the head, 0..1, that must be carried over.

    Raises
    ------
    InputError
        A file that cannot be read, or that fits less than ``least``: names what does not fit. The network is then as it was.
    """
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "network.weights.h5"
        network.save_weights(written)
        with saved_layers(source) as offered, saved_layers(written) as own:
            account = _account(own, offered, head=head)
            if account.share < least or not account.carried:
                raise InputError(
                    f"Cannot start from {source}: expected weights of the same network for at least {least:.0%} of its layers before "
                    f"the head, got {account.share:.0%}; what does not fit: {bounded([f'{n} ({r})' for n, r in account.new.items()], 5)}. "
                    "Name a file of this train.model, width and symmetry, or set transfer.start to null."
                )
            places = [(own[name][key].name, array[()]) for name in account.carried for key, array in offered[name].items()]
        with h5py.File(written, "r+") as merged:
            for place, array in places:
                merged[place][...] = array
        network.load_weights(written)
    return account


def imagenet_weights(name: str, folder: Path) -> Path:
    """The weights that keras.applications publishes for the network ``name`` of ours, saved below ``folder``.

    Keras looks into its cache (``~/.keras/models``, or below ``KERAS_HOME``) before it asks the network.

    Raises
    ------
    InputError
        A network that has no published weights.
    EngineError
        They are neither in the cache nor can they be fetched; says how to bring them here.
    """
    constructors = {
        "vgg16": "VGG16", "vgg19": "VGG19", "inception_v3": "InceptionV3", "xception": "Xception", "resnet50": "ResNet50",
        "densenet121": "DenseNet121", "mobilenet_v2": "MobileNetV2", "nasnet_mobile": "NASNetMobile", "efficientnet_b0": "EfficientNetB0",
    }  # fmt: skip
    if name not in constructors:
        raise InputError(
            f"No ImageNet weights for {name}: expected one of {', '.join(constructors)} as train.model, got {name}. "
            "Choose one of them, or set transfer.start to null."
        )
    try:
        published = getattr(keras.applications, constructors[name])(include_top=False, weights="imagenet")
    except Exception as error:  # what fetching raises differs by backend and by proxy
        raise EngineError(
            f"Cannot have the ImageNet weights of {name}: expected them in Keras's cache or a network, got {str(error)[:300]}. "
            f"On a machine with a network run `keras.applications.{constructors[name]}(include_top=False).save('{name}.keras')`, "
            "bring the file here and set transfer.start to its path."
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    saved = folder / f"{name}.imagenet.weights.h5"
    published.save_weights(saved)
    return saved


def _account(own: Layers, offered: Layers, *, head: bool) -> Account:
    new: dict[str, str] = {}
    for name, arrays in own.items():
        if name in HEAD and not head:
            new[name] = "the head"
        elif name not in offered:
            new[name] = "not in the file"
        elif (reason := _difference(arrays, offered[name])) is not None:
            new[name] = reason
    carried = tuple(name for name in own if name not in new)
    share = len(set(carried) - HEAD) / max(1, len(set(own) - HEAD))
    return Account(carried, new, tuple(sorted(set(offered) - set(own))), share)


def _difference(own: Mapping[str, h5py.Dataset], offered: Mapping[str, h5py.Dataset]) -> str | None:
    """Why two layers of one name are not the same; None when they are."""
    shapes, others = ({key: a.shape for key, a in arrays.items()} for arrays in (own, offered))
    if shapes == others:
        return None
    key = next((k for k in sorted(shapes) if shapes[k] != others.get(k)), None)
    return "more arrays in the file" if key is None else f"shape {shapes[key]} here, {others.get(key, 'none')} in the file"
