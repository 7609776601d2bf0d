"""MixedWM38's format from landed maps to a scored file: patterns are learnt apart, and said together."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),  # see test_fit.py
]

PATTERNS = ("Center", "Edge_Loc", "Scratch")
SEEN = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1))
NEVER_SEEN = (1, 1, 1)


def write_maps(path, flags, seed):
    """Die maps of 16 x 16: a block in the middle, a block at the left edge, a line below; each where its flag says so."""
    rng = np.random.default_rng(seed)
    maps = np.where(rng.random((len(flags), 16, 16)) < 0.03, 2, 1).astype(np.uint8)
    for status, (centre, edge, scratch) in zip(maps, flags, strict=True):
        if centre:
            status[6:10, 6:10] = 2
        if edge:
            status[4:12, 0:2] = 2
        if scratch:
            status[13, 3:14] = 2
    np.savez(path, arr_0=maps, arr_1=np.array(flags, np.uint8), label_names=np.array(PATTERNS))


def test_combinations_are_learnt_judged_and_said_even_when_never_seen(tmp_path):
    from inspection import params as parameters
    from inspection import stages
    from inspection.scoring.files import score_files
    from inspection.scoring.predictor import Predictor

    write_maps(tmp_path / "maps.npz", [row for row in SEEN for _ in range(40)], 0)
    params = parameters.load()
    train = {"head": "joint", "precision": "float32", "width": 8, "epochs": 2, "min_steps": 120, "min_epoch_steps": 40, "batch_size": 32}
    evaluate = {"bootstrap": 20, "test_time_augmentation": False}
    params = params.model_copy(update={
        "train": params.train.model_copy(update=train), "evaluate": params.evaluate.model_copy(update=evaluate),
        "tile": params.tile.model_copy(update={"dies": params.tile.dies.model_copy(update={"size_px": 16})}),
        "baselines": params.baselines.model_copy(update={"enabled": False}),
    })  # fmt: skip
    place = stages.open_workspace(tmp_path / "w")
    stages.ingest(place, params, source=tmp_path / "maps.npz")
    for stage in ("snapshot", "materialise", "tile", "split", "train", "evaluate"):
        getattr(stages, stage)(place, params)
    by_class = json.loads((place.data / "split.json").read_text())["by_class"]
    assert all(counts["train"] >= 20 for counts in by_class.values()), "sorted by class, and still every class is on every side"
    metrics = json.loads((place.data / "metrics.json").read_text())
    assert metrics["exact_match"] > 0.8
    assert {f"pattern_recall_{name}" for name in PATTERNS} <= metrics.keys()
    assert "Pattern by pattern" in (place.data / "report" / "report.html").read_text()

    write_maps(tmp_path / "later.npz", [NEVER_SEEN] * 20, 1)
    score_files(
        Predictor.load(place.data / "bundle", (16,)), [tmp_path / "later.npz"], tmp_path / "out.parquet", params.ingest, lambda *_: None
    )
    said = pq.read_table(tmp_path / "out.parquet").to_pandas()
    new = said["label"] == "+".join(PATTERNS)
    assert new.mean() > 0.5
    assert (said.loc[new, "decision"] == "Unknown").all()
    assert (said.loc[new, [f"pattern_{name}" for name in PATTERNS]] > 0.5).all(axis=None)
