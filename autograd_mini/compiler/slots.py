"""From nodes to slots: where each number is kept, and the program that says so in the columns of its runs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from autograd_mini.compiler.columns import MOST, Column, Rows
from autograd_mini.compiler.graph import DATA, ELEMENT, SLICE, Graph, Loop, Node, view
from autograd_mini.compiler.parts import Parts
from autograd_mini.compiler.patterns import Details, Steps
from autograd_mini.compiler.program import (
    Dot,
    ExactSum,
    Expression,
    Fold,
    Load,
    Outer,
    Pattern,
    Program,
    Rounds,
    Run,
    Store,
    Table,
    distance,
)
from autograd_mini.compiler.schedule import Schedule
from autograd_mini.transforms.trees import NUMBER, Structure

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

# What is copied between rounds: a row of a column of `Rounds`, and the kind of the slots that it copies from.
_Copy = tuple[str, tuple[int, ...]]

# So many ranges of free slots are looked at for one that is large enough.
LOOKS = 50


@cython.cclass
class _Slots:
    """The slots of one kind, and where the number of each node is; of an array its first slot, and their distance.

    Slots of kind "s" are used again once their last reader has run; those of kind "u" are read for each tile.
    """

    def __init__(self, places: Column, steps: dict[int, int], uniform: _Slots | None = None) -> None:
        self.places, self.steps = places, steps
        self.counts: dict[int, int] = {}  # of arrays
        self.views: set[int] = set()  # arrays that need no slots: their numbers were in evenly spaced ones already
        self.kind = "u" if uniform is None else "s"
        self.uniform = uniform  # which have the numbers that are known; None if these do
        self.known: dict[str, int] = {}
        self.size = 0
        self.free: list[tuple[int, int]] = []  # where free slots begin and end, in order

    def take_given(self, nodes: Sequence[Node], sizes: Mapping[Node, int]) -> int:
        """Give arguments, numbers and arrays, slots side by side; give how many these are."""
        arrays = [i for i, node in enumerate(nodes) if node in sizes]
        begin = 0
        for i in [*arrays, len(nodes)]:
            self.take(nodes[begin:i])
            if i < len(nodes):
                self.take_array(nodes[i], sizes[nodes[i]])
            begin = i + 1
        return self.size

    def take(self, nodes: Sequence[int]) -> None:
        """Give some nodes slots side by side: the first that are free, as far as a short look finds them."""
        node: cython.Py_ssize_t
        slot: cython.Py_ssize_t = self._find(len(nodes))
        for node in nodes:
            self.places.at[node] = slot
            slot += 1

    def take_array(self, name: cython.Py_ssize_t, count: int) -> int:
        """Give an array slots side by side; give the first one."""
        begin = self._find(count)
        self._place_array(name, begin, count)
        return begin

    def _place_array(self, name: cython.Py_ssize_t, begin: int, count: int) -> None:
        self.places.at[name] = begin
        self.steps[name], self.counts[name] = 1, count

    def constant(self, number: float) -> int:
        """Give the slot of a number that is known."""
        if self.uniform is not None:
            return self.uniform.constant(number)
        key = number.hex()
        if key not in self.known:
            self.known[key] = self._find(1)
        return self.known[key]

    def _find(self, count: int) -> int:
        begin = self.size
        for i, (first, end) in enumerate(self.free[:LOOKS]):
            if end - first >= count:
                begin = first
                self.free[i : i + 1] = [(first + count, end)] if end - first > count else []
                break
        if begin + count > MOST:
            raise MemoryError(f"there are more than {MOST:,} numbers")  # before C cuts their places off
        self.size = max(self.size, begin + count)
        return begin

    def leave(self, nodes: Sequence[int]) -> None:
        """Take back the slots of some nodes."""
        node: cython.Py_ssize_t
        slots: list[int] = []
        for node in nodes:
            slots += range(self.places.at[node], self.places.at[node] + self.counts.get(node, 1))
        slots.sort()
        begin = 0
        for i, slot in enumerate(slots):
            if i + 1 == len(slots) or slots[i + 1] > slot + 1:
                self._insert(slots[begin], slot + 1)
                begin = i + 1

    def _insert(self, begin: int, end: int) -> None:
        """Add a range of free slots; it becomes one with its neighbours."""
        i = bisect_left(self.free, (begin,))
        if i < len(self.free) and self.free[i][0] == end:
            end = self.free.pop(i)[1]
        if i and self.free[i - 1][1] == begin:
            i -= 1
            begin = self.free.pop(i)[0]
        self.free.insert(i, (begin, end))

    def runs(self, plan: Schedule, endings: Sequence[Sequence[int]], structure: Structure) -> list[Run]:
        """Give the results of steps their slots, and make runs; after each batch the slots of its endings are free."""
        i: cython.Py_ssize_t
        steps: Steps = plan.steps
        batches: Rows = plan.batches
        runs: list[Run] = []
        # The rows of all expressions, one after the other.
        table: Table = np.empty(len(steps.results.numbers) + len(steps.operands.numbers), np.int32)
        entries = table
        begin = end = 0
        for i in range(len(batches)):
            first: cython.Py_ssize_t = batches.numbers.at[batches.begins.at[i]]
            details: Details = steps.details_of(first)
            pattern: Any = steps.patterns[steps.kinds.at[first]]
            if details.views:
                for step in batches[i]:
                    runs += self._array_runs(pattern, steps.operands[step], steps.details[step])
            elif isinstance(pattern, Expression):
                end = self._write_rows(steps, batches, i, entries, begin)
                rows = table[begin:end].reshape(len(batches[i]), -1)
                made = len(pattern.body.results)
                runs.append(Run(pattern, {"results": rows[:, :made], "operands": rows[:, made:]}))
                begin = end
            else:
                self.take([x for step in batches[i] for x in steps.results[step] if self.places.at[x] < 0])
                runs += _runs(pattern, [_row(steps, step, self.places) for step in batches[i]], structure)
            if endings:
                self.leave([node for node in endings[i] if self.places.at[node] >= 0 and node not in self.views])
        return runs

    def _write_rows(
        self, steps: Steps, batches: Rows, i: cython.Py_ssize_t, entries: Any, end: cython.Py_ssize_t
    ) -> int:
        """Give the results of a batch of expressions slots, and write for each row these, then those of its leaves.

        Entries are written from `end` on; the new end is given.
        """
        j: cython.Py_ssize_t
        k: cython.Py_ssize_t
        step: cython.Py_ssize_t
        places, results, operands = self.places.at, steps.results, steps.operands
        begin: cython.Py_ssize_t = batches.begins.at[i]
        new: cython.Py_ssize_t = 0  # the others write over a carry
        for j in range(begin, batches.begins.at[i + 1]):
            step = batches.numbers.at[j]
            for k in range(results.begins.at[step], results.begins.at[step + 1]):
                new += places[results.numbers.at[k]] < 0
        slot: cython.Py_ssize_t = self._find(new)
        for j in range(begin, batches.begins.at[i + 1]):
            step = batches.numbers.at[j]
            for k in range(results.begins.at[step], results.begins.at[step + 1]):
                if places[results.numbers.at[k]] < 0:
                    places[results.numbers.at[k]] = slot
                    slot += 1
                entries[end] = places[results.numbers.at[k]]
                end += 1
            for k in range(operands.begins.at[step], operands.begins.at[step + 1]):
                entries[end] = places[operands.numbers.at[k]]
                end += 1
        return end

    def _array_runs(self, pattern: Any, nodes: Sequence[Node], details: Details) -> list[Run]:
        """Give a loop or an array its slots, and make its run; an array needs none if its numbers are in place."""
        node: cython.Py_ssize_t
        name: cython.Py_ssize_t
        runs: list[Run] = []
        operands = [self.places.at[node] for node in nodes]
        if details.loop is None:
            ((name, count),) = details.outputs.items()
            evenly = distance(operands)
            if evenly is None or count == 1:
                begin = self.take_array(name, count)
                columns = {
                    "results": _table(range(begin, begin + count))[:, None],
                    "operands": _table(operands)[:, None],
                }
                runs.append(Run(pattern, columns))
            else:
                self.places.at[name], self.steps[name] = operands[0], evenly
                self.views.add(name)
        elif isinstance(pattern, Rounds):
            runs.append(self._rounds(pattern, nodes, operands, details))
        else:
            runs.append(self._scan(pattern, nodes, operands, details))
        for node, (name, begin, apart) in details.views.items():
            own = self.steps[name]
            self.places.at[node], self.steps[node] = self.places.at[name] + begin * own, apart * own
        return runs

    def _scan(self, pattern: Any, nodes: Sequence[Node], operands: Sequence[int], details: Details) -> Run:
        """Give a loop's outputs slots, and make its run."""
        name: cython.Py_ssize_t
        loop: Any = details.loop
        for name, count in details.outputs.items():
            self.take_array(name, _apart(count))
        columns = {
            "length": np.array(loop.length, np.int32),
            "operands": _table(operands),
            "steps": _table([self.steps[node] for node in nodes[loop.carries :][: loop.arrays]]),
            "results": _table([self.places.at[name] for name in details.outputs]),
        }
        return Run(pattern, columns)

    def _rounds(self, pattern: Any, nodes: Sequence[Node], operands: Sequence[int], details: Details) -> Run:
        """Give what the rounds of a loop compute slots of its own, and make its run."""
        i: cython.Py_ssize_t
        loop: Any = details.loop
        rounds: Schedule = details.rounds
        body, carries, end, given = loop.body, loop.carries, loop.carries + loop.arrays, pattern.kinds
        outer = self.places, self.steps, self.counts, self.views  # the same numbers are other nodes there
        steps = dict(enumerate([self.steps.get(node, 1) for node in nodes]))
        self.places, self.steps, self.counts, self.views = Column(rounds.steps.names, -1), steps, {}, set()
        for i in range(end, body.arguments):
            self.places.at[i] = operands[i]
        self.take(range(carries))
        before = [(given[i], (operands[i], self.places.at[i])) for i in range(carries)]
        enter = self._enter(loop, given, operands)
        counts = [_apart(count) for count in details.outputs.values()]
        made = self._find(sum(counts[carries:]))  # not among what a round overwrites
        self.place_known(body)
        in_place = _in_place(rounds, body, carries)
        for node, i in in_place.items():
            self.places.at[node] = self.places.at[i]
        runs = self.runs(rounds, _endings((), rounds, {}, body.results) if self.kind == "s" else [], NUMBER)
        elsewhere = {**dict(enumerate(given[end:], end)), **dict.fromkeys(body.constants, "u")}
        results = [(elsewhere.get(row, self.kind), self.places.at[row]) for row in body.results]
        leave = self._leave(loop, results, counts, made)
        begins = [self.places.at[i] for i in range(carries)]
        begins += [leave[k][1][3] for k in range(carries, len(counts))]
        changed = [i for i in range(carries) if i not in (body.results[i], in_place.get(body.results[i]))]
        after = self._exchanged([(results[i][0], (results[i][1], begins[i])) for i in changed])
        if self.kind == "s":
            self.leave(range(carries, end))
        self.places, self.steps, self.counts, self.views = outer
        for i, name in enumerate(details.outputs):
            self._place_array(name, begins[i], counts[i])
        return _rounds_run(pattern, loop.length, [before, enter, [*leave.values()], after], runs)

    def _enter(self, loop: Loop, kinds: str, operands: Sequence[int]) -> list[_Copy]:
        """Give an element of each array of a loop slots in a round; list how it is copied to them."""
        copies: list[_Copy] = []
        arrays = range(loop.carries, loop.carries + loop.arrays)
        for _, first, i in sorted([(kinds[i], operands[i], i) for i in arrays]):  # neighbours go to neighbours
            size, step = loop.body.sizes.get(i, 1), self.steps[i]
            copies.append((kinds[i], (first, size * step, step, self.take_array(i, size), size)))
        return copies

    def _leave(
        self, loop: Loop, results: Sequence[tuple[str, int]], counts: Sequence[int], begin: int
    ) -> dict[int, _Copy]:
        """List by outputs how the elements that a round makes, given by kinds and slots, are copied to arrays.

        The arrays lie side by side from a slot on.
        """
        copies: dict[int, _Copy] = {}
        for kind, first, k in sorted([(*results[k], k) for k in range(loop.carries, len(results))]):
            row = loop.body.results[k]
            size = loop.body.sizes.get(row, 1)
            copies[k] = (kind, (first, size, self.steps.get(row, 1), begin, size))
            begin += counts[k]
        return copies

    def place_known(self, graph: Graph) -> dict[Node, Node]:
        """Say where constants are, and elements and slices of arrays that are given; name the array of each."""
        node: cython.Py_ssize_t
        array: cython.Py_ssize_t
        for node, number in graph.constants.items():
            self.places.at[node] = self.constant(number)
        self.places.at[len(graph.operations)] = self.constant(1.0)  # for terms of sums that are no products
        given = {node: node for node in graph.sizes if node < graph.arguments}
        for node in graph.live() if given else ():
            if graph.operations[node] in (ELEMENT, SLICE) and graph.operands[node][0] in given:
                (array,) = graph.operands[node]
                given[node] = given[array]
                begin, step = view(graph, node, self.places.at[array], self.steps[array])
                self.places.at[node], self.steps[node] = begin, step
        return given

    def _exchanged(self, copies: list[_Copy]) -> list[_Copy]:
        """List copies so that none overwrites what a later one copies: where one would, by way of other slots."""
        sources, targets = [source for _, (source, _) in copies], [target for _, (_, target) in copies]
        if set(sources).isdisjoint(targets):
            return copies
        begin = self._find(len(copies))
        there: list[_Copy] = [(kind, (source, begin + i)) for i, (kind, (source, _)) in enumerate(copies)]
        return there + [(self.kind, (begin + i, target)) for i, target in enumerate(targets)]


def _rounds_run(pattern: Rounds, length: int, copies: Sequence[Sequence[_Copy]], runs: Sequence[Run]) -> Run:
    """Write the columns of the rounds of a loop, given what each of them copies, and does."""
    columns = {"length": np.array(length, np.int32)}
    for (name, axes), some in zip([*pattern.columns.items()][1:], copies):
        columns[name] = _table([row for _, row in some]).reshape(-1, int(axes[1]))
    kinds = "".join([kind for some in copies for kind, _ in some])
    return Run(replace(pattern, kinds=kinds), columns, runs)


def _apart(count: int) -> int:
    """Give how far apart arrays begin that are read together: so that their elements do not share cache lines."""
    return count + (count % 8 == 0)


def _endings(
    given: Iterable[Node], plan: Schedule, arrays: Mapping[Node, Node], kept: Iterable[Node] = ()
) -> list[list[int]]:
    """List for each batch the nodes, given or computed, that it is the last to read.

    `arrays` names the array of each element and slice of one that is given.
    """
    i: cython.Py_ssize_t
    k: cython.Py_ssize_t
    j: cython.Py_ssize_t
    step: cython.Py_ssize_t
    node: cython.Py_ssize_t
    steps: Steps = plan.steps
    batches: Rows = plan.batches
    operands: Rows = steps.operands
    last: Column = Column(steps.names, -1)  # the batch that is the last to read each
    own: list[int] = list(given)
    owners = _owners(steps, arrays)
    for i in range(len(batches)):
        for k in range(batches.begins.at[i], batches.begins.at[i + 1]):
            step = batches.numbers.at[k]
            if step in steps.details:
                made: list[int] = list(steps.details[step].outputs)
                own += made
                for node in made:
                    last.at[node] = i
            for j in range(operands.begins.at[step], operands.begins.at[step + 1]):
                last.at[operands.numbers.at[j]] = i
            if owners:
                for operand in operands[step]:
                    for node in owners.get(operand, ()):
                        last.at[node] = i
    for node in [x for result in kept for x in (result, *owners.get(result, ()))]:
        last.at[node] = -1
    endings: list[list[int]] = [[] for _ in range(len(batches))]
    for node in own:
        if last.at[node] >= 0:
            endings[last.at[node]].append(node)
    for k in range(len(steps.results.numbers)):
        node = steps.results.numbers.at[k]
        if last.at[node] >= 0:
            endings[last.at[node]].append(node)
    return endings


def _owners(steps: Steps, arrays: Mapping[Node, Node]) -> dict[Node, list[int]]:
    """Name for each view the arrays and numbers whose slots it shows: to read the view is to read these."""
    owners: dict[Node, list[int]] = {node: [array] for node, array in arrays.items()}
    for step, details in steps.details.items():
        for node, (name, _, _) in details.views.items():
            stacked = steps.operands[step] if details.loop is None else ()
            owners[node] = [name, *[x for operand in stacked for x in owners.get(operand, (operand,))]]
    return owners


def _in_place(plan: Schedule, body: Graph, carries: int) -> dict[Node, Node]:
    """List the next numbers of carries that may overwrite those before, which nothing reads later; give the carries."""
    steps: Steps = plan.steps
    endings = _endings(range(carries), plan, {}, body.results)
    carried = set(range(carries))
    last = {j: i for i, ending in enumerate(endings) for j in ending if j in carried}
    targets = {body.results[j]: j for j in sorted(last, reverse=True)}
    found: dict[Node, Node] = {}
    for i, batch in enumerate(plan.batches):
        reads = {x: row for row, step in enumerate(batch) for x in steps.operands[step]}
        is_expression = isinstance(steps.patterns[steps.kinds.at[batch[0]]], Expression)
        for row, step in enumerate(batch):
            for node in steps.results[step]:
                j = targets.get(node)
                # An expression reads its operands before it writes; rows before it have read theirs.
                is_read = is_expression and j in reads and reads[j] <= row
                if j is not None and (last[j] < i or (last[j] == i and is_read)):
                    found[node] = j
    return found


def assign_slots(graph: Graph, parts: Parts, schedules: Sequence[Schedule], structure: Structure) -> Program:
    """Assign a slot to each number, and write the program: each part is computed by batches of one pattern."""
    once, *of_examples = schedules  # of none or one, if there is a batch
    places: Column = Column(max([plan.steps.names for plan in schedules]), -1)
    steps: dict[int, int] = {}
    uniform = _Slots(places, steps)
    lanes = _Slots(places, steps, uniform)
    arguments = uniform.take_given(parts.shared, graph.sizes)
    lanes.take_given(list(parts.inputs), graph.sizes)
    given = uniform.place_known(graph)
    data = {
        uniform.take_array(node, len(graph.details[node])): graph.details[node]
        for node in graph.details
        if graph.operations[node] is DATA
    }
    once_runs = uniform.runs(once, [], structure)
    each_runs: list[Run] = []
    for each in of_examples:
        load = _run(
            Load(),
            [
                (places.at[node] + i, array, begin + i)
                for node, (array, begin) in parts.inputs.items()
                for i in range(graph.sizes.get(node, 1))
            ],
        )
        each_runs = [load, *lanes.runs(each, _endings(parts.inputs, each, given), structure)]
    numbers = {slot: float.fromhex(key) for key, slot in uniform.known.items()}
    results = _spread([] if of_examples else graph.results, graph.sizes, places, steps)
    sizes = {"u": uniform.size, "s": lanes.size, "total": len(parts.computed[-1].totals)}
    return Program(arguments, numbers, sizes, once_runs, each_runs, results, data)


def _spread(nodes: Sequence[Node], sizes: Mapping[Node, int], places: Column, steps: Mapping[int, int]) -> Table:
    """List the slots of numbers and of arrays."""
    counts = np.array([sizes.get(node, 1) for node in nodes], np.int32)
    firsts = _table([places.at[node] for node in nodes]).repeat(counts)
    moves = _table([steps.get(node, 0) for node in nodes]).repeat(counts)
    return firsts + moves * (np.arange(len(firsts), dtype=np.int32) - (counts.cumsum() - counts).repeat(counts))


def _positions(structure: Structure, count: int) -> Iterator[tuple[int, int, int]]:
    """Say for each number of a result how many stand before its array, how many that has, and its place there.

    Numbers that follow the structure's are arrays of one.
    """
    before = 0
    for leaf in structure.leaves():
        for place in range(leaf.size):
            yield before, leaf.size, place
        before += leaf.size
    for place in range(before, count):
        yield place, 1, 0


class _Row(NamedTuple):
    """A step by its slots."""

    results: list[int]
    operands: list[int]
    details: Details


def _row(steps: Steps, step: int, places: Column) -> _Row:
    results = [places.at[node] for node in steps.results[step]]
    return _Row(results, [places.at[node] for node in steps.operands[step]], steps.details_of(step))


def _runs(pattern: Pattern, rows: Sequence[_Row], structure: Structure) -> list[Run]:
    """Write the columns of steps of one pattern, which is no expression."""
    match pattern:
        case Dot():
            return _dot_runs(pattern, rows)
        case ExactSum():
            lengths: dict[int, list[_Row]] = {}
            for row in rows:
                lengths.setdefault(len(row.operands), []).append(row)
            return [
                Run(pattern, {"result": _results(some), "terms": _table([row.operands for row in some])})
                for some in lengths.values()
            ]
        case Fold():
            return [_run(pattern, [(row.details.places[0], row.operands[0]) for row in rows])]
        case Store():
            positions = list(_positions(structure, max([row.details.places[0] for row in rows]) + 1))
            return [_run(pattern, [(row.operands[0], *positions[row.details.places[0]]) for row in rows])]
        case Outer():
            return [_outer_run(pattern, row) for row in rows]
    raise AssertionError(f"{pattern} has runs of its own")


def _results(rows: Sequence[_Row]) -> Table:
    return _table([row.results[0] for row in rows])


def _dot_runs(pattern: Dot, rows: Sequence[_Row]) -> list[Run]:
    """Write the columns of sums; those of one right side, with left factors at one distance, make a run."""
    starts = int(pattern.start in ("u", "s"))
    shared: dict[tuple[tuple[int, ...], int], list[tuple[_Row, int]]] = {}
    others: dict[int, list[tuple[_Row, list[int]]]] = {}
    for row in rows:
        left, right = row.operands[starts : row.details.right], row.operands[row.details.right :]
        stride = distance(left)
        if stride is not None:
            shared.setdefault((tuple(right), stride), []).append((row, left[0]))
        else:
            others.setdefault(len(left), []).append((row, left))

    def columns(some: Sequence[tuple[_Row, Any]]) -> dict[str, Table]:
        start = {"start": _table([row.operands[0] for row, _ in some])} if starts else {}
        return {"result": _results([row for row, _ in some]), **start, "left": _table([left for _, left in some])}

    runs: list[Run] = []
    for (right_slots, stride), alike in shared.items():
        factors = {"stride": np.array(stride, np.int32), "right": _table(right_slots)}
        runs.append(Run(replace(pattern, shared=True), columns(alike) | factors))
    for some in others.values():
        right_table = _table([row.operands[row.details.right :] for row, _ in some])
        runs.append(Run(pattern, columns(some) | {"right": right_table}))
    return runs


def _outer_run(pattern: Outer, row: _Row) -> Run:
    left, right = _table(row.operands[: row.details.right]), _table(row.operands[row.details.right :])
    total = _table(row.details.places).reshape(len(left), len(right))
    return Run(pattern, {"left": left, "right": right, "total": total})


def _run(pattern: Load | Store | Fold, rows: Sequence[Sequence[int]]) -> Run:
    """Write the columns of rows that have a number for each."""
    names = pattern.columns
    return Run(pattern, dict(zip(names, _table(rows).reshape(len(rows), len(names)).T)))


def _table(slots: Sequence[Any]) -> Table:
    return np.array(slots, dtype=np.int32)
