# C types of operations.py, read by Cython alone.


cpdef list[Any] gather_factors(object ws, object xs, object bias=*)
