"""Long lists take compiled loops, threads and blocks: they must give what the plain way gives for the same bytes."""

from __future__ import annotations

import re

import klarf_dialects as dialect
import klarf_samples as sample
import numpy as np
import pytest
from damaged_bytes import flipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspection.errors import FormatError
from inspection.formats.klarf import klarf1, klarf18, rowtext, stream
from inspection.formats.klarf.rowtext import tokenise
from inspection.params import Ingest

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = "DEFECTID XREL YREL XINDEX YINDEX DSIZE CLASSNUMBER IMAGECOUNT IMAGELIST"


@pytest.fixture
def long_way(monkeypatch):
    """Makes every list a long one, in blocks and parts so small that rows cross them."""

    def switch(on, block=64, part=200):
        monkeypatch.setattr(rowtext, "LONG", 1 if on else 1 << 60)
        monkeypatch.setattr(rowtext, "_LONG_WHEN_LOADED", 1 if on else 1 << 60)
        monkeypatch.setattr(rowtext, "_PART", part)
        monkeypatch.setattr(rowtext, "_LONGEST_LINE", block)
        monkeypatch.setattr(rowtext, "cores", lambda: 3)
        monkeypatch.setattr(stream, "_BLOCK", block)

    return switch


@pytest.fixture
def outcome(tmp_path):
    def read(content, module=klarf1):
        path = tmp_path / "file"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        try:
            return list(module.read(path, Ingest()))
        except FormatError as error:
            return error.reason.code

    return read


def agree(outcome, long_way, content, module=klarf1, *, codes=True):
    long_way(False)
    plain = outcome(content, module)
    for block, part in ((64, 200), (256, 1 << 20), (1 << 18, 300)):
        long_way(True, block, part)
        found = outcome(content, module)
        if isinstance(plain, str) or isinstance(found, str):
            # Of two faults in one file either may be found first.
            assert found == plain if codes else isinstance(found, str) and isinstance(plain, str)
        else:
            assert all(map(sample.same, plain, found))
            assert len(plain) == len(found)
    return plain


@quick
@given(
    st.lists(st.one_of(st.floats(), st.integers(), st.decimals(allow_nan=False)).map(str), min_size=1), st.sampled_from((" ", "\n", ";"))
)
def test_every_number_is_that_of_python(long_way, numbers, blank):
    raw = (blank.join(numbers) + blank).encode()
    expected = [float(n) for n in numbers]
    for long in (False, True):
        long_way(long)
        tokens = tokenise(raw)
        # NaN and infinity are words, looked up when a column is made.
        found = [f if np.isfinite(f) else float(t) for f, t in zip(tokens.values, tokens.texts(np.arange(len(numbers))), strict=True)]
        assert np.array_equal(found, expected, equal_nan=True)
        assert np.array_equal(np.signbit(found), np.signbit(expected)) or np.isnan(expected).any()


ODD = (
    "1.",
    ".5",
    "-",
    "+",
    ".",
    "e5",
    "1e",
    "1e+",
    "1e5",
    "1E+005",
    "-0",
    "+7",
    "00012",
    "1_0",
    "0x1p3",
    "1.2.3",
    "1-2",
    "5e-324",
    "1e400",
    "nan",
)
STRINGS = (
    "NA",
    "N",
    '"a b"',
    '"x;y"',
    '"12"',
    '""',
    "9007199254740993",
    "123456789012345678901234567890",
    "0.1234567890123456789",
    "inf",
    "µ",
)


@quick
@given(st.lists(st.sampled_from((*ODD, *STRINGS)), min_size=1, max_size=40), st.data())
def test_any_tokens_are_the_same_tokens(long_way, words, data):
    raw = "".join(w + data.draw(st.sampled_from((" ", "\n", "\t \r\n", ";", " ; "))) for w in words).encode()
    long_way(False)
    plain = tokenise(raw)
    long_way(True)
    found = tokenise(raw)
    everything = np.arange(len(words))
    assert found.breaks.tolist() == plain.breaks.tolist()
    assert found.texts(everything) == plain.texts(everything) == [w.strip('"') for w in words]
    known = np.isfinite(found.values)
    assert np.array_equal(found.values[known], plain.values[known])
    assert not any(np.isfinite(rowtext.number(words[i])) for i in np.flatnonzero(~known))


def row(i, images, layout, size="1.5"):
    pictures = " ".join(f"{k + 1} 0" for k in range(images))
    count = "" if layout == "bare" or (layout == "left out" and not images) else str(images)
    return f"{i} {i * 7.125 % 5000:.3f} {i * 3.5 % 4000} {i % 9 - 4} {i % 7 - 3} {size} {i % 5} {images} {count} {pictures}".strip()


@pytest.mark.parametrize("layout", ["own", "bare", "left out"])
@quick
@given(images=st.lists(st.integers(0, 3), min_size=1, max_size=60), data=st.data())
def test_rows_of_any_width_and_wrapping_are_the_same_map(outcome, long_way, layout, images, data):
    rows = [row(i + 1, n, layout) for i, n in enumerate(images)]
    if data.draw(st.booleans()):
        rows = [re.sub(" ", lambda _: data.draw(st.sampled_from((" ", "\n"))), r) for r in rows]
    found = agree(outcome, long_way, sample.klarf12(rows, NAMES))
    assert isinstance(found, str) or found[0].map.defects in {len(images), *range(len(images) * 3)}


def test_an_image_list_without_a_count_beside_it_is_the_same(outcome, long_way):
    rows = [f"{i} {i * 7.5} 3.5 0 0 0" for i in range(1, 40)]
    content = sample.klarf12(rows, "DEFECTID XREL YREL XINDEX YINDEX IMAGELIST", extra='TiffSpec 6.1 3 "A" "B" "C";\n')
    assert agree(outcome, long_way, content)[0].map.defects == 39


@pytest.mark.parametrize(
    "size", ["NA", "1.#QNAN", "1.5D+2", "small", '"very; big"', "inf", "0.12345678901234567890123", "1e-30", "3000000000"]
)
def test_a_column_with_more_than_plain_numbers_is_the_same(outcome, long_way, size):
    rows = [row(i, i % 3, "own", size if i % 4 == 0 else "2.5") for i in range(1, 40)]
    wafers = agree(outcome, long_way, sample.klarf12(rows, NAMES))
    assert wafers[0].map.defects == 39


@pytest.mark.parametrize("fault", ["drop", "add", "swap"])
@quick
@given(at=st.integers(0, 200))
def test_damaged_rows_are_refused_alike(outcome, long_way, fault, at):
    tokens = " ".join(row(i, 0, "own") for i in range(1, 30)).split()
    at %= len(tokens)
    damaged = {
        "drop": tokens[:at] + tokens[at + 1 :],
        "add": [*tokens[:at], "7.5", *tokens[at:]],
        "swap": [*tokens[:at], "x", *tokens[at + 1 :]],
    }
    agree(outcome, long_way, sample.klarf12([" ".join(damaged[fault])], NAMES))


@pytest.mark.slow
@quick
@given(st.data())
def test_lists_of_the_nested_family_are_the_same(outcome, long_way, data):
    body = re.search(r"Data 3\n        \{(.*?)\n        \}", sample.KLARF18, re.DOTALL)[1]
    count = data.draw(st.integers(1, 12))
    content = sample.KLARF18.replace("Data 3\n", f"Data {3 * count}\n").replace(body, body * count)
    pieces = re.split(r'("[^"\n]*")|(\s+)', content)
    content = "".join(data.draw(st.sampled_from((" ", "\n"))) if p and p.isspace() else p for p in pieces if p)
    assert agree(outcome, long_way, content, klarf18)[0].map.defects == 3 * count


@pytest.mark.parametrize(
    ("old", "new"),
    [("0 1 0 N;", "0 1 0 N"), ("0 1 0 N;", "0 1 0 N;;"), ("0 1 0 N", "0 1 N"), ("Data 3\n", "Data 2\n"), ("0 1 0 N", "0 1 0 0 N")],
)
def test_damaged_lists_of_the_nested_family_are_refused_alike(outcome, long_way, old, new):
    assert agree(outcome, long_way, sample.KLARF18.replace(old, new), klarf18) == "klarf.rows"


@quick
@given(truth=dialect.wafers, way=dialect.dialects)
def test_any_dialect_of_the_line_family_is_the_same(outcome, long_way, truth, way):
    assert not isinstance(agree(outcome, long_way, dialect.klarf12(truth, way)), str)


@quick
@given(truth=dialect.wafers, way=dialect.dialects18)
def test_any_dialect_of_the_nested_family_is_the_same(outcome, long_way, truth, way):
    assert not isinstance(agree(outcome, long_way, dialect.klarf18(truth, way), klarf18), str)


def test_the_sample_files_are_the_same(outcome, long_way):
    for content, module in ((sample.klarf12(wafers=3), klarf1), (sample.KLARF18, klarf18)):
        assert not isinstance(agree(outcome, long_way, content, module), str)


def test_a_small_file_does_not_load_the_compiler(tmp_path):
    import subprocess
    import sys

    (tmp_path / "a").write_text(sample.klarf12())
    code = "import sys, pathlib; from inspection.formats import table; from inspection.params import Ingest; "
    code += "list(table.read(pathlib.Path(sys.argv[1]), Ingest())); sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], check=True)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100))
@pytest.mark.parametrize("family", ["klarf12", "klarf18"])
def test_damaged_bytes_end_alike(outcome, long_way, family, seed):
    module, whole = (klarf1, sample.klarf12(wafers=2)) if family == "klarf12" else (klarf18, sample.KLARF18)
    rng = np.random.default_rng(seed)
    for _ in range(40):
        agree(outcome, long_way, flipped(rng, whole.encode(), b' \n;"{}0.5eEN-x\xff\x00'), module, codes=False)
