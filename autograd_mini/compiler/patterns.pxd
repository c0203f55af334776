# C types of patterns.py, read by Cython alone.

from autograd_mini.compiler.columns cimport Column, Rows
from autograd_mini.compiler.graph cimport Graph

cdef int _END, _LITERALS_BEGIN, _OPERATIONS_BEGIN


cdef class Steps:
    cdef readonly Py_ssize_t nodes
    cdef readonly Py_ssize_t names
    cdef readonly list patterns
    cdef readonly Column kinds
    cdef readonly Rows results
    cdef readonly Rows operands
    cdef readonly dict details

    cpdef Py_ssize_t copy_of(self, Py_ssize_t node)
    cpdef object cut(self, Py_ssize_t count)


cdef class _Chooser:
    cdef Graph graph
    cdef object part
    cdef object sums
    cdef object rounds
    cdef int* begins
    cdef int* operands
    cdef list uses
    cdef list own
    cdef str kind
    cdef dict literals
    cdef Steps steps
    cdef set copies
    cdef dict outputs
    cdef dict kinds
    cdef Column codes
    cdef Column letters
    cdef Column numbers
    cdef Column reads
    cdef Column shape

    cpdef str _kind(self, Py_ssize_t node)
    cdef object _add_shape(self, Rows pieces, Py_ssize_t i)
    cdef object _list_tree(self, Py_ssize_t node, Column inner, Column tree)
