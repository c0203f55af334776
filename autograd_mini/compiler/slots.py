"""From nodes to slots: where each number is kept, and the program that says so in the columns of its runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autograd_mini.compiler.graph import Graph, Node
from autograd_mini.compiler.parts import Parts
from autograd_mini.compiler.patterns import Step
from autograd_mini.compiler.program import Dot, Fold, Load, Outer, Program, Run, Store, Table, distance
from autograd_mini.compiler.schedule import Schedule
from autograd_mini.transforms.trees import Structure


class _Slots:
    """The slots of one kind, and which of them has the number of a node."""

    def __init__(self, places: dict[Node, int]) -> None:
        self.places = places
        self.size = 0

    def take(self, nodes: Sequence[Node]) -> None:
        """Give some nodes the next slots."""
        self.places.update(zip(nodes, range(self.size, self.size + len(nodes))))
        self.size += len(nodes)

    def runs(self, batches: Sequence[Sequence[Step]]) -> list[Run]:
        """Give the results of steps their slots, in the order of the steps, and make runs of these."""
        runs: list[Run] = []
        for batch in batches:
            self.take([step.result for step in batch if step.result is not None])
            runs += _runs(batch, self.places)
        return runs


def assign_slots(graph: Graph, parts: Parts, schedules: Sequence[Schedule], structure: Structure) -> Program:
    """Assign a slot to each number, and write the program.

    Parameters
    ----------
    graph : Graph
    parts : Parts
    schedules : sequence of Schedule
        How each part is computed.
    structure : Structure
        How results are nested.
    """
    once, *of_examples = schedules
    places: dict[Node, int] = {}
    same, lanes = _Slots(places), _Slots(places)
    same.take(parts.shared)
    constants = graph.constants if 1.0 in graph.constants.values() else {**graph.constants, len(graph.operations): 1.0}
    same.take(list(constants))
    first = same.runs(once.batches)
    runs: list[Run] = []
    results = _table([] if of_examples else [places[node] for node in graph.results])
    for each in of_examples:
        lanes.take(list(parts.inputs))
        inputs = [(places[node], *place) for node, place in parts.inputs.items()]
        runs = [_run(Load(), inputs), *lanes.runs(each.batches)]
        if each.kept:
            runs.append(_run(Store(), [(places[node], *at) for node, at in zip(each.kept, _positions(structure))]))
    sizes = {"u": same.size, "s": lanes.size, "total": len(parts.computed[-1].totals)}
    numbers = {places[node]: number for node, number in constants.items()}
    return Program(len(parts.shared), numbers, sizes, first, runs, results)


def _positions(structure: Structure) -> Iterator[tuple[int, int, int]]:
    """Say for each number of a result how many stand before its array, how many that has, and its place there."""
    before = 0
    for leaf in structure.leaves():
        for place in range(leaf.size):
            yield before, leaf.size, place
        before += leaf.size


def _runs(batch: Sequence[Step], places: Mapping[Node, int]) -> list[Run]:
    """Write the columns of steps of one pattern."""
    pattern = batch[0].pattern
    match pattern:
        case Dot():
            return _dot_runs(pattern, batch, places)
        case Fold():
            return [_run(pattern, [(step.totals[0], places[step.operands[0]]) for step in batch])]
        case Outer():
            return [_outer_run(step, places) for step in batch]
    operands = [[places[operand] for operand in step.operands] for step in batch]
    return [Run(pattern, {"result": _results(batch, places), "operands": _table(operands)})]


def _dot_runs(pattern: Dot, batch: Sequence[Step], places: Mapping[Node, int]) -> list[Run]:
    """Write the columns of sums: apart for those that share their right factors and have left ones at one distance."""
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
    total = _table(step.totals).reshape(len(left), len(right))
    return Run(step.pattern, {"left": left, "right": right, "total": total})


def _run(pattern: Load | Store | Fold, rows: Sequence[Sequence[int]]) -> Run:
    """Write the columns of rows that have a number for each."""
    table = np.array(rows, dtype=np.int32).reshape(len(rows), len(pattern.columns))
    return Run(pattern, dict(zip(pattern.columns, table.T)))


def _results(batch: Sequence[Step], places: Mapping[Node, int]) -> Table:
    return _table([places[step.result] for step in batch])  # type: ignore[index]


def _table(slots: Sequence[Any]) -> Table:
    return np.array(slots, dtype=np.int32)
