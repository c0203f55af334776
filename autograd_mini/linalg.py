"""Linear algebra by elimination, on matrices of Values and numbers, also where `jit` traces them.

Rows are exchanged for the largest pivot: by data where numbers are known, by `where` in compiled code. The results are
those of `numpy.linalg`, except that a singular matrix raises no error: its inverse has elements that are inf or nan.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd_mini.engine import operations
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.arrays import packed, refuse_masked
from autograd_mini.engine.checks import describe

Array = NDArray[Any]

__all__ = ["cholesky", "det", "inv", "slogdet", "solve"]


def solve(a: Any, b: Any) -> Array:
    """Solve a x = b.

    Parameters
    ----------
    a : array of shape (n, n)
    b : array of shape (n,) or (n, k)

    Returns
    -------
    array of the shape of b

    Examples
    --------
    >>> from autograd_mini import Value, linalg
    >>> x = linalg.solve([[Value(2.0), 0.0], [0.0, 4.0]], [1.0, 1.0])
    >>> [float(e.data) for e in x]
    [0.5, 0.25]
    """
    matrix, right = _square(a, "a"), _objects(b, "b")
    n = len(matrix)
    if right.ndim not in (1, 2) or len(right) != n:
        raise ValueError(f"b must have the shape ({n},) or ({n}, k), as a has {n} rows, but has {right.shape}")
    rows, _ = _eliminate(np.hstack([matrix, right.reshape(n, -1)]), n)
    x = rows[:, n:]
    for k in reversed(range(n)):
        for i in range(k + 1, n):
            x[k] = x[k] - rows[k, i] * x[i]
        x[k] = operations.div(x[k], rows[k, k])
    return packed(x.reshape(right.shape))


def inv(a: Any) -> Array:
    """Invert a matrix.

    Examples
    --------
    >>> from autograd_mini import linalg
    >>> linalg.inv([[2.0, 0.0], [0.0, 4.0]])
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return solve(a, np.eye(len(_square(a, "a"))))


def det(a: Any) -> Any:
    """Compute the determinant; 0 for a singular matrix.

    The gradient is right where the matrix is regular, and where the last pivot alone is 0.

    Examples
    --------
    >>> from autograd_mini import Value, linalg
    >>> x = Value(3.0)
    >>> area = linalg.det([[x, 1.0], [1.0, 2.0]])
    >>> area.backward()
    >>> area.data, x.grad
    (5.0, 2.0)
    """
    pivots, product = _pivots(a)
    for pivot in pivots:
        product = product * pivot
    return product


def slogdet(a: Any) -> tuple[Any, Any]:
    """Compute sign and logarithm of the determinant, as `numpy.linalg.slogdet`; (0, -inf) for a singular matrix.

    Examples
    --------
    >>> from autograd_mini import linalg
    >>> linalg.slogdet([[0.0, 1.0], [1.0, 0.0]])
    (-1.0, 0.0)
    """
    pivots, sign = _pivots(a)
    for pivot in pivots:
        sign = sign * operations.sign(pivot)
    return sign, operations.sum([operations.log(operations.abs(pivot)) for pivot in pivots])


def cholesky(a: Any) -> Array:
    """Factor a symmetric positive definite matrix into L L^T, where L is lower triangular; otherwise L has nans.

    Of a matrix that is not symmetric the symmetric part is taken, as JAX does.

    Examples
    --------
    >>> from autograd_mini import linalg
    >>> linalg.cholesky([[4.0, 2.0], [2.0, 5.0]])
    array([[2., 0.],
           [1., 2.]])
    """
    matrix = _square(a, "a")
    matrix = 0.5 * (matrix + matrix.T)
    n = len(matrix)
    lower = np.full((n, n), 0.0, dtype=object)
    for k in range(n):
        lower[k, k] = operations.sqrt(matrix[k, k])
        for i in range(k + 1, n):
            lower[i, k] = operations.div(matrix[i, k], lower[k, k])
        for i in range(k + 1, n):
            for j in range(k + 1, i + 1):
                matrix[i, j] = matrix[i, j] - lower[i, k] * lower[j, k]
    return packed(lower)


def _objects(thing: Any, role: str) -> Array:
    """Copy numbers and Values into an array of objects."""
    refuse_masked(thing)
    array = np.array(thing)
    if array.dtype != object:
        array = np.array(thing, dtype=np.float64).astype(object)
    for element in array.flat:
        if not isinstance(element, Scalar):
            operations.identity.number(element)
    return array


def _square(a: Any, role: str) -> Array:
    matrix = _objects(a, role)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
        raise ValueError(f"{role} must be a square matrix, but has the shape {matrix.shape}: {describe(a)}")
    return matrix


def _pivots(a: Any) -> tuple[list[Any], Any]:
    """List the pivots of a matrix, whose product is its determinant but for the sign that is given with them."""
    matrix = _square(a, "a")
    rows, sign = _eliminate(matrix, len(matrix))
    return [rows[k, k] for k in range(len(rows))], sign


def _eliminate(rows: Array, n: int) -> tuple[Array, Any]:
    """Bring n columns into triangular form; give the rows, and the sign of their permutation."""
    sign: Any = 1.0
    for k in range(n):
        for i in range(k + 1, n):
            sign = _exchange(rows, k, i, sign)
        pivot = rows[k, k]
        divisor = operations.where(operations.equal(pivot, 0.0), 1.0, pivot)  # below a pivot of 0 all is 0
        for i in range(k + 1, n):
            rows[i, k + 1 :] = rows[i, k + 1 :] - operations.div(rows[i, k], divisor) * rows[k, k + 1 :]
    return rows, sign


def _exchange(rows: Array, k: int, i: int, sign: Any) -> Any:
    """Exchange rows k and i if that makes the pivot larger; give the sign that the determinant then has."""
    upper, lower = rows[k, k], rows[i, k]
    if _is_traced(upper) or _is_traced(lower):
        larger = operations.greater(operations.abs(lower), operations.abs(upper))
        rows[[k, i], k:] = [operations.where(larger, rows[j, k:], rows[other, k:]) for j, other in ((i, k), (k, i))]
        return operations.where(larger, -sign, sign)
    if abs(_number(lower)) > abs(_number(upper)):
        rows[[k, i]] = rows[[i, k]]
        return -sign
    return sign


def _is_traced(number: Any) -> bool:
    return isinstance(number, Scalar) and number.is_traced  # type: ignore[attr-defined]


def _number(number: Any) -> float:
    return float(number.data if isinstance(number, Scalar) else number)  # type: ignore[attr-defined]
