"""Lines of the user's code, for messages: outside this package, NumPy and Python's own library."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

Place = tuple[CodeType, int]  # some code, and how far its execution has got: kept at the price of a pair

# By the code's id: to hash code is to hash its constants and names. The pair keeps the code, and so its id.
_is_ours: dict[int, tuple[CodeType, bool]] = {}


def _is_library(frame: FrameType) -> bool:
    code = frame.f_code
    known = _is_ours.get(id(code))
    if known is None:
        module = str(frame.f_globals.get("__name__")).partition(".")[0]
        is_ours = module in ("autograd_mini", "numpy") or module in sys.stdlib_module_names
        known = _is_ours[id(code)] = (code, is_ours)
    return known[1]


def here() -> Place | None:
    """Give the place in the user's code that is being run."""
    # Each number that is traced has a place: the shortest way where the user's own code comes first.
    if cython.compiled:
        innermost = PyEval_GetFrame()  # type: ignore[name-defined]  # noqa: F821 (declared in lines.pxd)
        if not innermost:
            return None
        code: Any = frame_code(innermost)  # type: ignore[name-defined]  # noqa: F821
        known: Any = _is_ours.get(id(code))
        if known is not None and not known[1]:
            return (code, PyFrame_GetLasti(innermost))  # type: ignore[name-defined]  # noqa: F821
    frame: FrameType | None = sys._getframe()
    while frame is not None and _is_library(frame):
        frame = frame.f_back
    return None if frame is None else (frame.f_code, frame.f_lasti)


def written(place: Place | None) -> str:
    """Write a place down: ` (line 3 of model.py: y = x * 2)`; nothing for no place."""
    if place is None:
        return ""
    file, number = line_of(place)
    if number is None:
        return ""
    source = linecache.getline(file, number).strip()
    return f" (line {number} of {Path(file).name}{': ' + source if source else ''})"


def line_of(place: Place) -> tuple[str, int | None]:
    """Give the file and the number of the line."""
    code, offset = place
    number = next((line for start, end, line in code.co_lines() if start <= offset < end), None)
    if number is None and offset == 0:  # a function's beginning; one that captures something has no line there
        number = code.co_firstlineno
    return code.co_filename, number
