# C types of graph.py, read by Cython alone.

from autograd_mini.engine.operations cimport Operation


cdef class Graph:
    cdef public Py_ssize_t arguments
    cdef public list operations
    cdef public list operands
    cdef public dict constants
    cdef public list results
    cdef dict _found
    cdef list _numbers
    cdef list _bounds

    cpdef constant(self, double number)
    cpdef add(self, Operation operation, tuple operands)
    cdef dict _found_by(self, Operation operation)
    cdef object _append(self, Operation operation, tuple operands)
    cpdef bint is_constant(self, Py_ssize_t node, double number)
