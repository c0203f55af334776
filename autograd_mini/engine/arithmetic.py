"""The operators and methods of every kind of number: `Value`, and those that jit traces and compiles.

They look at their operands, and leave the mathematics to the table of operations.
"""

from __future__ import annotations

import operator
from typing import Any

from autograd_mini.engine import operations
from autograd_mini.engine.operation import Operand, Operation, compare, operate

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython


@cython.no_gc
@cython.cclass
class Scalar(Operand):
    """Base class of `Value` and of the numbers that `jit` traces.

    A subclass defines `_apply(operation, operands)`, which computes or records an operation on operands of which one
    is its own, and `_compare(operation, other)`, which answers < <= > >= == !=. One that can be differentiated defines
    `_history(inputs)`, the graph behind it. Every operation of the table is a method, under its own name and NumPy's.
    """

    __slots__ = ()
    __array_priority__ = -1.0  # above NumPy's scalars, which leave operators to this class; below its arrays, at 0

    def __add__(self, other: Any) -> Any:
        return operate(operations.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return operate(operations.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return operate(operations.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return operate(operations.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        return operate(operations.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return operate(operations.mul, other, self)

    def __truediv__(self, other: Any) -> Any:
        return operate(operations.div, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return operate(operations.div, other, self)

    def __pow__(self, other: Any, modulo: Any = None) -> Any:
        return operate(operations.pow, self, other) if modulo is None else NotImplemented

    def __rpow__(self, other: Any, modulo: Any = None) -> Any:
        return operate(operations.pow, other, self) if modulo is None else NotImplemented

    def __mod__(self, other: Any) -> Any:
        return operate(operations.mod, self, other)

    def __rmod__(self, other: Any) -> Any:
        return operate(operations.mod, other, self)

    def __floordiv__(self, other: Any) -> Any:
        return operate(operations.floor_divide, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return operate(operations.floor_divide, other, self)

    def __divmod__(self, other: Any) -> Any:
        return _divide_with_rest(self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return _divide_with_rest(other, self)

    def __round__(self, digits: int | None = None) -> Any:
        """Round half to even; no gradient flows. To a number of digits as NumPy does it, and not `round` of floats."""
        if digits:
            scale = 10.0 ** operator.index(digits)
            return operations.rint(self * scale) / scale
        return operations.rint(self)

    def __neg__(self) -> Any:
        return operations.neg(self)

    def __abs__(self) -> Any:
        return operations.abs(self)

    def __pos__(self) -> Any:
        return self

    def conjugate(self) -> Any:
        """Give this number itself, as a real number's conjugate: numpy.std and numpy.vdot ask for it."""
        return self

    __floor__ = operations.floor
    __ceil__ = operations.ceil
    __trunc__ = operations.trunc

    def __lt__(self, other: Any) -> Any:
        return compare(_LESS, self, other)

    def __le__(self, other: Any) -> Any:
        return compare(_LESS_EQUAL, self, other)

    def __gt__(self, other: Any) -> Any:
        return compare(_GREATER, self, other)

    def __ge__(self, other: Any) -> Any:
        return compare(_GREATER_EQUAL, self, other)

    def __eq__(self, other: Any) -> Any:
        return compare(_EQUAL, self, other)

    def __ne__(self, other: Any) -> Any:
        return compare(_NOT_EQUAL, self, other)

    def __hash__(self) -> int:
        return self._hash()

    def _hash(self) -> int:
        """Hash by identity: sets and dicts of numbers are sets of nodes."""
        return id(self) >> 4

    def _compare(self, operation: Operation, other: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define _compare")


def _divide_with_rest(left: Any, right: Any) -> Any:
    quotient = operate(operations.floor_divide, left, right)
    return NotImplemented if quotient is NotImplemented else (quotient, operate(operations.mod, left, right))


def _add_method(name: str, method: Any) -> None:
    """Give the class an attribute, which an extension type takes through its dictionary alone."""
    if cython.compiled:
        set_type_attribute(Scalar, name, method)  # type: ignore[name-defined]  # noqa: F821 (declared in arithmetic.pxd)
    else:
        setattr(Scalar, name, method)


_LESS, _LESS_EQUAL, _GREATER = operations.less, operations.less_equal, operations.greater
_GREATER_EQUAL, _EQUAL, _NOT_EQUAL = operations.greater_equal, operations.equal, operations.not_equal

for _name, _row in operations.TABLE.items():
    if _row.gather is None:
        _add_method(_name, _row)
for _name, _of in operations.ALIASES.items():
    _add_method(_name, operations.TABLE[_of])
