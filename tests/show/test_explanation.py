"""Explanations, checked by taking the printed steps again with plain arithmetic."""

from __future__ import annotations

import functools
import math
import operator
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from recipes import Recipe, recipes

import autograd_mini
from autograd_mini import (
    Explanation,
    Value,
    cos,
    dot,
    draw,
    exp,
    explain,
    log,
    no_grad,
    operation,
    tanh,
    topological_order,
)
from autograd_mini import sum as sum_of
from autograd_mini.engine.operations import TABLE
from autograd_mini.show.explanation import MAX_STEPS
from autograd_mini.show.format import number
from autograd_mini.show.formulas import Text
from autograd_mini.show.steps import AccumulationStep, ChainRuleStep, SeedStep

LECTURE_EXAMPLE = """\
Forward
  x = -2
  y = 5
  q = x + y = -2 + 5 = 3
  z = -4
  f = q · z = 3 · (-4) = -12

Backward
  ∂f/∂f = 1
  ∂(q · z)/∂z = q = 3
      ∂f/∂z = ∂f/∂f · ∂(q · z)/∂z = 1 · 3 = 3
  ∂(q · z)/∂q = z = -4
      ∂f/∂q = ∂f/∂f · ∂(q · z)/∂q = 1 · (-4) = -4
  ∂(x + y)/∂y = 1
      ∂f/∂y = ∂f/∂q · ∂(x + y)/∂y = -4 · 1 = -4
  ∂(x + y)/∂x = 1
      ∂f/∂x = ∂f/∂q · ∂(x + y)/∂x = -4 · 1 = -4"""


def lecture_example() -> dict[str, Any]:
    """Compute f = (x + y) z of CISC6000: Neural Networks."""
    x, y, z = Value(-2.0), Value(5.0), Value(-4.0)
    q = x + y
    return {"x": x, "y": y, "z": z, "q": q, "f": q * z}


def explain_lecture_example() -> Explanation:
    values = lecture_example()
    return explain(values["f"], **values)


def lines(explanation: Explanation, part: str) -> list[str]:
    """Read the lines of one pass from the printed text."""
    block = str(explanation).partition(f"{part}\n")[2].partition("\n\n")[0]
    return [line.strip() for line in block.splitlines()]


# Taking the printed steps again.


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def computed(formula: str, names: Mapping[str, Any]) -> float:
    return float(eval(formula.replace("·", "*"), {"__builtins__": {}, "inf": math.inf, "nan": math.nan}, dict(names)))


def replay_backward(explanation: Explanation) -> dict[str, float]:
    """Follow the printed chain rules from the root back, and give the gradients they arrive at, by name."""
    grads: dict[str, float] = {}
    local: list[str] = []  # the equation of the local derivative, before the product with it
    for line in lines(explanation, "Backward"):
        left, sign, *sides = re.split(r" (\+?=) ", line.partition(" because ")[0])
        if not re.fullmatch(r"∂\w+/∂\w+", left) or left.split("/")[0] != f"∂{explanation.forward[-1].name}":
            local = [left, *sides]
            continue
        [root, name] = left.replace("∂", "").split("/")
        *written, result = [sides[0], *sides[2::2]]
        if not written:
            assert (root, result) == (name, "1")
            grads[root] = 1.0
        elif "∂" in written[0]:
            upstream, times_local = written[0].split(" · ", 1)
            first, second = (float(factor.strip("()")) for factor in written[1].split(" · "))
            assert times_local == local[0]
            assert same(second, float(local[-1]))
            assert same(grads[upstream.split("/")[1].lstrip("∂")], first)
            assert re.sub("[⁽⁾⁰¹²³⁴-⁹]", "", local[0]).endswith(("∂", "d")[local[0][0] == "d"] + name)
            assert same(first * second, float(result))
            assert sign == "+=" or name not in grads
            grads[name] = grads.get(name, 0.0) + first * second
        else:
            terms = [float(term.strip("()")) for term in written[0].split(" + ")]
            assert same(functools.reduce(operator.add, terms), float(result))
            assert same(grads[name], float(result))
    return grads


REFERENCES = {
    **{name: getattr(math, name) for name in "exp log sqrt sin cos tanh atan asinh erf hypot floor".split()},
    "abs": abs,
    "maximum": max,
    "minimum": min,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log1p(math.exp(-abs(x))) + max(x, 0.0),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "gelu": lambda x: x * math.erfc(-x / math.sqrt(2)) / 2,
    "logsumexp": lambda *xs: max(xs) + math.log(sum(math.exp(x - max(xs)) for x in xs)),
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x, slope: max(x, slope * x),
    "elu": lambda x, a: x if x > 0 else a * math.expm1(x),
    "clip": lambda x, low, high: min(max(x, low), high),
    "where": lambda condition, x, y: x if condition else y,
    "sign": lambda x: math.copysign(1.0, x) if x else 0.0,
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recipes(largest=120))
def test_printed_steps_replayed_arrive_at_the_gradient_of_every_node(recipe: Recipe) -> None:
    root = recipe.values()[-1]
    explanation = explain(root, limit=10_000, digits=17)
    root.backward()
    grads = replay_backward(explanation)
    nodes = {step.name: step.node for step in explanation.forward}
    assert grads.keys() == nodes.keys()
    for name, grad in grads.items():
        assert same(grad, nodes[name].grad)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recipes(largest=60))
def test_printed_formulas_recomputed_arrive_at_the_data_of_every_node(recipe: Recipe) -> None:
    root = recipe.values()[-1]
    known: dict[str, float] = {}
    for line, node in zip(lines(explain(root, limit=10_000, digits=17), "Forward"), named_nodes(root), strict=True):
        name, *formulas, result = line.split(" = ")
        assert same(float(result), node.data)
        for formula in formulas if math.isfinite(node.data) and abs(node.data) < 1e9 else []:
            recomputed = computed(formula, {**REFERENCES, **known})
            assert recomputed == pytest.approx(node.data, rel=1e-9, abs=1e-9)
        known[name] = float(result)


def named_nodes(root: Value) -> list[Value]:
    return [node for node in topological_order(root) if node.requires_grad]


# What is printed.


def test_the_lecture_example_is_explained_in_the_notes_order() -> None:
    explanation = explain_lecture_example()
    assert str(explanation) == LECTURE_EXAMPLE
    assert repr(explanation) == LECTURE_EXAMPLE


def test_steps_hold_what_is_printed_as_numbers() -> None:
    values = lecture_example()
    explanation = explain(values["f"], **values)
    q = explanation.forward[2]
    assert (q.node, q.name, q.data) == (values["q"], "q", 3.0)
    assert [(operand.name, operand.data) for operand in q.operands] == [("x", -2.0), ("y", 5.0)]
    seed, *_, to_x = explanation.backward
    assert isinstance(seed, SeedStep)
    assert (seed.node, seed.grad) == (values["f"], 1.0)
    assert isinstance(to_x, ChainRuleStep)
    assert (to_x.node, to_x.result, to_x.position) == (values["x"], values["q"], 0)
    assert (to_x.upstream, to_x.local_derivative, to_x.contribution, to_x.grad) == (-4.0, 1.0, -4.0, -4.0)


def test_where_paths_meet_the_sum_is_shown_with_its_terms() -> None:
    x = Value(3.0, "x")
    explanation = explain(x * x + x)
    assert lines(explanation, "Backward") == [
        "∂f/∂f = 1",
        "∂(v1 + x)/∂v1 = 1",
        "∂f/∂v1 = ∂f/∂f · ∂(v1 + x)/∂v1 = 1 · 1 = 1",
        "∂(v1 + x)/∂x = 1",
        "∂f/∂x += ∂f/∂f · ∂(v1 + x)/∂x = 1 · 1 = 1",
        "∂(x⁽¹⁾ · x⁽²⁾)/∂x⁽¹⁾ = x⁽²⁾ = 3",
        "∂f/∂x += ∂f/∂v1 · ∂(x⁽¹⁾ · x⁽²⁾)/∂x⁽¹⁾ = 1 · 3 = 3",
        "∂(x⁽¹⁾ · x⁽²⁾)/∂x⁽²⁾ = x⁽¹⁾ = 3",
        "∂f/∂x += ∂f/∂v1 · ∂(x⁽¹⁾ · x⁽²⁾)/∂x⁽²⁾ = 1 · 3 = 3",
        "∂f/∂x = 1 + 3 + 3 = 7",
    ]
    *uses, total = [step for step in explanation.backward if step.name == "x"]
    assert [step.grad for step in uses] == [1.0, 4.0, 7.0]  # what is there after each path
    assert isinstance(total, AccumulationStep)
    assert (total.contributions, total.grad) == ((1.0, 3.0, 3.0), 7.0)


def test_a_term_of_minus_zero_needs_no_brackets() -> None:
    x = Value(-3.0, "x")
    *_, total = str(
        explain(autograd_mini.where(x > 0, x, 0.1 * x) * autograd_mini.sin(x))
    ).splitlines()  # -0.3 cos(-3) and 0.1 sin(-3)
    assert total.strip() == "∂f/∂x ≈ 0.297 + 0 + (-0.01411) ≈ 0.2829"


def operands_for(name: str) -> list[Value]:
    row = TABLE[name]
    count = len(row.parameters) or {"dot": 5, "dist": 4}.get(name, 3)
    return [Value(x, f"x{i}") for i, x in enumerate([-1.5, 0.25, 2.0, -0.5, 3.0][:count])]


@pytest.mark.parametrize("name", TABLE)
def test_every_operation_has_a_formula_that_computes_it(name: str) -> None:
    operands = operands_for(name)
    out = TABLE[name].apply(operands)
    *_, line = lines(explain(out, digits=17), "Forward")
    _, formula, numbers, result = line.split(" = ")
    assert same(float(result), out.data)
    functions = {name: row.function for name, row in TABLE.items()}
    functions["dist"] = math.dist
    symbols = {operand.label: operand.data for operand in operands}
    if name == "pow":  # of a negative number and a fraction, which Python computes as a complex one
        assert (formula, numbers) == ("x0 ** x1", "(-1.5) ** 0.25")
        return
    assert same(computed(formula, {**functions, **symbols}), out.data)
    assert same(computed(numbers, functions), out.data)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda x, y: -x, "f = -x = -(-3) = 3"),
        (lambda x, y: y - x, "f = y - x = 0.5 - (-3) = 3.5"),
        (lambda x, y: x**2, "f = x ** 2 = (-3) ** 2 = 9"),
        (lambda x, y: 2.0**x, "f = 2 ** x = 2 ** (-3) = 0.125"),
        (lambda x, y: 1 / y, "f = 1 / y = 1 / 0.5 = 2"),
        (lambda x, y: x * -2.5, "f = x · (-2.5) = -3 · (-2.5) = 7.5"),
        (lambda x, y: autograd_mini.less(x, y), "f = (x < y) = (-3 < 0.5) = 1"),
        (lambda x, y: x.relu(), "f = relu(x) = relu(-3) = 0"),
        (lambda x, y: dot([x, y], [y, -2.0], x), "f = x · y + y · (-2) + x = -3 · 0.5 + 0.5 · (-2) + (-3) = -5.5"),
        (lambda x, y: dot([y], [x]), "f = y · x = 0.5 · (-3) = -1.5"),
        (lambda x, y: dot([y], [x], Value(0.0, "b")), "f = y · x + b = 0.5 · (-3) + 0 = -1.5"),
        (lambda x, y: dot([y], [Value(0.0, "b")], 0.0), "f = y · b = 0.5 · 0 = 0"),
        (lambda x, y: dot([], [], x), "f = x = -3 = -3"),
        (lambda x, y: sum_of([x, y, x]), "f = x + y + x = -3 + 0.5 + (-3) = -5.5"),
        (lambda x, y: autograd_mini.dist([x, y], [1.0, y]), "f = dist([x, y], [1, y]) = dist([-3, 0.5], [1, 0.5]) = 4"),
    ],
)
def test_formulas_read_as_they_are_computed(make: Any, line: str) -> None:
    assert lines(explain(make(Value(-3.0, "x"), Value(0.5, "y"))), "Forward")[-1] == line


def test_a_users_operation_is_shown_by_its_name_or_operator() -> None:
    cube = operation("cube(x)", lambda x: x**3, lambda out, x: 3 * x * x, symbol="<x³>")
    blend = operation("blend(x, y)", lambda x, y: x + 2 * y, lambda out, x, y: 1.0, lambda out, x, y: 2.0, symbol="⊕")
    x = Value(2.0, "x")
    assert lines(explain(cube(x)), "Forward")[-1] == "f = cube(x) = cube(2) = 8"
    assert lines(explain(blend(x, 1.0)), "Forward")[-1] == "f = x ⊕ 1 = 2 ⊕ 1 = 4"


def test_nan_and_inf_are_followed_too() -> None:
    x = Value(0.0, "x")
    explanation = explain(log(x) * x)
    assert lines(explanation, "Forward")[1:] == ["v1 = log(x) = log(0) = -inf", "f = v1 · x = -inf · 0 = nan"]
    grads = replay_backward(explanation)
    assert grads["v1"] == 0.0
    assert math.isnan(grads["x"])


def test_a_leaf_alone_is_its_own_derivative() -> None:
    assert str(explain(Value(3.0, "x"))) == "Forward\n  x = 3\n\nBackward\n  ∂x/∂x = 1"


def test_a_constant_has_no_backward_pass() -> None:
    with no_grad():
        y = Value(2.0) * 3.0
    assert str(explain(y)) == "Forward\n  f = 6"
    assert explain(y).backward == ()


# Why a local derivative is what it is.

POINTS = [0.37, -1.3, 2.6, 0.81, -0.45]


def rule_lines(value: Value, digits: int = 17) -> list[str]:
    """List the equations of the local derivatives behind a value that one operation gave."""
    return [step.lines(Text(digits))[0] for step in explain(value).backward if isinstance(step, ChainRuleStep)]


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("name", TABLE)
def test_the_rule_of_every_operation_recomputed_gives_the_local_derivative(name: str, sign: float) -> None:
    row = TABLE[name]
    count = len(row.parameters) or {"dot": 5, "dist": 4}.get(name, 3)
    points = [abs(x) if name == "pow" else sign * x for x in POINTS]  # Python's powers of negative numbers are complex
    operands = [Value(x, f"x{i}") for i, x in enumerate(points[:count])]
    out = row.apply(operands)
    slopes = dict(zip([x.label for x in operands], out.local_derivatives))
    names = {x.label: x.data for x in operands} | {"f": out.data, "π": math.pi}
    functions = {name: row.function for name, row in TABLE.items()}
    written = rule_lines(out)
    assert len(written) == count
    for line in written:
        left, *formulas, result = line.partition(" because ")[0].split(" = ")
        slope = slopes[re.split("[∂d]", left)[-1]]
        assert same(float(result), slope)
        for formula in formulas:
            recomputed = computed(formula.replace("sqrt(2π)", "sqrt(2*π)"), {**functions, **names})
            assert recomputed == pytest.approx(slope, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.textbook])
def test_a_textbook_rule_is_the_engines_rule(name: str) -> None:
    row = TABLE[name]
    operands = [1.37] if name == "acosh" else [0.37, 0.81, 0.45][: len(row.parameters) or 3]
    out = row.function(*operands)
    textbook = row.textbook[0](out, *operands) if row.is_variadic else [rule(out, *operands) for rule in row.textbook]
    assert list(textbook) == pytest.approx(list(row.local_derivatives(out, operands)), rel=1e-12)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda u: exp(u), "d exp(u)/du = exp(u) = exp(-1) ≈ 0.3679"),
        (lambda u: autograd_mini.sin(u), "d sin(u)/du = cos(u) = cos(-1) ≈ 0.5403"),
        (lambda u: tanh(u), "d tanh(u)/du = 1 - tanh(u) ** 2 = 1 - tanh(-1) ** 2 ≈ 0.42"),
        (
            lambda u: u.sigmoid(),
            "d sigmoid(u)/du = sigmoid(u) · (1 - sigmoid(u)) = sigmoid(-1) · (1 - sigmoid(-1)) ≈ 0.1966",
        ),
        (lambda u: u**3, "d(u ** 3)/du = 3 · u ** 2 = 3 · (-1) ** 2 = 3"),
        (lambda u: u / 3, "d(u / 3)/du = 1 / 3 ≈ 0.3333"),
        (lambda u: 2 / u, "d(2 / u)/du = -2 / u ** 2 = -2 / (-1) ** 2 = -2"),
        (lambda u: 3**u, "d(3 ** u)/du = 3 ** u · log(3) = 3 ** (-1) · log(3) ≈ 0.3662"),
        (lambda u: u.relu(), "d relu(u)/du = 0 because u ≤ 0"),
        (lambda u: (-u).relu(), "d relu(v1)/dv1 = 1 because v1 > 0"),
        (lambda u: abs(u), "d abs(u)/du = -1 because u < 0"),
        (lambda u: u.leaky_relu(0.1), "d leaky_relu(u, 0.1)/du = 0.1 because u ≤ 0"),
        (lambda u: u.elu(2.0), "d elu(u, 2)/du = 2 · exp(u) = 2 · exp(-1) ≈ 0.7358 because u < 0"),
        (lambda u: u.maximum(-1.0), "d maximum(u, -1)/du = 0.5 because u = -1"),
        (lambda u: u.clip(-2.0, 2.0), "d clip(u, -2, 2)/du = 1 because u ≥ -2 and u ≤ 2"),
        (lambda u: u.greater(0.0), "d(u > 0)/du = 0"),
        (lambda u: (u * u + 1.0) % 3.0, "d(v2 % 3)/dv2 = 1"),
    ],
)
def test_a_rule_is_written_as_a_reader_knows_it(make: Any, line: str) -> None:
    assert line in rule_lines(make(Value(-1.0, "u")), digits=4)


def test_where_tells_the_branch_that_was_not_taken_from_the_path_through_the_other() -> None:
    x = Value(-3.0, "x")
    explanation = explain(autograd_mini.where(autograd_mini.greater(x, 0.0), x, 0.1 * x))
    assert lines(explanation, "Backward")[1:] == [
        "∂where(v1, x, v2)/∂v2 = 1 because v1 = 0",
        "∂f/∂v2 = ∂f/∂f · ∂where(v1, x, v2)/∂v2 = 1 · 1 = 1",
        "∂where(v1, x, v2)/∂v1 = 0",
        "∂f/∂v1 = ∂f/∂f · ∂where(v1, x, v2)/∂v1 = 1 · 0 = 0",
        "∂where(v1, x, v2)/∂x = 0 because v1 = 0",
        "∂f/∂x += ∂f/∂f · ∂where(v1, x, v2)/∂x = 1 · 0 = 0",
        "d(0.1 · x)/dx = 0.1",
        "∂f/∂x += ∂f/∂v2 · d(0.1 · x)/dx = 1 · 0.1 = 0.1",
        "d(x > 0)/dx = 0",
        "∂f/∂x += ∂f/∂v1 · d(x > 0)/dx = 0 · 0 = 0",
        "∂f/∂x = 0 + 0.1 + 0 = 0.1",
    ]


def test_the_rule_of_a_users_operation_is_written_from_what_it_computes() -> None:
    cube = operation("cube(x)", lambda x: x**3, lambda out, x: 3 * x * x)
    bent = operation("bent(x)", lambda x: x * abs(x), lambda out, x: 2 * x if x > 0 else -2 * x)
    x = Value(2.0, "x")
    assert rule_lines(cube(x)) == ["d cube(x)/dx = 3 · x ** 2 = 3 · 2 ** 2 = 12"]
    assert rule_lines(bent(x)) == ["d bent(x)/dx = 2 · x = 2 · 2 = 4 because x > 0"]
    ramp = operation("ramp(x)", lambda x: x if x > 0 else 0.0, lambda out, x: 1 if x > 0 else 0)
    assert rule_lines(ramp(x)) == ["d ramp(x)/dx = 1 because x > 0"]
    squares = operation("squares(*xs)", lambda *xs: sum(x * x for x in xs), lambda out, *xs: (2 * x for x in xs))
    assert rule_lines(squares(x, 3.0)) == ["d squares(x, 3)/dx = 2 · x = 2 · 2 = 4"]


def test_a_rule_that_symbols_cannot_read_leaves_the_number() -> None:
    opaque = operation("opaque(x)", math.sin, lambda out, x: math.cos(x))
    long = operation("long(x)", lambda x: 100 * x, lambda out, x: sum(x / x for _ in range(100)))
    wrong = operation("wrong(x)", lambda x: x, lambda out, x: float(type(x) is float))
    for made, slope in [(opaque, "-0.4161"), (long, "100"), (wrong, "1")]:
        assert re.fullmatch(rf"d {made.name}\(x\)/dx [=≈] {slope}", rule_lines(made(Value(2.0, "x")), 4)[0])


def test_of_many_operands_the_one_that_matters_is_written() -> None:
    ws, xs = [Value(1.0, f"w{i}") for i in range(9)], [Value(2.0, f"x{i}") for i in range(9)]
    written = rule_lines(dot(ws, xs, Value(0.5, "b")))
    assert {"∂(w0 · x0 + …)/∂w0 = x0 = 2", "∂(… + w4 · x4 + …)/∂x4 = w4 = 1", "∂(… + b)/∂b = 1"} <= set(written)
    assert "∂logsumexp(…, x3, …)/∂x3 = exp(x3 - f)" in rule_lines(autograd_mini.logsumexp(xs))[-4]


# Digits.


def test_numbers_have_four_digits_unless_asked_for_others() -> None:
    x = Value(1 / 3, "x")
    assert lines(explain(exp(x)), "Forward") == ["x ≈ 0.3333", "f = exp(x) ≈ exp(0.3333) ≈ 1.396"]
    assert lines(explain(exp(x), digits=6), "Forward")[-1] == "f = exp(x) ≈ exp(0.333333) ≈ 1.39561"
    assert lines(explain(exp(x), digits=17), "Forward")[-1] == f"f = exp(x) = exp({1 / 3!r}) = {math.exp(1 / 3)!r}"


def test_a_short_number_is_exact_and_the_last_bit_of_a_float_is_no_news() -> None:
    assert lines(explain(Value(-2.125, "x") * 0.5), "Forward")[-1] == "f = x · 0.5 = -2.125 · 0.5 ≈ -1.062"
    assert lines(explain(Value(0.1, "x") * 3.0), "Forward")[-1] == "f = x · 3 = 0.1 · 3 = 0.3"
    assert lines(explain(Value(123456.0, "x") + 1.0), "Forward")[-1] == "f = x + 1 = 123456 + 1 = 123457"


@pytest.mark.parametrize(
    ("digits", "error", "said"),
    [
        (0, ValueError, "digits must be at least 1, not 0"),
        (18, ValueError, "digits must be at most 17, .* not 18"),
        (4.0, TypeError, r"digits must be an integer, not 4\.0"),
        (Value(4.0), TypeError, "digits is a number of digits, not a node: .* the label 'digits'"),
    ],
)
def test_a_number_of_digits_that_no_float_has_is_refused(digits: Any, error: type[Exception], said: str) -> None:
    for function in (explain, draw):
        with pytest.raises(error, match=said):
            function(Value(1.0), digits=digits)


# Names.


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: tanh(Value(1.0) + 1.0) * 2.0, ["v1", "v2", "v3", "f"]),
        (lambda: Value(1.0, "f") * Value(2.0, "v1") + 1.0, ["f", "v1", "v2", "v3"]),
        (lambda: sum_of([Value(1.0, name) for name in ("w", "w", "w#2", "w")]), ["w", "w#3", "w#2", "w#4", "f"]),
    ],
)
def test_each_node_has_a_name_of_its_own(make: Any, names: list[str]) -> None:
    assert [step.name for step in explain(make()).forward] == names


def test_a_name_is_the_nodes_own_even_if_an_earlier_node_has_it_as_a_label() -> None:
    labelled, x = Value(1.0, "a"), Value(2.0, "b")
    assert [str(step) for step in explain(labelled * x, a=x).forward] == ["a#2 = 1", "a = 2", "f = a#2 · a = 1 · 2 = 2"]
    assert x.label == "b"


def test_constants_are_shown_as_numbers_and_by_their_labels_where_they_have_any() -> None:
    target = Value(0.5, "t").detach()
    explanation = explain((Value(2.0, "y") - target) * 3.0)
    assert lines(explanation, "Forward")[1:3] == ["t = 0.5", "v1 = y - t = 2 - 0.5 = 1.5"]
    assert not any("∂t" in line or "∂3" in line for line in lines(explanation, "Backward"))


def test_a_label_that_reads_as_a_formula_is_bracketed() -> None:
    total = Value(2.0, "a + b") * Value(3.0, "c")
    assert lines(explain(total), "Forward")[-1] == "f = (a + b) · c = 2 · 3 = 6"
    assert lines(explain(total), "Backward")[-2:] == [
        "∂((a + b) · c)/∂(a + b) = c = 3",
        "∂f/∂(a + b) = ∂f/∂f · ∂((a + b) · c)/∂(a + b) = 1 · 3 = 3",
    ]


def test_a_label_stays_on_its_line_and_does_nothing_to_the_terminal() -> None:
    x = Value(1.0, "one\ntwo\x1b[31m\r\t three" + "!" * 100)
    [step, *_] = explain(tanh(x)).forward
    assert re.fullmatch(r"one two \[31m three!+…!+ = 1", str(step))
    assert len(step.name) == 40


# What is left alone, and what is refused.


def test_explaining_changes_nothing() -> None:
    values = lecture_example()
    values["f"].backward()
    values["x"].grad = 17.0
    state = [(v.data, v.grad, v.label, v.operands, v.local_derivatives) for v in values.values()]
    assert str(explain(values["f"], **values)) == LECTURE_EXAMPLE
    assert [(v.data, v.grad, v.label, v.operands, v.local_derivatives) for v in values.values()] == state


def test_an_explanation_stays_as_it_was_when_data_change_later() -> None:
    values = lecture_example()
    explanation = explain(values["f"], **values)
    values["x"].data = 100.0
    assert str(explanation) == LECTURE_EXAMPLE


def test_names_read_from_right_to_left_are_set_apart_from_what_stands_beside_them() -> None:
    x = Value(3.0, "שלום")
    name = "\N{FIRST STRONG ISOLATE}שלום\N{POP DIRECTIONAL ISOLATE}"
    explanation = explain(x * 2.0)
    assert lines(explanation, "Forward") == [f"{name} = 3", f"f = {name} · 2 = 3 · 2 = 6"]
    assert lines(explanation, "Backward")[-1] == f"∂f/∂{name} = ∂f/∂f · d({name} · 2)/d{name} = 1 · 2 = 2"


@pytest.mark.parametrize(
    ("function", "start", "changed"),
    [
        (lambda x: x * 2.0, 3.0, math.inf),
        (lambda x: Value(1e13) * x, 1e-13, 5e-13),
        (lambda x: 1e15 + x, 1.0, 300.0),
        (cos, 1e12, 1e12 + 1.0),
        (exp, 1.0, math.nan),
        (lambda x: x * x, 2.0, -2.0),  # the derivatives alone are others
    ],
)
def test_no_equation_is_shown_that_does_not_hold(function: Any, start: float, changed: float) -> None:
    x = Value(start, "x")
    f = function(x)
    explain(f)
    x.data = changed
    with pytest.raises(ValueError, match=rf"f = .* before .*x = {number(changed)}.*: compute the graph again"):
        explain(f)


def test_data_may_change_where_every_equation_still_holds() -> None:
    x, y = Value(1e20, "x"), Value(1.0, "y")
    f = x + y
    y.data = 2.0
    assert "f = x + y = 1e+20 + 2 = 1e+20" in str(explain(f, f=f))


def test_an_operation_that_cannot_be_computed_again_is_named() -> None:
    calls: list[float] = []

    def function(x: float) -> float:
        calls.append(x)
        if len(calls) > 1:
            raise RuntimeError("only once")
        return x

    x = Value(2.0, "x")
    f = operation("once(x)", function, lambda out, x: 1.0)(x)
    with pytest.raises(ValueError, match=r"f can't be computed once more, to be explained, with x = 2: only once"):
        explain(f, f=f)


def test_a_graph_too_large_is_refused_with_a_hint() -> None:
    x = Value(1.0)
    for _ in range(100_000):
        x = tanh(x)
    with pytest.raises(ValueError, match=r"more than 300 steps: explain a part .*draw.*nn\.explain_network.*limit="):
        explain(x)


def test_the_limit_counts_steps_of_both_passes() -> None:
    x = Value(3.0, "x")
    y = x * x + x
    steps = len(explain(y).forward) + len(explain(y).backward)
    assert len(explain(y, limit=steps).backward) == 6
    with pytest.raises(ValueError, match=f"more than {steps - 1} steps"):
        explain(y, limit=steps - 1)
    assert steps < MAX_STEPS


# In colour.


def test_rich_prints_the_same_text_in_colour() -> None:
    console = pytest.importorskip("rich.console", reason="needs rich")
    terminal = console.Console(force_terminal=True, color_system="truecolor", width=200)
    with terminal.capture() as captured:
        terminal.print(explain_lecture_example())
    assert re.sub(r"\x1b\[[0-9;]*m", "", captured.get()).rstrip() == LECTURE_EXAMPLE
    assert re.search(r"-2 \+ 5\x1b\[[0-9;]+m = 3", captured.get())


def test_rich_tells_positive_negative_and_nan_by_their_colours() -> None:
    pytest.importorskip("rich", reason="needs rich")
    results = [explain(Value(x, "x") * 1.0).__rich__().spans[1] for x in (2.0, -2.0, math.nan)]
    assert len({span.style for span in results}) == 3


def test_rich_colours_the_result_and_not_the_condition_after_it() -> None:
    pytest.importorskip("rich", reason="needs rich")
    text = explain(autograd_mini.maximum(Value(2.0, "x = 1 because y"), 2.0)).__rich__()
    spans = [text.plain[span.start : span.end] for span in text.spans]
    assert spans == ["Forward", " = 2", " = 2", "\nBackward", " = 1", " = 0.5", " = 0.5"]


def test_operands_are_told_apart_by_identity_not_by_their_data() -> None:
    x, y = Value(2.0, "x"), Value(2.0, "y")
    assert "∂(x · y)/∂y = x = 2" in str(explain(x * y))
    assert "d(x + 2)/dx = 1" in str(explain(x + 2))
    assert "x⁽³⁾" not in str(explain(autograd_mini.sum([x, y, x])))


def test_show_opens_the_page_in_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    explain(Value(3.0, "x") * 2.0).show()
    path = Path(opened[0].removeprefix("file://"))
    assert "∂f/∂x" in path.read_text(encoding="utf-8")
    path.unlink()
