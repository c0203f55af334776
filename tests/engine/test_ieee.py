"""The functions on floats are total, and are those of `math`, or of NumPy where `math` raises."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from agreement import identical
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import special

from autograd_mini import Value
from autograd_mini.engine import ieee, operations
from autograd_mini.engine.checks import as_float, describe
from autograd_mini.engine.operations import TABLE

inf, nan = math.inf, math.nan

# Uniform bits give mostly huge and tiny numbers; the second strategy adds those of everyday size.
floats = st.floats() | st.floats(-800.0, 800.0) | st.sampled_from([0.0, -0.0, 1.0, -1.0, 5e-324, inf, -inf, nan])
quick = settings(max_examples=60, deadline=None)

# Under its name in the table: the function of `math`, and NumPy's, or None where nan is the only wrong answer.
MATH: dict[str, tuple[Callable[..., float], Callable[..., Any] | None]] = {
    "pow": (math.pow, np.power),
    "exp": (math.exp, np.exp),
    "expm1": (math.expm1, np.expm1),
    "exp2": (math.exp2, np.exp2),
    "log": (math.log, np.log),
    "log1p": (math.log1p, np.log1p),
    "log2": (math.log2, np.log2),
    "log10": (math.log10, np.log10),
    "sqrt": (math.sqrt, np.sqrt),
    "cbrt": (math.cbrt, np.cbrt),
    "hypot": (math.hypot, np.hypot),
    "sin": (math.sin, np.sin),
    "cos": (math.cos, np.cos),
    "tan": (math.tan, np.tan),
    "asin": (math.asin, np.arcsin),
    "acos": (math.acos, np.arccos),
    "atan": (math.atan, np.arctan),
    "atan2": (math.atan2, np.arctan2),
    "sinh": (math.sinh, np.sinh),
    "cosh": (math.cosh, np.cosh),
    "tanh": (math.tanh, np.tanh),
    "asinh": (math.asinh, np.arcsinh),
    "acosh": (math.acosh, np.arccosh),
    "atanh": (math.atanh, np.arctanh),
    "degrees": (math.degrees, np.degrees),
    "radians": (math.radians, np.radians),
    "erf": (math.erf, special.erf),
    "erfc": (math.erfc, special.erfc),
    "abs": (math.fabs, np.abs),
    "copysign": (math.copysign, np.copysign),
    "fmod": (math.fmod, np.fmod),
    "remainder": (math.remainder, None),
    "add": (operator.add, np.add),
    "sub": (operator.sub, np.subtract),
    "mul": (operator.mul, np.multiply),
    "div": (operator.truediv, np.divide),
    "floor": (lambda x: math.copysign(float(math.floor(x)), x), np.floor),
    "ceil": (lambda x: math.copysign(float(math.ceil(x)), x), np.ceil),
    "trunc": (lambda x: math.copysign(float(math.trunc(x)), x), np.trunc),
}


def close(a: float, b: float) -> bool:
    return identical(a, b) or math.isclose(a, b, rel_tol=1e-14, abs_tol=1e-307)


@pytest.mark.parametrize("name", TABLE)
@quick
@given(data=st.data())
def test_every_function_of_the_table_is_total(name: str, data: st.DataObject) -> None:
    op = TABLE[name]
    n = 5 if op.is_variadic else len(op.parameters)
    operands = data.draw(st.lists(floats, min_size=n, max_size=n))
    if name == "dist":
        operands.pop()  # two points of two coordinates each
    assert type(op.function(*operands)) is float


@pytest.mark.parametrize("name", MATH)
@quick
@given(data=st.data())
def test_function_is_that_of_math_and_where_that_raises_of_numpy(name: str, data: st.DataObject) -> None:
    n = 2 if name == "hypot" else len(TABLE[name].parameters)
    operands = data.draw(st.tuples(*[floats] * n))
    of_math, of_numpy = MATH[name]
    result = TABLE[name].function(*operands)
    try:
        expected = of_math(*operands)
    except (ValueError, OverflowError, ZeroDivisionError):
        with np.errstate(all="ignore"):
            expected = nan if of_numpy is None else float(of_numpy(*map(np.float64, operands)))
    assert identical(result, expected)


@quick
@given(floats, floats)
@example(-5.0, inf)
@example(0.0, -3.0)
def test_floor_division_and_its_remainder_are_those_of_numpy(x: float, y: float) -> None:
    with np.errstate(all="ignore"):
        assert identical(ieee.floor_mod(x, y), float(np.mod(np.float64(x), np.float64(y))))
        assert identical(ieee.floor_divide(x, y), float(np.floor_divide(np.float64(x), np.float64(y))))


@quick
@given(floats, floats)
def test_maximum_and_minimum_are_those_of_numpy(x: float, y: float) -> None:
    # Of zeros that differ in sign NumPy gives either, depending on its vector instructions.
    assert np.array_equal(ieee.maximum(x, y), np.maximum(x, y), equal_nan=True)
    assert np.array_equal(ieee.minimum(x, y), np.minimum(x, y), equal_nan=True)


@quick
@given(floats)
def test_sigmoid_and_softplus_are_those_of_scipy(x: float) -> None:
    assert close(ieee.sigmoid(x), float(special.expit(x)))
    with np.errstate(all="ignore"):
        expected = float(np.logaddexp(x, 0.0))
    assert close(ieee.softplus(x), expected)


@quick
@given(floats)
def test_gelu_is_the_product_with_scipys_normal_distribution(x: float) -> None:
    with np.errstate(all="ignore"):
        expected = float(x * special.ndtr(x))
    # Both round x / sqrt(2), which the tail, like exp(-x*x/2), turns into an error of x*x roundings.
    tolerance = 1e-15 * (4.0 + x * x) if abs(x) < 40.0 else 1e-15
    assert identical(ieee.gelu(x), expected) or math.isclose(ieee.gelu(x), expected, rel_tol=tolerance, abs_tol=1e-307)


@quick
@given(st.lists(floats, min_size=1, max_size=6))
@example([1000.0, 1000.0])
@example([-1e308, -1e308])
@example([-inf, -inf])
@example([inf, -inf])
def test_logsumexp_is_that_of_numpy(xs: list[float]) -> None:
    with np.errstate(all="ignore"):
        expected = float(np.logaddexp.reduce(np.array(xs)))
    # A result near zero is a difference of numbers as large as the largest term.
    assert close(operations.logsumexp(xs), expected) or math.isclose(
        operations.logsumexp(xs), expected, abs_tol=4e-16 * max(1.0, max(xs))
    )


@quick
@given(st.lists(floats, max_size=6))
@example([1e308, 1e308, -1e308])
@example([inf, -inf])
def test_fsum_is_that_of_math_and_where_that_raises_nan_or_the_rational_sum(xs: list[float]) -> None:
    try:
        expected = math.fsum(xs)
    except ValueError:  # inf - inf
        expected = math.nan
    except OverflowError:  # of a partial sum: the total may be finite
        total = Fraction(0)
        for x in xs:
            if not math.isfinite(x):
                assert math.isnan(ieee.fsum(*xs)) or ieee.fsum(*xs) == x
                return
            total += Fraction(x)
        beyond = abs(total) >= 2**1024 - 2**970  # from here on float64 rounds to infinity
        expected = float(total) if not beyond else math.inf if total > 0 else -math.inf
    assert identical(ieee.fsum(*xs), expected)


@quick
@given(st.lists(floats, max_size=6))
@example([1e100, 1.0, -1e100])  # the built-in sum compensates from Python 3.12 on
def test_sum_adds_one_after_the_other(xs: list[float]) -> None:
    with np.errstate(all="ignore"):
        expected = float(np.add.accumulate([0.0, *xs])[-1])
    assert identical(ieee.sum_left_to_right(*xs), expected)


@quick
@given(st.lists(st.tuples(floats, floats), max_size=5), floats)
def test_dot_adds_one_product_after_the_other(pairs: list[tuple[float, float]], bias: float) -> None:
    ws, xs = [w for w, _ in pairs], [x for _, x in pairs]
    with np.errstate(all="ignore"):
        products = np.array([0.0, *ws]) * np.array([0.0, *xs])
        expected = float(np.add.accumulate([*products, bias])[-1])
    assert identical(ieee.dot(*ws, *xs, bias), expected)


# Converting numbers.


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (3, 3.0),
        (True, 1.0),
        (2.5, 2.5),
        (Fraction(1, 4), 0.25),
        (np.float64(2.5), 2.5),
        (np.float32(2.5), 2.5),
        (np.float16(2.5), 2.5),
        (np.int8(-3), -3.0),
        (np.uint64(2**63), 2.0**63),
        (np.bool_(True), 1.0),
        (-0.0, -0.0),
        (inf, inf),
        (nan, nan),
        (10**308, 1e308),
    ],
)
def test_as_float_takes_real_numbers_of_every_kind(number: Any, expected: float) -> None:
    assert type(as_float(number, "data")) is float
    assert identical(as_float(number, "data"), expected)


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        ("3", r"data must be a real number, not '3' \(str\)"),
        (b"3", r"data must be a real number, not b'3' \(bytes\)"),
        (None, r"data must be a real number, not None \(NoneType\)"),
        (1j, r"data must be a real number, not 1j \(complex\)"),
        (np.complex128(1j), r"data must be a real number, not (np\.complex128\()?1j\)? \(complex128\)"),
        (Decimal(3), r"data must be a real number, not Decimal\('3'\) \(Decimal\)"),
        ([3.0], r"data must be a real number, not \[3\.0\] \(list\)"),
        (np.array(3.0), r"data must be a real number, not array\(3\.\) \(ndarray\)"),
        (np.array([3.0]), r"data must be a real number, not array\(\[3\.\]\) \(ndarray\)"),
        (Value(3.0), r"data must be a real number, not Value\(data=3\.0, grad=0\.0\) \(Value\)"),
    ],
)
def test_as_float_refuses_what_is_no_real_number(thing: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        as_float(thing, "data")


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (10**309, r"data is too large for float64: an integer of 1027 bits \(int\)"),
        pytest.param(-(10**5000), r"data is too large for float64: an integer of 16610 bits \(int\)", id="huge"),
        (Fraction(10**5000), r"data is too large for float64: a number too long to print \(Fraction\)"),
    ],
)
def test_as_float_refuses_numbers_beyond_float64(number: Any, message: str) -> None:
    with pytest.raises(OverflowError, match=message):
        as_float(number, "data")


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        ("x", "'x' (str)"),
        (2**200 - 1, f"{str(2**200 - 1)[:57]}... (int)"),
        (2**200, "an integer of 201 bits (int)"),
        ("y" * 1000, f"'{'y' * 56}... (str)"),
        ([10**5000], "a number too long to print (list)"),
    ],
)
def test_describe_keeps_messages_short(thing: Any, text: str) -> None:
    assert describe(thing) == text
