import base64
import csv
import hashlib
import html
import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from inspection.augmentation.guard.verdict import Interval
from inspection.augmentation.guard.votes import ClassVotes, Votes
from inspection.errors import InputError, InputNotFoundError
from inspection.evaluation import wording
from inspection.evaluation.beside import Source, stand_beside
from inspection.evaluation.evaluation import Part, evaluate
from inspection.evaluation.report import Background, write_report
from inspection.evaluation.section import Picture, Section
from inspection.params import Baselines, Evaluate
from inspection.views.picture import to_png
from inspection.wafer.maps import DefectMap, DieMap, WaferInfo
from inspection.wafer.taxonomy import Taxonomy, WaferClass

NAMES = ("Donut", "Normal", "<b>Ring</b>", "Rare")
TAXONOMY = Taxonomy(tuple(WaferClass(n, normal=n == "Normal") for n in NAMES))


@pytest.fixture(scope="module")
def evaluation():
    rng = np.random.default_rng(0)

    def part(n):
        truth = rng.choice(4, n, p=[0.3, 0.5, 0.2, 0.0])
        logits = rng.normal(size=(n, 4)) + 2.0 * np.eye(4)[truth]
        p = np.exp(logits)
        return Part(truth=truth, probabilities=p / p.sum(axis=1, keepdims=True), group=rng.integers(0, 6, n))

    return evaluate(part(120), part(80), TAXONOMY, Evaluate(bootstrap=20), rng)


def maps(positions):
    rng = np.random.default_rng(1)
    info = [WaferInfo(lot="LOT<1>", wafer=str(p)) for p in positions]
    return [
        DieMap(info=i, status=rng.integers(0, 3, (20, 22)).astype(np.uint8))
        if p % 2
        else DefectMap(info=i, xy_um=rng.normal(0, 40_000, (50, 2)))
        for p, i in zip(positions, info, strict=True)
    ]


BACKGROUND = Background(
    title="wafer_net <3>",
    wafers={"training": {"Donut": 40, "Normal": 70}, "validation": {"Normal": 3}, "test": {"Donut": 5}},
    lots={"training": 9, "validation": 1, "test": 6},
    history=[{"epoch": 1, "loss": 2.0, "validation_macro_f1": 0.3}, {"epoch": 2, "loss": 1.0, "validation_macro_f1": 0.6}],
    baseline=("champion 2", {"macro_f1": 0.5, "escape_rate": 0.2}),
    lineage={"snapshot": "3f9a", "seed": 0},
    limits=("The wafers were simulated.",),
)


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.tags, self.text, self.open = [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href", "data")]
        if tag not in ("meta", "img", "br", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.slow
def test_the_page_stands_alone_and_says_what_an_engineer_needs(tmp_path, evaluation):
    path = write_report(tmp_path, evaluation, BACKGROUND, maps)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert page.links
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in page.links)  # no network
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert not {"link", "iframe", "object", "b>ring<"} & set(page.tags)
    assert not re.search(r"url\(|@import|\sstyle=|\son[a-z]+=", re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.DOTALL))
    for wanted in ("Macro-F1", "Escapes", "Overkill", "Asks a person", "What these numbers cannot say", "No test wafers of Rare",
                   "The wafers were simulated.", "champion 2", "wafer_net <3>", "<b>Ring</b>", "LOT<1>", "3f9a"):  # fmt: skip
        assert wanted in page.text
    for name in ("confusion.png", "roc.png"):
        assert cv2.imread(str(tmp_path / name)) is not None
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} == {"report.html", "confusion.png", "roc.png", "confusion.csv", "roc.csv"}


def test_the_policy_names_the_pages_own_style_and_script_and_nothing_else(tmp_path, evaluation):
    text = write_report(tmp_path, evaluation, Background(title="x")).read_text(encoding="utf-8")
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1])
    allowed = dict(rule.split(" ", 1) for rule in policy.split("; "))
    for tag in ("style", "script"):
        own = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(own) == 1
        assert allowed[f"{tag}-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(own[0].encode()).digest()).decode()}'"
    assert {k: v for k, v in allowed.items() if k not in ("style-src", "script-src")} == {
        "default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'",
    }  # fmt: skip


def test_sections_of_other_modules_and_where_the_model_looked_come_to_the_page(tmp_path, evaluation):
    png = to_png(np.zeros((9, 9, 3), np.uint8))
    pictures = [Picture(caption="its nearest <neighbour>", position=5, group="Wafer 7"), Picture(caption="a medoid", png=png)]
    section = Section(
        key="similar", title="Wafers <alike>", sentence="9 of 10 are alike.", columns=("k", "recall"), rows=[(1, 0.9), (5, None)],
        figure=png, figure_text="recall at k", pictures=pictures,
    )  # fmt: skip
    seen = []

    def activation(positions, found):
        seen.extend(positions)
        assert [m.info.wafer for m in found] == [str(p) for p in positions]
        return [np.full((190, 190, 3), 9, np.uint8) if i else None for i in range(len(positions))]

    text = write_report(tmp_path, evaluation, Background(title="x", sections=[section], activation=activation), maps).read_text()
    page = Page(text)
    assert page.open == []
    for wanted in ("Wafers <alike>", "9 of 10 are alike.", "its nearest <neighbour>", "Wafer 7", "a medoid", "0.900"):
        assert wanted in page.text
    assert text.count('alt="Where the model looked"') >= len(seen) - 1 > 3
    assert all(evaluation.decisions[p] != NAMES[evaluation.test.truth[p]] for p in seen)
    with pytest.raises(InputError, match="different keys"):
        Background(title="x", sections=[section, section])
    with pytest.raises(InputError, match=r"expected \d+ pictures, got 0"):
        write_report(tmp_path / "b", evaluation, Background(title="x", activation=lambda *_: []), maps)


def test_pictures_beyond_the_room_are_left_out_and_said_so(tmp_path, evaluation, monkeypatch):
    monkeypatch.setattr("inspection.evaluation.album.ROOM_BYTES", 60_000)
    text = write_report(tmp_path, evaluation, Background(title="x"), maps).read_text(encoding="utf-8")
    assert sum(len(uri) for uri in set(re.findall(r"data:image/png;base64,[^\"]*", text)) if len(uri) < 20_000) <= 60_000
    assert re.search(r"\d+ pictures were left out", text)


def test_the_verdict_comes_first_and_in_words(tmp_path, evaluation):
    page = Page(write_report(tmp_path, evaluation, BACKGROUND).read_text(encoding="utf-8"))
    rate = evaluation.by_decision.escapes
    words = [
        f"{rate.hits} of {rate.trials}",
        "Weakest class",
        "The likeliest class is given",
        "ahead of champion 2",
        "Which wafers were called what",
    ]
    places = [page.text.index(one) for one in words]
    assert places == sorted(places)


def test_a_difference_that_rounds_to_nothing_is_neither_ahead_nor_worse():
    assert [wording.lead(x) for x in (0.0004, -0.0004, 0.0, -0.0006)] == ["0.000", "0.000", "0.000", "\N{MINUS SIGN}0.001"]


def test_a_champion_that_is_as_good_is_neither_better_nor_worse(tmp_path, evaluation):
    same = {key: value - 0.0001 for key, value in evaluation.metrics().items()}
    page = Page(write_report(tmp_path, evaluation, replace(BACKGROUND, baseline=("champion 7", same))).read_text(encoding="utf-8"))
    assert "The macro-F1 is that of champion 7" in page.text
    table = page.text[page.text.index("Against champion 7") :][:600]
    assert "better" not in table
    assert "worse" not in table


@pytest.mark.slow
def test_plain_classifiers_stand_beside_the_network_on_the_page(tmp_path, evaluation):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 90)
    source = Source(
        key="features", name="hand-made features", train=rng.normal(size=(90, 5)).astype(np.float32), train_labels=labels,
        validation=np.zeros((0, 5), np.float32), validation_labels=labels[:0], test=rng.normal(size=(80, 5)).astype(np.float32),
    )  # fmt: skip
    beside = stand_beside(evaluation, [source], Baselines(trees=5), seed=0)
    page = Page(write_report(tmp_path, evaluation, Background(title="x", beside=beside)).read_text(encoding="utf-8"))
    assert page.open == []
    for wanted in ("Beside the network", "The network leads the best of them", "Random forest on hand-made features",
                   "Support vector machine on hand-made features", "Recall of each class"):  # fmt: skip
        assert wanted in page.text
    assert "Beside the network" not in write_report(tmp_path, evaluation, Background(title="x")).read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_vote_that_a_policy_alone_moves_is_on_the_page(tmp_path, evaluation):
    moved = ClassVotes("Donut", Interval(0.8, 0.7, 0.85, 0.0), "fail", 0, 2.5, 1.9, 3.1, 0.05, 0.02)
    still = ClassVotes("<b>Ring</b>", Interval(0.5, 0.4, 0.52, 0.5), "clean", 0, 1.0, 0.9, 1.1, 0.01, 0.01)
    votes = Votes((moved, still), bases=100, simulated=20)
    page = Page(write_report(tmp_path, evaluation, Background(title="x", votes=votes)).read_text(encoding="utf-8"))
    for shown in ("raises the model's probability of Donut", "2.50", "1.90 to 3.10", "<b>Ring</b>", "Registration is refused"):
        assert shown in page.text


def test_the_same_evaluation_gives_the_same_bytes_and_reads_only_the_maps_it_shows(tmp_path, evaluation):
    asked, drawn = [], []

    def counted(positions):
        asked.extend(positions)
        return maps(positions)

    first = write_report(tmp_path / "a", evaluation, BACKGROUND, counted, lambda done, total: drawn.append((done, total)))
    again = write_report(tmp_path / "b", evaluation, BACKGROUND, maps)
    assert first.read_bytes() == again.read_bytes()
    assert asked == sorted(set(asked))
    assert len(asked) <= len(evaluation.test)
    assert drawn[-1] == (len(asked), len(asked))


@pytest.mark.slow
def test_the_tables_for_plots_hold_every_wafer_and_whole_curves(tmp_path, evaluation):
    write_report(tmp_path, evaluation, Background(title="x"))
    with (tmp_path / "plots" / "confusion.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [r["predicted"] for r in rows] == list(evaluation.decisions)
    assert [r["actual"] for r in rows] == [NAMES[t] for t in evaluation.test.truth]
    with (tmp_path / "plots" / "roc.csv").open(newline="") as stream:
        donut = [r for r in csv.DictReader(stream) if r["class"] == "Donut"]
    assert (donut[0]["fpr"], donut[-1]["tpr"]) == ("0.000000", "1.000000")


@pytest.mark.slow
def test_the_history_may_be_a_csv_file(tmp_path, evaluation):
    history = tmp_path / "history.csv"
    history.write_text("epoch,loss,validation_macro_f1\n1,2.0,\n2,1.0,0.5\n")
    page = write_report(tmp_path, evaluation, Background(title="x", history=history)).read_text()
    assert ">Training</h2>" in page
    with pytest.raises(InputNotFoundError, match="training history"):
        write_report(tmp_path, evaluation, Background(title="x", history=tmp_path / "none.csv"))


def test_maps_that_do_not_match_are_refused(tmp_path, evaluation):
    with pytest.raises(InputError, match="one map per position"):
        write_report(tmp_path, evaluation, Background(title="x"), lambda _: [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_twenty_thousand_wafers_of_many_classes_stay_below_twenty_megabytes(tmp_path):
    rng = np.random.default_rng(0)
    taxonomy = Taxonomy(tuple(WaferClass(f"pattern {i}", normal=i == 0) for i in range(38)))
    p = rng.dirichlet(np.full(38, 0.05), 20_000)
    truth = (rng.random((20_000, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(0, 37)
    part = Part(truth=truth, probabilities=p, group=rng.integers(0, 800, 20_000))

    def crowded(positions):
        return [DefectMap(info=WaferInfo(lot="L", wafer=str(i)), xy_um=rng.normal(0, 45_000, (9_000, 2))) for i in positions]

    path = write_report(tmp_path, evaluate(part, part, taxonomy, Evaluate(bootstrap=5), rng), Background(title="x"), crowded)
    assert 5e6 < path.stat().st_size < 20e6
