"""Formulas: functions and derivative rules of the table as short programs on C doubles, for the compiled engine.

A row's function, or a rule, is called once with symbols, which record what it does with them. From then on it runs
without Python, and gives the same bits. The plain engine has no use for this: it calls the functions themselves.
"""

# What formula.pxd declares, and the plain engine never comes to:
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any, NoReturn

from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import is_real
from autograd_mini.engine.fan import Fan
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import TABLE

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

if cython.compiled:
    from cython.cimports.cpython.mem import PyMem_Free

# Steps that the C code does itself; others call a function of C's math library, or of Python.
_STEPS = [operators[i].decode() for i in range(OPERATORS)] if cython.compiled else []

_Guard = tuple[tuple[int, bool], ...]  # places of conditions, and whether they hold


def formula_of(operation: Operation, operands: cython.Py_ssize_t) -> Any:
    """Give the formula of an operation on so many operands, recorded at the first call; None where there is none."""
    if not cython.compiled or not 0 <= operands < len(operation.formulas):
        return None
    formula: Any = operation.formulas[operands]
    return _recorded(operation, operands) if formula is False else formula


def _recorded(operation: Operation, operands: int) -> Any:
    is_ours = TABLE.get(operation.name) is operation
    formula: Any = _Recorder(operands).formula(operation) if is_ours else None
    operation.formulas[operands] = formula  # threads that come first at the same time record equal ones
    return formula


class _Symbol(Scalar):
    """An operand, or a result, while a formula is recorded; it stands at `place` when the formula runs."""

    __slots__ = ("place", "recorder")

    def __init__(self, recorder: _Recorder, place: int) -> None:
        self.recorder, self.place = recorder, place

    def _apply(self, operation: Operation, operands: Sequence[Any]) -> Any:
        return self.recorder.record(operation, operands)

    def _compare(self, operation: Operation, other: Any) -> Any:
        is_number = isinstance(other, _Symbol) or is_real(other)
        return self.recorder.record(operation, (self, other)) if is_number else NotImplemented

    def __bool__(self) -> NoReturn:
        raise TypeError("a row of the table must not branch on its operands: write where(condition, x, y)")


class _Recorder:
    """Records the steps of a formula: a function, and the places of its operands. Constants have places below 0.

    Of up to three operands x, y and z have the first places, and the next three say of which the derivative is wanted.
    """

    def __init__(self, arity: int) -> None:
        self.symbols = [_Symbol(self, place) for place in range(arity)]
        self.first = 6 if arity <= 3 else arity
        self.steps: list[tuple[Any, tuple[int, ...]]] = []
        self.constants: list[float] = []
        self.known: dict[Any, int] = {}  # places of steps and constants that are there already
        self.negatives: dict[tuple[int, ...], tuple[int, ...]] = {}  # what stands at a place is minus what at another

    def formula(self, operation: Operation) -> Formula:
        xs = self.symbols
        out = operation.apply(xs)
        results = [self.place(number) for number in (out, *operation.local_derivatives(out, xs))]
        wanted: list[_Guard] = [(), *[((3 + i, True),) if len(xs) <= 3 else () for i in range(len(xs))]]
        steps, places = _Order(self.first, self.steps, results, wanted).listed()
        return Formula(self.first, steps, self.constants[::-1], [places.get(place, place) for place in results])

    def place(self, number: Any) -> int:
        """Give the place of a symbol, or of a constant."""
        if isinstance(number, _Symbol):
            return int(number.place)
        number = float(number)
        if number.hex() not in self.known:
            self.constants.append(number)
            self.known[number.hex()] = -len(self.constants)
        return self.known[number.hex()]

    def record(self, operation: Operation, operands: Sequence[Any]) -> Any:
        """Record a step, or the steps of an operation that is made of others."""
        if operation.name == "where" and not isinstance(operands[0], _Symbol):
            return operands[1] if operands[0] else operands[2]
        function: Any = operation.name if operation.name in _STEPS else operation.lowering or operation.function
        has_own = operation.is_variadic and operation.lowering not in (None, operation.function)
        if has_own or function == "tgamma":
            function = operation.function  # what the lowering gives has other last digits
        elif callable(function):
            return function(*operands)
        places = tuple([self.place(operand) for operand in operands])
        if len(places) > 3 and places != tuple(range(len(self.symbols))):
            raise ValueError(f"formulas call {operation.name} with more than three operands only as they stand")
        if function == "fabs" and places in self.negatives:
            places = self.negatives[places]  # |-x| is |x|: then sigmoid(x) and sigmoid(-x) take one power
        if (function, places) not in self.known:
            self.steps.append((function, places))
            self.known[function, places] = self.first + len(self.steps) - 1
        if function == "neg":
            self.negatives[(self.known[function, places],)] = places
        return _Symbol(self, self.known[function, places])


class _Order:
    """Puts the steps of a formula in an order in which those that only one side of a `where` needs can be skipped."""

    def __init__(self, first: int, steps: list[Any], results: list[int], wanted: list[_Guard]) -> None:
        self.first, self.steps, self.results, self.wanted = first, steps, results, wanted
        self._fuse()
        self.guards = self._guards()
        self.order: list[Any] = []  # places of steps; or a jump: what it is called, its condition, its length
        self.done: set[int] = set()

    def _fuse(self) -> None:
        """Let a product that only one sum needs be a step with it; it is rounded as before."""
        uses = Counter([*self.results, *[place for _, places in self.steps for place in places]])
        for i, (function, (place, *others)) in enumerate(self.steps):
            for product, other in ((place, *others), (*others, place)) if function == "add" else ():
                is_ours = product >= self.first and uses[product] == 1
                if is_ours and self.steps[product - self.first][0] == "mul":
                    self.steps[i] = ("muladd", (*self.steps[product - self.first][1], other))
                    break

    def _guards(self) -> dict[int, _Guard]:
        """Say of each step that is needed under which conditions it is, as far as all that need it agree."""
        guards: dict[int, _Guard] = {}

        def need(place: int, guard: _Guard) -> None:
            guards[place] = _common(guards.get(place, guard), guard)

        for place, guard in zip(self.results, self.wanted):
            need(place, guard)
        for place in range(self.first + len(self.steps) - 1, self.first - 1, -1):
            if place in guards:
                for operand, condition in self._operands(place):
                    need(operand, guards[place] + condition)
        return guards

    def _operands(self, place: int) -> Iterator[tuple[int, _Guard]]:
        """Give the operands of a step, each with the condition under which it is needed."""
        function, operands = self.steps[place - self.first]
        for i, operand in enumerate(operands):
            yield operand, ((operands[0], i == 1),) if function == "where" and i else ()

    def listed(self) -> tuple[list[Any], dict[int, int]]:
        """Give the steps in order, and the new place of each."""
        for place, guard in zip(self.results, self.wanted):
            self._put(place, ())
            self._put_guarded(place, guard)
        places = {step: self.first + i for i, step in enumerate(self.order) if isinstance(step, int)}
        steps = []
        for step in self.order:
            name, operands, *length = self.steps[step - self.first] if isinstance(step, int) else step
            steps.append((name, [*[places.get(place, place) for place in operands], *length]))
        return steps, places

    def _put(self, target: int, guard: _Guard) -> None:
        """Put all steps that a step needs and that have this guard, in their order."""
        needed, waiting = set(), [target]
        while waiting:
            place = waiting.pop()
            if place >= self.first and place not in self.done and place not in needed:
                needed.add(place)
                waiting += [operand for operand, _ in self._operands(place)]
        for place in sorted(needed):
            if self.guards[place] == guard and place not in self.done:
                for operand, condition in self._operands(place):
                    self._put_guarded(operand, guard + condition)
                self.order.append(place)
                self.done.add(place)

    def _put_guarded(self, target: int, guard: _Guard) -> None:
        """Put what only one side of a condition needs, behind a jump, if that saves more than a jump takes."""
        if not guard or self.guards[target] != guard:
            return
        start = len(self.order)
        self._put(target, guard)
        body = self.order[start:]
        if len(body) > 2 or any(type(step) is int and self.steps[step - self.first][0] not in _STEPS for step in body):
            condition, holds = guard[-1]
            self.order.insert(start, ("unless" if holds else "if", (condition,), len(body)))


def _common(one: _Guard, other: _Guard) -> _Guard:
    """Give what two guards begin with alike."""
    return tuple([condition for condition, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other))])


@cython.final
@cython.cclass
class Formula:
    """What a row computes, and its derivatives, in steps on numbers in places; the first of these are the operands'."""

    def __init__(self, first: int, steps: list[Any], constants: list[float], results: list[int]) -> None:
        size = first + len(steps) + len(constants)
        if size > ROOM:
            raise ValueError(f"a formula of {size} numbers is too long")
        self._functions = [function for function, _ in steps]  # kept alive
        self._program = new_program(first, len(steps), len(constants), len(results))
        if not self._program:
            raise MemoryError
        for i, number in enumerate(constants):
            put_constant(self._program, i, number)
        for i, place in enumerate(results):
            put_result(self._program, i, place % size)
        for i, (function, places) in enumerate(steps):
            x, y, z = [place % size for place in [*places, 0, 0][:3]]
            if not isinstance(function, str):
                put_call(self._program, i, function, len(places), x, y, z)
            elif not put_function(self._program, i, function.encode(), x, y, z):
                raise ValueError(f"formulas know no function {function}: see formula.pxd")

    def __dealloc__(self) -> None:
        PyMem_Free(self._program)

    def compute(self, x: float, y: float, z: float, by_x: bool, by_y: bool, by_z: bool, found: cython.p_double) -> Any:
        """Find what a row gives on up to three operands, and the derivatives that are wanted; the others are 0."""
        return run_on_few(self._program, x, y, z, by_x, by_y, by_z, found)

    def compute_fan(self, fan: Fan) -> float:
        """Compute a row on more operands, and all local derivatives."""
        operands = fan.operands
        for i in range(len(operands)):
            operand = operands[i]
            places.at[i] = operand._data
        return run_on_many(self._program, places.at, fan.local)  # type: ignore[no-any-return]


def holds(comparison: Operation, x: float, y: float) -> bool:
    """Say whether a comparison holds between two numbers."""
    if not cython.compiled:
        return bool(comparison.function(x, y))
    else:
        formula: Formula = formula_of(comparison, 2)
        formula.compute(x, y, 0.0, False, False, False, found)
        return found[0] != 0.0  # type: ignore[no-any-return]
