"""The chain rule over a recorded graph: as numbers that leave no trace, and as numbers that are a graph themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd_mini.engine import modes, operations
from autograd_mini.engine.anomaly import check_backward
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.fan import Fan, make_fan
from autograd_mini.engine.locks import walking
from autograd_mini.engine.node import fan_of
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.value import Value, ordered

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython


_MUL = operations.mul


def gradient(root: Value, inputs: Sequence[Value]) -> list[float]:
    """Compute the derivatives of `root` for `inputs`, and leave the `.grad` of every node as it is.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> x = Value(3.0)
    >>> gradient(x * x, [x]), x.grad
    ([6.0], 0.0)
    """
    node: Value
    operand: Value
    upstream: cython.double
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    with walking:
        order: list[Any] = ordered(root)
        if modes.is_checking():
            check_backward(order, 1.0)
        node = order[0]
        first: cython.longlong = node._mark
        grads: Fan = make_fan(tuple(order))
        for i in range(len(order)):
            grads.local[i] = 0.0
        grads.local[len(order) - 1] = 1.0
        for i in range(len(order) - 1, -1, -1):
            node = order[i]
            upstream = grads.local[i]
            if node._left is not None:
                grads.local[node._left._mark - first] += upstream * node._local_left
                if node._right is not None:
                    grads.local[node._right._mark - first] += upstream * node._local_right
            elif node._right is not None:
                fan: Fan = fan_of(node)
                for j in range(len(fan.operands)):
                    operand = fan.operands[j]
                    grads.local[operand._mark - first] += upstream * fan.local[j]
        found = []
        for node in inputs:
            found.append(grads.local[node._mark - first] if node._mark >= first else 0.0)
        return found


def derivative_graph(root: Any, inputs: Sequence[Any]) -> list[Any]:
    """Write the derivatives of `root` for `inputs` down: backpropagation that can be differentiated.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> x = Value(2.0)
    >>> (slope,) = derivative_graph(x * x * x, [x])
    >>> slope.backward()
    >>> slope.data, x.grad
    (12.0, 12.0)
    """
    # Numbers by their places, the places of each one's operands, the places in topological order, and where the
    # inputs are: -1 where the root does not depend on an input.
    numbers: Any
    operands: list[Any]
    order: Sequence[int]
    ends: list[int]
    numbers, operands, order, ends = root._history(inputs)
    wanted = _depends(numbers, operands, order, ends)
    is_end = set(ends)
    upstream: list[Any] = [None] * len(operands)
    upstream[order[-1]] = 1.0
    node: cython.Py_ssize_t
    place: cython.Py_ssize_t
    for node in reversed(order):
        arriving: Any = upstream[node]
        if arriving is None or node in is_end or not wanted[node]:
            continue
        upstream[node] = None
        places: Any = operands[node]
        locals_: list[Any] = _local_derivatives(
            numbers[node], [numbers[place] for place in places], [wanted[place] for place in places]
        )
        for place, local in zip(places, locals_):
            if wanted[place]:
                contribution = _times(arriving, local)
                upstream[place] = contribution if upstream[place] is None else upstream[place] + contribution
    found = [None if place < 0 else upstream[place] for place in ends]
    return [x if isinstance(x, Scalar) else Value(0.0 if x is None else x) for x in found]


def _depends(numbers: Any, operands: list[Any], order: Sequence[int], ends: list[int]) -> list[bool]:
    """Say for each place whether a gradient that reaches it goes on to one of the ends."""
    node: cython.Py_ssize_t
    place: cython.Py_ssize_t
    depends: list[bool] = [False] * len(operands)
    for place in ends:
        if place >= 0:
            depends[place] = True
    for node in order:
        if not depends[node]:
            for place in operands[node]:
                if depends[place]:
                    depends[node] = numbers[node].requires_grad
                    break
    return depends


def _local_derivatives(out: Any, operands: list[Any], wanted: list[bool]) -> list[Any]:
    """Apply an operation's rules to its node; None for an operand that no derivative is wanted of."""
    operation: Operation = out.op
    if operation.is_variadic:
        return operation.local_derivatives(out, operands)  # type: ignore[return-value]
    if operation is _MUL:  # called so often that the way through Python would cost
        return [operands[1], operands[0]]
    return [rule(out, *operands) if is_wanted else None for rule, is_wanted in zip(operation.rules, wanted)]


def _times(upstream: Any, local: Any) -> Any:
    """Multiply, but make no node for a factor of exactly 1."""
    if not isinstance(local, Scalar) and local == 1.0:
        return upstream
    if not isinstance(upstream, Scalar) and upstream == 1.0:
        return local
    return upstream * local
