"""Where a stage works: the workspace, its parameters, its store and registry, and how it tells its progress."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection import params as parameters
from inspection.dataset.project import Project
from inspection.errors import InputError, InputNotFoundError
from inspection.settings import Settings, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspection.params import Params
    from inspection.registry.tracking import Registry
    from inspection.store.database import Store

    Report = Callable[[int, int, str], None]
    """(done, total, text): how a stage tells how far it is; total 0 = unknown."""


LANDED_FILES, SIMULATED_FAB = "landed files", "the simulated fab"
"""What a model was trained on, as its lineage says it."""


def is_simulated(workspace: Workspace, name: str) -> bool:
    """Whether the file ``name`` is one that the run's own fab wrote into this workspace."""
    return (workspace.root / "simulated" / "history" / name).is_file()


def silent(_done: int, _total: int, _text: str) -> None:
    """A report that nobody reads."""


def open_workspace(root: Path) -> Workspace:
    """The workspace at ``root``; nothing is written."""
    if root.exists() and not root.is_dir():
        raise InputNotFoundError(f"Not a workspace: expected a folder, got the file {root}. Name a folder with --workspace.")
    return Workspace(root)


def require_workspace(workspace: Workspace) -> None:
    """Refuse a workspace that nothing was ever written to: asking a question must not start one."""
    if not workspace.root.is_dir():
        raise InputNotFoundError(f"No workspace: expected a folder at {workspace.root}, got none. Start one with `inspection run`.")


def require_made(path: Path, command: str) -> None:
    """Refuse to work on what an earlier stage has not written yet; ``command`` writes it."""
    if not path.exists():
        raise InputNotFoundError(f"Too early: expected {path}, got nothing there. Run `inspection {command}` first (`dvc repro` runs all).")


def params_of(workspace: Workspace) -> Params:
    """The ``params.yaml`` that serves ``workspace``; the packaged one while the workspace does not exist."""
    if not workspace.root.exists():
        return parameters.load()
    return parameters.load(Project.open(workspace, Path.cwd()).params)


def open_store(workspace: Workspace) -> Store:
    """The SQL store of the settings, by default SQLite below the workspace."""
    from inspection.store.database import Store

    workspace.root.mkdir(parents=True, exist_ok=True)
    return Store(Settings().store_url or f"sqlite:///{workspace.store}")


def has_store(workspace: Workspace) -> bool:
    """Whether :func:`open_store` would start none."""
    return workspace.store.exists() or (Settings().store_url is not None and workspace.root.is_dir())


def open_registry(workspace: Workspace) -> Registry:
    """The MLflow registry of the settings, by default SQLite below the workspace."""
    from inspection.registry.tracking import Registry

    return Registry(Settings().mlflow_uri or f"sqlite:///{workspace.mlflow}", workspace.mlflow_artifacts)


def require_input(source: Path | str) -> None:
    """Refuse a path or URL that does not exist, or a folder without files, before anything is started."""
    from inspection.intake.place import local_path, open_place
    from inspection.intake.url_faults import KNOWN, meant_url

    path = local_path(source)
    if path is None:
        open_place(source, Workspace(Path()))
        return
    if not path.exists():
        advice = f"If a URL was meant, write {KNOWN}" if meant_url(source) else "Check the path"
        raise InputNotFoundError(f"No such input: expected a file or folder at {path}, got nothing. {advice}.")
    if path.is_dir() and not any(p.is_file() for p in path.rglob("*")):
        raise InputNotFoundError(f"Nothing to read: expected defect maps in {path}, got an empty folder. Check the path.")


def require_output(*files: Path | None) -> None:
    """Refuse, before any work is done, a file that cannot be written; its folder is made. None stands for no file."""
    for file in files:
        if file is None:
            continue
        if file.is_dir():
            raise InputError(f"Cannot write there: expected a file at {file}, got a folder. Name a file in it.")
        file.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(file.parent, os.W_OK):
            raise InputError(
                f"Cannot write {file}: expected a folder that this user may write to, got one that is read-only. Name another."
            )


def told(report: Report, what: str, done: int, total: int) -> None:
    """Pass (done, total) on to ``report`` with the word for what is counted."""
    report(done, total, what)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a small report, keys sorted, so that the same content is the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
