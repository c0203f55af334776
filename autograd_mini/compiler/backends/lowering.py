"""How operations are lowered, for whatever target: as the row of each says.

A row names a function that the target knows, or is a function itself: that is run on numbers of the target.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, NoReturn

import numpy as np

from autograd_mini.compiler.program import Shape
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import as_float
from autograd_mini.engine.operations import TABLE, Operation

# C's math functions of doubles, by their number of operands: what a row may name, beside rows of the table.
LIBRARY = {
    **dict.fromkeys(
        "acos acosh asin asinh atan atanh cbrt cos cosh erf erfc exp exp2 expm1 lgamma log log10 log1p log2 logb "
        "nearbyint rint round sin sinh tan tanh tgamma".split(),
        1,
    ),
    **dict.fromkeys("atan2 fdim fmax fmin fmod hypot nextafter pow remainder".split(), 2),
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

        The names are those of `LIBRARY`, `"select"`, `"fsum"`, and of operations as simple as `"add"`.
        """

    @abstractmethod
    def compare(self, sign: str, x: Number, y: Number) -> Number:
        """Give 1.0 where x < y, or whatever the sign says, and else 0.0."""


class Number(Scalar):
    """A number, or one for each lane, that code computes: does what a float does, except to be known now.

    Comparisons give 1.0 for true and 0.0 for false.

    Attributes
    ----------
    target : Target
    value : llvmlite.ir.Value or array
    """

    __slots__ = ("mask", "target", "value")
    __array_ufunc__ = None  # np.float64(2.0) * number is for this class to compute

    def __init__(self, target: Any, value: Any, mask: Any = None) -> None:
        self.target = target
        self.value = value
        self.mask = mask  # of a comparison: the bits that the value was made of

    def _apply(self, operation: Operation, operands: Sequence[Any]) -> Number:
        """Compute an operation on operands of which one is this number: what a call of it leads to."""
        return lower(operation, [self._alike(operand, operation) for operand in operands])

    def _alike(self, operand: Any, operation: Operation) -> Number:
        return operand if isinstance(operand, Number) else self.target.constant(operation.number(operand))

    def _binary(self, name: str, first: Any, second: Any) -> Any:
        """Compute an operation on two operands, or leave it to the class of the other one."""
        if not all(isinstance(x, (Number, Real, np.bool_)) for x in (first, second)):
            return NotImplemented
        return self._apply(TABLE[name], (first, second))

    def _compare(self, name: str, other: Any) -> Any:
        if not isinstance(other, (Number, Real, np.bool_)):
            return NotImplemented
        return self.target.compare(_SIGNS[name], self, self._alike(other, TABLE["less"]))

    def _refuse(self, what: str) -> NoReturn:
        message = f"a number that compiled code computes has no {what}: write where(condition, a, b), not a branch"
        self.target.refusals.append(message)
        raise TypeError(message)

    def __add__(self, other: Any) -> Any:
        return self._binary("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return self._binary("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return self._binary("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._binary("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return self._binary("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._binary("mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._binary("div", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._binary("div", other, self)

    def __neg__(self) -> Number:
        return self._apply(TABLE["neg"], (self,))

    def __pos__(self) -> Number:
        return self

    def __abs__(self) -> Number:
        return self._apply(TABLE["abs"], (self,))

    def __pow__(self, other: Any) -> Any:
        return TABLE["pow"](self, other)

    def __rpow__(self, other: Any) -> Any:
        return TABLE["pow"](other, self)

    def __mod__(self, other: Any) -> Any:
        return TABLE["mod"](self, other)

    def __rmod__(self, other: Any) -> Any:
        return TABLE["mod"](other, self)

    def __floordiv__(self, other: Any) -> Any:
        return TABLE["floor_divide"](self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return TABLE["floor_divide"](other, self)

    def __lt__(self, other: Any) -> Any:
        return self._compare("less", other)

    def __le__(self, other: Any) -> Any:
        return self._compare("less_equal", other)

    def __gt__(self, other: Any) -> Any:
        return self._compare("greater", other)

    def __ge__(self, other: Any) -> Any:
        return self._compare("greater_equal", other)

    def __eq__(self, other: Any) -> Any:
        return self._compare("equal", other)

    def __ne__(self, other: Any) -> Any:
        return self._compare("not_equal", other)

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> NoReturn:
        self._refuse("truth value")

    def __float__(self) -> NoReturn:
        self._refuse("float")

    def __int__(self) -> NoReturn:
        self._refuse("int")


# What operators do, which the functions of these rows are written with.
_OPERATORS = {TABLE[name]: name for name in ("add", "sub", "mul", "div", "neg")}
_SIGNS = {"less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!="}


def lower(operation: Operation, operands: Sequence[Number]) -> Number:
    """Compute one operation, as its row of the table says.

    Parameters
    ----------
    operation : Operation
    operands : sequence of Number, not empty
        All of one target; an operation of no operand is a constant.

    Returns
    -------
    Number

    Raises
    ------
    TypeError
        If the operation has no lowering, or one that can't be followed.
    """
    lowering = _OPERATORS.get(operation, operation.lowering)
    if not isinstance(lowering, str):
        return _traced(operation, lowering or operation.function, operands)
    result = operands[0].target.call(lowering, operation, operands)
    if isinstance(result, Number):
        return result
    known = ", ".join(function for function, arity in LIBRARY.items() if arity == len(operands))
    raise TypeError(
        f"the lowering of {operation.name} is {lowering!r}, but of C's math library the compiler "
        f"knows these functions of as many operands ({len(operands)}): {known or 'none'}"
    )


def _traced(operation: Operation, function: Callable[..., Any], operands: Sequence[Number]) -> Number:
    """Compute what a function of floats does when numbers come in their place."""
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


def evaluate(target: Target, shape: Shape | int | str, leaves: Sequence[Number]) -> Number:
    """Compute an expression of a program."""
    if isinstance(shape, int):
        return leaves[shape]
    if isinstance(shape, str):
        return target.constant(float.fromhex(shape))
    operation, operands = shape
    return lower(operation, [evaluate(target, operand, leaves) for operand in operands])
