# C types of value.py, read by Cython alone.

cimport cython

from autograd_mini.engine.fan cimport Fan, make_fan
from autograd_mini.engine.formula cimport Formula, Found, formula_of, holds
from autograd_mini.engine.modes cimport Blocks
from autograd_mini.engine.node cimport Node, fan_of, origin_of, set_fan
from autograd_mini.engine.checks cimport as_float, is_real, to_float
from autograd_mini.engine.operation cimport Operation, Recorder
from autograd_mini.engine.operations cimport gather_factors
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
    cpdef object record(self, Operation operation, object operands)
    cpdef object record_few(self, Operation operation, Py_ssize_t n, object x, object y, object z)


cdef object _node(Operation operation, Node left, Node right, double data, double local_left, double local_right)
@cython.locals(opened=cython.longlong, order=list, node=Value, operand=Value)
cpdef list[Value] ordered(list stack, bint reset=*)
@cython.locals(node=Value, operand=Value, upstream=double, i=Py_ssize_t, fine=bint)
cdef bint _backpropagate(list[Value] order) noexcept
cdef void _reset(Value node) noexcept
cdef object _node_in_blocks(Operation operation, Node left, Node right, double data, double local_left, double local_right)
cpdef object check_values(object nodes)
cdef void _fill(Node node, double data, object origin) noexcept
cpdef Value constant(double data)
cdef Value _lift(object number)
cdef object _finish(Value leaf, object label)
cdef object _outside_graph(Operation operation, object operands, double data)
cdef double _computed(Operation operation, list[Any] xs) except? -1
cdef object _apply_operation(Operation operation, object operands)
cdef object _record(Operation operation, list[Value] operands)
@cython.locals(found=Found)
cdef object _record_formula(Operation operation, Formula formula, Py_ssize_t n, object x, object y, object z)
cdef object _record_few(Operation operation, Py_ssize_t n, object x, object y, object z)
cdef bint _is_plain(object operand) noexcept
cdef bint _is_wanted(Value operand) noexcept
cdef object _record_fan(Operation operation, Fan fan, double data)
cdef object _with_fan(Operation operation, Fan fan, double data)
cdef Value _as_value(Operation operation, object operand)
cdef list[Any] _as_values(Operation operation, list[Any] operands)
cdef object _relu(Value operand)
cdef object _total(Operation operation, tuple[Value, ...] operands)
