"""Typeset formulas, read back from their MathML."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from autograd_mini import Value, clip, explain, less, operation, sqrt, tanh
from autograd_mini.engine.operations import TABLE
from autograd_mini.show.formulas import MathML

MATHML = MathML()


def sides(value: Value, step: int = -1, backward: bool = False) -> list[ElementTree.Element]:
    """Typeset the last equation of one step of an explanation, and parse each of its sides."""
    explanation = explain(value)
    step_taken = (explanation.backward if backward else explanation.forward)[step]
    written = MATHML.equation(step_taken.equations(MATHML)[-1])
    return [ElementTree.fromstring(side) for side in written.split("\n")]


def read(value: Value, step: int = -1, backward: bool = False) -> str:
    return "".join("".join(side.itertext()) for side in sides(value, step, backward))


@pytest.mark.parametrize("name", TABLE)
def test_every_operation_is_typeset_with_each_operand(name: str) -> None:
    row = TABLE[name]
    names = "abcde"[: len(row.parameters) or {"dot": 5, "dist": 4}.get(name, 3)]
    [left, formula, _, result] = sides(row.apply([Value(i + 1.0, label) for i, label in enumerate(names)]))
    assert "".join(left.itertext()) == "f"
    assert {e.text for e in formula.iter("mi")} >= set(names)
    assert "".join(result.itertext())[0] in "=≈"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Value(3.0, "x") - Value(-4.0, "y"), "f=x−y=3−(−4)=7"),
        (Value(-3.0, "x") * 2.0, "f=x·2=−3·2=−6"),
        (-Value(-3.0, "x"), "f=−x=−(−3)=3"),
        (less(Value(1.0, "x"), 2.0), "f=(x<2)=(1<2)=1"),
        (Value(1e-9, "x") * 1.0, "f=x·1=1×10−9·1=1×10−9"),
        (Value(1e-9, "x") ** 2, "f=x2=(1×10−9)2=1×10−18"),
        (Value(1.0, "w12") * 1.0, "f=w12·1=1·1=1"),
        (Value(0.0, "x") / 0.0, "f=x0=00=nan"),
        (1.0 / Value(0.0, "x"), "f=1x=10=∞"),
    ],
)
def test_formulas_read_as_mathematics_writes_them(value: Value, text: str) -> None:
    assert read(value) == text


def test_fractions_powers_roots_and_indices_are_set_as_such() -> None:
    x = Value(2.0, "x1")
    assert sides(x / 4.0)[1].find("mfrac/msub") is not None
    assert sides(x**2)[1].find("msup/msub") is not None
    assert sides(sqrt(x))[1].find("msqrt/msub") is not None


def test_rounded_numbers_are_marked_as_such() -> None:
    assert read(Value(1 / 3, "x") * 3.0) == "f=x·3≈0.3333·3≈1"
    assert read(Value(2.0, "x") / 3.0) == "f=x3=23≈0.6667"
    assert read(Value(0.1, "x") * 3.0, backward=True) == "∂f∂x=∂f∂f·d(x·3)dx=1upstream·3local=3"


def test_the_place_of_an_operand_used_twice_is_its_superscript() -> None:
    x = Value(3.0, "x")
    assert read(x * x, 1, backward=True) == "∂f∂x+=∂f∂f·∂(x(1)·x(2))∂x(1)=1upstream·3local=3"
    assert read(x * x, 3, backward=True) == "∂f∂x=3+3=6"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (tanh(Value(2.0, "x")), "dtanh(x)dx=1−tanh(x)2=1−tanh(2)2≈0.07065"),
        (Value(2.0, "x") / 4.0, "d(x4)dx=14=0.25"),
        (1.0 / Value(-2.0, "x"), "d(1x)dx=−1x2=−1(−2)2=−0.25"),
        (Value(2.0, "x") ** 3, "d(x3)dx=3·x2=3·22=12"),
        (Value(-2.0, "x").relu(), "drelu(x)dx=0\u2002because\u2002x≤0"),
        (clip(Value(2.0, "x"), 0.0, 3.0), "dclip(x,0,3)dx=1\u2002because\u2002x≥0\u2002and\u2002x≤3"),
        (Value(1.0, "x") % 3.0, "d(xmod3)dx=1"),
    ],
)
def test_the_rule_of_a_local_derivative_is_typeset(value: Value, text: str) -> None:
    rule, _ = explain(value).backward[-1].equations(MATHML)
    written = MATHML.equation(rule).split("\n")
    assert "".join("".join(ElementTree.fromstring(side).itertext()) for side in written) == text


def test_names_stay_text() -> None:
    odd = operation("odd(x, y)", lambda x, y: x, lambda out, x, y: 1.0, lambda out, x, y: 0.0, symbol="<&>")
    assert read(odd(Value(1.0, "<b>a & b</b>"), 2.0)) == "f=((<b>a & b</b>)<&>2)=(1<&>2)=1"
