"""The wafer pictures of the report: which wafers, drawn once each, as many as the page has room for."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspection.errors import InputError
from inspection.evaluation import cells, gallery
from inspection.views import picture
from inspection.views.small_png import to_small_png

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from inspection.evaluation.evaluation import Evaluation
    from inspection.evaluation.section import Section
    from inspection.wafer.maps import InspectionMap

    Maps = Callable[[Sequence[int]], Sequence[InspectionMap]]
    Activation = Callable[[Sequence[int], Sequence[InspectionMap]], Sequence[NDArray[np.uint8] | None]]

PICTURE_PX = 190
CELL_PICTURES = 400
"""Wafers drawn at most for the cells of the confusion matrix, beyond those of the gallery."""
ROOM_BYTES = 11_000_000
"""Room of all pictures on the page, as text. With the figures and the numbers the page stays below 20 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Album:
    """What is shown.

    Attributes
    ----------
    classes : the gallery, class by class
    escapes, alarms : the worst of all classes, most confident first
    drawn : position in the test part -> (picture as data URI, who it is)
    activation : position -> picture of where the model looked, as data URI
    for_cells : positions of ``drawn`` that only the cells of the confusion matrix show
    left_out : pictures for which there was no room
    """

    classes: Sequence[gallery.ClassExhibits] = ()
    escapes: Sequence[gallery.Exhibit] = ()
    alarms: Sequence[gallery.Exhibit] = ()
    drawn: dict[int, tuple[str, str]]
    activation: dict[int, str]
    for_cells: Sequence[int] = ()
    left_out: int = 0


def album(
    evaluation: Evaluation,
    maps: Maps | None,
    sections: Sequence[Section] = (),
    activation: Activation | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Album:
    """Choose and draw; without ``maps`` an empty album.

    Where room runs out, pictures of the cells go first, then those of the sections, then the gallery's.

    Raises
    ------
    InputError
        ``maps`` or ``activation`` did not return one item per position.
    """
    if maps is None:
        return Album(drawn={}, activation={})
    classes = gallery.choose(evaluation)
    escapes, alarms = (gallery.worst(evaluation, kind) for kind in ("escape", "overkill"))
    looked_at = [e.position for e in (*escapes, *alarms, *(w for c in classes for w in c.wrong))]
    own = list(dict.fromkeys([*looked_at, *(e.position for c in classes for e in c.right)]))
    asked = list(dict.fromkeys(p.position for s in sections for p in s.pictures if p.position is not None))
    more = cells.worst_of_cells(evaluation, len(own) + CELL_PICTURES)
    wanted = list(dict.fromkeys((*own, *asked, *more)))[: len({*own, *asked}) + CELL_PICTURES]
    positions = sorted(wanted)
    found = maps(positions)
    if len(found) != len(positions):
        raise InputError(
            f"Cannot draw the gallery: expected {len(positions)} maps, got {len(found)}. Return one map per position, in order."
        )
    drawn = {}
    for done, (position, wafer) in enumerate(zip(positions, found, strict=True), 1):
        drawn[position] = data_uri(to_small_png(picture.draw(wafer, PICTURE_PX))), picture.describe(wafer.info)
        if progress is not None:
            progress(done, len(positions))
    heat = _activation(activation, sorted(set(looked_at)), dict(zip(positions, found, strict=True)))
    kept, heat_kept = _fitting(wanted, drawn, heat)
    shown = {*own, *asked}
    return Album(
        classes=classes, escapes=escapes, alarms=alarms, drawn={p: drawn[p] for p in kept}, activation={p: heat[p] for p in heat_kept},
        for_cells=sorted(p for p in kept if p not in shown), left_out=len(wanted) - len(kept),
    )  # fmt: skip


def _activation(activation: Activation | None, positions: Sequence[int], maps: dict[int, InspectionMap]) -> dict[int, str]:
    if activation is None or not positions:
        return {}
    found = activation(positions, [maps[p] for p in positions])
    if len(found) != len(positions):
        raise InputError(
            f"Cannot draw the activation: expected {len(positions)} pictures, got {len(found)}. Return None for those without."
        )
    return {p: data_uri(picture.to_png(one)) for p, one in zip(positions, found, strict=True) if one is not None}


def _fitting(wanted: Iterable[int], drawn: dict[int, tuple[str, str]], heat: dict[int, str]) -> tuple[list[int], list[int]]:
    """What fits into the room, in the order of ``wanted``: the pictures, and those whose activation fits, too."""
    room, kept, heat_kept = ROOM_BYTES, [], []
    for position in wanted:
        need = len(drawn[position][0])
        if need > room:
            break
        kept.append(position)
        room -= need
        if position in heat and len(heat[position]) <= room:
            heat_kept.append(position)
            room -= len(heat[position])
    return kept, heat_kept


def data_uri(png: bytes) -> str:
    """PNG bytes as the address of a picture that needs no file."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
