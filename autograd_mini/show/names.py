"""Names that nodes have without being asked for, such as `w₁₂⁽¹⁾`: whoever owns nodes registers how it calls them.

Nothing is stored at a node. The names are found when a graph is shown, and cost nothing before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autograd_mini.engine.value import Value

Namer = Callable[[Sequence[Value]], dict[Value, str]]  # takes nodes, operands before results

NAMERS: list[Namer] = []


def suggested_names(order: Sequence[Value]) -> dict[Value, str]:
    """Name the nodes of a graph that have no label, as far as somebody owns them."""
    names: dict[Value, str] = {}
    for namer in NAMERS:
        names |= {node: name for node, name in namer(order).items() if not node.label}
    return names
