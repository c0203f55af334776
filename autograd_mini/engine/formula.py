"""Formulas: functions and derivative rules of the table as short programs on C doubles, for the compiled engine.

A row's function, or a rule, is called once with symbols, which record what it does with them. From then on it runs
without Python, and gives the same bits. The plain engine has no use for this: it calls the functions themselves.
"""

# What formula.pxd declares, and the plain engine never comes to:
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import is_real
from autograd_mini.engine.fan import Fan
from autograd_mini.engine.locks import compiling
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import TABLE

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

if cython.compiled:
    from cython.cimports.cpython.mem import PyMem_Free

# Steps that the C code does itself; others call a function of C's math library, or of Python.
_STEPS = "add sub mul div neg less less_equal greater greater_equal equal not_equal where".split()


def formulas_of(operation: Operation, operands: cython.Py_ssize_t) -> tuple[Any, ...]:
    """Give the formulas of an operation's result and of its rules, recorded at the first call; none of a user's."""
    if operands >= len(operation.formulas):
        return ()
    formulas = operation.formulas[operands]
    return _recorded(operation, operands) if formulas is None else formulas


def _recorded(operation: Operation, operands: int) -> tuple[Any, ...]:
    with compiling:  # threads that come first at the same time find one and the same
        if operation.formulas[operands] is None:
            is_ours = TABLE.get(operation.name) is operation
            operation.formulas[operands] = _record(operation, operands) if is_ours else ()
    return operation.formulas[operands]  # type: ignore[return-value]


def _record(operation: Operation, operands: int) -> tuple[Any, ...]:
    rules = [lambda out, *xs: operation.apply(xs), *operation.rules]
    return tuple([_Recorder(operands).formula(rule) for rule in rules])


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
    """Records the steps of a formula: a function, and the places of its operands. Constants have places below 0."""

    def __init__(self, arity: int) -> None:
        self.symbols = [_Symbol(self, place) for place in range(1 + arity)]
        self.steps: list[tuple[Any, tuple[int, ...]]] = []
        self.constants: list[float] = []
        self.known: dict[Any, int] = {}  # places of steps and constants that are there already
        self.negatives: dict[tuple[int, ...], tuple[int, ...]] = {}  # what stands at a place is minus what at another

    def formula(self, rule: Callable[..., Any]) -> Formula:
        result = rule(*self.symbols)
        results = [self.place(number) for number in (result if isinstance(result, list) else [result])]
        return Formula(len(self.symbols), self.steps, self.constants[::-1], results)

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
        function: Any = operation.name if operation.name in _STEPS else operation.lowering or operation.function
        has_own = operation.is_variadic and operation.lowering not in (None, operation.function)
        if has_own or function in ("tgamma", "lgamma"):
            function = operation.function  # what the lowering gives has other last digits
        elif callable(function):
            return function(*operands)
        places = tuple([self.place(operand) for operand in operands])
        if len(places) > 3 and places != tuple(range(places[0], places[0] + len(places))):
            raise ValueError(f"formulas call {operation.name} with more than three operands only as they stand")
        if function == "fabs" and places in self.negatives:
            places = self.negatives[places]  # |-x| is |x|: then sigmoid(x) and sigmoid(-x) take one power
        if (function, places) not in self.known:
            self.steps.append((function, places))
            self.known[function, places] = len(self.symbols) + len(self.steps) - 1
        if function == "neg":
            self.negatives[(self.known[function, places],)] = places
        return _Symbol(self, self.known[function, places])


@cython.final
@cython.cclass
class Formula:
    """A rule, or what a row computes, in steps on numbers in places. A rule for many operands has many results."""

    def __init__(self, operands: int, steps: list[Any], constants: list[float], results: list[int]) -> None:
        size = operands + len(steps) + len(constants)
        if size > ROOM:
            raise ValueError(f"a formula of {size} numbers is too long")
        self._functions = [function for function, _ in steps]  # kept alive
        self._program = new_program(operands, len(steps), len(constants), len(results))
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

    def run(self, places: cython.p_double) -> float:
        """Compute, where the row's result and its operands stand in the first places; there is room for `ROOM`."""
        return run_program(self._program, places)  # type: ignore[no-any-return]

    def take(self, places: cython.p_double, results: cython.p_double) -> Any:
        """Give all results, after a run."""
        take_results(self._program, places, results)


def compute(
    formulas: tuple[Any, ...], x: float, y: float, z: float, wants_x: bool, wants_y: bool, wants_z: bool
) -> Any:
    """Compute a row on up to three operands, and the local derivatives that are wanted; the others are 0."""
    n: cython.Py_ssize_t = len(formulas)
    places.at[0], places.at[1], places.at[2], places.at[3] = 0.0, x, y, z
    formula: Formula = formulas[0]
    found.out = found.by_x = found.by_y = found.by_z = 0.0
    found.out = places.at[0] = formula.run(places.at)
    if wants_x:
        formula = formulas[1]
        found.by_x = formula.run(places.at)
    if n > 2 and wants_y:
        formula = formulas[2]
        found.by_y = formula.run(places.at)
    if n > 3 and wants_z:
        formula = formulas[3]
        found.by_z = formula.run(places.at)
    return found


def holds(comparison: Operation, x: float, y: float) -> bool:
    """Say whether a comparison holds between two numbers."""
    if not cython.compiled:
        return bool(comparison.function(x, y))
    else:
        return compute(formulas_of(comparison, 2), x, y, 0.0, False, False, False).out != 0.0  # type: ignore[no-any-return]


def compute_fan(formulas: tuple[Any, ...], fan: Fan) -> float:
    """Compute a row of any number of operands, and all local derivatives."""
    operands = fan.operands
    places.at[0] = 0.0
    for i in range(len(operands)):
        operand = operands[i]
        places.at[1 + i] = operand._data
    formula: Formula = formulas[0]
    places.at[0] = out = formula.run(places.at)
    formula = formulas[1]
    formula.run(places.at)
    formula.take(places.at, fan.local)
    return out
