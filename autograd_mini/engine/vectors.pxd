# C types of vectors.py, read by Cython alone.

from autograd_mini.engine.modes cimport Blocks
from autograd_mini.engine.node cimport Node

cdef Blocks _blocks
