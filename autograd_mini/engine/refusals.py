"""What may not be asked of a number that jit traces, and the errors that say what to write instead."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from typing import NoReturn

BRANCHES = (
    "; write autograd_mini.where(autograd_mini.greater(x, y), a, b), maximum, minimum, clip or relu, which choose "
    "anew in each call"
)
TRANSFORMS = "; differentiate with grad, value_and_grad or jacobian"
FUNCTIONS = "; instead of math.exp(v) and the like call autograd_mini.exp(v)"

FLOAT = (
    "a Value does not turn into a float by itself, since its gradient would be lost: instead of "
    "math.exp(v) and the like call autograd_mini.exp(v); to leave the graph on purpose write v.data"
)
INT = "a Value does not turn into an int by itself; write int(v.data), or autograd_mini.trunc(v)"


class TracingError(TypeError):
    """A function that `jit` traces asked for a number that will be another one in each call."""


def refuse(what: str, remedy: str) -> NoReturn:
    """Say what would freeze a traced number, where, and what to write instead."""
    raise TracingError(
        f"{what} a value that jit traces would freeze one call's number for all calls{remedy}{user_line()}"
    )


def user_line() -> str:
    """Name the innermost running line that is not of this package, NumPy or Python's own library."""
    frame = sys._getframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__")).partition(".")[0]
        if module not in ("autograd_mini", "numpy") and module not in sys.stdlib_module_names:
            break
        frame = frame.f_back  # type: ignore[assignment]
    else:
        return ""
    file, number = frame.f_code.co_filename, frame.f_lineno
    source = linecache.getline(file, number, frame.f_globals).strip()
    return f" (line {number} of {Path(file).name}{': ' + source if source else ''})"
