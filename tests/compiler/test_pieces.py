"""Lists of operations cut where they repeat themselves."""

from __future__ import annotations

from random import Random

import pytest

from autograd_mini.compiler.graph import Graph
from autograd_mini.compiler.pieces import LONGEST, SHORT, cut
from autograd_mini.engine.operations import TABLE

OPERATIONS = list(TABLE.values())


def cut_lengths(codes: list[int]) -> list[int]:
    """Cut a list of operations, given by their places in the table; give the lengths of the pieces."""
    graph = Graph(1)
    for code in codes:
        graph.operations.append(OPERATIONS[code])
        graph.operands.append((0,))
    nodes = list(range(1, len(codes) + 1))
    pieces = [piece for piece, _ in cut(graph, nodes)]
    assert [node for piece in pieces for node in piece] == nodes
    assert all(0 < len(piece) <= LONGEST for piece in pieces)
    return [len(piece) for piece in pieces]


@pytest.mark.parametrize("period", [1, 7, SHORT, 60, 399, 1000])
def test_rounds_are_cut_from_what_stands_before_and_after(period: int) -> None:
    random = Random(period)
    once = [random.randrange(4) for _ in range(period)]
    before, after = [5, 6, 7] * 2, [8, 9] * 3
    together = -(-SHORT // period)
    size = period * together
    each = [LONGEST] * (size // LONGEST) + [size % LONGEST]
    assert cut_lengths(before + once * together * 12 + after) == [len(before), *each * 12, len(after)]


def test_rounds_of_rounds_are_one_round_if_they_go_on_for_longer() -> None:
    assert cut_lengths(([2] * 20 + [3]) * 30) == [63] * 10


def test_what_does_not_repeat_itself_is_cut_anywhere() -> None:
    random = Random(0)
    assert cut_lengths([random.randrange(20) for _ in range(1000)]) == [400, 400, 200]
    assert cut_lengths([]) == []
