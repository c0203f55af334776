# C types of builder.py, read by Cython alone.

from autograd_mini.compiler.graph cimport Graph
from autograd_mini.engine.operation cimport Operation


cdef object _INFINITE
cdef Operation add, div, mul, neg, sub, where


cdef class Builder:
    cdef public Graph graph
    cdef dict _found
    cdef list _bounds

    cdef object _key(self, Operation operation, object operands)
    cdef double _bound(self, object bound, object operands) except? -1
    cpdef object constant(self, double number)
    cpdef object add(self, Operation operation, object operands)
