"""Functions that are more than one row of the table: products, logarithms to any base, softmax."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from autograd_mini.engine import operations
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.arrays import elementwise, has_array, packed
from autograd_mini.engine.checks import describe
from autograd_mini.engine.operation import Operand, as_operand


def _operands(function: str, things: Iterable[Any]) -> list[Any]:
    """List Values and floats, refusing anything else in the name of the function that was called."""
    return [thing if isinstance(thing, Operand) else as_operand(thing, function) for thing in things]


def prod(factors: Iterable[Any], start: Any = 1.0) -> Any:
    """Product, as `math.prod`.

    Parameters
    ----------
    factors : iterable of Value or real number
    start : Value or real number, optional

    Returns
    -------
    Value, or float if no factor is a Value

    Raises
    ------
    TypeError
        If a factor is neither a Value nor a real number.

    Examples
    --------
    >>> from autograd_mini import Value, prod
    >>> prod([Value(2.0), 3.0, Value(4.0)])
    Value(data=24.0, grad=0.0)
    """
    product, *others = _operands("prod", [start, *factors])
    if isinstance(product, float) and product == 1.0 and others:  # 1 * x is x, without a node
        product, *others = others
    for factor in others:
        product = operations.mul(product, factor)
    return product


def sumprod(p: Iterable[Any], q: Iterable[Any]) -> Any:
    """Sum of products of corresponding elements as a single node, as `math.sumprod`.

    Parameters
    ----------
    p, q : iterables of Value or real number, of one length

    Returns
    -------
    Value, or float if no element is a Value

    Raises
    ------
    ValueError
        If `p` and `q` differ in length.
    TypeError
        If an element is neither a Value nor a real number.

    Examples
    --------
    >>> from autograd_mini import sumprod
    >>> sumprod([1.0, 2.0], [3.0, 4.0])
    11.0
    """
    ps, qs = _operands("sumprod", p), _operands("sumprod", q)
    if len(ps) != len(qs):
        raise ValueError(f"sumprod needs two sequences of one length, but got {len(ps)} and {len(qs)} elements")
    return operations.dot(ps, qs)


def log_to_base(x: Any, base: Any = math.e) -> Any:
    """Logarithm, natural or to any base, as `math.log`; log(0) is -inf and log(-1) is nan.

    Parameters
    ----------
    x : Value or real number
    base : Value or real number, optional

    Returns
    -------
    Value, or float if neither is a Value

    Raises
    ------
    TypeError
        If `x` or `base` is neither a Value nor a real number.

    Examples
    --------
    >>> from autograd_mini import log
    >>> log(8.0, 2)
    3.0
    >>> log(0.0)
    -inf
    """
    if base is math.e:
        return operations.log(x)
    if has_array([x, base]):
        return elementwise(log_to_base, [x, base])
    x, base = _operands("log", [x, base])
    if isinstance(base, float):
        if base == math.e:
            return operations.log(x)
        if base == 2.0:
            return operations.log2(x)
        if base == 10.0:
            return operations.log10(x)
    return operations.div(operations.log(x), operations.log(base))


def softmax(logits: Iterable[Any]) -> list[Any]:
    """Turn any real numbers into probabilities, e**xi / (e**x1 + ... + e**xn) ("CISC6000: Neural Networks").

    Parameters
    ----------
    logits : iterable of Value or real number

    Returns
    -------
    list of Value, or of float if no logit is a Value; it sums to 1

    Raises
    ------
    ValueError
        If there is no logit.
    TypeError
        If a logit is neither a Value nor a real number.

    Examples
    --------
    >>> from autograd_mini import softmax
    >>> [round(p, 3) for p in softmax([5, 2, -1, 3])]
    [0.842, 0.042, 0.002, 0.114]
    """
    powers = [operations.exp(x) for x in _below_largest("softmax", logits)]
    total = operations.sum(powers)
    return [power / total for power in powers]


def log_softmax(logits: Iterable[Any]) -> list[Any]:
    """Logarithms of the probabilities that `softmax` gives, exact also where a probability is too small for a float.

    Parameters
    ----------
    logits : iterable of Value or real number

    Returns
    -------
    list of Value, or of float if no logit is a Value

    Raises
    ------
    ValueError
        If there is no logit.
    TypeError
        If a logit is neither a Value nor a real number.

    Examples
    --------
    >>> from autograd_mini import log_softmax
    >>> log_softmax([1000.0, 0.0])
    [0.0, -1000.0]
    """
    differences = _below_largest("log_softmax", logits)
    total = operations.logsumexp(differences)
    return [x - total for x in differences]


def _below_largest(function: str, logits: Iterable[Any]) -> list[Any]:
    """Subtract the largest logit from all: probabilities do not change, and no digits are lost. It is a constant."""
    listed = _operands(function, logits)
    if not listed:
        raise ValueError(f"{function} needs at least one logit")
    largest = reduce(operations.maximum, listed)
    shift = largest if isinstance(largest, float) else largest.detach()
    return [x - shift for x in listed]


def take(table: Sequence[Any] | np.ndarray[Any, Any], index: Any) -> Any:
    """Give the entry of a table at an index that is data; gradient flows to that entry.

    Compiled, the entry is chosen anew in each call. An index that is none of 0 ... n-1 then gives nan.

    Parameters
    ----------
    table : sequence or array of Values or real numbers
        An array of two dimensions is a table of rows.
    index : Value or real number, or an array of them
        Whole numbers, counted from 0. No gradient flows to an index.

    Returns
    -------
    Value, float or array
        The entry itself; an array where an entry is a row, or `index` an array.

    Raises
    ------
    IndexError
        If an index is none of 0 ... n-1, outside of `jit`.

    Examples
    --------
    >>> from autograd_mini import Value, take
    >>> table = [Value(1.0), Value(2.0), Value(3.0)]
    >>> entry = take(table, Value(2.0)) ** 2
    >>> entry.backward()
    >>> table[2].grad
    6.0
    """
    if not (hasattr(table, "__getitem__") and hasattr(table, "__len__") and len(table)):
        raise ValueError(f"take needs a table of at least one entry, not {describe(table)}")
    if isinstance(index, (np.ndarray, list, tuple)):
        entries = [take(table, number) for number in index]
        return packed(np.array(entries, dtype=object))
    if isinstance(index, Scalar):
        if index.is_traced:  # type: ignore[attr-defined]
            return _chosen(table, index)
        index = index.data  # type: ignore[attr-defined]
    number = as_operand(index, "take")
    if not (number.is_integer() and 0 <= number < len(table)):
        raise IndexError(f"the index of take must be a whole number from 0 to {len(table) - 1}, not {number:g}")
    return _checked_entry(table[int(number)])


def _checked_entry(entry: Any) -> Any:
    """Make an entry a Value, a float, or an array of them."""
    if isinstance(entry, (np.ndarray, list, tuple)) and np.ndim(entry):
        return elementwise(_checked_entry, [np.array(entry, dtype=object)])
    return entry if isinstance(entry, Scalar) else as_operand(entry, "take")


def _chosen(table: Any, index: Any) -> Any:
    """Choose an entry in compiled code."""
    chosen: Any = math.nan
    for place, entry in enumerate(table):
        chosen = operations.where(operations.equal(index, float(place)), _checked_entry(entry), chosen)
    return chosen


# What users call: every row of the table, and functions that are more than a row.
PUBLIC: dict[str, Callable[..., Any]] = {
    **operations.TABLE,
    "fabs": operations.abs,
    "log": log_to_base,
    "log_softmax": log_softmax,
    "prod": prod,
    "softmax": softmax,
    "sumprod": sumprod,
    "take": take,
}
