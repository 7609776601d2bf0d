"""Which detector finds patterns never seen: each defect class of WM-811K in turn is hidden from training, then shown.

For every hidden class the default network learns the others (a share of the blocks of rows, lots on one side only), each detector of
``scoring.unknown`` is fitted on training wafers, its limits set on validation wafers, and it is asked about the wafers of the hidden class
and the test wafers of the known ones. AUROC: hidden against known, by how strange they are. Found: the share of the hidden above the limit
of their likeliest class. Flagged: the share of the known test wafers above it (aimed at: ``evaluate.unknown.rate``).

    python benchmarks/compare_unknown.py FOLDER [--share .2] [--epochs 5] [--seed 0] [--hide Donut Scratch ...]
    python benchmarks/compare_unknown.py FOLDER --mixed [--share .5] --hide Donut Scratch

``--mixed``: MixedWM38, whose patterns combine. Every combination with the hidden pattern is hidden; ``Donut`` are the wafers that show it
alone, ``Donut+`` those that show it beside known patterns. ``or new combination``: what the worker calls Unknown there, whether the
detector flags it or it insists on a combination of known patterns that no training wafer had (``evaluate.combination_quantile``).
``or Review``: what a person sees, as it is Unknown by the default detector or its prediction set does not hold one class alone.

What the networks said stays in FOLDER: the same command goes on where it was interrupted, and judges changed detectors without training.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from inspection import params as parameters
from inspection.dataset.parts import cut
from inspection.evaluation.confusion import wilson
from inspection.formats.canonical import CanonicalWafer, write_shard
from inspection.formats.diemap import archive, mixedwm38
from inspection.scoring import unknown
from inspection.scoring.calibration import fit_temperature, softmax
from inspection.scoring.combinations import Reading
from inspection.scoring.conformal import fit_inclusion
from inspection.scoring.decision import DecisionRule
from inspection.views.renderer import ViewSpec
from inspection.views.shards import read_views, write_views
from inspection.wafer.taxonomy import JOIN, choose

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_ROWS, GAP_ROWS = 500, 24
"""What ``--share`` draws, and the rows left out between them: a lot has at most 25 wafers."""
SHOWN, TRAINED = 400, 6_000
"""Hidden wafers that are shown, and training wafers that the detectors learn from, at most."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("INSPECTION_DATA", "../shared/data"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mixed", action="store_true", help="MixedWM38, a pattern hidden with all its combinations")
    parser.add_argument("--data", type=Path, help="default: wm811k_dev.npz, or mixedwm38_dev.npz")
    parser.add_argument("--share", type=float, default=0.2, help="of the blocks of rows; of the maps of MixedWM38")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hide", nargs="+", help="these classes alone")
    given = parser.parse_args()
    given.data = given.data or shared / ("mixedwm38/mixedwm38_dev.npz" if given.mixed else "wm811k/wm811k_dev.npz")
    params = parameters.load()
    train = params.train.model_copy(update={"epochs": given.epochs, "min_steps": 1, "fuse_features": False})
    params = params.model_copy(update={"train": train, "base": parameters.Base(seed=given.seed)})
    wafers = _wafers(given, params)
    present = sorted({pattern for w in wafers for pattern in str(w.wafer.label).split(JOIN)})
    rows = []
    for hidden in given.hide or [name for name in present if not params.classes[name].normal]:
        kept = given.folder / f"{'mixed-' * given.mixed}{hidden}-{given.share}-{given.epochs}-{given.seed}.npz"
        if not kept.is_file():
            given.folder.mkdir(parents=True, exist_ok=True)
            _run(given.folder / "data", hidden, wafers, params, kept)
        with np.load(kept, allow_pickle=False) as said:
            rows += _judged(dict(said), hidden, params)
    _print(rows)


def _wafers(given: argparse.Namespace, params: parameters.Params) -> list[CanonicalWafer]:
    sha256 = hashlib.sha256(given.data.name.encode()).hexdigest()
    if given.mixed:
        wafers = list(mixedwm38.read(given.data, params.ingest))
        drawn = np.sort(np.random.default_rng(given.seed).permutation(len(wafers))[: round(given.share * len(wafers))])
        return [CanonicalWafer(sha256, given.data.name, wafers[i]) for i in drawn.tolist()]
    wafers = list(archive.read(given.data, params.ingest))
    rows = np.array([w.row if w.row >= 0 else w.index for w in wafers])
    blocks = np.unique(rows // BLOCK_ROWS)
    chosen = np.random.default_rng(given.seed).permutation(blocks)[: max(round(given.share * len(blocks)), 3)]
    kept = np.isin(rows // BLOCK_ROWS, chosen) & ((rows % BLOCK_ROWS >= GAP_ROWS) | (given.share >= 1))
    return [CanonicalWafer(sha256, given.data.name, wafers[i]) for i in np.flatnonzero(kept)]


def _run(data: Path, hidden: str, wafers: list[CanonicalWafer], params: parameters.Params, kept: Path) -> None:
    """Train without the hidden class, and keep what the network says of all parts."""
    from inspection.models.backend import keras
    from inspection.scoring.bundle import Bundle
    from inspection.scoring.predictor import Predictor
    from inspection.training.session import train

    started = time.perf_counter()
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    shard, recipe = data / "wafers.parquet", params.tile.dies
    strangers = [w.wafer for w in wafers if hidden in str(w.wafer.label).split(JOIN)]
    write_shard(shard, [w for w in wafers if hidden not in str(w.wafer.label).split(JOIN)])
    write_views(data / "views", shard, ViewSpec(recipe.size_px, recipe.tiles, recipe.tile_px, recipe.tile_mm))
    cut(shard, data / "split.parquet", params, lambda _done, _total: None)
    summary = train(data, params, lambda _done, _total, _text: None)

    split, views = pd.read_parquet(data / "split.parquet"), read_views(data / "views")
    taxonomy = choose(split["label"], params.classes)
    truth = split["label"].map({name: k for k, name in enumerate(taxonomy.names)}).to_numpy()
    at = {part: np.flatnonzero(split["part"].to_numpy() == part) for part in ("train", "validation", "test")}
    rng = np.random.default_rng(params.base.seed)
    at["train"] = np.sort(rng.permutation(at["train"])[:TRAINED])
    drawn = [strangers[i] for i in rng.permutation(len(strangers))[:SHOWN]]
    bundle = Bundle(taxonomy, views.spec, np.full(len(taxonomy), 0.5), 1.0)
    predictor = Predictor.of(bundle, data / "model" / "model.keras", (16, 128))
    seen = {part: predictor.first_look(views.take(rows)) for part, rows in at.items()}
    seen["hidden"] = predictor.first_look(predictor.prepare([one.map for one in drawn]))
    keras.utils.clear_session()
    arrays: dict[str, Any] = {"names": np.array(taxonomy.names), "shown": np.array([str(one.label) for one in drawn])}
    arrays |= {f"{part}_truth": truth[rows] for part, rows in at.items()}
    for part, one in seen.items():
        arrays |= {f"{part}_embedding": one.embedding, f"{part}_logits": one.first}
    np.savez(kept, **arrays)
    score, seconds = summary["best_validation_macro_f1"], time.perf_counter() - started
    print(f"{hidden} hidden: {seconds:.0f} s, validation macro-F1 {score:.3f}", flush=True)


def _judged(said: dict[str, NDArray[Any]], hidden: str, params: parameters.Params) -> list[dict[str, Any]]:
    """A row of the table for the hidden class, or one for it alone and one for it beside others: by detector, AUROC, found, flagged."""
    pairs = {part: (said[f"{part}_embedding"], said[f"{part}_logits"]) for part in ("validation", "test", "hidden")}
    detectors, rate = {}, params.evaluate.unknown.rate
    for kind in unknown.MEASURES:
        rng = np.random.default_rng(params.base.seed)
        detectors[kind] = unknown.fit(kind, said["train_embedding"], said["train_truth"], rng).with_limits(*pairs["validation"], rate)
    strange = {kind: [one.score(*pairs[part]) for part in ("test", "hidden")] for kind, one in detectors.items()}
    flags = {kind: [one.unknown(*pairs[part]) for part in ("test", "hidden")] for kind, one in detectors.items()}
    taxonomy = choose(said["names"].tolist(), params.classes)
    if any(JOIN in name for name in taxonomy.names):
        limit = Reading(taxonomy, pairs["validation"][1]).limit(params.evaluate.combination_quantile)
        served = zip(flags[params.evaluate.unknown.detector], ("test", "hidden"), strict=True)
        flags["or new combination"] = [own | (Reading(taxonomy, pairs[part][1]).insistence > limit) for own, part in served]
    temperature = fit_temperature(pairs["validation"][1], said["validation_truth"])
    shares = {part: softmax(logits, temperature) for part, (_, logits) in pairs.items()}
    sure = fit_inclusion(shares["validation"], said["validation_truth"], params.evaluate.coverage, params.evaluate.set_floor)
    rule = DecisionRule(taxonomy.names, np.zeros(len(taxonomy)), None if sure is None else sure.least)
    served = zip(flags.get("or new combination", flags[params.evaluate.unknown.detector]), ("test", "hidden"), strict=True)
    flags["or Review"] = [own | ~rule.sure(shares[part]) for own, part in served]
    rows = []
    for name, own in ((hidden, said["shown"] == hidden), (f"{hidden}{JOIN}", said["shown"] != hidden)):
        found = {
            kind: {
                "auroc": _auroc(strange[kind][0], strange[kind][1][own]) if kind in strange else float("nan"),
                "found": float(new[own].mean()),
                "flagged": float(known.mean()),
            }
            for kind, (known, new) in flags.items()
        } if own.any() else {}  # fmt: skip
        rows += [{"hidden": name, "count": int(own.sum()), "detectors": found}] if found else []
    return rows


def _auroc(known: NDArray[np.floating], new: NDArray[np.floating]) -> float:
    return float(roc_auc_score(np.repeat([False, True], [len(known), len(new)]), np.concatenate([known, new])))


def _print(rows: list[dict[str, Any]]) -> None:
    kinds = list(rows[0]["detectors"])
    print("\n| hidden class | shown | " + " | ".join(f"{kind}: {'AUROC, ' * (kind in unknown.MEASURES)}found" for kind in kinds) + " |")
    print("| --- | ---: |" + " --- |" * len(kinds))
    for row in rows:
        cells = []
        for kind in kinds:
            one = row["detectors"][kind]
            low, high = wilson(round(one["found"] * row["count"]), row["count"])
            cells.append(f"{one['auroc']:.3f}, {one['found']:.2f} ({low:.2f} to {high:.2f})".removeprefix("nan, "))
        print(f"| {row['hidden']} | {row['count']} | " + " | ".join(cells) + " |")
    means = {kind: {key: np.mean([row["detectors"][kind][key] for row in rows]) for key in ("auroc", "found", "flagged")} for kind in kinds}
    print(
        "| **mean** | | "
        + " | ".join(
            f"{m['auroc']:.3f}, {m['found']:.2f}; {m['flagged']:.1%} of the known flagged".removeprefix("nan, ") for m in means.values()
        )
        + " |"
    )


if __name__ == "__main__":
    main()
