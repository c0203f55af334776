# C types of value.py, read by Cython alone.

cimport cython

from autograd_mini.engine.arithmetic cimport Scalar
from autograd_mini.engine.operations cimport (
    Operation, add_, add_d, div_, div_dx, div_dy, mul_, mul_dx, mul_dy, neg_, neg_dx, relu_, relu_dx, sub_, sub_dy
)

cdef extern from "Python.h":
    void PyObject_GC_UnTrack(object container)


cdef int _open_blocks
cdef long long _walk
cdef int _depth
cdef list _condemned
cdef object _CONSTANT, _BORN_IN_TRACE
cdef Operation _ADD, _SUB, _MUL, _DIV, _NEG, _RELU, _DOT


cdef class _Fan:
    cdef tuple operands
    cdef double* partials


cdef class Value(Scalar):
    cdef double _data
    cdef double _grad
    cdef object _operation
    cdef Value _left
    cdef Value _right
    cdef double _d_left
    cdef double _d_right
    cdef _Fan _fan
    cdef str _label
    cdef long long _mark


cdef Value _lift(object number)
cdef Value _constant(double data)
cdef Value _node(Operation operation, Value left, Value right, double data, double d_left, double d_right)
cdef Value _relu(Value operand)
cdef Value _record(Operation operation, object operands)
cdef _Fan _make_fan(tuple[Value, ...] operands)
cdef Value _fan_node(Operation operation, _Fan fan, double data)
cdef Value _write_down(Value node, object operation, list[Value] tape)
cdef bint _is_recorded(Operation operation, object operands, double data) except -1
cdef bint _is_differentiable(Value node) noexcept
cdef Value _record_traced(Operation operation, object operands)
cdef long long _place(Value node, long long first) noexcept
cdef tuple _places(tuple[Value, ...] nodes, long long first)
cdef object _partial(Value node, Py_ssize_t i)
cdef object _partial_of_product(Py_ssize_t i, object out, object x, object y)
cdef object _times(object upstream, object partial)
@cython.locals(order=list, stack=list)
cdef list _topological_order(Value root, bint reset=*)
cdef void _backpropagate(list[Value] order, double seed)
cdef list _propagate_aside(list[Value] order, object inputs)
cdef double* _allocate(Py_ssize_t n) except NULL
cdef void _release(_Fan fan)
