"""Arguments of a compiled function: how they are nested, and which axis of them is the batch's.

Knows nothing of graphs or code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import as_float, describe
from autograd_mini.transforms.trees import NUMBER, Structure, flatten, make_array

Array = NDArray[np.float64]
FLOAT64 = np.dtype(np.float64)
Axes = Any  # an axis, None, or nested ones
Leaf = Any  # a float, an array of one axis or more, or a Value


class Block(NamedTuple):
    """A leaf of an argument, a number or an array: given once, or for each example."""

    shape: tuple[int, ...]
    mapped: bool


def list_leaves(tree: Any, role: str) -> tuple[list[Leaf], Structure]:
    """List the leaves of an argument, and how they were nested: an array is one leaf."""
    return flatten(tree, role, _whole_array)


def _whole_array(array: Any, role: str) -> tuple[list[Leaf], Structure]:
    if array.ndim == 0:
        return [as_float(array[()], role)], NUMBER
    if array.dtype == object:
        array = make_array(flatten(array, role)[0], array.shape)
    elif array.dtype.kind not in "fiub" or isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{role} must be an array of real numbers, not {describe(array)}")
    return [array], Structure(np.ndarray, array.shape)


def check_axes(axes: Axes, role: str = "in_axes") -> None:
    """Check that axes are integers or None, or nested ones."""
    if isinstance(axes, (list, tuple, dict)):
        for key, part in axes.items() if isinstance(axes, dict) else enumerate(axes):
            check_axes(part, f"{role}[{key!r}]")
    elif axes is not None and (isinstance(axes, bool) or not isinstance(axes, (int, np.integer))):
        raise TypeError(f"{role} must be an integer, None, or nested ones, not {describe(axes)}")


class Examples:
    """Arguments of a call, taken apart into examples.

    Attributes
    ----------
    structures : tuple of Structure
        How one example's arguments are nested.
    blocks : list of Block
        Their leaves.
    batch : int or None
        How many examples there are; None where nothing is mapped.
    moved : list of pair of int
        The leaves whose mapped axis is not the first one, each with that axis.
    """

    def __init__(self, args: Sequence[Any], in_axes: Axes) -> None:
        if not isinstance(in_axes, (list, tuple)):
            in_axes = (in_axes,) * len(args)
        elif len(in_axes) != len(args):
            raise ValueError(f"in_axes has {len(in_axes)} entries, but there are {len(args)} arguments")
        leaves: list[Leaf] = []
        axes: list[int | None] = []
        structures: list[Structure] = []
        for i, (argument, chosen) in enumerate(zip(args, in_axes)):
            own, structure = list_leaves(argument, f"argument {i}")
            leaves += own
            structures.append(_one_example(structure, chosen, f"argument {i}", axes))
        self.structures = tuple(structures)
        parts = [part for structure in structures for part in structure.leaves()]
        self.blocks = [Block(part.keys, axis is not None) for part, axis in zip(parts, axes)]
        self.moved = [(i, axis) for i, axis in enumerate(axes) if axis]
        self._leaves = list(zip(leaves, axes))
        lengths = [leaf.shape[axis] for leaf, axis in self._leaves if axis is not None]
        if len(set(lengths)) > 1:
            raise ValueError(f"the arrays of a batch must have one length along their mapped axes, but have {lengths}")
        self.batch = lengths[0] if lengths else None

    def example(self, i: int) -> Iterator[Any]:
        """Give the arguments of one example."""
        rows = iter([_row(leaf, axis, i) for leaf, axis in self._leaves])
        for structure in self.structures:
            yield structure.nest(lambda part: next(rows))


def _row(leaf: Leaf, axis: int | None, i: int) -> Any:
    if axis is None:
        return leaf
    row = np.moveaxis(leaf, axis, 0)[i]
    return row if isinstance(row, (np.ndarray, Scalar)) else float(row)


def _one_example(structure: Structure, axes: Axes, role: str, chosen: list[int | None]) -> Structure:
    """Give the structure of one example's part of an argument, and append the axis of each leaf, or None."""
    is_leaf = structure.kind is float or structure.kind is np.ndarray
    wanted: Any = repeat(axes)
    if isinstance(axes, (list, tuple, dict)):
        alike = not is_leaf and len(axes) == len(structure.parts)
        if not alike or (isinstance(axes, dict) and set(axes) != set(structure.keys)):
            raise ValueError(f"in_axes for {role} are nested otherwise than the argument: {describe(axes)}")
        wanted = [axes[key] for key in structure.keys] if isinstance(axes, dict) else axes
    if not is_leaf:
        parts = [
            _one_example(part, own, f"{role}[{i}]", chosen)
            for i, (part, own) in enumerate(zip(structure.parts, wanted))
        ]
        return Structure(structure.kind, structure.keys, tuple(parts))
    if structure.kind is float or axes is None:
        chosen.append(None)
        return structure
    if not -len(structure.keys) <= axes < len(structure.keys):
        raise ValueError(f"in_axes says axis {axes} of {role}, which has the shape {structure.keys}")
    chosen.append(int(axes))
    shape = list(structure.keys)
    del shape[axes]
    return Structure(np.ndarray, tuple(shape)) if shape else NUMBER


def collect(args: Sequence[Any], key: list[Any], leaves: list[Leaf]) -> bool:
    """Append the leaves of all arguments, and what tells their structures from others; False if there are Values."""
    try:
        for argument in args:
            if not _collect(argument, key, leaves):
                return False
    except (TypeError, OverflowError):
        for i, argument in enumerate(args):  # one of them raises, and says where
            list_leaves(argument, f"argument {i}")
        raise
    return True


def _collect(tree: Any, key: list[Any], leaves: list[Leaf]) -> bool:
    """Do what `collect` does for an argument. It is done in each call, so the usual kinds do without `list_leaves`."""
    kind = type(tree)
    if kind is float:
        key.append(kind)
        leaves.append(tree)
    elif kind is np.ndarray and tree.dtype is FLOAT64 and tree.ndim:
        key.append(tree.shape)
        leaves.append(tree)
    elif kind is list or kind is tuple or kind is dict:
        key.append(kind)
        key.append(tuple(tree) if kind is dict else len(tree))
        for child in tree.values() if kind is dict else tree:
            if not _collect(child, key, leaves):
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
