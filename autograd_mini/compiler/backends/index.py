"""Integers that native code computes, with operators, loops over them, and variables. Knows no program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from llvmlite import ir

from autograd_mini.compiler.backends.lowering import Number

LONG = ir.IntType(64)


class Index:
    """An integer of 64 bits, which instructions compute."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value | int) -> None:
        self.builder = builder
        self.value = _value(value)

    def __add__(self, other: Index | int) -> Index:
        if isinstance(other, int) and other == 0:
            return self
        return Index(self.builder, self.builder.add(self.value, _value(other)))

    def __sub__(self, other: Index | int) -> Index:
        return Index(self.builder, self.builder.sub(self.value, _value(other)))

    def __mul__(self, other: Index | int) -> Index:
        return Index(self.builder, self.builder.mul(self.value, _value(other)))

    def __mod__(self, other: Index | int) -> Index:
        return Index(self.builder, self.builder.srem(self.value, _value(other)))

    def __lt__(self, other: Index | int) -> ir.Value:
        return self.builder.icmp_signed("<", self.value, _value(other))

    def __gt__(self, other: Index | int) -> ir.Value:
        return self.builder.icmp_signed(">", self.value, _value(other))

    def constant(self, value: int) -> Index:
        """Give an integer that is known now."""
        return Index(self.builder, value)

    def least(self, other: Index) -> Index:
        """Give the smaller of two."""
        return Index(self.builder, self.builder.select(self < other, self.value, other.value))

    def split(self, size: int) -> list[tuple[int, Index, Index]]:
        """Split 0, 1, ... up to this into steps of a size, and what remains one by one: step, begin and end."""
        whole = self - self % size
        return [(size, Index(self.builder, 0), whole), (1, whole, self)]

    def at(self, array: ir.Value) -> ir.Value:
        """Give the address of an array's element."""
        return self.builder.gep(array, [self.value])

    def load(self, array: ir.Value) -> Index:
        """Load an element of an array of integers."""
        value = self.builder.load(self.at(array))
        return Index(self.builder, value if value.type == LONG else self.builder.sext(value, LONG))


# Constants are made once: half of what is written down are constants.
_long = cache(LONG)


def _value(x: Any) -> ir.Value:
    if isinstance(x, int):
        return _long(x)
    return x.value if isinstance(x, Index) else x


@contextmanager
def loop(start: Index, stop: Index, step: Index | int = 1) -> Iterator[Index]:
    """Emit a loop; the block is its body."""
    builder = stop.builder
    before, head = builder.block, builder.append_basic_block("head")
    body, after = builder.append_basic_block("body"), builder.append_basic_block("after")
    builder.branch(head)
    builder.position_at_end(head)
    index = Index(builder, builder.phi(LONG))
    index.value.add_incoming(start.value, before)
    builder.cbranch(index < stop, body, after)
    builder.position_at_end(body)
    yield index
    index.value.add_incoming((index + step).value, builder.block)
    builder.branch(head)
    builder.position_at_end(after)


def up_to(stop: Index, step: Index | int = 1) -> Any:
    """Emit a loop over 0, 1, ...; the block is its body."""
    return loop(Index(stop.builder, 0), stop, step)


class Variable:
    """A number, or an integer, that changes."""

    def __init__(self, builder: ir.IRBuilder, start: Number | Index) -> None:
        self.builder, self.kind = builder, start
        with builder.goto_entry_block():
            self.place = builder.alloca(start.value.type)
        self.set(start)

    def set(self, x: Number | Index) -> None:
        self.builder.store(x.value, self.place)

    def get(self) -> Any:
        value = self.builder.load(self.place)
        return Index(self.builder, value) if isinstance(self.kind, Index) else Number(self.kind.target, value)

    def add(self, x: Any) -> None:
        self.set(self.get() + x)
