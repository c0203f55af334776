"""How operations become LLVM instructions, on one double or on a vector of them.

Knows no graph. No instruction carries a fast-math flag, but `contract` where products may fuse with sums.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from llvmlite import ir

from autograd_mini.compiler.backends import machine
from autograd_mini.compiler.backends.lowering import LIBRARY, Number, Target
from autograd_mini.engine.operation import Operation

DOUBLE = ir.DoubleType()
INDEX = ir.IntType(32)


class Lanes(Target):
    """The place where instructions go, and how many doubles each of them works on: those of a vector, or one.

    With `fuse`, a product and the sum that it is a term of may be rounded once, not twice.
    """

    def __init__(self, builder: ir.IRBuilder, width: int, fuse: bool = False) -> None:
        super().__init__()
        self.builder = builder
        self.width = width
        self.flags = ("contract",) if fuse else ()
        self.type = DOUBLE if width == 1 else ir.VectorType(DOUBLE, width)
        self._found: dict[Any, ir.Value] = {}  # what is computed already, by the block of instructions that it is in

    def constant(self, x: float) -> Number:
        """Give a number that is known now, the same in all lanes."""
        return Number(self, _constant(self.width, float.hex(x)))

    def call(self, name: str, operation: Operation, operands: Sequence[Number]) -> Number | None:
        """Emit an instruction, or the call of an intrinsic or library function; once in a block for the same operands.

        So sigmoid(x) and sigmoid(-x) share the exponential of -abs(x).
        """
        values = [operand.value for operand in operands]
        if name == "fabs" and getattr(values[0], "opname", "") == "fneg":
            values = values[0].operands
        key = (self.builder.block, name, *values)
        if key in self._found:
            return Number(self, self._found[key])
        number = self._emit(name, values, operands)
        if number is not None:
            self._found[key] = number.value
        return number

    def _emit(self, name: str, values: Sequence[ir.Value], operands: Sequence[Number]) -> Number | None:
        if (name, len(values)) in _INSTRUCTIONS:
            flags = self.flags if name in _FUSED else ()
            return Number(self, getattr(self.builder, _INSTRUCTIONS[name, len(values)])(*values, flags=flags))
        if (name, len(values)) in _INTRINSICS:
            intrinsic = f"llvm.{name}.{_suffix(self)}"
            return Number(self, _call(self, intrinsic, self.type, values))
        if name == "where" and len(values) == 3:
            return _select(*operands)
        return _library_call(self, name, values) if LIBRARY.get(name) == len(values) else None

    def compare(self, operation: Operation, x: Number, y: Number) -> Number:
        """Emit a comparison, which nan makes false, or true of !=."""
        compare = self.builder.fcmp_unordered if operation.symbol == "!=" else self.builder.fcmp_ordered
        mask = compare(operation.symbol, x.value, y.value)
        return Number(self, self.builder.select(mask, self.constant(1.0).value, self.constant(0.0).value), mask)

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
        return self.builder.shuffle_vector(first, second, _places(tuple(lanes)))


# Constants are made once: they take as long as the instructions that they are for.
@cache
def _constant(width: int, digits: str) -> ir.Value:
    x = float.fromhex(digits)
    return DOUBLE(x) if width == 1 else ir.Constant(ir.VectorType(DOUBLE, width), [x] * width)


@cache
def _places(lanes: tuple[int, ...]) -> ir.Value:
    return ir.Constant(ir.VectorType(INDEX, len(lanes)), list(lanes))


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
    lanes, mask = condition.target, condition.mask
    if mask is None:
        mask = lanes.builder.fcmp_unordered("!=", condition.value, lanes.constant(0.0).value)
    return Number(lanes, lanes.builder.select(mask, x.value, y.value))


_INSTRUCTIONS = {("add", 2): "fadd", ("sub", 2): "fsub", ("mul", 2): "fmul", ("div", 2): "fdiv", ("neg", 1): "fneg"}
_FUSED = {"add", "sub", "mul"}
_INTRINSICS = {("ceil", 1), ("copysign", 2), ("fabs", 1), ("floor", 1), ("sqrt", 1), ("trunc", 1)}
