# C types of operation.py, read by Cython alone.


cimport cython

from autograd_mini.engine.checks cimport as_float

cdef extern from *:
    """
    static void call_as_method(PyObject *type) {
        ((PyTypeObject *)type)->tp_flags |= Py_TPFLAGS_METHOD_DESCRIPTOR;
        PyType_Modified((PyTypeObject *)type);
    }
    """
    void call_as_method(object type)


@cython.no_gc
cdef class Operand:
    pass  # no C methods: a pointer to their table would make each node larger


cdef class Recorder:
    cdef type kind

    cpdef object record(self, Operation operation, object operands)


cdef Recorder _recorder


cdef class Operation:
    cdef dict __dict__
    cdef readonly str name
    cdef readonly object function
    cdef readonly tuple rules
    cdef readonly bint is_variadic
    cdef Py_ssize_t arity
    cdef tuple _defaults
    cdef readonly object gather
    cdef readonly object bound
    cdef readonly bint chooses
    cdef public tuple formulas

    cpdef object apply(self, object operands)
    cpdef object number(self, object operand)


cpdef object as_operand(object operand, str function)
