"""Metrics: the part of a batch's examples that are classified right or wrong, as plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

from autograd_mini.engine.checks import describe
from nn.checks import as_numbers, check_batch, check_class, is_row


def classification_error(predictions: Sequence[Any], targets: Sequence[Any], threshold: float = 0.5) -> float:
    """Give the part of the examples that are classified wrongly (CISC6000: Neural Networks, Classification Error).

    Parameters
    ----------
    predictions : sequence of Value or real number, or of rows of them
        For each example one output, or one for each class; then the largest says the class.
    targets : sequence of int, or of rows of real number
        For each example its class: 0 or 1, or -1 or 1, for one output; counted from 0, or a row
        whose largest entry says it, for several.
    threshold : float, optional
        A single output above it says class 1: 0.5 for a probability; 0 for a logit or a score.

    Returns
    -------
    float

    Examples
    --------
    The first network of CISC6000: Neural Networks:

    >>> predictions = [[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]]
    >>> round(classification_error(predictions, [[1, 0], [0, 1], [1, 0]]), 2)
    0.33
    """
    check_batch(predictions, targets)
    wrong = [
        predicted_class(prediction, threshold)
        != true_class(target, len(prediction) if is_row(prediction) else 1, f"targets[{i}]")
        for i, (prediction, target) in enumerate(zip(predictions, targets))
    ]
    return wrong.count(True) / len(wrong)


def accuracy(predictions: Sequence[Any], targets: Sequence[Any], threshold: float = 0.5) -> float:
    """Give the part of the examples that are classified right, as `classification_error` gives the wrong ones.

    Examples
    --------
    >>> accuracy([0.9, 0.2, 0.6, 0.4], [1, 0, 0, 0])
    0.75
    >>> accuracy([2.0, -0.3], [1, -1], threshold=0.0)
    1.0
    """
    return 1.0 - classification_error(predictions, targets, threshold)


def predicted_class(prediction: Any, threshold: float = 0.5) -> int:
    """Give the class that a model's output for one example says: 0 or 1 for one output, counted from 0 for a row.

    Examples
    --------
    >>> predicted_class([0.1, 0.7, 0.2]), predicted_class(0.3)
    (1, 0)
    """
    if is_row(prediction):
        return _largest(prediction)
    return int(as_numbers(prediction) > threshold)


def true_class(target: Any, outputs: int, role: str) -> int:
    """Give the class that a target says, of a model with so many outputs: 0 or 1 for one output."""
    if outputs > 1:
        if not is_row(target):
            return check_class(target, outputs, role)
        if len(target) != outputs:
            raise ValueError(f"{role} has {len(target)} entries for {outputs} classes")
        return _largest(target)
    if is_row(target) or not isinstance(target, Real):
        raise TypeError(f"{role} must be a class, not {describe(target)}")
    if target not in (-1, 0, 1):
        raise ValueError(f"{role} must be 0 or 1, or -1 or 1, not {target}")
    return int(target == 1)


def _largest(row: Any) -> int:
    numbers: list[float] = as_numbers(row)
    return numbers.index(max(numbers))
