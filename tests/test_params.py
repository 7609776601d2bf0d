"""params.yaml: what is shipped, what a key means when it is absent, and what is refused."""

import pytest

from inspection import params as parameters
from inspection.errors import ParamsError


def test_a_key_that_a_params_file_lacks_has_the_shipped_value():
    """A workspace keeps the params.yaml it was started with: a key that a newer version adds must mean the same there."""
    shipped = parameters.load()
    only_taxonomy = parameters.Params(taxonomy=shipped.taxonomy)
    assert only_taxonomy == shipped


def test_every_key_is_in_the_shipped_file():
    """What is not in the file cannot be found by the one who wants to change it."""
    import yaml

    written = yaml.safe_load((parameters.PACKAGED / "params.yaml").read_text(encoding="utf-8"))
    known = parameters.Params().model_dump(by_alias=True, mode="json")
    del written["taxonomy"], known["taxonomy"]
    assert written == known


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("split: {tset: 0.2}", "split.tset"),
        ("split: {test: 1.5}", "split.test"),
        ("train: {epochs: 0}", "train.epochs"),
        ("train: [1]", "train"),
        ("a: b: c", "expected YAML"),
        ("\xff", "params.yaml"),
    ],
)
def test_a_wrong_file_is_refused_with_the_key_in_words(tmp_path, text, named):
    path = tmp_path / "params.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ParamsError, match=named) as refused:
        parameters.load(path)
    assert "Correct" in str(refused.value)
