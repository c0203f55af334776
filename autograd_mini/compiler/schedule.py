"""The order of steps: as many of one pattern as can follow one another, so that runs are few and long."""

from __future__ import annotations

from collections.abc import Sequence

from autograd_mini.compiler.patterns import Step
from autograd_mini.compiler.program import Expression, Outer, Store


def schedule(steps: Sequence[Step]) -> list[list[Step]]:
    """Order steps so that each follows the steps it needs, and put steps of one pattern together."""
    producers = {node: i for i, step in enumerate(steps) for node in step.nodes()}
    waiting = [0] * len(steps)
    consumers: list[list[int]] = [[] for _ in steps]
    for i, step in enumerate(steps):
        for producer in {producers[node] for node in (*step.operands, *step.right) if node in producers}:
            waiting[i] += 1
            consumers[producer].append(i)
    kinds = [id(step.pattern) for step in steps]
    # Outer products as soon as possible, since they are the last readers of many slots; stores at the end.
    ranks = {id(step.pattern): isinstance(step.pattern, Outer) - isinstance(step.pattern, Store) for step in steps}
    ready: dict[int, list[int]] = {}
    for i, kind in enumerate(kinds):
        if not waiting[i]:
            ready.setdefault(kind, []).append(i)
    batches: list[list[Step]] = []
    while ready:
        kind = max(ready, key=lambda kind: (ranks[kind], len(ready[kind])))
        batch = ready.pop(kind)
        in_sequence = isinstance(steps[batch[0]].pattern, Expression)
        for i in batch:  # grows: an expression may follow one of its own pattern in the same run
            for consumer in consumers[i]:
                waiting[consumer] -= 1
                if not waiting[consumer]:
                    same = in_sequence and kinds[consumer] == kind
                    (batch if same else ready.setdefault(kinds[consumer], [])).append(consumer)
        batches.append([steps[i] for i in batch])
    return batches
