"""Data: what `fit` and its like are given as X and y, checked and made into examples.

Nothing is known here of models or losses: whether targets suit a loss, the loss says.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd_mini import Value
from nn.checks import describe, is_row


class Examples(NamedTuple):
    """Examples to compute with: lists of one length.

    Attributes
    ----------
    inputs : list of list of Value
        Constants. They are made once, so that no step of training has to make them again.
    targets : list of float or int, or of rows of them
    """

    inputs: list[list[Value]]
    targets: list[Any]

    def take(self, places: Sequence[int]) -> Examples:
        """Choose examples."""
        return Examples([self.inputs[i] for i in places], [self.targets[i] for i in places])


def as_examples(X: Any, y: Any, X_name: str = "X", y_name: str = "y") -> Examples:
    """Check a data set and convert it.

    Parameters
    ----------
    X : array-like of shape (n, features)
        Lists, tuples, an array, a pandas frame.
    y : array-like of shape (n,), (n, 1) or (n, outputs)
        Integers stay integers; a column is taken for the numbers in it.
    X_name, y_name : str, optional
        What messages call them.

    Raises
    ------
    ValueError
        If a shape is wrong, there is no example, the lengths differ, or there is a nan or an inf.
    TypeError
        If there is something else than numbers.

    Examples
    --------
    >>> inputs, targets = as_examples([[1, 2], [3, 4]], [[0], [1]])
    >>> [[x.data for x in row] for row in inputs], targets
    ([[1.0, 2.0], [3.0, 4.0]], [0, 1])
    """
    inputs = as_rows(X, X_name)
    targets = as_array(y, y_name)
    if targets.ndim > 2:
        raise ValueError(f"{y_name} must have the shape (n,) or (n, outputs), but has {targets.shape}")
    if len(targets) != len(inputs):
        raise ValueError(
            f"expected a target for each example, but {X_name} has {len(inputs)} rows and {y_name} {len(targets)}"
        )
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    return Examples([constants(row) for row in inputs], targets.tolist())


def as_rows(X: Any, name: str = "X") -> list[list[float]]:
    """Check the inputs of a data set, and convert them to rows of floats, one for each example.

    Examples
    --------
    >>> as_rows([1, 2, 3])
    Traceback (most recent call last):
        ...
    ValueError: X must have a row for each example, the shape (n, features), but has (3,); for a single feature use \
np.reshape(X, (-1, 1))
    """
    array = as_array(X, name)
    if array.ndim != 2:
        hint = f"; for a single feature use np.reshape({name}, (-1, 1))" if array.ndim == 1 and array.size else ""
        raise ValueError(
            f"{name} must have a row for each example, the shape (n, features), but has {array.shape}{hint}"
        )
    if array.size == 0:
        raise ValueError(f"{name} must have at least one example and one feature, but has the shape {array.shape}")
    return array.astype(np.float64).tolist()  # type: ignore[no-any-return]


def as_array(numbers: Any, name: str) -> NDArray[Any]:
    """Check that something is an array of finite numbers, and say of what is not one where it stands.

    Examples
    --------
    >>> as_array([[1.0, "MS"]], "X")
    Traceback (most recent call last):
        ...
    TypeError: X must contain numbers, but X[0, 1] is 'MS' (str)
    """
    if np.ma.is_masked(numbers):
        raise ValueError(f"{name} must not be masked: drop or fill what is missing")
    try:
        array = np.asarray(numbers)
    except ValueError:
        raise ValueError(f"{name} must be an array of numbers, but its rows differ in length") from None
    if array.ndim == 0:
        raise TypeError(f"{name} must be an array of numbers, not {describe(numbers)}")
    if array.dtype.kind not in "biuf":
        array = _from_objects(np.asarray(numbers, dtype=object), name)
    if array.dtype.kind == "b":
        return array.astype(np.int64)
    if not np.isfinite(array).all():
        place = tuple(np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite, but {_at(name, place)} is {array[place]}")
    return array


def constants(row: Sequence[float]) -> list[Value]:
    """Make numbers leaves that no gradient is wanted of."""
    return [Value(number).detach() for number in row]


@dataclass(frozen=True)
class DataSet:
    """Examples to go through once in each epoch, in batches; an iteration is an epoch.

    Attributes
    ----------
    examples : Examples, or what else has `targets` and can `take` some of them
    batch_size : int or None
        The last batch may be smaller. None, or as many as there are or more, makes a single one,
        in the order of the data.
    generator : random.Random or None
        Draws the order of n examples, `generator.sample(range(n), n)`; None keeps that of the data.

    Examples
    --------
    >>> data = DataSet(as_examples([[1], [2], [3]], [1, 2, 3]), batch_size=2)
    >>> [batch.targets for batch in data]
    [[1, 2], [3]]
    """

    examples: Any
    batch_size: int | None = None
    generator: random.Random | None = None

    @property
    def is_one_batch(self) -> bool:
        """Whether an epoch is a single step."""
        return self.batch_size is None or self.batch_size >= len(self.examples.targets)

    def first_batch(self) -> Any:
        """Give as many examples as a batch has, the first ones."""
        n = len(self.examples.targets)
        return self.examples.take(range(min(n, self.batch_size or n)))

    def __iter__(self) -> Iterator[Any]:
        if self.batch_size is None or self.is_one_batch:
            yield self.examples
            return
        places: Sequence[int] = range(len(self.examples.targets))
        if self.generator is not None:
            places = self.generator.sample(places, len(places))
        for start in range(0, len(places), self.batch_size):
            yield self.examples.take(places[start : start + self.batch_size])


@dataclass(frozen=True)
class Stream:
    """Observations to learn from as they arrive; an iteration is so many batches of them.

    None is taken from the iterator before it is asked for, and none is kept.

    Attributes
    ----------
    observations : iterator of pairs (x, y)
    batch_size : int
    steps : int
        The number of batches.

    Examples
    --------
    >>> observations = iter([([1.0], 2.0), ([3.0], 4.0), ([5.0], 6.0)])
    >>> [batch.targets for batch in Stream(observations, batch_size=1, steps=2)]
    [[2.0], [4.0]]
    >>> next(observations)
    ([5.0], 6.0)
    """

    observations: Iterator[Any]
    batch_size: int
    steps: int

    @property
    def is_one_batch(self) -> bool:
        """Never: what arrives in an epoch is not what arrives in the next."""
        return False

    def __iter__(self) -> Iterator[Examples]:
        for _ in range(self.steps):
            arrived = [_observation(pair) for pair in islice(self.observations, self.batch_size)]
            if not arrived:
                return
            yield Examples([x for x, _ in arrived], [y for _, y in arrived])


def _observation(pair: Any) -> tuple[list[Value], Any]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"the stream must give pairs (x, y), not {describe(pair)}")
    features = as_array(pair[0], "an observation's x")
    target = as_array(pair[1] if is_row(pair[1]) else [pair[1]], "an observation's y")
    for array, role in ((features, "x"), (target, "y")):
        if array.ndim != 1 or array.size == 0:
            raise ValueError(f"an observation's {role} must be a row of numbers, but has the shape {array.shape}")
    numbers: list[Any] = target.tolist()
    return constants(features.astype(np.float64).tolist()), numbers[0] if len(numbers) == 1 else numbers


def _from_objects(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Convert an array of Python objects that are all numbers, such as pandas makes of a mixed frame."""
    for place, entry in np.ndenumerate(array):
        if isinstance(entry, (list, tuple, np.ndarray)):
            raise ValueError(f"{name} must be an array of numbers, but its rows differ in length")
        if not isinstance(entry, Real):
            raise TypeError(f"{name} must contain numbers, but {_at(name, place)} is {describe(entry)}")
    whole = all(isinstance(entry, (int, np.integer)) for entry in array.flat)
    return array.astype(np.int64 if whole else np.float64)


def _at(name: str, place: tuple[Any, ...]) -> str:
    return f"{name}[{', '.join(map(str, place))}]"
