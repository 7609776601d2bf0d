"""Damage of any kind gives a FormatError with a code or a map, never another error, and a cut file never another map."""

from __future__ import annotations

import os

import diemap_writers as write
import numpy as np
import pytest
from damaged_bytes import flipped

from inspection.errors import FormatError
from inspection.formats import table
from inspection.formats.diemap import semi_e142, semi_g85, sinf, stdf
from inspection.params import Ingest

STATUS = np.array([[0, 1, 1, 0], [1, 2, 1, 1], [0, 2, 1, 0]], np.uint8)
FILES = {
    "sinf": (sinf, write.sinf(STATUS, pitch_mm=(2.5, 3.5), degrees=90)),
    "sinf_unspaced": (sinf, write.sinf(STATUS, gap="", end="\r\n")),
    "g85": (semi_g85, write.g85(STATUS, maps=True)),
    "g85_decimal": (semi_g85, write.g85(STATUS, bin_type="Decimal", cdata=False)),
    "e142": (semi_e142, write.e142([STATUS, STATUS], step=(2.0, 3.0))),
    "e142_coordinates": (semi_e142, write.e142([STATUS], coordinates=True, origin="UpperRight", axis="DownLeft")),
    "stdf": (stdf, write.stdf([STATUS, STATUS], step=(2.0, 3.0))),
    "stdf_little": (stdf, write.stdf([STATUS], mark="<", degrees=270)),
}
SOAK = os.environ.get("INSPECTION_SOAK") == "1"
SEEDS = range(100 if SOAK else 3)
ROUNDS = 500 if SOAK else 150
LIMITS = Ingest(max_file_mb=1)
TRAILING = len("\r\n")


def outcome(path, module, content):
    """Wafers, or None where the file is refused."""
    path.write_bytes(content)
    try:
        return list(module.read(path, LIMITS))
    except FormatError as error:
        return (
            None if error.reason.action and "." in error.reason.code and len(str(error)) < 1500 else pytest.fail(f"no good reason: {error}")
        )


def same(one, other):
    return (
        np.array_equal(one.map.status, other.map.status)
        and one.map.pitch_um == other.map.pitch_um
        and one.map.info == other.map.info
        and one.notes == other.notes
    )


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_at_any_byte_never_gives_another_map(tmp_path, name):
    module, content = FILES[name]
    path = tmp_path / "cut"
    expected = outcome(path, module, content)
    assert expected
    survived = 0
    for length in range(len(content)):
        found = outcome(path, module, content[:length])
        if found is not None:
            survived += 1
            assert len(found) == len(expected)
            assert all(map(same, expected, found))
    assert survived <= TRAILING


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", FILES)
def test_flipped_and_moved_bytes_raise_nothing_but_format_errors(tmp_path, name, seed):
    module, content = FILES[name]
    rng = np.random.default_rng(seed)
    for _ in range(ROUNDS):
        low, high = sorted(rng.integers(0, len(content), size=2).tolist())
        moved = content[:low] + content[high:] + content[low:high] if rng.random() < 0.3 else content
        for wafer in outcome(tmp_path / "flipped", module, flipped(rng, moved)) or []:
            assert wafer.map.status.dtype == np.uint8
            assert wafer.map.status.ndim == 2
            assert wafer.map.status.max(initial=0) <= 2


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_junk_after_a_true_beginning(tmp_path, seed):
    rng = np.random.default_rng(seed)
    for module, content in FILES.values():
        for length in (8, 60, 300):
            junk = rng.bytes(4000) if seed % 2 else bytes(rng.choice(np.frombuffer(content, np.uint8), 4000))
            outcome(tmp_path / "junk", module, content[:length] + junk)


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_recognised_as_what_it_is(tmp_path, name):
    module, content = FILES[name]
    path = tmp_path / "misleading.npy"
    path.write_bytes(content)
    assert table.recognise(path).name == module.__name__.rpartition(".")[2]
    others = [f for f in table.FORMATS if f.recognises(content[: table.HEAD_BYTES], path)]
    assert len(others) == 1


@pytest.mark.parametrize("name", FILES)
def test_a_file_beyond_the_size_limit_is_refused_unread(tmp_path, name):
    module, content = FILES[name]
    path = tmp_path / "large"
    path.write_bytes(content)
    with path.open("r+b") as file:
        file.truncate(LIMITS.max_file_bytes + 1)
    with pytest.raises(FormatError, match="at most 1 MiB"):
        list(module.read(path, LIMITS))


@pytest.mark.parametrize("columns", [7, 2, 28, 1])
def test_cells_with_blanks_between_them_are_never_joined_to_longer_ones(tmp_path, columns):
    path = tmp_path / "w.sinf"
    path.write_bytes(write.sinf(np.ones((3, 14), np.uint8), header={"COLCT": str(columns)}))
    with pytest.raises(FormatError, match=r"sinf\.columns"):
        list(sinf.read(path, LIMITS))
