"""Every operation of the table through jit: value, gradient and Hessian, for numbers and for batches.

The engine as interpreted, which the compiler does not use, says what is right. How an
operation alone is lowered is tested in test_lowering.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from agreement import assert_agree
from references import REFERENCES, rows_of

from autograd_mini import hessian, jit, value_and_grad
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import TABLE

pytestmark = pytest.mark.usefixtures("backend")

SAMPLES = 20
HESSIANS = 80  # rows; the engine is slow with them
SIZES = [0, 1, 3, 4, 5, 7, 8, 9, 1000]

every_operation = pytest.mark.parametrize("op", TABLE.values(), ids=TABLE.keys())


def of_operands(op: Operation) -> Callable[..., Any]:
    """Make the function of an operation's operands: `sum`, `dot` and others are called with sequences of them."""
    return lambda *operands: op.apply(operands)


def columns(rows: Sequence[Any]) -> Any:
    """Turn a list of results, nested alike, into one result of arrays."""
    if isinstance(rows[0], tuple):
        return tuple([columns(part) for part in zip(*rows, strict=True)])
    return np.array(rows)


def first(count: int, batch: Any) -> Any:
    """Repeat a batch, or cut it, so that it has as many examples."""
    if isinstance(batch, tuple):
        return tuple([first(count, part) for part in batch])
    return np.resize(batch, count) if count else batch[:0]


@every_operation
def test_value_and_gradient_agree_with_the_engine(op: Operation) -> None:
    for rows in rows_of(op.name, SAMPLES):
        derive = value_and_grad(of_operands(op), argnums=tuple(range(len(rows[0]))))
        compiled = jit(derive)
        expected = [derive(*row) for row in rows]
        for row, right in zip(rows, expected, strict=True):
            assert_agree(compiled(*row), right)
        batch, results = columns(rows), columns(expected)
        compiled = jit(derive, in_axes=0)
        for size in [*SIZES, len(rows)]:
            assert_agree(compiled(*first(size, batch)), first(size, results))


@every_operation
def test_hessian_agrees_with_the_engine(op: Operation) -> None:
    sign_changes = REFERENCES[op.name].sign_changes
    for rows in rows_of(op.name, SAMPLES):
        second = hessian(of_operands(op), argnums=tuple(range(len(rows[0]))))
        compiled = jit(second, in_axes=0)
        for is_near, floor in ((True, 1e-15), (False, 0.0)):
            some = [row for row in rows if any(abs(row[0] - place) < 0.5 for place in sign_changes) == is_near]
            if some:
                expected = columns([second(*row) for row in some[:HESSIANS]])
                assert_agree(compiled(*columns(some[:HESSIANS])), expected, floor=floor)


@pytest.mark.parametrize("mapped", [0, 1], ids=["first", "second"])
def test_operands_may_be_numbers_of_the_batch_and_numbers_of_an_example(mapped: int) -> None:
    binary = [op for op in TABLE.values() if len(op.parameters) == 2]
    numbers = [0.0, -0.0, 1.0, -2.5, 3.0, 0.1, -np.inf, np.nan, 1e300]

    def every_operation(x: Any, y: Any) -> list[Any]:
        return [value_and_grad(op, argnums=(0, 1))(x, y) for op in binary]

    compiled = jit(every_operation, in_axes=(0, None) if mapped == 0 else (None, 0))
    for number in numbers:
        arguments: list[Any] = [number, number]
        arguments[mapped] = np.array(numbers)
        rows = [(x, number) if mapped == 0 else (number, x) for x in numbers]
        expected = [columns(results) for results in zip(*[every_operation(*row) for row in rows], strict=True)]
        assert_agree(compiled(*arguments), expected)


def test_a_number_of_all_examples_is_an_operand_of_every_operation() -> None:
    """What depends on no mapped argument is computed once, by code without lanes."""
    unary = [op for op in TABLE.values() if len(op.parameters) == 1]
    numbers = [0.5, 2.0, -3.0, 0.0, np.inf]

    def every_operation(x: Any, y: Any) -> list[Any]:
        return [op(x) + y for op in unary]

    compiled = jit(every_operation, in_axes=(None, 0))
    for number in numbers:
        expected = [np.array([op(number) + y for y in numbers]) for op in unary]
        assert_agree(compiled(number, np.array(numbers)), expected)
