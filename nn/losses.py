"""Losses: how wrong a batch of predictions is, as one Value to minimize; knows nothing of models and training.

Every loss takes the predictions, the outputs of a model for the examples of a batch, and as many targets. An output is
a number or Value, or a row of them. A loss sums over the outputs of an example, and gives the mean over the examples,
a Value, or a float if no prediction is a Value. So the gradient of a batch is the mean of its examples' gradients
(Neural Networks, chapter 1, section 1.4).

A loss refuses targets and predictions outside of its range. While `jit` traces it, their numbers are not known:
compiled code gives nan for invalid ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any

from autograd_mini import Value, dot, less, less_equal, log, log_softmax, logsumexp, relu, softplus, sum, where
from autograd_mini.engine.checks import describe
from nn.checks import check_batch, check_class, check_not_negative, find_function, is_row, is_traced, name_in

Loss = Callable[[Sequence[Any], Sequence[Any]], Any]

# How far from 1 the sum of a distribution's probabilities may be.
_ROUNDING = 1e-6


def half_squared_error(predictions: Sequence[Any], targets: Sequence[Any]) -> Any:
    """Half the squared error, sum over outputs of (y - t)**2 / 2 (From Logistic Regression to Neural Network, eq. 12).

    Parameters
    ----------
    predictions : sequence of Value or real number, or of rows of them
        One output, or row of outputs, for each example.
    targets : sequence of real number, or of rows of them
        Shaped like `predictions`.

    Examples
    --------
    >>> half_squared_error([3.0, 1.0], [1.0, 1.0])
    1.0
    """
    errors = [y - t for y, t in _pairs(predictions, targets)]
    return dot(errors, errors) / (2 * len(predictions))


def mean_squared_error(predictions: Sequence[Any], targets: Sequence[Any]) -> Any:
    """Mean squared error, sum over outputs of (y - t)**2 (CISC6000: Neural Networks, Error Measure).

    For several outputs this is PyTorch's `mse_loss` times their number: the mean is over examples alone.

    Examples
    --------
    Two networks (CISC6000: Neural Networks, Cross Entropy Loss):

    >>> targets = [[1, 0], [0, 1], [1, 0]]
    >>> round(mean_squared_error([[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]], targets), 2)
    0.25
    >>> round(mean_squared_error([[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]], targets), 2)
    0.71
    """
    errors = [y - t for y, t in _pairs(predictions, targets)]
    return dot(errors, errors) / len(predictions)


def binary_cross_entropy(predictions: Sequence[Any], targets: Sequence[Any]) -> Any:
    """Binary cross-entropy of probabilities, -(t log p + (1 - t) log(1 - p)) (Lecture 11: Neural Networks).

    Predictions are probabilities of the class 1, from a sigmoid. Targets are the classes 0 and 1, or probabilities. The
    loss is infinite for a prediction of exactly 0 or 1 that is wrong; `binary_cross_entropy_from_logits` stays finite.

    Examples
    --------
    >>> round(binary_cross_entropy([0.9, 0.4], [1, 1]), 4)
    0.5108
    """
    pairs = _pairs(predictions, targets)
    hint = "; for logits use binary_cross_entropy_from_logits"
    conditions = _check_probabilities((t for _, t in pairs), "target")
    conditions += _check_probabilities((p for p, _ in pairs), "prediction", hint)
    terms = [_weighted_log(t, p) + _weighted_log(1.0 - t, 1.0 - p) for p, t in pairs]
    return _nan_unless(conditions, -sum(terms) / len(predictions))


def binary_cross_entropy_from_logits(predictions: Sequence[Any], targets: Sequence[Any]) -> Any:
    """Binary cross-entropy of sigmoid(z), from z, stable for every z (Chapter 11: Neural Network, section 11.2).

    Predictions are logits: a sigmoid would turn them into probabilities. Targets are the classes 0 and 1, or
    probabilities. -log sigmoid(z) is softplus(-z), and -log(1 - sigmoid(z)) is softplus(z).

    Examples
    --------
    >>> binary_cross_entropy_from_logits([1000.0], [0])
    1000.0
    """
    pairs = _pairs(predictions, targets)
    conditions = _check_probabilities((t for _, t in pairs), "target")
    terms = [_weighted(t, softplus, -z) + _weighted(1.0 - t, softplus, z) for z, t in pairs]
    return _nan_unless(conditions, sum(terms) / len(predictions))


def cross_entropy(predictions: Sequence[Any], targets: Sequence[Any]) -> Any:
    """Cross-entropy of probabilities, -sum over classes of t_k log p_k (Chapter 11: Neural Network, eq. 11.4).

    A prediction is a row of the probabilities of all classes, from a softmax. A target is a class, counted from 0, or a
    row of the probabilities that the classes should have. The loss is infinite where a probability of exactly 0 meets a
    target above 0; `cross_entropy_from_logits` stays finite.

    Examples
    --------
    Two networks (CISC6000: Neural Networks, Cross Entropy Loss):

    >>> targets = [[1, 0], [0, 1], [1, 0]]
    >>> round(cross_entropy([[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]], targets), 2)
    0.38
    >>> round(cross_entropy([[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]], [0, 1, 0]), 2)
    1.06
    """
    rows, conditions = _rows(predictions, targets)
    for i, (row, _) in enumerate(rows):
        conditions += _check_distribution(row, f"predictions[{i}]", "; for logits use cross_entropy_from_logits")
    terms = [
        _weighted_log(1.0, row[target]) if isinstance(target, int) else sum(map(_weighted_log, target, row))
        for row, target in rows
    ]
    return _nan_unless(conditions, -sum(terms) / len(rows))


def cross_entropy_from_logits(predictions: Sequence[Any], targets: Sequence[Any]) -> Any:
    """Cross-entropy of softmax(z), from z, stable for every z: logsumexp(z) - sum of t_k z_k, by differences of logits.

    A prediction is a row of the logits of all classes: a softmax would turn them into probabilities. Targets are as for
    `cross_entropy`.

    Examples
    --------
    >>> cross_entropy_from_logits([[1000.0, 0.0]], [1])
    1000.0
    """
    rows, conditions = _rows(predictions, targets)
    terms = [
        logsumexp([z - row[target] for z in row])
        if isinstance(target, int)
        else -sum(map(_weighted_logarithm, target, log_softmax(row)))
        for row, target in rows
    ]
    return _nan_unless(conditions, sum(terms) / len(rows))


def hinge(predictions: Sequence[Any], targets: Sequence[Any]) -> Any:
    """Hinge loss, max(0, 1 - t s), of scores for the classes -1 and 1 (the loss of micrograd's demo).

    Predictions are scores, positive for the class 1. Targets are the classes -1 and 1.

    Examples
    --------
    >>> hinge([0.5, -3.0], [1, -1])
    0.25
    """
    pairs = _pairs(predictions, targets)
    conditions = []
    for _, t in pairs:
        if is_traced(t):
            conditions.append(_within(t * t, 1.0, 1.0))
        elif isinstance(t, (Value, Real)) and _known(t) not in (-1, 1):
            raise ValueError(f"the hinge loss needs targets -1 and 1, but got {describe(t)}; for 0 and 1 give 2*t - 1")
    return _nan_unless(conditions, sum([relu(1.0 - t * s) for s, t in pairs]) / len(predictions))


def l2(weights: Iterable[Any], strength: float) -> Any:
    """L2 regularization, strength / 2 times the sum of w**2 (Chapter 11: Neural Network, section 11.3).

    It is added to a loss, for `model.weights()`: biases stay free. Its gradient is strength * w. The strength, the
    notes' lambda, is 0 or more.

    Examples
    --------
    >>> l2([3.0, 4.0], strength=0.1)
    1.25
    """
    half, listed = check_not_negative(strength, "strength") / 2.0, list(weights)
    return dot(listed, listed) * half


LOSSES: dict[str, Loss] = {
    "half_squared_error": half_squared_error,
    "mean_squared_error": mean_squared_error,
    "binary_cross_entropy": binary_cross_entropy,
    "binary_cross_entropy_from_logits": binary_cross_entropy_from_logits,
    "cross_entropy": cross_entropy,
    "cross_entropy_from_logits": cross_entropy_from_logits,
    "hinge": hinge,
}


# A single output above this says class 1. Squared errors leave it open: it depends on how classes are coded.
THRESHOLDS = {"hinge": 0.0, "binary_cross_entropy": 0.5, "binary_cross_entropy_from_logits": 0.0}


def loss_name(loss: str | Loss | None) -> str:
    """Name a loss, by its key in `LOSSES` if it is there; "None" if there is no loss."""
    if loss is None:
        return "None"
    function = loss_function(loss)
    return name_in(LOSSES, function) or str(getattr(function, "__name__", "a function"))


def loss_function(loss: str | Loss) -> Loss:
    """Find a loss by its name in `LOSSES`; any function of predictions and targets is given back.

    Examples
    --------
    >>> loss_function("hinge")([2.0], [-1])
    3.0
    """
    return find_function(LOSSES, loss, "loss")


def _pairs(predictions: Any, targets: Any) -> list[tuple[Any, Any]]:
    """Pair every output of every example with its target."""
    check_batch(predictions, targets)
    pairs: list[tuple[Any, Any]] = []
    for i, (output, target) in enumerate(zip(predictions, targets)):
        if is_row(output) != is_row(target) or (is_row(output) and len(output) != len(target)):
            shapes = f"{describe(target)} and {describe(output)}"
            raise ValueError(f"targets[{i}] must be shaped like predictions[{i}], but these are {shapes}")
        pairs.extend(zip(output, target) if is_row(output) else [(output, target)])
    for output, target in pairs:
        for number, role in ((output, "prediction"), (target, "target")):
            if isinstance(number, (str, bytes)) or number is None:
                raise TypeError(f"a {role} must be a number or a Value, not {describe(number)}")
    return pairs


def _rows(predictions: Any, targets: Any) -> tuple[list[tuple[list[Any], int | list[Any]]], list[Any]]:
    """Pair every example's row of outputs with its class, or with the distribution it should have.

    Also give the conditions that traced targets must meet.
    """
    check_batch(predictions, targets)
    rows: list[tuple[list[Any], int | list[Any]]] = []
    conditions: list[Any] = []
    for i, (output, target) in enumerate(zip(predictions, targets)):
        if not is_row(output) or len(output) < 2:
            raise ValueError(
                f"predictions[{i}] must be a row of outputs, one for each of 2 or more classes, not "
                f"{describe(output)}; for a single output use the binary cross-entropy"
            )
        row = list(output)
        if is_row(target):
            if len(target) != len(row):
                raise ValueError(f"targets[{i}] has {len(target)} probabilities for {len(row)} classes")
            conditions += _check_distribution(target, f"targets[{i}]")
            rows.append((row, list(target)))
        elif is_traced(target):
            indicators = [_within(target, k, k) for k in range(len(row))]
            conditions.append(sum(indicators))
            rows.append((row, indicators))
        else:
            rows.append((row, check_class(target, len(row), f"targets[{i}]")))
    return rows, conditions


def _check_probabilities(numbers: Iterable[Any], role: str, hint: str = "") -> list[Any]:
    """Refuse a number that is no probability; of traced numbers give the conditions that they must meet."""
    conditions = []
    for number in numbers:
        if is_traced(number) or not isinstance(number, (Value, Real)):
            conditions.append(_within(number, 0.0, 1.0))
        elif not 0.0 <= _known(number) <= 1.0:
            raise ValueError(f"a {role} must be a probability from 0 to 1, not {_known(number)}{hint}")
    return conditions


def _check_distribution(row: Sequence[Any], role: str, hint: str = "") -> list[Any]:
    """Refuse a row that is no distribution; of traced numbers give the conditions that they must meet."""
    conditions = _check_probabilities(row, f"probability in {role}", hint)
    if conditions:
        return [*conditions, _within(sum(row), 1.0 - _ROUNDING, 1.0 + _ROUNDING)]
    total = float(sum([_known(number) for number in row]))
    if not abs(total - 1.0) <= _ROUNDING:
        raise ValueError(f"{role} must be probabilities that sum to 1, but they sum to {total}{hint}")
    return []


def _known(number: Any) -> Any:
    return number.data if isinstance(number, Value) else number


def _within(number: Any, least: float, most: float) -> Any:
    return where(less(number, least), 0.0, less_equal(number, most))


def _nan_unless(conditions: Iterable[Any], loss: Any) -> Any:
    """Make the loss nan where a condition is 0: compiled code can't raise."""
    for condition in conditions:
        loss = where(condition, loss, math.nan)
    return loss


def _weighted(weight: Any, function: Callable[[Any], Any], x: Any) -> Any:
    """Weight * function(x), without the computation where the weight is 0 or 1."""
    if isinstance(weight, Real) and weight in (0, 1):
        return function(x) if weight else 0.0
    return weight * function(x)


def _weighted_log(weight: Any, p: Any) -> Any:
    """Weight * log(p). Where the weight is 0 this is 0, and so is its gradient, also for p = 0."""
    if isinstance(weight, Real):
        return _weighted(weight, log, p)
    return weight * log(where(weight, p, 1.0))


def _weighted_logarithm(weight: Any, logarithm: Any) -> Any:
    """Weight * logarithm; 0 where the weight is 0, also for the logarithm -inf."""
    if isinstance(weight, Real):
        return weight * logarithm if weight else 0.0
    return weight * where(weight, logarithm, 0.0)
