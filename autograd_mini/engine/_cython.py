"""What the compiled modules use of Cython's `cython` module, without effect, for where Cython is not installed."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, TypeVar

T = TypeVar("T")

compiled = False


def _unchanged(target: T) -> T:
    return target


critical_section = nullcontext
final = no_gc = cclass = _unchanged


def freelist(_size: int) -> Any:
    return _unchanged
