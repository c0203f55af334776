"""Columns of integers, and rows of them: what lists of numbers and of tuples are, in four bytes for each number.

A graph of a million nodes is read many times over: most of that time would go to memory, and to objects in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

if cython.compiled:
    from cython.cimports.cpython.bytes import PyBytes_FromStringAndSize
    from cython.cimports.cpython.mem import PyMem_Free, PyMem_Realloc

# What integers of 32 bits count up to.
MOST = 2**31 - 1


@cython.final
@cython.no_gc
@cython.cclass
class Column:
    """Integers, to which more can be added. Passes read and write them as `at[i]`, which compiled is C memory."""

    __slots__ = ("at", "count", "room")

    at: cython.p_int

    def __init__(self, count: int = 0, number: int = 0) -> None:
        i: cython.Py_ssize_t
        if cython.compiled:
            self._reserve(count)
            for i in range(count):
                self.at[i] = number
            self.count = count
        else:
            self.at = [number] * count

    def __dealloc__(self) -> None:  # called in the compiled engine alone
        if cython.compiled:
            PyMem_Free(self.at)

    def _reserve(self, room: cython.Py_ssize_t) -> None:
        """Make room for so many numbers in all."""
        if cython.compiled:
            if room > MOST:
                raise MemoryError(f"there are more than {MOST:,} nodes, or operands of nodes")
            at = cython.cast(cython.p_int, PyMem_Realloc(self.at, room * cython.sizeof(cython.int)))
            if at == cython.NULL:
                raise MemoryError
            self.at, self.room = at, room

    def put(self, number: cython.int) -> None:
        """Add a number at the end."""
        if cython.compiled:
            if self.count == self.room:
                self._reserve(max(self.room + 1, min(2 * self.room + 8, MOST)))
            self.at[self.count] = number
            self.count += 1
        else:
            self.at.append(number)

    def cut(self, count: cython.Py_ssize_t) -> None:
        """Keep no more than the first numbers."""
        if cython.compiled:
            self.count = min(self.count, count)
        else:
            del self.at[count:]

    def key(self) -> Any:
        """Give what is equal for equal numbers, and can be looked up."""
        if cython.compiled:
            return PyBytes_FromStringAndSize(
                cython.cast(cython.p_char, self.at), self.count * cython.sizeof(cython.int)
            )
        else:
            return tuple(self.at)

    def __len__(self) -> int:
        return self.count if cython.compiled else len(self.at)

    def table(self) -> NDArray[np.int32]:
        """Give the numbers as an array of NumPy."""
        i: cython.Py_ssize_t
        table: NDArray[np.int32] = np.empty(len(self), np.int32)
        view = table
        for i in range(len(self)):
            view[i] = self.at[i]
        return table


@cython.final
@cython.no_gc
@cython.cclass
class Rows:
    """Rows of integers: row i has `numbers.at[k]`, where k goes from `begins.at[i]` up to `begins.at[i + 1]`."""

    __slots__ = ("begins", "numbers")

    def __init__(self, rows: Iterable[Sequence[int]] = ()) -> None:
        self.begins, self.numbers = Column(1), Column()
        for row in rows:
            self.append(row)

    def append(self, row: Sequence[int]) -> None:
        number: cython.int
        for number in row:
            self.numbers.put(number)
        self.end()

    def end(self) -> None:
        """End a row, whose numbers have been put there."""
        self.begins.put(len(self.numbers))

    def __len__(self) -> int:
        return len(self.begins) - 1

    def __getitem__(self, i: cython.Py_ssize_t) -> tuple[int, ...]:
        if not 0 <= i < len(self):
            raise IndexError(f"there is no row {i} among {len(self)}")
        return tuple([self.numbers.at[k] for k in range(self.begins.at[i], self.begins.at[i + 1])])

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return map(self.__getitem__, range(len(self)))

    def entry(self, i: cython.Py_ssize_t, k: cython.Py_ssize_t) -> int:
        """Give one number of a row."""
        return self.numbers.at[self.begins.at[i] + k]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rows):
            return False
        rows: Rows = other
        return self.begins.key() == rows.begins.key() and self.numbers.key() == rows.numbers.key()

    __hash__ = None  # type: ignore[assignment]

    def cut(self, count: cython.Py_ssize_t) -> None:
        """Keep no more than the first rows, nor what has been put into one that is not ended."""
        self.begins.cut(count + 1)
        self.numbers.cut(self.begins.at[count])

    def head(self, count: cython.Py_ssize_t) -> Rows:
        """Give a copy of the first rows."""
        i: cython.Py_ssize_t
        rows: Rows = Rows()
        for i in range(self.begins.at[count]):
            rows.numbers.put(self.numbers.at[i])
        for i in range(1, count + 1):
            rows.begins.put(self.begins.at[i])
        return rows

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.begins.table(), self.numbers.table())


def group(numbers: Column, groups: Column, count: cython.Py_ssize_t) -> Rows:
    """Give a row for each of so many groups: its numbers, in their order."""
    i: cython.Py_ssize_t
    place: cython.Py_ssize_t
    rows: Rows = Rows()
    ends: Column = Column(count + 2)  # at i + 1 the place of the next number of group i
    for i in range(len(groups)):
        ends.at[groups.at[i] + 2] += 1
    for i in range(count):
        ends.at[i + 2] += ends.at[i + 1]
    rows.numbers = Column(len(numbers))
    for i in range(len(numbers)):
        place = ends.at[groups.at[i] + 1]
        rows.numbers.at[place] = numbers.at[i]
        ends.at[groups.at[i] + 1] = place + 1
    ends.cut(count + 1)
    rows.begins = ends
    return rows


def _restore(begins: NDArray[np.int32], numbers: NDArray[np.int32]) -> Rows:
    return Rows([row.tolist() for row in np.split(numbers, begins[1:-1])[: len(begins) - 1]])
