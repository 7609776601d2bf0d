"""Why a wafer raised an alert, or none: the alert rules, step by step with their numbers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspection.alerting.rules import find_events
from inspection.wafer.taxonomy import REVIEW, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from inspection.alerting.rules import Signal
    from inspection.params import Alert


def why_alerted(signal: Signal, here: Sequence[Signal], params: Alert, opened: Collection[str]) -> list[tuple[str, str, str]]:
    """(question, what was found, what follows) for one wafer.

    Parameters
    ----------
    signal : Signal
        Of the wafer.
    here : sequence of Signal
        The latest of every wafer at its place, itself included.
    params : Alert
    opened : collection of str
        Keys of the alerts that exist.
    """
    if signal.decision == REVIEW:
        return [("Can it alert?", f"{REVIEW} waits for a person and alerts nobody", "no alert")]
    if signal.severity == "none" and signal.decision != UNKNOWN:
        return [("Can it alert?", f"{signal.decision} counts as normal", "no alert")]
    place = f"lot {signal.lot}" + (f", layer {signal.layer}" if signal.layer else "") if signal.lot else f"source {signal.source}"
    alike = {s.identity for s in here if s.decision == signal.decision} | {signal.identity}
    wanted = params.unknown_wafers if signal.decision == UNKNOWN else params.min_wafers
    enough, seen = len(alike) >= wanted, len({s.identity for s in here} | {signal.identity})
    rule = "alert.unknown_wafers" if signal.decision == UNKNOWN else "alert.min_wafers"
    found = f"{signal.decision} on {len(alike)} of {seen} wafers of {place}; an excursion has {wanted} ({rule})"
    steps = [("Do enough wafers show it?", found, "yes" if enough else "no")]
    if not enough and signal.decision != UNKNOWN:
        severe, sure = signal.severity in params.at_once, signal.probability >= params.min_probability
        found = f"severity {signal.severity} ({', '.join(params.at_once) or 'none'} do), "
        found += f"probability {signal.probability:.1%} (at least {params.min_probability:.0%})"
        steps.append(("Does one wafer suffice?", found, "yes" if severe and sure else "no"))
    key = signal.place.key(signal.decision)
    due = any(event.key == key for event in find_events(here, params))
    if key in opened:
        steps.append(("The alert", f"{signal.decision} of {place} has one", "alerted, once for all of its wafers"))
    elif due:
        steps.append(("The alert", "the rules call for one that is not there yet", "`inspection alerts` judges and sends it"))
    else:
        steps.append(("The alert", "no rule holds", "no alert"))
    return steps
