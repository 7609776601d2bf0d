"""Stage of the guard: the policy of params.yaml proven to leave no trace of the class, and what follows from its verdict."""

from __future__ import annotations

import json
from dataclasses import replace
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

    from inspection.augmentation.policy import Policy
    from inspection.params import Params
    from inspection.settings import Workspace
    from inspection.stages.place import Report
    from inspection.wafer.maps import WaferMap

NUISANCES = {"thinning": "thinning", "background": "background", "jitter": "jitter_um"}
SYMMETRY = "symmetry"


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
    from inspection.augmentation.policy import policy_for
    from inspection.formats.canonical import read_shard
    from inspection.wafer.maps import DefectMap
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
    maps = [entry.wafer.map for entry in read_shard(workspace.data / "wafers.parquet", rows.tolist())]
    bases = neutral_bases(maps, normal, split.loc[rows, "group"].to_numpy(), wanted, rng)
    recipe = params.tile.points if any(isinstance(m, DefectMap) for m in maps) else params.tile.dies
    views = PolicyViews(policy_for(taxonomy, examined.augment), taxonomy.names, recipe.size_px)
    found, tried = examine(
        views, bases, effort, params.guard.delta, params.guard.error, params.base.seed, on_signatures=views.on_signatures, told=report
    )
    content = found.to_dict()
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


def verdict_of(workspace: Workspace) -> str | None:
    """The guard's words on the policy that this workspace trained with; None when it was not run."""
    path = workspace.data / VERDICT
    return str(json.loads(path.read_text(encoding="utf-8"))["words"]) if path.is_file() else None


class PolicyViews:
    """A policy as the guard sees it: global views of ``size_px``, drawn as training draws them."""

    def __init__(self, policy: Policy, classes: tuple[str, ...], size_px: int) -> None:
        self._policy, self.classes, self._size_px = policy, classes, size_px
        self._less: dict[frozenset[str], Policy] = {NOTHING: policy}

    def operations(self, label: int) -> tuple[str, ...]:
        """What the class may meet; nuisances act on points only."""
        met = tuple(name for name, key in NUISANCES.items() if getattr(self._policy, key) > 0)
        return (*met, SYMMETRY) if self._policy.symmetries[label] else met

    @property
    def on_signatures(self) -> bool:
        """Whether an operation acts on a signature's own points, so that neutral maps do not show it."""
        known = {*NUISANCES, SYMMETRY}
        return any(set(self.operations(label)) - known for label in range(len(self.classes)))

    def view(self, base: WaferMap, label: int, rng: Generator, without: frozenset[str] = NOTHING) -> NDArray[np.uint8]:
        """One view, shape (size_px, size_px, 3)."""
        wafer, turn = self._without(without).draw(base, label, rng)
        return render_global(wafer, self._size_px, turn)

    def plain(self, base: WaferMap) -> NDArray[np.uint8]:
        """The map as it is served, shape (size_px, size_px, 3)."""
        return render_global(base, self._size_px)

    def _without(self, names: frozenset[str]) -> Policy:
        if names not in self._less:
            off: dict[str, float] = {key: 0.0 for name, key in NUISANCES.items() if name in names}
            less = replace(self._policy, **off)  # type: ignore[arg-type]
            if SYMMETRY in names:
                less = replace(less, symmetries=tuple(frozenset() for _ in less.symmetries), common=frozenset())
            self._less[names] = less
        return self._less[names]
