"""LLVM IR for the patterns of a program, and for the loop that goes through its runs.

Numbers of all lanes lie in memory `u`, one after another; those of each lane in memory `s`, all lanes of
the first, all lanes of the second and so on. A tile is as many examples as there are lanes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from autograd_mini.compiler.backends.lanes import DOUBLE, Lanes
from autograd_mini.compiler.backends.lowering import Number, lower
from autograd_mini.compiler.program import Dot, Expression, Fold, Outer, Pattern, Run, Shape, Table, distance

LONG = ir.IntType(64)
INT = ir.IntType(32)
NUMBERS = DOUBLE.as_pointer()
LONGS = LONG.as_pointer()
INTS = INT.as_pointer()

# How many longs describe a run: pattern, place in the tables, count, and two parameters.
RUN = 5

# How many rows, and how many vectors of lanes, a sum of products goes through at a time: as many
# sums as fit into the registers, so that each number loaded is used several times.
ROWS, VECTORS = 4, 2

# An expression of more numbers is written for one vector of lanes: two would take twice as long to compile.
MANY = 32

# The inputs of so many examples are read at a time.
EXAMPLES = 32


class Packed(NamedTuple):
    """A run as native code reads it.

    Attributes
    ----------
    pattern : Pattern
    regular : bool
        Whether right factors that all rows share are in slots at one distance.
    table : array of int
        For each row its columns. Before the rows of a sum with shared factors stand the slots of these, or, if these
        are regular, the first one and the distance. An outer product has left and right factors, then the totals.
    rows, p, q : int
        How many rows; how many terms and the stride of left factors, or the numbers of left and right factors.
    """

    pattern: Pattern
    regular: bool
    table: Table
    rows: int
    p: int = 0
    q: int = 0


def pack(run: Run) -> Packed:
    """Write the columns of a run into one table."""
    pattern, columns = run
    match pattern:
        case Outer():
            table = np.concatenate([column.ravel() for column in columns.values()])
            return Packed(pattern, False, table, 1, len(columns["left"]), len(columns["right"]))
        case Dot(shared=True):
            right = columns["right"]
            stride = distance(right)
            head = right if stride is None else np.array([right[0], stride], np.int32)
            rows = np.column_stack([column for name, column in columns.items() if name not in ("stride", "right")])
            table = np.concatenate([head, rows.ravel()])
            return Packed(pattern, stride is not None, table, len(rows), len(right), int(columns["stride"]))
    rows = np.column_stack(tuple(columns.values()))
    return Packed(pattern, False, rows.ravel(), len(rows), columns["left"].shape[1] if isinstance(pattern, Dot) else 0)


def write_code(patterns: Sequence[tuple[Pattern, bool]], width: int) -> str:
    """Write the module of a program.

    Parameters
    ----------
    patterns : sequence of pair of Pattern and bool
        Each with whether shared factors are regular: see `Packed`.
    width : int
        The lanes of a vector; 1 where there is nothing but memory `u`.

    Returns
    -------
    str
        Its function `process` takes the address of a `Work`.
    """
    module = ir.Module("program")
    module.triple = ""
    functions = [_PatternCode(module, f"pattern_{i}", width).write(*pattern) for i, pattern in enumerate(patterns)]
    _write_process(module, _write_run(module, functions), width)
    return str(module)


_TOLD = "u s runs count tables loads stores sums inputs results lanes begin end batch divisor".split()


class Work(ctypes.Structure):
    """What `process` is told: addresses, and what to do with them.

    Attributes
    ----------
    u, s : int
        Memory of numbers of all lanes, and of those of each lane.
    runs, count, tables : int
        Address and number of runs, and the tables that they refer to.
    loads, stores, sums : int
        How many numbers of each example are read and written, and how many are added up over all examples.
    inputs : int
        Address of pairs: an array that is mapped, and how far apart its examples are.
    results : int
        Where sums over all examples, or results of each, go.
    lanes : int
        How many examples are a tile.
    begin, end, batch : int
        The examples to go through, and how many there are in all.
    divisor : float
        What sums are divided by in the end.
    """

    _fields_ = tuple((name, ctypes.c_double if name == "divisor" else ctypes.c_int64) for name in _TOLD)


@contextmanager
def _loop(builder: ir.IRBuilder, start: ir.Value, stop: ir.Value, step: ir.Value | int = 1) -> Iterator[ir.Value]:
    """Emit a loop; the block is its body."""
    before, head = builder.block, builder.append_basic_block("head")
    body, after = builder.append_basic_block("body"), builder.append_basic_block("after")
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(LONG)
    index.add_incoming(start, before)
    builder.cbranch(builder.icmp_signed("<", index, stop), body, after)
    builder.position_at_end(body)
    yield index
    index.add_incoming(builder.add(index, _long(step) if isinstance(step, int) else step), builder.block)
    builder.branch(head)
    builder.position_at_end(after)


def _long(n: int) -> ir.Constant:
    return ir.Constant(LONG, n)


class _PatternCode:
    """The function of a pattern: goes through the rows of a table."""

    def __init__(self, module: ir.Module, name: str, width: int) -> None:
        kind = ir.FunctionType(ir.VoidType(), [NUMBERS, NUMBERS, NUMBERS, LONG, LONG, INTS, LONG, LONG, LONG])
        self.function = ir.Function(module, kind, name)
        self.function.linkage = "internal"
        self.function.attributes.add("noinline")
        self.u, self.s, self.sums, self.lane_count, self.valid, self.table, self.count, self.p, self.q = (
            self.function.args
        )
        for pointer in (self.u, self.s, self.sums, self.table):
            pointer.add_attribute("noalias")
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.lanes = Lanes(self.builder, width)
        self.width = width

    def write(self, pattern: Pattern, regular: bool) -> ir.Function:
        match pattern:
            case Expression():
                self._write_expression(pattern)
            case Dot(shared=True):
                self._write_shared_dot(pattern, regular)
            case Dot():
                self._write_dot(pattern)
            case Outer():
                self._write_outer()
            case Fold():
                self._write_fold()
        self.builder.ret_void()
        return self.function

    # Memory.

    def entry(self, place: ir.Value) -> ir.Value:
        """Load an entry of the table."""
        return _entry(self.builder, self.table, place)

    def address(self, kind: str, place: ir.Value) -> ir.Value:
        """Give the address of a number: of all lanes, or of the first lane."""
        if kind == "u":
            return self.builder.gep(self.u, [place])
        return self.builder.gep(self.s, [self.builder.mul(place, self.lane_count)])

    def stride(self, kind: str, places: ir.Value) -> ir.Value:
        """Say how far apart in memory numbers are that have so many places between them."""
        return places if kind == "u" else self.builder.mul(places, self.lane_count)

    def load(self, kind: str, address: ir.Value, lane: ir.Value) -> Number:
        if kind == "u":
            return self.lanes.splat(self.builder.load(address))
        pointer = self._vector(address, lane)
        return Number(self.lanes, self.builder.load(pointer, align=8))

    def store(self, kind: str, number: Number, address: ir.Value, lane: ir.Value) -> None:
        if kind == "u":
            self.builder.store(number.value, address)
        else:
            self.builder.store(number.value, self._vector(address, lane), align=8)

    def _vector(self, address: ir.Value, lane: ir.Value) -> ir.Value:
        return self.builder.bitcast(self.builder.gep(address, [lane]), self.lanes.type.as_pointer())

    @contextmanager
    def each_lane(self, kind: str, vectors: int = VECTORS) -> Iterator[list[ir.Value]]:
        """Go through the lanes, some vectors at a time: give the first lane of each; once where there are none."""
        if kind == "u":
            yield [_long(0)]
        else:
            with _loop(self.builder, _long(0), self.lane_count, vectors * self.width) as lane:
                yield [self.builder.add(lane, _long(k * self.width)) for k in range(vectors)]

    # Patterns.

    def _write_expression(self, pattern: Expression) -> None:
        builder, kind = self.builder, "u" if self.width == 1 else "s"
        columns = len(pattern.leaves) + 1
        with _loop(builder, _long(0), self.count) as row:
            first = builder.mul(row, _long(columns))
            places = [self.entry(builder.add(first, _long(column))) for column in range(columns)]
            result = self.address(kind, places[0])
            addresses = [self.address(k, place) for k, place in zip(pattern.leaves, places[1:])]
            uniform = {i: self.load("u", addresses[i], _long(0)) for i, k in enumerate(pattern.leaves) if k == "u"}
            with self.each_lane(kind, VECTORS if columns <= MANY else 1) as lanes:
                every = [
                    [uniform[i] if k == "u" else self.load(k, addresses[i], lane) for i, k in enumerate(pattern.leaves)]
                    for lane in lanes
                ]
                numbers = [self._evaluate(pattern.shape, leaves) for leaves in every]
                for number, lane in zip(numbers, lanes):
                    self.store(kind, number, result, lane)

    def _evaluate(self, shape: Shape | int | str, leaves: Sequence[Number]) -> Number:
        if isinstance(shape, int):
            return leaves[shape]
        if isinstance(shape, str):
            return self.lanes.constant(float.fromhex(shape))
        operation, operands = shape
        return lower(operation, [self._evaluate(operand, leaves) for operand in operands])

    def _write_shared_dot(self, pattern: Dot, regular: bool) -> None:
        for rows, first in self._blocks(self.count, ROWS):
            self._write_dot_rows(pattern, regular, first, rows)

    def _write_dot_rows(self, pattern: Dot, regular: bool, row: ir.Value, rows: int) -> None:
        builder, kind = self.builder, pattern.right
        starts = int(pattern.start in ("u", "s"))
        columns = 2 + starts
        head = _long(2) if regular else self.p
        results, begins, lefts = [], [], []
        for j in range(rows):
            first = builder.add(head, builder.mul(builder.add(row, _long(j)), _long(columns)))
            results.append(self.address(kind, self.entry(first)))
            if starts:
                begins.append(self.address(pattern.start, self.entry(builder.add(first, _long(1)))))
            lefts.append(self.address(pattern.left, self.entry(builder.add(first, _long(columns - 1)))))
        stride = self.stride(pattern.left, self.q)
        right = self._right_factors(pattern, regular)
        with self.each_lane(kind) as vectors:
            totals = [[self._start(pattern.start, begins[j : j + 1], v) for v in vectors] for j in range(rows)]
            with _loop(builder, _long(0), self.p) as i:
                address = right(i)
                xs = [self.load(kind, address, v) for v in vectors]
                step = builder.mul(i, stride)
                for j in range(rows):
                    left = builder.gep(lefts[j], [step])
                    for total, x, v in zip(totals[j], xs, vectors):
                        self._add(total, self.load(pattern.left, left, v) * x)
            for j in range(rows):
                for total, v in zip(totals[j], vectors):
                    self.store(kind, self._read(total), results[j], v)

    def _right_factors(self, pattern: Dot, regular: bool) -> Callable[[ir.Value], ir.Value]:
        """Find the right factors that all rows share: give what gives the address of each."""
        if not regular:
            return lambda i: self.address(pattern.right, self.entry(i))
        first = self.address(pattern.right, self.entry(_long(0)))
        stride = self.stride(pattern.right, self.entry(_long(1)))
        return lambda i: self.builder.gep(first, [self.builder.mul(i, stride)])

    def _write_dot(self, pattern: Dot) -> None:
        builder, kind = self.builder, pattern.right
        starts = int(pattern.start in ("u", "s"))
        columns = builder.add(builder.mul(self.p, _long(2)), _long(1 + starts))
        with _loop(builder, _long(0), self.count) as row:
            first = builder.mul(row, columns)
            result = self.address(kind, self.entry(first))
            begin = [self.address(pattern.start, self.entry(builder.add(first, _long(1))))] if starts else []
            terms = builder.add(first, _long(1 + starts))
            with self.each_lane(kind) as vectors:
                totals = [self._start(pattern.start, begin, v) for v in vectors]
                with _loop(builder, _long(0), self.p) as i:
                    place = builder.add(terms, i)
                    left = self.address(pattern.left, self.entry(place))
                    right = self.address(kind, self.entry(builder.add(place, self.p)))
                    for total, v in zip(totals, vectors):
                        self._add(total, self.load(pattern.left, left, v) * self.load(kind, right, v))
                for total, v in zip(totals, vectors):
                    self.store(kind, self._read(total), result, v)

    def _write_outer(self) -> None:
        """Go through a rectangle of results by blocks, so that each factor loaded is used several times."""
        for rights, i in self._blocks(self.q, 4):
            for lefts, j in self._blocks(self.p, 2):
                self._write_outer_block(j, lefts, i, rights)

    def _blocks(self, count: ir.Value, size: int) -> Iterator[tuple[int, ir.Value]]:
        """Go through rows by blocks, then through what remains one by one: give size and first row of each."""
        for rows, begin, end in _split(self.builder, count, size):
            with _loop(self.builder, begin, end, rows) as first:
                yield rows, first

    def _write_outer_block(self, j: ir.Value, left_count: int, i: ir.Value, right_count: int) -> None:
        builder = self.builder
        left = [self.address("s", self.entry(builder.add(j, _long(k)))) for k in range(left_count)]
        first = builder.add(self.p, i)
        right = [self.address("s", self.entry(builder.add(first, _long(k)))) for k in range(right_count)]

        def products(lane: ir.Value) -> Iterator[Number]:
            """Multiply one pair after another, each just before it is added: then registers suffice."""
            ys = [self.load("s", address, lane) for address in right]
            for address in left:
                x = self.load("s", address, lane)
                yield from (x * y for y in ys)

        totals = self._over_lanes(left_count * right_count, products)
        results = builder.add(self.p, self.q)
        for place, total in enumerate(totals):
            row, column = divmod(place, right_count)
            at = builder.add(builder.mul(builder.add(j, _long(row)), self.q), builder.add(i, _long(column)))
            self._add_to_sum(self.entry(builder.add(results, at)), total)

    def _write_fold(self) -> None:
        for rows, first in self._blocks(self.count, ROWS):
            self._write_fold_rows(first, rows)

    def _write_fold_rows(self, row: ir.Value, rows: int) -> None:
        builder = self.builder
        firsts = [builder.mul(builder.add(row, _long(j)), _long(2)) for j in range(rows)]
        addresses = [self.address("s", self.entry(builder.add(first, _long(1)))) for first in firsts]
        totals = self._over_lanes(rows, lambda lane: [self.load("s", address, lane) for address in addresses])
        for first, total in zip(firsts, totals):
            self._add_to_sum(self.entry(first), total)

    # Sums.

    def _total(self, start: Number) -> ir.Value:
        with self.builder.goto_entry_block():
            total = self.builder.alloca(self.lanes.type)
        self.builder.store(start.value, total)
        return total

    def _start(self, kind: str, address: Sequence[ir.Value], lane: ir.Value) -> ir.Value:
        """Begin a sum: -0.0 plus any number is that number."""
        if not address:
            return self._total(self.lanes.constant(0.0 if kind == "0" else -0.0))
        return self._total(self.load(kind, address[0], lane))

    def _add(self, total: ir.Value, term: Number) -> None:
        self.builder.store((self._read(total) + term).value, total)

    def _read(self, total: ir.Value) -> Number:
        return Number(self.lanes, self.builder.load(total))

    def _over_lanes(self, count: int, terms: Callable[[ir.Value], Iterable[Number]]) -> list[ir.Value]:
        """Add up some numbers over all valid lanes; the last vector may have lanes that are not."""
        builder = self.builder
        rest = builder.srem(self.valid, _long(self.width))
        whole = builder.sub(self.valid, rest)
        totals = [self._total(self.lanes.constant(-0.0)) for _ in range(count)]
        with _loop(builder, _long(0), whole, self.width) as lane:
            for total, term in zip(totals, terms(lane)):
                self._add(total, term)
        with builder.if_then(builder.icmp_signed("!=", rest, _long(0))):
            lane_numbers = ir.Constant(ir.VectorType(LONG, self.width), list(range(self.width)))
            limit = ir.Constant(lane_numbers.type, ir.Undefined)
            for k in range(self.width):
                limit = builder.insert_element(limit, rest, ir.Constant(INT, k))
            mask = builder.icmp_signed("<", lane_numbers, limit)
            nothing = self.lanes.constant(-0.0).value
            for total, term in zip(totals, terms(whole)):
                self._add(total, Number(self.lanes, builder.select(mask, term.value, nothing)))
        return [self._across(self._read(total).value) for total in totals]

    def _across(self, vector: ir.Value) -> ir.Value:
        parts = [self.builder.extract_element(vector, ir.Constant(INT, k)) for k in range(self.width)]
        while len(parts) > 1:
            parts = [self.builder.fadd(a, b) for a, b in zip(parts[::2], parts[1::2])]
        return parts[0]

    def _add_to_sum(self, place: ir.Value, total: ir.Value) -> None:
        address = self.builder.gep(self.sums, [place])
        self.builder.store(self.builder.fadd(self.builder.load(address), total), address)


def _write_run(module: ir.Module, functions: Sequence[ir.Function]) -> ir.Function:
    """Write the function that goes through the runs, each by the code of its pattern."""
    kind = ir.FunctionType(ir.VoidType(), [NUMBERS, NUMBERS, NUMBERS, LONG, LONG, LONGS, LONG, INTS])
    function = ir.Function(module, kind, "run")
    function.linkage = "internal"
    u, s, sums, lanes, valid, runs, count, tables = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    with _loop(builder, _long(0), count) as index:
        first = builder.mul(index, _long(RUN))
        pattern, place, rows, p, q = (
            builder.load(builder.gep(runs, [builder.add(first, _long(k))])) for k in range(RUN)
        )
        table = builder.gep(tables, [place])
        done = builder.append_basic_block("done")
        switch = builder.switch(pattern, done)
        for i, code in enumerate(functions):
            with builder.goto_block(builder.append_basic_block(f"case_{i}")):
                switch.add_case(_long(i), builder.block)
                builder.call(code, [u, s, sums, lanes, valid, table, rows, p, q])
                builder.branch(done)
        builder.position_at_end(done)
    builder.ret_void()
    return function


def _write_process(module: ir.Module, run: ir.Function, width: int) -> None:
    """Write the function that goes through examples, a tile at a time.

    The tables begin with a row for each number that is read: slot, input, column; then one for each
    that is written: slot, numbers of each example before its array, columns of that, column.
    """
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [LONGS]), "process")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    told = {name: builder.load(builder.gep(function.args[0], [_long(i)])) for i, name in enumerate(_TOLD)}
    u, s, results = (builder.inttoptr(told[name], NUMBERS) for name in ("u", "s", "results"))
    runs = builder.inttoptr(told["runs"], LONGS)
    tables = builder.inttoptr(told["tables"], INTS)
    lanes, count, sums = told["lanes"], told["count"], told["sums"]
    if width == 1:
        builder.call(run, [u, s, results, lanes, lanes, runs, count, tables])
        builder.ret_void()
        return
    for place, some in _chunks(builder, results, sums, width):
        builder.store(some.constant(0.0).value, place, align=8)
    with _loop(builder, told["begin"], told["end"], lanes) as example:
        valid = _least(builder, builder.sub(told["end"], example), lanes)
        _write_loads(builder, told, s, tables, example, valid, width)
        builder.call(run, [u, s, results, lanes, valid, runs, count, tables])
        _write_stores(builder, told, s, results, tables, example, valid)
    divisor = builder.bitcast(told["divisor"], DOUBLE)
    for place, some in _chunks(builder, results, sums, width):
        builder.store(builder.fdiv(builder.load(place, align=8), some.splat(divisor).value), place, align=8)
    builder.ret_void()


def _write_loads(
    builder: ir.IRBuilder,
    told: dict[str, ir.Value],
    s: ir.Value,
    tables: ir.Value,
    example: ir.Value,
    valid: ir.Value,
    width: int,
) -> None:
    """Bring the inputs of a tile's examples to where those of one number stand side by side.

    Some examples at a time, so that what was read around a number of theirs is still in the cache when it is needed.
    """
    lanes, loads = told["lanes"], told["loads"]
    inputs = builder.inttoptr(told["inputs"], LONGS)
    for step, first, end in _split(builder, valid, width):
        with _loop(builder, first, end, EXAMPLES) as block, _loop(builder, _long(0), loads) as row:
            slot, source, column = _entries(builder, tables, builder.mul(row, _long(3)), 3)
            pair = builder.gep(inputs, [builder.mul(source, _long(2))])
            address, stride = (builder.load(builder.gep(pair, [_long(k)])) for k in range(2))
            place = builder.add(builder.mul(example, stride), column)
            origin = builder.gep(builder.inttoptr(address, NUMBERS), [place])
            target = builder.gep(s, [builder.mul(slot, lanes)])
            stop = _least(builder, builder.add(block, _long(EXAMPLES)), end)
            with _loop(builder, block, stop, step) as lane:
                some = Lanes(builder, step)
                places = [builder.mul(builder.add(lane, _long(k)), stride) for k in range(step)]
                numbers = some.gather([builder.load(builder.gep(origin, [at])) for at in places])
                into = builder.bitcast(builder.gep(target, [lane]), some.type.as_pointer())
                builder.store(numbers.value, into, align=8)
    last = builder.sub(valid, _long(1))
    with builder.if_then(builder.icmp_signed("<", valid, lanes)), _loop(builder, _long(0), loads) as row:
        (slot,) = _entries(builder, tables, builder.mul(row, _long(3)), 1)
        target = builder.gep(s, [builder.mul(slot, lanes)])
        with _loop(builder, valid, lanes) as lane:  # lanes without an example repeat the last one
            builder.store(builder.load(builder.gep(target, [last])), builder.gep(target, [lane]))


def _write_stores(
    builder: ir.IRBuilder,
    told: dict[str, ir.Value],
    s: ir.Value,
    results: ir.Value,
    tables: ir.Value,
    example: ir.Value,
    valid: ir.Value,
) -> None:
    """Bring the results of a tile's examples to their arrays."""
    begin = builder.mul(told["loads"], _long(3))
    with _loop(builder, _long(0), told["stores"]) as row:
        slot, before, columns, column = _entries(builder, tables, builder.add(begin, builder.mul(row, _long(4))), 4)
        place = builder.add(builder.mul(before, told["batch"]), builder.add(builder.mul(example, columns), column))
        target = builder.gep(results, [place])
        origin = builder.gep(s, [builder.mul(slot, told["lanes"])])
        with _loop(builder, _long(0), valid) as lane:
            number = builder.load(builder.gep(origin, [lane]))
            builder.store(number, builder.gep(target, [builder.mul(lane, columns)]))


def _entries(builder: ir.IRBuilder, tables: ir.Value, first: ir.Value, count: int) -> list[ir.Value]:
    """Load entries of a table that follow one another."""
    return [_entry(builder, tables, builder.add(first, _long(k))) for k in range(count)]


def _entry(builder: ir.IRBuilder, table: ir.Value, place: ir.Value) -> Any:
    return builder.sext(builder.load(builder.gep(table, [place])), LONG)


def _chunks(builder: ir.IRBuilder, array: ir.Value, count: ir.Value, width: int) -> Iterator[tuple[Any, Lanes]]:
    """Go through an array by vectors, then through what remains one by one: give each address."""
    for size, begin, end in _split(builder, count, width):
        some = Lanes(builder, size)
        with _loop(builder, begin, end, size) as place:
            yield builder.bitcast(builder.gep(array, [place]), some.type.as_pointer()), some


def _split(builder: ir.IRBuilder, count: ir.Value, size: int) -> list[tuple[int, ir.Value, ir.Value]]:
    """Split a range into what can be gone through by a size, and what remains one by one: step, begin and end."""
    whole = builder.sub(count, builder.srem(count, _long(size)))
    return [(size, _long(0), whole), (1, whole, count)]


def _least(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    return builder.select(builder.icmp_signed("<", a, b), a, b)
