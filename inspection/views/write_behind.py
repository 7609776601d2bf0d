"""Writing a pyramid in a thread of its own, a little behind the pass that makes it."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from inspection.views.pyramid_store import PyramidWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from inspection.views.pyramid_store import LevelSpec


class WriteBehind:
    """A sink that writes in one thread; its errors come out at a later block or at the end.

    It may fall behind by ``MOST_BEHIND`` bytes: few enough for the memory, and enough to read on while the store is being opened.
    """

    MOST_BEHIND = 32 * 2**20

    def __init__(self, folder: Path, levels: list[LevelSpec], shard_px: tuple[int, int], *, transposed: bool = False) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pyramid")
        self._made = self._thread.submit(PyramidWriter, folder, levels, shard_px, transposed=transposed)
        self._pending: deque[tuple[Future[None], int]] = deque()
        self._behind = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while kind is None and self._pending:
                self._wait()
        finally:
            self._thread.shutdown(wait=True, cancel_futures=True)

    @property
    def writer(self) -> PyramidWriter:
        """What writes, as soon as it is made."""
        return self._made.result()

    def rows(self, level: int, row: int, sums: NDArray, peaks: NDArray) -> Callable[[], None]:
        """As `PyramidWriter.write_rows`, later; what is returned waits for it."""
        return self._later(lambda: self.writer.write_rows(level, row, sums, peaks), sums.nbytes + peaks.nbytes)

    def points(self, level: int, place: NDArray[np.int64], sums: NDArray, peaks: NDArray) -> Callable[[], None]:
        """As `PyramidWriter.write_points`, later."""
        return self._later(lambda: self.writer.write_points(level, place, sums, peaks), place.nbytes + sums.nbytes + peaks.nbytes)

    def _later(self, write: Callable[[], None], size: int) -> Callable[[], None]:
        while self._pending and (self._behind + size > self.MOST_BEHIND or self._pending[0][0].done()):
            self._wait()
        written = self._thread.submit(write)
        self._pending.append((written, size))
        self._behind += size
        return written.result

    def _wait(self) -> None:
        written, size = self._pending.popleft()
        self._behind -= size
        written.result()
