"""The order of steps: as many of one pattern as can follow one another, so that runs are few and long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    j: cython.Py_ssize_t
    kind: cython.Py_ssize_t
    consumer: cython.Py_ssize_t
    same: cython.Py_ssize_t
    waiting: list[int]
    begins: list[int]
    consumers: list[int]
    waiting, begins, consumers = _dependencies(steps)
    numbers: dict[int, int] = {}
    kinds: list[int] = [numbers.setdefault(id(step.pattern), len(numbers)) for step in steps]
    ranks: list[int] = [0] * len(numbers)
    ready: dict[int, list[int]] = {}  # by their kind
    for i in range(len(steps)):
        ranks[kinds[i]] = _RANKS.get(type(steps[i].pattern), 0)
        if not waiting[i]:
            ready.setdefault(kinds[i], []).append(i)
    batches: list[list[Step]] = []
    while ready:
        kind = _next_kind(ready, ranks)
        batch: list[int] = ready.pop(kind)
        # An expression may follow one of its own pattern in the same run.
        same = kind if isinstance(steps[batch[0]].pattern, Expression) else -1
        for i in batch:  # grows
            for j in range(begins[i], begins[i + 1]):
                consumer = consumers[j]
                waiting[consumer] -= 1
                if not waiting[consumer]:
                    if kinds[consumer] == same:
                        batch.append(consumer)
                    else:
                        ready.setdefault(kinds[consumer], []).append(consumer)
        batches.append([steps[i] for i in batch])
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


def _dependencies(steps: Sequence[Step]) -> tuple[list[int], list[int], list[int]]:
    """Count for how many numbers each step waits; list what waits for each, one after another, and where that begins.

    A step that waits for two numbers of another is listed twice.
    """
    written, writers = _listed([(*step.results, *step.views) if step.views else step.results for step in steps])
    read, readers = _listed([(*step.operands, *step.right) if step.right else step.operands for step in steps])
    copies = min(written.min(initial=0), read.min(initial=0))
    producers = np.full(max(written.max(initial=0), read.max(initial=0)) + 1 - copies, -1)  # of copies, at its end
    producers[written] = writers
    needed = producers[read]
    is_made = needed >= 0
    producer, consumer = np.divmod(np.sort(needed[is_made] * len(steps) + readers[is_made]), len(steps) or 1)
    ends = np.bincount(producer, minlength=len(steps)).cumsum()
    return np.bincount(consumer, minlength=len(steps)).tolist(), [0, *ends.tolist()], consumer.tolist()


def _listed(nodes: list[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List the nodes of all steps, and beside each its step."""
    counts = [len(listed) for listed in nodes]
    return np.array([node for listed in nodes for node in listed], np.int64), np.repeat(np.arange(len(nodes)), counts)
