"""Compiled functions of Dask arrays, on Dask's schedulers within one process."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from agreement import bits
from processes import run

from autograd_mini import (
    Value,
    detect_anomaly,
    dot,
    exp,
    grad,
    greater,
    jit,
    log,
    sqrt,
    tanh,
    value_and_grad,
    vmap,
    where,
)
from autograd_mini.compiler import chunks

dask = pytest.importorskip("dask", reason="chunks need the extra dask")
da = pytest.importorskip("dask.array", reason="chunks need the extra dask")
minimize = pytest.importorskip("scipy.optimize", reason="the fit needs the extra train: SciPy").minimize

ROWS, COLUMNS, CHUNK = 100, 3, 7
XS = np.random.default_rng(1).normal(size=(ROWS, COLUMNS))
YS = np.tanh(XS @ [0.3, -0.2, 0.5] + 0.1)
WEIGHTS = np.array([0.1, 0.2, -0.3, 0.05])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with dask.config.set(scheduler="synchronous"):
        yield


def loss(w: Any, x: Any, y: Any) -> Any:
    return (tanh(dot(w[:-1], x, w[-1])) - y) ** 2


def chunked(array: np.ndarray[Any, Any], length: int = CHUNK, axis: int = 0) -> Any:
    return da.from_array(array, chunks=tuple(length if i == axis else -1 for i in range(array.ndim)))


# Folds.


def by_hand(rows: int) -> tuple[float, np.ndarray[Any, Any]]:
    """Add what the chunks give: 16 at a time in their order, then these sums."""
    compiled = jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce="sum", threads=1)
    parts = []
    for begin in range(0, rows, CHUNK):
        end = min(begin + CHUNK, rows)
        value, slope = compiled(WEIGHTS, XS[begin:end], YS[begin:end])
        parts.append(np.array([value, *slope]))
    while len(parts) > 1:
        parts = [sum(parts[i + 1 : i + 16], parts[i]) for i in range(0, len(parts), 16)]
    return float(parts[0][0]), parts[0][1:]


@pytest.mark.parametrize("rows", [1, CHUNK, 50, ROWS])
def test_sums_are_those_of_the_chunks_added_in_their_order(rows: int) -> None:
    compiled = jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce="sum")
    value, slope = compiled(WEIGHTS, chunked(XS[:rows]), chunked(YS[:rows]))
    assert type(value) is float
    assert type(slope) is np.ndarray
    assert bits((value, slope)) == bits(by_hand(rows))


def test_threads_give_the_same_bits_and_so_do_processes() -> None:
    compiled = jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce="sum")
    for scheduler in ("threads", "processes"):
        with dask.config.set(scheduler=scheduler, num_workers=2):
            assert bits(compiled(WEIGHTS, chunked(XS), chunked(YS))) == bits(by_hand(ROWS))


def test_many_chunks_are_added_in_several_levels() -> None:
    xs = np.arange(1.0, 700.0)
    assert jit(lambda x: 1.0 / x, in_axes=0, reduce="sum")(chunked(xs, 1)) == pytest.approx((1 / xs).sum(), rel=1e-14)


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_folds_agree_with_those_of_numpy_arrays(reduce: str) -> None:
    compiled = jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce=reduce)
    value, slope = compiled(WEIGHTS, chunked(XS), chunked(YS))
    expected = compiled(WEIGHTS, XS, YS)
    assert value == pytest.approx(expected[0], rel=1e-13)
    np.testing.assert_allclose(slope, expected[1], rtol=1e-12)
    assert bits(compiled(WEIGHTS, chunked(XS, ROWS), chunked(YS, ROWS))) == bits(expected), "one chunk is a batch"


def test_scipy_minimizes_over_dask_arrays_as_over_numpy_arrays() -> None:
    def fit(xs: Any, ys: Any) -> Any:
        compiled = jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce="mean")
        return minimize(compiled, np.zeros(4), args=(xs, ys), jac=True, method="BFGS", tol=1e-9)

    np.testing.assert_allclose(fit(chunked(XS), chunked(YS)).x, [0.3, -0.2, 0.5, 0.1], atol=1e-7)
    np.testing.assert_allclose(fit(chunked(XS), chunked(YS)).x, fit(XS, YS).x, atol=1e-8)


def test_results_of_a_fold_are_nested_as_without_dask() -> None:
    def function(p: Any, x: Any) -> Any:
        return {"a": p["w"] * x, "b": [x, (p["w"] + np.array([1.0, 2.0]), 3.0)]}

    compiled = jit(function, in_axes=(None, 0), reduce="mean")
    assert bits(compiled({"w": 2.0}, chunked(YS, ROWS))) == bits(compiled({"w": 2.0}, YS))


def test_jit_of_vmap_takes_dask_arrays() -> None:
    compiled = jit(vmap(grad(loss), in_axes=(None, 0, 0), out_axes=1))
    got = compiled(WEIGHTS, chunked(XS), chunked(YS))
    assert got.chunks == ((4,), chunked(YS).chunks[0])
    np.testing.assert_array_equal(got.compute(), compiled(WEIGHTS, XS, YS))


# Results of all examples.


def test_without_a_fold_results_are_lazy_arrays_of_the_same_chunks() -> None:
    compiled = jit(value_and_grad(loss), in_axes=(None, 0, 0))
    value, slope = compiled(WEIGHTS, chunked(XS), chunked(YS))
    assert isinstance(value, da.Array)
    assert value.chunks == chunked(YS).chunks
    assert slope.chunks == (chunked(YS).chunks[0], (4,))
    assert value.dtype == slope.dtype == np.float64
    assert bits(dask.compute(value, slope)) == bits(compiled(WEIGHTS, XS, YS))
    assert (slope[3:20].sum(axis=1) + value[3:20]).compute().shape == (17,), "they go on as Dask arrays"


def test_axes_of_arguments_and_results_are_those_of_numpy() -> None:
    def function(d: dict[str, Any], x: Any) -> Any:
        return d["x"].sum() * d["scale"], [np.outer(d["x"], x), d["scale"] * 2.0, d["scale"] + np.ones(2)]

    compiled = jit(function, in_axes=({"x": 1, "scale": None}, -1), out_axes=(0, [-2, None, None]))
    xs, zs = XS.T, XS[:, :2].T
    expected = compiled({"x": xs, "scale": 10.0}, zs)
    got = compiled({"x": chunked(xs, CHUNK, 1), "scale": 10.0}, chunked(zs, CHUNK, 1))
    assert type(got[1][1]) is float
    assert bits([got[0].compute(), [got[1][0].compute(), *got[1][1:]]]) == bits([expected[0], list(expected[1])])
    assert got[1][0].chunks == ((3,), chunked(YS).chunks[0], (2,))


def test_lazy_results_are_of_the_arguments_at_the_call() -> None:
    scale, w, ys = Value(2.0), np.array([1.0, 2.0]), YS.copy()
    compiled = jit(lambda w, x, y: scale * w[0] * x + y, in_axes=(None, 0, 0))
    lazy = compiled(w, chunked(YS), ys)
    w[0], scale.data, ys[:] = 5.0, 7.0, 0.0
    np.testing.assert_array_equal(lazy.compute(), 2.0 * YS + YS)
    np.testing.assert_array_equal(compiled(w, chunked(YS), ys).compute(), 35.0 * YS)


# Chunks.


def test_arrays_of_numpy_are_cut_as_the_dask_arrays_beside_them() -> None:
    compiled = jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce="sum")
    for xs, ys in ((chunked(XS), YS), (XS, chunked(YS))):
        assert bits(compiled(WEIGHTS, xs, ys)) == bits(by_hand(ROWS))


def test_chunks_across_other_axes_are_put_together() -> None:
    compiled = jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce="sum")
    assert bits(compiled(WEIGHTS, da.from_array(XS, chunks=(CHUNK, 2)), chunked(YS))) == bits(by_hand(ROWS))


def test_unequal_chunks_are_cut_so_that_they_fit() -> None:
    compiled = jit(loss, in_axes=(None, 0, 0))
    got = compiled(WEIGHTS, chunked(XS, 30), chunked(YS, 20))
    assert got.chunks == ((20, 10, 10, 20, 20, 10, 10),)
    np.testing.assert_array_equal(got.compute(), compiled(WEIGHTS, XS, YS))


@pytest.mark.parametrize("lengths", [(0,), (0, 0), (0, ROWS), (40, 0, 0, 60, 0)])
def test_chunks_may_be_empty(lengths: tuple[int, ...]) -> None:
    rows = sum(lengths)
    xs, ys = da.from_array(XS[:rows], chunks=(lengths, -1)), da.from_array(YS[:rows], chunks=(lengths,))
    for reduce in ("sum", "mean", None):
        compiled = jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce=reduce)
        got, expected = compiled(WEIGHTS, xs, ys), compiled(WEIGHTS, XS[:rows], YS[:rows])
        for one, other in zip(dask.compute(*got), expected):
            np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", ">f8"])
def test_numbers_of_other_types_become_float64(dtype: str) -> None:
    xs = (YS > 0).astype(dtype)
    compiled = jit(lambda x: x * 0.1, in_axes=0)
    np.testing.assert_array_equal(compiled(chunked(xs)).compute(), compiled(xs))


def test_a_chunk_of_another_shape_than_its_array_says_is_an_error() -> None:
    xs = chunked(YS).map_blocks(lambda x: x[:2], dtype=float)
    with pytest.raises(ValueError, match=r"a chunk has the shape \(2,\), which is not what its Dask array says"):
        jit(lambda x, y: x * y, in_axes=0, reduce="sum")(chunked(YS), xs)
    xs = chunked(XS).map_blocks(lambda x: x[:, :2], dtype=float)
    with pytest.raises(ValueError, match=r"a chunk has the shape \(7, 2\)"):
        jit(lambda x: x[2], in_axes=0, reduce="sum")(xs)


def test_a_chunk_of_a_masked_array_is_an_error() -> None:
    xs = chunked(YS).map_blocks(lambda x: np.ma.masked_less(x, 0.0), dtype=float)
    with pytest.raises(TypeError, match="a chunk of a Dask array is a masked array"):
        jit(lambda x: x, in_axes=0, reduce="sum")(xs)


# Kernels.


def test_captured_values_have_in_each_call_the_data_that_they_have_then() -> None:
    scale = Value(2.0)
    compiled = jit(lambda x: scale * x, in_axes=0, reduce="sum")
    xs = chunked(np.arange(10.0))
    assert compiled(xs) == 90.0
    scale.data = 3.0
    assert compiled(xs) == 135.0


def test_a_kernel_that_travels_is_compiled_where_it_lands_and_takes_its_operations_along() -> None:
    from autograd_mini import operation

    scale = Value(2.0)
    gauss = operation("gauss(x)", lambda x: np.exp(-x * x), lambda out, x: -2 * x * out, lowering=lambda x: exp(-x * x))
    compiled = jit(lambda x: gauss(x) * scale, in_axes=0)
    expected = compiled(YS)
    compiled(chunked(YS))
    [kernel] = compiled._chunked.values()
    content = pickle.dumps(kernel)
    assert b"gauss" not in content, "workers don't know of operations that users make"
    chunks._kernels.clear()
    [got] = pickle.loads(content)([YS], pickle.dumps(([None, np.array([2.0])], False)))
    assert bits(got) == bits(expected)
    assert list(chunks._kernels) == [(kernel.token, 0)]


def test_what_a_function_becomes_is_shown_for_dask_arrays_as_for_numpy_arrays() -> None:
    compiled = jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce="mean")
    assert compiled.lower(WEIGHTS, chunked(XS), chunked(YS)).program == compiled.lower(WEIGHTS, XS, YS).program


def test_no_more_kernels_are_kept_than_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "MOST_KERNELS", 3)
    chunks._kernels.clear()
    compiled = jit(lambda n, x: n * x, in_axes=(None, 0), reduce="sum", static_argnums=0, max_kernels=2)
    for _ in range(2):
        assert [compiled(n, chunked(YS, 50)) for n in range(5)] == pytest.approx([n * YS.sum() for n in range(5)])
    assert len(chunks._kernels) == 3
    assert len(compiled._chunked) == 2


def test_a_nan_that_is_none_is_seen_through() -> None:
    def function(x: Any) -> Any:
        return where(greater(x, 0.0), sqrt(x) * log(x), 0.0)

    xs = np.array([-1.0, 0.0, 1.0, 4.0, -3.0])
    compiled = jit(value_and_grad(function), in_axes=0)
    expected = compiled(xs)
    assert np.isfinite(expected[1]).all()
    assert [kernel.is_doubtful for kernel in compiled._kernels.values()] == [True, False]
    assert bits(dask.compute(*compiled(chunked(xs, 2)))) == bits(list(expected))


def test_detect_anomaly_finds_the_nan_of_a_chunk() -> None:
    compiled = jit(log, in_axes=0, reduce="sum")
    with np.errstate(invalid="ignore"), detect_anomaly():
        assert compiled(chunked(np.array([1.0, np.nan, 2.0]), 1)) != 0.0
        with pytest.raises(FloatingPointError, match="gave nan or inf for finite arguments"):
            compiled(chunked(np.array([1.0, -1.0, 2.0]), 1))


# Errors.


def test_what_cannot_be_is_refused_at_the_call_with_the_reason() -> None:
    compiled = jit(loss, in_axes=(None, 0, 0), reduce="sum")
    xs, ys = chunked(XS), chunked(YS)
    nested: list[Any] = [xs]
    nested += [nested, nested]
    cases: list[tuple[tuple[Any, ...], type[Exception], str]] = [
        ((chunked(WEIGHTS), xs, ys), TypeError, "a Dask array must be mapped by in_axes"),
        ((WEIGHTS, xs, ys[:-1]), ValueError, r"one length along their mapped axes, but have \[100, 99\]"),
        ((WEIGHTS, xs, ys[ys > 0.0]), ValueError, r"argument 2 has .* unknown lengths: call its compute_chunk_sizes"),
        ((WEIGHTS, xs, ys.sum()), TypeError, "argument 2 has a Dask array without axes"),
        ((WEIGHTS, xs, ys * 1j), TypeError, "argument 2 must be an array of real numbers, not dask.array"),
        ((WEIGHTS, xs, ys.astype(object)), TypeError, "argument 2 must be an array of real numbers"),
        ((nested, xs, ys), ValueError, "argument 0 is nested more than 100 deep, or contains itself"),
        ((list(map(Value, WEIGHTS)), xs, ys), TypeError, "a Dask array stands beside Values"),
        ((WEIGHTS, xs, list(map(Value, YS))), ValueError, "a list is no array"),
        ((WEIGHTS, xs, np.array(list(map(Value, YS)))), TypeError, "a Dask array stands beside Values"),
        (("text", xs, ys), TypeError, "argument 0 must be a number"),
    ]
    for args, kind, message in cases:
        with pytest.raises(kind, match=message) as caught:
            compiled(*args)
        assert caught.value.__context__ is None, "one message, not two"
    with pytest.raises(TypeError, match="must be mapped by in_axes"):
        jit(lambda x: x.sum())(ys)
    with pytest.raises(ValueError, match=r"out_axes says None of the function's result, .* mapped arguments"):
        jit(lambda x: x * 2.0, in_axes=0, out_axes=None)(ys)
    with pytest.raises(ValueError, match="there is no example to take it from"):
        jit(lambda x, y: y, in_axes=(0, None), out_axes=None)(ys[:0], 1.0)


def test_no_gradient_is_lost_in_silence() -> None:
    ys = chunked(YS)
    compiled = jit(lambda w, x: w * x, in_axes=(None, 0), reduce="sum")
    with pytest.raises(TypeError, match="no gradient flows back"):
        grad(lambda w: compiled(w, ys))(2.0)
    with pytest.raises(TypeError, match="no gradient flows back"):
        jit(lambda w: w * compiled(2.0, ys))(2.0)
    with pytest.raises(TypeError, match="no gradient flows back"):
        grad(lambda w: jit(lambda x: w * x, in_axes=0, reduce="sum")(ys))(2.0)


def test_an_exception_in_a_chunk_arrives_as_it_was() -> None:
    def refuse(x: Any) -> Any:
        raise LookupError("row 17 is not there")

    with pytest.raises(LookupError, match=r"^row 17 is not there$"):
        jit(lambda x: x, in_axes=0, reduce="sum")(chunked(YS).map_blocks(refuse, dtype=float))


WITHOUT = """
import sys
import numpy as np
from autograd_mini import jit
assert jit(lambda x: x, in_axes=0, reduce="sum")(np.ones(3)) == 3.0
try:
    jit(lambda x: x)("text")
except TypeError:
    print([name for name in sys.modules if name.startswith(("dask", "distributed"))])
"""


def test_dask_is_imported_by_those_who_make_its_arrays() -> None:
    assert run(WITHOUT).strip() == "[]"
