# C types of operation.py, read by Cython alone.


cimport cython

from autograd_mini.engine.checks cimport as_float


@cython.no_gc
cdef class Operand:
    pass  # no C methods: a pointer to their table would make each node larger


cdef class Operation:
    cdef dict __dict__
    cdef readonly str name
    cdef readonly object function
    cdef readonly tuple rules
    cdef readonly bint is_variadic
    cdef Py_ssize_t arity
    cdef readonly object gather
    cdef readonly object bound
    cdef readonly bint chooses

    cpdef apply(self, object operands)
