"""The compiler's passes, in their order. Each makes one form from another, and changes none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, TypeVar

from autograd_mini.compiler import progress
from autograd_mini.compiler.arguments import Block
from autograd_mini.compiler.backends.choice import choose_backend
from autograd_mini.compiler.expand import expand
from autograd_mini.compiler.graph import Graph
from autograd_mini.compiler.merge import merge
from autograd_mini.compiler.options import Options
from autograd_mini.compiler.parts import Part, rounds_of, split
from autograd_mini.compiler.patterns import choose_patterns
from autograd_mini.compiler.runtime.kernel import Kernel, Reduction, Source
from autograd_mini.compiler.schedule import Schedule, schedule
from autograd_mini.compiler.settle import settle
from autograd_mini.compiler.simplify import simplify
from autograd_mini.compiler.slots import assign_slots
from autograd_mini.compiler.sums import find_sums
from autograd_mini.compiler.totals import add_up_later
from autograd_mini.compiler.trace import trace
from autograd_mini.compiler.unrolled import warn_of_loops
from autograd_mini.engine.locks import compiling
from autograd_mini.engine.value import Value
from autograd_mini.transforms.trees import Structure

T = TypeVar("T")


class _Clock:
    """Adds up how long each pass takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, make: Callable[..., T], *forms: Any, name: str) -> T:
        progress.begin(name)
        began = perf_counter()
        form = make(*forms)
        seconds = perf_counter() - began
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        progress.end(name, seconds, form)
        return form


def compile_function(
    function: Callable[..., Any],
    structures: Sequence[Structure],
    blocks: Sequence[Block],
    reduce: Reduction,
    options: Options,
    is_guarded: bool = False,
    known: Iterable[Kernel] = (),
) -> Kernel:
    """Compile what a function computes from arguments that are nested so, and have these leaves; guarded: see trace.

    The function may compute the same from arguments that are nested otherwise, such as a list and an array: then the
    code of one of the known kernels serves.
    """
    timed = _Clock()
    source = read_function(function, structures, blocks, reduce, is_guarded, timed)
    for kernel in known:
        if kernel.serves(source.graph, blocks, source.structure):
            return Kernel(source, kernel.program, kernel.code, timed.seconds)
    kernel = compile_graph(*source, options=options)
    kernel.seconds = timed.seconds | kernel.seconds
    return kernel


def read_function(
    function: Callable[..., Any],
    structures: Sequence[Structure],
    blocks: Sequence[Block],
    reduce: Reduction,
    is_guarded: bool,
    timed: _Clock | None = None,
) -> Source:
    """Give what `compile_function` compiles."""
    timed = timed or _Clock()
    traced = timed(trace, function, structures, is_guarded, name="trace")
    warn_of_loops(traced.graph, traced.rows)
    is_mapped = any(block.mapped for block in blocks)
    graph = timed(simplify, traced.graph, is_mapped, name="simplify")
    return Source(graph, traced.captured, blocks, reduce, traced.result, traced.is_doubtful)


def _plan(timed: _Clock, graph: Graph, part: Part) -> Schedule:
    """Plan how a part of a graph is computed; the rounds of its larger loops are parts of their own."""
    sums = timed(find_sums, graph, part, name="sums")
    rounds = {node: _plan(timed, graph.details[node].body, body) for node, body in rounds_of(graph, part).items()}
    steps = timed(choose_patterns, graph, part, sums, rounds, name="patterns")
    return timed(schedule, steps, name="schedule")


def compile_graph(
    graph: Graph,
    captured: Sequence[Value],
    blocks: Sequence[Block],
    reduce: Reduction,
    structure: Structure,
    is_doubtful: bool = False,
    *,
    options: Options = Options(),  # noqa: B008 (it has no state)
    backend: str | None = None,
) -> Kernel:
    """Compile a graph, whose arguments are the numbers of the blocks, then those captured.

    The results of all examples are folded as `reduce` says, and nested as the structure says. If the graph is doubtful,
    it may have further results, and a nan may be a number in truth: see `Trace`.
    """
    with compiling:
        timed = _Clock()
        expanded = timed(expand, graph, name="expand")
        merged = timed(merge, expanded, blocks, name="merge")
        totalled = timed(add_up_later, merged, name="totals")
        settled = timed(settle, totalled, name="settle")
        parts = timed(split, settled, blocks, reduce is not None, name="split")
        schedules = [_plan(timed, settled, part) for part in parts.computed]
        program = timed(assign_slots, settled, parts, schedules, structure, name="slots")
        code = choose_backend(backend)(program, options)  # which times itself
        for name, seconds in code.seconds.items():
            progress.end(name, seconds)
        source = Source(graph, captured, blocks, reduce, structure, is_doubtful)
        return Kernel(source, program, code, timed.seconds | code.seconds)
