"""Scoring of files outside the pipeline: one row per wafer, written to Parquet as it goes."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from inspection.aside import aside
from inspection.errors import FormatError, InputNotFoundError, bounded
from inspection.formats import table
from inspection.formats.image.reader import read as read_image
from inspection.scoring.decision import BETWEEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from inspection.params import Ingest
    from inspection.scoring.decision import Scored
    from inspection.scoring.predictor import Predictor
    from inspection.wafer.maps import SourceWafer

CHUNK = 512
PASSED_OVER = (".csv", ".yaml", ".yml", ".txt", ".md", ".json", ".parquet")
"""Endings that stand beside defect maps and hold none; only inside folders, never for a file that was named."""


def score_files(
    predictor: Predictor, paths: Sequence[Path], out: Path, limits: Ingest, report: Callable[[int, int, str], None]
) -> dict[str, Any]:
    """Score every wafer of ``paths`` (files, or folders searched through) into ``out``; a model of images reads every raster as one.

    Columns ``source, index, lot, wafer, label, decision, prediction_set, unknown_score, looks, p_<class>...`` and, where classes combine
    patterns, ``pattern_<pattern>...`` (probabilities; a combination that is no class can be the label, too). ``index`` counts the wafers of
    a source from 0, ``prediction_set`` names classes with ``|`` between them, ``unknown_score`` grows with the distance from all that was
    learnt; both are null where the model has none. A file that cannot be read is left out and told; when none can, its error is raised.
    """
    taxonomy = predictor.bundle.taxonomy
    shares = [f"p_{n}" for n in taxonomy.names] + [f"pattern_{n}" for n in taxonomy.patterns if taxonomy.combines]
    text = [(c, pa.string()) for c in ("source", "lot", "wafer", "label", "decision", "prediction_set")]
    told_of = [("unknown_score", pa.float64()), ("looks", pa.int64())]
    schema = pa.schema([text[0], ("index", pa.int64()), *text[1:], *told_of, *((n, pa.float64()) for n in shares)])
    refused: list[FormatError] = []
    told: list[str] = []
    rows = files = 0
    with aside(out) as temporary:
        with pq.ParquetWriter(temporary, schema) as writer:
            for path in _files(paths):
                try:
                    for batch in _scored(predictor, path, limits):
                        writer.write_table(pa.Table.from_pylist(batch, schema))
                        rows += len(batch)
                        report(rows, 0, f"wafers, {path.name}")
                    files += 1
                except FormatError as error:
                    refused.append(error.found_in(path))
                    told.append(f"{path}: {error}")
        if refused and not rows:
            raise refused[0]
    return {"out": str(out), "files": files, "wafers": rows, "refused": [bounded([t], 1)[:300] for t in told]}


def _scored(predictor: Predictor, path: Path, limits: Ingest) -> Iterator[list[dict[str, Any]]]:
    """Rows of one file, a chunk at a time; nothing is given out before the whole file proved readable chunk by chunk."""
    wafers = read_image(path, limits) if predictor.bundle.spec.kind == "image" else table.read(path, limits)
    while chunk := list(islice(wafers, CHUNK)):
        outcomes = predictor.score(predictor.prepare([w.map for w in chunk]))
        yield [_row(path, wafer, outcome) for wafer, outcome in zip(chunk, outcomes, strict=True)]


def _row(path: Path, wafer: SourceWafer, outcome: Scored) -> dict[str, Any]:
    probabilities = {f"p_{name}": value for name, value in outcome.probabilities.items()}
    probabilities |= {f"pattern_{name}": value for name, value in (outcome.patterns or {}).items()}
    info = wafer.map.info
    names = {"source": str(path), "index": wafer.index, "lot": info.lot, "wafer": info.wafer}
    held = None if outcome.prediction_set is None else BETWEEN.join(outcome.prediction_set)
    told = {"label": outcome.label, "decision": outcome.decision, "prediction_set": held}
    return {**names, **told, "unknown_score": outcome.unknown_score, "looks": outcome.looks, **probabilities}


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() not in PASSED_OVER)
            found += [p for p in inside if not any(part.startswith(".") for part in p.relative_to(path).parts)]
        else:
            found.append(path)
    if not found:
        raise InputNotFoundError(f"Nothing to score: expected defect maps in {bounded([str(p) for p in paths])}, got none.")
    return found
