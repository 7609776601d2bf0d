"""A sidecar's YAML is refused, and refused at once, whatever it would unfold to."""

import pytest
import yaml

from inspection.formats import safe_yaml


def test_plain_values_are_what_pyyaml_makes_of_them():
    text = "lot: L1\nslot: 3\ndies: [[0, 1, 2]]\nat: 2026-01-05T06:00:00+00:00\nnone:\n"
    assert safe_yaml.load(text) == yaml.safe_load(text)
    assert safe_yaml.load("") is None


LEVELS = "".join(f"{chr(98 + i)}: &{chr(98 + i)} {{<<: [{', '.join(['*' + chr(97 + i)] * 9)}]}}\n" for i in range(20))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {x: 1}\n" + LEVELS,  # 9 to the 20th values
        "a: &a 1\nb: *a",
        "[" * 1_000_000,
        "- " * 500_000,
        "{a: " * 100_000,
        "at: 2026-13-45",
        "at: 2026-01-05T06:00:00+99:00",
        "at: !!timestamp soon",
        "n: !!int many",
        "n: " + "9" * 5_000,
        "{[1]: 2}",
        "!!python/object/apply:os.system [id]",
        "--- 1\n--- 2",
        "\t",
    ],
)
def test_what_unfolds_nests_runs_or_is_no_value_is_refused(text):
    with pytest.raises(yaml.YAMLError):
        safe_yaml.load(text)
