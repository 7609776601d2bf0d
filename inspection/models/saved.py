"""Reading a saved network: the one place that makes every layer of ours known to Keras first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspection.models import layers as _layers  # noqa: F401  (each import registers its layers for loading)
from inspection.models import orbit_layers as _orbit_layers  # noqa: F401
from inspection.models.backend import keras
from inspection.models.zoo import layers as _zoo_layers  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path


def load_network(path: Path) -> keras.Model:
    """The network in the Keras 3 archive ``path``, uncompiled. Only for files whose sha256 we wrote: an archive is no safe format."""
    return keras.saving.load_model(path, compile=False, safe_mode=True)
