"""Functions compiled by numba, without the interpreter's lock. Importing this module imports numba."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba

if TYPE_CHECKING:
    from collections.abc import Callable


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` compiled on its first call, without the interpreter's lock.

    Compiled code is kept beside the package, in the user's cache or in ``NUMBA_CACHE_DIR``; where none of them can be written, each
    process compiles anew.
    """
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder where numba may keep what it compiled
        return numba.njit(nogil=True)(function)
