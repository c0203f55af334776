"""Products that loops add up are added up after them: the same numbers, however the loop is written."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from agreement import assert_agree
from rounds import unrolled

from autograd_mini import jit, scan, tanh, value_and_grad
from autograd_mini import sum as total
from autograd_mini.compiler.program import Scan

pytestmark = pytest.mark.usefixtures("backend")

UNITS, FEATURES = 5, 3
RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(scale=0.5, size=(UNITS, UNITS + FEATURES))
SERIES = RNG.normal(size=(4, 7, FEATURES))


def recurrent(loop: Callable[..., Any], weights: Any, xs: Any) -> Any:
    """Give the mean square of a recurrent layer's units after each step, divided by the number of units."""

    def step(units: Any, x: Any) -> Any:
        inputs = [*units, *x]
        units = [tanh(total(w * y for w, y in zip(row, inputs, strict=True))) for row in weights]
        return units, total(u * u for u in units)

    return total(loop(step, [0.1] * UNITS, xs)[1])


@pytest.mark.parametrize("length", [1, 2, 3, 7])
@pytest.mark.parametrize("options", [{}, {"reverse": True}, {"checkpoint": 1}, {"checkpoint": 3}], ids=str)
def test_gradients_of_a_recurrent_layer_are_those_of_the_loop_that_is_unrolled(length: int, options: Any) -> None:
    xs = SERIES[0, :length]
    reverse = options.get("reverse", False)
    expected = value_and_grad(partial(recurrent, partial(unrolled, reverse=reverse)))(WEIGHTS, xs)
    assert_agree(jit(value_and_grad(partial(recurrent, partial(scan, **options))))(WEIGHTS, xs), expected, floor=1e-15)


def test_gradients_of_a_batch_are_those_of_its_examples() -> None:
    step = value_and_grad(partial(recurrent, scan))
    value, gradient = jit(step, in_axes=(None, 0), reduce="sum")(WEIGHTS, SERIES)
    values, gradients = zip(*[step(WEIGHTS, xs) for xs in SERIES], strict=True)
    assert_agree([value, gradient], [sum(values), np.sum(gradients, axis=0)], floor=1e-14)


def test_products_are_added_up_block_by_block_and_not_in_the_loop_that_multiplies() -> None:
    compiled = jit(value_and_grad(partial(recurrent, scan)))
    compiled(WEIGHTS, SERIES[0])
    (kernel,) = compiled._kernels.values()
    carries = [run.pattern.carries for run in kernel.program.once if isinstance(run.pattern, Scan)]
    blocks = [3 * 3, 3 * 3, 3 * 2, 2 * 3, 2 * 3, 2 * 2]  # of 5 units' and 8 inputs' products
    assert sorted(carries) == sorted([UNITS, *blocks, UNITS])
