"""vmap: a function of one example becomes a function of a batch, whose examples lie along axes of arrays.

The function runs once for each example, and once more where `out_axes` has a None. Knows nothing of compilation.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, wraps
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import describe
from autograd_mini.engine.modes import no_grad, recording
from autograd_mini.engine.value import Value
from autograd_mini.transforms.transforms import make_variable
from autograd_mini.transforms.trees import NUMBER, Static, Structure, check_array, flatten, in_doubles, make_array

Axes = Any  # an axis, None, or nested ones
Leaf = Any  # a float, an array of one axis or more, or a Value
RESULT = "the function's result"


class Mapped(NamedTuple):
    """What `vmap` was called with; its result has it as the attribute `mapped`."""

    f: Callable[..., Any]
    in_axes: Axes
    out_axes: Axes


def vmap(f: Callable[..., Any], in_axes: Axes = 0, out_axes: Axes = 0) -> Callable[..., Any]:
    """Make the function that computes `f` for each example of a batch, and puts the results together in arrays.

    Parameters
    ----------
    f : callable
        Takes the arguments of one example, and gives nested numbers and arrays.
    in_axes : int, None, or tuple of such, optional
        Which axis of each argument goes through the examples, as in `jax.vmap`: None for an argument that all
        examples share, which may be anything, nested for a nested argument.
    out_axes : int, None, or nested ones, optional
        Which axis of each result goes through the examples; None for a result that all examples share, and that so is
        not computed from what is mapped.

    Returns
    -------
    callable
        Takes arrays, or nested ones; gives an array in place of each number that `f` gives, with one axis more in
        place of each array. It can be differentiated, and used in functions that are. `jit` of it compiles `f` once
        for the whole batch.

    Raises
    ------
    TypeError
        If axes are neither integers nor None.
    ValueError
        If nothing is mapped. On the call, if an argument has no such axis, as a number has none and a list is no array,
        if the axes are of different lengths or nested otherwise than the argument, or if results of different examples
        are nested in different ways.

    Notes
    -----
    `f` gets the numbers of an array as NumPy has them, `numpy.float64`, and Values as they are. So 1 / 0 is inf in `f`,
    as in compiled code.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import grad, vmap
    >>> vmap(grad(lambda x: x**3))(np.array([1.0, 2.0, 3.0]))
    array([ 3., 12., 27.])
    >>> vmap(lambda a, x: a * x, in_axes=(None, 0), out_axes=1)(np.array([1.0, 10.0]), np.array([1.0, 2.0, 3.0]))
    array([[ 1.,  2.,  3.],
           [10., 20., 30.]])
    """
    if not callable(f):
        raise TypeError(f"vmap takes a function, not {describe(f)}")
    check_axes(in_axes, "in_axes")
    check_axes(out_axes, "out_axes")

    @wraps(f, updated=())
    def f_of_examples(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            args = bind(f, args, kwargs)
        axes = in_axes if isinstance(in_axes, (list, tuple)) else (in_axes,) * len(args)
        shared = [Static(in_doubles(arg)) if axis is None else arg for arg, axis in zip(args, axes)]
        examples = Examples([*shared, *args[len(shared) :]], in_axes)
        if examples.batch is None:
            raise ValueError("vmap needs an axis to map over, but in_axes names none; call the function itself")
        return map_examples(f, examples, out_axes)

    f_of_examples.mapped = Mapped(f, in_axes, out_axes)  # type: ignore[attr-defined]
    return f_of_examples


def bind(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Put arguments that are given by name in their places."""
    signature = inspect.signature(f)
    bound = signature.bind(*args, **kwargs)
    last = max(map(list(signature.parameters).index, bound.arguments))
    bound.apply_defaults()
    without = [name for name in kwargs if name in bound.kwargs]
    if without:
        raise TypeError(f"jit and vmap take arguments that have a place, and {', '.join(without)} has none")
    return bound.args[: max(len(args), last + 1)]


def check_axes(axes: Axes, role: str) -> None:
    """Check that axes are integers or None, or nested ones."""
    if isinstance(axes, (list, tuple, dict)):
        for key, part in axes.items() if isinstance(axes, dict) else enumerate(axes):
            check_axes(part, f"{role}[{key!r}]")
    elif axes is not None and (isinstance(axes, bool) or not isinstance(axes, (int, np.integer))):
        raise TypeError(f"{role} must be an integer, None, or nested ones, not {describe(axes)}")


def list_leaves(tree: Any, role: str) -> tuple[list[Leaf], Structure]:
    """List the leaves of an argument, and how they were nested: an array is one leaf."""
    return flatten(tree, role, _whole_array)


def _whole_array(array: Any, role: str) -> tuple[list[Leaf], Structure]:
    check_array(array, role)
    if array.ndim == 0:
        return flatten(array[()], role)
    if array.dtype == object:
        array = make_array(flatten(array, role)[0], array.shape)
    elif array.dtype.kind not in "fiub":
        raise TypeError(f"{role} must be an array of real numbers, not {describe(array)}")
    return [array], Structure(np.ndarray, array.shape)


class Examples:
    """Arguments of a call, taken apart into examples.

    Attributes
    ----------
    structures : tuple of Structure
        How one example's arguments are nested.
    axes : list of int or None
        The axis of each leaf of the arguments that goes through the examples; None for a leaf that they share.
    batch : int or None
        How many examples there are; None where nothing is mapped.
    """

    def __init__(self, args: Sequence[Any], in_axes: Axes) -> None:
        if not isinstance(in_axes, (list, tuple)):
            in_axes = (in_axes,) * len(args)
        elif len(in_axes) != len(args):
            raise ValueError(f"in_axes has {len(in_axes)} entries, but there are {len(args)} arguments")
        leaves: list[Leaf] = []
        self.axes: list[int | None] = []
        structures: list[Structure] = []
        for i, (argument, chosen) in enumerate(zip(args, in_axes)):
            own, structure = list_leaves(argument, f"argument {i}")
            axes = [axis for axis, _ in leaf_axes(structure, chosen, "in_axes", f"argument {i}")]
            leaves += own
            self.axes += axes
            structures.append(_one_example(structure, iter(axes)))
        self.structures = tuple(structures)
        self._given = list(zip(leaves, self.axes))
        lengths = [leaf.shape[axis] for leaf, axis in self._given if axis is not None]
        if len(set(lengths)) > 1:
            raise ValueError(f"the arrays of a batch must have one length along their mapped axes, but have {lengths}")
        self.batch = lengths[0] if lengths else None

    @cached_property
    def _leaves(self) -> list[tuple[Leaf, int | None]]:
        return [(in_doubles(leaf), axis) for leaf, axis in self._given]

    def example(self, i: int) -> list[Any]:
        """Give the arguments of one example."""
        return self._nest(leaf if axis is None else _row(leaf, axis, i) for leaf, axis in self._leaves)

    def blank(self) -> list[Any]:
        """Give the arguments of an example as they would be if there were one."""
        shapes = [part.keys for structure in self.structures for part in structure.leaves()]
        rows = [make_array([Value(0.0)] * math.prod(shape), shape)[()] for shape in shapes]
        return self._nest(row if axis is not None else leaf for row, (leaf, axis) in zip(rows, self._leaves))

    def variables(self) -> tuple[list[Any], list[Any]]:
        """Give the arguments of the first example with nodes of their own for what is mapped, and list these nodes."""
        inputs: list[Any] = []

        def make(leaf: Any, axis: int | None) -> Any:
            if axis is None:
                return leaf
            row = np.asarray(_row(leaf, axis, 0))
            own = list(map(make_variable, row.flat))
            inputs.extend(own)
            return make_array(own, row.shape)[()]

        return self._nest(make(leaf, axis) for leaf, axis in self._leaves), inputs

    def _nest(self, leaves: Iterator[Any]) -> list[Any]:
        return [structure.nest(lambda part: next(leaves)) for structure in self.structures]


def _row(leaf: Any, axis: int, i: int) -> Any:
    row = np.moveaxis(leaf, axis, 0)[i]
    return row if isinstance(row, (np.ndarray, Scalar)) else np.float64(row)


def leaf_axes(structure: Structure, axes: Axes, option: str, role: str) -> Iterator[tuple[int | None, str]]:
    """Give the axis of each leaf, None if it has none, and the leaf's name."""
    if structure.kind is np.ndarray or structure.kind is float:
        yield _check_axis(structure.keys, axes, option, role), role
        return
    wanted: Any = repeat(axes)
    if isinstance(axes, (list, tuple, dict)):
        if len(axes) != len(structure.parts) or (isinstance(axes, dict) and set(axes) != set(structure.keys)):
            raise ValueError(f"{option} for {role} are nested otherwise than it is: {describe(axes)}")
        wanted = [axes[key] for key in structure.keys] if isinstance(axes, dict) else axes
    for i, (part, own) in enumerate(zip(structure.parts, wanted)):
        yield from leaf_axes(part, own, option, role + structure.step(i))


def _check_axis(shape: tuple[int, ...], axis: Axes, option: str, role: str) -> int | None:
    """Check the axis of one leaf."""
    if isinstance(axis, (list, tuple, dict)):
        raise ValueError(f"{option} for {role} are nested otherwise than it is: {describe(axis)}")
    if axis is None:
        return None
    if not shape:
        listed = "; a list is no array, so write np.array of it" if role.endswith("]") else ""
        raise ValueError(
            f"{option} says axis {axis} of {role}, which is a number and has no axes: say None for what all examples "
            f"share{listed}"
        )
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"{option} says axis {axis} of {role}, which has the shape {shape}")
    return int(axis)


def _one_example(structure: Structure, axes: Iterator[int | None]) -> Structure:
    """Give the structure of one example's part of an argument."""
    if structure.kind is not np.ndarray and structure.kind is not float:
        return replace(structure, parts=tuple([_one_example(part, axes) for part in structure.parts]))
    axis = next(axes)
    if axis is None:
        return structure
    shape = list(structure.keys)
    del shape[axis]
    return Structure(np.ndarray, tuple(shape)) if shape else NUMBER


def run_examples(f: Callable[..., Any], examples: Examples) -> tuple[list[list[Any]], Structure]:
    """Call a function for each example; list the numbers of each result, and say how all of them are nested."""
    if not examples.batch:
        with no_grad():
            return [], flatten(f(*examples.blank()), RESULT)[1]
    rows: list[list[Any]] = []
    structure = NUMBER
    for i in range(examples.batch):
        with np.errstate(all="ignore"):  # inf and nan are results here
            row, own = flatten(f(*examples.example(i)), RESULT)
        structure = structure if rows else own
        if own != structure:
            raise ValueError(
                f"{RESULT} is nested otherwise, or of another shape, for example {i} than for those before"
            )
        rows.append(row)
    return rows, structure


def map_examples(f: Callable[..., Any], examples: Examples, out_axes: Axes) -> Any:
    """Call a function for each example, and put the results together in arrays."""
    rows, structure = run_examples(f, examples)
    place = 0

    def stack(part: Structure) -> Any:
        nonlocal place
        begin, place = place, place + part.size
        return make_array([x for row in rows for x in row[begin:place]], (len(rows), *part.keys))

    check_shared(structure, lambda: _vary(f, examples), out_axes, len(rows))
    return place_axes(structure.nest(stack), out_axes)


def place_axes(stacked: Any, out_axes: Axes) -> Any:
    """Move the axis of the examples, which is the first one of each array, to where it is wanted."""
    if type(out_axes) is int and out_axes == 0:
        return stacked
    leaves, structure = list_leaves(stacked, RESULT)
    axes = list(leaf_axes(structure, out_axes, "out_axes", RESULT))
    moved = [
        _shared(leaf, role) if axis is None else np.moveaxis(leaf, 0, axis) for leaf, (axis, role) in zip(leaves, axes)
    ]
    remaining = iter(moved)
    return structure.nest(lambda part: next(remaining))


def check_shared(structure: Structure, vary: Callable[[], Sequence[bool]], out_axes: Axes, batch: int) -> None:
    """Refuse a result without an axis that was computed from what is mapped; `vary` says so of each number."""
    if type(out_axes) is int or not batch:
        return
    stacked = structure.nest(lambda part: np.broadcast_to(0.0, (batch, *part.keys)))
    axes = list(leaf_axes(list_leaves(stacked, RESULT)[1], out_axes, "out_axes", RESULT))
    varies = vary() if any(axis is None for axis, _ in axes) else ()
    place = 0
    for part, (axis, role) in zip(structure.leaves(), axes):
        if axis is None and any(varies[place : place + part.size]):
            raise ValueError(f"out_axes says None of {role}, which is computed from mapped arguments; name an axis")
        place += part.size


def _vary(f: Callable[..., Any], examples: Examples) -> list[bool]:
    """Say of each number of the first example's result whether it is computed from what is mapped."""
    with recording():
        args, inputs = examples.variables()
        roots = flatten(f(*args), RESULT)[0]
    varying: set[int] = set()
    for kind in {type(x) for x in inputs}:
        some = [x for x in roots if type(x) is kind]
        if some:
            history = some[0]._history(some, [x for x in inputs if type(x) is kind])
            reached = set(history.inputs)
            for node in history.order:
                if not reached.isdisjoint(history.operands[node]):
                    reached.add(node)
            varying.update(id(x) for x, place in zip(some, history.roots) if place in reached)
    return [id(x) in varying for x in roots]


def _shared(leaf: Any, role: str) -> Any:
    """Give what is the same for all examples."""
    if len(leaf) == 0:
        raise ValueError(f"out_axes says None of {role}, but there is no example to take it from")
    first = np.broadcast_to(leaf[:1], leaf.shape)
    is_same = all(map(_is_same, leaf.flat, first.flat)) if leaf.dtype == object else np.array_equal(leaf, first, True)
    if not is_same:
        raise ValueError(f"out_axes says None of {role}, which is not the same for all examples; name an axis")
    return leaf[0] if isinstance(leaf[0], (np.ndarray, Scalar)) else float(leaf[0])


def _is_same(x: Any, y: Any) -> bool:
    """Say whether two numbers are equal, as far as they are known."""
    if type(x) is not type(y) or (isinstance(x, Scalar) and type(x) is not Value):
        return type(x) is type(y)
    if type(x) is Value:
        x, y = x.data, y.data
    return bool(x == y or (x != x and y != y))
