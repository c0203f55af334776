"""Expressions given as text: what they may hold, their values, and where an error points."""

from __future__ import annotations

import inspect
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_mini.command.expression import FUNCTIONS, evaluate
from autograd_mini.command.syntax import MAX_BRACKETS, MAX_LENGTH, MAX_NESTING, ExpressionError
from autograd_mini.engine import operations
from autograd_mini.engine.operation import Operation

NUMBERS = {"x": 0.7, "y": -1.3, "z": 2.5}


def value_of(text: str, **variables: float) -> float:
    return evaluate(text, variables).root.data


def gradients_of(text: str, **variables: float) -> dict[str, float]:
    expression = evaluate(text, variables)
    expression.root.backward()
    return {name: leaf.grad for name, leaf in expression.variables.items()}


def error_of(text: str, **variables: float) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, variables)
    return caught.value


def test_nodes_are_named_by_their_source_text_in_topological_order() -> None:
    names = evaluate("(x+y)  * z", {"x": -2, "y": 5, "z": -4}).names
    assert list(names.values()) == ["x", "y", "x+y", "z", "(x+y) * z"]


def test_nodes_inside_a_function_are_named_by_their_formula() -> None:
    names = evaluate("softmax([x, y])[0]", {"x": 1, "y": 2}).names
    x, y, total = "exp(x - 2)", "exp(y - 2)", "exp(x - 2) + exp(y - 2)"
    assert list(names.values()) == ["x", "2", "x - 2", x, "y", "y - 2", y, total, "softmax([x, y])[0]"]


def test_a_variable_that_occurs_twice_is_one_leaf_with_the_sum_of_both_gradients() -> None:
    expression = evaluate("x * x", {"x": 3})
    expression.root.backward()
    assert expression.root.operands[0] is expression.root.operands[1] is expression.variables["x"]
    assert expression.variables["x"].grad == 6.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7 // 2 - 7 % 4", 0.0),
        ("-2 ** 2", -4.0),
        ("2 ** 3 ** 2", 512.0),
        ("+-+2", -2.0),
        ("1e-3 * 1_000", 1.0),
        ("0x10", 16.0),
        ("(2 > 3) + (2 <= 2) + (3 >= 4)", 1.0),
        ("cos(pi) + log(e) + sin(tau / 4)", 1.0),
        ("True + 1", 2.0),
        ("1 / 0", math.inf),
        ("-1 / 0", -math.inf),
        ("exp(1000)", math.inf),
        ("1e999", math.inf),
        ("9" * 400, math.inf),
        ("10 ** 400", math.inf),
        ("2 ** 2 ** 2 ** 2 ** 9", math.inf),
        (" \n 2 \t\n + 3\n", 5.0),
    ],
)
def test_numbers_alone_are_computed_in_float64(text: str, expected: float) -> None:
    root = evaluate(text).root
    assert root.data == pytest.approx(expected, rel=1e-15)
    assert not root.requires_grad


@pytest.mark.parametrize("text", ["nan", "inf - inf", "0 / 0", "log(-1)", "x * inf"])
def test_invalid_operations_give_nan(text: str) -> None:
    assert math.isnan(value_of(text, **({"x": 0.0} if "x" in text else {})))


def test_log_to_base_two_is_exact() -> None:
    assert value_of("log(x, 2)", x=8) == 3.0
    assert value_of("log(x, base=10)", x=1000) == math.log10(1000)


ROWS = [row for row in operations.TABLE.values() if row.gather is None]  # the others take lists


@pytest.mark.parametrize("row", ROWS, ids=repr)
def test_every_function_of_the_table_is_called_by_name(row: Operation) -> None:
    names = (row.parameters or ("x", "y"))[:3]
    point = dict(zip("xyz", [0.25, 0.5, 0.75]))
    arguments = dict(zip(names, point.items()))
    call = f"{row.name}({', '.join(name for name, _ in arguments.values())})"
    given = dict(arguments.values())
    expected = row.function(*given.values())
    assert value_of(call, **given) == expected or (math.isnan(expected) and math.isnan(value_of(call, **given)))


@pytest.mark.parametrize(
    "name",
    sorted(name for name in FUNCTIONS if hasattr(math, name) and name not in ("dist", "fsum", "prod", "sumprod")),
)
def test_functions_of_the_math_module_give_its_values(name: str) -> None:
    signature = inspect.signature(FUNCTIONS[name])
    arity = 2 if name in ("hypot", "pow", "atan2", "copysign", "fmod", "remainder") else 1
    assert len(signature.parameters) <= 2
    point = [1.25, 0.5] if name == "acosh" else [0.25, 0.5]
    text = f"{name}({', '.join('xy'[:arity])})"
    expected = float(getattr(math, name)(*point[:arity]))
    assert value_of(text, **dict(zip("xy"[:arity], point))) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum([x, y, 1])", 0.4),
        ("sum((x, y), 1)", 0.4),
        ("sum([x, y], start=z)", 1.9),
        ("fsum([x, y])", -0.6),
        ("prod([x, y, z])", -2.275),
        ("sumprod([x, y], [y, z])", -4.16),
        ("dist([x, 0], [0, 2.4])", 2.5),
        ("dot([x, y], [1, 2], z)", 0.6),
        ("dot(ws=[x, y], xs=[1, 2], bias=1)", -0.9),
        ("logsumexp([x, x])", 0.7 + math.log(2)),
        ("softmax([x, x, x, x])[-1]", 0.25),
        ("sum(softmax([x, y, z]))", 1.0),
        ("[x, y, z][1]", -1.3),
        ("leaky_relu(y, slope=0.1)", -0.13),
        ("clip(z, 0, 1)", 1.0),
        ("where(x > y, x, y)", 0.7),
        ("fabs(y) + abs(y)", 2.6),
        ("hypot(3, 4, 12) * x / x", 13.0),
    ],
)
def test_functions_take_lists_keywords_and_defaults(text: str, expected: float) -> None:
    variables = {name: number for name, number in NUMBERS.items() if re.search(rf"\b{name}\b(?!=)", text)}
    assert value_of(text, **variables) == pytest.approx(expected, rel=1e-12)


def test_a_variable_comes_before_a_constant_or_function_of_its_name() -> None:
    assert value_of("e + pi", e=1, pi=2) == 3.0
    assert value_of("sin + sin(sin)", sin=0.0) == 0.0


def test_variables_may_have_any_name_that_python_allows() -> None:
    assert value_of("λ * größe", λ=2, größe=3) == 6.0


def test_what_no_variable_takes_part_in_is_a_constant() -> None:
    product = evaluate("2 * pi * x", {"x": 1}).root
    constant, _ = product.operands
    assert constant.data == 2 * math.pi
    assert not constant.requires_grad


leaf_texts = st.sampled_from(["x", "y", "z"]) | st.integers(0, 20).map(str)
arithmetic = st.recursive(
    leaf_texts,
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner) | inner.map("-{}".format),
    max_leaves=30,
)


@given(arithmetic)
def test_arithmetic_agrees_with_python(text: str) -> None:
    try:
        expected = float(eval(text, {}, NUMBERS))
    except (ZeroDivisionError, OverflowError):
        return
    variables = {name: number for name, number in NUMBERS.items() if name in text}
    assert value_of(text, **variables) == pytest.approx(expected, rel=1e-9, abs=1e-300, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("x + foo(x)", 5, "unknown function foo"),
        ("max(x, 1)", 1, "it is called maximum"),
        ("x + sgmoid(x)", 5, "did you mean sigmoid?"),
        ("x + __import__(x)", 5, "unknown function __import__"),
        ("x + x.real", 5, "attributes"),
        ("math.exp(x)", 1, "attributes"),
        ("2 (x)", 1, "2 * (x + y)"),
        ("x + y", 5, "y has no value: add y=..."),
        ("é + x + y", 1, "é and y have no value: add é=... y=..."),
        ("x * sin", 5, "sin is a function; call it, sin(x)"),
        ("x ^ 2", 3, "x ** y"),
        ("(x) @ x", 5, "dot"),
        ("x | 1", 3, "integers"),
        ("x + ~x", 5, "integers"),
        ("x == 1", 3, "where"),
        ("x is x", 3, "where"),
        ("0 < x < 1", 7, "chained"),
        ("x and 1", 3, "where"),
        ("not x", 1, "where"),
        ("x if x else 1", 1, "where"),
        ("x + (lambda: 1)", 6, "lambda"),
        ("sum([x for x in x])", 5, "comprehensions"),
        ("sum({x})", 5, "lists"),
        ("x + 'a'", 5, "string"),
        ("x + __import__('os')", 16, "string"),
        ("x + b'a'", 5, "string"),
        ("x + f'{x}'", 5, "string"),
        ("x + (x := 2)", 6, "assigned"),
        ("x + 2j", 5, "complex"),
        ("x + None", 5, "None is no number"),
        ("hypot(*[x])", 7, "unpacked"),
        ("sin(**x)", 5, "unpacked"),
        ("elu(x, a=1, a=2)", 13, "given twice"),
        ("elu(x, b=1)", 1, "called as elu(x, a=1.0)"),
        ("1 + sin(x, x)", 5, "called as sin(x)"),
        ("1 + sin([x])", 5, "x must be a number, not a list of one element; it is called as sin(x)"),
        ("1 + hypot(x, [x, 2])", 5, "must be a number, not a list of 2 elements"),
        ("1 + [x]", 1, "an operand must be a number, not a list of one element"),
        ("-softmax([x, 1, 2])", 1, "an operand must be a number, not a list of 3 elements"),
        ("take([x, 1], [0])", 1, "index must be a number, not a list"),
        ("take(x, 0)", 1, "needs a list"),
        ("1 + sum(x)", 5, "needs a list"),
        ("dot([x], [x], [x])", 1, "bias must be a number, not a list"),
        ("dot([x], [x, x])", 1, "as many"),
        ("logsumexp([])+x", 1, "at least one"),
        ("sum([x, [x]])", 1, "each element of terms must be a number, not a list"),
        ("x[0]", 1, "only a list has elements"),
        ("[x][1]", 1, "no element 1"),
        ("[x][x]", 5, "whole number"),
        ("[x][True]", 5, "whole number"),
        ("softmax([x])", 1, "the result is a list"),
        ("  x +", 6, "invalid syntax"),
        ("x x", 3, "an operator is missing before x"),
        ("2x", 2, "a product needs its sign, as in 2*x"),
        ("1.5e3x + 1", 6, "a product needs its sign"),
        ("x + 2 x", 7, "a product needs its sign"),
        ("x + 2exp(x)", 6, "missing before exp"),
        ("(x) x", 5, "missing before x"),
        ("x2 + 2 (x) 3", 12, "missing before 3"),
        ("sin(x, 2 x)", 10, "an operator or a comma is missing before x"),
        ("x(x + 1)", 1, "x is a variable and no function; a product needs its sign"),
        ("x not", 6, "invalid syntax"),
        ("x + $ + 2 x", 5, "invalid syntax"),
        ("x + 08", 5, "can't start with 0"),
        ("é + ) + x", 5, "unmatched ')'"),
        ("(x", 1, "never closed"),
        ("x = 3", 3, "without =; a variable's number stands beside it, as in x=1"),
        ("x + (x = 3)", 6, "without ="),
        ("x; x", 2, "invalid syntax"),
        ("x # y", 3, "comment"),
        ("x + \0", 5, "character"),
        ("x + \ud800", 5, "character"),
        ("  x +\n foo(x)", 8, "unknown function foo"),
        ("x*é + é.real", 7, "attributes"),
        ("x + " + "9" * 5000, 5, "1,000 digits"),
    ],
)
def test_an_error_points_at_its_column(text: str, column: int, said: str) -> None:
    error = error_of(text, x=1)
    assert said in str(error)
    assert error.column == column


def test_an_unused_variable_is_named() -> None:
    assert str(error_of("x", x=1, y=2, w=3)) == "y and w are given but not used in the expression"


def test_a_missing_and_an_unused_variable_are_named_together() -> None:
    assert str(error_of("x * Y", x=1, y=2)) == "column 5: Y has no value: add Y=...; y is given but not used"


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_expression_is_refused(text: str) -> None:
    assert "empty" in str(error_of(text))


def test_a_variable_must_be_a_number() -> None:
    with pytest.raises(TypeError, match="'a'"):
        evaluate("x", {"x": "a"})  # type: ignore[dict-item]


def test_a_long_chain_of_operators_is_computed() -> None:
    assert gradients_of("x" + "+x" * 1000, x=1) == {"x": 1001.0}


BRACKETS = "[" * 50 + "x" + "]" * 50 + "[0]" * 50  # beside them, the deepest of other kinds


@pytest.mark.parametrize(
    "text",
    [
        "-" * (MAX_NESTING - 1) + "x",
        "x" + "**x" * (MAX_NESTING - 1),
        "x" + "*x" * (MAX_NESTING - 1),
        "x**-" * (MAX_NESTING // 2 - 1) + "x",
        "(" * MAX_BRACKETS + "x" + ")" * MAX_BRACKETS,
        "(x<-" * MAX_BRACKETS + "x" + ")" * MAX_BRACKETS + "+1",
        "x**" * (MAX_NESTING - 101) + BRACKETS,
        "-" * (MAX_NESTING - 102) + BRACKETS,
        "x**" * (MAX_NESTING - 3) + f"-({BRACKETS.replace('[0]', '').replace('[', '(').replace(']', ')')})**2",
    ],
    ids=range(9),
)
def test_nesting_is_computed_up_to_the_limits(text: str) -> None:
    assert abs(value_of(text, x=1)) == 1.0


@pytest.mark.parametrize("opening", ["sin(", "sum([x,"])
def test_nested_calls_are_computed(opening: str) -> None:
    assert math.isfinite(value_of(opening * 40 + "x" + ("])" if "[" in opening else ")") * 40, x=1))


def test_a_wide_sum_up_to_the_longest_text_is_computed() -> None:
    assert gradients_of("sum([x" + ",x" * 4990 + "])", x=1) == {"x": 4991.0}
    assert gradients_of("sum([-x*x" + ",-x*x" * 1990 + "])", x=1) == {"x": -2.0 * 1991}


@pytest.mark.parametrize(
    "text",
    [
        "-" * MAX_NESTING + "x",
        "-" * 9999 + "x",
        "x" + "+x" * MAX_NESTING,
        "x" + "+x" * 4999,
        "x" + "**x" * MAX_NESTING,
        "x" + "**x" * 3000,
        "(" * (MAX_BRACKETS + 1) + "x" + ")" * (MAX_BRACKETS + 1),
        "(" * 10_000,
        "sin(" * 2500,
        "[" * 150 + "x" + "]" * 150 + "[0]" * 150,
        "x" + "[0]" * MAX_NESTING,
    ],
    ids=range(11),
)
def test_nesting_beyond_the_limits_is_an_error(text: str) -> None:
    assert str(error_of(text, x=1)) == ("the expression is nested too deeply; write a long sum as sum([a, b, c])")


@pytest.mark.parametrize("text", ["not " * 2000 + "x", "x if x else " * 800 + "x", "x" + ".x" * 4000, "lambda:" * 1400])
def test_words_nested_without_end_are_an_error(text: str) -> None:
    error_of(text, x=1)


def test_a_byte_order_mark_is_no_part_of_an_expression() -> None:
    assert value_of("\ufeffx * 2", x=3) == 6.0
    assert value_of("\ufeff\ufeff \t x * 2", x=3) == 6.0
    assert value_of(" \ufeffx * 2", x=3) == 6.0
    assert error_of("\ufeffx * foo(x)", x=3).column == 5
    assert "U+FEFF" in str(error_of("x\ufeff", x=3))


@pytest.mark.parametrize("name", ["x", "é", "数", "𝛼"])
@pytest.mark.parametrize(
    ("text", "column"),
    [("x +", 4), ("x x", 3), ("x; x", 2), ("x + $", 5), ("2x", 2), ("x + (x", 5), ("x ^ x", 3), ("x * (x == x)", 8)],
)
def test_columns_are_counted_in_characters(text: str, column: int, name: str) -> None:
    assert error_of(text.replace("x", name), **{name: 1.0}).column == column


@pytest.mark.parametrize(("name", "cells"), [("é", 1), ("e\u0301", 1), ("数", 2), ("ｘ", 2), ("कु", 1)])
def test_the_caret_stands_below_the_column_as_it_is_displayed(name: str, cells: int) -> None:
    error = error_of(f"{name} + foo(x)", x=1)
    assert error.column == len(name) + 4
    assert error.excerpt().splitlines()[1] == " " * (cells + 3) + "^"


def test_a_longer_text_is_refused_with_the_limit() -> None:
    assert f"at most {MAX_LENGTH:,} characters" in str(error_of("x" * (MAX_LENGTH + 1)))


def test_the_excerpt_shows_the_surroundings_of_a_far_column() -> None:
    error = error_of("x + " * 300 + "foo(x)" + " + x" * 300, x=1)
    line, caret = error.excerpt(40).splitlines()
    assert len(line) == 40
    assert line[caret.index("^") :].startswith("foo(x)")
