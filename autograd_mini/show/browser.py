"""Opens pictures and pages in the web browser, from a terminal as from a notebook."""

from __future__ import annotations

import os
import tempfile
import webbrowser
from pathlib import Path

from autograd_mini.engine.emscripten import IN_BROWSER


def show_file(content: bytes, suffix: str) -> None:
    """Write a temporary file and open it; a RuntimeError says what to do where there is no browser.

    The file stays: a browser may read it after the process has ended. Python in a browser's page has files that the
    browser can't open: there a picture is shown by the page itself.
    """
    if IN_BROWSER:
        raise RuntimeError("in a page nothing can be opened: without show(), the last line of a cell is shown there")
    handle, name = tempfile.mkstemp(suffix, "autograd_mini-")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    if not webbrowser.open(Path(name).as_uri()):
        raise RuntimeError(f"no web browser could be opened; it is saved as {name}")
