"""Arguments of a compiled function: how they are nested, and which axis of them is the batch's.

Knows nothing of graphs or code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


class Flat(NamedTuple):
    """An argument, and how it was nested: an array is one leaf."""

    leaves: list[Leaf]
    structure: Structure


def flat(tree: Any, role: str) -> Flat:
    """List the leaves of an argument.

    Raises
    ------
    TypeError
        If there is something else than numbers in it; the message says where.
    """
    return Flat(*flatten(tree, role, _whole_array))


def _whole_array(array: Any, role: str) -> tuple[list[Leaf], Structure]:
    """Take an array as one leaf."""
    if array.ndim == 0:
        return [as_float(array[()], role)], NUMBER
    if array.dtype == object:
        array = make_array(flatten(array, role)[0], array.shape)
    elif array.dtype.kind not in "fiub" or isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{role} must be an array of real numbers, not {describe(array)}")
    return [array], Structure(np.ndarray, array.shape)


def holds_value(argument: Flat) -> bool:
    """Say whether there are Values in an argument, so that its function is to be recorded, not compiled."""
    return any(
        isinstance(leaf, Scalar) or (isinstance(leaf, np.ndarray) and leaf.dtype == object) for leaf in argument.leaves
    )


def check_axes(axes: Axes, role: str = "in_axes") -> None:
    """Check that axes are integers or None, or nested such.

    Raises
    ------
    TypeError
    """
    if axes is None:
        return
    if isinstance(axes, (list, tuple)):
        for i, part in enumerate(axes):
            check_axes(part, f"{role}[{i}]")
    elif isinstance(axes, dict):
        for key, part in axes.items():
            check_axes(part, f"{role}[{key!r}]")
    elif isinstance(axes, bool) or not isinstance(axes, (int, np.integer)):
        raise TypeError(f"{role} must be an integer, None, or nested ones, not {describe(axes)}")


def leaf_axes(axes: Axes, structure: Structure, role: str) -> Iterator[int | None]:
    """Give the axis of each leaf of an argument that is mapped as `axes` says; None for a leaf that is not.

    Raises
    ------
    ValueError
        If `axes` is nested otherwise than the argument, or a leaf has no such axis.
    """
    if isinstance(axes, (list, tuple, dict)):
        alike = structure.kind not in (float, np.ndarray) and len(axes) == len(structure.parts)
        if not alike or (isinstance(axes, dict) and set(axes) != set(structure.keys)):
            raise ValueError(f"in_axes for {role} are nested otherwise than the argument: {describe(axes)}")
        wanted = [axes[key] for key in structure.keys] if isinstance(axes, dict) else axes
        for i, (part, inner) in enumerate(zip(structure.parts, wanted)):
            yield from leaf_axes(inner, part, f"{role}[{i}]")
    elif structure.parts:
        for i, part in enumerate(structure.parts):
            yield from leaf_axes(axes, part, f"{role}[{i}]")
    elif structure.kind is float:
        yield None
    elif structure.kind is np.ndarray:
        if axes is not None and not -len(structure.keys) <= axes < len(structure.keys):
            raise ValueError(f"in_axes says axis {axes} of {role}, which has the shape {structure.keys}")
        yield None if axes is None else int(axes)


def of_one_example(structure: Structure, axes: Iterator[int | None]) -> Structure:
    """Give the structure of what one example has of an argument, without the mapped axes."""
    if structure.kind not in (float, np.ndarray):
        parts = tuple([of_one_example(part, axes) for part in structure.parts])
        return Structure(structure.kind, structure.keys, parts)
    axis = next(axes)
    if axis is None:
        return structure
    shape = list(structure.keys)
    del shape[axis]
    return Structure(np.ndarray, tuple(shape)) if shape else NUMBER


def blocks(structure: Structure, axes: Sequence[int | None]) -> list[Block]:
    """List the leaves of what one example has of an argument."""
    return [Block(leaf.keys, axis is not None) for leaf, axis in zip(structure.leaves(), axes)]


def collect(args: Sequence[Any], key: list[Any], leaves: list[Any]) -> bool:
    """Append the leaves of all arguments, and what tells their structures from others; False if there are Values."""
    try:
        for argument in args:
            if not _collect(argument, key, leaves):
                return False
    except (TypeError, OverflowError):
        for i, argument in enumerate(args):  # one of them raises, and says where
            flat(argument, f"argument {i}")
        raise
    return True


def _collect(tree: Any, key: list[Any], leaves: list[Leaf]) -> bool:
    """Append the leaves of an argument, and what tells its structure from others; False if there are Values.

    What `flat` does, in a hurry: it is done in each call.
    """
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
        known = flat(tree, "an argument")
        if holds_value(known):
            return False
        key.append(known.structure)
        leaves += [np.asarray(leaf, FLOAT64) if isinstance(leaf, np.ndarray) else leaf for leaf in known.leaves]
    return True
