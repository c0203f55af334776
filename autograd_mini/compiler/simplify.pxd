# C types of simplify.py, read by Cython alone.

from autograd_mini.compiler.graph cimport Graph
from autograd_mini.engine.operation cimport Operation


cdef class Builder:
    cdef public Graph graph
    cdef dict _found
    cdef list _bounds

    cdef double _bound(self, object bound, tuple operands) except? -1
    cpdef Py_ssize_t constant(self, double number) except -1
    cpdef Py_ssize_t add(self, Operation operation, tuple operands) except -1
