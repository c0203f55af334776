# C types of trace.py, read by Cython alone.

from autograd_mini.compiler.graph cimport Graph
from autograd_mini.engine.arithmetic cimport Scalar
from autograd_mini.engine.operation cimport Operation


cdef class Tracer:
    cdef public Graph graph
    cdef public list captured
    cdef dict _captured
    cdef dict _born

    cpdef Traced number(self, Py_ssize_t node)
    cpdef Traced record(self, Operation operation, object operands)
    cpdef Py_ssize_t node_of(self, object number, Operation operation) except -1


cdef class Traced(Scalar):
    cdef Tracer tracer
    cdef readonly Py_ssize_t node
    cdef public str label
