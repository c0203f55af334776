"""LLVM IR for the patterns of a program, and for the loop that goes through its runs.

Numbers of all lanes lie in memory `u`, one after another; those of each lane in memory `s`, all lanes of
the first, all lanes of the second and so on. A tile is as many examples as there are lanes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, zip_longest

import numpy as np
from llvmlite import ir

from autograd_mini.compiler.backends.exact_sum import exact_sum
from autograd_mini.compiler.backends.index import LONG, Index, Variable, loop, up_to
from autograd_mini.compiler.backends.lanes import DOUBLE, Lanes
from autograd_mini.compiler.backends.lowering import Number, evaluate
from autograd_mini.compiler.program import (
    Body,
    Dot,
    ExactSum,
    Expression,
    Fold,
    Outer,
    Pattern,
    Rounds,
    Run,
    Scan,
    Table,
    distance,
)

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


# What chooses the code of a run: the pattern, and whether right factors that all rows share are in slots at one
# distance, or the totals of a row of an outer product side by side; of an expression with one row of many columns, in
# all runs together, its slots, which stand in the code.
Key = tuple[Pattern, bool | tuple[int, ...]]

# A table of fewer columns than this is read, though it has but one row: then more kernels share their code.
COLUMNS = 12


def pack(run: Run, first: int = 0, is_alone: bool = False) -> tuple[Key, Table, int, int, int]:
    """Give a run as native code reads it: what chooses its code, its table, and three numbers.

    The table has the columns of each row. Before the rows of a sum with shared factors stand the slots of these, or, if
    these are at one distance, the first one and the distance. An outer product has left and right factors, then the
    totals. Rounds have seven entries: how far behind the loop's own run the runs of a round begin (`first`), how many
    runs these are, whether the loop goes backwards, and how many rows `before`, `enter`, `leave` and `after` have. Then
    come the rows, each of six: whether it copies from memory `u`, and the five numbers of a row of `enter`.

    A run is alone if no other has its pattern. The numbers are how many rows there are; then the number of terms, and
    the stride of left factors; or how many left and right factors; or the number of rounds.
    """
    pattern, columns, _ = run
    match pattern:
        case Rounds():
            copies = [*map(_packed, run.copies())]
            head = np.array([first, len(run.rounds), pattern.reverse, *map(len, copies)], np.int32)
            table = np.concatenate([head, np.array([*chain(*copies)], np.int32).ravel()])
            return (Rounds("", False), False), table, 1, int(columns["length"]), 0
        case Outer():
            table = np.concatenate([column.ravel() for column in columns.values()])
            side_by_side = bool((np.diff(columns["total"]) == 1).all())
            return (pattern, side_by_side), table, 1, len(columns["left"]), len(columns["right"])
        case Dot(shared=True):
            right = columns["right"]
            stride = distance(right)
            head = right if stride is None else np.array([right[0], stride], np.int32)
            rows = np.column_stack([column for name, column in columns.items() if name not in ("stride", "right")])
            table = np.concatenate([head, rows.ravel()])
            return (pattern, stride is not None), table, len(rows), len(right), int(columns["stride"])
        case Scan():
            table = np.concatenate([columns[name] for name in ("operands", "steps", "results")])
            return (pattern, False), table, 1, int(columns["length"]), 0
    rows = np.column_stack(tuple(columns.values()))
    if is_alone and isinstance(pattern, Expression) and len(rows) == 1 and rows.size >= COLUMNS:
        return (pattern, tuple(rows[0].tolist())), np.empty(0, np.int32), 1, 0, 0
    terms = {Dot: "left", ExactSum: "terms"}.get(type(pattern))
    return (pattern, False), rows.ravel(), len(rows), columns[terms].shape[1] if terms else 0, 0


def _packed(rows: Sequence[tuple[str, Sequence[int]]]) -> list[list[int]]:
    """Give copies as native code reads them; those of numbers at one distance to ones at one distance are a row.

    A row has seven numbers: whether it copies from memory `u`, then those of a row of `enter`, and before the last of
    these the distance of the slots that are copied to.
    """
    copies: list[list[int]] = []
    for kind, row in rows:
        source, move, step, target, size = row if len(row) == 5 else (row[0], 0, 1, row[1], 1)
        last = copies[-1] if copies else [0] * 7
        if last[6] == size == 1:
            last[3], last[5] = source - last[1], target - last[4]
        ahead = [last[1] + last[6] * last[3], last[4] + last[6] * last[5]]
        if copies and size == 1 and [kind == "u", move, source, target] == [last[0], last[2], *ahead]:
            last[6] += 1
        else:
            copies.append([kind == "u", source, move, step, target, 1, size])
    return copies


def write_code(keys: Sequence[Key], width: int, fuse: bool) -> str:
    """Write a module whose function `process` takes the address of a `Work`.

    A vector has `width` lanes; one where there is nothing but memory `u`. With `fuse`, the products and sums of
    patterns may be rounded once.
    """
    module = ir.Module("program")
    module.triple = ""
    run = ir.Function(module, _RUN, "run")
    functions = [
        _write_rounds(module, f"pattern_{i}", run, width, fuse)
        if isinstance(pattern, Rounds)
        else _PatternCode(module, f"pattern_{i}", width, fuse).write(pattern, fixed)
        for i, (pattern, fixed) in enumerate(keys)
    ]
    _write_run(run, functions)
    _Process(module, run, width)
    return str(module)


_TOLD = (
    *("u", "s"),  # addresses: memory of numbers of all lanes, and of those of each lane
    *("runs", "count", "tables"),  # address and number of runs, and the address of the tables that they refer to
    *("loads", "stores", "sums"),  # numbers of an example that are read, written, and added up over all examples
    "inputs",  # address of pairs: an array that is mapped, and how far apart its examples are
    "results",  # address of where sums over all examples, or results of each, go
    "lanes",  # how many examples are a tile
    *("begin", "end", "batch"),  # the examples to go through, and how many there are in all
    "divisor",  # what sums are divided by in the end
)


class Work(ctypes.Structure):
    """What `process` is told."""

    _fields_ = tuple((name, ctypes.c_double if name == "divisor" else ctypes.c_int64) for name in _TOLD)


class _PatternCode:
    """The function of a pattern: goes through the rows of a table."""

    def __init__(self, module: ir.Module, name: str, width: int, fuse: bool, more: Sequence[ir.Type] = ()) -> None:
        kinds = [NUMBERS, NUMBERS, NUMBERS, LONG, LONG, INTS, LONG, LONG, LONG, *more]
        kind = ir.FunctionType(ir.VoidType(), kinds)
        self.function = ir.Function(module, kind, name)
        self.function.linkage = "internal"
        self.function.attributes.add("noinline")
        self.u, self.s, self.sums, lane_count, valid, self.table, count, p, q = self.function.args[:9]
        for pointer in (self.u, self.s, self.sums, self.table):
            pointer.add_attribute("noalias")
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.lane_count, self.valid, self.count, self.p, self.q, self.zero = (
            Index(self.builder, value) for value in (lane_count, valid, count, p, q, 0)
        )
        self.lanes = Lanes(self.builder, width, fuse)
        self.width = width

    def write(self, pattern: Pattern, fixed: bool | tuple[int, ...]) -> ir.Function:
        match pattern:
            case Expression() if isinstance(fixed, tuple):
                self._write_expression(pattern, [self.zero.constant(slot) for slot in fixed])
            case Expression():
                columns = len(pattern.body.results) + len(pattern.leaves)
                with up_to(self.count) as row:
                    entries = (row * columns).at(self.table)
                    self._write_expression(pattern, [self.zero.constant(k).load(entries) for k in range(columns)])
            case Dot(shared=True):
                for rows, first in self._blocks(self.count, ROWS):
                    self._write_dots(pattern, bool(fixed), first, rows)
            case Dot():
                with up_to(self.count) as row:
                    self._write_dots(pattern, False, row, 1)
            case ExactSum():
                self._write_exact_sums(pattern.kind)
            case Outer():
                self._write_outer(bool(fixed))
            case Fold():
                for rows, first in self._blocks(self.count, ROWS):
                    self._write_fold_rows(first, rows)
            case Scan():
                self._write_scan(pattern)
        self.builder.ret_void()
        return self.function

    # Memory.

    def entry(self, place: Index) -> Index:
        """Load an entry of the table."""
        return place.load(self.table)

    def address(self, kind: str, slot: Index) -> ir.Value:
        """Give the address of a number: of all lanes, or of the first lane."""
        return slot.at(self.u) if kind == "u" else (slot * self.lane_count).at(self.s)

    def stride(self, kind: str, slots: Index) -> Index:
        """Say how far apart in memory numbers are that have so many slots between them."""
        return slots if kind == "u" else slots * self.lane_count

    def load(self, kind: str, address: ir.Value, lane: Index) -> Number:
        if kind == "u":
            return self.lanes.splat(self.builder.load(address))
        return Number(self.lanes, self.builder.load(self._vector(address, lane), align=8))

    def store(self, kind: str, number: Number, address: ir.Value, lane: Index) -> None:
        if kind == "u":
            self.builder.store(number.value, address)
        else:
            self.builder.store(number.value, self._vector(address, lane), align=8)

    def _vector(self, address: ir.Value, lane: Index) -> ir.Value:
        return self.builder.bitcast(lane.at(address), self.lanes.type.as_pointer())

    @contextmanager
    def each_lane(self, kind: str, vectors: int = VECTORS) -> Iterator[list[Index]]:
        """Go through the lanes, some vectors at a time: give the first lane of each; once where there are none."""
        if kind == "u":
            yield [self.zero]
        else:
            with up_to(self.lane_count, vectors * self.width) as lane:
                yield [lane + k * self.width for k in range(vectors)]

    def _blocks(self, count: Index, size: int) -> Iterator[tuple[int, Index]]:
        """Go through rows by blocks, then through what remains one by one: give size and first row of each."""
        for rows, begin, end in count.split(size):
            with loop(begin, end, rows) as first:
                yield rows, first

    # Patterns.

    def _write_expression(self, pattern: Expression, slots: Sequence[Index]) -> None:
        """Write one row: results in the first slots, leaves in the others."""
        kind, leaves, made = "u" if self.width == 1 else "s", pattern.leaves, len(pattern.body.results)
        results = [self.address(kind, slot) for slot in slots[:made]]
        addresses = [self.address(k, slot) for k, slot in zip(leaves, slots[made:])]
        uniform = {i: self.load("u", addresses[i], self.zero) for i, k in enumerate(leaves) if k == "u"}
        with self.each_lane(kind, VECTORS if len(slots) <= MANY else 1) as lanes:
            every = [
                [uniform[i] if k == "u" else self.load(k, addresses[i], lane) for i, k in enumerate(leaves)]
                for lane in lanes
            ]
            numbers = [evaluate(self.lanes, pattern.body, given) for given in every]
            for some, lane in zip(numbers, lanes):
                for number, result in zip(some, results):
                    self.store(kind, number, result, lane)

    def _write_scan(self, pattern: Scan) -> None:
        kind, kinds, carries, body = "u" if self.width == 1 else "s", pattern.kinds, pattern.carries, pattern.body
        given = len(kinds)
        arrays = range(carries, carries + pattern.arrays)
        entries = [self.entry(self.zero + i) for i in range(given + len(arrays) + len(body.results))]
        bases = [self.address(k, slot) for k, slot in zip(kinds, entries)]
        steps = {i: self.stride(kinds[i], step) for i, step in zip(arrays, entries[given:])}
        targets = [self.address(kind, slot) for slot in entries[given + len(arrays) :]]
        one = self.stride(kind, self.zero.constant(1))
        first, between, last = pattern.settled or (None, body, None)
        with self.each_lane(kind, VECTORS if len(body.rows) <= MANY else 1) as lanes:
            start = [[self.load(kinds[i], bases[i], v) for v in lanes] if i not in steps else [] for i in range(given)]
            carried = [[Variable(self.builder, number) for number in numbers] for numbers in start[:carries]]

            def write_round(body: Body, t: Index) -> None:
                at = self.p - 1 - t if pattern.reverse else t
                sources = [(at * steps[i]).at(bases[i]) for i in arrays]
                made: list[list[Number]] = []
                for k, lane in enumerate(lanes):
                    current = [variables[k].get() for variables in carried]
                    current += [self.load(kinds[i], source, lane) for i, source in zip(arrays, sources)]
                    current += [numbers[k] for numbers in start[arrays.stop :]]
                    made.append(evaluate(self.lanes, body, current))
                for j, target in enumerate(targets[carries:], carries):
                    address = (at * one).at(target)
                    for numbers, lane in zip(made, lanes):
                        self.store(kind, numbers[j], address, lane)
                for j, variables in enumerate(carried):
                    for variable, numbers in zip(variables, made):
                        variable.set(numbers[j])

            if first and last:
                write_round(first, self.zero)
                with loop(self.zero + 1, self.p - 1) as t:
                    write_round(between, t)
                write_round(last, self.p - 1)
            else:
                with up_to(self.p) as t:
                    write_round(between, t)
            for variables, target in zip(carried, targets):
                for variable, lane in zip(variables, lanes):
                    self.store(kind, variable.get(), target, lane)

    def _write_dots(self, pattern: Dot, regular: bool, row: Index, rows: int) -> None:
        kind = pattern.right
        lead = 2 if pattern.start in ("u", "s") else 1  # columns before the factors
        if pattern.shared:
            columns: Index | int = lead + 1
            head = self.zero.constant(2) if regular else self.p
        else:
            columns, head = self.p * 2 + lead, self.zero
        firsts = [head + (row + j) * columns for j in range(rows)]
        results = [self.address(kind, self.entry(first)) for first in firsts]
        begins = [self.address(pattern.start, self.entry(first + 1)) for first in firsts if lead == 2]
        left, right = self._factors(pattern, regular, [first + lead for first in firsts])
        with self.each_lane(kind) as vectors:
            totals = [[self._start(pattern.start, begins[j : j + 1], v) for v in vectors] for j in range(rows)]
            with up_to(self.p) as i:
                addresses = [left(i, j) for j in range(rows)]  # before the loads: these then overlap
                x_address = right(i)
                xs = [self.load(kind, x_address, v) for v in vectors]
                for address, sums in zip(addresses, totals):
                    for total, x, v in zip(sums, xs, vectors):
                        total.add(self.load(pattern.left, address, v) * x)
            for j in range(rows):
                for total, v in zip(totals[j], vectors):
                    self.store(kind, total.get(), results[j], v)

    def _factors(self, pattern: Dot, regular: bool, places: Sequence[Index]) -> tuple[Callable[..., ir.Value], ...]:
        """Give what gives the address of a term's left factor in each row, and of its right factor in all rows."""
        if not pattern.shared:
            (place,) = places
            return (
                lambda i, j: self.address(pattern.left, self.entry(place + i)),
                lambda i: self.address(pattern.right, self.entry(place + i + self.p)),
            )
        lefts = [self.address(pattern.left, self.entry(place)) for place in places]
        step = self.stride(pattern.left, self.q)

        def left(i: Index, j: int) -> ir.Value:
            return (i * step).at(lefts[j])

        if not regular:
            return left, lambda i: self.address(pattern.right, self.entry(i))
        first = self.address(pattern.right, self.entry(self.zero))
        stride = self.stride(pattern.right, self.entry(self.zero.constant(1)))
        return left, lambda i: (i * stride).at(first)

    def _write_exact_sums(self, kind: str) -> None:
        memory, distance = (self.u, self.zero.constant(1)) if kind == "u" else (self.s, self.lane_count)
        function = exact_sum(self.function.module)
        with up_to(self.count) as row:
            first = row * (self.p + 1)
            result, slots = self.address(kind, self.entry(first)), (first + 1).at(self.table)
            with up_to(distance) as lane:
                operands = [lane.at(memory), slots, self.p.value, distance.value]
                self.builder.store(self.builder.call(function, operands), lane.at(result))

    def _write_outer(self, side_by_side: bool) -> None:
        """Go through a rectangle of results by blocks, so that each factor loaded is used several times."""
        for rights, i in self._blocks(self.q, 4):
            for lefts, j in self._blocks(self.p, 4 if self.width == 8 else 2):  # with AVX-512 there are 32 registers
                self._write_outer_block(j, lefts, i, rights, min(rights, self.width) if side_by_side else 1)

    def _write_outer_block(self, j: Index, left_count: int, i: Index, right_count: int, size: int) -> None:
        """Add products of some left and right factors to their totals, of which `size` are side by side."""
        left = [self.address("s", self.entry(j + k)) for k in range(left_count)]
        first = self.p + i
        right = [self.address("s", self.entry(first + k)) for k in range(right_count)]

        def products(lane: Index) -> Iterator[Number]:
            """Multiply one pair after another, each just before it is added: then registers suffice."""
            ys = [self.load("s", address, lane) for address in right]
            for address in left:
                x = self.load("s", address, lane)
                yield from (x * y for y in ys)

        results = self.p + self.q
        for k, totals in enumerate(self._over_lanes(left_count * right_count, products, size)):
            row, column = divmod(k * size, right_count)
            self._add_to_sum(self.entry(results + ((j + row) * self.q + (i + column))), totals)

    def _write_fold_rows(self, row: Index, rows: int) -> None:
        firsts = [(row + j) * 2 for j in range(rows)]
        addresses = [self.address("s", self.entry(first + 1)) for first in firsts]
        totals = self._over_lanes(rows, lambda lane: [self.load("s", address, lane) for address in addresses])
        for first, total in zip(firsts, totals):
            self._add_to_sum(self.entry(first), total)

    # Sums.

    def _start(self, kind: str, address: Sequence[ir.Value], lane: Index) -> Variable:
        """Begin a sum: -0.0 plus any number is that number."""
        start = self.load(kind, address[0], lane) if address else self.lanes.constant(0.0 if kind == "0" else -0.0)
        return Variable(self.builder, start)

    def _over_lanes(self, count: int, terms: Callable[[Index], Iterable[Number]], size: int = 1) -> list[ir.Value]:
        """Add up some numbers over all valid lanes; the last vector may have lanes that are not.

        Sums are given as vectors of a size, or one by one.
        """
        builder = self.builder
        rest = self.valid % self.width
        whole = self.valid - rest
        totals = [self._start("", (), self.zero) for _ in range(count)]
        with up_to(whole, self.width) as lane:
            for total, term in zip(totals, terms(lane)):
                total.add(term)
        with builder.if_then(builder.icmp_signed("!=", rest.value, LONG(0))):
            lane_numbers = ir.Constant(ir.VectorType(LONG, self.width), list(range(self.width)))
            limit = ir.Constant(lane_numbers.type, ir.Undefined)
            for k in range(self.width):
                limit = builder.insert_element(limit, rest.value, INT(k))
            mask = builder.icmp_signed("<", lane_numbers, limit)
            nothing = self.lanes.constant(-0.0).value
            for total, term in zip(totals, terms(whole)):
                total.add(Number(self.lanes, builder.select(mask, term.value, nothing)))
        sums = self._across([total.get().value for total in totals])
        return [self._part(sums[k // self.width], k % self.width, size) for k in range(0, count, size)]

    def _across(self, vectors: Sequence[ir.Value]) -> Sequence[ir.Value]:
        """Add up the lanes of each vector: neighbours, then the sums of neighbours, and so on.

        Two vectors become one at each step, so that instructions go on to work on all lanes. In the end the sums are in
        lanes one after another, in the order of the vectors. The first step takes lanes of two vectors in turn, the
        others two lanes at a time: for these shuffles processors have instructions.
        """
        in_turn = [[lane for i in range(k, self.width, 2) for lane in (i, self.width + i)] for k in (0, 1)]
        by_twos = [[lane for i in range(k, 2 * self.width, 4) for lane in (i, i + 1)] for k in (0, 2)]
        for step in range(self.width.bit_length() - 1):
            places = by_twos if step else in_turn
            pairs = zip_longest(vectors[::2], vectors[1::2])
            halves = [[self.lanes.shuffle(x, y or x, some) for some in places] for x, y in pairs]
            vectors = [self.builder.fadd(*both) for both in halves]
        return vectors

    def _part(self, vector: ir.Value, lane: int, size: int) -> ir.Value:
        if size == 1:
            return self.builder.extract_element(vector, INT(lane))
        return vector if size == self.width else self.lanes.shuffle(vector, vector, range(lane, lane + size))

    def _add_to_sum(self, place: Index, total: ir.Value) -> None:
        address = self.builder.bitcast(place.at(self.sums), total.type.as_pointer())
        self.builder.store(self.builder.fadd(self.builder.load(address, align=8), total), address, align=8)


# Memory "u" and "s", sums, lanes, valid lanes, runs, how many, and the tables.
_RUN = ir.FunctionType(ir.VoidType(), [NUMBERS, NUMBERS, NUMBERS, LONG, LONG, LONGS, LONG, INTS])


def _write_rounds(module: ir.Module, name: str, run: ir.Function, width: int, fuse: bool) -> ir.Function:
    """Write the function that does runs in each round of a loop, and copies numbers between them."""
    code = _PatternCode(module, name, width, fuse, [LONGS, INTS])
    builder, kind, p = code.builder, "u" if width == 1 else "s", code.p
    runs, tables = code.function.args[-2:]
    first, count, backwards, *counts = (code.entry(code.zero + i) for i in range(7))
    begin = code.zero + 7

    def copy(of: str, source: Index, step: Index, target: Index, apart: Index, size: Index) -> None:
        with up_to(size) as i:
            origin, to = code.address(of, source + i * step), code.address(kind, target + i * apart)
            with code.each_lane(kind, 1) as (lane,):
                code.store(kind, code.load(of, origin, lane), to, lane)

    def copy_rows(count: Index, into_round: Index, out_of_round: Index) -> None:
        """Do the next rows of copies; `into_round` or `out_of_round` is the round, and moves the array's slots on."""
        nonlocal begin
        with up_to(count) as row:
            uniform, source, move, step, target, apart, size = (code.entry(begin + row * 7 + i) for i in range(7))
            source, target = source + into_round * move, target + out_of_round * move
            with builder.if_else(uniform > 0) as (then, otherwise):
                with then:
                    copy("u", source, step, target, apart, size)
                with otherwise:
                    copy(kind, source, step, target, apart, size)
        begin = begin + count * 7

    before, enter, leave, after = counts
    copy_rows(before, code.zero, code.zero)
    with up_to(p) as round_:
        t = Index(builder, builder.select(backwards > 0, (p - 1 - round_).value, round_.value))
        copy_rows(enter, t, code.zero)
        start = (first * RUN).at(runs)
        builder.call(run, [*code.function.args[:5], start, count.value, tables])
        copy_rows(leave, code.zero, t)
        copy_rows(after, code.zero, code.zero)
    builder.ret_void()
    return code.function


def _write_run(function: ir.Function, functions: Sequence[ir.Function]) -> None:
    """Write the function that goes through the runs, each by the code of its pattern."""
    function.linkage = "internal"
    u, s, sums, lanes, valid, runs, count, tables = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    with up_to(Index(builder, count)) as index:
        first = index * RUN
        pattern, place, rows, p, q = ((first + k).load(runs) for k in range(RUN))
        table = place.at(tables)
        done = builder.append_basic_block("done")
        switch = builder.switch(pattern.value, done)
        for i, code in enumerate(functions):
            with builder.goto_block(builder.append_basic_block(f"case_{i}")):
                switch.add_case(LONG(i), builder.block)
                more = [first.at(runs), tables] if len(code.args) > 9 else []
                builder.call(code, [u, s, sums, lanes, valid, table, rows.value, p.value, q.value, *more])
                builder.branch(done)
        builder.position_at_end(done)
    builder.ret_void()


class _Process:
    """The function that goes through examples, a tile at a time.

    The tables begin with a row for each number that is read: slot, input, column; then one for each
    that is written: slot, numbers of each example before its array, columns of that, column.
    """

    def __init__(self, module: ir.Module, run: ir.Function, width: int) -> None:
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), [LONGS]), "process")
        self.builder = builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.zero = Index(builder, 0)
        told = {name: (self.zero.constant(i)).load(function.args[0]) for i, name in enumerate(_TOLD)}
        self.told, self.run, self.width = told, run, width
        self.u, self.s, self.results = (self._pointer(told[name], NUMBERS) for name in ("u", "s", "results"))
        self.runs, self.tables = self._pointer(told["runs"], LONGS), self._pointer(told["tables"], INTS)
        if width == 1:
            self._call_run(told["lanes"])
        else:
            self._write()
        builder.ret_void()

    def _pointer(self, address: Index, kind: ir.Type) -> ir.Value:
        return self.builder.inttoptr(address.value, kind)

    def _call_run(self, valid: Index) -> None:
        lanes, count = self.told["lanes"].value, self.told["count"].value
        self.builder.call(self.run, [self.u, self.s, self.results, lanes, valid.value, self.runs, count, self.tables])

    def _write(self) -> None:
        builder, told = self.builder, self.told
        for place, some in self._totals():
            builder.store(some.constant(0.0).value, place, align=8)
        with loop(told["begin"], told["end"], told["lanes"]) as example:
            valid = (told["end"] - example).least(told["lanes"])
            self._write_loads(example, valid)
            self._call_run(valid)
            self._write_stores(example, valid)
        divisor = builder.bitcast(told["divisor"].value, DOUBLE)
        for place, some in self._totals():
            builder.store(builder.fdiv(builder.load(place, align=8), some.splat(divisor).value), place, align=8)

    def _totals(self) -> Iterator[tuple[ir.Value, Lanes]]:
        """Go through the totals by vectors, then through what remains one by one: give each address."""
        for size, begin, end in self.told["sums"].split(self.width):
            some = Lanes(self.builder, size)
            with loop(begin, end, size) as place:
                yield self.builder.bitcast(place.at(self.results), some.type.as_pointer()), some

    def _row(self, first: Index, count: int) -> list[Index]:
        """Load entries of the tables that follow one another."""
        return [(first + k).load(self.tables) for k in range(count)]

    def _write_loads(self, example: Index, valid: Index) -> None:
        """Bring the inputs of a tile's examples to slots, where the lanes of one number stand side by side.

        Some examples at a time, so that what was read around a number of theirs is still in the cache when it is
        needed.
        """
        builder, lanes, loads = self.builder, self.told["lanes"], self.told["loads"]
        inputs = self._pointer(self.told["inputs"], LONGS)

        def place(row: Index) -> tuple[ir.Value, ir.Value, Index]:
            """Say where a number of the tile's first example goes, where it is, and how far apart examples are."""
            slot, source, column = self._row(row * 3, 3)
            pair = (source * 2).at(inputs)
            address, stride = (self.zero.constant(k).load(pair) for k in range(2))
            origin = (example * stride + column).at(self._pointer(address, NUMBERS))
            return (slot * lanes).at(self.s), origin, stride

        def store(numbers: Number, lane: Index, target: ir.Value) -> None:
            builder.store(numbers.value, builder.bitcast(lane.at(target), numbers.target.type.as_pointer()), align=8)

        with builder.if_then(valid < lanes), up_to(loads) as row:  # lanes without an example repeat the last one
            target, origin, stride = place(row)
            last = Lanes(builder, self.width).splat(builder.load(((valid - 1) * stride).at(origin)))
            with loop(valid - valid % self.width, lanes, self.width) as lane:
                store(last, lane, target)
        for step, first, end in valid.split(self.width):
            with loop(first, end, EXAMPLES) as block, up_to(loads) as row:
                target, origin, stride = place(row)
                stop = (block + EXAMPLES).least(end)
                with loop(block, stop, step) as lane:
                    places = [(lane + k) * stride for k in range(step)]
                    store(Lanes(builder, step).gather([builder.load(at.at(origin)) for at in places]), lane, target)

    def _write_stores(self, example: Index, valid: Index) -> None:
        """Bring the results of a tile's examples to their arrays."""
        begin = self.told["loads"] * 3
        with up_to(self.told["stores"]) as row:
            slot, before, columns, column = self._row(begin + row * 4, 4)
            place = before * self.told["batch"] + (example * columns + column)
            target = place.at(self.results)
            origin = (slot * self.told["lanes"]).at(self.s)
            with up_to(valid) as lane:
                number = self.builder.load(lane.at(origin))
                self.builder.store(number, (lane * columns).at(target))
