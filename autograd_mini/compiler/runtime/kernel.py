"""A kernel: a graph compiled for one structure of arguments, and what a call of it needs.

Knows the graph and the code, and nothing of the function that was traced.
"""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from time import perf_counter
from typing import Any, Literal, NamedTuple

import numpy as np

from autograd_mini.compiler.arguments import Array, Block
from autograd_mini.compiler.backends.llvm import RUN, VECTORS, Work, write_code
from autograd_mini.compiler.backends.machine import compile_ir, vector_width
from autograd_mini.compiler.graph import Graph, Node
from autograd_mini.compiler.program import Layout, Pattern, Planner, Run
from autograd_mini.compiler.runtime.parallel import share
from autograd_mini.engine.value import Value
from autograd_mini.transforms.trees import NUMBER, Structure

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

Reduction = Literal["sum", "mean"] | None

# Of the numbers of each lane so many bytes are in use at a time. More than fits into the second-level cache, but sums
# over all lanes, which go through them by blocks, are faster the more lanes there are.
TILE_BYTES = 1 << 20
MOST_LANES = 256
# In bytes. Vectors that lie across two lines take longer to read: up to a tenth of a call.
CACHE_LINE = 64

# A batch is cut into at most so many parts, whose sums are added in their order, however many threads there are.
MOST_PARTS = 32
# Parts with less work than this, in numbers computed, are not worth a thread.
SMALLEST_PART = 200_000

# So much code is kept for another kernel.
KEPT = 64

_PROCESS = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Cut(NamedTuple):
    """How a batch is gone through: in parts, which are for threads to share, and each in tiles of lanes."""

    batch: int
    lanes: int
    part: int


class _Stage:
    """A planned and compiled part of a kernel: what the native functions need to run it."""

    def __init__(
        self, runs: Sequence[Run], width: int, loads: Sequence[Any] = (), stores: Sequence[Any] = (), sums: int = 0
    ) -> None:
        patterns: dict[Pattern, int] = {}
        tables = [np.array(loads, dtype=np.int32).ravel(), np.array(stores, dtype=np.int32).ravel()]
        start = sum(map(len, tables))
        rows: list[tuple[int, int, int, int, int]] = []
        for run in runs:
            rows.append((patterns.setdefault(run.pattern, len(patterns)), start, run.rows, *run.parameters))
            start += len(run.table)
            tables.append(run.table)
        self.tables = np.concatenate(tables)
        self.runs = np.array(rows, dtype=np.int64).reshape(-1, RUN)
        began = perf_counter()
        text = _written(tuple(patterns), width)
        wrote = perf_counter()
        self.code = _compiled(text)
        self.seconds = {"write": wrote - began, "compile": perf_counter() - wrote}
        self.process = _PROCESS(self.code.address("process"))
        self._counts = (len(loads), len(stores), sums)

    def work(self, u: int, inputs: int = 0) -> Work:
        """Say what there is to do, but for examples: with numbers of all lanes at some address."""
        return Work(u, 0, self.runs.ctypes.data, len(self.runs), self.tables.ctypes.data, *self._counts, inputs)


# Code is the same for all kernels that have the same patterns, such as those of a model that is trained once more.
_written = lru_cache(KEPT)(write_code)
_compiled = lru_cache(KEPT)(compile_ir)


class Kernel:
    """A compiled graph.

    Parameters
    ----------
    graph : Graph
        Its arguments are the numbers of the blocks, then those captured.
    captured : sequence of Value
        Their data are read in each call.
    blocks : sequence of Block
    reduce : "sum", "mean" or None
        How the results of all examples are folded.
    structure : Structure
        How results are nested.
    """

    def __init__(
        self,
        graph: Graph,
        captured: Sequence[Value],
        blocks: Sequence[Block],
        reduce: Reduction,
        structure: Structure,
    ) -> None:
        self.graph, self.captured, self.blocks = graph, captured, blocks
        self.reduce, self.structure = reduce, structure
        began = perf_counter()
        self.is_mapped = any(block.mapped for block in blocks)
        layout = Layout()
        examples = self._place_arguments(layout)
        for number in (0.0, 1.0):
            graph.constant(number)
        uniform, varying = graph.split(examples)
        layout.put_all(graph.constants, "u")
        needed = graph.use_counts(varying, graph.results)
        before = Planner(graph, uniform, layout, "u", [node for node in uniform if needed[node]]).plan()
        loads: list[tuple[int, int, int]] = []
        stores: list[tuple[int, ...]] = []
        runs: list[Run] = []
        folds = list(enumerate(graph.results)) if reduce else []
        if self.is_mapped:
            loads = [
                (layout.put(node, "s"), source, column) for node, (source, column) in examples.items() if needed[node]
            ]
            planner = Planner(graph, varying, layout, "s", [] if reduce else graph.results, folds)
            runs = planner.plan()
            if not reduce:
                stores = [
                    (layout.places[node], *column) for node, column in zip(planner.kept, _result_columns(structure))
                ]
        else:
            self._places = np.array([layout.places[node] for node in graph.results], dtype=np.intp)
        self.slots = layout.sizes["s"]
        self.seconds = {"plan": perf_counter() - began}
        width = vector_width()
        self.before = _Stage(before, 1) if before else None
        self.stage = _Stage(runs, width, loads, stores, len(folds)) if self.is_mapped else None
        for stage in filter(None, (self.before, self.stage)):
            for name, seconds in stage.seconds.items():
                self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        self._step = VECTORS * width  # lanes come in so many: what a sum of products works on at a time
        self._numbers = np.zeros(layout.sizes["u"])
        for node, number in graph.constants.items():
            self._numbers[layout.places[node]] = number
        self._nest = _nester(structure, self.is_mapped and not reduce)
        self._frames: list[_Frame] = []
        self._tiles: list[_Tile] = []

    @property
    def source(self) -> tuple[Any, ...]:
        """The parameters that it was made with: what it can be made from elsewhere."""
        return (self.graph, self.captured, self.blocks, self.reduce, self.structure)

    @property
    def llvm_ir(self) -> str:
        """The LLVM IR of the whole kernel."""
        return "\n".join(stage.code.text for stage in (self.before, self.stage) if stage)

    def cut(self, batch: int) -> Cut:
        """Cut a batch into parts, and those into tiles; the number of threads has no say in it."""
        most = min(MOST_LANES, max(self._step, TILE_BYTES // (8 * max(1, self.slots)) // self._step * self._step))
        tiles = max(1, -(-batch // most))
        lanes = -(-max(1, -(-batch // tiles)) // self._step) * self._step
        tiles = max(1, -(-batch // lanes))
        parts = max(1, min(MOST_PARTS, tiles, batch * self.slots // SMALLEST_PART))
        return Cut(batch, lanes, -(-tiles // parts) * lanes)

    def __call__(self, leaves: Sequence[Any], cut: Cut, threads: int) -> Any:
        """Compute the results.

        Parameters
        ----------
        leaves : sequence of float or array
            What each block contains; those that are mapped with the batch as their first axis.
        cut : Cut
            Of the batch that they have.
        threads : int
            The most threads to use.

        Returns
        -------
        results nested as the structure says; of a batch arrays, unless it is folded
        """
        frame = self._frames.pop() if self._frames else self._new_frame()
        result = self._compute(frame, leaves, cut, threads)
        self._frames.append(frame)  # but not after an exception: a thread may be at work in it for a while yet
        return result

    def _compute(self, frame: _Frame, leaves: Sequence[Any], cut: Cut, threads: cython.Py_ssize_t) -> Any:
        u = frame.u
        for place, begin, end in self._singles:
            u[place : place + end - begin] = leaves[begin:end]
        for target, i in frame.arrays:
            target[...] = leaves[i]
        if self.captured:
            u[self._captured] = [value.data for value in self.captured]
        if self.before is not None:
            self.before.process(ctypes.addressof(frame.before))
        if self.stage is None:
            return self._nest(u.take(self._places), 1)
        sources = [leaves[i] for i in self._mapped]
        for i, source in enumerate(sources):
            if not source.flags.c_contiguous:
                source = sources[i] = np.ascontiguousarray(source)
            frame.inputs[2 * i] = address_of(source)
        frame.fit(cut, self)
        parts = range(0, cut.batch, cut.part)
        if len(parts) > 1:
            return self._share(frame, sources, cut, parts, threads)
        numbers = np.empty(len(self.graph.results) * (1 if self.reduce else cut.batch))
        frame.work.results = address_of(numbers)
        self.stage.process(frame.work_address)
        return self._nest(numbers, cut.batch)

    def _share(self, frame: _Frame, sources: Sequence[Array], cut: Cut, parts: range, threads: int) -> Any:
        """Let threads share the parts of a large batch."""
        count = len(self.graph.results)
        numbers = np.empty((len(parts), count) if self.reduce else cut.batch * count)
        stride = 8 * count if self.reduce else 0

        def work(remaining: Iterator[int], in_use: Any = (frame, sources, numbers)) -> None:
            tile = self._tile(cut.lanes)
            task = Work.from_buffer_copy(frame.work)
            task.s = tile.address
            for begin in remaining:
                task.results = address_of(numbers) + begin // cut.part * stride
                task.begin, task.end = begin, min(begin + cut.part, cut.batch)
                self.stage.process(ctypes.addressof(task))  # type: ignore[union-attr]
            self._tiles.append(tile)

        share(work, parts, threads)
        if not self.reduce:
            return self._nest(numbers, cut.batch)
        with np.errstate(all="ignore"):
            return self._nest(numbers.sum(axis=0) / (cut.batch if self.reduce == "mean" else 1), 1)

    def _tile(self, lanes: int) -> _Tile:
        while self._tiles:
            tile = self._tiles.pop()
            if tile.lanes >= lanes:
                return tile
        return _Tile(self.slots, lanes)

    def _new_frame(self) -> _Frame:
        frame = _Frame(self._numbers.copy(), len(self._mapped), self.before, self.stage)
        for i, place in self._arrays:
            shape = self.blocks[i].shape
            frame.arrays.append((frame.u[place : place + math.prod(shape)].reshape(shape), i))
        for i, leaf in enumerate(self._mapped):
            frame.inputs[2 * i + 1] = math.prod(self.blocks[leaf].shape)
        return frame

    def _place_arguments(self, layout: Layout) -> dict[Node, tuple[int, int]]:
        """Give numbers that are the same for all examples their places; list where the others come from."""
        examples: dict[Node, tuple[int, int]] = {}
        self._singles: list[tuple[int, int, int]] = []  # numbers side by side: place, first leaf, last leaf + 1
        self._arrays: list[tuple[int, int]] = []  # leaf and place
        self._mapped: list[int] = []  # leaves
        node = 0
        for i, (shape, mapped) in enumerate(self.blocks):
            nodes = range(node, node + math.prod(shape))
            node = nodes.stop
            if mapped:
                examples |= {n: (len(self._mapped), column) for column, n in enumerate(nodes)}
                self._mapped.append(i)
                continue
            place = layout.sizes["u"]
            layout.put_all(nodes, "u")
            if shape:
                self._arrays.append((i, place))
            elif self._singles and self._singles[-1][2] == i:
                self._singles[-1] = (*self._singles[-1][:2], i + 1)
            else:
                self._singles.append((place, i, i + 1))
        self._captured = slice(layout.sizes["u"], layout.sizes["u"] + len(self.captured))
        layout.put_all(range(node, node + len(self.captured)), "u")
        return examples


class _Frame:
    """The memory of one call at a time: numbers of all lanes, and what leads to those of each."""

    def __init__(self, u: Array, sources: int, before: _Stage | None, stage: _Stage | None) -> None:
        self.u = u
        self.arrays: list[tuple[Array, int]] = []
        self.inputs = (ctypes.c_int64 * (2 * sources))()
        self.before = before.work(address_of(u)) if before else Work()
        self.work = stage.work(address_of(u), ctypes.addressof(self.inputs)) if stage else Work()
        self.work_address = ctypes.addressof(self.work)
        self.cut: Cut | None = None
        self.tile: _Tile | None = None

    def fit(self, cut: Cut, kernel: Kernel) -> None:
        """Get ready for a batch that is cut so, if the last one was another."""
        if self.cut is cut:
            return
        if self.tile is None or self.tile.lanes < cut.lanes:
            self.tile = _Tile(kernel.slots, cut.lanes)
        work = self.work
        work.s, work.lanes, work.begin, work.end, work.batch = self.tile.address, cut.lanes, 0, cut.batch, cut.batch
        work.divisor = cut.batch if kernel.reduce == "mean" and cut.part >= cut.batch else 1
        self.cut = cut


class _Tile:
    """The numbers of each lane, for one thread at a time."""

    def __init__(self, slots: int, lanes: int) -> None:
        self.lanes = lanes
        self._memory = np.empty(slots * lanes + CACHE_LINE // 8)
        self.address = -(-address_of(self._memory) // CACHE_LINE) * CACHE_LINE


def _result_columns(structure: Structure) -> Iterator[tuple[int, int, int]]:
    """Say for each number of a result how many stand before its array, how many that has, and its place there."""
    before = 0
    for leaf in structure.leaves():
        for column in range(leaf.size):
            yield before, leaf.size, column
        before += leaf.size


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
        remaining = iter(parts)
        shallow = Structure(kind, structure.keys, (NUMBER,) * len(parts))
        return shallow.nest(lambda leaf: next(remaining)(numbers, batch))

    return nest


def address_of(array: Array) -> int:
    """Give the address of an array's numbers; where NumPy keeps it, if that is where it did at the start."""
    if cython.compiled:
        address: int = cython.cast(cython.p_longlong, cython.cast(cython.p_void, array))[2]
        return address
    return ctypes.c_void_p.from_address(id(array) + _DATA).value or 0


_DATA = object.__basicsize__  # an array begins as any object, 16 bytes, followed by that address

_probe = np.zeros(1)
if sys.implementation.name != "cpython" or address_of(_probe) != _probe.ctypes.data:

    def address_of(array: Array) -> int:
        """Give the address of an array's numbers."""
        return int(array.ctypes.data)
