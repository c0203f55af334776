"""Columns of integers, and rows of them: what lists of tuples do."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_mini import COMPILED
from autograd_mini.compiler import columns
from autograd_mini.compiler.columns import Column, Rows, group
from autograd_mini.compiler.slots import _Slots

NUMBERS = st.integers(0, 2**31 - 1)
LISTS = st.lists(st.lists(NUMBERS, max_size=5).map(tuple), max_size=20)


def column(numbers: list[int]) -> Column:
    made = Column()
    for number in numbers:
        made.put(number)
    return made


@given(LISTS, LISTS)
def test_rows_are_a_list_of_tuples(some: list[tuple[int, ...]], others: list[tuple[int, ...]]) -> None:
    rows = Rows(some)
    for row in others:
        rows.append(row)
    listed = some + others
    assert (len(rows), list(rows), [rows[i] for i in range(len(rows))]) == (len(listed), listed, listed)
    assert [rows.entry(i, k) for i, row in enumerate(listed) for k in range(len(row))] == [
        x for row in listed for x in row
    ]
    assert list(rows.head(len(some))) == some
    assert list(rows) == listed
    rows.cut(len(some))
    assert list(rows) == some
    rows.append((1, 2))
    assert list(rows) == [*some, (1, 2)]


@given(LISTS, LISTS)
def test_rows_are_equal_if_their_numbers_are(some: list[tuple[int, ...]], others: list[tuple[int, ...]]) -> None:
    assert (Rows(some) == Rows(others)) is (some == others)
    assert Rows(some) == Rows(some)
    assert pickle.loads(pickle.dumps(Rows(some))) == Rows(some)


@pytest.mark.parametrize("i", [-1, 2])
def test_a_row_that_is_not_there_is_an_error(i: int) -> None:
    with pytest.raises(IndexError, match=f"no row {i} among 2"):
        Rows([(1,), ()])[i]


@given(st.lists(NUMBERS, max_size=50))
def test_a_column_is_a_list_of_integers(numbers: list[int]) -> None:
    some = column(numbers)
    assert (len(some), some.table().tolist()) == (len(numbers), numbers)
    assert some.key() == column(numbers).key()
    assert some.key() != column([*numbers, 0]).key()
    some.cut(3)
    assert some.table().tolist() == numbers[:3]
    assert Column(3, 7).table().tolist() == [7, 7, 7]


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 5)), max_size=30))
def test_numbers_of_a_group_are_a_row(pairs: list[tuple[int, int]]) -> None:
    rows = group(column([number for number, _ in pairs]), column([of for _, of in pairs]), 6)
    assert list(rows) == [tuple([number for number, of in pairs if of == i]) for i in range(6)]


def test_more_numbers_than_places_are_an_error() -> None:
    slots = _Slots(Column(2), {})
    slots.take_array(0, 2**31 - 2)
    with pytest.raises(MemoryError, match="2,147,483,647 numbers"):
        slots.take_array(1, 2)


@pytest.mark.skipif(not COMPILED, reason="the plain engine counts in Python's own integers")
def test_a_column_takes_as_many_numbers_as_its_message_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MOST", 1000)
    full = column([*range(1000)])
    with pytest.raises(MemoryError, match=r"more than 1,000 nodes"):
        full.put(1000)
    assert full.table().tolist() == [*range(1000)]
