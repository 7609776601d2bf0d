"""Running a stage from the command line: its progress, its report, and the errors of both."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from inspection import console

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHOWN_LEFT, SHOWN_NOTES, SHOWN_TEXT = 20, 12, 200


def run_stage(
    name: str,
    workspace: Path,
    *,
    as_json: bool,
    starts: bool = False,
    shown: Callable[[dict[str, Any]], None] | None = None,
    **options: Any,
) -> None:
    """Run the stage ``name`` of ``inspection.stages`` with progress and print its report; ``shown`` prints it for a person.

    A missing workspace is refused, unless the stage may start one or looks for itself (``starts``).
    """
    with console.errors(as_json=as_json):
        from inspection import stages

        place = stages.open_workspace(workspace)
        if not starts:
            stages.require_workspace(place)
        with console.reporting(name.replace("_", " ")) as report:
            result = getattr(stages, name)(place, stages.params_of(place), report=report, **options)
        if shown is None or as_json:
            console.answer(result, as_json=as_json, title=name.replace("_", " "))
        else:
            shown(result)


def start_spread(job: str, workspace: Path, source: str | None = None, *, as_json: bool) -> None:
    """Become the flow ``job`` when this machine's settings name a Dask cluster to do it; else return."""
    with console.errors(as_json=as_json):
        from inspection.settings import Settings

        if Settings().dask_address is not None:
            start_flow(job, workspace, source, as_json=as_json)


def start_flow(job: str, workspace: Path, source: str | None = None, *, as_json: bool) -> NoReturn:
    """Become the flow ``job``: flows stand above the command line, so they are started, not imported."""
    words = [sys.executable, "-m", "flows", job, "--workspace", str(workspace)]
    words += ["--input", source] if source is not None else []
    words += ["--json"] if as_json else []
    sys.stdout.flush()
    os.execv(sys.executable, words)  # noqa: S606 - no shell


def show_left(title: str, what: str, lines: list[str]) -> None:
    """The first of what was left, and how many more."""
    if lines:
        more = [[f"and {len(lines) - SHOWN_LEFT} more"]] if len(lines) > SHOWN_LEFT else []
        console.table(title, (what,), [*([line] for line in lines[:SHOWN_LEFT]), *more])


def show_notes(kinds: dict[str, int], seen: dict[str, dict[str, Any]]) -> None:
    """The commonest kinds of notes with an example of each, how many more there are, and where all of them stand."""
    if not kinds:
        return
    rows = [[wafers, kind, *_example(seen[kind])] for kind, wafers in list(kinds.items())[:SHOWN_NOTES]]
    more = [[sum(list(kinds.values())[SHOWN_NOTES:]), f"and {len(kinds) - SHOWN_NOTES} more kinds"]] if len(kinds) > SHOWN_NOTES else []
    console.table("Notes: what was odd, and survived", ("wafers", "note", "for example", "in"), [*rows, *more])
    console.advise("All notes of a wafer: `inspection history LOT WAFER`; of a file: `inspection show FILE`.")


def _example(one: dict[str, Any]) -> tuple[str, str]:
    named = " ".join(filter(None, (one["lot"], one["wafer"]))) or f"wafer {one['index']}"
    return one["note"][:SHOWN_TEXT], f"{one['source']}: {named}"
