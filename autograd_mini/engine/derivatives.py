"""The chain rule over a recorded graph: as numbers that leave no trace, and as numbers that are a graph themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd_mini.engine import modes, operations
from autograd_mini.engine.anomaly import check_backward
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.fan import Fan, make_fan
from autograd_mini.engine.node import fan_of
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.value import Value, lock, ordered

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython


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
    with lock:
        order: list[Any] = ordered(root)
        if modes.is_checking():
            check_backward(order, 1.0)
        node = order[0]
        first: cython.longlong = node._mark  # then `ordered` has marked the others: first + 1, first + 2, ...
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
    """Compute the derivatives of `root` for `inputs` as graphs: backpropagation that can be differentiated.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> x = Value(2.0)
    >>> (slope,) = derivative_graph(x * x * x, [x])
    >>> slope.backward()
    >>> slope.data, x.grad
    (12.0, 12.0)
    """
    order: list[Any]
    places: list[Any]
    ends: list[int]
    order, places, ends = root._history(inputs)  # `places` of each node's operands in the order, `ends` of the inputs
    wanted = _depends(order, places, ends)
    inputs_at = set(ends)
    upstream: list[Any] = [None] * len(order)
    upstream[-1] = 1.0
    i: cython.Py_ssize_t
    place: cython.Py_ssize_t
    for i in range(len(order) - 1, -1, -1):
        arriving: Any = upstream[i]
        if arriving is None or i in inputs_at or not wanted[i]:
            continue
        upstream[i] = None
        operands: list[Any] = [order[place] for place in places[i]]
        for place, local in zip(places[i], _local_derivatives(order[i], operands, [wanted[p] for p in places[i]])):
            if wanted[place]:
                contribution = _times(arriving, local)
                upstream[place] = contribution if upstream[place] is None else upstream[place] + contribution
    found = [None if place < 0 else upstream[place] for place in ends]
    return [x if isinstance(x, Scalar) else Value(0.0 if x is None else x) for x in found]


def _depends(order: list[Any], places: list[Any], ends: list[int]) -> list[bool]:
    """Say for each node whether a gradient that reaches it goes on to one of the inputs."""
    place: cython.Py_ssize_t
    depends: list[bool] = [False] * len(order)
    for place in ends:
        if place >= 0:
            depends[place] = True
    for i in range(len(order)):
        if not depends[i] and order[i].requires_grad:
            for place in places[i]:
                if depends[place]:
                    depends[i] = True
                    break
    return depends


def _local_derivatives(out: Any, operands: list[Any], wanted: list[bool]) -> list[Any]:
    """Apply an operation's rules to its node; None for an operand that no derivative is wanted of."""
    operation: Operation = out.op
    if operation.is_variadic:
        return operation.local_derivatives(out, operands)  # type: ignore[return-value]
    if operation is operations.mul:  # called so often that the way through Python would cost
        return [operands[1], operands[0]]
    return [rule(out, *operands) if is_wanted else None for rule, is_wanted in zip(operation.rules, wanted)]


def _times(upstream: Any, local: Any) -> Any:
    """Multiply, but make no node for a factor of exactly 1."""
    if not isinstance(local, Scalar) and local == 1.0:
        return upstream
    if not isinstance(upstream, Scalar) and upstream == 1.0:
        return local
    return upstream * local
