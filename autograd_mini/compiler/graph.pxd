# C types of graph.py, read by Cython alone.

from autograd_mini.compiler.columns cimport Column, Rows
from autograd_mini.engine.operation cimport Operation


cdef class Graph:
    cdef public Py_ssize_t arguments
    cdef public list operations
    cdef public Rows operands
    cdef public dict constants
    cdef public list results
    cdef public dict details
    cdef public dict sizes
    cdef dict _by_number

    cpdef object append(self, Operation operation, object operands)
    cpdef object constant(self, double number)
    cdef bint is_known(self, Py_ssize_t node) noexcept
    cpdef bint is_constant(self, Py_ssize_t node, double number) except -1
