"""``inspection quarantine``: files that were refused."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from inspection import console
from inspection.cli.options import HERE, JsonOption, WorkspaceOption
from inspection.cli.stage import run_stage
from inspection.errors import InputError

LONGEST = 60

refused = typer.Typer(help="Files that were refused: list them, see why, give them back.", no_args_is_help=True)


@refused.command("list")
def quarantine_list(
    code: Annotated[Optional[str], typer.Option(help="Only files refused for this reason.")] = None,  # noqa: UP045
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """The refused files, in the order they landed."""

    def shown(result: dict[str, Any]) -> None:
        keys = ("name", "code", "got", "wafers")
        rows = [[one["sha256"][:12], one["name"], *(_short(one.get(key)) for key in keys[1:])] for one in result["quarantined"]]
        console.table(f"quarantine: {len(rows)} files", ("id", *keys), rows)

        if rows:
            console.advise("Why, and what to do: `inspection quarantine show ID`.")

    run_stage("quarantine_list", workspace, as_json=json, shown=shown, code=code)


@refused.command("show")
def quarantine_show(
    id: Annotated[str, typer.Argument(help="Sha256 of the file, or its first characters.")],  # noqa: A002
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Why one file was refused, what to do about it, and where its bytes lie."""
    run_stage("quarantine_show", workspace, as_json=json, id=id)


@refused.command("release")
def quarantine_release(
    ids: Annotated[Optional[list[str]], typer.Argument(help="Sha256 of files, or their first characters.")] = None,  # noqa: UP045
    code: Annotated[Optional[str], typer.Option(help="All files refused for this reason.")] = None,  # noqa: UP045
    everything: Annotated[bool, typer.Option("--all", help="All files in quarantine.")] = False,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Give refused files back: the next `inspection ingest` reads them as if they had just landed."""
    if sum((bool(ids), code is not None, everything)) != 1:
        console.fail(InputError("Nothing to release: expected IDs, --code CODE or --all, and only one of them."), as_json=json)

    def shown(result: dict[str, Any]) -> None:
        rows = [(one["sha256"][:12], one["name"]) for one in result["released"]]
        if not rows:
            console.advise("Nothing released: no file in quarantine has this reason. `inspection quarantine list` shows the reasons.")
            return
        console.table(f"released: {len(rows)} files", ("id", "name"), rows)
        console.advise("The next `inspection ingest`, of whatever source, reads them.")

    run_stage("quarantine_release", workspace, as_json=json, shown=shown, ids=ids or (), code=code, everything=everything)


def _short(cell: Any) -> Any:
    """What one line has room for; `show` has the rest."""
    return f"{cell[:LONGEST]}..." if isinstance(cell, str) and len(cell) > LONGEST + 3 else cell
