"""What a person at a terminal sees: progress, tables, one JSON object for programs, and one line per error."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from inspection.errors import InputError, InspectionError
from inspection.system import refusal as refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Report = Callable[[int, int, str], None]
    """(done, total, text): how a stage tells how far it is; total 0 = unknown."""

DONE, FAILED, BAD_USAGE = 0, 1, 2
LINE_EVERY_S = 5.0
_TELLING = 10
"""So many, or so large a share of all, say how long the rest will take."""
_CONTROLS = [c for c in (*range(32), *range(127, 160)) if chr(c) not in "\t\n"]
_TURNS = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SHOWN = {c: f"\\x{c:02x}" for c in _CONTROLS} | {c: f"\\u{c:04x}" for c in _TURNS}
"""What moves a terminal's cursor, renames its window or turns its writing around: names come from files that anybody may have written."""
stderr = Console(stderr=True, highlight=False)


@contextmanager
def reporting(title: str) -> Iterator[Report]:
    """A progress bar on a terminal; elsewhere a plain line every few seconds, so that logs stay short."""
    if not stderr.is_terminal:
        yield _plain_lines(title)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), _Rate(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True) as bar:
        task = bar.add_task(title, total=None)
        last = (0, 0)

        def report(done: int, total: int, text: str) -> None:
            nonlocal last
            if done < last[0] or total != last[1]:  # something else is counted now: its rate begins anew
                bar.reset(task)
            last = (done, total)
            bar.update(task, completed=done, total=total or None, description=escape(f"{title}  {text}" if text else title))

        yield report


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{_plain(float(speed))}/s", style="progress.data.speed")


def _plain_lines(title: str) -> Report:
    started = last = time.monotonic()
    before = (0, 0)
    first = 0

    def report(done: int, total: int, text: str) -> None:
        nonlocal started, last, before, first
        now = time.monotonic()
        if done < before[0] or total != before[1]:
            started, first = now, done  # what goes on where it was interrupted has not done all of that since
        before = (done, total)
        if now - last >= LINE_EVERY_S:
            last = now
            share = f" {done}/{total}" if total else ""
            pace = _pace(done - first, total and total - first, now - started)
            print(f"{title}{share} {text}{pace}".rstrip(), file=sys.stderr, flush=True)  # noqa: T201  (this is the edge that prints)

    return report


def _pace(done: int, total: int, seconds: float) -> str:
    """Rate and remaining time, where both can be told."""
    if not total or not done or seconds <= 0:
        return ""
    rate = f", {_plain(done / seconds)}/s"
    if done < _TELLING and _TELLING * done < total:  # the first one waits for what is loaded once
        return rate
    return f"{rate}, {(total - done) * seconds / done:.0f} s left"


def answer(result: dict[str, Any], *, as_json: bool, title: str) -> None:
    """The outcome of a command: one JSON object on standard output, or a small table for a person."""
    if as_json:
        sys.stdout.write(json.dumps(result, default=str) + "\n")
        sys.stdout.flush()
        return
    table = Table(title=_title(title), show_header=False, title_justify="left")
    for key, value in result.items():
        table.add_row(key.replace("_", " "), Text(_plain(value), overflow="fold"))
    Console(highlight=False).print(table)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on standard output."""
    shown = Table(*columns, title=_title(title), title_justify="left")
    for row in rows:
        shown.add_row(*(Text(_plain(cell), overflow="fold") for cell in row))  # a name cut short cannot be looked for
    Console(highlight=False).print(shown)


def advise(text: str) -> None:
    """A line below a table: where to look further."""
    Console(highlight=False).print(text.translate(_SHOWN), markup=False)


def _title(text: str) -> Text:
    return Text(text.translate(_SHOWN), style="table.title")


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, dict):
        return "\n".join(f"{k}: {_plain(v)}" for k, v in value.items()) or "-"
    if isinstance(value, list | tuple):
        shown = [_plain(v) for v in value[:10]]
        return "\n".join(shown + ([f"and {len(value) - 10} more"] if len(value) > 10 else [])) or "-"
    return "-" if value is None else str(value).translate(_SHOWN)


def fail(error: BaseException, *, as_json: bool = False) -> NoReturn:
    """End the process with one line that says what is wrong: exit code 2 for what the user handed in, 1 for everything else."""
    code = BAD_USAGE if isinstance(error, InputError) else FAILED
    if as_json:
        refusal(error, code)
    stderr.print(f"[bold red]{type(error).__name__}[/]: ", end="")
    stderr.print(str(error).translate(_SHOWN), markup=False, soft_wrap=True)  # a log or a grep gets it whole, whatever the terminal's width
    sys.exit(code)


def refusal(error: BaseException, code: int, text: str | None = None) -> None:
    """The JSON object of a command that failed, on standard output; ``text`` stands for an error that says little by itself."""
    content = {"error": str(error) if text is None else text, "kind": type(error).__name__, "exit_code": code}
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


@contextmanager
def errors(*, as_json: bool = False) -> Iterator[None]:
    """Turn this project's errors, a full disk and Ctrl-C into one line and an exit code; anything else keeps its traceback.

    With ``as_json`` every one of them is one JSON object on standard output, too.
    """
    try:
        yield
    except InspectionError as error:
        fail(error, as_json=as_json)
    except OSError as error:
        refused = refusal_of(error)
        fail((InputError if refused.is_path else InspectionError)(refused.told("The system refused")), as_json=as_json)
    except KeyboardInterrupt as stop:
        fail(InspectionError(str(stop) or "Interrupted. Run the same command again to go on where it stopped."), as_json=as_json)
    except Exception as error:
        if as_json:
            refusal(error, FAILED)
        raise
