"""jit: functions of Values, compiled once for each structure of their arguments."""

from __future__ import annotations

import gc
import inspect
import logging
import math
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import update_wrapper
from types import MethodType
from typing import Any, NamedTuple

import numpy as np

from autograd_mini.compiler.arguments import blocks_of, check_static, collect
from autograd_mini.compiler.backends.choice import backend_name
from autograd_mini.compiler.backends.disk import cache_folder
from autograd_mini.compiler.checks import check_anomaly
from autograd_mini.compiler.chunks import ChunkKernel, call_chunks, has_chunks, take_arguments
from autograd_mini.compiler.options import Options
from autograd_mini.compiler.pipeline import compile_function, compile_graph, read_function
from autograd_mini.compiler.progress import log, told
from autograd_mini.compiler.runtime.kernel import Cut, Kernel, Source
from autograd_mini.compiler.runtime.parallel import cpu_count
from autograd_mini.engine.checks import check_count, check_places, describe
from autograd_mini.engine.locks import compiling
from autograd_mini.engine.modes import BLOCKS, is_checking, is_tracing
from autograd_mini.engine.operation import Operand
from autograd_mini.engine.operations import sum as sum_of
from autograd_mini.transforms.transforms import is_differentiated
from autograd_mini.transforms.trees import NoNumber, Static, flatten, unflatten
from autograd_mini.transforms.vmap import (
    Axes,
    Examples,
    Mapped,
    bind,
    check_axes,
    check_shared,
    map_examples,
    place_axes,
    run_examples,
)

# How many shapes of arguments are remembered; a batch of another size is another shape of the same kernel.
SHAPES = 1000


class Lowered:
    """What became of a function for one structure of arguments: see `Jitted.lower`. `str` is a summary."""

    def __init__(self, name: str, kernel: Kernel, guarded: Callable[[], Kernel]) -> None:
        self._name, self._kernel, self._guarded = name, kernel, guarded

    @property
    def graph(self) -> str:
        """The simplified graph, one operation a line."""
        return str(self._kernel.graph)

    @property
    def program(self) -> str:
        """How the graph is computed: runs of one pattern each, with the slots of operands and results."""
        return str(self._kernel.program)

    @property
    def llvm_ir(self) -> str:
        """The generated code; empty where NumPy runs the program."""
        return str(self._kernel.code.text)

    @property
    def assembly(self) -> str:
        """The machine code as text; empty where NumPy runs the program."""
        return str(self._kernel.code.assembly())

    @property
    def c(self) -> str:
        """The function as a file of C99, whose head says how to call it; captured Values are what they are now."""
        from autograd_mini.compiler.backends.c import write_c

        return write_c(self._name, self._guarded() if self._kernel.is_doubtful else self._kernel)

    @property
    def seconds(self) -> dict[str, float]:
        """How long each pass took."""
        return dict(self._kernel.seconds)

    def __str__(self) -> str:
        graph, program = self._kernel.graph, self._kernel.program
        nodes = sum(operation is not None for operation in graph.operations)
        runs = f"{len(program.once)} runs once a call, {len(program.each)} for each tile of examples"
        return "\n".join(
            [
                f"{self._name}, lowered",
                f"graph: {graph.arguments} arguments, {nodes} operations, {len(graph.results)} results",
                f"program: {runs}; {program.sizes['u']} numbers shared, {program.sizes['s']} for each example",
                f"llvm_ir: {self.llvm_ir.count(chr(10))} lines; assembly: written when asked for",
                "seconds: " + ", ".join(f"{name} {_told(seconds)}" for name, seconds in self.seconds.items()),
            ]
        )

    __repr__ = __str__


def jit(
    f: Callable[..., Any],
    in_axes: Axes = None,
    reduce: str | None = None,
    threads: int | None = None,
    max_kernels: int = 32,
    out_axes: Axes = 0,
    static_argnums: int | tuple[int, ...] = (),
    fuse: bool = False,
    cache: bool | None = None,
) -> Jitted:
    """Compile a function of Values, for single calls and for whole batches.

    The function runs once for each structure of its arguments, with Values that have no data yet;
    what it records is compiled, once where it records the same for a list and for an array. So
    Python's own control flow, loops and lists just unroll, while a decision by a traced number is a
    `TracingError`.

    With llvmlite, which `pip install 'autograd_mini[jit]'` installs, the code is the processor's own. Without it, or
    where the environment variable AUTOGRAD_MINI_BACKEND is `numpy`, NumPy computes the same, slower; `repr` of what
    this gives says so.

    Parameters
    ----------
    f : callable
        Takes and gives numbers, or nested lists, tuples, dicts, dataclasses and arrays of numbers, all of which
        are float64 within: so are those of an array of int8 or float32. It may use the transforms, and be one:
        `jit(grad(f))`, `jit(value_and_grad(f))`, `jit(vmap(f))`.
    in_axes : int, None, or tuple of such, optional
        Which axis of each argument goes through the examples of a batch, as in `vmap`: None for an
        argument that all examples share, nested for a nested argument. Without it nothing is mapped:
        the compiled function computes what `f` computes. `jit(vmap(f, in_axes, out_axes))` is
        `jit(f, in_axes, out_axes=out_axes)`.
    reduce : "sum" or "mean", optional
        Fold the results of all examples within the kernel.
    threads : int, optional
        The most threads to compute a large batch with; all processors unless given. The results do
        not depend on it.
    max_kernels : int, optional
        How many kernels to keep; the oldest is dropped for another.
    out_axes : int, None, or nested ones, optional
        Which axis of each result goes through the examples, as in `vmap`; None for a result that all
        examples share.
    static_argnums : int or tuple of int, optional
        Which positional arguments are no numbers to compute with but strings, None, counts for `range(n)`
        or other hashable objects. `f` gets them as they are, and is compiled anew for each other value.
    fuse : bool, optional
        Whether a product and the sum that it is a term of may be rounded once instead of twice, by the processor's
        fused multiply-add. It is faster where sums of products are most of the work, and changes last digits: `x * x -
        y * y` may differ from 0 where x and y are equal. NumPy, where it takes the place of llvmlite, never fuses.
    cache : bool, optional
        Whether to keep machine code on disk, for the first calls of later processes: in the folder `autograd_mini` of
        the user's cache folder, which may be deleted at any time; above 512 MiB what was not used for longest goes.
        Code is found again by what was generated, the processor and the versions; to trace and to plan are done in each
        process. Unless given, the environment variable AUTOGRAD_MINI_CACHE decides: `1` is True, and the path of a
        folder is True with another folder.

    Returns
    -------
    Jitted
        Called with numbers it gives floats; called with arrays that are mapped, arrays with the
        batch as the axis that `out_axes` names, unless it is folded. Called with Values it calls `f`, so
        that it can be differentiated. Called with Dask arrays that are mapped, beside numbers and arrays, it
        computes them chunk by chunk on Dask's workers: it gives Dask arrays of the same chunks, or, at once,
        the fold, which is added in the order of the chunks.

    Raises
    ------
    TypeError, ValueError
        If an option is wrong; on the call, if an argument is, or an operation has no lowering.
    TracingError
        On the call, if `f` compares a traced number, branches on it, or reads it.

    Notes
    -----
    What `f` takes from around it is what it was at the first call: a number, an array, an attribute of an object.
    Compiled code does not see that an array changes later, or that an object gets another Value (`m.w = Value(5.0)`).
    What changes should be an argument: `jit(lambda w, x: w * x)(m.w, x)`. Or it should be a Value that stays, and
    whose `.data` is assigned, `m.w.data = 5.0`: a captured Value has, in each call, the data that it has then.

    A compilation that takes more than a second says so while it lasts, in a terminal or a notebook. The logger
    `autograd_mini.jit` has a record of level INFO for each pass, and of level DEBUG for each kernel; its level ERROR is
    silence, by `logging.getLogger("autograd_mini.jit").setLevel("ERROR")`, and so is AUTOGRAD_MINI_PROGRESS=0 in the
    environment.

    A method's `self` is an argument like any other, so it must consist of numbers, as a dataclass may. Else compile the
    bound method, `jit(model.loss)`, in which `self` is captured, or a function of the parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import exp, grad, jit
    >>> f = jit(lambda x, y: x * exp(y))
    >>> f(2.0, 0.0)
    2.0
    >>> jit(lambda x, y: x * exp(y), in_axes=(0, None))(np.array([1.0, 2.0, 3.0]), 0.0)
    array([1., 2., 3.])
    >>> slope = jit(grad(lambda w, x: (w[0] * x + w[1]) ** 2), in_axes=(None, 0), reduce="mean")
    >>> slope([1.0, 0.0], np.array([1.0, 2.0, 3.0, 4.0]))
    [15.0, 5.0]
    >>> jit(lambda x, n: sum(x**k for k in range(n)), static_argnums=1)(2.0, 4)
    15.0
    """
    if not callable(f):
        raise TypeError(f"jit takes a function, not {describe(f)}")
    mapped = getattr(f, "mapped", None)
    if isinstance(mapped, Mapped) and in_axes is None:
        f, in_axes, out_axes = mapped
    return Jitted(f, in_axes, reduce, threads, max_kernels, out_axes, static_argnums, fuse, cache)


class _Call(NamedTuple):
    """A kernel, how the batch is cut, and the leaves whose mapped axis is not the first one, each with that axis."""

    kernel: Kernel
    cut: Cut
    moved: list[tuple[int, int]]


class Jitted:
    """A compiled function; `jit` makes it."""

    def __init__(
        self,
        f: Callable[..., Any] | None,
        in_axes: Axes,
        reduce: Any,
        threads: int | None,
        max_kernels: int,
        out_axes: Axes,
        static_argnums: int | tuple[int, ...],
        fuse: bool,
        cache: bool | None,
    ) -> None:
        if reduce not in (None, "sum", "mean"):
            raise ValueError(f"reduce must be 'sum', 'mean' or None, not {describe(reduce)}")
        check_axes(in_axes, "in_axes")
        check_axes(out_axes, "out_axes")
        if reduce and out_axes != 0:
            raise ValueError(f"reduce={reduce!r} folds the batch, so no result has an axis for out_axes to name")
        self._static = check_places(static_argnums, "static_argnums")
        self.in_axes, self.reduce, self.out_axes, self.static_argnums = in_axes, reduce, out_axes, static_argnums
        if not isinstance(fuse, bool):
            raise TypeError(f"fuse must be True or False, not {describe(fuse)}")
        if not (cache is None or isinstance(cache, bool)):
            raise TypeError(f"cache must be True, False or None, not {describe(cache)}")
        self.fuse, self.cache = fuse, cache
        self.threads = None if threads is None else check_count(threads, "threads")
        self.max_kernels = check_count(max_kernels, "max_kernels")
        self._stays = type(out_axes) is int and out_axes == 0
        self._threads = min(self.threads or cpu_count(), sys.maxsize)
        self._f = f
        self._lock, self._process = threading.RLock(), os.getpid()
        self._kernels: dict[Any, Kernel] = {}  # by the structures and blocks of the arguments
        self._calls: dict[Any, _Call] = {}  # by the exact shapes of the arguments
        self._chunked: dict[Kernel, ChunkKernel] = {}
        if f is not None:
            update_wrapper(self, f, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the results: see `jit`."""
        if kwargs or self._static:
            args = self._arrange(args, kwargs)
        key: list[Any] = []
        leaves: list[Any] = []
        try:
            is_number = collect(args, key, leaves)
        except TypeError as error:
            if not has_chunks(args):
                raise (self._explained(error, args) if isinstance(error, NoNumber) else error) from None
            is_number = False
        if not is_number or (BLOCKS.open and is_tracing()):
            return call_chunks(self, args) if has_chunks(args) else self._on_graph(args)
        shapes = tuple(key)
        call = self._calls.get(shapes) or self._find(shapes, args)
        if call.kernel.captured and any(map(is_differentiated, call.kernel.captured)):
            return self._on_graph(args)
        for i, axis in call.moved:
            leaves[i] = np.moveaxis(leaves[i], axis, 0)
        result = call.kernel(leaves, call.cut, self._threads)
        if result is None:  # a nan that may be none: what is slower knows
            shapes = (*shapes, "guarded")
            call = self._calls.get(shapes) or self._find(shapes, args, is_guarded=True)
            result = call.kernel(leaves, call.cut, self._threads)
        if BLOCKS.open and is_checking():
            check_anomaly(leaves, result)
        return result if self._stays or not call.kernel.is_mapped else place_axes(result, self.out_axes)

    @property
    def _name(self) -> str:
        return str(getattr(self, "__qualname__", "a function")).rpartition("<locals>.")[2]

    def __get__(self, instance: Any, owner: Any) -> Any:
        """Bind as a method where a class has a compiled function as attribute, as functions do."""
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        """Show the options that were chosen, and for each kernel the arguments that it is for and what it took."""
        given = inspect.signature(jit).parameters
        chosen = [f", {n}={getattr(self, n)!r}" for n, p in given.items() if n != "f" and getattr(self, n) != p.default]
        numpy = "; on NumPy, slower than the native code of pip install 'autograd_mini[jit]'"
        kernels = [f"\n    {_kernel_told(key, kernel)}" for key, kernel in list(self._kernels.items())]
        count = f"{len(kernels)} kernel{'s'[: len(kernels) != 1]}{numpy * (backend_name() == 'numpy')}"
        return f"<jit of {self._name}{''.join(chosen)}, {count}{':' * bool(kernels)}{''.join(kernels)}>"

    def __copy__(self) -> Jitted:
        return self  # as of any function: a copy would be cut off from what the function captures

    def __deepcopy__(self, memo: Any) -> Jitted:
        return self

    def __reduce__(self) -> str | tuple[Any, ...]:
        name = getattr(self, "__qualname__", "")
        if getattr(sys.modules.get(self.__module__), name, None) is self:  # made by a decorator
            return name
        try:
            pickle.dumps(self._f)
            function = self._f
        except Exception:  # a lambda, a function of the session: its graphs travel without it
            function = None
        options = (
            function,
            self.in_axes,
            self.reduce,
            self.threads,
            self.max_kernels,
            self.out_axes,
            self.static_argnums,
            self.fuse,
            self.cache,
        )
        # What a function captures is where it lands another Value: it is traced there once more.
        sources = {
            kind: kernel.source
            for kind, kernel in list(self._kernels.items())
            if function is None or not kernel.captured
        }
        if function is None and self._f is not None:  # it is traced here for what is guarded, of which a call may ask
            for (structures, blocks, _), source in list(sources.items()):
                kind = (structures, blocks, True)
                if source.is_doubtful and kind not in sources:
                    with self._lock, _no_collection():
                        sources[kind] = read_function(self._f, structures, blocks, self.reduce, is_guarded=True)
        return (_restore, (options, sources))

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """Show what becomes of the function for arguments like these.

        Returns
        -------
        Lowered
            Printed it is a summary. `graph` is the simplified graph, one operation a line. `program` lists how it is
            computed: runs of one pattern each, with the slots of operands and results. `llvm_ir` is the generated code
            and `assembly` the processor's, empty where NumPy runs the program. `c` is a file of C99 that computes the
            same. `seconds` says how long each pass took: `trace`, `simplify`, `expand`, `merge`, `totals`, `settle`,
            `split`, `sums`, `patterns`, `schedule`, `slots`, and `write`, for native code also `compile`.

        Examples
        --------
        >>> from autograd_mini import grad, jit
        >>> print(jit(grad(lambda x: x * x + 1.0)).lower(3.0).graph)
        v1 = add(x0, x0)
        return v1
        """
        args = self._arrange(args, kwargs)
        if has_chunks(args):
            kernels = take_arguments(self, args).kernels
            return Lowered(self._name, kernels[0], lambda: kernels[-1])
        key: list[Any] = []
        try:
            is_compiled = collect(args, key, [])
        except NoNumber as error:
            raise self._explained(error, args) from None
        if not is_compiled:
            raise TypeError("lower takes numbers and arrays, as a compiled call does, but no Values")
        kernel = self._find(tuple(key), args).kernel
        return Lowered(self._name, kernel, lambda: self._find((*key, "guarded"), args, is_guarded=True).kernel)

    def _function(self) -> Callable[..., Any]:
        if self._f is None:
            raise ValueError(
                "this compiled function was pickled without its source, which only a function at the top of a "
                f"module has; it has code for {len(self._kernels)} structures of arguments, and not for these"
            )
        return self._f

    def _options(self) -> Options:
        return Options(self.fuse, cache_folder(self.cache))

    def _arrange(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Put arguments that are given by name in their places, and mark those that are static."""
        arranged = list(bind(self._function(), args, kwargs) if kwargs else args)
        for place in self._static:
            if -len(arranged) <= place < len(arranged):
                arranged[place] = check_static(arranged[place], f"argument {place % len(arranged)}")
        return tuple(arranged)

    def _explained(self, error: NoNumber, args: Sequence[Any]) -> TypeError:
        """Say what to do with an argument that is no number."""
        name = getattr(self, "__name__", "")
        method = getattr(type(args[0]), name, None) if name else None
        if method is self and str(error).startswith("argument 0 "):
            return TypeError(
                f"{error}; it is the method's self: write jit(self.{name}) of the method without @jit, or jit a "
                "function of the parameters"
            )
        return TypeError(f"{error}; static_argnums names arguments that are strings, None, counts or other objects")

    def _on_graph(self, args: Sequence[Any]) -> Any:
        """Compute what the compiled function does, with Values, as part of a graph that is being recorded."""
        if not is_tracing():
            for argument in args:
                for number in flatten(argument, "an argument")[0]:
                    if isinstance(number, Operand):
                        number.refuse_outside()
        examples = self._examples(args)
        batch = examples.batch
        if batch is None:
            return self._function()(*[x.value if type(x) is Static else x for x in args])
        if not self.reduce:
            return map_examples(self._function(), examples, self.out_axes)
        rows, structure = run_examples(self._function(), examples)
        totals = [sum_of(column) for column in (zip(*rows) if rows else [()] * structure.size)]
        if self.reduce == "mean":
            totals = [total / batch if batch else math.nan for total in totals]
        return unflatten(structure, totals)

    def _examples(self, args: Sequence[Any]) -> Examples:
        examples = Examples(args, self.in_axes)
        if examples.batch is None and self.reduce:
            raise ValueError(f"reduce={self.reduce!r} folds a batch, but no argument is mapped over one")
        return examples

    def _find(self, key: Any, args: Sequence[Any], is_guarded: bool = False) -> _Call:
        """Find the kernel for arguments of some shapes, or compile it."""
        if self._process != os.getpid():  # a forked child must not inherit a lock that another thread holds
            with compiling:  # so that all its threads find one and the same
                if self._process != os.getpid():
                    self._lock, self._process = threading.RLock(), os.getpid()
        # The user's function runs under this lock: it may wait for threads that compile other functions.
        with self._lock, _no_collection():
            examples = self._examples(args)
            blocks = blocks_of(examples)
            kind = (examples.structures, blocks, is_guarded)
            kernel = self._kernels.get(kind)
            if kernel is None:
                others = self._kernels.values()
                given = (self._function(), examples.structures, blocks, self.reduce, self._options())
                with told(self._name):
                    kernel = compile_function(*given, is_guarded, others)
                if len(self._kernels) >= self.max_kernels:
                    oldest = self._kernels.pop(next(iter(self._kernels)))
                    self._calls = {key: call for key, call in self._calls.items() if call.kernel is not oldest}
                self._kernels[kind] = kernel
                if log.isEnabledFor(logging.DEBUG):
                    log.debug("%s: kernel for %s", self._name, _kernel_told(kind, kernel))
            if not self._stays and kernel.is_mapped:
                check_shared(kernel.structure, kernel.vary, self.out_axes, examples.batch or 0)
            if len(self._calls) >= SHAPES:
                self._calls.clear()
            moved = [(i, axis) for i, axis in enumerate(examples.axes) if axis]
            call = self._calls[key] = _Call(kernel, kernel.cut(examples.batch or 0), moved)
            return call


def _kernel_told(key: tuple[Any, ...], kernel: Kernel) -> str:
    """Say which arguments a kernel is for, how large it is, and what it took."""
    structures, blocks, is_guarded = key
    remaining = iter(blocks)
    mapped = [[next(remaining).mapped for _ in structure.leaves()] for structure in structures]
    arguments = ["mapped " * any(some) + structure.describe() for structure, some in zip(structures, mapped)]
    seconds = dict(kernel.seconds)
    times = {"trace": seconds.pop("trace", None), "write": seconds.pop("write", None)}
    times["compile"] = seconds.pop("compile", None)
    times["plan"] = sum(seconds.values())
    stages = ", ".join(f"{name} {_told(time)}" for name, time in times.items() if time is not None)
    nodes = sum(operation is not None for operation in kernel.graph.operations)
    return f"({', '.join(arguments)}){', guarded' * is_guarded}: {nodes} operations; {stages}"


def _told(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1.0 else f"{1e3 * seconds:.1f} ms"


def _restore(options: tuple[Any, ...], sources: dict[Any, Source]) -> Jitted:
    jitted = Jitted(*options)
    with _no_collection():
        jitted._kernels = {kind: compile_graph(*source, options=jitted._options()) for kind, source in sources.items()}
    return jitted


@contextmanager
def _no_collection() -> Iterator[None]:
    """Make Python not look for cycles: a graph has none, and the collector would go through it again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
