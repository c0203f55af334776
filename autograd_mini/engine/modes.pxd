# C types of modes.py, read by Cython alone.


cdef class Blocks:
    cdef public int open
    cdef dict _guards


cdef class OfThread:
    cdef object _default
    cdef object _variable


cdef class Setting:
    cdef readonly bint holds
    cdef public bint is_open
    cdef readonly object before
