"""Learning-rate schedules by name: functions of the step, each led up to by a linear warm-up.

Written in ``keras.ops``, so that they run inside the compiled step of any backend, and serialisable. Reduce-on-plateau looks at validation
scores, which no function of the step can know: within an epoch its rate is constant, and ``drops`` tells from the history how often it has
dropped. The history is in the checkpoint, so a resumed training continues with the same rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspection.models.backend import keras

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from inspection.params import Train

FIRST_RATE = 1e-6
"""The learning rate of the very first step."""


@keras.saving.register_keras_serializable(package="inspection")
class Constant(keras.optimizers.schedules.LearningRateSchedule):
    """The same rate at each step."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate

    def __call__(self, step: Any) -> Any:
        """The rate, float32."""
        return keras.ops.full_like(keras.ops.cast(step, "float32"), self.learning_rate)

    def get_config(self) -> dict[str, Any]:
        """Settings for saving."""
        return {"learning_rate": self.learning_rate}


@keras.saving.register_keras_serializable(package="inspection")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A straight line from ``first`` to ``learning_rate`` over ``steps``, then ``after``, which counts its steps from there."""

    def __init__(self, after: Any, learning_rate: float, steps: int, first: float = FIRST_RATE) -> None:
        self.after, self.learning_rate, self.steps, self.first = after, learning_rate, steps, first

    def __call__(self, step: Any) -> Any:
        """The rate at ``step``, float32."""
        step = keras.ops.cast(step, "float32")
        rising = self.first + (self.learning_rate - self.first) * step / self.steps
        return keras.ops.where(step < self.steps, rising, self.after(keras.ops.maximum(step - self.steps, 0.0)))

    def get_config(self) -> dict[str, Any]:
        """Settings for saving."""
        after = keras.saving.serialize_keras_object(self.after)
        return {"after": after, "learning_rate": self.learning_rate, "steps": self.steps, "first": self.first}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WarmUp:
        """The schedule of ``get_config``."""
        return cls(keras.saving.deserialize_keras_object(config.pop("after")), **config)


def _step(params: Train, steps: int, _dropped: int) -> Any:
    stairs = params.drops + 1
    values = [params.learning_rate * params.final_rate ** (k / params.drops) for k in range(stairs)]
    return keras.optimizers.schedules.PiecewiseConstantDecay([float(k * steps // stairs) for k in range(1, stairs)], values)


def _exponential(params: Train, steps: int, _dropped: int) -> Any:
    return keras.optimizers.schedules.ExponentialDecay(params.learning_rate, steps, params.final_rate)


def _inverse_time(params: Train, steps: int, _dropped: int) -> Any:
    return keras.optimizers.schedules.InverseTimeDecay(params.learning_rate, steps, 1 / params.final_rate - 1)


def _plateau(params: Train, _steps: int, dropped: int) -> Any:
    return Constant(params.learning_rate * params.final_rate ** (dropped / params.drops))


SCHEDULES: dict[str, Callable[[Train, int, int], Any]] = {
    "constant": lambda params, _steps, _dropped: Constant(params.learning_rate),
    "step": _step,
    "exponential": _exponential,
    "inverse_time": _inverse_time,
    "cosine": lambda params, steps, _dropped: keras.optimizers.schedules.CosineDecay(params.learning_rate, steps),
    "plateau": _plateau,
}
"""What follows the warm-up: (parameters, steps left, drops so far) -> schedule that starts with ``learning_rate`` at its step 0."""


def schedule_of(params: Train, total_steps: int, dropped: int = 0) -> Any:
    """The schedule ``params.schedule`` over ``total_steps``, warm-up included; ``dropped`` is of ``plateau`` (``drops``)."""
    steps = max(1, int(total_steps * params.warm_up))
    left = max(1, total_steps - steps)
    if params.schedule == "cosine":  # Keras has this one with its warm-up
        return keras.optimizers.schedules.CosineDecay(
            FIRST_RATE, left, alpha=0.0, warmup_target=params.learning_rate, warmup_steps=steps
        )  # fmt: skip
    return WarmUp(SCHEDULES[params.schedule](params, left, dropped), params.learning_rate, steps)


def drops(scores: Iterable[float], params: Train) -> int:
    """How often reduce-on-plateau has lowered the rate after epochs with these validation ``scores``, the larger the better.

    One drop whenever ``plateau_patience`` epochs in a row have not exceeded the best score before them, ``drops`` at most.
    """
    best, waited, dropped = -float("inf"), 0, 0
    for score in scores:
        waited = 0 if score > best else waited + 1
        best = max(best, score)
        if waited >= params.plateau_patience and dropped < params.drops:
            waited, dropped = 0, dropped + 1
    return dropped
