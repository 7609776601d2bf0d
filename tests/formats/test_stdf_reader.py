"""STDF V4: what happens at the edges of a wafer test, and the real file against an independent walk over its records."""

from __future__ import annotations

import gzip
import struct

import diemap_writers as write
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.errors import FormatError
from inspection.formats import table
from inspection.formats.diemap import stdf
from inspection.params import Ingest
from inspection.wafer.maps import FAIL, NO_DIE, PASS

FAILED, NO_INDICATION, SUPERSEDES_ID = 0x08, 0x10, 0x01


def begun(mark=">", **wcr):
    file = write.Stdf(mark)
    file.mir()
    file.wcr(**wcr)
    return file


def wafers(folder, file, *, limits=Ingest()):  # noqa: B008 - a frozen value
    path = folder / "lot.stdf"
    path.write_bytes(bytes(file.content) if isinstance(file, write.Stdf) else file)
    assert stdf.recognises(path.read_bytes()[:4096], path)
    return list(stdf.read(path, limits))


def refused(folder, file, code):
    with pytest.raises(FormatError) as caught:
        wafers(folder, file)
    assert caught.value.reason.code == code


def test_a_die_that_is_tested_again_counts_as_tested_last(tmp_path):
    file = begun()
    file.wir()
    for flag in (FAILED, 0, FAILED):
        file.prr(0, 0, flag)
    file.prr(1, 0, FAILED)
    file.prr(1, 0, 0)
    file.wrr(5, 1, retests=3)
    file.mrr()
    (wafer,) = wafers(tmp_path, file)
    assert wafer.map.status.tolist() == [[FAIL, PASS]]
    assert "tested again: 3 dies, the last result counts" in wafer.notes
    assert not any("WRR" in note for note in wafer.notes)


def test_a_part_without_coordinates_stands_where_its_part_id_stood(tmp_path):
    file = begun()
    file.wir()
    file.prr(0, 0, FAILED, part="7")
    file.prr(1, 0, 0, part="8")
    file.prr(-32768, -32768, 0, part="7")
    file.prr(-32768, 4, 0, part="9")
    file.wrr(4, 3)
    file.mrr()
    (wafer,) = wafers(tmp_path, file)
    assert wafer.map.status.tolist() == [[PASS, PASS]]
    assert "no coordinates: 1 parts have none" in wafer.notes


def test_a_part_that_supersedes_its_part_id_elsewhere_empties_the_old_place(tmp_path):
    file = begun()
    file.wir()
    file.prr(0, 0, FAILED, part="7")
    file.prr(1, 0, 0, part="8")
    file.prr(2, 0, 0, part="7")  # the same part number again, without a word: another die
    file.prr(3, 0, FAILED | SUPERSEDES_ID, part="8")
    file.wrr(4, 1)
    file.mrr()
    (wafer,) = wafers(tmp_path, file)
    assert wafer.map.status.tolist() == [[FAIL, NO_DIE, PASS, FAIL]]


@settings(deadline=None)
@given(
    tests=st.lists(
        st.tuples(
            st.integers(0, 2) | st.just(-32768), st.integers(0, 1), st.sampled_from((0, 1, 8, 9, 16)), st.sampled_from(("", "a", "b"))
        ),
        max_size=12,
    )
)
def test_any_order_of_retests_against_a_plain_account(tmp_path_factory, tests):
    """The account: parts one after the other, each with what is known of its die so far."""
    account = []
    for x, y, flag, part in tests:
        if flag & SUPERSEDES_ID and part:
            account = [(p, place, 0 if p == part else value) for p, place, value in account]
        place = (x, y)
        if x == -32768:
            place = next((own for p, own, _ in reversed(account) if p == part and part and own is not None), None)
        account.append((part, place, 0 if flag & NO_INDICATION else FAIL if flag & FAILED else PASS))
    dies = {place: value for _, place, value in account if place is not None}
    file = begun()
    file.wir()
    for x, y, flag, part in tests:
        file.prr(x, y, flag, part=part)
    file.mrr()
    folder = tmp_path_factory.mktemp("retests")
    if not dies:
        refused(folder, file, "stdf.coordinates" if tests else "stdf.no_wafer")
        return
    (wafer,) = wafers(folder, file)
    left, top = min(x for x, _ in dies), max(y for _, y in dies)
    expected = np.zeros_like(wafer.map.status)
    for (x, y), value in dies.items():
        expected[top - y, x - left] = value
    np.testing.assert_array_equal(wafer.map.status, expected)


def test_no_indication_is_no_tested_die(tmp_path):
    file = begun()
    file.wir()
    file.prr(0, 0, NO_INDICATION)
    file.prr(1, 0, NO_INDICATION | FAILED)
    file.prr(2, 0, 0x04 | FAILED)  # an abnormal end is judged by its pass/fail bit
    file.wrr(3, 0)
    file.mrr()
    (wafer,) = wafers(tmp_path, file)
    assert wafer.map.status.tolist() == [[NO_DIE, NO_DIE, FAIL]]


@pytest.mark.parametrize("mark", ["<", ">"])
def test_wafers_of_several_heads_and_sites_are_kept_apart(tmp_path, mark):
    file = begun(mark)
    file.wir(head=1, wafer="A")
    file.wir(head=2, wafer="B")
    for site in (0, 1, 255):
        file.prr(site % 3, 0, 0, head=1, site=site)
        file.prr(site % 3, 0, FAILED, head=2, site=site)
    file.wrr(3, 0, head=2, wafer="B")
    file.wir(head=2, wafer="C")
    file.prr(0, 0, 0, head=2)
    file.prr(1, 0, 0, head=1)
    file.wrr(1, 1, head=2, wafer="C")
    file.wrr(4, 4, head=1, wafer="A")
    file.mrr()
    found = wafers(tmp_path, file)
    assert [(w.index, w.map.info.wafer, w.map.status.tolist()) for w in found] == [
        (0, "A", [[PASS, PASS]]),
        (1, "B", [[FAIL, FAIL]]),
        (2, "C", [[PASS]]),
    ]


def test_parts_of_any_head_belong_to_a_wafer_of_all_heads(tmp_path):
    file = begun()
    file.wir(head=255)
    file.prr(0, 0, 0, head=1)
    file.prr(1, 0, FAILED, head=2)
    file.wrr(2, 1, head=255)
    file.mrr()
    (wafer,) = wafers(tmp_path, file)
    assert wafer.map.status.tolist() == [[PASS, FAIL]]
    assert not any("WRR" in note for note in wafer.notes)


@pytest.mark.parametrize(("size", "shape"), [(200.0, (1, 13)), (20.0, (1, 4)), (0.0, (1, 4))])
def test_a_half_tested_wafer_keeps_its_place(tmp_path, size, shape):
    """Dies at 4 to 7 of a wafer whose centre die is at 1; without a wafer that large the centre is not believed."""
    file = begun(centre=(1, 0), width=4.0, height=4.0, size=size)
    file.wir()
    for x in range(4, 8):
        file.prr(x, 0, FAILED)
    file.mrr()
    (wafer,) = wafers(tmp_path, file)
    assert wafer.map.status.shape == shape
    assert wafer.map.status[0, -4:].tolist() == [FAIL] * 4


def test_the_name_in_the_result_record_supersedes_that_in_the_information_record(tmp_path):
    file = begun()
    for first, last in (("A", "B"), ("C", ""), ("", "D")):
        file.wir(wafer=first)
        file.prr(0, 0, 0)
        file.wrr(1, 1, wafer=last)
    file.mrr()
    found = wafers(tmp_path, file)
    assert [wafer.map.info.wafer for wafer in found] == ["B", "C", "D"]
    assert [any("wafer name: WIR says 'A'" in note for note in wafer.notes) for wafer in found] == [True, False, False]


@pytest.mark.parametrize(("said", "lost"), [(2, False), (1, False), (2**32 - 1, False), (3, True)])
def test_parts_that_the_count_record_has_and_the_file_has_not_are_told(tmp_path, said, lost):
    file = begun()
    file.wir()
    file.prr(0, 0, FAILED)
    file.prr(0, 0, 0)
    file.wrr(2, 1)
    file.record(1, 30, file.pack("BBI", 1, 1, 9))  # of one site
    file.record(1, 30, file.pack("BBI", 255, 255, said))
    file.mrr()
    (wafer,) = wafers(tmp_path, file)
    assert any("PCR says 3 parts, the file holds 2" in note for note in wafer.notes) == lost


def test_counts_of_the_wafer_record_are_checked(tmp_path):
    file = begun()
    file.wir()
    file.prr(0, 0, 0)
    file.wrr(2, 0)
    file.mrr()
    (wafer,) = wafers(tmp_path, file)
    assert "part count: WRR says 2 parts, the file holds 1 of 1 dies" in wafer.notes
    assert "part count: WRR says 0 good parts, the map holds 1" in wafer.notes


def test_sizes_and_units(tmp_path):
    for units, size in ((1, 8.0), (2, 20.0), (3, 200.0), (4, 8000.0)):
        file = begun(size=size, width=size / 50, height=size / 40, units=units)
        file.wir()
        file.prr(0, 0, 0)
        file.wrr(1, 1)
        file.mrr()
        (wafer,) = wafers(tmp_path, file)
        assert wafer.map.info.diameter_mm == 200.0
        assert wafer.map.pitch_um == pytest.approx((4000.0, 5000.0), rel=0.02)


def test_a_vax_float_is_read(tmp_path):
    file = begun("<")
    file.content[4] = 0
    # F_floating of 200.0: the words of IEEE 800.0 (two more in the exponent), changed in place.
    ieee = struct.pack("<f", 800.0)
    at = bytes(file.content).index(struct.pack("<HBB", 20, 2, 30)) + 4
    file.content[at : at + 4] = ieee[2:] + ieee[:2]
    file.wir()
    file.prr(0, 0, 0)
    file.wrr(1, 1)
    file.mrr()
    assert wafers(tmp_path, file)[0].map.info.diameter_mm == 200.0


@pytest.mark.parametrize(("centre", "shape", "row", "col"), [((2, 2), (5, 5), 2, 2), ((2, 1), (7, 5), 2, 2), ((128, 128), (5, 4), 2, 1)])
def test_the_centre_die_is_the_middle_of_the_map(tmp_path, centre, shape, row, col):
    """Coordinates run from 1 to 4 and from 0 to 4; 128 is -32768 in the wrong byte order, as a tester in the wild writes it."""
    file = begun(centre=centre)
    file.wir()
    file.prr(1, 0, 0)
    file.prr(4, 4, 0)
    file.prr(2, 2, FAILED)
    file.wrr(3, 2)
    file.mrr()
    (wafer,) = wafers(tmp_path, file)
    assert wafer.map.status.shape == shape
    assert wafer.map.status[row, col] == FAIL


def test_records_that_lack_their_last_fields(tmp_path):
    file = write.Stdf()
    file.record(1, 10, b"")
    file.record(2, 30, b"")
    file.record(2, 10, bytes([1]))
    file.prr(0, 0, 0, short=True)
    file.prr(1, 0, FAILED, short=True)
    file.record(2, 20, bytes([1]))
    file.mrr()
    (wafer,) = wafers(tmp_path, file)
    assert wafer.map.status.tolist() == [[PASS, FAIL]]
    assert {"no POS_X: taken as R", "no POS_Y: taken as U", "no WF_FLAT: the flat or notch is taken to lie DOWN"} <= set(wafer.notes)


def test_parts_of_no_wafer(tmp_path):
    file = begun()
    file.prr(0, 0, 0)
    file.prr(1, 0, FAILED)
    file.mrr()
    (wafer,) = wafers(tmp_path, file)
    assert wafer.map.status.tolist() == [[PASS, FAIL]]
    assert "no WIR: all parts are taken as one wafer" in wafer.notes
    file = begun()
    file.prr(9, 9, 0)
    file.wir()
    file.prr(0, 0, 0)
    file.mrr()
    (wafer,) = wafers(tmp_path, file)
    assert wafer.map.status.tolist() == [[PASS]]
    assert {"loose parts: 1 parts belong to no wafer", "no WRR closes this wafer: its test was broken off"} <= set(wafer.notes)


def test_wafers_without_parts_are_passed_over(tmp_path):
    file = begun()
    for head in (1, 2) * 20_000:
        file.wir(head=head, wafer="empty")
    for _ in range(20_000):
        file.wrr(0, 0, wafer="empty", head=2)
    file.wir(wafer="A")
    file.prr(0, 0, 0)
    file.wrr(1, 1, wafer="A")
    file.mrr()
    (wafer,) = wafers(tmp_path, file)
    assert (wafer.index, wafer.map.info.wafer) == (0, "A")
    assert "no WIR: 19999 WRR close a wafer that none opened" in wafer.notes


def test_faults(tmp_path):
    whole = begun()
    whole.wir()
    refused(tmp_path, whole, "stdf.truncated")  # no MRR
    whole.mrr()
    refused(tmp_path, whole, "stdf.no_wafer")
    far = begun()
    far.wir()
    far.prr(-30_000, -30_000, 0)
    far.prr(30_000, 30_000, 0)
    far.mrr()
    refused(tmp_path, far, "stdf.span")
    nowhere = begun()
    nowhere.wir()
    nowhere.prr(-32768, -32768, 0)
    nowhere.mrr()
    refused(tmp_path, nowhere, "stdf.coordinates")
    tiny = begun()
    tiny.wir()
    tiny.record(5, 20, b"\1\1")
    tiny.mrr()
    refused(tmp_path, tiny, "stdf.record")
    old = begun()
    old.content[5] = 3
    refused(tmp_path, old, "stdf.version")
    many = write.stdf([np.array([[1]], np.uint8)] * 3)
    with pytest.raises(FormatError, match=r"stdf\.wafers"):
        wafers(tmp_path, many, limits=Ingest(max_wafers=2))


@pytest.mark.parametrize("head", [b"\2\0\0\x0a\1\4", b"\0\2\0\x0a\2\4", b"\0\3\0\x0a\1\4", b"\0\2\0\x0b\1\4", b"\0\2\0"])
def test_a_first_record_that_contradicts_itself_is_no_stdf(head, tmp_path):
    assert not stdf.recognises(head, tmp_path)


def test_blocks_are_joined_at_any_border(tmp_path, monkeypatch):
    from inspection.formats.diemap import stdf_records

    status = np.random.default_rng(1).integers(0, 3, (9, 8)).astype(np.uint8)
    content = write.stdf([status, status])
    for block in (1, 7, 64, 1000):
        monkeypatch.setattr(stdf_records, "_BLOCK", block)
        found = wafers(tmp_path, content)
        assert len(found) == 2
        np.testing.assert_array_equal(found[1].map.status, status)


def test_the_real_file_against_an_independent_walk(shared_data):
    path = shared_data / "formats" / "stdf" / "lot2.stdf.gz"
    content = gzip.decompress(path.read_bytes())
    last, at = {}, 0
    while at < len(content):
        length, kind, sub = struct.unpack_from(">HBB", content, at)
        if (kind, sub) == (5, 20):
            flag = content[at + 6]
            last[struct.unpack_from(">hh", content, at + 13)] = FAIL if flag & FAILED else PASS
        at += 4 + length
    (wafer,) = table.read(path, Ingest())
    assert table.recognise(path).name == "stdf"
    left, top = min(x for x, _ in last), max(y for _, y in last)
    expected = np.zeros_like(wafer.map.status)
    for (x, y), value in last.items():
        expected[top - y, x - left] = value
    np.testing.assert_array_equal(wafer.map.status, expected)
    assert (wafer.map.info.lot, wafer.map.info.wafer, wafer.map.info.product) == ("GAL-LOT", "GAL-LOT-02", "GOLD8BAR")
    assert "tested again: 113 dies, the last result counts" in wafer.notes
    assert len(last) == 1456


def test_the_real_g85_files_against_their_own_counts(shared_data):
    for name, lot in (("SEMI_G85_1101_ALL.xml", "DEADBEEF"), ("SEMI_G85_1101_MIN.xml", "")):
        path = shared_data / "formats" / "semi_g85" / name
        (wafer,) = table.read(path, Ingest())
        assert wafer.map.info.lot == lot
        assert wafer.map.status.shape == (60, 60)
        assert int((wafer.map.status == PASS).sum()) == 2765
        assert wafer.map.defects == 38 + 5
        # The first row as one reads it: 27 of nothing, DE DE AD DE DE 00 DE.
        assert wafer.map.status[0, 25:36].tolist() == [0, 0, 2, 2, 2, 2, 2, 1, 2, 0, 0]
