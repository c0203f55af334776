# C types of operation.py, read by Cython alone.

cimport cython

from autograd_mini.engine.checks cimport as_float, is_real, to_float

cdef extern from *:
    """
    static PyObject *(*call_few)(PyObject *, Py_ssize_t, PyObject *, PyObject *, PyObject *);
    static PyObject *(*call_in_order)(PyObject *, PyObject *);

    static PyObject *call_operation(PyObject *operation, PyObject *const *given, size_t flags, PyObject *names) {
        Py_ssize_t n = PyVectorcall_NARGS(flags), named = names ? PyTuple_GET_SIZE(names) : 0;
        PyObject *result = NULL, *by_name = NULL;
        if (!named && 0 < n && n <= 3) {
            result = call_few(operation, n, given[0], n > 1 ? given[1] : Py_None, n > 2 ? given[2] : Py_None);
            if (result != Py_NotImplemented) return result;
            Py_CLEAR(result);
        }
        PyObject *arguments = PyTuple_New(n);
        for (Py_ssize_t i = 0; arguments && i < n; i++) PyTuple_SET_ITEM(arguments, i, Py_NewRef(given[i]));
        if (named) by_name = PyDict_New();
        for (Py_ssize_t i = 0; by_name && i < named; i++)
            if (PyDict_SetItem(by_name, PyTuple_GET_ITEM(names, i), given[n + i])) Py_CLEAR(by_name);
        if (arguments && !named) {
            result = call_in_order(operation, arguments);
            if (result == Py_NotImplemented) {
                Py_CLEAR(result);
                result = Py_TYPE(operation)->tp_call(operation, arguments, NULL);
            }
        } else if (arguments && by_name) {
            result = Py_TYPE(operation)->tp_call(operation, arguments, by_name);
        }
        Py_XDECREF(arguments);
        Py_XDECREF(by_name);
        return result;
    }

    /* Call an operation without a tuple or a dictionary of arguments, and as a method without making a method. */
    static void shorten_calls(PyObject *operation, void **entry) {
        PyTypeObject *type = Py_TYPE(operation);
        *entry = (void *)call_operation;
        if (!type->tp_vectorcall_offset) {
            type->tp_vectorcall_offset = (char *)entry - (char *)operation;
            type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
            PyType_Modified(type);
        }
    }

    static void set_calls(
            PyObject *(*few)(PyObject *, Py_ssize_t, PyObject *, PyObject *, PyObject *),
            PyObject *(*in_order)(PyObject *, PyObject *)) {
        call_few = few;
        call_in_order = in_order;
    }
    """
    void shorten_calls(object operation, void** entry)
    void set_calls(object (*few)(object, Py_ssize_t, object, object, object), object (*in_order)(object, object))


@cython.no_gc
cdef class Operand:
    pass  # no C methods: a pointer to their table would make each node larger


cdef class Recorder:
    cdef type kind

    cdef object record(self, Operation operation, object operands)
    cdef object record_few(self, Operation operation, Py_ssize_t n, object x, object y, object z)
    cdef object compare_few(self, Operation operation, object x, object y)


cdef Recorder _recorder


cdef class Operation:
    cdef void* _entry
    cdef dict __dict__
    cdef readonly str name
    cdef readonly object function
    cdef readonly tuple rules
    cdef readonly bint is_variadic
    cdef Py_ssize_t arity
    cdef Py_ssize_t _most
    cdef tuple _defaults
    cdef readonly object gather
    cdef readonly object bound
    cdef readonly bint chooses
    cdef public list formulas

    cpdef object apply(self, object operands)
    cpdef object number(self, object operand)


cpdef object as_operand(object operand, str function)
cpdef object operate(Operation operation, object left, object right)
cpdef object compare(Operation operation, object left, object right)
cdef object _call_few(object operation, Py_ssize_t n, object x, object y, object z)
@cython.locals(missing=Py_ssize_t, given=tuple)
cdef object _call_in_order(object operation, object arguments)
