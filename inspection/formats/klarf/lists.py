"""Defect lists of one file: one layout of image lists for all of them, decided by vote before the first is read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from inspection.formats.klarf.columns import Columns, check_count, concatenated, length
from inspection.formats.klarf.images import Layout, RowForm, Spec, on_lines, row_starts
from inspection.formats.klarf.rowtext import Tokens, is_long, line_end, tokenise
from inspection.formats.klarf.tokens import has_noise, line_of, without_noise
from inspection.formats.klarf.unfit import unfit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from inspection.params import Ingest

_SAMPLE = 1 << 16

RawList: TypeAlias = tuple[Spec, tuple[tuple[int, int], ...], int]
"""One DefectList record: its spec, the byte ranges of its rows, and where it begins."""


@dataclass(slots=True)
class _Run:
    """Lists of one wafer that follow each other under one spec, read as one list."""

    spec: Spec
    raw: bytes | memoryview
    parts: tuple[tuple[int, int], ...]
    at: int
    starts: dict[Layout | None, NDArray[np.int64]] = field(default_factory=dict)
    _tokens: Tokens | None = None

    @classmethod
    def of(cls, data: bytes, lists: Sequence[RawList]) -> _Run:
        parts = tuple(p for _, ps, _ in lists for p in ps)
        raw: bytes | memoryview
        if len(parts) == 1:
            begin, end = parts[0]
            raw = memoryview(data)[begin : end + 1]  # with the `;` behind it
        else:
            raw = b";".join(data[a:b] for a, b in parts) + b";"
        if any(has_noise(data, a, b) for a, b in parts):
            raw = without_noise(bytes(raw))
        return cls(lists[0][0], raw, parts, lists[0][2])

    @property
    def tokens(self) -> Tokens:
        if self._tokens is None:
            self._tokens = tokenise(self.raw)
        return self._tokens

    def fitting(self, layouts: Iterable[Layout | None], *, sample: bool = False) -> dict[Layout | None, NDArray[np.int64]]:
        """Those of ``layouts`` that the list fits, with its rows; by the first rows of a long list alone if a ``sample`` will do."""
        sample = sample and is_long(len(self.raw))
        begin = tokenise(self.raw[: line_end(np.frombuffer(self.raw, dtype=np.uint8), _SAMPLE)]) if sample else self.tokens
        found = {layout: row_starts(begin, RowForm.of(self.spec, layout), cut=sample) for layout in layouts}
        fits = {layout: starts for layout, starts in found.items() if starts is not None}
        if not sample:
            self.starts = fits
        return fits

    def stream(self, layout: Layout | None, most: int) -> dict[str, NDArray] | None:
        """Columns of a long list of plain numbers, whose rows have this ``layout``; None where it is another one."""
        if self.starts or not is_long(len(self.raw)):
            return None
        return Columns(_places(self.spec, layout)).stream(self.raw, RowForm.of(self.spec, layout), most)

    def columns(self, data: bytes, layout: Layout | None, limits: Ingest, before: int) -> dict[str, NDArray]:
        """Columns of the list, whose rows have the chosen ``layout``; the wafer has ``before`` defects already."""
        if not self.starts and not self.fitting([layout]):
            raise unfit(data, self.spec, self.tokens, self.parts, self.at)
        starts = self.starts[layout]
        check_count(before + len(starts) - 1, limits, f"DefectList at {line_of(data, self.at)}")
        return Columns(_places(self.spec, layout)).take(self.tokens, starts)


@dataclass(slots=True)
class DefectLists:
    """The defect lists of a file, wafer by wafer, and the layouts that are possible for each spec, the chosen one first."""

    runs: list[list[_Run]]
    layouts: dict[Spec, list[Layout | None]]

    @classmethod
    def decide(cls, data: bytes, wafers: Sequence[Sequence[RawList]]) -> DefectLists:
        """Choose per spec the layout that fits every list; among several, the one whose rows begin the most lines.

        Raises
        ------
        FormatError
            ``klarf.rows``: no layout fits.
        """
        runs = [[_Run.of(data, list(lists)) for _, lists in groupby(wafer, key=lambda raw: raw[0])] for wafer in wafers]
        made = cls(runs, {})
        for spec in dict.fromkeys(run.spec for wafer in runs for run in wafer):
            made.layouts[spec] = _settled(spec, made.of(spec)) or [_vote(data, spec, made.of(spec))]
        return made

    def of(self, spec: Spec) -> list[_Run]:
        """Lists under one spec that are still to be read."""
        return [run for wafer in self.runs for run in wafer if run.spec == spec]

    def columns(self, data: bytes, wafer: int, limits: Ingest, before: int = 0) -> dict[str, NDArray]:
        """Columns of all lists of one wafer, one after the other; a column that not all of them have is left out.

        The lists are gone afterwards: text and columns are not kept twice. ``before``: so many defects the wafer has already.

        Raises
        ------
        FormatError
            ``klarf.rows``: rows of another width; ``klarf.defects``: more defects than ``limits.max_defects``.
        """
        parts: list[dict[str, NDArray]] = []
        for run in self.runs[wafer]:
            parts.append(self._columns(data, run, limits, before))
            before += length(parts[-1])
        self.runs[wafer] = []
        return concatenated(parts)

    def _columns(self, data: bytes, run: _Run, limits: Ingest, before: int) -> dict[str, NDArray]:
        layouts = self.layouts[run.spec]
        found = run.stream(layouts[0], limits.max_defects - before)
        # Layouts that agreed on the first rows agree on all of them if no row has an image.
        if found is not None and (len(layouts) == 1 or ("IMAGECOUNT" in found and not found["IMAGECOUNT"].any())):
            return found
        if len(layouts) > 1:
            layouts[:] = [_vote(data, run.spec, self.of(run.spec))]
        return run.columns(data, layouts[0], limits, before)


def _places(spec: Spec, layout: Layout | None) -> dict[str, int]:
    """Place of each column in a row; those behind the image list are counted from the row's end."""
    width, at = len(spec.names), spec.list_at
    return {n: i - width if layout is not None and i > at else i for i, n in enumerate(spec.names) if i != at}


def _settled(spec: Spec, runs: Sequence[_Run]) -> list[Layout | None]:
    """The layouts that fit the first rows of all ``runs`` if all of them give the same rows; none where it takes a vote."""
    fits = list(spec.layouts)
    for run in runs:
        found = run.fitting(fits, sample=True)
        fits = list(found)
        if not fits or not all(np.array_equal(starts, found[fits[0]]) for starts in found.values()):
            return []
    return fits


def _vote(data: bytes, spec: Spec, runs: Sequence[_Run]) -> Layout | None:
    """The layout of all ``runs``."""
    fits = list(spec.layouts)
    for run in runs:
        fits = list(run.fitting(fits))
        if not fits:
            raise unfit(data, run.spec, run.tokens, run.parts, run.at)
    votes: Counter[Layout | None] = Counter()
    for run in runs:
        if len({len(run.starts[layout]) for layout in fits}) > 1:
            votes.update({layout: on_lines(run.tokens, run.starts[layout]) for layout in fits})
    # Listed likeliest first: on equal votes the earlier one stands.
    return max(fits, key=lambda layout: votes[layout])
