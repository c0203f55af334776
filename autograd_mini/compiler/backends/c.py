"""A program as C99: one file that needs a C compiler and its math library, and nothing of this project.

It takes one example at a time, where native code takes a vector of them.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter

import numpy as np

from autograd_mini.compiler.backends.lowering import LIBRARY, Number, Target, evaluate
from autograd_mini.compiler.program import (
    Body,
    Dot,
    ExactSum,
    Expression,
    Fold,
    Load,
    Outer,
    Rounds,
    Run,
    Scan,
    Store,
    Table,
)
from autograd_mini.compiler.runtime.kernel import Kernel
from autograd_mini.engine.operation import Operation

# A function of more lines than this is followed by another one: compilers take time quadratic in a function's length.
LINES = 400

# More numbers than this are copied from a table. An expression of more operations, which several runs have, is a
# function.
SEVERAL = 4


def write_c(name: str, kernel: Kernel) -> str:
    """Write what a kernel computes as a C file; values that its function captured are in it as they are now.

    The kernel must not be doubtful: C has no slower way to compute what is nan.
    """
    return _File(f"jit_{re.sub('[^0-9A-Za-z]+', '_', name).strip('_') or 'function'}", kernel).text()


class _Formulas(Target):
    """Computes numbers as lines of C: `x` and a number is given, `v` is computed, `m` the truth of a comparison."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[str, str] = {}  # by the name that each declares

    def constant(self, x: float) -> Number:
        """Give a number as a literal."""
        return Number(self, _literal(x))

    def call(self, name: str, operation: Operation, operands: Sequence[Number]) -> Number | None:
        """Write an operator, a choice, or the call of a function of C's math library."""
        values = [operand.value for operand in operands]
        if name in _SIGNS and len(values) == 2:
            return self._number(f"{values[0]} {_SIGNS[name]} {values[1]}")
        if name == "neg" and len(values) == 1:
            return self._number(f"-{values[0]}")
        if name == "where" and len(values) == 3:
            condition = operands[0].mask or f"{values[0]} != 0.0"
            return self._number(f"{condition} ? {values[1]} : {values[2]}")
        return self._number(f"{name}({', '.join(values)})") if LIBRARY.get(name) == len(values) else None

    def compare(self, operation: Operation, x: Number, y: Number) -> Number:
        """Write a comparison, which nan makes false, or true of !=."""
        mask = self._declare("m", "int", f"{x.value} {operation.symbol} {y.value}")
        return Number(self, f"(double){mask}", mask)

    def needed(self, results: Sequence[Number]) -> tuple[set[str], list[str]]:
        """Give the names of what is needed for some results, and the lines that compute it."""
        names = {name for number in results for name in _names(number.value)}
        lines: list[str] = []
        for name, line in reversed(self._lines.items()):
            if name in names:
                names |= _names(line)
                lines.append(line)
        return names, lines[::-1]

    def _number(self, formula: str) -> Number:
        return Number(self, self._declare("v", "double", formula))

    def _declare(self, letter: str, kind: str, formula: str) -> str:
        name = f"{letter}{len(self._lines) + 1}"
        self._lines[name] = f"const {kind} {name} = {formula};"
        return name


_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}


def _names(text: str) -> set[str]:
    return set(re.findall(r"\b[xvm]\d+\b", text))


def _literal(x: float) -> str:
    text = "NAN" if math.isnan(x) else repr(x).replace("inf", "INFINITY")
    return f"({text})" if text.startswith("-") else text


# What functions are given: an example, numbers for all and for it, memory of exactly rounded sums, and results.
_MEMORY = {name: name for name in ("x", "u", "s", "e", "r")}


class _Function:
    """The lines of a function, and the tables that these read."""

    def __init__(self, file: _File) -> None:
        self.lines: list[str] = []
        self.tables: dict[tuple[str, str], str] = {}  # the names, by kind and entries
        self._file, self._depth, self._loops = file, 1, 0

    def __str__(self) -> str:
        tables = []
        for (kind, entries), name in self.tables.items():
            count = entries.count(",") + 1
            tables += [f"    static const {kind} {name}[{count}] = {{", _wrapped(entries, " " * 8), "    };"]
        return "\n".join(["{", *tables, *self.lines, "}"])

    def line(self, text: str) -> None:
        self.lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, head: str = "") -> Iterator[None]:
        self.line(f"{head} {{".lstrip())
        self._depth += 1
        yield
        self._depth -= 1
        self.line("}")

    @contextmanager
    def loop(self, count: int) -> Iterator[str]:
        """Write a loop, or a block for a count of 1; give the name of what is counted from 0."""
        self._loops += 1
        name = f"i{self._loops}"
        with self.block(f"for (long {name} = 0; {name} < {count}; {name}++)" if count != 1 else ""):
            yield name
        self._loops -= 1

    def repeat(self, count: int, text: Callable[[str], str]) -> None:
        """Write a line for each number from 0: in a loop, if there are several."""
        if count == 1:
            self.line(text("0"))
        elif count:
            with self.loop(count) as i:
                self.line(text(i))

    def table(self, kind: str, entries: Sequence[str]) -> str:
        """Name a table of constants."""
        return self.tables.setdefault((kind, ", ".join(entries)), f"table{len(self.tables) + 1}")

    def at(self, places: Table, *indices: str) -> str:
        """Write an entry of a column: by arithmetic where entries are at one distance along each axis, else a table."""
        axes = [(index, axis) for axis, index in enumerate(indices) if places.shape[axis] != 1]
        if not places.size:
            return "0"
        places = places.reshape([places.shape[axis] for _, axis in axes]).astype(np.int64)
        origin = places[(0,) * places.ndim]
        steps = [places[tuple(int(axis == k) for k in range(places.ndim))] - origin for axis in range(places.ndim)]
        if (places == origin + sum([s * x for s, x in zip(steps, np.indices(places.shape))])).all():
            return _linear(int(origin), [(int(step), index) for step, (index, _) in zip(steps, axes)])
        kind = _least_kind(places.max())
        strides = [math.prod(places.shape[axis + 1 :]) for axis in range(places.ndim)]
        place = _linear(0, [(stride, index) for stride, (index, _) in zip(strides, axes)])
        return f"{self.table(kind, [*map(str, places.ravel().tolist())])}[{place}]"

    # Runs.

    def write(self, run: Run, kind: str) -> None:
        """Write the rows of a run, whose results are of one kind."""
        pattern, columns, _ = run
        match pattern:
            case Load():
                offsets = np.array(self._file.offsets, np.int32)
                with self.loop(len(columns["result"])) as i:
                    place = self.at(offsets[columns["array"]] + columns["place"], i)
                    self.line(f"s[{self.at(columns['result'], i)}] = x[{place}];")
            case Expression():
                self._write_expression(run, kind)
            case Dot():
                self._write_dot(run, kind)
            case ExactSum():
                rows, terms = columns["terms"].shape
                with self.loop(rows) as i:
                    with self.loop(terms) as j:
                        self.line(f"e[{j if terms != 1 else 0}] = {kind}[{self.at(columns['terms'], i, j)}];")
                    total = f"{self._file.exact_sum(terms)}(e, {terms}, e + {terms})"
                    self.line(f"{kind}[{self.at(columns['result'], i)}] = {total};")
            case Outer():
                left, right = columns["left"], columns["right"]
                with self.loop(len(left)) as i, self.loop(len(right)) as j:
                    product = f"s[{self.at(left, i)}] * s[{self.at(right, j)}]"
                    self.line(f"r[{self.at(columns['total'], i, j)}] += {product};")
            case Fold():
                with self.loop(len(columns["total"])) as i:
                    self.line(f"r[{self.at(columns['total'], i)}] += s[{self.at(columns['operand'], i)}];")
            case Store():
                with self.loop(len(columns["operand"])) as i:
                    place = self.at(columns["before"] + columns["place"], i)
                    self.line(f"r[{place}] = s[{self.at(columns['operand'], i)}];")
            case Rounds():
                self._write_rounds(run, kind)
            case Scan():
                self._write_scan(run, kind)

    def fill(self, numbers: dict[int, float]) -> None:
        """Set slots of the workspace to numbers that are known."""
        for slots in _neighbours(sorted(numbers)):
            literals = [_literal(numbers[slot]) for slot in slots]
            if len(slots) > SEVERAL:
                with self.loop(len(slots)) as i:
                    self.line(f"work[{_linear(slots[0], [(1, i)])}] = {self.table('double', literals)}[{i}];")
            else:
                for slot, literal in zip(slots, literals):
                    self.line(f"work[{slot}] = {literal};")

    def _write_expression(self, run: Run, kind: str) -> None:
        pattern, columns, _ = run
        assert isinstance(pattern, Expression)
        results, operands = columns["results"], columns["operands"]
        if self._file.is_shared(pattern):
            entries = np.hstack([results, operands]).ravel().tolist()
            table = self.table(self._file.slot_kind, [*map(str, entries)])
            self.line(f"{self._file.pattern(pattern, kind)}, {table}, {len(results)});")
            return
        with self.loop(len(results)) as i:
            self.write_row(
                pattern,
                kind,
                [self.at(column, i) for column in results.T],
                [self.at(column, i) for column in operands.T],
            )

    def write_row(self, pattern: Expression, kind: str, results: Sequence[str], operands: Sequence[str]) -> None:
        """Write a row of an expression, given the slots."""
        needed, lines, made = _computed(pattern.body, len(operands))
        self._write_given(needed, [f"{k}[{slot}]" for k, slot in zip(pattern.leaves, operands)])
        self.write_lines(lines)
        for slot, number in zip(results, made):
            self.line(f"{kind}[{slot}] = {number};")

    def _write_dot(self, run: Run, kind: str) -> None:
        pattern, columns, _ = run
        assert isinstance(pattern, Dot)
        *_, (_, left), (_, right) = run.reads()
        with self.loop(len(left)) as i:
            start = "0.0" if pattern.start else "-0.0"  # -0.0 plus any number is that number
            if "start" in columns:
                start = f"{pattern.start}[{self.at(columns['start'], i)}]"
            self.line(f"double total = {start};")
            with self.loop(left.shape[1]) as j:
                x = f"{pattern.left}[{self.at(left, i, j)}]"
                self.line(f"total += {x} * {pattern.right}[{self.at(right, i, j)}];")
            self.line(f"{kind}[{self.at(columns['result'], i)}] = total;")

    def _write_given(self, needed: set[str], given: Sequence[str], first: int = 0) -> None:
        for i, number in enumerate(given, first):
            if f"x{i}" in needed:
                self.line(f"const double x{i} = {number};")

    def write_lines(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.line(line)

    @contextmanager
    def _rounds(self, length: int, reverse: bool) -> Iterator[str]:
        """Write a loop over rounds; give the name of the round."""
        head = f"for (long t = {length - 1}; t >= 0; t--)" if reverse else f"for (long t = 0; t < {length}; t++)"
        with self.block(head):
            yield "t"

    def _write_scan(self, run: Run, kind: str) -> None:
        pattern, columns, _ = run
        assert isinstance(pattern, Scan)
        carries, arrays, operands = pattern.carries, pattern.arrays, columns["operands"].tolist()
        needed, lines, made = _computed(pattern.body, len(operands))
        first = [f"{k}[{slot}]" for k, slot in zip(pattern.kinds, operands)]
        elements = [
            f"{k}[{_linear(slot, [(step, 't')])}]"
            for k, slot, step in zip(pattern.kinds[carries:], operands[carries:], columns["steps"].tolist())
        ]
        results = columns["results"].tolist()
        with self.block():
            for i in range(carries):
                self.line(f"double c{i} = {first[i]};")
            self._write_given(needed, first[carries + arrays :], carries + arrays)
            with self._rounds(int(columns["length"]), pattern.reverse) as t:
                self._write_given(needed, [f"c{i}" for i in range(carries)])
                self._write_given(needed, elements, carries)
                self.write_lines(lines)
                for begin, number in zip(results[carries:], made[carries:]):
                    self.line(f"{kind}[{_linear(begin, [(1, t)])}] = {number};")
                for i, number in enumerate(made[:carries]):
                    self.line(f"c{i} = {number};")
            for i, slot in enumerate(results[:carries]):
                self.line(f"{kind}[{slot}] = c{i};")

    def _write_rounds(self, run: Run, kind: str) -> None:
        pattern, columns, runs = run
        assert isinstance(pattern, Rounds)
        before, enter, leave, after = (  # by the memory that rows copy from
            [(of, np.array([row for _, row in some], np.int32)) for of, some in groupby(rows, itemgetter(0))]
            for rows in run.copies()
        )
        self._write_copies(before, kind)
        with self._rounds(int(columns["length"]), pattern.reverse) as t:
            for of, rows in enter:
                self._write_array(of, rows, kind, f"{t} * ", "")
            self.write_lines(self._file.calls(runs, kind))
            for of, rows in leave:
                self._write_array(of, rows, kind, "", f"{t} * ")
            self._write_copies(after, kind)

    def _write_copies(self, groups: Sequence[tuple[str, Table]], kind: str) -> None:
        for of, rows in groups:
            with self.loop(len(rows)) as i:
                self.line(f"{kind}[{self.at(rows[:, 1], i)}] = {of}[{self.at(rows[:, 0], i)}];")

    def _write_array(self, of: str, rows: Table, kind: str, entering: str, leaving: str) -> None:
        """Write rows of `enter` or `leave`: the slots that they copy from or to move on with the round."""
        for size, some in groupby(rows.tolist(), itemgetter(4)):
            sources, moves, steps, targets, _ = np.array(list(some), np.int32).T
            with self.loop(len(sources)) as i, self.loop(size) as k:
                inside = np.arange(size, dtype=np.int32)
                source = self.at(sources[:, None] + steps[:, None] * inside, i, k)
                target = self.at(targets[:, None] + inside, i, k)
                move = self.at(moves, i)
                source += f" + {entering}({move})" if entering else ""
                target += f" + {leaving}({move})" if leaving else ""
                self.line(f"{kind}[{target}] = {of}[{source}];")


def _computed(body: Body, given: int) -> tuple[set[str], list[str], list[str]]:
    """Write a body: the names that it needs, its lines, and its results; what is given is x0, x1 and so on."""
    target = _Formulas()
    made = evaluate(target, body, [Number(target, f"x{i}") for i in range(given)])
    needed, lines = target.needed(made)
    return needed, lines, [number.value for number in made]


def _linear(origin: int, terms: Sequence[tuple[int, str]]) -> str:
    """Write a sum of products, without what is 0."""
    written = [index if step == 1 else f"{step} * {index}" for step, index in terms if step]
    return " + ".join([*[str(origin)] * bool(origin or not written), *written])


def _wrapped(entries: str, indent: str) -> str:
    return textwrap.fill(entries, 118, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _neighbours(slots: Sequence[int]) -> Iterator[range]:
    """Group numbers that follow one another."""
    begin = 0
    for i in range(1, len(slots) + 1):
        if i == len(slots) or slots[i] != slots[i - 1] + 1:
            yield range(slots[begin], slots[i - 1] + 1)
            begin = i


class _File:
    """The functions of a kernel."""

    def __init__(self, name: str, kernel: Kernel) -> None:
        self.name, self.kernel = name, kernel
        widths = [math.prod(shape) for shape, is_mapped in kernel.blocks if is_mapped]
        self.offsets = np.cumsum([0, *widths]).astype(np.int32)  # where each mapped array begins in an example
        self.slot_kind = _least_kind(max(kernel.program.sizes["u"], kernel.program.sizes["s"]))
        self._functions: list[str] = []
        self._patterns: dict[tuple[Expression, str], str] = {}  # calls of the functions of expressions
        self._counts = Counter([run.pattern for run in _all_runs([*kernel.program.once, *kernel.program.each])])
        self._terms = 0  # the most terms of an exactly rounded sum

    def is_shared(self, pattern: Expression) -> bool:
        """Say whether an expression is a function of its own: then the file grows with the number of different ones."""
        return self._counts[pattern] > 1 and len(pattern.body.rows) - len(pattern.leaves) > SEVERAL

    def pattern(self, pattern: Expression, kind: str) -> str:
        """Begin a call of an expression's function: a table of results' and leaves' slots follows, and its rows."""
        call = self._patterns.get((pattern, kind))
        if call is None:
            made, given = len(pattern.body.results), len(pattern.leaves)
            function = _Function(self)
            with function.block(f"for (; rows > 0; rows--, slots += {made + given})"):
                slots = [f"slots[{i}]" for i in range(made + given)]
                function.write_row(pattern, kind, slots[:made], slots[made:])
            name, used = f"{self.name}_pattern{len(self._patterns) + 1}", _used_in(str(function))
            self._define(name, function, used, [f"const {self.slot_kind} *slots", "long rows"])
            call = self._patterns[pattern, kind] = f"{name}({', '.join(used)}"
        return call

    def _define(self, name: str, function: _Function, used: Sequence[str], others: Sequence[str] = ()) -> None:
        parameters = [f"{'const ' * (memory == 'x')}double *{memory}" for memory in used]
        self._functions.append(f"static void {name}({', '.join([*parameters, *others])})\n{function}\n")

    def exact_sum(self, terms: int) -> str:
        """Name the function that sums exactly, of so many terms."""
        self._terms = max(self._terms, terms)
        return f"{self.name}_fsum"

    def calls(self, runs: Sequence[Run], kind: str, memory: Mapping[str, str] = _MEMORY) -> list[str]:
        """Write functions that do some runs; give the lines that call them, with what memory is called there."""
        functions: list[_Function] = []
        for run in runs:
            if not functions or len(functions[-1].lines) > LINES:
                functions.append(_Function(self))
            functions[-1].write(run, kind)
        calls = []
        for function in functions:
            name, used = f"{self.name}_{len(self._functions) + 1}", _used_in(str(function))
            self._define(name, function, used)
            calls.append(f"{name}({', '.join([memory[of] for of in used])});")
        return calls

    def text(self) -> str:
        """Write the file."""
        kernel, program = self.kernel, self.kernel.program
        u, s, count = program.sizes["u"], program.sizes["s"], kernel.structure.size
        given = program.arguments - len(kernel.captured)
        memory = {"x": "", "u": "work", "s": f"work + {u}", "e": f"work + {u + s}", "r": "results"}
        main = _Function(self)
        source = "shared" if kernel.is_mapped else "arguments"
        main.repeat(given, lambda i: f"work[{i}] = {source}[{i}];")
        main.fill(self._known())
        main.write_lines(self.calls(program.once, "u", memory))
        if kernel.is_mapped:
            self._write_examples(main, memory, count)
        else:
            main.repeat(count, lambda i: f"results[{i}] = work[{main.at(program.results, i)}];")
        names = [source, *["examples"] * kernel.is_mapped]
        parameters = "".join(["size_t n, " * kernel.is_mapped, *[f"const double *{name}, " for name in names]])
        parameters += "double *results, double *work"
        unused = [name for name in (*names, "results", "work") if not re.search(rf"\b{name}\b", str(main))]
        main.write_lines([f"(void){name};" for name in unused])
        size = max(1, u + s + (2 * self._terms + 2 if self._terms else 0))
        places = "\n".join(self._places())
        return "\n".join(
            [
                _HEAD.format(name=self.name, places=places, parameters=parameters, work=size),
                f"#define {self.name.upper()}_WORK {size}\n",
                *[_EXACT_SUM.replace("NAME", self.name)] * bool(self._terms),
                *self._functions,
                f"void {self.name}({parameters});\n",
                f"void {self.name}({parameters})\n{main}\n",
            ]
        )

    def _write_examples(self, main: _Function, memory: Mapping[str, str], count: int) -> None:
        """Write the loop over examples."""
        folded = self.kernel.reduce is not None
        of_example = {"x": f"examples + k * {self.offsets[-1]}", "r": "results" if folded else f"results + k * {count}"}
        if folded:
            main.repeat(count, lambda i: f"results[{i}] = 0.0;")
        with main.block("for (size_t k = 0; k < n; k++)"):
            main.write_lines(self.calls(self.kernel.program.each, "s", {**memory, **of_example}))
        if self.kernel.reduce == "mean":
            main.repeat(count, lambda i: f"results[{i}] /= (double)n;")

    def _known(self) -> dict[int, float]:
        """Give the numbers that are known, by their slots."""
        program, captured = self.kernel.program, self.kernel.captured
        known = dict(enumerate([value.data for value in captured], program.arguments - len(captured)))
        known |= program.constants
        for slot, array in program.data.items():
            known |= dict(enumerate(array.tolist(), slot))
        return known

    def _places(self) -> list[str]:
        """List which numbers are where."""
        kernel = self.kernel
        shared, mapped = ([block.shape for block in kernel.blocks if block.mapped is which] for which in (False, True))
        of_result = [part.keys if part.kind is np.ndarray else () for part in kernel.structure.leaves()]
        lines = _listed("shared" if kernel.is_mapped else "arguments", shared)
        if not kernel.is_mapped:
            return lines + _listed("results", of_result)
        lines += _listed("of each example", mapped)
        return lines + _listed("results" if kernel.reduce else "results of each example", of_result)


def _used_in(body: str) -> list[str]:
    return [memory for memory in _MEMORY if re.search(rf"\b{memory}\b", body)]


def _all_runs(runs: Sequence[Run]) -> Iterator[Run]:
    for run in runs:
        yield run
        yield from _all_runs(run.rounds)


def _least_kind(most: int) -> str:
    return next(f"uint_least{bits}_t" for bits in (8, 16, 32) if most < 1 << bits)


def _listed(name: str, shapes: Sequence[tuple[int, ...]]) -> list[str]:
    """Say where numbers and arrays are that follow one another: several numbers in one line."""
    lines, place = [], 0
    for shape, some in groupby(shapes):
        for size, count in [(1, len(list(some)))] if shape == () else [(math.prod(shape), 1) for _ in some]:
            numbers = size * count
            what = f"array of shape ({', '.join(map(str, shape))}), row by row" if shape else "numbers"
            places = f"{place}..{place + numbers - 1}: {what}" if numbers > 1 or shape else f"{place}: a number"
            lines.append(f"   {name} {places}" if numbers else f"   {name}: an empty array")
            place += numbers
    return lines or [f"   {name}: none"]


_HEAD = """\
/* {name}: what autograd_mini's jit computes, in C99. It needs the math library, calls no malloc and does not recurse.

   void {name}({parameters});

{places}

   `work` is memory of {work} doubles for the call's own use; a call leaves nothing there that another one needs. Calls
   may run at the same time, each with its own. Compile with -lm, and without -ffast-math. */

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#if DBL_MANT_DIG != 53
#error "double must be the 64-bit number of IEEE 754"
#endif
#ifdef __FAST_MATH__
#error "-ffast-math computes something else where there are infs and nans"
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize ("fp-contract=off")
#else
#pragma STDC FP_CONTRACT OFF
#endif
"""

# As in `exact_sum.py`: partials whose sum is exact, multiples of 2**1000 counted apart.
_EXACT_SUM = """\
static long NAME_add(double *partials, long n, double x)
{
    long kept = 0;
    for (long i = 0; i < n; i++) {
        const double y = partials[i], total = x + y, part = total - x;
        const double error = (x - (total - part)) + (y - part);
        x = total;
        if (error != 0.0)
            partials[kept++] = error;
    }
    partials[kept] = x;
    return kept + 1;
}

static double NAME_round(const double *partials, long n)
{
    long left = n - 1;
    double high = partials[left], low = 0.0;
    while (left > 0 && low == 0.0) {
        const double x = high, y = partials[--left], part = (x + y) - x;
        high = x + y;
        low = (x - (high - part)) + (y - part);
    }
    /* Half of a last place is rounded to even as if nothing followed; where more of its sign follows, correct that. */
    if (left > 0 && (low < 0.0 ? partials[left - 1] < 0.0 : partials[left - 1] > 0.0)) {
        const double twice = low * 2.0, moved = high + twice;
        if (moved - high == twice)
            return moved;
    }
    return high;
}

/* The sum of n terms, rounded once; there is room for n + 2 partials. */
static double NAME_fsum(const double *terms, long n, double *partials)
{
    double special = 0.0, multiples = 0.0;
    long count = 0;
    for (long i = 0; i < n; i++) {
        if (terms[i] - terms[i] == 0.0) {
            const double multiple = (double)(long)(terms[i] * 0x1p-1000);
            multiples += multiple;
            count = NAME_add(partials, count, terms[i] - multiple * 0x1p1000);
        } else {
            special += terms[i];
        }
    }
    if (special != 0.0)
        return special;
    /* Near to overflow all is scaled down, and of what is too small the sign is kept. */
    if (fabs(multiples) > 0x1p22) {
        double rest = 0.0;
        for (long i = 0; i < count; i++) {
            if (fabs(partials[i]) >= 0x1p-900) {
                partials[i] *= 0x1p-60;
            } else {
                if (partials[i] != 0.0)
                    rest = partials[i] < 0.0 ? -0x1p-1000 : 0x1p-1000;
                partials[i] = 0.0;
            }
        }
        count = NAME_add(partials, count, rest);
        count = NAME_add(partials, count, multiples * 0x1p940);
        return NAME_round(partials, count) * 0x1p60;
    }
    count = NAME_add(partials, count, multiples * 0x1p1000);
    return NAME_round(partials, count);
}
"""
