"""Every judged wafer in one table, so that each figure of the report can be computed again with other tools; the confusion as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from inspection.formats.spreadsheet import as_text
from inspection.scoring.decision import BETWEEN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inspection.evaluation.confusion import Confusion
    from inspection.evaluation.evaluation import Part
    from inspection.scoring.decision import DecisionRule


def table_of(parts: Mapping[str, tuple[Part, pd.DataFrame]], rule: DecisionRule) -> pd.DataFrame:
    """One row per wafer of the validation and the test part.

    Parameters
    ----------
    parts : name of a part -> the part and, row by row, what else is known of its wafers (copied as it is)
    rule : what decided

    Returns
    -------
    DataFrame
        ``part file_sha256 index group truth label decision prediction_set unknown unknown_score looks p_<class>...``, then the columns that
        were given. ``group`` is the lot or block that the intervals draw; ``prediction_set`` names classes with ``|`` between them.
    """
    return pd.concat([_rows(name, part, known, rule) for name, (part, known) in parts.items()], ignore_index=True)


def confusion_table(matrix: Confusion) -> pd.DataFrame:
    """One row per cell: ``truth called count share low high``; ``share`` of the wafers of ``truth``, with its 95 % Wilson interval.

    ``called`` may also be Unknown or Review. Of a class without wafers there is no share. Names are texts to a spreadsheet, too.
    """
    low, high = matrix.share_intervals
    columns = {
        "truth": np.repeat([as_text(name) for name in matrix.names], len(matrix.calls)),
        "called": np.tile([as_text(name) for name in matrix.calls], len(matrix.names)),
        "count": matrix.counts.ravel(),
        **{name: values.ravel() for name, values in (("share", matrix.shares), ("low", low), ("high", high))},
    }
    return pd.DataFrame(columns)


def _rows(name: str, part: Part, known: pd.DataFrame, rule: DecisionRule) -> pd.DataFrame:
    n, p = len(part), part.probabilities
    decisions: Sequence[str] = rule.decide(p, part.unknown) if part.decisions is None else part.decisions
    columns = {
        "part": [name] * n,
        "file_sha256": [""] * n if part.file_sha256 is None else part.file_sha256,
        "index": np.arange(n) if part.index is None else part.index,
        "group": part.group,
        "truth": [rule.names[k] for k in part.truth],
        "label": [rule.names[k] for k in p.argmax(axis=1)] if n else [],
        "decision": list(decisions),
        "prediction_set": [BETWEEN.join(names) for names in rule.set_names(p)],
        "unknown": np.zeros(n, bool) if part.unknown is None else part.unknown,
        "unknown_score": np.full(n, np.nan) if part.strangeness is None else part.strangeness,
        "looks": np.ones(n, np.int64) if part.looks is None else part.looks,
        **{f"p_{c}": p[:, k] for k, c in enumerate(rule.names)},
    }
    return pd.concat([pd.DataFrame(columns), known.reset_index(drop=True)], axis=1)
