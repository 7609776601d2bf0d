"""The pages of Great Expectations without the network: nothing is loaded from elsewhere, and what is left is legible without it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from inspection.aside import write_text

if TYPE_CHECKING:
    from pathlib import Path

_OUTSIDE = r"""["']?(?:https?:)?//[^"'>\s]*["']?"""
_SCRIPT = re.compile(rf"<script\b[^>]*\bsrc\s*=\s*{_OUTSIDE}[^>]*>.*?</script\s*>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(rf"<(?:link\b[^>]*\bhref|(?:img|iframe|source|embed)\b[^>]*\bsrc)\s*=\s*{_OUTSIDE}[^>]*>", re.DOTALL | re.IGNORECASE)
_CSS_URL = re.compile(r"""url\(\s*['"]?(?:https?:)?//[^)]*\)""", re.IGNORECASE)

STYLE = """<style>
body { font-family: sans-serif; margin: 1.5em; color: #222; background: #fff; }
table { border-collapse: collapse; margin: .5em 0; }
td, th { border: 1px solid #ccc; padding: .25em .6em; text-align: left; vertical-align: top; }
h5, h6 { font-size: 1.05em; margin: 1.2em 0 .2em; } h6 { font-size: .95em; }
ol.breadcrumb { list-style: none; padding: 0; } ol.breadcrumb li { display: inline; margin-right: .6em; }
.fa-check-circle::before { content: "\\2714"; color: #17803d; }
.fa-times::before, .fa-times-circle::before { content: "\\2718"; color: #b42318; }
tr:has(> td .fa-times), tr:has(> td .fa-times-circle) { background: #fdecea; }
footer, .card:has(> .card-body .btn-group-toggle) { display: none; } /* buttons that need a script of another host */
.collapse:not(:target) { display: none; } /* `Show more info...` leads to it */
tr.failed td { background: #fdecea; }
tr.cold td { color: #777; }
td.number, th.number { text-align: right; white-space: nowrap; }
</style>
"""
_WORDS = {
    "Expectation Validation Result": "What was expected, and what was found",
    "Evaluates whether a batch of data matches expectations.": "All lots or days that were new at the time of this run.",
    "Table-Level Expectations": "One value against another",
    "Evaluated Expectations": "expected",
    "Unsuccessful Expectations": "not found so",
    "Successful Expectations": "found so",
    "Success Percent": "share found so",
    "Observed Value": "Found",
    "Unexpected Value": "Found",
    "Expectation Suite:": "Expected of:",
    "Show more info...": "About this run",
    "To retrieve all unexpected values...": "Rows of the table that was checked",
    # The columns that are checked.
    "odds_of_no_defect": "lots without a defect",
    "slots_missing": "slots missing",
    "wafers_in_slot": "wafers in one slot",
    "summary_faults": "counts and densities that the file declares",
    "diameter_mm": "diameter, mm",
}
"""The engine's words, where they are all of a text, and those of a person who knows wafers and not the engine."""
_TEXT = re.compile(r"(>\s*)(" + "|".join(map(re.escape, _WORDS)) + r")(?=\s*<)")
_NO_ASSET = "<br> Data asset: None"


def make_offline(site: Path) -> None:
    """Rewrite every page and style sheet below ``site`` that refers to another host; plain links for people stay."""
    for page in sorted(site.rglob("*")):
        if page.suffix in {".html", ".css"} and page.is_file():
            text = page.read_text(encoding="utf-8")
            clean = offline(text)
            if clean != text:
                write_text(page, clean)


def offline(text: str) -> str:
    """``text`` without scripts, styles, images and fonts of other hosts; a page that lost some gets a plain style and plain words."""
    clean = _CSS_URL.sub("none", _TAG.sub("", _SCRIPT.sub("", text)))
    if clean == text:
        return text
    told = _TEXT.sub(lambda found: found[1] + _WORDS[found[2]], clean).replace(_NO_ASSET, "")
    return told.replace("</head>", f"{STYLE}</head>", 1)
