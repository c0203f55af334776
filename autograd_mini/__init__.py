"""autograd_mini: a scalar reverse-mode automatic differentiation engine.

`Value` records the computation graph, `backward()` runs backpropagation over it.

>>> from autograd_mini import Value
>>> x, y, z = Value(-2.0), Value(5.0), Value(-4.0)
>>> f = (x + y) * z
>>> f.backward()
>>> x.grad
-4.0
"""

from autograd_mini.compiler.jit import Jitted, Lowered, jit
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.functions import log_to_base, prod, softmax, sumprod
from autograd_mini.engine.modes import detect_anomaly, no_grad
from autograd_mini.engine.operation import Operation, operation
from autograd_mini.engine.operations import *  # noqa: F403 (every row of the table)
from autograd_mini.engine.operations import TABLE
from autograd_mini.engine.operations import abs as fabs
from autograd_mini.engine.refusals import TracingError
from autograd_mini.engine.value import COMPILED, Value, topological_order
from autograd_mini.engine.value import dot as quick_dot
from autograd_mini.show.drawing import Drawing, draw, draw_dot
from autograd_mini.show.explanation import Explanation, explain
from autograd_mini.transforms.check_grads import check_grads
from autograd_mini.transforms.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from autograd_mini.transforms.vmap import vmap
from autograd_mini.version import VERSION

__version__ = VERSION
# The row log is the natural logarithm alone; the row dot is called with less haste.
log, dot = log_to_base, quick_dot  # type: ignore[assignment]

__all__ = [
    *TABLE,
    "COMPILED",
    "Drawing",
    "Explanation",
    "Jitted",
    "Lowered",
    "Operation",
    "Scalar",
    "TracingError",
    "Value",
    "check_grads",
    "detect_anomaly",
    "draw",
    "draw_dot",
    "explain",
    "fabs",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jit",
    "jvp",
    "no_grad",
    "operation",
    "prod",
    "softmax",
    "sumprod",
    "topological_order",
    "value_and_grad",
    "vjp",
    "vmap",
]
