"""Threads for tests: at work at the same time, and with the interpreter changing between them all the time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


@contextmanager
def switch_interval(seconds: float) -> Iterator[None]:
    """Let the interpreter change between threads after so long."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Do some work in threads that begin at the same time, and change as often as they can."""
    start = threading.Barrier(count)

    def begin(i: int) -> Any:
        start.wait(timeout=60)
        return work(i)

    with switch_interval(1e-6), ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))
