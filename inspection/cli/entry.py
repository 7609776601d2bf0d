"""The command ``inspection``: its commands in the order in which help shows them, and how a process of it ends."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

import typer

from inspection import console
from inspection.cli import files, lots, networks, operation, pipeline, quarantine, registry

COMMANDS = (
    pipeline.run,
    pipeline.simulate,
    pipeline.ingest,
    operation.history,
    pipeline.validate,
    pipeline.snapshot,
    pipeline.tile,
    pipeline.split,
    pipeline.guard,
    pipeline.train,
    pipeline.evaluate,
    registry.register,
    registry.promote,
    files.classify,
    lots.lot,
    files.similar,
    operation.worker,
    operation.alerts,
    operation.explain,
    files.show,
    files.pyramid,
    files.count,
    networks.model,
    operation.export,
    operation.status,
)

app = typer.Typer(
    name="inspection",
    help="Watches silicon wafers: from a landed wafer defect map to an alert with evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(quarantine.refused, name="quarantine")


def command_line() -> NoReturn:
    """Run the command that ``sys.argv`` names; ends with ``SystemExit``."""
    try:
        code = app(standalone_mode=False)
    except Exception as error:
        # Typer names no public base of its usage errors: they are what can show itself and has an exit code.
        show_usage, exit_code = getattr(error, "show", None), getattr(error, "exit_code", None)
        if show_usage is None or exit_code is None:
            raise
        show_usage()
        if "--json" in sys.argv:
            console.refusal(error, exit_code, f"{error} See `inspection --help`.")
        sys.exit(exit_code)
    sys.exit(code)


def main() -> None:
    """Entry point of the command ``inspection``."""
    code: int | str | None = console.FAILED
    try:
        command_line()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001  (as the interpreter itself would: shown, then the end)
        with suppress(OSError):  # whoever read our words may be gone
            traceback.print_exc()
    if code and "tensorflow" in sys.modules:
        # A fit that was stopped in a step leaves threads that wait for the interpreter while it waits for them to end.
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else console.FAILED)
    sys.exit(code)
