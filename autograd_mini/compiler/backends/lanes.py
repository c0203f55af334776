"""How operations become LLVM instructions, on one double or on a vector of them.

Knows no graph. No instruction carries a fast-math flag, and no product is fused with a sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llvmlite import ir

from autograd_mini.compiler.backends import machine
from autograd_mini.compiler.backends.exact_sum import exact_sum
from autograd_mini.compiler.backends.lowering import LIBRARY, Number, Target
from autograd_mini.engine.operation import Operation

DOUBLE = ir.DoubleType()
INDEX, COUNT = ir.IntType(32), ir.IntType(64)


class Lanes(Target):
    """The place where instructions go, and how many doubles each of them works on: those of a vector, or one."""

    def __init__(self, builder: ir.IRBuilder, width: int) -> None:
        super().__init__()
        self.builder = builder
        self.width = width
        self.type = DOUBLE if width == 1 else ir.VectorType(DOUBLE, width)

    def constant(self, x: float) -> Number:
        """Give a number that is known now, the same in all lanes."""
        return Number(self, ir.Constant(self.type, x if self.width == 1 else [x] * self.width))

    def call(self, name: str, operation: Operation, operands: Sequence[Number]) -> Number | None:
        """Emit an instruction, or the call of an intrinsic or library function."""
        values = [operand.value for operand in operands]
        if (name, len(values)) in _INSTRUCTIONS:
            return Number(self, getattr(self.builder, _INSTRUCTIONS[name, len(values)])(*values))
        if (name, len(values)) in _INTRINSICS:
            suffix = "f64" if self.width == 1 else f"v{self.width}f64"
            intrinsic = f"llvm.{_INTRINSICS[name, len(values)]}.{suffix}"
            return Number(self, _call(self, intrinsic, self.type, values))
        if name == "fsum":
            return _exact_sum(operands)
        if name == "select" and len(values) == 3:
            return _select(*operands)
        return _library_call(self, name, values) if LIBRARY.get(name) == len(values) else None

    def compare(self, sign: str, x: Number, y: Number) -> Number:
        """Emit a comparison, which nan makes false, or true of !=."""
        compare = self.builder.fcmp_unordered if sign == "!=" else self.builder.fcmp_ordered
        mask = compare(sign, x.value, y.value)
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
        return self.builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(INDEX, len(lanes)), list(lanes)))


def _call(lanes: Lanes, name: str, kind: ir.Type, arguments: Sequence[ir.Value]) -> ir.Value:
    """Call a function without side effects, declared in the module at its first call."""
    module = lanes.builder.module
    function = module.globals.get(name)
    if function is None:
        function = ir.Function(module, ir.FunctionType(kind, [kind] * len(arguments)), name)
        function.attributes.add("nounwind")
        function.attributes.add("readnone")  # compiled code does not read errno
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


def _exact_sum(operands: Sequence[Number]) -> Number:
    """Store all lanes of the first term, of the second, ..., and sum each lane by itself."""
    lanes, count = operands[0].target, len(operands)
    builder, function = lanes.builder, exact_sum(lanes.builder.module, lambda builder: Lanes(builder, 1))
    with builder.goto_entry_block():
        memory = builder.alloca(DOUBLE, COUNT((count + 2) * lanes.width))
    for index, operand in enumerate(operands):
        place = builder.gep(memory, [COUNT(index * lanes.width)])
        builder.store(operand.value, builder.bitcast(place, lanes.type.as_pointer()), align=8)
    return lanes.gather(
        builder.call(function, [builder.gep(memory, [COUNT(lane)]), COUNT(count), COUNT(lanes.width)])
        for lane in range(lanes.width)
    )


_INSTRUCTIONS = {("add", 2): "fadd", ("sub", 2): "fsub", ("mul", 2): "fmul", ("div", 2): "fdiv", ("neg", 1): "fneg"}
_INTRINSICS = {
    **{("llvm." + name, 1): name for name in ("fabs", "sqrt", "floor", "ceil", "trunc")},
    ("llvm.copysign", 2): "copysign",
}
