# C types of sums.py, read by Cython alone.

from autograd_mini.compiler.graph cimport Graph
