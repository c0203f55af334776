"""Runs the cells of a page in Pyodide, as a notebook does: worker.js calls it."""

from __future__ import annotations

import base64
import codeop
import io
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from pyodide.code import eval_code_async

os.environ |= {"MPLBACKEND": "agg", "NO_COLOR": "1"}

Show = Callable[[str, str], None]
names: dict[str, Any] = {"__name__": "__main__"}


def is_complete(code: str) -> bool:
    """Say whether a console may run this; the lines of a loop go on until an empty one."""
    try:
        return codeop.compile_command(code) is not None
    except (SyntaxError, ValueError, OverflowError):
        return True  # running it says what is wrong


async def run(code: str, cell: str, show: Show) -> bool:
    """Run a cell, and say whether it ran to its end.

    `show` gets a kind, html, text or error, and the content.
    """
    names["display"] = lambda value: show(*shown(value))
    try:
        value = await eval_code_async(code, names, filename=f"<{cell}>")
        if value is not None:
            names["_"] = value
            display_last(value, show)
        show_figures(show)
    except BaseException as error:
        show_figures(show)
        show("error", told(error, f"<{cell}>"))
        return False
    return True


def display_last(value: Any, show: Show) -> None:
    """Show the value of a cell's last line; a figure is shown with all the others."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None or not isinstance(value, pyplot.Figure):
        show(*shown(value))


def shown(value: Any) -> tuple[str, str]:
    """Give a value as HTML, if it has such a form, or as text."""
    for method in ("_repr_html_", "_repr_svg_"):
        form = getattr(type(value), method, None)
        html = form(value) if form is not None else None
        if html is not None:
            return "html", html
    return "text", f"{value!r}\n"


def show_figures(show: Show) -> None:
    """Show the figures that a cell has drawn, and close them."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    for number in pyplot.get_fignums() if pyplot is not None else ():
        file = io.BytesIO()
        pyplot.figure(number).savefig(file, format="png", bbox_inches="tight")
        pyplot.close(number)
        data = base64.b64encode(file.getvalue()).decode()
        show("html", f'<img alt="a plot" src="data:image/png;base64,{data}">')


def told(error: BaseException, cell: str) -> str:
    """Write a traceback that begins in the cell."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != cell:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))
