"""Loops that become one, and rounds for what is known of flags: they compute what the loops did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from agreement import assert_agree, bits
from rounds import unrolled

from autograd_mini import exp, greater, hessian, jacobian, jit, log, scan, sin, sqrt, where
from autograd_mini.compiler.program import Body, Scan

POINT = [0.05, -0.3, 0.8, 0.2]


def likelihood(loop: Any, xs: Any) -> Any:
    """Make a recursion over days, of four parameters."""

    def f(p: Any) -> Any:
        def day(carry: Any, x: Any) -> tuple[Any, None]:
            variance, total = carry
            shock = (x - p[0]) ** 2
            return (exp(p[1]) + p[2] * shock + p[3] * variance, total + log(variance) + shock / variance), None

        return loop(day, (exp(p[1]), 0.0), xs)[0][1]

    return f


def edges(loop: Any, xs: Any) -> Any:
    """Make a recursion whose derivatives are infinite in the first and last round, where nothing flows."""

    def f(p: Any) -> Any:
        def step(carry: Any, x: Any) -> tuple[Any, Any]:
            unused, y, z = carry
            return (sqrt(x * 0.0 * y), where(greater(x, 0.5), y * p[0], sin(z * p[1])), z + y * unused), y * z

        (_, y, z), ys = loop(step, (p[2], p[3], p[0]), xs)
        return [y * z, ys[0], ys[-1] * p[1]]

    return f


def scans(compiled: Any, runs: str = "once") -> list[Any]:
    """List the patterns of the loops in the program of a function that has been called."""
    (kernel,) = compiled._kernels.values()
    return [run.pattern for run in getattr(kernel.program, runs) if isinstance(run.pattern, Scan)]


def operations(body: Body) -> int:
    return sum(operation is not None for operation, _ in body.rows)


def series(length: int) -> list[float]:
    return [round(float(x), 3) for x in np.random.default_rng(length).normal(size=length)]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 7])
@pytest.mark.parametrize("model", [likelihood, edges])
@pytest.mark.parametrize("transform", [jacobian, lambda f: jacobian(jacobian(f))])
def test_derivatives_of_all_lengths_are_those_of_the_loop_that_is_unrolled(
    model: Any, transform: Any, length: int
) -> None:
    xs = series(length) if model is likelihood or length else [0.7]
    expected = transform(model(unrolled, xs))(POINT)
    assert_agree(jit(transform(model(scan, xs)))(POINT), expected)


def test_a_hessian_has_one_loop_for_all_directions_and_its_rounds_are_shorter_than_the_first_ones() -> None:
    compiled = jit(hessian(likelihood(scan, series(50))))
    compiled(POINT)
    loops = scans(compiled)
    assert [loop.reverse for loop in loops] == [False, True, False, True]
    for loop in loops[1:]:
        first, between, last = map(operations, loop.settled)
        assert between <= 0.75 * operations(loop.body)
        assert max(first, last) <= operations(loop.body)


@pytest.mark.parametrize("model", [likelihood, edges])
def test_native_rounds_that_are_settled_compute_what_whole_ones_do_with_numpy(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("llvmlite")
    results = []
    for backend in ("llvm", "numpy"):  # with NumPy all rounds are computed by what serves for each
        monkeypatch.setenv("AUTOGRAD_MINI_BACKEND", backend)
        results.append(jit(jacobian(jacobian(model(scan, series(20)))))(POINT))
    assert_agree(*results)


def test_loops_of_other_lengths_directions_and_arrays_stay_apart() -> None:
    xs = series(6)

    def f(p: Any) -> Any:
        def step(carry: Any, x: Any) -> tuple[Any, None]:
            return carry * p + x, None

        ends = [scan(step, p, xs)[0], scan(step, p, xs[:5])[0], scan(step, p, xs, reverse=True)[0]]
        return [*ends, scan(step, p, series(7)[:6])[0], scan(step, 2.0 * p, xs)[0]]

    compiled = jit(f)
    np.testing.assert_allclose(compiled(0.7), f(0.7), rtol=1e-12)
    assert len(scans(compiled)) == 4  # the first and the last one are together


def test_a_loop_of_each_example_and_one_of_all_stay_apart() -> None:
    xs = series(6)

    def f(p: Any, q: Any) -> Any:
        def step(factor: Any) -> Any:
            return lambda carry, x: (carry * factor + x, None)

        return scan(step(p), p, xs)[0] * scan(step(q), q, xs)[0]

    compiled = jit(f, in_axes=(0, None))
    ps = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(compiled(ps, 0.3), [f(p, 0.3) for p in ps.tolist()], rtol=1e-12)
    assert [len(scans(compiled, runs)) for runs in ("once", "each")] == [1, 1]


@pytest.mark.parametrize("first", [0.0, -0.0])
def test_a_carry_whose_zero_changes_its_sign_in_each_round_is_not_settled(first: float) -> None:
    def f(loop: Any) -> Any:
        def step(carry: Any, _: Any) -> tuple[Any, Any]:
            y, zero = carry
            return (y * 0.5, -zero), y * zero + where(zero, y, y * zero)

        return lambda y: loop(step, (y, first), [0.0] * 6)[1]

    assert bits(jit(f(scan))(2.0)) == bits(f(unrolled)(2.0))


def test_an_array_of_zeros_of_both_signs_is_not_settled() -> None:
    def f(y: Any) -> Any:
        return scan(lambda c, x: (c * y, x * where(x, y, 3.0)), y, np.array([1.0, 0.0, -0.0, 0.0, 1.0]))[1]

    assert [str(number) for number in jit(f)(2.0)] == ["2.0", "0.0", "-0.0", "0.0", "2.0"]
