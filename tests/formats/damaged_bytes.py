"""Damage of a file's bytes that a broken disk or line leaves."""

from __future__ import annotations

import numpy as np


def flipped(rng: np.random.Generator, whole: bytes, values: bytes = bytes(range(256))) -> bytes:
    """``whole`` with one to three of its bytes replaced by some of ``values``."""
    damaged = np.frombuffer(whole, dtype=np.uint8).copy()
    at = rng.integers(0, len(damaged), size=int(rng.integers(1, 4)))
    damaged[at] = rng.choice(np.frombuffer(values, dtype=np.uint8), size=len(at))
    return damaged.tobytes()
