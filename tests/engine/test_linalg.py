"""autograd_mini.linalg against NumPy and JAX: values, gradients, compiled too."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from autograd_mini import Value, grad, hessian, jit, linalg, value_and_grad

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
    jax = pytest.importorskip("jax", reason="JAX is not installed")
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
    assert not np.isfinite(linalg.inv(np.zeros((2, 2)))).any()  # and no warning of NumPy's


def matrices_of_rank(rank: int, n: int) -> list[Any]:
    """Give matrices with exact zeros among the pivots, in several places, and one with what rounding leaves of them."""
    random = np.random.default_rng([rank, n])
    exact = random.integers(-2, 3, size=(n, rank)) @ random.integers(-2, 3, size=(rank, n)) / 1.0
    diagonal = np.diag(random.permutation([1.0 + k for k in range(rank)] + [0.0] * (n - rank)))
    rounded = random.normal(size=(n, rank)) @ random.normal(size=(rank, n))
    return [exact, diagonal, rounded, diagonal[::-1].copy(), np.triu(np.ones((n, n)), n - rank)]


def cofactors(matrix: Any) -> Any:
    """Give the derivatives of the determinant by exact arithmetic, from the definition of the adjugate."""
    n = len(matrix)
    exact = [[Fraction(x) for x in row] for row in matrix.tolist()]

    def expand(rows: list[int], columns: list[int]) -> Fraction:
        if not rows:
            return Fraction(1)
        total = Fraction(0)
        for k, column in enumerate(columns):
            minor = expand(rows[1:], [c for c in columns if c != column])
            total += (-1) ** k * exact[rows[0]][column] * minor
        return total

    left = [[i for i in range(n) if i != k] for k in range(n)]
    return np.array([[(-1) ** (i + j) * float(expand(left[i], left[j])) for j in range(n)] for i in range(n)])


@pytest.mark.parametrize("n", range(1, 6))
@pytest.mark.parametrize("missing", range(4))
def test_the_gradient_of_a_determinant_is_the_adjugate_also_of_singular_matrices(missing: int, n: int) -> None:
    if missing > n:
        return
    compiled = jit(value_and_grad(linalg.det))
    for matrix in matrices_of_rank(n - missing, n):
        right, scale = cofactors(matrix), 1e-13 * max(1.0, np.abs(matrix).max()) ** n
        for derive in (value_and_grad(linalg.det), compiled):
            value, slopes = derive(nested(matrix))
            assert value == pytest.approx((matrix[0] * right[0]).sum(), abs=scale * n)
            np.testing.assert_allclose(nested(slopes), right, rtol=1e-10, atol=scale * n)


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("rank", range(4))
def test_second_derivatives_of_a_determinant_are_minors(rank: int, n: int) -> None:
    """The determinant is linear in each element: the derivative of a cofactor is a difference of two of them."""
    if rank > n:
        return
    compiled = jit(hessian(linalg.det))
    for matrix in matrices_of_rank(rank, n):
        right = np.zeros((n, n, n, n))
        for i, j in np.ndindex(n, n):
            step = np.zeros((n, n))
            step[i, j] = 1.0
            right[:, :, i, j] = cofactors(matrix + step) - cofactors(matrix)
            right[i, j, i, j] = 0.0
        for derive in (hessian(linalg.det), compiled):
            np.testing.assert_allclose(derive(matrix), right, rtol=1e-9, atol=1e-11)


def test_a_large_determinant_is_numpys() -> None:
    matrix = np.random.default_rng(7).normal(size=(30, 30))
    value, slopes = value_and_grad(linalg.det)(matrix)
    assert value == pytest.approx(np.linalg.det(matrix), rel=1e-11)
    np.testing.assert_allclose(slopes, np.linalg.det(matrix) * np.linalg.inv(matrix).T, rtol=1e-8)


def test_values_and_numbers_are_mixed() -> None:
    x = Value(2.0)
    linalg.det([[x, 1.0], [1.0, 3.0]]).backward()
    assert x.grad == 3.0


@pytest.mark.parametrize("matrix", [[[1.0, 2.0]], [1.0], 1.0, np.zeros((0, 0))])
def test_a_matrix_must_be_square(matrix: Any) -> None:
    for function in (linalg.inv, linalg.det, linalg.slogdet, linalg.cholesky):
        with pytest.raises(ValueError, match="a must be a square matrix of one row or more, but has the shape"):
            function(matrix)


def test_the_right_side_must_fit() -> None:
    with pytest.raises(ValueError, match=r"b must have the shape \(2,\) or \(2, k\)"):
        linalg.solve(np.eye(2), [1.0, 2.0, 3.0])


def test_elements_must_be_numbers() -> None:
    with pytest.raises(TypeError, match="masked"):
        linalg.inv(np.ma.array(np.eye(2)))
    with pytest.raises(TypeError, match="not None"):
        linalg.inv([[None]])
