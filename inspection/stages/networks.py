"""Questions about networks: which there are, and what one is made of, sees, costs and does a second here."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any, get_args

from inspection.errors import ParamsError
from inspection.params import ModelName
from inspection.stages.place import silent

if TYPE_CHECKING:
    from inspection.params import Params, Recipe
    from inspection.settings import Workspace
    from inspection.stages.place import Report
    from inspection.views.renderer import ViewSpec

BATCHES = (1, 64)


def models(
    _workspace: Workspace, params: Params, *, report: Report = silent, recipe: Recipe, classes: int, channels: int
) -> dict[str, Any]:
    """Every network that ``train.model`` may name, built for the views of ``recipe``, with its parameters and multiply-adds."""
    from inspection.models.anatomy.stages import anatomy
    from inspection.models.builders import BUILDERS, build

    spec = _views(recipe)
    rows = []
    for done, (name, builder) in enumerate(BUILDERS.items()):
        report(done, len(BUILDERS), name)
        made = anatomy(build(name, spec, classes, width=params.train.width, dropout=params.train.dropout, channels=channels))
        rows.append({
            "name": name, "what": _what(builder), "parameters": made.parameters, "trainable": made.trainable,
            "multiply_adds": made.multiply_adds,
        })  # fmt: skip
    return {"views": spec.to_dict(), "classes": classes, "channels": channels, "models": rows}


def model(
    _workspace: Workspace,
    params: Params,
    *,
    report: Report = silent,
    name: str,
    recipe: Recipe,
    classes: int,
    channels: int,
    symmetric: bool = False,
    speed: bool = True,
) -> dict[str, Any]:
    """The network ``name`` as ``train.model`` would build it for the views of ``recipe``; ``speed`` measures it here.

    ``symmetric``: under all eight symmetries of the square, as with a taxonomy whose classes share them all.
    """
    if name not in get_args(ModelName):
        raise ParamsError(f"No such model: expected one of {', '.join(get_args(ModelName))}, got {name!r}.")
    report(0, 0, f"building {name}")
    import numpy as np

    from inspection.models.anatomy.stages import anatomy
    from inspection.models.builders import BUILDERS, build
    from inspection.models.symmetry import SquareGroup
    from inspection.views.renderer import turn_matrix

    every = [turn_matrix(k * np.pi / 2, mirrored=m) for k in range(4) for m in (False, True)]
    group = SquareGroup.of(every) if symmetric else None
    spec = _views(recipe)
    network = build(name, spec, classes, width=params.train.width, dropout=params.train.dropout, channels=channels, group=group)
    result: dict[str, Any] = {"what": _what(BUILDERS[name]), **anatomy(network).to_dict()}
    if speed:
        from inspection.models.backend import keras
        from inspection.scoring.speed import images_per_second

        rates = {}
        for done, batch in enumerate(BATCHES):
            report(done, len(BATCHES), f"{name}, batches of {batch}")
            rates[str(batch)] = images_per_second(network, spec, batch)
        result["images_per_second"] = rates
        result["measured_on"] = {"machine": platform.machine(), "cores": os.cpu_count(), "backend": keras.backend.backend()}
    return result


def _views(recipe: Recipe) -> ViewSpec:
    from inspection.views.renderer import ViewSpec

    return ViewSpec(recipe.size_px, recipe.tiles, recipe.tile_px, recipe.tile_mm)


def _what(builder: Any) -> str:
    """The first line of the builder's docstring, without its shapes."""
    return str(builder.__doc__).splitlines()[0].partition(": ``")[0].rstrip(".")
