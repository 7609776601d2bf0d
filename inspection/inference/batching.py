"""Static batches: which wafers go together, so that a warm model meets only shapes that it has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspection.inference.ledger import Job

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Batch:
    """Wafers ``start`` to ``stop`` (exclusive), padded to ``size``."""

    start: int
    stop: int
    size: int

    @property
    def padding(self) -> int:
        """Empty places, 0 to ``size - 1``."""
        return self.size - (self.stop - self.start)


def plan(wafers: int, sizes: Sequence[int]) -> list[Batch]:
    """Cover ``wafers`` wafers by static batches: the largest size as often as it fills, then the smallest for the rest.

    Only the last batch has padding, and no smaller one of the ``sizes`` could hold it.

    Raises
    ------
    ValueError
        When ``sizes`` is empty or holds a number below 1, or ``wafers`` is negative.
    """
    if not sizes or min(sizes) < 1 or wafers < 0:
        raise ValueError(f"Cannot plan batches: expected wafers >= 0 and sizes >= 1, got {wafers} and {list(sizes)}.")
    largest = max(sizes)
    full = wafers - wafers % largest
    batches = [Batch(start, start + largest, largest) for start in range(0, full, largest)]
    if full < wafers:
        batches.append(Batch(full, wafers, min(size for size in sizes if size >= wafers - full)))
    return batches


def halves(items: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """Two parts of at least two items, none empty: how a batch with a poison wafer is narrowed down."""
    middle = len(items) // 2
    return items[:middle], items[middle:]


def by_file(jobs: Sequence[Job]) -> list[Job]:
    """Jobs ordered by file and index: a shard's row groups are then read once; jobs without these fields come first, as put."""
    return sorted(jobs, key=lambda job: (str(job.payload.get("file_sha256", "")), int(job.payload.get("index", 0)), job.id))
