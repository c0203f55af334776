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
    cpdef list rows_of(self, list numbers)
    cdef Py_ssize_t _run_at(self, object numbers, Py_ssize_t begin) except -1
    cdef object _slice_of(self, Traced first, Traced second, Py_ssize_t size)
    cdef bint _are_around(self, object numbers) except -1
    cpdef Traced element(self, object array, Py_ssize_t i)


cdef class Traced(Scalar):
    cdef readonly Tracer tracer
    cdef object place
    cdef object _row
    cdef object _array
    cdef Py_ssize_t _index
    cdef str _label
