"""Stage of the guard: the policy of params.yaml proven to leave no trace of the class, and what follows from its verdict."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.augmentation.guard.contract import NOTHING
from inspection.errors import GateError
from inspection.stages.place import require_made, silent, write_json
from inspection.views.renderer import render_global

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.donors import Donors
    from inspection.augmentation.policy import Policy
    from inspection.params import Params
    from inspection.settings import Workspace
    from inspection.stages.place import Report
    from inspection.training.image_pipeline import ImageViews
    from inspection.wafer.maps import WaferMap

VERDICT, PAGE = "guard.json", "guard.html"


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
    import pandas as pd

    from inspection import params as parameters
    from inspection.aside import write_text
    from inspection.augmentation.guard.examination import examine
    from inspection.augmentation.guard.neutral import neutral_bases
    from inspection.augmentation.guard.page import render_page
    from inspection.augmentation.guard.trace import Effort
    from inspection.augmentation.images import image_bases, image_policy
    from inspection.augmentation.policy import fitted_policy
    from inspection.formats.canonical import read_shard
    from inspection.wafer.image_planes import drawn_small
    from inspection.wafer.maps import DefectMap, ImageMap
    from inspection.wafer.taxonomy import choose

    examined = params if policy is None else parameters.load(policy)
    split = pd.read_parquet(workspace.data / "split.parquet")
    training = split.index[split["part"] == "train"].to_numpy()
    taxonomy = choose(split["label"], examined.classes)
    effort = Effort(params.guard.maps, params.guard.looks, params.guard.copies)
    wanted = effort.maps << (effort.looks - 1)
    rng = np.random.default_rng(params.base.seed)
    chosen, normal = wafers_to_draw(split.loc[training, "label"].isin(taxonomy.normal).to_numpy(), wanted, rng)
    rows = training[chosen]
    found_maps = (entry.wafer.map for entry in read_shard(workspace.data / "wafers.parquet", rows.tolist()))
    maps = [drawn_small(m, params.tile.images.size_px) if isinstance(m, ImageMap) else m for m in found_maps]
    groups = split.loc[rows, "group"].to_numpy()
    views: PolicyViews | ImageViews
    if images := [m for m in maps if isinstance(m, ImageMap)]:
        from inspection.training.image_pipeline import ImageViews

        bases = image_bases(images, normal, groups, rng)
        views = ImageViews(image_policy(taxonomy, examined.augment), params.tile.images.size_px)
    else:
        wafers = [m for m in maps if not isinstance(m, ImageMap)]
        bases = neutral_bases(wafers, normal, groups, wanted, rng)
        recipe = params.tile.points if any(isinstance(m, DefectMap) for m in wafers) else params.tile.dies
        labels = split.loc[rows, "label"].map({name: k for k, name in enumerate(taxonomy.names)}).to_numpy()
        views = PolicyViews(*fitted_policy(taxonomy, examined.augment, wafers, labels), recipe.size_px)
    found, tried = examine(
        views, bases, effort, params.guard.delta, params.guard.error, params.base.seed, on_signatures=views.on_signatures, told=report
    )
    content = {**found.to_dict(), "examined": _fingerprint(workspace, examined)}
    page = workspace.data / "guard" / PAGE
    if policy is None:
        write_text(page, render_page("Guard of the augmentation policy", found, views, tried, params.guard.delta, params.base.seed))
        write_json(workspace.data / VERDICT, content)
    if strict and found.verdict != "pass":
        raise GateError(f"The guard did not pass: {found.words}. " + (f"See {page}." if policy is None else f"Correct {policy}."))
    return {**content, "page": str(page) if policy is None else None}


def wafers_to_draw(normal: NDArray[np.bool_], wanted: int, rng: Generator) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Which training wafers to read, ascending: as many normal ones as wanted; where they are few, others for their dies."""
    chosen = rng.permutation(np.flatnonzero(normal))[:wanted]
    if len(chosen) < wanted:
        chosen = np.concatenate((chosen, rng.permutation(np.flatnonzero(~normal))[: wanted - len(chosen)]))
    chosen = np.sort(chosen)
    return chosen, normal[chosen]


def verdict_of(workspace: Workspace, params: Params) -> str | None:
    """The guard's words on the policy of ``params`` and this split; None when these were not examined."""
    path = workspace.data / VERDICT
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return str(content["words"]) if content.get("examined") == _fingerprint(workspace, params) else None


def _fingerprint(workspace: Workspace, params: Params) -> str:
    """What a verdict belongs to: the split and every parameter that the guard reads."""
    digest = hashlib.sha256((workspace.data / "split.parquet").read_bytes())
    digest.update(params.model_dump_json(by_alias=True, include={"base", "augment", "guard", "taxonomy", "tile"}).encode())
    return digest.hexdigest()


class PolicyViews:
    """A policy as the guard sees it: global views of ``size_px``, drawn as training draws them."""

    def __init__(self, policy: Policy, donors: Donors | None, size_px: int) -> None:
        self._policy, self._donors, self._size_px = policy, donors, size_px
        self._less: dict[frozenset[str], Policy] = {NOTHING: policy}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self._policy.classes

    def operations(self, label: int) -> tuple[str, ...]:
        """What the class may meet."""
        return self._policy.operations(label)

    @property
    def on_signatures(self) -> bool:
        """Whether an operation acts on a signature's own points, so that neutral maps do not show it."""
        return self._policy.needs_donors

    def view(self, base: WaferMap, label: int, rng: Generator, without: frozenset[str] = NOTHING) -> NDArray[np.uint8]:
        """One view, shape (size_px, size_px, 3)."""
        if without not in self._less:
            self._less[without] = self._policy.without(*without)
        drawn = self._less[without].draw(base, label, rng, self._donors)
        return render_global(drawn.wafer, self._size_px, drawn.turn)

    def plain(self, base: WaferMap) -> NDArray[np.uint8]:
        """The map as it is served, shape (size_px, size_px, 3)."""
        return render_global(base, self._size_px)
