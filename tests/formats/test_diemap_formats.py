"""Any die map, written in any dialect of SINF, SEMI G85, SEMI E142 and STDF, reads back as the same map with its notch down."""

from __future__ import annotations

from datetime import UTC, datetime

import diemap_writers as write
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inspection.errors import FormatError
from inspection.formats import table
from inspection.params import Ingest
from inspection.wafer.maps import FAIL, NO_DIE, PASS

TURNS = (0, 90, 180, 270)
statuses = arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 7)), elements=st.integers(0, 2))
WEB_SERVICE = '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><Result>{}</Result></s:Body></s:Envelope>'
steps = st.none() | st.tuples(st.sampled_from((2.5, 3.25, 40.0)), st.sampled_from((1.5, 4.0)))


def read(folder, content, name="map.txt"):
    path = folder / name
    path.write_bytes(content)
    return list(table.read(path, Ingest()))


def reads_as(folder, content, status, step=None):
    (found,) = read(folder, content)
    assert found.map.status.dtype == np.uint8
    np.testing.assert_array_equal(found.map.status, status)
    if step is not None:
        assert found.map.pitch_um == pytest.approx((step[0] * 1000.0, step[1] * 1000.0))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("maps")


def cropped(status):
    rows, cols = np.flatnonzero(status.any(axis=1)), np.flatnonzero(status.any(axis=0))
    return status[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]


@settings(deadline=None)
@given(
    status=statuses,
    degrees=st.sampled_from(TURNS),
    step=steps,
    gap=st.sampled_from(("", " ", "\t", "  ")),
    end=st.sampled_from(("\n", "\r\n", "\r")),
    lower=st.booleans(),
    codes=st.sampled_from((("__", "01", "1F"), ("@@", "00", "0B"), ("FF", "0a", "f0"), ("___", "000", "1AB"))),
    extra=st.sampled_from(("", "PART#:313-00021", "ShotMap", "Test Program : cp1 v2", "# by hand")),
    last=st.sampled_from(("", "EndOfMap", "END:1", "\x1a")),
    bare=st.booleans(),
)
def test_sinf_of_any_spacing_and_turn(folder, status, degrees, step, gap, end, lower, codes, extra, last, bare):
    content = write.sinf(status, degrees=degrees, pitch_mm=step, gap=gap, end=end, lower=lower, codes=codes, extra=extra)
    content += last.encode() + (end.encode() if last else b"")
    if bare:
        content = content.replace(b"RowData:", b"").replace(b"rowdata:", b"")
    found = reads_as(folder, content, status, step)
    assert (found.map.info.lot.upper(), found.map.info.wafer.upper(), found.map.info.product.upper()) == ("LOT9", "LOT9-03", "DEV7")


@settings(deadline=None)
@given(
    status=statuses,
    degrees=st.sampled_from(TURNS),
    bin_type=st.sampled_from(tuple(write.BIN_TYPES)),
    gap=st.sampled_from((None, " ", "")),
    cdata=st.booleans(),
    maps=st.booleans(),
    origin=st.sampled_from("01234"),
    case=st.sampled_from((str, str.lower, str.upper)),
    prefix=st.booleans(),
    shape=st.sampled_from(("as it is", "no Data", "Device closed at once", "several lines")),
)
def test_g85_of_any_dialect(folder, status, degrees, bin_type, gap, cdata, maps, origin, case, prefix, shape):
    attributes = {"OriginLocation": origin, "SlotNumber": "3"}
    content = write.g85(status, degrees=degrees, bin_type=bin_type, gap=gap, cdata=cdata, maps=maps, attributes=attributes)
    if shape == "no Data":
        content = content.replace(b"<Data>", b"").replace(b"</Data>", b"")
    elif shape == "Device closed at once":
        begin = content.index(b">", content.index(b"<Device"))
        content = (content[:begin] + b"/" + content[begin:]).replace(b"</Device>", b"")
    elif shape == "several lines":
        content = content.replace(b"><", b">\r\n\t <")
    for name in ("BinType", "NullBin", "Rows", "Columns", "BinCode", "BinQuality", "Orientation", "WaferId", "LotId", "ProductId"):
        content = content.replace(f" {name}=".encode(), f" {case(name)}=".encode())
    if prefix:
        for name in (b"Map", b"Device", b"Row", b"Data", b"Bin"):
            for begin in (b"<", b"</"):
                for end in (b" ", b">"):
                    content = content.replace(begin + name + end, begin + b"semi:" + name + end)
        content = content.replace(b"<semi:Map xmlns=", b"<semi:Map xmlns:semi=")
    found = reads_as(folder, content, status)
    info = found.map.info
    assert (info.lot, info.wafer, info.slot, info.product) == ("LOT9", "LOT9-03", 3, "DEV7")
    assert info.inspected_at == datetime(2026, 1, 5, 6, 15, 30, tzinfo=UTC)


@settings(deadline=None)
@given(
    status=statuses,
    degrees=st.sampled_from(TURNS),
    bin_type=st.sampled_from(tuple(write.BIN_TYPES)),
    origin=st.none() | st.sampled_from(write.ORIGINS),
    axis=st.none() | st.sampled_from(write.AXES),
    coordinates=st.booleans(),
    step=steps,
    namespace=st.sampled_from(("", ' xmlns="urn:semi-org:xsd.E142-1.V0105.SubstrateMap"')),
    wrapped=st.sampled_from(("{}", '<Transaction Name="MapDownload">{}</Transaction>', WEB_SERVICE)),
    to=st.booleans(),
)
def test_e142_of_any_origin_axis_and_turn(folder, status, degrees, bin_type, origin, axis, coordinates, step, namespace, wrapped, to):
    if coordinates and not status.any():
        status = np.full_like(status, PASS)
    content = write.e142(
        [status, status],
        degrees=degrees,
        bin_type=bin_type,
        origin=origin,
        axis=axis,
        coordinates=coordinates,
        step=step,
        namespace=namespace,
    )
    declaration, body = content.decode().split("\n", 1)
    if to:
        body = body.replace('OriginLocation="', 'OriginLocation="to')
    wafers = read(folder, f"{declaration}\n{wrapped.format(body)}".encode())
    assert [(w.map.info.wafer, w.map.info.slot, w.map.info.lot, w.map.info.layer) for w in wafers] == [
        ("W00", 1, "LOT9", "SortGrade"),
        ("W01", 2, "LOT9", "SortGrade"),
    ]
    for wafer in wafers:
        np.testing.assert_array_equal(wafer.map.status, status)
        assert wafer.map.info.diameter_mm == 200.0
        assert step is None or wafer.map.pitch_um == pytest.approx((step[0] * 1000.0, step[1] * 1000.0))


@settings(deadline=None)
@given(
    status=statuses.filter(np.any),
    degrees=st.sampled_from(TURNS),
    mark=st.sampled_from("<>"),
    right=st.sampled_from("LR"),
    up=st.sampled_from("UD"),
    step=steps,
    first=st.tuples(st.integers(-40, 40), st.integers(-32_767, -32_000)),
    seed=st.integers(0, 9),
)
def test_stdf_of_any_order_axis_and_turn(folder, status, degrees, mark, right, up, step, first, seed):
    content = write.stdf([status], mark=mark, degrees=degrees, right=right, up=up, step=step, first=first, seed=seed)
    found = reads_as(folder, content, cropped(status), step)
    info = found.map.info
    assert (info.lot, info.product, info.tool, info.recipe, info.layer) == ("LOT9", "DEV7", "NODE1", "JOB5", "CP1")
    assert info.inspected_at == datetime(2026, 1, 5, 6, 15, 30, tzinfo=UTC)


# One failed die near the notch of a 3 x 5 wafer, a little to its left: at x = -2 pitches, y = -1 pitch. Where it lies in
# each file is worked out by hand.
ONE = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [2, 1, 1, 1, 1]], np.uint8)
BY_HAND = {
    # Notch down: the die is at the lower left. Notch left, a quarter turn clockwise: what was at the bottom is at the
    # left, what was at the left is at the top.
    0: ["11111", "11111", "X1111"],
    90: ["X11", "111", "111", "111", "111"],
    180: ["1111X", "11111", "11111"],
    270: ["111", "111", "111", "111", "11X"],
}


@pytest.mark.parametrize("degrees", TURNS)
def test_one_die_at_a_known_place(folder, degrees):
    rows = BY_HAND[degrees]
    shape = f'Rows="{len(rows)}" Columns="{len(rows[0])}"'
    bins = '<Bin BinCode="1" BinQuality="Pass"/><Bin BinCode="X" BinQuality="Fail"/>'
    g85 = (
        f'<Map WaferId="1"><Device {shape} BinType="ASCII" NullBin="." Orientation="{degrees}" DeviceSizeX="9" DeviceSizeY="9">{bins}<Data>'
    )
    g85 += "".join(f"<Row>{r}</Row>" for r in rows) + "</Data></Device></Map>"
    cells = [" ".join({"1": "01", "X": "02"}[c] for c in r) for r in rows]
    top = {0: 180, 90: 270, 180: 0, 270: 90}[degrees]  # FNLOC: 0 top, 90 right, 180 bottom, 270 left
    sinf = f"LOT:a\nWAFER:1\nFNLOC:{top}\nROWCT:{len(rows)}\nCOLCT:{len(rows[0])}\nXDIES:9\nYDIES:9\n" + "".join(
        f"RowData:{c}\n" for c in cells
    )
    for content in (g85, sinf):
        found = reads_as(folder, content.encode(), ONE)
        assert found.map.fail_xy_um.tolist() == [[-18_000.0, -9_000.0]]


@pytest.mark.parametrize(
    ("origin", "axis", "x", "y"),
    [
        # The die at the lower left of 5 columns and 3 rows, from each origin and along each pair of axes.
        ("LowerLeft", "UpRight", 0, 0),
        ("LowerRight", "UpRight", -4, 0),
        ("LowerRight", "UpLeft", 4, 0),
        ("UpperLeft", "DownRight", 0, 2),
        ("UpperRight", "DownLeft", 4, 2),
        ("UpperLeft", "UpRight", 0, -2),
        ("Center", "UpRight", -2, -1),
        ("Center", "DownLeft", 2, 1),
        (None, None, 0, 0),
    ],
)
def test_one_die_by_its_coordinates(folder, origin, axis, x, y):
    at = "".join(f' {k}="{v}"' for k, v in (("OriginLocation", origin), ("AxisDirection", axis)) if v)
    content = (
        '<MapData><Layouts><Layout LayoutId="L"><Dimension X="5" Y="3"/><StepSize X="9" Y="9" Units="mm"/></Layout></Layouts>'
        f'<SubstrateMaps><SubstrateMap SubstrateId="1" LayoutSpecifier="L"{at}><Overlay>'
        '<BinCodeMap BinType="ASCII" NullBin="." MapType="Coordinate">'
        f'<BinDefinitions><BinDefinition BinCode="X" BinQuality="Fail"/></BinDefinitions><BinCode X="{x}" Y="{y}">X</BinCode>'
        "</BinCodeMap></Overlay></SubstrateMap></SubstrateMaps></MapData>"
    )
    (found,) = read(folder, content.encode())
    assert found.map.fail_xy_um.tolist() == [[-18_000.0, -9_000.0]]


def test_the_back_of_a_wafer_is_mirrored(folder):
    content = write.e142([ONE[:, ::-1]], attributes={"SubstrateSide": "BottomSide"})
    found = reads_as(folder, content, ONE)
    assert any("mirrored" in note for note in found.notes)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1000.0), ("mil", 25.4), ("MM", 1000.0), ("um", 1.0), ("", 1000.0)])
def test_sinf_units(folder, unit, factor):
    found = reads_as(folder, write.sinf(ONE, pitch_mm=(120, 80), header={"DUTMS": unit}), ONE)
    assert found.map.pitch_um == pytest.approx((120 * factor, 80 * factor))


@pytest.mark.parametrize(("value", "expected"), [("2.5mm", 2500.0), ("100 mil", 2540.0)])
def test_sinf_units_beside_the_number(folder, value, expected):
    found = reads_as(folder, write.sinf(ONE, header={"XDIES": value, "YDIES": value}), ONE)
    assert found.map.pitch_um == pytest.approx((expected, expected))


@pytest.mark.parametrize("good", ["", "01", "1", "01,1F", "01 1f", "00-0A", "01-1f", "00-0A, 1C-20,30", None])
def test_sinf_good_bins(folder, good):
    expected = np.where(ONE == FAIL, PASS, ONE) if good and ("f" in good.lower() or "20" in good) else ONE
    reads_as(folder, write.sinf(ONE, header={"BCEQU": good}), expected)


def test_sinf_reference_edge_and_uninspected_are_no_dies(folder):
    found = reads_as(folder, write.sinf(np.array([[0, 1, 2]], np.uint8), header={"DIECT": "2"}).replace(b"__", b"FF"), [[0, 1, 2]])
    assert not any("DIECT" in note for note in found.notes)
    found = reads_as(folder, write.sinf(np.array([[0, 1, 2]], np.uint8), header={"DIECT": "7"}), [[0, 1, 2]])
    assert any("DIECT says 7" in note for note in found.notes)


def test_sinf_rows_without_their_keyword_and_several_wafers(folder):
    text = write.sinf(ONE).decode()
    head, rows = text.split("RowData:", 1)
    bare = head + "RowData:\n" + rows.replace("RowData:", "")
    reads_as(folder, bare.encode(), ONE)
    reads_as(folder, (head + rows.replace("RowData:", "")).encode(), ONE)
    wafers = read(folder, (text + "WAFER:LOT9-04\n" + "RowData:" + rows).encode())
    assert [w.map.info.wafer for w in wafers] == ["LOT9-03", "LOT9-04"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings(folder, encoding):
    reads_as(folder, write.sinf(ONE).decode().encode(encoding), ONE)
    if encoding != "latin-1":
        text = write.g85(ONE, prolog=f'<?xml version="1.0" encoding="{encoding[:6].rstrip("-s")}"?>').decode()
        reads_as(folder, text.encode(encoding), ONE)


def test_a_blank_as_null_bin(folder):
    status = np.array([[0, 1, 0], [2, 0, 0]], np.uint8)
    content = write.g85(status, bin_type="ASCII").replace(b'NullBin="."', b'NullBin=" "').replace(b".1.", b" 1 ").replace(b"X..", b"X  ")
    reads_as(folder, content, status)


@pytest.mark.parametrize("quality", ["Null", "Skip", "Reference", "Edge", "Ugly", "Unknown"])
def test_qualities_that_are_no_tested_die(folder, quality):
    reads_as(folder, write.g85(ONE, qualities=("Pass", quality)), np.where(ONE == FAIL, NO_DIE, ONE))


@pytest.mark.parametrize("bins", ["", '<BinDefinition BinCode="1"/><BinDefinition BinCode="X" BinDescription="Present"/>'])
def test_bins_without_a_quality_are_good_by_custom(folder, bins):
    content = write.e142([ONE], bin_type="ASCII").decode()
    begin, end = content.index("<BinDefinitions>") + len("<BinDefinitions>"), content.index("</BinDefinitions>")
    found = reads_as(folder, (content[:begin] + bins + content[end:]).encode(), ONE)
    assert any("no bin has a quality" in note for note in found.notes)


def test_an_empty_device_size_is_none(folder):
    content = write.e142([ONE], step=(3.0, 4.0)).replace(b'<DeviceSize X="200" Y="200"/>', b'<DeviceSize X="" Y=""/>')
    assert reads_as(folder, content, ONE, (3.0, 4.0)).map.info.diameter_mm == 25.0


def test_bin_counts_are_held_against_the_map(folder):
    assert not any("bin counts" in note for note in reads_as(folder, write.g85(ONE), ONE).notes)
    found = reads_as(folder, write.g85(ONE).replace(b'BinCount="14"', b'BinCount="15"'), ONE)
    assert any("bin counts differ: 0: 15 said, 14 held" in note for note in found.notes)


@pytest.mark.parametrize(
    ("size", "expected"), [("300", 300.0), ("12", 300.0), ("8", 200.0), ("300000", 300.0), ("150.0", 150.0), ("", 300.0)]
)
def test_g85_wafer_sizes_without_a_unit(folder, size, expected):
    found = reads_as(folder, write.g85(ONE, attributes={"WaferSize": size}), ONE)
    assert found.map.info.diameter_mm == expected


def test_a_wafer_without_size_is_as_large_as_its_dies_need(folder):
    status = np.ones((50, 49), np.uint8)
    found = reads_as(folder, write.sinf(status, pitch_mm=(3.0, 3.0)), status)
    assert found.map.info.diameter_mm == 150.0
    assert any("150 mm taken from the extent" in note for note in found.notes)


def test_rows_in_one_element(folder):
    content = write.e142([ONE])
    joined = content.replace(b"</BinCode><BinCode>", b"\n")
    assert joined.count(b"<BinCode>") == 1
    reads_as(folder, joined, ONE)
    reads_as(folder, content.replace(b"</BinCode><BinCode>", b""), ONE)


def test_a_row_on_several_lines(folder):
    content = write.g85(ONE, bin_type="Decimal")
    reads_as(folder, content.replace(b"001 001", b"001\n    001"), ONE)


def test_few_dies_far_from_each_other_take_no_memory(folder):
    dies = b'<BinCode X="0" Y="0">1</BinCode><BinCode X="8000" Y="8000">1</BinCode>'
    one = b'<SubstrateMap><BinCodeMap NullBin=".">' + dies + b"</BinCodeMap></SubstrateMap>"
    (found,) = read(folder, b"<MapData>" + one + b"</MapData>")
    assert found.map.status.shape == (8001, 8001)
    damaged(folder, b"<MapData>" + one * 100 + b"</MapData>", "e142.cells")


@pytest.mark.parametrize("axis", [None, *write.AXES])
@pytest.mark.parametrize("origin", [None, *write.ORIGINS])
def test_every_origin_and_axis_of_e142_puts_a_die_where_it_lies(folder, origin, axis):
    """Worked out by hand for a map of 3 x 4: the die at x, y = 1, 1 counted from each corner, or 1 beside the centre die."""
    assert set(write.ORIGINS) == {"LowerLeft", "LowerRight", "UpperLeft", "UpperRight", "Center"}
    assert set(write.AXES) == {"UpRight", "UpLeft", "DownRight", "DownLeft"}
    first_row = {"Upper": 0, "Cente": 1, "Lower": 2}[(origin or "LowerLeft")[:5]]
    first_col = 1 if origin == "Center" else 3 if (origin or "LowerLeft").endswith("Right") else 0
    down, right = (axis or "UpRight").startswith("Down"), (axis or "UpRight").endswith("Right")
    x = 1 if first_col in {0, 1} else -1
    y = 1 if first_row in {0, 1} else -1
    row, col = first_row + y, first_col + x  # of the die, by steps down and to the right
    said = f'X="{x if right else -x}" Y="{y if down else -y}"'
    at = "".join(f' {name}="{value}"' for name, value in (("OriginLocation", origin), ("AxisDirection", axis)) if value)
    content = (
        f'<MapData><Layouts><Layout LayoutId="D"><Dimension X="4" Y="3"/></Layout></Layouts><SubstrateMap LayoutSpecifier="D"{at}>'
        f'<Overlay><BinCodeMap NullBin="."><BinCode {said}>1</BinCode></BinCodeMap></Overlay></SubstrateMap></MapData>'
    )
    (found,) = read(folder, content.encode())
    assert found.map.status.shape == (3, 4)
    assert np.argwhere(found.map.status).tolist() == [[row, col]]
    notes = " ".join(found.notes)
    assert ("no OriginLocation: LowerLeft is taken" in notes) == (origin is None)
    assert ("no AxisDirection: UpRight is taken" in notes) == (axis is None)


@pytest.mark.parametrize("axis", [None, *write.AXES])
@pytest.mark.parametrize("origin", [None, *write.ORIGINS])
def test_no_origin_or_axis_of_e142_moves_a_row(folder, origin, axis):
    found = reads_as(folder, write.e142([ONE], origin=origin, axis=axis), ONE)
    assert not any("E142" in note for note in found.notes)


def test_an_origin_that_is_none_is_noted_where_it_moves_nothing(folder):
    found = reads_as(folder, write.e142([ONE], origin="2", axis="Widdershins"), ONE)
    assert [note for note in found.notes if "E142" in note] == [
        "OriginLocation '2' is none that E142 knows: it would move no row",
        "AxisDirection 'Widdershins' is none that E142 knows: it would move no row",
    ]


def test_coordinates_that_begin_at_one(folder):
    content = write.e142([ONE], coordinates=True)
    for axis in ("X", "Y"):
        for n in range(5, -1, -1):
            content = content.replace(f'{axis}="{n}"'.encode(), f'{axis}="{n + 1}"'.encode()) if b"<BinCode " in content else content
    content = content.replace(b'<Dimension X="6" Y="4"/>', b'<Dimension X="5" Y="3"/>')
    found = reads_as(folder, content, ONE)
    assert any("do not fit" in note for note in found.notes)


# --- faults: each with its code


def damaged(folder, content, code):
    with pytest.raises(FormatError) as caught:
        read(folder, content)
    assert caught.value.reason.code == code
    assert caught.value.reason.action


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"ROWCT:3", b"ROWCT:4", "sinf.rows"),
        (b"ROWCT:3", b"ROWCT:2", "sinf.rows"),
        (b"ROWCT:3", b"ROWCT:2000000000", "sinf.header"),
        (b"ROWCT:3", b"ROWCT:999999999", "sinf.rows"),
        (b"COLCT:5", b"COLCT:6", "sinf.columns"),
        (b"COLCT:5", b"COLCT:", "sinf.header"),
        (b"COLCT:5", b"COLCT:-5", "sinf.header"),
        (b"FNLOC:180", b"FNLOC:45", "sinf.orientation"),
        (b"1F", b"G1", "sinf.cell"),
        (b"1F", b"1\xe9", "sinf.cell"),
        (b"DUTMS:mm", b"DUTMS:mm\nXDIES:two\nYDIES:2", "sinf.number"),
        (b"DUTMS:mm", b"DUTMS:parsec\nXDIES:2\nYDIES:2", "sinf.number"),
        (b"RowData:", b"Rubbish:", "sinf.rows"),
    ],
)
def test_sinf_faults(folder, old, new, code):
    content = write.sinf(ONE)
    assert old in content
    damaged(folder, content.replace(old, new), code)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'Rows="3"', b'Rows="4"', "g85.rows"),
        (b'Rows="3"', b'Rows="2"', "g85.rows"),
        (b'Columns="5"', b'Columns="7"', "g85.columns"),
        (b'Columns="5"', b'Columns="999999999"', "g85.columns"),
        (b'Columns="5"', b'Columns="five"', "g85.header"),
        (b'Orientation="0"', b'Orientation="30"', "g85.orientation"),
        (b"DE]]>", b"DD]]>", "g85.columns"),
        (b"[DE", b"[DD", "g85.cell"),
        (b"</Map>", b"", "g85.damaged"),
        (b"</Map>", b"</Map><Map/>", "g85.damaged"),
        (b'LotId="LOT9"', b'DeviceSizeX="a" DeviceSizeY="1"', "g85.header"),
        (b'LotId="LOT9"', b'MapType="Coordinate"', "g85.header"),
        (b'encoding="utf-8"', b'encoding="klingon"', "g85.damaged"),
    ],
)
def test_g85_faults(folder, old, new, code):
    content = write.g85(ONE)
    assert old in content or code == "g85.columns"
    if old == b"DE]]>":
        content, old, new = content.replace(b"[DE", b"[DE0"), b"", b""
    damaged(folder, content.replace(old, new) if old else content, code)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'X="5" Y="3"', b'X="5" Y="4"', "e142.rows"),
        (b'X="5" Y="3"', b'X="4" Y="3"', "e142.columns"),
        (b'X="5" Y="3"', b'X="-5" Y="3"', "e142.header"),
        (b'Orientation="0"', b'Orientation="NaN"', "e142.orientation"),
        (b"<BinCode>DE", b"<BinCode>AD", "e142.cell"),
        (b"<StepSize", b'<StepSize Units="furlong"', "e142.header"),
        (b"BinCodeMap", b"DeviceIdMap", "e142.no_map"),
        (b"</BinCode></BinCodeMap>", b'</BinCode><BinCode X="1" Y="1">00</BinCode></BinCodeMap>', "e142.rows"),
        (b"</MapData>", b"", "e142.damaged"),
    ],
)
def test_e142_faults(folder, old, new, code):
    content = write.e142([ONE], step=(3.0, 4.0))
    assert old in content
    damaged(folder, content.replace(old, new), code)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'AxisDirection="UpRight"', b'AxisDirection="Widdershins"', "e142.axis"),
        (b'OriginLocation="LowerLeft"', b'OriginLocation="UpRight"', "e142.axis"),
        (b'<BinCode X="0" Y="0">', b'<BinCode X="0" Y="0.5">', "e142.header"),
        (b'<BinCode X="0" Y="0">', b'<BinCode X="0">', "e142.header"),
        (b'<BinCode X="0" Y="0">', b'<BinCode X="99999999" Y="99999999">', "e142.cells"),
    ],
)
def test_e142_coordinate_faults(folder, old, new, code):
    content = write.e142([ONE], coordinates=True, origin="LowerLeft", axis="UpRight")
    assert old in content
    damaged(folder, content.replace(old, new), code)


LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))


@pytest.mark.parametrize("root", ["g85", "e142"])
@pytest.mark.parametrize(
    "doctype",
    [
        b'<!DOCTYPE Map [<!ENTITY l0 "ha">' + LAUGHS + b"]>",
        b'<!DOCTYPE Map SYSTEM "http://127.0.0.1:9/none.dtd">',
        b'<!DOCTYPE Map [<!ENTITY l9 SYSTEM "file:///etc/hostname">]>',
    ],
)
def test_unsafe_xml_is_refused_unread(folder, root, doctype):
    content = write.g85(ONE) if root == "g85" else write.e142([ONE])
    content = content.replace(b"?>\n", b"?>\n" + doctype, 1).replace(b"LOT9", b"&l9;")
    assert len(doctype) < table.HEAD_BYTES
    damaged(folder, content, f"{root}.unsafe")


def test_elements_without_end_are_refused(folder):
    damaged(folder, b'<Map WaferId="1">' + b"<a>" * 1_000_000, "g85.depth")


def test_other_xml_is_no_die_map(folder):
    for content in (b"<Map><tile x='1'/></Map>", b"<html><map name='a'/></html>", b"<MapDataset/>"):
        damaged(folder, content, "format.unknown")


@pytest.mark.parametrize(
    ("row", "code"), [(b"RowData:01\n", "sinf.rows"), (b"<Row>01</Row>", "g85.rows"), (b"<BinCode>01</BinCode>", "e142.rows")]
)
def test_rows_beyond_any_wafer(folder, row, code):
    begins = {
        "sinf": b"LOT:1\nROWCT:40000\nCOLCT:1\n",
        "g85": b"<Map WaferId='1'><Device>",
        "e142": b"<MapData><SubstrateMap><BinCodeMap>",
    }
    damaged(folder, begins[code[:-5]] + row * 40_000, code)


def test_more_wafers_than_the_limit(folder):
    path = folder / "many"
    for content, code in (
        (write.e142([ONE] * 3), "e142.wafers"),
        (write.g85(ONE, maps=True).replace(b"</Device>", b"</Device><Device/>"), "g85.wafers"),
    ):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=code):
            list(table.read(path, Ingest(max_wafers=1)))
