"""The alert rules: plain signals in, events out. Pure: the order of the signals changes nothing.

A *place* is a lot and layer, or a whole source where the source names no lots (archives). One place and one
signature make one event, however many wafers show it and whichever rule found it first: twenty-five wafers of one
excursion are one alert.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from inspection.alerting.summary import summarise
from inspection.wafer.taxonomy import REVIEW, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from inspection.params import Alert
    from inspection.wafer.taxonomy import Severity

EXCURSION, AT_ONCE, UNKNOWN_PATTERN = "excursion", "at_once", "unknown"
"""Rules, in the order in which they name an event that several of them find."""

UNKNOWN_SEVERITY: Severity = "medium"
"""Nobody knows yet how bad an unknown pattern is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One decision about one wafer, with what is known of the wafer.

    ``probability`` in [0, 1] is that of ``decision`` (of ``label`` where the decision is no class). ``severity`` is
    that of ``decision``'s class; "none" marks a class that counts as normal.
    """

    file_sha256: str
    index: int
    lot: str
    wafer: str
    layer: str
    product: str
    tool: str
    chamber: str
    decision: str
    label: str
    probability: float
    severity: Severity
    inspected_at: datetime | None = None
    row: int = -1
    source: str = ""

    @property
    def place(self) -> Place:
        """Where an event of this wafer belongs."""
        return Place(self.lot, self.layer) if self.lot else Place(source=self.source)

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes two inspections the same wafer: its name inside the lot, else its place in the file."""
        return (self.wafer,) if self.lot and self.wafer else (self.file_sha256, str(self.index))


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A lot and layer, or a source without lots."""

    lot: str = ""
    layer: str = ""
    source: str = ""

    def key(self, signature: str) -> str:
        """The name of the event of ``signature`` here; printable ASCII, and different events never share one."""
        parts = ("lot", self.lot, self.layer) if self.lot else ("source", self.source)
        return "/".join(quote(part, safe="") for part in (*parts, signature))


@dataclass(frozen=True, slots=True)
class Tally:
    """Wafers seen at a place, and how many of them show each decision."""

    wafers: int
    shows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class EventWafer:
    """One wafer of an event: its inspection that shows the signature with the highest probability."""

    file_sha256: str
    index: int
    wafer: str
    probability: float


@dataclass(frozen=True, slots=True)
class Event:
    """Something that an engineer should know, once. ``product`` is empty where the wafers do not share one."""

    key: str
    rule: str
    signature: str
    severity: Severity
    lot: str
    layer: str
    product: str
    wafers: tuple[EventWafer, ...]
    summary: str
    source: str = ""


def find_events(
    signals: Iterable[Signal],
    params: Alert,
    opened: Collection[str] = frozenset(),
    tallies: Mapping[Place, Tally] | None = None,
) -> list[Event]:
    """Events that ``signals`` show.

    Parameters
    ----------
    signals : iterable of Signal
        All that is known of each place, wafers that are normal included (they are the "of how many"); where that is
        too much, the latest signals together with ``tallies``.
    params : Alert
        An excursion is ``min_wafers`` distinct wafers of one signature (``unknown_wafers`` of Unknown) at one place; a class whose
        severity is in ``at_once`` needs one wafer of probability >= ``min_probability``.
    opened : collection of str
        Keys of the events that have an alert already: these come back with one wafer, so that their alert can be
        brought up to date.
    tallies : mapping of Place to Tally, optional
        Counts for places whose signals are not all given.

    Returns
    -------
    list of Event
        At most one per key, sorted by key. New are those whose key is not in ``opened``.
    """
    places: dict[Place, list[Signal]] = defaultdict(list)
    for signal in signals:
        places[signal.place].append(signal)
    tallies = {} if tallies is None else tallies
    found = [e for place in sorted(places) for e in _at(place, places[place], params, opened, tallies.get(place))]
    return sorted(found, key=lambda event: event.key)


def _at(place: Place, signals: list[Signal], params: Alert, opened: Collection[str], tally: Tally | None) -> Iterable[Event]:
    shown: dict[str, dict[tuple[str, ...], Signal]] = defaultdict(dict)
    for signal in signals:
        if signal.decision == REVIEW or (signal.severity == "none" and signal.decision != UNKNOWN):
            continue
        wafers = shown[signal.decision]
        known = wafers.get(signal.identity)
        if known is None or _rank(signal) > _rank(known):
            wafers[signal.identity] = signal
    for signature, wafers in shown.items():
        key = place.key(signature)
        chosen = sorted(wafers.values(), key=lambda s: (s.wafer, s.file_sha256, s.index))
        rule = _rule(signature, chosen, params)
        if rule is None and key in opened:
            rule = UNKNOWN_PATTERN if signature == UNKNOWN else EXCURSION  # the alert keeps the rule that opened it
        if rule is None:
            continue
        severity = UNKNOWN_SEVERITY if signature == UNKNOWN else max(chosen, key=_rank).severity
        yield Event(
            key=key,
            rule=rule,
            signature=signature,
            severity=severity,
            lot=place.lot,
            layer=place.layer,
            product=_shared(s.product for s in chosen),
            wafers=tuple(EventWafer(s.file_sha256, s.index, s.wafer, s.probability) for s in chosen),
            summary=summarise(place, signature, severity, wafers=chosen, seen=signals, tally=tally),
            source=place.source,
        )


def _rule(signature: str, wafers: list[Signal], params: Alert) -> str | None:
    if signature == UNKNOWN:
        return UNKNOWN_PATTERN if len(wafers) >= params.unknown_wafers else None
    if len(wafers) >= params.min_wafers:
        return EXCURSION
    if any(s.severity in params.at_once and s.probability >= params.min_probability for s in wafers):
        return AT_ONCE
    return None


def _rank(signal: Signal) -> tuple[float, str, int]:
    return signal.probability, signal.file_sha256, signal.index


def _shared(values: Iterable[str]) -> str:
    """The one value that all share, else empty."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else ""
