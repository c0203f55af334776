"""Loops whose rounds all do the same: a Python loop where they run eagerly, one node where `jit` compiles them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial, wraps
from inspect import unwrap
from itertools import chain
from typing import Any

import numpy as np

from autograd_mini.engine import modes
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import check_count, describe
from autograd_mini.engine.lines import written
from autograd_mini.transforms.trees import (
    NUMBER,
    NoNumber,
    Structure,
    check_array,
    flatten,
    in_doubles,
    make_array,
    take_apart,
    unflatten,
)


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    checkpoint: int | None = None,
) -> tuple[Any, Any]:
    """Call a function once in each of many rounds, each time with the carry that the round before has handed on.

    Eagerly, this is ``for x in xs: carry, y = f(carry, x)``, and is drawn, explained and differentiated as this loop.
    Where `jit` traces, `f` runs once, and the loop is compiled as a loop: the time to compile does not depend on the
    number of rounds.

    Parameters
    ----------
    f : callable
        Takes the carry and an element of `xs`, and gives the next carry and a result of the round, which may be None.
        Values that it uses from around it are the same in all rounds; gradients flow to them too.
    init : number, or nested list, tuple, dict or array of numbers
        The carry of the first round. Each round must give one that is nested alike.
    xs : sequence, or tuple, dict or dataclass of sequences, optional
        An array has a row for each round, a list an element. Sequences that are nested so are as long as one another.
    length : int, optional
        How many rounds there are, if there is no `xs`.
    reverse : bool, optional
        Whether to go through `xs` from its end. The results stay in the order of `xs`.
    checkpoint : int, optional
        Every how many rounds numbers are kept for the way back. The numbers in between are computed again, which takes
        less memory and more time. It has no effect where nothing is compiled.

    Returns
    -------
    carry : nested like `init`
        What the last round hands on.
    ys : nested like the results of a round
        In place of each number an array of it in all rounds, in place of an array one with an axis more. None if a
        round gives None, or if there are no rounds.

    Raises
    ------
    TypeError
        If the carry changes how it is nested, or if an argument is not as it should be.
    ValueError
        If the sequences have different lengths, or nothing says how many rounds there are.

    Examples
    --------
    Compound interest, year by year:

    >>> from autograd_mini import grad, jit, scan
    >>> def capital(rate):
    ...     return scan(lambda c, _: (c * (1.0 + rate), c), 100.0, length=3)
    >>> capital(0.5)
    (337.5, array([100., 150., 225.]))
    >>> jit(grad(lambda rate: capital(rate)[0]))(0.5)
    675.0
    """
    if not callable(f):
        raise TypeError(f"scan takes a function, not {describe(f)}")
    columns = _Columns(xs, length)
    if checkpoint is not None:
        check_count(checkpoint, "checkpoint")
    if modes.tracer.get() is None or not columns.length:
        return _loop(f, init, columns, reverse)
    return _trace(f, init, columns, reverse, checkpoint)


def fori_loop(lower: int, upper: int, f: Callable[[Any, Any], Any], init: Any) -> Any:
    """Do the same for i = lower, ..., upper - 1: see `scan`.

    Parameters
    ----------
    lower, upper : int
    f : callable
        Takes i and the carry, and gives the next carry.
    init : number, or nested list, tuple, dict or array of numbers

    Returns
    -------
    nested like `init`
        What the last round hands on.

    Examples
    --------
    >>> from autograd_mini import fori_loop
    >>> fori_loop(1, 5, lambda i, product: product * i, 1.0)
    24.0
    """
    if not callable(f):
        raise TypeError(f"fori_loop takes a function, not {describe(f)}")
    for name, bound in (("lower", lower), ("upper", upper)):
        if isinstance(bound, (bool, Scalar)) or not hasattr(bound, "__index__"):
            raise TypeError(f"{name} must be an integer that is known before the loop, not {describe(bound)}")

    @wraps(f, updated=())
    def do_round(carry: Any, i: Any) -> tuple[Any, None]:
        return f(i, carry), None

    return scan(do_round, init, range(lower, upper))[0]


class _Columns:
    """The sequences that a loop goes through side by side."""

    def __init__(self, xs: Any, length: int | None) -> None:
        self.sequences: list[Any] = []
        lengths: list[tuple[str, int]] = []
        if length is not None:
            lengths.append(("length", check_count(length, "length", least=0)))
        self._nest = None if xs is None else self._collect(xs, "xs", lengths)
        if not lengths:
            raise ValueError("scan needs xs or length, which say how many rounds there are")
        (_, self.length) = lengths[0]
        for name, other in lengths[1:]:
            if other != self.length:
                raise ValueError(f"{name} has {other} elements, but {lengths[0][0]} has or is {self.length}")

    def _collect(self, xs: Any, name: str, lengths: list[tuple[str, int]]) -> Any:
        container = None if isinstance(xs, (list, range, deque)) else take_apart(xs)
        if container is not None:
            kind, keys, parts, setting = container
            names = [f"{name}[{key!r}]" if issubclass(kind, dict) else f"{name}.{key}" for key in keys]
            names = names or [f"{name}[{i}]" for i in range(len(parts))]
            inner = [self._collect(part, its_name, lengths) for part, its_name in zip(parts, names)]
            structure = Structure(kind, keys, setting=setting)
            return lambda row: structure.make([part(row) for part in inner])
        if isinstance(xs, (list, range, np.ndarray)) and np.ndim(xs if isinstance(xs, np.ndarray) else [0]):
            if isinstance(xs, np.ndarray):
                check_array(xs, name)
                if xs.dtype.kind not in "biufO":
                    flatten(xs[:1], name)  # raises
            lengths.append((name, len(xs)))
            i = len(self.sequences)
            self.sequences.append(xs)
            return lambda row: row[i]
        raise TypeError(f"{name} must be a list or array, or a tuple, dict or dataclass of these, not {describe(xs)}")

    def nest(self, row: Sequence[Any]) -> Any:
        """Nest an element of each sequence as the sequences are."""
        return None if self._nest is None else self._nest(row)


def _loop(f: Callable[..., Any], init: Any, columns: _Columns, reverse: bool) -> tuple[Any, Any]:
    """Run the rounds."""
    rounds = range(columns.length)
    structure = flatten(init, "init")[1]
    carry, ys = in_doubles(init), []
    for i in reversed(rounds) if reverse else rounds:
        carry, y = _checked(f, f(carry, columns.nest([in_doubles(column[i]) for column in columns.sequences])))
        if structure is not NUMBER or not (type(carry) is float or isinstance(carry, Scalar)):
            _check_carry(f, _flatten(f, carry, "the carry")[1], structure)
            carry = in_doubles(carry)
        ys.append(y)
    if reverse:
        ys.reverse()
    count = sum([y is None for y in ys])
    if count == len(ys):
        return carry, None
    if count:
        raise TypeError(
            f"{count} of {len(ys)} rounds of scan gave None as their result, and the others a number{_line(f)}"
        )
    flat = [_flatten(f, y, "a round's result") for y in ys]
    structure = flat[0][1]
    for _, nested in flat:
        if nested is not structure and nested != structure:
            raise TypeError(f"the results of rounds of scan are nested in different ways{_line(f)}")
    return carry, _stack(structure, [[numbers[k] for numbers, _ in flat] for k in range(structure.size)], len(flat))


def _stack(structure: Structure, columns: Sequence[Sequence[Any]], length: int) -> Any:
    """Nest the results of all rounds as those of one round, with an array in place of each number or array."""
    remaining = iter(columns)

    def leaf(part: Structure) -> Any:
        shape = part.keys if part.kind is np.ndarray else ()
        own = [next(remaining) for _ in range(part.size)]
        numbers = own[0] if len(own) == 1 else [column[i] for i in range(length) for column in own]
        return make_array(numbers, (length, *shape))

    return structure.nest(leaf)


def _trace(
    f: Callable[..., Any], init: Any, columns: _Columns, reverse: bool, checkpoint: int | None
) -> tuple[Any, Any]:
    """Let the tracer record the rounds as a loop."""
    numbers, structure = flatten(init, "init")
    length = columns.length
    arrays: list[Any] = []
    elements: list[Structure] = []  # of each sequence
    for column in columns.sequences:
        own, element = _split(column, length)
        arrays += own
        elements.append(element)
    nested: list[Structure | None] = [None]

    def trace_round(carry: Sequence[Any], row: Sequence[Any]) -> list[Any]:
        remaining = iter(row)
        parts = [unflatten(element, [next(remaining) for _ in range(element.size)]) for element in elements]
        result, y = _checked(f, f(unflatten(structure, carry), columns.nest(parts)))
        carried, found = _flatten(f, result, "the carry")
        _check_carry(f, found, structure)
        if y is None:
            nested[0] = None
            return carried
        own, nested[0] = _flatten(f, y, "a round's result")
        return carried + own

    carried, ys = _record(trace_round, numbers, arrays, length, reverse, checkpoint)
    carry = unflatten(structure, carried)
    return carry, None if nested[0] is None else _stack(nested[0], ys, length)


def _record(
    trace_round: Any, init: Sequence[Any], arrays: Sequence[Any], length: int, reverse: bool, checkpoint: int | None
) -> tuple[Sequence[Any], list[list[Any]]]:
    """Record rounds, as many as possible in segments; give the last carries, and the elements of each array made."""
    tracer: Any = modes.tracer.get()
    segment = length if checkpoint in (None, 1) else min(checkpoint, length)
    whole = length // segment * segment
    parts = [(0, whole), (whole, length)] if whole < length else [(0, length)]
    made: dict[int, list[list[Any]]] = {}
    carried = init
    for begin, end in reversed(parts) if reverse else parts:
        own = [array[begin:end] for array in arrays]
        if end - begin <= segment:
            settings = {"length": end - begin, "reverse": reverse, "is_recomputed": checkpoint == 1}
            outputs = tracer.loop(trace_round, carried, own, **settings)
        else:
            outputs = _record_segments(trace_round, carried, own, (end - begin) // segment, segment, reverse)
        carried = outputs[: len(init)]
        made[begin] = [tracer.elements(array) for array in outputs[len(init) :]]
    return carried, [[*chain(*[made[begin][k] for begin, _ in parts])] for k in range(len(made[0]))]


def _record_segments(
    trace_round: Any, init: Sequence[Any], arrays: Sequence[Any], count: int, rounds: int, reverse: bool
) -> list[Any]:
    """Record a loop of loops of some rounds each. The outer one keeps nothing but its carries for the way back."""

    def segment(carry: Sequence[Any], pieces: Sequence[Any]) -> list[Any]:
        inner: Any = modes.tracer.get()
        outputs: list[Any] = inner.loop(trace_round, carry, pieces, length=rounds, reverse=reverse)
        return outputs

    settings = {"length": count, "reverse": reverse, "is_recomputed": True}
    tracer: Any = modes.tracer.get()
    outputs: list[Any] = tracer.loop(segment, init, arrays, rounds, **settings)
    return outputs


def _split(column: Any, length: int) -> tuple[list[Any], Structure]:
    """List the arrays of which a sequence consists, one for each number in an element, and how elements are nested."""
    if isinstance(column, range):
        return [np.array(column, np.float64)], Structure(float)
    if isinstance(column, np.ndarray):
        rows = column.reshape(length, -1)
        structure = Structure(np.ndarray, column.shape[1:]) if column.ndim > 1 else Structure(float)
        is_known = column.dtype != object
        return [
            np.ascontiguousarray(rows[:, k], np.float64) if is_known else rows[:, k].tolist()
            for k in range(structure.size)
        ], structure
    flat = [flatten(element, "an element of xs") for element in column]
    structure = flat[0][1]
    if any(other != structure for _, other in flat):
        raise TypeError("the elements of xs are nested in different ways")
    return [[numbers[k] for numbers, _ in flat] for k in range(structure.size)], structure


def _checked(f: Callable[..., Any], result: Any) -> tuple[Any, Any]:
    if not (isinstance(result, tuple) and len(result) == 2):
        raise TypeError(
            f"a round of scan gives a pair, the next carry and a result or None, not {describe(result)}{_line(f)}"
        )
    return result


def _flatten(f: Callable[..., Any], tree: Any, role: str) -> tuple[list[Any], Structure]:
    """List the numbers of what a round gives."""
    try:
        return flatten(tree, role)
    except NoNumber as error:
        raise TypeError(f"{error}{_line(f)}") from None


def _check_carry(f: Callable[..., Any], found: Structure, expected: Structure) -> None:
    if found is not expected and found != expected:
        raise TypeError(
            f"each round must give a carry that is nested as the one that it takes, {expected.nest(_Named)}, "
            f"not {found.nest(_Named)}{_line(f)}"
        )


class _Named:
    """A number or an array, as a message names it."""

    def __init__(self, part: Structure) -> None:
        self.part = part

    def __repr__(self) -> str:
        return "number" if self.part.kind is float else f"array of shape {self.part.keys}"


def _line(f: Callable[..., Any]) -> str:
    while isinstance(f, partial):
        f = f.func
    code = getattr(unwrap(f), "__code__", None)
    return "" if code is None else written((code, 0))
