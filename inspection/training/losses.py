"""What the network is taught to make small: cross-entropy, and what balances the classes in it.

Every loss here is a sum over the classes of a wafer's label, each with what it would cost if the wafer were of that class alone. It is
linear in the label: a mixed wafer (mixup) costs the mixture of what its parts cost. Each is off at 0 (``train`` in params.yaml):

``class_weight_beta``
    A wafer counts with the weight of its class, the inverse of the *effective number* of wafers (`class_weights`). With the cross-entropy
    or the focal loss these are the class-balanced losses of Cui et al.
``focal_gamma``
    What is known well counts less: the cost is multiplied by ``(1 - p) ** gamma``, p the probability of the right answer (Lin et al.).
``logit_adjustment``
    The network learns the logit of a class less ``tau * log(its share)``: the loss adds that again, scoring does not (Menon et al.).

What the counts mean. The losses count the *draws* (``dataset.balance``), not the wafers, and the adjustment takes the shares that the
weights leave. So each of sampler, weights and adjustment balances only what those before it left unequal; together they do not do it twice.

What balance means for probabilities. A network that was taught with balance of any kind (rare classes drawn more often, weights,
adjustment) gives the probabilities of a fab in which classes come in the balanced shares: with ``logit_adjustment: 1`` in equal ones. The
likeliest class is then the one with the least *mean error over classes*, and a rare class's probability is higher than its share of such
wafers in this fab. Thresholds are tuned on validation wafers in their true shares, so that decisions take this in; the temperature only
makes all of them surer or less sure. For the fab's own odds, add ``tau * log(share)`` to the logits. Focal loss shifts no shares, but its
probabilities are less sure than they should be, which the temperature largely takes back.

References
----------
Y. Cui, M. Jia, T.-Y. Lin, Y. Song, S. Belongie, "Class-balanced loss based on effective number of samples", CVPR 2019.
T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár, "Focal loss for dense object detection", ICCV 2017.
A. K. Menon, S. Jayasumana, A. S. Rawat, H. Jain, A. Veit, S. Kumar, "Long-tail learning via logit adjustment", ICLR 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import InputError
from inspection.models.backend import keras
from inspection.models.head import HeadKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from inspection.models.head import Head
    from inspection.params import Train

_LEAST = 1e-7
"""1 - p from below: at p = 1 the derivative of a power is not a number."""


def loss_of(params: Train, counts: NDArray[np.integer], head: Head) -> keras.losses.Loss:
    """The loss that ``params`` ask for and that ``head`` learns by, from labels and logits of the classes, both of shape (n, k)."""
    classes = cross_entropy(params, counts)
    if head.membership is None or head.kind is HeadKind.patterns:
        return classes
    patterns = cross_entropy(params, counts, head.membership)
    return patterns if head.kind is HeadKind.sigmoid else SummedLosses((patterns, classes))


def cross_entropy(
    params: Train, counts: NDArray[np.integer], membership: ArrayLike | None = None, wafers: int | None = None
) -> keras.losses.Loss:
    """The cross-entropy of the classes, or of the patterns that ``membership`` names, balanced as ``params`` say.

    Parameters
    ----------
    params : Train
    counts : ndarray of shape (k,), int
        How often each class is drawn.
    membership : k rows of p flags, optional
        Which patterns each class has, for a sigmoid head that learns each pattern by itself; None = a softmax over the classes. The unit
        matrix where the labels are patterns themselves, several of which may hold.
    wafers : int, optional
        Draws in all; default: the sum of ``counts``. It is another one where several labels hold at once.

    Returns
    -------
    keras.losses.Loss
        Keras's own cross-entropy for a softmax where nothing is balanced.

    Raises
    ------
    InputError
        Fewer ``wafers`` than those that show one pattern.
    """
    counts = np.asarray(counts, np.int64)
    if membership is None:
        if params.class_weight_beta == params.focal_gamma == params.logit_adjustment == 0:
            return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=params.label_smoothing)
        weights = class_weights(counts, params.class_weight_beta)
        added = params.logit_adjustment * log_shares(counts, weights)
        return BalancedCrossentropy(weights, added, gamma=params.focal_gamma, label_smoothing=params.label_smoothing)
    present = counts @ np.asarray(membership, np.int64)
    total = int(counts.sum()) if wafers is None else wafers
    if total < present.max(initial=0):
        raise InputError(
            f"Cannot balance patterns that combine: expected at least as many draws as show one pattern ({present.max()}), got {total}. "
            "Pass the number of all draws."
        )
    both = np.stack([present, total - present], axis=1)  # present and absent: two classes for each pattern
    weighted = [class_weights(pair, params.class_weight_beta) for pair in both]
    odds = [np.subtract(*log_shares(pair, weights)) for pair, weights in zip(both, weighted, strict=True)]
    return BalancedPatternCrossentropy(
        membership,
        [weights[0] for weights in weighted],
        [weights[1] for weights in weighted],
        params.logit_adjustment * np.array(odds),
        gamma=params.focal_gamma,
        label_smoothing=params.label_smoothing,
    )


def class_weights(counts: NDArray[np.integer], beta: float) -> NDArray[np.float64]:
    """The weight of each class: the inverse of its effective number of wafers, ``(1 - beta) / (1 - beta ** n)``, scaled.

    Of n wafers each shows something new with a probability that falls with those before it; ``1 / (1 - beta)`` is how many a class can
    show at most. Beta 0: every wafer counts alike. Beta 1, the limit: by the inverse of the counts.

    Parameters
    ----------
    counts : ndarray of shape (k,), int, >= 0
    beta : float, in [0, 1]

    Returns
    -------
    ndarray of shape (k,), float64
        Of mean 1 over the wafers, so that the loss stays on its scale (Cui et al. take the mean over the classes). A class without wafers
        has the weight of a single one.
    """
    n = np.maximum(np.asarray(counts, np.float64), 1.0)
    limits = {0.0: np.ones_like(n), 1.0: n}
    weights = 1.0 / (limits[beta] if beta in limits else -np.expm1(n * np.log(beta)) / (1.0 - beta))
    total = float(np.sum(counts))
    return weights * (total / float(np.sum(counts * weights))) if total else np.ones_like(n)


def log_shares(counts: NDArray[np.integer], weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logarithm of each class's share of the weighted wafers; 0 for the largest class instead of it, which changes no probability.

    A class without wafers is taken as one of the largest: nothing may pull up what was never seen.
    """
    mass = np.asarray(counts, np.float64) * weights
    largest = mass.max(initial=0.0)
    return np.log(np.where(mass > 0, mass, largest) / largest) if largest > 0 else np.zeros_like(mass)


@keras.saving.register_keras_serializable(package="inspection")
class BalancedCrossentropy(keras.losses.Loss):
    """Weighted, focal, logit-adjusted cross-entropy of a softmax.

    ``sum_c y_c w_c sum_k s_ck (1 - p_k) ** gamma * -log p_k`` with ``p = softmax(logits + added)`` and s_c the one-hot of c, smoothed.

    Parameters
    ----------
    weights : k floats
        Of each class.
    added : k floats
        To the logits, in the loss only.
    gamma : float
        >= 0; 0 = cross-entropy.
    label_smoothing : float
        In [0, 1]: this share of a label is spread over all classes alike.

    Notes
    -----
    Called with labels (n, k), >= 0, rows summing to 1, and logits (n, k); gives (n,) before the reduction.
    """

    def __init__(
        self, weights: ArrayLike, added: ArrayLike, *, gamma: float = 0.0, label_smoothing: float = 0.0,
        name: str = "balanced_crossentropy", **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(name=name, **kwargs)
        self.weights, self.added = _floats(weights), _floats(added)
        self.gamma, self.label_smoothing = float(gamma), float(label_smoothing)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The cost of each wafer."""
        log_p = keras.ops.log_softmax(y_pred + _like(self.added, y_pred), axis=-1)
        cost = -log_p
        if self.gamma:
            cost = cost * keras.ops.power(keras.ops.maximum(-keras.ops.expm1(log_p), _LEAST), self.gamma)
        weighted = y_true * _like(self.weights, y_pred)
        own = keras.ops.sum(weighted * cost, axis=-1)
        if not self.label_smoothing:
            return own
        spread = keras.ops.sum(weighted, axis=-1) * keras.ops.mean(cost, axis=-1)
        return (1.0 - self.label_smoothing) * own + self.label_smoothing * spread

    def get_config(self) -> dict[str, Any]:
        """Settings for saving."""
        settings = {"weights": self.weights, "added": self.added, "gamma": self.gamma, "label_smoothing": self.label_smoothing}
        return {**super().get_config(), **settings}


@keras.saving.register_keras_serializable(package="inspection")
class BalancedPatternCrossentropy(keras.losses.Loss):
    """Weighted, focal, logit-adjusted cross-entropy of a sigmoid for each pattern, the sum over the patterns.

    As `BalancedCrossentropy` for the two classes "present" and "absent" of each pattern. The sum, since with nothing balanced it is the
    negative log likelihood of the whole combination.

    Parameters
    ----------
    membership : k rows of p flags
        Which patterns each class has.
    present, absent : p floats
        Weights of a pattern that is there, and of one that is not.
    added : p floats
        To the logits of the patterns, in the loss only.
    gamma : float
        >= 0; 0 = cross-entropy.
    label_smoothing : float
        In [0, 1]: this share of a label is spread over present and absent alike.

    Notes
    -----
    Called with labels (n, k) and logits (n, k) of the classes; gives (n,) before the reduction. A wafer shows a pattern by as much as its
    label is of classes that have it. The logit of a class is the sum of those of its patterns, from which these are found again.
    """

    def __init__(
        self, membership: ArrayLike, present: ArrayLike, absent: ArrayLike, added: ArrayLike, *, gamma: float = 0.0,
        label_smoothing: float = 0.0, name: str = "balanced_pattern_crossentropy", **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(name=name, **kwargs)
        self.membership = np.asarray(membership, np.int64).tolist()
        self.present, self.absent, self.added = _floats(present), _floats(absent), _floats(added)
        self.gamma, self.label_smoothing = float(gamma), float(label_smoothing)
        self._of_classes = _floats(np.linalg.pinv(np.asarray(membership, np.float64)).T)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The cost of each wafer."""
        shown = keras.ops.matmul(y_true, _like(self.membership, y_true))
        logits = keras.ops.matmul(y_pred, _like(self._of_classes, y_pred)) + _like(self.added, y_pred)
        there, not_there = self._cost(logits), self._cost(-logits)
        other = 0.5 * self.label_smoothing
        present = (1.0 - other) * there + other * not_there
        absent = (1.0 - other) * not_there + other * there
        cost = shown * _like(self.present, y_pred) * present + (1.0 - shown) * _like(self.absent, y_pred) * absent
        return keras.ops.sum(cost, axis=-1)

    def _cost(self, logits: Any) -> Any:
        """``(1 - p) ** gamma * -log p`` of p = sigmoid(logits); both logarithms are exact for any logit."""
        cost = keras.ops.softplus(-logits)
        return cost * keras.ops.exp(-self.gamma * keras.ops.softplus(logits)) if self.gamma else cost

    def get_config(self) -> dict[str, Any]:
        """Settings for saving."""
        settings = {"membership": self.membership, "present": self.present, "absent": self.absent, "added": self.added}
        return {**super().get_config(), **settings, "gamma": self.gamma, "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="inspection")
class SummedLosses(keras.losses.Loss):
    """The sum of ``losses``, for each wafer: of a head that learns each pattern by itself and the combination as a whole."""

    def __init__(self, losses: Sequence[keras.losses.Loss], name: str = "summed_losses", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.losses = tuple(losses)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The cost of each wafer."""
        first, *others = (loss.call(y_true, y_pred) for loss in self.losses)
        return sum(others, start=first)

    def get_config(self) -> dict[str, Any]:
        """Settings for saving."""
        return {**super().get_config(), "losses": [keras.saving.serialize_keras_object(loss) for loss in self.losses]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SummedLosses:
        """From what ``get_config`` gave."""
        return cls(**{**config, "losses": [keras.saving.deserialize_keras_object(loss) for loss in config["losses"]]})


def _floats(values: ArrayLike) -> list[Any]:
    """Plain numbers, which can be saved."""
    return np.asarray(values, np.float64).tolist()


def _like(values: list[Any], tensor: Any) -> Any:
    return keras.ops.convert_to_tensor(values, dtype=tensor.dtype)
