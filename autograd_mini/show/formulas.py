"""Formulas of operations and derivatives, as text or typeset in MathML, which browsers render by themselves.

Knows operations by their notation and symbol alone, and nothing of graphs or of the page that a formula stands in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import ClassVar

from autograd_mini.engine import operations
from autograd_mini.engine.operations import Operation
from autograd_mini.show.format import bracketed, isolated, number

_PLACES = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def notation_of(operation: Operation) -> str:
    """Say how an operation is written.

    "prefix", "infix", "fraction", "power" and "root" are as their names say; "sum" is of terms; "dot" is a sum of
    products, from the operands ws, xs, bias; "points" is a function of two lists of one length; "call" is the rest.
    """
    match operation:
        case operations.sum_:
            return "sum"
        case operations.dot_:
            return "dot"
        case operations.dist_:
            return "points"
        case operations.div:
            return "fraction"
        case operations.pow:
            return "power"
        case operations.sqrt:
            return "root"
    if re.search(r"\w", operation.symbol):
        return "call"
    return {1: "prefix", 2: "infix"}.get(len(operation.parameters), "call")


def in_formula(name: str) -> str:
    """Put a name in brackets if it would read as a formula of its own.

    Examples
    --------
    >>> in_formula("w1"), in_formula("f(x, y)"), in_formula("x + y")
    ('w1', 'f(x, y)', '(x + y)')
    """
    is_formula = re.search(r"[\s+\-*/·%=<>(),∂]", name) and not re.fullmatch(r"\w+\([^()]*\)", name)
    return f"({name})" if is_formula else name


@dataclass(frozen=True)
class Term:
    """An operand in a formula: its name, or its number where `name` is empty."""

    name: str
    data: float


# A side of an equation: the relation before it, the numbers in it that may be rounded, and what is written.
Side = tuple[str, Sequence[float], str]


class Text:
    """Formulas as text, to be read in a terminal, and by Python once each · is a *.

    Parameters
    ----------
    digits : int, optional
        How many significant digits numbers have; all unless given.

    Examples
    --------
    >>> TEXT.compose(operations.mul, [Term("q", 3.0), Term("", -4.0)])
    'q · (-4)'
    >>> TEXT.compose(operations.tanh, [Term("x", 0.0)])
    'tanh(x)'
    """

    signs: ClassVar = {"*": "·"}

    def __init__(self, digits: int | None = None) -> None:
        self._digits = digits

    # What MathML writes in another way.

    def equation(self, sides: Sequence[Side]) -> str:
        """Write an equation of several sides."""
        return " ".join(f"{relation} {side}".lstrip() for relation, _, side in sides)

    def number(self, x: float) -> str:
        """Write a number."""
        return number(x, self._digits)

    def name(self, name: str) -> str:
        """Write a node's name, as far as it may stand in a formula."""
        return isolated(in_formula(name))

    def label(self, name: str) -> str:
        """Write a node's name where it stands alone."""
        return isolated(name)

    def brackets(self, formula: str) -> str:
        """Put a formula in brackets."""
        return f"({formula})"

    def operator(self, symbol: str) -> str:
        """Write an operator between its operands."""
        return f" {symbol} "

    def prefix(self, symbol: str, x: Term) -> str:
        """Write an operator in front of its operand."""
        return f"{symbol}{self.guarded(x)}"

    def fraction(self, x: Term, y: Term) -> str:
        """Write a quotient."""
        return self.infix("/", x, y)

    def power(self, x: Term, y: Term) -> str:
        """Write a power."""
        return self.infix("**", x, y, is_first=False)

    def root(self, x: Term) -> str:
        """Write a square root."""
        return self.call("sqrt", [[x]])

    def call(self, name: str, groups: Sequence[Sequence[Term]]) -> str:
        """Write a function of operands, or of groups of operands."""
        lists = [", ".join(map(self.term, group)) for group in groups]
        return f"{name}({lists[0] if len(lists) == 1 else ', '.join(f'[{terms}]' for terms in lists)})"

    def derivative(self, of: str, by: str, place: int = 0) -> str:
        """Write a derivative; `place` tells operands apart that are the same node."""
        return f"∂{self.name(of)}/∂{self.name(by)}{f'⁽{place}⁾'.translate(_PLACES) if place else ''}"

    def chain(self, upstream: float, local: float) -> str:
        """Write the product of upstream gradient and local derivative."""
        return self.infix("*", Term("", upstream), Term("", local))

    # What is the same for both.

    def term(self, term: Term) -> str:
        """Write an operand where no sign can be misread."""
        return self.name(term.name) if term.name else self.number(term.data)

    def guarded(self, term: Term) -> str:
        """Write an operand that follows another, in brackets if it starts with a sign."""
        is_signed = not term.name and bracketed(number(term.data)) != number(term.data)
        return self.brackets(self.term(term)) if is_signed else self.term(term)

    def infix(self, symbol: str, x: Term, y: Term, is_first: bool = True) -> str:
        """Write an operator between its operands; `is_first` where nothing stands before them."""
        left = self.term(x) if is_first else self.guarded(x)
        written = f"{left}{self.operator(self.signs.get(symbol, symbol))}{self.guarded(y)}"
        return self.brackets(written) if re.search("[<>=]", symbol) else written

    def total(self, summands: Sequence[Sequence[Term]]) -> str:
        """Write a sum of terms and of products of two."""
        written: list[str] = []
        for summand in summands:
            if len(summand) == 2:
                written.append(self.infix("*", summand[0], summand[1], is_first=not written))
            else:
                written.append(self.guarded(*summand) if written else self.term(*summand))
        return self.operator("+").join(written)

    def compose(self, operation: Operation, terms: Sequence[Term]) -> str:
        """Write what an operation computes. The bias of a scalar product, the last term, may be left out."""
        half = len(terms) // 2
        match notation_of(operation):
            case "prefix":
                return self.prefix(operation.symbol, *terms)
            case "infix":
                return self.infix(operation.symbol, terms[0], terms[1])
            case "fraction":
                return self.fraction(*terms)
            case "power":
                return self.power(*terms)
            case "root":
                return self.root(*terms)
            case "sum":
                return self.total([[term] for term in terms])
            case "dot":
                return self.total([*zip(terms[:half], terms[half:]), *([term] for term in terms[2 * half :])])
            case "points":
                return self.call(operation.name.removesuffix("_"), [terms[:half], terms[half:]])
        return self.call(operation.name.removesuffix("_"), [terms])


class MathML(Text):
    """Formulas in MathML."""

    signs: ClassVar = {"*": "·", "-": "−", "%": "mod", "<=": "≤", ">=": "≥"}

    def equation(self, sides: Sequence[Side]) -> str:
        """Write each side as a `math` element, so that a line can break between them; ≈ where numbers are rounded."""
        return "\n".join(f'<math displaystyle="true">{self._relation(*side[:2])}{side[2]}</math>' for side in sides)

    def _relation(self, relation: str, numbers: Sequence[float]) -> str:
        if relation == "=" and not all(float(number(x, self._digits)) == x or math.isnan(x) for x in numbers):
            relation = "≈"
        return f'<mo form="infix">{relation}</mo>' if relation else ""  # with the space that it has between sides

    def number(self, x: float) -> str:
        """Write a number, a power of ten as such."""
        mantissa, e, exponent = number(x, self._digits).replace("inf", "∞").partition("e")
        minus, digits = ('<mo form="prefix">−</mo>', mantissa[1:]) if mantissa[0] == "-" else ("", mantissa)
        power = f"<mo>×</mo><msup><mn>10</mn><mn>{str(int(exponent)).replace('-', '−')}</mn></msup>" if e else ""
        written = f"{minus}<mn>{digits}</mn>{power}"
        return f"<mrow>{written}</mrow>" if minus or power else written

    def name(self, name: str) -> str:
        """Write a name, a number at its end as an index."""
        if indexed := re.fullmatch(r"([^\W\d_]+)_?(\d+)", name):
            return f"<msub><mi>{indexed[1]}</mi><mn>{indexed[2]}</mn></msub>"
        tag = "mi" if in_formula(name) == name else "mtext"
        return f"<{tag}>{escape(in_formula(name))}</{tag}>"

    label = name

    def brackets(self, formula: str) -> str:
        """Put a formula in brackets."""
        return f"<mrow><mo>(</mo>{formula}<mo>)</mo></mrow>"

    def operator(self, symbol: str) -> str:
        """Write an operator between its operands."""
        return f"<mo>{escape(symbol)}</mo>"

    def prefix(self, symbol: str, x: Term) -> str:
        """Write an operator in front of its operand."""
        return f'<mo form="prefix">{escape(self.signs.get(symbol, symbol))}</mo>{self.guarded(x)}'

    def fraction(self, x: Term, y: Term) -> str:
        """Write a quotient."""
        return f"<mfrac>{self.term(x)}{self.term(y)}</mfrac>"

    def power(self, x: Term, y: Term) -> str:
        """Write a power, its base in brackets where that is a power of ten."""
        base = self.guarded(x)
        if not x.name and base.startswith("<mrow><mn>"):
            base = self.brackets(base)
        return f"<msup>{base}{self.term(y)}</msup>"

    def root(self, x: Term) -> str:
        """Write a square root."""
        return f"<msqrt>{self.term(x)}</msqrt>"

    def call(self, name: str, groups: Sequence[Sequence[Term]]) -> str:
        """Write a function of operands, or of groups of operands."""
        lists = [self.operator(",").join(map(self.term, group)) for group in groups]
        inside = lists[0] if len(lists) == 1 else self.operator(",").join(f"<mo>[</mo>{x}<mo>]</mo>" for x in lists)
        return f"<mi>{escape(name)}</mi><mo>(</mo>{inside}<mo>)</mo>"

    def derivative(self, of: str, by: str, place: int = 0) -> str:
        """Write a derivative; `place` tells operands apart that are the same node."""
        below = self.name(by)
        if place:
            below = f"<msup>{below}<mrow><mo>(</mo><mn>{place}</mn><mo>)</mo></mrow></msup>"
        return f"<mfrac><mrow><mo>∂</mo>{self.name(of)}</mrow><mrow><mo>∂</mo>{below}</mrow></mfrac>"

    def chain(self, upstream: float, local: float) -> str:
        """Write the product of upstream gradient and local derivative, each with its name below it."""
        factors = {"upstream": self.number(upstream), "local": self.guarded(Term("", local))}
        captioned = '<munder><mrow class="captioned">{1}</mrow><mtext>{0}</mtext></munder>'
        return self.operator("·").join(captioned.format(*factor) for factor in factors.items())


TEXT = Text()
MATHML = MathML(digits=6)
