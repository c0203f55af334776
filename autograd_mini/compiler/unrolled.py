"""Python loops that a trace has unrolled: found in a graph by the operations that come again and again."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from autograd_mini.compiler.graph import Graph
from autograd_mini.engine.lines import here, line_of
from autograd_mini.engine.operations import add

# So many rounds are worth a loop.
ROUNDS = 300
# So many operations in sequence are looked for where they come next.
SEQUENCE = 64


class UnrolledLoopWarning(UserWarning):
    """A function that `jit` traced runs a Python loop of many rounds, which `scan` would compile in constant time."""


def warn_of_loops(graph: Graph, rows: int) -> None:
    """Point out a loop that was unrolled among the first rows of a graph."""
    rounds = unrolled_rounds(graph, rows)
    if rounds:
        place = here()
        file, line = line_of(place) if place else (__file__, None)
        message = (
            f"the function repeats the same operations about {rounds:,} times, each on results of the time before: "
            "jit has unrolled a Python loop; with autograd_mini.scan it compiles in the same time whatever its length "
            "(to go on as it is: warnings.simplefilter('ignore', autograd_mini.UnrolledLoopWarning))"
        )
        warnings.warn_explicit(message, UnrolledLoopWarning, file, line or 1)


def unrolled_rounds(graph: Graph, count: int) -> int:
    """Count the rounds of the longest loop that is found among the first rows; 0 if there is none."""
    if count < ROUNDS * 3:
        return 0
    rows = np.fromiter(map(id, graph.operations[:count]), np.int64, count)
    return max([_rounds_at(graph, rows, count * quarter // 4) for quarter in (1, 2, 3)])


def _rounds_at(graph: Graph, rows: NDArray[np.int64], middle: int) -> int:
    """Count the rounds of the loop in the midst of which a row is."""
    width = rows.itemsize
    text, sequence = rows.tobytes(), rows[middle : middle + SEQUENCE].tobytes()
    at = (middle + 1) * width
    while (at := text.find(sequence, at)) % width:
        if at < 0:
            return 0
        at += 1
    period = at // width - middle
    differs = np.flatnonzero(rows[:-period] != rows[period:])
    place = int(np.searchsorted(differs, middle))
    begin = int(differs[place - 1]) + 1 if place else 0
    end = int(differs[place]) if place < len(differs) else len(rows) - period
    rounds = (end - begin) // period
    return rounds if rounds >= ROUNDS and _is_recurrence(graph, middle, period) else 0


def _is_recurrence(graph: Graph, first: int, period: int) -> bool:
    """Say whether the last of some rounds is computed from the first of them, by more than adding to it.

    A long sum is no loop worth a scan: the compiler finds sums by itself.
    """
    last = min(first + 8 * period, len(graph.operands) - period)
    added = set(range(last, last + period))  # what the last round needs, be it for sums alone
    needed: set[int] = set()  # what it needs for more than sums; terms of the first rounds themselves don't count
    for node in range(last + period - 1, first + period - 1, -1):
        if node in needed or (node in added and graph.operations[node] is not add and node > first + 4 * period):
            needed.update(graph.operands[node])
        elif node in added:
            added.update(graph.operands[node])
    return any(first <= node < first + period for node in needed)
