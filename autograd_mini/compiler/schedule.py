"""The order of steps: as many of one pattern as can follow one another, so that runs are few and long."""

from __future__ import annotations

from typing import NamedTuple

from autograd_mini.compiler.graph import Node
from autograd_mini.compiler.patterns import Step, Steps
from autograd_mini.compiler.program import Expression, Outer


class Schedule(NamedTuple):
    """Steps in the order in which they are computed.

    Attributes
    ----------
    batches : list of list of Step
        Each of one pattern.
    kept : list of node
        What the part keeps, or copies of it.
    """

    batches: list[list[Step]]
    kept: list[Node]

    def __str__(self) -> str:
        return "\n\n".join("\n".join(map(str, batch)) for batch in self.batches)


def schedule(unordered: Steps) -> Schedule:
    """Order steps so that each stands behind what it needs, and those of one pattern together."""
    steps = unordered.steps
    producers = {step.result: i for i, step in enumerate(steps) if step.result is not None}
    waiting = [0] * len(steps)
    consumers: list[list[int]] = [[] for _ in steps]
    for i, step in enumerate(steps):
        for producer in {producers[node] for node in (*step.operands, *step.right) if node in producers}:
            waiting[i] += 1
            consumers[producer].append(i)
    kinds = [id(step.pattern) for step in steps]
    at_once = {id(step.pattern) for step in steps if isinstance(step.pattern, Outer)}  # the last to read much
    ready: dict[int, list[int]] = {}
    for i, kind in enumerate(kinds):
        if not waiting[i]:
            ready.setdefault(kind, []).append(i)
    batches: list[list[Step]] = []
    while ready:
        kind = max(ready, key=lambda kind: (kind in at_once, len(ready[kind])))
        batch = ready.pop(kind)
        in_sequence = isinstance(steps[batch[0]].pattern, Expression)
        for i in batch:  # grows: an expression may follow one of its own pattern in the same run
            for consumer in consumers[i]:
                waiting[consumer] -= 1
                if not waiting[consumer]:
                    same = in_sequence and kinds[consumer] == kind
                    (batch if same else ready.setdefault(kinds[consumer], [])).append(consumer)
        batches.append([steps[i] for i in batch])
    return Schedule(batches, unordered.kept)
