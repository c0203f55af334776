"""Functions that are more than one row of the table: products, logarithms to any base, softmax."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from autograd_mini.engine import operations
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
    listed = _operands("softmax", logits)
    if not listed:
        raise ValueError("softmax needs at least one logit")
    total = operations.logsumexp(listed)
    return [operations.exp(operations.sub(x, total)) for x in listed]


# What users call: every row of the table, and functions that are more than a row.
PUBLIC: dict[str, Callable[..., Any]] = {
    **operations.TABLE,
    "fabs": operations.abs,
    "log": log_to_base,
    "prod": prod,
    "softmax": softmax,
    "sumprod": sumprod,
}
