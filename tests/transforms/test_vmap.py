"""vmap, by itself and compiled: the results are those of jax.vmap, of NumPy, or of calculus."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from agreement import assert_agree

from autograd_mini import Value, exp, grad, hessian, jacobian, jit, sin, value_and_grad, vmap

Way = Callable[..., Any]

XS = np.array([1.0, 2.0, 3.0])
MATRIX = np.arange(6.0).reshape(2, 3) / 4.0
CUBE = np.arange(24.0).reshape(2, 3, 4) / 8.0
Point = namedtuple("Point", "x y")


def mapped_by_jit(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    return jit(f, in_axes=in_axes, out_axes=out_axes)


def jit_of_vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    return jit(vmap(f, in_axes, out_axes))


def unrolled(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    return jit(lambda *args: vmap(f, in_axes, out_axes)(*args))


WAYS = [vmap, mapped_by_jit, jit_of_vmap, unrolled]
each_way = pytest.mark.parametrize("way", WAYS, ids=["eager", "in_axes of jit", "jit of vmap", "vmap within jit"])


def row_and_twice(x: Any) -> Any:
    return x.sum() + 1.0, {"twice": 2.0 * x}


def scaled(w: Any, x: Any) -> Any:
    return w["a"] * x + w["b"]


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Any, Any]] = {
    "numbers": (lambda x: x * x + 1.0, (XS,), 0, 0),
    "first axis": (lambda x: (x * x).sum(), (MATRIX,), 0, 0),
    "second axis": (lambda x: (x * x).sum(), (MATRIX,), 1, 0),
    "last axis": (lambda x: x[0] * x[1], (MATRIX,), -1, 0),
    "middle axis of three": (lambda x: 2.0 * x, (CUBE,), 1, 0),
    "to the second axis": (lambda x: 2.0 * x, (CUBE,), 0, 1),
    "to the last axis": (lambda x: 2.0 * x, (CUBE,), 0, -1),
    "from the last axis to the second": (lambda x: 2.0 * x, (CUBE,), -1, 1),
    "shared argument": (lambda a, x: a * x, (MATRIX[0], XS), (None, 0), 0),
    "shared argument, transposed": (lambda a, x: a * x, (MATRIX[0], XS), (None, 0), 1),
    "list of axes": (lambda a, x: a @ x, (MATRIX, CUBE[0]), [None, 1], 0),
    "both mapped": (lambda a, b: a @ b, (CUBE, np.swapaxes(CUBE, 1, 2)), 0, 0),
    "nested axes": (scaled, ({"a": XS, "b": 0.5}, MATRIX), ({"a": 0, "b": None}, 1), 0),
    "tuple of axes": (lambda p: p[0] * p[1], ((XS, 2.0),), ((0, None),), 0),
    "prefix of axes": (scaled, ({"a": XS, "b": 2.0 * XS}, 3.0), (0, None), 0),
    "result in parts": (row_and_twice, (MATRIX,), 0, (0, {"twice": 1})),
    "result in parts, prefix": (row_and_twice, (MATRIX,), 0, (0, -1)),
    "shared result": (lambda w, x: (w * x, w + 1.0), (4.0, XS), (None, 0), (0, None)),
    "shared array": (lambda w, x: (w * x, [w]), (MATRIX, XS), (None, 0), (2, None)),
    "constant result": (lambda x: 3.0, (XS,), 0, 0),
}


@each_way
def test_numbers_of_few_bits_are_computed_with_as_float64(way: Way) -> None:
    rows = np.array([[100, 3], [3, 100]], np.int8)
    assert (
        way(lambda row, shared: row[0] * row[1] + shared[0] * shared[1], (0, None))(rows, rows[0]).tolist()
        == [600.0] * 2
    )


@each_way
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_results_are_those_of_jax(way: Way, case: tuple[Callable[..., Any], tuple[Any, ...], Any, Any]) -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    jax.config.update("jax_enable_x64", True)
    f, args, in_axes, out_axes = case
    expected = jax.tree.map(np.asarray, jax.vmap(f, in_axes, out_axes)(*args))
    found = way(f, in_axes, out_axes)(*args)
    places, structure = jax.tree.flatten(expected)
    numbers, own = jax.tree.flatten(found)
    assert own == structure
    for number, wanted in zip(numbers, places, strict=True):
        assert np.shape(number) == wanted.shape
        np.testing.assert_allclose(number, wanted, rtol=1e-13)


@each_way
def test_maps_nest(way: Way) -> None:
    outer = way(vmap(lambda x, y: x + 10.0 * y, in_axes=(None, 0)), in_axes=(0, None))
    assert_agree(outer(XS, MATRIX[0]), XS[:, None] + 10.0 * MATRIX[0])
    outer = way(vmap(lambda x, y: x + 10.0 * y, in_axes=(0, None), out_axes=0), in_axes=(None, 0), out_axes=1)
    assert_agree(outer(XS, MATRIX[0]), XS[:, None] + 10.0 * MATRIX[0])


@each_way
def test_gradients_of_each_example(way: Way) -> None:
    slopes = way(grad(lambda w, x: (w[0] * x + w[1]) ** 2), in_axes=(None, 0))([2.0, 1.0], XS)
    assert_agree(slopes, [2.0 * (2.0 * XS + 1.0) * XS, 2.0 * (2.0 * XS + 1.0)])
    assert_agree(way(hessian(lambda v: v[0] ** 2 * v[1]), in_axes=1)(MATRIX)[:, 0, 0], 2.0 * MATRIX[1])


def test_what_is_mapped_is_differentiated() -> None:
    """The sum over x of sin(w x): its derivatives are the sums of x cos(w x) and of -x x sin(w x)."""

    def total(w: Any, xs: Any) -> Any:
        return vmap(lambda x: sin(w * x))(xs).sum()

    for wrap in (lambda f: f, jit):
        value, slope = wrap(value_and_grad(total))(0.5, XS)
        assert value == pytest.approx(np.sin(0.5 * XS).sum(), rel=1e-14)
        assert slope == pytest.approx((XS * np.cos(0.5 * XS)).sum(), rel=1e-14)
        assert wrap(grad(grad(total)))(0.5, XS) == pytest.approx(-(XS * XS * np.sin(0.5 * XS)).sum(), rel=1e-14)
        np.testing.assert_allclose(wrap(grad(total, argnums=1))(0.5, XS), 0.5 * np.cos(0.5 * XS), rtol=1e-14)
        np.testing.assert_allclose(wrap(jacobian(vmap(lambda x: exp(x))))(XS), np.diag(np.exp(XS)), rtol=1e-14)


@pytest.mark.parametrize("wrap", [lambda f: jit(vmap(f, (None, 0))), lambda f: vmap(jit(f), (None, 0))])
def test_a_compiled_map_is_differentiated(wrap: Any) -> None:
    compiled = wrap(lambda w, x: w * w * x)
    assert grad(lambda w: compiled(w, XS).sum())(3.0) == pytest.approx(36.0, rel=1e-14)


def test_values_stay_on_the_graph() -> None:
    w, xs = Value(3.0), np.array([Value(1.0), Value(2.0)])
    out = vmap(lambda x: w * x)(xs)
    assert out.shape == (2,)
    out.sum().backward()
    assert (w.grad, xs[0].grad, xs[1].grad) == (3.0, 3.0, 3.0)
    captured = vmap(lambda x: w * x)(XS)
    w.grad = 0.0
    captured.sum().backward()
    assert w.grad == 6.0


def test_what_all_examples_share_may_be_anything() -> None:
    def either(x: Any, mode: Any) -> Any:
        return x + 1.0 if mode == "more" else x - 1.0

    assert vmap(either, in_axes=(0, None))(XS, "more").tolist() == [2.0, 3.0, 4.0]
    assert vmap(either, in_axes=(0, None))(XS, None).tolist() == [0.0, 1.0, 2.0]
    assert jit(vmap(either, in_axes=(0, None)), static_argnums=1)(XS, "more").tolist() == [2.0, 3.0, 4.0]


def test_arguments_may_be_given_by_name() -> None:
    assert vmap(lambda x, y=1.0: x * y, in_axes=(0, None))(XS, y=2.0).tolist() == [2.0, 4.0, 6.0]
    assert vmap(lambda x, y: x - y)(y=XS, x=2.0 * XS).tolist() == XS.tolist()
    with pytest.raises(TypeError, match="take arguments that have a place, and y has none"):
        vmap(lambda x, *, y: x * y)(XS, y=XS)


@each_way
def test_containers_of_all_kinds_are_mapped(way: Way) -> None:
    @dataclass
    class Pair:
        a: Any
        b: Any

    pairs = way(lambda p: Pair(p.a * p.b, Point(p.a, [p.b])))(Pair(XS, 2.0 * XS))
    assert type(pairs) is Pair
    assert pairs.a.tolist() == [2.0, 8.0, 18.0]
    assert type(pairs.b) is Point
    assert (pairs.b.x.tolist(), pairs.b.y[0].tolist()) == ([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])


@each_way
def test_no_examples_give_empty_arrays(way: Way) -> None:
    found = way(lambda x: {"inverse": 1.0 / x, "row": np.array([x, x])})(np.zeros(0))
    assert (found["inverse"].shape, found["row"].shape) == ((0,), (0, 2))


@each_way
@pytest.mark.parametrize(
    ("options", "arguments", "told"),
    [
        ({"in_axes": (0, 1)}, (XS, XS), r"in_axes says axis 1 of argument 1, which has the shape \(3,\)"),
        ({"in_axes": (0, -2)}, (XS, XS), r"in_axes says axis -2 of argument 1, which has the shape \(3,\)"),
        ({"in_axes": (0, (0,))}, (XS, XS), r"in_axes for argument 1 are nested otherwise"),
        ({"in_axes": (0,)}, (XS, XS), r"in_axes has 1 entries, but there are 2 arguments"),
        ({}, (XS, 2.0), r"in_axes says axis 0 of argument 1, which is a number and has no axes: say None"),
        ({}, (XS, np.array(2.0)), r"in_axes says axis 0 of argument 1, which is a number and has no axes: say None"),
        (
            {},
            (XS, [1.0, 2.0, 3.0]),
            r"axis 0 of argument 1\[0\], which is a number .* a list is no array, so write np\.array",
        ),
        ({"in_axes": ({"a": 0, "b": 0}, None)}, ({"a": XS, "b": 1.0}, XS), r"says axis 0 of argument 0\['b'\]"),
        ({}, (XS, MATRIX), r"must have one length along their mapped axes, but have \[3, 2\]"),
        (
            {"out_axes": (0, 1)},
            (XS, XS),
            r"out_axes says axis 1 of the function's result\[1\], which has the shape \(3,\)",
        ),
        ({"out_axes": (0, 0, 0)}, (XS, XS), r"out_axes for the function's result are nested otherwise"),
        ({"out_axes": {"a": 0}}, (XS, XS), r"out_axes for the function's result are nested otherwise"),
        (
            {"out_axes": (0, None)},
            (XS, XS),
            r"None of the function's result\[1\], which is computed from mapped arguments",
        ),
    ],
)
def test_wrong_axes_are_refused(way: Way, options: Any, arguments: tuple[Any, ...], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        way(lambda a, b: (a, b), **options)(*arguments)


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"in_axes": "auto"}, TypeError, "in_axes must be an integer, None, or nested ones, not 'auto'"),
        ({"out_axes": 1.5}, TypeError, r"out_axes must be an integer, None, or nested ones, not 1\.5"),
        (
            {"out_axes": (0, [True])},
            TypeError,
            r"out_axes\[1\]\[0\] must be an integer, None, or nested ones, not True",
        ),
    ],
)
def test_what_is_no_axis_is_refused(options: Any, error: type, told: str) -> None:
    for way in (vmap, jit):
        with pytest.raises(error, match=told):
            way(abs, **options)


def test_what_can_not_be_mapped_is_refused() -> None:
    with pytest.raises(TypeError, match="vmap takes a function, not 3"):
        vmap(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="vmap needs an axis to map over, but in_axes names none"):
        vmap(lambda x: x, in_axes=None)(XS)
    with pytest.raises(ValueError, match="result is nested otherwise, or of another shape, for example 1"):
        vmap(lambda x: [x] * int(x))(XS)
    with pytest.raises(ValueError, match="but there is no example to take it from"):
        vmap(lambda x: 2.0, out_axes=None)(np.zeros(0))
    with pytest.raises(ValueError, match="reduce='sum' folds the batch, so no result has an axis for out_axes"):
        jit(lambda x: x, in_axes=0, out_axes=1, reduce="sum")


@each_way
@pytest.mark.parametrize("f", [lambda x: x, lambda x: 0.0 * x + 1.0, lambda x: np.array([1.0, x - x])])
def test_a_result_computed_from_what_is_mapped_is_not_shared(way: Way, f: Any) -> None:
    """Though its numbers may be the same for all examples; jax.vmap says that the output was batched."""
    with pytest.raises(ValueError, match="out_axes says None of the function's result, which is computed from mapped"):
        way(f, out_axes=None)(XS)


def test_a_shared_result_has_no_gradient_for_what_is_mapped() -> None:
    values = np.array([Value(1.0), Value(1.0)])
    for f in (lambda x: x, lambda x: 2.0 * x, lambda x: np.array([1.0, x])):
        with pytest.raises(ValueError, match="computed from mapped arguments"):
            vmap(f, out_axes=None)(values)
    w = Value(2.0)
    assert vmap(lambda x: (x, w), out_axes=(0, None))(values)[1] is w
    with pytest.raises(ValueError, match="not the same for all examples"):
        vmap(lambda x: w if x == 1.0 else w * w, out_axes=None)(XS)
    shared = lambda w: vmap(lambda w, x: (x, w * w), (None, 0), (0, None))(w, XS)[1]  # noqa: E731
    assert grad(shared)(3.0) == jit(grad(shared))(3.0) == 6.0


@each_way
@pytest.mark.filterwarnings("error")
def test_numbers_of_arrays_follow_ieee_754(way: Way) -> None:
    edges = np.array([0.0, -0.0, 2.0, -2.0, np.inf, -np.inf, np.nan, 1.0])
    with np.errstate(all="ignore"):
        expected: list[Any] = [
            1.0 / edges,
            edges / 0.0,
            edges**-1.0,
            edges**1.5,
            edges % 0.0,
            1.0 // edges,
            [edges * 1e200 * 1e200],
        ]
    found = way(lambda x: [1.0 / x, x / 0.0, x**-1.0, x**1.5, x % 0.0, 1.0 // x, [x * 1e200 * 1e200]])(edges)
    assert_agree(found, expected)
    rows = way(lambda row: 1.0 / row)(edges.reshape(2, 4))
    assert_agree(rows, expected[0].reshape(2, 4))
