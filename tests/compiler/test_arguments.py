"""Arguments of compiled functions: kinds of numbers, nesting, axes, and what is refused."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from autograd_mini import Value, grad, hessian, jit, tanh, value_and_grad, vmap

Point = namedtuple("Point", "x y")


@dataclass(frozen=True)
class Setting:
    value: Any


def first_and_last(xs: Any) -> Any:
    return 10.0 * xs[0] + xs[-1]


@pytest.fixture(scope="module", params=[None, 0], ids=["whole", "mapped"])
def square(request: Any) -> Any:
    """Square numbers, of arrays all at once or each for itself."""
    return jit(lambda x: x * x, in_axes=request.param)


# Kinds of numbers.


@pytest.mark.parametrize(
    ("number", "result"),
    [
        (3, 9.0),
        (True, 1.0),
        (10**20, 1e40),
        (Fraction(1, 2), 0.25),
        (np.bool_(True), 1.0),
        (np.float64(3.0), 9.0),
        (np.float32(1.5), 2.25),
        (np.float16(1.5), 2.25),
        (np.longdouble(1.5), 2.25),
        (np.int8(100), 10000.0),
        (np.uint64(2**63), 2.0**126),
        (np.array(3.0), 9.0),
        (np.array(3), 9.0),
        (math.inf, math.inf),
        (-0.0, 0.0),
    ],
)
def test_any_real_number_is_an_argument(number: Any, result: float) -> None:
    found = jit(lambda x: x * x)(number)
    assert type(found) is float
    assert found == result


def test_kinds_of_numbers_share_a_kernel() -> None:
    traced: list[Any] = []

    def counted(x: Any) -> Any:
        traced.append(x)
        return x * x

    compiled = jit(counted)
    assert [compiled(x) for x in (2.0, 3, np.float32(4.0), Fraction(5), np.array(6))] == [4.0, 9.0, 16.0, 25.0, 36.0]
    assert len(traced) == 1


BATCH = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
UNWRITEABLE = BATCH.copy()
UNWRITEABLE.flags.writeable = False


@pytest.mark.parametrize(
    "batch",
    [BATCH.astype(kind) for kind in (np.float32, np.float16, np.longdouble, np.int8, np.uint16, np.int64, ">f8")]
    + [
        UNWRITEABLE,
        np.repeat(BATCH, 3)[::3],
        BATCH[::-1].copy()[::-1],
        np.column_stack([BATCH, BATCH])[:, 1],
        BATCH.reshape(2, 3).astype(order="F", dtype=float).reshape(6),
        np.asarray(BATCH.tolist()),
        np.frombuffer(b"?" + BATCH.tobytes(), np.float64, offset=1),
    ],
    ids=lambda batch: f"{batch.dtype}-{batch.strides}-{batch.flags.writeable}-{batch.flags.aligned}",
)
def test_arrays_may_be_of_any_kind_and_layout(square: Any, batch: Any) -> None:
    before = batch.tolist()
    found = square(batch)
    assert (type(found), found.dtype) == (np.ndarray, np.float64)
    assert found.tolist() == [0.0, 1.0, 4.0, 9.0, 16.0, 25.0]
    assert batch.tolist() == before


def test_arrays_of_bools_are_numbers(square: Any) -> None:
    assert square(np.array([True, False, True])).tolist() == [1.0, 0.0, 1.0]


def test_arrays_of_python_numbers_are_taken_as_the_engine_takes_them() -> None:
    numbers = np.array([1, Fraction(1, 2), 3.0], dtype=object)
    assert jit(grad(first_and_last))(numbers).tolist() == [10.0, 0.0, 1.0]
    assert jit(lambda x: x * 2.0, in_axes=0)(numbers).tolist() == [2.0, 1.0, 6.0]


def test_results_are_arrays_of_their_own(square: Any) -> None:
    batch = BATCH.copy()
    first, second = square(batch), square(batch)
    first[:] = -1.0
    assert second.tolist() == [0.0, 1.0, 4.0, 9.0, 16.0, 25.0]
    for axes in (None, 0):
        jit(lambda x: x, in_axes=axes)(batch)[:] = -1.0
    assert batch.tolist() == BATCH.tolist()


def test_subclasses_of_arrays_are_arrays(square: Any) -> None:
    class Named(np.ndarray):
        pass

    assert square(np.array([[1.0, 2.0]]).view(Named)).tolist() == [[1.0, 4.0]]


# Sizes.


def test_an_empty_array_has_an_empty_result(square: Any) -> None:
    assert square(np.array([])).shape == (0,)


def test_an_empty_batch_has_empty_results() -> None:
    pairs = jit(lambda x: {"pair": [x, x + 1.0], "array": np.array([x, x])}, in_axes=0)(np.zeros(0))
    assert [part.shape for part in (*pairs["pair"], pairs["array"])] == [(0,), (0,), (0, 2)]
    assert jit(first_and_last, in_axes=0)(np.zeros((0, 3))).shape == (0,)


def test_a_batch_of_empty_examples() -> None:
    found = jit(lambda xs: sum(xs) + 1.0, in_axes=0)(np.zeros((4, 0)))
    assert found.tolist() == [1.0] * 4


def test_empty_arguments_and_no_arguments() -> None:
    assert jit(lambda xs: 3.0 + len(xs))([]) == 3.0
    assert jit(lambda xs: xs)([[], (), {}]) == [[], (), {}]
    assert jit(lambda: [1.0, 2.0])() == [1.0, 2.0]
    assert jit(lambda xs, y: y, in_axes=(None, None))(np.array([]), 2.0) == 2.0


def test_a_batch_of_a_million_rows() -> None:
    batch = np.arange(1_000_000.0)
    np.testing.assert_array_equal(jit(lambda x: x * x, in_axes=0)(batch), batch**2)
    assert jit(lambda x: x, in_axes=0, reduce="sum")(batch) == batch.sum()


# Nesting.


@pytest.mark.parametrize(
    "tree",
    [
        1.0,
        [1.0, 2.0],
        (1.0, [2.0, (3.0,)]),
        {"w": [1.0], "b": 2.0},
        {1: 2.0, "two": (3.0,)},
        [[], [1.0], ()],
        Point(1.0, [2.0]),
        [{"a": (1.0, 2.0)}, {"a": (3.0, 4.0)}],
    ],
    ids=repr,
)
def test_arguments_and_results_are_nested_alike(tree: Any) -> None:
    found = jit(lambda t: t)(tree)
    assert found == tree
    assert type(found) is type(tree)


def test_whole_arrays_in_nested_arguments_keep_their_shapes() -> None:
    tree = [{"w": np.arange(6.0).reshape(2, 3), "b": np.arange(2.0)}, 3.0]
    found = jit(lambda t: t)(tree)
    assert found[0]["w"].tolist() == tree[0]["w"].tolist()  # type: ignore[index]
    assert found[0]["b"].tolist() == [0.0, 1.0]
    assert found[1] == 3.0


def test_a_list_and_an_array_are_served_by_one_compilation() -> None:
    rows, p = np.arange(6.0).reshape(3, 2), [0.5, -2.0]
    one = jit(value_and_grad(lambda p: p[0] * p[1] + p[1] ** 2))
    several = jit(value_and_grad(lambda p, x: tanh(p[0] * x[0] + p[1] * x[1])), in_axes=(None, 0), reduce="sum")
    for call in (one, lambda p: several(p, rows)):
        slopes = [call(kind(p))[1] for kind in (list, np.array, tuple)]
        assert [type(slope) for slope in slopes] == [list, np.ndarray, tuple]
        assert slopes[0] == slopes[1].tolist() == list(slopes[2])
    for compiled in (one, several):
        assert len(compiled._kernels) == 3
        assert len({kernel.code for kernel in compiled._kernels.values()}) == 1


def test_results_of_a_batch_are_laid_out_as_the_arguments_of_each_kind_ask() -> None:
    slope = jit(grad(lambda p, x: tanh(p[0] * x[0] + p[1] * x[1])), in_axes=(None, 0))
    rows, p = np.arange(6.0).reshape(3, 2), [0.5, -2.0]
    columns, array = slope(p, rows), slope(np.array(p), rows)
    assert array.shape == (3, 2)
    assert np.array_equal(np.stack(columns, axis=1), array)


def test_what_computes_something_else_for_an_array_is_compiled_for_it() -> None:
    twice = jit(lambda p: p * 2)
    assert twice([1.0, 2.0]) == [1.0, 2.0, 1.0, 2.0]
    assert twice(np.array([1.0, 2.0])).tolist() == [2.0, 4.0]
    zero = jit(lambda p: p[0] * 0.0 + (0.0 if isinstance(p, list) else -0.0))
    assert [math.copysign(1.0, zero(kind([-1.0]))) for kind in (list, np.array)] == [1.0, -1.0]


def test_structures_that_differ_are_compiled_each() -> None:
    difference = jit(lambda p: p["a"] - p["b"])
    assert difference({"a": 3.0, "b": 1.0}) == difference({"b": 1.0, "a": 3.0}) == 2.0
    compiled = jit(lambda t: sum(t.values()) if isinstance(t, dict) else sum(t))
    assert [compiled(t) for t in ([1.0, 2.0], (3.0, 4.0, 5.0), {"a": 6.0}, [7.0])] == [3.0, 12.0, 6.0, 7.0]


@dataclass
class Line:
    """A line with a slope and an intercept."""

    slope: Any
    intercept: Any = 0.0


@dataclass(frozen=True)
class Model:
    """A dataclass of dataclasses; the sum is computed from the others."""

    lines: list[Line]
    scale: Any
    total: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", self.scale + 1.0)


class Rows(list[Any]):
    """A list by another name."""


class Named(dict[str, Any]):
    """A dict by another name."""


@pytest.mark.parametrize(
    ("tree", "derivatives"),
    [
        (Line(2.0, 3.0), Line(3.0, 2.0)),
        (deque([2.0, 3.0], maxlen=4), deque([3.0, 2.0], maxlen=4)),
        (defaultdict(float, a=2.0, b=3.0), defaultdict(float, a=3.0, b=2.0)),
        (OrderedDict(a=2.0, b=3.0), OrderedDict(a=3.0, b=2.0)),
        (Point(2.0, 3.0), Point(3.0, 2.0)),
        (Rows([2.0, 3.0]), Rows([3.0, 2.0])),
        (Named(a=2.0, b=3.0), Named(a=3.0, b=2.0)),
        (range(2, 4), [3.0, 2.0]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("wrap", [lambda f: f, jit], ids=["eager", "jit"])
def test_the_derivatives_of_a_product_are_nested_like_its_factors(wrap: Any, tree: Any, derivatives: Any) -> None:
    def product(factors: Any) -> Any:
        if isinstance(factors, Line):
            return factors.slope * factors.intercept
        a, b = factors.values() if isinstance(factors, dict) else factors
        return a * b

    value, found = wrap(value_and_grad(product))(tree)
    assert (value, found) == (6.0, derivatives)
    assert type(found) is type(derivatives)
    if isinstance(tree, deque):
        assert found.maxlen == tree.maxlen
    if isinstance(tree, defaultdict):
        assert found.default_factory is float


def test_dataclasses_are_made_by_their_constructor() -> None:
    model = Model([Line(2.0), Line(np.array([1.0, 3.0]), 5.0)], 10.0)
    found = jit(lambda m: Model([Line(line.slope * m.total) for line in m.lines], m.lines[1].intercept))(model)
    assert type(found) is Model
    assert (found.lines[0], found.scale, found.total) == (Line(22.0, 0.0), 5.0, 6.0)
    assert found.lines[1].slope.tolist() == [11.0, 33.0]
    assert grad(lambda m: m.lines[0].slope * m.total)(Model([Line(2.0)], 10.0)).lines == [Line(11.0, 0.0)]
    with pytest.raises(TypeError, match=r"argument 0\.lines\[1\]\.slope must be a number, .* not 'a'"):
        jit(lambda m: m)(Model([Line(1.0), Line("a")], 1.0))


def test_the_counts_of_a_counter_are_numbers() -> None:
    assert jit(lambda c: c["a"] * c["b"])(Counter("aabbb")) == 6.0


class Pair(tuple[Any, ...]):
    """A tuple that is not made from a list of its parts."""

    def __new__(cls, x: Any, y: Any) -> Any:
        return super().__new__(cls, (x, y))


def test_a_container_that_can_not_be_made_anew_is_refused_with_its_place() -> None:
    told = r"argument 1\[0\] is a Pair, which can't be made anew of what it contains: .*missing 1 required"
    with pytest.raises(TypeError, match=told):
        jit(lambda x, pairs: x)(1.0, [Pair(2.0, 3.0)])
    with pytest.raises(TypeError, match=told):
        grad(lambda x, pairs: x, argnums=1)(1.0, [Pair(2.0, 3.0)])
    with pytest.raises(TypeError, match="the function's result is a Pair"):
        jit(lambda x: Pair(x, x))(1.0)


def contains_itself() -> list[Any]:
    tree: list[Any] = [1.0]
    tree.append({"again": tree})
    return tree


def nested(depth: int, kind: Callable[[Any], Any] = lambda tree: [tree]) -> Any:
    tree: Any = 2.0
    for _ in range(depth):
        tree = kind(tree)
    return tree


@pytest.mark.parametrize(
    "tree",
    [contains_itself(), nested(100_000), nested(102), nested(300, lambda tree: (tree,)), nested(102, lambda t: {1: t})],
    ids=["contains itself", "lists", "just too deep", "tuples", "dicts"],
)
def test_what_contains_itself_or_is_nested_too_deep_is_refused(tree: Any) -> None:
    told = "argument 1 is nested more than 100 deep, or contains itself"
    compiled = jit(lambda x, y: x)
    for call in (compiled, compiled.lower, grad(lambda x, y: x, argnums=1), vmap(lambda x, y: x)):
        with pytest.raises(ValueError, match=told):
            call(np.ones(2) if call not in (compiled, compiled.lower) else 1.0, tree)
    with pytest.raises(ValueError, match="the function's result is nested more than 100 deep"):
        jit(lambda x: tree)(1.0)
    assert grad(lambda x, y: x * x)(3.0, tree) == 6.0, "what is not differentiated for is passed on as it is"


def test_a_hundred_levels_are_not_too_deep() -> None:
    def inmost(tree: Any) -> Any:
        while isinstance(tree, list):
            tree = tree[0]
        return tree * tree

    assert jit(inmost)(nested(100)) == 4.0
    assert inmost(jit(grad(inmost))(nested(100))) == inmost(grad(inmost)(nested(100))) == 16.0


def test_an_array_without_axes_is_a_number() -> None:
    for wrap in (lambda f: f, jit):
        assert wrap(value_and_grad(lambda x: x * x))(np.array(3.0)) == (9.0, 6.0)
        assert wrap(value_and_grad(lambda x: np.array(x * x)))(3.0) == (9.0, 6.0)
        assert wrap(grad(lambda x: np.array([[x * x]])))(3.0) == 6.0
        assert wrap(hessian(lambda x: x[0] * x[0]))([np.array(3.0)]) == [[2.0]]
    x = Value(3.0)
    assert jit(lambda x: x * x)(np.array(x)).data == 9.0


# Static arguments.


def power(x: Any, n: Any, mode: Any = None) -> Any:
    total = sum(x**k for k in range(n))
    return total if mode is None else total * {"double": 2.0, "half": 0.5}[mode]


def test_static_arguments_are_passed_through_as_they_are() -> None:
    compiled = jit(power, static_argnums=(1, 2))
    assert compiled(2.0, 3) == 7.0
    assert compiled(2.0, 4, None) == 15.0
    assert compiled(2.0, 4, "half") == 7.5
    assert compiled(2.0, n=3, mode="double") == 14.0
    assert compiled(np.array([2.0, 3.0]), 3).tolist() == [7.0, 13.0]
    assert jit(power, in_axes=0, static_argnums=(-1,))(np.array([2.0, 3.0]), 3).tolist() == [7.0, 13.0]
    assert jit(grad(power), static_argnums=1)(2.0, 3) == 5.0
    assert grad(compiled)(2.0, 3, "half") == 2.5
    assert "v1 = " in compiled.lower(2.0, 3, "half").graph


def test_a_static_argument_is_part_of_what_is_compiled() -> None:
    traced: list[Any] = []

    def f(x: Any, setting: Any) -> Any:
        traced.append(setting)
        return x

    compiled = jit(f, static_argnums=1)
    settings = [1, 1.0, True, 0.0, -0.0, math.nan, "1", None, (1, 2), (1.0, 2), frozenset({1}), frozenset({True}), len]
    settings += [Setting(1), Setting(True), Setting(0.0), Setting(-0.0)]
    for _ in range(2):
        for setting in settings:
            assert compiled(2.0, setting) == 2.0
    assert len(traced) == len(settings)
    assert all(a is b for a, b in zip(traced, settings, strict=True))
    assert jit(lambda x, z: x / z, static_argnums=1)(1.0, -2.0) == -0.5


@pytest.mark.parametrize("argument", ["mean", None, object()])
def test_an_argument_that_is_no_number_is_told_of_static_argnums(argument: Any) -> None:
    compiled = jit(lambda x, y: x)
    for call in (compiled, compiled.lower):
        with pytest.raises(TypeError, match=r"argument 1 must be a number, .*; static_argnums names arguments"):
            call(1.0, argument)


def test_wrong_static_arguments_are_refused() -> None:
    compiled = jit(lambda x, y: x, static_argnums=-1)
    with pytest.raises(TypeError, match=r"argument 1 is static, so it must be hashable, .*, not \[1\] \(list\)"):
        compiled(1.0, [1])
    with pytest.raises(TypeError, match="argument 1 is static, and a Value is not"):
        compiled(1.0, Value(1.0))
    for wrong in ("y", (0, 1.0), True, None):
        with pytest.raises(TypeError, match="static_argnums must be an integer or a tuple of integers, not"):
            jit(power, static_argnums=wrong)  # type: ignore[arg-type]


# Axes.


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_the_axis_of_the_batch_may_be_any(axis: int) -> None:
    rows = np.arange(24.0).reshape(2, 3, 4)
    found = jit(lambda x: x[0, 1] * x[1, 0], in_axes=axis)(rows)
    assert found.tolist() == [x[0, 1] * x[1, 0] for x in np.moveaxis(rows, axis, 0)]


def test_axes_may_be_nested_like_the_argument() -> None:
    def line(p: Any, x: Any) -> Any:
        return p["w"][0] * x + p["w"][1] + p["b"]

    xs = np.array([1.0, 2.0, 3.0])
    parameters = {"w": [2.0, xs * 10.0], "b": 0.5}
    expected = [12.5, 24.5, 36.5]
    for axes in (({"w": [None, 0], "b": None}, 0), ({"w": (None, -1), "b": None}, -1)):
        assert jit(line, in_axes=axes)(parameters, xs).tolist() == expected


def test_arguments_may_be_mapped_over_different_axes() -> None:
    matrix, rows = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    found = jit(lambda a, b: a[0] * a[1] + b.sum(), in_axes=(1, 0))(matrix, rows)
    assert found.tolist() == (matrix[0] * matrix[1] + rows.sum(axis=1)).tolist()


@pytest.mark.parametrize(
    ("axes", "arguments", "error", "told"),
    [
        ("auto", (1.0,), TypeError, r"in_axes must be an integer, None, or nested ones, not 'auto'"),
        (1.5, (1.0,), TypeError, r"in_axes must be an integer, None, or nested ones, not 1\.5"),
        (True, (1.0,), TypeError, r"in_axes must be an integer, None, or nested ones, not True"),
        ((0, ["a"]), (1.0, 2.0), TypeError, r"in_axes\[1\]\[0\] must be an integer, None, or nested ones, not 'a'"),
        ({"w": {}, "b": "c"}, ({},), TypeError, r"in_axes\['b'\] must be an integer"),
        ((0,), (1.0, 2.0), ValueError, r"in_axes has 1 entries, but there are 2 arguments"),
        ((0, 0), (1.0,), ValueError, r"in_axes has 2 entries, but there are 1 arguments"),
        (1, (np.ones(3),), ValueError, r"in_axes says axis 1 of argument 0, which has the shape \(3,\)"),
        (-2, (np.ones(3),), ValueError, r"in_axes says axis -2 of argument 0, which has the shape \(3,\)"),
        (([0, 2],), ([np.ones(3), np.ones((3, 3))],), ValueError, r"axis 2 of argument 0\[1\], which has the shape"),
        (([0],), ([1.0, 2.0],), ValueError, r"in_axes for argument 0 are nested otherwise than it is: \[0\]"),
        (([0],), (1.0,), ValueError, r"in_axes for argument 0 are nested otherwise"),
        (({"c": 0},), ({"b": np.ones(3)},), ValueError, r"in_axes for argument 0 are nested otherwise"),
        (({"b": 0},), ({"b": 1.0, "c": 1.0},), ValueError, r"in_axes for argument 0 are nested otherwise"),
        (
            0,
            ([np.ones(3), np.ones(4)],),
            ValueError,
            r"must have one length along their mapped axes, but have \[3, 4\]",
        ),
    ],
)
def test_wrong_axes_are_refused(axes: Any, arguments: tuple[Any, ...], error: type, told: str) -> None:
    with pytest.raises(error, match=told):
        jit(lambda *args: args, in_axes=axes)(*arguments)


# What is refused.


@pytest.mark.parametrize(
    ("argument", "place", "shown"),
    [
        ("1.0", "", r"'1\.0' \(str\)"),
        (None, "", r"None \(NoneType\)"),
        (1j, "", r"1j \(complex\)"),
        ({1.0}, "", r"\{1\.0\} \(set\)"),
        (object, "", r"<class 'object'> \(type\)"),
        ([1.0, None], r"\[1\]", r"None \(NoneType\)"),
        ({"w": [1.0, (2.0, "3")]}, r"\['w'\]\[1\]\[1\]", r"'3' \(str\)"),
        (np.array(["a"]), "", r"array\(\['a'\]"),
        (np.array([1j]), "", r"array\(\[0\.\+1\.j\]\)"),
        (np.array([None]), "", r"(array\(\[)?None"),
        (np.array(["2026-01-01"], dtype="M8[s]"), "", r"array\(\['2026"),
        (np.array("a"), "", r"'a'"),
    ],
)
def test_what_is_no_number_is_refused_with_its_place(square: Any, argument: Any, place: str, shown: str) -> None:
    for call in (square, square.lower):
        with pytest.raises(TypeError, match=rf"argument 0{place} must be .*, not (np\.str_\()?{shown}"):
            call(argument)
    with pytest.raises(TypeError, match=f"argument 1{place} must be"):
        jit(lambda x, y: x)(1.0, argument)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_arrays_that_are_more_than_their_numbers_are_refused() -> None:
    """A matrix's * is a product of matrices, which gave 1 for 7 when its numbers were taken as an array."""
    matrix = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    corner = lambda a: (a * a)[0, 0]  # noqa: E731
    for f in (jit(corner), grad(corner), vmap(corner)):
        with pytest.raises(TypeError, match=r"argument 0 is a np\.matrix, .*; pass np\.asarray of it, and write @"):
            f(matrix)
        with pytest.raises(TypeError, match=r"argument 0 is a masked array; pass \.filled"):
            f(np.ma.array([[1.0, 2.0]], mask=[[True, False]]))


def test_arrays_of_other_libraries_are_told_what_to_call() -> None:
    tensor = pytest.importorskip("torch", reason="PyTorch is not installed").tensor([1.0, 2.0])
    array = pytest.importorskip("jax.numpy", reason="JAX is not installed").asarray([1.0, 2.0])
    for foreign in (tensor, array):
        for f in (jit(lambda xs: xs[0]), grad(lambda xs: xs[0])):
            for argument, place in ((foreign, ""), ([foreign], r"\[0\]")):
                with pytest.raises(TypeError, match=rf"argument 0{place} .*; pass np\.asarray of it, or its \.tolist"):
                    f(argument)
        assert jit(lambda xs: xs[0] * xs[1])(np.asarray(foreign)) == 2.0
        assert grad(lambda xs: xs[0] * xs[1])(foreign.tolist()) == [2.0, 1.0]


def test_integers_too_large_for_float64_are_refused(square: Any) -> None:
    with pytest.raises(OverflowError, match="argument 0 is too large for float64: an integer of 1329 bits"):
        square(10**400)
    with pytest.raises(OverflowError, match=r"argument 0\[0\] is too large for float64"):
        square([10**400])


def test_a_wrong_call_leaves_the_function_usable(square: Any) -> None:
    for wrong in ("1.0", [None], np.array(["a"])):
        with pytest.raises(TypeError):
            square(wrong)
        assert square(np.array([3.0])).tolist() == [9.0]
