"""autograd_mini.linalg against NumPy and JAX: values, gradients, compiled too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd_mini import Value, grad, jit, linalg

RANDOM = np.random.default_rng(1)
MATRICES = {
    "regular": RANDOM.normal(size=(4, 4)),
    "pivots are needed": np.array([[0.0, 2.0, 1.0], [1.0, 0.0, 0.0], [3.0, 1.0, 0.0]]),
    "one": np.array([[-2.0]]),
    "diagonal": np.diag([1.0, -2.0, 3.0]),
}
SCALARS: dict[str, Callable[[Any, Any], Any]] = {
    "solve": lambda la, a: squares(la.solve(a, np.arange(1.0, len(a) + 1.0))),
    "solve matrix": lambda la, a: squares(la.solve(a, np.eye(len(a))[:, :1] * 3.0)),
    "inv": lambda la, a: squares(la.inv(a)),
    "det": lambda la, a: la.det(a),
    "slogdet": lambda la, a: la.slogdet(a)[1],
    "cholesky": lambda la, a: (la.cholesky(a @ a.T) * np.arange(1.0, len(a) + 1.0)).sum(),
}


def squares(x: Any) -> Any:
    return (x * x).sum()


def nested(matrix: Any) -> list[list[float]]:
    return [[float(x) for x in row] for row in matrix]


@pytest.mark.parametrize("function", SCALARS)
@pytest.mark.parametrize("kind", MATRICES)
def test_values_and_gradients_are_jaxs(function: str, kind: str) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    matrix, f = MATRICES[kind], SCALARS[function]
    value, slopes = jax.value_and_grad(lambda a: f(jax.numpy.linalg, a))(matrix)

    def ours(a: Any) -> Any:
        return f(linalg, np.array(a, dtype=object))

    assert float(f(linalg, matrix)) == pytest.approx(float(value), rel=1e-11)
    for transformed in (grad(ours), jit(grad(ours))):
        np.testing.assert_allclose(nested(transformed(nested(matrix))), slopes, rtol=1e-9, atol=1e-11)
    assert jit(ours)(nested(matrix)) == pytest.approx(float(value), rel=1e-11)


@pytest.mark.parametrize("name", ["inv", "det", "cholesky"])
@pytest.mark.parametrize("kind", MATRICES)
def test_on_numbers_it_is_numpys(name: str, kind: str) -> None:
    matrix = MATRICES[kind] @ MATRICES[kind].T if name == "cholesky" else MATRICES[kind]
    np.testing.assert_allclose(getattr(linalg, name)(matrix), getattr(np.linalg, name)(matrix), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", MATRICES)
def test_slogdet_is_numpys(kind: str) -> None:
    np.testing.assert_allclose(linalg.slogdet(MATRICES[kind]), np.linalg.slogdet(MATRICES[kind]), rtol=1e-12)


def test_compiled_code_exchanges_rows_by_the_data_of_each_call() -> None:
    f = jit(lambda a: linalg.solve(a, [1.0, 2.0]))
    for matrix in ([[1.0, 0.5], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]], [[1e-20, 1.0], [1.0, 1.0]]):
        np.testing.assert_allclose(f(matrix), np.linalg.solve(matrix, [1.0, 2.0]), rtol=1e-14)


def test_a_singular_matrix() -> None:
    singular = [[1.0, 2.0], [2.0, 4.0]]
    assert linalg.det(singular) == jit(linalg.det)(singular) == 0.0
    assert linalg.slogdet(singular) == jit(linalg.slogdet)(singular) == (0.0, -np.inf)
    assert not np.isfinite(linalg.inv(singular)).any()
    assert nested(grad(linalg.det)(singular)) == [[4.0, -2.0], [-2.0, 1.0]]  # the cofactors
    assert np.isnan(linalg.cholesky([[-1.0]]))


def test_values_and_numbers_are_mixed() -> None:
    x = Value(2.0)
    linalg.det([[x, 1.0], [1.0, 3.0]]).backward()
    assert x.grad == 3.0


@pytest.mark.parametrize("matrix", [[[1.0, 2.0]], [1.0], 1.0, np.zeros((0, 0))])
def test_a_matrix_must_be_square(matrix: Any) -> None:
    for function in (linalg.inv, linalg.det, linalg.slogdet, linalg.cholesky):
        with pytest.raises(ValueError, match="a must be a square matrix, but has the shape"):
            function(matrix)


def test_the_right_side_must_fit() -> None:
    with pytest.raises(ValueError, match=r"b must have the shape \(2,\) or \(2, k\)"):
        linalg.solve(np.eye(2), [1.0, 2.0, 3.0])


def test_elements_must_be_numbers() -> None:
    with pytest.raises(TypeError, match="masked"):
        linalg.inv(np.ma.array(np.eye(2)))
    with pytest.raises(TypeError, match="not None"):
        linalg.inv([[None]])
