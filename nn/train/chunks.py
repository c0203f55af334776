"""Rows of Dask: X and y whose chunks are on workers, and stay there; knows nothing of models or losses.

Whoever makes Dask's arrays and dataframes has imported Dask: nothing here imports it for others.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd_mini.engine.checks import describe
from nn.checks import as_array, is_row
from nn.train.data import Examples, Metric, Parts, as_examples, as_rows, as_targets, check_lengths, check_rows

# So many of the first rows come to the client: a model and its loss are tried on them.
_AT_HAND = 8


class _Piece(NamedTuple):
    """A part of a batch: consecutive rows of a chunk, in the chunk's own order or in that of a seed."""

    chunk: int
    start: int
    stop: int
    seed: int | None

    def cut(self, rows: Any) -> Any:
        """Take the piece from its chunk."""
        if self.seed is None:
            return rows[self.start : self.stop]
        return rows[np.random.default_rng(self.seed).permutation(len(rows))[self.start : self.stop]]


@dataclass(frozen=True, eq=False)
class Chunks:
    """A data set, or a batch of one, in Dask arrays that have the same chunks of rows."""

    arrays: tuple[Any, Any]
    plain: tuple[Any, Any] | None = None  # the same without checks, whose tasks cost more than those of small chunks

    @property
    def targets(self) -> Any:
        """The Dask array of the targets."""
        return self.arrays[1]

    def __len__(self) -> int:
        return len(self.arrays[0])

    def at_hand(self) -> Examples:
        """Fetch the first few rows."""
        return self._first

    @cached_property
    def _first(self) -> Examples:
        from dask import compute

        return as_examples(*compute(*[array[:_AT_HAND] for array in self.arrays]))

    def batches(self, size: int, generator: random.Random | None) -> Iterator[Chunks]:
        """Go through all rows once: chunk after chunk, and each in an order of its own where there is a generator."""
        lengths = self.arrays[0].chunks[0]
        pieces: list[_Piece] = []
        room = size
        for chunk, seed in draw_order(len(lengths), generator):
            stop = 0
            while stop < lengths[chunk]:
                start, stop = stop, min(stop + room, lengths[chunk])
                pieces.append(_Piece(chunk, start, stop, seed))
                room -= stop - start
                if not room:
                    yield self._gather(pieces)
                    pieces, room = [], size
        if pieces:
            yield self._gather(pieces)

    def _gather(self, pieces: Sequence[_Piece]) -> Chunks:
        lengths = tuple([piece.stop - piece.start for piece in pieces])
        gathered = []
        for array in self.arrays:
            rows = array.blocks[[piece.chunk for piece in pieces]]
            if rows.chunks[0] != lengths or any(piece.seed is not None for piece in pieces):
                meta = rows._meta
                rows = rows.map_blocks(_cut, pieces, dtype=rows.dtype, chunks=(lengths, *rows.chunks[1:]), meta=meta)
            gathered.append(rows)
        return Chunks((gathered[0], gathered[1]))

    def check_elsewhere(self, functions: Sequence[Metric], prediction: Any) -> None:
        """Call functions with the targets of each chunk, and with one prediction for all of them."""
        inputs, targets = self.arrays
        _over_chunks(_check, targets, inputs, functions=functions, prediction=prediction).compute()

    def for_engine(self, engine: str, why: str) -> Chunks:
        """Refuse to learn along the graph, which would be here, and not where the rows are."""
        if engine == "plain":
            raise TypeError(f"rows of Dask are learned from through jit alone, and {why or 'jit=False was given'}")
        return Chunks(self.plain or self.arrays)

    def measure(self, metric: Metric, parts: Parts) -> float:
        """Measure by chunk, and give the mean over all rows, summed in the order of the chunks."""
        from dask import compute

        sums = compute(*[_over_chunks(_measure, targets, outputs, metric=metric) for outputs, targets in parts])
        rows = sum([len(targets) for _, targets in parts])
        return sum(np.concatenate(sums).tolist(), 0.0) / rows


def draw_order(chunks: int, generator: random.Random | None) -> list[tuple[int, int | None]]:
    """Draw the order of so many chunks, and for each the seed of `numpy.random.default_rng(seed).permutation(rows)`.

    Examples
    --------
    >>> draw_order(3, None)
    [(0, None), (1, None), (2, None)]
    >>> [chunk for chunk, seed in draw_order(3, random.Random(1))]
    [0, 2, 1]
    """
    if generator is None:
        return [(chunk, None) for chunk in range(chunks)]
    return [(chunk, generator.getrandbits(64)) for chunk in generator.sample(range(chunks), chunks)]


# What comes in, and what goes out.


def is_of_dask(thing: Any) -> bool:
    """Tell Dask's arrays, dataframes and other collections."""
    dask = sys.modules.get("dask.base")
    return dask is not None and bool(dask.is_dask_collection(thing))


def take_examples(X: Any, y: Any, X_name: str = "X", y_name: str = "y") -> Examples | Chunks:
    """Check a data set, and make it into examples or, of Dask's arrays and dataframes, into chunks."""
    if not (is_of_dask(X) or is_of_dask(y)):
        return as_examples(X, y, X_name, y_name)
    for mine, name, other, others in ((X, X_name, y, y_name), (y, y_name, X, X_name)):
        if not is_of_dask(mine):
            raise TypeError(
                f"{others} is of Dask, and {name} is not: make it a Dask array of the same chunks by "
                f"dask.array.from_array({name}, chunks=...), or compute {others}, which is {describe(other)}"
            )
    X, y = _as_chunked(X, X_name), _as_chunked(y, y_name)
    check_rows(X, X_name)
    check_lengths(X, y, X_name, y_name)
    return Chunks(_aligned(_checked(X, X_name), _checked(y, y_name)), _aligned(_plain(X), _plain(y)))


def _aligned(X: Any, y: Any) -> tuple[Any, Any]:
    """Give inputs and targets the same chunks, of whole rows."""
    inputs = X.rechunk({1: -1})
    return inputs, as_targets(y.rechunk((inputs.chunks[0], -1)[: y.ndim]))


def take_rows(X: Any, name: str = "X") -> Any:
    """Check the inputs of a data set, and make them into an array; if it is of Dask, its chunks have whole rows."""
    if not is_of_dask(X):
        return as_rows(X, name)
    array = _as_chunked(X, name)
    check_rows(array, name)
    return _checked(array, name).rechunk({1: -1})


def over_rows(function: Callable[[Any], NDArray[Any]], outputs: Any) -> Any:
    """Apply a function of outputs that gives an array, chunk by chunk where the outputs are of Dask."""
    if not is_of_dask(outputs):
        return function(outputs)
    meta = function(np.zeros((1, *outputs.shape[1:])).tolist())[:0]
    dropped = None if meta.ndim == outputs.ndim else 1
    return outputs.map_blocks(_apply, function, like=meta, drop_axis=dropped, dtype=meta.dtype, meta=meta)


def _as_chunked(thing: Any, name: str) -> Any:
    """Give a Dask array whose chunks are NumPy arrays of known lengths."""
    from dask.array import Array

    array = thing.to_dask_array(lengths=True) if hasattr(thing, "to_dask_array") else thing
    if not isinstance(array, Array):
        raise TypeError(f"{name} must be a Dask array or dataframe, not {describe(thing)}")
    if any(map(math.isnan, array.shape)):
        raise ValueError(f"the chunks of {name} have unknown lengths: call {name}.compute_chunk_sizes() first")
    if array.dtype.kind not in "biufO" or array.ndim == 0:
        raise TypeError(f"{name} must be an array of numbers, not {describe(array)}")
    if not isinstance(array._meta, np.ndarray):
        raise TypeError(
            f"the chunks of {name} must be NumPy arrays, not {type(array._meta).__name__}; where these can be "
            f"converted, {name}.map_blocks(lambda chunk: chunk.toarray(), meta=np.empty((0, 0))) does it"
        )
    return array


def _checked(array: Any, name: str) -> Any:
    """Let each chunk be checked, and made an array of numbers, wherever it is computed."""
    dtype = {"b": np.dtype(np.int64), "O": np.dtype(np.float64)}.get(array.dtype.kind, array.dtype)
    return array.map_blocks(_numbers, f"{name}.blocks", dtype=dtype, meta=np.empty((0,) * array.ndim, dtype))


def _plain(array: Any) -> Any:
    """Spare a chunk that is an array of numbers the checks."""
    return array if array.dtype.kind in "iuf" and type(array._meta) is np.ndarray else _checked(array, "the array")


# The tasks.


def _numbers(chunk: Any, role: str, block_id: tuple[int, ...] = ()) -> NDArray[Any]:
    return as_array(chunk, f"{role}[{', '.join(map(str, block_id))}]")


def _cut(chunk: Any, pieces: Sequence[_Piece], block_id: tuple[int, ...] = (0,)) -> Any:
    return pieces[block_id[0]].cut(chunk)


def _apply(chunk: Any, function: Callable[[Any], NDArray[Any]], like: NDArray[Any]) -> NDArray[Any]:
    return function(chunk.tolist()) if len(chunk) else like


def _check(targets: Any, inputs: Any, functions: Sequence[Metric], prediction: Any) -> NDArray[Any]:
    if len(targets):
        for function in functions:
            function([list(prediction) if is_row(prediction) else prediction] * len(targets), targets.tolist())
    return np.zeros(1)


def _measure(targets: Any, outputs: Any, metric: Metric) -> NDArray[Any]:
    """Give the sum over a chunk's rows."""
    return np.array([metric(outputs.tolist(), targets.tolist()) * len(targets) if len(targets) else 0.0])


def _over_chunks(task: Callable[..., Any], *arrays: Any, **options: Any) -> Any:
    """Make a Dask array of the numbers that a task gives, one for each chunk of rows."""
    from dask.array import blockwise

    pairs = [part for k, array in enumerate(arrays) for part in (array, (0, k + 1)[: array.ndim])]
    kinds = {"adjust_chunks": {0: 1}, "concatenate": True, "dtype": np.float64, "meta": np.empty(0)}
    return blockwise(task, (0,), *pairs, **kinds, **options)
