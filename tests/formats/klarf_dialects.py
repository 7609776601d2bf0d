"""One wafer as any tool may write it: the wafer in its own frame, and KLARF texts of it in many dialects.

The frame of a tool is worked out with complex numbers, from the definition of the format and not with the project's code.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

QUARTERS = {"DOWN": 0, "LEFT": 1, "UP": 2, "RIGHT": 3}
"""Clockwise quarter turns that bring the notch from the bottom there."""

NOTATIONS = {
    "plain": repr,
    "exponent": "{:.17e}".format,
    "three digits": lambda v: f"{v:.17E}".replace("E+", "E+0").replace("E-", "E-0"),
    "signed": "{:+.17g}".format,
    "fortran": lambda v: f"{v:.17e}".replace("e", "D"),
    "comma": lambda v: f"{v:.17f}".replace(".", ","),
    "quoted": lambda v: f'"{v!r}"',
}
CLASSES = {0: "none; really", 7: "ring, large", 12: "scratch"}


@dataclass(frozen=True)
class Wafer:
    """The truth, in the wafer frame, um: dies and the defects on them, each by its die and its place in it as shares of the die."""

    die_um: tuple[float, float]
    corner_um: tuple[float, float]
    dies: tuple[tuple[int, int], ...]
    defects: tuple[tuple[int, float, float], ...]

    @property
    def places(self):
        """Shape (n, 2)."""
        dies = np.array([self.dies[d] for d, _, _ in self.defects]).reshape(-1, 2)
        return (dies + np.array([s for _, *s in self.defects]).reshape(-1, 2)) * self.die_um + self.corner_um

    @property
    def classes(self):
        return [sorted(CLASSES)[i % 3] for i in range(len(self.defects))]


@dataclass(frozen=True)
class Seen:
    """The wafer in a tool's frame: what KLARF has records and columns for, um."""

    pitch: np.ndarray
    center: np.ndarray
    dies: np.ndarray
    index: np.ndarray
    rel: np.ndarray


def turned(points, mark, mirrored):
    """Points of the wafer frame as a tool sees them that has the notch at ``mark``, from the back if ``mirrored``."""
    z = points[..., 0] + 1j * points[..., 1]
    if mirrored:
        z = -z.conjugate()
    z = z * (-1j) ** QUARTERS[mark]
    return np.stack((z.real, z.imag), axis=-1)


@dataclass(frozen=True)
class Hold:
    """How a tool holds the wafer and counts: ``first`` is its name for die (0, 0) of the wafer, ``origin_um`` the DieOrigin it says."""

    mark: str = "DOWN"
    mirrored: bool = False
    first: tuple[int, int] = (0, 0)
    origin_um: tuple[float, float] = (0.0, 0.0)


def seen(wafer: Wafer, hold: Hold) -> Seen:
    """Everything in the frame of a tool; its origin is the corner of its die (0, 0), moved by its DieOrigin."""
    mark, mirrored, first = hold.mark, hold.mirrored, hold.first
    low = np.array([(0, 0), *wafer.dies]) * wafer.die_um + wafer.corner_um
    corners = np.stack((turned(low, mark, mirrored), turned(low + wafer.die_um, mark, mirrored)))
    low, pitch = corners.min(axis=0), np.abs(corners[1] - corners[0])[0]
    dies = np.rint((low[1:] - low[0]) / pitch).astype(int) + first
    center = -low[0] + np.array(first) * pitch
    index = dies[[d for d, _, _ in wafer.defects]].reshape(-1, 2)
    rel = turned(wafer.places, mark, mirrored) + center - index * pitch
    return Seen(pitch, center + hold.origin_um, dies, index, rel)


@dataclass(frozen=True)
class Dialect:
    """How a tool of the line family writes."""

    version: str = "1 2"
    newline: str = "\n"
    blank: str = " "
    names: str = "title"
    bom: bool = False
    notation: str = "plain"
    quotes: bool = True
    places: str = "die"
    images: str | None = None
    table_rows: str = "together"
    list_rows: str = "together"
    pictures: str | None = None
    behind: bool = False
    unclosed: frozenset[str] = field(default_factory=frozenset)
    end: str = "EndOfFile;"


dialects = st.builds(
    Dialect,
    version=st.sampled_from(("1 0", "1 1", "1 2", "1 7", "1.2")),
    newline=st.sampled_from(("\n", "\r\n", "\r", "\n\r", " \n\n")),
    blank=st.sampled_from((" ", "\t", "  ")),
    names=st.sampled_from(("title", "lower", "upper")),
    bom=st.booleans(),
    notation=st.sampled_from(sorted(NOTATIONS)),
    quotes=st.booleans(),
    places=st.sampled_from(("die", "grid", "both")),
    images=st.sampled_from((None, "own count", "no count", "left out")),
    table_rows=st.sampled_from(("together", "each closed", "count closed", "wrapped")),
    list_rows=st.sampled_from(("together", "each closed", "wrapped", "list closed", "one line")),
    pictures=st.sampled_from((None, "header", "each", "each, own list")),
    behind=st.booleans(),
    unclosed=st.frozensets(
        st.sampled_from(("LotID", "DiePitch", "SampleTestPlan", "AreaPerTest", "DefectRecordSpec", "DefectList", "SummaryList"))
    ),
    end=st.sampled_from(("EndOfFile;", "EndOfFile", "endoffile ;\x1a", "EndOfFile;;")),
)
HELD = Hold()
holds = st.builds(
    Hold,
    mark=st.sampled_from(sorted(QUARTERS)),
    mirrored=st.booleans(),
    first=st.tuples(*[st.integers(-30, 30)] * 2),
    origin_um=st.sampled_from(((0.0, 0.0), (170_000.5, -180_000.25), (-12.5, 250_000.0))),
)
"""An origin so far off has one reading that leaves the dies on a wafer of 200 mm."""

wafers = st.builds(
    Wafer,
    die_um=st.tuples(*[st.sampled_from((5_000.0, 4_000.25, 7_654.125))] * 2),
    corner_um=st.tuples(*[st.sampled_from((-2_100.5, 0.0, -1_700.25))] * 2),
    dies=st.lists(st.tuples(st.integers(-8, 7), st.integers(-8, 7)), min_size=1, max_size=6, unique=True).map(tuple),
    defects=st.just(()),
).flatmap(
    lambda w: st.lists(st.tuples(st.integers(0, len(w.dies) - 1), *[st.sampled_from((0.25, 0.5, 0.125, 0.8125))] * 2), max_size=8).map(
        lambda found: Wafer(w.die_um, w.corner_um, w.dies, tuple(found))
    )
)


def klarf12(wafer: Wafer, dialect: Dialect, hold: Hold = HELD) -> bytes:
    """The wafer as a file of the line family."""
    as_seen = seen(wafer, hold)
    number = NOTATIONS[dialect.notation]
    quote = '"{}"'.format if dialect.quotes else str
    text: list[str] = []

    def put(name, *words, rows=None, last=";"):
        closed = "" if name in dialect.unclosed else last
        spelt = {"lower": name.lower(), "upper": name.upper()}.get(dialect.names, name)
        text.append(" ".join((spelt, *words, *(() if rows is None else _table(rows, dialect)))) + closed)

    put("FileVersion", *dialect.version.split())
    put("FileTimestamp", "02-03-24", "04:05:06")
    put("InspectionStationID", '"maker"', '"model"', '"TOOL 7"')
    put("SampleType", "WAFER")
    put("ResultTimestamp", "02-03-2024", "04:05:06")
    put("LotID", quote("L1"))
    put("SampleSize", "1", "200")
    put("DeviceID", quote("product"))
    put("SetupID", quote("recipe"), "01-01-24", "00:00:00")
    put("StepID", quote("M1"))
    put("SampleOrientationMarkType", "NOTCH")
    put("OrientationMarkLocation", hold.mark)
    if hold.mirrored:
        put("CoordinatesMirrored", "Yes")
    if dialect.pictures is not None:
        text.append("TiffFileName all.tif;")
    put("DiePitch", *map(number, as_seen.pitch.tolist()))
    put("DieOrigin", *map(number, hold.origin_um))
    put("WaferID", quote("W9"))
    put("Slot", "09")
    put("SampleCenterLocation", *map(number, as_seen.center.tolist()))
    lookup = [f'{n} "{name}"' for n, name in CLASSES.items()]
    if not dialect.behind:
        put("ClassLookup", str(len(lookup)), rows=lookup)
    put("InspectionTest", "1")
    put("SampleTestPlan", str(len(wafer.dies)), rows=[f"{x} {y}" for x, y in as_seen.dies])
    put("AreaPerTest", number(1e8))
    _defects(wafer, as_seen, hold, dialect, put, text)
    put("SummarySpec", "2", "TESTNO", "NDEFECT", "")
    put("SummaryList", rows=[f"1 {len(wafer.defects)}"])
    if dialect.behind:
        put("ClassLookup", str(len(lookup)), rows=lookup)
    content = "\n".join((*text, dialect.end, ""))
    quoted = content.split('"')  # blanks in a name are part of it
    quoted[::2] = [part.replace(" ", dialect.blank) for part in quoted[::2]]
    content = '"'.join(quoted).replace("\n", dialect.newline)
    return (b"\xef\xbb\xbf" if dialect.bom else b"") + content.encode()


def _table(rows, dialect):
    """Rows of a header's table behind its count, without the last `;`."""
    joint = {"together": "\n ", "wrapped": "\n ", "each closed": ";\n ", "count closed": ";\n"}[dialect.table_rows]
    if dialect.table_rows == "wrapped":
        rows = [row if '"' in row else row.replace(" ", "\n") for row in rows]
    opening = ";" if dialect.table_rows == "count closed" else ""
    return [opening + "\n " + joint.join(rows)]


def _defects(wafer, as_seen, hold, dialect, put, text):
    grid = as_seen.index * as_seen.pitch + as_seen.rel + hold.origin_um
    columns = {
        "die": ("XREL", "YREL", "XINDEX", "YINDEX"),
        "grid": ("X", "Y"),
        "both": ("X", "Y", "XREL", "YREL", "XINDEX", "YINDEX"),
    }[dialect.places]
    names = ["DEFECTID", *columns, "DSIZE", "CLASSNUMBER", "TEST", *(() if dialect.images is None else ("IMAGECOUNT", "IMAGELIST"))]
    number = NOTATIONS[dialect.notation]
    rows = []
    for i, (place, (x, y), (a, b)) in enumerate(zip(grid.tolist(), as_seen.rel.tolist(), as_seen.index.tolist(), strict=True)):
        cells = {"X": number(place[0]), "Y": number(place[1]), "XREL": number(x), "YREL": number(y), "XINDEX": str(a), "YINDEX": str(b)}
        row = [str(i + 1), *(cells[n] for n in columns), number(1.5 + i), str(wafer.classes[i]), "1"]
        if dialect.images is not None:
            count = i % 3
            own = [str(count)] if dialect.images == "own count" or (dialect.images == "left out" and count) else []
            row += [str(count), *own, *(f"{k + 1} 0" for k in range(count))]
        rows.append(" ".join(row))
    put("DefectRecordSpec", str(len(names)), *names, "")
    if not rows:
        put("DefectList")
        return
    joint = {"wrapped": "\n", "one line": " "}.get(dialect.list_rows, "\n ")
    if dialect.list_rows == "wrapped":
        rows = [row.replace(" ", "\n") for row in rows]
    if dialect.pictures == "each, own list":
        for i, row in enumerate(rows):
            text.append(f"TiffFileName picture {i}.jpg;")
            put("DefectList", "\n " + row)
        return
    if dialect.pictures == "each":
        rows = [f"TiffFileName p{i}.tif;\n{row}" for i, row in enumerate(rows)]
    if dialect.list_rows == "each closed":
        rows = [row + ";" for row in rows[:-1]] + rows[-1:]
    opening = ";\n" if dialect.list_rows == "list closed" else "\n" if dialect.list_rows != "one line" else ""
    put("DefectList", opening + joint.join(rows))


@dataclass(frozen=True)
class Dialect18:
    """How a tool of the nested family writes."""

    newline: str = "\n"
    blank: str = " "
    images: str | None = None
    images_behind: bool = True
    lot_first: bool = False
    degrees: bool = True
    unknown: bool = False
    notation: str = "whole"


dialects18 = st.builds(
    Dialect18,
    newline=st.sampled_from(("\n", "\r\n", "\r", " \n\n")),
    blank=st.sampled_from((" ", "\t", "  ")),
    images=st.sampled_from((None, "Images", "Image", "left out")),
    images_behind=st.booleans(),
    lot_first=st.booleans(),
    degrees=st.booleans(),
    unknown=st.booleans(),
    notation=st.sampled_from(("whole", "exponent")),
)


def klarf18(wafer: Wafer, dialect: Dialect18, hold: Hold = HELD) -> bytes:
    """The wafer as a KLARF 1.8, to a nanometre."""
    as_seen = seen(wafer, hold)
    number = (lambda v: f"{v * 1e3:.0f}") if dialect.notation == "whole" else (lambda v: f"{v * 1e3:.16e}")
    strange = (
        'Record OdditiesRecord "x" { Field Odd 2 {"a;}", 3} List OddList { Columns 1 { string A } Data 1 { "}" ; } } } ' * dialect.unknown
    )
    lot = (
        f'{strange}Field DeviceID 1 {{"product"}} Field DiePitch 2 {{{", ".join(map(number, as_seen.pitch))}}} '
        f'Field InspectionStationID 3 {{"maker", "model", "TOOL 7"}} Field StepID 1 {{"M1"}} Field SampleSize 2 {{200000000, 0}} '
        f"Field OrientationMarkLocation 1 {{{90 * QUARTERS[hold.mark] if dialect.degrees else hold.mark}}} "
        f'Field CoordinatesMirrored 1 {{"{"YES" if hold.mirrored else "NO"}"}} Field ResultTimestamp 2 {{"02-03-2024", "04:05:06"}} '
        'Field RecipeID 3 {"recipe", "01-01-2024", "00:00:00"} List ClassLookupList { Columns 3 { int32 CLASSNUMBER, string CLASSNAME, '
        f'string CLASSCODE }} Data {len(CLASSES)} {{ {" ".join(f"""{n} "{name}" "";""" for n, name in CLASSES.items())} }} }} '
    )
    columns = ["int32 DEFECTID", "int32 XREL", "int32 YREL", "int32 XINDEX", "int32 YINDEX"]
    more = ["float DSIZE", "int32 CLASSNUMBER", "int32 TEST"]
    shown = [] if dialect.images is None else ["ImageList IMAGEINFO"]
    columns += [*more, *shown] if dialect.images_behind else [*shown, *more]
    rows = []
    for i, ((x, y), (a, b)) in enumerate(zip(as_seen.rel, as_seen.index, strict=True)):
        pictures = ", ".join(f'"p;}} {k}.jpg" "JPG" {k} "Patch"' for k in range(i % 3))
        word = "Image" if dialect.images == "Image" else "Images"
        none = "" if dialect.images == "left out" else "N"
        image = [] if dialect.images is None else [f"{word} {i % 3} {{ {pictures} }}" if i % 3 else none]
        tail = [number(1.5 + i), str(wafer.classes[i]), "1"]
        rows.append(
            " ".join((str(i + 1), number(x), number(y), str(a), str(b), *((*tail, *image) if dialect.images_behind else (*image, *tail))))
            + ";"
        )
    dies = "".join(f"{x} {y};\n" for x, y in as_seen.dies)
    text = (
        f'Record FileRecord "1.8"\n{{ Record LotRecord "L1"\n{{ {lot if dialect.lot_first else ""}Record WaferRecord "W9"\n{{ {strange}'
        f"Field DieOrigin 2 {{{', '.join(map(number, hold.origin_um))}}}\n"
        f"Field SampleCenterLocation 2 {{{', '.join(map(number, as_seen.center))}}} Field SlotNumber 1 {{9}}\n"
        f"List DefectList {{ Columns {len(columns)} {{ {', '.join(columns)} }} Data {len(rows)} {{\n" + "\n".join(rows) + " } }\n"
        'Record TestRecord "1" { Field AreaPerTest 1 {1e14} List SampleTestPlanList { Columns 2 { int32 XINDEX, int32 YINDEX } '
        f"Data {len(wafer.dies)} {{ {dies} }} }} }} Record SummaryRecord {{ List TestSummaryList {{ Columns 2 {{ int32 TESTNO, "
        f"int32 NDEFECT }} Data 1 {{ 1 {len(rows)}; }} }} }} }}\n{'' if dialect.lot_first else lot}}}\n"
        'Field FileTimestamp 2 {"02-03-2024", "04:05:06"} }\nEndOfFile;\n'
    )
    quoted = text.split('"')
    quoted[::2] = [part.replace(" ", dialect.blank) for part in quoted[::2]]
    return '"'.join(quoted).replace("\n", dialect.newline).encode()
