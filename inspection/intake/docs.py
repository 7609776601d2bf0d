"""Data Docs without the network: pages that load nothing from elsewhere and tell nobody that they were opened."""

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

_STYLE = """<style>
body { font-family: sans-serif; margin: 1.5em; color: #222; background: #fff; }
table { border-collapse: collapse; margin: .5em 0; }
td, th { border: 1px solid #ccc; padding: .25em .6em; text-align: left; vertical-align: top; }
.fa-check-circle::before { content: "\\2714"; color: #17803d; } .fa-times::before, .fa-times-circle::before { content:
"\\2718"; color: #b42318; } </style>
"""


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
