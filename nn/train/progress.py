"""The progress bar of training: tqdm's, where it is installed and somebody can see it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from textwrap import shorten
from typing import Any

from nn.train.history import History


@contextmanager
def progress_bar(wanted: bool, epochs: int | None) -> Iterator[Callable[[History], None]]:
    """Show a bar during the block, unless it is not wanted or stderr is neither terminal nor notebook.

    Yields
    ------
    callable
        To be called with the history after each epoch.
    """
    bar = _tqdm(epochs) if wanted else None
    if bar is None:
        yield lambda history: None
        return

    def advance(history: History) -> None:
        why = f" ({shorten(history.why_plain, 60, placeholder='...')})" if history.why_plain else ""
        bar.set_description_str(history.engine + why, refresh=False)
        bar.set_postfix_str(history.latest(), refresh=False)
        bar.update()

    with bar:
        yield advance


def _tqdm(epochs: int | None) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return None  # a convenience: training goes on without
    in_notebook = "ipykernel" in sys.modules
    bar = tqdm(total=epochs, unit="epoch", disable=False if in_notebook else None)  # None: if no terminal
    return None if bar.disable else bar
