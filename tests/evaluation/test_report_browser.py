"""The report in a real browser, from a file, without a network: what a reader does with it, and what it answers."""

from dataclasses import replace

import numpy as np
import pytest
from browser import CHROMIUM, Browser

from inspection.evaluation import wording
from inspection.evaluation.confusion import wilson
from inspection.evaluation.evaluation import Part, evaluate
from inspection.evaluation.operating import edges
from inspection.evaluation.report import Background, write_report
from inspection.params import Evaluate
from inspection.wafer.maps import DieMap, WaferInfo
from inspection.wafer.taxonomy import Taxonomy, WaferClass

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian's package of that name)")]

NAMES = ("Donut", "Normal", "</script><b>Ring", "Rare")
TAXONOMY = Taxonomy(tuple(WaferClass(n, normal=n == "Normal") for n in NAMES))
TEST = 400


@pytest.fixture(scope="module")
def evaluation():
    rng = np.random.default_rng(3)

    def part(n):
        truth = rng.choice(4, n, p=[0.3, 0.45, 0.2, 0.05])
        p = np.exp(rng.normal(size=(n, 4)) * 1.5 + 2.0 * np.eye(4)[truth])
        return Part(
            truth=truth, probabilities=(p / p.sum(axis=1, keepdims=True)).astype(np.float32), group=rng.integers(0, 9, n),
            unknown=rng.random(n) < 0.05,
        )  # fmt: skip

    return evaluate(part(300), part(TEST), TAXONOMY, Evaluate(bootstrap=20, coverage=0.7), rng)


def maps(positions):
    rng = np.random.default_rng(1)
    return [DieMap(info=WaferInfo(lot="L", wafer=str(p)), status=rng.integers(0, 3, (12, 12)).astype(np.uint8)) for p in positions]


@pytest.fixture(scope="module")
def path(tmp_path_factory, evaluation):
    who = [(f"LOT<{g}>", f"W{i}") for i, g in enumerate(evaluation.test.group)]
    return write_report(tmp_path_factory.mktemp("report"), evaluation, Background(title="x", identities=who), maps)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def page(opened, path):
    opened.complaints.clear()
    opened.asked.clear()
    opened.open(path)
    yield opened
    assert opened.complaints == []
    assert [one for one in opened.asked if not one.startswith(("file:", "data:"))] == []


def counted(hits, trials):
    return f"{hits} of {trials} · {wording.percent(hits / trials)}"


def expected(evaluation, c, thresholds):
    """Computed from the probabilities themselves, with the rule of the fab."""
    test, p = evaluation.test, np.asarray(evaluation.test.probabilities, np.float64)
    calls = np.array(replace(evaluation.rule, thresholds=thresholds).decide(p, test.unknown))
    of_class, called, reached = test.truth == c, calls == NAMES[c], p[:, c] >= thresholds[c]
    normal, said_normal = test.truth == 1, calls == "Normal"
    defect_call = np.isin(calls, [n for n in NAMES if n != "Normal"])
    return {
        "tpr": counted((reached & of_class).sum(), of_class.sum()),
        "fpr": counted((reached & ~of_class).sum(), (~of_class).sum()),
        "missed": counted((of_class & ~called).sum(), of_class.sum()),
        "invented": counted((~of_class & called).sum(), (~of_class).sum()),
        "escapes": counted((~normal & said_normal).sum(), (~normal).sum()),
        "overkill": counted((normal & defect_call).sum(), normal.sum()),
        "review": counted((calls == "Review").sum(), TEST),
    }


def numbers(page, column):
    return page.run(
        "Object.fromEntries([...document.querySelectorAll('#point tr[data-number]')]"
        f".map(r => [r.dataset.number, r.querySelector('.{column}').textContent]))"
    )


def choose(page, c):
    page.run(f"(() => {{const s = document.getElementById('class'); s.value = '{c}'; s.dispatchEvent(new Event('change'))}})()")


def slide(page, place):
    page.run(f"(() => {{const s = document.getElementById('threshold'); s.value = {place}; s.dispatchEvent(new Event('input'))}})()")


def test_at_its_own_thresholds_the_page_says_what_the_server_says(page, evaluation):
    for c in range(4):
        choose(page, c)
        found = numbers(page, "now")
        assert found == numbers(page, "own") == expected(evaluation, c, evaluation.thresholds.values)
        matrix = evaluation.by_decision
        assert found["escapes"] == counted(matrix.escapes.hits, matrix.escapes.trials)
        assert found["overkill"] == counted(matrix.overkill.hits, matrix.overkill.trials)
        assert found["missed"].startswith(f"{matrix.support[c] - matrix.counts[c, c]} of ")


def test_the_slider_gives_at_every_threshold_what_python_computes(page, evaluation):
    rng = np.random.default_rng(0)
    for c in range(4):
        choose(page, c)
        offered = edges(evaluation.thresholds.values[c])
        assert page.run("Number(document.getElementById('threshold').max)") == len(offered) - 1
        for place in (0, 1, len(offered) - 1, *rng.integers(0, len(offered), 8).tolist()):
            slide(page, place)
            thresholds = evaluation.thresholds.values.copy()
            thresholds[c] = offered[place]
            assert numbers(page, "now") == expected(evaluation, c, thresholds), (c, offered[place])
        page.click("#tuned")
        assert numbers(page, "now") == numbers(page, "own")


def test_several_thresholds_can_be_moved_together_and_all_back(page, evaluation):
    thresholds = evaluation.thresholds.values.copy()
    for c, place in ((0, 900), (1, 950), (2, 20)):
        choose(page, c)
        slide(page, place)
        thresholds[c] = edges(thresholds[c])[place]
    assert numbers(page, "now") == expected(evaluation, 2, thresholds)
    assert "2 other classes are moved, too." in page.text("#said")
    page.click("#all-tuned")
    assert numbers(page, "now") == expected(evaluation, 2, evaluation.thresholds.values)


def test_the_slider_moves_by_key_and_says_where_it_is(page, evaluation):
    choose(page, 0)
    page.run("document.getElementById('threshold').focus()")
    before = page.text("#at")
    page.press("ArrowRight")
    at = page.text("#at")
    offered = edges(evaluation.thresholds.values[0])
    place = int(np.searchsorted(offered, evaluation.thresholds.values[0])) + 1
    assert before.endswith("(tuned)")
    assert float(at) == pytest.approx(offered[place], abs=5e-5)
    assert page.run("document.getElementById('threshold').getAttribute('aria-valuetext')") == at
    page.press("End")
    assert numbers(page, "now")["tpr"].startswith("0 of ")
    across, down = page.run("(c => [c.cx.baseVal.value, c.cy.baseVal.value])(document.querySelector('#roc .now'))")
    assert (across, down) == (46, 282)  # nothing is called so: lower left


def test_a_click_on_a_cell_lists_its_wafers_and_shows_the_worst(page, evaluation):
    matrix = evaluation.by_decision
    row, column = 0, 1
    page.click(f'#matrix button[data-row="{row}"][data-column="{column}"]')
    positions = [
        i for i, (t, d) in enumerate(zip(evaluation.test.truth, evaluation.decisions, strict=True)) if t == row and d == NAMES[column]
    ]
    assert len(positions) == matrix.counts[row, column] > 1
    listed = page.run("[...document.querySelectorAll('#cell tbody tr')].map(r => [...r.children].map(c => c.textContent))")
    surest = sorted(positions, key=lambda i: -evaluation.test.probabilities[i, column])
    assert [one[1] for one in listed] == [f"W{i}" for i in surest]
    assert listed[0][:4] == [f"LOT<{evaluation.test.group[surest[0]]}>", f"W{surest[0]}", "Normal", "Normal"]
    assert listed[0][4] == wording.percent(float(evaluation.test.probabilities[surest[0], column]))
    assert "Donut called Normal" in page.text("#cell h3")
    low, high = wilson(matrix.counts[row, column], matrix.support[row])
    assert f"{wording.percent(float(low))} to {wording.percent(float(high))}" in page.text("#cell")
    shown = page.run("[...document.querySelectorAll('#cell img')].map(i => [i.complete && i.naturalWidth, i.nextSibling.textContent])")
    assert shown
    assert all(width == 190 for width, _ in shown)
    assert shown[0][1].startswith(f"LOT<{evaluation.test.group[surest[0]]}> · W{surest[0]}")


def test_cells_open_and_close_by_keyboard_alone(page):
    for _ in range(40):  # Tab comes to the matrix
        page.press("Tab")
        if page.run("document.activeElement.closest('#matrix') !== null"):
            break
    assert page.run("document.querySelectorAll('#matrix button[tabindex=\"0\"]').length") == 1
    first = page.run("document.activeElement.title")
    page.press("ArrowRight")
    second = page.run("document.activeElement.title")
    assert second != first
    page.press("ArrowLeft")
    assert page.run("document.activeElement.title") == first
    page.press("ArrowRight", "Enter")
    assert second in page.text("#cell")
    assert page.run("document.activeElement.id") == "cell"
    assert page.run("document.querySelectorAll('#matrix button[aria-expanded=\"true\"]').length") == 1
    page.press("Escape")
    assert page.run("document.getElementById('cell').hidden")
    assert page.run("document.activeElement.title") == second
    page.press(" ")
    assert second in page.text("#cell")
    page.press("Escape", "Tab")
    assert page.run("document.activeElement.closest('#matrix')") is None


def test_every_cell_opens_with_as_many_wafers_as_it_counts(page):
    wrong = page.run(
        "[...document.querySelectorAll('#matrix button')].filter(b => {"
        "b.click(); document.querySelector('#cell > button:not(.shut)')?.click();"
        "return document.querySelectorAll('#cell tbody tr').length !== Number(b.textContent)}).map(b => b.title)"
    )
    assert wrong == []


def test_everything_can_be_reached_and_has_a_name(page):
    unnamed = page.run(
        "[...document.querySelectorAll('button, select, input, a, img, svg')].filter(e => !(e.getAttribute('aria-label') || e.alt || "
        "e.textContent.trim() || e.closest('label') || e.getAttribute('aria-hidden'))).map(e => e.outerHTML.slice(0, 90))"
    )
    assert unnamed == []
    assert page.run("document.documentElement.lang") == "en"
    twice = page.run("[...document.querySelectorAll('[id]')].map(e => e.id).filter((id, i, all) => all.indexOf(id) !== i)")
    assert twice == []
    lost = page.run("[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href')).filter(h => !document.querySelector(h))")
    assert lost == []


@pytest.mark.parametrize("width", [380, 800, 1280])
def test_no_window_makes_the_page_scroll_sideways(opened, path, width):
    opened.open(path, width=width)
    assert opened.run("document.documentElement.scrollWidth") <= width


def test_on_paper_figures_stand_for_what_moves_and_no_table_is_cut(page, path):
    page.open(path, width=688)  # A4 between margins of 14 mm
    page.send("Emulation.setEmulatedMedia", media="print")
    try:
        cut = page.run(
            "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText.slice(0, 40))"
        )
        assert cut == []
        shown = page.run("[...document.querySelectorAll('#matrix, #operating, .paper img')].map(e => e.offsetParent !== null)")
        assert shown == [False, True, False]  # in the order of the page: the table, its figure, the slider
    finally:
        page.send("Emulation.setEmulatedMedia", media="screen")


def test_the_policy_lets_nothing_else_run(opened, path, tmp_path):
    text = path.read_text(encoding="utf-8").replace("</main>", "<script>document.title = 'broken into'</script></main>")
    (tmp_path / "changed.html").write_text(text, encoding="utf-8")
    opened.open(tmp_path / "changed.html")
    assert opened.run("document.title") == "x · evaluation"
    assert any("Content Security Policy" in complaint for complaint in opened.complaints)
    refused = opened.run("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')")
    assert refused == "refused"
