"""Metrics: the share of right and wrong classifications."""

from typing import Any

import numpy as np
import pytest

from autograd_mini import Value
from nn import accuracy, classification_error


def test_one_output_is_compared_with_the_threshold():
    assert accuracy([0.9, 0.2, 0.5, 0.51], [1, 0, 0, 1]) == 1.0
    assert accuracy([0.4, -0.1], [1, 0], threshold=0.0) == 1.0
    assert classification_error([0.4, -0.1, 3.0, 2.0], [-1, -1, 1, 1], threshold=0.0) == 0.25


def test_of_several_outputs_the_largest_says_the_class():
    scores = [[Value(1.0), Value(3.0), Value(2.0)], [Value(5.0), Value(-1.0), Value(0.0)]]
    assert accuracy(scores, [1, 0]) == 1.0
    assert accuracy(scores, [1, 2]) == 0.5
    assert accuracy(scores, [[0, 1, 0], [0, 0, 1]]) == 0.5


def test_arrays_are_taken():
    outputs: Any = np.array([[0.1, 0.9], [0.8, 0.2]])
    targets: Any = np.array([1, 1])
    assert accuracy(outputs, targets) == 0.5


@pytest.mark.parametrize(
    ("predictions", "targets", "error", "message"),
    [
        ([], [], ValueError, "the batch is empty"),
        ([0.5], [1, 0], ValueError, "got 2 and 1"),
        ([0.5], [2], ValueError, r"targets\[0\] must be 0 or 1, or -1 or 1, not 2"),
        ([0.5], ["dog"], TypeError, r"targets\[0\] must be a class, not 'dog'"),
        ([[0.5, 0.5]], [2], ValueError, "class index from 0 to 1, not 2"),
        ([[0.5, 0.5]], [[1, 0, 0]], ValueError, "3 entries for 2 classes"),
        (["a"], [1], TypeError, "a prediction must be a real number, not 'a'"),
    ],
)
def test_bad_batches_are_refused(predictions, targets, error, message):
    with pytest.raises(error, match=message):
        classification_error(predictions, targets)
