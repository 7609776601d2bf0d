"""Optimisers by name, each with its learning-rate schedule and the moving average of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspection.models.backend import keras
from inspection.training.schedules import schedule_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspection.params import Train

OPTIMISERS: dict[str, Callable[..., Any]] = {
    "sgd": lambda rate, _params, **average: keras.optimizers.SGD(rate, **average),
    "momentum": lambda rate, params, **average: keras.optimizers.SGD(rate, momentum=params.momentum, **average),
    "nesterov": lambda rate, params, **average: keras.optimizers.SGD(rate, momentum=params.momentum, nesterov=True, **average),
    "adagrad": lambda rate, _params, **average: keras.optimizers.Adagrad(rate, **average),
    "rmsprop": lambda rate, _params, **average: keras.optimizers.RMSprop(rate, **average),
    "adadelta": lambda rate, _params, **average: keras.optimizers.Adadelta(rate, **average),
    "adam": lambda rate, _params, **average: keras.optimizers.Adam(rate, **average),
    "adamw": lambda rate, params, **average: keras.optimizers.AdamW(rate, weight_decay=params.weight_decay, **average),
    "nadam": lambda rate, _params, **average: keras.optimizers.Nadam(rate, **average),
    "amsgrad": lambda rate, _params, **average: keras.optimizers.Adam(rate, amsgrad=True, **average),
}
"""(schedule, parameters, average of the weights) -> optimiser; what is not named here has Keras' published defaults."""


def optimiser_of(params: Train, total_steps: int, dropped: int = 0) -> Any:
    """The optimiser ``params.optimiser`` for a training of ``total_steps``; ``dropped`` as in ``schedule_of``.

    It keeps a moving average of the trainable weights, ``average = m * average + (1 - m) * weights`` after each step.
    """
    # The average must forget the first steps of a short run: its memory is at most a tenth of it.
    memory = min(params.ema, 1 - 10 / max(total_steps, 20))
    return OPTIMISERS[params.optimiser](schedule_of(params, total_steps, dropped), params, use_ema=True, ema_momentum=memory)


def penalise(model: Any, params: Train) -> None:
    """Add ``l1 * sum|w| + l2 * sum w^2`` over the kernels of ``model`` to its loss; call it before ``compile``.

    In the loss and not decoupled: that is what the names mean in the literature, and whoever wants the decoupled form has AdamW's weight
    decay. Kernels are the trainable weights of more than one dimension: a bias makes no function steeper, and the scale of a batch
    normalisation is undone by the next one.

    The regularisers hang on the weights, not on the layers: a saved network does not carry them.
    """
    if not (params.l1 or params.l2):
        return
    regulariser = keras.regularizers.L1L2(params.l1, params.l2)
    for weight in model.trainable_variables:
        if len(weight.shape) > 1:
            weight.regularizer = regulariser
