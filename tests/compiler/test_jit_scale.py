"""jit on graphs of 10 to 200,000 nodes: right, and with code that grows with the patterns, not with the nodes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from recipes import magnitudes

import autograd_mini
from autograd_mini import Lowered, Value, dot, exp, jit, relu, sin, sqrt, tanh, topological_order, value_and_grad

pytest.importorskip("llvmlite", reason="compiling needs the extra jit: llvmlite")


def node_count(lowered: Lowered) -> int:
    """Count the operations of the simplified graph."""
    return lowered.graph.count(" = ")


def function_lengths(lowered: Lowered) -> list[int]:
    """Count the lines of each function of the generated code."""
    return [body.count("\n") for body in re.findall(r"^define .*?^}", lowered.llvm_ir, re.MULTILINE | re.DOTALL)]


def assert_close(actual: Any, expected: Any, tolerance: float = 1e-12) -> None:
    """Compare arrays of sums, whose rounding errors are in proportion to the largest of them."""
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


# Layers.


def mlp_loss(layers: Sequence[Any], x: Sequence[Any], target: Sequence[Any]) -> Any:
    """Squared error of a ReLU network."""
    for weights, biases in layers:
        outputs = [dot(row, x, bias) for row, bias in zip(weights, biases, strict=True)]
        x = [relu(output) for output in outputs]
    return autograd_mini.sum([(output - y) ** 2 for output, y in zip(outputs, target, strict=True)])


class Network:
    """Random parameters and examples for a network, and its gradient, compiled."""

    def __init__(self, *sizes: int) -> None:
        rng = np.random.default_rng(0)
        self.layers = [(rng.normal(size=(n, m)) / math.sqrt(m), rng.normal(size=n)) for m, n in pairwise(sizes)]
        self.examples = (rng.normal(size=(9, sizes[0])), rng.normal(size=(9, sizes[-1])))
        self.compiled = jit(value_and_grad(mlp_loss), in_axes=(None, 0, 0), reduce="mean")

    def lower(self) -> Lowered:
        return self.compiled.lower(self.layers, *self.examples)


def test_the_code_of_a_wide_network_is_that_of_a_narrow_one_and_its_gradient_is_pytorchs() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    narrow, wide = Network(20, 12, 10).lower(), Network(784, 128, 10)
    lowered = wide.lower()
    assert node_count(lowered) > 100_000
    assert len(function_lengths(lowered)) == len(function_lengths(narrow))
    assert len(lowered.llvm_ir) < 1.01 * len(narrow.llvm_ir)

    tensors = [[torch.tensor(part, requires_grad=True) for part in layer] for layer in wide.layers]
    xs, ys = map(torch.tensor, wide.examples)
    for weights, biases in tensors:
        outputs = xs @ weights.T + biases
        xs = outputs.relu()
    loss = ((outputs - ys) ** 2).sum(dim=1).mean()
    loss.backward()
    value, gradients = wide.compiled(wide.layers, *wide.examples)
    assert value == pytest.approx(loss.item(), rel=1e-12)
    for layer, found in zip(tensors, gradients, strict=True):
        for tensor, part in zip(layer, found, strict=True):
            assert_close(part, tensor.grad.numpy())


# Loops through time.


def recurrent_loss(inner: Any, outer: Any, biases: Any, inputs: Sequence[Any]) -> Any:
    state: Sequence[Any] = [0.0] * len(biases)
    for x in inputs:
        state = [
            tanh(dot(row, state, bias) + weight * x) for row, weight, bias in zip(inner, outer, biases, strict=True)
        ]
    return autograd_mini.sum(state)


def path_payoff(drift: Any, volatility: Any, shocks: Sequence[Any]) -> Any:
    """What an option at the money pays at the end of one path of a Black-Scholes model, for a price of 1 now."""
    step = 1.0 / len(shocks)
    price = 1.0
    for shock in shocks:
        price = price * exp((drift - 0.5 * volatility**2) * step + volatility * math.sqrt(step) * shock)
    return autograd_mini.maximum(price - 1.0, 0.0)


def test_a_recurrent_net_of_60_steps_agrees_with_the_engine_and_needs_no_more_code_than_one_of_20() -> None:
    rng = np.random.default_rng(0)
    inner, outer, biases, inputs = (0.4 * rng.normal(size=shape) for shape in ((8, 8), 8, 8, 60))
    derive = value_and_grad(recurrent_loss, argnums=(0, 1, 2))
    compiled = jit(derive)
    long, short = compiled.lower(inner, outer, biases, inputs), compiled.lower(inner, outer, biases, inputs[:20])
    assert node_count(long) > 2.8 * node_count(short)
    assert len(long.llvm_ir) < 1.05 * len(short.llvm_ir)
    value, gradients = compiled(inner, outer, biases, inputs)
    expected_value, expected = derive(inner, outer, biases, inputs)
    assert value == pytest.approx(expected_value, rel=1e-12)
    for found, right in zip(gradients, expected, strict=True):
        assert_close(found, right)


def test_greeks_over_paths_of_250_steps_are_numpys_and_need_no_more_code_than_those_of_50() -> None:
    drift, volatility = 0.03, 0.2
    shocks = np.random.default_rng(0).normal(size=(1000, 250))
    compiled = jit(value_and_grad(path_payoff, argnums=(0, 1)), in_axes=(None, None, 0), reduce="mean")
    long, short = (compiled.lower(drift, volatility, paths) for paths in (shocks, shocks[:, :50]))
    assert node_count(long) > 4.8 * node_count(short)
    assert len(long.llvm_ir) < 1.05 * len(short.llvm_ir)

    walk = shocks.sum(axis=1) / math.sqrt(250)
    prices = np.exp(drift - 0.5 * volatility**2 + volatility * walk)
    paying = prices > 1.0
    value, (rho, vega) = compiled(drift, volatility, shocks)
    assert value == pytest.approx(np.mean(np.maximum(prices - 1.0, 0.0)), rel=1e-12)
    assert rho == pytest.approx(np.mean(paying * prices), rel=1e-12)
    assert vega == pytest.approx(np.mean(paying * prices * (walk - volatility)), rel=1e-12)


# Pairs.


def energy(positions: Any) -> Any:
    """Gravitational energy of bodies of mass 1, softened at close range."""
    total = 0.0
    for p, q in combinations(positions, 2):
        total = total - 1.0 / sqrt(sum((a - b) ** 2 for a, b in zip(p, q, strict=True)) + 0.01)
    return total


def test_forces_between_bodies_are_newtons_and_their_code_does_not_grow_with_the_pairs() -> None:
    positions = np.random.default_rng(0).normal(size=(40, 3))
    compiled = jit(value_and_grad(energy))
    many, few = compiled.lower(positions), compiled.lower(positions[:20])
    assert node_count(many) > 4 * node_count(few)
    assert len(many.llvm_ir) < 1.3 * len(few.llvm_ir)

    differences = positions[:, None] - positions
    distances = np.sqrt((differences**2).sum(axis=2) + 0.01)
    value, slopes = compiled(positions)
    assert value == pytest.approx(-(1.0 / distances)[np.triu_indices(40, 1)].sum(), rel=1e-12)
    assert_close(slopes, (differences / distances[..., None] ** 3).sum(axis=1))


# Irregular graphs.

KINDS: list[Callable[[Any, Any], Any]] = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: 0.5 * x * y,
    lambda x, y: 0.9 * tanh(x) + 0.1 * y,
    lambda x, y: sin(x + y),
    lambda x, y: exp(-x * x),
    lambda x, y: x / (1.0 + y * y),
]


def random_graph(size: int) -> Callable[[Sequence[Any]], Any]:
    """Make a function of about as many operations, of kinds and operands that follow no rule."""
    random = Random(size)

    def back() -> int:
        return 1 + int(random.expovariate(0.1))

    steps = [(random.choice(KINDS), back(), back()) for _ in range(size)]

    def function(xs: Sequence[Any]) -> Any:
        nodes = list(xs)
        for kind, i, j in steps:
            nodes.append(kind(nodes[-min(i, len(nodes))], nodes[-min(j, len(nodes))]))
        return nodes[-1]

    return function


XS = [0.3, -0.2, 0.7, 0.1]


def assert_code_is_bounded(lowered: Lowered) -> None:
    assert len(lowered.llvm_ir) < 300_000
    assert max(function_lengths(lowered)) < 1_000


@pytest.mark.parametrize("size", [10, 300, 3000, 10_000])
def test_gradients_of_irregular_graphs_agree_with_the_engine_and_their_code_is_bounded(size: int) -> None:
    function = random_graph(size)
    leaves = [Value(x) for x in XS]
    root = function(leaves)
    root.backward()
    allowance = magnitudes(topological_order(root))
    compiled = jit(value_and_grad(function))
    value, slope = compiled(XS)
    assert abs(value - root.data) <= 1e-11
    for derivative, leaf in zip(slope, leaves, strict=True):
        assert abs(derivative - leaf.grad) <= 1e-11 * allowance.get(leaf, 0.0)
    assert_code_is_bounded(compiled.lower(XS))


def test_an_irregular_graph_of_200_000_nodes_agrees_with_the_engine_and_its_code_is_bounded() -> None:
    function = random_graph(120_000)
    compiled = jit(function)
    assert abs(compiled(XS) - function(XS)) <= 1e-11
    assert node_count(compiled.lower(XS)) > 200_000
    assert_code_is_bounded(compiled.lower(XS))


# Depth and width.


def test_depth_costs_no_recursion() -> None:
    def chain(x: Any) -> Any:
        for _ in range(30_000):
            x = sin(x) * 0.999
        return x

    compiled = jit(chain)
    assert compiled(1.0) == pytest.approx(chain(1.0), rel=1e-9)
    assert node_count(compiled.lower(1.0)) == 60_000
    assert len(compiled.lower(1.0).llvm_ir) < 50_000


@pytest.mark.parametrize(
    "total",
    [lambda xs: sum(x * x for x in xs), lambda xs: dot(xs, xs), lambda xs: autograd_mini.sum([x * x for x in xs])],
    ids=["built-in sum", "dot", "sum"],
)
def test_width_costs_no_code(total: Callable[[Any], Any]) -> None:
    xs = np.random.default_rng(0).normal(size=8_000)
    compiled = jit(value_and_grad(total))
    value, slope = compiled(xs)
    assert value == pytest.approx(math.fsum(x * x for x in xs), rel=1e-12)
    np.testing.assert_array_equal(slope, 2.0 * xs)
    assert len(compiled.lower(xs).llvm_ir) < 50_000


def test_a_function_may_have_very_many_results() -> None:
    xs = np.linspace(-1.0, 1.0, 5_000)
    compiled = jit(lambda xs: [x * x + 1.0 for x in xs])
    assert compiled(xs) == [x * x + 1.0 for x in xs.tolist()]
    assert len(compiled.lower(xs).llvm_ir) < 50_000
