"""A sidecar's YAML is text as it stands, and refused at once whatever it would unfold to."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from inspection.errors import FormatError
from inspection.formats.points.sidecar import read_sidecar
from inspection.formats.sidecar import mapping_of


def test_values_are_what_stands_there():
    text = "lot: 007\nslot: 3\ndies: [[0, 1, 2]]\nat: 2026-13-45\nyes: no\nnone:\nnull: ~\n"
    assert mapping_of(text) == {"lot": "007", "slot": "3", "dies": [["0", "1", "2"]], "at": "2026-13-45", "yes": "no"}
    assert mapping_of("") == mapping_of("# nothing") == {}


@given(st.dictionaries(st.text("abcxyz_", min_size=1), st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1)))
def test_a_mapping_of_texts_comes_back(content):
    content = {k: v for k, v in content.items() if v not in ("~", "null", "Null", "NULL")}
    assert mapping_of(yaml.safe_dump(content, allow_unicode=True)) == content


LEVELS = "".join(f"{chr(98 + i)}: &{chr(98 + i)} {{<<: [{', '.join(['*' + chr(97 + i)] * 9)}]}}\n" for i in range(20))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {x: 1}\n" + LEVELS,  # 9 to the 20th values
        "a: &a 1\nb: *a",
        "[" * 1_000_000,
        "- " * 500_000,
        "{a: " * 100_000,
        "{[1]: 2}",
        "--- 1\n--- 2",
        "- a list",
        "one word",
        "\t",
        "\x00",
    ],
)
def test_what_unfolds_nests_or_is_no_mapping_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - one error for whatever is wrong
        mapping_of(text)


@pytest.mark.parametrize("key", ["orientaton: left", "Unit: mm", "colums: {x: a}"])
def test_a_misspelt_key_is_refused_and_a_foreign_one_noted(tmp_path, key):
    (tmp_path / "a.yaml").write_text(key)
    (tmp_path / "b.yaml").write_text("operator: Ann")
    with pytest.raises(FormatError, match="the key"):
        read_sidecar(tmp_path / "a.csv")
    assert read_sidecar(tmp_path / "b.csv").notes == ("sidecar: unknown keys operator",)
