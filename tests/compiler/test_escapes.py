"""Traced numbers outside of their trace, refusals that a function catches, and data that a trace would take with it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import autograd_mini
from autograd_mini import TracingError, Value, draw, explain, grad, hessian, jit, topological_order


@pytest.fixture
def escaped() -> Any:
    """Give a number that has left the function that was traced."""
    box: list[Any] = []
    jit(lambda x: box.append(x * 3.0) or x * 2.0)(1.0)  # the line where it was made
    return box[0]


USES: list[Callable[[Any], Any]] = [
    lambda x: x * 2.0,
    lambda x: 2.0 - x,
    lambda x: Value(1.0) * x,
    lambda x: autograd_mini.exp(x),
    lambda x: autograd_mini.sum([Value(1.0), x]),
    lambda x: autograd_mini.dot([1.0], [x]),
    lambda x: x > 1.0,
    lambda x: jit(lambda y: y)(x),
    lambda x: jit(lambda y: y * x)(1.0),
    lambda x: grad(lambda y: y * x)(1.0),
    lambda x: grad(lambda y: y)(x),
]


@pytest.mark.parametrize("place", range(len(USES)))
def test_an_escaped_number_names_the_line_where_it_was_made(escaped: Any, place: int) -> None:
    with pytest.raises(TracingError, match=r"test_escapes.*line where it was made.*outside"):
        USES[place](escaped)


def test_a_worker_thread_is_outside_of_the_trace() -> None:
    with ThreadPoolExecutor(1) as pool:

        def compute(x: Any) -> Any:
            y = x * 2.0  # the line where it was made
            return pool.submit(lambda: y * y).result()

        with pytest.raises(TracingError, match="line where it was made"):
            jit(compute)(1.0)
        with pytest.raises(TracingError, match="outside"):
            jit(lambda x: pool.submit(lambda: x > 1.0).result())(1.0)


def test_a_traced_function_may_wait_for_a_thread_that_compiles_another() -> None:
    inner = jit(lambda y: y * 3.0)
    with ThreadPoolExecutor(1) as pool:
        assert jit(lambda x: x * pool.submit(inner, 2.0).result())(1.0) == 6.0


@pytest.mark.parametrize(
    "decide",
    [lambda x: x > 1.0, lambda x: bool(x), lambda x: float(x), lambda x: x.data, lambda x: {x: 1}, lambda x: x == 1.0],
)
def test_a_refusal_is_not_lost_though_the_function_catches_it(decide: Callable[[Any], Any]) -> None:
    def f(x: Any) -> Any:
        try:
            big = decide(x)
        except TypeError:
            big = False
        return x * 3.0 if big else x * 30.0

    with pytest.raises(TracingError, match="test_escapes"):
        jit(f)(2.0)
    with pytest.raises(TracingError):
        jit(grad(f))(2.0)


def test_a_function_takes_traced_numbers_for_values() -> None:
    def f(x: Any) -> Any:
        match x:
            case Value():
                return x * 2.0
        return x * 5.0

    assert jit(f)(1.0) == jit(grad(f))(1.0) == 2.0
    assert jit(lambda x: 2.0 * x if isinstance(x, Value) else 7.0)(1.0) == 2.0


def test_data_that_is_assigned_on_the_way() -> None:
    def f(x: Any) -> Any:
        y = x * x
        z = y * 2.0
        y.data = 5.0
        return z * y

    with pytest.raises(TracingError, match="assigning"):
        jit(f)(2.0)
    with pytest.raises(ValueError, match="computed before"):
        hessian(f)(2.0)

    def g(x: Any) -> Any:
        y = x * x
        x.data = -x.data  # the same square, another derivative
        return y

    with pytest.raises(ValueError, match="computed before"):
        hessian(g)(3.0)


def test_a_gradient_is_not_read_in_a_trace() -> None:
    w = Value(2.0)
    w.grad = 3.0
    with pytest.raises(TracingError, match="grad"):
        jit(lambda x: x * w.grad)(1.0)
    with pytest.raises(TracingError, match="grad"):
        jit(lambda x: x * x.grad)(1.0)


@pytest.mark.parametrize("look", [topological_order, draw, explain])
def test_what_looks_at_a_graph_says_why_it_does_not_in_a_trace(look: Callable[[Any], Any]) -> None:
    with pytest.raises(TracingError, match="without jit"):
        jit(lambda x: look(x * 2.0))(1.0)


def test_a_traced_number_checks_its_label() -> None:
    with pytest.raises(TypeError, match="label"):
        jit(lambda x: setattr(x, "label", 3) or x)(1.0)


def test_a_copied_function_still_sees_what_it_captured() -> None:
    w = Value(2.0)
    f = jit(lambda x: w * x)
    assert f(1.0) == 2.0
    other = copy.deepcopy(f)
    w.data = 5.0
    assert (f(1.0), other(1.0)) == (5.0, 5.0)
