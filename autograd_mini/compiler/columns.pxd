# C types of columns.py, read by Cython alone.

cimport cython


cdef class Column:
    cdef int* at
    cdef Py_ssize_t count
    cdef Py_ssize_t room

    cdef int _reserve(self, Py_ssize_t room) except -1
    cpdef int put(self, int number) except -1
    cpdef int cut(self, Py_ssize_t count) except -1
    cpdef object key(self)
    @cython.locals(view=int[::1])
    cpdef object table(self)


cpdef Rows group(Column numbers, Column groups, Py_ssize_t count)


cdef class Rows:
    cdef readonly Column begins
    cdef readonly Column numbers

    cpdef object append(self, object row)
    cpdef int entry(self, Py_ssize_t i, Py_ssize_t k) except? -1
    cpdef int end(self) except -1
    cpdef int cut(self, Py_ssize_t count) except -1
    cpdef Rows head(self, Py_ssize_t count)
