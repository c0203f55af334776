# C types of patterns.py, read by Cython alone.

from autograd_mini.compiler.graph cimport Graph


cdef class Step:
    cdef readonly object pattern
    cdef readonly object results
    cdef readonly object operands
    cdef readonly object right
    cdef readonly object places
    cdef readonly object outputs
    cdef readonly object views
    cdef readonly object loop
    cdef readonly object rounds


cdef class _Chooser:
    cdef Graph graph
    cdef object part
    cdef object sums
    cdef object rounds
    cdef list operations
    cdef list operands
    cdef list uses
    cdef list own
    cdef list numbers
    cdef list reads
    cdef str kind
    cdef dict literals
    cdef dict patterns
    cdef set copies
    cdef list steps

    cpdef str _kind(self, Py_ssize_t node)
    cdef tuple _shape(self, object piece)
    cdef object _list_tree(self, object node, list inner, list tree)
