"""Arguments of a compiled function: their leaves, and what tells one structure from another.

Knows nothing of graphs or code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import describe
from autograd_mini.transforms.trees import DEPTH, Static
from autograd_mini.transforms.vmap import Examples, Leaf, list_leaves

Array = NDArray[np.float64]
FLOAT64 = np.dtype(np.float64)


class Block(NamedTuple):
    """A leaf of an argument, a number or an array: given once, or for each example."""

    shape: tuple[int, ...]
    mapped: bool


def blocks_of(examples: Examples) -> tuple[Block, ...]:
    """List the leaves of one example's arguments."""
    parts = [part for structure in examples.structures for part in structure.leaves()]
    return tuple([Block(part.keys, axis is not None) for part, axis in zip(parts, examples.axes)])


def check_static(value: Any, role: str) -> Static:
    """Check an argument that is passed through as it is."""
    if isinstance(value, Scalar):
        raise TypeError(f"{role} is static, and a Value is not; leave it out of static_argnums")
    static = Static(value)
    try:
        hash(static)
    except TypeError:
        told = f"{role} is static, so it must be hashable, such as a string or a tuple, not {describe(value)}"
        raise TypeError(told) from None
    return static


def collect(args: Sequence[Any], key: list[Any], leaves: list[Leaf]) -> bool:
    """Append the leaves of all arguments, and what tells their structures from others; False if there are Values."""
    try:
        for argument in args:
            if not _collect(argument, key, leaves, 0):
                return False
    except (TypeError, ValueError, OverflowError):
        for i, argument in enumerate(args):  # one of them raises, and says where
            list_leaves(argument, f"argument {i}")
        raise
    return True


def _collect(tree: Any, key: list[Any], leaves: list[Leaf], depth: Any) -> Any:
    """Do what `collect` does for an argument. It is done in each call, so the usual kinds do without `list_leaves`."""
    kind = type(tree)
    if kind is float:
        key.append(kind)
        leaves.append(tree)
    elif kind is np.ndarray and tree.dtype is FLOAT64 and tree.ndim:
        key.append(tree.shape)
        leaves.append(tree)
    elif kind is list or kind is tuple or kind is dict:
        if depth > DEPTH:
            raise ValueError("nested too deep")  # before C's stack is full
        key.append(kind)
        key.append(tuple(tree) if kind is dict else len(tree))
        for child in tree.values() if kind is dict else tree:
            if not _collect(child, key, leaves, depth + 1):
                return False
    else:
        own, structure = list_leaves(tree, "an argument")
        for leaf in own:
            is_array = isinstance(leaf, np.ndarray)
            if isinstance(leaf, Scalar) or (is_array and leaf.dtype == object):
                return False
            leaves.append(np.asarray(leaf, FLOAT64) if is_array else leaf)
        key.append(structure)
    return True
