# C types of slots.py, read by Cython alone.

from autograd_mini.compiler.patterns cimport Step
