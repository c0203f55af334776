# C types of trace.py, read by Cython alone.

from autograd_mini.compiler.graph cimport Graph
from autograd_mini.engine.arithmetic cimport Scalar
from autograd_mini.engine.operation cimport Operation


cdef object _tracer, _recorded, _in_rules


cdef class Tracer:
    cdef public Graph graph
    cdef public list captured
    cdef public list doubts
    cdef public Py_ssize_t rows
    cdef public bint is_guarded
    cdef public bint is_doubtful
    cdef public object refusal
    cdef public Tracer outer
    cdef dict _captured
    cdef dict _outputs
    cdef dict _born

    cpdef Traced number(self, object node, object place=*)
    cpdef Traced record(self, Operation operation, object operands)
    cpdef object node_of(self, object number, Operation operation)


cdef class Traced(Scalar):
    cdef readonly Tracer tracer
    cdef readonly object node
    cdef object place
    cdef str _label
