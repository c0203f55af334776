# C types of node.py, read by Cython alone.

cimport cython

from autograd_mini.engine.arithmetic cimport Scalar
from autograd_mini.engine.checks cimport as_float
from autograd_mini.engine.fan cimport Fan
from autograd_mini.engine.modes cimport Blocks
from autograd_mini.engine.slabs cimport keep_in_slabs, new_node, release_operands

cdef Blocks _blocks


@cython.no_gc
cdef class Node(Scalar):
    cdef double _data
    cdef double _grad
    cdef object _origin
    cdef Node _left
    cdef Node _right
    cdef double _local_left
    cdef double _local_right
    cdef long long _mark


cdef object linked_node(object origin, Node left, Node right)
cpdef object check_values(object nodes)
cpdef object set_gradient(Node node, double grad)
cpdef object restore_leaves(list order)
cpdef object origin_of(Node node)
cpdef Fan fan_of(Node node)
cdef object set_fan(Node node, Fan fan)
