"""Random graphs through jit: values and gradients are the engine's, for numbers and for batches of all sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from agreement import bits
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from recipes import (
    BOUNDED,
    EDGES,
    KINDS,
    Calculus,
    Recipe,
    choices,
    compute_choices,
    is_well_conditioned,
    magnitudes,
    recipes,
)

import autograd_mini
from autograd_mini import Value, hessian, jit, topological_order, value_and_grad

pytestmark = pytest.mark.usefixtures("backend")

SIZES = [0, 1, 3, 4, 5, 7, 8, 9, 1000]
ROWS = 12  # different examples of a batch; the engine is slow with them

# Each example compiles a few kernels.
few = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def last_node(recipe: Recipe) -> Any:
    """Make the function that a recipe is, of a list of numbers."""
    return lambda xs: recipe.nodes(xs, lambda kind: kind.ours)[-1]


class Example:
    """What the engine gives for some leaves, and how far rounding may be off."""

    COLUMNS = ("leaves", "results", "errors")

    def __init__(self, recipe: Recipe, leaves: Sequence[float]) -> None:
        values = Recipe(tuple(leaves), recipe.steps).values()
        root = values[-1]
        root.backward()
        order = topological_order(root)
        sizes = magnitudes(order)
        self.leaves = list(leaves)
        self.results = [root.data, *(value.grad for value in values[: len(leaves)])]
        self.errors = [1e-12 * max(1.0, abs(root.data)), *(1e-11 * sizes.get(v, 0.0) for v in values[: len(leaves)])]
        self.is_sound = all(map(math.isfinite, [*self.results, *self.errors])) and is_well_conditioned(order)


def examples_near(recipe: Recipe) -> tuple[list[int | None], list[Example]]:
    """Choose which leaves are mapped, and give examples, as far as two correct engines must agree on them.

    The examples are the recipe's own leaves, and others near to them where they are mapped.
    """
    rng = Random(repr(recipe.leaves))
    axes = [rng.choice((0, 0, None)) for _ in recipe.leaves]
    axes[rng.randrange(len(axes))] = 0
    others = [
        [x if axis is None else x + rng.uniform(-0.5, 0.5) for x, axis in zip(recipe.leaves, axes, strict=True)]
        for _ in range(ROWS - 1)
    ]
    return axes, [example for leaves in [recipe.leaves, *others] if (example := Example(recipe, leaves)).is_sound]


def arguments(axes: Sequence[int | None], rows: Any, shared: Sequence[float]) -> list[Any]:
    """Give an array for each leaf that is mapped, and one number for each other."""
    return [x if axis is None else column for axis, column, x in zip(axes, rows.T, shared, strict=True)]


@few
@given(recipes(largest=80))
def test_values_and_gradients_agree_with_the_engine(recipe: Recipe) -> None:
    axes, examples = examples_near(recipe)
    assume(examples)
    compiled = jit(value_and_grad(last_node(recipe)))
    for example in examples:
        value, slope = compiled(example.leaves)
        assert np.all(np.abs(np.subtract([value, *slope], example.results)) <= example.errors)
    leaves, expected, errors = (np.array([getattr(e, name) for e in examples]) for name in Example.COLUMNS)
    compiled = jit(value_and_grad(last_node(recipe)), in_axes=(axes,))
    for size in SIZES:
        rows = np.arange(size) % len(examples)
        value, slope = compiled(arguments(axes, leaves[rows], recipe.leaves))
        assert np.all(np.abs(np.column_stack([value, *slope]) - expected[rows]) <= errors[rows])


@few
@given(recipes(largest=50), st.sampled_from(["sum", "mean"]))
def test_batches_are_folded_as_the_engine_adds_up(recipe: Recipe, reduce: str) -> None:
    axes, examples = examples_near(recipe)
    assume(examples)
    compiled = jit(value_and_grad(last_node(recipe)), in_axes=(axes,), reduce=reduce)
    leaves, results, errors = (np.array([getattr(e, name) for e in examples]) for name in Example.COLUMNS)
    for size in SIZES[1:]:
        rows = np.arange(size) % len(examples)
        value, slope = compiled(arguments(axes, leaves[rows], recipe.leaves))
        divisor = size if reduce == "mean" else 1
        expected = [math.fsum(column) / divisor for column in results[rows].T]
        rounding = 1e-14 * np.abs(results[rows]).sum(axis=0) / divisor
        assert np.all(np.abs(np.subtract([value, *slope], expected)) <= errors[rows].sum(axis=0) / divisor + rounding)


# Where every operation is rounded exactly, so must graphs be, and simplification may change no bit: not of inf and
# nan, nor the sign of zero.

EXACT = ["add", "sub", "mul", "div", "neg", "number", "sqrt", "sum", "dot", "relu", "leaky_relu", "abs"]
EXACT += ["maximum", "minimum", "clip", "where", "sign", "floor"]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 3.0, -2.5, 5e-324, 1e-200, 1e200, -1e308, math.inf, -math.inf, math.nan]


@st.composite
def exact_recipes(draw: st.DrawFn) -> Recipe:
    """Random graphs of operations that are rounded exactly, with special numbers as leaves."""
    recipe = draw(recipes(kinds=EXACT, largest=60))
    random = Random(repr(recipe))
    exact = [(random.choice(EXACT[:6]) if name in BOUNDED else name, operands) for name, operands in recipe.steps]
    steps = [(name, tuple(operands[i % len(operands)] for i in range(KINDS[name].arity))) for name, operands in exact]
    return Recipe(tuple(random.choice(SPECIAL) for _ in recipe.leaves), tuple(steps))


def numbers_of(results: Sequence[Any]) -> list[float]:
    """Give the data of Values: one nan for all of them, whose bits mean nothing, and of derivatives one zero.

    Whether a derivative of zero has a sign depends on which of the factors 1 were left out.
    """
    value, *slopes = [float(x.data if isinstance(x, Value) else x) for x in results]
    return [math.nan if math.isnan(x) else x for x in (value, *[slope + 0.0 for slope in slopes])]


@few
@given(exact_recipes())
def test_exactly_rounded_graphs_and_their_gradients_are_the_same_to_the_last_bit(recipe: Recipe) -> None:
    derive = value_and_grad(last_node(recipe))
    random = Random(0)
    rows = [recipe.leaves, *(tuple(random.choice(SPECIAL) for _ in recipe.leaves) for _ in range(20))]
    expected = []
    for row in rows:
        value, slope = derive([Value(x) for x in row])
        expected.append(numbers_of([value, *slope]))
    compiled = jit(derive)
    for row, right in zip(rows, expected, strict=True):
        value, slope = compiled(list(row))
        assert bits(numbers_of([value, *slope])) == bits(right)
    value, slope = jit(derive, in_axes=0)([np.array(column) for column in zip(*rows, strict=True)])
    for results, right in zip(np.column_stack([value, *slope]), expected, strict=True):
        assert bits(numbers_of(results)) == bits(right)


# Choices, against calculus: what was not chosen contributes nothing, though it be infinite.


def assert_right(results: Sequence[Any], right: Calculus) -> None:
    """Compare a value, and the derivatives that there are, with what calculus says."""
    found = np.concatenate([np.ravel(part) for part in results])
    count = len(found)
    assert np.all(np.abs(found - right.results[:count]) <= right.errors[:count])


@few
@given(choices, st.randoms(use_true_random=False))
def test_choices_and_their_first_and_second_derivatives_are_right(recipe: Recipe, random: Random) -> None:
    def function(xs: Sequence[Any]) -> Any:
        return compute_choices(autograd_mini, recipe.steps, xs)

    def derive(xs: Sequence[Any]) -> Any:
        return *value_and_grad(function)(xs), hessian(function)(xs)

    rows = [recipe.leaves, *(tuple(random.choice(EDGES) for _ in recipe.leaves) for _ in range(20))]
    rights = [(row, Calculus(Recipe(row, recipe.steps))) for row in rows]
    known = [(row, right) for row, right in rights if right.results]
    assume(known)
    single, compiled = jit(derive), jit(derive, in_axes=0)
    for row, right in known[:3]:
        assert_right(single(list(row)), right)
    columns = [np.array(column) for column in zip(*[row for row, _ in known], strict=True)]
    value, slopes, bends = compiled(columns)
    for i, (_, right) in enumerate(known):
        assert_right([value[i], [slope[i] for slope in slopes], [[b[i] for b in row] for row in bends]], right)


@few
@given(choices, st.randoms(use_true_random=False))
def test_captured_values_are_read_in_each_call(recipe: Recipe, random: Random) -> None:
    captured = {i: Value(x) for i, x in enumerate(recipe.leaves) if i % 2}

    def function(xs: Sequence[Any]) -> Any:
        leaves = [captured.get(i, xs[i // 2]) for i in range(len(recipe.leaves))]
        return compute_choices(autograd_mini, recipe.steps, leaves)

    compiled = jit(value_and_grad(function))
    for _ in range(4):
        right = Calculus(recipe)
        if right.results:
            value, slopes = compiled(list(recipe.leaves[::2]))
            expected = [right.results[0], *right.results[1 : len(recipe.leaves) + 1 : 2]]
            errors = [right.errors[0], *right.errors[1 : len(recipe.leaves) + 1 : 2]]
            assert np.all(np.abs(np.subtract([value, *slopes], expected)) <= errors)
        recipe = Recipe(tuple(random.choice(EDGES) for _ in recipe.leaves), recipe.steps)
        for i, leaf in captured.items():
            leaf.data = recipe.leaves[i]
