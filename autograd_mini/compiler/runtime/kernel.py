"""A kernel: a program and its code, and what a call of it needs.

Knows nothing of the function that was traced, nor how code computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from autograd_mini.compiler.arguments import Array, Block
from autograd_mini.compiler.graph import Graph
from autograd_mini.compiler.parts import mapped_arguments
from autograd_mini.compiler.program import Program
from autograd_mini.compiler.runtime.memory import copy, has_nan, is_contiguous
from autograd_mini.compiler.runtime.parallel import share
from autograd_mini.engine.value import Value
from autograd_mini.transforms.trees import NUMBER, Structure

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

Reduction = Literal["sum", "mean"] | None

# The bytes that a tile has for the numbers of its lanes. They are more than fit into the second-level cache; but sums
# over all lanes go through a tile by blocks, and are faster the more lanes it has.
TILE_BYTES = 3 << 18
MOST_LANES = 256
# A batch is cut into at most so many parts. Their sums are added in order, however many threads there are.
MOST_PARTS = 32
# Parts with less work than this, in numbers computed, are not worth a thread.
SMALLEST_PART = 200_000


class Cut(NamedTuple):
    """How a batch is gone through: in parts, which threads share, and each part in tiles."""

    batch: int  # examples
    lanes: int  # examples of a tile
    part: int  # examples of a part


class Source(NamedTuple):
    """What a kernel is compiled from, the arguments of `compile_graph`: by it a kernel travels to other processes."""

    graph: Graph
    captured: Sequence[Value]
    blocks: Sequence[Block]
    reduce: Reduction
    structure: Structure
    is_doubtful: bool


class Kernel:
    """A compiled graph."""

    def __init__(self, source: Source, program: Program, code: Any, seconds: dict[str, float]) -> None:
        self.source, self.program, self.code, self.seconds = source, program, code, seconds
        self.graph, self.captured, self.blocks, self.reduce, self.structure, self.is_doubtful = source
        self.slots = program.sizes["s"]
        self.is_mapped, self._has_once = bool(program.each), bool(program.once)
        self._results = program.results.astype(np.intp)
        self._count = sum([self.graph.sizes.get(node, 1) for node in self.graph.results])
        self._is_folded, self._is_mean = self.reduce is not None, self.reduce == "mean"
        self._singles: list[tuple[int, int, int]] = []  # numbers side by side: slot, first leaf, last leaf + 1
        self._arrays: list[tuple[int, int]] = []  # leaf and slot
        self._mapped: list[int] = []  # leaves
        self._place_arguments()
        self._nest = _nester(self.structure, self.is_mapped and not self._is_folded)
        self._frames: list[Any] = []

    def serves(self, graph: Graph, blocks: Sequence[Block], structure: Structure) -> bool:
        """Say whether its program computes a graph of blocks, whose arguments and results may be nested otherwise."""
        return (
            _layout(blocks) == _layout(self.blocks)
            and (not self.is_mapped or self._is_folded or _sizes(structure) == _sizes(self.structure))
            and self.graph.is_same(graph)
        )

    def cut(self, batch: int) -> Cut:
        """Cut a batch into parts, and parts into tiles, the same whatever the number of threads."""
        step = self.code.step
        most = min(MOST_LANES, max(step, TILE_BYTES // (8 * max(1, self.slots)) // step * step))
        tiles = max(1, -(-batch // most))
        lanes = -(-max(1, -(-batch // tiles)) // step) * step
        tiles = max(1, -(-batch // lanes))
        parts = max(1, min(MOST_PARTS, tiles, batch * self.slots // SMALLEST_PART))
        return Cut(batch, lanes, -(-tiles // parts) * lanes)

    def vary(self) -> list[bool]:
        """Say of each result whether it is computed from what is mapped."""
        examples = mapped_arguments(self.graph, self.blocks)
        varying = {*examples, *self.graph.partition(examples)[1]}
        return [node in varying for node in self.graph.results]

    def __call__(self, leaves: Sequence[Any], cut: Cut, threads: int) -> Any:
        """Compute the nested results; of a batch arrays, unless it is folded. Give None for a nan that is in doubt.

        The leaves are what each block contains; those that are mapped have the batch as their first axis.
        """
        frame = self._free_frame()
        result = self._compute(frame, leaves, cut, threads)
        self._frames.append(frame)  # but not after an exception: a thread may be at work in it for a while yet
        return result

    def _compute(self, frame: Any, leaves: Sequence[Any], cut: Cut, threads: cython.Py_ssize_t) -> Any:
        u = frame.u
        for place, begin, end in self._singles:
            u[place : place + end - begin] = leaves[begin:end]
        for target, i in frame.arrays:
            copy(leaves[i], target)
        if self.captured:
            u[self._captured] = [value.data for value in self.captured]
        if self._has_once:
            frame.once()
        if not self.is_mapped:
            return self._nested(u.take(self._results), 1)
        sources = [leaves[i] for i in self._mapped]
        for i, source in enumerate(sources):
            if not is_contiguous(source):
                sources[i] = np.ascontiguousarray(source)
        if cut.part < cut.batch:
            return self._share(frame, sources, cut, threads)
        numbers = np.empty(self._count if self._is_folded else self._count * cut.batch)
        frame.each(sources, cut, cut.batch if self._is_mean else 1.0, numbers)
        return self._nested(numbers, cut.batch)

    def _nested(self, numbers: Array, batch: cython.Py_ssize_t) -> Any:
        return None if self.is_doubtful and has_nan(numbers) else self._nest(numbers, batch)

    def _share(self, frame: Any, sources: Sequence[Array], cut: Cut, threads: int) -> Any:
        """Let threads share the parts of a large batch."""
        parts, count = range(0, cut.batch, cut.part), self._count
        frame.begin(sources, cut, 1.0)
        numbers = np.empty((len(parts), count) if self._is_folded else cut.batch * count)

        def work(remaining: Iterator[int], in_use: Any = (frame, sources, numbers)) -> None:
            for begin in remaining:
                results = numbers[begin // cut.part] if self._is_folded else numbers
                frame.part(begin, min(begin + cut.part, cut.batch), results)

        share(work, parts, threads)
        if not self._is_folded:
            return self._nested(numbers, cut.batch)
        with np.errstate(all="ignore"):
            return self._nested(numbers.sum(axis=0) / (cut.batch if self._is_mean else 1), 1)

    def _free_frame(self) -> Any:
        """Take a frame that no call is at work in: other threads do so at the same time."""
        try:
            return self._frames.pop()
        except IndexError:
            return self._new_frame()

    def _new_frame(self) -> Any:
        """Give memory for one call at a time."""
        frame = self.code.frame([math.prod(self.blocks[i].shape) for i in self._mapped])
        for i, slot in self._arrays:
            shape = self.blocks[i].shape
            frame.arrays.append((frame.u[slot : slot + math.prod(shape)].reshape(shape), i))
        return frame

    def _place_arguments(self) -> None:
        """Say where each leaf goes: the program has the numbers that all examples share first."""
        slot = 0
        for i, (shape, mapped) in enumerate(self.blocks):
            if mapped:
                self._mapped.append(i)
                continue
            if shape:
                self._arrays.append((i, slot))
            elif self._singles and self._singles[-1][2] == i:
                self._singles[-1] = (*self._singles[-1][:2], i + 1)
            else:
                self._singles.append((slot, i, i + 1))
            slot += math.prod(shape)
        self._captured = slice(slot, slot + len(self.captured))


def _layout(blocks: Sequence[Block]) -> list[Block]:
    """List blocks as they lie in memory, where arrays that all examples share are numbers side by side."""
    number = Block((), False)
    return [part for block in blocks for part in ([block] if block.mapped else [number] * math.prod(block.shape))]


def _sizes(structure: Structure) -> list[int]:
    return [part.size for part in structure.leaves()]


def _nester(structure: Structure, batched: bool, place: int = 0) -> Callable[[Array, int], Any]:
    """Make the function that nests results, given the size of the batch: floats, or arrays of them."""
    kind, size = structure.kind, structure.size
    shape = structure.keys if kind is np.ndarray else ()
    if kind is float and not batched:
        return lambda numbers, batch: float(numbers[place])
    if kind is float or kind is np.ndarray:
        if batched:
            return lambda numbers, batch: numbers[place * batch : (place + size) * batch].reshape(batch, *shape)
        if len(shape) == 1:
            return lambda numbers, batch: numbers[place : place + size]
        return lambda numbers, batch: numbers[place : place + size].reshape(shape)
    if kind is list and not batched and all(part is NUMBER for part in structure.parts):
        return lambda numbers, batch: numbers[place : place + size].tolist()
    parts: list[Callable[[Array, int], Any]] = []
    for part in structure.parts:
        parts.append(_nester(part, batched, place))
        place += part.size
    if kind is list:
        return lambda numbers, batch: [part(numbers, batch) for part in parts]
    if kind is tuple:
        return lambda numbers, batch: tuple([part(numbers, batch) for part in parts])

    def nest(numbers: Array, batch: int) -> Any:
        return structure.make([part(numbers, batch) for part in parts])

    return nest
