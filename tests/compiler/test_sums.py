"""Sums of products are recognised however they were written, and add up in the order in which they stood."""

from __future__ import annotations

import math
import operator
import re
import sys
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import permutations
from random import Random
from typing import Any

import numpy as np
import pytest
from agreement import bits, identical
from graphs import graph_of

import autograd_mini
from autograd_mini import dot, jit, sumprod, tanh, value_and_grad
from autograd_mini.compiler.arguments import Block
from autograd_mini.compiler.parts import split
from autograd_mini.compiler.sums import find_sums

pytestmark = pytest.mark.usefixtures("backend")

N = 40
random = Random(0)
# Of very different sizes, so that each order of adding them up has a result of its own.
WEIGHTS, XS = ([random.choice((-1.0, 1.0)) * 10.0 ** random.uniform(-9, 9) for _ in range(N)] for _ in "wx")


def loop_from_zero(ws: Sequence[Any], xs: Sequence[Any]) -> Any:
    total: Any = 0.0
    for w, x in zip(ws, xs, strict=True):
        total += w * x
    return total


def loop_from_the_first(ws: Sequence[Any], xs: Sequence[Any]) -> Any:
    total = ws[0] * xs[0]
    for w, x in zip(ws[1:], xs[1:], strict=True):
        total = x * w + total
    return total


WAYS: dict[str, Callable[[Sequence[Any], Sequence[Any]], Any]] = {
    "sum of a generator": lambda ws, xs: sum(w * x for w, x in zip(ws, xs, strict=True)),
    "sum from -0.0": lambda ws, xs: sum((w * x for w, x in zip(ws, xs, strict=True)), -0.0),
    "loop of +=": loop_from_zero,
    "loop from the first product": loop_from_the_first,
    "dot": dot,
    "sumprod": sumprod,
    "sum in one node": lambda ws, xs: autograd_mini.sum(w * x for w, x in zip(ws, xs, strict=True)),
    "reduce": lambda ws, xs: reduce(operator.add, map(operator.mul, ws, xs)),
    "numpy.dot": lambda ws, xs: np.dot(np.array(ws, dtype=object), np.array(xs, dtype=object)),
    "with a bias": lambda ws, xs: dot(ws[1:], xs[1:], ws[0]),
    "bias in front": lambda ws, xs: ws[0] + sum(w * x for w, x in zip(ws[1:], xs[1:], strict=True)),
    "without products": lambda ws, xs: sum(ws),
    "of squares": lambda ws, xs: sum(w * w for w in ws),
    "of differences": lambda ws, xs: sum((w - x) ** 2 for w, x in zip(ws, xs, strict=True)),
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


@every_way
def test_sums_of_products_become_one_loop_with_the_bits_of_the_engine(way: Callable[..., Any]) -> None:
    compiled = jit(way)
    found = compiled(WEIGHTS, XS)
    expected = way([autograd_mini.Value(w) for w in WEIGHTS], [autograd_mini.Value(x) for x in XS])
    assert bits(found) == bits(expected.data)
    program = compiled.lower(WEIGHTS, XS).program
    assert len(re.findall("^dot", program, re.MULTILINE)) == 1
    assert "add(" not in program


@every_way
def test_sums_over_a_batch_have_the_bits_of_the_engine(way: Callable[..., Any]) -> None:
    examples = np.array([[x * (1.0 + 0.01 * i) for x in XS] for i in range(9)])
    found = jit(way, in_axes=(None, 0))(WEIGHTS, examples)
    expected = [way([autograd_mini.Value(w) for w in WEIGHTS], list(row)) for row in examples.tolist()]
    assert bits(np.broadcast_to(found, 9)) == bits(np.array([getattr(e, "data", e) for e in expected]))


@every_way
def test_gradients_of_sums_agree_with_the_engine(way: Callable[..., Any]) -> None:
    derive = value_and_grad(way, argnums=(0, 1))
    _, found = jit(derive)(WEIGHTS, XS)
    _, expected = derive(WEIGHTS, XS)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_partial_sums_that_are_needed_elsewhere_are_kept() -> None:
    def running(xs: Sequence[Any]) -> list[Any]:
        totals: list[Any] = [xs[0]]
        for x in xs[1:]:
            totals.append(totals[-1] + x * x)
        return totals

    def used_twice(xs: Sequence[Any]) -> Any:
        half = sum(x * x for x in xs[:20])
        product = xs[0] * xs[1]
        return half + sum(x * x for x in xs[20:]) + tanh(half) + product + product * half

    assert jit(running)(XS) == running(XS)
    assert jit(used_twice)(XS) == pytest.approx(used_twice(XS), rel=1e-14)


def test_sums_of_sums_are_right() -> None:
    def layers(rows: Any, xs: Any) -> Any:
        hidden = [dot(row, xs, 0.5) for row in rows]
        hidden = [dot(row, hidden) for row in rows]
        return sum(h * h for h in hidden) + sum(hidden)

    rng = np.random.default_rng(0)
    rows, xs = rng.normal(size=(8, 8)), rng.normal(size=8)
    expected = rows @ (rows @ xs + 0.5)
    assert jit(layers, in_axes=None)(rows.tolist(), xs.tolist()) == pytest.approx(
        (expected**2).sum() + expected.sum(), rel=1e-12
    )


@pytest.mark.parametrize("special", [math.inf, -math.inf, math.nan, -0.0, 5e-324, 1e308])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8])
def test_special_terms_of_any_number_of_terms(special: float, n: int) -> None:
    way = WAYS["sum from -0.0"]
    ws, xs = [special] * n, [0.5, 0.0, -1.0, 2.0, -0.0, 1.0, 4.0, 8.0][:n]
    found, expected = jit(way)(ws, xs), way(ws, xs)
    assert identical(found, expected)


def test_factors_may_be_numbers_of_the_batch_and_of_an_example() -> None:
    """Each pair of a sum may mix what is the same for all examples with what is not."""

    def mixed(ws: Any, xs: Any) -> Any:
        pairs = [(ws[0], ws[1]), (ws[2], xs[0]), (xs[1], ws[3]), (xs[2], xs[3]), (xs[4], 2.0), (ws[4], 1.0)]
        return sum(a * b for a, b in pairs)

    rng = np.random.default_rng(0)
    ws, examples = rng.normal(size=5), rng.normal(size=(7, 5))
    found = jit(mixed, in_axes=(None, 0))(ws.tolist(), examples)
    assert found == pytest.approx([mixed(ws, row) for row in examples], rel=1e-13)


# Exactly rounded sums.

HUGE = sys.float_info.max


def exact_sums(rows: Sequence[Sequence[float]]) -> list[float]:
    """Sum each row by itself, and all of them as a batch; the two must agree to the last bit."""
    total = jit(autograd_mini.fsum)
    one_by_one = [total(list(row)) for row in rows[:40]]
    batch = jit(autograd_mini.fsum, in_axes=0)([np.array(column) for column in zip(*rows, strict=True)])
    assert bits(np.array(one_by_one)) == bits(batch[: len(one_by_one)])
    return batch.tolist()


def test_sum_is_exactly_rounded() -> None:
    rng = Random(0)
    rows = []
    for _ in range(60):
        terms = [rng.choice((-1.0, 1.0)) * math.ldexp(rng.random(), rng.randint(-1080, 1020)) for _ in range(7)]
        near = [x * (1.0 + rng.choice((0.0, 2.0**-52, 2.0**-40))) for x in terms[:4]]
        rows.append([*terms, *(-x for x in near), math.ldexp(1.0, rng.randint(-1074, 1000))])
    halves = [1.0, 2.0**-53, 2.0**-53, 2.0**-107, -(2.0**-107), -(2.0**-53), 1e16, 1.0, 1e-16, -1e16, 0.0, -0.0]
    rows += [rng.sample(halves, len(halves)) for _ in range(60)]
    assert exact_sums(rows) == [math.fsum(row) for row in rows]


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ([1e308, 1e308, -1e308, -1e308, 5e-324], 5e-324),
        ([HUGE, HUGE, -HUGE, 1.0, 0.0], HUGE),
        ([HUGE, 2.0**970, -5e-324, 0.0, 0.0], HUGE),
        ([HUGE, 2.0**969, 2.0**969, 0.0, 0.0], math.inf),
        ([HUGE, 2.0**969, 2.0**968, 0.0, 0.0], HUGE),
        ([-HUGE, -HUGE, -HUGE, HUGE, 1e300], -math.inf),
        ([math.inf, HUGE, HUGE, 0.0, 0.0], math.inf),
        ([math.inf, HUGE, HUGE, -math.inf, 0.0], math.nan),
        ([-0.0, -0.0, -0.0, -0.0, -0.0], 0.0),
    ],
)
def test_exact_sum_overflows_only_if_the_sum_does(terms: list[float], expected: float) -> None:
    sums = exact_sums(list(permutations(terms)))
    assert set(map(repr, sums)) == {repr(expected)}


def test_exact_sum_of_numbers_of_all_lanes_and_of_each() -> None:
    xs = np.array([1e16, -1e16, 1.0, 0.1, 3.0])
    total = jit(lambda x, y, z: autograd_mini.fsum([x, y, 0.25, x, z, 1e-3]), in_axes=(0, None, 0))
    expected = [math.fsum([x, 1e16, 0.25, x, -x * x, 1e-3]) for x in xs.tolist()]
    assert total(xs, 1e16, -xs * xs).tolist() == expected


def test_exact_sum_has_as_many_partials_as_it_needs() -> None:
    bits_apart = [math.ldexp(1.0, 2 * i) for i in range(-537, 500)]
    assert exact_sums([bits_apart, bits_apart[::-1]]) == [math.fsum(bits_apart)] * 2


# The pass.


def sums_of(*nodes: Any, results: Sequence[int]) -> str:
    """Find the sums among nodes that follow six arguments."""
    graph = graph_of(6, *nodes, results=results)
    before = str(graph)
    _, part = split(graph, [Block((6,), True)], folded=False).computed
    found = str(find_sums(graph, part))
    assert str(graph) == before, "a pass changes nothing"
    return found


def test_a_chain_of_products_is_one_sum() -> None:
    nodes = [("mul", 0, 1), ("mul", 1, 2), ("add", 6, 7), ("mul", 2, 3), ("add", 9, 8), ("add", 10, 4)]
    assert sums_of(*nodes, results=[11]) == "11 = 0*1 + 1*2 + 2*3 + 4"


def test_a_sum_begins_with_what_is_no_product() -> None:
    nodes = [("add", 5, 0), ("add", 6, 1), ("add", 7, 2), ("add", 8, 3)]
    assert sums_of(*nodes, results=[9]) == "9 = 5 + 0 + 1 + 2 + 3"
    assert sums_of(0.0, ("add", 6, 0), ("add", 7, 1), ("add", 8, 2), ("add", 9, 3), results=[10]) == (
        "10 = 0.0 + 0 + 1 + 2 + 3"
    )


def test_few_terms_are_no_sum() -> None:
    assert sums_of(("add", 0, 1), ("add", 6, 2), ("add", 7, 3), results=[8]) == ""


def test_what_is_needed_elsewhere_begins_a_sum_of_its_own() -> None:
    nodes = [("sum", 0, 1, 2, 3), ("dot", 0, 1, 2, 3, 6), ("sum", 7, 0, 1, 2), ("mul", 7, 6)]
    assert sums_of(*nodes, results=[8, 9]) == "6 = 0.0 + 0 + 1 + 2 + 3\n8 = 0.0 + 7 + 0 + 1 + 2"
