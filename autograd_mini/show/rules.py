"""Why a local derivative is what it is: an operation's derivative rule, applied to symbols, is its own formula.

A rule is called with symbols in place of numbers. A symbol keeps the formula that it stands for beside the number, and
what is decided on the way, such as which piece of a function is the current one, becomes a condition: `1, as x > 0`.
Knows operations by the table, and nothing of graphs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from autograd_mini.engine import operations
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.operation import Operation, Rule
from autograd_mini.show.formulas import Formula, Operand, Term

_LONGEST = 24  # operands in a formula that can still be read at a glance
_MOST_CONDITIONS = 3

# Numbers that rules are written with, by the names that they have there.
_CONSTANTS = {math.pi: "π", math.log(2.0): "log(2)", math.log(10.0): "log(10)", math.sqrt(2.0 * math.pi): "sqrt(2π)"}

# What a comparison leaves open: less, equal or greater.
_SETS = {"less": "<", "less_equal": "<=", "greater": ">", "greater_equal": "=>", "equal": "=", "not_equal": "<>"}
_SYMBOLS = {"<": "<", "<=": "≤", ">": ">", "=>": "≥", "=": "=", "<>": "≠"}
_TURNED = str.maketrans("<>", "><")


class Condition(NamedTuple):
    """How two operands compare, as far as a derivative depends on it; `symbol` is one of < ≤ > ≥ = ≠."""

    left: Operand
    symbol: str
    right: Operand


class Reason(NamedTuple):
    """The formula of a local derivative, and the conditions under which it is this one."""

    formula: Operand
    conditions: Sequence[Condition]


def reasons(operation: Operation, operands: Sequence[Term], out: Term, local: Sequence[float]) -> list[Reason | None]:
    """Give the reason for each local derivative of a node; None where no rule is short enough to be one.

    Examples
    --------
    >>> from autograd_mini.show.formulas import TEXT
    >>> x, out = Term("x", 0.5), Term("f", math.tanh(0.5))
    >>> [reason] = reasons(operations.tanh, [x], out, [1.0 - math.tanh(0.5) ** 2])
    >>> TEXT.term(reason.formula)
    '1 - tanh(x) ** 2'
    """
    found: list[Reason | None] = [None] * len(local)
    for rules in (operation.textbook, operation.rules):
        if operation.is_variadic:
            results = _apply(operation, rules[0], operands, out) if rules else []
        else:
            results = [_apply(operation, rule, operands, out) for rule in rules]
        for i, (result, slope) in enumerate(zip(results or (), local)):
            if found[i] is None:
                found[i] = _reason(operation, result, slope)
    return found


def _apply(operation: Operation, rule: Rule, operands: Sequence[Term], out: Term) -> Any:
    """Call a rule with symbols, and list what a rule of all operands gives; None if it can't be called so."""
    trace: list[_Fact] = []
    symbols = [_Symbol(x, x.data, (), 1, trace) for x in operands]
    is_short = not operation.is_variadic and len(operands) < 3
    result = Formula(operation, tuple(operands)) if is_short else out
    try:
        written = rule(_Symbol(result, out.data, (), 1, trace), *symbols)
        # What is a bare number may have been decided by symbols all the same: `1 if x > 0 else 0`.
        return [_as_symbol(x, trace) for x in written] if operation.is_variadic else _as_symbol(written, trace)
    except Exception:  # a user's rule may do anything; without symbols it has already worked
        return None


def _reason(operation: Operation, symbol: _Symbol | None, local: float) -> Reason | None:
    """Keep what a rule gave if it is short, and has the value that it should have."""
    if symbol is None or symbol.size > _LONGEST:
        return None
    x = symbol.data
    if not (math.isclose(x, local, rel_tol=1e-9) or (math.isnan(x) and math.isnan(local))):
        return None
    conditions = _conditions([*symbol.trace, *symbol.facts], operation.chooses)
    return Reason(symbol.formula, conditions if len(conditions) <= _MOST_CONDITIONS else [])


# Conditions.


class _Fact(NamedTuple):
    """What is known of two operands: a subset of < = and >; empty if one is nan."""

    left: Operand
    right: Operand
    open: str


def _conditions(facts: Iterable[_Fact], with_unequal: bool) -> list[Condition]:
    """Put together what is known of the same two operands. That two are not equal is no news, unless by a choice."""
    known: dict[str, _Fact] = {}
    for left, right, still_open in facts:
        key = repr((left, right))
        if (turned := repr((right, left))) in known:
            key, left, right, still_open = turned, right, left, still_open.translate(_TURNED)
        before = known[key].open if key in known else "<=>"
        known[key] = _Fact(left, right, "".join(x for x in before if x in still_open))
    named = [(fact, _SYMBOLS.get(fact.open)) for fact in known.values()]
    return [Condition(x, symbol, y) for (x, y, _), symbol in named if symbol and (symbol != "≠" or with_unequal)]


# Symbols.


class _Symbol(Scalar):
    """A number that knows the formula it stands for; `facts` are what its formula depends on."""

    __slots__ = ("data", "facts", "formula", "size", "trace")

    def __init__(self, formula: Operand, data: float, facts: tuple[_Fact, ...], size: int, trace: list[_Fact]) -> None:
        self.formula, self.data, self.facts, self.size, self.trace = formula, data, facts, size, trace

    def _apply(self, operation: Operation, operands: Sequence[Any]) -> Any:
        symbols = [_as_symbol(x, self.trace) for x in operands]
        if None in symbols:
            raise TypeError(f"a rule is made of numbers, not of {operands!r}")
        return _compute(operation, symbols, self.trace)  # type: ignore[arg-type]

    def _compare(self, operation: Operation, other: Any) -> Any:
        return NotImplemented if _as_symbol(other) is None else self._apply(operation, (self, other))

    def __bool__(self) -> bool:
        """Decide by the number, and note that this was decided."""
        self.trace.extend(self.facts)
        return self.data != 0.0


def _as_symbol(x: Any, trace: list[_Fact] | None = None) -> _Symbol | None:
    if isinstance(x, _Symbol):
        return x
    if isinstance(x, Scalar):
        return None
    try:
        number = float(x)
    except (TypeError, ValueError):
        return None
    return _Symbol(Term(_CONSTANTS.get(number, ""), number), number, (), 1, [] if trace is None else trace)


def _compute(operation: Operation, xs: Sequence[_Symbol], trace: list[_Fact]) -> _Symbol:
    """Compute an operation on symbols: decide what chooses, and write down the rest."""
    size = 1 + sum(x.size for x in xs)
    if size > 20 * _LONGEST:
        raise ValueError("too long to be read")
    data = operation.function(*[x.data for x in xs])
    if operation.name in _SETS:
        return _compared(operation, data, xs, trace)
    if operation.chooses and (chosen := _chosen(operation, data, xs, trace)) is not None:
        return chosen
    facts = tuple(fact for x in xs for fact in x.facts)
    zeros = [x for x in xs if _is_number(x) and x.data == 0.0]
    if operation is operations.mul and zeros:
        return _Symbol(zeros[0].formula, data, zeros[0].facts, 1, trace)
    formula = _simplified(operation, [x.formula for x in xs], data)
    return _Symbol(formula, data, facts, 1 if isinstance(formula, Term) else size, trace)


def _compared(operation: Operation, data: float, xs: Sequence[_Symbol], trace: list[_Fact]) -> _Symbol:
    x, y = xs
    facts = x.facts + y.facts
    if not (_is_number(x) and _is_number(y)):
        is_nan = math.isnan(x.data) or math.isnan(y.data)
        answer = _SETS[operation.name]
        still_open = answer if data else "".join(sign for sign in "<=>" if sign not in answer)
        facts += (_Fact(x.formula, y.formula, "" if is_nan else still_open),)
    return _Symbol(Term("", data), data, facts, 1, trace)


def _chosen(operation: Operation, data: float, xs: Sequence[_Symbol], trace: list[_Fact]) -> _Symbol | None:
    """Give the operand that an operation chooses, and why it does; None if that can't be told."""
    if operation is operations.where:
        condition, x, y = xs
        chosen, facts = (x if condition.data else y), condition.facts
        if not _is_number(condition):
            facts += (_Fact(condition.formula, Term("", 0.0), "<>" if condition.data else "="),)
    elif operation in (operations.maximum, operations.minimum):
        x, y = xs
        chosen = x if x.data == data else y
        facts = (_Fact(x.formula, y.formula, "<" if x.data < y.data else ">" if x.data > y.data else "="),)
    else:
        return None
    return _Symbol(chosen.formula, chosen.data, facts + chosen.facts, chosen.size, trace)


def _is_number(x: _Symbol) -> bool:
    return isinstance(x.formula, Term) and not x.formula.name


# What a reader would write in a shorter way.

_ONE = Term("", 1.0)


def _simplified(operation: Operation, xs: Sequence[Operand], data: float) -> Operand:
    """Write an operation down, without factors of 1, terms of 0, and powers written as products."""
    if operation.notation not in ("call", "fraction") and all(isinstance(x, Term) and not x.name for x in xs):
        return Term("", data)
    match operation.name, tuple(xs):
        case ("add", (Term("", 0.0), x)) | ("add" | "sub", (x, Term("", 0.0))):
            return x
        case ("mul", (Term("", 1.0), x)) | ("mul" | "div" | "pow", (x, Term("", 1.0))):
            return x
        case ("mul", (Term("", -1.0), x)) | ("mul", (x, Term("", -1.0))) | ("sub", (Term("", 0.0), x)):
            return _simplified(operations.neg, [x], data)
        case "pow", (_, Term("", 0.0)):
            return _ONE
        case "neg", (Formula(operations.neg, (x,)),):
            return x
        case "mul", (Formula(operations.neg, (x,)), y):
            return Formula(operations.neg, (_simplified(operations.mul, [x, y], -data),))
        case "mul", (Formula(operations.mul, (x, y)), z) if y == z:
            return Formula(operations.mul, (x, _square(y)))
        case "mul", (x, y) if x == y:
            return _square(x)
    return Formula(operation, tuple(xs))


def _square(x: Operand) -> Formula:
    return Formula(operations.pow, (x, Term("", 2.0)))
