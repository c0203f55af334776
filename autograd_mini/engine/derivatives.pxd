# C types of derivatives.py, read by Cython alone.

from autograd_mini.engine.fan cimport Fan, make_fan
from autograd_mini.engine.node cimport fan_of
from autograd_mini.engine.operation cimport Operation
from autograd_mini.engine.value cimport Value, ordered


cdef Operation _MUL

cdef list[Any] _local_derivatives(object out, list[Any] operands, list[bool] wanted)
cdef object _times(object upstream, object local)
