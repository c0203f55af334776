"""What may not be asked of a number that jit traces, and the errors that say what to write instead."""

from __future__ import annotations

from typing import Any, NoReturn

from autograd_mini.engine import modes
from autograd_mini.engine.checks import as_float
from autograd_mini.engine.lines import here, written

BRANCHES = (
    "; write autograd_mini.where(autograd_mini.greater(x, y), a, b), maximum, minimum, clip or relu, which choose "
    "anew in each call; in place of `while x > tolerance` take a fixed number of steps, `for _ in range(n)`, "
    "and choose in each of them"
)
TRANSFORMS = "; differentiate with grad, value_and_grad or jacobian"
FUNCTIONS = (
    "; instead of math.exp(v) and the like call autograd_mini.exp(v); "
    "an array into which it is put is made with dtype=object: np.zeros(n, dtype=object)"
)

FLOAT = (
    "a Value does not turn into a float by itself, since its gradient would be lost: instead of "
    "math.exp(v) and the like call autograd_mini.exp(v); "
    "an array into which it is put is made with dtype=object: np.zeros(n, dtype=object); "
    "to leave the graph on purpose write v.data"
)
NO_GRAPH = ": it was detached or computed under no_grad(), so there is no graph to go back through; compute it outside"
INT = "a Value does not turn into an int by itself; write int(v.data), or autograd_mini.trunc(v)"
INDEX = "; write autograd_mini.take(table, v), through which gradient flows to the table"
NO_INDEX = f"a Value is no index by itself{INDEX}; or table[int(v.data)], range(int(v.data))"


class TracingError(TypeError):
    """A function that `jit` traces asked for a number that will be another one in each call."""


def as_data(number: Any) -> float:
    """Convert the data of a new leaf to a float."""
    try:
        return as_float(number, "data")
    except TypeError as error:
        if hasattr(number, "_apply"):  # a Value, or a traced one
            raise TypeError(f"{error}; compute with the Value as it is, or with a copy of it, x.detach()") from None
        raise


def refuse(what: str, remedy: str) -> NoReturn:
    """Say what would freeze a traced number, where, and what to write instead."""
    error = TracingError(
        f"{what} a value that jit traces would freeze one call's number for all calls{remedy}{written(here())}"
    )
    tracer: Any = modes.tracer.get()
    if tracer is not None:
        tracer.note_refusal(error)
    raise error
