"""The split as a file: which wafer of the shard belongs to which part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from inspection.dataset.images import block_lots, near_copies, thumbnail
from inspection.dataset.leakage import DROPPED, PRECEDENCE, fingerprint, refuse_close_rows, refuse_leakage
from inspection.dataset.split import plan
from inspection.formats.canonical import read_shard, shard_index
from inspection.wafer.maps import ImageMap
from inspection.wafer.taxonomy import choose

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.params import Params


BLOCKS = (
    "{} images name no lot: neighbours by file name are kept together, but images of one wafer may still be in two parts. Give their lots "
    "in labels.csv (file,label,lot), or take measured scores as optimistic."
)


def cut(shard: Path, out: Path, params: Params, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Split the wafers of ``shard`` and write ``out``: columns file_sha256, index, part, group, label, in the shard's order.

    Copies of maps that an earlier part holds are dropped from the later one, and of images near copies too. Images without a lot are kept
    together in blocks of neighbours by name. Returns the wafers of each part, by class too.

    Raises
    ------
    LeakageError
        A lot on two sides: the split is not written.
    """
    index = shard_index(shard)
    names = choose(index["label"], params.classes).names
    labels = index["label"].map({name: k for k, name in enumerate(names)}).to_numpy()
    lots, sources = index["lot"].to_numpy(str), index["source"].to_numpy(str)
    images = (index["kind"] == ImageMap.kind).to_numpy()
    lots = np.where(images, block_lots(sources, lots), lots) if images.any() else lots
    blocks = int((images & (index["lot"] == "")).sum())
    rows = index["row"].where(index["row"] >= 0, index["index"]).to_numpy()
    found = plan(lots, rows, sources, labels, params.split, np.random.default_rng(params.base.seed), names)
    prints, thumbnails = [], []
    for entry in read_shard(shard):
        prints.append(fingerprint(entry.wafer.map))
        if isinstance(entry.wafer.map, ImageMap):
            thumbnails.append(thumbnail(entry.wafer.map))
        progress(len(prints), len(index))
    parts, copies = refuse_leakage(found.parts, lots, prints)
    alike = _drop_near_copies(parts, labels, images, np.array(thumbnails)) if thumbnails else 0
    refuse_close_rows(parts, lots, rows, sources, found.border_rows)
    table = index[["file_sha256", "index", "label"]].assign(
        part=parts, group=[lot or f"block {g}" for lot, g in zip(lots, found.group_of, strict=True)]
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(out, index=False)
    counts = {str(part): int(n) for part, n in table["part"].value_counts().sort_index().items()}
    by_class = pd.crosstab(table["label"], table["part"]).to_dict(orient="index")
    notes = [*found.notes, BLOCKS.format(blocks)] if blocks else list(found.notes)
    more = {"near_copies_dropped": alike} if thumbnails else {}
    return {**counts, "groups": found.groups, "copies_dropped": copies, **more, "by_class": by_class, "notes": notes}


def _drop_near_copies(parts: NDArray[np.str_], labels: NDArray[np.integer], images: NDArray[np.bool_], thumbs: NDArray[np.float32]) -> int:
    """Take near copies out of ``parts``, in place; returns how many."""
    at = np.flatnonzero(images)
    count = 0
    for number, part in enumerate(PRECEDENCE[1:], 1):
        held = np.flatnonzero(parts[at] == part)
        seen = np.flatnonzero(np.isin(parts[at], PRECEDENCE[:number]))
        copies = held[near_copies(thumbs[held], labels[at[held]], thumbs[seen], labels[at[seen]])]
        parts[at[copies]] = DROPPED
        count += len(copies)
    return count


def read_parts(path: Path, part: str) -> set[tuple[str, int]]:
    """(file_sha256, index) of the wafers of ``part``; empty when nothing was split yet."""
    if not path.is_file():
        return set()
    table = pd.read_parquet(path, columns=["file_sha256", "index", "part"])
    chosen = table[table["part"] == part]
    return set(zip(chosen["file_sha256"], chosen["index"].astype(int), strict=True))
