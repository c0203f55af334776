"""Modes: what a `with` block changes about computing, for this thread or task and no other.

Knows nothing of Values. While no block is open anywhere, making a node asks one integer; else the
context variables say what holds here.
"""

from __future__ import annotations

import inspect
import sys
import threading
import weakref
from collections.abc import Sequence
from contextlib import ContextDecorator
from contextvars import ContextVar
from functools import partial
from typing import Any, Protocol

from autograd_mini.engine.locks import counting
from autograd_mini.engine.operation import Operation

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython


class Tracer(Protocol):
    """Records the operations of a function that is traced, instead of computing them."""

    def record(self, operation: Operation, operands: Sequence[Any]) -> Any:
        """Record an operation on Values or traced numbers."""

    def compare(self, operation: Operation, left: Any, right: Any) -> Any:
        """Compare two Values."""

    def variable(self, number: float) -> Any:
        """Record a node of its own for a number that is to be differentiated for."""

    def note_birth(self, leaf: Any) -> None:
        """Note that the function itself has made a Value: its data is a constant of the trace."""

    def note_refusal(self, error: Exception) -> None:
        """Take note of an error that must not be lost, though the function that is traced may catch it."""

    def is_traced(self, node: Any) -> bool:
        """Say whether a Value has other data in each call."""

    def made(self, number: Any) -> bool:
        """Say whether a number was computed here, and not before."""


@cython.final
@cython.cclass
class Blocks:
    """Which blocks are open in the whole process, and how many."""

    def __init__(self) -> None:
        self.open = 0
        self._guards: dict[int, Any] = {}

    def enter(self, key: int, guard: Any) -> None:
        with counting:
            self._guards[key] = guard
            self.open = len(self._guards)

    def leave(self, key: int) -> None:
        with counting:
            self._guards.pop(key, None)
            # Blocks that are gone, but whose closing Ctrl-C has cut short, count no more.
            self._guards = {other: guard for other, guard in self._guards.items() if guard() is not None}
            self.open = len(self._guards)


BLOCKS = Blocks()


class _Here(threading.local):
    """What tells this thread from all others, also from those that come after it."""

    def __init__(self) -> None:
        self.mark = object()


_here = _Here()


@cython.final
@cython.cclass
class OfThread:
    """A context variable whose value holds in no thread but the one that has set it."""

    def __init__(self, name: str, default: Any) -> None:
        self._default = default
        self._variable: ContextVar[Any] = ContextVar(name, default=(None, default))

    def get(self) -> Any:
        mark, value = self._variable.get()
        return value if mark is _here.mark else self._default

    def set(self, value: Any) -> None:
        self._variable.set((_here.mark, value))


def _variable(name: str, default: Any) -> Any:
    """Make a context variable that no other thread sees, where a thread may take over the context of another."""
    is_taken_over = getattr(sys.flags, "thread_inherit_context", False)  # by each new thread: free-threaded Python 3.14
    is_free = hasattr(sys, "_is_gil_enabled") and not sys._is_gil_enabled()  # then two must not record at once
    return OfThread(name, default) if is_taken_over or is_free else ContextVar(name, default=default)


recorded: ContextVar[Any] = _variable("recorded", True)
checked: ContextVar[Any] = _variable("checked", False)
in_rules: ContextVar[Any] = _variable("in_rules", False)
tracer: ContextVar[Tracer | None] = _variable("tracer", None)


@cython.final
@cython.cclass
class Setting:
    """What a block has set a context variable to, until it closes; true or false."""

    def __init__(self, holds: bool, before: Any) -> None:
        self.holds = holds
        self.before = before
        self.is_open = True

    def __bool__(self) -> bool:
        return self.holds


class _Block(ContextDecorator):
    """A `with` block that sets a context variable.

    Ctrl-C may come between any two lines of plain Python. A block that it has left open is closed when it is freed;
    each line of closing may be run twice.
    """

    _variable: ContextVar[Any]
    _holds: bool
    _is_open = False

    def __init__(self, *misplaced: object) -> None:
        if misplaced:
            raise TypeError(f"{type(self).__name__} takes no argument; as a decorator write @{type(self).__name__}()")

    def _recreate_cm(self) -> _Block:
        return type(self)()  # as a decorator: a block of its own for each call

    def __call__(self, function: Any) -> Any:
        kinds = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        if any(is_kind(function) for is_kind in kinds):
            raise TypeError(f"{type(self).__name__} can't decorate a generator or coroutine; use `with` inside it")
        return super().__call__(function)

    def __enter__(self) -> None:
        if self._is_open:
            raise RuntimeError(f"this {type(self).__name__} block is open already; make another one")
        before = self._variable.get()
        setting = self._make_setting(before)
        self._close = partial(_close, id(self), self._variable, setting, before)
        self._is_open = True
        BLOCKS.enter(id(self), weakref.ref(self, self._close))
        self._variable.set(setting)

    def _make_setting(self, before: Any) -> Any:
        return Setting(self._holds, before)

    def __exit__(self, *exception: object) -> None:
        self._close()
        self._is_open = False


def _close(key: int, variable: ContextVar[Any], setting: Any, before: Any, _block: Any = None) -> None:
    """Close a block; in a context in which it was not opened this changes nothing."""
    current = variable.get()
    if isinstance(setting, Setting):
        setting.is_open = False
        while isinstance(current, Setting) and not current.is_open:
            current = current.before
        variable.set(current)
    elif current is setting:
        variable.set(before)
    BLOCKS.leave(key)


class no_grad(_Block):
    """Compute without recording: results in this block are constants, with no graph behind them.

    A context manager, and a decorator. It holds for this thread, or asyncio task, alone.

    Examples
    --------
    >>> from autograd_mini import Value, no_grad
    >>> x = Value(3.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.operands
    ()
    """

    _variable = recorded
    _holds = False


class recording(_Block):
    """Record the graph even where `no_grad` holds outside: what a transform does."""

    _variable = recorded
    _holds = True


class detect_anomaly(_Block):
    """Raise at the first operation that makes a nan or an inf out of finite operands.

    Holds for the forward computation and for backward(), in this thread or asyncio task.

    Raises
    ------
    FloatingPointError
        Names the operation, its operands and their labels, and the line of your code that called the operation.

    Examples
    --------
    >>> from autograd_mini import Value, detect_anomaly, log
    >>> with detect_anomaly():  # doctest: +ELLIPSIS
    ...     log(Value(0.0, label="p"))
    Traceback (most recent call last):
        ...
    FloatingPointError: log gave -inf for the operands p = 0.0 (line ...)
    """

    _variable = checked
    _holds = True


class unchecked(_Block):
    """Suspend `detect_anomaly`: it judges local derivatives only when gradient flows through them."""

    _variable = checked
    _holds = False


class tracing(_Block):
    """Let a tracer record what is computed here; with None for a tracer, compute with numbers again.

    Values made before stand for the numbers that they have when the compiled code is called.
    """

    _variable = tracer

    def __init__(self, tracer: Tracer | None) -> None:
        super().__init__()
        self._tracer = tracer

    def _make_setting(self, before: Any) -> Any:
        return self._tracer


class rules(_Block):
    """Let derivative rules compare traced numbers: the result, 0 or 1, is a traced number too."""

    _variable = in_rules
    _holds = True


def is_tracing() -> bool:
    """Say whether a function is being traced here."""
    return BLOCKS.open > 0 and tracer.get() is not None


def is_checking() -> bool:
    """Say whether `detect_anomaly` holds here."""
    return BLOCKS.open > 0 and bool(checked.get())
