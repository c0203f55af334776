"""Embedding: a table with a vector for each of some things that are counted, such as words."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd_mini import Value, take
from autograd_mini.engine.checks import check_count
from nn.checks import finite_array
from nn.initializers import Draw, random_generator, weight_initializer
from nn.module import Module, read_numbers, write_numbers


class Embedding(Module):
    """A vector for each index, looked up by `autograd_mini.take`, as `torch.nn.Embedding`.

    Parameters
    ----------
    num_embeddings : int
        The number of vectors; an index is a whole number from 0 up to, but not including, it.
    embedding_dim : int
        The length of each vector.
    init : str or callable, optional
        As for `Neuron`; unless given, weights are normally distributed, as PyTorch's are.
    seed : int or random.Random, optional
        As for `Neuron`.

    Attributes
    ----------
    vectors : list of list of Value

    Examples
    --------
    >>> embedding = Embedding(3, 2, seed=1)
    >>> vector = embedding(2)
    >>> vector[0] is embedding.vectors[2][0]
    True
    >>> len(embedding([2, 0, 1, 1]))
    4
    """

    vectors: list[list[Value]]

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        init: str | Draw = "normal",
        seed: int | random.Random | None = None,
    ) -> None:
        n, size = check_count(num_embeddings, "num_embeddings"), check_count(embedding_dim, "embedding_dim")
        draw, generator = weight_initializer(init, n, size), random_generator(seed)
        self.vectors = [[Value(draw(generator)) for _ in range(size)] for _ in range(n)]

    def __call__(self, x: Any) -> Any:
        """Look up an index, and give a list of Values; for a sequence of indices, a list of such lists.

        Raises
        ------
        IndexError
            If there is no vector for an index; compiled by `jit`, the vector is nan.
        """
        if isinstance(x, (Sequence, np.ndarray)) and not isinstance(x, str):
            return [self(index) for index in x]
        return list(take(self.vectors, x))

    @property
    def weight(self) -> NDArray[np.float64]:
        """The table, shape (num_embeddings, embedding_dim): a read-only copy; assign a whole table to change it."""
        array = read_numbers(self._table())
        array.flags.writeable = False
        return array

    @weight.setter
    def weight(self, table: Any) -> None:
        values = self._table()
        write_numbers(values, finite_array(table, "weight", values.shape))

    def _table(self) -> NDArray[Any]:
        return np.array(self.vectors, dtype=object)

    def _arrays(self, prefix: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
        yield prefix + "weight", self._table()

    def __repr__(self) -> str:
        return f"Embedding({len(self.vectors)}, {len(self.vectors[0])})"
