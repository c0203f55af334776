# C types of graph.py, read by Cython alone.

from autograd_mini.engine.operation cimport Operation


cdef class Graph:
    cdef public Py_ssize_t arguments
    cdef public list operations
    cdef public list operands
    cdef public dict constants
    cdef public list results
    cdef dict _by_number

    cpdef Py_ssize_t append(self, Operation operation, tuple operands) except -1
    cpdef Py_ssize_t constant(self, double number) except -1
    cpdef bint is_constant(self, Py_ssize_t node, double number) except -1
