# C types of arithmetic.py, read by Cython alone.


cdef class Scalar:
    pass
