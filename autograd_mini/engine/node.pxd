# C types of node.py, read by Cython alone.

cimport cython
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject

from autograd_mini.engine.arithmetic cimport Scalar
from autograd_mini.engine.checks cimport as_float
from autograd_mini.engine.fan cimport Fan
from autograd_mini.engine.modes cimport Blocks
from autograd_mini.engine.slabs cimport keep_in_slabs

cdef extern from *:
    """
    #ifndef Py_GIL_DISABLED
    #define OF_EACH_THREAD
    #elif defined(_MSC_VER)
    #define OF_EACH_THREAD __declspec(thread)
    #else
    #define OF_EACH_THREAD __thread
    #endif

    /* How many nodes are being freed, each by the one before it; and a list of those that wait, if there are any,
       because there are too many for that. */
    typedef struct {int depth; PyObject *waiting;} Freeing;
    static OF_EACH_THREAD Freeing freeing;
    """
    ctypedef struct Freeing:
        int depth
        PyObject* waiting
    Freeing freeing

cdef Blocks _blocks
cdef void _keep_waiting(object left, object right) noexcept
cdef void _free_waiting() noexcept


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


cpdef object check_values(object nodes)
cpdef object set_gradient(Node node, double grad)
cpdef object restore_leaves(list order)
cpdef object origin_of(Node node)
cpdef Fan fan_of(Node node)
cpdef object set_fan(Node node, Fan fan)
