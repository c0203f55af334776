"""Formulas of operations and derivatives, as text or typeset in MathML, which browsers render by themselves.

Knows operations by their notation and symbol alone, and nothing of graphs or of the page that a formula stands in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape
from typing import ClassVar, NamedTuple

from autograd_mini.engine.operation import Operation
from autograd_mini.show.format import isolated, number, superscript


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
    """An operand in a formula: its name, or its number where `name` is empty."""

    name: str
    data: float


class Side(NamedTuple):
    """A side of an equation: the relation before it, its text, and the numbers in it, which may be rounded."""

    relation: str
    written: str
    numbers: Sequence[float] = ()


class Text:
    """Formulas as text for a terminal; with * for each · they are Python.

    Numbers have as many significant digits as `digits` says, all unless given.

    Examples
    --------
    >>> from autograd_mini.engine import operations
    >>> TEXT.compose(operations.mul, [Term("q", 3.0), Term("", -4.0)])
    'q · (-4)'
    >>> TEXT.compose(operations.tanh, [Term("x", 0.0)])
    'tanh(x)'
    """

    signs: ClassVar = {"*": "·"}

    def __init__(self, digits: int | None = None) -> None:
        self._digits = digits

    def equation(self, sides: Sequence[Side]) -> str:
        return " ".join(f"{side.relation} {side.written}".lstrip() for side in sides)

    def compose(self, operation: Operation, terms: Sequence[Term]) -> str:
        """Write what an operation computes. The bias of a scalar product, the last term, may be left out."""
        half = len(terms) // 2
        match operation.notation:
            case "prefix":
                return self.prefix(operation.symbol, *terms)
            case "infix":
                return self.infix(operation.symbol, *terms)
            case "fraction" | "power" | "root" as notation:
                return str(getattr(self, notation)(*terms))
            case "sum":
                return self.total([[term] for term in terms])
            case "dot":
                return self.total([*zip(terms[:half], terms[half:]), *([term] for term in terms[2 * half :])])
            case "points":
                return self.call(operation.name, terms[:half], terms[half:])
        return self.call(operation.name, terms)

    def term(self, term: Term) -> str:
        """Write an operand where no sign can be misread."""
        return self.name(term.name) if term.name else self.number(term.data)

    def guarded(self, term: Term) -> str:
        """Write an operand that follows another, in brackets if it starts with a sign."""
        is_signed = not term.name and number(term.data).startswith("-")
        return self.brackets(self.term(term)) if is_signed else self.term(term)

    def infix(self, symbol: str, *terms: Term, is_first: bool = True) -> str:
        """Write an operator between its operands; `is_first` where nothing stands before them."""
        x, y = terms
        left = self.term(x) if is_first else self.guarded(x)
        written = f"{left}{self.operator(self.signs.get(symbol, symbol))}{self.guarded(y)}"
        return self.brackets(written) if re.search("[<>=]", symbol) else written

    def total(self, summands: Sequence[Sequence[Term]]) -> str:
        """Write a sum of terms and of products of two."""
        written: list[str] = []
        for x, *more in summands:
            alone = self.guarded(x) if written else self.term(x)
            written.append(self.infix("*", x, *more, is_first=not written) if more else alone)
        return self.operator("+").join(written)

    # What MathML writes in another way.

    def number(self, x: float) -> str:
        return number(x, self._digits)

    def label(self, name: str) -> str:
        """Write a node's name where it stands alone."""
        return isolated(name)

    def name(self, name: str) -> str:
        return isolated(in_formula(name))

    def brackets(self, formula: str) -> str:
        return f"({formula})"

    def operator(self, symbol: str) -> str:
        return f" {symbol} "

    def prefix(self, symbol: str, *terms: Term) -> str:
        return f"{symbol}{self.guarded(*terms)}"

    def fraction(self, x: Term, y: Term) -> str:
        return self.infix("/", x, y)

    def power(self, x: Term, y: Term) -> str:
        return self.infix("**", x, y, is_first=False)

    def root(self, x: Term) -> str:
        return self.call("sqrt", [x])

    def call(self, name: str, *groups: Sequence[Term]) -> str:
        """Write a function of operands, or of groups of operands."""
        lists = [", ".join(map(self._argument, group)) for group in groups]
        return f"{name}({lists[0] if len(lists) == 1 else ', '.join(f'[{terms}]' for terms in lists)})"

    def _argument(self, term: Term) -> str:
        """Write an operand between brackets and commas, which need no other ones."""
        return self.term(term) if "," in term.name or not term.name else isolated(term.name)

    def derivative(self, of: str, by: str, place: int = 0) -> str:
        """Write a derivative; `place` tells operands apart where one node is several operands."""
        return f"∂{self.name(of)}/∂{self.name(by)}{superscript(place) if place else ''}"

    def chain(self, upstream: float, local: float) -> str:
        """Write the product of upstream gradient and local derivative."""
        return self.infix("*", Term("", upstream), Term("", local))


class MathML(Text):
    """Formulas in MathML; ≈ stands before a side whose numbers are rounded.

    Each side of an equation is a `math` element, so that a line can break between them.
    """

    signs: ClassVar = {"*": "·", "-": "−", "%": "mod", "<=": "≤", ">=": "≥"}

    def equation(self, sides: Sequence[Side]) -> str:
        written = []
        for relation, side, numbers in sides:
            is_exact = all(float(number(x, self._digits)) == x or math.isnan(x) for x in numbers)
            shown = "≈" if relation == "=" and not is_exact else relation
            operator = f'<mo form="infix">{shown}</mo>' if shown else ""  # with the space that it has between sides
            written.append(f'<math displaystyle="true">{operator}{side}</math>')
        return "\n".join(written)

    def number(self, x: float) -> str:
        mantissa, e, exponent = number(x, self._digits).replace("inf", "∞").partition("e")
        minus, digits = ('<mo form="prefix">−</mo>', mantissa[1:]) if mantissa[0] == "-" else ("", mantissa)
        power = f"<mo>×</mo><msup><mn>10</mn><mn>{str(int(exponent)).replace('-', '−')}</mn></msup>" if e else ""
        written = f"{minus}<mn>{digits}</mn>{power}"
        return f"<mrow>{written}</mrow>" if minus or power else written

    def name(self, name: str) -> str:
        if indexed := re.fullmatch(r"([^\W\d_]+)_?(\d+)", name):
            return f"<msub><mi>{indexed[1]}</mi><mn>{indexed[2]}</mn></msub>"
        tag = "mi" if in_formula(name) == name else "mtext"
        return f"<{tag}>{escape(in_formula(name))}</{tag}>"

    label = name

    def brackets(self, formula: str) -> str:
        return f"<mrow><mo>(</mo>{formula}<mo>)</mo></mrow>"

    def operator(self, symbol: str) -> str:
        return f"<mo>{escape(symbol)}</mo>"

    def prefix(self, symbol: str, *terms: Term) -> str:
        return f'<mo form="prefix">{escape(self.signs.get(symbol, symbol))}</mo>{self.guarded(*terms)}'

    def fraction(self, x: Term, y: Term) -> str:
        return f"<mfrac>{self.term(x)}{self.term(y)}</mfrac>"

    def power(self, x: Term, y: Term) -> str:
        base = self.guarded(x)
        is_power = not x.name and base.startswith("<mrow><mn>")  # of ten
        return f"<msup>{self.brackets(base) if is_power else base}{self.term(y)}</msup>"

    def root(self, x: Term) -> str:
        return f"<msqrt>{self.term(x)}</msqrt>"

    def call(self, name: str, *groups: Sequence[Term]) -> str:
        lists = [self.operator(",").join(map(self.term, group)) for group in groups]
        inside = lists[0] if len(lists) == 1 else self.operator(",").join(f"<mo>[</mo>{x}<mo>]</mo>" for x in lists)
        return f"<mi>{escape(name)}</mi><mo>(</mo>{inside}<mo>)</mo>"

    def derivative(self, of: str, by: str, place: int = 0) -> str:
        below = self.name(by)
        if place:
            below = f"<msup>{below}<mrow><mo>(</mo><mn>{place}</mn><mo>)</mo></mrow></msup>"
        return f"<mfrac><mrow><mo>∂</mo>{self.name(of)}</mrow><mrow><mo>∂</mo>{below}</mrow></mfrac>"

    def chain(self, upstream: float, local: float) -> str:
        factors = {"upstream": self.number(upstream), "local": self.guarded(Term("", local))}
        captioned = '<munder><mrow class="captioned">{1}</mrow><mtext>{0}</mtext></munder>'
        return self.operator("·").join(captioned.format(*factor) for factor in factors.items())


TEXT = Text()
MATHML = MathML(digits=6)
