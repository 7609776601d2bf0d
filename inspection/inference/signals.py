"""SIGTERM and SIGINT as a wish to stop: the first one is heard, a second one has its usual effect."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def stopped_by_signals(stop: Callable[[], None], *, active: bool) -> Iterator[None]:
    """Let both call ``stop`` inside the block, if ``active``; only the main thread can, in another one this changes nothing."""
    if not active or threading.current_thread() is not threading.main_thread():
        yield
        return
    names = (signal.SIGTERM, signal.SIGINT)
    before = {name: signal.getsignal(name) for name in names}

    def handle(*_: object) -> None:
        stop()
        for name in names:
            signal.signal(name, before[name])

    for name in names:
        signal.signal(name, handle)
    try:
        yield
    finally:
        for name in names:
            signal.signal(name, before[name])
