"""Defect lists of one file: one layout of image lists for all of them, decided by vote before the first is read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from inspection.errors import FormatError
from inspection.formats.klarf_columns import columns
from inspection.formats.klarf_images import Layout, Spec, on_lines, row_starts, tokens_of
from inspection.formats.klarf_rowtext import Tokens, tokenise
from inspection.formats.klarf_tokens import has_noise, line_of, text, without_noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.params import Ingest

RawList: TypeAlias = tuple[Spec, tuple[tuple[int, int], ...], int]
"""One DefectList record: its spec, the byte ranges of its rows, and where it begins."""


@dataclass(slots=True)
class _Run:
    """Lists of one wafer that follow each other under one spec, read as one list."""

    spec: Spec
    tokens: Tokens
    parts: tuple[tuple[int, int], ...]
    at: int
    starts: NDArray[np.int64] | None = None

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
        return cls(lists[0][0], tokenise(raw), parts, lists[0][2])


@dataclass(slots=True)
class DefectLists:
    """The defect lists of a file, wafer by wafer, with the layout chosen for each spec."""

    runs: list[list[_Run]]
    chosen: dict[Spec, Layout | None]

    @classmethod
    def decide(cls, data: bytes, wafers: Sequence[Sequence[RawList]], limits: Ingest) -> DefectLists:
        """Choose per spec the layout that fits every list; among several, the one whose rows begin the most lines.

        Raises
        ------
        FormatError
            ``klarf.rows``: no layout fits; ``klarf.defects``: more defects than ``limits.max_defects``.
        """
        runs = [[_Run.of(data, list(lists)) for _, lists in groupby(wafer, key=lambda raw: raw[0])] for wafer in wafers]
        chosen: dict[Spec, Layout | None] = {}
        for spec in dict.fromkeys(run.spec for wafer in runs for run in wafer):
            chosen[spec] = _vote(data, spec, [run for wafer in runs for run in wafer if run.spec == spec])
        for wafer in runs:
            rows = sum(len(run.starts) - 1 for run in wafer if run.starts is not None)
            if rows > limits.max_defects:
                raise FormatError(
                    "klarf.defects",
                    where=line_of(data, wafer[0].at),
                    expected=f"at most {limits.max_defects} defects",
                    got=rows,
                    action="Raise ingest.max_defects in params.yaml if the wafer is meant to hold that many.",
                )
        return cls(runs, chosen)

    def columns(self, wafer: int) -> dict[str, NDArray]:
        """Columns of all lists of one wafer, one after the other; a column that not all of them have is left out.

        The lists are gone afterwards: a file's text and its columns are not kept twice.
        """
        parts = []
        for run in self.runs[wafer]:
            if run.starts is not None:
                layout = self.chosen[run.spec]
                parts.append(columns(run.tokens, run.starts, _places(run.spec, layout)))
        self.runs[wafer] = []
        if not parts:
            return {n: np.empty(0) for n in ("XINDEX", "YINDEX", "XREL", "YREL")}
        if len(parts) == 1:
            return parts[0]
        shared = [n for n in parts[0] if all(n in p for p in parts)]
        return {n: np.concatenate([p[n] for p in parts]) for n in shared}


def _places(spec: Spec, layout: Layout | None) -> dict[str, int]:
    """Place of each column in a row; those behind the image list are counted from the row's end."""
    width = len(spec.names)
    behind = layout is not None
    return {n: i - width if behind and i > spec.list_at else i for i, n in enumerate(spec.names) if i != spec.list_at}


def _vote(data: bytes, spec: Spec, runs: Sequence[_Run]) -> Layout | None:
    """The layout of all ``runs``; each gets its rows by it."""
    layouts = spec.layouts
    votes: Counter[int] = Counter()
    fits = dict.fromkeys(range(len(layouts)))
    starts: list[dict[int, NDArray[np.int64]]] = []
    for run in runs:
        found = {i: s for i in fits if (s := row_starts(run.tokens, spec, layouts[i])) is not None}
        fits = dict.fromkeys(found)
        if not fits:
            raise _unfit(data, run)
        if len({len(s) for s in found.values()}) > 1:
            for i, rows in found.items():
                votes[i] += on_lines(run.tokens, rows)
        starts.append(found)
    # Listed likeliest first: on equal votes the earlier one stands.
    best = max(fits, key=lambda i: votes[i])
    for run, found in zip(runs, starts, strict=True):
        run.starts = found[best]
    return layouts[best]


def _unfit(data: bytes, run: _Run) -> FormatError:
    return FormatError(
        "klarf.rows",
        where=f"DefectList at {line_of(data, run.at)}",
        expected=f"rows of the {len(run.spec.names)} columns of DefectRecordSpec",
        got=f"{len(run.tokens.values)} tokens that fill no whole number of rows; {_odd_line(data, run)}",
        action="The list is cut or damaged: hand the file in again when it is complete.",
    )


def _odd_line(data: bytes, run: _Run) -> str:
    """The first line with another number of tokens than most lines have, for an error message."""
    counts = [(a, tokens_of(data[a:b]), b) for a, b in _lines(data, run.parts)]
    counts = [c for c in counts if c[1]]
    if not counts:
        return "no rows"
    usual = Counter(c[1] for c in counts).most_common(1)[0][0]
    odd = next((c for c in counts if c[1] != usual), None)
    if odd is None:
        return f"{len(counts)} lines of {usual} tokens"
    begin, size, end = odd
    return f"{size} tokens in {line_of(data, begin)} where most lines have {usual}: `{text(data[begin:end].strip())[:80]}`"


def _lines(data: bytes, parts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Byte ranges of the lines of some parts of a file."""
    out = []
    for begin, end in parts:
        at = begin
        for line in data[begin:end].splitlines(keepends=True):
            out.append((at, at + len(line)))
            at += len(line)
    return out
