"""The order of steps: as many of one pattern as can follow one another, so that runs are few and long."""

from __future__ import annotations

from typing import NamedTuple

from autograd_mini.compiler.columns import Column, Rows, group
from autograd_mini.compiler.patterns import Steps
from autograd_mini.compiler.program import Expression, Outer, Store

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

# Outer products as soon as possible, since they are the last readers of many slots; stores at the end. Else the more
# steps there are.
_RANKS = {Outer: 1 << 40, Store: -1 << 40}


class Schedule(NamedTuple):
    """Steps in their order, those of one pattern together."""

    steps: Steps
    batches: Rows  # of steps, by their numbers

    def __str__(self) -> str:
        return "\n\n".join("\n".join(map(self.steps.line, batch)) for batch in self.batches)


@cython.final
@cython.cclass
class _Queues:
    """The steps that can be computed now: of each kind a queue, in which each step knows the next one."""

    def __init__(self, kinds: int, steps: int) -> None:
        self.first: Column = Column(kinds, -1)
        self.last: Column = Column(kinds, -1)
        self.lengths: Column = Column(kinds)
        self.after: Column = Column(steps, -1)
        self.ready: dict[int, None] = {}  # the kinds of which there are steps, in the order in which they came

    def append(self, kind: cython.Py_ssize_t, step: cython.Py_ssize_t) -> None:
        if self.lengths.at[kind]:
            self.after.at[self.last.at[kind]] = step
        else:
            self.first.at[kind] = step
            self.ready[kind] = None
        self.last.at[kind] = step
        self.lengths.at[kind] += 1


def schedule(steps: Steps) -> Schedule:
    """Order steps so that each follows the steps it needs, and put steps of one pattern together."""
    step: cython.Py_ssize_t
    kind: cython.Py_ssize_t
    consumer: cython.Py_ssize_t
    k: cython.Py_ssize_t
    consumers: Rows = _consumers(steps)
    waiting: Column = Column(len(steps.kinds))  # for how many steps
    for k in range(len(consumers.numbers)):
        waiting.at[consumers.numbers.at[k]] += 1
    kinds: Column = steps.kinds
    queues: _Queues = _Queues(len(steps.patterns), len(kinds))
    for step in range(len(kinds)):
        if not waiting.at[step]:
            queues.append(kinds.at[step], step)
    ranks = [_RANKS.get(type(pattern), 0) for pattern in steps.patterns]
    batches: Rows = Rows()
    while queues.ready:
        kind = _next_kind(queues, ranks)
        del queues.ready[kind]
        # An expression may follow one of its own pattern in the same run: the queue grows while it is gone through.
        grows = isinstance(steps.patterns[kind], Expression)
        if not grows:
            queues.lengths.at[kind] = 0
        step = queues.first.at[kind]
        while step >= 0:
            batches.numbers.put(step)
            for k in range(consumers.begins.at[step], consumers.begins.at[step + 1]):
                consumer = consumers.numbers.at[k]
                waiting.at[consumer] -= 1
                if not waiting.at[consumer]:
                    queues.append(kinds.at[consumer], consumer)
            step = queues.after.at[step]
        if grows:
            queues.lengths.at[kind] = 0
        batches.end()
    return Schedule(steps, batches)


def _next_kind(queues: _Queues, ranks: list[int]) -> int:
    """Choose the kind that goes next: of equal ones the one that has been ready for longest."""
    score: cython.longlong
    kind: cython.Py_ssize_t
    highest: cython.longlong = -1 << 62
    best = -1
    for kind in queues.ready:
        score = ranks[kind]
        score += queues.lengths.at[kind]
        if score > highest:
            best, highest = kind, score
    return best


def _consumers(steps: Steps) -> Rows:
    """List for each step the steps that wait for it, each once."""
    step: cython.Py_ssize_t
    producer: cython.Py_ssize_t
    k: cython.Py_ssize_t
    count: cython.Py_ssize_t = len(steps.kinds)
    begins, operands = steps.operands.begins.at, steps.operands.numbers.at
    producers: Column = Column(steps.names, -1)
    for step in range(count):
        for k in range(steps.results.begins.at[step], steps.results.begins.at[step + 1]):
            producers.at[steps.results.numbers.at[k]] = step
    for step, details in steps.details.items():
        for node in details.views:
            producers.at[node] = step
    latest: Column = Column(count, -1)  # the last step that is known to wait for each
    needed: Column = Column()
    waiting: Column = Column()
    for step in range(count):
        for k in range(begins[step], begins[step + 1]):
            producer = producers.at[operands[k]]
            if producer >= 0 and latest.at[producer] != step:
                latest.at[producer] = step
                needed.put(producer)
                waiting.put(step)
    return group(waiting, needed, count)
