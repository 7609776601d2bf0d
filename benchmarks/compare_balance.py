"""Which balance is the default: the default network, taught with each choice on the same lots, judged on the same other lots.

The maps of ``wm811k_dev.npz``, or the share of their blocks of rows that ``--share`` asks for, are split by blocks as the project splits
them (``split`` of params.yaml). Each choice is trained by ``training.session`` as the pipeline does it, once for each seed (of the
weights, the draws and the augmentation; the split is the same), its epoch, temperature and thresholds chosen on validation. What each test
wafer was called is kept in ``FOLDER/results.json`` after each training: interrupted, the same command goes on where it was, in
the middle of a training too.

    python benchmarks/compare_balance.py FOLDER [--share 1.0] [--epochs 16] [--seeds 0 1 2] [--only NAME ...] [--table]

The tables give the mean over the seeds with its 95 % interval over blocks (whole blocks are drawn again, the same for all choices), the
lead over the default from the same draws, the recall of the worst class, escapes and overkill; by the likeliest class, and by decision.
``least and most``: the macro-F1 of single seeds. A lead whose interval holds 0 is none. The test part serves to choose here, so that
its figures are a little too good for whatever is chosen.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from inspection import params as parameters
from inspection.aside import write_text
from inspection.dataset.parts import cut
from inspection.evaluation.confusion import column_of, macro_f1, per_class
from inspection.formats.canonical import CanonicalWafer, shard_index, write_shard
from inspection.formats.diemap import archive
from inspection.views.renderer import ViewSpec
from inspection.views.shards import read_views, write_views
from inspection.wafer.taxonomy import Taxonomy, choose

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT = "default"
AS_THEY_COME = {"sampler": "none"}
CHOICES: dict[str, dict[str, dict[str, Any]]] = {
    DEFAULT: {},
    "as_they_come": {"balance": AS_THEY_COME},
    "tempering_.5": {"balance": {"tempering": 0.5}},
    "alike": {"balance": {"tempering": 0.0}},
    "batches": {"balance": {"batches": "balanced"}},
    "batches_.5": {"balance": {"batches": "balanced", "tempering": 0.5}},
    "borderline": {"balance": {"sampler": "borderline"}},
    "adasyn": {"balance": {"sampler": "adasyn"}},
    "weights_.999": {"balance": AS_THEY_COME, "train": {"class_weight_beta": 0.999}},
    "focal_2": {"balance": AS_THEY_COME, "train": {"focal_gamma": 2.0}},
    "class_balanced_focal": {"balance": AS_THEY_COME, "train": {"class_weight_beta": 0.999, "focal_gamma": 1.0}},
    "logit_adjustment": {"balance": AS_THEY_COME, "train": {"logit_adjustment": 1.0}},
    "default_focal_1": {"train": {"focal_gamma": 1.0}},
    "default_logit_.5": {"train": {"logit_adjustment": 0.5}},
}
"""What each choice changes in the shipped params.yaml, by section."""
BLOCK_ROWS, GAP_ROWS = 500, 24
"""What ``--share`` draws, and the rows left out between them: a lot has at most 25 wafers."""
BOOTSTRAP = 1_000
BATCH_SIZES = (16, 128)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("INSPECTION_DATA", "../shared/data"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=shared / "wm811k" / "wm811k_dev.npz")
    parser.add_argument("--share", type=float, default=1.0, help="of the blocks of rows")
    parser.add_argument("--epochs", type=int, help="without a least number of steps; default: as shipped")
    parser.add_argument("--split-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=CHOICES, default=list(CHOICES))
    parser.add_argument("--table", action="store_true", help="train nothing: the tables of what is there")
    given = parser.parse_args()
    params = parameters.load()
    if given.epochs:
        cheap = params.train.model_copy(update={"epochs": given.epochs, "min_steps": 1, "min_epoch_steps": 1})
        params = params.model_copy(update={"train": cheap})
    results = _begun(given, params)
    if not given.table:
        for seed in given.seeds:
            for name in given.only:
                if not any(run["choice"] == name and run["seed"] == seed for run in results["runs"]):
                    print(f"{name}, seed {seed}:", end=" ", flush=True)
                    results["runs"].append({"choice": name, "seed": seed, **_run(given.folder, _chosen(params, name, seed))})
                    write_text(given.folder / "results.json", json.dumps(results))
                    print(f"{results['runs'][-1]['seconds']:.0f} s", flush=True)
    if results["runs"]:
        _print_tables(results, given.folder, params)


def _chosen(params: parameters.Params, name: str, seed: int) -> parameters.Params:
    """The parameters of one training, read as from a file so that they are checked."""
    content = params.model_dump(by_alias=True)
    for section, changes in CHOICES[name].items():
        content[section].update(changes)
    content["base"]["seed"] = seed
    return parameters.Params.model_validate(content)


def _begun(given: argparse.Namespace, params: parameters.Params) -> dict[str, Any]:
    """What was done in the folder before, or the prepared shard, views and split of a new one."""
    content = params.model_dump_json(by_alias=True, include={"augment", "balance", "split", "tile", "train", "taxonomy", "evaluate"})
    setting = {
        "share": given.share, "split_seed": given.split_seed, "epochs": params.train.epochs,
        "data_bytes": given.data.stat().st_size, "params": hashlib.sha256(content.encode()).hexdigest(),
    }  # fmt: skip
    path = given.folder / "results.json"
    if path.is_file():
        results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if results["setting"] != setting:
            raise SystemExit(f"{path} is of another setting: expected {setting}, got {results['setting']}. Name another folder.")
        return results
    data = given.folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    wafers = _wafers(given, params)
    shard = data / "wafers.parquet"
    write_shard(shard, wafers)
    recipe = params.tile.dies
    write_views(data / "views", shard, ViewSpec(recipe.size_px, recipe.tiles, recipe.tile_px, recipe.tile_mm))
    base = params.base.model_copy(update={"seed": given.split_seed})
    counts = cut(shard, data / "split.parquet", params.model_copy(update={"base": base}), lambda _done, _total: None)
    print(f"{len(wafers)} maps drawn and split in {time.perf_counter() - started:.0f} s: {counts}")
    results = {"setting": setting, "runs": []}
    write_text(path, json.dumps(results))
    return results


def _wafers(given: argparse.Namespace, params: parameters.Params) -> list[CanonicalWafer]:
    """The asked share of the blocks; what is between two of them keeps their lots apart."""
    wafers = list(archive.read(given.data, params.ingest))
    rows = np.array([w.row if w.row >= 0 else w.index for w in wafers])
    block = rows // BLOCK_ROWS
    if given.share < 1:
        blocks = np.unique(block)
        chosen = np.random.default_rng(given.split_seed).permutation(blocks)[: max(round(given.share * len(blocks)), 3)]
        kept = np.isin(block, chosen) & (rows % BLOCK_ROWS >= GAP_ROWS)
    else:
        kept = np.ones(len(wafers), bool)
    source = given.data.name
    return [CanonicalWafer(hashlib.sha256(source.encode()).hexdigest(), source, wafers[i]) for i in np.flatnonzero(kept)]


def _run(folder: Path, params: parameters.Params) -> dict[str, Any]:
    """Train, and say what every test wafer is called: columns of the confusion matrix, by label and by decision."""
    from inspection.evaluation.evaluation import Part, evaluate
    from inspection.models.backend import keras
    from inspection.scoring.bundle import Bundle
    from inspection.scoring.calibration import fit_temperature, softmax
    from inspection.scoring.predictor import Predictor
    from inspection.training.session import train

    started, data = time.perf_counter(), folder / "data"
    summary = train(data, params, lambda _done, _total, _text: None)
    taxonomy, truth, group, rows = _parts(folder, params)
    views = read_views(data / "views")
    raw = Bundle(taxonomy, views.spec, np.full(len(taxonomy), 0.5), 1.0)
    predictor = Predictor.of(raw, data / "model" / "model.keras", BATCH_SIZES)
    logits = {part: predictor.look(views.take(at)).logits for part, at in rows.items()}
    temperature = fit_temperature(logits["validation"], truth[rows["validation"]])
    parts = [Part(truth=truth[at], probabilities=softmax(logits[part], temperature), group=group[at]) for part, at in rows.items()]
    keras.utils.clear_session()  # or the graphs of all trainings stay in memory
    judged = evaluate(parts[0], parts[1], taxonomy, params.evaluate.model_copy(update={"bootstrap": 1}), np.random.default_rng(0))
    return {
        "label": column_of(judged.labels, taxonomy.names).tolist(),
        "decision": column_of(judged.decisions, taxonomy.names).tolist(),
        "best_epoch": summary["best_epoch"],
        "validation_macro_f1": summary["best_validation_macro_f1"],
        "seconds": time.perf_counter() - started,
    }


def _parts(folder: Path, params: parameters.Params) -> tuple[Taxonomy, NDArray[np.integer], NDArray, dict[str, NDArray[np.intp]]]:
    """Taxonomy, class and block of every wafer, and where the validation and test wafers are."""
    split = pd.read_parquet(folder / "data" / "split.parquet")
    taxonomy = choose(shard_index(folder / "data" / "wafers.parquet")["label"], params.classes)
    truth = split["label"].map({name: k for k, name in enumerate(taxonomy.names)}).to_numpy()
    part = split["part"].to_numpy()
    return taxonomy, truth, split["group"].to_numpy(str), {p: np.flatnonzero(part == p) for p in ("validation", "test")}


def _print_tables(results: dict[str, Any], folder: Path, params: parameters.Params) -> None:
    taxonomy, truth, group, rows = _parts(folder, params)
    at = rows["test"]
    _, block = np.unique(group[at], return_inverse=True)
    blocks, k = int(block.max()) + 1, len(taxonomy)
    drawn = np.random.default_rng(0).multinomial(blocks, np.full(blocks, 1 / blocks), size=BOOTSTRAP)
    print(f"\n{len(at)} test maps in {blocks} blocks; 95 % intervals from {BOOTSTRAP} draws of blocks")
    for calls in ("label", "decision"):
        by_choice: dict[str, dict[int, NDArray[np.int64]]] = {}
        for run in results["runs"]:
            place = (block * k + truth[at]) * (k + 2) + np.array(run[calls])
            counts = np.bincount(place, minlength=blocks * k * (k + 2)).reshape(blocks, k, k + 2)
            by_choice.setdefault(run["choice"], {})[run["seed"]] = counts
        print(f"\nBy {'the likeliest class' if calls == 'label' else 'decision'}:\n")
        print(
            "| choice | seeds | macro-F1 | 95 % | least and most | lead over the default | recall of the worst class | escapes | overkill |"
        )
        print("| --- | ---: | ---: | --- | --- | --- | --- | --- | --- |")
        for name in (n for n in CHOICES if n in by_choice):
            print(_row(name, by_choice[name], by_choice.get(DEFAULT, {}), drawn, taxonomy))


def _row(name: str, own: dict[int, NDArray[np.int64]], default: dict[int, NDArray[np.int64]], drawn: NDArray, taxonomy: Taxonomy) -> str:
    normal = np.array([c.normal for c in taxonomy.classes])
    whole = np.stack([counts.sum(axis=0) for counts in own.values()])
    f1, worst, escapes, overkill = _scores(whole, normal)
    again = [_scores(np.tensordot(drawn, counts, 1), normal) for counts in own.values()]
    low_high = [np.percentile(np.mean([scores[i] for scores in again], axis=0), [2.5, 97.5]) for i in range(4)]
    lead = ""
    if (common := sorted(own.keys() & default.keys())) and name != DEFAULT:
        differences = [
            _scores(np.tensordot(drawn, own[s], 1), normal)[0] - _scores(np.tensordot(drawn, default[s], 1), normal)[0] for s in common
        ]
        low, high = np.percentile(np.mean(differences, axis=0), [2.5, 97.5])
        ahead = np.mean([macro_f1(own[s].sum(axis=0)) - macro_f1(default[s].sum(axis=0)) for s in common])
        lead = f"{ahead:+.3f} ({low:+.3f} to {high:+.3f})"
    recall = per_class(whole)[1].mean(axis=0)
    shares = [
        f"{100 * v.mean():.2f} % ({100 * low:.2f} to {100 * high:.2f})"
        for v, (low, high) in zip((escapes, overkill), low_high[2:], strict=True)
    ]
    cells = (
        name, len(own), f"{f1.mean():.3f}", f"{low_high[0][0]:.3f} to {low_high[0][1]:.3f}", f"{f1.min():.3f}, {f1.max():.3f}", lead,
        f"{worst.mean():.3f} ({low_high[1][0]:.3f} to {low_high[1][1]:.3f}), {taxonomy.names[int(np.nanargmin(recall))]}", *shares,
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def _scores(counts: NDArray, normal: NDArray[np.bool_]) -> tuple[NDArray[np.float64], ...]:
    """Macro-F1, recall of the worst class, escapes and overkill, each (...), of confusion counts (..., k, k + 2)."""
    recall = per_class(counts)[1]
    worst = np.where(np.isnan(recall), np.inf, recall).min(axis=-1)
    of, called = counts.sum(axis=-1), counts[..., :-2]
    escapes = called[..., ~normal, :][..., normal].sum(axis=(-2, -1)) / np.maximum(of[..., ~normal].sum(axis=-1), 1)
    overkill = called[..., normal, :][..., ~normal].sum(axis=(-2, -1)) / np.maximum(of[..., normal].sum(axis=-1), 1)
    return macro_f1(counts), worst, escapes, overkill


if __name__ == "__main__":
    main()
