"""Read and write the numbers, or the gradients, of many Values at once, by arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd_mini.engine import modes
from autograd_mini.engine.node import Node

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

_blocks = modes.BLOCKS


def read(nodes: Sequence[Any], field: str) -> NDArray[np.float64]:
    """List `.data` or `.grad` of some Values.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> read([Value(1.0), Value(2.0)], "data")
    array([1., 2.])
    """
    if not cython.compiled or _blocks.open:  # a block may refuse it
        return np.array([node.data for node in nodes] if field == "data" else [node.grad for node in nodes], np.float64)
    is_data: cython.bint = field == "data"
    array = np.empty(len(nodes))
    numbers: cython.double[::1] = array
    i: cython.Py_ssize_t
    for i in range(len(nodes)):
        node: Node = nodes[i]
        numbers[i] = node._data if is_data else node._grad
    return array


def write(nodes: Sequence[Any], field: str, array: NDArray[np.float64]) -> None:
    """Set `.data` or `.grad` of as many Values as there are numbers in an array.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> x = Value(1.0)
    >>> write([x], "grad", np.array([0.5]))
    >>> x
    Value(data=1.0, grad=0.5)
    """
    if not cython.compiled or _blocks.open:
        for node, number in zip(nodes, array.tolist(), strict=True):
            if field == "data":
                node.data = number
            else:
                node.grad = number
        return
    is_data: cython.bint = field == "data"
    numbers: cython.double[::1] = np.ascontiguousarray(array, np.float64)
    i: cython.Py_ssize_t
    for i in range(len(numbers)):
        leaf: Node = nodes[i]
        if is_data:
            leaf._data = numbers[i]
        else:
            leaf._grad = numbers[i]
