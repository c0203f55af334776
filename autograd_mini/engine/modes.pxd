# C types of modes.py, read by Cython alone.


cdef class Blocks:
    cdef public int open
    cdef dict _guards
