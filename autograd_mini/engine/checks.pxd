# C types of checks.py, read by Cython alone.


cpdef bint is_real(object number) except -1
cpdef double as_float(object number, str role) except? -1.0
cpdef double to_float(object number, str role) except? -1.0
