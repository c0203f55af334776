"""Laws that speak of every graph, on random graphs with shared sub-expressions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from recipes import SMOOTH, Calculus, Recipe, choices, compute_choices, is_well_conditioned, magnitudes, recipes

import autograd_mini
from autograd_mini import Value, topological_order

with suppress(ImportError):  # the test that needs it is skipped where it is not installed
    import torch

random_graphs = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def backward_from(root: Value, seed: float = 1.0) -> list[Value]:
    root.backward(seed)
    return topological_order(root)


def clear(nodes: Sequence[Value]) -> None:
    for node in nodes:
        node.grad = 0.0


# Against PyTorch.


@random_graphs
@given(recipes())
def test_values_and_all_gradients_agree_with_pytorch(recipe: Recipe) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
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
        return lambda xs: autograd_mini.grad(function)(list(xs))[i]

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


# Choices, against calculus.


@random_graphs
@given(choices)
def test_what_was_not_chosen_contributes_nothing_to_first_and_second_derivatives(recipe: Recipe) -> None:
    right = Calculus(recipe)
    assume(right.results)
    leaves = list(recipe.leaves)
    count = len(leaves)
    value, slopes = right.results[0], right.results[1 : count + 1]
    bends = np.reshape(right.results[count + 1 :], (count, count))
    slope_errors = right.errors[1 : count + 1]
    bend_errors = np.reshape(right.errors[count + 1 :], (count, count))

    def function(xs: Sequence[Any]) -> Any:
        return compute_choices(autograd_mini, recipe.steps, xs)

    values = [Value(x) for x in leaves]
    root = function(values)
    root.backward()
    assert abs(root.data - value) <= right.errors[0]
    assert np.all(np.abs(np.subtract([v.grad for v in values], slopes)) <= slope_errors)
    assert np.all(np.abs(np.subtract(autograd_mini.grad(function)(leaves), slopes)) <= slope_errors)
    for i in range(count):
        _, tangent = autograd_mini.jvp(function, (leaves,), ([float(i == j) for j in range(count)],))
        assert abs(tangent - slopes[i]) <= slope_errors[i]
    assert np.all(np.abs(np.subtract(autograd_mini.hessian(function)(leaves), bends)) <= bend_errors)
    twice = autograd_mini.grad(lambda xs: autograd_mini.sum(autograd_mini.grad(function)(xs)))(leaves)
    assert np.all(np.abs(np.subtract(twice, bends.sum(axis=0))) <= bend_errors.sum(axis=0))


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
        for operand in node.operands:
            assert place[operand] < place[node]
    reached = {root}.union(*(node.operands for node in order))
    assert set(order) == reached


CHOICES = {"relu", "maximum", "minimum", "clip", "where", "less", "less_equal", "greater", "greater_equal"}


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
        paths += [
            (operand, product * partial)
            for operand, partial in zip(node.operands, node.local_derivatives, strict=True)
            if partial != 0.0 or node.op.name not in CHOICES  # what was not chosen contributes nothing
        ]
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
