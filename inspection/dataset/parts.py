"""The split as a file: which wafer of the shard belongs to which part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from inspection.dataset.leakage import fingerprint, refuse_close_rows, refuse_leakage
from inspection.dataset.split import plan
from inspection.formats.canonical import read_shard, shard_index
from inspection.wafer.taxonomy import choose

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from inspection.params import Params


def cut(shard: Path, out: Path, params: Params, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Split the wafers of ``shard`` and write ``out``: columns file_sha256, index, part, group, label, in the shard's order.

    Copies of maps that an earlier part holds are dropped from the later one. Returns the wafers of each part, by class too.

    Raises
    ------
    LeakageError
        A lot on two sides: the split is not written.
    """
    index = shard_index(shard)
    names = choose(index["label"], params.classes).names
    labels = index["label"].map({name: k for k, name in enumerate(names)}).to_numpy()
    lots, sources = index["lot"].to_numpy(str), index["source"].to_numpy(str)
    rows = index["row"].where(index["row"] >= 0, index["index"]).to_numpy()
    found = plan(lots, rows, sources, labels, params.split, np.random.default_rng(params.base.seed), names)
    prints = []
    for entry in read_shard(shard):
        prints.append(fingerprint(entry.wafer.map))
        progress(len(prints), len(index))
    parts, copies = refuse_leakage(found.parts, lots, prints)
    refuse_close_rows(parts, lots, rows, sources, found.border_rows)
    table = index[["file_sha256", "index", "label"]].assign(
        part=parts, group=[lot or f"block {g}" for lot, g in zip(lots, found.group_of, strict=True)]
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(out, index=False)
    counts = {str(part): int(n) for part, n in table["part"].value_counts().sort_index().items()}
    by_class = pd.crosstab(table["label"], table["part"]).to_dict(orient="index")
    return {**counts, "groups": found.groups, "copies_dropped": copies, "by_class": by_class, "notes": list(found.notes)}


def read_parts(path: Path, part: str) -> set[tuple[str, int]]:
    """(file_sha256, index) of the wafers of ``part``; empty when nothing was split yet."""
    if not path.is_file():
        return set()
    table = pd.read_parquet(path, columns=["file_sha256", "index", "part"])
    chosen = table[table["part"] == part]
    return set(zip(chosen["file_sha256"], chosen["index"].astype(int), strict=True))
