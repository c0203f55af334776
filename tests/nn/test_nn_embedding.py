"""Embedding: look-up, gradients, saving, training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd_mini import Value, jit
from nn import MLP, SGD, Embedding, Module, fit


def test_gradients_are_pytorchs() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    ours, theirs = Embedding(4, 3, seed=1), torch.nn.Embedding(4, 3, dtype=torch.float64)
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    vectors = ours([1, 3, 1])
    sum((x * x * (i + 1) for i, row in enumerate(vectors) for x in row), Value(0.0)).backward()
    out = theirs(torch.tensor([1, 3, 1]))
    (out * out * torch.tensor([[1.0], [2.0], [3.0]])).sum().backward()
    grads = [[x.grad for x in row] for row in ours.vectors]
    np.testing.assert_allclose(grads, theirs.weight.grad.numpy(), rtol=1e-14)


def test_an_index_out_of_range_is_refused() -> None:
    with pytest.raises(IndexError, match="from 0 to 3, not 4"):
        Embedding(4, 3)(4)


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0)])
def test_sizes_are_counts(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        Embedding(*sizes)


def test_the_table_is_assigned_as_a_whole() -> None:
    embedding = Embedding(2, 2)
    embedding.weight = [[1, 2], [3, 4]]
    assert [x.data for x in embedding(1)] == [3.0, 4.0]
    with pytest.raises(ValueError, match="weight"):
        embedding.weight = [[1, 2]]
    assert embedding.weight.tolist() == [[1.0, 2.0], [3.0, 4.0]]


class Bigram(Module):
    def __init__(self) -> None:
        self.embedding = Embedding(3, 2, seed=1)
        self.head = MLP(2, [3], seed=2)

    def __call__(self, x: Any) -> Any:
        return self.head(self.embedding(x[0]))


def test_compiled_it_is_what_it_is_eagerly() -> None:
    model = Bigram()
    f = jit(lambda i: model([i]))
    for i in (0.0, 2.0, 1.0):
        np.testing.assert_allclose([float(v) for v in f(i)], [v.data for v in model([i])], rtol=1e-14)


@pytest.mark.parametrize("compiled", [False, True])
def test_fit_trains_it(compiled: bool) -> None:
    model = Bigram()
    X, y = [[0], [1], [2]] * 4, [1, 2, 0] * 4
    optimizer = SGD(model.parameters(), lr=0.5)
    history = fit(model, X, y, loss="cross_entropy_from_logits", optimizer=optimizer, epochs=60, seed=1, jit=compiled)
    assert history.loss[-1] < 0.1 < history.loss[0]
