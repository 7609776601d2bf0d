"""A workspace as a DVC project, with the real DVC and trivial commands in the place of the stages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import yaml

from inspection.dataset.project import STAGES, Project
from inspection.errors import EngineError, InputError
from inspection.params import load
from inspection.settings import Workspace

ROOT = Path(__file__).resolve().parents[2]


def trivial(project: Project) -> None:
    """Replace each stage's command by one that writes its outputs; a change of a dependency changes them."""
    path = project.root / "dvc.yaml"
    content = yaml.safe_load(path.read_text())
    for name, stage in content["stages"].items():
        outs = [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
        read = " ".join(stage["deps"])
        lines = [f"mkdir -p $(dirname {out}) && cat {read} > {out} && echo {name} >> {out}" for out in outs]
        stage["cmd"] = "; ".join(lines) + f"; grep epochs params.yaml >> {outs[0]}; echo did {name}"
    path.write_text(yaml.safe_dump(content))
    snapshot = project.workspace / "snapshot"
    snapshot.mkdir(exist_ok=True)
    (snapshot / "manifest.json").write_text("{}")
    (snapshot / "wafers.csv").write_text("lot\n")
    (snapshot / "start.json").write_text("{}")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.open(Workspace(tmp_path / "space"))
    trivial(project)
    return project


def set_command(project: Project, stage: str, command: str) -> None:
    path = project.root / "dvc.yaml"
    content = yaml.safe_load(path.read_text())
    content["stages"][stage]["cmd"] = command
    path.write_text(yaml.safe_dump(content))


def test_a_fresh_workspace_is_started_from_the_packaged_copies_and_keeps_the_users_params(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "space")
    project = Project.open(workspace)
    assert project.root == workspace.root
    assert load(project.params) == load()
    content = yaml.safe_load((project.root / "dvc.yaml").read_text())
    assert content["vars"] == [{"workspace": "."}]
    assert tuple(content["stages"]) == STAGES
    project.params.write_text("base: {seed: 7}\n")
    assert load(Project.open(workspace).params).base.seed == 7


def test_the_checkout_serves_only_the_workspace_that_its_pipeline_names(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for folder in (".dvc", ".git"):
        (checkout / folder).mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml"):
        (checkout / name).write_text((ROOT / name).read_text())
    assert Project.open(Workspace(checkout / "workspace")).root == checkout
    other = Project.open(Workspace(checkout / "other"))
    assert other.root == checkout / "other"
    assert Project.open(Workspace(tmp_path / "workspace"), cwd=checkout).root == tmp_path / "workspace"


def test_every_stage_depends_only_on_what_lies_below_the_workspace_and_the_params_exist() -> None:
    content = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    sections = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert tuple(content["stages"]) == STAGES
    for name, stage in content["stages"].items():
        assert f" inspection {name} " in stage["cmd"]
        assert "desc" in stage
        for path in (*stage["deps"], *stage.get("outs", ()), *stage.get("metrics", ()), *stage.get("plots", ())):
            assert path.startswith("${workspace}/")
            assert "checkpoint" not in path
        for parameter in stage["params"]:
            assert parameter.split(".")[0] in sections
    assert (ROOT / "inspection" / "project" / "dvc.yaml").read_text() == (ROOT / "dvc.yaml").read_text()


def test_an_unknown_stage_is_the_users_mistake_and_the_message_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ingest, validate, tile"):
        Project.open(Workspace(tmp_path)).run("trian")


@pytest.mark.slow
def test_a_second_run_does_nothing_and_a_changed_parameter_reruns_from_its_stage_on(project: Project) -> None:
    lines: list[str] = []
    assert [project.run(stage, lines.append).ran for stage in STAGES] == [True] * len(STAGES)
    assert "did train" in lines
    assert project.up_to_date()

    content = yaml.safe_load(project.params.read_text())
    content["train"]["epochs"] += 1
    project.params.write_text(yaml.safe_dump(content))
    assert not project.up_to_date()
    ran = {stage: project.run(stage).ran for stage in ("split", "train", "evaluate")}
    assert ran == {"split": False, "train": True, "evaluate": True}


@pytest.mark.slow
def test_a_failing_stage_says_what_its_command_said_and_exit_code_2_is_the_users_input(project: Project) -> None:
    set_command(project, "ingest", "echo the disk is full >&2; exit 1")
    with pytest.raises(EngineError, match="the disk is full"):
        project.run("ingest")
    set_command(project, "ingest", "echo no such label >&2; exit 2")
    with pytest.raises(InputError, match="no such label"):
        project.run("ingest")


@pytest.mark.slow
def test_half_written_files_of_dvc_are_moved_aside_and_the_run_goes_on(project: Project) -> None:
    assert project.run("ingest").ran
    (project.root / "dvc.lock").write_text("schema: '2.0'\nstages:\n  ing: [")
    (project.root / ".dvc" / "tmp" / "rwlock").write_text('{"read": {"')
    result = project.run("ingest")
    assert not result.ran, "the run cache still knows the outputs"
    assert (project.root / "dvc.lock.broken").exists()


def runner(project: Project, stage: str) -> subprocess.Popen[str]:
    """Run a stage in another process, as another `inspection` command would."""
    paths = [str(project.root), str(project.params), str(project.workspace)]
    code = f"""
        from pathlib import Path
        from inspection.dataset.project import Project
        print(Project(*map(Path, {paths!r})).run({stage!r}, lambda line: print(line, flush=True)))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(path: Path, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_second_process_waits_for_the_first_and_then_finds_nothing_to_do(project: Project) -> None:
    command = "touch started; sleep 3; mkdir -p data; echo x >> data/wafers.parquet; touch data/unlabelled.parquet"
    set_command(project, "ingest", command)
    first = runner(project, "ingest")
    wait_for(project.root / "started")
    lines: list[str] = []
    result = project.run("ingest", lines.append)
    assert lines[0].startswith("Waiting: another process")
    assert not result.ran
    assert "ran=True" in first.communicate(timeout=60)[0]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_stage_resumes(project: Project, number: signal.Signals) -> None:
    # The stage keeps a checkpoint outside its outputs, like the training; only Ctrl-C lets it say goodbye.
    command = (
        "trap 'touch goodbye; exit 130' INT; if test -f data/checkpoint; then cp data/checkpoint data/wafers.parquet; "
        "touch data/unlabelled.parquet; else mkdir -p data; echo half > data/checkpoint; touch started; sleep 4; fi"
    )
    set_command(project, "ingest", command)
    first = runner(project, "ingest")
    wait_for(project.root / "started")
    os.kill(first.pid, number)
    first.communicate(timeout=60)
    assert first.returncode != 0
    assert (project.root / "goodbye").exists() == (number == signal.SIGINT)
    assert project.run("ingest").ran
    assert (project.root / "data" / "wafers.parquet").read_text() == "half\n"
