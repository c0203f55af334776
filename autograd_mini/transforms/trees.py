"""Nested arguments as flat lists of numbers, and back: arrays, lists, tuples, dicts, dataclasses."""

from __future__ import annotations

import math
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import islice
from typing import Any

import numpy as np

from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import as_float, describe, is_real

# What is nested deeper contains itself, or is a mistake; recursion over what is nested ends here.
DEPTH = 100

_Path = tuple[tuple[type, Any], ...]  # the kind of each container that leads to a part, and the part's key in it


class NoNumber(TypeError):
    """An argument contains what is no number at all: a string, None, an object."""


class Static:
    """An argument that is passed through as it is. Two of them are equal only if their types are the same too."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Static) and _exactly(self.value) == _exactly(other.value)

    def __hash__(self) -> int:
        return hash(_exactly(self.value))


def _exactly(value: Any) -> Any:
    """Give what tells a value from those that are equal to it, as 1 is to True, and 0.0 to -0.0."""
    if isinstance(value, (tuple, frozenset)):
        return type(value), (tuple if isinstance(value, tuple) else frozenset)(map(_exactly, value))
    if is_dataclass(value) and not isinstance(value, type):
        return type(value), tuple([_exactly(getattr(value, field.name)) for field in fields(value)]), hash(value)
    return type(value), repr(value) if isinstance(value, (float, complex)) else value


@dataclass(frozen=True)
class Structure:
    """How numbers were nested; hashable, so that it can be the key of a cache."""

    kind: Any  # float for one number, np.ndarray, Static, or the container's own type
    keys: tuple[Any, ...] = ()  # the keys of a dict, the fields of a dataclass, or the shape of an array
    parts: tuple[Structure, ...] = ()  # what a container contains
    setting: Any = None  # what else makes it: a deque's greatest length, the default of a defaultdict, what is static

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
        return self.make([leaf(part) if part is NUMBER else part.nest(leaf) for part in self.parts])

    def make(self, parts: list[Any]) -> Any:
        """Make a container of this kind."""
        kind: Any = self.kind
        if kind is list:
            return parts
        if kind is Static:
            return self.setting.value
        if issubclass(kind, dict):
            pairs = dict(zip(self.keys, parts))
            return kind(self.setting, pairs) if issubclass(kind, defaultdict) else kind(pairs)
        if issubclass(kind, deque):
            return kind(parts, self.setting)
        if hasattr(kind, "_make"):  # a named tuple
            return kind._make(parts)
        return kind(parts) if issubclass(kind, (list, tuple)) else kind(**dict(zip(self.keys, parts)))

    def leaves(self) -> Iterator[Structure]:
        """List the numbers and arrays in it."""
        if self.kind is float or self.kind is np.ndarray:
            yield self
        for part in self.parts:
            yield from part.leaves()

    def describe(self) -> str:
        """Say in short what it is: a number, an array of some shape, a container of so many numbers."""
        if self.kind is float:
            return "number"
        if self.kind is np.ndarray:
            return f"array {self.keys}"
        if self.kind is Static:
            return describe(self.setting.value)
        return f"{self.kind.__name__} of {self.size} number{'s'[: self.size != 1]}"

    def paths(self, prefix: str) -> Iterator[str]:
        """Name each number by the Python expression that would reach it."""
        if self.kind is float:
            yield prefix
        elif self.kind is np.ndarray:
            for index in np.ndindex(self.keys):
                yield f"{prefix}[{', '.join(map(str, index))}]" if index else prefix
        else:
            for i, part in enumerate(self.parts):
                yield from part.paths(prefix + self.step(i))

    def step(self, i: int) -> str:
        """Write how its part `i` is reached."""
        return _step(self.kind, self.keys[i] if self.keys else i)


NUMBER = Structure(float)


def _step(kind: type, key: Any) -> str:
    """Write how a part of a container is reached."""
    return f".{key}" if is_dataclass(kind) and not issubclass(kind, (dict, list, tuple)) else f"[{key!r}]"


def check_array(array: Any, role: str) -> None:
    """Refuse an array that is more than its numbers: nested anew it would be another thing."""
    if isinstance(array, np.matrix):
        raise TypeError(f"{role} is a np.matrix, whose * multiplies matrices; pass np.asarray of it, and write @")
    if "numpy.ma" in sys.modules and isinstance(array, np.ma.MaskedArray):  # NumPy imports it only when asked to
        raise TypeError(f"{role} is a masked array; pass .filled(number) or .compressed(), which have numbers alone")


def _elements(array: Any, role: str) -> tuple[list[Any], Structure]:
    """List the elements of an array."""
    check_array(array, role)
    if array.ndim == 0:
        return flatten(array[()], role)
    elements = array.ravel().tolist()
    if not all(kind is float or issubclass(kind, Scalar) for kind in set(map(type, elements))):
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
    if type(tree) is float or isinstance(tree, Scalar):
        return [tree], NUMBER
    return _flatten(tree, role, (), list_array)


def _flatten(tree: Any, name: str, path: _Path, list_array: Any) -> tuple[list[Any], Structure]:
    """Do what `flatten` does for a part of a tree, of this name, by a path from its root."""
    container = take_apart(tree)
    if container is None:
        return _flatten_leaf(tree, name, path, list_array)
    if len(path) > DEPTH:
        raise ValueError(f"{name} is nested more than {DEPTH} deep, or contains itself")
    kind, keys, children, setting = container
    numbers: list[Any] = []
    parts: list[Structure] = []
    for key, child in zip(keys or range(len(children)), children):
        if isinstance(child, Scalar) or type(child) is float:
            numbers.append(child)
            parts.append(NUMBER)
        else:
            inner, part = _flatten(child, name, (*path, (kind, key)), list_array)
            numbers += inner
            parts.append(part)
    structure = Structure(kind, keys, tuple(parts), setting)
    if kind not in (list, tuple, dict):
        try:
            structure.make(children)
        except Exception as error:
            raise TypeError(
                f"{_place(name, path)} is a {kind.__name__}, which can't be made anew of what it contains: {error}; "
                "pass a list, tuple, dict or dataclass"
            ) from error
    return numbers, structure


def _flatten_leaf(tree: Any, name: str, path: _Path, list_array: Any) -> tuple[list[Any], Structure]:
    if isinstance(tree, Scalar):
        return [tree], NUMBER
    if type(tree) is Static:
        return [], Structure(Static, setting=tree)
    role = _place(name, path)
    if isinstance(tree, np.ndarray):
        found: tuple[list[Any], Structure] = list_array(tree, role)
        return found
    if is_real(tree):
        return [as_float(tree, role)], NUMBER
    if hasattr(type(tree), "__array__") and not isinstance(tree, np.generic):  # of PyTorch, JAX, pandas
        raise TypeError(
            f"{role} must be a number, or a list, tuple, dict or NumPy array of numbers, not {describe(tree)}; "
            "pass np.asarray of it, or its .tolist()"
        )
    raise NoNumber(
        f"{role} must be a number, or a list, tuple, dict, dataclass or array of numbers, not {describe(tree)}"
    )


def _place(name: str, path: _Path) -> str:
    return name + "".join([_step(kind, key) for kind, key in path])


def take_apart(tree: Any) -> tuple[type, tuple[Any, ...], list[Any], Any] | None:
    """Give the kind of a container, its keys if it has any, what it contains, and what else it is made with."""
    kind = type(tree)
    if issubclass(kind, dict):
        return kind, tuple(tree), list(tree.values()), getattr(tree, "default_factory", None)
    if issubclass(kind, (list, tuple)):
        return kind, (), list(tree), None
    if issubclass(kind, deque):
        return kind, (), list(tree), tree.maxlen
    if kind is range:
        return list, (), list(tree), None
    if is_dataclass(kind):
        keys = tuple(field.name for field in fields(tree) if field.init)
        return kind, keys, [getattr(tree, key) for key in keys], None
    return None


def parts_of(tree: Any) -> Sequence[Any]:
    """List what a container contains that may contain Values; nothing for what is none."""
    if isinstance(tree, np.ndarray):
        return tree.ravel().tolist() if tree.dtype == object else ()
    container = None if type(tree) is range else take_apart(tree)
    return container[2] if container else ()


def map_parts(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply a function to all that a container contains; give the tree itself if that changes nothing."""
    container = None if type(tree) is range else take_apart(tree)
    if container is None:
        return tree
    kind, keys, parts, setting = container
    found = list(map(function, parts))
    changed = any(new is not old for new, old in zip(found, parts))
    return Structure(kind, keys, setting=setting).make(found) if changed else tree


def in_doubles(tree: Any) -> Any:
    """Make float64, in which compiled code computes, of NumPy's numbers of other types: of 8 bits, 2 * 100 is -56.

    Python's own integers stay: they lose no digits, and may be indices.
    """
    if type(tree) is float or isinstance(tree, Scalar):
        return tree
    if isinstance(tree, np.generic):
        return float(tree)
    if isinstance(tree, np.ndarray):
        return tree if tree.dtype == object else tree.astype(np.float64, copy=False)
    return map_parts(in_doubles, tree)


def unflatten(structure: Structure, numbers: Iterable[Any]) -> Any:
    """Nest numbers as `structure` says, as many as it has: the inverse of `flatten`."""
    remaining = iter(numbers)

    def leaf(part: Structure) -> Any:
        return next(remaining) if part.kind is float else make_array([*islice(remaining, part.size)], part.keys)

    return structure.nest(leaf)


def make_array(numbers: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """Make an array of floats, or one of objects if there are Values among them."""
    kind = object if any(isinstance(x, Scalar) for x in numbers) else float
    return np.fromiter(numbers, kind, len(numbers)).reshape(shape)  # tries to take no number apart, as arrays do
