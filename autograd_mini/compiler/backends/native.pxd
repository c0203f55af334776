# C types of native.py, read by Cython alone.

from autograd_mini.compiler.runtime.memory cimport address_of


cdef class Frame:
    cdef readonly object u
    cdef readonly list arrays
    cdef readonly object once
    cdef object _code
    cdef object _inputs
    cdef object _once_work
    cdef object _each_work
    cdef object _cut
    cdef object _tile
    cdef object _each
    cdef object _each_address

    cpdef object begin(self, object sources, object cut, double divisor)
