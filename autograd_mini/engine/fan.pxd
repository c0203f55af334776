# C types of fan.py, read by Cython alone.

cdef extern from "Python.h":
    void PyObject_GC_UnTrack(object container)


cdef class Fan:
    cdef tuple operands
    cdef double* local
    cdef double[4] few


cpdef Fan make_fan(tuple[Any, ...] operands)
cdef double* _allocate(Py_ssize_t n) except NULL
cpdef list[Any] gather_factors(object ws, object xs, object bias=*)
