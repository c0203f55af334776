"""NumPy's functions on arrays of Values: eager, compiled and JAX give the same values and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd_mini import TracingError, Value, grad, jit

ARRAYS = {"1-D": np.array([0.5, -0.25, 0.75, 0.125]), "2-D": np.array([[0.5, -0.25, 0.75], [0.125, 0.375, -0.625]])}

Function = Callable[[Any, Any], Any]


def _named(names: str) -> dict[str, Function]:
    def call(name: str) -> Function:
        return lambda numpy, x: getattr(numpy, name)(x)

    return {name: call(name) for name in names.split()}


def _of_two(names: str) -> dict[str, Function]:
    def call(name: str) -> Function:
        return lambda numpy, x: getattr(numpy, name)(x, 0.5 * x + 1.0)

    return {name: call(name) for name in names.split()}


# They ask nothing of the data, and so they compile.
SMOOTH: dict[str, Function] = {
    **_named(
        "sum prod mean var std cumsum cumprod diff ravel flip transpose square absolute fabs negative positive "
        "ceil floor trunc exp exp2 expm1 sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arctanh "
        "deg2rad rad2deg degrees radians conjugate trapezoid average atleast_2d squeeze"
    ),
    **_of_two("add subtract multiply divide true_divide arctan2 hypot inner outer vdot kron"),
    "log": lambda numpy, x: numpy.log(x + 1.0),
    "log1p": lambda numpy, x: numpy.log1p(x),
    "log2": lambda numpy, x: numpy.log2(x + 1.0),
    "log10": lambda numpy, x: numpy.log10(x + 1.0),
    "sqrt": lambda numpy, x: numpy.sqrt(x + 1.0),
    "cbrt": lambda numpy, x: numpy.cbrt(x),
    "arccosh": lambda numpy, x: numpy.arccosh(x + 3.0),
    "power": lambda numpy, x: numpy.power(x + 1.0, 3.0),
    "matmul": lambda numpy, x: x @ x.T,
    "dot": lambda numpy, x: numpy.dot(x, x.T),
    "tensordot": lambda numpy, x: numpy.tensordot(x, x, axes=x.ndim),
    "einsum": lambda numpy, x: numpy.einsum("...i,...i->...", x, x),
    "norm": lambda numpy, x: numpy.linalg.norm(x),
    "sum over an axis": lambda numpy, x: numpy.sum(x, axis=0),
    "mean, axes kept": lambda numpy, x: numpy.mean(x, axis=-1, keepdims=True),
    "tile": lambda numpy, x: numpy.tile(x, 2),
    "repeat": lambda numpy, x: numpy.repeat(x, 2),
    "reshape": lambda numpy, x: numpy.reshape(x, -1),
    "pad": lambda numpy, x: numpy.pad(x, 1),
    "expand_dims": lambda numpy, x: numpy.expand_dims(x, 0),
    "broadcast_to": lambda numpy, x: numpy.broadcast_to(x, (2, *x.shape)),
    "swapaxes": lambda numpy, x: numpy.swapaxes(x, 0, -1),
    "roll": lambda numpy, x: numpy.roll(x, 1),
    "concatenate": lambda numpy, x: numpy.concatenate([x, x * 2.0]),
    "stack": lambda numpy, x: numpy.stack([x, x * 2.0]),
    "hstack": lambda numpy, x: numpy.hstack([x, x * 2.0]),
    "vstack": lambda numpy, x: numpy.vstack([x, x * 2.0]),
    "a (1, 1) result": lambda numpy, x: numpy.reshape(numpy.sum(x), (1, 1)),
}

# They compare, and so compiled code refuses them.
CHOOSING: dict[str, Function] = {
    **_named("max min ptp sort median nansum nanmean"),
    "where": lambda numpy, x: numpy.where(x > 0.0, x, 2.0 * x),
    "maximum": lambda numpy, x: numpy.maximum(x, 0.3),
    "minimum": lambda numpy, x: numpy.minimum(x, 0.3),
    "clip": lambda numpy, x: numpy.clip(x, -0.1, 0.6),
    "fmax": lambda numpy, x: numpy.fmax(x, 0.3),
    "select": lambda numpy, x: numpy.select([x < 0.0], [2.0 * x], x),
}


def weighted(numpy: Any, result: Any) -> Any:
    """Make a scalar of which each element has another gradient, by products alone."""
    flat = numpy.ravel(numpy.asarray(result))
    return numpy.sum(flat * flat * np.arange(1.0, len(flat) + 1.0))


def numbers(array: Any) -> Any:
    array = np.asarray(array)
    listed = [x.data if isinstance(x, Value) else float(x) for x in array.flat]
    return np.array(listed).reshape(array.shape)


def by_jax(function: Function, x: Any) -> tuple[Any, Any]:
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    jax.config.update("jax_enable_x64", True)
    numpy = jax.numpy
    x = numpy.asarray(x)
    return np.asarray(function(numpy, x)), np.asarray(jax.grad(lambda u: weighted(numpy, function(numpy, u)))(x))


@pytest.mark.parametrize("shape", ARRAYS)
@pytest.mark.parametrize("name", [*SMOOTH, *CHOOSING])
def test_eager_values_and_gradients_are_jaxs(name: str, shape: str) -> None:
    function, x = {**SMOOTH, **CHOOSING}[name], ARRAYS[shape]
    value, slopes = by_jax(function, x)
    values = np.array([Value(number) for number in x.flat], dtype=object).reshape(x.shape)
    result = function(np, values)
    assert np.shape(result) == value.shape
    np.testing.assert_allclose(numbers(result), value, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        numbers(grad(lambda u: weighted(np, function(np, u)))(x)), slopes, rtol=1e-11, atol=1e-14
    )


@pytest.mark.parametrize("shape", ARRAYS)
@pytest.mark.parametrize("name", SMOOTH)
def test_compiled_values_and_gradients_are_jaxs(name: str, shape: str) -> None:
    function, x = SMOOTH[name], ARRAYS[shape]
    value, slopes = by_jax(function, x)
    result = jit(lambda u: function(np, u))(x)
    assert np.shape(result) == value.shape
    np.testing.assert_allclose(numbers(result), value, rtol=1e-12, atol=1e-15)
    compiled = jit(grad(lambda u: weighted(np, function(np, u))))
    np.testing.assert_allclose(numbers(compiled(x)), slopes, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("name", CHOOSING)
def test_what_compares_is_refused_in_compiled_code(name: str) -> None:
    with pytest.raises(TracingError, match="where"):
        jit(lambda u: CHOOSING[name](np, u))(ARRAYS["1-D"])


@pytest.mark.parametrize("function", [np.argmax, np.argmin, np.argsort])
def test_an_index_by_size_is_refused_in_compiled_code(function: Any) -> None:
    with pytest.raises(TracingError, match="where"):
        jit(lambda x: function(x, axis=0))(np.arange(12.0).reshape(3, 4))
