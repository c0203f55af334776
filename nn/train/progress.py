"""The progress of training: a bar of tqdm in a terminal or notebook, a log entry elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from textwrap import shorten
from typing import Any

from autograd_mini.compiler.progress import silence
from nn.train.history import History

_LOG = logging.getLogger("nn.fit")

Tell = Callable[[History, int], None]


@contextmanager
def progress_bar(wanted: bool, epochs: int | None) -> Iterator[Tell]:
    """Show a bar during the block, unless it is not wanted or stderr is neither terminal nor notebook.

    Yields
    ------
    callable
        To be called with the history and the number of epochs that were added: 0 once it is known how training runs,
        1 after each epoch. Without a bar the logger "nn.fit" then says why training runs along the graph, if it does.
    """
    if not wanted:
        with silence():
            yield lambda history, added: None
        return
    bar = _tqdm(epochs)
    if bar is None:
        yield _log
        return

    def advance(history: History, added: int) -> None:
        why = f" ({shorten(history.why_plain, 60, placeholder='...')})" if history.why_plain else ""
        bar.set_description_str(history.engine + why, refresh=not added)
        bar.set_postfix_str(history.latest(), refresh=False)
        bar.update(added)

    with bar:
        yield advance


def _log(history: History, added: int) -> None:
    if not added and history.why_plain:
        _LOG.warning("training runs along the graph, not through jit: %s", history.why_plain)


def _tqdm(epochs: int | None) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return None  # a convenience: training goes on without
    if sys.platform == "emscripten":
        tqdm.monitor_interval = 0  # the monitor is a thread, which a browser has not
    in_notebook = "ipykernel" in sys.modules
    bar = tqdm(total=epochs, unit="epoch", disable=False if in_notebook else None)  # None: if no terminal
    return None if bar.disable else bar
