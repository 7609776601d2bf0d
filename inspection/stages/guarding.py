"""Stages of the guard: the policy of params.yaml proven to leave no trace of the class, and what follows from its verdict."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import GateError
from inspection.stages.place import require_made, silent, write_json

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.guard.contract import View
    from inspection.augmentation.guard.examination import Material
    from inspection.augmentation.guard.neutral import Bases
    from inspection.augmentation.guard.votes import Vote, Votes
    from inspection.params import Params
    from inspection.settings import Workspace
    from inspection.stages.place import Report
    from inspection.stages.policy_views import PolicyViews
    from inspection.training.image_pipeline import ImageViews
    from inspection.views.renderer import ViewSpec
    from inspection.wafer.maps import InspectionMap
    from inspection.wafer.taxonomy import Taxonomy

VERDICT, PAGE, VOTES = "guard.json", "guard.html", "votes.json"


def guard(
    workspace: Workspace, params: Params, *, report: Report = silent, policy: Path | None = None, strict: bool = False
) -> dict[str, Any]:
    """data/split.parquet, data/wafers.parquet -> data/guard.json, data/guard/guard.html.

    Parameters
    ----------
    policy : Path, optional
        Another ``params.yaml`` whose policy is examined on this workspace's wafers; nothing is written then.
    strict : bool
        Raise what blocks registration. DVC's stage does not: a verdict is an outcome.

    Raises
    ------
    GateError
        ``strict``, and the verdict is not a pass.
    """
    require_made(workspace.data / "split.parquet", "split")
    from inspection import params as parameters
    from inspection.aside import write_text
    from inspection.augmentation.guard.examination import examine
    from inspection.augmentation.guard.page import render_page
    from inspection.augmentation.guard.trace import Effort

    examined = params if policy is None else parameters.load(policy)
    told, seed = params.guard, params.base.seed
    effort = Effort(told.maps, told.looks, told.copies)
    views, material = _material(workspace, examined, effort.maps << (effort.looks - 1), seed)
    found = examine(views, material, effort, told.delta, told.error, seed, network=_network, told=report)
    content = {**found.to_dict(), "examined": _fingerprint(workspace, examined)}
    page = workspace.data / "guard" / PAGE
    if policy is None:
        write_text(page, render_page("Guard of the augmentation policy", found, told.delta, seed))
        write_json(workspace.data / VERDICT, content)
    if strict and found.verdict != "pass":
        raise GateError(f"The guard did not pass: {found.words}. " + (f"See {page}." if policy is None else f"Correct {policy}."))
    return {**content, "page": str(page) if policy is None else None}


def _network(views: View, labels: NDArray[np.int64], tried: View, seed: int) -> NDArray[np.float32]:
    from inspection.training.trace_probe import tell_views  # TensorFlow: only when it is asked

    return tell_views(views, labels, tried, seed)


def _material(workspace: Workspace, params: Params, wanted: int, seed: int) -> tuple[PolicyViews | ImageViews, Material]:
    """The policy of ``params``, and the training wafers that it is tried on."""
    from inspection.augmentation.guard.examination import Material
    from inspection.augmentation.guard.neutral import Bases
    from inspection.augmentation.guard.planted import planted_bases
    from inspection.augmentation.policy import policy_for
    from inspection.stages.policy_views import CREATING, REAL, PolicyViews, wafers_to_draw

    rng = np.random.default_rng(seed)
    split, taxonomy = _split(workspace, params)
    training = np.flatnonzero(split["part"].to_numpy() == "train")
    created = {c: frozenset(own) for c, own in enumerate(policy_for(taxonomy, params.augment).created) if own}
    most = np.array([CREATING if c in created else REAL for c in range(len(taxonomy))])
    labels, normal = split["class"].to_numpy()[training], split["normal"].to_numpy()[training]
    rows = training[wafers_to_draw(labels, normal, wanted, most, rng)]
    part = split.iloc[rows]
    labels, normal, lots = part["class"].to_numpy(), part["normal"].to_numpy(), part["group"].to_numpy()
    views, maps = _views(workspace, params, taxonomy, rows, labels)
    neutral = _bases(maps, normal, lots, wanted, rng)
    _, lot = np.unique(lots, return_inverse=True)
    real = {}
    for c in range(len(taxonomy)):
        own = rng.permutation(np.flatnonzero(labels == c))[: most[c]]
        if len(own):
            real[c] = Bases([maps[i] for i in own], lot[own].astype(np.int64), len(own))
    signatures = None
    if isinstance(views, PolicyViews) and views.on_signatures:
        planted, donors = planted_bases(neutral, rng)
        signatures = (views.lent_by(donors), planted)
    return views, Material(neutral, signatures, real, created)


def votes(workspace: Workspace, params: Params, *, report: Report = silent) -> Votes:
    """data/model, data/split.parquet, data/wafers.parquet -> data/votes.json: whether a policy alone moves the model's vote."""
    require_made(workspace.data / "model", "train")
    from inspection.augmentation.guard.verdict import Limits
    from inspection.augmentation.guard.votes import maps_needed, policy_votes
    from inspection.stages.policy_views import CREATING, wafers_to_draw

    rng = np.random.default_rng(params.base.seed)
    split, taxonomy = _split(workspace, params)
    part, label, normal = split["part"].to_numpy(), split["class"].to_numpy(), split["normal"].to_numpy()
    wanted = maps_needed(len(taxonomy))[-1]
    training, validation = np.flatnonzero(part == "train"), np.flatnonzero(part == "validation")
    most = np.full(len(taxonomy), CREATING)
    rows = training[wafers_to_draw(label[training], normal[training], wanted, most, rng)]
    views, lent = _views(workspace, params, taxonomy, rows, label[rows])
    tried = validation[wafers_to_draw(label[validation], normal[validation], wanted, np.full(len(taxonomy), 20), rng)]
    maps = _maps(workspace, params, tried)
    if not maps:  # no validation wafers at all: background on the dies of training wafers
        maps, tried, normal = lent, rows, np.zeros(len(split), bool)
    bases = _bases(maps, normal[tried], split["group"].to_numpy()[tried], wanted, rng)
    vote = _voter(workspace, taxonomy, views.spec)
    found = policy_votes(views, bases, vote, Limits(params.guard.delta, params.guard.error), params.base.seed, report)
    write_json(workspace.data / VOTES, {**found.to_dict(), "examined": _fingerprint(workspace, params)})
    return found


def _split(workspace: Workspace, params: Params) -> tuple[pd.DataFrame, Taxonomy]:
    """data/split.parquet with the columns ``class`` (index) and ``normal``, and the classes."""
    import pandas as pd

    from inspection.wafer.taxonomy import choose

    split = pd.read_parquet(workspace.data / "split.parquet")
    taxonomy = choose(split["label"], params.classes)
    split["class"] = split["label"].map({name: k for k, name in enumerate(taxonomy.names)})
    split["normal"] = split["label"].isin(taxonomy.normal)
    return split, taxonomy


def _views(
    workspace: Workspace, params: Params, taxonomy: Taxonomy, rows: NDArray[np.integer], labels: NDArray[np.integer]
) -> tuple[PolicyViews | ImageViews, list[InspectionMap]]:
    """The policy of ``params``, fitted to the training wafers at ``rows``, and their maps."""
    from inspection.augmentation.images import image_policy
    from inspection.augmentation.policy import fitted_policy
    from inspection.stages.policy_views import PolicyViews, view_spec
    from inspection.wafer.maps import DefectMap, ImageMap

    maps = _maps(workspace, params, rows)
    if any(isinstance(m, ImageMap) for m in maps):
        from inspection.training.image_pipeline import ImageViews

        return ImageViews(image_policy(taxonomy, params.augment), params.tile.images.size_px), maps
    wafers = [m for m in maps if not isinstance(m, ImageMap)]
    spec = view_spec(params, points=any(isinstance(m, DefectMap) for m in wafers))
    return PolicyViews(*fitted_policy(taxonomy, params.augment, wafers, labels), spec), maps


def _maps(workspace: Workspace, params: Params, rows: NDArray[np.integer]) -> list[InspectionMap]:
    """The maps at ``rows`` of data/wafers.parquet; images as small as they are drawn, since hundreds are held at once."""
    from inspection.formats.canonical import read_shard
    from inspection.wafer.image_planes import drawn_small
    from inspection.wafer.maps import ImageMap

    found = (entry.wafer.map for entry in read_shard(workspace.data / "wafers.parquet", rows.tolist()))
    return [drawn_small(m, params.tile.images.size_px) if isinstance(m, ImageMap) else m for m in found]


def _bases(maps: list[InspectionMap], normal: NDArray[np.bool_], lots: NDArray, wanted: int, rng: Generator) -> Bases:
    """Neutral maps, or the images themselves."""
    from inspection.augmentation.guard.neutral import neutral_bases
    from inspection.augmentation.images import image_bases
    from inspection.wafer.maps import ImageMap

    if images := [m for m in maps if isinstance(m, ImageMap)]:
        return image_bases(images, normal, lots, rng)
    return neutral_bases([m for m in maps if not isinstance(m, ImageMap)], normal, lots, wanted, rng)


def _voter(workspace: Workspace, taxonomy: Taxonomy, spec: ViewSpec) -> Vote:
    """The trained model, of each view by itself: without the turns that serving averages over, which would hide what it has learnt."""
    from inspection.scoring.bundle import NETWORK, Bundle
    from inspection.scoring.calibration import softmax
    from inspection.scoring.predictor import Predictor
    from inspection.views.shards import Views

    predictor = Predictor.of(Bundle(taxonomy, spec, np.full(len(taxonomy), 0.5), 1.0), workspace.data / "model" / NETWORK, (16, 128))
    return lambda views: softmax(predictor.look(Views(views.image, views.tiles, spec)).logits)


def verdict_of(workspace: Workspace, params: Params) -> str | None:
    """The guard's words on the policy of ``params`` and this split, and on the model's votes; None when these were not examined."""
    told = []
    for name in (VERDICT, VOTES):
        path = workspace.data / name
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if content.get("examined") == _fingerprint(workspace, params):
            told.append(str(content["words"]))
    worst = [words for words in told if not words.startswith("pass")] or told
    return "; ".join(worst) if told else None


def _fingerprint(workspace: Workspace, params: Params) -> str:
    """What a verdict belongs to: the split and every parameter that the guard reads."""
    digest = hashlib.sha256((workspace.data / "split.parquet").read_bytes())
    digest.update(params.model_dump_json(by_alias=True, include={"base", "augment", "guard", "taxonomy", "tile"}).encode())
    return digest.hexdigest()
