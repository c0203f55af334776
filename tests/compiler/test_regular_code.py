"""Regular structure as loops: sums of products and products over a batch, whatever is mapped and however many."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

from autograd_mini import dot, jit, relu, sin, tanh, value_and_grad

pytestmark = pytest.mark.usefixtures("backend")

BATCH = 11
KINDS = ["mapped", "shared"]


def numbers(kind: str, *shape: int) -> Any:
    """Random numbers, for each example if they are mapped."""
    rng = np.random.default_rng([len(kind), *shape])
    return rng.normal(size=(BATCH, *shape) if kind == "mapped" else shape)


def axis(kind: str) -> int | None:
    return 0 if kind == "mapped" else None


def each_example(array: Any, kind: str) -> Any:
    return array if kind == "mapped" else np.broadcast_to(array, (BATCH, *array.shape))


def products(layers: Sequence[Any]) -> list[Any]:
    return [
        [dot(list(row), list(vector), bias) for row, bias in zip(matrix, start, strict=True)]
        for matrix, vector, start in layers
    ]


@pytest.mark.parametrize("reduce", [None, "sum"])
@pytest.mark.parametrize("kinds", list(product(KINDS, repeat=3))[:-1], ids="-".join)
def test_matrices_times_vectors_plus_vectors(kinds: tuple[str, str, str], reduce: str | None) -> None:
    layers, expected = [], []
    for rows, terms in [(1, 1), (1, 5), (3, 4), (4, 3), (5, 8), (9, 16), (13, 2)]:
        arrays = [numbers(kind, *shape) for kind, shape in zip(kinds, [(rows, terms), (terms,), (rows,)], strict=True)]
        matrices, vectors, starts = map(each_example, arrays, kinds)
        layers.append(arrays)
        expected.append((np.einsum("bij,bj->bi", matrices, vectors) + starts).T)
    found = jit(products, in_axes=([[axis(kind) for kind in kinds]] * len(layers),), reduce=reduce)(layers)
    for results, right in zip(found, expected, strict=True):
        folded = right.sum(axis=1) if reduce else right
        np.testing.assert_allclose(results, folded, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("lefts", [1, 2, 3, 7])
@pytest.mark.parametrize("rights", [1, 3, 4, 5, 9])
def test_products_over_a_batch_are_added_up(lefts: int, rights: int) -> None:
    """The gradient of a layer's weights: each delta times each input, over all examples."""
    compiled = jit(
        lambda x, y: [[a * b for b in y] for a in x] + [[a * a for a in x], [2.0 * b * x[0] for b in y]],
        in_axes=0,
        reduce="sum",
    )
    for size in (1, 3, 8, 300):
        rng = np.random.default_rng(size)
        x, y = rng.normal(size=(size, lefts)), rng.normal(size=(size, rights))
        *outer, squares, others = compiled(x, y)
        np.testing.assert_allclose(outer, x.T @ y, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(squares, (x * x).sum(axis=0), rtol=1e-12)
        np.testing.assert_allclose(others, 2.0 * x[:, 0] @ y, rtol=1e-11, atol=1e-11)


def test_products_over_a_batch_need_not_be_results_in_their_order() -> None:
    compiled = jit(lambda x, y: [[a * b for a in x] for b in y], in_axes=0, reduce="sum")
    x, y = numbers("mapped", 5), numbers("mapped", 6)
    np.testing.assert_allclose(compiled(x, y), y.T @ x, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("stride", [1, 2, 3, -1])
def test_factors_may_lie_at_any_distance(stride: int) -> None:
    def function(w: Sequence[Any], x: Sequence[Any]) -> list[Any]:
        chosen = list(w)[::stride]
        return [sum(a * b for a, b in zip(chosen[i : i + 6], x, strict=True)) for i in range(len(chosen) - 6)]

    w, x = numbers("shared", 40), numbers("mapped", 6)
    found = jit(function, in_axes=(None, 0))(w, x)
    chosen = w[::stride]
    expected = [[chosen[i : i + 6] @ row for row in x] for i in range(len(chosen) - 6)]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "order", [[0, 1, 2, 3, 4], [1, 4, 7, 10], [11, 9, 7], [0, 1, 3, 7, 2, 2], [5, 5, 5], [8]], ids=str
)
@pytest.mark.parametrize("kind", KINDS)
def test_factors_that_rows_share_may_lie_anywhere(kind: str, order: Sequence[int]) -> None:
    def function(w: Sequence[Sequence[Any]], x: Sequence[Any]) -> list[Any]:
        return [sum(a * x[i] for a, i in zip(row, order, strict=True)) for row in w] + [relu(b) for b in x]

    w, x = numbers(kind, 7, len(order)), numbers("mapped", 12)
    found = jit(function, in_axes=(axis(kind), 0))(w, x)
    expected = np.einsum("bij,bj->ib", each_example(w, kind), x[:, order])
    np.testing.assert_allclose(found[:7], expected, rtol=1e-12, atol=1e-12)


def test_results_of_one_pattern_may_need_each_other() -> None:
    def function(x: Any) -> list[Any]:
        states = [x]
        for _ in range(50):
            states.append(sin(states[-1]) * 0.5 + states[len(states) // 2])
        return states

    xs = np.linspace(-1.0, 1.0, BATCH)
    found = jit(function, in_axes=0)(xs)
    for i, x in enumerate(xs):
        np.testing.assert_allclose([state[i] for state in found], function(x), rtol=1e-13)


@pytest.mark.parametrize(("inputs", "width", "outputs"), [(1, 1, 1), (2, 3, 1), (3, 8, 5), (17, 9, 4)])
@pytest.mark.parametrize("activation", [relu, tanh], ids=["relu", "tanh"])
def test_training_steps_of_networks_of_odd_sizes(inputs: int, width: int, outputs: int, activation: Any) -> None:
    def loss(layers: Any, x: Any, target: Any) -> Any:
        for weights, biases in layers:
            x = [activation(dot(list(row), list(x), bias)) for row, bias in zip(weights, biases, strict=True)]
        return sum((a - b) ** 2 for a, b in zip(x, target, strict=True))

    sizes = [(width, inputs), (width, width), (outputs, width)]
    layers = [(numbers("shared", *size), numbers("shared", size[0])) for size in sizes]
    x, y = numbers("mapped", inputs), numbers("mapped", outputs)
    value, gradients = jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce="mean")(layers, x, y)
    runs = [value_and_grad(loss)(layers, *example) for example in zip(x, y, strict=True)]
    assert value == pytest.approx(np.mean([run[0] for run in runs]), rel=1e-12)
    for layer, found in enumerate(gradients):
        for part in (0, 1):
            expected = np.mean([run[1][layer][part] for run in runs], axis=0)
            np.testing.assert_allclose(found[part], expected, rtol=1e-11, atol=1e-12)
