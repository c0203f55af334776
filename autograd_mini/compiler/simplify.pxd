# C types of simplify.py, read by Cython alone.

from autograd_mini.compiler.builder cimport Builder
from autograd_mini.compiler.columns cimport Column, Rows
from autograd_mini.compiler.graph cimport Graph
from autograd_mini.engine.operation cimport Operation


cdef Operation detach, identity, LOOP, OUTPUT

cdef object _write(Builder builder, Graph graph, Py_ssize_t node, list places, dict outputs)
