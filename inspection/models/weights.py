"""The weights of a saved network as plain arrays by layer: a file is only read, nothing in it is made or run.

Both of Keras's own formats hold one HDF5 file in which every layer has a group, the layer's name as its attribute ``name``, and its arrays
below it (keras.src.saving.saving_lib, ``_save_state``). So no layer has to be known here, and no ``safe_mode`` is needed: the network's
description in the archive is never looked at. Pickles and whole models in the older ``.h5`` are not read at all.
"""

from __future__ import annotations

import re
import zipfile
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import h5py

from inspection.errors import InputError, InputNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from inspection.models.backend import keras

ARCHIVE, WEIGHTS = ".keras", ".weights.h5"
"""Endings of a whole network and of weights alone."""
_MEMBER, _SEED = "model.weights.h5", "seed_generator"  # the random state of a dropout is no weight
_NUMBER = re.compile(r"_(\d+)$")

Layers = dict[str, dict[str, h5py.Dataset]]
"""Arrays of each layer by their place in it (``vars/0``; ``gate/vars/0`` of a layer within the layer)."""


@contextmanager
def saved_layers(path: Path) -> Iterator[Layers]:
    """The layers in ``path`` that have weights, not yet read: an array is read when it is sliced, so that its shape can be judged before.

    A layer that its author named keeps its name. One that Keras named after its class and a counter that never stops (``conv2d_57``) is
    numbered anew among its kind, in the order in which the layers were made: two builds of one network give the same names.

    Raises
    ------
    InputNotFoundError
        No such file.
    InputError
        Another ending; no zip, HDF5 or Keras file; arrays that lie outside the file.
    """
    if not path.is_file():
        raise InputNotFoundError(f"No weights to start from: expected a file at {path}, got none. Check the path (transfer.start).")
    if not path.name.endswith((ARCHIVE, WEIGHTS)):
        raise _unusable(path, f"a name that ends in {ARCHIVE} or {WEIGHTS} (pickles and other formats are not read)", path.name)
    with ExitStack() as opened:
        try:
            if path.name.endswith(ARCHIVE):
                archive = opened.enter_context(zipfile.ZipFile(path))
                file = opened.enter_context(h5py.File(opened.enter_context(archive.open(_MEMBER)), "r"))
            else:
                file = opened.enter_context(h5py.File(path, "r"))
        except (zipfile.BadZipFile, OSError, KeyError) as error:
            raise _unusable(path, "weights that Keras 3 saved", str(error)) from error
        found = _layers(file, path)
        names = _names(found)
        yield {names[key]: arrays for key, arrays in found.items()}


def named_layers(network: keras.Model) -> dict[str, Any]:
    """The layers of ``network`` that have weights, under the names that :func:`saved_layers` gives them when it is saved."""
    layers = {(layer.name, _snake_case(type(layer).__name__)): layer for layer in network.layers if layer.weights}
    names = _names(layers)
    return {names[key]: layer for key, layer in layers.items()}


def _layers(file: h5py.File, path: Path) -> dict[tuple[str, str], dict[str, h5py.Dataset]]:
    """Arrays by (name, class in snake case) of every layer, those of models within the model, too."""
    found: dict[tuple[str, str], dict[str, h5py.Dataset]] = {}
    waiting = [_child(file, "layers", path)] if "layers" in file else []
    if not waiting:
        raise _unusable(path, "weights that Keras 3 saved, with the group `layers`", f"the groups {sorted(file)[:5]}")
    while waiting:
        layers = waiting.pop()
        for key in layers:
            group = _child(layers, key, path)
            arrays: dict[str, h5py.Dataset] = {}
            waiting += _gather(group, "", arrays, path)
            if arrays:
                own = group["vars"].attrs.get("name", key) if "vars" in group else key
                found[str(own), _NUMBER.sub("", key)] = arrays
    return found


def _gather(group: h5py.Group, prefix: str, arrays: dict[str, h5py.Dataset], path: Path) -> list[h5py.Group]:
    """Put all arrays below ``group`` into ``arrays``; those of layers of a model within are left, and their groups returned."""
    inner = []
    for key in group:
        child = _child(group, key, path)
        if isinstance(child, h5py.Dataset):
            arrays[prefix + key] = child
        elif key == "layers":
            inner.append(child)
        elif key != _SEED:
            inner += _gather(child, f"{prefix}{key}/", arrays, path)
    return inner


def _child(group: h5py.Group, key: str, path: Path) -> h5py.Group | h5py.Dataset:
    """What lies under ``key``, when it lies in this file."""
    link = group.get(key, getlink=True)
    child = group[key] if isinstance(link, h5py.HardLink) else None
    if child is None or (isinstance(child, h5py.Dataset) and (child.external or child.is_virtual)):
        raise _unusable(path, "arrays that lie in the file itself", f"a link to elsewhere in {group.name}/{key}")
    return child


def _names(layers: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The name of each (name, class in snake case), as :func:`saved_layers` says."""
    every = list(layers)
    counted: dict[str, list[tuple[int, str]]] = {}
    for name, kind in every:
        if name == kind or re.fullmatch(rf"{re.escape(kind)}_\d+", name):
            number = _NUMBER.search(name.removeprefix(kind))
            counted.setdefault(kind, []).append((int(number[1]) if number else 0, name))
    places = {name: place for of_kind in counted.values() for place, (_, name) in enumerate(sorted(of_kind))}
    return {(name, kind): f"{kind}_{places[name]}" if name in places else name for name, kind in every}


def _snake_case(name: str) -> str:
    """``BatchNormalization`` -> ``batch_normalization``, as Keras names layers after their class."""
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", name)))
    return words.lower()


def _unusable(path: Path, expected: str, got: str) -> InputError:
    return InputError(f"Cannot start from {path}: expected {expected}, got {got:.200}. Save the network with Keras 3 (`model.save`).")
