# C types of value.py, read by Cython alone.

cimport cython

from autograd_mini.engine.fan cimport Fan, gather_factors, make_fan
from autograd_mini.engine.formula cimport Formula, formula_of, holds
from autograd_mini.engine.modes cimport Blocks
from autograd_mini.engine.node cimport Node, check_values, fan_of, linked_node, origin_of, set_fan
from autograd_mini.engine.checks cimport as_float, is_real, to_float
from autograd_mini.engine.operation cimport Operation, Recorder
from autograd_mini.engine.elementary cimport (
    add_, add_d, div_, div_dx, div_dy, mul_, mul_dx, mul_dy, neg_, neg_dx, relu_, relu_dx, sub_, sub_dy
)

cdef Blocks _blocks
cdef object CONSTANT
cdef long long _walk
cdef Operation _ADD, _SUB, _MUL, _DIV, _NEG, _POW, _RELU, _DOT, _SUM


cdef class Value(Node):
    pass


cdef class _ValueRecorder(Recorder):
    cdef object record(self, Operation operation, object operands)
    cdef object record_few(self, Operation operation, Py_ssize_t n, object x, object y, object z)
    cdef object compare_few(self, Operation operation, object x, object y)


cdef object _node(Operation operation, Node left, Node right, double data, double local_left, double local_right)
@cython.locals(opened=cython.longlong, order=list, node=Value, operand=Value)
cpdef list[Value] ordered(list stack, bint reset=*)
@cython.locals(node=Value, operand=Value, upstream=double, i=Py_ssize_t, fine=bint)
cdef bint _backpropagate(list[Value] order) noexcept
cdef void _reset(Value node) noexcept
cdef object _node_in_blocks(Operation operation, Node left, Node right, double data, double local_left, double local_right)
cpdef Value constant(double data)
cdef Value _lift(object number)
cdef object _finish(Value leaf, object label)
cdef object _outside_graph(Operation operation, object operands, double data)
cdef double _computed(Operation operation, list[Any] xs) except? -1
cdef object _apply_operation(Operation operation, object operands)
cdef object _record(Operation operation, tuple[Value, ...] operands)
@cython.locals(found=double[4], by_x=bint, by_y=bint, by_z=bint)
cdef object _record_formula(Operation operation, Formula formula, Py_ssize_t n, object x, object y, object z)
cdef object _record_few(Operation operation, Py_ssize_t n, object x, object y, object z)
cdef bint _holds(Operation comparison, Value left, object right) except? True
cdef bint _is_plain(object operand) except -1
cdef bint _is_wanted(Value operand) noexcept
cdef object _record_fan(Operation operation, Fan fan, double data)
@cython.locals(node=Value)
cdef object _with_fan(Operation operation, Fan fan, double data)
cdef Value _unlinked(Operation operation, double data)
@cython.locals(node=Value, i=Py_ssize_t, n=Py_ssize_t)
cpdef Value make_node(Operation operation, object operands, double data, object local)
cdef Value _as_value(Operation operation, object operand)
@cython.locals(i=Py_ssize_t)
cdef list[Any] _as_values(Operation operation, list[Any] operands)
cdef object _relu(Value operand)
@cython.locals(i=Py_ssize_t, left=Value, right=Value)
cdef object _total(Operation operation, tuple[Value, ...] operands)
