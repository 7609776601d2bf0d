"""Faults of the die maps in XML, SEMI G85 and E142: those of any XML, and their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import clean_files as clean
from fault import NOTED, cut, faults, matched, replaced, text

if TYPE_CHECKING:
    from fault import Damage
    from numpy.random import Generator

LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))


def _entities(inside: str) -> Damage:
    """A document type before the root element."""

    def act(rng: Generator, whole: str) -> str:
        root = re.search(r"<([A-Z]\w+)", whole)
        assert root is not None
        doctype = f"<!DOCTYPE {root[1]} [{inside.replace('@', str(rng.integers(10**6)))}]>\n"
        return whole[: root.start()] + doctype + whole[root.start() :]

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
    ("a row with a cell missing", matched(lambda _rng, row: row[:-4] + "]", r"<Row><!\[CDATA\[.*?\]"), "g85.columns"),
    ("a row lost", matched(lambda _rng, _row: "", r"<Row>.*?</Row>"), "g85.rows"),
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
    ("a row with a cell missing", matched(lambda _rng, row: row[:10] + row[12:], r"<BinCode>.*?</BinCode>"), "e142.columns"),
    ("a row lost", matched(lambda _rng, _row: "", r"<BinCode>.*?</BinCode>"), "e142.rows"),
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


def _named(rows: list[tuple], area: str) -> list[tuple]:
    return [(what, damage, code.format(area)) for what, damage, code in rows]


KINDS = [
    *faults("semi_g85", clean.g85, _named(XML, "g85") + G85),
    *faults("semi_e142", clean.e142, _named(XML, "e142") + E142),
    *faults("semi_e142", clean.MAKERS["semi_e142 by coordinates"], PLACES),
]
