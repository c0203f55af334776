# C types of kernel.py, read by Cython alone.

from autograd_mini.compiler.runtime.memory cimport copy, has_nan, is_contiguous


cdef class Kernel:
    cdef readonly object source
    cdef readonly object program
    cdef readonly object code
    cdef public dict seconds
    cdef readonly object graph
    cdef readonly list captured
    cdef readonly object blocks
    cdef readonly object reduce
    cdef readonly object structure
    cdef readonly bint is_mapped
    cdef readonly bint is_doubtful
    cdef readonly Py_ssize_t slots
    cdef bint _has_once
    cdef bint _is_folded
    cdef bint _is_mean
    cdef object _results
    cdef Py_ssize_t _count
    cdef object _nest
    cdef list _frames
    cdef list _singles
    cdef list _arrays
    cdef list _mapped
    cdef object _captured

    cdef object _nested(self, object numbers, Py_ssize_t batch)
    cdef object _compute(self, object frame, object leaves, object cut, Py_ssize_t threads)
