"""The program of a kernel: what is between planning and code. Knows neither graphs nor targets.

A program is a list of runs. A run is a pattern, an expression of bounded size or a sum of any
length, and named columns that say for each row of the run where operands and result are. So code, and the
time to compile it, grow with the number of different patterns.

Numbers are in slots: `u0`, `u1`, ... have one number for all lanes, `s0`, `s1`, ... one of each lane. A lane is an
example; totals, which add up over all lanes, are `total0`, `total1`, ...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd_mini.engine.operation import Operation

Table = NDArray[np.int32]


@dataclass(frozen=True)
class Load:
    """An input of each example: the number at `place` in the example's row of a mapped `array`."""

    columns: ClassVar = {"result": "r", "array": "r", "place": "r"}


class Body(NamedTuple):
    """Some operations, written without branches: first a row for each number that is given, then the others.

    A row is an operation and the rows of its operands; of a number that is known there is no operation, but a literal.
    """

    rows: tuple[tuple[Operation | None, tuple[int, ...] | str], ...]
    results: tuple[int, ...]

    def __str__(self) -> str:
        names: list[str] = []
        lines: list[str] = []
        for row, (operation, _) in enumerate(self.rows):
            names.append(self._written(row, names))
            if operation is not None:
                lines.append(f"v{len(lines) + 1} = {names[row]}")
                names[row] = f"v{len(lines)}"
        return "\n".join([*lines, f"give {', '.join([names[x] for x in self.results])}"])

    def is_tree(self) -> bool:
        """Say whether it has one result, and no operation serves more than one other."""
        used = [x for operation, operands in self.rows if operation is not None for x in operands]
        computed = [x for x in used if self.rows[int(x)][0] is not None]
        return len(self.results) == 1 and len(set(computed)) == len(computed)

    def formula(self, given: Sequence[str]) -> str:
        """Write a tree as one formula of the names of what is given."""
        names = list(given)
        for row in range(len(given), len(self.rows)):
            names.append(self._written(row, names))
        return names[self.results[0]]

    def _written(self, row: int, names: Sequence[str]) -> str:
        operation, operands = self.rows[row]
        if operation is not None:
            return f"{operation.name}({', '.join([names[int(x)] for x in operands])})"
        return repr(float.fromhex(operands)) if isinstance(operands, str) else f"x{row}"


@dataclass(frozen=True)
class Expression:
    """Some operations on leaves. A row may read what a row before it wrote."""

    columns: ClassVar = {"results": "ro", "operands": "rl"}
    body: Body
    leaves: str  # the kind of each: "u" or "s"


@dataclass(frozen=True)
class Dot:
    """A sum of products.

    If `shared`, all rows have the same right factors, and the left factors of a row are in slots at one distance:
    `left` has the first slot, and `stride` the distance.
    """

    start: str  # "" for none, "0", or its kind
    left: str
    right: str
    shared: bool = False

    @property
    def columns(self) -> dict[str, str]:
        factors = {"left": "r", "stride": "", "right": "t"} if self.shared else {"left": "rt", "right": "rt"}
        return {"result": "r", **({"start": "r"} if self.start in ("u", "s") else {}), **factors}


@dataclass(frozen=True)
class ExactSum:
    """A sum of numbers of the run's own kind, rounded once."""

    columns: ClassVar = {"result": "r", "terms": "rt"}
    kind: str


@dataclass(frozen=True)
class Outer:
    """The product of each left and each right factor, added up over all lanes."""

    columns: ClassVar = {"left": "x", "right": "y", "total": "xy"}


@dataclass(frozen=True)
class Fold:
    """A number of each lane, added up over all lanes."""

    columns: ClassVar = {"total": "r", "operand": "r"}


@dataclass(frozen=True)
class Store:
    """A result of each example: at `place` in its row of an array.

    The array has `width` columns; the arrays before it have `before` columns in all.
    """

    columns: ClassVar = {"operand": "r", "before": "r", "width": "r", "place": "r"}


@dataclass(frozen=True)
class Scan:
    """Rounds of a small computation, whose carries stay in registers.

    A round is given the carries, an element of each array, and the invariants: the first rows of the body. It computes
    the next carries, then an element of each array that is made.
    """

    columns: ClassVar = {"length": "", "operands": "o", "steps": "a", "results": "k"}
    body: Body
    kinds: str  # of the operands: the carries' first numbers, arrays, and invariants
    carries: int
    arrays: int
    reverse: bool
    # The first round, those between and the last, if they are less work apart: each computes what `body` does there.
    settled: tuple[Body, Body, Body] | None = None


@dataclass(frozen=True)
class Rounds:
    """Rounds of runs, between which numbers are copied.

    Before the first round the first numbers of the carries are copied. Each round copies the elements of its arrays in,
    does the runs, copies the elements that it makes out, and at last copies the next numbers of the carries.

    A row of `before` and `after` has the slot that is copied and the slot that it is copied to. A row of `enter` and
    `leave` has five numbers: the first slot that is copied; how far the slots in the array move on from round to round;
    the distance of the slots that are copied; the first slot that they are copied to; and how many they are.
    """

    columns: ClassVar = {"length": "", "before": "b2", "enter": "e5", "leave": "l5", "after": "a2"}
    kinds: str  # of what is copied, in the order of the rows of `before`, `enter`, `leave` and `after`
    reverse: bool


# The `columns` of a pattern are the names of its runs' columns, each with a letter or digit for each axis: r for rows,
# l for leaves, o for results, t for terms, x and y for left and right factors; in a Scan o, a and k for operands,
# arrays among these, and results; in Rounds b, e, l and a for copies, each of 2 or 5 numbers.
Pattern = Load | Expression | Dot | ExactSum | Outer | Fold | Store | Scan | Rounds


class Run(NamedTuple):
    """A loop over rows, by the code of a pattern; `columns` say where operands and result of each row are."""

    pattern: Pattern
    columns: dict[str, Table]
    rounds: Sequence[Run] = ()  # what is done in each round

    def reads(self) -> list[tuple[str, Table]]:
        """List the slots that are read, by their kind, with a line for each row."""
        pattern, columns, _ = self
        match pattern:
            case Expression(leaves=leaves):
                return [(kind, columns["operands"][:, [i]]) for i, kind in enumerate(leaves)]
            case Dot():
                start = [(pattern.start, columns["start"][:, None])] if "start" in columns else []
                left = columns["left"]
                if pattern.shared:
                    left = left[:, None] + int(columns["stride"]) * np.arange(len(columns["right"]), dtype=np.int32)
                return [*start, (pattern.left, left), (pattern.right, np.atleast_2d(columns["right"]))]
            case ExactSum(kind=kind):
                return [(kind, columns["terms"])]
            case Outer():
                return [("s", columns["left"][:, None]), ("s", columns["right"][:, None])]
            case Fold() | Store():
                return [("s", columns["operand"][:, None])]
            case Scan():
                return [(kind, slots[None]) for kind, slots in zip(pattern.kinds, self.operands())]
            case Rounds():
                before, enter, _, _ = self.copies()
                first = [(kind, np.array([source], np.int32)) for kind, (source, _) in before]
                return first + [
                    (kind, self._span(source, move, step, size)) for kind, (source, move, step, _, size) in enter
                ]
        return []

    def copies(self) -> list[list[tuple[str, list[int]]]]:
        """List the rows of `before`, `enter`, `leave` and `after`, each with the kind of what it copies."""
        assert isinstance(self.pattern, Rounds)
        kinds = iter(self.pattern.kinds)
        names = ("before", "enter", "leave", "after")
        return [[(next(kinds), row) for row in self.columns[name].tolist()] for name in names]

    def _span(self, first: int, move: int, step: int, size: int) -> Table:
        """List the slots of an array that a row of `enter` or `leave` copies in all rounds."""
        rounds, numbers = np.arange(int(self.columns["length"])), np.arange(size)
        slots: Table = (first + move * rounds[:, None] + step * numbers).astype(np.int32).reshape(1, -1)
        return slots

    def operands(self) -> list[Table]:
        """List the slots of each operand of a loop; of an array in the order of its elements."""
        pattern, columns, _ = self
        assert isinstance(pattern, Scan)
        listed = [slot[None] for slot in columns["operands"]]
        for i, step in enumerate(columns["steps"], pattern.carries):
            listed[i] = listed[i] + step * np.arange(int(columns["length"]), dtype=np.int32)
        return listed

    def writes(self) -> Table:
        """List the slots that are written."""
        pattern, columns, _ = self
        if isinstance(pattern, Rounds):
            leaving = [self._span(target, move, 1, size)[0] for _, move, _, target, size in columns["leave"]]
            return np.concatenate([columns["before"][:, 1], *leaving])
        if isinstance(pattern, Expression):
            return columns["results"].ravel()
        if not isinstance(pattern, Scan):
            return columns.get("result", np.empty(0, np.int32))
        last, arrays = np.split(columns["results"], [pattern.carries])
        return np.concatenate([last, *[begin + np.arange(int(columns["length"]), dtype=np.int32) for begin in arrays]])


@dataclass(frozen=True)
class Program:
    """What a kernel computes, step by step; `str` lists it, `check` finds what is wrong with it."""

    arguments: int  # the first slots of kind "u", which are filled in each call
    constants: dict[int, float]  # what other slots of kind "u" contain from the beginning
    sizes: dict[str, int]  # how many slots there are of each kind, "u" and "s", and how many "total"s
    once: list[Run]  # what is computed once in a call, all of kind "u"
    each: list[Run]  # what is computed for each example
    results: Table  # where there are no examples, the slots of kind "u" that are the results
    data: dict[int, NDArray[np.float64]] = field(default_factory=dict)  # arrays that are known: their first slots

    def __str__(self) -> str:
        lines = [_slots("u", range(self.arguments)) + " = arguments"] if self.arguments else []
        lines += [f"u{slot} = {number!r}" for slot, number in self.constants.items()]
        lines += [
            f"{_slots('u', range(slot, slot + len(array)))} = {len(array)} numbers" for slot, array in self.data.items()
        ]
        lines += [line for run in self.once for line in _listing(run, "u")]
        if self.each:
            lines.append(f"for each example, in {self.sizes['s']} slots:")
            lines += [line for run in self.each for line in _listing(run, "s")]
        if len(self.results):
            lines.append(f"return {_slots('u', self.results)}")
        return "\n".join(lines)


def _listing(run: Run, kind: str) -> Iterator[str]:
    """Write a run down: its pattern, then a line for each row."""
    pattern, columns, _ = run
    match pattern:
        case Load():
            rows = [f"s{slot} = array{i}[{j}]" for slot, i, j in zip(*columns.values())]
        case Expression(body, leaves):
            given = [[f"{k}{slot}" for k, slot in zip(leaves, row)] for row in columns["operands"]]
            if body.is_tree():
                rows = [f"{kind}{result} = {body.formula(row)}" for (result,), row in zip(columns["results"], given)]
            else:
                made = [_slots(kind, row) for row in columns["results"]]
                rows = [*str(body).splitlines(), *[f"given {', '.join(x)}; into {y}" for x, y in zip(given, made)]]
        case Dot():
            *_, (_, left), (_, right) = run.reads()
            starts = [f"{pattern.start}{slot} + " for slot in columns.get("start", ())]
            rows = [
                f"{kind}{result} = {start}{_slots(pattern.left, x)} . {_slots(pattern.right, y)}"
                for result, start, x, y in zip(
                    columns["result"],
                    starts or ["0.0 + " if pattern.start else ""] * len(left),
                    left,
                    np.broadcast_to(right, left.shape),
                )
            ]
        case ExactSum():
            results, terms = columns.values()
            rows = [f"{kind}{result} = fsum {_slots(kind, row)}" for result, row in zip(results, terms)]
        case Outer():
            left, right, total = (column.ravel() for column in columns.values())
            rows = [f"{_slots('total', total)} += {_slots('s', left)} x {_slots('s', right)}"]
        case Fold():
            rows = [f"total{total} += s{slot}" for total, slot in zip(*columns.values())]
        case Store():
            rows = [f"result{before + place} = s{slot}" for slot, before, _, place in zip(*columns.values())]
        case Scan():
            sources = [_slots(k, slots) for k, slots in zip(pattern.kinds, run.operands())]
            made = [f"{kind}{slot}" for slot in columns["results"]]
            way = "backwards" if pattern.reverse else "forwards"
            rows = [f"{columns['length']} rounds {way}, given {', '.join(sources)}; into {', '.join(made)}"]
            rows += str(pattern.body).splitlines()
        case Rounds():
            rows = _listed_rounds(run, kind)
    yield type(pattern).__name__.lower() + " of shared factors" * getattr(pattern, "shared", False)
    yield from ("    " + row for row in rows)


def _listed_rounds(run: Run, kind: str) -> list[str]:
    """Write down what is copied between rounds, and what is done in each."""
    pattern, columns, runs = run
    assert isinstance(pattern, Rounds)
    before, enter, leave, after = run.copies()
    rows = [f"{columns['length']} rounds {'backwards' if pattern.reverse else 'forwards'}"]
    rows += [f"    first {kind}{target} = {of}{source}" for of, (source, target) in before]
    for of, (source, move, step, target, size) in enter:
        inside = _slots(kind, range(target, target + size))
        array = _slots(of, source + step * np.arange(size, dtype=np.int32))
        rows.append(f"    {inside} = {array}, {move} further in each round")
    rows += ["    " + line for inner in runs for line in _listing(inner, kind)]
    for of, (source, move, step, target, size) in leave:
        inside = _slots(of, source + step * np.arange(size, dtype=np.int32))
        array = _slots(kind, range(target, target + size))
        rows.append(f"    {array}, {move} further in each round = {inside}")
    return rows + [f"    next {kind}{target} = {of}{source}" for of, (source, target) in after]


def _slots(kind: str, slots: Sequence[int] | Table) -> str:
    """Write slots down: three or more at one distance by the first and the last."""
    pieces: list[str] = []
    i, numbers = 0, np.asarray(slots).tolist()
    while i < len(numbers):
        end = i + 2
        while end < len(numbers) and numbers[end] - numbers[end - 1] == numbers[i + 1] - numbers[i] != 0:
            end += 1
        if end > i + 2:
            stride = numbers[i + 1] - numbers[i]
            pieces.append(f"{kind}{numbers[i]}..{kind}{numbers[end - 1]}" + f" by {stride}" * (stride != 1))
            i = end
        else:
            pieces.append(f"{kind}{numbers[i]}")
            i += 1
    return " ".join(pieces)


def distance(slots: Sequence[int] | Table) -> int | None:
    """Give the one distance at which slots follow one another; None if there is none."""
    distances = np.diff(slots)
    if not len(distances):
        return 0
    return int(distances[0]) if (distances == distances[0]).all() else None


def check(program: Program) -> None:
    """Check that a program can be run: that runs have their patterns' columns, and slots are written before read."""
    written = {kind: np.zeros(size, dtype=bool) for kind, size in program.sizes.items()}
    written["u"][[*range(program.arguments), *program.constants]] = True
    for slot, array in program.data.items():
        written["u"][slot : slot + len(array)] = True
    for kind, name, runs in (("u", "once", program.once), ("s", "each", program.each)):
        _check_runs(runs, kind, name, written)
    _check_exists("u", program.results, written)
    for slot in program.results[~written["u"][program.results]]:
        raise ValueError(f"u{slot} is a result, and never written")


def _check_runs(runs: Sequence[Run], kind: str, name: str, written: dict[str, NDArray[np.bool_]]) -> None:
    for i, run in enumerate(runs):
        try:
            _check_columns(run)
            _check_slots(run, kind, written)
        except ValueError as error:
            raise ValueError(f"{name}[{i}], {type(run.pattern).__name__}: {error}") from None
        if isinstance(run.pattern, Rounds):
            for _, _, _, target, size in run.columns["enter"]:
                written[kind][target : target + size] = True
            _check_runs(run.rounds, kind, f"{name}[{i}].rounds", written)


def _check_columns(run: Run) -> None:
    pattern, columns, _ = run
    expected = pattern.columns
    if list(columns) != list(expected):
        raise ValueError(f"the columns are {', '.join(columns)}, not {', '.join(expected)}")
    lengths = {"l": len(pattern.leaves), "o": len(pattern.body.results)} if isinstance(pattern, Expression) else {}
    for name, axes in expected.items():
        shape = columns[name].shape
        if len(shape) != len(axes) or any(lengths.setdefault(axis, n) != n for axis, n in zip(axes, shape)):
            raise ValueError(f"the column {name!r} has the shape {shape}, which does not fit the others")


def _check_slots(run: Run, kind: str, written: dict[str, NDArray[np.bool_]]) -> None:
    pattern, columns, _ = run
    results = run.writes()
    _check_exists(kind, results, written)
    first = np.full(len(written[kind]), len(results))  # the row that writes each slot
    if isinstance(pattern, Expression):
        writers = np.repeat(np.arange(len(columns["results"])), columns["results"].shape[1])
        first[results[::-1]] = writers[::-1]
    for of, slots in run.reads():
        _check_exists(of, slots, written)
        known = written[of][slots]
        if of == kind and isinstance(pattern, Expression):
            known |= first[slots] < np.arange(len(slots))[:, None]
        if not known.all():
            raise ValueError(f"{of}{slots[~known][0]} is read before it is written")
    if "total" in columns:
        _check_exists("total", columns["total"], written)
    written[kind][results] = True


def _check_exists(kind: str, slots: Table, written: dict[str, NDArray[np.bool_]]) -> None:
    missing = slots[(slots < 0) | (slots >= len(written[kind]))]
    if len(missing):
        raise ValueError(f"there is no {kind}{missing[0]}: there are {len(written[kind])}")
