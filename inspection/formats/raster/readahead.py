"""Reading ahead: a thread fills the next buffers while the last one is worked on, so that disk and processor work at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from numpy.typing import NDArray

BUFFERS = 4
"""One is worked on while the others are filled."""


def read_ahead(file: BinaryIO, begin: int, total: int, block: int) -> Iterator[NDArray[np.uint8]]:
    """Bytes ``begin`` to ``begin + total`` of ``file`` in pieces of ``block`` (the last may be shorter).

    A piece is valid until the next one is asked for. A file that ends early gives a short piece, and then no more.
    """
    descriptor = file.fileno()
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, begin, total, os.POSIX_FADV_SEQUENTIAL)
    starts = range(0, total, block)
    buffers = [np.empty(min(block, total), np.uint8) for _ in range(min(BUFFERS, len(starts)))]

    def fill(number: int) -> NDArray[np.uint8]:
        buffer = buffers[number % len(buffers)][: min(block, total - starts[number])]
        view, got = buffer.data, 0
        while got < len(buffer):
            read = os.preadv(descriptor, [view[got:]], begin + starts[number] + got)
            if read == 0:
                break
            got += read
        return buffer[:got]

    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        ahead = [reader.submit(fill, n) for n in range(len(buffers))]
        try:
            for number in range(len(starts)):
                piece = ahead.pop(0).result()
                yield piece
                if len(piece) < min(block, total - starts[number]):
                    return
                if number + len(buffers) < len(starts):  # the piece just used is free now
                    ahead.append(reader.submit(fill, number + len(buffers)))
        finally:
            for waiting in ahead:
                waiting.cancel()
