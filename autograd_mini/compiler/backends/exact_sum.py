"""The exactly rounded sum in LLVM: Shewchuk's algorithm (1997), as in `math.fsum`, without its overflow.

Knows nothing of operations: only how to write the function into a module.

A sum is kept as partials, doubles of growing size whose sum is exact and of which none reaches into
the last bit of the next. To keep partials from overflowing, the multiples of 2**1000 in large terms
are taken out first and counted; a sum near to overflow, or beyond it, is rounded when scaled down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llvmlite import ir

DOUBLE, COUNT = ir.DoubleType(), ir.IntType(64)
ARRAY = DOUBLE.as_pointer()
_NAMES = {kind: f"autograd_mini.{kind}" for kind in ("fsum", "add", "round")}


def exact_sum(module: ir.Module) -> ir.Function:
    """Give a module's function of (terms, n, stride), which overwrites the terms.

    It needs room for n + 2 terms, and n below 2**21.
    """
    return module.globals.get(_NAMES["fsum"]) or _write_sum(module)


class _Body:
    """A function of a module while it is written: variables, loops and the array of terms or partials."""

    def __init__(self, module: ir.Module, name: str, result: ir.Type, *parameters: ir.Type) -> None:
        self.function = ir.Function(module, ir.FunctionType(result, [ARRAY, COUNT, COUNT, *parameters]), name)
        self.function.linkage = "internal"
        self.builder = ir.IRBuilder(self.function.append_basic_block())
        self.array, self.n, self.stride, *self.others = self.function.args

    def variable(self, value: ir.Value) -> ir.AllocaInstr:
        with self.builder.goto_entry_block():
            place = self.builder.alloca(value.type)
        self.builder.store(value, place)
        return place

    def element(self, index: ir.Value) -> ir.Value:
        return self.builder.gep(self.array, [self.builder.mul(index, self.stride)])

    def two_sum(self, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Give x + y rounded, and the rounding error (Knuth)."""
        b = self.builder
        total = b.fadd(x, y)
        part = b.fsub(total, x)
        return total, b.fadd(b.fsub(x, b.fsub(total, part)), b.fsub(y, part))

    @contextmanager
    def loop(self, condition: Callable[[], ir.Value]) -> Iterator[None]:
        """Repeat what is written inside, as long as the condition holds."""
        b = self.builder
        test, body, after = (self.function.append_basic_block() for _ in range(3))
        b.branch(test)
        b.position_at_end(test)
        b.cbranch(condition(), body, after)
        b.position_at_end(body)
        yield
        b.branch(test)
        b.position_at_end(after)

    @contextmanager
    def count(self, stop: ir.Value) -> Iterator[ir.Value]:
        """Repeat what is written inside for 0, 1, ... stop - 1."""
        b = self.builder
        place = self.variable(COUNT(0))
        with self.loop(lambda: b.icmp_signed("<", b.load(place), stop)):
            index = b.load(place)
            yield index
            b.store(b.add(index, COUNT(1)), place)


def _write_add(module: ir.Module) -> ir.Function:
    """Write the function that adds a term to n partials, in place, and gives their new number."""
    body = _Body(module, _NAMES["add"], COUNT, DOUBLE)
    b = body.builder
    kept, x = body.variable(COUNT(0)), body.variable(body.others[0])
    with body.count(body.n) as index:
        total, error = body.two_sum(b.load(x), b.load(body.element(index)))
        b.store(total, x)
        with b.if_then(b.fcmp_ordered("!=", error, DOUBLE(0.0))):
            b.store(error, body.element(b.load(kept)))
            b.store(b.add(b.load(kept), COUNT(1)), kept)
    b.store(b.load(x), body.element(b.load(kept)))
    b.ret(b.add(b.load(kept), COUNT(1)))
    return body.function


def _write_round(module: ir.Module) -> ir.Function:
    """Write the function that rounds the sum of n partials, n > 0, to a double."""
    body = _Body(module, _NAMES["round"], DOUBLE)
    b = body.builder
    last = b.sub(body.n, COUNT(1))
    left, high, low = body.variable(last), body.variable(b.load(body.element(last))), body.variable(DOUBLE(0.0))
    with body.loop(lambda: b.and_(b.icmp_signed(">", b.load(left), COUNT(0)), _equal(b, b.load(low), DOUBLE(0.0)))):
        b.store(b.sub(b.load(left), COUNT(1)), left)
        total, error = body.two_sum(b.load(high), b.load(body.element(b.load(left))))
        b.store(total, high)
        b.store(error, low)
    # Half of a last place is rounded to even as if nothing followed; where more of its sign follows, correct that.
    following = b.select(b.icmp_signed(">", b.load(left), COUNT(0)), b.sub(b.load(left), COUNT(1)), COUNT(0))
    more = b.and_(
        b.icmp_signed(">", b.load(left), COUNT(0)),
        b.fcmp_ordered(">", b.fmul(_sign(b, b.load(low)), b.load(body.element(following))), DOUBLE(0.0)),
    )
    twice = b.fmul(b.load(low), DOUBLE(2.0))
    moved = b.fadd(b.load(high), twice)
    half = _equal(b, b.fsub(moved, b.load(high)), twice)
    b.ret(b.select(b.and_(more, half), moved, b.load(high)))
    return body.function


def _write_sum(module: ir.Module) -> ir.Function:
    add, round_ = _write_add(module), _write_round(module)
    body = _Body(module, _NAMES["fsum"], DOUBLE)
    b, array, n, stride = body.builder, body.array, body.n, body.stride
    endless, multiples, partials = (body.variable(zero) for zero in (DOUBLE(0.0), DOUBLE(0.0), COUNT(0)))

    def include(term: ir.Value) -> None:
        b.store(b.call(add, [array, b.load(partials), stride, term]), partials)

    with body.count(n) as index:
        term = b.load(body.element(index))
        is_finite = _equal(b, b.fsub(term, term), DOUBLE(0.0))
        finite = b.select(is_finite, term, DOUBLE(0.0))
        b.store(b.fadd(b.load(endless), b.select(is_finite, DOUBLE(0.0), term)), endless)
        multiple = b.sitofp(b.fptosi(b.fmul(finite, DOUBLE(2.0**-1000)), COUNT), DOUBLE)
        b.store(b.fadd(b.load(multiples), multiple), multiples)
        include(b.fsub(finite, b.fmul(multiple, DOUBLE(2.0**1000))))
    is_near_overflow = b.fcmp_ordered(">", _size(b, b.load(multiples)), DOUBLE(2.0**22))
    down = b.select(is_near_overflow, DOUBLE(2.0**-60), DOUBLE(1.0))
    up = b.select(is_near_overflow, DOUBLE(2.0**60), DOUBLE(1.0))
    with b.if_then(is_near_overflow):
        include(_scale(body, b.load(partials), down))
    include(b.fmul(b.load(multiples), b.fmul(down, DOUBLE(2.0**1000))))
    total = b.fmul(b.call(round_, [array, b.load(partials), stride]), up)
    b.ret(b.select(_equal(b, b.load(endless), DOUBLE(0.0)), total, b.load(endless)))
    return body.function


def _scale(body: _Body, n: ir.Value, factor: ir.Value) -> ir.Value:
    """Scale the partials of a huge sum; of those too small for it, take out the sign, all that its rounding needs."""
    b = body.builder
    rest = body.variable(DOUBLE(0.0))
    with body.count(n) as index:
        partial = b.load(body.element(index))
        is_small = b.fcmp_ordered("<", _size(b, partial), DOUBLE(2.0**-900))
        is_new = b.and_(is_small, b.fcmp_ordered("!=", partial, DOUBLE(0.0)))
        b.store(b.select(is_new, b.fmul(_sign(b, partial), DOUBLE(2.0**-1000)), b.load(rest)), rest)
        b.store(b.select(is_small, DOUBLE(0.0), b.fmul(partial, factor)), body.element(index))
    return b.load(rest)


def _equal(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    return builder.fcmp_ordered("==", x, y)


def _size(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    return builder.select(builder.fcmp_ordered("<", x, DOUBLE(0.0)), builder.fneg(x), x)


def _sign(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Give 1 or -1, the sign of a number that is not 0."""
    return builder.select(builder.fcmp_ordered("<", x, DOUBLE(0.0)), DOUBLE(-1.0), DOUBLE(1.0))
