"""Programs in processes of their own, and what they do with forks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def run(program: str, *arguments: str) -> str:
    """Run a program in a process into which other tests have loaded no library; it may import these helpers."""
    finished = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def check_in_children(count: int, is_right: Callable[[], bool]) -> None:
    """Fork some children, one after the other, each of which must find something right."""
    for _ in range(count):
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if is_right() else 1)
            except BaseException:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0


@contextmanager
def at_work(work: Callable[[], object], count: int = 1) -> Iterator[None]:
    """Do some work over and over in other threads."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.is_set():
            work()

    threads = [threading.Thread(target=repeat) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
