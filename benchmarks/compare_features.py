"""The public anchor: a random forest on hand-made features of WM-811K, on other lots than it learnt from.

Peer: 20 hand-made features, 8 defect classes, lot-disjoint: macro-F1 .907 (a public protocol audit on the full set). Here the maps of
``wm811k_dev.npz``, split by blocks of rows as the project splits them (``split`` of params.yaml), features of the 64 px global view,
fitted on the training part as it is and judged once on the test part; the interval draws whole blocks.

    python benchmarks/compare_features.py [--data ../shared/data/wm811k/wm811k_dev.npz] [--seeds 0 1 2]

What was seen (198 features, 200 trees, support vector machine on at most 10 000 maps; about 50 s of processor time to compute the features
of all maps and 75 s for each seed, half an hour on a machine with six others):

| seed of the split | eight defect classes: forest, svm | nine classes: forest, svm |
| ---: | --- | --- |
| 0 | .922 (.826 to .937), .926 (.864 to .943) | .915 (.819 to .935), .905 (.814 to .919) |
| 1 | .903 (.874 to .924), .896 (.868 to .918) | .863 (.824 to .892), .808 (.756 to .851) |

Two splits of the same maps lie further apart than any two classifiers on one: compare classifiers on the same split only.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inspection import params as parameters
from inspection.dataset.split import TEST, TRAIN, VALIDATION, plan
from inspection.evaluation.confusion import confusion
from inspection.evaluation.intervals import macro_f1_interval
from inspection.formats.diemap import archive
from inspection.models.baselines import fit_forest, fit_svm
from inspection.models.features import NAMES, extract
from inspection.views.renderer import render_global
from inspection.wafer.taxonomy import Taxonomy, choose

if TYPE_CHECKING:
    from numpy.typing import NDArray

BOOTSTRAP = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("INSPECTION_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=shared / "wm811k" / "wm811k_dev.npz")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    params = parameters.load()
    wafers = list(archive.read(given.data, params.ingest))
    started = time.perf_counter()
    images = np.stack([render_global(w.map, params.tile.dies.size_px) for w in wafers])
    print(f"{len(wafers)} maps rendered in {time.perf_counter() - started:.0f} s")
    started = time.perf_counter()
    table = extract(images, threads=len(os.sched_getaffinity(0)))
    print(f"{len(NAMES)} features of each in {time.perf_counter() - started:.0f} s\n")
    print("| seed | classes | classifier | macro-F1 | 95 % interval | recall |")
    print("| ---: | --- | --- | ---: | --- | --- |")
    labels = np.array([w.label for w in wafers])
    rows = np.array([w.row if w.row >= 0 else w.index for w in wafers])
    for seed in given.seeds:
        taxonomy = choose(labels, params.classes)
        truth = np.array([taxonomy.index(str(name)) for name in labels])
        nowhere = np.full(len(wafers), "")
        split = plan(nowhere, rows, nowhere, truth, params.split, np.random.default_rng(seed), taxonomy.names)
        defects = Taxonomy(tuple(c for c in taxonomy.classes if not c.normal))
        for chosen in (taxonomy, defects):
            of = np.array([chosen.names.index(str(n)) if n in chosen.names else -1 for n in labels])
            parts = {part: np.flatnonzero((split.parts == part) & (of >= 0)) for part in (TRAIN, VALIDATION, TEST)}
            _judge(seed, chosen, of, table, parts, split.group_of, params.baselines)


def _judge(
    seed: int,
    taxonomy: Taxonomy,
    of: NDArray[np.integer],
    table: NDArray[np.float32],
    parts: dict[str, NDArray[np.intp]],
    group: NDArray[np.integer],
    params: parameters.Baselines,
) -> None:
    train, validation, test = (parts[p] for p in (TRAIN, VALIDATION, TEST))
    forest = fit_forest(table[train], of[train], trees=params.trees, seed=seed, workers=len(os.sched_getaffinity(0)))
    machine = fit_svm(table[train], of[train], (table[validation], of[validation]), rows=params.svm_rows, seed=seed)
    for name, fitted in (("forest", forest), ("svm", machine)):
        called = [taxonomy.names[k] for k in fitted.predict(table[test])]
        matrix = confusion(of[test], called, taxonomy)
        drawn = np.random.default_rng(seed)
        low, high = macro_f1_interval(of[test], called, group[test], taxonomy.names, bootstrap=BOOTSTRAP, rng=drawn)
        recall = ", ".join(f"{n} {r:.2f}" for n, r in zip(taxonomy.names, matrix.recall, strict=True))
        print(f"| {seed} | {len(taxonomy)} | {name} | {matrix.macro_f1:.3f} | {low:.3f} to {high:.3f} | {recall} |", flush=True)


if __name__ == "__main__":
    main()
