"""Data Docs without the network: pages that load nothing from elsewhere, and an index that needs no script to show its rows."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from inspection.aside import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_OUTSIDE = r"""["']?(?:https?:)?//[^"'>\s]*["']?"""
_SCRIPT = re.compile(rf"<script\b[^>]*\bsrc\s*=\s*{_OUTSIDE}[^>]*>.*?</script\s*>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(rf"<(?:link\b[^>]*\bhref|(?:img|iframe|source|embed)\b[^>]*\bsrc)\s*=\s*{_OUTSIDE}[^>]*>", re.DOTALL | re.IGNORECASE)
_CSS_URL = re.compile(r"""url\(\s*['"]?(?:https?:)?//[^)]*\)""", re.IGNORECASE)

_STYLE = """<style>
body { font-family: sans-serif; margin: 1.5em; color: #222; background: #fff; }
table { border-collapse: collapse; margin: .5em 0; }
td, th { border: 1px solid #ccc; padding: .25em .6em; text-align: left; vertical-align: top; }
.fa-check-circle::before { content: "\\2714"; color: #17803d; } .fa-times::before, .fa-times-circle::before { content:
"\\2718"; color: #b42318; } footer { display: none; }
tr.failed td { background: #fdecea; }
tr.cold td { color: #777; } </style>
"""


_INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Lots and days against their expectations</title>{style}</head><body>
<h1>Lots and days against their expectations</h1>
<p>{summary} A lot that fails stops nothing: it is recorded here and counted by <code>inspection status</code>. <b>Cold start</b>:
too few earlier lots of the product and layer (or days) to compare with; physics alone has judged.</p>
<h2>Lots</h2>
<table><tr><th>lot and layer</th><th>product</th><th>wafers</th><th>maps</th><th>background, defects</th>
<th>usual</th><th>earlier lots</th><th>result</th>
<th>checked at (UTC)</th></tr>
{lots}
</table>
<h2>Days</h2>
<table><tr><th>day (UTC)</th><th>files</th><th>wafers</th><th>usual</th><th>earlier days</th><th>result</th><th>checked at (UTC)</th></tr>
{days}
</table>
<h2>Runs</h2>
<p>Each run checked all lots or days that were new then, the newest run first; open it to see what was expected and what was found.</p>
<table><tr><th>suite</th><th>run at (UTC)</th><th>result</th></tr>
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
        style=_STYLE,
        summary=summary,
        lots="\n".join(_lot_row(row) for row in lots) or _NONE,
        days="\n".join(_day_row(row) for row in days) or _NONE,
        runs="\n".join(_run_rows(site)),
    )
    write_text(site / "index.html", content)


_NONE = '<tr><td colspan="9">none yet</td></tr>'


def _lot_row(row: Mapping[str, Any]) -> str:
    known, subject = row["statistics"], " ".join(filter(None, (row["lot"] or "wafers without a lot", row["layer"])))
    usual = _range(known, "background")
    cells = (
        subject,
        known["product"],
        known["wafers"],
        known["maps"],
        known["background"],
        usual,
        known["history_lots"],
        _result(row, "lots"),
    )
    return _row(row, cells)


def _day_row(row: Mapping[str, Any]) -> str:
    known = row["statistics"]
    cells = (row["day"], known["files"], known["wafers"], _range(known, "wafers"), known["history_days"], _result(row, "days"))
    return _row(row, cells)


def _row(row: Mapping[str, Any], cells: Sequence[Any]) -> str:
    shown = (*cells, f"{row['checked_at']:%Y-%m-%d %H:%M:%S}")
    texts = "".join(f"<td>{'' if cell is None else html.escape(str(cell))}</td>" for cell in shown)
    return f'<tr class="{"failed" if not row["passed"] else "cold" if row["cold_start"] else ""}">{texts}</tr>'


def _range(known: Mapping[str, Any], name: str) -> str:
    low, high = known[f"{name}_low"], known[f"{name}_high"]
    return "" if high is None else f"{'' if low is None else low} to {high}"


def _result(row: Mapping[str, Any], what: str) -> str:
    """``as expected``, or each fault with its count and who shows it; and a cold start is said."""
    evidence = row["statistics"]["evidence"]
    faults = [
        f"{fault} ({count}{': ' if fault in evidence else ''}{', '.join(evidence.get(fault, ()))})"
        for fault, count in row["failed"].items()
    ]
    words = "; ".join(faults) or "as expected"
    lacking = row["statistics"][f"{what}_missing"]
    return f"{words}; cold start, {lacking} more {what} needed" if row["cold_start"] else words


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


def make_offline(site: Path) -> None:
    """Rewrite every page and style sheet below ``site`` that refers to another host; plain links for people stay."""
    for page in sorted(site.rglob("*")):
        if page.suffix in {".html", ".css"} and page.is_file():
            text = page.read_text(encoding="utf-8")
            clean = offline(text)
            if clean != text:
                write_text(page, clean)


def offline(text: str) -> str:
    """``text`` without scripts, styles, images and fonts of other hosts; a page that lost some gets a plain style."""
    clean = _CSS_URL.sub("none", _TAG.sub("", _SCRIPT.sub("", text)))
    return clean.replace("</head>", f"{_STYLE}</head>", 1) if clean != text else text
