"""What a training computes on, and how precisely: one device or several alike, float32 or mixed precision.

Several devices: each works on its share of every batch, and the gradients are summed (data parallel), so that batch size, steps and
schedule stay those of ``params.yaml``. Batch normalisation sees a device's share only. TensorFlow does it by
``tf.distribute.MirroredStrategy``, JAX by ``keras.distribution.DataParallel``; PyTorch uses its first device.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from inspection.errors import ParamsError
from inspection.models.backend import keras

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FLOAT32, BFLOAT16, FLOAT16 = "float32", "mixed_bfloat16", "mixed_float16"
_TENSOR_CORES, _BFLOAT16_CORES = (7, 0), (8, 0)
"""CUDA compute capability from which on half precision, and bfloat16, is faster than float32 (NVIDIA: Training with Mixed Precision)."""


@dataclass(frozen=True)
class Devices:
    """Names of the devices as the backend knows them (none = its default one), and the Keras dtype policy ``precision``."""

    names: tuple[str, ...]
    precision: str

    @classmethod
    def found(cls, precision: str, batch_size: int, names: Sequence[str] | None = None) -> Self:
        """The devices ``names``, by default all accelerators here, and the precision that ``params.yaml`` asks for.

        Raises
        ------
        ParamsError
            Fewer examples in a batch than devices.
        """
        names = tuple(accelerators() if names is None else names)
        if batch_size < len(names):
            raise ParamsError(
                f"Cannot share a batch: expected a batch_size of at least {len(names)}, one example for each device, got {batch_size}. "
                "Raise train.batch_size (params.yaml), or hide devices from this process (CUDA_VISIBLE_DEVICES)."
            )
        return cls(names, best_precision(names) if precision == "auto" else precision)

    @property
    def plain(self) -> bool:
        """Whether networks trained here are as they are served: float32, on one device."""
        return self.precision == FLOAT32 and len(self.names) < 2

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Networks and optimisers that are made inside compute on these devices in this precision."""
        if self.names:
            _same_every_time()
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.precision)
        try:
            with _spread(self.names):
                yield
        finally:
            keras.config.set_dtype_policy(before)


def accelerators() -> list[str]:
    """The accelerators that the backend sees, by its own names; empty on a machine without."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415  (of this backend alone)

        return [device.name for kind in ("GPU", "TPU") for device in tf.config.list_logical_devices(kind)]
    return [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]


def best_precision(names: Sequence[str]) -> str:
    """Mixed precision where each device named, or the processor, computes faster in it: bfloat16, which needs no loss scaling, first."""
    if not names:
        return BFLOAT16 if multiplies_bfloat16() else FLOAT32
    if keras.backend.backend() != "tensorflow":
        return BFLOAT16
    import tensorflow as tf  # noqa: PLC0415  (of this backend alone)

    physical = tf.config.list_physical_devices("GPU")
    weakest = min((tf.config.experimental.get_device_details(one).get("compute_capability") or (0, 0) for one in physical), default=(0, 0))
    if weakest < _TENSOR_CORES:
        return FLOAT32
    return FLOAT16 if weakest < _BFLOAT16_CORES else BFLOAT16


@cache
def multiplies_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself (AVX-512 BF16, AMX); one that does not would emulate it, slower than float32.

    Known on Linux alone. Measured with two cores of an AVX-512 one: 1.6 times the steps of ``wafer_net`` in a second.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return keras.backend.backend() == "tensorflow" and not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)


def scale_loss(optimiser: Any, precision: str) -> Any:
    """``optimiser`` as ``precision`` needs it: float16 underflows without a scaled loss, bfloat16 has the range of float32."""
    return keras.optimizers.LossScaleOptimizer(optimiser) if precision == FLOAT16 else optimiser


def _same_every_time() -> None:
    """Ask for deterministic kernels. On a processor they are; on an accelerator sums run in any order unless it is told otherwise."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415  (of this backend alone)

        tf.config.experimental.enable_op_determinism()


def _spread(names: Sequence[str]) -> Any:
    """The backend's data-parallel scope over ``names``; nothing to do for one device."""
    if len(names) < 2:
        return nullcontext()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415  (of this backend alone)

        return tf.distribute.MirroredStrategy(names).scope()
    return keras.distribution.DataParallel(devices=list(names)).scope() if keras.backend.backend() == "jax" else nullcontext()
