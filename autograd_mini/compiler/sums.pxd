# C types of sums.py, read by Cython alone.

from autograd_mini.compiler.graph cimport Graph
from autograd_mini.engine.operation cimport Operation


cdef Operation add, dot, mul
