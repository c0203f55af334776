"""The progress of a compilation: records of the logger `autograd_mini.jit`, and a line on a terminal or in a notebook.

A thread of its own writes the line, since the function that is traced, or LLVM, may keep the compiling thread busy. The
compiling thread takes no lock that is written in Python: Ctrl-C may come between any two instructions.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from _thread import allocate_lock, start_new_thread
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import Any

from autograd_mini.engine.emscripten import IN_BROWSER

log = logging.getLogger("autograd_mini.jit")

# The environment variable that switches the line off, by 0.
VARIABLE = "AUTOGRAD_MINI_PROGRESS"

# In seconds: how long nothing is shown, and how often what is shown is renewed.
SILENCE, PERIOD = 1.0, 0.25
# For how long to wait, at most, until the line is erased.
PATIENCE = 1.0

_here = threading.local()


@contextmanager
def told(name: str) -> Iterator[None]:
    """Show that a function is being compiled, if that takes more than a second, until the block ends."""
    _here.name = name
    if not _is_watched():
        yield
        return
    line, ended, erased = _Line(name), allocate_lock(), allocate_lock()
    ended.acquire()
    erased.acquire()
    try:
        _here.line = line
        start_new_thread(line.show, (ended, erased))
        yield
    finally:
        _here.line = None
        ended.release()
        erased.acquire(timeout=PATIENCE)


@contextmanager
def silence() -> Iterator[None]:
    """Show no line in this thread until the block ends."""
    before, _here.is_silent = _is_silent(), True
    try:
        yield
    finally:
        _here.is_silent = before


def _is_silent() -> bool:
    return getattr(_here, "is_silent", False)


def begin(stage: str) -> None:
    """Let the line say what is done now."""
    line = getattr(_here, "line", None)
    if line is not None:
        line.stage = stage


def end(stage: str, seconds: float, form: Any = None) -> None:
    """Log how long a stage took, and how many nodes there are then."""
    if log.isEnabledFor(logging.INFO):
        graph = getattr(form, "graph", form)
        nodes = f", {len(graph.operations):,} nodes" if hasattr(graph, "operations") else ""
        log.info("%s: %s %.1f ms%s", getattr(_here, "name", "a function"), stage, 1e3 * seconds, nodes)


def _is_watched() -> bool:
    """Say whether to show the line: on a screen, and unless silence is asked for, or the logger has records instead."""
    is_wanted = log.isEnabledFor(logging.WARNING) and not log.isEnabledFor(logging.INFO)
    is_wanted = is_wanted and os.environ.get(VARIABLE) != "0" and not IN_BROWSER and not _is_silent()
    is_notebook = type(sys.stderr).__module__.startswith("ipykernel.")
    return is_wanted and sys.stderr is not None and (is_notebook or sys.stderr.isatty())


class _Line:
    """A line that says what is compiled."""

    def __init__(self, name: str) -> None:
        self.stage, self.name, self.began, self.width = "trace", name, perf_counter(), 0

    def show(self, ended: Any, erased: Any) -> None:
        """Write the line, again and again, until the compilation has ended; then erase it."""
        with suppress(OSError, ValueError):  # nobody is there any more
            while not ended.acquire(timeout=PERIOD if self.width else SILENCE):
                self._write(f"compiling {self.name}: {self.stage}, {perf_counter() - self.began:.0f} s")
            if self.width:
                self._write("")
        erased.release()

    def _write(self, text: str) -> None:
        sys.stderr.write("\r" + text.ljust(self.width) + "\r" * (not text))
        sys.stderr.flush()
        self.width = max(self.width, len(text))
