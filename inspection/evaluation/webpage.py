"""The report as one HTML file: templates, style and scripts of ``page/`` put together, everything inline.

The page may run its own script and nothing else: its Content-Security-Policy names style and script by their sha256, allows pictures
from within the page only, and no connection at all.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from inspection.evaluation import beside, operating, tables, wording
from inspection.evaluation.album import data_uri
from inspection.evaluation.cells import cells
from inspection.evaluation.confusion import confusions
from inspection.evaluation.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inspection.evaluation.album import Album
    from inspection.evaluation.evaluation import Evaluation
    from inspection.evaluation.reliability import Calibration
    from inspection.evaluation.report import Background

FOLDER = "page"
SCRIPTS = ("data.js", "numbers.js", "wafers.js", "confusion.js", "thresholds.js", "roc.js", "operating.js", "start.js")
"""The page's scripts, in the order in which they build on one another."""
MANY_CLASSES = 13
"""Above it the confusion matrix is hard to read, and its largest mistakes are listed, too."""


def render(
    evaluation: Evaluation, background: Background, album: Album, figures: Mapping[str, bytes | None], calibrated: Calibration
) -> str:
    """The page. The same arguments give the same text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  (imported when used)
    from markupsafe import Markup  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("inspection.evaluation", FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": wording.percent, "score": wording.score, "odds": wording.odds, "lead": wording.lead, "uri": data_uri,
    }  # fmt: skip
    environment.globals |= {"interval": wording.interval, "lead_interval": wording.lead_interval}
    style = _text("page.css")
    script = '"use strict";\n(() => {\n' + "\n".join(_text(name) for name in SCRIPTS) + "})();\n"
    numbers = operating.packed(evaluation, background.ungated or operating.ungated(evaluation), _identities(evaluation, background))
    numbers["pictures"] = {position: album.drawn[position][0] for position in album.for_cells}
    normal = evaluation.taxonomy.normal
    return environment.get_template("report.html.j2").render(
        policy=_policy(style, script),
        style=Markup(style),  # noqa: S704  (our own file, no user's text)
        script=Markup(script),  # noqa: S704  (our own files)
        data=Markup(_json(numbers)),  # noqa: S704  (escaped for a script element by _json)
        title=background.title,
        summary=wording.summary(evaluation),
        findings=verdict(evaluation, calibrated, background.votes, background.beside, background.baseline),
        cards=wording.cards(evaluation),
        limits=[*background.limits, *wording.limits(evaluation)],
        patterns=evaluation.patterns,
        matrix=evaluation.by_decision,
        cells=cells(evaluation.by_decision),
        many=len(evaluation.taxonomy) > MANY_CLASSES,
        confusions=confusions(evaluation.by_decision),
        slider=numbers["codes"] is not None,
        fab=bool(normal),
        calibration=calibrated,
        rows=evaluation.per_class(),
        threshold_rule=evaluation.thresholds.rule,
        balance=tables.balance(evaluation),
        agreement=tables.agreement(evaluation),
        wafers=background.wafers,
        lots=background.lots,
        classes=evaluation.taxonomy.names,
        beside=beside.rows(evaluation, background.beside) if background.beside else [],
        beside_summary=wording.beside(evaluation, background.beside),
        votes=background.votes,
        comparison=tables.comparison(evaluation, background.baseline[1]) if background.baseline else [],
        baseline=background.baseline[0] if background.baseline else None,
        sections=background.sections,
        figures={name: data_uri(png) for name, png in figures.items() if png is not None},
        curves=background.curves,
        album=album,
        lineage=background.lineage,
        params=background.params,
    )


def _identities(evaluation: Evaluation, background: Background) -> list[tuple[str, str]]:
    """Lot and wafer of each test wafer; where nobody knows them, its group and its place in the source."""
    if background.identities is not None:
        return [(str(lot), str(wafer)) for lot, wafer in background.identities]
    test = evaluation.test
    place = range(len(test)) if test.index is None else test.index.tolist()
    return [(str(group), f"no. {i}") for group, i in zip(test.group, place, strict=True)]


def _policy(style: str, script: str) -> str:
    return f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c").replace(">", "\\u003e")


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(FOLDER, name).read_text(encoding="utf-8")
