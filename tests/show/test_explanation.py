"""Explanations, checked by taking the printed steps again with plain arithmetic."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from recipes import Recipe, recipes

import autograd_mini
from autograd_mini import Explanation, Value, cos, dot, exp, explain, log, no_grad, operation, tanh, topological_order
from autograd_mini import sum as sum_of
from autograd_mini.engine.operations import TABLE
from autograd_mini.show.explanation import MAX_STEPS
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
  ∂f/∂z = ∂f/∂f · ∂f/∂z = 1 · 3 = 3
  ∂f/∂q = ∂f/∂f · ∂f/∂q = 1 · (-4) = -4
  ∂f/∂y = ∂f/∂q · ∂q/∂y = -4 · 1 = -4
  ∂f/∂x = ∂f/∂q · ∂q/∂x = -4 · 1 = -4"""


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
    for line in lines(explanation, "Backward"):
        left, sign, *sides = re.split(r" (\+?=) ", line)
        [root, name] = left.replace("∂", "").split("/")
        *written, result = sides[::2]
        if not written:
            assert (root, result) == (name, "1")
            grads[root] = 1.0
        elif "∂" in written[0]:
            upstream, local = (factor.split("/") for factor in written[0].split(" · "))
            first, second = (float(factor.strip("()")) for factor in written[1].split(" · "))
            assert upstream[1] == local[0]
            assert same(grads[upstream[1].lstrip("∂")], first)
            assert re.sub("[⁽⁾⁰¹²³⁴-⁹]", "", local[1]) == f"∂{name}"
            assert same(first * second, float(result))
            assert sign == "+=" or name not in grads
            grads[name] = grads.get(name, 0.0) + first * second
        else:
            before, contribution = (float(term.strip("()")) for term in written[0].split(" + "))
            assert same(before + contribution, float(result))
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
    explanation = explain(root, limit=10_000)
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
    for line, node in zip(lines(explain(root, limit=10_000), "Forward"), named_nodes(root), strict=True):
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


def test_paths_that_meet_are_accumulated_one_by_one() -> None:
    x = Value(3.0, "x")
    explanation = explain(x * x + x)
    assert lines(explanation, "Backward") == [
        "∂f/∂f = 1",
        "∂f/∂v1 = ∂f/∂f · ∂f/∂v1 = 1 · 1 = 1",
        "∂f/∂x += ∂f/∂f · ∂f/∂x = 1 · 1 = 1",
        "∂f/∂x += ∂f/∂v1 · ∂v1/∂x⁽¹⁾ = 1 · 3 = 3",
        "∂f/∂x = 1 + 3 = 4",
        "∂f/∂x += ∂f/∂v1 · ∂v1/∂x⁽²⁾ = 1 · 3 = 3",
        "∂f/∂x = 4 + 3 = 7",
    ]
    assert [step.grad for step in explanation.backward if isinstance(step, AccumulationStep)] == [4.0, 7.0]


def operands_for(name: str) -> list[Value]:
    row = TABLE[name]
    count = len(row.parameters) or {"dot": 5, "dist": 4}.get(name, 3)
    return [Value(x, f"x{i}") for i, x in enumerate([-1.5, 0.25, 2.0, -0.5, 3.0][:count])]


@pytest.mark.parametrize("name", TABLE)
def test_every_operation_has_a_formula_that_computes_it(name: str) -> None:
    operands = operands_for(name)
    out = TABLE[name].apply(operands)
    *_, line = lines(explain(out), "Forward")
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


def test_numbers_are_printed_with_all_their_digits() -> None:
    [given, *_] = explain(tanh(Value(1 / 3, "x"))).forward
    assert str(given) == "x = 0.3333333333333333"


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


# Names.


def test_nodes_without_a_label_are_numbered_and_the_root_is_f() -> None:
    x = Value(1.0)
    assert [step.name for step in explain(tanh(x + 1.0) * x).forward] == ["v1", "v2", "v3", "f"]


def test_generated_names_avoid_labels() -> None:
    x, y = Value(1.0, "f"), Value(2.0, "v1")
    assert [step.name for step in explain(x * y + x).forward] == ["f", "v1", "v2", "v3"]


def test_repeated_labels_are_numbered() -> None:
    ws = [Value(1.0, "w"), Value(2.0, "w"), Value(3.0, "w#2"), Value(4.0, "w")]
    assert [step.name for step in explain(sum_of(ws)).forward] == ["w", "w#3", "w#2", "w#4", "f"]


def test_names_beat_labels_and_leave_them_alone() -> None:
    x = Value(1.0, "label")
    assert str(explain(tanh(x), x=x).forward[0]) == "x = 1"
    assert x.label == "label"


def test_a_name_is_the_nodes_own_even_if_an_earlier_node_has_it_as_a_label() -> None:
    labelled, x = Value(1.0, "a"), Value(2.0)
    assert [str(step) for step in explain(labelled * x, a=x).forward] == ["a#2 = 1", "a = 2", "f = a#2 · a = 1 · 2 = 2"]


def test_constants_are_shown_as_numbers_and_by_their_labels_where_they_have_any() -> None:
    target = Value(0.5, "t").detach()
    explanation = explain((Value(2.0, "y") - target) * 3.0)
    assert lines(explanation, "Forward")[1:3] == ["t = 0.5", "v1 = y - t = 2 - 0.5 = 1.5"]
    assert not any("∂t" in line or "∂3" in line for line in lines(explanation, "Backward"))


def test_a_label_that_reads_as_a_formula_is_bracketed() -> None:
    total = Value(2.0, "a + b") * Value(3.0, "c")
    assert lines(explain(total), "Forward")[-1] == "f = (a + b) · c = 2 · 3 = 6"
    assert lines(explain(total), "Backward")[-1] == "∂f/∂(a + b) = ∂f/∂f · ∂f/∂(a + b) = 1 · 3 = 3"


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
    assert str(explain(x * 2.0)).splitlines() == [
        "Forward",
        f"  {name} = 3",
        f"  f = {name} · 2 = 3 · 2 = 6",
        "",
        "Backward",
        "  ∂f/∂f = 1",
        f"  ∂f/∂{name} = ∂f/∂f · ∂f/∂{name} = 1 · 2 = 2",
    ]


def test_data_changed_after_the_computation_are_noticed() -> None:
    values = lecture_example()
    values["x"].data = 100.0
    with pytest.raises(ValueError, match=r"q = 3 was computed before .* x = 100, y = 5\): compute the graph again"):
        explain(values["f"], **values)


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
    with pytest.raises(ValueError, match="before the data of its operands changed"):
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
    assert len(explain(y, limit=steps).backward) == 7
    with pytest.raises(ValueError, match=f"more than {steps - 1} steps"):
        explain(y, limit=steps - 1)
    assert steps < MAX_STEPS


@pytest.mark.parametrize("root", [3.0, None, "x", [Value(1.0)]])
def test_a_root_that_is_no_value_is_refused(root: object) -> None:
    with pytest.raises(TypeError, match="explain needs a Value, not"):
        explain(root)  # type: ignore[arg-type]


def test_names_for_no_value_or_a_strangers_are_refused() -> None:
    with pytest.raises(TypeError, match=r"'lr' .* needs a Value, not 0\.1 \(float\)"):
        explain(Value(1.0), lr=0.1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'stranger' names a Value that is not in the graph"):
        explain(Value(1.0), stranger=Value(1.0))


@pytest.mark.parametrize(
    ("limit", "error", "message"),
    [
        (0, ValueError, "limit must be at least 1, not 0"),
        (1.5, TypeError, "limit must be an integer, not 1.5"),
        (Value(1.0), TypeError, r"limit .* not a node: give Value.* the label 'limit'"),
    ],
)
def test_a_bad_limit_is_refused(limit: int, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        explain(Value(1.0), limit=limit)


def test_a_copied_graph_has_the_same_explanation() -> None:
    values = lecture_example()
    for name, value in values.items():
        value.label = name
    assert str(explain(copy.deepcopy(values["f"]))) == LECTURE_EXAMPLE


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


def test_operands_are_told_apart_by_identity_not_by_their_data() -> None:
    x, y = Value(2.0, "x"), Value(2.0, "y")
    assert "∂f/∂y = ∂f/∂f · ∂f/∂y = 1 · 2 = 2" in str(explain(x * y))
    assert "∂f/∂x = ∂f/∂f · ∂f/∂x = 1 · 1 = 1" in str(explain(x + 2))
    assert "∂f/∂x⁽³⁾" not in str(explain(autograd_mini.sum([x, y, x])))
