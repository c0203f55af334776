# C types of trace.py, read by Cython alone.

from autograd_mini.compiler.graph cimport Graph
from autograd_mini.engine.value cimport Value
