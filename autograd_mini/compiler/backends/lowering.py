"""How operations become LLVM instructions, on one double or on a vector of them.

Knows the table of operations, but no graph: `Lanes` says where instructions go, a `Number` is one
of their results, and `lower` emits what the row of an operation says. No instruction carries a
fast-math flag, and no product is fused with a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any, NoReturn

import numpy as np
from llvmlite import ir

from autograd_mini.compiler.backends import machine
from autograd_mini.compiler.backends.exact_sum import exact_sum
from autograd_mini.engine.checks import as_float
from autograd_mini.engine.operation import Operand, Operation
from autograd_mini.engine.operations import TABLE

DOUBLE = ir.DoubleType()
INDEX, COUNT = ir.IntType(32), ir.IntType(64)


class Lanes:
    """The place where instructions go, and how many doubles each of them works on.

    Parameters
    ----------
    builder : llvmlite.ir.IRBuilder
    width : int
        The number of doubles in a vector; 1 for plain doubles.

    Attributes
    ----------
    type : llvmlite.ir.Type
        `double`, or a vector of `width` of them.
    """

    def __init__(self, builder: ir.IRBuilder, width: int) -> None:
        self.builder = builder
        self.width = width
        self.type = DOUBLE if width == 1 else ir.VectorType(DOUBLE, width)
        self.refusals: list[str] = []  # of numbers that were asked for what is not known yet

    def constant(self, x: float) -> Number:
        """Give a number that is known now, the same in all lanes."""
        return Number(self, ir.Constant(self.type, x if self.width == 1 else [x] * self.width))

    def splat(self, value: ir.Value) -> Number:
        """Take a double of LLVM as a number that is the same in all lanes."""
        if self.width == 1:
            return Number(self, value)
        first = self.builder.insert_element(ir.Constant(self.type, ir.Undefined), value, INDEX(0))
        return Number(self, self.shuffle(first, first, [0] * self.width))

    def gather(self, doubles: Iterable[ir.Value]) -> Number:
        """Take a double of LLVM for each lane as a number."""
        vector = ir.Constant(self.type, ir.Undefined)
        for lane, value in enumerate(doubles):
            if self.width == 1:
                return Number(self, value)
            vector = self.builder.insert_element(vector, value, INDEX(lane))
        return Number(self, vector)

    def shuffle(self, first: ir.Value, second: ir.Value, lanes: Sequence[int]) -> ir.Value:
        """Give the vector of the lanes at these places of two vectors, one after the other."""
        return self.builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(INDEX, len(lanes)), list(lanes)))


class Number(Operand):
    """A double, or one for each lane, that the code computes: does what a float does, except to be known now.

    Comparisons give 1.0 for true and 0.0 for false.

    Attributes
    ----------
    value : llvmlite.ir.Value
    """

    __array_ufunc__ = None  # np.float64(2.0) * number is for this class to compute

    def __init__(self, lanes: Lanes, value: ir.Value, mask: ir.Value | None = None) -> None:
        self.lanes = lanes
        self.value = value
        self.mask = mask  # of a comparison: the bits that the value was made of

    def _apply(self, operation: Operation, operands: Sequence[Any]) -> Number:
        """Emit an operation on operands of which one is this number: what a call of it leads to."""
        return lower(operation, [self._alike(operand, operation) for operand in operands])

    def _alike(self, operand: Any, operation: Operation) -> Number:
        return operand if isinstance(operand, Number) else self.lanes.constant(operation.number(operand))

    def _binary(self, instruction: str, first: Any, second: Any) -> Any:
        """Emit an instruction on two operands, or leave it to the class of the other one."""
        a, b = (x if isinstance(x, Number) else _constant(self.lanes, x) for x in (first, second))
        if a is None or b is None:
            return NotImplemented
        return Number(self.lanes, getattr(self.lanes.builder, instruction)(a.value, b.value))

    def _compare(self, instruction: str, comparison: str, other: Any) -> Any:
        number = other if isinstance(other, Number) else _constant(self.lanes, other)
        if number is None:
            return NotImplemented
        builder = self.lanes.builder
        mask = getattr(builder, instruction)(comparison, self.value, number.value)
        one, zero = self.lanes.constant(1.0).value, self.lanes.constant(0.0).value
        return Number(self.lanes, builder.select(mask, one, zero), mask)

    def _refuse(self, what: str) -> NoReturn:
        message = f"a number that compiled code computes has no {what}: write where(condition, a, b), not a branch"
        self.lanes.refusals.append(message)
        raise TypeError(message)

    def __add__(self, other: Any) -> Any:
        return self._binary("fadd", self, other)

    def __radd__(self, other: Any) -> Any:
        return self._binary("fadd", other, self)

    def __sub__(self, other: Any) -> Any:
        return self._binary("fsub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._binary("fsub", other, self)

    def __mul__(self, other: Any) -> Any:
        return self._binary("fmul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._binary("fmul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._binary("fdiv", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._binary("fdiv", other, self)

    def __neg__(self) -> Number:
        return Number(self.lanes, self.lanes.builder.fneg(self.value))

    def __pos__(self) -> Number:
        return self

    def __abs__(self) -> Number:
        return lower(TABLE["abs"], [self])

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
        return self._compare("fcmp_ordered", "<", other)

    def __le__(self, other: Any) -> Any:
        return self._compare("fcmp_ordered", "<=", other)

    def __gt__(self, other: Any) -> Any:
        return self._compare("fcmp_ordered", ">", other)

    def __ge__(self, other: Any) -> Any:
        return self._compare("fcmp_ordered", ">=", other)

    def __eq__(self, other: Any) -> Any:
        return self._compare("fcmp_ordered", "==", other)

    def __ne__(self, other: Any) -> Any:
        return self._compare("fcmp_unordered", "!=", other)

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> NoReturn:
        self._refuse("truth value")

    def __float__(self) -> NoReturn:
        self._refuse("float")

    def __int__(self) -> NoReturn:
        self._refuse("int")


def lower(operation: Operation, operands: Sequence[Number]) -> Number:
    """Emit one operation, as its row of the table says.

    Parameters
    ----------
    operation : Operation
    operands : sequence of Number, not empty
        All of one place; an operation of no operand is a constant.

    Returns
    -------
    Number

    Raises
    ------
    TypeError
        If the operation has no lowering, or one that can't be followed.
    """
    if isinstance(operation.lowering, str):
        return _named(operation, operation.lowering, operands)
    return _traced(operation, operation.lowering or operation.function, operands)


def _traced(operation: Operation, function: Callable[..., Any], operands: Sequence[Number]) -> Number:
    """Emit what a function of floats does when numbers come in their place."""
    lanes = operands[0].lanes
    refusals = len(lanes.refusals)
    try:
        result = function(*operands)
    except Exception as error:
        raise TypeError(_advice(operation, error)) from error
    if len(lanes.refusals) > refusals:  # the function caught the error
        raise TypeError(_advice(operation, lanes.refusals[-1]))
    if isinstance(result, Number):
        return result
    return lanes.constant(as_float(result, f"the result of {operation.name}"))


def _advice(operation: Operation, error: object) -> str:
    trouble = "has no lowering, and its function" if operation.lowering is None else "has a lowering that"
    return (
        f"{operation.name} {trouble} can't be compiled ({error}); define it by operation(..., lowering=f) "
        "with an f of arithmetic, comparisons as 0 or 1, and autograd_mini's functions (where, exp, ...)"
    )


def _named(operation: Operation, name: str, operands: Sequence[Number]) -> Number:
    """Emit the instruction, intrinsic or library function of a name."""
    lanes, values = operands[0].lanes, [operand.value for operand in operands]
    if name == "fsum":
        return _exact_sum(operands)
    if name == "select" and len(operands) == 3:
        return _select(*operands)
    if (name, len(values)) in _INTRINSICS:
        return Number(lanes, _call(lanes, f"{name}.{_suffix(lanes)}", lanes.type, values))
    if machine.LIBRARY.get(name) == len(values):
        return _library_call(lanes, name, values)
    known = ", ".join(function for function, arity in machine.LIBRARY.items() if arity == len(values))
    raise TypeError(
        f"the lowering of {operation.name} is {name!r}, but of C's math library the compiler "
        f"knows these functions of as many operands ({len(values)}): {known or 'none'}"
    )


def _suffix(lanes: Lanes) -> str:
    return "f64" if lanes.width == 1 else f"v{lanes.width}f64"


def _call(lanes: Lanes, name: str, kind: ir.Type, arguments: Sequence[ir.Value]) -> ir.Value:
    """Call a function without side effects, declared in the module at its first call."""
    module = lanes.builder.module
    function = module.globals.get(name)
    if function is None:
        function = ir.Function(module, ir.FunctionType(kind, [kind] * len(arguments)), name)
        function.attributes.add("nounwind")
        function.attributes.add("readnone")  # errno is nothing to the compiled code
        if not name.startswith("llvm."):
            function.attributes.add("nobuiltin")  # pow(x, 0.5) stays what the engine computes
    return lanes.builder.call(function, arguments)


def _library_call(lanes: Lanes, name: str, arguments: Sequence[ir.Value]) -> Number:
    """Call a math function for all lanes, by as many lanes at a time as the platform has it for."""
    if lanes.width == 1:
        return Number(lanes, _call(lanes, name, DOUBLE, arguments))
    for step in (8, 4, 2):
        symbol = machine.vector_function(name, len(arguments), step) if step <= lanes.width else None
        if symbol is not None:
            return Number(lanes, _call_in_steps(lanes, symbol, step, arguments))
    return lanes.gather(
        _call(lanes, name, DOUBLE, [lanes.builder.extract_element(argument, INDEX(lane)) for argument in arguments])
        for lane in range(lanes.width)
    )


def _call_in_steps(lanes: Lanes, symbol: str, step: int, arguments: Sequence[ir.Value]) -> ir.Value:
    """Call a function of `step` lanes for each part of wider vectors."""
    kind = ir.VectorType(DOUBLE, step)
    if step == lanes.width:
        return _call(lanes, symbol, kind, arguments)
    results = []
    for start in range(0, lanes.width, step):
        parts = [lanes.shuffle(argument, argument, range(start, start + step)) for argument in arguments]
        results.append(_call(lanes, symbol, kind, parts))
    while len(results) > 1:
        size = 2 * results[0].type.count
        results = [lanes.shuffle(a, b, range(size)) for a, b in zip(results[::2], results[1::2])]
    return results[0]


def _select(condition: Number, x: Number, y: Number) -> Number:
    lanes, mask = condition.lanes, condition.mask
    if mask is None:
        mask = lanes.builder.fcmp_unordered("!=", condition.value, lanes.constant(0.0).value)
    return Number(lanes, lanes.builder.select(mask, x.value, y.value))


def _exact_sum(operands: Sequence[Number]) -> Number:
    """Store all lanes of the first term, of the second, ..., and sum each lane by itself."""
    lanes, count = operands[0].lanes, len(operands)
    builder, function = lanes.builder, exact_sum(lanes.builder.module)
    with builder.goto_entry_block():
        memory = builder.alloca(DOUBLE, COUNT((count + 2) * lanes.width))
    for index, operand in enumerate(operands):
        place = builder.gep(memory, [COUNT(index * lanes.width)])
        builder.store(operand.value, builder.bitcast(place, lanes.type.as_pointer()), align=8)
    return lanes.gather(
        builder.call(function, [builder.gep(memory, [COUNT(lane)]), COUNT(count), COUNT(lanes.width)])
        for lane in range(lanes.width)
    )


_INTRINSICS = {
    *(("llvm." + name, 1) for name in ("fabs", "sqrt", "floor", "ceil", "trunc")),
    ("llvm.copysign", 2),
}


def _constant(lanes: Lanes, x: Any) -> Number | None:
    return lanes.constant(float(x)) if isinstance(x, (Real, np.bool_)) else None
