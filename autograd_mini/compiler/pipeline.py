"""The compiler's passes, in their order. Each makes one form from another, and changes none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, TypeVar

from autograd_mini.compiler.arguments import Block
from autograd_mini.compiler.backends import choose_backend
from autograd_mini.compiler.graph import Graph
from autograd_mini.compiler.parts import split
from autograd_mini.compiler.patterns import choose_patterns
from autograd_mini.compiler.runtime.kernel import Kernel, Reduction
from autograd_mini.compiler.schedule import schedule
from autograd_mini.compiler.slots import assign_slots
from autograd_mini.compiler.sums import find_sums
from autograd_mini.engine.value import Value
from autograd_mini.transforms.trees import Structure

T = TypeVar("T")


def compile_graph(
    graph: Graph,
    captured: Sequence[Value],
    blocks: Sequence[Block],
    reduce: Reduction,
    structure: Structure,
    backend: str | None = None,
) -> Kernel:
    """Compile a graph.

    Parameters
    ----------
    graph : Graph
        Its arguments are the numbers of the blocks, then those captured.
    captured : sequence of Value
        Their data are read in each call.
    blocks : sequence of Block
        The leaves of the arguments.
    reduce : "sum", "mean" or None
        How the results of all examples are folded.
    structure : Structure
        How results are nested.
    backend : str, optional
        As for `choose_backend`.
    """
    seconds: dict[str, float] = {}

    def timed(name: str, make: Callable[..., T], *forms: Any) -> T:
        began = perf_counter()
        form = make(*forms)
        seconds[name] = seconds.get(name, 0.0) + perf_counter() - began
        return form

    parts = timed("split", split, graph, blocks, reduce is not None)
    schedules = []
    for part in parts.computed:
        sums = timed("sums", find_sums, graph, part)
        steps = timed("patterns", choose_patterns, graph, part, sums)
        schedules.append(timed("schedule", schedule, steps))
    program = timed("slots", assign_slots, graph, parts, schedules, structure)
    code = choose_backend(backend)(program)
    return Kernel((graph, captured, blocks, reduce, structure), program, code, seconds | code.seconds)
