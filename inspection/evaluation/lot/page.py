"""The page of a lot: one HTML file that opens without a network and without a script, on a screen and on paper.

Names come from files that anybody may have written: the template escapes all of them, and a content security policy in the page forbids
whatever is not a picture inside it. The same input gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.aside import write_bytes
from inspection.evaluation import wording as shares
from inspection.evaluation.lot import heat_map, wheel, wording
from inspection.views import picture
from inspection.wafer.maps import NO_DIE, DieMap, ImageMap

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.evaluation.lot.commonality import Link
    from inspection.evaluation.lot.comparison import ZoneResult
    from inspection.evaluation.lot.stacking import Stack
    from inspection.wafer.maps import InspectionMap, WaferMap

TEMPLATE = "lot.html.j2"
PICTURE_PX, STACK_PX = 260, 720
MOST_PICTURES = 100
"""A lot has 25 wafers; what a source calls a lot may have thousands."""
BAR_RATIO = 4.0
"""The bars of the zones' table go from its inverse to it."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LotWafer:
    """One wafer of the gallery: a person's ``label``; a model's ``decision`` and the ``probability`` of its ``likeliest`` class."""

    map: InspectionMap
    wafer: str
    slot: int | None
    defects: int
    label: str | None = None
    decision: str | None = None
    likeliest: str | None = None
    probability: float | None = None

    @property
    def called(self) -> str | None:
        """By a person where there is a label, else by the model."""
        return self.label or self.decision


@dataclass(frozen=True, slots=True, kw_only=True)
class LotView:
    """Everything on the page.

    Attributes
    ----------
    lot, product, layer : names as the store has them
    kind : ``points``, ``dies`` or ``image``
    inspected : when, in words
    wafers : in the order of the gallery
    normal : classes that are no signature
    stack : the stacked map, None where the wafers have no common frame
    stack_words : what it shows, and what to know about it
    zones : from ``comparison.compare``; empty for images
    earlier : lots of the baseline, oldest first
    baseline_refused : why there can be none; empty otherwise
    links : from ``commonality.commonality``
    link_lots : lots whose wafers were counted for them
    notes : further sentences on what the page cannot say
    lineage : name -> value
    """

    lot: str
    product: str | None
    layer: str | None
    kind: str
    inspected: str
    wafers: Sequence[LotWafer]
    normal: Collection[str]
    stack: Stack | None
    stack_words: str
    zones: Sequence[ZoneResult]
    earlier: Sequence[str]
    baseline_refused: str
    links: Sequence[Link]
    link_lots: int
    notes: Sequence[str]
    lineage: dict[str, Any]


def file_name(lot: str, layer: str | None) -> str:
    """A plain name for the page of a lot and layer, which no path gives a meaning to; two lots never share one.

    Examples
    --------
    >>> file_name("L00041", "GATE")
    'L00041_GATE.html'
    """
    wanted = "_".join(filter(None, (lot, layer)))
    plain = _NOT_IN_NAMES.sub("-", wanted).strip(".-")[:_LONGEST_NAME]
    if not plain or plain != wanted or "_" in lot or "_" in (layer or ""):  # whatever was lost tells two lots apart
        told_apart = hashlib.sha256("\0".join((lot, layer or "")).encode("utf-8", errors="replace")).hexdigest()
        plain = f"{plain or 'lot'}-{told_apart[:10]}"
    return f"{plain}.html"


def write_page(path: Path, view: LotView, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write the page; an old one at ``path`` is replaced in one step. ``progress`` gets (pictures drawn, pictures in all)."""
    write_bytes(path, render(view, progress).encode("utf-8", errors="replace"))
    return path


def render(view: LotView, progress: Callable[[int, int], None] | None = None) -> str:
    """The page as HTML."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  (imported when used)

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "p": wording.p_value,
        "number": wording.number,
        "times": wording.times,
        "link": wording.link,
        "odds": shares.odds,
    }
    environment.globals |= {"bar": bar}
    shown = view.wafers[:MOST_PICTURES]
    drawn = []
    for done, wafer in enumerate(shown, 1):
        drawn.append((wafer, _data_uri(picture.draw(wafer.map, PICTURE_PX))))
        if progress is not None:
            progress(done, len(shown))
    text = resources.files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text).render(
        view=view, summary=wording.summary(view), baseline=wording.baseline(view), limits=wording.limits(view), gallery=drawn,
        stack=_stack(view), wheels=_wheels(view), compared=any(r.p is not None for r in view.zones),
        unit="failed dies per tested die" if view.kind == "dies" else "defects per cm²",
    )  # fmt: skip


def bar(result: ZoneResult) -> dict[str, float] | None:
    """Where the interval and the ratio lie on a bar from 1 / ``BAR_RATIO`` to ``BAR_RATIO``, in percent of its width."""
    if result.ratio is None or result.low is None or result.high is None:
        return None
    low, at, high = (50 + 50 * max(-1.0, min(1.0, math.log(v) / math.log(BAR_RATIO))) for v in (result.low, result.ratio, result.high))
    return {"low": low, "width": high - low, "at": at}


def _stack(view: LotView) -> dict[str, Any] | None:
    if view.stack is None:
        return None
    like = max(
        (w.map for w in view.wafers if not isinstance(w.map, ImageMap)), key=_inspected
    )  # a partial one would hatch what others have
    colours = ["#" + "".join(f"{c:02x}" for c in rgb) for rgb in heat_map.RAMP]
    return {
        "picture": _data_uri(heat_map.draw_stack(view.stack, like, STACK_PX)),
        "top": heat_map.top_of(view.stack), "unit": view.stack.unit, "ramp": ", ".join(colours),
    }  # fmt: skip


def _inspected(wafer: WaferMap) -> float:
    """Dies that were inspected; no list of dies means the whole wafer."""
    if isinstance(wafer, DieMap):
        return float(np.count_nonzero(wafer.status != NO_DIE))
    return math.inf if wafer.dies is None else float(len(wafer.dies))


def _wheels(view: LotView) -> list[tuple[str, list[wheel.Piece]]]:
    if not any(r.ratio is not None for r in view.zones):
        return []
    return [("Rings", wheel.rings(view.zones)), ("Sectors", wheel.sectors(view.zones))]


def _data_uri(drawn: NDArray[Any]) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.to_png(drawn)).decode("ascii")
