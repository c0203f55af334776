# C types of operations.py, read by Cython alone.

cdef class Operation:
    cdef dict __dict__
    cdef readonly str name
    cdef readonly object function
    cdef readonly tuple rules
    cdef readonly bint is_variadic
    cdef Py_ssize_t arity


# Each function of the arithmetic exists for C doubles and for objects.

ctypedef fused real:
    double
    object

cpdef real add_(real x, real y) noexcept
cpdef real add_d(real out, real x, real y) noexcept
cpdef real sub_(real x, real y) noexcept
cpdef real sub_dy(real out, real x, real y) noexcept
cpdef real mul_(real x, real y) noexcept
cpdef real mul_dx(real out, real x, real y) noexcept
cpdef real mul_dy(real out, real x, real y) noexcept
cpdef real div_(real x, real y) noexcept
cpdef real div_dx(real out, real x, real y) noexcept
cpdef real div_dy(real out, real x, real y) noexcept
cpdef real neg_(real x) noexcept
cpdef real neg_dx(real out, real x) noexcept
cpdef double relu_(double x) noexcept
cpdef real relu_dx(real out, real x) noexcept
