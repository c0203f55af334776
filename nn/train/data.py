"""Data: X and y, checked and made into the examples of batches; knows nothing of models or losses."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd_mini import Value
from autograd_mini.engine.checks import describe
from nn.checks import as_array, is_row

Array = NDArray[np.float64]


class Examples(NamedTuple):
    """Examples to compute with, for the graph or for compiled code."""

    targets: list[Any]  # numbers, or rows of them
    values: list[list[Value]] | None  # the graph's inputs: constants, made once and not in each step
    arrays: tuple[Array, Array] | None  # of shape (n, features), and (n,) or (n, outputs), for compiled code

    def inputs(self) -> list[list[Value]]:
        """Give the inputs as Values; make them where there are only arrays."""
        if self.values is None and self.arrays is not None:
            return [constants(row) for row in self.arrays[0].tolist()]
        return self.values or []

    def take(self, places: Sequence[int]) -> Examples:
        """Choose examples."""
        values = None if self.values is None else [self.values[i] for i in places]
        arrays = None if self.arrays is None else (self.arrays[0][places], self.arrays[1][places])
        return Examples([self.targets[i] for i in places], values, arrays)

    def for_graph(self) -> Examples:
        """Keep what the graph needs."""
        return Examples(self.targets, self.inputs(), None)

    def for_jit(self) -> Examples:
        """Keep what compiled code needs."""
        return self if self.arrays is None else Examples(self.targets, None, self.arrays)


def as_examples(X: Any, y: Any, X_name: str = "X", y_name: str = "y") -> Examples:
    """Check a data set, and make it into examples for the graph and for compiled code."""
    inputs, targets = as_arrays(X, y, X_name, y_name)
    return Examples(targets.tolist(), list(map(constants, inputs.tolist())), (inputs, targets.astype(np.float64)))


def as_arrays(X: Any, y: Any, X_name: str = "X", y_name: str = "y") -> tuple[Array, NDArray[Any]]:
    """Check a data set, and convert it to arrays; a column of targets becomes an array of one dimension."""
    inputs, targets = as_rows(X, X_name), as_array(y, y_name)
    if targets.ndim > 2:
        raise ValueError(f"{y_name} must have the shape (n,) or (n, outputs), but has {targets.shape}")
    if len(targets) != len(inputs):
        raise ValueError(
            f"expected a target for each example, but {X_name} has {len(inputs)} rows and {y_name} {len(targets)}"
        )
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    return inputs, targets


def as_rows(X: Any, name: str = "X") -> Array:
    """Check the inputs of a data set, and convert them to an array with a row for each example."""
    array = as_array(X, name)
    if array.ndim != 2:
        hint = f"; for a single feature use np.reshape({name}, (-1, 1))" if array.ndim == 1 and array.size else ""
        raise ValueError(
            f"{name} must have a row for each example, the shape (n, features), but has {array.shape}{hint}"
        )
    if array.size == 0:
        raise ValueError(f"{name} must have at least one example and one feature, but has the shape {array.shape}")
    return array.astype(np.float64)


def constants(row: Sequence[float]) -> list[Value]:
    """Make leaves without gradients of the inputs of an example."""
    return [Value(number).detach() for number in row]


@dataclass(frozen=True)
class DataSet:
    """Examples that each epoch goes through once, in batches, in an order that the generator draws.

    An iteration is an epoch. A batch size of None makes a single batch in the order of the data.
    """

    examples: Examples
    batch_size: int | None = None
    generator: random.Random | None = None

    @property
    def is_one_batch(self) -> bool:
        """Whether an epoch is a single step."""
        return self.batch_size is None or self.batch_size >= len(self.examples.targets)

    def first_batch(self) -> Examples:
        """Give as many examples as a batch has, the first ones."""
        return self.examples if self.is_one_batch else self.examples.take(range(self.batch_size or 0))

    def __iter__(self) -> Iterator[Examples]:
        if self.batch_size is None or self.is_one_batch:
            yield self.examples
            return
        places: Sequence[int] = range(len(self.examples.targets))
        if self.generator is not None:
            places = self.generator.sample(places, len(places))
        for start in range(0, len(places), self.batch_size):
            yield self.examples.take(places[start : start + self.batch_size])


@dataclass
class Stream:
    """Pairs (x, y) that training learns from as they arrive; an iteration is an epoch of so many steps.

    A pair is taken from the iterator when its batch is made, and not kept. Compiled code gets the batches that are
    shaped like the first one.
    """

    observations: Iterator[Any]
    batch_size: int
    steps: int
    is_one_batch = False  # another epoch brings other observations
    _shapes: Any = None

    def __iter__(self) -> Iterator[Examples]:
        for _ in range(self.steps):
            arrived = [_observation(pair) for pair in islice(self.observations, self.batch_size)]
            if not arrived:
                return
            inputs, targets = [x for x, _ in arrived], [y for _, y in arrived]
            yield Examples(targets, list(map(constants, inputs)), self._arrays(inputs, targets))

    def _arrays(self, inputs: list[Any], targets: list[Any]) -> tuple[Array, Array] | None:
        try:
            X, y = np.array(inputs, dtype=np.float64), np.array(targets, dtype=np.float64)
        except ValueError:  # the rows differ in length
            return None
        self._shapes = self._shapes or (X.shape[1:], y.shape[1:])
        return (X, y) if (X.shape[1:], y.shape[1:]) == self._shapes else None


def _observation(pair: Any) -> tuple[list[float], Any]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"the stream must give pairs (x, y), not {describe(pair)}")
    x, y = pair
    features, target = as_array(x, "an observation's x"), as_array(y if is_row(y) else [y], "an observation's y")
    for array, role in ((features, "x"), (target, "y")):
        if array.ndim != 1 or array.size == 0:
            raise ValueError(f"an observation's {role} must be a row of numbers, but has the shape {array.shape}")
    numbers: list[Any] = target.tolist()
    return features.astype(np.float64).tolist(), numbers[0] if len(numbers) == 1 else numbers
