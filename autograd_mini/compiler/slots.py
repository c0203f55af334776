"""From nodes to slots: where each number is kept, and the program that says so in the columns of its runs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autograd_mini.compiler.graph import DATA, ELEMENT, SLICE, Graph, Node, view
from autograd_mini.compiler.parts import Parts
from autograd_mini.compiler.patterns import Step
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
    Store,
    Table,
    distance,
)
from autograd_mini.transforms.trees import NUMBER, Structure

# So many ranges of free slots are looked at for one that is large enough.
LOOKS = 50


class _Slots:
    """The slots of one kind, and where the number of each node is; of an array its first slot, and their distance."""

    def __init__(self, places: dict[Any, int], steps: dict[Any, int], frees: bool, uniform: _Slots | None) -> None:
        self.places, self.steps = places, steps
        self.counts: dict[Any, int] = {}  # of arrays
        self.views: set[Any] = set()  # arrays that need no slots: their numbers were in evenly spaced ones already
        self.frees = frees  # whether slots are used again once their last reader has run
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

    def take(self, nodes: Sequence[Any]) -> None:
        """Give some nodes slots side by side: the first that are free, as far as a short look finds them."""
        begin = self._find(len(nodes))
        self.places.update(zip(nodes, range(begin, begin + len(nodes))))

    def take_array(self, name: Any, count: int) -> int:
        """Give an array slots side by side; give the first one."""
        begin = self._find(count)
        self._place_array(name, begin, count)
        return begin

    def _place_array(self, name: Any, begin: int, count: int) -> None:
        self.places[name], self.steps[name], self.counts[name] = begin, 1, count

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
        self.size = max(self.size, begin + count)
        return begin

    def leave(self, nodes: Sequence[Any]) -> None:
        """Take back the slots of some nodes."""
        slots = sorted([self.places[node] for node in nodes if node not in self.counts])
        for node in nodes:
            if node in self.counts:
                slots += range(self.places[node], self.places[node] + self.counts[node])
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

    def runs(
        self, batches: Sequence[Sequence[Step]], endings: Sequence[Sequence[Node]], structure: Structure
    ) -> list[Run]:
        """Give the results of steps their slots, and make runs; after each batch the slots of its endings are free."""
        runs: list[Run] = []
        for batch, ending in zip(batches, endings):
            self.take([node for node in _results_of(batch) if node not in self.places])
            if batch[0].views:
                for step in batch:
                    runs += self._array_runs(step)
            else:
                runs += _runs(batch, self.places, structure)
            self.leave([node for node in ending if node in self.places and node not in self.views])
        return runs

    def _array_runs(self, step: Step) -> list[Run]:
        """Give a loop or an array its slots, and make its run; an array needs none if its numbers are in place."""
        runs: list[Run] = []
        operands = [self.places[node] for node in step.operands]
        if step.loop is None:
            ((name, count),) = step.outputs.items()
            evenly = distance(operands)
            if evenly is None or count == 1:
                begin = self.take_array(name, count)
                columns = {
                    "results": _table(range(begin, begin + count))[:, None],
                    "operands": _table(operands)[:, None],
                }
                runs.append(Run(step.pattern, columns))
            else:
                self.places[name], self.steps[name] = operands[0], evenly
                self.views.add(name)
        else:
            runs.append(
                self._rounds(step, operands) if isinstance(step.pattern, Rounds) else self._scan(step, operands)
            )
        for node, (name, begin, apart) in step.views.items():
            own = self.steps[name]
            self.places[node], self.steps[node] = self.places[name] + begin * own, apart * own
        return runs

    def _scan(self, step: Step, operands: Sequence[int]) -> Run:
        """Give a loop's outputs slots, and make its run."""
        loop: Any = step.loop
        for name, count in step.outputs.items():
            self.take_array(name, _apart(count))
        columns = {
            "length": np.array(loop.length, np.int32),
            "operands": _table(operands),
            "steps": _table([self.steps[node] for node in step.operands[loop.carries :][: loop.arrays]]),
            "results": _table([self.places[name] for name in step.outputs]),
        }
        return Run(step.pattern, columns)

    def _rounds(self, step: Step, operands: Sequence[int]) -> Run:
        """Give what the rounds of a loop compute slots of its own, and make its run."""
        loop: Any = step.loop
        body, carries, end = loop.body, loop.carries, loop.carries + loop.arrays
        outer = self.places, self.steps, self.counts, self.views  # the same numbers are other nodes there
        steps = [self.steps.get(node, 1) for node in step.operands]
        self.places, self.steps = dict(zip(range(end, body.arguments), operands[end:])), dict(enumerate(steps))
        self.counts, self.views = {}, set()
        self.take(range(carries))
        before = [(operands[j], self.places[j]) for j in range(carries)]
        pattern: Any = step.pattern
        own, given = "s" if self.frees else "u", pattern.kinds
        enter = []
        arrays = sorted(range(carries, end), key=lambda i: (given[i], operands[i]))  # neighbours go to neighbours
        for i in arrays:
            size = body.sizes.get(i, 1)
            enter.append((operands[i], size * steps[i], steps[i], self.take_array(i, size), size))
        counts = [_apart(count) for count in step.outputs.values()]
        made = self._find(sum(counts[carries:]))  # not among what a round overwrites
        self.place_known(body)
        endings = _endings((), step.rounds, {}, set(body.results)) if self.frees else [()] * len(step.rounds)
        in_place = _in_place(step.rounds, body, carries)
        self.places.update({node: self.places[j] for node, j in in_place.items()})
        runs = self.runs(step.rounds, endings, NUMBER)
        kinds = {**dict(enumerate(given[end:], end)), **dict.fromkeys(body.constants, "u")}
        results = [kinds.get(row, own) for row in body.results]
        firsts = [self.places[j] for j in range(carries)] + [made] * (len(counts) - carries)
        leave = []
        kept = sorted(range(carries, len(counts)), key=lambda k: (results[k], self.places[body.results[k]]))
        for k in kept:
            row, firsts[k] = body.results[k], made
            size = body.sizes.get(row, 1)
            leave.append((self.places[row], size, self.steps.get(row, 1), made, size))
            made += counts[k]
        changed = [j for j in range(carries) if j not in (body.results[j], in_place.get(body.results[j]))]
        after = self._exchanged([(self.places[body.results[j]], self.places[j]) for j in changed])
        if self.frees:
            self.leave(range(carries, end))
        self.places, self.steps, self.counts, self.views = outer
        for name, count, first in zip(step.outputs, counts, firsts):
            self._place_array(name, first, count)
        columns = {
            "length": np.array(loop.length, np.int32),
            "before": _table(before).reshape(-1, 2),
            "enter": _table(enter).reshape(-1, 5),
            "leave": _table(leave).reshape(-1, 5),
            "after": _table(after).reshape(-1, 2),
        }
        copied = [*given[:carries], *[given[i] for i in arrays], *[results[k] for k in [*kept, *changed]]]
        copied += [own] * (len(after) - len(changed))
        return Run(replace(pattern, kinds="".join(copied)), columns, runs)

    def place_known(self, graph: Graph) -> dict[Node, Node]:
        """Say where constants are, and elements and slices of arrays that are given; name the array of each."""
        self.places.update({node: self.constant(number) for node, number in graph.constants.items()})
        self.places[len(graph.operations)] = self.constant(1.0)  # which sums of products take for terms that are none
        given = {node: node for node in graph.sizes if node < graph.arguments}
        for node in graph.live() if given else ():
            if graph.operations[node] in (ELEMENT, SLICE) and graph.operands[node][0] in given:
                (array,) = graph.operands[node]
                given[node] = given[array]
                self.places[node], self.steps[node] = view(graph, node, self.places[array], self.steps[array])
        return given

    def _exchanged(self, copies: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """List copies so that none overwrites what a later one copies: where one would, by way of other slots."""
        sources, targets = [source for source, _ in copies], [target for _, target in copies]
        if set(sources).isdisjoint(targets):
            return copies
        first = self._find(len(copies))
        between = range(first, first + len(copies))
        return [*zip(sources, between), *zip(between, targets)]


def _apart(count: int) -> int:
    """Give how far apart arrays begin that are read together: so that their elements do not share cache lines."""
    return count + (count % 8 == 0)


def _results_of(batch: Sequence[Step]) -> list[Node]:
    """List the nodes that steps compute."""
    step: Step
    nodes: list[Node] = []
    for step in batch:
        nodes += step.results
    return nodes


def _endings(
    given: Iterable[Node], batches: Sequence[Sequence[Step]], arrays: Mapping[Node, Node], kept: Iterable[Node] = ()
) -> list[list[Any]]:
    """List for each batch the nodes, given or computed, that it is the last to read.

    `arrays` names the array of each element and slice of one that is given.
    """
    last: dict[Any, int] = {}
    own: set[Any] = set(given)
    # For each view the nodes that own its slots: to read it is to read these.
    behind: dict[Node, list[Any]] = {node: [array] for node, array in arrays.items()}
    for i, batch in enumerate(batches):
        for step in batch:
            own.update(step.results)
            own.update(step.outputs)
            for node, (name, _, _) in step.views.items():
                stacked = step.operands if step.loop is None else ()
                behind[node] = [name, *[x for operand in stacked for x in behind.get(operand, (operand,))]]
            last.update(dict.fromkeys(step.outputs, i))
            last.update(dict.fromkeys(step.operands, i))
            if step.right:
                last.update(dict.fromkeys(step.right, i))
            if behind:
                for operand in (*step.operands, *step.right):
                    last.update(dict.fromkeys(behind.get(operand, ()), i))
    endings: list[list[Any]] = [[] for _ in batches]
    own -= {name for node in kept for name in (node, *behind.get(node, ()))}
    for node in own & last.keys():
        endings[last[node]].append(node)
    return endings


def _in_place(batches: Sequence[Sequence[Step]], body: Graph, carries: int) -> dict[Node, Node]:
    """List the next numbers of carries that may overwrite those before, which nothing reads later; give the carries."""
    step: Step
    endings = _endings(range(carries), batches, {}, body.results)
    carried = set(range(carries))
    last = {j: i for i, ending in enumerate(endings) for j in ending if j in carried}
    targets = {body.results[j]: j for j in sorted(last, reverse=True)}
    found: dict[Node, Node] = {}
    for i, batch in enumerate(batches):
        reads = {x: row for row, step in enumerate(batch) for x in step.operands}
        for row, step in enumerate(batch):
            for node in step.results:
                j = targets.get(node)
                # An expression reads its operands before it writes; rows before it have read theirs.
                is_read = isinstance(step.pattern, Expression) and j in reads and reads[j] <= row
                if j is not None and (last[j] < i or (last[j] == i and is_read)):
                    found[node] = j
    return found


def assign_slots(
    graph: Graph, parts: Parts, schedules: Sequence[Sequence[Sequence[Step]]], structure: Structure
) -> Program:
    """Assign a slot to each number, and write the program: each part is computed by batches of one pattern."""
    once, *of_examples = schedules  # of none or one, if there is a batch
    places: dict[Any, int] = {}
    steps: dict[Any, int] = {}
    uniform = _Slots(places, steps, False, None)
    lanes = _Slots(places, steps, True, uniform)
    arguments = uniform.take_given(parts.shared, graph.sizes)
    lanes.take_given(list(parts.inputs), graph.sizes)
    given = uniform.place_known(graph)
    data = {
        uniform.take_array(node, len(graph.details[node])): graph.details[node]
        for node, operation in enumerate(graph.operations)
        if operation is DATA
    }
    once_runs = uniform.runs(once, [()] * len(once), structure)
    each_runs: list[Run] = []
    for each in of_examples:
        load = _run(
            Load(),
            [
                (places[node] + i, array, begin + i)
                for node, (array, begin) in parts.inputs.items()
                for i in range(graph.sizes.get(node, 1))
            ],
        )
        each_runs = [load, *lanes.runs(each, _endings(parts.inputs, each, given), structure)]
    numbers = {slot: float.fromhex(key) for key, slot in uniform.known.items()}
    results = _spread([] if of_examples else graph.results, graph.sizes, places, steps)
    sizes = {"u": uniform.size, "s": lanes.size, "total": len(parts.computed[-1].totals)}
    return Program(arguments, numbers, sizes, once_runs, each_runs, results, data)


def _spread(
    nodes: Sequence[Node], sizes: Mapping[Node, int], places: Mapping[Any, int], steps: Mapping[Any, int]
) -> Table:
    """List the slots of numbers and of arrays."""
    counts = np.array([sizes.get(node, 1) for node in nodes], np.int32)
    firsts, moves = (_table([of.get(node, 0) for node in nodes]).repeat(counts) for of in (places, steps))
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


def _runs(batch: Sequence[Step], places: Mapping[Node, int], structure: Structure) -> list[Run]:
    """Write the columns of steps of one pattern."""
    pattern = batch[0].pattern
    match pattern:
        case Expression():
            return [_expression_run(batch, places)]
        case Dot():
            return _dot_runs(pattern, batch, places)
        case ExactSum():
            lengths: dict[int, list[Step]] = {}
            for step in batch:
                lengths.setdefault(len(step.operands), []).append(step)
            columns = [(_results(steps, places), _operands(steps, places)) for steps in lengths.values()]
            return [Run(pattern, {"result": result, "terms": terms}) for result, terms in columns]
        case Fold():
            return [_run(pattern, [(step.places[0], places[step.operands[0]]) for step in batch])]
        case Store():
            positions = list(_positions(structure, max([step.places[0] for step in batch]) + 1))
            return [_run(pattern, [(places[step.operands[0]], *positions[step.places[0]]) for step in batch])]
        case Outer():
            return [_outer_run(step, places) for step in batch]
    raise AssertionError(f"{pattern} has runs of its own")


def _expression_run(batch: Sequence[Step], places: Mapping[Node, int]) -> Run:
    step: Step
    results: list[int] = []
    operands: list[int] = []
    for step in batch:
        for node in step.results:
            results.append(places[node])
        for node in step.operands:
            operands.append(places[node])
    rows = len(batch)
    columns = {"results": _table(results).reshape(rows, -1), "operands": _table(operands).reshape(rows, -1)}
    return Run(batch[0].pattern, columns)


def _dot_runs(pattern: Dot, batch: Sequence[Step], places: Mapping[Node, int]) -> list[Run]:
    """Write the columns of sums; those of one right side, with left factors at one distance, make a run."""
    starts = int(pattern.start in ("u", "s"))
    shared: dict[tuple[tuple[Node, ...], int], list[tuple[Step, int]]] = {}
    others: dict[int, list[tuple[Step, list[int]]]] = {}
    for step in batch:
        left = [places[operand] for operand in step.operands[starts:]]
        stride = distance(left)
        if stride is not None:
            shared.setdefault((tuple(step.right), stride), []).append((step, left[0]))
        else:
            others.setdefault(len(left), []).append((step, left))

    def columns(rows: Sequence[tuple[Step, Any]]) -> dict[str, Table]:
        steps = [step for step, _ in rows]
        start = {"start": _table([places[step.operands[0]] for step in steps])} if starts else {}
        return {"result": _results(steps, places), **start, "left": _table([left for _, left in rows])}

    runs: list[Run] = []
    for (nodes, stride), some in shared.items():
        factors = {"stride": np.array(stride, np.int32), "right": _table([places[node] for node in nodes])}
        runs.append(Run(replace(pattern, shared=True), columns(some) | factors))
    for rows in others.values():
        right = _table([[places[node] for node in step.right] for step, _ in rows])
        runs.append(Run(pattern, columns(rows) | {"right": right}))
    return runs


def _outer_run(step: Step, places: Mapping[Node, int]) -> Run:
    left, right = (_table([places[node] for node in nodes]) for nodes in (step.operands, step.right))
    total = _table(step.places).reshape(len(left), len(right))
    return Run(step.pattern, {"left": left, "right": right, "total": total})


def _run(pattern: Load | Store | Fold, rows: Sequence[Sequence[int]]) -> Run:
    """Write the columns of rows that have a number for each."""
    names = pattern.columns
    return Run(pattern, dict(zip(names, _table(rows).reshape(len(rows), len(names)).T)))


def _results(batch: Sequence[Step], places: Mapping[Node, int]) -> Table:
    return _table([places[step.results[0]] for step in batch])


def _operands(batch: Sequence[Step], places: Mapping[Node, int]) -> Table:
    return _table([[places[node] for node in step.operands] for step in batch])


def _table(slots: Sequence[Any]) -> Table:
    return np.array(slots, dtype=np.int32)
