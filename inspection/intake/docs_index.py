"""The index of the Data Docs: every lot and every day on one page that needs neither network nor script."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from inspection.aside import write_text
from inspection.intake.docs import STYLE
from inspection.intake.suites import FAULTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_NOT_KNOWN = "\N{EN DASH}"

_INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Lots and days against their expectations</title>{style}
<style>td:first-child, td:last-child {{ white-space: nowrap; }}</style></head><body>
<h1>Lots and days against their expectations</h1>
<p>{summary}</p>
<p>What fails stops nothing: it is recorded here and counted by <code>inspection status</code>. A <b>cold start</b> has too few earlier
lots of its product and layer (or earlier days) to compare with: physics alone has judged. <b>Background</b> is the number of defects of
an ordinary wafer of the lot, <b>usual</b> the range that the earlier lots or days allow.</p>
<h2>Lots</h2>
<table><tr><th>lot and layer</th><th>product</th><th class="number">wafers</th><th class="number">maps</th>
<th class="number">background</th><th class="number">usual background</th><th class="number">earlier lots</th><th>result</th>
<th>checked at (UTC)</th></tr>
{lots}
</table>
<h2>Days</h2>
<table><tr><th>day (UTC)</th><th class="number">files</th><th class="number">usual files</th><th class="number">wafers</th>
<th class="number">usual wafers</th><th class="number">earlier days</th><th>result</th><th>checked at (UTC)</th></tr>
{days}
</table>
<h2>Runs</h2>
<p>Each run checked all lots or days that were new then, the newest run first; open it to see what was expected and what was found.</p>
<table><tr><th>what was checked</th><th>run at (UTC)</th><th>result</th></tr>
{runs}
</table></body></html>
"""


def write_index(site: Path, lots: Sequence[Mapping[str, Any]], days: Sequence[Mapping[str, Any]]) -> None:
    """Replace the index of ``site`` by plain tables: the original draws its rows with a script from another host.

    Parameters
    ----------
    site : Path
        Folder of the Data Docs.
    lots, days : sequence of mapping
        Rows of the store's ``validations``, in the order in which they are shown.
    """
    failed = [sum(not row["passed"] for row in rows) for rows in (lots, days)]
    cold = sum(row["cold_start"] for row in lots)
    of_lots = f"Lots and layers: {len(lots)}, {failed[0]} not as expected, {cold} in a cold start."
    summary = f"{of_lots} Days: {len(days)}, {failed[1]} not as expected."
    content = _INDEX.format(
        style=STYLE,
        summary=summary,
        lots="\n".join(_lot_row(row) for row in lots) or _NONE,
        days="\n".join(_day_row(row) for row in days) or _NONE,
        runs="\n".join(_run_rows(site)),
    )
    write_text(site / "index.html", content)


_NONE = '<tr><td colspan="9">none yet</td></tr>'


def _lot_row(row: Mapping[str, Any]) -> str:
    known, subject = row["statistics"], " ".join(filter(None, (row["lot"] or "wafers without a lot", row["layer"])))
    counts = (known["wafers"], known["maps"], known["background"], _range(known, "background"), known["history_lots"])
    return _row(row, (subject, known["product"], *counts, _result(row, "lots")), counts=range(2, 7))


def _day_row(row: Mapping[str, Any]) -> str:
    known = row["statistics"]
    counts = (known["files"], _range(known, "files"), known["wafers"], _range(known, "wafers"), known["history_days"])
    return _row(row, (row["day"], *counts, _result(row, "days")), counts=range(1, 6))


def _row(row: Mapping[str, Any], cells: Sequence[Any], counts: range) -> str:
    shown = (*cells, f"{row['checked_at']:%Y-%m-%d %H:%M}")
    kinds = (' class="number"' if place in counts else "" for place in range(len(shown)))
    texts = "".join(
        f"<td{kind}>{_NOT_KNOWN if cell is None else html.escape(str(cell))}</td>" for kind, cell in zip(kinds, shown, strict=True)
    )
    return f'<tr class="{"failed" if not row["passed"] else "cold" if row["cold_start"] else ""}">{texts}</tr>'


def _range(known: Mapping[str, Any], name: str) -> str:
    low, high = known[f"{name}_low"], known[f"{name}_high"]
    return _NOT_KNOWN if high is None else f"{0 if low is None else low} to {high}"


def _result(row: Mapping[str, Any], what: str) -> str:
    """``as expected``, or each fault in words with who shows it; and a cold start is said."""
    evidence = row["statistics"]["evidence"]
    words = "; ".join(_fault(fault, count, evidence.get(fault, [])) for fault, count in row["failed"].items())
    if not row["cold_start"]:
        return words or "as expected"
    lacking = row["statistics"][f"{what}_missing"]
    one = what.removesuffix("s") if lacking == 1 else what
    return f"{words or 'physics: as expected'}; cold start, {lacking} more {one} needed to compare"


def _fault(fault: str, count: int, shown: Sequence[str]) -> str:
    whole, each = FAULTS.get(fault, (fault, ""))  # a row that other code wrote
    more = f" and {count - len(shown)} more" if each and count > len(shown) > 0 else ""
    named = f": {', '.join(shown)}{more}" if shown else ""
    return f"{whole if not each else f'{count} {each}' if count > 1 else whole} ({fault}){named}"


def _run_rows(site: Path) -> list[str]:
    runs = []
    for page in (site / "validations").rglob("*.html"):
        suite, time = page.parts[-3], page.parts[-2]
        succeeded = re.search(r"Status:.*?</i>\s*Succeeded", page.read_text(encoding="utf-8"), re.DOTALL) is not None
        runs.append((time, suite, page.relative_to(site).as_posix(), succeeded))
    return [
        f'<tr class="{"" if good else "failed"}"><td><a href="{html.escape(link)}">{html.escape(suite)}</a></td><td>{_clock(time)}</td>'
        f"<td>{'as expected' if good else 'not as expected'}</td></tr>"
        for time, suite, link, good in sorted(runs, reverse=True)
    ]


def _clock(time: str) -> str:
    """``20261121T124528.146881Z`` as people write it."""
    return f"{time[:4]}-{time[4:6]}-{time[6:8]} {time[9:11]}:{time[11:13]}:{time[13:15]}"
