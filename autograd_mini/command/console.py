"""The interactive console: a Python prompt with the engine's names at hand."""

from __future__ import annotations

import code
import contextlib
import sys
from typing import Any

import autograd_mini
from autograd_mini import __version__
from autograd_mini.engine.value import COMPILED


def open_console() -> None:
    """Open IPython's console where it is installed, else Python's own; return when the user leaves it."""
    names = public_names()
    if sys.stdin.isatty():
        try:
            import IPython
            from traitlets.config import Config
        except ImportError:
            _add_completion(names)
        else:
            config = Config()
            config.TerminalInteractiveShell.banner1 = banner() + "\n"
            config.TerminalInteractiveShell.enable_tip = False  # the banner has two lines
            config.TerminalInteractiveShell.confirm_exit = False
            IPython.start_ipython(argv=[], user_ns=names, config=config)
            return
    code.interact(banner=banner(), local=names, exitmsg="")


def public_names() -> dict[str, Any]:
    """Give the names that `from autograd_mini import *` would."""
    return {name: getattr(autograd_mini, name) for name in autograd_mini.__all__}


def engine() -> str:
    """Say which of the two engines is running."""
    return "compiled" if COMPILED else "plain Python"


def banner() -> str:
    """Give the console's first two lines."""
    return (
        f"autograd_mini {__version__}, {engine()} engine. Leave with Ctrl-D.\n"
        "Try: x = Value(3); y = x * x + sin(x); y.backward(); x.grad"
    )


def _add_completion(names: dict[str, Any]) -> None:
    with contextlib.suppress(ImportError):  # not on every system
        import readline
        import rlcompleter

        readline.set_completer(rlcompleter.Completer(names).complete)
        readline.parse_and_bind("tab: complete")
