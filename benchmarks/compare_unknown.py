"""Which detector finds patterns never seen: each defect class of WM-811K in turn is hidden from training, then shown.

For every hidden class the default network learns the others (a share of the blocks of rows, lots on one side only), each detector of
``scoring.unknown`` is fitted on training wafers, its limits set on validation wafers, and it is asked about the wafers of the hidden class
and the test wafers of the known ones. AUROC: hidden against known, by how strange they are. Found: the share of the hidden above the limit
of their likeliest class. Flagged: the share of the known test wafers above it (aimed at: ``evaluate.unknown.rate``).

    python benchmarks/compare_unknown.py FOLDER [--share .2] [--epochs 5] [--seed 0] [--hide Donut Scratch ...]

What is done stays in FOLDER: the same command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from inspection import params as parameters
from inspection.aside import write_text
from inspection.dataset.parts import cut
from inspection.evaluation.confusion import wilson
from inspection.formats.canonical import CanonicalWafer, write_shard
from inspection.formats.diemap import archive
from inspection.views.renderer import ViewSpec
from inspection.views.shards import read_views, write_views
from inspection.wafer.taxonomy import choose

BLOCK_ROWS, GAP_ROWS = 500, 24
"""What ``--share`` draws, and the rows left out between them: a lot has at most 25 wafers."""
SHOWN, TRAINED = 400, 6_000
"""Hidden wafers that are shown, and training wafers that the detectors learn from, at most."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("INSPECTION_DATA", "../shared/data"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=shared / "wm811k" / "wm811k_dev.npz")
    parser.add_argument("--share", type=float, default=0.2, help="of the blocks of rows")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hide", nargs="+", help="these classes alone")
    given = parser.parse_args()
    params = parameters.load()
    train = params.train.model_copy(update={"epochs": given.epochs, "min_steps": 1, "fuse_features": False})
    params = params.model_copy(update={"train": train, "base": parameters.Base(seed=given.seed)})
    wafers = _wafers(given, params)
    present = sorted({str(w.wafer.label) for w in wafers})
    rows = []
    for hidden in given.hide or [name for name in present if not params.classes[name].normal]:
        result = given.folder / f"{hidden}-{given.share}-{given.epochs}-{given.seed}.json"
        if not result.is_file():
            given.folder.mkdir(parents=True, exist_ok=True)
            write_text(result, json.dumps(_run(given.folder / "data", hidden, wafers, params)))
        rows.append({"hidden": hidden, **json.loads(result.read_text(encoding="utf-8"))})
        print(f"{hidden} hidden: {rows[-1]['seconds']:.0f} s, validation macro-F1 {rows[-1]['validation_macro_f1']:.3f}", flush=True)
    _print(rows)


def _wafers(given: argparse.Namespace, params: parameters.Params) -> list[CanonicalWafer]:
    wafers = list(archive.read(given.data, params.ingest))
    rows = np.array([w.row if w.row >= 0 else w.index for w in wafers])
    blocks = np.unique(rows // BLOCK_ROWS)
    chosen = np.random.default_rng(given.seed).permutation(blocks)[: max(round(given.share * len(blocks)), 3)]
    kept = np.isin(rows // BLOCK_ROWS, chosen) & ((rows % BLOCK_ROWS >= GAP_ROWS) | (given.share >= 1))
    sha256 = hashlib.sha256(given.data.name.encode()).hexdigest()
    return [CanonicalWafer(sha256, given.data.name, wafers[i]) for i in np.flatnonzero(kept)]


def _run(data: Path, hidden: str, wafers: list[CanonicalWafer], params: parameters.Params) -> dict[str, Any]:
    from inspection.models.backend import keras
    from inspection.scoring import unknown
    from inspection.scoring.bundle import Bundle
    from inspection.scoring.predictor import Predictor
    from inspection.training.session import train

    started = time.perf_counter()
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    shard, recipe = data / "wafers.parquet", params.tile.dies
    write_shard(shard, [w for w in wafers if w.wafer.label != hidden])
    write_views(data / "views", shard, ViewSpec(recipe.size_px, recipe.tiles, recipe.tile_px, recipe.tile_mm))
    cut(shard, data / "split.parquet", params, lambda _done, _total: None)
    summary = train(data, params, lambda _done, _total, _text: None)

    split, views = pd.read_parquet(data / "split.parquet"), read_views(data / "views")
    taxonomy = choose(split["label"], params.classes)
    truth = split["label"].map({name: k for k, name in enumerate(taxonomy.names)}).to_numpy()
    at = {part: np.flatnonzero(split["part"].to_numpy() == part) for part in ("train", "validation", "test")}
    predictor = Predictor.of(
        Bundle(taxonomy, views.spec, np.full(len(taxonomy), 0.5), 1.0), data / "model" / "model.keras", (16, 128)
    )  # fmt: skip
    rng = np.random.default_rng(params.base.seed)
    learnt = np.sort(rng.permutation(at["train"])[:TRAINED])
    embedding = predictor.embeddings(views.take(learnt))
    strangers = [w.wafer.map for w in wafers if w.wafer.label == hidden]
    drawn = [strangers[i] for i in rng.permutation(len(strangers))[:SHOWN]]
    seen = {part: predictor.first_look(views.take(at[part])) for part in ("validation", "test")}
    seen["hidden"] = predictor.first_look(predictor.prepare(drawn))
    keras.utils.clear_session()
    found: dict[str, dict[str, float]] = {}
    for kind in unknown.MEASURES:
        detector = unknown.fit(kind, embedding, truth[learnt], rng)
        limited = detector.with_limits(seen["validation"].embedding, seen["validation"].first, params.evaluate.unknown.rate)
        shown = [seen["test"], seen["hidden"]]
        is_new = np.repeat([False, True], [len(one.first) for one in shown])
        strange, flags = (
            np.concatenate([ask(one.embedding, one.first) for one in shown]) for ask in (limited.score, limited.unknown)
        )  # fmt: skip
        found[kind] = {
            "auroc": float(roc_auc_score(is_new, strange)),
            "found": float(flags[is_new].mean()),
            "flagged": float(flags[~is_new].mean()),
        }
    return {
        "detectors": found,
        "shown": len(drawn),
        "known": len(at["test"]),
        "validation_macro_f1": summary["best_validation_macro_f1"],
        "seconds": time.perf_counter() - started,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    kinds = list(rows[0]["detectors"])
    print("\n| hidden class | shown | " + " | ".join(f"{kind}: AUROC, found" for kind in kinds) + " |")
    print("| --- | ---: |" + " --- |" * len(kinds))
    for row in rows:
        cells = []
        for kind in kinds:
            one = row["detectors"][kind]
            low, high = wilson(round(one["found"] * row["shown"]), row["shown"])
            cells.append(f"{one['auroc']:.3f}, {one['found']:.2f} ({low:.2f} to {high:.2f})")
        print(f"| {row['hidden']} | {row['shown']} | " + " | ".join(cells) + " |")
    means = {kind: {key: np.mean([row["detectors"][kind][key] for row in rows]) for key in ("auroc", "found", "flagged")} for kind in kinds}
    print(
        "| **mean** | | "
        + " | ".join(f"{m['auroc']:.3f}, {m['found']:.2f}; {m['flagged']:.1%} of the known flagged" for m in means.values())
        + " |"
    )


if __name__ == "__main__":
    main()
