import re
import shutil
import string
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lot_wafers import PRODUCT

from inspection.evaluation.lot.commonality import WaferRecord, commonality
from inspection.evaluation.lot.comparison import compare
from inspection.evaluation.lot.page import LotView, LotWafer, file_name, render, write_page
from inspection.evaluation.lot.stacking import stack_points
from inspection.evaluation.lot.wording import baseline
from inspection.evaluation.lot.zones import measure
from inspection.wafer.maps import DefectMap, WaferInfo

EVIL = "<script>alert(1)</script>\"'&{{ 7 * 7 }}"


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.tags, self.text, self.open, self.handlers = [], [], "", [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href", "data", "action")]
        self.handlers += [k for k, _ in attrs if k.startswith("on")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in ("meta", "img", "br"):
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def lot_maps(rng, n=4, more_at_edge=0):
    maps = []
    for i in range(n):
        angle, radius = rng.uniform(0, 2 * np.pi, 60 + more_at_edge), 95_000 * np.sqrt(rng.uniform(0, 1, 60 + more_at_edge))
        radius[60:] = 97_500
        xy = np.column_stack((radius * np.cos(angle), radius * np.sin(angle)))
        info = WaferInfo(lot=EVIL, wafer=f"{i:02d}", diameter_mm=200.0)
        maps.append(DefectMap(info=info, xy_um=xy, pitch_um=PRODUCT.pitch_um, origin_um=PRODUCT.origin_um, dies=PRODUCT.dies))
    return maps


def view(name="L7", earlier=8, edge=200, **changes):
    rng = np.random.default_rng(0)
    maps = lot_maps(rng, more_at_edge=edge)
    before = [measure(lot_maps(rng), (2, 2)) for _ in range(earlier)]
    records = [
        WaferRecord(
            f"L{k}",
            "Ring" if i in (2, 5) and not k % 2 else "Normal",
            60,
            {"tool": name, "chamber": f"{name} {i % 3}", "slot": f"slot {i}"},
        )
        for k in range(9)
        for i in range(12)
    ]
    calls = [("Normal", None, None), (None, "Ring", 0.97), (None, "Review", 0.4), (None, None, None)]
    wafers = [
        LotWafer(
            map=m,
            wafer=m.info.wafer,
            slot=i + 1,
            defects=m.defects,
            label=label and name,
            decision=decision,
            likeliest="Ring",
            probability=p,
        )
        for i, (m, (label, decision, p)) in enumerate(zip(maps, calls, strict=True))
    ]
    made = {
        "lot": name, "product": name, "layer": name, "kind": "points", "inspected": "", "wafers": wafers, "normal": ["Normal"],
        "stack": stack_points(maps), "stack_words": "All wafers.", "zones": compare(measure(maps, (2, 2)), before),
        "earlier": [f"L{i}" for i in range(earlier)], "baseline_refused": "",
        "links": commonality(records[-12:], records[:-12], ["Normal"], rng), "link_lots": 9, "notes": [f"A note on {name}."],
        "lineage": {"lot": name},
    }  # fmt: skip
    return LotView(**{**made, **changes})


def test_the_page_says_what_was_found_and_needs_no_network():
    text = render(view())
    page = Page(text)
    assert page.open == []
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in page.links)
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert not re.search(r"url\(|@import|https?:", text)
    for wanted in ("at the edge", "stands out", "edge · stands out", "goes with L7 2", "97", "by a person", "reticle column 2, row 1",
                   "waits for a person", "not called", "8 earlier lots", "A note on L7."):  # fmt: skip
        assert wanted in page.text.replace("\N{NO-BREAK SPACE}", " "), wanted
    for anchor in (link[1:] for link in page.links if link.startswith("#")):
        assert f'id="{anchor}"' in text


def test_names_from_files_stay_text():
    page = Page(render(view(EVIL)))
    assert page.open == []
    assert "script" not in page.tags
    assert page.handlers == []
    assert page.text.count(EVIL) > 8


def test_a_lot_without_baseline_says_how_many_lots_are_missing():
    shown = view(earlier=3)
    assert baseline(shown).startswith("No baseline yet: 3 earlier lots of this product and layer, 5 needed.")
    page = Page(render(shown))
    assert "No baseline yet" in page.text
    assert "95 % interval" not in page.text


def test_the_first_sentences_name_the_whole_wafer_and_what_stands_apart_from_it():
    said = baseline(view())
    assert re.search(r"usual defects: [\d.]+ \([\d.]+ to [\d.]+\) on the whole wafer, [\d.]+ \([\d.]+ to [\d,.]+\) at the edge\.$", said), (
        said
    )
    assert "by more than lots usually do" in baseline(view(edge=0))


def test_the_same_lot_gives_the_same_bytes(tmp_path):
    drawn = []
    first = write_page(tmp_path / "a" / "x.html", view(), lambda *at: drawn.append(at))
    assert first.read_bytes() == write_page(tmp_path / "b.html", view()).read_bytes()
    assert drawn == [(i, 4) for i in (1, 2, 3, 4)]
    assert first.stat().st_size < 2_000_000


@given(st.text(max_size=300), st.none() | st.text(max_size=20))
def test_any_lot_has_a_plain_file_name(lot, layer):
    name = file_name(lot, layer)
    assert set(name) <= set(string.ascii_letters + string.digits + "._-")
    assert not name.startswith(".")
    assert Path(name).name == name
    assert len(name) < 130


def test_two_lots_never_share_a_file():
    names = [
        ("a/b", None),
        ("a-b", None),
        ("a b", None),
        ("..", None),
        ("a", "b_c"),
        ("a_b", "c"),
        ("", None),
        ("x" * 200, None),
        ("x" * 201, None),
    ]
    assert len({file_name(*one) for one in names}) == len(names)


@pytest.mark.slow
def test_a_real_browser_shows_the_page_without_an_error(tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Debian's package chromium")
    page = write_page(tmp_path / "lot.html", view(EVIL))
    picture = tmp_path / "shown.png"
    words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
             "--window-size=1240,1600", f"--screenshot={picture}", page.as_uri()]  # fmt: skip
    done = subprocess.run([chromium, *words], capture_output=True, text=True, check=False, timeout=240)
    assert picture.is_file(), done.stderr[-2_000:]
    assert "CONSOLE" not in done.stderr, done.stderr[-2_000:]
    import cv2

    shown = cv2.imread(str(picture))
    assert shown.shape[:2] == (1600, 1240)
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 300, "the pictures are there"
