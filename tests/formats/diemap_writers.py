"""Writers of the die-map formats for tests, made from the formats' published facts and not from the readers.

A wafer is a status array in the wafer frame (row 0 at the top, notch down): 0 no die, 1 pass, 2 fail. ``seen`` turns it
as a prober that has the notch elsewhere sees it, by moving every die; the readers turn arrays.
"""

from __future__ import annotations

import struct

import numpy as np

NO_DIE, PASS, FAIL = 0, 1, 2
ORIGINS = ("LowerLeft", "LowerRight", "UpperLeft", "UpperRight", "Center")
AXES = ("UpRight", "UpLeft", "DownRight", "DownLeft")
FLATS = {0: "D", 90: "L", 180: "U", 270: "R"}


def seen(status, degrees):
    """The wafer turned clockwise by ``degrees``: a die at (x, y) comes to (y, -x) for each quarter turn."""
    rows, cols = status.shape
    turns = degrees // 90
    shape = (cols, rows) if turns % 2 else (rows, cols)
    view = np.zeros(shape, np.uint8)
    for row in range(rows):
        for col in range(cols):
            x, y = 2 * col - (cols - 1), (rows - 1) - 2 * row  # in half dies from the wafer centre
            for _ in range(turns):
                x, y = y, -x
            view[(shape[0] - 1 - y) // 2, (x + shape[1] - 1) // 2] = status[row, col]
    return view


def turned(pair, degrees):
    """Width and height as they lie after a turn."""
    return (pair[1], pair[0]) if (degrees // 90) % 2 else pair


# --- SINF


def sinf(status, *, degrees=0, header=None, gap=" ", end="\n", lower=False, pitch_mm=None, codes=("__", "01", "1F"), extra=""):
    """``degrees`` clockwise from the bottom; FNLOC itself counts from the top."""
    view = seen(status, degrees)
    fields = {"DEVICE": "DEV7", "LOT": "LOT9", "WAFER": "LOT9-03", "FNLOC": str((degrees + 180) % 360)}
    fields |= {"ROWCT": str(view.shape[0]), "COLCT": str(view.shape[1]), "BCEQU": codes[1], "REFPX": "", "REFPY": "", "DUTMS": "mm"}
    if pitch_mm is not None:
        fields["XDIES"], fields["YDIES"] = (str(v) for v in turned(pitch_mm, degrees))
    fields |= header or {}
    lines = [f"{key}:{value}" for key, value in fields.items() if value is not None]
    lines += [extra] if extra else []
    lines += ["RowData:" + gap.join(codes[v] for v in row) for row in view]
    text = end.join(lines) + end
    return (text.lower() if lower else text).encode("latin-1")


# --- bin codes of the two XML formats

BIN_TYPES = {
    "ASCII": ((".", "1", "X"), ""),
    "Decimal": (("255", "001", "099"), " "),
    "HexaDecimal": (("FF", "00", "DE"), ""),
    "Integer2": (("FFFF", "0001", "00AD"), ""),
}


def rows_of(view, codes, gap):
    return [gap.join(codes[v] for v in row) for row in view]


# --- SEMI G85


def g85_device(view, *, bin_type="HexaDecimal", attributes=None, cdata=True, gap=None, qualities=("Pass", "Fail"), counts=True):
    codes, natural = BIN_TYPES[bin_type]
    at = {"BinType": bin_type, "NullBin": codes[0], "Rows": view.shape[0], "Columns": view.shape[1], "LotId": "LOT9"}
    at |= {"ProductId": "DEV7", "OriginLocation": "3", "Orientation": "0", "CreateDate": "20260105061530"} | (attributes or {})
    shown = " ".join(f'{k}="{v}"' for k, v in at.items() if v is not None)
    bins = [
        f'<Bin BinCode="{codes[v]}" BinQuality="{q}"' + (f' BinCount="{int((view == v).sum())}"' if counts else "") + "/>"
        for v, q in zip((PASS, FAIL), qualities, strict=True)
    ]
    rows = rows_of(view, codes, natural if gap is None else gap)
    wrap = "<Row><![CDATA[{}]]></Row>" if cdata else "<Row>{}</Row>"
    return f"<Device {shown}>{''.join(bins)}<Data>{''.join(wrap.format(r) for r in rows)}</Data></Device>"


def g85(status, *, degrees=0, maps=False, prolog='<?xml version="1.0" encoding="utf-8"?>\n', **options):
    """One wafer; ``maps`` wraps it in ``Maps``."""
    options["attributes"] = {"Orientation": str(degrees)} | (options.get("attributes") or {})
    device = g85_device(seen(status, degrees), **options)
    text = f'<Map xmlns="http://www.semi.org" WaferId="LOT9-03" FormatRevision="SEMI G85-1101">{device}</Map>'
    return (prolog + (f"<Maps>{text}</Maps>" if maps else text)).encode()


# --- SEMI E142


def label(place, size, first, increases):
    """The coordinate of row or column ``place`` of ``size``: ``first`` -1, 0 or 1 = the origin is the first, the centre or the last."""
    origin = {-1: 0, 0: (size + 1) // 2 - 1, 1: size - 1}[first]  # SEMI E5: the (n + 1) / 2-th, truncated, counted from 1
    return place - origin if increases else origin - place


def e142_map(view, number, *, degrees, bin_type="HexaDecimal", origin=None, axis=None, coordinates=False, attributes=None):
    codes, gap = BIN_TYPES[bin_type]
    at = {"SubstrateType": "Wafer", "SubstrateId": f"W{number:02d}", "LayoutSpecifier": "WaferLayout/Devices", "Orientation": degrees}
    at |= {"OriginLocation": origin, "AxisDirection": axis} | (attributes or {})
    shown = " ".join(f'{k}="{v}"' for k, v in at.items() if v is not None)
    if coordinates:
        body = ""
        where, way = origin or "LowerLeft", axis or "UpRight"
        side = {"Left": -1, "Right": 1}.get(where[5:], 0)
        level = {"Upper": -1, "Lower": 1}.get(where[:5], 0)
        for row, col in np.argwhere(view != NO_DIE):
            x = label(col, view.shape[1], side, way.endswith("Right"))
            y = label(row, view.shape[0], level, way.startswith("Down"))
            body += f'<BinCode X="{x}" Y="{y}">{codes[view[row, col]]}</BinCode>'
    else:
        body = "".join(f"<BinCode>{r}</BinCode>" for r in rows_of(view, codes, gap))
    bins = "".join(
        f'<BinDefinition BinCode="{codes[v]}" BinCount="{int((view == v).sum())}" BinQuality="{q}"/>'
        for v, q in ((PASS, "Pass"), (FAIL, "Fail"))
    )
    kind = "Coordinate" if coordinates else "2DArray"
    return (
        f'<SubstrateMap {shown}><Overlay MapName="SortGrade" MapVersion="1">'
        f'<BinCodeMap BinType="{bin_type}" NullBin="{codes[0]}" MapType="{kind}">'
        f"<BinDefinitions>{bins}</BinDefinitions>{body}</BinCodeMap></Overlay></SubstrateMap>"
    )


def e142(statuses, *, degrees=0, step=None, units="mm", namespace=' xmlns="urn:semi-org:xsd.E142-1.V1005.SubstrateMap"', **options):
    """One SubstrateMap per status array; all have one layout, so one shape. ``step`` is (x, y) in the wafer frame."""
    views = [seen(s, degrees) for s in statuses]
    rows, cols = views[0].shape
    size = "" if step is None else '<StepSize X="{}" Y="{}"/>'.format(*turned(step, degrees))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<MapData{namespace}><Layouts>'
        '<Layout LayoutId="WaferLayout" DefaultUnits="mm" TopLevel="true">'
        '<Dimension X="1" Y="1"/><DeviceSize X="200" Y="200"/></Layout>'
        f'<Layout LayoutId="Devices" DefaultUnits="{units}"><Dimension X="{cols}" Y="{rows}"/>{size}'
        "<ProductId>DEV7</ProductId></Layout></Layouts>"
        "<Substrates>"
        + "".join(
            f'<Substrate SubstrateType="Wafer" SubstrateId="W{n:02d}"><LotId>LOT9</LotId><SlotNumber>{n + 1}</SlotNumber></Substrate>'
            for n in range(len(views))
        )
        + "</Substrates><SubstrateMaps>"
        + "".join(e142_map(v, n, degrees=degrees, **options) for n, v in enumerate(views))
        + "</SubstrateMaps></MapData>"
    ).encode()


# --- STDF V4


class Stdf:
    """Records one after the other; ``mark`` is ``>`` (CPU_TYPE 1) or ``<`` (CPU_TYPE 2)."""

    def __init__(self, mark=">"):
        self.mark = mark
        self.content = bytearray()
        self.record(0, 10, bytes([1 if mark == ">" else 2, 4]))

    def record(self, kind, sub, body):
        self.content += struct.pack(f"{self.mark}HBB", len(body), kind, sub) + body

    def pack(self, form, *values):
        return struct.pack(self.mark + form, *values)

    @staticmethod
    def text(value):
        return bytes([len(value)]) + value.encode("latin-1")

    def mir(self, lot="LOT9", product="DEV7"):
        body = self.pack("IIBcccHc", 1, 1_767_593_730, 1, b"P", b" ", b" ", 65535, b" ")
        texts = [lot, product, "NODE1", "T1", "JOB5", "A", "", "op", "", "", "CP1"]
        self.record(1, 10, body + b"".join(map(self.text, texts)))

    def mrr(self):
        self.record(1, 20, self.pack("I", 0))

    def wir(self, head=1, wafer="03"):
        self.record(2, 10, self.pack("BBI", head, 255, 1_767_593_730) + self.text(wafer))

    def wrr(self, parts, good, head=1, wafer="03", retests=0):
        self.record(2, 20, self.pack("BBIIIIII", head, 255, 1, parts, retests, 0, good, 2**32 - 1) + self.text(wafer))

    def wcr(self, *, size=0.0, height=0.0, width=0.0, units=3, flat="D", centre=(-32768, -32768), right="R", up="U"):
        body = self.pack("fffBc", size, height, width, units, flat.encode()) + self.pack("hhcc", *centre, right.encode(), up.encode())
        self.record(2, 30, body)

    def prr(self, x, y, flag, head=1, site=1, part="", short=False):
        body = self.pack("BBBHHHhh", head, site, flag, 3, 1, 1, x, y)
        self.record(5, 10, bytes([head, site]))
        self.record(5, 20, body if short else body + self.pack("I", 12) + self.text(part) + self.text("") + b"\0")

    def noise(self, rng):
        self.record(15, 10, rng.bytes(int(rng.integers(0, 60))))
        self.record(50, 30, self.text("a note"))


def stdf(statuses, *, mark=">", degrees=0, right="R", up="U", step=None, first=(0, 0), seed=0, **options):
    """One wafer per status array, dies tested in a random order; ``first`` is the coordinate of the view's lower left die."""
    rng = np.random.default_rng(seed)
    file = Stdf(mark)
    file.mir()
    width, height = turned(step, degrees) if step else (0.0, 0.0)
    file.wcr(flat=FLATS[degrees], right=right, up=up, width=width, height=height, **options)
    for number, status in enumerate(statuses):
        view = seen(status, degrees)
        file.wir(wafer=f"{number:02d}")
        for row, col in rng.permutation(np.argwhere(view != NO_DIE)):
            x = col if right == "R" else view.shape[1] - 1 - col
            y = view.shape[0] - 1 - row if up == "U" else row
            file.prr(first[0] + int(x), first[1] + int(y), 0x08 if view[row, col] == FAIL else 0)
            file.noise(rng)
        file.wrr(int((view != NO_DIE).sum()), int((view == PASS).sum()), wafer=f"{number:02d}")
    file.mrr()
    return bytes(file.content)
