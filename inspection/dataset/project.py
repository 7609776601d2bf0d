"""A workspace is a DVC project: stages run through ``dvc repro``, which repeats nothing that is up to date.

Inside the checkout the root ``dvc.yaml`` and ``params.yaml`` serve its ``workspace`` folder; any other workspace is
started from the packaged copies, as ``dvc init --no-scm`` would. One DVC process per workspace: the others wait.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from inspection.aside import write_text
from inspection.dataset.subprocesses import FileLock, stop_group
from inspection.errors import EngineError, InputError, InputNotFoundError
from inspection.params import PACKAGED

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspection.settings import Workspace

STAGES = ("ingest", "validate", "tile", "split", "guard", "train", "evaluate")
"""The stages of ``dvc.yaml``, in an order that respects what each one needs."""

_CONFIG = """\
[core]
    no_scm = true
    analytics = false
    check_update = false
[cache]
    dir = ../.dvc_cache
"""
_IGNORE = """\
# DVC walks every folder that is not named here, looking for pipelines; it needs `snapshot` and `data`.
/.dvc_cache
/.dvc_state
/alerts
/archive
/bundles
/canonical
/expectations
/landing
/logs
/mlartifacts
/prefect
/quarantine
/reports
"""
_TAIL_LINES = 20
_EXIT_CODE = re.compile(r"exited with (-?\d+)")
_BAD_INPUT = 2  # the command line's exit code for what a user handed in


@dataclass(frozen=True)
class StageResult:
    """What became of one stage: ``ran`` is false when it was up to date or came from DVC's run cache."""

    stage: str
    ran: bool
    seconds: float


@dataclass(frozen=True)
class Project:
    """One workspace as a DVC project; make it with :meth:`open`.

    ``root`` is the folder of ``dvc.yaml``, ``params`` the ``params.yaml`` beside it, ``state`` DVC's own cache of hashes.
    """

    root: Path
    params: Path
    workspace: Path

    @classmethod
    def open(cls, workspace: Workspace, cwd: Path | None = None) -> Project:
        """Find the project that serves ``workspace``, or start one in it.

        Parameters
        ----------
        workspace : Workspace
            Its folder is created when missing.
        cwd : Path, optional
            A folder that may be the checkout, besides the parent of the workspace.

        Returns
        -------
        Project
            The checkout, when its ``dvc.yaml`` names this workspace; else the workspace itself.
        """
        for folder in (workspace.root.parent, cwd):
            if folder is not None and _serves(folder.resolve(), workspace.root):
                return cls(folder.resolve(), folder.resolve() / "params.yaml", workspace.root)
        _start(workspace.root)
        return cls(workspace.root, workspace.root / "params.yaml", workspace.root)

    def run(self, stage: str, listen: Callable[[str], None] | None = None) -> StageResult:
        """Run one stage if anything that it depends on has changed; wait while another process runs one.

        Parameters
        ----------
        stage : str
            One of ``STAGES``.
        listen : callable, optional
            Receives each line that DVC and the stage print.

        Raises
        ------
        InputError
            The stage refused what the user handed in (its exit code was 2); the message ends with its own.
        EngineError
            Anything else failed; the message ends with the last lines of output.
        KeyboardInterrupt
            Passed on to the stage first, which then leaves a state that the next run resumes.
        """
        if stage not in STAGES:
            raise InputError(f"Cannot run stage: expected one of {', '.join(STAGES)}, got {stage!r}.")
        started = time.monotonic()
        code, lines, ran = self._dvc(["repro", "--single-item", stage], listen, marker=f"Running stage '{stage}':")
        if code:
            found = _EXIT_CODE.findall("\n".join(lines))
            error = InputError if found and int(found[-1]) == _BAD_INPUT else EngineError
            raise error(
                f"Stage {stage} failed: expected exit code 0 of `dvc repro -s {stage}`, got {code} (in {self.root}). "
                "Correct the cause below and run again: finished stages are not repeated.\n" + "\n".join(lines)
            )
        return StageResult(stage, ran, time.monotonic() - started)

    def up_to_date(self) -> bool:
        """Whether no stage would run: one ``dvc status`` for the whole chain."""
        # Standard error is kept apart: DVC warns there, and the answer must stay JSON.
        with FileLock(self._lock):
            self._heal()
            done = subprocess.run(
                [sys.executable, "-m", "dvc", "status", "--json", *STAGES],
                cwd=self.root,
                env=self._environment(),
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            raise EngineError(f"`dvc status` failed in {self.root}: exit code {done.returncode}.\n{done.stderr[-2000:]}")
        answer: Any = json.loads(done.stdout)
        return answer == {}

    @property
    def _lock(self) -> Path:
        return self.workspace / ".dvc_lock"

    def _environment(self) -> dict[str, str]:
        here = Path(__file__).resolve().parents[2]
        env = dict(os.environ)
        env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")])
        if (here / "pyproject.toml").is_file():  # a checkout: the stage runs the code that asked for it
            env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(here), env.get("PYTHONPATH", "")]))
        env["DVC_SITE_CACHE_DIR"] = str(self.workspace / ".dvc_state")
        env |= {"DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1", "SHELL": "/bin/sh"}
        return env

    def _dvc(self, arguments: list[str], listen: Callable[[str], None] | None, marker: str) -> tuple[int, list[str], bool]:
        lines: deque[str] = deque(maxlen=_TAIL_LINES)
        ran = False
        with FileLock(self._lock, listen) as lock:
            self._heal()
            # A session of its own, so that Ctrl-C reaches DVC and the stage once, through us, in either kind of terminal.
            # It inherits the lock: should we be killed, the next run waits until the orphan has ended.
            process = subprocess.Popen(
                [sys.executable, "-m", "dvc", *arguments],
                cwd=self.root,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
                pass_fds=(lock.fileno(),),
            )
            try:
                for line in process.stdout or ():
                    text = line.rstrip()
                    ran = ran or text == marker
                    if text:
                        lines.append(text)
                        if listen is not None:
                            listen(text)
                code = process.wait()
            except BaseException:
                stop_group(process)
                raise
            finally:
                if process.stdout is not None:
                    process.stdout.close()
        return code, list(lines), ran

    def _heal(self) -> None:
        """Move aside what a kill left half-written; DVC would refuse to start, and can make both again."""
        lock, rwlock = self.root / "dvc.lock", self.root / ".dvc" / "tmp" / "rwlock"
        for path in (lock, rwlock):
            if path.is_file() and not isinstance(_mapping(path), dict):
                path.replace(path.with_name(f"{path.name}.broken"))


def _mapping(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return None


def _serves(folder: Path, workspace: Path) -> bool:
    """Whether ``folder`` is the checkout whose ``dvc.yaml`` names ``workspace``."""
    # Without git (an unpacked archive) the checkout's configuration would be refused: the workspace serves itself.
    needed = (".dvc", ".git", "params.yaml", "dvc.yaml")
    if folder == workspace or not all((folder / name).exists() for name in needed):
        return False
    content = _mapping(folder / "dvc.yaml")
    if not isinstance(content, dict) or not set(STAGES) <= set(content.get("stages") or ()):
        return False
    names = [v["workspace"] for v in content.get("vars") or () if isinstance(v, dict) and "workspace" in v]
    return any((folder / str(name)).resolve() == workspace for name in names)


def _start(root: Path) -> None:
    """Write what is missing of a project; ``params.yaml`` belongs to the user once it is there."""
    pipeline = PACKAGED / "dvc.yaml"
    if not pipeline.is_file():
        raise InputNotFoundError(f"No packaged pipeline: expected {pipeline}. Install the package again.")
    text = re.sub(r"^(\s*- workspace:).*$", r"\1 .", pipeline.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
    (root / ".dvc").mkdir(parents=True, exist_ok=True)
    _write(root / ".dvc" / "config", _CONFIG)
    _write(root / ".dvcignore", _IGNORE)
    _write(root / "dvc.yaml", text)
    if not (root / "params.yaml").exists():
        _write(root / "params.yaml", (PACKAGED / "params.yaml").read_text(encoding="utf-8"))


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
