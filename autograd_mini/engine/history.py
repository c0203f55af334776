"""What numbers were computed from: the graph as derivatives.py reads it, be it of Values or of a trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class History(NamedTuple):
    """What some roots were computed from."""

    numbers: Any  # a sequence of Scalars
    operands: Any  # a sequence: for each number the places of its operands in that sequence
    order: Sequence[int]  # the places in topological order, as far as a root needs them
    roots: Sequence[int]  # their places
    inputs: Sequence[int]  # their places; -1 for an input that no root was computed from
    # What is chosen is known now, unless jit traces. Then either the graph itself sees to it that nothing flows to what
    # is not chosen, or this takes note of each derivative, and of whether it may be nan for no other reason.
    note: Callable[[Any, bool], None] | None = None
    # Passes on what flows through loops and arrays, which are not numbers: contains their places.
    rules: Any = None


def of_values(nodes: Sequence[Any], roots: Sequence[Any], inputs: Sequence[Any]) -> History:
    """Give what some Values were computed from, which is listed in topological order."""
    place = {id(node): i for i, node in enumerate(nodes)}
    operands = [[place[id(x)] for x in node.operands] for node in nodes]
    starts, ends = [place[id(x)] for x in roots], [place.get(id(x), -1) for x in inputs]
    return History(nodes, operands, range(len(nodes)), starts, ends)
