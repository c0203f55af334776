"""Ctrl-C that comes from a worker of a cluster, in the midst of its work."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4


def interrupt_after(count: int, folder: Path) -> Callable[[], None]:
    """Make what workers call: when there have been so many calls, one worker interrupts this process.

    Each call leaves a file in the folder.
    """
    pid = os.getpid()

    def call() -> None:
        (folder / uuid4().hex).touch()
        if len(list(folder.iterdir())) >= count:
            with suppress(FileExistsError):  # one worker sends one signal
                (folder / "sent").touch(exist_ok=False)
                os.kill(pid, signal.SIGINT)

    return call
