# C types of slots.py, read by Cython alone.

cimport cython

from autograd_mini.compiler.columns cimport Column, Rows
from autograd_mini.compiler.patterns cimport Steps


cdef class _Slots:
    cdef public Column places
    cdef public dict steps
    cdef public dict counts
    cdef public set views
    cdef readonly str kind
    cdef readonly _Slots uniform
    cdef readonly dict known
    cdef readonly Py_ssize_t size
    cdef readonly list free

    cpdef object take(self, object nodes)
    cpdef object leave(self, object nodes)
    @cython.locals(entries=int[::1])
    cpdef list runs(self, object plan, object endings, object structure)
    cdef Py_ssize_t _write_rows(
        self, Steps steps, Rows batches, Py_ssize_t i, int[::1] entries, Py_ssize_t end
    ) except -1
