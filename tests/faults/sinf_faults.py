"""Faults of SINF."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import clean_files as clean
from fault import cut, faults, matched, text

if TYPE_CHECKING:
    from fault import Damage

ROW = r"RowData:.*"


def _value(name: str, *values: str) -> Damage:
    """A SINF field says one of ``values``."""
    return text(lambda rng, t: re.sub(rf"(?m)^{name}:.*$", f"{name}:{values[rng.integers(len(values))]}", t))


SINF = [
    ("cut in the rows", cut(0.5, 0.9), ("sinf.rows", "sinf.columns", "sinf.cell")),
    ("a row lost", matched(lambda _rng, _row: "", ROW), "sinf.rows"),
    ("a row with a cell missing", matched(lambda _rng, row: row[:-3], ROW), "sinf.columns"),
    ("a cell that is no bin", matched(lambda rng, row: row[:-2] + str(rng.choice(["Z!", "\xe9\xe9", "G."])), ROW), "sinf.cell"),
    ("a count of rows that is none", _value("ROWCT", "x", "-3", "1.5", "", "0"), "sinf.header"),
    ("a count of rows for 10 GB", _value("ROWCT", "999999999", "1000000"), ("sinf.rows", "sinf.header")),
    ("a false count of columns", _value("COLCT", "7", "999999999"), ("sinf.columns", "sinf.header")),
    ("an orientation that is none", _value("FNLOC", "45", "135", "N", "1e3"), "sinf.orientation"),
    ("a unit that is none", _value("DUTMS", "furlong", "parsec", "px"), "sinf.number"),
    (
        "a die as large as ten wafers",
        text(lambda rng, t: re.sub(r"([XY]DIES:).*", rf"\g<1>{rng.integers(3_000, 9_000)}", t)),
        ("wafer.pitch", "wafer.unit"),
    ),
    ("dies in the wrong unit", text(lambda _, t: t.replace("DUTMS:mm", "DUTMS:um")), "wafer.unit"),
    ("no die", text(lambda _, t: re.sub(r"RowData:.*", lambda m: re.sub(r"[01][1F]", "__", m[0]), t)), "wafer.no_die"),
]

KINDS = faults("sinf", clean.sinf, SINF)
