"""The operands of a node that has more than two: from the arguments of its operation, and with a double for each."""

# What fan.pxd declares, and the plain engine never comes to:
# ruff: noqa: F821
# mypy: disable-error-code="attr-defined, name-defined"

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

if cython.compiled:
    from cython.cimports.cpython.mem import PyMem_Free, PyMem_Malloc


@cython.final
@cython.no_gc
@cython.freelist(4096)
@cython.cclass
class Fan:
    """Operands, and doubles in C memory."""

    __slots__ = ("local", "operands")

    operands: tuple[Any, ...]
    local: cython.p_double  # of up to four operands, in the compiled engine, within the fan itself

    def __dealloc__(self) -> None:  # called in the compiled engine alone
        if cython.compiled and self.local != self.few:
            PyMem_Free(self.local)


def make_fan(operands: tuple[Any, ...]) -> Fan:
    """Make room for a double for each operand."""
    fan: Fan = Fan.__new__(Fan)
    fan.operands = operands
    n = len(operands)
    if cython.compiled:
        fan.local = fan.few
        if n > 4:
            fan.local = _allocate(n)
        PyObject_GC_UnTrack(operands)  # Values are in no cycle, so the collector need not visit a tuple of them
    else:
        fan.local = [0.0] * n
    return fan


def _allocate(n: cython.Py_ssize_t) -> cython.p_double:
    room = cython.cast(cython.p_double, PyMem_Malloc(n * cython.sizeof(cython.double)))
    if not room:
        raise MemoryError
    return room


def gather_terms(terms: Iterable[Any], start: Any = 0.0) -> list[Any]:
    listed = list(terms)
    if not (isinstance(start, (int, float)) and start == 0):
        listed.insert(0, start)
    return listed


def gather_all(terms: Iterable[Any]) -> list[Any]:
    return list(terms)


def gather_some(terms: Iterable[Any]) -> list[Any]:
    listed = list(terms)
    if not listed:
        raise ValueError("logsumexp needs at least one term")
    return listed


def gather_factors(ws: Iterable[Any], xs: Iterable[Any], bias: Any = 0.0) -> list[Any]:
    listed = [*ws]
    n = len(listed)
    listed.extend(xs)
    if len(listed) != 2 * n:
        raise ValueError(f"dot needs as many ws as xs, but got {n} and {len(listed) - n}")
    listed.append(bias)
    return listed


def gather_points(p: Iterable[Any], q: Iterable[Any]) -> list[Any]:
    ps, qs = list(p), list(q)
    if len(ps) != len(qs):
        raise ValueError(f"dist needs points of one dimension, but got {len(ps)} and {len(qs)} coordinates")
    return ps + qs
