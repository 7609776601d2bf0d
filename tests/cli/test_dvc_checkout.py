"""DVC in a checkout: ``dvc repro`` as a person types it, on a tiny snapshot in ``./workspace``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
STAGES = ["ingest", "validate", "tile", "split", "guard", "train", "evaluate"]


def in_checkout(checkout: Path, *words: str) -> str:
    """Run ``python -m WORDS`` with the checkout's code, as in its activated virtual environment; its output."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = os.environ | {"PYTHONPATH": str(checkout), "PATH": path, "DVC_NO_ANALYTICS": "1"}
    env["DVC_SITE_CACHE_DIR"] = str(checkout.parent / "dvc-site")
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, (words, done.stdout[-3000:], done.stderr[-3000:])
    return done.stdout


def ran(output: str) -> list[str]:
    return re.findall(r"^Running stage '(\w+)':", output, re.MULTILINE)


def change(checkout: Path, section: str, **values: object) -> None:
    path = checkout / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params[section] |= values
    path.write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The tracked files and a git of their own."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("no git: a checkout is a git repository")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("these tests run outside a git checkout: nobody knows which files are tracked")
    home = tmp_path / "checkout"
    for name in filter(None, listed.stdout.split("\0")):
        source = ROOT / name
        if source.is_symlink() or source.exists():  # one that was removed and not committed yet is tracked still
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, home / name, follow_symlinks=False)
    for compiled in (ROOT / "inspection").rglob("__pycache__/*.nb[ci]"):  # else numba takes half a minute for it again
        target = home / compiled.relative_to(ROOT)
        target.parent.mkdir(exist_ok=True)
        shutil.copy2(compiled, target)
    subprocess.run([git, "init", "--quiet", home], check=True)
    return home


def test_repro_runs_every_stage_once_and_a_training_parameter_runs_from_train_on(checkout: Path) -> None:
    change(checkout, "train", width=4, epochs=1, min_steps=2, min_epoch_steps=1, batch_size=8)
    change(checkout, "guard", maps=20, looks=1)
    change(checkout, "baselines", enabled=False)
    change(checkout, "evaluate", bootstrap=5, test_time_augmentation=False)
    change(checkout, "tile", points={"size_px": 32, "tiles": 0})
    in_checkout(checkout, "inspection.cli", "simulate", "../maps", "--lots", "8", "--wafers", "4", "--json")
    in_checkout(checkout, "inspection.cli", "ingest", "../maps", "--json")
    in_checkout(checkout, "inspection.cli", "snapshot", "--json")
    assert not (checkout / "workspace" / "dvc.yaml").exists(), "the checkout's own dvc.yaml serves ./workspace"

    first = ran(in_checkout(checkout, "dvc", "repro"))
    assert sorted(first) == sorted(STAGES)
    order = {name: place for place, name in enumerate(first)}
    assert order["ingest"] < min(order["tile"], order["split"]) < order["train"] < order["evaluate"]
    data = checkout / "workspace" / "data"
    assert {"bundle", "report", "metrics.json", "plots", "model"} <= {p.name for p in data.iterdir()}

    second = in_checkout(checkout, "dvc", "repro")
    assert ran(second) == []
    assert "up to date" in second

    change(checkout, "train", epochs=2)
    assert ran(in_checkout(checkout, "dvc", "repro")) == ["train", "evaluate"]
    assert (data / "history.csv").read_text().count("\n") == 3
    assert "macro_f1" in in_checkout(checkout, "dvc", "metrics", "show")
