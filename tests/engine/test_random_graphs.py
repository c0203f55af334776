"""Laws that speak of every graph, on random graphs with shared sub-expressions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import autograd_mini
from autograd_mini import Value, topological_order
from autograd_mini.transforms.check_grads import central_differences

with suppress(ImportError):  # the test that needs it is skipped where it is not installed
    import torch
    from torch.nn import functional

random_graphs = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@dataclass(frozen=True)
class Kind:
    """A kind of node: how it is computed here, and how by PyTorch, from the same operands."""

    ours: Callable[..., Any]
    torchs: Callable[..., Any]
    arity: int
    smooth: bool = True


def of(ours: Callable[..., Any], torchs: Callable[..., Any], arity: int, smooth: bool = True) -> Kind:
    return Kind(ours, torchs, arity, smooth)


# Most of these keep results moderate, so that graphs of hundreds of nodes stay finite.
KINDS: dict[str, Kind] = {
    "add": of(lambda x, y: x + y, lambda x, y: x + y, 2),
    "sub": of(lambda x, y: x - y, lambda x, y: x - y, 2),
    "mul": of(lambda x, y: x * y, lambda x, y: x * y, 2),
    "div": of(lambda x, y: x / (y * y + 1.0), lambda x, y: x / (y * y + 1.0), 2),
    "neg": of(lambda x: -x, lambda x: -x, 1),
    "number": of(lambda x: 2.0 - x * 0.5, lambda x: 2.0 - x * 0.5, 1),
    "square": of(lambda x: x**2, lambda x: x**2, 1),
    "pow": of(lambda x, y: (x * x + 0.5) ** autograd_mini.tanh(y), lambda x, y: (x * x + 0.5) ** torch.tanh(y), 2),
    "exp": of(lambda x: autograd_mini.exp(-x * x), lambda x: torch.exp(-x * x), 1),
    "log": of(lambda x: autograd_mini.log(x * x + 0.5), lambda x: torch.log(x * x + 0.5), 1),
    "sqrt": of(lambda x: autograd_mini.sqrt(x * x + 0.5), lambda x: torch.sqrt(x * x + 0.5), 1),
    "sin": of(autograd_mini.sin, lambda x: torch.sin(x), 1),
    "cos": of(autograd_mini.cos, lambda x: torch.cos(x), 1),
    "tanh": of(autograd_mini.tanh, lambda x: torch.tanh(x), 1),
    "atan": of(autograd_mini.atan, lambda x: torch.atan(x), 1),
    "asinh": of(autograd_mini.asinh, lambda x: torch.asinh(x), 1),
    "erf": of(autograd_mini.erf, lambda x: torch.erf(x), 1),
    "sigmoid": of(autograd_mini.sigmoid, lambda x: torch.sigmoid(x), 1),
    "softplus": of(autograd_mini.softplus, lambda x: functional.softplus(x, threshold=700.0), 1),
    "silu": of(autograd_mini.silu, lambda x: functional.silu(x), 1),
    "gelu": of(autograd_mini.gelu, lambda x: functional.gelu(x), 1),
    "hypot": of(lambda x, y: autograd_mini.hypot(x, y, 1.0), lambda x, y: torch.sqrt(x * x + y * y + 1.0), 2),
    "logsumexp": of(
        lambda x, y, z: autograd_mini.logsumexp([x, y, z]), lambda x, y, z: torch.stack([x, y, z]).logsumexp(0), 3
    ),
    "softmax": of(
        lambda x, y: autograd_mini.softmax([x, y, 1.0])[0],
        lambda x, y: torch.softmax(torch.stack([x, y, torch.ones_like(x)]), 0)[0],
        2,
    ),
    "sum": of(lambda x, y, z: autograd_mini.sum([x, y, z]), lambda x, y, z: x + y + z, 3),
    "dot": of(
        lambda w, x, bias: autograd_mini.dot([w, x], [x, 0.5], bias), lambda w, x, bias: w * x + x * 0.5 + bias, 3
    ),
    "relu": of(lambda x: x.relu(), lambda x: torch.relu(x), 1, smooth=False),
    "leaky_relu": of(autograd_mini.leaky_relu, lambda x: functional.leaky_relu(x, 0.01), 1, smooth=False),
    "elu": of(autograd_mini.elu, lambda x: functional.elu(x), 1, smooth=False),
    "abs": of(abs, abs, 1, smooth=False),
    "maximum": of(autograd_mini.maximum, lambda x, y: torch.maximum(x, y), 2, smooth=False),
    "minimum": of(autograd_mini.minimum, lambda x, y: torch.minimum(x, y), 2, smooth=False),
    "clip": of(lambda x: autograd_mini.clip(x, -1.0, 1.5), lambda x: torch.clamp(x, -1.0, 1.5), 1, smooth=False),
    "where": of(
        lambda x, y: autograd_mini.where(autograd_mini.greater(x, y), x, y * 2.0),
        lambda x, y: torch.where(x > y, x, y * 2.0),
        2,
        smooth=False,
    ),
    "sign": of(lambda x: autograd_mini.sign(x) + x, lambda x: torch.sign(x) + x, 1, smooth=False),
    "floor": of(lambda x: x - autograd_mini.floor(x), lambda x: x - torch.floor(x), 1, smooth=False),
}
SMOOTH = [name for name, kind in KINDS.items() if kind.smooth]
BOUNDED = ["tanh", "sin", "cos", "sigmoid", "exp", "atan", "erf"]

Step = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class Recipe:
    """A random graph: the leaves' data, and for each node its kind and which earlier nodes it takes."""

    leaves: tuple[float, ...]
    steps: tuple[Step, ...]

    def nodes(self, leaves: Sequence[Any], build: Callable[[Kind], Callable[..., Any]]) -> list[Any]:
        nodes = list(leaves)
        for name, operands in self.steps:
            kind = KINDS[name]
            nodes.append(build(kind)(*(nodes[i] for i in operands)))
        return nodes

    def values(self) -> list[Value]:
        return self.nodes([Value(x) for x in self.leaves], lambda kind: kind.ours)


@st.composite
def recipes(draw: st.DrawFn, kinds: Sequence[str] = tuple(KINDS), largest: int = 300) -> Recipe:
    """Random graphs whose last node is computed, directly or not, from much of the rest.

    Operands are counted back from the newest node, near ones mostly, so that graphs grow deep; each
    takes part as often as it is drawn, so that sub-expressions are shared.
    """
    leaves = draw(st.lists(st.floats(-2.0, 2.0).map(lambda x: round(x, 3)), min_size=1, max_size=6))
    size = draw(st.integers(1, largest) | st.integers(largest // 2, largest))
    random = Random(draw(st.integers(0, 2**32)))
    steps: list[Step] = []
    for position in range(len(leaves), len(leaves) + size):
        # Every third node is bounded: products of products leave float64's range within a dozen nodes.
        name = random.choice(BOUNDED) if len(steps) % 3 == 2 else random.choice(list(kinds))
        back = [min(position, 1 + int(random.expovariate(0.15))) for _ in range(KINDS[name].arity)]
        steps.append((name, tuple(position - b for b in back)))
    return Recipe(tuple(leaves), tuple(steps))


def backward_from(root: Value, seed: float = 1.0) -> list[Value]:
    root.backward(seed)
    return topological_order(root)


def magnitudes(order: Sequence[Value], seed: float = 1.0) -> dict[Value, float]:
    """Backpropagate absolute values: what rounding errors of a gradient are in proportion to.

    The terms of a gradient may cancel, and functions that saturate have derivatives such as 1 - tanh**2,
    whose errors are in proportion to 1; hence the allowance on each local derivative.
    """
    sizes = dict.fromkeys(order, 0.0)
    sizes[order[-1]] = abs(seed)
    for node in reversed(order):
        for operand, partial in zip(node.inputs, node.local_grads, strict=True):
            sizes[operand] += sizes[node] * (abs(partial) + 1e-2)
    return sizes


def is_well_conditioned(order: Sequence[Value]) -> bool:
    """Whether rounding stays rounding, so that two correct engines must agree.

    It does not where a chain of steep functions has blown it up (the sine of ten million), nor where
    it decides which side of a kink or step an operand is on; exact ties are the same everywhere.
    """
    errors = dict.fromkeys(order, 0.0)
    for node in order:
        operands = list(zip(node.inputs, node.local_grads, strict=True))
        passed_on = sum(abs(partial) * (errors[operand] + 1e-16 * abs(operand.data)) for operand, partial in operands)
        errors[node] = passed_on + 1e-16 * abs(node.data)
        if not errors[node] <= 1e-12 * max(1.0, abs(node.data)):
            return False
        if node.op is not None and 0.0 < distance_to_kink(node) < 1e-9:
            return False
    return True


def distance_to_kink(node: Value) -> float:
    assert node.op is not None
    x, *others = [operand.data for operand in node.inputs]
    match node.op.name:
        case "relu" | "leaky_relu" | "elu" | "abs" | "sign":
            return abs(x)
        case "maximum" | "minimum" | "greater" | "clip":
            return min(abs(x - other) for other in others)
        case "floor":
            return abs(x - round(x))
    return math.inf


def clear(nodes: Sequence[Value]) -> None:
    for node in nodes:
        node.grad = 0.0


# Against PyTorch.


@random_graphs
@given(recipes())
def test_values_and_all_gradients_agree_with_pytorch(recipe: Recipe) -> None:
    pytest.importorskip("torch")
    values = recipe.values()
    leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in recipe.leaves]
    tensors = recipe.nodes(leaves, lambda kind: kind.torchs)
    for tensor in tensors:
        tensor.retain_grad()
    values[-1].backward()
    tensors[-1].backward()

    theirs = [0.0 if tensor.grad is None else tensor.grad.item() for tensor in tensors]
    assume(all(map(math.isfinite, theirs)))
    order = topological_order(values[-1])
    assume(is_well_conditioned(order))
    # The values carry an error of up to 1e-12, on which the local derivatives depend in their turn.
    sizes = magnitudes(order)
    for value, tensor, grad in zip(values, tensors, theirs, strict=True):
        if value in sizes:
            assert value.data == pytest.approx(tensor.item(), rel=1e-11, abs=1e-11)
            assert abs(value.grad - grad) <= 1e-10 * sizes[value]
        else:
            assert value.grad == grad == 0.0


# Against finite differences.


@random_graphs
@given(recipes(kinds=SMOOTH, largest=40))
def test_leaf_gradients_agree_with_central_differences(recipe: Recipe) -> None:
    def function(xs: Sequence[float]) -> float:
        root = recipe.nodes([Value(x) for x in xs], lambda kind: kind.ours)[-1]
        return root.data  # type: ignore[no-any-return]

    values = recipe.values()
    values[-1].backward()
    ours = [value.grad for value in values[: len(recipe.leaves)]]
    # Where the function bends within the step of about 1e-5, differences say nothing about the slope.
    assume(is_nearly_linear(function, recipe.leaves))
    differences = central_differences(function, recipe.leaves)
    assert ours == pytest.approx(differences, rel=1e-6, abs=1e-8 * max(1.0, abs(values[-1].data)))


def is_nearly_linear(function: Callable[[Sequence[float]], float], xs: Sequence[float], step: float = 1e-3) -> bool:
    """Whether one-sided slopes over a step far longer than that of the differences nearly agree."""
    here = function(xs)
    for i, x in enumerate(xs):
        after = (function([*xs[:i], x + step, *xs[i + 1 :]]) - here) / step
        before = (here - function([*xs[:i], x - step, *xs[i + 1 :]])) / step
        if not abs(after - before) < 0.02 * (1.0 + abs(after)):
            return False
    return True


@random_graphs
@given(recipes(kinds=SMOOTH, largest=12))
def test_first_and_second_derivatives_pass_check_grads(recipe: Recipe) -> None:
    def function(xs: Sequence[Any]) -> Any:
        return recipe.nodes(xs, lambda kind: kind.ours)[-1]

    def slope(i: int) -> Callable[[Sequence[float]], float]:
        return lambda xs: autograd_mini.grad(function)(list(xs))[i]  # type: ignore[no-any-return]

    assume(is_nearly_linear(lambda xs: float(function([Value(x) for x in xs]).data), recipe.leaves))
    assume(all(is_nearly_linear(slope(i), recipe.leaves) for i in range(len(recipe.leaves))))
    size = max(1.0, *(abs(slope(i)(recipe.leaves)) for i in range(len(recipe.leaves))))
    autograd_mini.check_grads(function, (list(recipe.leaves),), order=2, rtol=1e-4, atol=1e-6 * size)


@random_graphs
@given(recipes(largest=60))
def test_the_graph_of_the_gradient_has_the_gradient_as_its_value(recipe: Recipe) -> None:
    values = recipe.values()
    order = backward_from(values[-1])
    assume(all(math.isfinite(node.grad) for node in order))
    points = [Value(x) for x in recipe.leaves]
    graphs = autograd_mini.grad(lambda xs: recipe.nodes(xs, lambda kind: kind.ours)[-1])(points)
    sizes = magnitudes(order)
    for graph, leaf in zip(graphs, values, strict=False):
        assert abs(graph.data - leaf.grad) <= 1e-12 * sizes.get(leaf, 0.0)


# Properties of backward().


@random_graphs
@given(recipes())
def test_backward_twice_doubles_leaf_gradients_and_no_others(recipe: Recipe) -> None:
    order = backward_from(recipe.values()[-1])
    once = [node.grad for node in order]
    assume(all(map(math.isfinite, once)))
    order[-1].backward()
    sizes = magnitudes(order)
    for node, grad in zip(order, once, strict=True):
        if node.is_leaf and node.requires_grad:
            assert abs(node.grad - 2.0 * grad) <= 1e-14 * sizes[node]
        elif not node.is_leaf:
            assert node.grad == grad


@random_graphs
@given(recipes(), st.sampled_from([-4.0, -1.0, 0.0, 0.5, 1024.0]))
def test_gradients_scale_with_the_seed(recipe: Recipe, seed: float) -> None:
    order = backward_from(recipe.values()[-1])
    once = [node.grad for node in order]
    assume(all(g == 0.0 or 1e-290 < abs(g) < 1e290 for g in once))
    clear(order)
    order[-1].backward(seed)
    # Seeds are powers of two (or 0), with which float64 multiplies exactly.
    assert [node.grad for node in order] == [seed * grad for grad in once]


@random_graphs
@given(recipes())
def test_topological_order_has_each_node_once_and_operands_before_results(recipe: Recipe) -> None:
    root = recipe.values()[-1]
    order = topological_order(root)
    place = {node: i for i, node in enumerate(order)}
    assert len(place) == len(order)
    assert order[-1] is root
    for node in order:
        for operand in node.inputs:
            assert place[operand] < place[node]
    reached = {root}.union(*(node.inputs for node in order))
    assert set(order) == reached


@random_graphs
@given(recipes(largest=14))
def test_gradient_is_the_sum_over_all_paths(recipe: Recipe) -> None:
    root = recipe.values()[-1]
    order = backward_from(root)
    assume(all(math.isfinite(node.grad) for node in order))
    sums = dict.fromkeys(order, 0.0)
    sizes = dict.fromkeys(order, 0.0)
    paths = [(root, 1.0)]
    for steps, (node, product) in enumerate(paths):
        assume(steps < 20_000)
        sums[node] += product
        sizes[node] += abs(product)
        paths += [(operand, product * partial) for operand, partial in zip(node.inputs, node.local_grads, strict=True)]
    for node in order:
        assert node.grad == pytest.approx(sums[node], rel=1e-12, abs=1e-12 * sizes[node])


@random_graphs
@given(recipes(largest=40), st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
def test_backward_is_linear_in_the_root(recipe: Recipe, a: float, b: float) -> None:
    nodes = recipe.values()
    leaves, f, g = nodes[: len(recipe.leaves)], nodes[-1], nodes[len(nodes) // 2]
    f.backward(a)
    g.backward(b)
    one_by_one = [leaf.grad for leaf in leaves]
    assume(all(map(math.isfinite, one_by_one)))
    clear(leaves)
    (a * f + b * g).backward()
    sizes = magnitudes(topological_order(a * f + b * g))
    for leaf, grad in zip(leaves, one_by_one, strict=True):
        assert abs(leaf.grad - grad) <= 1e-13 * sizes.get(leaf, 0.0)


@random_graphs
@given(recipes())
def test_building_twice_gives_the_same_floats(recipe: Recipe) -> None:
    first, second = recipe.values(), recipe.values()
    first[-1].backward()
    second[-1].backward()
    assert repr([(v.data, v.grad) for v in first]) == repr([(v.data, v.grad) for v in second])
