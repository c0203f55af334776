"""A list of operations cut where it repeats itself, so that many pieces are alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from autograd_mini.compiler.graph import Graph, Node

# So many operations that come again, a power of two, are looked for, no farther on than this, and no more often.
SEQUENCE, FARTHEST, LOOKS = 16, 4096, 64
# Where nothing comes again, every so many operations are looked at, at the most.
STEP = 16
# A list repeats itself if it does so many times.
ROUNDS = 3
# Rounds of fewer operations are taken together; longer ones are cut again.
SHORT, LONGEST = 48, 400


# Bits of a word: those above are of a fingerprint, those below are a place.
_HALF, _PLACE = np.uint64(32), np.uint64(2**32 - 1)


def cut(graph: Graph, nodes: Sequence[Node]) -> Iterator[tuple[Sequence[Node], bool]]:
    """Cut a list of nodes into pieces, in their order: rounds of loops that were unrolled, and what is between them.

    Each comes with whether it is of rounds.
    """
    if len(nodes) < SEQUENCE:
        yield from [(nodes, False)] if nodes else []
        return
    operations = [graph.operations[node] for node in nodes]
    letters = {operation: chr(code) for code, operation in enumerate(dict.fromkeys(operations))}
    text = "".join([letters[operation] for operation in operations])  # strings are compared at once
    follows = _next_alike(text)
    begin = at = irregular = 0  # where a piece begins, where one looks, and since where nothing came again
    while at < len(nodes):
        period, end = _repetition(text, at, follows)
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


def _next_alike(text: str) -> list[int]:
    """Give for each place of a text where the sequence that begins there comes next; the text's length for nowhere.

    Sequences are taken for alike if their fingerprints are: a wrong one would be a look in vain.
    """
    prints = np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.uint64)
    width = 1
    while width < SEQUENCE:  # each print becomes that of twice as many letters
        second = prints[width:]
        prints = prints[:-width] * np.uint64(0x9E3779B97F4A7C15) + (second ^ (second >> np.uint64(29)))
        width *= 2
    # In one word: half a print and the place. So NumPy sorts numbers, which is ten times as quick as to sort places.
    words = np.sort(prints >> _HALF << _HALF | np.arange(len(prints), dtype=np.uint64))
    alike = words[1:] >> _HALF == words[:-1] >> _HALF
    places = (words & _PLACE).astype(np.int64)
    follows = np.full(len(text), len(text))
    follows[places[:-1][alike]] = places[1:][alike]
    listed: list[int] = follows.tolist()
    return listed


def _repetition(text: str, at: int, follows: list[int]) -> tuple[int, int]:
    """Give the length of the rounds that begin at a place, and the place where they end; zeros if there are none.

    Rounds of rounds are one round if they go on for longer.
    """
    best, best_end = 0, at
    found = follows[at]
    for _ in range(LOOKS):
        if found + SEQUENCE > min(at + FARTHEST, len(text)):
            break
        period = found - at
        end, one = found, text[at:found]
        while text.startswith(one, end):
            end += period
        if end - at >= max(ROUNDS * period, 2 * (best_end - at) + 1):
            best, best_end = period, end
        found = follows[found]
    return best, best_end
