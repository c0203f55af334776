"""A program interpreted by NumPy: as many rows and examples at a time as do not need each other.

It needs nothing but NumPy, and says what native code must compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np

from autograd_mini.compiler.arguments import Array
from autograd_mini.compiler.backends.lowering import LIBRARY, Number, Target, evaluate
from autograd_mini.compiler.options import Options
from autograd_mini.compiler.program import (
    Dot,
    ExactSum,
    Expression,
    Fold,
    Load,
    Outer,
    Program,
    Rounds,
    Run,
    Scan,
    Store,
)
from autograd_mini.compiler.runtime.kernel import Cut
from autograd_mini.engine.ieee import fsum
from autograd_mini.engine.operation import Operation

# Totals are added up as by vectors of so many lanes: as native code does on most processors.
WIDTH = 8

# By the names of lowering. Not np.power: of some exponents it makes square roots, and has nan for the one of -inf.
_NAMES = {
    **{name: name for name in "cbrt ceil copysign cos cosh exp exp2 expm1 fabs floor fmax fmin fmod hypot log".split()},
    **{name: name for name in "log10 log1p log2 nextafter rint sin sinh sqrt tan tanh trunc".split()},
    **{f"a{name}": f"arc{name}" for name in "cos cosh sin sinh tan tanh tan2".split()},
    **{"add": "add", "sub": "subtract", "mul": "multiply", "div": "divide", "neg": "negative", "nearbyint": "rint"},
}
_UFUNCS: dict[str, Any] = {lowering: getattr(np, name) for lowering, name in _NAMES.items()}


class Arrays(Target):
    """Computes numbers as arrays of them."""

    def constant(self, x: float) -> Number:
        """Give a number that is the same in all places."""
        return Number(self, np.float64(x))

    def call(self, name: str, operation: Operation, operands: Sequence[Number]) -> Number | None:
        """Compute by a function of NumPy, or where NumPy has none by the operation's own, number by number."""
        values = [operand.value for operand in operands]
        ufunc = _UFUNCS.get(name)
        if ufunc is not None and ufunc.nin == len(values):
            return Number(self, ufunc(*values))
        if name == "where" and len(values) == 3:
            mask = operands[0].mask
            return Number(self, np.where(values[0] != 0.0 if mask is None else mask, *values[1:]))
        if LIBRARY.get(name) == len(values):
            return Number(self, np.asarray(np.frompyfunc(operation.function, len(values), 1)(*values), np.float64))
        return None

    def compare(self, operation: Operation, x: Number, y: Number) -> Number:
        """Compare number by number."""
        mask = getattr(np, operation.name)(x.value, y.value)
        return Number(self, np.where(mask, 1.0, 0.0), mask)


class NumpyCode:
    """A program that NumPy runs: see `choose_backend`."""

    step, text = 2 * WIDTH, ""

    def __init__(self, program: Program, options: Options) -> None:
        began = perf_counter()
        self.program = program
        self.once = [piece for run in program.once for piece in _independent(run, "u")]
        self.each = [piece for run in program.each for piece in _independent(run, "s")]
        self.seconds = {"write": perf_counter() - began}

    def frame(self, widths: Sequence[int]) -> Frame:
        return Frame(self, widths)

    def assembly(self) -> str:
        return ""


def _independent(run: Run, kind: str) -> list[Run]:
    """Cut an expression's rows where a row reads what one before it in the same piece wrote; also within rounds."""
    if isinstance(run.pattern, Rounds):
        return [run._replace(rounds=[piece for inner in run.rounds for piece in _independent(inner, kind)])]
    if not isinstance(run.pattern, Expression):
        return [run]
    results = run.columns["results"]
    rows = np.arange(len(results))
    row_of = {slot: row for row, slots in enumerate(results.tolist()) for slot in slots}
    needs = np.full(len(results), -1)
    for of, slots in run.reads():
        if of == kind:
            needed = np.array([row_of.get(slot, -1) for slot in slots[:, 0].tolist()])
            needs = np.maximum(needs, np.where(needed < rows, needed, -1))
    begins = [0]
    for row in np.flatnonzero(needs >= 0).tolist():
        if needs[row] >= begins[-1]:
            begins.append(row)
    pieces = map(slice, begins, [*begins[1:], len(results)])
    return [Run(run.pattern, {name: column[piece] for name, column in run.columns.items()}) for piece in pieces]


class Frame:
    """The memory of one call at a time: see `choose_backend`."""

    def __init__(self, code: NumpyCode, widths: Sequence[int]) -> None:
        self.u = np.zeros(code.program.sizes["u"])
        self.u[list(code.program.constants)] = list(code.program.constants.values())
        for slot, array in code.program.data.items():
            self.u[slot : slot + len(array)] = array
        self.arrays: list[tuple[Array, int]] = []
        self._code, self._widths = code, widths

    def once(self) -> None:
        _Tile(self.u, np.empty((0, 1)), np.empty(0)).compute(self._code.once, "u")

    def begin(self, sources: Sequence[Array], cut: Cut, divisor: float) -> None:
        self._sources = [source.reshape(cut.batch, width) for source, width in zip(sources, self._widths)]
        self._cut, self._divisor = cut, divisor

    def each(self, sources: Sequence[Array], cut: Cut, divisor: float, numbers: Array) -> None:
        self.begin(sources, cut, divisor)
        self.part(0, cut.batch, numbers)

    def part(self, begin: int, end: int, numbers: Array) -> None:
        sizes = self._code.program.sizes
        totals = np.zeros(sizes["total"])
        for first in range(begin, end, self._cut.lanes):
            last = min(first + self._cut.lanes, end)
            tile = _Tile(self.u, np.empty((sizes["s"], last - first)), totals)
            tile.inputs = [source[first:last].T for source in self._sources]
            tile.results, tile.batch, tile.examples = numbers, self._cut.batch, slice(first, last)
            tile.compute(self._code.each, "s")
        if sizes["total"]:
            with np.errstate(all="ignore"):
                numbers[...] = totals / self._divisor


class _Tile:
    """Some examples, and the numbers that runs work on: by their kind, an array with a row for each slot."""

    inputs: list[Array]
    results: Array
    batch: int
    examples: slice

    def __init__(self, u: Array, s: Array, totals: Array) -> None:
        self.of = {"u": u[:, None], "s": s}
        self.totals = totals

    def compute(self, runs: Sequence[Run], kind: str) -> None:
        """Do some runs, whose results are of one kind."""
        target = Arrays()
        with np.errstate(all="ignore"):
            for run in runs:
                self._do(run, kind, target)

    def _do(self, run: Run, kind: str, target: Arrays) -> None:
        pattern, columns, _ = run
        of, s = self.of, self.of["s"]
        match pattern:
            case Load():
                for slot, array, place in zip(*columns.values()):
                    s[slot] = self.inputs[array][place]
            case Expression():
                leaves = [Number(target, of[k][columns["operands"][:, i]]) for i, k in enumerate(pattern.leaves)]
                for slots, made in zip(columns["results"].T, evaluate(target, pattern.body, leaves)):
                    of[kind][slots] = made.value
            case Dot():
                *_, (_, left), (_, right) = run.reads()
                # -0.0 plus any number is that number.
                totals = of[pattern.start][columns["start"]] if "start" in columns else 0.0 if pattern.start else -0.0
                for x, y in zip(left.T, right.T):
                    totals = totals + of[pattern.left][x] * of[pattern.right][y]
                of[kind][columns["result"]] = totals
            case ExactSum():
                terms = of[kind][columns["terms"]]
                of[kind][columns["result"]] = [[fsum(*lane) for lane in row.T.tolist()] for row in terms]
            case Outer():
                for factor, at in zip(s[columns["left"]], columns["total"]):
                    self.totals[at] += _over_lanes(factor * s[columns["right"]])
            case Fold():
                self.totals[columns["total"]] += _over_lanes(s[columns["operand"]])
            case Rounds():
                self._do_rounds(run, kind, target)
            case Scan():
                self._do_scan(run, kind, target)
            case Store():
                for slot, before, width, place in zip(*columns.values()):
                    array = self.results[before * self.batch : (before + width) * self.batch]
                    array.reshape(self.batch, width)[self.examples, place] = s[slot]

    def _do_rounds(self, run: Run, kind: str, target: Arrays) -> None:
        """Do the runs of a loop in each of its rounds."""
        pattern, columns, runs = run
        assert isinstance(pattern, Rounds)
        before, enter, leave, after = run.copies()
        memory, own = self.of, self.of[kind]
        for of, (source, to) in before:
            own[to] = memory[of][source]
        rounds = range(int(columns["length"]))
        for t in reversed(rounds) if pattern.reverse else rounds:
            for of, (source, move, step, to, size) in enter:
                own[to : to + size] = memory[of][source + t * move + step * np.arange(size)]
            for inner in runs:
                self._do(inner, kind, target)
            for of, (source, move, step, to, size) in leave:
                own[to + t * move : to + t * move + size] = memory[of][source + step * np.arange(size)]
            for of, (source, to) in after:
                own[to] = memory[of][source]

    def _do_scan(self, run: Run, kind: str, target: Arrays) -> None:
        """Compute the rounds of a loop row by row, for all lanes."""
        pattern, columns, _ = run
        assert isinstance(pattern, Scan)
        body, carries, own = pattern.body, pattern.carries, self.of[kind]
        operands = [self.of[of][slots] for of, slots in zip(pattern.kinds, run.operands())]
        carried = [Number(target, operand[0]) for operand in operands[:carries]]
        arrays = operands[carries:][: len(columns["steps"])]
        invariants = [Number(target, operand[0]) for operand in operands[carries + len(arrays) :]]
        rounds = range(int(columns["length"]))
        for t in reversed(rounds) if pattern.reverse else rounds:
            results = evaluate(target, body, [*carried, *[Number(target, array[t]) for array in arrays], *invariants])
            carried = results[:carries]
            for begin, made in zip(columns["results"][carries:], results[carries:]):
                own[begin + t] = made.value
        for slot, last in zip(columns["results"], carried):
            own[slot] = last.value


def _over_lanes(rows: Array) -> Array:
    """Add up each row, as vectors of `WIDTH` lanes would be: these one after another, then their lanes by pairs."""
    count, lanes = rows.shape
    padded = np.full((count, -(-lanes // WIDTH) * WIDTH), -0.0)
    padded[:, :lanes] = rows
    sums: Array = padded.reshape(count, -1, WIDTH).sum(axis=1)
    while sums.shape[1] > 1:
        sums = sums[:, ::2] + sums[:, 1::2]
    return sums[:, 0]
