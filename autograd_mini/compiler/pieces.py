"""A list of operations cut where it repeats itself, so that many pieces are alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autograd_mini.compiler.graph import Graph, Node

# So many operations that come again are looked for, no farther on than this, and no more often.
SEQUENCE, FARTHEST, LOOKS = 16, 4096, 64
# Where nothing comes again, every so many operations are looked at, at the most.
STEP = 16
# A list repeats itself if it does so many times.
ROUNDS = 3
# Rounds of fewer operations are taken together; longer ones are cut again.
SHORT, LONGEST = 48, 400


def cut(graph: Graph, nodes: Sequence[Node]) -> Iterator[tuple[Sequence[Node], bool]]:
    """Cut a list of nodes into pieces, in their order: rounds of loops that were unrolled, and what is between them.

    Each comes with whether it is of rounds.
    """
    operations = [graph.operations[node] for node in nodes]
    letters = {operation: chr(code) for code, operation in enumerate(dict.fromkeys(operations))}
    text = "".join([letters[operation] for operation in operations])  # strings are searched and compared at once
    begin = at = irregular = 0  # where a piece begins, where one looks, and since where nothing came again
    while at < len(nodes):
        period, end = _repetition(text, at)
        if period:
            if begin < at:
                yield nodes[begin:at], False
            size = period * -(-SHORT // period)
            for first in range(at, end, size):
                last = min(first + size, end)
                yield from [(nodes[i : min(i + LONGEST, last)], True) for i in range(first, last, LONGEST)]
            begin = at = irregular = end
        else:
            # By longer steps the longer nothing came again: rounds are found wherever in them one looks.
            at = min(at + 1 + min((at - irregular) // SEQUENCE, STEP), begin + LONGEST, len(nodes))
            if at == begin + LONGEST:
                yield nodes[begin:at], False
                begin = at
    if begin < at:
        yield nodes[begin:at], False


def _repetition(text: str, at: int) -> tuple[int, int]:
    """Give the length of the rounds that begin at a place, and the place where they end; zeros if there are none.

    Rounds of rounds are one round if they go on for longer.
    """
    sequence = text[at : at + SEQUENCE]
    best, best_end = 0, at
    found = text.find(sequence, at + 1, at + FARTHEST) if len(sequence) == SEQUENCE else -1
    for _ in range(LOOKS):
        if found < 0:
            break
        period = found - at
        end, one = found, text[at:found]
        while text.startswith(one, end):
            end += period
        if end - at >= max(ROUNDS * period, 2 * (best_end - at) + 1):
            best, best_end = period, end
        found = text.find(sequence, found + 1, at + FARTHEST)
    return best, best_end
