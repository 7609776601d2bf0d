"""Faults of tables of points, CSV and Parquet, and of their sidecars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import clean_files as clean
from fault import WAFER, content, cut, faults, replaced, text
from klarf_faults import MOST_DEFECTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa
    from fault import Damage
    from numpy.random import Generator

    Rows = list[list[str]]

LOT, WAFER_NAME, X, Y, SIZE = range(5)


def rows(change: Callable[[Generator, Rows], Rows | None], delimiter: str = ",") -> Damage:
    """The rows behind the header, changed in place or returned anew."""

    def act(rng: Generator, whole: str) -> str:
        header, *lines = whole.splitlines()
        cells = [line.split(delimiter) for line in lines]
        return "\n".join([header, *map(delimiter.join, change(rng, cells) or cells)]) + "\n"

    return text(act)


def cell(column: int, *values: str) -> Damage:
    """One cell of a column becomes one of ``values``."""

    def change(rng: Generator, cells: Rows) -> None:
        cells[rng.integers(len(cells))][column] = values[rng.integers(len(values))]

    return rows(change)


def scaled(factor: float, shift: float = 0.0, share: float = 1.0) -> Damage:
    """Places multiplied and moved in a share of the rows."""

    def change(rng: Generator, cells: Rows) -> None:
        for i in rng.permutation(len(cells))[: max(9, int(len(cells) * share))]:
            for column in (X, Y):
                cells[i][column] = f"{float(cells[i][column]) * factor + shift:.9g}"

    return rows(change)


def sidecar(*texts: str) -> Damage:
    """A sidecar beside the table that says one of ``texts``."""

    def damage(rng: Generator, path: Path) -> None:
        path.with_name(path.name + ".yaml").write_text(texts[rng.integers(len(texts))])

    return damage


def more(names: str, values: Callable[[Generator, int], str]) -> Damage:
    """Further columns, with their values by row."""

    def act(rng: Generator, whole: str) -> str:
        header, *lines = whole.splitlines()
        return "\n".join([f"{header},{names}", *(f"{line},{values(rng, i)}" for i, line in enumerate(lines))]) + "\n"

    return text(act)


def _shorter(rng: Generator, cells: Rows) -> None:
    cells[rng.integers(len(cells))].pop()


def _stuck(rng: Generator, cells: Rows) -> Rows:
    return [*cells, *[cells[rng.integers(len(cells))]] * (4 * len(cells))]


def _many(rng: Generator, cells: Rows) -> Rows:
    one = cells[: int(rng.integers(5, 40))]
    return one * (MOST_DEFECTS // len(one) + 2)


def _nul(rng: Generator, whole: bytes) -> bytes:
    at = int(rng.integers(len(whole) // 2))
    return whole[:at] + b"\0" * int(rng.integers(1, 20)) + whole[at:]


MERGES = "a: &a {x0: 0}\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)}\n  <<: [{', '.join(['*' + chr(97 + i)] * 9)}]\n  x{i + 1}: 0\n" for i in range(12)
)
MERGES += "lot: *m\n"
"""A YAML text whose merge keys unfold to 9 to the 12th: the billion laughs of YAML."""

CSV = [
    ("a row with a cell missing", rows(_shorter), "points.row"),
    ("a word for a place", cell(X, "abc", "1.2.3", "--", "1_0", "0x1F"), "points.number"),
    ("a place missing", cell(Y, "", "NA", "nan"), "points.place"),
    ("an infinite place", cell(X, "inf", "-inf", "1e999"), "points.place"),
    ("a row without its wafer", cell(WAFER_NAME, ""), "points.wafer"),
    ("a header alone", content(lambda rng, c: c.split(b"\n")[0] + b"\n" * int(rng.integers(1, 60))), "points.empty"),
    ("points off the wafer", scaled(40.0, share=0.2), ("wafer.outside", "wafer.unit")),
    ("places in nm under a header that says um", scaled(1e3), "wafer.unit"),
    ("places in mm under a header that says um", scaled(1e-3), "wafer.unit"),
    ("places counted from the corner of the wafer", scaled(1.0, clean.RADIUS_UM), "wafer.frame"),
    ("a stuck writer: one row over and over", rows(_stuck), "wafer.repeated", WAFER),
    ("more defects than the limit", rows(_many), "points.defects"),
    ("no column for y", replaced("y_um", "column_{}"), "format.unknown"),
    ("a column named twice", replaced("size", "x_um"), "format.unknown"),
    ("a die pitch that is none", more("x_pitch_um,y_pitch_um", lambda rng, _: f"{rng.choice(['0', '-5', 'nan'])},4000"), "points.pitch"),
    ("a die pitch that varies", more("x_pitch_um,y_pitch_um", lambda rng, _: f"{rng.integers(3_000, 9_000)},4000"), "points.pitch"),
    ("a diameter that is none", more("wafer_diameter_mm", lambda rng, _: rng.choice(["-3", "0", "nan"])), "points.diameter"),
    ("NUL bytes", content(_nul), "format.unknown"),
    ("another unit in the sidecar than in the header", sidecar("unit: mm", "unit: nm"), "points.unit"),
    ("a sidecar that names a column that is not there", sidecar("columns: {x: across}", "columns: {lot: batch}"), "points.columns"),
    ("a sidecar of no known meaning", sidecar("columns: {z: x_um}", "columns: {wafers: wafer}"), "points.sidecar"),
    (
        "a sidecar that is no YAML",
        sidecar("{", "a: b: c", "- 1", "\t", "[" * 20_000, "!!python/object/apply:os.system [id]"),
        "points.sidecar",
    ),
    (
        "a sidecar out of its domain",
        sidecar("diameter_mm: -3", "origin: north", "die_pitch_um: [0, 1]", "unit: furlong", "slot: x"),
        "points.sidecar",
    ),
    ("a sidecar that unfolds without end", sidecar(MERGES), "points.sidecar"),
]
BY_SIDECAR = [
    ("a mapping of another table", replaced("across,", "sideways{},"), "points.columns"),
    ("a mapping of one axis", sidecar("columns: {x: across}", "columns: {y: upward}"), ("points.columns", "format.unknown")),
]


# --- Parquet


def table(change: Callable[[Generator, dict], dict | None], **options: object) -> Damage:
    """The columns of a Parquet file, changed and written again."""

    def damage(rng: Generator, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = pq.read_table(path).to_pydict()
        pq.write_table(pa.table(change(rng, columns) or columns), path, **options)

    return damage


def one(name: str, value: Callable[[Generator, list], list]) -> Damage:
    def change(rng: Generator, columns: dict) -> None:
        columns[name] = value(rng, columns[name])

    return table(change)


def poked(name: str, *values: object) -> Damage:
    """One element of a column becomes one of ``values``."""

    def value(rng: Generator, column: list) -> list:
        column[rng.integers(len(column))] = values[rng.integers(len(values))]
        return column

    return one(name, value)


def _bomb(rng: Generator, _columns: dict) -> dict[str, pa.Array]:
    import pyarrow as pa

    many = int(rng.integers(400_000, 900_000))
    return {name: pa.repeat(value, many) for name, value in {"wafer": "01", "x_um": 1.0, "y_um": 2.0}.items()}


def _footer(rng: Generator, whole: bytes) -> bytes:
    size = int.from_bytes(whole[-8:-4], "little")
    claimed = int(rng.integers(size + 1, 2**31))
    return whole[:-8] + claimed.to_bytes(4, "little") + whole[-4:]


PARQUET = [
    ("cut in the middle", cut(), "points.damaged"),
    ("a footer that claims 2 GB", content(_footer), "points.damaged"),
    ("words for places", one("x_um", lambda rng, column: [f"{v}{rng.integers(9)}" for v in column]), "points.number"),
    ("a place missing", poked("x_um", None), "points.place"),
    ("an infinite place", poked("y_um", float("inf"), float("-inf"), float("nan")), "points.place"),
    ("a row without its wafer", poked("wafer", None), "points.wafer"),
    ("no column for y", table(lambda _, columns: columns.pop("y_um") and None), "points.columns"),
    ("lists in the place of numbers", one("x_um", lambda _, column: [[v] for v in column]), "points.columns"),
    ("points off the wafer", one("x_um", lambda rng, column: [v * rng.uniform(30, 50) for v in column]), ("wafer.outside", "wafer.unit")),
    ("a bomb: one row half a million times", table(_bomb, compression="zstd"), ("points.size", "points.defects")),
]

KINDS = [
    *faults("points", clean.csv, [(f"CSV, {what}", *rest) for what, *rest in CSV]),
    *faults("points", clean.mapped_csv, [(f"CSV, {what}", *rest) for what, *rest in BY_SIDECAR]),
    *faults("points", clean.parquet, [(f"Parquet, {what}", *rest) for what, *rest in PARQUET]),
]
