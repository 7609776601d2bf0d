"""Defect lists of one file: one layout of image lists for all of them, decided by vote before the first is read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from inspection.errors import FormatError
from inspection.formats.klarf_columns import Tokens, columns, first_odd_line, tokenise
from inspection.formats.klarf_images import Layout, Spec, on_lines, row_starts
from inspection.formats.klarf_tokens import line_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from inspection.params import Ingest

RawList: TypeAlias = tuple[Spec, tuple[tuple[int, int], ...], int]
"""One DefectList record: its spec, the byte ranges of its rows, and where it begins."""


@dataclass(slots=True)
class DefectLists:
    """How the defect lists of a file are to be read: the layout of each spec, and the tokens not yet used."""

    chosen: dict[Spec, Layout | None]
    tokens: dict[int, Tokens]
    limits: Ingest

    @classmethod
    def decide(cls, data: bytes, wafers: Sequence[Sequence[RawList]], limits: Ingest) -> DefectLists:
        """Choose per spec the layout that fits every list; among several, the one whose rows begin the most lines.

        Raises
        ------
        FormatError
            ``klarf.truncated``: no layout fits; ``klarf.defects``: more defects than ``limits.max_defects``.
        """
        joined: dict[Spec, list[RawList]] = {}
        for wafer in wafers:
            for raw in wafer:
                joined.setdefault(raw[0], []).append(raw)
        tokens = {at: tokenise([data[a:b] for a, b in parts]) for raws in joined.values() for _, parts, at in raws}
        return cls({spec: _vote(data, spec, raws, tokens) for spec, raws in joined.items()}, tokens, limits)

    def columns(self, data: bytes, lists: Sequence[RawList]) -> dict[str, NDArray]:
        """Columns of all lists of one wafer, one after the other; a column that not all of them have is left out.

        Raises
        ------
        FormatError
            ``klarf.defects``: more defects than ``limits.max_defects``.
        """
        parts: list[dict[str, NDArray]] = []
        for spec, group in _by_spec(lists):
            tokens = Tokens.joined([self.tokens.pop(at) for _, _, at in group])
            starts = row_starts(tokens, spec, self.chosen[spec])
            if starts is None:
                raise _unfit(data, spec, tokens, group[0][2])
            if len(starts) > self.limits.max_defects:
                raise FormatError(
                    "klarf.defects",
                    where=line_of(data, group[0][2]),
                    expected=f"at most {self.limits.max_defects} defects",
                    got=len(starts),
                    action="Raise ingest.max_defects in params.yaml if the wafer is meant to hold that many.",
                )
            parts.append(columns(tokens, spec, starts, self.chosen[spec]))
        if not parts:
            return {n: np.empty(0) for n in ("XINDEX", "YINDEX", "XREL", "YREL")}
        if len(parts) == 1:
            return parts[0]
        shared = [n for n in parts[0] if all(n in p for p in parts)]
        return {n: np.concatenate([p[n] for p in parts]) for n in shared}


def _by_spec(lists: Sequence[RawList]) -> list[tuple[Spec, list[RawList]]]:
    """Runs of lists under the same spec."""
    runs: list[tuple[Spec, list[RawList]]] = []
    for raw in lists:
        if runs and runs[-1][0] == raw[0]:
            runs[-1][1].append(raw)
        else:
            runs.append((raw[0], [raw]))
    return runs


def _vote(data: bytes, spec: Spec, raws: Sequence[RawList], read: Mapping[int, Tokens]) -> Layout | None:
    layouts = list(spec.layouts)
    if len(layouts) == 1:
        return layouts[0]
    votes: Counter[int] = Counter()
    fits = set(range(len(layouts)))
    for raw in raws:
        tokens = read[raw[2]]
        starts = {i: row_starts(tokens, spec, layouts[i]) for i in sorted(fits)}
        fits = {i for i, s in starts.items() if s is not None}
        if not fits:
            raise _unfit(data, spec, tokens, raw[2])
        different = {len(s): i for i, s in starts.items() if s is not None}
        if len(different) > 1:
            for i in fits:
                found = starts[i]
                votes[i] += on_lines(tokens, found) if found is not None else 0
    # Listed likeliest first: on equal votes the earlier one stands.
    return layouts[max(sorted(fits), key=lambda i: votes[i])]


def _unfit(data: bytes, spec: Spec, tokens: Tokens, at: int) -> FormatError:
    return FormatError(
        "klarf.rows",
        where=f"DefectList at {line_of(data, at)}",
        expected=f"rows of the {len(spec.names)} columns of DefectRecordSpec",
        got=f"{len(tokens.values)} tokens that fill no whole number of rows; {first_odd_line(tokens)}",
        action="The list is cut or damaged: hand the file in again when it is complete.",
    )
