"""Faults of the die-map formats."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from typing import TYPE_CHECKING

import clean_files as clean
import numpy as np
from fault import NOTED, WAFER, content, cut, faults, replaced, text
from wm811k_writer import Called, Global, Pickler, frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fault import Damage
    from numpy.random import Generator
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray]

# --- archives (.npz)


def arrays(change: Callable[[Generator, Arrays], None]) -> Damage:
    """The arrays of an archive, changed and packed again."""

    def damage(rng: Generator, path: Path) -> None:
        with np.load(path) as archive:
            found = dict(archive)
        change(rng, found)
        np.savez_compressed(path, **found)

    return damage


def one(name: str, value: Callable[[Generator, NDArray], NDArray]) -> Damage:
    """One array of an archive becomes another."""

    def change(rng: Generator, found: Arrays) -> None:
        found[name] = value(rng, found[name])

    return arrays(change)


def poked(name: str, *values: int) -> Damage:
    """One element of an array becomes one of ``values``."""

    def value(rng: Generator, whole: NDArray) -> NDArray:
        made = whole.copy()
        made.flat[rng.integers(made.size)] = rng.choice(values)
        return made

    return one(name, value)


def false_header(name: str) -> Damage:
    """The ``.npy`` header of one array claims 10 GB or more; its bytes stay as few as they are."""

    def damage(rng: Generator, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            members = {n: archive.read(n) for n in archive.namelist()}
        header = io.BytesIO()
        claim = {"descr": "<u8", "fortran_order": False, "shape": (int(rng.integers(10**10, 10**15)),)}
        np.lib.format.write_array_header_1_0(header, claim)
        members[f"{name}.npy"] = header.getvalue() + members[f"{name}.npy"][128:]
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, held in members.items():
                archive.writestr(member, held)

    return damage


def _flipped_in(member: str) -> Damage:
    """A byte of a member's packed data is another: its checksum no longer fits."""

    def damage(rng: Generator, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(member)
        whole = bytearray(path.read_bytes())
        start = info.header_offset + 30 + sum(struct.unpack_from("<HH", whole, info.header_offset + 26))
        whole[start + int(rng.integers(info.compress_size))] ^= int(rng.integers(1, 256))
        path.write_bytes(whole)

    return damage


def _without_dies(rng: Generator, found: Arrays) -> None:
    start, end = found["offsets"][(at := int(rng.integers(len(found["offsets"]) - 1))) : at + 2]
    found["pixels"][start:end] = 0


def _bomb(rng: Generator, whole: NDArray) -> NDArray:
    return (
        np.zeros(int(rng.integers(6, 9)) << 20, np.uint8)
        if whole.ndim == 1
        else np.zeros((int(rng.integers(1_000, 1_500)), 52, 52), np.int32)
    )


def _objects(_rng: Generator, whole: NDArray) -> NDArray:
    return whole.astype(object)


ARCHIVE = [
    ("cut in the middle", cut(), "format.unknown"),
    ("a value that is no status", poked("pixels", 3, 7, 255), "diemap.values"),
    ("offsets that fall", one("offsets", lambda _, o: o[::-1].copy()), "diemap.offsets"),
    ("offsets beyond the pixels", one("offsets", lambda rng, o: o + int(rng.integers(1, 2**40))), "diemap.offsets"),
    ("shapes that do not fill their maps", poked("shapes", 1, 400, 2**20), "diemap.shapes"),
    ("sides whose product wraps round", one("shapes", lambda _, s: np.full_like(s, 2**32)), "diemap.shapes"),
    ("negative sides", one("shapes", lambda _, s: -s), "diemap.shapes"),
    ("fractions for statuses", one("pixels", lambda _, p: p.astype(float)), "diemap.arrays"),
    ("pickled objects", one("pixels", _objects), "diemap.arrays"),
    ("fewer labels than maps", one("label", lambda _, v: v[:-1]), "diemap.arrays"),
    ("labels without classes", arrays(lambda _, found: found.pop("classes")), "diemap.arrays"),
    ("no shapes", arrays(lambda _, found: found.pop("shapes")), "format.unknown"),
    ("a header for 10 GB", false_header("pixels"), "diemap.damaged"),
    ("a zip bomb", one("pixels", _bomb), "diemap.size"),
    ("a flipped byte", _flipped_in("pixels.npy"), "diemap.damaged"),
    ("one wafer without a die", arrays(_without_dies), "wafer.no_die", WAFER),
]

MIXED = [
    ("a value that is no status", poked("arr_0", 4, -1, 77), "mixedwm38.values"),
    ("a flag that is none", poked("arr_1", 2, -1, 9), "mixedwm38.flags"),
    ("fractions for statuses", one("arr_0", lambda _, a: a + 0.5), "mixedwm38.arrays"),
    ("pickled objects", one("arr_0", _objects), "mixedwm38.arrays"),
    (
        "names for other columns",
        arrays(lambda rng, found: found.update(label_names=np.array([f"a{i}" for i in range(int(rng.integers(1, 8)))]))),
        "mixedwm38.arrays",
    ),
    ("more flags than maps", one("arr_1", lambda rng, a: np.concatenate((a, a[: int(rng.integers(1, len(a) + 1))]))), "format.unknown"),
    (
        "a zip bomb",
        arrays(lambda rng, found: found.update(arr_0=(made := _bomb(rng, found["arr_0"])), arr_1=np.zeros((len(made), 8), int))),
        "mixedwm38.size",
    ),
    ("a flipped byte", _flipped_in("arr_0.npy"), ("mixedwm38.damaged", "mixedwm38.arrays", "format.unknown")),
]

# --- the pickle


def pickled(make: Callable[[Generator], bytes]) -> Damage:
    return content(lambda rng, _: make(rng))


def _with_call(rng: Generator) -> bytes:
    module, name = [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("subprocess", "Popen"), ("numpy", "load")][
        rng.integers(5)
    ]
    whole = frame([(clean.status(rng), clean.named(rng), 1, "Ring", "Test")])
    whole.state["_metadata"] = [Called(Global(module, name), ("id",))]
    return Pickler().dump(whole)


def _with_map(rng: Generator, made: NDArray) -> bytes:
    return Pickler().dump(frame([(clean.status(rng), clean.named(rng), 1, "Ring", "Test"), (made, "x", 2, None, None)]))


def _bombs(rng: Generator) -> bytes:
    size = int(rng.integers(2**30, 2**31 - 1))
    made = [
        b"\x80\x02Nr" + struct.pack("<I", size) + b".",
        b"\x80\x02T" + struct.pack("<i", size) + b"a.",
        b"\x80\x02})" + b"2\x86" * int(rng.integers(60, 99)) + b"Ns.",
    ]
    return made[rng.integers(3)]


PICKLE = [
    ("a function to be called", pickled(_with_call), "wm811k.class"),
    ("cut in the middle", cut(), "wm811k.damaged"),
    ("a bomb of memory or time", pickled(_bombs), "wm811k.limits"),
    (
        "a value that is no status",
        pickled(lambda rng: _with_map(rng, np.full((3, int(rng.integers(2, 9))), rng.integers(3, 255), np.uint8))),
        "wm811k.values",
    ),
    ("a map of one dimension", pickled(lambda rng: _with_map(rng, np.ones(int(rng.integers(1, 99)), np.uint8))), "wm811k.values"),
    ("a column of another name", content(lambda rng, c: c.replace(b"failureType", b"failure%04d" % rng.integers(10**4))), "wm811k.columns"),
    ("no DataFrame", pickled(lambda rng: Pickler().dump([int(v) for v in rng.integers(0, 255, 9)])), "wm811k.structure"),
    ("content behind its end", content(lambda rng, c: c + rng.bytes(int(rng.integers(1, 50)))), "wm811k.damaged"),
]

# --- text and XML


def _line(change: Callable[[Generator, str], str], pattern: str = r"RowData:.*") -> Damage:
    """One of the lines that ``pattern`` finds is another."""

    def act(rng: Generator, whole: str) -> str:
        found = list(re.finditer(pattern, whole))
        chosen = found[rng.integers(len(found))]
        return whole[: chosen.start()] + change(rng, chosen[0]) + whole[chosen.end() :]

    return text(act)


def _value(name: str, *values: str) -> Damage:
    """A SINF field says one of ``values``."""
    return text(lambda rng, t: re.sub(rf"(?m)^{name}:.*$", f"{name}:{values[rng.integers(len(values))]}", t))


SINF = [
    ("cut in the rows", cut(0.5, 0.9), ("sinf.rows", "sinf.columns", "sinf.cell")),
    ("a row lost", _line(lambda _rng, _row: ""), "sinf.rows"),
    ("a row with a cell missing", _line(lambda _rng, row: row[:-3]), "sinf.columns"),
    ("a cell that is no bin", _line(lambda rng, row: row[:-2] + str(rng.choice(["Z!", "\xe9\xe9", "G."]))), "sinf.cell"),
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

LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))


def _entities(inside: str) -> Damage:
    """A document type before the root element, and a reference to what it declares in an attribute's place."""

    def act(rng: Generator, whole: str) -> str:
        root = re.search(r"<([A-Z]\w+)", whole)
        assert root is not None
        doctype = f"<!DOCTYPE {root[1]} [{inside.replace('@', str(rng.integers(10**6)))}]>\n"
        return whole[: root.start()] + doctype + whole[root.start() :].replace("LotId", "LotId", 1)

    return text(act)


def _deep(root: str) -> Damage:
    def act(rng: Generator, whole: str) -> str:
        many = int(rng.integers(70, 5_000))
        return re.sub(f"</{root}>", "<a>" * many + "</a>" * many + f"</{root}>", whole)

    return text(act)


XML = [
    ("cut in the middle", cut(), "{}.damaged"),
    ("a billion laughs", _entities('<!ENTITY l0 "lol@">' + LAUGHS), "{}.unsafe"),
    ("an entity from outside", _entities('<!ENTITY x SYSTEM "file:///etc/passwd?@">'), "{}.unsafe"),
    ("a document type from outside", _entities('<!ENTITY % x SYSTEM "http://127.0.0.1/@.dtd"> %x;'), "{}.unsafe"),
    (
        "an orientation that is none",
        text(lambda rng, t: re.sub(r'Orientation="\d+"', f'Orientation="{rng.integers(1, 89)}"', t)),
        "{}.orientation",
    ),
    ("no well-formed XML", text(lambda rng, t: t.replace("><", "><" + str(rng.choice(["<", "&", "</x>", "<a b>"])), 1)), "{}.damaged"),
    (
        "control characters in a row",
        text(
            lambda rng, t: t.replace("</Row>", f"{chr(int(rng.integers(1, 9)))}</Row>").replace(
                "</BinCode>", f"{chr(int(rng.integers(1, 9)))}</BinCode>"
            )
        ),
        "{}.damaged",
    ),
]
G85 = [
    ("elements without end in each other", _deep("Map"), "g85.depth"),
    ("a row with a cell missing", _line(lambda _rng, row: row[:-4] + "]", r"<Row><!\[CDATA\[.*?\]"), "g85.columns"),
    ("a row lost", _line(lambda _rng, _row: "", r"<Row>.*?</Row>"), "g85.rows"),
    ("a count of rows for 10 GB", text(lambda rng, t: re.sub(r'Rows="\d+"', f'Rows="{rng.integers(10**6, 10**9)}"', t)), "g85.rows"),
    ("a false count of columns", text(lambda rng, t: re.sub(r'Columns="\d+"', f'Columns="{rng.integers(100, 10**9)}"', t)), "g85.columns"),
    (
        "a count that is none",
        text(lambda rng, t: re.sub(r'Columns="\d+"', f'Columns="{rng.choice(["-4", "x", "1e3", "99999999999"])}"', t)),
        "g85.header",
    ),
    ("a bin that is not defined", text(lambda _, t: re.sub(r'<Bin BinCode="[^"]*" BinQuality="Pass"[^>]*>', "", t)), "g85.cell"),
    ("no Device", text(lambda _, t: re.sub(r"<Device.*</Device>", "", t, flags=re.DOTALL)), "g85.no_map"),
    ("a map by coordinates", replaced("<Device ", '<Device MapType="Coordinate" '), "g85.header"),
    (
        "false counts of bins",
        text(lambda rng, t: re.sub(r'BinCount="\d+"', f'BinCount="{rng.integers(10**6)}"', t)),
        "bin counts differ:",
        NOTED,
    ),
]
E142 = [
    ("elements without end in each other", _deep("MapData"), "e142.depth"),
    ("a row with a cell missing", _line(lambda _rng, row: row[:10] + row[12:], r"<BinCode>.*?</BinCode>"), "e142.columns"),
    ("a row lost", _line(lambda _rng, _row: "", r"<BinCode>.*?</BinCode>"), "e142.rows"),
    (
        "a false Dimension",
        text(lambda rng, t: re.sub(r'(Devices".*?<Dimension X="\d+" Y=)"\d+"', rf'\1"{rng.integers(100, 10**9)}"', t)),
        "e142.rows",
    ),
    (
        "a Dimension that is none",
        text(lambda rng, t: re.sub(r'(Devices".*?<Dimension X)="\d+"', rf'\1="{rng.choice(["-4", "x", "1e3"])}"', t)),
        "e142.header",
    ),
    (
        "a unit that is none",
        text(lambda rng, t: t.replace('LayoutId="Devices" DefaultUnits="mm"', f'LayoutId="Devices" DefaultUnits="u{rng.integers(99)}"')),
        "e142.header",
    ),
    ("dies in the wrong unit", replaced('LayoutId="Devices" DefaultUnits="mm"', 'LayoutId="Devices" DefaultUnits="um"'), "wafer.unit"),
    (
        "a bin that is not defined",
        text(lambda _, t: re.sub(r'<BinDefinition BinCode="[^"]*" BinCount="\d+" BinQuality="Pass"/>', "", t)),
        "e142.cell",
    ),
    ("no BinCodeMap", text(lambda _, t: re.sub(r"<BinCodeMap.*</BinCodeMap>", "", t, flags=re.DOTALL)), "e142.no_map"),
]
PLACES = [
    (
        "dies a million apart",
        text(
            lambda rng, t: re.sub(r'X="\d+" Y="\d+">', f'X="{rng.integers(10**7, 10**9)}" Y="-{rng.integers(10**7, 10**9)}">', t, count=1)
        ),
        "e142.cells",
    ),
    (
        "a coordinate that is none",
        text(lambda rng, t: t.replace('<BinCode X="', f'<BinCode X="{rng.choice(["x", "1.5", "9" * 30])}', 1)),
        "e142.header",
    ),
    ("an axis that is none", replaced("<SubstrateMap ", '<SubstrateMap AxisDirection="Sideways{}" '), "e142.axis"),
]

# --- STDF


def records(change: Callable[[Generator, str, list[tuple[int, int, bytes]]], None]) -> Damage:
    """The records (type, subtype, body) of a file, changed, with lengths that fit again."""

    def act(rng: Generator, whole: bytes) -> bytes:
        mark, at, found = (">" if whole[4] == 1 else "<"), 0, []
        while at < len(whole):
            size, kind, sub = struct.unpack_from(f"{mark}HBB", whole, at)
            found.append((kind, sub, whole[at + 4 : at + 4 + size]))
            at += 4 + size
        change(rng, mark, found)
        return b"".join(struct.pack(f"{mark}HBB", len(body), kind, sub) + body for kind, sub, body in found)

    return content(act)


PRR, WRR, MRR = (5, 20), (2, 20), (1, 20)


def every(which: tuple[int, int], change: Callable[[Generator, str, bytes], bytes], share: float = 1.0) -> Damage:
    """A share of the records of one kind (at least one) get another body."""

    def act(rng: Generator, mark: str, found: list[tuple[int, int, bytes]]) -> None:
        places = [i for i, record in enumerate(found) if record[:2] == which]
        for i in rng.permutation(places)[: max(1, int(len(places) * share))]:
            found[i] = (*which, change(rng, mark, found[i][2]))

    return records(act)


def _without(which: tuple[int, int]) -> Damage:
    def act(_rng: Generator, _mark: str, found: list[tuple[int, int, bytes]]) -> None:
        found[:] = [record for record in found if record[:2] != which]

    return records(act)


def _false_length(rng: Generator, whole: bytes) -> bytes:
    mark, at = (">" if whole[4] == 1 else "<"), 0
    for _ in range(int(rng.integers(1, 20))):
        at += 4 + struct.unpack_from(f"{mark}H", whole, at)[0]
    return whole[:at] + struct.pack(f"{mark}H", 65_535) + whole[at + 2 :]


STDF = [
    ("cut in the middle", cut(), "stdf.truncated"),
    ("no MRR at the end", _without(MRR), "stdf.truncated"),
    ("a record that claims 64 kB", content(_false_length), "stdf.truncated"),
    ("the other byte order", content(lambda rng, c: c[:4] + bytes([3 - c[4]]) + c[5:] + rng.bytes(2)), ("stdf.record", "format.unknown")),
    ("another version", content(lambda rng, c: c[:5] + bytes([int(rng.integers(5, 200))]) + c[6:]), "stdf.version"),
    ("a part record cut short", every(PRR, lambda rng, _, body: body[: int(rng.integers(0, 3))], share=0), "stdf.record"),
    (
        "parts without coordinates",
        every(PRR, lambda _, mark, body: body[:9] + struct.pack(f"{mark}hh", -32768, -32768) + body[13:]),
        "stdf.coordinates",
    ),
    (
        "parts too far from each other",
        every(PRR, lambda rng, mark, body: body[:9] + struct.pack(f"{mark}hh", *rng.choice([-32000, 32000], 2)) + body[13:]),
        "stdf.span",
    ),
    ("no part", _without(PRR), "stdf.no_wafer"),
    (
        "a false count of parts",
        every(WRR, lambda rng, mark, body: body[:6] + struct.pack(f"{mark}I", rng.integers(10**6, 10**9)) + body[10:]),
        "WRR says",
        NOTED,
    ),
]


def _named(rows: list[tuple], area: str) -> list[tuple]:
    return [(what, damage, code.format(area)) for what, damage, code in rows]


KINDS = [
    *faults("diemap_archive", clean.archive, ARCHIVE),
    *faults("mixedwm38", clean.mixedwm38, MIXED),
    *faults("wm811k_pickle", clean.wm811k, PICKLE),
    *faults("sinf", clean.sinf, SINF),
    *faults("semi_g85", clean.g85, _named(XML, "g85") + G85),
    *faults("semi_e142", clean.e142, _named(XML, "e142") + E142),
    *faults("semi_e142", clean.MAKERS["semi_e142 by coordinates"], PLACES),
    *faults("stdf", clean.stdf, STDF),
]
