"""A program as native code: its tables, the memory that it works in, and calls of it. Knows no LLVM."""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from time import perf_counter

import numpy as np

from autograd_mini.compiler import progress
from autograd_mini.compiler.arguments import Array
from autograd_mini.compiler.backends.llvm import RUN, VECTORS, Key, Work, pack, write_code
from autograd_mini.compiler.backends.machine import Code, vector_width
from autograd_mini.compiler.options import Options
from autograd_mini.compiler.program import Load, Pattern, Program, Rounds, Run, Store
from autograd_mini.compiler.runtime.kernel import Cut
from autograd_mini.compiler.runtime.memory import address_of, store

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

# In bytes. Vectors that lie across two lines take longer to read: up to a tenth of a call.
CACHE_LINE = 64

# How many modules of code are kept. Kernels with the same patterns share code, such as those of a model that is trained
# once more.
KEPT = 64

_function = lru_cache(KEPT)(ctypes.CFUNCTYPE(None, ctypes.c_void_p))

# Which of the numbers of a `Work` says where results go.
_RESULTS = Work.results.offset // 8

_written = lru_cache(KEPT)(write_code)
_compiled = lru_cache(KEPT)(Code)


class NativeCode:
    """A program as native code: see `choose_backend`."""

    def __init__(self, program: Program, options: Options) -> None:
        width = vector_width()
        self.step = VECTORS * width  # what a sum of products works on at a time
        self.slots = program.sizes["s"]
        self.seconds = {"write": 0.0, "compile": 0.0}
        self.numbers = np.zeros(program.sizes["u"])
        self.numbers[list(program.constants)] = list(program.constants.values())
        for slot, array in program.data.items():
            self.numbers[slot : slot + len(array)] = array
        self.once = _Stage(program.once, 1, options, self.seconds) if program.once else None
        totals = program.sizes["total"]
        self.each = _Stage(program.each, width, options, self.seconds, totals) if program.each else None
        self.text = "\n".join(stage.code.text for stage in (self.once, self.each) if stage)
        self.tiles: list[_Tile] = []

    def frame(self, widths: Sequence[int]) -> Frame:
        return Frame(self, widths)

    def assembly(self) -> str:
        """Write the machine code down as text."""
        return "\n".join(stage.code.assembly() for stage in (self.once, self.each) if stage)


class _Stage:
    """Some runs of a program as native code, with the tables that the code reads."""

    def __init__(
        self, runs: Sequence[Run], width: int, options: Options, seconds: dict[str, float], totals: int = 0
    ) -> None:
        keys: dict[Key, int] = {}
        loads, stores = (
            [np.column_stack(tuple(run.columns.values())) for run in runs if isinstance(run.pattern, kind)]
            for kind in (Load, Store)
        )
        tables = [table.ravel() for table in (*loads, *stores)]
        start = sum(map(len, tables))
        rows: list[tuple[int, ...]] = []
        blocks = [[run for run in runs if not isinstance(run.pattern, (Load, Store))]]
        for block in blocks:  # grows by the runs of loops, which come after all others
            blocks += [list(run.rounds) for run in block if isinstance(run.pattern, Rounds)]
        # A pattern is hashed once for each object, not for each run.
        patterns = {id(run.pattern): run.pattern for block in blocks for run in block}
        runs_of = Counter([id(run.pattern) for block in blocks for run in block])
        counts: Counter[Pattern] = Counter()
        for name, pattern in patterns.items():
            counts[pattern] += runs_of[name]
        after = len(blocks[0])  # where the runs of the next loop begin
        for block in blocks:
            for run in block:
                key, table, *numbers = pack(run, after - len(rows), counts[run.pattern] == 1)
                after += len(run.rounds)
                rows.append((keys.setdefault(key, len(keys)), start, *numbers))
                start += len(table)
                tables.append(table)
        self.count = len(blocks[0])
        self.tables = np.concatenate(tables) if tables else np.empty(0, np.int32)
        self.runs = np.array(rows, dtype=np.int64).reshape(-1, RUN)
        progress.begin("write")
        began = perf_counter()
        text = _written(tuple(keys), width, options.fuse)
        wrote = perf_counter()
        progress.begin("compile")
        self.code = _compiled(text, options.folder)
        seconds["write"] += wrote - began
        seconds["compile"] += perf_counter() - wrote
        self.process = self.code.address("process")
        self._counts = (sum(map(len, loads)), sum(map(len, stores)), totals)

    def work(self, u: int, inputs: int = 0) -> Work:
        """Describe these runs to `process`, all but the examples; `u` and `inputs` are addresses."""
        return Work(u, 0, self.runs.ctypes.data, self.count, self.tables.ctypes.data, *self._counts, inputs)


class Frame:
    """The memory of one call at a time: see `choose_backend`."""

    def __init__(self, code: NativeCode, widths: Sequence[int]) -> None:
        self.u = code.numbers.copy()
        self.arrays: list[tuple[Array, int]] = []
        self._code = code
        self._inputs = (ctypes.c_int64 * (2 * len(widths)))()
        for i, width in enumerate(widths):
            self._inputs[2 * i + 1] = width
        address = address_of(self.u)
        self._once_work = code.once.work(address) if code.once else Work()
        self._once = code.once.process if code.once else 0
        self._once_address = ctypes.addressof(self._once_work)
        self._inputs_address = ctypes.addressof(self._inputs)
        self._each_work = code.each.work(address, self._inputs_address) if code.each else Work()
        self._each_address = ctypes.addressof(self._each_work)
        self._each = code.each.process if code.each else 0
        self._cut: Cut | None = None
        self._tile: _Tile | None = None

    def once(self) -> None:
        _run(self._once, self._once_address)

    def begin(self, sources: Sequence[Array], cut: Cut, divisor: float) -> None:
        for i, source in enumerate(sources):
            store(self._inputs_address, 2 * i, address_of(source))
        if self._cut is not cut:
            if self._tile is None or self._tile.lanes < cut.lanes:
                self._tile = _Tile(self._code.slots, cut.lanes)
            work = self._each_work
            work.s, work.lanes, work.begin, work.end = self._tile.address, cut.lanes, 0, cut.batch
            work.batch, work.divisor = cut.batch, divisor
            self._cut = cut

    def each(self, sources: Sequence[Array], cut: Cut, divisor: float, numbers: Array) -> None:
        self.begin(sources, cut, divisor)
        store(self._each_address, _RESULTS, address_of(numbers))
        _run(self._each, self._each_address)

    def part(self, begin: int, end: int, numbers: Array) -> None:
        work, tiles = Work.from_buffer_copy(self._each_work), self._code.tiles
        try:
            tile = tiles.pop()  # in one step: other threads do so at the same time
        except IndexError:
            tile = None
        if tile is None or tile.lanes < work.lanes:
            tile = _Tile(self._code.slots, work.lanes)
        work.s, work.results, work.begin, work.end = tile.address, address_of(numbers), begin, end
        _run(self._each, ctypes.addressof(work))
        tiles.append(tile)


def _run(function: cython.longlong, work: cython.longlong) -> None:
    """Call native code: its address, and that of what it is told."""
    if cython.compiled:
        invoke(function, work)  # type: ignore[name-defined]  # noqa: F821 (it is in native.pxd)
    else:
        _function(function)(work)


class _Tile:
    """The numbers of each lane, for one thread at a time."""

    def __init__(self, slots: int, lanes: int) -> None:
        self.lanes = lanes
        self._memory = np.empty(slots * lanes + CACHE_LINE // 8)
        self.address = -(-address_of(self._memory) // CACHE_LINE) * CACHE_LINE
