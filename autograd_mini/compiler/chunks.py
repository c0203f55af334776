"""Calls with Dask arrays: the kernel goes to the chunks, and the rows stay where they are.

Whoever makes Dask's arrays has imported Dask: nothing here imports it for others. Knows nothing of tracing, nor how
code computes.
"""

from __future__ import annotations

import math
import pickle
import sys
from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from autograd_mini.compiler.arguments import FLOAT64, Array, Block, blocks_of
from autograd_mini.compiler.backends.disk import cache_folder
from autograd_mini.compiler.checks import check_anomaly
from autograd_mini.compiler.expand import expand
from autograd_mini.compiler.options import Options
from autograd_mini.compiler.pipeline import compile_graph
from autograd_mini.compiler.runtime.kernel import Kernel, Source
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import describe
from autograd_mini.engine.locks import compiling
from autograd_mini.engine.modes import BLOCKS, is_checking, is_tracing
from autograd_mini.transforms.transforms import is_differentiated
from autograd_mini.transforms.trees import DEPTH, Structure, map_parts, parts_of, unflatten
from autograd_mini.transforms.vmap import RESULT, Axes, Examples, leaf_axes, list_leaves, place_axes

# Sums of chunks are added so many at a time, then the sums of these, in the order of the chunks. So the result depends
# on the chunks alone, and no worker needs more than so many sums at once.
TERMS = 16
# How many kernels for chunks a process keeps; the oldest is dropped for another.
MOST_KERNELS = 64

_kernels: dict[tuple[str, int], Kernel] = {}  # by the token of a ChunkKernel, and the place among its kernels


class _StandIn(np.ndarray[Any, Any]):
    """Takes the place of a Dask array where arguments are checked: it has the shape, and no memory for the numbers."""

    chunked: Any = None


def has_chunks(args: Sequence[Any]) -> bool:
    """Say whether there are Dask arrays in arguments, which may be nested as they will, and contain themselves."""
    module = sys.modules.get("dask.array")
    waiting, seen = list(args) if module else [], set()
    while waiting:
        tree = waiting.pop()
        if isinstance(tree, module.Array):  # type: ignore[union-attr]  # nothing waits without it
            return True
        if not isinstance(tree, (float, Scalar)) and id(tree) not in seen:
            seen.add(id(tree))
            waiting += parts_of(tree)
    return False


def _with_stand_ins(tree: Any, role: str, depth: int = 0) -> Any:
    """Give an argument with stand-ins for the Dask arrays in it."""
    if isinstance(tree, sys.modules["dask.array"].Array):
        return _stand_in(tree, role)
    if depth > DEPTH:
        raise ValueError(f"{role} is nested more than {DEPTH} deep, or contains itself")
    return map_parts(lambda part: _with_stand_ins(part, role, depth + 1), tree)


def _stand_in(array: Any, role: str) -> _StandIn:
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{role} must be an array of real numbers, not {describe(array)}")
    if not array.ndim:
        raise TypeError(f"{role} has a Dask array without axes, which is a number: pass float of it")
    if any(map(math.isnan, array.shape)):
        raise ValueError(
            f"{role} has a Dask array whose chunks have unknown lengths: call its compute_chunk_sizes() first, or make "
            "it of a dataframe by to_dask_array(lengths=True)"
        )
    stand_in = np.broadcast_to(np.empty((), array.dtype), array.shape).view(_StandIn)
    stand_in.chunked = array
    return stand_in


class ChunkKernel:
    """A kernel for chunks. It travels as its graph, and each process that it comes to compiles it once.

    Called with the chunks of the mapped arguments and with the leaves that all examples share, it gives an array of all
    numbers where examples are folded, else a list of arrays. Where a nan of one kernel is in doubt, the next computes.
    """

    def __init__(self, kernels: Sequence[Kernel], axes: Sequence[int], jitted: Any) -> None:
        sources = [_flat_source(kernel) for kernel in kernels]
        self._content = pickle.dumps((sources, jitted.fuse, jitted.cache))
        self._count, self._axes = len(kernels), tuple(axes)
        self._threads = jitted.threads or 1  # Dask runs several tasks at a time, each on a thread of its own
        self.token = sha256(self._content + repr((self._axes, self._threads)).encode()).hexdigest()
        self._sent: Any = None  # the future of a task that has it, on a cluster, and this task
        for i, (source, kernel) in enumerate(zip(sources, kernels)):  # to code, a captured number is one more argument
            self._keep(i, Kernel(source, kernel.program, kernel.code, {}))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_sent": None}

    def task(self, client: Any = None) -> Any:
        """Give a task that has this kernel. With a client it stays on the cluster for later calls."""
        from dask import delayed

        if client is None:
            return delayed(self, name=f"kernel-{self.token}")
        sent = self._sent
        if sent is None or sent[0].client is not client or sent[0].cancelled():
            task = client.persist(self.task())
            [future] = client.futures_of(task)
            sent = self._sent = future, task
        return sent[1]

    def __call__(self, chunks: Sequence[Any], shared: bytes) -> Any:
        numbers, is_checked = pickle.loads(shared)
        result = None
        for i in range(self._count):
            kernel = self._kernel(i)
            leaves, batch = _place(kernel.blocks, chunks, self._axes, numbers)
            result = kernel(leaves, kernel.cut(batch), self._threads)
            if result is not None:
                break
        if is_checked:
            check_anomaly(leaves, result)
        return result

    def _kernel(self, i: int) -> Kernel:
        """Give one of the kernels, compiled unless it has been in this process."""
        kernel = _kernels.get((self.token, i))
        if kernel is None:
            with compiling:  # other threads want the same kernel, and wait for it
                kernel = _kernels.get((self.token, i))
                if kernel is None:
                    sources, fuse, cache = pickle.loads(self._content)
                    kernel = compile_graph(*sources[i], options=Options(fuse, cache_folder(cache)))
                    self._keep(i, kernel)
        return kernel

    def _keep(self, i: int, kernel: Kernel) -> None:
        with compiling:
            if len(_kernels) >= MOST_KERNELS:
                del _kernels[next(iter(_kernels))]
            _kernels[self.token, i] = kernel


def _flat_source(kernel: Kernel) -> Source:
    """Say how to compile a kernel that takes captured numbers as its last argument, and nests no results."""
    graph, captured, blocks, reduce, structure, is_doubtful = kernel.source
    flat = Structure(list, parts=tuple(structure.leaves()))
    if reduce is not None:
        reduce, flat = "sum", Structure(np.ndarray, (structure.size,))
    return Source(expand(graph), [], (*blocks, Block((len(captured),), False)), reduce, flat, is_doubtful)


def _place(
    blocks: Sequence[Block], chunks: Sequence[Any], axes: Sequence[int], shared: Sequence[Any]
) -> tuple[list[Any], int]:
    """Put the chunks among the leaves that all examples share; say how many examples there are."""
    leaves, batch = list(shared), chunks[0].shape[axes[0]]
    places = [i for i, block in enumerate(blocks) if block.mapped]
    for i, chunk, axis in zip(places, chunks, axes):
        [leaf], _ = list_leaves(chunk, "a chunk of a Dask array")
        leaves[i] = np.moveaxis(np.asarray(leaf, FLOAT64), axis, 0)
        if leaves[i].shape != (batch, *blocks[i].shape):
            raise ValueError(f"a chunk has the shape {chunk.shape}, which is not what its Dask array says of it")
    return leaves, batch


class Arguments(NamedTuple):
    """The arguments of a call with Dask arrays: their leaves, how they are mapped, and the kernels for them.

    There is a second kernel where a nan of the first may be none.
    """

    leaves: list[Any]
    examples: Examples
    kernels: list[Kernel]


def take_arguments(jitted: Any, args: Sequence[Any]) -> Arguments:
    """Check arguments among which there are Dask arrays, and find the kernels of a compiled function for them."""
    args = [_with_stand_ins(argument, f"argument {i}") for i, argument in enumerate(args)]
    examples = Examples(args, jitted.in_axes)
    leaves = [leaf for i, argument in enumerate(args) for leaf in list_leaves(argument, f"argument {i}")[0]]
    if any(isinstance(leaf, _StandIn) and axis is None for leaf, axis in zip(leaves, examples.axes)):
        raise TypeError(
            "a Dask array must be mapped by in_axes, since its chunks are computed one by one; pass .compute() of an "
            "array that all examples share"
        )
    _refuse_gradients(any(isinstance(leaf, Scalar) or np.asarray(leaf).dtype.kind == "O" for leaf in leaves))
    key = (_StandIn, examples.structures, blocks_of(examples), examples.batch)
    kernels = [jitted._find(key, args).kernel]
    if kernels[0].is_doubtful:
        kernels.append(jitted._find((*key, "guarded"), args, is_guarded=True).kernel)
    _refuse_gradients((BLOCKS.open and is_tracing()) or any(map(is_differentiated, kernels[0].captured)))
    return Arguments(leaves, examples, kernels)


def _refuse_gradients(is_wanted: bool) -> None:
    if is_wanted:
        raise TypeError(
            "a Dask array stands beside Values, or in what is traced or differentiated, and no gradient flows back "
            "from its chunks; differentiate within the compiled function, as in jit(value_and_grad(f), ...)"
        )


class _Inputs(NamedTuple):
    """What tasks work on: the mapped arrays, each with the axis of its examples, and what all examples share."""

    arrays: Sequence[Any]
    axes: Sequence[int]
    kernel: ChunkKernel
    shared: bytes  # the leaves of the arguments that are not mapped, as they are now


def call_chunks(jitted: Any, args: Sequence[Any]) -> Any:
    """Compute what a compiled function gives for arguments among which there are Dask arrays."""
    leaves, examples, kernels = take_arguments(jitted, args)
    axes = [axis for axis in examples.axes if axis is not None]
    with jitted._lock:
        kernel = jitted._chunked.get(kernels[0])
        if kernel is None:
            if len(jitted._chunked) >= jitted.max_kernels:
                del jitted._chunked[next(iter(jitted._chunked))]
            kernel = jitted._chunked[kernels[0]] = ChunkKernel(kernels, axes, jitted)
    arrays = _arrays([leaf for leaf, axis in zip(leaves, examples.axes) if axis is not None], axes)
    shared: list[Any] = [leaf if axis is None else None for leaf, axis in zip(leaves, examples.axes)]
    shared.append(np.array([value.data for value in kernels[0].captured]))
    inputs = _Inputs(arrays, axes, kernel, pickle.dumps((shared, bool(BLOCKS.open and is_checking()))))
    structure = kernels[0].structure
    if jitted.reduce is None:
        return _examples(inputs, structure, jitted.out_axes, examples.batch or 0)
    total = _total(inputs, structure.size).compute()
    if jitted.reduce == "mean":
        with np.errstate(all="ignore"):
            total = total / examples.batch
    return unflatten(structure, total.tolist())


def _arrays(leaves: Sequence[Any], axes: Sequence[int]) -> list[Any]:
    """Give Dask arrays of the mapped leaves, whole along other axes; those of NumPy are cut as the first of Dask is."""
    from dask.array import from_array

    lengths = next(leaf.chunked.chunks[axis] for leaf, axis in zip(leaves, axes) if isinstance(leaf, _StandIn))
    arrays = []
    for leaf, axis in zip(leaves, axes):
        chunks = {i: -1 for i in range(leaf.ndim) if i != axis % leaf.ndim}
        if isinstance(leaf, _StandIn):
            arrays.append(leaf.chunked.rechunk(chunks))
        else:
            arrays.append(from_array(np.array(leaf, FLOAT64), chunks=chunks | {axis % leaf.ndim: lengths}))
    return arrays


def _over_chunks(inputs: _Inputs, client: Any = None, **options: Any) -> Any:
    """Make a Dask array of one axis that has in place of each chunk what the kernel gives for it."""
    from dask import delayed
    from dask.array import blockwise

    others = count(1)  # 0 is the axis of the examples
    chunked: list[Any] = []
    for array, axis in zip(inputs.arrays, inputs.axes):
        own = [next(others) for _ in range(array.ndim)]
        own[axis] = 0
        chunked += [array, tuple(own)]
    shared = delayed(inputs.shared, name=f"shared-{sha256(inputs.shared).hexdigest()}")
    options |= {"kernel": inputs.kernel.task(client), "shared": shared, "meta": np.empty(0)}
    return blockwise(_compute, (0,), *chunked, **options)


def _total(inputs: _Inputs, size: int) -> Any:
    """Make the Dask array of the sums over all examples."""
    from dask.array import Array as DaskArray
    from dask.base import get_scheduler
    from dask.highlevelgraph import HighLevelGraph

    owner = getattr(get_scheduler(), "__self__", None)
    client = owner if hasattr(owner, "persist") else None  # of distributed
    sums = _over_chunks(inputs, client, adjust_chunks={0: size})
    name = f"total-{sums.name}"
    keys: list[Any] = [(sums.name, i) for i in range(sums.numblocks[0])]
    tasks: dict[Any, Any] = {}
    while len(keys) > 1 or not tasks:
        groups = [keys[begin : begin + TERMS] for begin in range(0, len(keys), TERMS)]
        keys = [(name, i) if len(groups) == 1 else (f"{name}-{len(keys)}", i) for i in range(len(groups))]
        tasks |= {key: (_add, group) for key, group in zip(keys, groups)}
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=[sums])
    return DaskArray(graph, name, chunks=((size,),), dtype=FLOAT64)


def _examples(inputs: _Inputs, structure: Structure, out_axes: Axes, batch: int) -> Any:
    """Nest Dask arrays of the results of all examples."""
    from dask.array import blockwise

    stacked = structure.nest(lambda part: np.broadcast_to(0.0, (batch, *part.keys)))
    if not batch:
        place_axes(stacked, out_axes)  # which refuses a result that all examples share, where there is none
    results = _over_chunks(inputs)
    parts: list[Any] = []
    leaves, nested = list_leaves(stacked, RESULT)
    for i, (leaf, (axis, _)) in enumerate(zip(leaves, leaf_axes(nested, out_axes, "out_axes", RESULT))):
        if axis is None:
            parts.append(_shared_result(inputs, i))
            continue
        lengths = dict(enumerate(leaf.shape[1:], 1))
        axes = list(lengths)
        axes.insert(axis % leaf.ndim, 0)
        meta = np.empty((0,) * leaf.ndim)
        parts.append(blockwise(_pick, axes, results, (0,), place=i, axis=axis, new_axes=lengths, meta=meta))
    remaining = iter(parts)
    return structure.nest(lambda part: next(remaining))


def _shared_result(inputs: _Inputs, place: int) -> Any:
    """Compute a result that all examples share: any example will do."""
    blank = [
        np.zeros([1 if i == axis % array.ndim else length for i, length in enumerate(array.shape)])
        for array, axis in zip(inputs.arrays, inputs.axes)
    ]
    result = inputs.kernel(blank, inputs.shared)[place][0]
    return result if isinstance(result, np.ndarray) else float(result)


# The tasks.


def _compute(*blocks: Any, kernel: ChunkKernel, shared: bytes) -> Any:
    return kernel([_only(block) for block in blocks], shared)


def _only(block: Any) -> Any:
    """Take a chunk out of the lists that Dask has for axes which the result has not; each has one chunk."""
    while isinstance(block, list):
        [block] = block
    return block


def _add(sums: list[Array]) -> Array:
    with np.errstate(all="ignore"):
        return sum(sums[1:], sums[0])


def _pick(results: list[Array], place: int, axis: int) -> Array:
    return np.moveaxis(results[place], 0, axis)
