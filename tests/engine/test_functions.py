"""The functions of sequences: values, gradients, single nodes, stability, and the errors users meet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from autograd_mini import (
    Value,
    dist,
    dot,
    fsum,
    log,
    logsumexp,
    prod,
    softmax,
    sum,
    sumprod,
)
from autograd_mini.transforms.check_grads import central_differences

inf, nan = math.inf, math.nan
numbers = st.floats(-100.0, 100.0)
quick = settings(max_examples=60, deadline=None)


def leaves(*xs: float) -> list[Value]:
    return [Value(x) for x in xs]


def gradient(function: Callable[[Sequence[Any]], Any], xs: Sequence[float]) -> list[float]:
    operands = leaves(*xs)
    function(operands).backward()
    return [operand.grad for operand in operands]


# Values, on numbers and on Values.


@quick
@given(st.lists(numbers, max_size=8))
def test_product_of_numbers(xs: list[float]) -> None:
    assert prod(xs) == math.prod(xs)
    assert prod(xs, start=3) == pytest.approx(math.prod(xs, start=3.0), rel=1e-15)
    assert prod([Value(2.0), *xs]).data == pytest.approx(2.0 * math.prod(xs), rel=1e-15)


@pytest.mark.parametrize("base", [2, 2.0, 10, math.e, 3, 0.5, Fraction(7, 2), np.float64(10.0)])
@pytest.mark.parametrize("x", [0.25, 8, 1000.0, 1e-300])
def test_logarithm_to_any_base(x: float, base: float) -> None:
    assert log(x, base) == pytest.approx(math.log(x, base), rel=1e-15)
    assert log(Value(x), base).data == log(x, base)
    assert log(x, Value(base)).data == pytest.approx(math.log(x, base), rel=1e-15)


def test_logarithms_to_usual_bases_are_exact() -> None:
    assert [log(2.0**k, 2) for k in range(-50, 50)] == list(range(-50, 50))
    assert [log(10.0**k, 10) for k in range(23)] == list(range(23))


@pytest.mark.parametrize(
    ("x", "base", "result"), [(0.0, 3.0, -inf), (-1.0, 3.0, nan), (2.0, 1.0, inf), (1.0, 1.0, nan)]
)
def test_logarithm_at_the_edge_of_its_domain(x: float, base: float, result: float) -> None:
    assert log(x, base) == pytest.approx(result, nan_ok=True)


@quick
@given(st.lists(st.floats(-700.0, 700.0), min_size=1, max_size=8))
def test_logsumexp_and_softmax_are_those_of_scipy(xs: list[float]) -> None:
    # Taking the logarithm's rounding, relative to the largest logit, out of an exponent makes it absolute.
    rounding = 1e-15 * (1.0 + max(map(abs, xs)))
    assert logsumexp(xs) == pytest.approx(float(special.logsumexp(xs)), rel=1e-14, abs=1e-14)
    assert softmax(xs) == pytest.approx(list(special.softmax(xs)), rel=4.0 * rounding, abs=1e-300)
    assert math.fsum(softmax(xs)) == pytest.approx(1.0, rel=4.0 * rounding)


@pytest.mark.parametrize(
    "logits",
    [[1e308, -1e308], [-1e308, 1e308, 1e308], [1000.0, 0.0, -1000.0], [-1e4, -1e4], [5e-324, 0.0], [1e300]],
)
def test_softmax_and_logsumexp_are_stable_for_huge_logits(logits: list[float]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    xs = leaves(*logits)
    tensor = torch.tensor(logits, dtype=torch.float64, requires_grad=True)

    total, expected = logsumexp(xs), torch.logsumexp(tensor, 0)
    total.backward()
    assert total.data == pytest.approx(expected.item(), rel=1e-15)
    # PyTorch's own derivatives of logsumexp are e**(x - result), which add up to more than 1 for huge ties.
    assert [x.grad for x in xs] == pytest.approx(torch.softmax(tensor, 0).tolist(), rel=1e-11, abs=1e-300)

    xs = leaves(*logits)
    tensor.grad = None
    first, expected = softmax(xs)[0], torch.softmax(tensor, 0)[0]
    first.backward()
    expected.backward()
    assert first.data == pytest.approx(expected.item(), rel=1e-11, abs=1e-300)
    assert [x.grad for x in xs] == pytest.approx(tensor.grad.tolist(), rel=1e-11, abs=1e-11)


# Gradients.

GRADIENTS: dict[str, tuple[Callable[[Sequence[Any]], Any], list[float]]] = {
    "sum with start": (lambda v: sum(v[1:], v[0]) * v[0], [1.5, -2.0, 3.0]),
    "prod": (lambda v: prod([*v, 2.0]), [1.5, -2.0, 3.0]),
    "prod with start": (lambda v: prod(v[1:], start=v[0]), [1.5, -2.0, 3.0]),
    "prod with zero": (lambda v: prod(v), [1.5, 0.0, 3.0]),
    "sumprod": (lambda v: sumprod(v[:2], v[2:]), [1.5, -2.0, 3.0, 0.5]),
    "sumprod with itself": (lambda v: sumprod(v, v), [1.5, -2.0]),
    "dot": (lambda v: dot(v[:2], v[2:4], v[4]), [1.5, -2.0, 3.0, 0.5, 7.0]),
    "log to a constant base": (lambda v: log(v[0], 3.0), [1.5]),
    "log to base 2": (lambda v: log(v[0], 2), [1.5]),
    "log of a constant": (lambda v: log(3.0, v[0]), [1.5]),
    "log": (lambda v: log(v[0], v[1]), [1.5, 0.4]),
    "softmax": (lambda v: sumprod(softmax(v), [1.0, 2.0, 3.0]), [1.5, -2.0, 1.0]),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient_agrees_with_central_differences(name: str) -> None:
    function, xs = GRADIENTS[name]
    assert gradient(function, xs) == pytest.approx(central_differences(function, xs), rel=1e-8, abs=1e-9)


@quick
@given(st.lists(numbers, min_size=2, max_size=8))
def test_softmax_gradient_sums_to_zero(xs: list[float]) -> None:
    # Adding one number to all logits changes nothing.
    assert math.fsum(gradient(lambda v: softmax(v)[0], xs)) == pytest.approx(0.0, abs=1e-13)


# Nodes.


@pytest.mark.parametrize(
    ("root", "inputs", "symbol"),
    [
        (sum(leaves(1.0, 2.0, 3.0)), 3, "Σ"),
        (sum(leaves(1.0, 2.0, 3.0), 4.0), 4, "Σ"),
        (fsum(leaves(1.0, 2.0, 3.0)), 3, "fsum"),
        (sumprod(leaves(1.0, 2.0), [3.0, 4.0]), 5, "Σ"),
        (dot([1.0, 2.0], leaves(3.0, 4.0), 0.5), 5, "Σ"),
        (dist(leaves(1.0, 2.0), leaves(3.0, 4.0)), 4, "dist"),
        (logsumexp(leaves(1.0, 2.0, 3.0)), 3, "logsumexp"),
        (log(Value(2.0), 2), 1, "log2"),
        (log(Value(2.0), 10.0), 1, "log10"),
        (log(Value(2.0)), 1, "log"),
    ],
)
def test_single_node(root: Value, inputs: int, symbol: str) -> None:
    assert len(root.operands) == inputs
    assert all(operand.is_leaf for operand in root.operands)
    assert root.op is not None
    assert root.op.symbol == symbol


def test_product_makes_no_node_for_the_start_of_one() -> None:
    x, y = leaves(2.0, 3.0)
    assert prod([x, y]).operands == (x, y)
    assert prod([x]) is x


def test_order_of_operands_is_kept() -> None:
    w, x, bias = leaves(1.0, 2.0), leaves(3.0, 4.0), Value(0.5)
    assert dot(w, x, bias).operands == (*w, *x, bias)
    assert dist(w, x).operands == (*w, *x)
    assert sum(w, bias).operands == (bias, *w)


def test_mixed_values_and_numbers() -> None:
    x = Value(2.0)
    assert sum([1, x, Fraction(1, 2), np.float64(3.0), True]).data == 7.5
    assert prod([1, x, Fraction(1, 2), np.float64(3.0)]).data == 3.0
    assert logsumexp([x, 2]).data == pytest.approx(2.0 + math.log(2.0), rel=1e-15)
    assert all(isinstance(p, Value) for p in softmax([x, 2.0]))


def test_iterators_serve_as_sequences() -> None:
    assert sum(iter([1.0, 2.0])) == 3.0
    assert fsum(x for x in (1.0, 2.0)) == 3.0
    assert prod(iter([2.0, 3.0])) == 6.0
    assert sumprod(iter([1.0, 2.0]), iter([3.0, 4.0])) == 11.0
    assert dist(iter([1.0]), iter([4.0])) == 3.0
    assert logsumexp(iter([0.0])) == 0.0
    assert softmax(iter([0.0])) == [1.0]
    assert sum(np.array([1.0, 2.0])) == 3.0


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (sum([]), 0.0),
        (sum([1, 2]), 3.0),
        (fsum([]), 0.0),
        (fsum([1]), 1.0),
        (prod([]), 1.0),
        (prod([], start=3), 3.0),
        (prod([2, 3]), 6.0),
        (sumprod([], []), 0.0),
        (sumprod([1], [2]), 2.0),
        (dot([], [], 3), 3.0),
        (dist([], []), 0.0),
        (dist([1], [4]), 3.0),
        (log(8, 2), 3.0),
        (log(1), 0.0),
        (log(7, 7), 1.0),
        (logsumexp([0]), 0.0),
        (softmax([3])[0], 1.0),
    ],
)
def test_results_for_numbers_and_for_nothing_are_floats(result: Any, expected: float) -> None:
    assert (type(result), result) == (float, expected)


def test_start_that_is_a_value_is_kept_for_empty_sequences() -> None:
    start = Value(2.0)
    assert prod([], start=start) is start
    assert sum([], start).operands == (start,)
    assert dot([], [], start).operands == (start,)


def test_one_value_many_times_over() -> None:
    assert gradient(lambda v: sum([v[0]] * 5), [3.0]) == [5.0]
    assert gradient(lambda v: dot([v[0]] * 2, [v[0]] * 2, v[0]), [3.0]) == [13.0]
    assert gradient(lambda v: logsumexp([v[0]] * 4), [3.0]) == pytest.approx([1.0], rel=1e-15)


# Errors.


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sumprod([1.0], [1.0, 2.0]), "sumprod needs two sequences of one length, but got 1 and 2 elements"),
        (lambda: dot([1.0], [1.0, 2.0]), "dot needs as many ws as xs, but got 1 and 2"),
        (lambda: dist([1.0], leaves(1.0, 2.0)), "dist needs points of one dimension, but got 1 and 2 coordinates"),
        (lambda: logsumexp([]), "logsumexp needs at least one term"),
        (lambda: softmax([]), "softmax needs at least one logit"),
    ],
)
def test_wrong_lengths_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("wrong", ["1", None, 1j, [1.0], np.zeros(2)], ids=repr)
@pytest.mark.parametrize("other", [2.0, Value(2.0)], ids=["number", "Value"])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("sum", lambda x, y: sum([x, y])),
        ("sum", lambda x, y: sum([x], y)),
        ("fsum", lambda x, y: fsum([x, y])),
        ("prod", lambda x, y: prod([x, y])),
        ("prod", lambda x, y: prod([x], start=y)),
        ("sumprod", lambda x, y: sumprod([x], [y])),
        ("dot", lambda x, y: dot([x], [y])),
        ("dot", lambda x, y: dot([x], [x], y)),
        ("dist", lambda x, y: dist([x], [y])),
        ("log", lambda x, y: log(x, y)),
        ("log", lambda x, y: log(y, 2)),
        ("log", lambda x, y: log(y)),
        ("logsumexp", lambda x, y: logsumexp([x, y])),
        ("softmax", lambda x, y: softmax([x, y])),
    ],
)
def test_what_is_no_number_is_refused_by_the_function_called(
    name: str, call: Callable[[Any, Any], Any], other: Any, wrong: Any
) -> None:
    if name == "log" and isinstance(wrong, np.ndarray):
        return  # elementwise: see test_arrays.py
    with pytest.raises(TypeError) as caught:
        call(other, wrong)
    assert str(caught.value) == f"{name} takes Values and real numbers, not {wrong!r} ({type(wrong).__name__})"


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("sum", lambda x: sum([1.0, x])),
        ("prod", lambda x: prod([1.0, x])),
        ("dot", lambda x: dot([Value(1.0)], [x])),
        ("log", lambda x: log(x, 2)),
        ("softmax", lambda x: softmax([x])),
    ],
)
def test_integers_beyond_float64_are_refused_by_the_function_called(name: str, call: Callable[[int], Any]) -> None:
    with pytest.raises(OverflowError, match=rf"an operand of {name} is too large for float64: an integer of 3322 bits"):
        call(10**1000)


def test_a_single_value_where_a_sequence_belongs_is_refused() -> None:
    functions: list[Callable[[Any], Any]] = [sum, fsum, prod, logsumexp, softmax]
    for function in functions:
        with pytest.raises(TypeError, match="iterable"):
            function(Value(1.0))
