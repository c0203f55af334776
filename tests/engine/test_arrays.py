"""Functions of the table on arrays, and what arrays ask of a Value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini
from autograd_mini import Value, jit, log, logsumexp, maximum, no_grad, softmax, take, where
from autograd_mini.engine.operations import TABLE

UNARY = {
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "tanh": np.tanh, "floor": np.floor, "log1p": np.log1p
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_a_function_of_an_array_of_floats_is_numpys(name: str) -> None:
    x = np.array([[0.5, 1.0], [2.0, 3.0]])
    result = getattr(autograd_mini, name)(x)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, UNARY[name](x), rtol=1e-15)


@pytest.mark.parametrize("name", UNARY)
def test_a_function_of_an_array_of_values_and_floats_has_gradients(name: str) -> None:
    x = Value(0.75)
    result = getattr(autograd_mini, name)(np.array([x, 2.0], dtype=object))
    assert result.dtype == object
    assert isinstance(result[0], Value)
    assert isinstance(result[1], float)
    result[0].backward()
    expected = (UNARY[name](0.75 + 1e-6) - UNARY[name](0.75 - 1e-6)) / 2e-6
    assert x.grad == pytest.approx(expected, rel=1e-8)


def test_operands_are_broadcast() -> None:
    column, row = np.array([[1.0], [2.0]]), np.array([0.0, 1.5, 3.0])
    np.testing.assert_array_equal(maximum(column, row), np.maximum(column, row))
    x = Value(1.5)
    for result in (maximum(x, row), maximum(row, x), x.maximum(row)):  # type: ignore[attr-defined]
        assert [number.data for number in result] == [1.5, 1.5, 3.0]
    maximum(x, row)[1].backward()
    assert x.grad == 0.5


def test_where_takes_an_array_of_conditions() -> None:
    x = np.array([Value(-1.0), Value(4.0)])
    result = log(where(x > 0, x, 1.0))
    assert [r if isinstance(r, float) else r.data for r in result] == [0.0, np.log(4.0)]


def test_a_zero_dimensional_or_empty_array_is_taken() -> None:
    assert autograd_mini.exp(np.array(0.0)) == 1.0
    assert autograd_mini.exp(np.zeros((0, 2))).shape == (0, 2)


def test_a_logarithm_to_a_base_is_elementwise() -> None:
    np.testing.assert_allclose(log(np.array([1.0, 8.0]), 2.0), [0.0, 3.0])


def test_no_grad_holds_for_arrays() -> None:
    with no_grad():
        assert not autograd_mini.exp(np.array([Value(1.0)]))[0].requires_grad


@pytest.mark.parametrize("call", [lambda a: TABLE["dot"](a, [1.0, 2.0]), logsumexp, softmax])
def test_a_function_of_a_sequence_takes_no_matrix(call: Any) -> None:
    with pytest.raises(TypeError, match="takes Values and real numbers, not array"):
        call(np.ones((2, 2)))


def test_an_array_of_something_else_is_refused_by_its_element() -> None:
    with pytest.raises(TypeError, match="exp takes Values and real numbers, not 'a'"):
        autograd_mini.exp(np.array(["a"]))


def test_functions_of_arrays_compile() -> None:
    def f(x: Any) -> Any:
        return maximum(autograd_mini.exp(np.array([x, 2.0], dtype=object)), np.array([1.0, 9.0])).sum()

    assert jit(f)(1.0) == pytest.approx(np.e + 9.0, rel=1e-15)


@pytest.mark.parametrize(
    "call",
    [
        lambda v, a: v * a,
        lambda v, a: v + a,
        lambda v, a: v - a,
        lambda v, a: v**a,
        lambda v, a: maximum(v, a),
        lambda v, a: autograd_mini.exp(a),
    ],
)
def test_a_masked_array_is_refused(call: Any) -> None:
    with pytest.raises(TypeError, match=r"masked array.*where.*compressed"):
        call(Value(2.0), np.ma.array([1.0, 2.0], mask=[False, True]))


def test_an_element_of_an_array_of_floats_takes_no_value() -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        np.zeros(2)[0] = Value(1.0)
    assert "dtype=object" in str(caught.value) or "dtype=object" in str(caught.value.__cause__)


@pytest.mark.parametrize("use", [lambda v: [1.0, 2.0][v], range])
def test_a_value_is_no_index_and_says_what_to_write(use: Any) -> None:
    with pytest.raises(TypeError, match=r"take\(table, v\)"):
        use(Value(1.0))
    with pytest.raises(TypeError, match=r"take\(table, v\)"):
        jit(lambda v: Value(1.0) * len(use(v)))(1.0)


@pytest.mark.parametrize("number", [2.5, 3.5, -0.5, 1e300, -2.4])
def test_round_is_to_even_without_gradient(number: float) -> None:
    x = Value(number)
    rounded = round(x)
    assert rounded.data == round(number)
    (rounded * 1.0).backward()
    assert x.grad == 0.0
    assert jit(lambda v: round(v))(number) == round(number)


def test_round_to_digits_is_numpys() -> None:
    assert round(Value(2.345), 1).data == np.round(2.345, 1)
    assert round(Value(1234.0), -2).data == 1200.0


def test_divmod_is_quotient_and_remainder() -> None:
    for quotient, rest in (divmod(Value(-7.0), 2), divmod(-7.0, Value(2.0))):
        assert (quotient.data, rest.data) == divmod(-7.0, 2.0)
    assert jit(lambda x: divmod(x, 2.0))(-7.0) == (-4.0, 1.0)
    with pytest.raises(TypeError, match="divmod"):
        divmod(Value(1.0), "2")


def polynomial(numpy: Any, y: Any) -> Any:
    v = np.vander([0.0, 1.0, 3.0], 2)
    return np.polyfit([0.0, 1.0, 3.0], y, 1) if numpy is np else autograd_mini.linalg.solve(v.T @ v, v.T @ y)


def covariance(numpy: Any, y: Any) -> Any:
    x = np.stack([y, y * y])
    if numpy is np:
        return np.cov(x)
    d = x - x.mean(axis=1, keepdims=True)
    return d @ d.T / 2.0


def counts(numpy: Any, y: Any) -> Any:
    if numpy is np:
        return np.bincount([1, 0, 1], weights=y)
    total = np.full(2, 0.0, dtype=object)
    np.add.at(total, [1, 0, 1], y)
    return total


def interpolation(numpy: Any, y: Any) -> Any:
    xs, ys = [0.0, 1.0, 5.0], [2.0, -1.0, 3.0]
    if numpy is np:
        return np.interp(y, xs, ys)
    pieces = zip(xs, xs[1:], ys, ys[1:])
    return sum(where((y >= a) * (y < b), p + (y - a) * (q - p) / (b - a), 0.0) for a, b, p, q in pieces)


@pytest.mark.parametrize(
    "function",
    [
        *[lambda m, y, name=name: getattr(m, name)(y) for name in ("isnan", "isinf", "isfinite")],
        *[
            lambda m, y, name=name: getattr(m, name)(y, 0.25)
            for name in ("logaddexp", "logaddexp2", "copysign", "heaviside")
        ],
        lambda m, y: np.float_power(y, 1.5) if m is np else y**1.5,
        polynomial,
        covariance,
        lambda m, y: np.gradient(y)[1:-1] if m is np else (y[2:] - y[:-2]) / 2,
        counts,
        interpolation,
    ],
)
def test_what_the_readme_says_to_write_instead_of_numpys_function(function: Any) -> None:
    numbers = np.array([0.5, 4.0, 2.0])
    values = np.array([Value(x) for x in numbers], dtype=object)
    with pytest.raises((TypeError, AttributeError)):
        function(np, values)
    found = [x.data if isinstance(x, Value) else x for x in np.ravel(function(autograd_mini, values))]
    np.testing.assert_allclose(found, np.ravel(function(np, numbers)), rtol=1e-12, atol=1e-14)


# take.


def test_take_gives_the_entry_and_its_gradient() -> None:
    table = [Value(1.0), Value(2.0), Value(3.0)]
    index = Value(2.0)
    (take(table, index) ** 2 * index).backward()
    assert [entry.grad for entry in table] == [0.0, 0.0, 12.0]
    assert index.grad == 9.0


@pytest.mark.parametrize("index", [-1, 3, 0.5, float("nan"), float("inf")])
def test_take_out_of_range(index: float) -> None:
    for number in (index, Value(index)):
        with pytest.raises(IndexError, match="whole number from 0 to 2"):
            take([1.0, 2.0, 3.0], number)
    assert np.isnan(jit(lambda i: take([1.0, 2.0, 3.0], i))(index))


def test_take_compiled_chooses_in_each_call() -> None:
    slopes = jit(autograd_mini.grad(lambda table, i: take(table, i) ** 2))
    assert slopes([1.0, 2.0, 3.0], 1.0) == [0.0, 4.0, 0.0]
    assert slopes([1.0, 2.0, 3.0], 2.0) == [0.0, 0.0, 6.0]


def test_what_take_does_not_choose_gives_no_gradient() -> None:
    def f(x: Any, i: Any) -> Any:
        return take([autograd_mini.sqrt(x), x], i)

    assert jit(autograd_mini.grad(f))(-1.0, 1.0) == 1.0
    assert autograd_mini.grad(f)(-1.0, 1.0) == 1.0


def test_take_gives_rows_and_arrays() -> None:
    table = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    np.testing.assert_array_equal(take(table, 2), [5.0, 6.0])
    np.testing.assert_array_equal(take(table, np.array([[2, 0]])), np.take(table, [[2, 0]], axis=0))
    np.testing.assert_array_equal(jit(lambda i: take(table, i))(1.0), [3.0, 4.0])


@pytest.mark.parametrize("table", [[], 3.0, None])
def test_take_needs_a_table(table: Any) -> None:
    with pytest.raises(ValueError, match="table of at least one entry"):
        take(table, 0)


def test_take_needs_numbers() -> None:
    with pytest.raises(TypeError, match="take takes Values and real numbers, not 'a'"):
        take(["a"], 0)
    with pytest.raises(TypeError, match="take takes Values and real numbers, not 'a'"):
        take([1.0], "a")
