"""What a user may rely on at the command line, seen from outside: exit codes, one line per error, one JSON object, no side effects."""

from __future__ import annotations

import csv
import filecmp
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inspection.cli import command_line

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    *("run", "simulate", "ingest", "validate", "snapshot", "tile", "split", "guard", "train", "evaluate", "register", "promote"),
    *("classify", "lot", "worker", "alerts", "explain", "show", "pyramid", "count", "model", "status", "history", "export", "similar"),
    *("quarantine list", "quarantine show", "quarantine release"),
)
ON_A_WORKSPACE = (
    *(
        "validate",
        "validate --from-snapshot",
        "ingest --from-snapshot",
        "snapshot",
        "tile",
        "split",
        "guard",
        "train",
        "evaluate",
        "register",
    ),
    *("promote --reason better", "worker --until-empty", "alerts", "status"),
    *("history L1 W1", "lot L1", "similar L1 W1", "explain L1 W1"),
    *("export --lot L1 --out out", "quarantine list", "quarantine show 12", "quarantine release --all"),
)
Done = subprocess.CompletedProcess
NO_TRACEBACK = "Traceback (most recent call last)"


def inspection(*words: object, cwd: Path, columns: int = 60) -> Done:
    """Run the command as a user would, in a terminal's worth of a narrow pipe."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": str(columns)}
    command = [sys.executable, "-m", "inspection.cli", *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture
def at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """As ``inspection``, in this process: for refusals, which come before anything heavy is imported."""

    def run(*words: str) -> Done:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["inspection", *words])
        with pytest.raises(SystemExit) as end:
            command_line()
        told = capsys.readouterr()
        return Done(words, int(end.value.code or 0), told.out, told.err)

    return run


def answered(done: Done) -> dict:
    """The one JSON object on standard output; anything else there is a failure."""
    content = json.loads(done.stdout)
    assert isinstance(content, dict)
    assert done.stdout.count("\n") == 1
    assert NO_TRACEBACK not in done.stderr
    return content


def refused(done: Done, code: int) -> str:
    """The one line of a refusal."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert NO_TRACEBACK not in done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


@pytest.fixture(scope="module")
def fab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fab") / "maps"
    answer = answered(inspection("simulate", folder, "--lots", 2, "--wafers", 3, "--seed", 7, "--json", cwd=folder.parent))
    assert (answer["lots"], answer["wafers"]) == (2, 6)
    return folder


def good_klarf(fab: Path) -> tuple[Path, dict[str, str]]:
    """A file of the fab with its row of the truth."""
    with (fab / "truth.csv").open(newline="") as stream:
        row = max((r for r in csv.DictReader(stream) if not r["bad"]), key=lambda r: int(r["defects"]))
    return fab / row["file"], row


@pytest.fixture(scope="module")
def truncated(fab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cut") / "cut.klarf"
    whole = good_klarf(fab)[0].read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def facts_by_hand(path: Path) -> dict[str, float | str]:
    """Lot, wafer and places of a KLARF file of one wafer, by regular expressions instead of the reader."""
    text = path.read_text()
    pitch = [float(v) for v in re.search(r"DiePitch (\S+) (\S+);", text).groups()]
    center = [float(v) for v in re.search(r"SampleCenterLocation (\S+) (\S+);", text).groups()]
    columns = re.search(r"DefectRecordSpec \d+ ([^;]+);", text)[1].split()
    at = {name: columns.index(name) for name in ("XREL", "YREL", "XINDEX", "YINDEX")}
    rows = [line.split() for line in re.search(r"DefectList\s*\n([^;]*);", text)[1].splitlines() if line.strip()]
    x = [int(r[at["XINDEX"]]) * pitch[0] + float(r[at["XREL"]]) - center[0] for r in rows]
    y = [int(r[at["YINDEX"]]) * pitch[1] + float(r[at["YREL"]]) - center[1] for r in rows]
    return {
        "lot": re.search(r'LotID "(.+?)"', text)[1],
        "wafer": re.search(r'WaferID "(.+?)"', text)[1],
        "defects": len(rows),
        "mean_x_um": math.fsum(x) / len(x),
        "mean_y_um": math.fsum(y) / len(y),
        "max_radius_um": max(map(math.hypot, x, y)),
    }


def test_every_command_is_there_and_explains_itself(tmp_path: Path) -> None:
    # In one process: sixteen interpreters would cost ten seconds and show nothing more.
    script = f"""
import sys
from inspection.cli import main
for name in ("", *{COMMANDS!r}):
    sys.argv = ["inspection", *name.split(), "--help"]
    try:
        main()
    except SystemExit as end:
        assert not end.code, name
    print("=====", name)
heavy = {{"numpy", "pandas", "tensorflow", "keras", "mlflow", "prefect", "sklearn", "great_expectations", "dvc", "sqlalchemy"}}
print("HEAVY", sorted(heavy & set(sys.modules)))
"""
    env = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "120", "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    overview, *pages = done.stdout.split("=====")
    assert {name.split()[0] for name in COMMANDS} <= set(overview.split())
    assert len(pages) == len(COMMANDS) + 1
    for name, page in zip(COMMANDS, pages, strict=False):
        assert name in {"simulate", "show"} or "--workspace" in page, name
        assert "--json" in page, name
    assert "HEAVY []" in done.stdout, "help must not wait for an engine"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["--nonsense"], ["nonsense"], ["show"], ["simulate", "out", "--lots", "0"], ["alerts", "--close", "x"]])
def test_wrong_usage_exits_with_2(tmp_path: Path, at_once: Callable[..., Done], words: list[str]) -> None:
    done = at_once(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert NO_TRACEBACK not in done.stderr
    assert "Usage" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_wrong_usage_is_one_json_object_too(tmp_path: Path) -> None:
    done = inspection("status", "--nonsense", "--json", cwd=tmp_path)
    answer = answered(done)
    assert done.returncode == answer["exit_code"] == 2
    assert "--nonsense" in answer["error"]


@pytest.mark.parametrize("command", ["ingest", "show", "classify"])
def test_a_wrong_path_exits_with_2_and_starts_no_workspace(tmp_path: Path, at_once: Callable[..., Done], command: str) -> None:
    line = refused(at_once(*command.split(), "nowhere"), 2)
    assert "nowhere" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["ingest", "classify"])
def test_an_empty_folder_exits_with_2_and_starts_no_workspace(tmp_path: Path, at_once: Callable[..., Done], command: str) -> None:
    (tmp_path / "maps").mkdir()
    line = refused(at_once(*command.split(), "maps"), 2)
    assert "empty" in line
    assert [p.name for p in tmp_path.iterdir()] == ["maps"]


def test_run_refuses_a_wrong_path_and_an_empty_folder_before_it_starts_anything(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    assert "nowhere" in refused(inspection("run", "--input", "nowhere", cwd=tmp_path), 2)
    assert "empty" in refused(inspection("run", "--input", "maps", cwd=tmp_path), 2)
    done = inspection("run", "--input", "nowhere", "--json", cwd=tmp_path)
    assert done.returncode == answered(done)["exit_code"] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["maps"]


def test_a_file_is_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for command in ("run", "status"):
        assert "file" in refused(inspection(command, "--workspace", "file", cwd=tmp_path), 2)


@pytest.mark.parametrize("command", ON_A_WORKSPACE)
def test_no_question_starts_a_workspace(tmp_path: Path, at_once: Callable[..., Done], command: str) -> None:
    line = refused(at_once(*command.split()), 2)
    assert "inspection run" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "first"),
    [("split", "--from-snapshot"), ("guard", "split"), ("train", "split"), ("evaluate", "train"), ("register", "evaluate")],
)
def test_a_stage_that_comes_too_early_says_what_comes_first(tmp_path: Path, at_once: Callable[..., Done], command: str, first: str) -> None:
    (tmp_path / "workspace").mkdir()
    assert f"{first}` first" in refused(at_once(command), 2)


@pytest.mark.parametrize("reason", [[], ["--reason", " "]])
def test_a_promotion_without_reason_exits_with_2(tmp_path: Path, at_once: Callable[..., Done], reason: list[str]) -> None:
    assert "--reason" in refused(at_once("promote", *reason), 2)
    assert list(tmp_path.iterdir()) == []


def test_a_parameter_that_does_not_exist_exits_with_2_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "params.yaml").write_text("train: {epoch: 3}\n")
    line = refused(inspection("status", cwd=tmp_path), 2)
    assert "train.epoch" in line
    assert (tmp_path / "workspace" / "params.yaml").read_text() == "train: {epoch: 3}\n"


def test_a_truncated_file_is_one_line_with_code_place_and_advice(tmp_path: Path, truncated: Path) -> None:
    line = refused(inspection("show", truncated, cwd=tmp_path), 1)
    assert "klarf.truncated" in line
    assert str(truncated) in line
    assert re.search(r"line \d+", line)
    assert "hand it in again" in line
    assert list(tmp_path.iterdir()) == []


def test_a_failure_is_one_json_object(tmp_path: Path, truncated: Path) -> None:
    done = inspection("show", truncated, "--json", cwd=tmp_path)
    answer = answered(done)
    assert done.returncode == answer["exit_code"] == 1
    assert answer["kind"] == "FormatError"
    assert "klarf.truncated" in answer["error"]


def test_classify_without_a_workspace_exits_with_2_and_writes_nothing(tmp_path: Path, fab: Path) -> None:
    done = inspection("classify", good_klarf(fab)[0], "--json", cwd=tmp_path)
    assert done.returncode == answered(done)["exit_code"] == 2
    assert list(tmp_path.iterdir()) == []


def test_show_tells_what_an_independent_reading_of_the_file_finds(tmp_path: Path, fab: Path) -> None:
    path, truth = good_klarf(fab)
    done = inspection("show", path, "--json", cwd=tmp_path)
    assert done.returncode == 0
    (wafer,) = answered(done)["wafers"]
    names = ("lot", "wafer", "defects")
    expected = facts_by_hand(path)
    assert [wafer.pop(n) for n in names] == [expected.pop(n) for n in names] == [truth["lot"], truth["wafer"], int(truth["defects"])]
    assert wafer.pop("notes") == []
    assert wafer == pytest.approx(expected, rel=1e-12, abs=1e-6)
    assert list(tmp_path.iterdir()) == [], "show leaves nothing behind"


def test_show_for_a_person_names_the_same_wafer(tmp_path: Path, fab: Path) -> None:
    path, truth = good_klarf(fab)
    done = inspection("show", path, cwd=tmp_path, columns=120)
    assert done.returncode == 0
    assert {truth["lot"], truth["wafer"], truth["defects"]} <= set(done.stdout.split())


def test_show_draws_the_wafer(tmp_path: Path, fab: Path) -> None:
    path, _ = good_klarf(fab)
    assert inspection("show", path, "--png", "wafer.png", "--json", cwd=tmp_path).returncode == 0
    assert (tmp_path / "wafer.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert [p.name for p in tmp_path.iterdir()] == ["wafer.png"]
    assert "No wafer 3" in refused(inspection("show", path, "--png", "other.png", "--index", 3, cwd=tmp_path), 2)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path, fab: Path) -> None:
    for folder, seed in (("same", 7), ("other", 8)):
        done = inspection("simulate", folder, "--lots", 2, "--wafers", 3, "--seed", seed, "--json", cwd=tmp_path)
        assert done.returncode == 0
        answered(done)
    files = sorted(str(p.relative_to(fab)) for p in fab.rglob("*") if p.is_file())
    assert files == sorted(str(p.relative_to(tmp_path / "same")) for p in (tmp_path / "same").rglob("*") if p.is_file())
    same, different, missing = filecmp.cmpfiles(fab, tmp_path / "same", files, shallow=False)
    assert (sorted(same), different, missing) == (files, [], [])
    assert (tmp_path / "other" / "truth.csv").read_bytes() != (fab / "truth.csv").read_bytes()


def test_status_of_a_started_workspace_counts_what_waits_and_changes_nothing(tmp_path: Path, fab: Path) -> None:
    path, _ = good_klarf(fab)
    assert answered(inspection("ingest", path, "--json", cwd=tmp_path))["wafers"] == 1
    first, second = (answered(inspection("status", "--json", cwd=tmp_path)) for _ in range(2))
    for answer in (first, second):
        assert answer.pop("last_file")["name"] == path.name
        assert answer["waiting"]["wafers"] == answer["done"]["files"] == 1
        assert answer["champion"] is None
    assert first == second
