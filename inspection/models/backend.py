"""Keras with its backend, imported in one place and quietly: ``from inspection.models.backend import keras``.

TensorFlow writes start-up chatter (CPU features, missing CUDA) straight to file descriptor 2 before any logging level applies. It is held
back while the backend starts and shown only when the start fails. Set ``TF_CPP_MIN_LOG_LEVEL=0`` to see it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@contextmanager
def _held_back() -> Iterator[None]:
    """Keep what is written to file descriptor 2 in a file, and write it out when the block fails."""
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(before, held.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)


def _start() -> None:
    import keras  # noqa: PLC0415  (held back)

    keras.ops.zeros(1)  # the backend looks for its devices at its first array


if os.environ.get(_LEVEL) == "0":
    _start()
else:
    os.environ.setdefault(_LEVEL, "2")
    with _held_back():
        _start()

import keras  # noqa: E402

__all__ = ["keras"]
