"""The sentence of an alert: what, where, how many, how sure, what the wafers share, what to do next."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from inspection.alerting.advice import advise
from inspection.errors import bounded
from inspection.wafer.taxonomy import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from inspection.alerting.rules import Place, Signal, Tally

NAMED_WAFERS = 8
"""At most this many wafers are named in a summary."""


def summarise(
    place: Place,
    signature: str,
    severity: str,
    *,
    wafers: Sequence[Signal],
    seen: Sequence[Signal],
    tally: Tally | None,
) -> str:
    """Text of one event.

    Parameters
    ----------
    place, signature, severity
        Of the event.
    wafers : sequence of Signal
        One per wafer that shows the signature; at least one.
    seen : sequence of Signal
        Every signal given for the place.
    tally : Tally or None
        Counts where ``seen`` is not all of the place.
    """
    count, total = len(wafers), len({s.identity for s in seen})
    if tally is not None:
        count, total = max(count, tally.shows.get(signature, 0)), max(total, tally.wafers)
    what = "Unknown pattern" if signature == UNKNOWN else signature
    unit = ("wafer" if total == 1 else "wafers") + ("" if tally is None else " so far")
    sentences = [
        f"{what} ({severity}) on {count} of {total} {unit} of {_where(place, wafers)}.",
        _odds(signature, wafers, whole=count == len(wafers)),
    ]
    if place.lot:
        named = [s.wafer for s in wafers if s.wafer]
        if named:
            sentences.append(f"Wafers: {bounded(named, NAMED_WAFERS)}.")
    others = seen if place.lot else ()  # of a source without lots only the latest signals are at hand
    for name, of in (("tool", lambda s: s.tool), ("chamber", lambda s: s.chamber)):
        sentences.append(_common(name, wafers, others, of))
    sentences.append(str(advise(signature)))
    return " ".join(sentence for sentence in sentences if sentence)


def _where(place: Place, wafers: Sequence[Signal]) -> str:
    parts = [f"lot {place.lot}" if place.lot else f"source {place.source or 'without a name'}"]
    layers, products = _distinct(s.layer for s in wafers), _distinct(s.product for s in wafers)
    if layers:
        parts.append(f"layer {bounded(layers, 3)}")
    if products:
        parts.append(f"product {bounded(products, 3)}")
    return ", ".join(parts)


def _odds(signature: str, wafers: Sequence[Signal], *, whole: bool) -> str:
    share = fmean(sorted(s.probability for s in wafers))
    mean = f"mean probability {'above 0.99' if 0.995 <= share < 1.0 else f'{share:.2f}'}"  # nothing is certain
    if not whole:
        mean += f" over the {len(wafers)} latest"
    if signature == UNKNOWN:
        nearest = _distinct(s.label for s in wafers)
        return f"Nearest known class: {bounded(nearest, 3)} ({mean})."
    return f"{mean.capitalize()}."


def _common(name: str, wafers: Sequence[Signal], seen: Sequence[Signal], of: Callable[[Signal], str]) -> str:
    """What the wafers share, against the wafers of the place that do not show the signature."""
    shared = _distinct(of(s) for s in wafers)
    if len(wafers) < 2 or len(shared) != 1 or any(not of(s) for s in wafers):
        return ""
    affected = {s.identity for s in wafers}
    others = {s.identity: of(s) for s in sorted(seen, key=lambda s: (s.file_sha256, s.index)) if s.identity not in affected}
    here = sum(value == shared[0] for value in others.values())
    text = f"All affected wafers ran on {name} {shared[0]}"
    if not others:
        return f"{text}."
    return f"{text}, {'as did all others' if here == len(others) else f'as did {here} of the {len(others)} others'}."


def _distinct(values: Iterable[str]) -> list[str]:
    return sorted({value for value in values if value})
