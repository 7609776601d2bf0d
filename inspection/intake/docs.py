"""Data Docs without the network: pages that load nothing from elsewhere, and an index that needs no script to show its rows."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from inspection.aside import write_text

if TYPE_CHECKING:
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
tr.failed td { background: #fdecea; } </style>
"""


_INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Lots against their expectations</title>{style}</head><body>
<h1>Lots against their expectations</h1>
<p>{summary} Each row is one run of the suite <a href="expectations/lot.html">lot</a>, the newest first; open it to see what was
expected and what was found. A lot that fails stops nothing: it is recorded here and counted by <code>inspection status</code>.</p>
<table><tr><th>lot and layer</th><th>checked at (UTC)</th><th>result</th></tr>
{rows}
</table></body></html>
"""


def write_index(site: Path) -> None:
    """Replace the index of ``site`` by a plain table of all runs: the original draws its rows with a script from another host."""
    runs = []
    for page in (site / "validations").rglob("*.html"):
        name, time = page.parts[-3], page.parts[-2]
        succeeded = re.search(r"Status:.*?</i>\s*Succeeded", page.read_text(encoding="utf-8"), re.DOTALL) is not None
        runs.append((time, name.rpartition("-")[0] or name, page.relative_to(site).as_posix(), succeeded))
    runs.sort(reverse=True)
    rows = [
        f'<tr class="{"" if good else "failed"}"><td><a href="{html.escape(link)}">{html.escape(name)}</a></td><td>{_clock(time)}</td>'
        f"<td>{'as expected' if good else 'not as expected'}</td></tr>"
        for time, name, link, good in runs
    ]
    failed = sum(not good for *_, good in runs)
    summary = f"{len(runs)} runs, {failed} not as expected."
    write_text(site / "index.html", _INDEX.format(style=_STYLE, summary=summary, rows="\n".join(rows)))


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
