"""autograd_mini: a scalar reverse-mode automatic differentiation engine.

`Value` records the computation graph, `backward()` runs backpropagation over it.

>>> from autograd_mini import Value
>>> x, y, z = Value(-2.0), Value(5.0), Value(-4.0)
>>> f = (x + y) * z
>>> f.backward()
>>> x.grad
-4.0
"""

import builtins
from importlib import import_module
from typing import TYPE_CHECKING

from autograd_mini import linalg
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.functions import log_softmax, log_to_base, prod, softmax, sumprod, take
from autograd_mini.engine.modes import detect_anomaly, no_grad
from autograd_mini.engine.operation import Operation, operation
from autograd_mini.engine.operations import *  # noqa: F403 (every row of the table)
from autograd_mini.engine.operations import TABLE
from autograd_mini.engine.operations import abs as fabs
from autograd_mini.engine.refusals import TracingError
from autograd_mini.engine.value import COMPILED, Value, topological_order
from autograd_mini.engine.value import dot as quick_dot
from autograd_mini.transforms.check_grads import check_grads
from autograd_mini.transforms.scan import fori_loop, scan
from autograd_mini.transforms.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from autograd_mini.transforms.vmap import vmap
from autograd_mini.version import VERSION

if TYPE_CHECKING:  # imported when first used
    from autograd_mini import nn as nn
    from autograd_mini.compiler.jit import Jitted, Lowered, jit
    from autograd_mini.compiler.unrolled import UnrolledLoopWarning
    from autograd_mini.show.drawing import Drawing, draw, draw_dot
    from autograd_mini.show.explanation import Explanation, explain
    from autograd_mini.transforms.multistart import Multistart, multistart

__version__ = VERSION
# The row log is the natural logarithm alone; the row dot is called with less haste.
log, dot = log_to_base, quick_dot  # type: ignore[assignment]

# The compiler and the pictures take longer to import than all the rest, and executors are seldom needed.
_LAZY = {
    "Jitted": "autograd_mini.compiler.jit",
    "Lowered": "autograd_mini.compiler.jit",
    "jit": "autograd_mini.compiler.jit",
    "UnrolledLoopWarning": "autograd_mini.compiler.unrolled",
    "Drawing": "autograd_mini.show.drawing",
    "draw": "autograd_mini.show.drawing",
    "draw_dot": "autograd_mini.show.drawing",
    "Explanation": "autograd_mini.show.explanation",
    "explain": "autograd_mini.show.explanation",
    "Multistart": "autograd_mini.transforms.multistart",
    "multistart": "autograd_mini.transforms.multistart",
}

# What is named like a built-in function, such as `sum`, does not come with `import *`: the built-in works as well.
__all__ = [
    *(name for name in TABLE if not hasattr(builtins, name)),
    "COMPILED",
    "Drawing",
    "Explanation",
    "Jitted",
    "Lowered",
    "Multistart",
    "Operation",
    "Scalar",
    "TracingError",
    "UnrolledLoopWarning",
    "Value",
    "check_grads",
    "detect_anomaly",
    "draw",
    "draw_dot",
    "explain",
    "fabs",
    "fori_loop",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jit",
    "jvp",
    "linalg",
    "log_softmax",
    "multistart",
    "no_grad",
    "operation",
    "prod",
    "scan",
    "softmax",
    "sumprod",
    "take",
    "topological_order",
    "value_and_grad",
    "vjp",
    "vmap",
]


def __getattr__(name: str) -> object:
    if name == "nn":
        return import_module("autograd_mini.nn")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
