"""Drawing the parts of a shard in several processes of this machine.

Spawned, never forked, as the readers of `intake.workers` are; they end when this process does, however it ends.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from inspection.spawned import cores, deaf_to_ctrl_c, end_with_parent
from inspection.views.shards import draw_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from inspection.views.shards import Drawing, Drawn, Spread

WORTH_S = 8.0
"""From this much work on processes are started: they need two or three seconds before they draw their first part."""
_DIES_S, _POINTS_S = 1e-4, 7.5e-4
"""What a die map and a wafer of a thousand points cost: measured, 64 px without tiles and 96 px with six."""


def spread_over(index: pd.DataFrame, workers: int, worth_s: float = WORTH_S) -> Spread:
    """How the wafers of ``index`` are drawn: in this process, or by many when there is enough to do.

    Parameters
    ----------
    index : DataFrame
        ``shard_index`` of the shard; its column ``kind`` is used.
    workers : int
        Processes; 0 = one per core that this process may use.
    worth_s : float
        With less work than this, in seconds, it is done here.
    """
    points = int((index["kind"] == "points").sum())
    work_s = _DIES_S * (len(index) - points) + _POINTS_S * points
    count = workers or cores()
    if count == 1 or work_s < worth_s:
        return draw_here

    def spread(drawing: Drawing, parts: Iterable[range]) -> Iterator[tuple[range, Drawn | None]]:
        return draw_in_processes(drawing, parts, count)

    return spread


def draw_in_processes(drawing: Drawing, parts: Iterable[range], count: int) -> Iterator[tuple[range, Drawn | None]]:
    """Draw ``parts`` in ``count`` processes, in the order in which they get done; None = a process died before this part was drawn.

    Raises
    ------
    EngineError
        As :meth:`inspection.views.shards.Drawing.draw`.
    """
    # Its processes hold both ends of their queue: they would not notice that the other end is gone.
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=end_with_parent)
    try:
        futures, left = {}, []
        with deaf_to_ctrl_c():
            for part in parts:
                try:
                    futures[pool.submit(drawing.draw, part)] = part
                except BrokenProcessPool:
                    left.append(part)
        for part in left:
            yield part, None
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                yield futures[future], None
    finally:
        pool.shutdown(cancel_futures=True)
