"""Threads that share the parts of a large batch. Knows nothing of what a part is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

_pool: ThreadPoolExecutor | None = None


def share(work: Callable[[Iterator[int]], None], parts: range, threads: int) -> None:
    """Let this thread, and others if it is worth it, take parts until none is left."""
    global _pool
    remaining = iter(parts)
    helpers = min(threads, len(parts)) - 1
    if helpers <= 0:
        work(remaining)
        return
    if _pool is None:
        _pool = ThreadPoolExecutor(cpu_count(), thread_name_prefix="autograd_mini")
    futures = [_pool.submit(work, remaining) for _ in range(helpers)]
    try:
        work(remaining)
    finally:
        _wait_for_all(futures)
    for future in futures:
        future.result()


def _wait_for_all(futures: list[Future[None]]) -> None:
    """Wait, and let not even Ctrl-C end it early: what it interrupts is raised again afterwards."""
    interrupt: BaseException | None = None
    while not all(future.done() for future in futures):
        try:
            wait(futures)
        except BaseException as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


def cpu_count() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _forget_pool() -> None:
    global _pool
    _pool = None  # its threads stayed in the parent


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
