"""The order of steps: as many of one pattern as can follow one another, so that runs are few and long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd_mini.compiler.patterns import Step
from autograd_mini.compiler.program import Expression, Outer, Store

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

# Outer products as soon as possible, since they are the last readers of many slots; stores at the end. Else the more
# steps there are.
_RANKS = {Outer: 1 << 40, Store: -1 << 40}


def schedule(steps: Sequence[Step]) -> list[list[Step]]:
    """Order steps so that each follows the steps it needs, and put steps of one pattern together."""
    i: cython.Py_ssize_t
    kind: cython.Py_ssize_t
    consumer: cython.Py_ssize_t
    same: cython.Py_ssize_t
    step: Step
    waiting: list[int]
    consumers: list[Any]
    waiting, consumers = _dependencies(steps)
    listed: list[Any] = list(steps)
    numbers: dict[int, int] = {}  # of the patterns, by which a step is of a kind
    ranks: list[int] = []
    kinds: list[int] = []
    ready: dict[int, list[int]] = {}
    for i, step in enumerate(steps):
        kind = numbers.setdefault(id(step.pattern), len(numbers))
        if kind == len(ranks):
            ranks.append(_RANKS.get(type(step.pattern), 0))
        kinds.append(kind)
        if not waiting[i]:
            ready.setdefault(kind, []).append(i)
    batches: list[list[Step]] = []
    while ready:
        kind = _next_kind(ready, ranks)
        batch: list[int] = ready.pop(kind)
        # An expression may follow one of its own pattern in the same run.
        same = kind if isinstance(listed[batch[0]].pattern, Expression) else -1
        for i in batch:  # grows
            for consumer in consumers[i] or ():
                waiting[consumer] -= 1
                if not waiting[consumer]:
                    if kinds[consumer] == same:
                        batch.append(consumer)
                    else:
                        ready.setdefault(kinds[consumer], []).append(consumer)
        batches.append([listed[i] for i in batch])
    return batches


def _next_kind(ready: dict[int, list[int]], ranks: list[int]) -> int:
    """Choose the kind that goes next: of equal ones the one that has been ready for longest."""
    score: cython.longlong
    highest: cython.longlong = -1 << 62
    best = -1
    for kind, listed in ready.items():
        score = ranks[kind] + len(listed)
        if score > highest:
            best, highest = kind, score
    return best


def _dependencies(steps: Sequence[Step]) -> tuple[list[int], list[Any]]:
    """Count how many steps each waits for, and list those that wait for it, or give None for none."""
    i: cython.Py_ssize_t
    producer: cython.Py_ssize_t
    step: Step
    producers: dict[int, int] = {}
    for i, step in enumerate(steps):
        for node in step.results:
            producers[node] = i
        for node in step.views:
            producers[node] = i
    waiting: list[int] = [0] * len(steps)
    consumers: list[Any] = [None] * len(steps)
    for i, step in enumerate(steps):
        for node in (*step.operands, *step.right) if step.right else step.operands:
            producer = producers.get(node, -1)
            if producer >= 0:
                found: list[int] = consumers[producer]
                if found is None:
                    consumers[producer] = [i]
                elif found[-1] == i:
                    continue
                else:
                    found.append(i)
                waiting[i] += 1
    return waiting, consumers
