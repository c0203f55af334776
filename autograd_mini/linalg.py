"""Linear algebra by elimination, on matrices of Values and numbers, also where `jit` traces them.

Rows are exchanged for the largest pivot, for determinants columns too: by data where numbers are known, by `where` in
compiled code. The results are those of `numpy.linalg`, except that nothing raises a LinAlgError, as numbers alone are
known while `jit` traces: a matrix that is singular has an inverse, and solutions, whose elements are inf or nan.
"""

from __future__ import annotations

from functools import reduce
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
    rows = np.hstack([matrix, right.reshape(n, -1)])
    with np.errstate(all="ignore"):  # a singular matrix gives inf and nan, as 1 / 0 does
        _eliminate(rows, n, n)
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

    First and second derivatives are right for every matrix, singular ones too. Derivatives of higher order are right
    unless the rank is less than n - 2.

    Examples
    --------
    >>> from autograd_mini import Value, linalg
    >>> x = Value(3.0)
    >>> area = linalg.det([[x, 1.0], [1.0, 2.0]])
    >>> area.backward()
    >>> area.data, x.grad
    (5.0, 2.0)
    """
    rows = _square(a, "a")
    n = len(rows)
    product = _eliminate(rows, n - 2, n, by_columns=True)
    for k in range(n - 2):
        product = product * rows[k, k]
    if n == 1:
        return product * rows[0, 0]
    # Two rows are left. Their determinant has no pivot to divide by, which is 0 if the rank is n - 2.
    return product * (rows[-2, -2] * rows[-1, -1] - rows[-2, -1] * rows[-1, -2])


def slogdet(a: Any) -> tuple[Any, Any]:
    """Compute sign and logarithm of the determinant, as `numpy.linalg.slogdet`.

    For a singular matrix they are 0 and -inf, and derivatives are inf or nan.

    Examples
    --------
    >>> from autograd_mini import linalg
    >>> linalg.slogdet([[0.0, 1.0], [1.0, 0.0]])
    (-1.0, 0.0)
    """
    rows = _square(a, "a")
    sign = _eliminate(rows, len(rows), len(rows), by_columns=True)
    pivots = rows.diagonal()
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
        raise ValueError(
            f"{role} must be a square matrix of one row or more, but has the shape {matrix.shape}: {describe(a)}"
        )
    return matrix


def _eliminate(rows: Array, steps: int, n: int, by_columns: bool = False) -> Any:
    """Bring the first columns into triangular form; give the sign of the permutation of rows, and of n columns."""
    sign: Any = 1.0
    for k in range(steps):
        if by_columns:
            sign = _exchange(rows.T, k, [_size(rows[k:, j]) for j in range(k, n)], sign)
        sign = _exchange(rows, k, [_size(rows[i : i + 1, k]) for i in range(k, len(rows))], sign)
        pivot = rows[k, k]
        divisor = operations.where(operations.equal(pivot, 0.0), 1.0, pivot)  # below a pivot of 0 all is 0
        for i in range(k + 1, n):
            rows[i, k + 1 :] = rows[i, k + 1 :] - operations.div(rows[i, k], divisor) * rows[k, k + 1 :]
    return sign


def _size(numbers: Array) -> Any:
    """Give the largest absolute value: a float where it is known."""
    if any(map(_is_traced, numbers)):
        return reduce(operations.maximum, map(operations.abs, numbers))
    return max(abs(_number(x)) for x in numbers)


def _exchange(rows: Array, k: int, sizes: list[Any], sign: Any) -> Any:
    """Exchange row k for the largest one of those from k on; give the sign that the determinant then has."""
    where, largest = operations.where, sizes[0]
    for i, size in enumerate(sizes[1:], k + 1):
        is_larger = largest < size if type(largest) is type(size) is float else operations.less(largest, size)
        if isinstance(is_larger, Scalar):
            rows[[k, i], k:] = [where(is_larger, rows[one, k:], rows[other, k:]) for one, other in ((i, k), (k, i))]
            sign, largest = where(is_larger, -sign, sign), where(is_larger, size, largest)
        elif is_larger:
            rows[[k, i]] = rows[[i, k]]
            sign, largest = -sign, size
    return sign


def _is_traced(number: Any) -> bool:
    return isinstance(number, Scalar) and number.is_traced  # type: ignore[attr-defined]


def _number(number: Any) -> float:
    return float(number.data if isinstance(number, Scalar) else number)  # type: ignore[attr-defined]
