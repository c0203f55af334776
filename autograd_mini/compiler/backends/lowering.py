"""How operations are lowered, for whatever target: as the row of each says.

A row names a function that the target knows, or is a function itself: that is run on numbers of the target.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NoReturn

from autograd_mini.compiler.program import Body
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import as_float, is_real
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import TABLE

# C's math functions of doubles, by their number of operands: what a row may name, beside rows of the table.
LIBRARY = {
    **dict.fromkeys(
        "acos acosh asin asinh atan atanh cbrt ceil cos cosh erf erfc exp exp2 expm1 fabs floor lgamma log log10 log1p "
        "log2 logb nearbyint rint round sin sinh sqrt tan tanh tgamma trunc".split(),
        1,
    ),
    **dict.fromkeys("atan2 copysign fdim fmax fmin fmod hypot nextafter pow remainder".split(), 2),
}


class Target(ABC):
    """Where numbers are computed: what a backend does for each operation.

    Attributes
    ----------
    refusals : list of str
        Of numbers that were asked for what is not known yet.
    """

    def __init__(self) -> None:
        self.refusals: list[str] = []

    @abstractmethod
    def constant(self, x: float) -> Number:
        """Give a number that is known now."""

    @abstractmethod
    def call(self, name: str, operation: Operation, operands: Sequence[Number]) -> Number | None:
        """Compute the function of a name, which is what an operation does; None if there is none of so many operands.

        The names are those of `LIBRARY`, `"where"`, and of operations as simple as `"add"`.
        """

    @abstractmethod
    def compare(self, operation: Operation, x: Number, y: Number) -> Number:
        """Give 1.0 where a comparison such as `less` is true, and else 0.0."""


class Number(Scalar):
    """A number, or one for each lane, that code computes: does what a float does, except to be known now.

    Comparisons give 1.0 for true and 0.0 for false.
    """

    __slots__ = ("mask", "target", "value")
    __array_ufunc__ = None  # np.float64(2.0) * number is for this class to compute

    def __init__(self, target: Any, value: Any, mask: Any = None) -> None:
        self.target = target
        self.value = value  # of LLVM, or an array
        self.mask = mask  # of a comparison: the bits that the value was made of

    def _apply(self, operation: Operation, operands: Sequence[Any]) -> Number:
        """Compute an operation on operands of which one is this number: what a call of it leads to."""
        return lower(operation, [self._alike(operand, operation) for operand in operands])

    def _alike(self, operand: Any, operation: Operation) -> Number:
        return operand if isinstance(operand, Number) else self.target.constant(operation.number(operand))

    def _compare(self, operation: Operation, other: Any) -> Any:
        if not (isinstance(other, Number) or is_real(other)):
            return NotImplemented
        return self.target.compare(operation, self, self._alike(other, operation))

    def _refuse(self, what: str) -> NoReturn:
        message = f"a number that compiled code computes has no {what}: write where(condition, a, b), not a branch"
        self.target.refusals.append(message)
        raise TypeError(message)

    def __bool__(self) -> NoReturn:
        self._refuse("truth value")

    def __float__(self) -> NoReturn:
        self._refuse("float")

    def __int__(self) -> NoReturn:
        self._refuse("int")


# What operators do, which the functions of these rows are written with.
_OPERATORS = {TABLE[name]: name for name in ("add", "sub", "mul", "div", "neg")}


def lower(operation: Operation, operands: Sequence[Number]) -> Number:
    """Compute one operation on numbers of one target, at least one, as its row of the table says."""
    lowering = _OPERATORS.get(operation, operation.lowering)
    if not isinstance(lowering, str):
        return run_lowering(operation, operands)
    result = operands[0].target.call(lowering, operation, operands)
    if isinstance(result, Number):
        return result
    known = ", ".join(function for function, arity in LIBRARY.items() if arity == len(operands))
    raise TypeError(
        f"the lowering of {operation.name} is {lowering!r}, but of C's math library the compiler "
        f"knows these functions of as many operands ({len(operands)}): {known or 'none'}"
    )


def run_lowering(operation: Operation, operands: Sequence[Number]) -> Number:
    """Compute what the lowering of an operation, or else its function, does when numbers come in place of floats."""
    function = operation.lowering if callable(operation.lowering) else operation.function
    target = operands[0].target
    refusals = len(target.refusals)
    try:
        result = function(*operands)
    except Exception as error:
        raise TypeError(_advice(operation, error)) from error
    if len(target.refusals) > refusals:  # the function caught the error
        raise TypeError(_advice(operation, target.refusals[-1]))
    if isinstance(result, Number):
        return result
    constant: Number = target.constant(as_float(result, f"the result of {operation.name}"))
    return constant


def _advice(operation: Operation, error: object) -> str:
    trouble = "has no lowering, and its function" if operation.lowering is None else "has a lowering that"
    return (
        f"{operation.name} {trouble} can't be compiled ({error}); define it by operation(..., lowering=f) "
        "with an f of arithmetic, comparisons as 0 or 1, and autograd_mini's functions (where, exp, ...)"
    )


def evaluate(target: Target, body: Body, given: Sequence[Number]) -> list[Number]:
    """Compute the results of some operations on the numbers that are given."""
    numbers = list(given)
    for operation, row in body.rows[len(given) :]:
        if operation is None:
            numbers.append(target.constant(float.fromhex(row)))  # type: ignore[arg-type]
        else:
            numbers.append(lower(operation, [numbers[int(x)] for x in row]))
    return [numbers[x] for x in body.results]
