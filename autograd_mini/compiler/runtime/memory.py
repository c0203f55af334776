"""The numbers of an array in memory: where they are, whether one is nan, how they are copied, one that is written."""

from __future__ import annotations

import ctypes
import sys

import numpy as np

from autograd_mini.compiler.arguments import Array

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython


def has_nan(array: Array) -> bool:
    """Say whether there is a nan among doubles that stand side by side."""
    if not cython.compiled:
        return bool(np.isnan(array).any())
    count: cython.Py_ssize_t = array.size
    numbers: cython.p_double = cython.cast(cython.p_double, cython.cast(cython.size_t, address_of(array)))
    i: cython.Py_ssize_t
    for i in range(count):  # noqa: SIM110 (a C function has no generator)
        if numbers[i] != numbers[i]:
            return True
    return False


def address_of(array: Array) -> int:
    """Give the address of an array's numbers: where NumPy keeps it, if that is where it did at the start."""
    if not _is_known:
        return int(array.ctypes.data)
    if cython.compiled:
        return cython.cast(cython.p_longlong, cython.cast(cython.p_void, array))[_HEAD]
    return ctypes.c_void_p.from_address(id(array) + 8 * _HEAD).value or 0


def is_contiguous(array: Array) -> bool:
    """Say whether an array's numbers stand side by side, in the order of its axes."""
    if not cython.compiled or not _is_known:
        return bool(array.flags.c_contiguous)
    return cython.cast(cython.p_longlong, cython.cast(cython.p_void, array))[_HEAD + 6] & 1


def copy(array: Array, target: Array) -> None:
    """Copy numbers to another array of the same shape, whose numbers stand side by side."""
    if not cython.compiled or not is_contiguous(array):
        target[...] = array
        return
    i: cython.Py_ssize_t
    source: cython.p_double = cython.cast(cython.p_double, cython.cast(cython.size_t, address_of(array)))
    numbers: cython.p_double = cython.cast(cython.p_double, cython.cast(cython.size_t, address_of(target)))
    count: cython.Py_ssize_t = target.size
    for i in range(count):
        numbers[i] = source[i]


def store(address: cython.longlong, index: cython.Py_ssize_t, number: cython.longlong) -> None:
    """Write an integer of 64 bits into the memory at an address, so many integers further on."""
    if cython.compiled:
        cython.cast(cython.p_longlong, cython.cast(cython.size_t, address))[index] = number
    else:
        ctypes.c_int64.from_address(address + 8 * index).value = number


_HEAD = object.__basicsize__ // 8  # an array begins as any object, in so many words, followed by that address

_is_known = sys.implementation.name == "cpython"
_probe = np.zeros(1)
_is_known = _is_known and address_of(_probe) == _probe.ctypes.data
_is_known = _is_known and is_contiguous(_probe) and not is_contiguous(np.zeros((2, 2))[:, 0])
