# C types of derivatives.py, read by Cython alone.

from autograd_mini.engine.fan cimport Fan, make_fan
from autograd_mini.engine.node cimport check_values, fan_of
from autograd_mini.engine.operation cimport Operation
from autograd_mini.engine.value cimport Value, ordered


cdef Operation _MUL

cdef class Flows:
    cdef object history
    cdef object numbers
    cdef object operands
    cdef public list found
    cdef public list reached
    cdef bint _in_doubt
    cdef list local
    cdef bint chooses

    cpdef object differentiate(self, Py_ssize_t node, list[bool] wanted)
    cpdef object put(self, Py_ssize_t target, object flow, object reached)
    cpdef object add(self, Py_ssize_t source, Py_ssize_t target, object local)


cdef object _times(object upstream, object local)
