"""Nested arguments as flat lists of numbers, and back: lists, tuples, dicts and arrays, of any depth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from autograd_mini.engine.arithmetic import Scalar, is_real
from autograd_mini.engine.checks import as_float, describe


@dataclass(frozen=True)
class Structure:
    """How numbers were nested; hashable, so that it can be the key of a cache."""

    kind: Any  # float for one number, np.ndarray, or the container's own type
    keys: tuple[Any, ...] = ()  # the keys of a dict, or the shape of an array
    parts: tuple[Structure, ...] = ()  # what a list, tuple or dict contains

    @property
    def size(self) -> int:
        """How many numbers there are."""
        if self.kind is float:
            return 1
        if self.kind is np.ndarray:
            return math.prod(self.keys)
        return sum(1 if part is NUMBER else part.size for part in self.parts)

    def nest(self, leaf: Callable[[Structure], Any]) -> Any:
        """Call `leaf` for each number or array, in order, and nest what it gives."""
        if self.kind is float or self.kind is np.ndarray:
            return leaf(self)
        parts = [leaf(part) if part is NUMBER else part.nest(leaf) for part in self.parts]
        if issubclass(self.kind, dict):
            return dict(zip(self.keys, parts))
        if hasattr(self.kind, "_make"):  # a named tuple
            return self.kind._make(parts)
        return self.kind(parts)

    def leaves(self) -> Iterator[Structure]:
        """List the numbers and arrays in it."""
        if self.kind is float or self.kind is np.ndarray:
            yield self
        for part in self.parts:
            yield from part.leaves()

    def paths(self, prefix: str) -> Iterator[str]:
        """Name each number by the Python expression that would reach it."""
        if self.kind is float:
            yield prefix
        elif self.kind is np.ndarray:
            for index in np.ndindex(self.keys):
                yield f"{prefix}[{', '.join(map(str, index))}]" if index else prefix
        else:
            for key, part in zip(self.keys or range(len(self.parts)), self.parts):
                yield from part.paths(f"{prefix}[{key!r}]")


NUMBER = Structure(float)


def _elements(array: Any, role: str) -> tuple[list[Any], Structure]:
    """List the elements of an array."""
    elements = [x if isinstance(x, Scalar) else as_float(x, f"an element of {role}") for x in array.flat]
    return elements, Structure(np.ndarray, array.shape)


def flatten(
    tree: Any, role: str, list_array: Callable[[Any, str], tuple[list[Any], Structure]] = _elements
) -> tuple[list[Any], Structure]:
    """List the numbers of a nested argument, floats and Values, and how they were nested.

    Anything but numbers inside is a TypeError; its message starts with `role`, the argument's name, and says where.
    `list_array` gives what to list of an array, and its structure: its elements unless given.

    Examples
    --------
    >>> numbers, structure = flatten([1, (2.0, 3.0)], "x")
    >>> numbers
    [1.0, 2.0, 3.0]
    >>> unflatten(structure, numbers)
    [1.0, (2.0, 3.0)]
    """
    if isinstance(tree, Scalar):
        return [tree], NUMBER
    if isinstance(tree, np.ndarray):
        return list_array(tree, role)
    if is_real(tree):
        return [as_float(tree, role)], NUMBER
    if isinstance(tree, dict):
        keys, children = tuple(tree), list(tree.values())
    elif isinstance(tree, (list, tuple)):
        keys, children = (), list(tree)
    else:
        raise TypeError(f"{role} must be a number, or a list, tuple, dict or array of numbers, not {describe(tree)}")
    numbers: list[Any] = []
    parts: list[Structure] = []
    for key, child in zip(keys or range(len(children)), children):
        if isinstance(child, Scalar) or type(child) is float:
            numbers.append(child)
            parts.append(NUMBER)
        else:
            inner, part = flatten(child, f"{role}[{key!r}]", list_array)
            numbers += inner
            parts.append(part)
    return numbers, Structure(type(tree), keys, tuple(parts))


def unflatten(structure: Structure, numbers: Iterable[Any]) -> Any:
    """Nest numbers as `structure` says, as many as it has: the inverse of `flatten`."""
    remaining = iter(numbers)

    def leaf(part: Structure) -> Any:
        return next(remaining) if part.kind is float else make_array([*islice(remaining, part.size)], part.keys)

    return structure.nest(leaf)


def make_array(numbers: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """Make an array of floats, or one of objects if there are Values among them."""
    kind = object if any(isinstance(x, Scalar) for x in numbers) else float
    array = np.empty(len(numbers), dtype=kind)
    array[:] = numbers
    return array.reshape(shape)
