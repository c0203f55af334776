"""Loops that stay loops: compiled, they compute what the same Python loop computes when it is unrolled."""

from __future__ import annotations

import copy
import math
import pickle
import threading
import time
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

import numpy as np
import pytest
from agreement import assert_agree, bits, leaves
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rounds import MODELS, random_function, unrolled

from autograd_mini import (
    TracingError,
    Value,
    cos,
    detach,
    fori_loop,
    fsum,
    grad,
    hessian,
    hvp,
    jacobian,
    jit,
    jvp,
    scan,
    sin,
    sqrt,
    tanh,
    value_and_grad,
    vjp,
    vmap,
)
from autograd_mini.compiler import parts, pipeline
from autograd_mini.compiler.program import Program, check
from autograd_mini.engine import modes
from autograd_mini.engine.modes import BLOCKS
from autograd_mini.transforms.trees import flatten

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture(params=["registers", "rounds"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Compile rounds as straight-line code, then as runs that are done in each round."""
    if request.param == "rounds":
        monkeypatch.setattr(parts, "STRAIGHT", 0)
    return request.param


@pytest.fixture(autouse=True)
def _check_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check each program that is made, and write it down."""
    assign_slots: Any = vars(pipeline)["assign_slots"]

    def assign_and_check(*args: Any) -> Program:
        program = assign_slots(*args)
        check(program)
        assert str(program)
        return program

    monkeypatch.setattr(pipeline, "assign_slots", assign_and_check)


DIRECTION = [0.3, -1.2, 0.8, 0.5]


def third(f: Any) -> Any:
    """Differentiate backwards, backwards and forwards."""
    return lambda p: jvp(lambda q: hvp(f)(q, DIRECTION[: len(p)]), (p,), (DIRECTION[: len(p)],))[1]


# Backwards, forwards, and what is made of both.
TRANSFORMS = {
    "gradient": value_and_grad,
    "jvp": lambda f: lambda p: jvp(f, (p,), (DIRECTION[: len(p)],)),
    "hessian": hessian,
    "backward over forward": lambda f: grad(lambda p: jvp(f, (p,), (DIRECTION[: len(p)],))[1]),
    "third": third,
}


@cache
def by_hand(name: str, transform: str) -> Any:
    model = MODELS[name]
    return TRANSFORMS[transform](model.write(unrolled))(model.point)


@pytest.mark.parametrize("transform", list(TRANSFORMS))
@pytest.mark.parametrize("name", list(MODELS))
def test_a_compiled_loop_agrees_with_the_loop_unrolled(name: str, transform: str, form: str) -> None:
    model = MODELS[name]
    assert_agree(jit(TRANSFORMS[transform](model.write(scan)))(model.point), by_hand(name, transform))


def test_a_loop_gives_many_results(form: str) -> None:
    def f(p: Any, loop: Any) -> Any:
        c, ys = loop(lambda c, x: ([c[0] * p[0] + x, c[1] * c[0]], c[0] * x), [p[1], 1.0], [p[0], 0.5, -1.0])
        return c, list(ys)

    point, upstreams = [0.75, -0.5], ([1.0, -2.0], [0.5, 0.25, 3.0])
    assert_agree(jit(jacobian(lambda p: f(p, scan)))(point), jacobian(lambda p: f(p, unrolled))(point))
    expected = vjp(lambda p: f(p, unrolled), point)[1](upstreams)
    assert_agree(jit(lambda p: vjp(lambda q: f(q, scan), p)[1](upstreams))(point), expected)


# Random loops.

few = settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def assert_close(actual: Any, expected: Any) -> None:
    """Compare results that are sums of many terms: relatively to the largest of them."""
    largest = max([1.0, *[float(np.max(np.abs(x))) for _, x in leaves(expected) if np.size(x)]])
    assert_agree(actual, expected, 1e-11, 1e-11 * largest)


def example(batch: Any, i: int) -> Any:
    """Give what a result of a batch has for one example."""
    if isinstance(batch, (list, tuple)):
        return type(batch)(example(part, i) for part in batch)
    return batch[i] if batch[i].ndim else float(batch[i])


@few
@given(st.integers(0, 10**6), st.sampled_from(["gradient", "hessian", "backward over forward"]))
def test_random_loops_agree_with_the_loops_unrolled(form: str, seed: int, transform: str) -> None:
    write, random, derived = random_function(seed, depth=2 + seed % 2), Random(seed), TRANSFORMS[transform]
    rows = [[round(random.uniform(-1.5, 1.5), 3) for _ in range(3)] for _ in range(5)]
    rows = [[*row[:2], rows[0][2]] for row in rows]
    expected = [derived(write(unrolled))(row) for row in rows]
    assert_close(jit(derived(write(scan)))(rows[0]), expected[0])
    columns = np.array(rows).T
    batch = jit(lambda x, y, z: derived(write(scan))([x, y, z]), in_axes=(0, 0, None))(*columns[:2], rows[0][2])
    for i, right in enumerate(expected):
        assert_close(example(batch, i), right)


@few
@given(st.integers(0, 10**6))
def test_captured_values_are_read_in_each_call(form: str, seed: int) -> None:
    write = random_function(seed)
    captured = [Value(0.5), Value(-0.25)]
    compiled = jit(value_and_grad(lambda x: write(scan)([captured[0], x, captured[1]])))
    for numbers in ([0.5, -0.25], [1.25, 0.75]):
        for value, number in zip(captured, numbers, strict=True):
            value.data = number
        expected = value_and_grad(lambda x, known=numbers: write(unrolled)([known[0], x, known[1]]))(0.75)
        assert_close(compiled(0.75), expected)


def test_rounds_may_have_sums_that_are_rounded_once(form: str) -> None:
    def f(x: Any, loop: Any) -> Any:
        end, sums = loop(lambda c, y: (fsum([c, y, x, -y]), fsum([1e100, c, -1e100])), x, [1e100, 0.5, 1e100])
        return fsum([end, *sums])

    xs = [0.25, 0.5, 0.75]
    expected = [value_and_grad(lambda x: f(x, unrolled))(x) for x in xs]
    derived = value_and_grad(lambda x: f(x, scan))
    assert [jit(derived)(x) for x in xs] == expected == [(10.0 * x, 10.0) for x in xs]
    assert np.transpose(jit(derived, in_axes=0)(np.array(xs))).tolist() == [list(pair) for pair in expected]


# Batches.


BATCH = np.linspace(0.9, 1.1, 7)


@pytest.mark.parametrize("name", ["garch", "carries", "chained", "heston", "nested_three", "markov"])
def test_examples_of_a_batch_have_loops_of_their_own(name: str, form: str) -> None:
    model = MODELS[name]
    derived = value_and_grad(model.write(scan))
    rows = BATCH[:, None] * np.array(model.point)
    expected = [value_and_grad(model.write(unrolled))(row.tolist()) for row in rows]
    values, slopes = jit(derived, in_axes=0)(rows)
    for i, (value, slope) in enumerate(expected):
        assert_agree(values[i].item(), value)
        assert_agree(slopes[i].tolist(), slope, floor=1e-13)
    value, slope = jit(derived, in_axes=0, reduce="sum")(rows)
    assert_agree(value, math.fsum(v for v, _ in expected), 1e-13)
    np.testing.assert_allclose(slope, np.sum([s for _, s in expected], axis=0), rtol=1e-11, atol=1e-12)
    value, slope = jit(vmap(derived))(rows)
    assert bits([value, slope]) == bits([values, slopes])


def test_a_batch_of_series_shares_its_parameters() -> None:
    series = np.random.default_rng(0).normal(size=(6, 9))

    def f(p: Any, xs: Any, loop: Any = scan) -> Any:
        return loop(lambda c, x: (tanh(c * p["a"] + x), None), p["b"], xs)[0]

    p = {"a": 0.5, "b": 0.25}
    compiled = jit(value_and_grad(f, argnums=(0, 1)), in_axes=(None, 0), reduce="mean")
    value, (slope, slopes) = compiled(p, series)
    expected = [value_and_grad(lambda p, xs: f(p, xs, unrolled), argnums=(0, 1))(p, row) for row in series]
    assert_agree(value, math.fsum(v for v, _ in expected) / 6, 1e-13)
    for key in p:
        assert_agree(slope[key], math.fsum(s[key] for _, (s, _) in expected) / 6)
    np.testing.assert_allclose(slopes, np.mean([x for _, (_, x) in expected], axis=0), rtol=1e-12)
    nested = jit(f, in_axes=({"a": None, "b": 0}, None))({"a": 0.5, "b": BATCH}, series[0])
    assert nested.tolist() == pytest.approx([f({"a": 0.5, "b": b}, series[0], unrolled) for b in BATCH], rel=1e-14)


def test_threads_compute_the_same(form: str) -> None:
    model = MODELS["nested"]
    rows = np.array(model.point) * np.linspace(0.5, 1.5, 4000)[:, None]
    one, two = (jit(grad(model.write(scan)), in_axes=0, threads=threads)(rows) for threads in (1, 2))
    assert bits(one) == bits(two)


# Choices: what was not chosen gives nothing, also where it is infinite.


def delayed_start(x: Any, loop: Any) -> Any:
    return loop(lambda c, _: ((x * 2.0, c[0]), None), (sqrt(x), sqrt(x)), length=3)[0][1]


def delayed_element(x: Any, loop: Any) -> Any:
    return loop(lambda c, y: ((y, c[0]), None), (1.0, 1.0), [x, x * 2.0, sqrt(x)])[0][1]


def exchanged_starts(x: Any, loop: Any) -> Any:
    return loop(lambda c, _: ((c[1], c[0]), None), (sqrt(x), x), length=4)[0][1]


def every_second_element(x: Any, loop: Any) -> Any:
    xs = [sqrt(x) if i % 2 else x for i in range(7)]
    return loop(lambda c, y: ((c[1] + y, c[0]), None), (sqrt(x), x), xs, reverse=True)[0][0]


def late_invariant(x: Any, loop: Any) -> Any:
    root = sqrt(x)
    return loop(lambda c, _: ((c[1] + root, c[0]), None), (x, x), length=1)[0][1]


def one_result_of_many(x: Any, loop: Any) -> Any:
    ys = loop(lambda c, y: (c, sqrt(y)), 1.0, [x, x + 1.0])[1]
    return ys[1]


def detached(x: Any, loop: Any) -> Any:
    return loop(lambda c, y: (c * x + detach(sqrt(y)), None), x, [x, x * 2.0])[0]


def infinite_factor(x: Any, loop: Any) -> Any:
    return loop(lambda c, y: ((c[0] * c[0] * y, x), None), (x + 1e200, x), [1e200, 1.0, 1.0])[0][1]


@pytest.mark.parametrize(
    "f",
    [delayed_start, delayed_element, exchanged_starts, every_second_element]
    + [late_invariant, one_result_of_many, detached, infinite_factor],
)
@pytest.mark.parametrize(
    "derived", [grad, hessian, lambda f: lambda x: jvp(f, (x,), (1.0,))], ids="grad hessian jvp".split()
)
def test_what_no_round_reaches_gives_nothing(f: Any, derived: Any, form: str) -> None:
    for x in (0.0, 0.25):
        assert_agree(jit(derived(lambda x: f(x, scan)))(x), derived(lambda x: f(x, unrolled))(x))


@pytest.mark.parametrize("name", ["heston", "choices", "dead_carry"])
@pytest.mark.parametrize("transform", list(TRANSFORMS))
def test_choices_agree_at_kinks_and_beyond(name: str, transform: str, form: str) -> None:
    model, derived = MODELS[name], TRANSFORMS[transform]
    compiled = jit(derived(model.write(scan)))
    for point in ([0.0, 0.0, 0.0], [-1.0, 2.0, 0.0], [0.01, -3.0, 1.0], [3.0, 0.01, 10.0]):
        expected = derived(model.write(unrolled))(point)
        assert all(np.isfinite(x).all() for _, x in leaves(expected))
        assert_agree(compiled(point), expected, floor=1e-12)


def test_infinities_and_nans_are_the_same() -> None:
    def f(x: Any, loop: Any) -> Any:
        return loop(lambda c, y: (c * c * y, c - c / y), x, [1.0, 2.0, 3.0, 0.5])

    for x in (1e100, 1e200, math.inf, -math.inf, math.nan, 0.0, -0.0):
        assert_agree(jit(lambda x: f(x, scan))(x), f(x, unrolled))
        assert_agree(jit(grad(lambda x: f(x, scan)[0]))(x), grad(lambda x: f(x, unrolled)[0])(x))


# Lengths and forms of sequences.


@pytest.mark.parametrize("length", [0, 1, 2, 7, 1000])
@pytest.mark.parametrize("reverse", [False, True])
def test_loops_of_all_lengths(length: int, reverse: bool, form: str) -> None:
    data = np.random.default_rng(length).normal(size=length)

    def f(p: Any, xs: Any, loop: Any) -> Any:
        c, ys = loop(lambda c, x: (tanh(c * p[0] + x), c * x * p[1]), p[1], xs, reverse=reverse)
        return c + (sum(ys) if length else 0.0)

    point = [0.75, -0.5]
    for known in (True, False):
        for derived in (value_and_grad, hessian)[: 2 - (length == 1000)]:
            if known:
                found = jit(derived(lambda p: f(p, data, scan)))(point)
            else:
                found = jit(derived(lambda p, xs: f(p, xs, scan)))(point, data)
            assert_agree(found, derived(lambda p: f(p, data, unrolled))(point), 1e-11, 1e-12)


@pytest.mark.parametrize(
    "xs", [[1.0, 2.0, 4.0], np.array([1.0, 2.0, 4.0]), range(1, 4), {"a": [1.0, 2.0]}, (DIRECTION,)]
)
def test_sequences_are_arguments(xs: Any) -> None:
    def f(xs: Any, loop: Any) -> Any:
        def do_round(c: Any, x: Any) -> Any:
            x = x["a"] if isinstance(x, dict) else x[0] if isinstance(x, tuple) else x
            return c * x + sin(x), None

        return loop(do_round, 0.5, xs)[0]

    assert_agree(jit(value_and_grad(lambda xs: f(xs, scan)))(xs), value_and_grad(lambda xs: f(xs, unrolled))(xs))


def test_results_that_come_through_a_loop_as_they_are() -> None:
    def f(p: Any, loop: Any) -> Any:
        c, ys = loop(lambda c, x: (c, (c, x, p[0], 2.0, x)), p[1], [p[0], 1.0, p[1]])
        return c, ys, loop(lambda c, y: (c + y[0] * y[2] * y[3], y[1]), 0.0, ys)

    for derived in (lambda f: f, jacobian):
        assert_agree(jit(derived(lambda p: f(p, scan)))([2.0, 3.0]), derived(lambda p: f(p, unrolled))([2.0, 3.0]))


def test_the_body_runs_once_however_long_the_loop_is() -> None:
    runs = []

    def do_round(c: Any, x: Any) -> Any:
        runs.append(x)
        return c * 1.5, None

    jit(grad(lambda p: scan(do_round, p, length=1000)[0]))(1.0)
    assert len(runs) == 1


def mixed(c: Any, x: Any) -> Any:
    return 0.5 * c + sin(x), c * x


SLICES = {
    "all but the first": lambda x, loop: loop(mixed, x[0], x[1:])[0],
    "from the end": lambda x, loop: loop(mixed, 0.2, x[::-1]),
    "every second": lambda x, loop: loop(mixed, x[2], x[1::2])[1][::-1],
    "of results": lambda x, loop: loop(mixed, 0.1, loop(mixed, 0.2, x)[1][::-2])[1][1:],
    "two side by side": lambda x, loop: loop(lambda c, z: mixed(c, z["a"] * z["b"]), 0.3, {"a": x[1:], "b": x[:-1]}),
    "a column": lambda x, loop: loop(lambda c, z: mixed(c, z[0] * z[1]), 0.3, x.reshape(-1, 2)),
    "whole and singly": lambda x, loop: (loop(mixed, x[1], x), sum([k * z for k, z in enumerate(x)])),
    "given back": lambda x, loop: (x, loop(mixed, x[1], x)[1], x[::2], list(x), x[3]),
    "one element again and again": lambda x, loop: loop(mixed, 0.2, [x[1]] * 4),
    "elements and others": lambda x, loop: loop(mixed, 0.2, [x[1], x[2], 2.0, x[3] * x[4]]),
    "within rounds": lambda x, loop: loop(
        lambda c, z: (0.5 * c + loop(mixed, z, loop(mixed, c, x)[1][2:])[0] + x[2], z), 0.1, x[:3]
    ),
}


def numbers_of(f: Any, loop: Any, p: Any, x: Any) -> Any:
    """Weigh the numbers of a result by a polynomial, so that each counts."""
    total = 0.0
    for k, leaf in enumerate(flatten(f(x, loop), "the result")[0]):
        total = total + leaf * (k + p)
    return total


@pytest.mark.parametrize("name", SLICES)
def test_slices_of_arrays_are_what_they_are_in_python(name: str, form: str) -> None:
    f = SLICES[name]
    x = np.random.default_rng(0).normal(size=6)
    assert flatten(jit(lambda x: f(x, scan))(x), "it")[0] == pytest.approx(flatten(f(x, unrolled), "it")[0], 1e-12)
    batch = np.stack([x, 2.0 * x, x - 1.0])
    folded = jit(lambda x: numbers_of(f, scan, 1.5, x), in_axes=0, reduce="sum")(batch)
    assert_agree(folded, sum([numbers_of(f, unrolled, 1.5, row) for row in batch]))
    expected = hessian(lambda x: numbers_of(f, unrolled, 1.5, x))(x)
    assert_agree(jit(hessian(lambda x: numbers_of(f, scan, 1.5, x)))(x), expected)
    expected = value_and_grad(lambda p, x: numbers_of(f, unrolled, p, p * x))(1.5, x)
    assert_agree(jit(value_and_grad(lambda p, x: numbers_of(f, scan, p, p * x)))(1.5, x), expected)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: scan(mixed, 0.1, x),
        lambda x: scan(mixed, x[0], x[1:])[1],
        lambda x: scan(lambda c, z: mixed(c, z[0] * z[1]), 0.1, x.reshape(-1, 2))[1][::-1],
        lambda x: grad(lambda p: scan(lambda c, z: mixed(c, p * z), 0.1, x)[0])(0.5),
    ],
)
def test_the_graph_of_an_array_does_not_grow_with_it(f: Any) -> None:
    few, many = (jit(f).lower(np.ones(size)).graph for size in (10, 1000))
    assert few.count("\n") == many.count("\n")


# Values in rounds.


def test_values_around_and_within_a_loop() -> None:
    w = Value(2.0)

    def f(p: Any, loop: Any) -> Any:
        bias = Value(0.5)

        def do_round(c: Any, x: Any) -> Any:
            scale = Value(1.5)
            return c * w * p + scale * bias * x + detach(c) * c, c * scale

        c, ys = loop(do_round, p, [1.0, 2.0])
        return c + ys[1]

    compiled = jit(value_and_grad(lambda p: f(p, scan)))
    for number in (2.0, -1.0):
        w.data = number
        expected = value_and_grad(lambda p: f(p, unrolled))(0.75)
        assert_agree(
            compiled(0.75), (expected[0].data, expected[1].data) if isinstance(expected[0], Value) else expected
        )


def test_a_gradient_within_a_round_to_a_number_from_around_it(form: str) -> None:
    def f(p: Any, loop: Any) -> Any:
        return loop(lambda c, x: (c + grad(lambda q: q * q * sin(c) * x)(p), None), p, [1.0, 0.5])[0]

    for derived in (lambda f: f, grad, hessian):
        assert_agree(jit(derived(lambda p: f(p, scan)))(1.5), derived(lambda p: f(p, unrolled))(1.5))


# Errors.


def escaping(p: Any) -> Any:
    seen: list[Any] = []

    def do_round(c: Any, x: Any) -> Any:
        seen.append(c * p)  # here
        return c, None

    scan(do_round, p, length=2)
    return seen[0]


def escaping_into_a_second_loop(p: Any) -> Any:
    number = escaping(p)
    return scan(lambda c, x: (c * number, None), p, length=2)[0]


def escaping_from_an_inner_loop(p: Any) -> Any:
    def do_round(c: Any, x: Any) -> Any:
        seen: list[Any] = []

        def inner(d: Any, y: Any) -> Any:
            seen.append(d * c)  # here
            return d, None

        return scan(inner, c, length=2)[0] + seen[0], None

    return scan(do_round, p, length=2)[0]


@pytest.mark.parametrize("f", [escaping, escaping_into_a_second_loop, escaping_from_an_inner_loop])
@pytest.mark.parametrize("derived", [lambda f: f, grad], ids=["value", "gradient"])
def test_a_number_of_a_round_that_escapes_is_refused_by_its_line(f: Any, derived: Any) -> None:
    with pytest.raises(
        TracingError, match=r"a number of a round .* \(line \d+ of test_loops.py: seen.append.* # here\)"
    ):
        jit(derived(f))(1.5)
    assert BLOCKS.open == 0


def deciding(c: Any, x: Any) -> Any:
    return (c if c > 0.0 else -c), None


def deciding_by_its_element(c: Any, x: Any) -> Any:
    return (c if x > 0.0 else -c), None


def deciding_and_hiding_it(c: Any, x: Any) -> Any:
    try:
        return (c if c > 0.0 else -c), None
    except TracingError:
        return c, None


@pytest.mark.parametrize("do_round", [deciding, deciding_by_its_element, deciding_and_hiding_it])
def test_a_decision_by_a_number_of_a_round_is_refused_by_its_line(do_round: Any) -> None:
    with pytest.raises(TracingError, match=r"comparing .* \(line \d+ of test_loops.py: return \(c if "):
        jit(lambda p: scan(do_round, p, [1.0, -2.0])[0])(1.5)
    with pytest.raises(TracingError, match="comparing"):
        jit(lambda p: scan(lambda c, x: (scan(do_round, c, [1.0])[0], None), p, [1.0, -2.0])[0])(1.5)


@pytest.mark.parametrize("error", [KeyboardInterrupt, LookupError])
def test_an_exception_in_a_round_leaves_nothing_open(error: type[BaseException]) -> None:
    raised = error("stop")
    fails = [True]

    def inner(c: Any, x: Any) -> Any:
        if fails[0]:
            raise raised
        return c * x, None

    compiled = jit(grad(lambda p: scan(lambda c, x: (scan(inner, c, [2.0])[0], None), p, [1.0, 2.0])[0]))
    with pytest.raises(error) as caught:
        compiled(1.5)
    assert caught.value is raised
    assert BLOCKS.open == 0
    assert modes.tracer.get() is None
    fails[0] = False
    assert compiled(1.5) == 4.0


# Compiled loops as any compiled function.

PICKLED = ["nested_three", "chained", "carries"]


@pytest.mark.parametrize("name", PICKLED)
def test_compiled_loops_travel(name: str, form: str) -> None:
    model = MODELS[name]
    compiled = jit(value_and_grad(model.write(scan)))
    expected = compiled(model.point)
    travelled = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(compiled))))
    assert travelled(model.point) == expected
    assert copy.deepcopy(compiled)(model.point) == expected
    assert travelled.lower(model.point).graph == compiled.lower(model.point).graph


def test_a_graph_shows_the_rounds_of_its_loops() -> None:
    f = jit(lambda p: scan(lambda c, x: (c * p + x, None), 1.0, [1.0, 2.0], reverse=True)[0])
    assert f.lower(2.0).graph.splitlines() == [
        "v1 = stack(1.0, 2.0)",
        "v2 = loop of 2 rounds backwards(1.0, v1, x0)",
        "    v1 = mul(x0, x2)",
        "    v2 = add(v1, x1)",
        "    return v2",
        "v3 = output 0(v2)",
        "return v3",
    ]


def test_threads_share_a_compiled_loop() -> None:
    model = MODELS["nested"]
    compiled = jit(value_and_grad(model.write(scan)))
    expected = value_and_grad(model.write(unrolled))(model.point)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.extend([compiled(model.point)] * 20)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    for result in found:
        assert_agree(result, expected)


def test_a_compiled_loop_is_part_of_a_graph_of_values() -> None:
    model = MODELS["nested"]
    compiled = jit(model.write(scan))
    values = [Value(x) for x in model.point]
    result = compiled(values)
    result.backward()
    assert_agree([v.grad for v in values], grad(model.write(unrolled))(model.point))


def test_way_back_takes_what_the_rounds_have_computed() -> None:
    def anomaly(mean: Any) -> Any:
        return scan(lambda a, _: (mean + 0.5 * (sin(a) - a * cos(a)), None), mean, length=10)[0]

    graph = jit(grad(anomaly)).lower(1.0).graph
    assert (graph.count("sin("), graph.count("cos(")) == (1, 1)


def test_fori_loop_is_compiled_as_a_loop() -> None:
    def f(x: Any) -> Any:
        return fori_loop(0, 1000, lambda i, c: c * 0.999 + sin(i * x), x)

    graph = jit(f).lower(0.5).graph
    assert len(graph.splitlines()) < 12
    assert_agree(jit(value_and_grad(f))(0.5), value_and_grad(f)(0.5), 1e-11)


# Scale.


def test_a_million_rounds_compile_in_the_time_of_a_few(backend: str) -> None:
    length = 1_000_000 if backend == "llvm" else 1000
    data = np.random.default_rng(0).normal(size=length)

    def loss(p: Any) -> Any:
        def day(c: Any, r: Any) -> Any:
            variance, total = c
            return (p[0] + p[1] * r * r + p[2] * variance, total + r * r / variance), None

        return scan(day, (p[0], 0.0), data)[0][1] / length

    compiled = jit(value_and_grad(loss))
    lines = len(compiled.lower([0.1, 0.1, 0.8]).graph.splitlines())
    assert lines < 100
    began = time.perf_counter()
    value, slope = compiled([0.1, 0.1, 0.8])
    assert time.perf_counter() - began < 30.0
    step = 1e-6
    for i in range(3):
        ends = [compiled([p + sign * step * (i == k) for k, p in enumerate([0.1, 0.1, 0.8])])[0] for sign in (1, -1)]
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(slope[i], rel=1e-5)
    assert math.isfinite(value)
