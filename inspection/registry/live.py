"""The curves of a training in MLflow while it lasts, written by a thread: the training waits for nothing and fails for nothing of it."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from inspection.registry.tracking import Registry

    _Told = tuple[str, Mapping[str, Any], Sequence[Mapping[str, float]]]

log = logging.getLogger(__name__)

PATIENCE_S = 20.0
"""How long the end of a training waits for what is being written."""


class LiveCurves:
    """Takes the history of a training session after each epoch and writes to the session's run what is new in it.

    Parameters
    ----------
    registry : callable
        Makes the registry; called by the thread, since importing MLflow takes seconds.
    after_s : float
        A training shorter than this writes nothing: it is over before anybody looks, and registration writes its curves.
    """

    def __init__(self, registry: Callable[[], Registry], after_s: float = 0.0) -> None:
        self._make = registry
        self._from = time.monotonic() + after_s
        self._news = threading.Condition()
        self._told: _Told | None = None
        self._latest: _Told | None = None
        self._ended = False
        self._thread: threading.Thread | None = None
        self.run_id: str | None = None
        """The run that they are in; None = none was reached."""

    def told(self, session: str, params: Mapping[str, Any], history: Sequence[Mapping[str, float]]) -> None:
        """Hand over the history so far; returns at once."""
        with self._news:
            self._told = (session, params, tuple(history))
            self._news.notify()
        if self._thread is None and time.monotonic() >= self._from:
            self._thread = threading.Thread(target=self._write, name="curves", daemon=True)
            self._thread.start()

    def close(self) -> str | None:
        """The training has ended: write what is left, for ``PATIENCE_S`` at most; returns the run's id."""
        if self._thread is not None:
            with self._news:
                self._ended = True
                self._news.notify()
            self._thread.join(PATIENCE_S)
            if self._thread.is_alive():
                log.warning("MLflow has not taken the last curves of this training within %.0f s; registration writes them.", PATIENCE_S)
        return self.run_id

    def _write(self) -> None:
        registry: Registry | None = None
        failed = ended = False
        while not ended:
            with self._news:
                self._news.wait_for(lambda: self._told is not None or self._ended)
                self._latest, self._told = self._told or self._latest, None
                ended = self._ended
            try:
                registry = registry or self._make()
                if self._latest is not None:
                    self.run_id = registry.log_curves(*self._latest, ended=ended)
            except Exception as error:  # noqa: BLE001  (whatever it is, it must not reach the training)
                if not failed:
                    log.warning(
                        "MLflow does not take the curves of this training: %s The training goes on; registration writes them.", error
                    )
                failed = True
