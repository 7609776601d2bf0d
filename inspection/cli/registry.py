"""Commands of the registry: which model is the candidate, and which one workers serve."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from inspection import console
from inspection.cli.options import HERE, JsonOption, WorkspaceOption
from inspection.cli.stage import run_stage
from inspection.errors import InputError


def register(
    override_guard: Annotated[str, typer.Option(help="Why, although the guard did not pass; it stays on the model.")] = "",
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Log the candidate in MLflow and register it as @candidate, when the guard has passed."""
    run_stage("register", workspace, as_json=json, override_guard=override_guard)


def promote(
    version: Annotated[Optional[str], typer.Argument(help="Registered version; default: @candidate.")] = None,  # noqa: UP045
    reason: Annotated[str, typer.Option(help="Why; it stays on the model.")] = "",
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Make a version the champion that workers serve."""
    if not reason.strip():
        console.fail(
            InputError("Promotion needs a reason: expected --reason TEXT, got none. It stays on the model in the audit log."), as_json=json
        )
    run_stage("promote", workspace, as_json=json, version=version, reason=reason)
