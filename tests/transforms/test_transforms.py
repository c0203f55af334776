"""Transforms: gradients and Jacobians of functions, nested, in the argument's structure."""

from __future__ import annotations

import threading
from collections import deque, namedtuple
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der, rosen_hess, rosen_hess_prod

import autograd_mini
from autograd_mini import (
    Value,
    check_grads,
    cos,
    exp,
    grad,
    hessian,
    hvp,
    jacobian,
    no_grad,
    operation,
    sin,
    value_and_grad,
)

POINT = np.array([1.3, 0.7, 0.8, 1.9, 1.2])


def rosenbrock(v: Any) -> Any:
    return sum(100 * (b - a**2) ** 2 + (1 - a) ** 2 for a, b in zip(v, v[1:]))


def test_derivatives_of_rosenbrock_are_scipys() -> None:
    value, slope = value_and_grad(rosenbrock)(POINT)
    assert value == pytest.approx(rosen(POINT), rel=1e-14)
    np.testing.assert_allclose(slope, rosen_der(POINT), rtol=1e-12)
    np.testing.assert_allclose(hessian(rosenbrock)(POINT), rosen_hess(POINT), rtol=1e-12)
    vector = np.arange(5.0)
    np.testing.assert_allclose(hvp(rosenbrock)(POINT, vector), rosen_hess_prod(POINT, vector), rtol=1e-12)


def test_results_have_the_arguments_structure() -> None:
    Point = namedtuple("Point", "x y")

    def f(d: Any) -> Any:
        return d["a"] * d["p"].x * d["l"][0][1] + d["m"].sum()

    argument = {"a": 2, "p": Point(3.0, 4.0), "l": [(5.0, 6.0)], "m": np.ones((2, 2))}
    slope = grad(f)(argument)
    assert list(slope) == ["a", "p", "l", "m"]
    assert (slope["a"], slope["p"], slope["l"]) == (18.0, Point(12.0, 0.0), [(0.0, 6.0)])
    assert slope["m"].shape == (2, 2)
    assert slope["m"].dtype == float


def test_argnums_choose_arguments() -> None:
    def f(x: Any, y: Any, scale: float = 1.0) -> Any:
        return scale * x * x * y

    assert grad(f, argnums=1)(3.0, 5.0) == 9.0
    assert grad(f, argnums=(0, 1))(3.0, 5.0, scale=2.0) == (60.0, 18.0)
    assert grad(f, argnums=-1)(3.0, 5.0) == 9.0
    assert hessian(f, argnums=(0, 1))(3.0, 5.0) == ((10.0, 6.0), (6.0, 0.0))


def test_gradients_nest() -> None:
    def fourth_power(x: Any) -> Any:
        return x * x * x * x

    assert grad(grad(fourth_power))(2.0) == 48.0
    assert grad(grad(grad(grad(fourth_power))))(2.0) == 24.0
    assert grad(grad(grad(grad(sin))))(0.5) == pytest.approx(np.sin(0.5), rel=1e-14)


def test_inner_and_outer_variables_are_not_confused() -> None:
    # d/dx [x * d/dy (x + y)] at y = x is 1; counting x as y as well would give 2.
    assert grad(lambda x: x * grad(lambda y: x + y)(x))(3.0) == 1.0
    assert grad(lambda x: grad(lambda y: x * y * y)(2.0))(3.0) == 4.0


def test_values_give_values_that_can_be_differentiated() -> None:
    x = Value(3.0)
    slope = grad(lambda v: v * v * v)(x)
    slope.backward()
    assert (slope.data, x.grad) == (27.0, 18.0)


def test_values_in_any_argument_keep_the_result_on_the_graph() -> None:
    w = Value(2.0)
    slope = grad(lambda x, w: w * x * x)(3.0, w)
    slope.backward()
    assert (slope.data, w.grad) == (12.0, 6.0)
    scale = Value(1.0)
    product = hvp(lambda v: v[0] * v[0] * v[1])([2.0, 3.0], [scale, 10.0])
    product[0].backward()
    assert (product[0].data, scale.grad) == (46.0, 6.0)


def test_an_inner_transform_in_another_thread_stays_on_the_outer_graph() -> None:
    def f(x: Any) -> Any:
        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(grad(lambda y: x * y * y), [2.0, 3.0]))

    assert grad(f)(3.0) == 10.0


def test_an_inner_transform_that_ignores_the_outer_variable_gives_a_float() -> None:
    seen = []

    def f(x: Any) -> Any:
        seen.append(grad(lambda y: y * y)(2.0))
        return x * seen[-1]

    assert grad(f)(3.0) == 4.0
    assert [type(number) for number in seen] == [float]


def test_gradients_in_one_thread_leave_what_another_writes_alone() -> None:
    w = Value(1.0)
    big = sum([w * float(i) for i in range(2000)])
    stop = threading.Event()

    def differentiate() -> None:
        while not stop.is_set():
            grad(lambda y: y * big)(2.0)

    thread = threading.Thread(target=differentiate)
    thread.start()
    try:
        for i in range(200):
            w.grad = float(i)
            stop.wait(0.001)
            assert w.grad == float(i)
    finally:
        stop.set()
        thread.join()


def test_no_grad_of_any_value_is_touched() -> None:
    w, shared = Value(3.0), Value(2.0)
    product = w * shared
    product.backward()
    assert grad(lambda x: product * x * w)(5.0) == 18.0
    assert (w.grad, shared.grad, product.grad) == (2.0, 3.0, 1.0)


def test_transforms_work_inside_no_grad() -> None:
    with no_grad():
        assert grad(lambda x: x * x)(3.0) == 6.0
        assert hessian(lambda x: x * x * x)(3.0) == 18.0


def test_constant_functions_and_unused_arguments_have_zero_gradient() -> None:
    assert grad(lambda x: 3)(1.0) == 0.0
    assert grad(lambda v: v[0] * 2)([1.0, 2.0]) == [2.0, 0.0]
    assert jacobian(lambda v: [1.0, v[0]])([1.0, 2.0]) == [[0.0, 0.0], [1.0, 0.0]]
    assert value_and_grad(lambda x: 3)(1.0) == (3.0, 0.0)


def test_jacobian_of_arrays_is_an_array() -> None:
    def f(v: Any) -> Any:
        return np.array([v[0] * v[1], exp(v[0]), sin(v[1])])

    matrix = jacobian(f)(np.array([0.5, 2.0]))
    assert matrix.dtype == float
    np.testing.assert_allclose(matrix, [[2.0, 0.5], [np.exp(0.5), 0.0], [0.0, np.cos(2.0)]], rtol=1e-15)
    assert hessian(lambda m: (m * m).sum())(np.ones((2, 3))).shape == (2, 3, 2, 3)


def test_jacobian_of_a_composition_is_the_product_of_jacobians() -> None:
    # Lecture 11: Neural Networks, the vector chain rule, which stands there with transposed Jacobians.
    def u(x: Any) -> Any:
        return np.array([x[0] * x[1], sin(x[0]), x[1] ** 2])

    def g(v: Any) -> Any:
        return np.array([exp(v[0]) * v[1], v[2] * cos(v[1])])

    x = np.array([0.3, -0.8])
    inner = np.array([x[0] * x[1], np.sin(x[0]), x[1] ** 2])
    np.testing.assert_allclose(jacobian(lambda x: g(u(x)))(x), jacobian(g)(inner) @ jacobian(u)(x), rtol=1e-13)


def test_wrong_arguments_and_results_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"argument 0\['a'\]\[1\] must be a number.*not None"):
        grad(lambda d: d)({"a": [1, None]})
    with pytest.raises(TypeError, match=r"element of argument 0 must be a real number"):
        grad(lambda d: d)(np.array(["x"]))
    with pytest.raises(TypeError, match=r"argnums must be an integer.*not 'x' \(str\)"):
        grad(lambda x: x, argnums="x")(1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"argnums must be an integer.*not True \(bool\)"):
        grad(lambda x: x, argnums=True)(1.0)
    with pytest.raises(TypeError, match="argument 1, but only 1"):
        grad(lambda x: x, argnums=1)(1.0)
    with pytest.raises(TypeError, match=r"one number, but got .*list.*jacobian"):
        grad(lambda x: [x])(1.0)
    with pytest.raises(TypeError, match=r"the function's result must be a number.*not None"):
        jacobian(lambda x: None)(1.0)
    for vector in ([1.0], np.ones((5, 1)), 1.0):
        with pytest.raises(ValueError, match="vector must be nested like argument 0"):
            hvp(rosenbrock)(POINT, vector)
    for twice in ((0, 0), (0, -1)):
        with pytest.raises(ValueError, match="names an argument twice"):
            grad(lambda x: x * x, argnums=twice)(3.0)
    with pytest.raises(TypeError, match="args must be a list or tuple"):
        check_grads(sin, 1.0)  # type: ignore[arg-type]


def test_an_error_of_the_function_reaches_the_caller_and_leaves_nothing_behind() -> None:
    def broken(x: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        grad(broken)(1.0)
    assert isinstance(grad(lambda x: x * x)(1.0), float)


def test_check_grads_accepts_right_derivatives_of_any_structure() -> None:
    check_grads(rosenbrock, (list(POINT),))
    check_grads(lambda x, d: [x * d["k"], sin(x)], (0.5, {"k": 2.0}), order=3)


def test_check_grads_names_the_input_that_disagrees() -> None:
    wrong = operation("wrong(x, y)", lambda x, y: x * y, lambda out, x, y: y, lambda out, x, y: 2 * x)
    with pytest.raises(
        AssertionError, match=r"order 1: the derivative of f\[1\] for args\[0\]\[1\] is 6\.0, .* give 3$"
    ):
        check_grads(lambda v: [v[0], wrong(v[0], v[1])], ([3.0, 5.0],))


def test_check_grads_finds_a_wrong_second_derivative() -> None:
    # The rule is right in value but hides x from the graph, so that its own derivative is 0.
    frozen = operation("frozen(x)", lambda x: x * x, lambda out, x: 2 * autograd_mini.floor(x * 1e9) / 1e9)
    check_grads(frozen, (3.0,), order=1)
    with pytest.raises(AssertionError, match=r"order 2: the derivative of \(the derivative of f for args\[0\]\)"):
        check_grads(frozen, (3.0,), order=2)
    for wrong, error in ((0, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match=f"order must be .*{wrong}"):
            check_grads(frozen, (3.0,), order=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="order must be at least 1"):
        check_grads(frozen, (3.0,), order=0)


@dataclass
class Fit:
    loss: Any
    residuals: Any


Pair = namedtuple("Pair", "first second")


@pytest.mark.parametrize("wrap", [lambda f: f, autograd_mini.jit], ids=["eager", "jit"])
def test_what_is_passed_on_has_the_numbers_of_values_however_nested(wrap: Any) -> None:
    def f(x: Any) -> Any:
        return x * x, Fit(x + 1.0, Pair([x - 1.0, 2.0], deque([np.array([x, 3.0]), {"a": (Fit(x, 0.0),)}])))

    (value, fit), slope = wrap(value_and_grad(f, has_aux=True))(3.0)
    assert (value, slope, fit.loss) == (9.0, 6.0, 4.0)
    assert (type(fit), type(fit.residuals), fit.residuals.first) == (Fit, Pair, [2.0, 2.0])
    array, nested = fit.residuals.second
    assert (array.dtype, array.tolist()) == (np.float64, [3.0, 3.0])
    assert (type(nested["a"][0].loss), nested["a"][0]) == (float, Fit(3.0, 0.0))


def test_what_is_passed_on_may_be_anything() -> None:
    given = [None, "text", range(3), np.array(["a", None], dtype=object), {1: object()}]
    for thing in given:
        _, found = grad(lambda x, thing=thing: (x, thing), has_aux=True)(1.0)
        assert found is thing or found.tolist() == thing.tolist()
