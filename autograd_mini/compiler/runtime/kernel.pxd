# C types of kernel.py, read by Cython alone.


cdef class Kernel:
    cdef readonly object graph
    cdef readonly list captured
    cdef readonly object blocks
    cdef readonly object reduce
    cdef readonly object structure
    cdef readonly bint is_mapped
    cdef readonly Py_ssize_t slots
    cdef public dict seconds
    cdef object before
    cdef object stage
    cdef Py_ssize_t _step
    cdef object _places
    cdef object _numbers
    cdef object _nest
    cdef list _frames
    cdef list _tiles
    cdef list _singles
    cdef list _arrays
    cdef list _mapped
    cdef object _captured

    cdef object _compute(self, _Frame frame, object leaves, object cut, Py_ssize_t threads)


cdef class _Frame:
    cdef object u
    cdef list arrays
    cdef object inputs
    cdef object before
    cdef object work
    cdef object work_address
    cdef object cut
    cdef object tile

    cdef object fit(self, object cut, Kernel kernel)
