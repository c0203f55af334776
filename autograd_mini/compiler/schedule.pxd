# C types of schedule.py, read by Cython alone.

from autograd_mini.compiler.patterns cimport Step
