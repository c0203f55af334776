"""The exactly rounded sum in LLVM: Shewchuk's algorithm (1997), as in `math.fsum`, without its overflow.

A sum is kept as partials, doubles of growing size whose sum is exact and of which none reaches into
the last bit of the next. To keep partials from overflowing, the multiples of 2**1000 in large terms
are taken out first and counted; a sum near to overflow, or beyond it, is rounded when scaled down.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from autograd_mini.compiler.backends.index import LONG, Index, Variable, up_to
from autograd_mini.compiler.backends.lanes import DOUBLE, Lanes
from autograd_mini.compiler.backends.lowering import Number
from autograd_mini.engine.operations import where

# There are no more partials than bits that doubles have: each begins at least a bit beyond the one before.
PARTIALS = 2200


def exact_sum(module: ir.Module) -> ir.Function:
    """Write a module's function of (numbers, slots, n, distance): adds up n numbers, whose slots are so far apart."""
    doubles, slots = DOUBLE.as_pointer(), ir.IntType(32).as_pointer()
    add = _Body(module, "add", LONG, [doubles, LONG, DOUBLE])
    round_ = _Body(module, "round", DOUBLE, [doubles, LONG])
    total = _Body(module, "fsum", DOUBLE, [doubles, slots, LONG, LONG])
    add.write_add()
    round_.write_round()
    total.write_sum(add.function, round_.function)
    return total.function


class _Body:
    """A function of numbers or partials, while it is written."""

    def __init__(self, module: ir.Module, name: str, result: ir.Type, arguments: list[ir.Type]) -> None:
        self.function = ir.Function(module, ir.FunctionType(result, arguments), f"autograd_mini.{name}")
        self.function.linkage = "internal"
        self.builder = ir.IRBuilder(self.function.append_basic_block())
        self.scalars = Lanes(self.builder, 1)
        self.partials = self.function.args[0]
        self.zero = self.scalars.constant(0.0)

    def wrap(self, value: ir.Value) -> Any:
        return Index(self.builder, value) if value.type == LONG else Number(self.scalars, value)

    def variable(self, start: Number | Index) -> Variable:
        return Variable(self.builder, start)

    def element(self, index: Index) -> Any:
        return self.wrap(self.builder.load(index.at(self.partials)))

    def store(self, x: Number, index: Index) -> None:
        self.builder.store(x.value, index.at(self.partials))

    def call(self, function: ir.Function, *operands: Any) -> Any:
        return self.wrap(self.builder.call(function, [self.partials, *[operand.value for operand in operands]]))

    def two_sum(self, x: Number, y: Number) -> tuple[Number, Number]:
        """Give x + y rounded, and the rounding error (Knuth)."""
        total = x + y
        part = total - x
        return total, (x - (total - part)) + (y - part)

    def write_add(self) -> None:
        """Write the function that adds a term to n partials, in place, and gives their new number."""
        n, term = map(self.wrap, self.function.args[1:])
        kept, x = self.variable(n.constant(0)), self.variable(term)
        with up_to(n) as index:
            total, error = self.two_sum(x.get(), self.element(index))
            x.set(total)
            with self.builder.if_then((error != 0.0).mask):
                self.store(error, kept.get())
                kept.add(1)
        self.store(x.get(), kept.get())
        self.builder.ret((kept.get() + 1).value)

    def write_round(self) -> None:
        """Write the function that rounds the sum of n partials, n > 0, to a double."""
        b, last = self.builder, self.wrap(self.function.args[1]) - 1
        left, high, low = self.variable(last), self.variable(self.element(last)), self.variable(self.zero)
        test, body, after = (self.function.append_basic_block() for _ in range(3))
        b.branch(test)
        b.position_at_end(test)
        b.cbranch(b.and_(left.get() > 0, (low.get() == 0.0).mask), body, after)
        b.position_at_end(body)
        left.add(-1)
        total, error = self.two_sum(high.get(), self.element(left.get()))
        high.set(total)
        low.set(error)
        b.branch(test)
        b.position_at_end(after)
        # Half of a last place is rounded to even as if nothing followed; where more of its sign follows, correct that.
        some = left.get() > 0
        following = self.element(Index(b, b.select(some, (left.get() - 1).value, LONG(0))))
        more = b.and_(some, (_sign(low.get()) * following > 0.0).mask)
        twice = low.get() * 2.0
        moved = high.get() + twice
        half = (moved - high.get() == twice).mask
        b.ret(b.select(b.and_(more, half), moved.value, high.get().value))

    def write_sum(self, add: ir.Function, round_: ir.Function) -> None:
        """Write the function that sums n terms exactly; `special` is the sum of infs and nans."""
        numbers, slots = self.function.args[:2]
        n, distance = map(self.wrap, self.function.args[2:])
        self.partials = self.builder.alloca(DOUBLE, PARTIALS)
        special, multiples = self.variable(self.zero), self.variable(self.zero)
        partials = self.variable(n.constant(0))

        def include(term: Number) -> None:
            partials.set(self.call(add, partials.get(), term))

        with up_to(n) as index:
            term = self.wrap(self.builder.load((index.load(slots) * distance).at(numbers)))
            is_finite = term - term == 0.0
            finite = where(is_finite, term, 0.0)
            special.add(where(is_finite, 0.0, term))
            whole = self.builder.fptosi((finite * 2.0**-1000).value, LONG)
            multiple = self.wrap(self.builder.sitofp(whole, DOUBLE))
            multiples.add(multiple)
            include(finite - multiple * 2.0**1000)
        is_near_overflow = _size(multiples.get()) > 2.0**22
        down, up = (where(is_near_overflow, scale, 1.0) for scale in (2.0**-60, 2.0**60))
        with self.builder.if_then(is_near_overflow.mask):
            include(self.scaled(partials.get(), down))
        include(multiples.get() * (down * 2.0**1000))
        total = self.call(round_, partials.get()) * up
        self.builder.ret(where(special.get() == 0.0, total, special.get()).value)

    def scaled(self, n: Index, factor: Number) -> Number:
        """Scale the partials of a huge sum; of partials too small for it give the sign, which rounding needs."""
        rest = self.variable(self.zero)
        with up_to(n) as index:
            partial = self.element(index)
            is_small = _size(partial) < 2.0**-900
            is_new = is_small * (partial != 0.0)
            rest.set(where(is_new, _sign(partial) * 2.0**-1000, rest.get()))
            self.store(where(is_small, 0.0, partial * factor), index)
        number: Number = rest.get()
        return number


def _size(x: Number) -> Any:
    return where(x < 0.0, -x, x)


def _sign(x: Number) -> Any:
    """Give 1 or -1, the sign of a number that is not 0."""
    return where(x < 0.0, -1.0, 1.0)
