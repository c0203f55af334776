# C types of operation.py, read by Cython alone.


cimport cython

from autograd_mini.engine.checks cimport as_float

cdef extern from *:
    """
    static ternaryfunc call_by_any_names;
    static PyObject *(*call_in_order)(PyObject *, PyObject *);

    static PyObject *call_operation(PyObject *operation, PyObject *arguments, PyObject *named) {
        if (!named || !PyDict_GET_SIZE(named)) {
            PyObject *result = call_in_order(operation, arguments);
            if (result != Py_NotImplemented) return result;
            Py_DECREF(result);
        }
        return call_by_any_names(operation, arguments, named);
    }

    /* Call operations without a dictionary for names that are not there, and as methods without making a method. */
    static void shorten_calls(PyObject *operations, PyObject *(*in_order)(PyObject *, PyObject *)) {
        PyTypeObject *type = (PyTypeObject *)operations;
        call_in_order = in_order;
        call_by_any_names = type->tp_call;
        type->tp_call = call_operation;
        type->tp_flags |= Py_TPFLAGS_METHOD_DESCRIPTOR;
        PyType_Modified(type);
    }
    """
    void shorten_calls(object operations, object (*in_order)(object, object))


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
    cdef public list formulas

    cpdef object apply(self, object operands)
    cpdef object number(self, object operand)


cpdef object as_operand(object operand, str function)
@cython.locals(missing=Py_ssize_t, operands=tuple)
cdef object _call_in_order(object operation, object arguments)
