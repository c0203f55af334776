"""Simplification: what is left of a function, and that no bit of its results is."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from operator import neg
from typing import Any

import pytest
from agreement import bits

import autograd_mini
from autograd_mini import Value, exp, grad, greater, hessian, jit, tanh, value_and_grad, where

pytest.importorskip("llvmlite", reason="compiling needs the extra jit: llvmlite")

inf, nan = math.inf, math.nan
SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.5, 5e-324, -1e308, inf, -inf, nan]


def operations_of(function: Callable[..., Any], *arguments: Any) -> list[str]:
    """List the names of the operations of the simplified graph."""
    lines = jit(function).lower(*(arguments or (1.0, 2.0))).graph.splitlines()
    return [line.split(" = ")[1].split("(")[0] for line in lines if " = " in line]


def same_bits(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or bits(a) == bits(b)


# What is left out.


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (lambda x, y: x * 1.0 + 1.0 * y, ["add"]),
        (lambda x, y: x / 1.0 - (y - 0.0), ["sub"]),
        (lambda x, y: x**1 * y**1, ["mul"]),
        (lambda x, y: neg(neg(x)) + neg(neg(y)), ["add"]),
        (lambda x, y: x + -y, ["sub"]),
        (lambda x, y: (-x) * (-y), ["mul"]),
        (lambda x, y: x + (-0.0) + y, ["add"]),
        (lambda x, y: x * (2.0 * 3.0 + 4.0 / 8.0), ["mul"]),
        (lambda x, y: x + exp(Value(0.0)) * tanh(Value(0.0)), ["add"]),
        (lambda x, y: where(1.0, x, y) + where(0.0, x, y), ["add"]),
        (lambda x, y: where(greater(x, y), x, x), []),
        (lambda x, y: x / 4.0, ["mul"]),
        (lambda x, y: x**0 + y**0, []),
    ],
)
def test_what_changes_nothing_is_left_out(function: Callable[..., Any], left: list[str]) -> None:
    assert operations_of(function) == left


def test_constants_are_folded_to_their_last_bit() -> None:
    def function(x: Any) -> list[Any]:
        a, b = Value(0.1), Value(0.2)
        return [a + b, a * b, exp(a), tanh(b) / a, a ** Value(0.3), Value(1.0) / 0.0, Value(-1.0) ** 0.5]

    assert operations_of(function, 1.0) == []
    expected = [number.data for number in function(1.0)]
    assert all(itertools.starmap(same_bits, zip(jit(function)(1.0), expected, strict=True)))


def test_dead_nodes_are_dropped() -> None:
    def function(x: Any, y: Any) -> Any:
        unused = exp(x) + y
        for _ in range(10):
            unused = tanh(unused * y)
        return x * y

    assert operations_of(function) == ["mul"]


def test_common_subexpressions_are_shared() -> None:
    def function(x: Any, y: Any) -> Any:
        return exp(x * y) + tanh(exp(y * x)) + exp(x * y) * (y + x) + (x + y)

    left = operations_of(function)
    assert (left.count("exp"), left.count("mul"), left.count("tanh")) == (1, 2, 1)
    assert left.count("add") == 4, "x + y once, and the three sums"


def test_operands_that_do_not_commute_are_not_confused() -> None:
    assert operations_of(lambda x, y: (x - y) * (y - x) + x / y + y / x).count("sub") == 2
    assert jit(lambda x, y: [x - y, y - x, x / y, y / x, x**y, y**x])(2.0, 3.0) == [-1, 1, 2 / 3, 1.5, 8.0, 9.0]


def test_the_value_is_not_computed_again_for_the_gradient() -> None:
    left = operations_of(value_and_grad(lambda x, y: exp(x) * exp(y), argnums=(0, 1)))
    assert (left.count("exp"), left.count("mul")) == (2, 1)


def test_a_gradient_that_needs_no_value_computes_none() -> None:
    assert operations_of(grad(lambda x, y: x * exp(y))) == ["exp"]
    assert operations_of(hessian(lambda x, y: x * x * 3.0 + y)) == []


def test_zeros_of_different_sign_are_different_constants() -> None:
    positive, negative = jit(lambda x: [where(x, 0.0, 1.0), where(x, -0.0, 1.0)])(1.0)
    assert (math.copysign(1.0, positive), math.copysign(1.0, negative)) == (1.0, -1.0)


# What must not be left out, since some number makes a difference.

KEPT: list[Callable[[Any], Any]] = [
    lambda x: x * 0.0,
    lambda x: 0.0 * x,
    lambda x: x + 0.0,
    lambda x: 0.0 + x,
    lambda x: -0.0 - x,
    lambda x: 0.0 - x,
    lambda x: x - x,
    lambda x: x / x,
    lambda x: x - (-0.0),
    lambda x: 0.0 / x,
    lambda x: (x + 1e16) - 1e16,
    lambda x: (x * 3.0) / 3.0,
    lambda x: x * 2.0 * 3.0,
    lambda x: x / 3.0,
    lambda x: x / 5e-324,
    lambda x: x / 2.0**1023,
    lambda x: (x - 1.0) - (x - 1.0),
    lambda x: exp(autograd_mini.log(x)),
    lambda x: autograd_mini.sqrt(x * x),
    lambda x: (-x) + (-x),
    lambda x: -(x - 1.0),
    lambda x: (-x) * 3.0,
    lambda x: where(x, x * 0.0, x / 0.0),
    lambda x: where(greater(x, 0.0) * 0.0, x, -x),
    lambda x: autograd_mini.maximum(x, x),
    lambda x: abs(abs(x)),
    lambda x: x**0.5 - autograd_mini.sqrt(x),
    lambda x: autograd_mini.sum([x, 0.0, -0.0]),
    lambda x: autograd_mini.dot([x, 0.0], [0.0, x]),
    lambda x: autograd_mini.prod([x, x, 0.0]),
]


def test_results_keep_every_bit_for_special_numbers() -> None:
    compiled = jit(lambda x: [function(x) for function in KEPT])
    for x in SPECIAL:
        expected = [function(Value(x)).data for function in KEPT]
        for i, (found, right) in enumerate(zip(compiled(x), expected, strict=True)):
            assert same_bits(found, right), f"KEPT[{i}] of {x} is {found}, should be {right}"


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, 0.5, 4, -2])
def test_powers_to_constants_agree_with_the_engine_also_in_their_derivatives(exponent: float) -> None:
    function = value_and_grad(lambda x: x**exponent)
    compiled = jit(function)
    for x in SPECIAL:
        for found, right in zip(compiled(x), function(x), strict=True):
            assert (math.isnan(found) and math.isnan(right)) or found == pytest.approx(right, rel=1e-15)


def test_the_graph_is_shown_one_operation_a_line() -> None:
    graph = jit(lambda x, y: [exp(x) * 3.0 + y, x, 2.5]).lower(1.0, 2.0).graph
    lines = r"(v\d+) = exp\(x0\)", r"(v\d+) = mul\(\1, 3\.0\)", r"(v\d+) = add\(\2, x1\)", r"return \3, x0, 2\.5"
    assert re.fullmatch("\n".join(lines), graph)
