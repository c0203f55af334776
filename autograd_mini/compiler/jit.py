"""jit: functions of Values, compiled once for each structure of their arguments."""

from __future__ import annotations

import gc
import inspect
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

from autograd_mini.compiler.arguments import Axes, Examples, check_axes, collect, list_leaves
from autograd_mini.compiler.backends.choice import backend_name
from autograd_mini.compiler.pipeline import compile_function, compile_graph
from autograd_mini.compiler.runtime.kernel import Cut, Kernel
from autograd_mini.compiler.runtime.parallel import cpu_count
from autograd_mini.engine.checks import check_count, describe
from autograd_mini.engine.modes import is_checking, is_tracing, tracing
from autograd_mini.engine.operations import sum as sum_of
from autograd_mini.transforms.transforms import is_differentiated
from autograd_mini.transforms.trees import flatten, make_array, unflatten

# How many shapes of arguments are remembered; a batch of another size is another shape of the same kernel.
SHAPES = 1000


class Lowered(NamedTuple):
    """What became of a function for one structure of arguments: see `Jitted.lower`."""

    graph: str
    program: str
    llvm_ir: str
    seconds: dict[str, float]

    def __str__(self) -> str:
        times = ", ".join(f"{name} {1e3 * seconds:.1f} ms" for name, seconds in self.seconds.items())
        return "\n\n".join(filter(None, [self.graph, self.program, self.llvm_ir, times]))


def jit(
    f: Callable[..., Any],
    in_axes: Axes = None,
    reduce: str | None = None,
    threads: int | None = None,
    max_kernels: int = 32,
) -> Jitted:
    """Compile a function of Values, for single calls and for whole batches.

    The function runs once for each structure of its arguments, with Values that have no data yet;
    what it records is compiled. So Python's own control flow, loops and lists just unroll, while a
    decision by a traced number is a `TracingError`.

    With llvmlite, which `pip install 'autograd_mini[jit]'` installs, the code is the processor's own. Without it, or
    where the environment variable AUTOGRAD_MINI_BACKEND is `numpy`, NumPy computes the same, slower; `repr` of what
    this gives says so.

    Parameters
    ----------
    f : callable
        Takes and gives numbers, or nested lists, tuples, dicts and arrays of numbers. It may use the
        transforms, and be one: `jit(grad(f))`, `jit(value_and_grad(f))`, `jit(hessian(f))`.
    in_axes : int, None, or tuple of such, optional
        Which axis of each argument goes through the examples of a batch, as in `jax.vmap`: None for
        an argument that all examples share, nested for a nested argument. Without it nothing is
        mapped: the compiled function computes what `f` computes.
    reduce : "sum" or "mean", optional
        Fold the results of all examples within the kernel.
    threads : int, optional
        The most threads to compute a large batch with; all processors unless given. The results do
        not depend on it.
    max_kernels : int, optional
        How many kernels to keep; the oldest is dropped for another.

    Returns
    -------
    Jitted
        Called with numbers it gives floats; called with arrays that are mapped, arrays with the
        batch as their first axis, unless it is folded. Called with Values it calls `f`, so that it
        can be differentiated. A Value that `f` takes from around it has, in each call, the data that
        it has then; any other number from around it is that of the first call.

    Raises
    ------
    TypeError, ValueError
        If an option is wrong; on the call, if an argument is, or an operation has no lowering.
    TracingError
        On the call, if `f` compares a traced number, branches on it, or reads it.

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
    """
    if not callable(f):
        raise TypeError(f"jit takes a function, not {describe(f)}")
    return Jitted(f, in_axes, reduce, threads, max_kernels)


class _Call(NamedTuple):
    """A kernel, how the batch is cut, and the leaves whose mapped axis is not the first one."""

    kernel: Kernel
    cut: Cut
    moved: list[tuple[int, int]]


class Jitted:
    """A compiled function; `jit` makes it."""

    def __init__(
        self, f: Callable[..., Any] | None, in_axes: Axes, reduce: Any, threads: int | None, max_kernels: int
    ) -> None:
        if reduce not in (None, "sum", "mean"):
            raise ValueError(f"reduce must be 'sum', 'mean' or None, not {describe(reduce)}")
        check_axes(in_axes)
        self.in_axes, self.reduce = in_axes, reduce
        self.threads = None if threads is None else check_count(threads, "threads")
        self.max_kernels = check_count(max_kernels, "max_kernels")
        self._threads = min(self.threads or cpu_count(), sys.maxsize)
        self._f = f
        self._kernels: dict[Any, Kernel] = {}  # by the structures and blocks of the arguments
        self._calls: dict[Any, _Call] = {}  # by the exact shapes of the arguments
        if f is not None:
            update_wrapper(self, f, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the results: see `jit`."""
        if kwargs:
            args = self._bind(args, kwargs)
        key: list[Any] = []
        leaves: list[Any] = []
        if not collect(args, key, leaves) or is_tracing():
            return self._on_graph(args)
        call = self._calls.get(tuple(key)) or self._find(tuple(key), args)
        if call.kernel.captured and any(map(is_differentiated, call.kernel.captured)):
            return self._on_graph(args)
        for i, axis in call.moved:
            leaves[i] = np.moveaxis(leaves[i], axis, 0)
        result = call.kernel(leaves, call.cut, self._threads)
        if is_checking():
            _check_anomaly(leaves, result)
        return result

    def __get__(self, instance: Any, owner: Any) -> Any:
        """Bind as a method where a class has a compiled function as attribute, as functions do."""
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        kernels = f"{len(self._kernels)} kernel{'s'[: len(self._kernels) != 1]}"
        slower = "; on NumPy, slower than the native code of pip install 'autograd_mini[jit]'"
        return (
            f"<jit of {getattr(self, '__qualname__', 'a function')}, {kernels}{slower * (backend_name() == 'numpy')}>"
        )

    def __reduce__(self) -> str | tuple[Any, ...]:
        name = getattr(self, "__qualname__", "")
        if getattr(sys.modules.get(self.__module__), name, None) is self:  # made by a decorator
            return name
        try:
            pickle.dumps(self._f)
            function = self._f
        except Exception:  # a lambda, a function of the session: its graphs travel without it
            function = None
        options = (function, self.in_axes, self.reduce, self.threads, self.max_kernels)
        # What a function captures is where it lands another Value: it is traced there once more.
        kernels = [
            (key, kernel.source)
            for key, kernel in list(self._kernels.items())
            if function is None or not kernel.captured
        ]
        return (_restore, (options, kernels))

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """Show what becomes of the function for arguments like these.

        Returns
        -------
        Lowered
            `graph` is the simplified graph, one operation a line. `program` lists how it is computed: runs of one
            pattern each, with the slots of operands and results. `llvm_ir` is the generated code, empty where NumPy
            runs the program. `seconds` says how long each pass took: `trace`, `simplify`, `split`, `sums`, `patterns`,
            `schedule`, `slots`, and `write`, for native code also `compile`.

        Examples
        --------
        >>> from autograd_mini import grad, jit
        >>> print(jit(grad(lambda x: x * x + 1.0)).lower(3.0).graph)
        v1 = add(x0, x0)
        return v1
        """
        if kwargs:
            args = self._bind(args, kwargs)
        key: list[Any] = []
        if not collect(args, key, []):
            raise TypeError("lower takes numbers and arrays, as a compiled call does, but no Values")
        kernel = self._find(tuple(key), args).kernel
        return Lowered(str(kernel.graph), str(kernel.program), kernel.code.text, dict(kernel.seconds))

    def _function(self) -> Callable[..., Any]:
        if self._f is None:
            raise ValueError(
                "this compiled function was pickled without its source, which only a function at the top of a "
                f"module has; it has code for {len(self._kernels)} structures of arguments, and not for these"
            )
        return self._f

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Put arguments that are given by name in their places."""
        signature = inspect.signature(self._function())
        bound = signature.bind(*args, **kwargs)
        last = max(map(list(signature.parameters).index, bound.arguments))
        bound.apply_defaults()
        without = [name for name in kwargs if name in bound.kwargs]
        if without:
            raise TypeError(f"jit takes arguments that have a place, and {', '.join(without)} has none")
        return bound.args[: max(len(args), last + 1)]

    def _on_graph(self, args: Sequence[Any]) -> Any:
        """Compute what the compiled function does, with Values, as part of a graph that is being recorded."""
        examples = self._examples(args)
        batch = examples.batch
        if batch is None:
            return self._function()(*args)
        if batch == 0:  # no number of the result depends on any Value
            structures = [list_leaves(argument, "an argument")[1] for argument in args]
            with tracing(None):
                return self(*[unflatten(structure, [0.0] * structure.size) for structure in structures])
        rows: list[list[Any]] = []
        for i in range(batch):
            result = self._function()(*examples.example(i))
            row, structure = flatten(result, "the function's result")
            rows.append(row)
        if self.reduce:
            totals = [sum_of(column) for column in zip(*rows)]
            return unflatten(structure, [total / batch for total in totals] if self.reduce == "mean" else totals)
        columns = iter(zip(*rows))
        return structure.nest(
            lambda part: make_array(
                [x for row in zip(*[next(columns) for _ in range(part.size)]) for x in row], (batch, *part.keys)
            )
        )

    def _examples(self, args: Sequence[Any]) -> Examples:
        examples = Examples(args, self.in_axes)
        if examples.batch is None and self.reduce:
            raise ValueError(f"reduce={self.reduce!r} folds a batch, but no argument is mapped over one")
        return examples

    def _find(self, key: Any, args: Sequence[Any]) -> _Call:
        """Find the kernel for arguments of some shapes, or compile it."""
        with _compiling, _no_collection():
            examples = self._examples(args)
            kind = (examples.structures, tuple(examples.blocks))
            kernel = self._kernels.get(kind)
            if kernel is None:
                kernel = compile_function(self._function(), examples.structures, examples.blocks, self.reduce)
                if len(self._kernels) >= self.max_kernels:
                    oldest = self._kernels.pop(next(iter(self._kernels)))
                    self._calls = {key: call for key, call in self._calls.items() if call.kernel is not oldest}
                self._kernels[kind] = kernel
            if len(self._calls) >= SHAPES:
                self._calls.clear()
            call = self._calls[key] = _Call(kernel, kernel.cut(examples.batch or 0), examples.moved)
            return call


def _check_anomaly(given: Sequence[Any], result: Any) -> None:
    """Keep the promise of detect_anomaly as far as compiled code can: it knows only arguments and results."""
    results = [np.asarray(leaf) for leaf in list_leaves(result, "the result")[0]]
    if all(np.isfinite(numbers).all() for numbers in given) and not all(np.isfinite(r).all() for r in results):
        raise FloatingPointError(
            "the compiled function gave nan or inf for finite arguments; under detect_anomaly() call the function "
            "itself, without jit, to see which operation it was"
        )


def _restore(options: tuple[Any, ...], kernels: Sequence[tuple[Any, tuple[Any, ...]]]) -> Jitted:
    jitted = Jitted(*options)
    with _compiling, _no_collection():
        jitted._kernels = {key: compile_graph(*source) for key, source in kernels}
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


# Held while a function is traced and compiled; a forked child must not inherit it from another thread.
_compiling = threading.RLock()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_compiling.acquire, after_in_parent=_compiling.release, after_in_child=_compiling.release
    )
