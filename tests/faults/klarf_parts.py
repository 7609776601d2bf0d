"""KLARF of both families in parts, for damage that is the same edit of the same rows and fields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fault import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from fault import Damage
    from numpy.random import Generator

    Rows = list[list[str]]

XREL, YREL, XINDEX, YINDEX = 1, 2, 3, 4


@dataclass
class Klarf:
    """A file of either family in parts: what stands before and behind the rows of its DefectList, and these."""

    before: str
    rows: Rows
    behind: str
    nested: bool

    @classmethod
    def of(cls, whole: str) -> Klarf:
        nested = whole.startswith("Record")
        found = re.search(r"(List DefectList.*?Data \d+\s*\{\n)(.*?)(\n\s*\})" if nested else r"(DefectList\n)(.*?)(;\n)", whole, re.DOTALL)
        assert found is not None
        rows = [line.replace(";", "").split() for line in found[2].splitlines()]
        return cls(whole[: found.end(1)], rows, whole[found.start(3) :], nested)

    def text(self) -> str:
        end = " ;" if self.nested else ""
        lines = [" ".join(("", *row)) + end for row in self.rows]
        # The rows that Data declares are those that there are: what is wrong is something else.
        before = re.sub(r"Data \d+(\s*\{\n)\Z", rf"Data {len(lines)}\1", self.before)
        return before + "\n".join(lines) + self.behind


def in_rows(change: Callable[[Generator, Rows], Rows | None]) -> Damage:
    """The rows of the list, changed in place or returned anew."""

    def act(rng: Generator, whole: str) -> str:
        klarf = Klarf.of(whole)
        klarf.rows = change(rng, klarf.rows) or klarf.rows
        return klarf.text()

    return text(act)


def cell(column: int, *values: str) -> Damage:
    """One cell of a column becomes one of ``values``."""

    def change(rng: Generator, rows: Rows) -> None:
        rows[rng.integers(len(rows))][column] = str(rng.choice(values))

    return in_rows(change)


def scaled(factor: float, columns: tuple[int, ...] = (XREL, YREL), share: float = 1.0) -> Damage:
    """Cells multiplied by ``factor`` in a share of the rows."""

    def change(rng: Generator, rows: Rows) -> None:
        for i in rng.permutation(len(rows))[: max(2, int(len(rows) * share))]:
            for column in columns:
                rows[i][column] = f"{float(rows[i][column]) * factor:.9g}"

    return in_rows(change)


def said(name: str, *values: str) -> Damage:
    """The field ``name`` says one of ``values``; ``None`` = it is left out."""

    def act(rng: Generator, whole: str) -> str:
        value = values[rng.integers(len(values))]
        if whole.startswith("Record"):
            tokens = value.split()
            new = f"Field {name} {len(tokens)} {{{', '.join(tokens)}}}" if value else ""
            return re.sub(rf"Field {name} \d+ \{{[^}}]*\}}", new, whole)
        return re.sub(rf"(?m)^{name} [^;]*;", f"{name} {value};" if value else "", whole)

    return text(act)


def both(*several: Damage) -> Damage:
    """One damage after the other."""

    def damage(rng: Generator, path: object) -> None:
        for one in several:
            one(rng, path)

    return damage


def section(whole: str) -> tuple[int, int]:
    """Where the file speaks of its wafer."""
    if whole.startswith("Record"):
        return whole.index("Record WaferRecord"), whole.index("    Field DeviceID")
    return whole.index("WaferID"), whole.index("EndOfFile")


def again(change: Callable[[Generator, str], str]) -> Damage:
    """The wafer is in the file a second time, changed."""

    def act(rng: Generator, whole: str) -> str:
        other = change(rng, whole)
        begin, end = section(other)
        at = section(whole)[1]
        return whole[:at] + other[begin:end] + whole[at:]

    return text(act)
