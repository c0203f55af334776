# C types of arithmetic.py, read by Cython alone.

cimport cython

from autograd_mini.engine.operation cimport Operand, Operation, compare, operate

cdef extern from *:
    """
    static int set_type_attribute(PyObject *type, PyObject *name, PyObject *value) {
        int failed = PyDict_SetItem(((PyTypeObject *)type)->tp_dict, name, value);
        PyType_Modified((PyTypeObject *)type);
        return failed;
    }
    """
    int set_type_attribute(object type, object name, object value) except -1


@cython.no_gc
cdef class Scalar(Operand):
    pass


cdef Operation _LESS, _LESS_EQUAL, _GREATER, _GREATER_EQUAL, _EQUAL, _NOT_EQUAL
