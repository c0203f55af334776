# C types of lines.py, read by Cython alone.

cdef extern from "Python.h":
    ctypedef struct PyFrameObject
    PyFrameObject* PyEval_GetFrame()
    int PyFrame_GetLasti(PyFrameObject* frame)

cdef extern from *:
    """
    #define frame_code(frame) ((PyObject *)PyFrame_GetCode(frame))
    """
    object frame_code(PyFrameObject* frame)

cdef dict _is_ours

cpdef object here()
