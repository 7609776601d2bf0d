"""Tables of points as text: any dialect of the same rows gives the same maps, and a fault is named with its line."""

from __future__ import annotations

import csv
import io
import os
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspection.errors import FormatError
from inspection.formats import table
from inspection.formats.points import csv as points_csv
from inspection.formats.points import table as points_table
from inspection.formats.points.dialect import SAMPLE_BYTES, dialect_of
from inspection.params import Ingest

SEEDS = range(100 if os.environ.get("INSPECTION_SOAK") == "1" else 2)
LIMITS = Ingest(max_file_mb=1)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SMALL = "lot,wafer,x_um,y_um,class,remark\nL1,01,10.5,-20,3,ok\nL1,02,1e3,2,4,\nL1,01,0,7,5,big\n"


@pytest.fixture
def read(tmp_path):
    def reader(content, limits=LIMITS, name="map.csv", sidecar=None):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        if sidecar is not None:
            path.with_suffix(".yaml").write_text(sidecar, encoding="utf-8")
        return list(points_table.read(path, limits))

    return reader


def refused(read, content, code, **more):
    with pytest.raises(FormatError) as caught:
        read(content, **more)
    assert caught.value.reason.code == code, caught.value
    assert caught.value.reason.action
    return caught.value.reason


NUMBER = st.floats(-140_000, 140_000).map(lambda v: v + 0.0)
NAME = st.text(st.sampled_from("AbZ019_-. ;,|\t\"'é\u4e2d#"), min_size=1, max_size=6).map(str.strip).filter(bool)


@st.composite
def dialects(draw):
    """How one and the same table may be written."""
    delimiter = draw(st.sampled_from(",;\t|"))
    return {
        "delimiter": delimiter,
        "decimal": draw(st.sampled_from(".," if delimiter != "," else ".")),
        "end": draw(st.sampled_from(["\n", "\r\n", "\r"])),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        "bom": draw(st.booleans()),
        "case": draw(st.sampled_from([str.lower, str.upper, str.title, lambda s: f" {s} "])),
        "comments": draw(st.booleans()),
    }


def written(dialect, rows, header=("lot", "wafer", "x_um", "y_um", "class", "remark")):
    """``rows`` of (lot, wafer, x, y, class, remark) in a dialect."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=dialect["delimiter"], quoting=dialect["quoting"], lineterminator=dialect["end"])
    if dialect["comments"]:
        text.write(f"# made by hand{dialect['end']}{dialect['end']}")
    writer.writerow([dialect["case"](name) for name in header])
    for i, row in enumerate(rows):
        if dialect["comments"] and i % 3 == 1:
            text.write(f"# a, comment; of\t| any {i} width{dialect['end']}")
        writer.writerow([repr(c).replace(".", dialect["decimal"]) if isinstance(c, float) else c for c in row])
    return (b"\xef\xbb\xbf" if dialect["bom"] else b"") + text.getvalue().encode()


@quick
@given(
    dialects(),
    st.lists(st.tuples(NAME, NAME, NUMBER, NUMBER, st.integers(-(2**40), 2**40), st.text("ab c", max_size=4)), min_size=1, max_size=30),
)
def test_what_was_written_in_any_dialect_is_read(read, dialect, rows):
    rows = [(f"L{lot}", f"W{wafer}", *rest) for lot, wafer, *rest in rows]
    found = read(written(dialect, rows))
    expected = {}
    for lot, wafer, *rest in rows:
        expected.setdefault((lot, wafer), []).append(rest)
    assert [(w.map.info.lot, w.map.info.wafer) for w in found] == list(expected)
    assert [w.index for w in found] == list(range(len(expected)))
    for wafer, points in zip(found, expected.values(), strict=True):
        assert wafer.map.xy_um.tolist() == [[x, y] for x, y, _, _ in points]
        assert wafer.map.attributes[dialect["case"]("class").strip()].tolist() == [c for _, _, c, _ in points]
        remarks = wafer.map.attributes.get(dialect["case"]("remark").strip())
        if any(text for *_, text in rows):
            assert [str(t) for t in remarks.tolist()] == [text for *_, text in points]


@quick
@given(st.permutations(list(range(12))))
def test_rows_need_not_be_together(read, order):
    rows = [("L", f"W{i % 4}", float(i), -float(i), i, "") for i in order]
    plain = {"delimiter": ",", "decimal": ".", "end": "\n", "quoting": csv.QUOTE_MINIMAL, "bom": False, "case": str, "comments": False}
    found = {w.map.info.wafer: w.map for w in read(written(plain, rows))}
    for name, made in found.items():
        expected = [i for i in order if f"W{i % 4}" == name]
        assert made.xy_um[:, 0].tolist() == expected
        assert made.attributes["class"].tolist() == expected
    assert list(found) == list(dict.fromkeys(f"W{i % 4}" for i in order))


def test_a_small_table_is_read_whole(read):
    one, two = read(SMALL)
    assert (one.map.info.lot, one.map.info.wafer, one.map.info.diameter_mm) == ("L1", "01", 300.0)
    assert one.map.xy_um.tolist() == [[10.5, -20.0], [0.0, 7.0]]
    assert one.map.attributes["remark"].tolist() == ["ok", "big"]
    assert two.map.attributes["class"].tolist() == [4]


@pytest.mark.parametrize(
    "header",
    [
        *("x,y", "X;Y", "x_um\ty_um", "X_COORD|Y_COORD", "defect_x,defect_y", "XPos,YPos", "X (µm),Y (µm)", "x[um],y[um]", "\ufeffx,y"),
        *("pos_x,pos_y", "wafer_x_um,wafer_y_um", '"x","y"', "center_x,center_y", "X.Micron,Y.Micron"),
    ],
)
def test_usual_names_are_known(read, header):
    delimiter = next(d for d in ",;\t|" if d in header)
    (found,) = read(f"{header}\n1000{delimiter}-2000.5\n")
    assert found.map.xy_um.tolist() == [[1000.0, -2000.5]]
    assert found.map.info.wafer == "map"


@pytest.mark.parametrize(("unit", "scale"), [("um", 1.0), ("mm", 1e3), ("nm", 1e-3)])
def test_units_are_taken_from_the_header_or_the_sidecar(read, unit, scale):
    expected = [[1.5 * scale, -2.5 * scale]]
    assert read(f"x_{unit},y_{unit}\n1.5,-2.5\n", name="a.csv")[0].map.xy_um.tolist() == expected
    assert read("x,y\n1.5,-2.5\n", name="b.csv", sidecar=f"unit: {unit}")[0].map.xy_um.tolist() == expected
    other = "mm" if unit != "mm" else "nm"
    refused(read, f"x_{unit},y_{unit}\n1.5,-2.5\n", "points.unit", name="c.csv", sidecar=f"unit: {other}")


@pytest.mark.parametrize("row", [",um,um", "#,um,um", ",(um),[um]", '"-","um","um"'])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_row_of_units_below_the_header_is_no_defect(read, row, delimiter):
    for unit, scale in (("um", 1.0), ("mm", 1e3)):
        units = row.replace("um", unit)
        (wafer,) = read(f"ID,X,Y\n{units}\n1,10,20\n2,30,40\n".replace(",", delimiter))
        assert wafer.map.xy_um.tolist() == [[10 * scale, 20 * scale], [30 * scale, 40 * scale]]
        assert wafer.map.attributes["ID"].tolist() == [1, 2]


@pytest.mark.parametrize("said", ["{},{}", "{}: {}", '"{}";"{}"', "{} = {}", "{}\t{}"])
def test_what_stands_above_the_header_names_the_wafer(read, said):
    facts = {"Lot ID": "L1", "Wafer ID": "W7", "Slot No.": "7", "Tool": "T9", "Wafer Diameter": "200 mm", "Operator": "me"}
    above = "".join(said.format(*fact) + "\n" for fact in facts.items())
    (wafer,) = read(f"Exported by a tool\n{above}\nX(um),Y(um)\n1,2\n3,x\n".replace("3,x\n", "3,4\n"))
    info = wafer.map.info
    assert (info.lot, info.wafer, info.slot, info.tool, info.diameter_mm) == ("L1", "W7", 7, "T9", 200.0)
    assert wafer.map.xy_um.tolist() == [[1, 2], [3, 4]]
    assert wafer.notes[0].startswith("above the header: 7 lines")
    with pytest.raises(FormatError, match=r"points\.number.*line 11"):
        read(f"Exported by a tool\n{above}\nX(um),Y(um)\n1,2\n3,x\n")


def test_places_that_look_like_millimetres_are_noted_and_not_changed(read):
    (found,) = read("x,y\n100,-90\n20,30\n")
    assert found.map.xy_um.tolist() == [[100, -90], [20, 30]]
    assert any("unit: mm" in note for note in found.notes)
    assert not any("unit: mm" in note for note in read("x,y\n100,-90000\n", name="b.csv")[0].notes)


def test_a_sidecar_names_columns_frame_and_wafer(read):
    sidecar = """
columns: {x: HPOS, y: VPOS, lot: CHARGE, class: x}
"""
    refused(read, "CHARGE;HPOS;VPOS\nA7;1,5;2\n", "points.sidecar", sidecar=sidecar)
    sidecar = """
columns: {x: HPOS, y: vpos, lot: CHARGE}
unit: mm
origin: lower_left
diameter_mm: 200
die_pitch_um: [5000, 4000]
die_origin_um: [0, 0]
wafer: 12
slot: 12
layer: M1
inspected_at: 2026-01-02T05:04:05+02:00
colour: red
"""
    (found,) = read("CHARGE;HPOS;VPOS;size\nA7;101,5;100;2\n", sidecar=sidecar)
    info = found.map.info
    assert (info.lot, info.wafer, info.slot, info.layer, info.diameter_mm) == ("A7", "12", 12, "M1", 200.0)
    assert info.inspected_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found.map.xy_um.tolist() == [[1500.0, 0.0]]
    assert (found.map.pitch_um, found.map.origin_um) == ((5000.0, 4000.0), (-100_000.0, -100_000.0))
    assert "colour" in found.notes[0]


@pytest.mark.parametrize(("mark", "expected"), [("down", (3, 1)), ("left", (-1, 3)), ("up", (-3, -1)), ("right", (1, -3))])
def test_the_notch_comes_down(read, mark, expected):
    # A point three steps to the right and one up, in a frame whose notch is where `mark` says.
    (found,) = read("x,y\n3000,1000\n", sidecar=f"orientation: {mark}")
    assert found.map.xy_um.tolist() == [[1000.0 * v for v in expected]]


def test_a_picture_frame_is_turned_upright(read):
    (found,) = read("x,y\n0,0\n150000,300000\n", sidecar="origin: upper_left\ny_axis: down")
    assert found.map.xy_um.tolist() == [[-150_000.0, 150_000.0], [0.0, -150_000.0]]


@pytest.mark.parametrize("mark", ["down", "left", "up", "right"])
def test_dies_turn_with_their_points(read, mark):
    text = "xindex,yindex,xrel,yrel\n2,-1,100,3000\n-3,4,0,1\n"
    (found,) = read(text, sidecar=f"die_pitch_um: [5000, 4000]\ndie_origin_um: [-700, 300]\norientation: {mark}")
    made = found.map
    index = np.column_stack((made.attributes["XINDEX"], made.attributes["YINDEX"]))
    on_die = made.xy_um - index * made.pitch_um - made.origin_um
    assert np.all((on_die >= -1e-9) & (on_die <= np.add(made.pitch_um, 1e-9)))
    if mark == "down":
        assert made.xy_um.tolist() == [[9400.0, -700.0], [-15700.0, 16301.0]]


def test_die_places_need_a_pitch_and_assume_a_centre(read):
    text = "xindex,yindex,xrel,yrel\n2,-1,100,3000\n"
    refused(read, text, "points.columns")
    (found,) = read("xindex,yindex,xrel,yrel,xpitch_um,ypitch_um\n2,-1,100,3000,5000,4000\n")
    assert found.map.xy_um.tolist() == [[2 * 5000 + 100 - 2500, -4000 + 3000 - 2000]]
    assert any("die_origin_um" in note for note in found.notes)
    refused(read, "xindex,yindex,xrel,yrel,xpitch,ypitch\n2,-1,1,3,5000,4000\n2,-1,1,3,5001,4000\n", "points.pitch")


def test_a_folder_shares_a_sidecar_and_a_file_may_have_its_own(tmp_path):
    (tmp_path / "points.yaml").write_text("columns: {x: A, y: B}\nlot: shared")
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("A,B\n1,2\n")
    (tmp_path / "two.yaml").write_text("columns: {x: B, y: A}\nlot: own")
    (tmp_path / "README").write_text("A note, by hand\nabout the wafers\n")
    assert [next(iter(table.read(tmp_path / f"{n}.csv", LIMITS))).map.info.lot for n in ("one", "two")] == ["shared", "own"]
    assert not points_table.recognises(b"A note", tmp_path / "README")


def test_a_wafer_without_defects_is_declared_by_an_empty_place(read):
    found = read("wafer,x,y\nA,1,2\nB,,\nC,3,4\n")
    assert [(w.map.info.wafer, w.map.defects) for w in found] == [("A", 1), ("B", 0), ("C", 1)]
    assert refused(read, "wafer,x,y\nA,1,2\nA,,\n", "points.place").where == "line 3"
    assert refused(read, "x,y\n1,2\n,5\n", "points.place").where == "line 3"
    (empty,) = read("x,y,class\n")
    assert (empty.map.defects, empty.map.xy_um.shape) == (0, (0, 2))
    refused(read, "wafer,x,y\n", "points.empty")


def test_empty_rows_that_a_spreadsheet_leaves_at_the_end_are_no_rows(read):
    (found,) = read("sep=;\nx;y;n\n1;2;a\n;;\n;; \n;;\n")
    assert found.map.xy_um.tolist() == [[1.0, 2.0]]
    assert refused(read, "x;y;n\n1;2;a\n;;\n;; \n3;4;b\n", "points.place").where == "line 3"


@pytest.mark.parametrize(
    ("content", "code", "where"),
    [
        ("# c\n\nx,y\n1,2\n3,inf\n", "points.place", "line 5"),
        ("x,y\n1,2\n\n# c\n3,nan\n", "points.place", "line 5"),
        ("x,y\n1,2\n3,4,5\n", "points.row", "line 3"),
        ("x,y\n1,2\n3\n", "points.row", "line 3"),
        ('x,y,t\n1,2,"a\nb"\n3,word,\n', "points.number", "line 4"),
        ("x;y\n1,5;2\n1.5;2\n", "points.number", "line 3"),
        ("x,y\n1,1_0\n", "points.number", "line 2"),
        ("wafer,x,y\nA,1,2\n,3,4\n", "points.wafer", "line 3"),
        ("x,y,x\n1,2,3\n", "points.columns", "the header"),
        ("x,y,diameter_mm\n1,2,200\n1,2,300\n", "points.diameter", "line 2"),
        ("lot,wafer\nA,1\n", "points.columns", "map.csv"),
    ],
)
def test_a_fault_is_named_with_its_line(read, content, code, where):
    assert refused(read, content, code).where == where


def test_quoted_line_breaks_and_other_encodings_are_read(read):
    (found,) = read('x,y,remark\n1,2,"two\nlines"\n# gone\n3,4,"# stays"\n')
    assert found.map.attributes["remark"].tolist() == ["two\nlines", "# stays"]
    (found,) = read("x,y,ort\n1,2,Süd\n".encode("latin-1"))
    assert found.map.attributes["ort"].tolist() == ["Süd"]
    assert any("Latin-1" in note for note in found.notes)


@pytest.mark.parametrize("block", [48, 64, 100, 1000])
def test_where_the_blocks_of_the_parser_end_does_not_matter(read, monkeypatch, block):
    rows = [("L", f"W{i // 7}", float(i), -0.5 * i, i, ["", "two\nlines", "a;b", 'he said ""no""'][i % 4]) for i in range(60)]
    plain = {"delimiter": ";", "decimal": ",", "end": "\n", "quoting": csv.QUOTE_MINIMAL, "bom": False, "case": str, "comments": True}
    expected = read(written(plain, rows))
    monkeypatch.setattr(points_csv, "_BLOCK", block)
    found = read(written(plain, rows))
    assert len(found) == 9
    for one, other in zip(expected, found, strict=True):
        assert one.map.xy_um.tolist() == other.map.xy_um.tolist()
        assert one.map.attributes["remark"].tolist() == other.map.attributes["remark"].tolist()


def test_a_commented_row_is_no_wafer(read):
    assert [w.map.info.lot for w in read("lot,x,y\nA,1,2\n#B,3,4\nC,5,6\n")] == ["A", "C"]


def test_dates_and_truths_stay_as_they_were_written(read):
    (found,) = read("x,y,when,good,code\n1,2,2026-01-02,true,007\n3,4,2026-01-03 04:05,false,008\n")
    assert found.map.attributes["when"].tolist() == ["2026-01-02", "2026-01-03 04:05"]
    assert found.map.attributes["good"].tolist() == ["true", "false"]


def test_inspections_of_one_wafer_are_kept_apart(read):
    text = "lot,wafer,layer,inspected_at,x,y\nA,1,M1,2026-01-02 03:04:05,1,2\nA,1,M2,2026-01-02 03:04:05,3,4\nA,1,M1,2026-01-03,5,6\n"
    found = read(text)
    assert [(w.map.info.layer, w.map.info.inspected_at.day) for w in found] == [("M1", 2), ("M2", 2), ("M1", 3)]


def test_a_time_of_each_defect_does_not_part_the_wafer(read):
    (found,) = read("wafer,time,x,y\nA,2026-01-02 03:04:05,1,2\nA,2026-01-02 03:04:06,3,4\n")
    assert found.map.info.inspected_at.second == 5
    assert found.map.attributes["time"].tolist() == ["2026-01-02 03:04:05", "2026-01-02 03:04:06"]


def test_limits_hold(read):
    rows = "".join(f"A,{i},{i}\n" for i in range(50))
    refused(read, "wafer,x,y\n" + rows, "points.defects", limits=Ingest(max_defects=49))
    refused(read, "x,y\n" + "0,0\n" * 50, "points.defects", limits=Ingest(max_defects=49))
    assert len(read("x,y\n" + "0,0\n" * 50, limits=Ingest(max_defects=50))[0].map.xy_um) == 50
    wafers = "".join(f"{i},{i},{i}\n" for i in range(50))
    refused(read, "wafer,x,y\n" + wafers, "points.wafers", limits=Ingest(max_wafers=49))
    refused(read, "x,y\n" + "0.000,0.000\n" * 100_000, "points.size")


def test_one_long_remark_does_not_cost_gigabytes(read):
    text = "x,y,remark\n1,2," + "a" * 400_000 + "\n" + "3,4,b\n" * 60_000
    (found,) = read(text)
    assert "remark" not in found.map.attributes
    assert any("remark" in note for note in found.notes)


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"hello",
            b"a log, of x and y\n1,2\n",
            b"lot,wafer,label\nA,1,Ring\n",
            b"x\n1\n",
            b"x,name\n1,a\n",
            b"<xml x='1',y='2'/>",
            b"#x,y\n",
        ),
        *(b"PK\x03\x04x,y\n", b"x,y\0", b"time,x_pos\n", b"FileVersion 1 2;\n", b"\x93NUMPY", b"{}", b"x,y"[:2]),
    ],
)
def test_other_text_is_left_alone(tmp_path, content):
    path = tmp_path / "some.csv"
    path.write_bytes(content)
    assert not points_table.recognises(content[: table.HEAD_BYTES], path)


def test_a_label_table_is_no_points_file(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("lot,wafer,label,x,y\nA,1,Ring,1,2\n")
    assert not points_table.recognises(path.read_bytes(), path)


def test_a_table_cut_at_any_byte_is_refused_or_shorter(read):
    whole = [tuple(p) for w in read(SMALL) for p in w.map.xy_um.tolist()]
    for length in range(len(SMALL)):
        try:
            found = read(SMALL[:length])
        except FormatError:
            continue
        points = [tuple(p) for w in found for p in w.map.xy_um.tolist()]
        # A text table has no end mark: rows may be missing, and the last number may be cut, but then a note says so.
        cut = SMALL[length - 1] != "\n"
        assert set(points) <= set(whole) or any("may be cut" in note for w in found for note in w.notes)
        assert not cut or any("may be cut" in note for w in found for note in w.notes)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_flipped_bytes_raise_nothing_but_format_errors(read, seed):
    rng = np.random.default_rng(seed)
    for _ in range(100):
        damaged = np.frombuffer(SMALL.encode(), dtype=np.uint8).copy()
        at = rng.integers(0, len(damaged), size=int(rng.integers(1, 4)))
        damaged[at] = rng.choice(np.frombuffer(b'\0\xff,;"\n\r#e.-+\t|x\xef0 ', dtype=np.uint8), size=len(at))
        with suppress(FormatError):
            read(damaged.tobytes())


def test_the_sidecar_of_junk_is_refused(read):
    for content in (
        "[1]",
        "columns: [",
        "unit: inch",
        "columns: {x: A, y: Q}",
        "!!python/name:os.system",
        "diameter_mm: -1",
        "a: " + "b" * 70_000,
    ):
        with pytest.raises(FormatError):
            read("A,B\n1,2\n", sidecar=content)


def test_a_header_beyond_the_sample_is_not_searched_for():
    assert dialect_of(b"#" * SAMPLE_BYTES, lambda _: None) is None


def test_y_grows_downwards_from_an_upper_left_corner_unless_said_otherwise(read):
    rows = "x_um,y_um\n1000,2000\n"
    (found,) = read(rows, sidecar="origin: upper_left")
    np.testing.assert_allclose(found.map.xy_um, [[-149_000, 148_000]])
    (found,) = read(rows.replace("2000", "-2000"), sidecar="origin: upper_left\ny_axis: up")
    np.testing.assert_allclose(found.map.xy_um, [[-149_000, 148_000]])
