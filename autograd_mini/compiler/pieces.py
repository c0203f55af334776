"""A list of operations cut where it repeats itself, so that many pieces are alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from autograd_mini.compiler.graph import Graph, Node

# So many operations that come again are looked for, no farther on than this, and no more often.
SEQUENCE, FARTHEST, LOOKS = 16, 4096, 64
# A list repeats itself if it does so many times.
ROUNDS = 3
# Rounds of fewer operations are taken together; longer ones are cut again.
SHORT, LONGEST = 48, 400

Codes = NDArray[np.int32]


def cut(graph: Graph, nodes: Sequence[Node]) -> Iterator[Sequence[Node]]:
    """Cut a list of nodes into pieces, in their order: rounds of loops that were unrolled, and what is between them."""
    numbers: dict[object, int] = {}
    codes = np.array([numbers.setdefault(graph.operations[node], len(numbers)) for node in nodes], np.int32)
    text = codes.tobytes()
    begin = at = 0
    while at < len(nodes):
        period, end = _repetition(codes, text, at)
        if period:
            if begin < at:
                yield nodes[begin:at]
            size = period * -(-SHORT // period)
            for first in range(at, end, size):
                last = min(first + size, end)
                yield from [nodes[i : min(i + LONGEST, last)] for i in range(first, last, LONGEST)]
            begin = at = end
        else:
            at += 1
            if at == begin + LONGEST:
                yield nodes[begin:at]
                begin = at
    if begin < at:
        yield nodes[begin:at]


def _repetition(codes: Codes, text: bytes, at: int) -> tuple[int, int]:
    """Give the length of the rounds that begin at a place, and the place where they end; zeros if there are none.

    Rounds of rounds are one round if they go on for longer.
    """
    width = codes.itemsize
    sequence, limit = text[at * width : (at + SEQUENCE) * width], (at + FARTHEST) * width
    best = (0, at)
    found = text.find(sequence, (at + 1) * width, limit) if len(sequence) == SEQUENCE * width else -1
    for _ in range(LOOKS):
        if found < 0:
            break
        if found % width == 0:
            period = found // width - at
            rounds = 1 + _alike(codes, at, period) // period
            if rounds >= ROUNDS and rounds * period > 2 * (best[1] - at):
                best = (period, at + rounds * period)
        found = text.find(sequence, found + 1, limit)
    return best


def _alike(codes: Codes, at: int, period: int) -> int:
    """Count the operations from a place on that are the same one period later."""
    count, size = 0, 64
    while True:
        later = codes[at + period + count :][:size]
        differs = np.flatnonzero(codes[at + count :][: len(later)] != later)
        if len(differs):
            return count + int(differs[0])
        count += len(later)
        if len(later) < size:
            return count
        size *= 2
