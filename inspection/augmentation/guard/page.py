"""The page of the guard: the verdict, the area of each class, and of each failure the pictures side by side. Needs no network."""

from __future__ import annotations

import base64
from importlib import resources
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inspection.augmentation.guard.contract import NOTHING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.augmentation.guard.blame import Blame
    from inspection.augmentation.guard.contract import View
    from inspection.augmentation.guard.examination import Examination, Exhibit
    from inspection.augmentation.guard.verdict import Interval

TEMPLATE = "guard.html.j2"
EXHIBITS = 3
SIDE_PX = 190
_SHARES = np.array([0.45, 1.0, 1.0])
"""How bright inspected area, occupancy and count are drawn, as blue, green and red."""


def render_page(title: str, found: Examination, delta: float, seed: int) -> str:
    """The page as HTML; the same examination gives the same bytes."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  (imported when used)

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    evidence = [
        {
            "test": test.name,
            "trace": trace,
            "blame": found.blames[test.name][trace.name],
            "pictures": _pictures(found.exhibits[test.name][trace.name], found.blames[test.name][trace.name], seed),
        }
        for test in found.tests
        for trace in test.failed
        if trace.name in found.exhibits[test.name]
    ]
    text = resources.files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text).render(title=title, found=found, evidence=evidence, delta=delta, bar=_bar)


def _pictures(exhibit: Exhibit, blame: Blame, seed: int) -> list[dict[str, str]]:
    """Of some base maps: the class's view, another's, what differs, and untouched; the fullest detail tile below the global view.

    Where operations are blamed, all others are left out, so that what differs is what they did.
    """
    names = exhibit.policy.classes
    without = frozenset(exhibit.policy.operations(exhibit.label)) - set(blame.operations) if blame.operations else NOTHING
    shown = []
    for k, base in enumerate(exhibit.bases.maps[:EXHIBITS]):
        plain = exhibit.policy.plain(base)
        own = exhibit.policy.view(base, exhibit.label, np.random.default_rng([seed, k]), without)
        others = exhibit.policy.view(base, exhibit.other, np.random.default_rng([seed, k]), without)
        for part in ("", ", fullest detail tile") if own.tiles.size else ("",):
            mine, theirs, untouched = (_part(view, detail=bool(part)) for view in (own, others, plain))
            change = np.abs(mine.astype(np.int16) - theirs).astype(np.float64)
            seen = (255 * np.sqrt(change / max(change.max(), 1))).astype(np.uint8)
            shown.append(
                {
                    f"{names[exhibit.label]}'s view{part}": _picture(mine),
                    f"{names[exhibit.other]}'s view{part}": _picture(theirs),
                    f"difference of the two{part}": _picture(seen),
                    f"untouched{part}": _picture(untouched),
                }
            )
    return shown


def _part(view: View, *, detail: bool) -> NDArray[np.uint8]:
    return view.tiles[0] if detail else view.image


def _picture(view: NDArray[np.uint8]) -> str:
    """Defects light on a dim wafer, or the only channel as grey; enlarged without smoothing, as a data URI."""
    colours = (view[..., ::-1] * _SHARES).astype(np.uint8) if view.shape[-1] == 3 else view[..., :1]
    scale = max(1, round(SIDE_PX / view.shape[0]))
    png = cv2.imencode(".png", cv2.resize(np.ascontiguousarray(colours), None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST))[1]
    return "data:image/png;base64," + base64.b64encode(png.tobytes()).decode("ascii")


def _bar(found: Interval, limit: float) -> dict[str, str]:
    """Where an area, its bounds and the limit lie on a bar from .4 to 1, in per cent."""

    def place(area: float) -> float:
        return 100 * (min(max(area, 0.4), 1.0) - 0.4) / 0.6

    low, high = place(found.low), place(found.high)
    return {"left": f"{low:.1f}", "width": f"{max(high - low, 0.5):.1f}", "at": f"{place(found.area):.1f}", "limit": f"{place(limit):.1f}"}
