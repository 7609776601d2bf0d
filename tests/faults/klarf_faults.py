"""Faults of KLARF: those of both families, of the line family and of the nested one."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import clean_files as clean
import numpy as np
from fault import NOTED, content, cut, faults, replaced, text
from klarf_parts import XINDEX, XREL, YINDEX, YREL, Klarf, again, both, cell, in_rows, said, scaled

if TYPE_CHECKING:
    from fault import Damage
    from klarf_parts import Rows
    from numpy.random import Generator

MOST_DEFECTS = 2_000
"""The corpus is ingested with this limit, so that "too many" are not many."""


def _unit(factor: float) -> Damage:
    """Every length of the map in another unit than the format's, as after a wrong conversion; not the wafer's own size."""
    pair = r"((?:DiePitch|SampleCenterLocation) (?:2 \{)?)([-\d.]+)(,? )([-\d.]+)"

    def act(_rng: Generator, whole: str) -> str:
        return re.sub(pair, lambda m: f"{m[1]}{float(m[2]) * factor:.9g}{m[3]}{float(m[4]) * factor:.9g}", whole)

    return both(scaled(factor), text(act))


def _brace_lost(rng: Generator, whole: str) -> str:
    at = [m.start() for m in re.finditer("}", whole)][-int(rng.integers(1, 5))]
    return whole[:at] + whole[at + 1 :]


def _drop(rng: Generator, rows: Rows) -> None:
    del rows[rng.integers(len(rows))][rng.integers(9)]


def _one_more(rng: Generator, rows: Rows) -> None:
    rows[rng.integers(len(rows))].insert(int(rng.integers(9)), "7")


def _stuck(rng: Generator, rows: Rows) -> Rows:
    row = rows[rng.integers(len(rows))]
    copies = [[str(900 + i), *row[1:]] for i in range(2 * len(rows))]
    return [*rows, *copies]


def _lost(rng: Generator, rows: Rows) -> Rows:
    return rows[: int(rng.integers(1, len(rows) - 1))]


def _too_many(rng: Generator, rows: Rows) -> Rows:
    many = MOST_DEFECTS // len(rows) + 2
    return [[str(n), *row[1:]] for n, row in enumerate([row for _ in range(many) for row in rows], 1)][
        : MOST_DEFECTS + int(rng.integers(1, 60))
    ]


def _mirrored(_rng: Generator, rows: Rows) -> None:
    for row in rows:
        row[XINDEX] = str(-1 - int(row[XINDEX]))


def _off_die(rng: Generator, rows: Rows) -> None:
    row = min(rows, key=lambda cells: int(cells[XINDEX]) ** 2 + int(cells[YINDEX]) ** 2)  # near the centre, to stay on the wafer
    row[XREL] = f"{-float(row[XREL]) * rng.uniform(1, 2):.9g}"


def _garbage(rng: Generator, whole: bytes) -> bytes:
    list_at = whole.index(b"DefectList")
    at = int(rng.integers(list_at + 40, list_at + (len(whole) - list_at) // 2))
    return whole[:at] + rng.bytes(int(rng.integers(50, 400))) + whole[at:]


def _nul(rng: Generator, rows: Rows) -> None:
    row = rows[rng.integers(len(rows))]
    row[XREL] = row[XREL][:1] + "\0" + row[XREL][1:] + "\0"


def _utf16(_rng: Generator, whole: bytes) -> bytes:
    return whole.decode().encode("utf-16")


def _joined(rng: Generator, whole: bytes) -> bytes:
    return whole + whole[int(rng.integers(0, 200)) :]


def _unended(rng: Generator, whole: str) -> str:
    at = whole.index(";\nSummarySpec")
    begin = at
    for _ in range(int(rng.integers(1, 9))):
        begin = whole.rindex("\n", 0, begin)
    return whole[:begin] + whole[at + 1 :]


def _one_elsewhere(rng: Generator, whole: str) -> str:
    klarf = Klarf.of(whole)
    row = klarf.rows[rng.integers(len(klarf.rows))]
    row[XREL] = f"{float(row[XREL]) / 2:.9g}"
    return klarf.text()


def _without_some(rng: Generator, whole: str) -> str:
    klarf = Klarf.of(whole)
    klarf.rows = _lost(rng, klarf.rows)
    return klarf.text()


def _long_name(rng: Generator, whole: str) -> str:
    name = rng.choice(["LotID", "WaferID", "StepID", "DeviceID"])
    name = {"LotID": "LotRecord", "WaferID": "WaferRecord"}.get(name, name) if whole.startswith("Record") else name
    return re.sub(rf'({name} (?:1 \{{)?)"[^"]*"', rf'\1"{"N" * int(rng.integers(300, 2 * 10**6))}"', whole, count=1)


def _one_line_cut(rng: Generator, whole: str) -> str:
    klarf = Klarf.of(re.sub(r"\n ", "\n", whole))
    klarf.rows[-1] = klarf.rows[-1][: int(rng.integers(1, len(klarf.rows[-1])))]
    return re.sub(r"\s*\n\s*", " ", klarf.text())


CUT = "klarf.truncated"
BOTH = [
    ("cut in the middle", cut(), CUT),
    ("no EndOfFile: still being written", text(lambda rng, t: t.replace("EndOfFile;", "\n" * int(rng.integers(0, 40)))), CUT),
    ("a row with a column missing", in_rows(_drop), "klarf.rows"),
    ("a row with a column too many", in_rows(_one_more), "klarf.rows"),
    ("a word for a coordinate", cell(XREL, "abc", "--", "1.2.3", "0x1F", "1_0"), "klarf.number"),
    ("a decimal comma", cell(YREL, "12,5", "1999,25"), ("klarf.number", "klarf.rows")),
    ("not a number for a coordinate", cell(XREL, "nan", "NaN", "-nan"), ("klarf.number", "wafer.coordinates")),
    ("an infinite coordinate", cell(YREL, "1e999", "-1e999", "inf", "-Infinity"), ("klarf.number", "wafer.coordinates")),
    ("NUL bytes in a number", in_rows(_nul), ("klarf.number", "klarf.rows")),
    ("garbage in the list", content(_garbage), ("klarf.rows", "klarf.number", "klarf.syntax", CUT)),
    ("points off the wafer", scaled(40.0, share=0.2), ("wafer.outside", "wafer.unit")),
    ("die indices that the wafer has not", scaled(50.0, (XINDEX, YINDEX), share=0.2), ("wafer.outside", "wafer.unit")),
    ("lengths a thousand times too large", _unit(1e3), "wafer.unit"),
    ("lengths a thousand times too small", _unit(1e-3), "wafer.unit"),
    ("no DiePitch", said("DiePitch", ""), "klarf.missing"),
    ("a DiePitch that is none", said("DiePitch", "0 4000", "-5000 4000", "5000", "a b", "1e999 1"), "klarf.number"),
    ("no wafer centre", said("SampleCenterLocation", ""), "klarf.missing"),
    ("a wafer centre off the map", said("SampleCenterLocation", "9e8 9e8", "-8e8 9e8"), ("wafer.outside", "wafer.unit")),
    ("a SampleSize of no wafer", said("SampleSize", "1 1e-12", "1 0", "1 -300", "1 9e15"), "klarf.number"),
    ("an orientation that is none", said("OrientationMarkLocation", "SIDEWAYS", "45", "-1"), "klarf.orientation"),
    ("a stuck writer: one row over and over", in_rows(_stuck), "wafer.repeated"),
    ("more defects than the limit", in_rows(_too_many), "klarf.defects"),
    ("no coordinates among the columns", replaced("XREL", "XFOO"), "klarf.columns"),
    ("a column named twice", replaced("YREL", "XREL"), ("klarf.syntax", "klarf.rows")),
    (
        "another version",
        text(lambda rng, t: t.replace("FileVersion 1 2", f"FileVersion {rng.integers(3, 9)} 0").replace('"1.8"', f'"2.{rng.integers(9)}"')),
        "klarf.version",
    ),
    ("in UTF-16", content(_utf16), "format.unknown"),
    ("a wafer twice, with a defect at two places", again(_one_elsewhere), "klarf.wafer_twice"),
    ("a wafer twice, and alike", again(_without_some), "wafer twice:", NOTED),
    ("a name without end", text(_long_name), "file.identity"),
    ("two files joined", content(_joined), ("klarf.trailing", "klarf.syntax")),
    ("rows lost, the summary says so", in_rows(_lost), "summary:", NOTED),
    ("a place on another die than the row's", in_rows(_off_die), "off die:", NOTED),
]
MIRRORED = [("mirrored against its test plan", in_rows(_mirrored), "wafer.orientation")]

LINES = [
    ("in one line, and cut within a row", text(_one_line_cut), "klarf.rows"),
    ("no summary", text(lambda _, t: re.sub(r"SummaryList[^;]*;", "", t)), "no summary:", NOTED),
    ("no `;` behind the list, and rows lost", text(_unended), ("klarf.rows", CUT)),
    ("no DefectRecordSpec", text(lambda _, t: re.sub(r"DefectRecordSpec[^;]*;\n", "", t)), "klarf.syntax"),
    ("no DefectList", text(lambda _, t: re.sub(r"DefectList\n[^;]*;\n", "", t)), "klarf.no_defect_list"),
    ("a quote too many", replaced("InspectionStationID", 'InspectionStationID "'), ("klarf.syntax", CUT)),
    ("no FileVersion", text(lambda _, t: t.split("\n", 1)[1]), "format.unknown"),
    ("half a die in the test plan", text(lambda _, t: re.sub(r"(SampleTestPlan \d+\n) \S+", r"\1 1.5", t)), "klarf.number"),
    ("a die index too many in the test plan", text(lambda _, t: re.sub(r"(SampleTestPlan \d+\n)", r"\1 7 ", t)), "klarf.number"),
    (
        "a test plan for a planet",
        text(lambda rng, t: re.sub(r"(SampleTestPlan \d+\n) \S+", rf"\1 {rng.integers(2**40, 2**50)}", t)),
        "klarf.number",
    ),
    (
        "a test plan off the wafer",
        text(lambda _, t: re.sub(r"(?m)^ (-?\d+) (-?\d+)(;?)$", r" \g<1>000 \g<2>000\3", t)),
        "wafer.dies_outside",
    ),
    (
        "a false count of columns",
        text(lambda rng, t: re.sub(r"DefectRecordSpec \d+", f"DefectRecordSpec {rng.integers(99, 10**9)}", t)),
        "spec:",
        NOTED,
    ),
    (
        "a false count of defects",
        text(lambda rng, t: re.sub(r"(SummaryList\n 1) \d+", rf"\1 {rng.integers(10**6, 10**12)}", t)),
        "summary:",
        NOTED,
    ),
    ("a false density", text(lambda rng, t: re.sub(r"(SummaryList\n 1 \d+) \S+", rf"\1 {rng.integers(5, 10**6)}.5", t)), "summary:", NOTED),
    (
        "a false count of dies in the plan",
        text(lambda rng, t: re.sub(r"SampleTestPlan \d+", f"SampleTestPlan {rng.integers(10**6, 10**12)}", t)),
        "die list:",
        NOTED,
    ),
    ("a SampleSize in um", said("SampleSize", "1 300000"), "sample size:", NOTED),
]

NESTED = [
    ("no summary", replaced("Record SummaryRecord", "Record OtherRecord"), "no summary:", NOTED),
    ("a false count of columns", text(lambda rng, t: re.sub(r"Columns 11", f"Columns {rng.integers(12, 10**9)}", t)), "spec:", NOTED),
    (
        "fewer rows than declared",
        text(lambda rng, t: re.sub(r"(List DefectList.*?Data) \d+", rf"\1 {rng.integers(300, 10**6)}", t, flags=re.DOTALL)),
        "klarf.rows",
    ),
    (
        "a count of rows for 10 GB",
        text(lambda rng, t: re.sub(r"(List DefectList.*?Data) \d+", rf"\1 {rng.integers(10**10, 10**18)}", t, flags=re.DOTALL)),
        "klarf.rows",
    ),
    ("a brace lost", text(_brace_lost), ("klarf.syntax", CUT)),
    (
        "records nested without end",
        text(lambda rng, t: t.replace("Record WaferRecord", 'Record A "x" {\n' * int(rng.integers(20, 50_000)) + "Record WaferRecord")),
        ("klarf.syntax", CUT),
    ),
    ("no WaferRecord", replaced("WaferRecord", "OtherRecord"), "klarf.wafers"),
    ("no DefectList", replaced("List DefectList", "List OtherList"), "klarf.no_defect_list"),
    (
        "a false count of defects",
        text(lambda rng, t: re.sub(r"(NDEFDIE \}\s*Data 1\s*\{\s*1) \d+", rf"\1 {rng.integers(10**6, 10**12)}", t)),
        "summary:",
        NOTED,
    ),
]

KINDS = [
    *faults("klarf1", clean.klarf12, BOTH + LINES),
    *faults("klarf1", partial(clean.klarf12, half=True), MIRRORED),
    *faults("klarf18", clean.klarf18, BOTH + NESTED),
    *faults("klarf18", partial(clean.klarf18, half=True), MIRRORED),
]
assert np.unique([kind.name for kind in KINDS]).size == len(KINDS)
