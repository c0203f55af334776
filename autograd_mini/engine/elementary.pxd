# C types of elementary.py, read by Cython alone.

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
