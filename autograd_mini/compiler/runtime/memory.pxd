# C types of memory.py, read by Cython alone.

cdef extern from *:
    """
    #define HEAD (sizeof(PyObject) / sizeof(long long))  /* 2; without the GIL 4 */
    """
    enum: HEAD

cdef bint _is_known

cpdef bint has_nan(object array) except -1
cpdef long long address_of(object array) except? -1
cpdef bint is_contiguous(object array) except -1
cpdef object copy(object array, object target)
cpdef object store(long long address, Py_ssize_t index, long long number)
