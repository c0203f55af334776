"""Modes: what a `with` block changes about computing, for this thread or task and no other.

Knows nothing of Values. While no block is open anywhere, making a node asks one integer; else the
context variables say what holds here.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Sequence
from contextlib import ContextDecorator, suppress
from contextvars import ContextVar, Token
from typing import Any, Protocol

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

    def is_traced(self, node: Any) -> bool:
        """Say whether a Value has other data in each call."""


@cython.final
@cython.cclass
class Blocks:
    """How many blocks are open in the whole process."""

    def __init__(self) -> None:
        self.open = 0

    def count(self, change: int) -> None:
        with _blocks_lock:
            self.open += change


# A lock of its own: the collector may close a block in the middle of a walk through a graph.
_blocks_lock = threading.RLock()
BLOCKS = Blocks()

recorded: ContextVar[bool] = ContextVar("recorded", default=True)
checked: ContextVar[bool] = ContextVar("checked", default=False)
in_rules: ContextVar[bool] = ContextVar("in_rules", default=False)
tracer: ContextVar[Tracer | None] = ContextVar("tracer", default=None)


class _Block(ContextDecorator):
    """A `with` block that sets a context variable."""

    _variable: ContextVar[Any]
    _setting: Any

    def __init__(self, *misplaced: object) -> None:
        if misplaced:
            raise TypeError(f"{type(self).__name__} takes no argument; as a decorator write @{type(self).__name__}()")
        self._token: Token[Any] | None = None

    def _recreate_cm(self) -> _Block:
        return type(self)()  # as a decorator: a block of its own for each call

    def __call__(self, function: Any) -> Any:
        kinds = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        if any(is_kind(function) for is_kind in kinds):
            raise TypeError(f"{type(self).__name__} can't decorate a generator or coroutine; use `with` inside it")
        return super().__call__(function)

    def __enter__(self) -> None:
        if self._token is not None:
            raise RuntimeError(f"this {type(self).__name__} block is open already; make another one")
        BLOCKS.count(1)
        self._token = self._variable.set(self._setting)

    def __exit__(self, *exception: object) -> None:
        token, self._token = self._token, None
        with suppress(ValueError):  # closed in another context than it was opened in: nothing to undo there
            self._variable.reset(token)  # type: ignore[arg-type]
        BLOCKS.count(-1)


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
    _setting = False


class recording(_Block):
    """Record the graph even where `no_grad` holds outside: what a transform does."""

    _variable = recorded
    _setting = True


class detect_anomaly(_Block):
    """Raise at the first operation that makes a nan or an inf out of finite operands.

    Holds for the forward computation and for backward(), in this thread or asyncio task.

    Raises
    ------
    FloatingPointError
        Names the operation, its operands and their labels.

    Examples
    --------
    >>> from autograd_mini import Value, detect_anomaly, log
    >>> with detect_anomaly():
    ...     log(Value(0.0, label="p"))
    Traceback (most recent call last):
        ...
    FloatingPointError: log gave -inf for the operands p = 0.0
    """

    _variable = checked
    _setting = True


class unchecked(_Block):
    """Suspend `detect_anomaly`: it judges local derivatives only when gradient flows through them."""

    _variable = checked
    _setting = False


class tracing(_Block):
    """Let a tracer record what is computed here; with None for a tracer, compute with numbers again.

    Values made before stand for the numbers that they have when the compiled code is called.
    """

    _variable = tracer

    def __init__(self, setting: Tracer | None) -> None:
        super().__init__()
        self._setting = setting


class rules(_Block):
    """Let derivative rules compare traced numbers: the result, 0 or 1, is a traced number too."""

    _variable = in_rules
    _setting = True


def is_tracing() -> bool:
    """Say whether a function is being traced here."""
    return BLOCKS.open > 0 and tracer.get() is not None


def is_checking() -> bool:
    """Say whether `detect_anomaly` holds here."""
    return BLOCKS.open > 0 and checked.get()


if hasattr(os, "register_at_fork"):  # a forked child must not inherit a lock that another thread holds
    os.register_at_fork(
        before=_blocks_lock.acquire, after_in_parent=_blocks_lock.release, after_in_child=_blocks_lock.release
    )
