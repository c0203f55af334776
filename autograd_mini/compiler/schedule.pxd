# C types of schedule.py, read by Cython alone.

from autograd_mini.compiler.columns cimport Column, Rows, group
from autograd_mini.compiler.patterns cimport Steps


cdef class _Queues:
    cdef Column first
    cdef Column last
    cdef Column lengths
    cdef Column after
    cdef dict ready

    cdef int append(self, Py_ssize_t kind, Py_ssize_t step) except -1
