# C types of native.py, read by Cython alone.

from autograd_mini.compiler.runtime.memory cimport address_of, store


cdef object _run(long long function, long long work)

cdef inline void invoke(long long function, long long work) noexcept:
    with nogil:  # other threads may run meanwhile
        (<void (*)(void *) noexcept nogil><void *><size_t>function)(<void *><size_t>work)


cdef class Frame:
    cdef readonly object u
    cdef readonly list arrays
    cdef long long _once
    cdef long long _once_address
    cdef object _code
    cdef object _inputs
    cdef object _once_work
    cdef object _each_work
    cdef object _cut
    cdef object _tile
    cdef long long _each
    cdef long long _each_address
    cdef long long _inputs_address

    cpdef object once(self)
    cpdef object begin(self, object sources, object cut, double divisor)
