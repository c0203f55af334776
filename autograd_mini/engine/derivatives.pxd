# C types of derivatives.py, read by Cython alone.

from autograd_mini.engine.fan cimport Fan, make_fan
from autograd_mini.engine.node cimport fan_of
from autograd_mini.engine.operation cimport Operation
from autograd_mini.engine.value cimport Value, check_values, ordered


cdef Operation _MUL

cdef class _Flows:
    cdef object history
    cdef object numbers
    cdef list operands
    cdef bint is_guarded
    cdef list found
    cdef list _reached
    cdef bint _in_doubt
    cdef list local
    cdef bint chooses

    cpdef object start(self, Py_ssize_t place, object number)
    cpdef object differentiate(self, Py_ssize_t node, list[bool] wanted)
    cpdef object add(self, Py_ssize_t source, Py_ssize_t target, object local)


cdef object _times(object upstream, object local)
