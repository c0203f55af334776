"""jit as its users meet it: batches, folding, transforms, kernels that are kept, SciPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from agreement import assert_agree, bits
from scipy import optimize

from autograd_mini import (
    Lowered,
    Value,
    detect_anomaly,
    exp,
    grad,
    hessian,
    hvp,
    jacobian,
    jit,
    log,
    sin,
    tanh,
    value_and_grad,
)

pytestmark = pytest.mark.usefixtures("backend")

XS = np.array([0.5, -1.5, 2.0, 0.0, 3.25])


class Counted:
    """A function that counts how often it runs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.runs = 0

    def __call__(self, *args: Any) -> Any:
        self.runs += 1
        return self.function(*args)


def loss(w: Any, x: Any, y: Any) -> Any:
    """Squared error of a neuron."""
    return (tanh(w[0] * x + w[1]) - y) ** 2


# Numbers and batches.


def test_numbers_give_floats_and_arrays_give_arrays() -> None:
    def f(x: Any, y: Any) -> Any:
        return x * exp(y)

    assert type(jit(f)(2.0, 0.0)) is float
    assert jit(f)(2.0, 0.0) == 2.0
    for arguments, axes in (((XS, 1.0), (0, None)), ((2.0, XS), (None, 0)), ((XS, XS), 0)):
        found = jit(f, in_axes=axes)(*arguments)
        np.testing.assert_allclose(found, arguments[0] * np.exp(arguments[1]), rtol=1e-15)


@pytest.mark.parametrize(
    ("function", "batch", "expected"),
    [
        (lambda x: x * x, XS, XS**2),
        (lambda x: [x, x + 1.0], XS, [XS, XS + 1.0]),
        (lambda x: (x * x, {"twice": 2.0 * x}), XS, (XS**2, {"twice": 2.0 * XS})),
        (lambda x: np.array([x, 2.0 * x]), XS, np.column_stack([XS, 2.0 * XS])),
        (lambda x: x[0] * x[1], np.arange(6.0).reshape(3, 2), np.array([0.0, 6.0, 20.0])),
        (lambda x: x * 2.0, np.arange(6.0).reshape(3, 2), 2.0 * np.arange(6.0).reshape(3, 2)),
        (lambda x: x[0] @ x[1], np.arange(12.0).reshape(2, 2, 3), np.array([14.0, 212.0])),
        (lambda pair: pair[0] - pair[1], [XS, 2.0 * XS], -XS),
        (lambda p: p["w"] * p["x"], {"w": 2.0 * XS, "x": XS}, 2.0 * XS**2),
    ],
    ids=["number", "list", "nested", "array", "row", "elementwise on rows", "matrices", "list of arrays", "dict"],
)
def test_arrays_are_mapped_over_the_axis_that_in_axes_names(
    function: Callable[..., Any], batch: Any, expected: Any
) -> None:
    assert_agree(jit(function, in_axes=0)(batch), expected)


# Without in_axes nothing is mapped: jit(f)(*args) is f(*args).

PAIR = np.array([10.0, 1.0])
MATRIX = np.array([[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        (lambda x: x[0] * x[1], (XS,), -0.75),
        (lambda x: sum(v * v for v in x), (XS,), float(np.sum(XS**2))),
        (lambda x: np.sum(x**2), (XS,), float(np.sum(XS**2))),
        (lambda x: x - x.mean(), (XS,), XS - XS.mean()),
        (lambda x: len(x) * 1.0, (XS,), 5.0),
        (lambda x: x[::-1] * 1.0, (XS,), XS[::-1]),
        (lambda x: np.cumsum(x), (XS,), np.cumsum(XS)),
        (lambda x, y: x * np.exp(y), (XS, 1.0), XS * np.e),
        (lambda a, x: a @ x, (np.ones((2, 5)), XS), np.array([4.25, 4.25])),
        (lambda a, x: a.T @ x, (MATRIX, PAIR), np.array([13.0, 24.0])),
        (lambda a, b: a * b, (MATRIX, PAIR), np.array([[10.0, 2.0], [30.0, 4.0]])),
        (lambda a, b: (a * b).sum(), (PAIR, PAIR), 101.0),
        (lambda p: np.sum(p["a"] * p["b"]), ({"a": PAIR, "b": PAIR},), 101.0),
        (lambda x: x * 2.0, (np.array([[1.0, 2.0]]),), np.array([[2.0, 4.0]])),
        (lambda x: x * 2.0, (np.ones((2, 1, 3)),), np.full((2, 1, 3), 2.0)),
    ],
    ids="index iterate fold centre len reverse cumsum number product transposed broadcast dot dict row shape".split(),
)
def test_without_in_axes_arrays_are_whole(
    function: Callable[..., Any], arguments: tuple[Any, ...], expected: Any
) -> None:
    assert_agree(jit(function)(*arguments), expected)


@pytest.mark.parametrize(
    ("derived", "argument", "expected"),
    [
        (grad(np.mean), [1.0, 3.0], [0.5, 0.5]),
        (grad(lambda u: np.sum(u**3)), [1.0, 3.0], [3.0, 27.0]),
        (hessian(lambda u: np.sum(u**3)), [1.0, 3.0], [[6.0, 0.0], [0.0, 18.0]]),
        (jacobian(lambda u: MATRIX @ u), [1.0, 3.0], MATRIX),
        (jacobian(lambda u: u * 2.0), [[1.0, 3.0]], [[[[2.0, 0.0]], [[0.0, 2.0]]]]),
    ],
    ids=["mean", "cubes", "hessian", "linear map", "row"],
)
def test_without_in_axes_a_transform_takes_arrays_whole(
    derived: Callable[..., Any], argument: Any, expected: Any
) -> None:
    assert_agree(jit(derived)(np.array(argument)), np.array(expected))


def test_a_loss_over_arrays_needs_no_in_axes() -> None:
    """The squares of p0 exp(-p1 t) - o: by calculus, with r = p0 e - o and e = exp(-p1 t)."""

    def fit(p: Any, t: Any, o: Any) -> Any:
        return np.sum((p[0] * np.exp(-p[1] * t) - o) ** 2)

    t = np.linspace(0.0, 3.0, 20)
    p, o = np.array([2.0, 1.0]), 2.5 * np.exp(-1.3 * t)
    e = np.exp(-p[1] * t)
    r = p[0] * e - o
    value, slope = jit(value_and_grad(fit))(p, t, o)
    assert value == pytest.approx(r @ r, rel=1e-13)
    np.testing.assert_allclose(slope, [2.0 * r @ e, -2.0 * r @ (p[0] * t * e)], rtol=1e-12)
    dp0, dp1 = e, -p[0] * t * e
    mixed = 2.0 * (dp0 @ dp1 - r @ (t * e))
    expected = [[2.0 * dp0 @ dp0, mixed], [mixed, 2.0 * (dp1 @ dp1 + r @ (p[0] * t * t * e))]]
    np.testing.assert_allclose(jit(hessian(fit))(p, t, o), expected, rtol=1e-12)


# Folding.


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 1000])
def test_folding_is_numpys_sum_and_mean(size: int) -> None:
    rng = np.random.default_rng(size)
    xs, ys = rng.normal(size=(2, size))

    def function(x: Any, y: Any) -> Any:
        return {"product": x * y, "pair": (sin(x), [y, 1.0])}

    rows = {"product": xs * ys, "pair": (np.sin(xs), [ys, np.ones(size)])}
    for reduce, fold in (("sum", np.sum), ("mean", np.mean)):
        expected = {
            "product": float(fold(rows["product"])),
            "pair": (float(fold(rows["pair"][0])), [float(fold(row)) for row in rows["pair"][1]]),
        }
        assert_agree(jit(function, in_axes=0, reduce=reduce)(xs, ys), expected, floor=1e-13 * size)


def test_folding_an_array_gives_an_array() -> None:
    rows = np.arange(12.0).reshape(4, 3)
    found = jit(lambda x: x * 2.0, in_axes=0, reduce="sum")(rows)
    assert_agree(found, 2.0 * rows.sum(axis=0))
    assert_agree(jit(lambda x: np.outer(x, x), in_axes=0, reduce="mean")(rows), rows.T @ rows / 4.0)


def test_folding_nothing_gives_zero_and_the_mean_of_nothing_is_nan() -> None:
    nothing = np.zeros(0)
    assert jit(lambda x: x + 1.0, in_axes=0, reduce="sum")(nothing) == 0.0
    assert math.isnan(jit(lambda x: x + 1.0, in_axes=0, reduce="mean")(nothing))


@pytest.mark.parametrize("special", [math.inf, -math.inf, math.nan])
def test_a_special_number_of_one_example_is_in_the_sum(special: float) -> None:
    compiled = jit(lambda x: x * 2.0, in_axes=0, reduce="sum")
    for size in (1, 4, 5, 9, 300):
        for place in (0, size // 2, size - 1):
            batch = np.ones(size)
            batch[place] = special
            assert_agree(compiled(batch), special)


def test_examples_that_are_not_there_add_nothing() -> None:
    """Lanes beyond the end of the batch would make nan of inf - inf, or count twice."""
    compiled = jit(lambda x: [1.0 / x, x * 0.0 + 1.0], in_axes=0, reduce="sum")
    for size in range(1, 20):
        assert compiled(np.full(size, 0.5)) == [2.0 * size, float(size)]


def test_results_that_depend_on_no_example_are_added_as_often_as_there_are_examples() -> None:
    compiled = jit(lambda w, x: [w * 2.0, 3.0, x], in_axes=(None, 0), reduce="sum")
    assert compiled(5.0, np.array([1.0, 2.0, 4.0])) == [30.0, 9.0, 7.0]
    mean = jit(lambda w, x: [w * 2.0, 3.0, x], in_axes=(None, 0), reduce="mean")
    assert mean(5.0, np.array([1.0, 2.0, 6.0])) == [10.0, 3.0, 3.0]


def test_gradients_are_folded_as_a_training_step_needs_them() -> None:
    rng = np.random.default_rng(0)
    xs, ys = rng.normal(size=(2, 300))
    compiled = jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce="mean")
    runs = [value_and_grad(loss)([0.5, -0.1], x, y) for x, y in zip(xs, ys, strict=True)]
    value, slope = compiled([0.5, -0.1], xs, ys)
    assert value == pytest.approx(np.mean([run[0] for run in runs]), rel=1e-12)
    assert slope == pytest.approx(np.mean([run[1] for run in runs], axis=0), rel=1e-12)


# Transforms.

VECTOR = [0.5, -1.0, 2.0]


def surface(v: Any) -> Any:
    return exp(v[0] * v[1]) + sin(v[1]) * v[2] ** 2 + v[0] / (v[2] + 3.0)


@pytest.mark.parametrize(
    "derived",
    [
        grad(surface),
        value_and_grad(surface),
        hessian(surface),
        jacobian(lambda v: [surface(v), v[0] * v[1], 3.0]),
        jacobian(lambda v: {"a": surface(v), "b": (v[2], [v[0]])}),
        grad(lambda v: sum(g * g for g in grad(surface)(v))),
        lambda v: hvp(surface)(v, [1.0, -2.0, 0.5]),
        grad(lambda v: grad(lambda u: u * surface(v))(3.0)),
        jacobian(hessian(surface)),
    ],
    ids=["grad", "value_and_grad", "hessian", "jacobian", "nested", "grad of grads", "hvp", "inner", "third"],
)
def test_transforms_are_compiled(derived: Callable[..., Any]) -> None:
    expected = derived(VECTOR)
    assert_agree(jit(derived)(VECTOR), expected)
    batch = [np.full(4, x) for x in VECTOR]
    assert_agree(jit(derived, in_axes=0, reduce="mean")(batch), expected)


def test_argnums_are_those_of_the_transform() -> None:
    derived = value_and_grad(lambda x, y, z: x * y * y * z, argnums=(1, -1))
    assert jit(derived)(2.0, 3.0, 4.0) == derived(2.0, 3.0, 4.0) == (72.0, (48.0, 18.0))


def test_hvp_takes_the_vector_as_an_argument() -> None:
    vector = [1.0, -2.0, 0.5]
    expected = np.array(hessian(surface)(VECTOR)) @ vector
    assert jit(hvp(surface))(VECTOR, vector) == pytest.approx(expected, rel=1e-12)


def test_a_compiled_function_can_be_differentiated() -> None:
    compiled = jit(surface)
    assert grad(compiled)(VECTOR) == grad(surface)(VECTOR)
    assert hessian(compiled)(VECTOR) == hessian(surface)(VECTOR)
    assert_agree(jit(grad(compiled))(VECTOR), grad(surface)(VECTOR))
    assert_agree(jit(grad(jit(grad(jit(lambda x: x**4)))))(2.0), 48.0)


def test_a_compiled_function_called_with_values_runs_the_function() -> None:
    x, y = Value(2.0), Value(3.0)
    out = jit(lambda a, b: a * b["y"] + 1.0)(x, {"y": y})
    assert isinstance(out, Value)
    out.backward()
    assert (out.data, x.grad, y.grad) == (7.0, 3.0, 2.0)
    array = jit(lambda a: a * 2.0)(np.array([x, y]))
    assert [value.data for value in array] == [4.0, 6.0]


@pytest.mark.parametrize(
    "derive",
    [grad, lambda f: jit(grad(f)), lambda f: grad(jit(f)), lambda f: lambda y: y * hessian(f)(y)],
    ids=["grad", "jit of grad", "grad of jit", "hessian"],
)
def test_what_a_compiled_function_captures_is_differentiated(derive: Callable[..., Any]) -> None:
    assert derive(lambda y: jit(lambda x: x * y * y)(2.0))(3.0) == 12.0


def test_a_compiled_function_that_captures_values_is_traced_through_by_another() -> None:
    weight = Value(2.0)
    inner = jit(lambda x: weight * x)
    assert inner(5.0) == 10.0
    outer = jit(lambda y: y * inner(5.0))
    assert outer(3.0) == 30.0
    weight.data = -1.0
    assert outer(3.0) == -15.0


@pytest.mark.parametrize("reduce", [None, "sum", "mean"])
def test_batches_are_the_same_for_values_as_for_numbers(reduce: str | None) -> None:
    rows = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
    compiled = jit(lambda w, x: w * w * x[1], in_axes=(None, 0), reduce=reduce)
    numbers = compiled(3.0, rows)
    values = compiled(Value(3.0), rows)
    assert [value.data for value in np.ravel(values)] == pytest.approx(np.ravel(numbers))
    total = grad(lambda w: np.sum(compiled(w, rows)))(3.0)
    assert total == pytest.approx(2.0 * np.sum(numbers) / 3.0)
    assert jit(grad(lambda w: np.sum(compiled(w, rows))))(3.0) == pytest.approx(total)


def test_a_compiled_function_is_traced_through_by_another() -> None:
    inner = jit(lambda x: x * x)
    assert jit(inner)(3.0) == 9.0
    assert jit(lambda x: inner(x) + inner(2.0))(3.0) == 13.0
    assert jit(jit(jit(inner)))(XS).tolist() == (XS**2).tolist()


def test_a_compiled_function_is_a_method_where_a_class_has_it() -> None:
    class Point(NamedTuple):
        x: Any
        y: Any

        @jit
        def plus(self, step: Any) -> Any:
            return Point(self.x + step, self.y * step)

    assert Point(1.0, 2.0).plus(3.0) == Point(4.0, 6.0)
    assert Point.plus(Point(1.0, 2.0), 3.0) == Point(4.0, 6.0)
    assert_agree(Point(XS, 2.0).plus(3.0), Point(XS + 3.0, 6.0))


class Neuron:
    """A model that is no dataclass: `self` is not numbers alone."""

    def __init__(self) -> None:
        self.w = Value(3.0)

    def output(self, x: Any) -> Any:
        return self.w * x

    @jit
    def compiled(self, x: Any) -> Any:
        return self.w * x


def test_a_method_is_compiled_when_it_is_bound() -> None:
    neuron = Neuron()
    with pytest.raises(TypeError, match=r"argument 0 must .* it is the method's self: write jit\(self\.compiled\)"):
        neuron.compiled(2.0)
    output = jit(neuron.output)
    assert output(2.0) == 6.0
    neuron.w.data = 5.0
    assert output(2.0) == 10.0
    assert jit(lambda w, x: w * x)(neuron.w, 2.0).data == 10.0


def test_an_error_in_the_function_is_raised_as_it_is_and_the_function_runs_once() -> None:
    def wrong(*args: Any) -> Any:
        raise KeyError("mine")

    for wrap in (lambda f: jit(f), lambda f: jit(grad(f)), lambda f: jit(jit(f)), lambda f: jit(f).lower):
        counted = Counted(wrong)
        with pytest.raises(KeyError, match="mine"):
            wrap(counted)(*[np.ones(2)] * 10)
        assert counted.runs == 1


def test_a_compiled_function_has_the_name_and_documentation_of_the_function() -> None:
    compiled: Any = jit(surface)
    assert (compiled.__name__, compiled.__wrapped__) == ("surface", surface)
    assert jit(exp).__doc__ == exp.__doc__


# Kernels.


def test_arguments_may_be_given_by_name() -> None:
    def scaled(x: Any, mode: str = "double", y: Any = 1.0, *, factor: float = 2.0) -> Any:
        return x * factor if mode == "double" else y

    assert jit(scaled)(x=3.0) == 6.0
    assert jit(scaled).lower(x=3.0).graph == "v1 = mul(x0, 2.0)\nreturn v1"
    assert jit(lambda x, y=4.0, z=5.0: x + 10.0 * y + 100.0 * z)(1.0, z=2.0) == 241.0
    with pytest.raises(TypeError, match="take arguments that have a place, and factor has none"):
        jit(scaled)(3.0, factor=4.0)


def test_a_structure_is_traced_once() -> None:
    function = Counted(lambda p, x: p["w"] * x + p["b"])
    compiled = jit(function)
    for i in range(5):
        assert compiled({"w": float(i), "b": 1.0}, 2.0) == 2.0 * i + 1.0
    assert function.runs == 1
    compiled({"w": np.ones(2), "b": 1.0}, 2.0)
    assert function.runs == 2
    compiled = jit(function, in_axes=(None, 0))
    for size in (3, 0, 1000, 3):
        assert compiled({"w": 2.0, "b": 1.0}, np.ones(size)).tolist() == [3.0] * size
    assert function.runs == 3


def test_lower_compiles_what_a_call_then_uses() -> None:
    function = Counted(lambda x: x * x)
    compiled = jit(function)
    compiled.lower(3.0)
    assert compiled(4.0) == 16.0
    assert function.runs == 1


def test_the_number_of_kernels_is_bounded_and_the_oldest_is_dropped() -> None:
    function = Counted(lambda xs: sum(xs))
    compiled = jit(function, max_kernels=2)
    for length in (1, 2, 3):
        compiled([1.0] * length)
    assert function.runs == 3
    assert [compiled([1.0] * length) for length in (2, 3)] == [2.0, 3.0]
    assert function.runs == 3, "the two latest are kept"
    assert compiled([1.0]) == 1.0
    assert function.runs == 4, "the oldest was dropped"


def test_very_many_batch_sizes_are_no_burden() -> None:
    function = Counted(lambda x: x + 1.0)
    compiled = jit(function, in_axes=0)
    for size in range(1500):
        assert compiled(np.zeros(size)).shape == (size,)
    assert function.runs == 1
    assert len(compiled._calls) <= 1000


def test_calls_repeat_their_bits() -> None:
    compiled = jit(value_and_grad(surface))
    once = bits(compiled(VECTOR))
    assert all(bits(compiled(VECTOR)) == once for _ in range(3))
    assert bits(jit(value_and_grad(surface))(VECTOR)) == once


def test_lower_shows_graph_program_code_and_seconds(backend: str) -> None:
    lowered = jit(lambda x, y: tanh(x) * y, in_axes=(None, 0)).lower(1.0, XS)
    assert isinstance(lowered, Lowered)
    assert lowered.graph.splitlines()[-1].startswith("return v")
    assert "tanh(x0)" in lowered.graph
    assert ("define void" in lowered.llvm_ir) == (backend == "llvm")
    assert "u2 = tanh(u0)" in lowered.program
    assert "s1 = mul(u2, s0)" in lowered.program
    passes = "trace simplify expand merge totals settle split sums patterns schedule slots write"
    assert [*lowered.seconds][:12] == passes.split()
    assert all(seconds >= 0.0 for seconds in lowered.seconds.values())
    assert ("ret" in lowered.assembly) == (backend == "llvm")


def test_lowered_code_is_printed_as_a_summary() -> None:
    lowered = jit(lambda x, y: tanh(x) * y, in_axes=(None, 0)).lower(1.0, XS)
    told = str(lowered).splitlines()
    assert repr(lowered) == str(lowered)
    assert told[0].endswith("<lambda>, lowered")
    assert told[1] == "graph: 2 arguments, 2 operations, 1 results"
    assert told[2].startswith("program: 1 runs once a call, 3 for each tile of examples")
    assert told[3].startswith(f"llvm_ir: {lowered.llvm_ir.count(chr(10))} lines")
    assert "trace " in told[4]
    assert len(told) == 5


def test_repr_shows_options_and_kernels_with_their_arguments_and_times() -> None:
    compiled = jit(loss, in_axes=(None, 0, None), reduce="mean", fuse=True)
    assert repr(compiled).startswith("<jit of loss, in_axes=(None, 0, None), reduce='mean', fuse=True, 0 kernels")
    compiled([0.5, 0.1], XS, 1.0)
    compiled(np.ones(2), XS, 1.0)
    first, second = repr(compiled).splitlines()[1:]
    assert first.strip().startswith("(list of 2 numbers, mapped number, number): 5 operations; trace ")
    assert "write " in first
    assert second.strip().startswith("(array (2,), mapped number, number): 5 operations; trace ")
    assert "write " not in second, "the code of the first serves"


def test_fused_products_differ_in_last_digits_alone(backend: str) -> None:
    fused, apart = (jit(value_and_grad(loss), (None, 0, None), "sum", fuse=fuse) for fuse in (True, False))
    arguments = [0.3, -0.7], XS, 0.25
    assert_agree(fused(*arguments), apart(*arguments), 2e-15)
    assert ("contract" in fused.lower(*arguments).llvm_ir) == (backend == "llvm")
    assert "contract" not in apart.lower(*arguments).llvm_ir


def test_lower_takes_no_values() -> None:
    with pytest.raises(TypeError, match=r"lower takes numbers and arrays, .* but no Values"):
        jit(lambda x: x).lower(Value(1.0))


# Options.


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"f": 3}, TypeError, "jit takes a function, not 3"),
        ({"f": None}, TypeError, "jit takes a function, not None"),
        ({"reduce": "max"}, ValueError, "reduce must be 'sum', 'mean' or None, not 'max'"),
        ({"reduce": True}, ValueError, "reduce must be 'sum', 'mean' or None, not True"),
        ({"threads": 0}, ValueError, "threads must be at least 1, not 0"),
        ({"threads": 1.5}, TypeError, r"threads must be an integer, not 1\.5"),
        ({"threads": True}, TypeError, "threads must be an integer, not True"),
        ({"fuse": 1}, TypeError, "fuse must be True or False, not 1"),
        ({"cache": "/tmp"}, TypeError, "cache must be True, False or None, not '/tmp'"),
        ({"max_kernels": 0}, ValueError, "max_kernels must be at least 1, not 0"),
        ({"max_kernels": None}, TypeError, "max_kernels must be an integer, not None"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], error: type, told: str) -> None:
    with pytest.raises(error, match=told):
        jit(**{"f": surface, **options})


def test_a_batch_is_needed_to_fold() -> None:
    with pytest.raises(ValueError, match="reduce='mean' folds a batch, but no argument is mapped"):
        jit(lambda x: x, reduce="mean")(1.0)
    with pytest.raises(ValueError, match="reduce='sum' folds a batch, but no argument is mapped"):
        jit(lambda x: x, reduce="sum")(Value(1.0))


# Anomalies.


def test_detect_anomaly_finds_infs_and_nans_made_of_finite_numbers() -> None:
    compiled = jit(lambda x: log(x))
    with detect_anomaly():
        assert compiled(1.0) == 0.0
        assert math.isnan(compiled(math.nan))
        with pytest.raises(FloatingPointError, match="gave nan or inf for finite arguments"):
            compiled(0.0)
        with pytest.raises(FloatingPointError, match="gave nan or inf for finite arguments"):
            jit(lambda x: log(x), in_axes=0)(np.array([1.0, -1.0]))
        with pytest.raises(FloatingPointError, match="gave nan or inf"):
            jit(lambda x: [x, {"a": 1.0 / x}])(0.0)
    assert compiled(0.0) == -math.inf


def test_no_warning_of_numpy_disturbs_a_sum_of_infs() -> None:
    batch = np.tile([math.inf, -math.inf, 1e308], 100_000)
    assert math.isnan(jit(lambda x: x * 2.0, in_axes=0, reduce="mean")(batch))


# SciPy, as it stands.


def rosen(x: Any) -> Any:
    return sum(100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2 for a, b in zip(x[:-1], x[1:], strict=True))


START = np.array([1.3, 0.7, 0.8, 1.9])


@pytest.mark.parametrize(
    ("method", "curvature"),
    [
        *[(method, {}) for method in ("BFGS", "L-BFGS-B", "CG", "SLSQP")],
        *[(method, {"hess": hessian(rosen)}) for method in ("Newton-CG", "trust-exact", "trust-constr")],
        ("Newton-CG", {"hessp": hvp(rosen)}),
    ],
)
def test_scipy_minimises_by_compiled_derivatives(method: str, curvature: dict[str, Any]) -> None:
    compiled = {name: jit(derive) for name, derive in curvature.items()}
    found = optimize.minimize(
        jit(value_and_grad(rosen)), START, jac=True, method=method, tol=1e-10, options={"maxiter": 2000}, **compiled
    )
    np.testing.assert_allclose(found.x, np.ones(4), atol=1e-5)


def test_derivatives_are_scipys() -> None:
    np.testing.assert_allclose(jit(grad(rosen))(START), optimize.rosen_der(START), rtol=1e-12)
    np.testing.assert_allclose(jit(hessian(rosen))(START), optimize.rosen_hess(START), rtol=1e-12)


def test_least_squares_with_jacobian() -> None:
    times = np.linspace(0.0, 3.0, 30)
    signal = 2.5 * np.exp(-1.3 * times) + 0.5

    def residuals(p: Any) -> Any:
        return np.array([p[0] * exp(p[1] * -t) + p[2] - y for t, y in zip(times, signal, strict=True)])

    found = optimize.least_squares(jit(residuals), [1.0, 1.0, 0.0], jac=jit(jacobian(residuals)), xtol=1e-12)
    np.testing.assert_allclose(found.x, [2.5, 1.3, 0.5], rtol=1e-6)


def test_further_arguments_come_through_args() -> None:
    def fit(p: Any, ts: Any, ys: Any) -> Any:
        return sum((p[0] * t + p[1] - y) ** 2 for t, y in zip(ts, ys, strict=True))

    times = np.arange(5.0)
    compiled = jit(value_and_grad(fit))
    found = optimize.minimize(compiled, [0.0, 0.0], args=(times, 3.0 * times + 1.0), jac=True, tol=1e-12)
    np.testing.assert_allclose(found.x, [3.0, 1.0], rtol=1e-6)


def test_roots_and_scalars() -> None:
    root = optimize.root(
        jit(lambda v: np.array([v[0] + v[1] - 3.0, v[0] * v[1] - 2.0])),
        [0.5, 3.0],
        jac=jit(jacobian(lambda v: np.array([v[0] + v[1] - 3.0, v[0] * v[1] - 2.0]))),
    )
    np.testing.assert_allclose(sorted(root.x), [1.0, 2.0], rtol=1e-8)
    cube = lambda x: x**3 - 2.0  # noqa: E731
    newton = optimize.newton(jit(cube), 1.0, fprime=jit(grad(cube)), tol=1e-14)
    assert newton == pytest.approx(2.0 ** (1.0 / 3.0), rel=1e-13)
