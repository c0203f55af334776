"""Formulas typeset in MathML, which browsers render by themselves.

Knows the steps' terms and derivatives, and nothing of the page that they stand in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape

from autograd_mini.engine import operations
from autograd_mini.show.steps import (
    AccumulationStep,
    BackwardStep,
    ChainRuleStep,
    ForwardStep,
    SeedStep,
    Term,
    in_formula,
    number,
    write_summands,
)

_DIGITS = 6


def typeset(step: ForwardStep | BackwardStep) -> str:
    """Typeset a step's line, numbers in it rounded to 6 digits, with ≈ where that is not all of them.

    Each side of the equation is a `math` element of its own, so that a line can break between them.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> print(typeset(ForwardStep(Value(3.0), "x", (), 3.0)))
    <math displaystyle="true"><mi>x</mi></math>
    <math displaystyle="true"><mo form="infix">=</mo><mn>3</mn></math>
    """
    sides = _sides(step)
    return "\n".join(f'<math displaystyle="true">{relation}{side}</math>' for relation, side in sides)


def _sides(step: ForwardStep | BackwardStep) -> list[tuple[str, str]]:
    """List the sides of a step's equations, each with the relation in front of it."""
    match step:
        case ForwardStep():
            formulas = step.write(MATHML)
            numbers = [operand.data for operand in step.operands if len(formulas) > 1 or not operand.name]
            relations = [_relation(), _relation(*numbers)][: len(formulas)]
            left = [("", _name(step.name)), *zip(relations, formulas)]
            return [*left, (_relation(*numbers, step.data), _number(step.data))]
        case SeedStep():
            return [("", _derivative(step.root_name, step.name)), (_relation(), _number(step.grad))]
        case ChainRuleStep():
            upstream = _derivative(step.root_name, step.result_name)
            local = _derivative(step.result_name, step.name, step.place)
            return [
                ("", _derivative(step.root_name, step.name)),
                (_relation() if step.is_whole else _between("+="), f"{upstream}{_operator('·')}{local}"),
                (_relation(step.upstream, step.local_derivative), _factors(step)),
                (
                    _relation(step.upstream, step.local_derivative, step.contribution),
                    _number(step.contribution),
                ),
            ]
        case AccumulationStep():
            terms = [Term("", step.before), Term("", step.contribution)]
            return [
                ("", _derivative(step.root_name, step.name)),
                (_relation(step.before, step.contribution), MATHML.total(terms)),
                (_relation(step.before, step.contribution, step.grad), _number(step.grad)),
            ]


def _relation(*numbers: float) -> str:
    """Give the sign of equality, or that of approximate equality where one of the numbers is rounded."""
    is_exact = all(float(_rounded(x)) == x or math.isnan(x) for x in numbers)
    return _between("=" if is_exact else "≈")


def _factors(step: ChainRuleStep) -> str:
    upstream = _captioned(_number(step.upstream), "upstream")
    local = _captioned(MATHML.guarded(Term("", step.local_derivative)), "local")
    return f"{upstream}{_operator('·')}{local}"


def _captioned(number: str, caption: str) -> str:
    return f'<munder><mrow class="captioned">{number}</mrow><mtext>{caption}</mtext></munder>'


def _derivative(of: str, by: str, place: int = 0) -> str:
    denominator = f"<msup>{_name(by)}<mrow><mo>(</mo><mn>{place}</mn><mo>)</mo></mrow></msup>" if place else _name(by)
    return f"<mfrac><mrow><mo>∂</mo>{_name(of)}</mrow><mrow><mo>∂</mo>{denominator}</mrow></mfrac>"


def _name(name: str) -> str:
    """Typeset a name, a number at its end as an index."""
    indexed = re.fullmatch(r"([^\W\d_]+)_?(\d+)", name)
    if indexed:
        return f"<msub><mi>{indexed[1]}</mi><mn>{indexed[2]}</mn></msub>"
    tag = "mi" if in_formula(name) == name else "mtext"
    return f"<{tag}>{escape(in_formula(name))}</{tag}>"


def _rounded(x: float) -> str:
    exact = number(x)
    return exact if len(exact.lstrip("-")) <= _DIGITS + 1 else f"{x:.{_DIGITS}g}"


def _number(x: float) -> str:
    mantissa, e, exponent = _rounded(x).replace("inf", "∞").partition("e")
    signed = f'<mo form="prefix">−</mo><mn>{mantissa[1:]}</mn>' if mantissa[0] == "-" else f"<mn>{mantissa}</mn>"
    power = f"<mo>×</mo><msup><mn>10</mn><mn>{str(int(exponent)).replace('-', '−')}</mn></msup>" if e else ""
    return f"<mrow>{signed}{power}</mrow>" if mantissa[0] == "-" or e else signed


def _operator(symbol: str) -> str:
    return f"<mo>{escape(symbol)}</mo>"


def _between(symbol: str) -> str:
    """Typeset a relation at the start of a `math` element, with the space that it has between two sides."""
    return f'<mo form="infix">{symbol}</mo>'


class _MathML:
    """Formulas as MathML."""

    def term(self, term: Term) -> str:
        return _name(term.name) if term.name else _number(term.data)

    def guarded(self, term: Term) -> str:
        return self._bracketed(term) if term.is_signed else self.term(term)

    def prefix(self, symbol: str, x: Term) -> str:
        return f'<mo form="prefix">{escape(symbol).replace("-", "−")}</mo>{self.guarded(x)}'

    def infix(self, symbol: str, x: Term, y: Term, leading: bool = True) -> str:
        if symbol == operations.div.symbol:
            return f"<mfrac>{self.term(x)}{self.term(y)}</mfrac>"
        if symbol == operations.pow.symbol:
            has_power = not x.name and "e" in _rounded(x.data)
            return f"<msup>{self._bracketed(x) if has_power else self.guarded(x)}{self.term(y)}</msup>"
        shown = {"*": "·", "-": "−", "%": "mod", "<=": "≤", ">=": "≥"}.get(symbol, symbol)
        written = f"{self.term(x) if leading else self.guarded(x)}{_operator(shown)}{self.guarded(y)}"
        return f"<mo>(</mo>{written}<mo>)</mo>" if re.search("[<>=]", symbol) else written

    def total(self, summands: Sequence[Term | tuple[Term, Term]]) -> str:
        return _operator("+").join(write_summands(self, summands))

    def call(self, name: str, groups: Sequence[Sequence[Term]]) -> str:
        lists = [_operator(",").join(map(self.term, group)) for group in groups]
        if name == operations.sqrt.name:
            return f"<msqrt>{lists[0]}</msqrt>"
        inside = lists[0] if len(lists) == 1 else _operator(",").join(f"<mo>[</mo>{terms}<mo>]</mo>" for terms in lists)
        return f"<mi>{escape(name)}</mi><mo>(</mo>{inside}<mo>)</mo>"

    def _bracketed(self, term: Term) -> str:
        return f"<mrow><mo>(</mo>{self.term(term)}<mo>)</mo></mrow>"


MATHML = _MathML()
