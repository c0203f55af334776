"""The exactly rounded sum in LLVM: Shewchuk's algorithm (1997), as in `math.fsum`, without its overflow.

A sum is kept as partials, doubles of growing size whose sum is exact and of which none reaches into
the last bit of the next. To keep partials from overflowing, the multiples of 2**1000 in large terms
are taken out first and counted; a sum near to overflow, or beyond it, is rounded when scaled down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from autograd_mini.compiler.backends.index import LONG, Index, Variable, up_to
from autograd_mini.compiler.backends.lowering import Number
from autograd_mini.engine.operations import where

DOUBLE = ir.DoubleType()


def exact_sum(module: ir.Module, scalars: Callable[[ir.IRBuilder], Any]) -> ir.Function:
    """Give a module's function of (terms, n, stride), which overwrites the terms.

    It needs room for n + 2 terms, and n below 2**21. `scalars` gives the target that computes doubles.
    """
    if "autograd_mini.fsum" not in module.globals:
        add, round_, total = (
            _Body(module, name, result, others, scalars)
            for name, result, others in (("add", LONG, [DOUBLE]), ("round", DOUBLE, []), ("fsum", DOUBLE, []))
        )
        add.write_add()
        round_.write_round()
        total.write_sum(add.function, round_.function)
    return module.globals["autograd_mini.fsum"]


class _Body:
    """A function of n terms or partials of an array, while it is written."""

    def __init__(self, module: ir.Module, name: str, result: ir.Type, others: list[ir.Type], scalars: Any) -> None:
        kind = ir.FunctionType(result, [DOUBLE.as_pointer(), LONG, LONG, *others])
        self.function = ir.Function(module, kind, f"autograd_mini.{name}")
        self.function.linkage = "internal"
        self.builder = ir.IRBuilder(self.function.append_basic_block())
        self.scalars = scalars(self.builder)
        self.array, *numbers = self.function.args
        self.n, self.stride, *self.others = map(self.wrap, numbers)
        self.zero = self.scalars.constant(0.0)

    def wrap(self, value: ir.Value) -> Any:
        return Index(self.builder, value) if value.type == LONG else Number(self.scalars, value)

    def variable(self, start: Number | Index) -> Variable:
        return Variable(self.builder, start)

    def element(self, index: Index) -> Any:
        return self.wrap(self.builder.load((index * self.stride).at(self.array)))

    def store(self, x: Number, index: Index) -> None:
        self.builder.store(x.value, (index * self.stride).at(self.array))

    def call(self, function: ir.Function, *operands: Any) -> Any:
        return self.wrap(self.builder.call(function, [self.array, *[operand.value for operand in operands]]))

    def two_sum(self, x: Number, y: Number) -> tuple[Number, Number]:
        """Give x + y rounded, and the rounding error (Knuth)."""
        total = x + y
        part = total - x
        return total, (x - (total - part)) + (y - part)

    def write_add(self) -> None:
        """Write the function that adds a term to n partials, in place, and gives their new number."""
        kept, x = self.variable(self.n.constant(0)), self.variable(self.others[0])
        with up_to(self.n) as index:
            total, error = self.two_sum(x.get(), self.element(index))
            x.set(total)
            with self.builder.if_then((error != 0.0).mask):
                self.store(error, kept.get())
                kept.add(1)
        self.store(x.get(), kept.get())
        self.builder.ret((kept.get() + 1).value)

    def write_round(self) -> None:
        """Write the function that rounds the sum of n partials, n > 0, to a double."""
        b, last = self.builder, self.n - 1
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
        special, multiples = self.variable(self.zero), self.variable(self.zero)
        partials = self.variable(self.n.constant(0))

        def include(term: Number) -> None:
            partials.set(self.call(add, partials.get(), self.stride, term))

        with up_to(self.n) as index:
            term = self.element(index)
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
        total = self.call(round_, partials.get(), self.stride) * up
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
