"""What the worker asks of a model: warm static batches, which wafer is to blame, and the hot swap of champions."""

from __future__ import annotations

import logging
import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from inspection.errors import EngineError
from inspection.inference.batching import Batch, halves, plan
from inspection.wafer.maps import DefectMap, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspection.scoring.decision import Scored
    from inspection.wafer.maps import InspectionMap

log = logging.getLogger(__name__)

WARM_MAP = DefectMap(info=WaferInfo(), xy_um=np.zeros((0, 2)))
"""A clean wafer: warms a model up, fills a static batch, and tells a broken model from a poison wafer.

A model of something else than wafer maps brings its own, as ``clean_map``."""

RETRY_LOAD_S = 60.0
"""A champion that did not load is tried again after this time."""


class Scorer(Protocol):
    """A model with its renderer and decision rule; ``inspection.scoring`` has the real one."""

    @property
    def sha256(self) -> str:
        """Of the bundle."""

    @property
    def config_sha256(self) -> str:
        """Of everything else that changes a result: thresholds, renderer, inference parameters."""

    def prepare(self, maps: Sequence[InspectionMap]) -> Any:
        """Render ``maps`` on the CPU; called in another thread than ``score``."""

    def score(self, prepared: Any) -> list[Scored]:
        """One outcome per map of ``prepare``, in order."""


def prepare(scorer: Scorer, maps: Sequence[InspectionMap], sizes: Sequence[int]) -> list[tuple[Batch, Any]]:
    """Render ``maps`` in static batches (see ``batching.plan``)."""
    clean = _clean(scorer)
    return [(batch, scorer.prepare([*maps[batch.start : batch.stop], *[clean] * batch.padding])) for batch in plan(len(maps), sizes)]


def _clean(scorer: Scorer) -> InspectionMap:
    clean: InspectionMap = getattr(scorer, "clean_map", WARM_MAP)
    return clean


def score(scorer: Scorer, prepared: Sequence[tuple[Batch, Any]]) -> list[Scored]:
    """Score what ``prepare`` rendered; padding is left out.

    Raises
    ------
    EngineError
        When the model answers for more or fewer wafers than it was given, or with what is no probability.
    """
    scored: list[Scored] = []
    for batch, views in prepared:
        answer = scorer.score(views)
        if len(answer) != batch.size:
            raise EngineError(
                f"Model {scorer.sha256[:12]} is broken: expected {batch.size} outcomes, got {len(answer)}. Register another bundle."
            )
        scored += answer[: batch.stop - batch.start]
    for outcome in scored:
        values = (outcome.probability, *outcome.probabilities.values())
        if not all(math.isfinite(p) and -1e-6 <= p <= 1 + 1e-6 for p in values):
            raise EngineError(
                f"Cannot score a wafer: expected probabilities in [0, 1], got {outcome.probability} for {outcome.label!r} "
                f"(model {scorer.sha256[:12]}). Look at the wafer's map."
            )
    return scored


def score_each(scorer: Scorer, maps: Sequence[InspectionMap], sizes: Sequence[int]) -> list[Scored | Exception]:
    """Score ``maps``; where a batch fails it is halved until only the wafers to blame are left, with their errors.

    Costs about ``2 log2(n)`` further batches per poison wafer.
    """
    if not maps:
        return []
    try:
        return list(score(scorer, prepare(scorer, maps, sizes)))
    except Exception as error:  # noqa: BLE001 - whatever a model raises, the other wafers of the batch must pass
        if len(maps) == 1:
            return [error]
    first, second = halves(maps)
    return score_each(scorer, first, sizes) + score_each(scorer, second, sizes)


def warm_up(scorer: Scorer, sizes: Sequence[int]) -> None:
    """Run every static batch size once, so that nothing is traced or compiled while wafers wait.

    Raises
    ------
    EngineError
        When the model cannot score clean wafers.
    """
    for size in sorted(set(sizes)):
        try:
            score(scorer, prepare(scorer, [_clean(scorer)] * size, (size,)))
        except Exception as error:
            raise EngineError(
                f"Model {scorer.sha256[:12]} does not work: expected it to score {size} clean wafers, got "
                f"{type(error).__name__}: {str(error)[:300]}. Promote another version."
            ) from error


C = TypeVar("C")


class Service(Generic[C]):
    """The model in service. A new champion is loaded and warmed beside the old one, then they are swapped.

    Parameters
    ----------
    champion : callable
        The champion now (any value that compares equal as long as nothing changed), None when there is none.
    load : callable
        Turns a champion into a scorer.
    sizes : sequence of int
        Static batch sizes to warm.
    on_swap : callable
        Called with True after a swap, with False when a champion did not load.
    """

    def __init__(
        self,
        champion: Callable[[], C | None],
        load: Callable[[C], Scorer],
        sizes: Sequence[int],
        on_swap: Callable[[bool], None],
    ) -> None:
        self._champion, self._load, self._sizes, self._on_swap = champion, load, sizes, on_swap
        self._serving: tuple[C, Scorer] | None = None
        self._coming: tuple[C, Future[Scorer]] | None = None
        self._refused: tuple[C, float] | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="load-champion")

    def scorer(self) -> Scorer | None:
        """The warm scorer to use now; None when no champion was ever promoted. The first one is waited for."""
        wanted = self._champion()
        if self._serving is None:
            if wanted is None:
                return None
            self._take(wanted, self._warm(wanted))
        elif self._coming is not None:
            self._collect(*self._coming)
        elif wanted is not None and wanted != self._serving[0] and not self._recently_refused(wanted):
            self._coming = wanted, self._pool.submit(self._warm, wanted)
        return self._serving[1] if self._serving is not None else None

    def close(self) -> None:
        """Wait for a load that is under way and end its thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _warm(self, champion: C) -> Scorer:
        scorer = self._load(champion)
        warm_up(scorer, self._sizes)
        return scorer

    def _collect(self, champion: C, loading: Future[Scorer]) -> None:
        if not loading.done():
            return
        self._coming = None
        error = loading.exception()
        if error is None:
            self._take(champion, loading.result())
            return
        log.error("The new champion %s did not load; the old one goes on serving.", champion, exc_info=error)
        self._refused = champion, time.monotonic()
        self._on_swap(False)

    def _take(self, champion: C, scorer: Scorer) -> None:
        self._serving = champion, scorer
        log.info("Model %s serves.", scorer.sha256[:12])
        self._on_swap(True)

    def _recently_refused(self, champion: C) -> bool:
        refused = self._refused
        return refused is not None and refused[0] == champion and time.monotonic() - refused[1] < RETRY_LOAD_S
