"""Damage of any kind gives either the same map or a FormatError, never another error and never a cut map."""

from __future__ import annotations

import os

import klarf_samples as sample
import numpy as np
import pytest
from damaged_bytes import flipped

from inspection.errors import FormatError
from inspection.formats.klarf import klarf1, klarf18
from inspection.params import Ingest

FILES = {
    "klarf12": (klarf1, sample.klarf12().encode()),
    "klarf12_wafers": (klarf1, sample.klarf12(wafers=2).encode()),
    "klarf18": (klarf18, sample.KLARF18.encode()),
}
SOAK = os.environ.get("INSPECTION_SOAK") == "1"
SEEDS = range(200 if SOAK else 2)
ROUNDS = 1000 if SOAK else 150
LIMITS = Ingest(max_file_mb=1)


def outcome(path, module, content):
    """Wafers, or None where the file is refused."""
    path.write_bytes(content)
    try:
        return list(module.read(path, LIMITS))
    except FormatError as error:
        return None if error.reason.action and len(str(error)) < 1500 else pytest.fail(f"no good reason: {error}")


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_at_any_byte_never_gives_another_map(tmp_path, name):
    module, whole = FILES[name]
    path = tmp_path / "cut"
    expected = outcome(path, module, whole)
    survived = 0
    # Every byte of the small file, every seventh of the others (all of them in the long campaign).
    for length in range(0, len(whole), 1 if SOAK or name == "klarf12" else 7):
        found = outcome(path, module, whole[:length])
        if found is not None:
            survived += 1
            assert len(found) == len(expected)
            assert all(map(sample.same, expected, found))
    assert survived <= len("\n;")


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", FILES)
def test_flipped_bytes_raise_nothing_but_format_errors(tmp_path, name, seed):
    module, whole = FILES[name]
    rng = np.random.default_rng(seed)
    for _ in range(ROUNDS):
        outcome(tmp_path / "flipped", module, flipped(rng, whole))


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", FILES)
def test_moved_tokens_raise_nothing_but_format_errors(tmp_path, name, seed):
    module, whole = FILES[name]
    rng = np.random.default_rng(seed)
    tokens = whole.split()
    odd = [
        b"1e999",
        b"-1e308",
        b"99999999999999999999",
        b"nan",
        b"NA",
        b"-inf",
        b'"',
        b";",
        b"{",
        b"}",
        b"\xff\xfe",
        b"0x1p3",
        b"1_0",
    ]
    for _ in range(ROUNDS):
        damaged = list(tokens)
        at = int(rng.integers(0, len(damaged)))
        match int(rng.integers(0, 4)):
            case 0:
                damaged[at] = odd[int(rng.integers(0, len(odd)))]
            case 1:
                del damaged[at : at + int(rng.integers(1, 20))]
            case 2:
                other = int(rng.integers(0, len(damaged)))
                damaged[at], damaged[other] = damaged[other], damaged[at]
            case _:
                damaged[at:at] = damaged[at : at + int(rng.integers(1, 40))]
        outcome(tmp_path / "moved", module, b" ".join(damaged))
