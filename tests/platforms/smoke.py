"""What the package must do on every platform: backward, an explanation, compiled functions, a drawing.

    python tests/platforms/smoke.py

It prints numbers that IEEE 754 defines to the last bit: two platforms print the same. What comes from a platform's
math library is compared with mpmath's values, to 1e-13.
"""

from __future__ import annotations

import math
import platform
import sys
from typing import Any

import numpy as np

from autograd_mini import (
    COMPILED,
    Value,
    draw,
    exp,
    explain,
    grad,
    jit,
    lgamma,
    maximum,
    scan,
    sqrt,
    tanh,
    value_and_grad,
)
from autograd_mini.compiler.backends.choice import backend_name


def rational(x: Any, y: Any) -> Any:
    return sqrt(x * x + y) / (1.0 + abs(x - y)) - maximum(x, y) * 0.1


def recursion(a: Any, x: Any) -> Any:
    return scan(lambda state, _: (state * a - state * state / 3.0, None), x, range(200))[0]


def numbers() -> list[Any]:
    """Compute what is the same to the last bit on all platforms."""
    derive = value_and_grad(rational, argnums=(0, 1))
    points = np.linspace(-1.7, 2.9, 37)  # more than a whole number of vectors, of whatever width
    values, slopes = jit(derive, in_axes=(0, None))(points, 2.5)
    eager = [derive(point, 2.5) for point in points.tolist()]
    assert values.tolist() == [value for value, _ in eager]
    assert [s.tolist() for s in slopes] == [list(column) for column in zip(*[found for _, found in eager])]
    loop = value_and_grad(recursion, argnums=(0, 1))
    assert jit(loop)(1.3, 0.2) == loop(1.3, 0.2)
    return [*values.tolist(), *(s.tolist() for s in slopes), loop(1.3, 0.2)]


def check_library() -> None:
    for compute in (grad(tanh), jit(grad(tanh))):
        assert math.isclose(compute(0.5), 0.786447732965927410, rel_tol=1e-13)
    for compute in (lambda x: tanh(exp(x)) + lgamma(x), jit(lambda x: tanh(exp(x)) + lgamma(x))):
        assert math.isclose(compute(0.5), 1.501046884075130375, rel_tol=1e-13)


if __name__ == "__main__":
    x, y, z = Value(-2.0), Value(5.0), Value(-4.0)
    f = (x + y) * z
    f.backward()
    print(explain(f, x=x, y=y, z=z), [x.grad, y.grad, z.grad], *numbers(), sep="\n")
    check_library()
    try:
        assert draw(f).svg().rstrip().endswith("</svg>")
        drawings = "drawings"
    except RuntimeError as error:  # no renderer for this platform
        drawings = f"no drawings: {error}"
    engine = "compiled" if COMPILED else "plain"
    about = [platform.system(), platform.machine(), f"Python {platform.python_version()}", f"{engine} engine"]
    print(*about, f"jit on {backend_name()}", drawings, sep=", ", file=sys.stderr)
