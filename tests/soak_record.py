"""The record of the long campaigns, ``docs/soak.md``: one table of the campaigns, and the tables that they fill themselves.

A test tells what it counted by ``record_property("soak", {"table": ..., "row": ..., COLUMN: number, ...})``. Numbers of one row are
added up; of a column that begins with "slowest" or "highest" the largest counts. What a run did not cover stays as it was.
"""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

ROOT = Path(__file__).parent.parent
HEAD = """# The last whole run of each long campaign

Written by `make soak` (`tests/campaigns.py`, `tests/soak_record.py`), never by hand. What a run did not cover keeps its rows from
the run before; each row says when it was run, and on which commit (`+`: with changes that were not committed).
"""
CAMPAIGNS = "Campaigns"
WHEN = ("run at, UTC", "commit")
MAXIMA = ("slowest", "highest")

Row = dict[str, str]
Tables = dict[str, dict[str, Row]]
"""By title of the table and first cell of the row."""


@dataclass
class Figures:
    """What one test came to: ``outcome`` is passed, failed or skipped, ``counted`` is what it told by ``record_property("soak", ...)``."""

    test: str
    outcome: str
    seconds: float
    counted: list[dict[str, Any]] = field(default_factory=list)

    @property
    def campaign(self) -> str:
        """The test without its case."""
        return self.test.partition("[")[0]

    def line(self) -> str:
        """One line of JSON, as :func:`read_figures` reads it."""
        return json.dumps(vars(self), default=lambda number: number.item()) + "\n"  # NumPy's numbers, too


def read_figures(path: Path) -> dict[str, Figures]:
    """The last figures of each test."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {one.test: one for one in (Figures(**json.loads(line)) for line in lines)}


def tables_of(figures: Iterable[Figures], at: datetime, commit: str) -> Tables:
    """The tables of one run."""
    sums: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for one in figures:
        ends = {outcome: one.outcome == outcome for outcome in ("passed", "failed", "skipped")}
        own = {"table": CAMPAIGNS, "row": one.campaign, "cases": 1, **ends, "seconds": one.seconds}
        for counted in (own, *one.counted):
            total = sums[counted["table"]][counted["row"]]
            for name, value in counted.items():
                if name not in {"table", "row"}:
                    total[name] = max(total.get(name, 0), value) if name.startswith(MAXIMA) else total.get(name, 0) + value
    when = dict(zip(WHEN, (f"{at:%Y-%m-%d %H:%M}", commit), strict=True))
    return {
        title: {first: {name: _shown(value) for name, value in row.items()} | when for first, row in sorted(rows.items())}
        for title, rows in sums.items()
    }


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.2f}"


def merged(old: Tables, new: Tables, files: Collection[str]) -> Tables:
    """``old`` with what ``new`` says of the same tables; of the campaigns, those of other ``files`` that are still there stay."""
    kept = {
        name: row
        for name, row in old.get(CAMPAIGNS, {}).items()
        if (file := name.partition("::")[0]) not in files and (ROOT / file).is_file()
    }
    return {**old, **new, CAMPAIGNS: dict(sorted({**kept, **new.get(CAMPAIGNS, {})}.items()))}


def text_of(tables: Tables) -> str:
    """The page."""
    out = [HEAD]
    for title, rows in tables.items():
        columns = list(dict.fromkeys(name for row in rows.values() for name in row))
        out += [f"\n## {title}\n\n", _line(["", *columns]), _line(["---", *["---:"] * len(columns)])]
        out += [_line([f"`{first}`" if "::" in first else first, *(row.get(name, "") for name in columns)]) for first, row in rows.items()]
    return "".join(out)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def parsed(text: str) -> Tables:
    """The tables of a page that :func:`text_of` made."""
    found: Tables = {}
    columns: list[str] = []
    for line in text.splitlines():
        if line.startswith("## "):
            found[line.removeprefix("## ")] = rows = {}
            columns = []
        elif line.startswith("|"):
            first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            if not columns:
                columns = cells
            elif first != "---":
                rows[first.strip("`")] = {name: cell for name, cell in zip(columns, cells, strict=True) if cell}
    return found


def commit() -> str:
    """The commit that is checked out; `+` with uncommitted changes of code or tests."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--", "inspection", "flows", "tests")
    return (git("rev-parse", "--short=10", "HEAD") or "none") + ("+" if changed else "")


def update(page: Path, figures: Collection[Figures], at: datetime) -> None:
    """Write what ``figures`` say into ``page``."""
    old = parsed(page.read_text(encoding="utf-8")) if page.is_file() else {}
    files = {one.test.partition("::")[0] for one in figures}
    page.write_text(text_of(merged(old, tables_of(figures, at, commit()), files)), encoding="utf-8")
