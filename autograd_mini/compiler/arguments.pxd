# C types of arguments.py, read by Cython alone.

cdef object _collect(object tree, list key, list leaves, object depth)
