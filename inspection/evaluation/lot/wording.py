"""The sentences of a lot's page: numbers for people, each with its interval or its count."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from inspection.errors import bounded
from inspection.evaluation.lot import commonality, comparison
from inspection.wafer.taxonomy import REVIEW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspection.evaluation.lot.commonality import Link
    from inspection.evaluation.lot.comparison import ZoneResult
    from inspection.evaluation.lot.page import LotView


def count(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun: "1 wafer", "3 wafers"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def p_value(p: float | None) -> str:
    """A p-value, never rounded to a limit that it does not keep (0.0503 is not 0.05); an en dash where there is none."""
    if p is None:
        return "–"
    return "<0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.1 else f"{p:.2f}"


def number(value: float | None) -> str:
    """Three digits; an en dash for what is not known."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 1000 else f"{value:#.3g}".rstrip(".")


def times(result: ZoneResult) -> str:
    """The ratio with its interval."""
    if result.ratio is None or result.low is None or result.high is None:
        return "–"
    return f"{number(result.ratio)} ({number(result.low)} to {number(result.high)})"


def summary(view: LotView) -> list[str]:
    """What the page found, the first sentences of it."""
    return [_who(view), *_signatures(view), baseline(view), *_links(view.links)]


def baseline(view: LotView) -> str:
    """Whether, and where, the lot differs from earlier ones."""
    if view.baseline_refused:
        return view.baseline_refused
    if len(view.earlier) < comparison.LEAST_LOTS:
        return (
            f"No baseline yet: {count(len(view.earlier), 'earlier lot')} of this product and layer, {comparison.LEAST_LOTS} needed. "
            "Zones are listed without a comparison."
        )
    against = count(len(view.earlier), "earlier lot")
    out = [r for r in view.zones if r.stands_out]
    if not out:
        return f"No zone differs from the {against} of this product and layer by more than lots usually do."
    said = [f"{times(r)} {_zone(r)}" for r in _telling(out)]
    return f"Against the {against} of this product and layer, a typical wafer has these multiples of the usual defects: {bounded(said, 5)}."


def _telling(out: Sequence[ZoneResult]) -> list[ZoneResult]:
    """The zones to name, the farthest from usual first: where the whole wafer stands out, only those that stand apart from it, too."""
    far = sorted(out, key=lambda r: -abs(math.log(r.ratio or 1.0)))
    whole = next((r.ratio for r in out if r.zone.kind == "wafer"), None)
    if whole is None:
        return far
    apart = [r for r in far if r.zone.kind != "wafer" and ((r.low or 0.0) > whole or (r.high or math.inf) < whole)]
    return [*(r for r in out if r.zone.kind == "wafer"), *apart]


def link(found: Link) -> str:
    """What was found of one signature and one factor."""
    others, affected = found.wafers - found.value_wafers, found.affected - found.value_affected
    here = f"{found.value_affected} of its {count(found.value_wafers, 'wafer')}, {affected} of the {count(others, 'other')}"
    match found.verdict:
        case "goes with":
            return f"goes with {found.value}: {here}"
        case "lots alone":
            return f"{found.value}: {here}. But the lots that have it explain as much."
        case "no link":
            return f"no link found; most on {found.value}: {here}"
        case "one value":
            return f"all {count(found.value_wafers, 'wafer')} ran on {found.value}: cannot be told"
        case "not recorded":
            return "not recorded for these wafers"
        case _:
            lots = found.lots if found.lots < commonality.LEAST_LOTS or found.p is None else found.value_lots
            where = "" if lots == found.lots else f" on {found.value}"
            return f"inconclusive: seen in {count(lots, 'lot')}{where}, {commonality.LEAST_LOTS} needed"


def limits(view: LotView) -> list[str]:
    """What the page cannot say."""
    said = list(view.notes)
    if len(view.earlier) >= comparison.LEAST_LOTS:
        said.append(
            "Earlier lots are taken as they were, with their own bad wafers, and as a fair sample of what is usual: a slow drift over them "
            "hides in it."
        )
    if any(r.p is not None for r in view.links):
        said.append("A link is no cause: wafers of one tool may share something else, too. The wafers counted are those that were called.")
    return said


def _who(view: LotView) -> str:
    what = " and ".join(filter(None, (view.product and f"product {view.product}", view.layer and f"layer {view.layer}")))
    noun = "failed die" if view.kind == "dies" else "defect"
    when = f", {view.inspected}" if view.inspected else ""
    total = sum(w.defects for w in view.wafers)
    return f"{count(len(view.wafers), 'wafer')}{f' of {what}' if what else ''}{when}, with {count(total, noun)} in all."


def _signatures(view: LotView) -> list[str]:
    called = [w.called for w in view.wafers if w.called is not None]
    if not called:
        return ["No wafer was called yet, by a person or by a model."]
    shown = Counter(c for c in called if c not in view.normal and c != REVIEW)
    asked = sum(c == REVIEW for c in called)
    rest = f" {count(asked, 'wafer')} {'waits' if asked == 1 else 'wait'} for a person's decision." if asked else ""
    if not shown:
        return [f"None of the {count(len(called), 'called wafer')} shows a signature.{rest}"]
    names = [f"{name} {n}" for name, n in sorted(shown.items(), key=lambda item: (-item[1], item[0]))]
    return [f"{sum(shown.values())} of {count(len(called), 'called wafer')} show a signature: {bounded(names)}.{rest}"]


def _links(links: Sequence[Link]) -> list[str]:
    said = [f"{one.signature} {link(one)} ({one.factor})." for one in links if one.verdict == "goes with"]
    tested = {one.signature for one in links if one.q is not None}
    if tested and not said:
        said.append(f"No link with a tool, chamber, slot or recipe was found for {bounded(sorted(tested))}.")
    untold = sorted({one.signature for one in links} - tested)
    if untold:
        said.append(
            f"Whether {bounded(untold)} {'goes' if len(untold) == 1 else 'go'} with a tool, chamber, slot or recipe cannot be told."
        )
    return said


def _zone(result: ZoneResult) -> str:
    kind, name = result.zone.kind, result.zone.name
    where = {"wafer": "on the whole wafer", "ring": f"in the {name}" if name != "edge" else "at the edge", "sector": f"at the {name}"}
    return where.get(kind, f"at reticle {name}")
