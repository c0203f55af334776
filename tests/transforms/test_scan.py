"""scan and fori_loop, where they are Python loops: results, how they are nested, and errors; the latter traced, too."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from agreement import assert_agree
from rounds import MODELS, unrolled

from autograd_mini import Value, fori_loop, grad, hessian, jit, jvp, no_grad, scan, sin, topological_order
from autograd_mini.engine import modes
from autograd_mini.engine.modes import BLOCKS

DATA = np.array([0.5, -1.0, 2.0, 0.25])
Pair = namedtuple("Pair", ["a", "b"])


@dataclass
class State:
    """A carry."""

    level: Any
    trend: Any


def step(c: Any, x: Any) -> Any:
    return c * 0.5 + x, c * x


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("transform", [lambda f: f, grad, hessian], ids=["value", "gradient", "hessian"])
def test_scan_is_the_python_loop(name: str, transform: Any) -> None:
    model = MODELS[name]
    assert_agree(transform(model.write(scan))(model.point), transform(model.write(unrolled))(model.point), 0.0)


# Sequences.


@pytest.mark.parametrize("xs", [DATA, DATA.tolist(), np.arange(4), range(4), np.array([1.5, 2.0, 0.0, 3.0], object)])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_results_of_all_rounds_stand_in_the_order_of_xs(xs: Any, reverse: bool) -> None:
    c, expected = 1.0, []
    for x in reversed(list(xs)) if reverse else xs:
        c, y = step(c, x)
        expected.append(y)
    for run in (lambda f: f, jit):
        last, ys = run(lambda start: scan(step, start, xs, reverse=reverse))(1.0)
        assert last == c
        assert ys.tolist() == (expected[::-1] if reverse else expected)


@pytest.mark.parametrize("run", [lambda f: f, jit], ids=["eager", "traced"])
def test_sequences_go_along_together(run: Any) -> None:
    rows = np.arange(6.0).reshape(3, 2)
    nested = {"rows": rows, "pair": (DATA[:3], [[1.0], [2.0], [3.0]]), "named": Pair(range(3), rows.reshape(3, 2, 1))}

    def f(start: Any) -> Any:
        def do_round(c: Any, x: Any) -> Any:
            assert x["rows"].shape == (2,)
            assert x["named"].b.shape == (2, 1)
            a, (b,) = x["pair"]
            return c + x["rows"][1] * a * b + x["named"].a * x["named"].b[1, 0], None

        return scan(do_round, start, nested)[0]

    assert run(f)(1.0) == 1.0 + (1 * 0.5 * 1) + (3 * -1.0 * 2 + 1 * 3) + (5 * 2.0 * 3 + 2 * 5)


@pytest.mark.parametrize("run", [lambda f: f, jit], ids=["eager", "traced"])
@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.float16, np.float32])
def test_numbers_of_few_bits_are_computed_with_as_float64(run: Any, kind: Any) -> None:
    third = np.array([1, 3, 120], kind)

    def rows(x: Any) -> Any:
        return scan(lambda c, t: (c, [t[0] / t[1], t[2] * t[2] - t[2]]), x, np.array([third]))[1]

    def carries(x: Any) -> Any:
        return scan(lambda c, t: ({"a": c["a"] * t["b"][2]}, None), {"a": x}, [{"b": third}] * 2)[0]["a"]

    assert [y.tolist() for y in run(rows)(1.0)] == [[1 / 3], [14280.0]]
    assert run(carries)(third).tolist() == [14400.0, 43200.0, 1728000.0]
    assert run(carries)(third[1]) == 43200.0


def test_an_integer_of_a_carry_may_be_an_index() -> None:
    assert scan(lambda i, _: (i + 1, DATA[i]), 0, length=4)[1].tolist() == DATA.tolist()


@pytest.mark.parametrize("run", [lambda f: f, jit], ids=["eager", "traced"])
def test_results_are_nested_as_those_of_a_round(run: Any) -> None:
    def f(start: Any) -> Any:
        def do_round(c: Any, _: Any) -> Any:
            return c + 1.0, {"number": c, "array": np.array([[c, 0.0]]), "named": Pair(c * c, [2.0])}

        return scan(do_round, start, length=3)[1]

    made = run(f)(1.0)
    assert made["number"].tolist() == [1.0, 2.0, 3.0]
    assert made["array"].tolist() == [[[1.0, 0.0]], [[2.0, 0.0]], [[3.0, 0.0]]]
    assert type(made["named"]) is Pair
    assert made["named"].a.tolist() == [1.0, 4.0, 9.0]
    assert made["named"].b[0].tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("run", [lambda f: f, jit], ids=["eager", "traced"])
@pytest.mark.parametrize(
    "init",
    [
        1.0,
        [1.0, (2.0, 3.0)],
        {"a": 1.0, "b": [2.0]},
        np.arange(6.0).reshape(2, 3),
        Pair(1.0, 2.0),
        State(1.0, [0.5]),
        (),
    ],
    ids=["number", "list", "dict", "array", "named tuple", "dataclass", "nothing"],
)
def test_a_carry_is_nested_alike_in_each_round(run: Any, init: Any) -> None:
    seen = []

    def f(scale: Any) -> Any:
        def do_round(c: Any, _: Any) -> Any:
            seen.append(type(c))
            return c, scale

        return scan(do_round, init, length=2)[0]

    last = run(f)(2.0)
    assert set(seen) == {type(init)} if not isinstance(init, float) else len(seen)
    assert repr(last) == repr(init)


@pytest.mark.parametrize("run", [lambda f: f, jit], ids=["eager", "traced"])
def test_sequences_are_nested_in_a_dataclass(run: Any) -> None:
    def f(start: Any) -> Any:
        return scan(lambda c, x: (c * x.level + x.trend[0], c), start, State(DATA, (DATA.tolist(),)))[0]

    assert run(f)(2.0) == (((2.0 * 0.5 + 0.5) * -1.0 - 1.0) * 2.0 + 2.0) * 0.25 + 0.25
    assert run(grad(f))(2.0) == DATA.prod()


@pytest.mark.parametrize("run", [lambda f: f, jit], ids=["eager", "traced"])
@pytest.mark.parametrize("xs", [[], np.empty(0), np.empty((0, 3)), {"a": [], "b": np.empty(0)}, range(0), None])
def test_no_rounds_leave_the_carry_as_it_is(run: Any, xs: Any) -> None:
    def f(start: Any) -> Any:
        carry, ys = scan(lambda c, x: (c * x[2]["a"], c), start, xs, length=0)
        assert ys is None
        return carry

    assert run(f)(3.0) == 3.0
    assert run(grad(f))(3.0) == 1.0


def test_a_loop_of_values_is_a_graph_as_any_other() -> None:
    a = Value(2.0, label="a")
    last, ys = scan(lambda c, x: (c * a + x, c), 1.0, [1.0, 2.0])
    assert (last.data, ys[1].data) == (8.0, 3.0)
    assert a in topological_order(last)
    last.backward()
    assert a.grad == 5.0
    with no_grad():
        assert scan(lambda c, x: (c * a, None), 1.0, length=2)[0].is_leaf


@pytest.mark.parametrize("length", [3, np.int64(3)])
def test_a_length_says_how_many_rounds_there_are(length: Any) -> None:
    for run in (lambda f: f, jit):
        assert run(lambda c: scan(lambda c, x: (c * 2.0, None), c, length=length)[0])(1.0) == 8.0
        assert run(lambda c: scan(lambda c, x: (c * x, None), c, [1.0, 2.0, 3.0], length)[0])(1.0) == 6.0


# fori_loop.


@pytest.mark.parametrize("run", [lambda f: f, jit], ids=["eager", "traced"])
@pytest.mark.parametrize(("lower", "upper", "expected"), [(1, 5, 24.0), (-2, 1, 0.0), (3, 3, 1.0), (5, 2, 1.0)])
def test_fori_loop_counts(run: Any, lower: int, upper: int, expected: float) -> None:
    int64: Any = np.int64
    assert run(lambda c: fori_loop(lower, upper, lambda i, c: c * i, c))(1.0) == expected
    assert run(lambda c: fori_loop(int64(lower), int64(upper), lambda i, c: c * i, c))(1.0) == expected


def test_fori_loop_is_differentiated() -> None:
    def f(x: Any) -> Any:
        return fori_loop(0, 3, lambda i, c: [c[0] * x + i, c[1]], [1.0, x])[0]  # x**3 + x + 2

    for run in (lambda f: f, jit):
        assert run(grad(f))(2.0) == 13.0
        assert run(hessian(f))(2.0) == 12.0
        assert run(lambda x: jvp(f, (x,), (2.0,)))(2.0) == (12.0, 26.0)


# Errors.


def boom(c: Any, x: Any) -> Any:
    raise LookupError("boom")


def loop(*args: Any, **settings: Any) -> Callable[..., Any]:
    return lambda start: scan(*args, **settings)[0] * start


def chosen(wanted: list[bool], c: Any, x: Any) -> Any:
    return c, c if wanted[x] else None


def test_a_round_that_captures_something_has_a_line_in_messages() -> None:
    number = Value(2.0)
    with pytest.raises(TypeError, match=r"line \d+ of test_scan.py: scan\(lambda c, x: \(\[number"):
        scan(lambda c, x: ([number, c], "no"), 1.0, length=2)


nonsense: Any = 3
ROUND = "gives a pair"
CARRY = "each round must give a carry that is nested as the one that it takes"
ERRORS: dict[str, tuple[Callable[..., Any], type[Exception], list[str]]] = {
    "no function": (loop(3, 1.0, length=2), TypeError, ["takes a function", "3 (int)"]),
    "no pair": (loop(lambda c, x: 2.0, 1.0, length=2), TypeError, [ROUND, "2.0", '"no pair": (loop(']),
    "three": (loop(lambda c, x: (c, c, c), 1.0, length=2), TypeError, [ROUND, '"three"']),
    "a list": (loop(lambda c, x: [c, c], 1.0, length=2), TypeError, [ROUND, "list", '"a list"']),
    "nothing": (loop(lambda c, x: None, 1.0, length=2), TypeError, [ROUND, "None", '"nothing"']),
    "carry grows": (loop(lambda c, x: ([c, c], 1.0), 1.0, length=2), TypeError, [CARRY, "[number, number]", "grows"]),
    "other keys": (loop(lambda c, x: ({"b": 1.0}, 1.0), {"a": 1.0}, length=2), TypeError, [CARRY, "{'b': number}"]),
    "other kind": (loop(lambda c, x: ((1.0,), 1.0), [1.0], length=2), TypeError, [CARRY, "[number], not (number,)"]),
    "other shape": (loop(lambda c, x: (c[:2], 1.0), np.ones(3), length=2), TypeError, [CARRY, "(3,)", "(2,)", "shape"]),
    "a text": (loop(lambda c, x: ("no", 1.0), 1.0, length=2), TypeError, ["the carry must be", "'no'", '"a text"']),
    "a text as result": (loop(lambda c, x: (c, ["no"]), 1.0, length=2), TypeError, ["a round's result[0]", "'no'"]),
    "a text as init": (loop(step, "no", length=2), TypeError, ["init must be", "'no'"]),
    "unequal": (loop(step, 1.0, ([1.0], DATA)), ValueError, ["xs[1] has 4 elements", "xs[0]", "1"]),
    "unequal in a dict": (loop(step, 1.0, {"a": [1.0], "b": DATA}), ValueError, ["xs['b'] has 4", "xs['a']"]),
    "unequal to length": (loop(step, 1.0, DATA, length=3), ValueError, ["xs has 4 elements", "length", "3"]),
    "neither": (loop(step, 1.0), ValueError, ["xs or length"]),
    "an empty dict": (loop(step, 1.0, {}), ValueError, ["xs or length"]),
    "negative": (loop(step, 1.0, length=-1), ValueError, ["length must be at least 0, not -1"]),
    "a bool": (loop(step, 1.0, length=True), TypeError, ["length must be an integer", "True"]),
    "a float": (loop(step, 1.0, length=2.0), TypeError, ["length must be an integer", "2.0"]),
    "a number": (loop(step, 1.0, 3.0), TypeError, ["xs must be a list or array", "3.0"]),
    "a dict of numbers": (loop(step, 1.0, {"a": 1.0}), TypeError, ["xs['a'] must be a list or array", "1.0"]),
    "a tuple of numbers": (loop(step, 1.0, (1.0, 2.0)), TypeError, ["xs[0] must be a list or array"]),
    "no axis": (loop(step, 1.0, np.array(2.0)), TypeError, ["xs must be a list or array"]),
    "a dataclass of a number": (loop(step, 1.0, State(DATA, 1.0)), TypeError, ["xs.trend must be a list or array"]),
    "a set": (loop(step, 1.0, {1.0, 2.0}), TypeError, ["xs must be a list or array", "set"]),
    "a generator": (loop(step, 1.0, (x for x in DATA)), TypeError, ["xs must be a list or array", "generator"]),
    "a masked array": (loop(step, 1.0, np.ma.array([1.0])), TypeError, ["xs is a masked array"]),
    "complex numbers": (loop(step, 1.0, np.array([1j])), TypeError, ["an element of xs", "1j"]),
    "texts": (loop(step, 1.0, np.array(["no"])), TypeError, ["an element of xs", "'no'"]),
    "checkpoint": (loop(step, 1.0, DATA, checkpoint=0), ValueError, ["checkpoint must be at least 1, not 0"]),
    "boom": (loop(boom, 1.0, length=2), LookupError, ["boom"]),
    "inner boom": (loop(lambda c, x: (scan(boom, c, length=1), None), 1.0, length=2), LookupError, ["boom"]),
    "partial": (loop(partial(boom), 1.0, length=2), LookupError, ["boom"]),
    "fori: function": (lambda x: fori_loop(0, 3, nonsense, x), TypeError, ["fori_loop takes a function", "3"]),
    "fori: float": (lambda x: fori_loop(nonsense / 2, 3, max, x), TypeError, ["lower must be an integer", "1.5"]),
    "fori: bool": (lambda x: fori_loop(0, True, max, x), TypeError, ["upper must be an integer", "True"]),
    "fori: argument": (lambda x: fori_loop(0, x, max, x), TypeError, ["upper must be an integer", "known before"]),
    "fori: carry": (lambda x: fori_loop(0, 2, lambda i, c: [c], x), TypeError, [CARRY, '"fori: carry"']),
}


@pytest.mark.parametrize("run", [lambda f: f, jit, grad, lambda f: jit(grad(f))], ids=["eager", "jit", "grad", "both"])
@pytest.mark.parametrize("name", list(ERRORS))
def test_errors_say_what_is_wrong_and_where_a_round_is_written(name: str, run: Any) -> None:
    f, kind, words = ERRORS[name]
    with pytest.raises(kind) as caught:
        run(f)(1.5)
    for word in words:
        assert word in str(caught.value)
    assert BLOCKS.open == 0
    assert modes.tracer.get() is None


def test_results_of_rounds_that_are_nested_in_different_ways_are_refused() -> None:
    with pytest.raises(TypeError, match=r"nested in different ways \(line \d+ of test_scan.py: .*ragged"):
        scan(lambda c, x: (c, [c] * int(x)), 1.0, [1.0, 2.0])  # ragged
    for wanted in ([True, False, False], [False, True, False]):
        with pytest.raises(
            TypeError, match=r"2 of 3 rounds of scan gave None .* others a number \(line \d+ of test_scan"
        ):
            scan(partial(chosen, wanted), 1.0, range(3))


def test_a_traced_number_is_named_as_the_value_that_it_stands_for() -> None:
    with pytest.raises(TypeError, match=r"not Value\(traced\) \(Value\)"):
        jit(lambda start: scan(lambda c, x: c, start, length=2)[0])(1.0)


def test_elements_that_are_nested_in_different_ways_are_refused_where_they_are_traced() -> None:
    with pytest.raises(TypeError, match="the elements of xs are nested in different ways"):
        jit(lambda c: scan(lambda c, x: (c, None), c, [1.0, [2.0]])[0])(1.0)


def test_sin_of_a_loop_is_explained_as_any_graph() -> None:
    x = Value(0.5)
    last, _ = scan(lambda c, _: (sin(c), None), x, length=3)
    assert [node.op.name for node in topological_order(last) if node.op] == ["sin"] * 3
