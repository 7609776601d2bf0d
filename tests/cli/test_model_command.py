"""``inspection model``: what it says to a person and to a program, and that it writes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from inspection.cli import command_line

ROOT = Path(__file__).resolve().parents[2]


def inspection(*words: object, cwd: Path, columns: int = 130) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": str(columns)}
    command = [sys.executable, "-m", "inspection.cli", "model", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=600)
    assert list(cwd.iterdir()) == [], "a question leaves nothing behind"
    assert done.returncode == 0, done.stderr
    return done


def test_a_wrong_name_exits_with_2_and_lists_the_right_ones(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["inspection", "model", "resnet5"])
    with pytest.raises(SystemExit) as end:
        command_line()
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "resnet5" in line
    assert "resnet50" in line


@pytest.mark.slow
def test_a_person_and_a_program_are_told_the_same(tmp_path):
    options = ("lenet5", "--size-px", 32, "--channels", 1, "--classes", 10, "--no-speed")
    told = inspection(*options, cwd=tmp_path).stdout
    answer = json.loads(inspection(*options, "--json", cwd=tmp_path).stdout)
    assert answer["parameters"] == answer["trainable"] == 60_850
    assert answer["multiply_adds"] == 326_520
    assert answer["inputs"] == {"image": [32, 32, 1]}
    assert "images_per_second" not in answer
    for words in ("LeNet-5 (LeCun et al. 1998)", "60,850", "0.33 M", "32 x 32 px, which is the whole view", "TableConv2D", "48,120"):
        assert words in told


@pytest.mark.slow
def test_speed_layers_and_a_view_of_dies(tmp_path):
    done = inspection("plain_cnn", "--source", "dies", "--layers", "--symmetric", cwd=tmp_path)
    assert "64 x 64 x 3" in done.stdout
    assert "OrbitConv2D" in done.stdout
    assert "in batches of 64" in done.stdout


@pytest.mark.slow
def test_without_a_name_all_are_listed_with_their_parameters(tmp_path):
    from inspection.models.builders import BUILDERS

    answer = json.loads(inspection("--json", "--source", "dies", cwd=tmp_path).stdout)
    assert [row["name"] for row in answer["models"]] == list(BUILDERS)
    assert all(row["parameters"] >= row["trainable"] > 60_000 and row["multiply_adds"] > 0 and row["what"] for row in answer["models"])
