"""The operands of a node that has more than two, with a local derivative, or another double, for each."""

# What fan.pxd declares, and the plain engine never comes to:
# ruff: noqa: F821
# mypy: disable-error-code="attr-defined, name-defined"

from __future__ import annotations

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
