"""What a traced function may do, and what it is told if it asks for a number."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini
from autograd_mini import (
    TracingError,
    Value,
    dot,
    draw,
    exp,
    explain,
    grad,
    jit,
    no_grad,
    operation,
    relu,
    value_and_grad,
    where,
)
from autograd_mini.compiler.trace import Trace, trace
from autograd_mini.transforms.trees import NUMBER, Structure, flatten

BRANCHING = r"where\(autograd_mini\.greater\(x, y\), a, b\), maximum, minimum, clip or relu"
MATH = r"call autograd_mini\.exp\(v\)"


def record(function: Callable[..., Any], *structures: Structure) -> Trace:
    """Trace a function, of one number unless told otherwise."""
    return trace(function, structures or (NUMBER,))


# What is recorded, row by row.


def test_what_a_function_computes_is_recorded_as_it_is() -> None:
    recorded = record(lambda x, y: {"a": (x * 1.0 + y) * 2, "b": [exp(y), x, 3]}, NUMBER, NUMBER)
    assert str(recorded.graph).splitlines() == [
        "v1 = mul(x0, 1.0)",
        "v2 = add(v1, x1)",
        "v3 = mul(v2, 2.0)",
        "v4 = exp(x1)",
        "return v3, v4, x0, 3.0",
    ]
    assert (recorded.graph.arguments, recorded.captured) == (2, [])
    assert recorded.result == flatten({"a": 1.0, "b": [2.0, 3.0, 4.0]}, "a tree")[1]


def test_a_function_gets_what_it_takes_for_values() -> None:
    seen: list[Any] = []
    record(lambda x: seen.append(x) or seen.append(x * 2.0) or exp(x))
    assert [(isinstance(x, Value), type(x) is Value) for x in seen] == [(True, False)] * 2


def test_an_operation_of_many_operands_is_one_row() -> None:
    vector = flatten([1.0, 2.0], "a vector")[1]
    recorded = record(lambda w, x: dot(w, x, 0.5) + autograd_mini.sum(w), vector, vector)
    assert str(recorded.graph).splitlines() == [
        "v1 = dot(x0, x1, x2, x3, 0.5)",
        "v2 = sum(x0, x1)",
        "v3 = add(v1, v2)",
        "return v3",
    ]


def test_a_value_from_outside_is_a_row_that_is_given_in_each_call() -> None:
    weight = Value(2.0)
    recorded = record(lambda x: weight * x + weight)
    assert [captured is weight for captured in recorded.captured] == [True]
    assert str(recorded.graph).splitlines() == ["v1 = mul(x1, x0)", "v2 = add(v1, x1)", "return v2"]


def test_a_value_that_the_function_makes_is_a_constant() -> None:
    recorded = record(lambda x: Value(2.0) * x)
    assert (str(recorded.graph), recorded.captured) == ("v1 = mul(2.0, x0)\nreturn v1", [])


def test_what_lets_no_gradient_through_is_recorded_as_detached() -> None:
    def function(x: Any) -> Any:
        with no_grad():
            factor = exp(x)
        return factor * x.detach()

    assert str(record(function).graph).splitlines() == [
        "v1 = exp(x0)",
        "v2 = detach(v1)",
        "v3 = detach(x0)",
        "v4 = mul(v2, v3)",
        "return v4",
    ]


# Law 7: no decision is frozen.


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda x: x if x > 0.0 else -x, BRANCHING),
        (lambda x: x if 0.0 >= x else -x, BRANCHING),
        (lambda x: 1.0 * (x < 2.0), BRANCHING),
        (lambda x: x <= x * x, BRANCHING),
        (lambda x: 1.0 if x == 0.0 else 2.0, BRANCHING),
        (lambda x: 1.0 if np.int64(1) != x else 2.0, BRANCHING),
        (lambda x: 1.0 if x in (1, 2) else 2.0, BRANCHING),
        (lambda x: 0.0 if x != x else x, BRANCHING),  # whether it is nan
        (lambda x: x if x in [x * 1.0, x + 0.0] else -x, BRANCHING),
        (lambda x: x if x * 2.0 in {1.0, 2.0} else -x, BRANCHING),
        (lambda x: {1.0: 5.0}.get(x, 1.0), BRANCHING),
        (lambda x: max(x, 1.0), BRANCHING),
        (lambda x: min([x, 2.0 * x]), BRANCHING),
        (lambda x: sorted([x, 1.0, -x])[0], BRANCHING),
        (lambda x: x and 1.0, BRANCHING),
        (lambda x: not x, BRANCHING),
        (lambda x: any([x, 0.0]), BRANCHING),
        (lambda x: bool(x * 0.0), BRANCHING),
        (lambda x: np.maximum(x, 1.0), BRANCHING),
        (lambda x: x.data, "compute with the Value itself"),
        (lambda x: (x * x).item(), "compute with the Value itself"),
        (lambda x: 1.0 if x.data > 0.0 else 2.0, "compute with the Value itself"),
        (lambda x: float(x), MATH),
        (lambda x: math.exp(x), MATH),
        (lambda x: math.sqrt(x + 1.0), MATH),
        (lambda x: np.float64(x), MATH),
        (lambda x: np.array([x, 1.0], dtype=float), MATH),
        (lambda x: int(x), r"write autograd_mini\.trunc\(v\)"),
        (lambda x: f"{x:.3f}", "compute with the Value itself"),
        (lambda x: (x * x).local_derivatives[0], "compute with the Value itself|differentiate"),
        (lambda x: np.max(np.array([x, 1.0])), BRANCHING),
        (lambda x: np.sort(np.array([x, 1.0]))[0], BRANCHING),
        (lambda x: (x * x).backward(), "differentiate with grad, value_and_grad or jacobian"),
        (lambda x: setattr(x, "data", 2.0), "make a new Value instead"),
    ],
)
def test_asking_for_a_traced_number_is_an_error_that_names_the_line_and_the_replacement(
    ask: Callable[[Any], Any], told: str
) -> None:
    with pytest.raises(TracingError, match=told) as caught:
        record(ask)
    line = inspect.getsourcelines(ask)[1]
    assert f"(line {line} of {Path(__file__).name}: " in str(caught.value)
    assert "lambda x:" in str(caught.value), "the source of the line"


def test_the_line_is_that_of_the_innermost_function_of_the_user() -> None:
    def inner(x: Any) -> Any:
        return math.cos(x)

    with pytest.raises(TracingError, match=r"line \d+ of test_trace\.py: return math\.cos\(x\)"):
        record(lambda x: [inner(x)])


def test_decisions_inside_a_transform_are_refused_too() -> None:
    with pytest.raises(TracingError, match=BRANCHING):
        record(grad(lambda x: x * x if x > 0.0 else x))
    with pytest.raises(TracingError, match=BRANCHING):
        record(lambda x: x if grad(lambda y: y * y)(x) > 0.0 else -x)


def test_a_number_that_was_traced_in_an_earlier_call_is_refused_or_known() -> None:
    kept: list[Any] = []

    def keeping(x: Any) -> Any:
        kept.append(x)
        return x * 2.0

    assert jit(keeping)(3.0) == 6.0
    with pytest.raises(TracingError):
        record(lambda x: x if kept[0] > 0.0 else -x)


@pytest.mark.parametrize("ask", [lambda v: v > 0.5, lambda v: v == 1.0, lambda v: v in [Value(1.0), Value(2.0)]])
def test_a_captured_value_may_not_decide_either(ask: Callable[[Any], Any]) -> None:
    threshold = Value(1.0)
    with pytest.raises(TracingError, match=BRANCHING):
        record(lambda x: x if ask(threshold) else -x)
    with pytest.raises(TracingError, match="compute with the Value itself"):
        record(lambda x: x * threshold.data)


def test_an_error_leaves_no_tracing_behind() -> None:
    def failing(x: Any) -> Any:
        raise KeyError("of the user")

    for wrong in (failing, lambda x: bool(x), lambda x: "text"):
        with pytest.raises((KeyError, TypeError)):
            record(wrong)
        assert Value(2.0) > 1.0
        assert (Value(2.0) * 3.0).data == 6.0
        assert jit(lambda x: x + 1.0)(1.0) == 2.0


# What stays the same for every call is just done.


def test_python_control_flow_on_plain_numbers_unrolls() -> None:
    coefficients = {"linear": 2.0, "cubic": -1.0}

    def function(x: Any, n: int = 4) -> Any:
        total = x
        for i in range(n):
            if i % 2 == 0:
                total = total * x + float(i)
            elif coefficients["cubic"] < 0.0 and not math.isinf(coefficients["linear"]):
                total = total - coefficients["cubic"]
        while n > 1:
            total, n = total + 1.0 / n, n // 2
        return total + max(3.0, 1.0)

    assert jit(function)(1.5) == function(1.5)


def test_values_made_while_tracing_may_decide_where_no_argument_is_in_them() -> None:
    def function(x: Any) -> Any:
        own = Value(2.0)
        return x * own if own > 1.0 and own == 2.0 and own in [1.0, own] and float(own.data) == 2.0 else x

    assert jit(function)(3.0) == 6.0


def test_where_and_its_like_choose_anew_in_each_call() -> None:
    def function(x: Any) -> Any:
        chosen = where(autograd_mini.greater(x, 1.0), x * x, -x)
        return chosen + autograd_mini.maximum(x, 0.5) + autograd_mini.clip(x, -1.0, 1.0) + relu(x) + abs(x)

    compiled = jit(function)
    for x in (-2.0, 0.0, 0.75, 1.0, 3.0, math.nan):
        assert compiled(x) == pytest.approx(function(x), rel=1e-15, nan_ok=True)


def test_values_from_outside_are_looked_up_as_themselves_also_while_a_function_is_traced() -> None:
    a, b = Value(2.0), Value(2.0)
    names = {a: 3.0, b: 5.0}

    def function(x: Any) -> Any:
        return x * a * names[a] if a is not b and a in [a, b] and x is not a else b

    assert jit(function)(1.0) == 6.0


def test_repr_of_a_traced_value_shows_no_number() -> None:
    shown: list[str] = []
    record(lambda x: shown.append(repr(x * 2.0)) or shown.append(f"{x}") or x)
    assert shown == ["Value(traced)"] * 2


@pytest.mark.parametrize("function", [str, repr, "{}".format, "%s".__mod__, lambda x: repr([x])])
def test_a_traced_value_is_printed_as_one_and_never_as_a_number(function: Any) -> None:
    shown: list[str] = []
    jit(lambda x: shown.append(function(x)) or x)(12.5)
    assert "traced" in shown[0]
    assert "12" not in shown[0]


@pytest.mark.parametrize("function", ["{:.3f}".format, "%f".__mod__, lambda x: f"{x:5}"])
def test_a_traced_value_has_no_number_to_format(function: Any) -> None:
    with pytest.raises(TracingError, match=r"a value that jit traces.*\(line \d+ of"):
        jit(lambda x: function(x) and x)(12.5)


def until_small(x: Any) -> Any:
    while abs(x) > 1e-3:
        x = x / 2.0
    return x


def until_zero(x: Any) -> Any:
    while x:
        x = x - 1.0
    return x


@pytest.mark.parametrize("function", [until_small, until_zero])
def test_a_loop_with_a_tolerance_is_told_to_take_a_fixed_number_of_steps(function: Any) -> None:
    with pytest.raises(TracingError, match=r"where.*fixed number of steps, `for _ in range\(n\)`.*\(line \d+ of"):
        jit(function)(8.0)


OUTSIDE = Value(3.0)


@pytest.mark.parametrize("show", [draw, explain])
@pytest.mark.parametrize("make", [lambda x: x * 2.0, lambda x: OUTSIDE, lambda x: OUTSIDE * 2.0])
def test_what_is_traced_is_not_drawn(show: Any, make: Any) -> None:
    with pytest.raises(
        TracingError, match=rf"^{show.__name__} of a value that jit traces.*call the function without jit"
    ):
        jit(lambda x: show(make(x)) and x)(1.0)


def test_a_value_of_a_value_is_told_to_use_the_one_there_is() -> None:
    for function in (lambda x: Value(x), jit(lambda x: Value(x)), jit(lambda x: Value(OUTSIDE))):
        with pytest.raises(TypeError, match=r"data must be a real number.*as it is.*detach\(\)"):
            function(OUTSIDE)


def test_numpy_works_on_arrays_of_traced_values() -> None:
    def function(x: Any) -> Any:
        return np.sum(x**2) + np.dot(x, x[::-1]) + np.exp(x)[0] + np.linalg.norm(x[:2]) * 0.0 + x.mean()

    xs = np.array([0.5, -1.5, 2.0])
    assert jit(function)(xs) == pytest.approx(function(xs), rel=1e-15)


# Values from outside.


def test_captured_values_are_read_at_each_call() -> None:
    weight, bias = Value(2.0), Value(1.0)
    square = weight * weight
    compiled = jit(lambda x: [weight * x + bias, square * x, weight])
    assert compiled(3.0) == [7.0, 12.0, 2.0]
    weight.data, bias.data, square.data = -1.0, 0.5, 5.0
    assert compiled(3.0) == [-2.5, 15.0, -1.0]
    assert compiled(np.array([1.0, 2.0]))[0].tolist() == [-0.5, -1.5]
    assert (weight.grad, bias.grad) == (0.0, 0.0)


def test_numbers_from_outside_are_those_of_the_first_call() -> None:
    numbers = {"scale": 2.0}
    compiled = jit(lambda x: numbers["scale"] * x)
    assert compiled(3.0) == 6.0
    numbers["scale"] = 5.0
    assert compiled(4.0) == 8.0


def test_captured_values_are_constants_to_a_transform_as_in_the_engine() -> None:
    weight = Value(2.0)

    def function(x: Any) -> Any:
        return weight * x * x

    for derive in (grad(function), jit(grad(function)), grad(jit(function))):
        assert derive(3.0) == 12.0


def test_contributions_to_a_derivative_are_added_in_the_engines_order() -> None:
    """In the order in which they were recorded the sum has another last bit."""

    def function(x: Any) -> Any:
        first, second, third = x * 0.1, x * 0.7, x * 1.3
        return (third * 1.1) * (second * 1.7) + first

    x = Value(1.3)
    function(x).backward()
    assert jit(grad(function))(1.3) == x.grad


# Constants, detach, no_grad.


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * x.detach(),
        lambda x: x * (x * x).detach() + x.detach(),
        lambda x: autograd_mini.exp(x.detach()),
        lambda x: x.detach(),
        lambda x: x * no_grad()(lambda: x * x + 1.0)(),
    ],
)
def test_no_gradient_flows_through_what_is_detached_or_computed_in_no_grad(function: Callable[[Any], Any]) -> None:
    assert jit(value_and_grad(function))(1.5) == value_and_grad(function)(1.5)


def test_no_grad_around_a_call_makes_no_difference() -> None:
    with no_grad():
        assert jit(grad(lambda x: x * x * x))(2.0) == 12.0
        assert jit(lambda x: x * x)(2.0) == 4.0


# Operations of users.


def test_an_operation_without_a_lowering_is_compiled_as_its_function_says() -> None:
    cube = operation("cube(x)", lambda x: x * x * x, lambda out, x: 3.0 * x * x)
    derive = value_and_grad(lambda x: cube(x) + cube(2.0 * x))
    assert jit(derive)(2.0) == derive(2.0) == (72.0, 108.0)
    assert jit(derive, in_axes=0)(np.array([2.0, 0.0]))[1].tolist() == [108.0, 0.0]


def test_an_operation_that_cannot_be_compiled_says_so_at_the_call() -> None:
    wave = operation("wave(x)", lambda x: math.sin(x), lambda out, x: 1.0)
    with pytest.raises(TypeError, match=r"wave has no lowering, and its function can't be .*operation\(\.\.\., lower"):
        jit(lambda x: wave(x) * 2.0)(1.0)
    with pytest.raises(TypeError, match="wave has no lowering"):
        jit(lambda x: wave(x) * 2.0, in_axes=0)(np.ones(3))


def test_an_operation_without_a_lowering_is_computed_where_it_stands_on_plain_numbers() -> None:
    wave = operation("wave(x)", lambda x: math.sin(x), lambda out, x: 1.0)
    assert jit(lambda x: wave(0.5) * x)(2.0) == math.sin(0.5) * 2.0
    assert jit(lambda x: wave(Value(0.5)) * x)(2.0) == math.sin(0.5) * 2.0


def test_an_operation_of_any_number_of_operands_is_compiled() -> None:
    product = operation("product(*xs)", lambda *xs: math.prod(xs), lambda out, *xs: [out / x for x in xs])
    derive = grad(lambda xs: product(*xs))
    assert jit(derive)([2.0, 3.0, 7.0]) == derive([2.0, 3.0, 7.0]) == [21.0, 14.0, 6.0]


# Results.


def test_results_may_be_constants_arguments_and_nested() -> None:
    point = jit(lambda x, y: {"sum": x + y, "same": [x, x, (y,)], "constant": 4, "none of these": []})
    assert point(1.0, 2.0) == {"sum": 3.0, "same": [1.0, 1.0, (2.0,)], "constant": 4.0, "none of these": []}
    assert jit(lambda x: 7)(1.0) == 7.0
    assert jit(lambda x: x)(1.5) == 1.5
    assert math.isnan(jit(lambda x: math.nan)(1.0))
    assert jit(lambda: 3.0)() == 3.0


def test_results_of_a_batch_that_depend_on_no_example_are_repeated() -> None:
    values, constants, own = jit(lambda x: (x * 2.0, 4.0, x), in_axes=0)(np.array([1.0, 2.0, 3.0]))
    assert (values.tolist(), constants.tolist(), own.tolist()) == ([2.0, 4.0, 6.0], [4.0] * 3, [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("result", "shown"), [(None, "None"), ("text", "'text'"), ({1.0}, "{1.0}"), ([1.0, None], "None"), (1j, "1j")]
)
def test_a_result_that_is_no_number_is_refused(result: Any, shown: str) -> None:
    with pytest.raises(TypeError, match=r"the function's result.* must be a number.*") as caught:
        jit(lambda x: result)(1.0)
    assert shown in str(caught.value)


def test_errors_of_the_function_itself_come_through() -> None:
    def failing(x: Any) -> Any:
        raise ValueError("of the user")

    with pytest.raises(ValueError, match="of the user"):
        jit(failing)(1.0)
    with pytest.raises(ValueError, match="of the user"):
        jit(failing)(np.ones(3))
    with pytest.raises(IndexError, match="out of bounds"):
        jit(lambda x: np.zeros(3)[7] + x)(np.ones(4))
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        jit(lambda x, y: x)(1.0)


def test_elements_of_an_array_are_leaves_as_numbers_are() -> None:
    def f(xs: Any, x: Any) -> Any:
        assert [(v.op, v.operands, v.is_leaf, v.is_traced, str(v)) for v in [*xs, x]] == [
            (None, (), True, True, "Value(traced)")
        ] * 3
        return xs[0] * x

    assert jit(f)(np.array([2.0, 3.0]), 4.0) == 8.0
