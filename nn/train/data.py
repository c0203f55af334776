"""Data: X and y, checked and made into the examples of batches; knows nothing of models or losses."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from autograd_mini import Value
from autograd_mini.engine.checks import describe
from nn.checks import as_array, is_row

Array = NDArray[np.float64]


# What a batch's examples are measured by: outputs and targets, a pair of them for each batch.
Parts = Sequence[tuple[Any, Any]]
Metric = Callable[[Sequence[Any], Sequence[Any]], Any]


class Rows(Protocol):
    """What training asks of a data set, whether its rows are here (`Examples`) or on workers (`Chunks`)."""

    @property
    def targets(self) -> Any:
        """The targets, as `measure` takes them."""

    @property
    def arrays(self) -> tuple[Any, Any] | None:
        """Inputs of shape (n, features) and targets of shape (n,) or (n, outputs), for compiled code."""

    def __len__(self) -> int: ...

    def at_hand(self) -> Examples:
        """Give examples that the graph can be tried on: all that are here."""

    def batches(self, size: int, generator: random.Random | None) -> Iterator[Rows]:
        """Go through all rows once, in the order that the generator draws, or in their own."""

    def check_elsewhere(self, functions: Sequence[Metric], prediction: Any) -> None:
        """Call functions with the targets that are not at hand, and with one prediction for all of them."""

    def for_engine(self, engine: str, why: str) -> Rows:
        """Keep what the graph or compiled code needs; `why` says why the graph was chosen."""

    def measure(self, metric: Metric, parts: Parts) -> float:
        """Measure outputs and targets of batches together."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples to compute with, for the graph or for compiled code."""

    targets: list[Any]  # numbers, or rows of them
    values: list[list[Value]] | None  # the graph's inputs: constants, made once and not in each step
    arrays: tuple[Array, Array] | None  # for compiled code

    def __len__(self) -> int:
        return len(self.targets)

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

    def batches(self, size: int, generator: random.Random | None) -> Iterator[Examples]:
        """Go through all examples once."""
        places: Sequence[int] = range(len(self))
        if generator is not None:
            places = generator.sample(places, len(places))
        for start in range(0, len(places), size):
            yield self.take(places[start : start + size])

    def at_hand(self) -> Examples:
        """Give all examples."""
        return self

    def check_elsewhere(self, functions: Sequence[Metric], prediction: Any) -> None:
        """Do nothing: all examples are at hand."""

    def for_engine(self, engine: str, why: str) -> Examples:
        """Keep what the graph or compiled code needs."""
        if engine == "plain":
            return Examples(self.targets, self.inputs(), None)
        return self if self.arrays is None else Examples(self.targets, None, self.arrays)

    def measure(self, metric: Metric, parts: Parts) -> float:
        """Measure the outputs of batches, with their targets, as one batch."""
        outputs, targets = ([entry for batch in parts for entry in batch[i]] for i in (0, 1))
        return metric(outputs, targets)  # type: ignore[no-any-return]


def as_examples(X: Any, y: Any, X_name: str = "X", y_name: str = "y") -> Examples:
    """Check a data set, and make it into examples for the graph and for compiled code."""
    inputs, targets = as_arrays(X, y, X_name, y_name)
    return Examples(targets.tolist(), None, (inputs, targets.astype(np.float64)))


def as_arrays(X: Any, y: Any, X_name: str = "X", y_name: str = "y") -> tuple[Array, NDArray[Any]]:
    """Check a data set, and convert it to arrays; a column of targets becomes an array of one dimension."""
    inputs, targets = as_rows(X, X_name), as_array(y, y_name)
    check_lengths(inputs, targets, X_name, y_name)
    return inputs, as_targets(targets)


def check_lengths(inputs: Any, targets: Any, X_name: str, y_name: str) -> None:
    """Check the shapes of targets, of NumPy or Dask, beside the inputs."""
    if targets.ndim > 2:
        raise ValueError(f"{y_name} must have the shape (n,) or (n, outputs), but has {targets.shape}")
    if len(targets) != len(inputs):
        raise ValueError(
            f"expected a target for each example, but {X_name} has {len(inputs)} rows and {y_name} {len(targets)}"
        )


def as_targets(array: Any) -> Any:
    """Make a column an array of one dimension."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def as_rows(X: Any, name: str = "X") -> Array:
    """Check the inputs of a data set, and convert them to an array with a row for each example."""
    array = as_array(X, name)
    check_rows(array, name)
    return array.astype(np.float64)


def check_rows(array: Any, name: str) -> None:
    """Check that an array, of NumPy or Dask, has a row for each example."""
    if array.ndim != 2:
        hint = f"; for a single feature use np.reshape({name}, (-1, 1))" if array.ndim == 1 and array.size else ""
        raise ValueError(
            f"{name} must have a row for each example, the shape (n, features), but has {array.shape}{hint}"
        )
    if array.size == 0:
        raise ValueError(f"{name} must have at least one example and one feature, but has the shape {array.shape}")


def constants(row: Sequence[float]) -> list[Value]:
    """Make leaves without gradients of the inputs of an example."""
    return [Value(number).detach() for number in row]


@dataclass(frozen=True)
class DataSet:
    """Rows that each epoch goes through once, in batches, in an order that the generator draws.

    An iteration is an epoch. A batch size of None makes a single batch in the order of the data.
    """

    rows: Rows
    batch_size: int | None = None
    generator: random.Random | None = None

    @property
    def is_one_batch(self) -> bool:
        """Whether an epoch is a single step."""
        return self.batch_size is None or self.batch_size >= len(self.rows)

    def first_batch(self) -> Rows:
        """Give as many examples as a batch has, the first ones."""
        return next(iter(replace(self, generator=None)))

    def __iter__(self) -> Iterator[Rows]:
        if self.batch_size is None or self.is_one_batch:
            yield self.rows
        else:
            yield from self.rows.batches(self.batch_size, self.generator)


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
