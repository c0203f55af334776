"""Formulas of operations and derivatives, as text or typeset in MathML, which browsers render by themselves.

Knows operations by their notation and symbol alone, and nothing of graphs or of the page that a formula stands in.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from html import escape
from typing import ClassVar, NamedTuple

from autograd_mini.engine.operation import Operation
from autograd_mini.show.format import DIGITS, isolated, number, superscript


def in_formula(name: str) -> str:
    """Put a name in brackets if it would read as a formula of its own.

    Examples
    --------
    >>> in_formula("w1"), in_formula("f(x, y)"), in_formula("x + y")
    ('w1', 'f(x, y)', '(x + y)')
    """
    is_formula = re.search(r"[\s+\-*/·%=<>(),∂]", name) and not re.fullmatch(r"\w+\([^()]*\)", name)
    return f"({name})" if is_formula else name


class Term(NamedTuple):
    """An operand in a formula: its name, or its number where `name` is empty.

    `place` tells operands apart where one node is several operands of an operation: counted from 1, else 0.
    """

    name: str
    data: float
    place: int = 0


class Formula(NamedTuple):
    """An operation on terms, or on formulas."""

    operation: Operation
    operands: tuple[Operand, ...]

    def inserted(self) -> Formula:
        """Put numbers in the place of names."""
        numbers = [x.inserted() if isinstance(x, Formula) else Term("", x.data) for x in self.operands]
        return Formula(self.operation, tuple(numbers))

    def numbers(self) -> list[float]:
        """List the numbers that stand in the formula."""
        listed: list[float] = []
        for x in self.operands:
            listed += x.numbers() if isinstance(x, Formula) else [] if x.name else [x.data]
        return listed


Operand = Term | Formula

# How strongly parts of a formula hold together: those that hold less strongly get brackets.
_SUM, _PRODUCT, _SIGN, _POWER, _WHOLE = range(5)
_STRENGTHS = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "//": _PRODUCT, "%": _PRODUCT}

_MANY = 4  # summands or operands: of more, only the one that matters is written


class Side(NamedTuple):
    """A side of an equation: the relation before it, its text, and the numbers in it, which may be rounded."""

    relation: str
    written: str
    numbers: Sequence[float] = ()


def _is_only(terms: Sequence[Term]) -> bool:
    """Say whether no more than one operand of an operation is a variable."""
    return sum(term.name != "" for term in terms) == 1


class Text:
    """Formulas as text for a terminal; with * for each · they are Python.

    Numbers have as many significant digits as `digits` says; ≈ stands before a side whose numbers are rounded.

    Examples
    --------
    >>> from autograd_mini.engine import operations
    >>> TEXT.compose(operations.mul, [Term("q", 3.0), Term("", -4.0)])
    'q · (-4)'
    >>> TEXT.compose(operations.tanh, [Term("x", 0.0)])
    'tanh(x)'
    """

    signs: ClassVar = {"*": "·"}

    def __init__(self, digits: int | None = DIGITS) -> None:
        self.digits = digits

    def equation(self, sides: Sequence[Side]) -> str:
        return " ".join(f"{self.relation(side)} {side.written}".lstrip() for side in sides)

    def relation(self, side: Side) -> str:
        """Give the relation before a side: ≈ for = where numbers are rounded. The last bits of a float do not count."""
        shown = [(x, float(number(x, self.digits))) for x in side.numbers if not math.isnan(x)]
        is_exact = all(math.isclose(x, rounded, rel_tol=1e-15) for x, rounded in shown)
        return "≈" if side.relation == "=" and not is_exact else side.relation

    def compose(self, operation: Operation, terms: Sequence[Operand]) -> str:
        """Write what an operation computes. The bias of a scalar product, the last term, may be left out."""
        half = len(terms) // 2
        match operation.notation:
            case "prefix":
                return self.prefix(operation.symbol, *terms)
            case "infix":
                return self.infix(operation.symbol, *terms)
            case "fraction" | "power" | "root" as notation:
                return str(getattr(self, notation)(*terms))
            case "sum" | "dot":
                return self.total(_summands(operation, terms))
            case "points":
                return self.call(operation.name, terms[:half], terms[half:])
        return self.call(operation.name, terms)

    def abridged(self, operation: Operation, terms: Sequence[Operand], position: int) -> str:
        """Write what an operation computes; of many operands, only what stands with the one at `position`.

        Examples
        --------
        >>> from autograd_mini.engine import operations
        >>> TEXT.abridged(operations.sum, [Term(name, 0.0) for name in "abcde"], 1)
        '… + b + …'
        """
        if operation.notation in ("sum", "dot"):
            summands = _summands(operation, terms)
            groups = _around(summands, next(i for i, s in enumerate(summands) if any(x is terms[position] for x in s)))
            return self.total([group or [_DOTS] for group in groups])
        if operation.is_variadic:
            groups = _around([[term] for term in terms], position)
            if [] in groups:
                return self.call(operation.name, [group[0] if group else _DOTS for group in groups])
        return self.compose(operation, terms)

    def term(self, x: Operand, least: int = _SUM) -> str:
        """Write an operand where no sign can be misread, in brackets if its parts hold together less than `least`."""
        if isinstance(x, Formula):
            written = self.compose(x.operation, x.operands)
            return self.brackets(written) if self.strength(x) < least else written
        return self.placed(self.name(x.name), x.place) if x.name else self.number(x.data)

    def guarded(self, x: Operand, least: int = _SUM) -> str:
        """Write an operand that follows another, in brackets if it starts with a sign."""
        if not self.is_signed(x):
            return self.term(x, least)
        return self.brackets(self.term(x))

    def is_signed(self, x: Operand) -> bool:
        """Say whether an operand starts with a sign."""
        while isinstance(x, Formula):
            if x.operation.notation == "prefix":
                return True
            if self.strength(x) >= _POWER:
                return False
            x = x.operands[0]
        return not x.name and number(x.data, self.digits).startswith("-")

    def strength(self, x: Operand) -> int:
        """Say how strongly a formula holds together."""
        if isinstance(x, Term):
            return _WHOLE
        match x.operation.notation:
            case "infix" if not _is_comparison(x.operation):
                is_quotient = x.operation.symbol in ("//", "%")  # -(x // y) is not -x // y
                return _SUM if is_quotient else _STRENGTHS.get(x.operation.symbol, _SUM)
            case "sum" | "dot":
                return _SUM
            case "prefix":
                return _SIGN
            case "fraction" | "power" as notation:
                return _POWER if notation == "power" else _PRODUCT
        return _WHOLE

    def infix(self, symbol: str, *terms: Operand, is_first: bool = True) -> str:
        """Write an operator between its operands; `is_first` where nothing stands before them."""
        x, y = terms
        own = _STRENGTHS.get(symbol, _SIGN)
        left = self.term(x, own) if is_first else self.guarded(x, own)
        right = self.guarded(y, own if symbol in "+*" else own + 1)
        written = f"{left}{self.operator(self.signs.get(symbol, symbol))}{right}"
        return self.brackets(written) if re.search("[<>=]", symbol) else written

    def total(self, summands: Sequence[Sequence[Operand]]) -> str:
        """Write a sum of terms and of products of two."""
        written: list[str] = []
        for x, *more in summands:
            alone = self.guarded(x) if written else self.term(x)
            written.append(self.infix("*", x, *more, is_first=not written) if more else alone)
        return self.operator("+").join(written)

    # What MathML writes in another way.

    def number(self, x: float) -> str:
        return number(x, self.digits)

    def label(self, name: str) -> str:
        """Write a node's name where it stands alone."""
        return isolated(name)

    def name(self, name: str) -> str:
        return isolated(in_formula(name))

    def brackets(self, formula: str) -> str:
        return f"({formula})"

    def operator(self, symbol: str) -> str:
        return f" {symbol} "

    def placed(self, name: str, place: int) -> str:
        """Mark a name with its place among operands that are all one node."""
        return f"{name}{superscript(place)}" if place else name

    def prefix(self, symbol: str, x: Operand) -> str:
        return f"{symbol}{self.guarded(x, _PRODUCT)}"

    def fraction(self, x: Operand, y: Operand) -> str:
        return self.infix("/", x, y)

    def power(self, x: Operand, y: Operand) -> str:
        return f"{self.guarded(x, _WHOLE)} ** {self.guarded(y, _WHOLE)}"

    def root(self, x: Operand) -> str:
        return self.call("sqrt", [x])

    def call(self, name: str, *groups: Sequence[Operand]) -> str:
        """Write a function of operands, or of groups of operands."""
        lists = [", ".join(map(self._argument, group)) for group in groups]
        return f"{name}({lists[0] if len(lists) == 1 else ', '.join(f'[{terms}]' for terms in lists)})"

    def _argument(self, x: Operand) -> str:
        """Write an operand between brackets and commas, which need no other ones."""
        if isinstance(x, Formula) and _is_comparison(x.operation):
            left, right = x.operands
            return self.comparison(left, x.operation.symbol, right)
        if isinstance(x, Formula) or "," in x.name or not x.name:
            return self.term(x)
        return self.placed(self.label(x.name), x.place)

    def derivative(self, of: str, by: str) -> str:
        """Write the derivative of a node for another."""
        return f"∂{self.name(of)}/∂{self.name(by)}"

    def differentiated(self, operation: Operation, terms: Sequence[Term], position: int) -> str:
        """Write an operation as what is differentiated for one of its operands."""
        formula = self.abridged(operation, terms, position)
        is_whole = self.strength(Formula(operation, tuple(terms))) >= _WHOLE
        return formula if is_whole else self.brackets(formula)

    def local_derivative(self, operation: Operation, terms: Sequence[Term], position: int) -> str:
        """Write the derivative of an operation, alone, for one of its operands: with d where there is no other."""
        d = "d" if _is_only(terms) else "∂"
        formula = self.differentiated(operation, terms, position)
        if d == "d" and not formula.startswith("("):
            formula = f" {formula}"
        return f"{d}{formula}/{d}{self.term(terms[position])}"

    def chain(self, upstream: float, local: float) -> str:
        """Write the product of upstream gradient and local derivative."""
        return self.infix("*", Term("", upstream), Term("", local))

    def comparison(self, left: Operand, symbol: str, right: Operand) -> str:
        """Write how two operands compare."""
        return f"{self.term(left)} {symbol} {self.term(right)}"


class MathML(Text):
    """Formulas in MathML.

    Each side of an equation is a `math` element, so that a line can break between them.
    """

    signs: ClassVar = {"*": "·", "-": "−", "%": "mod", "<=": "≤", ">=": "≥"}

    def equation(self, sides: Sequence[Side]) -> str:
        written = []
        for side in sides:
            shown = self.relation(side)
            if shown.isalpha():
                operator = f"<mtext>\u2002{shown}\u2002</mtext>"
            else:  # with the space that it has between sides
                operator = f'<mo form="infix">{shown}</mo>' if shown else ""
            written.append(f'<math displaystyle="true">{operator}{side.written}</math>')
        return "\n".join(written)

    def number(self, x: float) -> str:
        mantissa, e, exponent = number(x, self.digits).replace("inf", "∞").partition("e")
        minus, digits = ('<mo form="prefix">−</mo>', mantissa[1:]) if mantissa[0] == "-" else ("", mantissa)
        power = f"<mo>×</mo><msup><mn>10</mn><mn>{str(int(exponent)).replace('-', '−')}</mn></msup>" if e else ""
        written = f"{minus}<mn>{digits}</mn>{power}"
        return f"<mrow>{written}</mrow>" if minus or power else written

    def name(self, name: str) -> str:
        if indexed := re.fullmatch(r"([^\W\d_]+)_?(\d+)", name):
            return f"<msub><mi>{indexed[1]}</mi><mn>{indexed[2]}</mn></msub>"
        if placed := re.fullmatch(r"([^\W\d_])([₀-₉,]+)?(⁽[⁰¹²³⁴-⁹]+⁾)?", name):  # a weight or a unit: w₁₂⁽¹⁾
            letter, *indices = (unicodedata.normalize("NFKC", part or "") for part in placed.groups())
            low, high = (f"<mn>{index}</mn>" if index else "<mrow></mrow>" for index in indices)
            return f"<msubsup><mi>{letter}</mi>{low}{high}</msubsup>"
        tag = "mi" if in_formula(name) == name else "mtext"
        return f"<{tag}>{escape(in_formula(name))}</{tag}>"

    label = name

    def placed(self, name: str, place: int) -> str:
        mark = f"<mrow><mo>(</mo><mn>{place}</mn><mo>)</mo></mrow>"
        return f"<msup>{name}{mark}</msup>" if place else name

    def strength(self, x: Operand) -> int:
        is_fraction = isinstance(x, Formula) and x.operation.notation == "fraction"
        return _SIGN if is_fraction else super().strength(x)  # the line holds it together, but not under an exponent

    def is_signed(self, x: Operand) -> bool:
        return not (isinstance(x, Formula) and x.operation.notation == "fraction") and super().is_signed(x)

    def brackets(self, formula: str) -> str:
        stretchy = "" if "<mfrac" in formula else ' stretchy="false"'  # else some fonts take a larger one for one line
        return f"<mrow><mo{stretchy}>(</mo>{formula}<mo{stretchy}>)</mo></mrow>"

    def operator(self, symbol: str) -> str:
        return f"<mo>{escape(symbol)}</mo>"

    def prefix(self, symbol: str, x: Operand) -> str:
        return f'<mo form="prefix">{escape(self.signs.get(symbol, symbol))}</mo>{self.guarded(x, _PRODUCT)}'

    def fraction(self, x: Operand, y: Operand) -> str:
        return f"<mfrac>{self._whole(x)}{self._whole(y)}</mfrac>"

    def power(self, x: Operand, y: Operand) -> str:
        base = self.guarded(x, _WHOLE)
        is_power = isinstance(x, Term) and not x.name and base.startswith("<mrow><mn>")  # of ten
        if is_power or not isinstance(x, Term):
            base = self.brackets(base) if is_power else f"<mrow>{base}</mrow>"
        return f"<msup>{base}{self._whole(y)}</msup>"

    def _whole(self, x: Operand) -> str:
        """Write an operand as a single element."""
        return self.term(x) if isinstance(x, Term) else f"<mrow>{self.term(x)}</mrow>"

    def root(self, x: Operand) -> str:
        return f"<msqrt>{self.term(x)}</msqrt>"

    def call(self, name: str, *groups: Sequence[Operand]) -> str:
        lists = [self.operator(",").join(map(self._argument, group)) for group in groups]
        inside = lists[0] if len(lists) == 1 else self.operator(",").join(f"<mo>[</mo>{x}<mo>]</mo>" for x in lists)
        return f"<mi>{escape(name)}</mi>{self.brackets(inside)}"

    def derivative(self, of: str, by: str) -> str:
        return f"<mfrac><mrow><mo>∂</mo>{self.name(of)}</mrow><mrow><mo>∂</mo>{self.name(by)}</mrow></mfrac>"

    def local_derivative(self, operation: Operation, terms: Sequence[Term], position: int) -> str:
        d = '<mi mathvariant="normal">d</mi>' if _is_only(terms) else "<mo>∂</mo>"
        formula = self.differentiated(operation, terms, position)
        space = "" if formula.startswith("<mrow>") else '<mspace width="0.15em"></mspace>'
        return f"<mfrac><mrow>{d}{space}{formula}</mrow><mrow>{d}{self.term(terms[position])}</mrow></mfrac>"

    def chain(self, upstream: float, local: float) -> str:
        factors = {"upstream": self.number(upstream), "local": self.guarded(Term("", local))}
        captioned = '<munder><mrow class="captioned">{1}</mrow><mtext>{0}</mtext></munder>'
        return self.operator("·").join(captioned.format(*factor) for factor in factors.items())

    def comparison(self, left: Operand, symbol: str, right: Operand) -> str:
        return f"{self.term(left)}{self.operator(self.signs.get(symbol, symbol))}{self.term(right)}"


def _is_comparison(operation: Operation) -> bool:
    return operation.notation == "infix" and re.search("[<>=]", operation.symbol) is not None


def _summands(operation: Operation, terms: Sequence[Operand]) -> list[Sequence[Operand]]:
    """List the summands of a sum, or of a scalar product, whose bias may be left out."""
    half = len(terms) // 2 if operation.notation == "dot" else 0
    return [*zip(terms[:half], terms[half:]), *([term] for term in terms[2 * half :])]


def _around(groups: Sequence[Sequence[Operand]], i: int) -> list[Sequence[Operand]]:
    """Keep one of many groups, with nothing in the place of those before it and of those after it."""
    if len(groups) <= _MANY:
        return list(groups)
    return [*[[]] * (i > 0), groups[i], *[[]] * (i < len(groups) - 1)]


_DOTS = Term("…", math.nan)

TEXT = Text()
