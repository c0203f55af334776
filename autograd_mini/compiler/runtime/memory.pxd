# C types of memory.py, read by Cython alone.

cdef bint _is_known
cdef Py_ssize_t _HEAD

cpdef bint has_nan(object array) except -1
cpdef long long address_of(object array) except? -1
cpdef bint is_contiguous(object array) except -1
cpdef object copy(object array, object target)
cpdef object store(long long address, Py_ssize_t index, long long number)
