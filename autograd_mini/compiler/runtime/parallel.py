"""Threads that share the parts of a large batch. Knows nothing of what a part is.

Ctrl-C may come between any two instructions. So this thread takes no lock that is written in Python, as those of
`concurrent.futures` are: an interrupt may leave it locked, and all later calls would wait for it forever.
"""

from __future__ import annotations

import os
import sys
from _thread import start_new_thread
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

from autograd_mini.engine.emscripten import IN_BROWSER

_tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
_helpers: list[int] = []  # the threads that do tasks
_MOST_THREADS = 1 if IN_BROWSER else sys.maxsize  # Python in a browser can't start any


def share(work: Callable[[Iterator[int]], None], parts: range, threads: int) -> None:
    """Let this thread, and others if it is worth it, take parts until none is left."""
    helpers = min(threads, len(parts), _MOST_THREADS) - 1
    if helpers <= 0:
        work(iter(parts))
        return
    # Each thread takes from the end of a list, in one step also without the GIL, until it finds None: one for each.
    waiting = [*[None] * (helpers + 1), *reversed(parts)]
    begun: list[None] = []
    ended: list[BaseException | None] = []
    news: SimpleQueue[None] = SimpleQueue()

    def help_out() -> None:
        begun.append(None)
        error: BaseException | None = None
        try:
            work(iter(waiting.pop, None))
        except BaseException as caught:
            error = caught
        ended.append(error)
        news.put(None)

    try:
        for _ in range(helpers):
            _tasks.put(help_out)
        _start(helpers)
        work(iter(waiting.pop, None))
    except BaseException:
        del waiting[helpers + 1 :]  # so that the other threads find no more
        raise
    finally:
        _wait(begun, ended, news)
    for error in ended:
        if error is not None:
            raise error


def _wait(begun: list[None], ended: list[Any], news: SimpleQueue[None]) -> None:
    """Wait, and let not even Ctrl-C end it early: what it interrupts is raised again afterwards."""
    interrupt: BaseException | None = None
    is_over = False
    while not is_over:
        try:
            while len(ended) < len(begun):  # who has not begun yet will find nothing to do
                news.get()
            is_over = True
        except BaseException as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


def _start(helpers: int) -> None:
    """Start threads, unless there are enough."""
    while len(_helpers) < min(helpers, cpu_count()):
        _helpers.append(start_new_thread(_serve, (_tasks,)))


def _serve(tasks: SimpleQueue[Callable[[], None]]) -> None:
    while True:
        tasks.get()()


def cpu_count() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _forget_helpers() -> None:
    global _tasks, _helpers
    _tasks, _helpers = SimpleQueue(), []  # the threads stayed in the parent


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)
