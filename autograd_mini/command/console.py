"""The interactive console: a Python prompt with the engine's names at hand."""

from __future__ import annotations

import code
import contextlib
import sys

import autograd_mini
from autograd_mini import __version__
from autograd_mini.engine.value import COMPILED

ENGINE = "compiled" if COMPILED else "plain Python"

_BANNER = (
    f"autograd_mini {__version__}, {ENGINE} engine. Leave with Ctrl-D.\n"
    "Try: x = Value(3); y = x * x + sin(x); y.backward(); x.grad\n"
    "See it: draw(y).show() and explain(y).show() open the graph, and the way through it, in a browser."
)


def open_console() -> None:
    """Open IPython's console where it is installed, else Python's own; return when the user leaves it."""
    names = {name: getattr(autograd_mini, name) for name in autograd_mini.__all__}
    if sys.stdin.isatty():
        with contextlib.suppress(ImportError):
            import IPython
            from traitlets.config import Config

            # Without IPython's tip of the day the banner has three lines.
            shell = {"banner1": f"{_BANNER}\n", "enable_tip": False, "confirm_exit": False}
            config = Config(TerminalInteractiveShell=shell)
            IPython.start_ipython(argv=[], user_ns=names, config=config)
            return
        with contextlib.suppress(ImportError):  # not on every system
            import readline
            import rlcompleter

            readline.set_completer(rlcompleter.Completer(names).complete)
            readline.parse_and_bind("tab: complete")
    code.interact(banner=_BANNER, local=names, exitmsg="")
