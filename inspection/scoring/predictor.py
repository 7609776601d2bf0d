"""The warm predictor: a bundle's network compiled for a few static batch sizes, with the renderer, turns and rule that belong to it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import ParamsError
from inspection.models.backend import keras
from inspection.models.fusion import FEATURES, measure, reads_features
from inspection.models.head import PATTERN_LAYER
from inspection.models.orbit_layers import blind_to
from inspection.models.saved import load_network
from inspection.scoring.bundle import NETWORK, Bundle, bundle_sha256, config_sha256, read_bundle
from inspection.scoring.combinations import Reading, pattern_probabilities
from inspection.scoring.decision import Scored
from inspection.scoring.localisation import Localiser
from inspection.spawned import cores
from inspection.views.renderer import turn_dies
from inspection.views.shards import Views
from inspection.views.tiles import render
from inspection.wafer.maps import DefectMap, ImageMap, WaferInfo
from inspection.wafer.taxonomy import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.wafer.maps import InspectionMap


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the network says of n wafers.

    ``logits`` (n, k), averaged over the turns looked at; ``embedding`` (n, f) and ``first`` (n, k): of the unturned view alone;
    ``looks`` (n,): turns looked at.
    """

    logits: NDArray[np.float32]
    embedding: NDArray[np.float32]
    first: NDArray[np.float32]
    looks: NDArray[np.int64]


class Predictor:
    """Scores wafers with one bundle. Not for several threads at once; ``prepare`` may run in another thread than ``score``.

    Parameters
    ----------
    bundle : Bundle
    network : keras.Model
        With the layers ``embedding`` and ``logits``.
    batch_sizes : sequence of int
        Static batch sizes; every call is cut and padded to these, so that nothing is compiled after the warm-up.
    """

    def __init__(
        self,
        bundle: Bundle,
        network: keras.Model,
        batch_sizes: Sequence[int] = (8, 64),
        *,
        sha256: str = "",
        config: str = "",
    ) -> None:
        self.bundle = bundle
        self.sha256, self.config_sha256 = sha256, config
        self.batch_sizes = tuple(sorted(batch_sizes))
        self._network = network
        self._uses_tiles = any(t.name == "tiles" for t in network.inputs)
        self._uses_features = reads_features(network)
        self._channels = network.inputs[0].shape[-1]
        self.reads_patterns = any(layer.name == PATTERN_LAYER for layer in network.layers)
        """Whether the network has a logit for each pattern."""
        # A network that is symmetric by construction says the same of every turn: once is enough.
        self._turns = (np.eye(2),) if blind_to(network, bundle.turns) else bundle.turns
        both = keras.Model(network.inputs, [network.output, network.get_layer("embedding").output])
        self._forward = _compiled(both)
        pictures = [tensor for tensor in network.inputs if tensor.name != FEATURES]
        self._embed = _compiled(keras.Model(pictures, network.get_layer("embedding").output))
        for size in self.batch_sizes:
            self._run(self._blank(size))

    @classmethod
    def load(cls, folder: Path, batch_sizes: Sequence[int] = (8, 64)) -> Predictor:
        """Read, verify and warm up the bundle in ``folder``; raises ``BundleError`` when it was changed."""
        bundle, network = read_bundle(folder), load_network(folder / NETWORK)
        return cls(bundle, network, batch_sizes, sha256=bundle_sha256(folder), config=config_sha256(folder))

    @classmethod
    def of(cls, bundle: Bundle, network_file: Path, batch_sizes: Sequence[int]) -> Predictor:
        """A predictor for a network that training just wrote, before it is part of a bundle."""
        return cls(bundle, load_network(network_file), batch_sizes)

    def localiser(self) -> Localiser | None:
        """What says where on a wafer a class is seen; None for images, and for networks whose logits have no shares of places."""
        if self.bundle.spec.kind == "image":
            return None
        try:
            return Localiser(self._network, self.bundle.spec)
        except ParamsError:
            return None

    @property
    def clean_map(self) -> InspectionMap:
        """An empty wafer, or a black image: what a batch may be filled with."""
        if self.bundle.spec.kind == "image":
            return ImageMap(info=WaferInfo(), planes=np.zeros((1, 1, 1), np.uint8))
        return DefectMap(info=WaferInfo(), xy_um=np.zeros((0, 2)))

    def prepare(self, maps: Sequence[InspectionMap]) -> Views:
        """Render ``maps`` as the model sees them."""
        spec = self.bundle.spec
        pairs = [render(m, spec) for m in maps]
        if not pairs:
            return self._blank(0)
        return Views(np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs]), spec)

    def score(self, views: Views) -> list[Scored]:
        """The outcome of each wafer of ``views``."""
        if not len(views):
            return []
        seen = self.look(views)
        bundle, taxonomy = self.bundle, self.bundle.taxonomy
        probabilities = bundle.probabilities(seen.logits)
        strange = None if bundle.detector is None else bundle.detector.score(seen.embedding, seen.first)
        flags = None if strange is None or bundle.detector is None else strange > bundle.detector.limit(seen.first)
        decisions = bundle.rule.decide(probabilities, flags)
        sets = bundle.rule.set_names(probabilities) if bundle.least is not None else None
        patterns = pattern_probabilities(probabilities, taxonomy) if taxonomy.combines else None
        scored = [
            Scored(
                label=taxonomy.names[k],
                decision=decisions[i],
                probability=float(probabilities[i, k]),
                probabilities={n: float(p) for n, p in zip(taxonomy.names, probabilities[i], strict=True)},
                unknown_score=None if strange is None else float(strange[i]),
                patterns=None if patterns is None else _named(taxonomy.patterns, patterns[i]),
                prediction_set=None if sets is None else sets[i],
                looks=int(seen.looks[i]),
            )
            for i, k in enumerate(probabilities.argmax(axis=1).tolist())
        ]
        return scored if bundle.new_combination is None else self._with_new(scored, Reading(taxonomy, seen.logits))

    def _with_new(self, scored: list[Scored], reading: Reading) -> list[Scored]:
        """``scored``, but for the wafers that insist on a combination that is no class."""
        limit = self.bundle.new_combination
        new = np.zeros(len(scored), bool) if limit is None else reading.insistence > limit
        if not new.any():
            return scored
        alone, names = reading.probabilities(self.bundle.temperature), reading.names()
        chances = np.where(reading.shown, alone, 1 - alone).prod(axis=1)
        outcomes = list(scored)
        for i in np.flatnonzero(new).tolist():
            patterns = _named(self.bundle.taxonomy.patterns, alone[i])
            outcomes[i] = replace(scored[i], label=names[i], decision=UNKNOWN, probability=float(chances[i]), patterns=patterns)
        return outcomes

    def embeddings(self, views: Views, progress: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
        """Embeddings (n, f) of the unturned views, without logits: hand-made features, which these do not need, are not measured."""
        size, found = self.batch_sizes[-1], []
        for start in range(0, len(views), size):
            part = views.take(np.arange(start, min(start + size, len(views))))
            padded = _pad(part, size)
            inputs = [padded.images, padded.tiles] if self._uses_tiles else [padded.images]
            found.append(keras.ops.convert_to_numpy(self._embed(inputs))[: len(part)])
            if progress is not None:
                progress(start + len(part), len(views))
        return np.concatenate(found) if found else self.first_look(views).embedding

    def look(self, views: Views, progress: Callable[[int, int], None] | None = None) -> Seen:
        """The network's outputs for each wafer of ``views``: of all its turns, or of as many as the bundle's first look asks for."""
        first = self.first_look(views, progress)
        rule = self.bundle.first_look
        again = np.ones(len(views), bool) if rule is None else rule.again(first.logits)
        return self.look_again(views, first, again, progress)

    def first_look(self, views: Views, progress: Callable[[int, int], None] | None = None) -> Seen:
        """Logits and embeddings of the unturned views."""
        logits, embeddings = [], []
        for part, size in self._parts(views):
            one, embedding = self._run(_pad(part, size), self._measured(part, size))
            logits.append(one[: len(part)])
            embeddings.append(embedding[: len(part)])
            if progress is not None:
                progress(sum(map(len, logits)), len(views))
        if not logits:
            _, embedding = self._run(self._blank(self.batch_sizes[0]))
            logits, embeddings = [np.zeros((0, len(self.bundle.taxonomy)), np.float32)], [embedding[:0]]
        found = np.concatenate(logits)
        return Seen(found, np.concatenate(embeddings), found, np.ones(len(views), np.int64))

    def look_again(self, views: Views, first: Seen, again: NDArray[np.bool_], progress: Callable[[int, int], None] | None = None) -> Seen:
        """``first``, with the logits of the wafers in ``again`` (n,) averaged over all turns."""
        turns = [turn for turn in self._turns if not np.array_equal(turn, np.eye(2))]
        chosen = np.flatnonzero(again)
        if not turns or not len(chosen):
            return first
        logits, looks, done = first.logits.copy(), first.looks.copy(), 0
        for part, size in self._parts(views.take(chosen)):
            rows = chosen[done : done + len(part)]
            table = self._measured(part, size)  # of any turn the same
            total = first.logits[rows].copy()
            for turn in turns:
                total += self._run(_pad(_turn_views(part, turn), size), table)[0][: len(part)]
            logits[rows], looks[rows] = total / (len(turns) + 1), len(turns) + 1
            done += len(part)
            if progress is not None:
                progress(done, len(chosen))
        return replace(first, logits=logits, looks=looks)

    def _parts(self, views: Views) -> Iterator[tuple[Views, int]]:
        """``views`` in parts, each with the batch size that it is padded to."""
        done = 0
        while done < len(views):
            left = len(views) - done
            size = next((s for s in self.batch_sizes if s >= left), self.batch_sizes[-1])
            part = views.take(np.arange(done, min(done + size, len(views))))
            yield part, size
            done += len(part)

    def _run(self, views: Views, table: NDArray[np.float32] | None = None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        inputs: list[Any] = [views.images, views.tiles] if self._uses_tiles else [views.images]
        if self._uses_features:
            inputs.append(self._measured(views, len(views)) if table is None else table)
        logits, embedding = self._forward(inputs)
        return keras.ops.convert_to_numpy(logits), keras.ops.convert_to_numpy(embedding)

    def _measured(self, part: Views, size: int) -> NDArray[np.float32] | None:
        """The hand-made features of ``part``, padded to ``size`` rows, where the network reads them."""
        if not self._uses_features:
            return None
        table = measure(part.images, cores())
        return np.pad(table, ((0, size - len(table)), (0, 0)))

    def _blank(self, count: int) -> Views:
        s = self.bundle.spec
        return Views(
            np.zeros((count, s.size_px, s.size_px, self._channels), np.uint8),
            np.zeros((count, s.tiles, s.tile_px, s.tile_px, self._channels), np.uint8),
            s,
        )


def _named(names: Sequence[str], values: NDArray[np.floating]) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def _turn_views(views: Views, turn: NDArray[np.float64]) -> Views:
    """Views of the turned wafers; exact for symmetries of the square, which the renderer commutes with."""
    images = np.stack([turn_dies(i, turn) for i in views.images])
    tiles = np.stack([[turn_dies(t, turn) for t in wafer] for wafer in views.tiles]) if views.spec.tiles else views.tiles
    return Views(images, tiles, views.spec)


def _pad(views: Views, size: int) -> Views:
    missing = size - len(views)
    if missing == 0:
        return views
    pad = ((0, missing), (0, 0), (0, 0), (0, 0))
    return Views(np.pad(views.images, pad), np.pad(views.tiles, (*pad, (0, 0))), views.spec)


def _compiled(model: keras.Model) -> Callable[[list[Any]], Any]:
    """One compiled function per static shape: ``tf.function`` on TensorFlow, the model itself elsewhere."""

    def forward(inputs: list[Any]) -> Any:
        return model(inputs, training=False)

    if keras.backend.backend() == "tensorflow":
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import tensorflow as tf  # noqa: PLC0415  (only when it is the backend)

        return tf.function(forward, reduce_retracing=False)
    return forward
