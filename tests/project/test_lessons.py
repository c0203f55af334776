"""What the lessons define, against PyTorch and scikit-learn: code that a reader types is right, not only consistent.

The definitions are taken from the notebooks themselves; test_notebooks.py runs these from top to bottom.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini

FOLDER = Path(__file__).parents[2] / "notebooks"


def lesson(number: int, *variables: str) -> dict[str, Any]:
    """Run what a lesson imports and defines: functions, classes, CONSTANTS and the variables that are asked for."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    pytest.importorskip("scipy", reason="SciPy is not installed")
    (path,) = FOLDER.glob(f"{number}_*.ipynb")
    names: dict[str, Any] = {"__name__": path.stem}
    for statement in statements(path):
        if isinstance(statement, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)) or (
            isinstance(statement, ast.Assign) and all(is_wanted(name, variables) for name in targets(statement))
        ):
            exec(compile(ast.Module([statement], []), str(path), "exec"), names)
    return names


def statements(path: Path) -> list[ast.stmt]:
    cells = json.loads(path.read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return [statement for text in code for statement in ast.parse(text).body]


def targets(statement: ast.Assign) -> list[str]:
    found = []
    for target in statement.targets:
        found += [ast.unparse(part) for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return found


def is_wanted(name: str, variables: tuple[str, ...]) -> bool:
    return (name.isupper() and len(name) > 1) or name.startswith("Value.") or name in variables


def test_the_engine_that_one_types_has_the_gradients_of_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    typed = lesson(0)["Value"]

    def program(a, b, c):
        d = (a * b + c).tanh() - 2 / c
        return (d * d / (1 - a) + (b - d).relu() ** 3) * d + 3 * b

    generator = np.random.default_rng(0)
    for numbers in generator.normal(size=(20, 3)):
        mine = [typed(x) for x in numbers.tolist()]
        theirs = torch.tensor(numbers, requires_grad=True)
        result, expected = program(*mine), program(*theirs)
        result.backward()
        expected.backward()
        assert result.data == pytest.approx(expected.item(), rel=1e-12)
        assert [x.grad for x in mine] == pytest.approx(theirs.grad.tolist(), rel=1e-10)


def test_the_engine_that_one_types_has_about_a_hundred_lines():
    (path,) = FOLDER.glob("0_*.ipynb")
    typed = {"Value", "as_value", "topological_order", "backward", "unary", "power", "tanh", "relu", "Neuron", "MLP"}
    lines = 0
    for statement in statements(path):
        of_class = isinstance(statement, ast.Assign) and targets(statement)[0].startswith("Value.")
        if of_class or getattr(statement, "name", None) in typed | {"train"}:
            lines += len(ast.unparse(statement).splitlines())
    assert 90 <= lines <= 125


@pytest.mark.parametrize("name", ["plain", "momentum", "nesterov", "adam"])
def test_update_rules_go_the_way_of_torchs_optimizers(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    names = lesson(9, "slope")
    rule, make = {
        "plain": (names["plain"](0.03), lambda w: torch.optim.SGD(w, lr=0.03)),
        "momentum": (names["momentum"](0.01), lambda w: torch.optim.SGD(w, lr=0.01, momentum=0.9)),
        "nesterov": (
            names["momentum"](0.01, nesterov=True),
            lambda w: torch.optim.SGD(w, lr=0.01, momentum=0.9, nesterov=True),
        ),
        "adam": (names["adam"](0.3), lambda w: torch.optim.Adam(w, lr=0.3)),
    }[name]
    point = torch.tensor(names["START"], dtype=torch.float64, requires_grad=True)
    optimizer, path = make([point]), [point.tolist()]
    for _ in range(names["STEPS"]):
        optimizer.zero_grad()
        names["ravine"](point).backward()
        optimizer.step()
        path.append(point.tolist())
    np.testing.assert_allclose(names["descend"](rule), path, rtol=1e-9, atol=1e-12)


def test_armijos_rule_takes_the_longest_of_the_rates_that_keep_enough_of_the_promise():
    names = lesson(9, "slope")
    banana = names["banana"]
    for start in ([-1.0, 1.5], [0.3, 0.1], [2.0, -1.0]):
        point, gradient = np.array(start), np.array(autograd_mini.grad(banana)(start))
        after, found = names["armijo"](banana, point)
        tried = [2.0**-k for k in range(30)]
        kept = [
            rate
            for rate in tried
            if banana(point - rate * gradient) <= banana(point) - 1e-4 * rate * gradient @ gradient
        ]
        assert found == kept[0]
        np.testing.assert_array_equal(after, point - found * gradient)


@pytest.mark.parametrize("strength", [1e-3, 0.1, 1.0])
def test_l2_gives_the_ridge_regression_of_scikit_learn(strength):
    linear_model = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    names = lesson(10)
    x, y = names["measure"](12, seed=1)
    rows = names["powers"](x, 5)
    expected = linear_model.Ridge(alpha=12 * strength).fit(rows, y)
    neuron = names["polynomial"](5, x, y, strength)
    np.testing.assert_allclose([w.data for w in neuron.w], expected.coef_, rtol=1e-9)
    assert neuron.b.data == pytest.approx(expected.intercept_, rel=1e-9)
    np.testing.assert_allclose(names["ridge"](x, y, 5, strength), expected.coef_, rtol=1e-9)


def test_backpropagation_through_time_by_hand_is_torchs():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    u, w = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (0.8, 0.5))
    xs = np.random.default_rng(0).normal(size=25)
    h = torch.tensor(0.0, dtype=torch.float64)
    for x in xs.tolist():
        h = torch.tanh(u * h + w * x)
    h.backward()
    names = lesson(11)
    expected = [h.item(), u.grad.item(), w.grad.item()]
    np.testing.assert_allclose(names["through_time"](0.8, 0.5, xs), expected, rtol=1e-12)
    slopes = autograd_mini.grad(lambda u, w: names["last_state"](u, w, xs)[0], argnums=(0, 1))(0.8, 0.5)
    np.testing.assert_allclose(slopes, expected[1:], rtol=1e-12)


def test_the_plain_recurrent_network_is_torchs():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    names = lesson(11)
    w, (xs, _) = names["initial_weights"](gated=False), names["sequences"](1, 12, seed=3)
    cell = torch.nn.RNN(1, 4, dtype=torch.float64)
    with torch.no_grad():
        cell.weight_ih_l0.copy_(torch.tensor(w["a"][:, None]))
        cell.weight_hh_l0.copy_(torch.tensor(w["U"]))
        cell.bias_ih_l0.zero_()
        cell.bias_hh_l0.zero_()
    inputs = torch.tensor(xs.T, requires_grad=True)
    expected = cell(inputs)[1][0] @ torch.tensor(w["out"])
    expected.backward()

    def outcome(w, xs):
        return names["outcome"](names["plain_round"], w, xs)

    value, (dw, dxs) = autograd_mini.value_and_grad(outcome, argnums=(0, 1))(w, xs[0])
    assert value == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(dw["U"], cell.weight_hh_l0.grad, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(dxs, inputs.grad[:, 0], rtol=1e-9, atol=1e-14)


def test_microgpt_has_the_loss_and_the_gradients_of_torchs_transformer_parts():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional
    names = lesson(13)
    width, heads = names["WIDTH"], names["HEADS"]
    model = {name: 5 * table for name, table in names["initial_model"]().items()}  # so that attention is not flat
    (letters, following, counts) = (rows[0] for rows in names["encode"](["katherine"]))
    theirs = {name: torch.tensor(table, requires_grad=True) for name, table in model.items()}

    def normalise(x):
        return functional.rms_norm(x, (width,), eps=1e-5)

    def split(x):
        return x.reshape(len(letters), heads, width // heads).transpose(0, 1)

    x = theirs["letters"][torch.tensor(letters)] + theirs["places"]
    q, k, v = (split(normalise(x) @ theirs[name].T) for name in ("queries", "keys", "values"))
    answers = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    x = x + answers.transpose(0, 1).reshape(len(letters), width) @ theirs["mix"].T
    x = x + functional.relu(normalise(x) @ theirs["widen"].T) @ theirs["narrow"].T
    logits = normalise(x) @ theirs["out"].T
    losses = functional.cross_entropy(logits, torch.tensor(following), reduction="none")
    expected = (losses * torch.tensor(counts)).sum()
    expected.backward()

    loss, gradient = names["eager"](model, letters, following, counts)
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    for name, table in theirs.items():
        np.testing.assert_allclose(gradient[name], table.grad, rtol=1e-9, atol=1e-13)
