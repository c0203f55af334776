"""Formulas: what the compiled engine runs in place of functions and rules of the table, bit by bit the same."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from references import REFERENCES

from autograd_mini import COMPILED, Value, operation
from autograd_mini.engine.formula import _Order, _Recorder, formula_of
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import TABLE, exp, log, sin, where
from autograd_mini.engine.value import evaluate

CORNERS = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 2.5, 3.0, 1e-300, -1e-5, 40.0, -40.0, 800.0, -800.0, 1e300]
SPECIAL = [*CORNERS, math.inf, -math.inf, math.nan, 5e-324, -1e300, 1.0 - 2.0**-53]
fixed = [op for op in TABLE.values() if not op.is_variadic]
needs_formulas = pytest.mark.skipif(not COMPILED, reason="the plain engine calls the functions and rules themselves")
every_fixed = pytest.mark.parametrize("op", fixed, ids=[op.name for op in fixed])


def bits(x: float) -> bytes:
    return struct.pack("d", math.nan if x != x else x)


def points(op: Operation) -> list[tuple[float, ...]]:
    rng = Random(op.name)
    numbers = SPECIAL if len(op.parameters) < 3 else SPECIAL[::2]
    return [
        *itertools.product(numbers, repeat=len(op.parameters)),
        *[REFERENCES[op.name].sample(rng) for _ in range(200)],
    ]


@every_fixed
def test_nodes_have_the_bits_that_functions_and_rules_give(op):
    for xs in points(op):
        node = op(*map(Value, xs))
        data, slopes = evaluate(op, list(xs), [True] * len(op.parameters))
        assert bits(node.data) == bits(data) == bits(op(*xs)), xs
        assert [*map(bits, node.local_derivatives)] == [*map(bits, slopes)], xs


@pytest.mark.parametrize("op", [op for op in TABLE.values() if op.is_variadic], ids=lambda op: op.name)
def test_nodes_of_any_number_of_operands_have_the_bits_that_functions_and_rules_give(op):
    rng = Random(op.name)
    for n in [1, 2, 3, 4, 5, 6, 7, 20, 127, 128, 129]:
        for pool in (SPECIAL, CORNERS[:11], [rng.gauss(0.0, 1.0) for _ in range(50)]):
            xs = rng.choices(pool, k=n + (op.name == "dot" and n % 2 == 0) + (op.name == "dist" and n % 2))
            node = op.apply([*map(Value, xs)])
            data, slopes = evaluate(op, xs, [True] * len(xs))
            assert bits(node.data) == bits(data) == bits(op.apply(xs)), xs
            assert [*map(bits, node.local_derivatives)] == [*map(bits, slopes)], xs


@needs_formulas
@every_fixed
def test_every_row_has_a_formula(op):
    assert formula_of(op, len(op.parameters)) is not None


@needs_formulas
def test_rows_of_any_number_of_operands_have_formulas_for_a_few():
    for op in (op for op in TABLE.values() if op.is_variadic):
        assert [formula_of(op, 2 * n) is not None for n in (0, 1, 64, 65)] == [False, True, True, False]


def listed(rule: Callable[..., Any]) -> list[Any]:
    """List the steps of a formula of x and y, jumps with their lengths."""
    recorder = _Recorder(2)
    place = recorder.place(rule(*recorder.symbols))
    steps, _ = _Order(recorder.first, recorder.steps, [place], [()]).listed()
    return [(name, places[1]) if name in ("if", "unless") else name for name, places in steps]


@needs_formulas
def test_what_one_side_of_a_where_needs_is_skipped_where_the_other_is_chosen():
    chosen = listed(lambda x, y: where(x > 0.0, exp(sin(x)), log(-x)))
    assert chosen == ["greater", ("unless", 2), "sin", "exp", ("if", 2), "neg", "log", "where"]
    nested = listed(lambda x, y: where(x > 0.0, where(y > 0.0, exp(x), 2.0), 1.0))
    assert nested == ["greater", ("unless", 4), "greater", ("unless", 1), "exp", "where", "where"]


@needs_formulas
def test_what_both_sides_need_or_others_is_computed_once_before_them():
    shared = listed(lambda x, y: where(x > 0.0, exp(sin(y)), log(sin(y))))
    assert shared == ["greater", "sin", ("unless", 1), "exp", ("if", 1), "log", "where"]
    used = listed(lambda x, y: where(x > 0.0, sin(y), 1.0) + sin(y))
    assert used == ["greater", "sin", "where", "add"]
    again = listed(lambda x, y: where(x > 0.0, sin(y), 1.0) / where(x > 0.0, exp(sin(y)), 2.0))
    assert again == ["greater", ("unless", 1), "sin", "where", ("unless", 1), "exp", "where", "div"]


@needs_formulas
def test_a_condition_that_is_a_constant_chooses_at_once():
    assert listed(lambda x, y: where(1.0, y, exp(x)) * 2.0) == ["mul"]


@needs_formulas
def test_few_steps_are_not_worth_a_jump():
    assert listed(lambda x, y: where(x > 0.0, x + y, x - y)) == ["greater", "add", "sub", "where"]


@needs_formulas
def test_a_product_is_a_step_with_the_only_sum_that_needs_it():
    assert listed(lambda x, y: x * y + x) == ["muladd"]
    assert listed(lambda x, y: x + x * y) == ["muladd"]
    assert listed(lambda x, y: (x * y + x) / (x * y)) == ["mul", "add", "div"]


def test_an_operation_that_a_user_defines_calls_its_functions():
    calls = []
    op = operation("twice(x)", lambda x: calls.append(x) or 2.0 * x, lambda out, x: 2.0 if calls else 0.0)
    assert op(Value(3.0)).local_derivatives == (2.0,)
    assert calls == [3.0]
    assert not any(op.formulas)
