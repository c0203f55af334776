"""Rounds of runs: what is copied between them, and what derivatives take of what rounds have computed."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import mpmath
import numpy as np
import pytest
from agreement import assert_agree
from rounds import unrolled

from autograd_mini import jit, scan, sigmoid, sin, softplus, tanh, value_and_grad
from autograd_mini import sum as total
from autograd_mini.compiler import parts
from autograd_mini.compiler.program import Rounds, Run, Scan

pytestmark = pytest.mark.usefixtures("backend")

UNITS = 4
RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(scale=0.5, size=(UNITS, UNITS + 2))
SERIES = RNG.normal(size=(3, 9))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile rounds as runs that are done in each of them, however short."""
    monkeypatch.setattr(parts, "STRAIGHT", 0)


def program_of(f: Callable[..., Any], *args: Any, **options: Any) -> tuple[str, list[Run]]:
    compiled = jit(f, **options)
    program = compiled.lower(*args).program
    (kernel,) = compiled._kernels.values()
    return program, kernel.program.each or kernel.program.once


def gates(loop: Callable[..., Any], weights: Any, xs: Any) -> Any:
    """Give the sum of the units of a recurrent layer of gates, each with a bias that is added last."""

    def step(units: Any, x: Any) -> Any:
        zs = [total(w * u for w, u in zip(row, units)) + row[-2] * x + row[-1] for row in weights]
        return [sigmoid(z) * u + tanh(x) for z, u in zip(zs, units, strict=True)], None

    return total(loop(step, [0.1 * (i + 1) for i in range(UNITS)], xs)[0])


def test_derivatives_of_gates_are_made_of_the_powers_that_gates_have_taken(runs: None) -> None:
    program, _ = program_of(value_and_grad(partial(gates, scan)), WEIGHTS, SERIES, in_axes=(None, 0), reduce="sum")
    forwards, backwards = program.split("rounds backwards", 1)
    assert re.search(r"v2 = sigmoid\(v1\)\n\s+v3 = neg\(v1\)\n\s+v4 = sigmoid\(v3\)", forwards)
    assert "sigmoid" not in backwards


def test_gradients_of_gates_are_those_of_the_loop_that_is_unrolled(runs: None) -> None:
    step = value_and_grad(partial(gates, unrolled))
    for large in (1.0, 50.0, 1e4):  # sigmoid' is of the size of 1e-300, or 0
        values, gradients = zip(*[step(large * WEIGHTS, xs) for xs in SERIES], strict=True)
        compiled = jit(value_and_grad(partial(gates, scan)), in_axes=(None, 0), reduce="sum")
        assert_agree(list(compiled(large * WEIGHTS, SERIES)), [sum(values), np.sum(gradients, axis=0)], floor=1e-14)


@pytest.mark.parametrize("x", [-800.0, -700.0, -40.0, -1.0, -1e-9, -0.0, 0.5, 36.0, 40.0, 700.0, 800.0])
def test_a_derivative_in_the_first_loop_is_as_accurate_as_elsewhere(runs: None, x: float) -> None:
    def steps(x: Any) -> Any:
        return scan(lambda c, w: (c + sigmoid(w * x) + softplus(w * x), None), 0.0, [1.0, 1.0])[0]

    _, found = jit(value_and_grad(steps))(x)
    with mpmath.workdps(50):
        e = mpmath.exp(-mpmath.mpf(x))
        expected = 2 * (e / (1 + e) ** 2 + 1 / (1 + e))
    assert found == pytest.approx(float(expected), rel=1e-13, abs=1e-300)


def test_arithmetic_stays_where_it_is(runs: None) -> None:
    """The reciprocals and quotients of a way back would be no less work in the first loop."""

    def rates(p: Any, xs: Any) -> Any:
        return scan(lambda c, x: (c + x - p[0] * c / (p[1] + c), None), p[2], xs)[0]

    program, _ = program_of(value_and_grad(rates), [0.5, 2.0, 1.0], SERIES[0])
    forwards, _ = program.split("rounds backwards", 1)
    assert forwards.count("div(") == 1


def exchange(loop: Callable[..., Any], p: Any, xs: Any) -> Any:
    """Give the sum of numbers of which b and c change places, e is kept, and a is read after its next one is known."""

    def step(carry: Any, x: Any) -> Any:
        a, b, c, d, e, f = carry
        following = sin(a * p + x)
        return [following, c, b, d + e, a * following, f * b + 1.0], e

    carry, kept = loop(step, [p, 2.0 * p, 3.0, 0.5, 1.5 * p, 0.25], xs)
    return total([*carry, *kept])


def test_the_next_number_of_a_carry_overwrites_the_one_before_unless_that_is_read_later(runs: None) -> None:
    _, listed = program_of(partial(exchange, scan), 0.7, SERIES, in_axes=(None, 0))
    (run,) = [run for run in listed if isinstance(run.pattern, Rounds)]
    before = run.columns["before"][:, 1].tolist()
    copied = {before.index(target) for _, target in run.columns["after"].tolist() if target in before}
    assert copied == {0, 1, 2, 4}  # d and f need no copy


def test_numbers_that_change_places_from_round_to_round_are_right(runs: None) -> None:
    step = value_and_grad(partial(exchange, unrolled))
    expected = [step(0.7, list(xs)) for xs in SERIES]
    assert_agree(jit(value_and_grad(partial(exchange, scan)))(0.7, SERIES[0]), expected[0], floor=1e-15)
    found = jit(value_and_grad(partial(exchange, scan)), in_axes=(None, 0))(0.7, SERIES)
    assert_agree(list(found), [np.array(x) for x in zip(*expected, strict=True)], floor=1e-15)


@pytest.mark.parametrize("length", [7, 8, 512])
def test_arrays_of_one_loop_do_not_begin_at_the_same_place_of_cache_lines(length: int) -> None:
    def f(xs: Any) -> Any:
        return scan(lambda c, x: (c * x, [c + x, c - x]), 1.0, xs)[1]

    _, listed = program_of(f, np.ones(length))
    (run,) = [run for run in listed if isinstance(run.pattern, Scan)]
    _, first, second = run.columns["results"].tolist()
    assert length <= second - first <= length + 1
    assert (second - first) % 8
