"""Pickling and copying of graphs of any depth.

pickle and copy recurse from a node to its operands. So that no graph is too deep for them, a node
first hands over all that it was computed from, in topological order: each of these nodes finds its
operands done already, and they keep their identity.
"""

from __future__ import annotations

import copyreg
import threading
from collections.abc import Iterator
from typing import Any

from autograd_mini.engine.operation import Operation
from autograd_mini.engine.value import Value, constant, make_node, topological_order


class _Handed(threading.local):
    """The ids of nodes that this thread has handed to pickle or copy, and that these have not reduced yet."""

    def __init__(self) -> None:
        self.ids: set[int] = set()


_handed = _Handed()


class _Before:
    """Pickles as the list of what a node was computed from."""

    def __init__(self, node: Value) -> None:
        self.node = node

    def __reduce__(self) -> tuple[Any, ...]:
        return (list, (), None, self.hand_over())

    def hand_over(self) -> Iterator[Value]:
        try:
            for node in topological_order(self.node)[:-1]:
                if not node.is_leaf:
                    _handed.ids.add(id(node))
                yield node
        except GeneratorExit:  # pickling failed half-way
            _handed.ids.clear()
            raise


class _After:
    """Pickles as None, once all that `_Before` hands over is done."""

    def __reduce__(self) -> tuple[Any, ...]:
        _handed.ids.clear()
        return (type(None), ())


def _reduce(value: Value) -> tuple[Any, ...]:
    if value.is_leaf:
        return (_restore_leaf, (value.data, value.grad, value.label, value.requires_grad))
    content = (value.op, value.data, value.grad, value.label, value.operands, value.local_derivatives)
    if id(value) in _handed.ids:
        _handed.ids.discard(id(value))
        return (_restore_node, (None, None, *content))
    return (_restore_node, (_Before(value), _After(), *content))


def _restore_leaf(data: float, grad: float, label: str, requires_grad: bool) -> Value:
    leaf: Value = Value(data) if requires_grad else constant(data)
    leaf.label, leaf.grad = label, grad
    return leaf


def _restore_node(
    before: object,
    after: object,
    operation: Operation,
    data: float,
    grad: float,
    label: str,
    operands: tuple[Value, ...],
    local_derivatives: tuple[float, ...],
) -> Value:
    node = make_node(operation, operands, data, local_derivatives)
    node.label, node.grad = label, grad
    return node


copyreg.pickle(Value, _reduce)
