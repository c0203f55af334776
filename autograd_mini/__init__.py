"""autograd_mini: a scalar reverse-mode automatic differentiation engine.

`Value` records the computation graph, `backward()` runs backpropagation over it.

>>> from autograd_mini import Value
>>> x, y, z = Value(-2.0), Value(5.0), Value(-4.0)
>>> f = (x + y) * z
>>> f.backward()
>>> x.grad
-4.0
"""

from autograd_mini.functions import dist, fsum, log, logsumexp, prod, softmax, sum, sumprod
from autograd_mini.operations import (
    Operation,
    abs,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cbrt,
    ceil,
    clip,
    copysign,
    cos,
    cosh,
    degrees,
    elu,
    erf,
    erfc,
    exp,
    exp2,
    expm1,
    floor,
    fmod,
    gelu,
    greater,
    greater_equal,
    hypot,
    identity,
    leaky_relu,
    less,
    less_equal,
    log1p,
    log2,
    log10,
    maximum,
    minimum,
    operation,
    pow,
    radians,
    relu,
    remainder,
    sigmoid,
    sign,
    silu,
    sin,
    sinh,
    softplus,
    sqrt,
    tan,
    tanh,
    trunc,
    where,
)
from autograd_mini.operations import abs as fabs
from autograd_mini.transforms import check_grads, grad, hessian, hvp, jacobian, value_and_grad
from autograd_mini.value import COMPILED, Value, detect_anomaly, dot, no_grad, topological_order

__version__ = "0.1.0"
