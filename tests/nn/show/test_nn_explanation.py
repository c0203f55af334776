"""explain_network: deltas by the notes' recurrence, against backpropagation, PyTorch and the notes' formulas."""

import math
import re
from functools import partial
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from autograd_mini import Value, elu, leaky_relu, tanh
from nn import ACTIVATIONS, LOSSES, MLP, Layer, Module, Neuron, explain_network, loss_function

SHAPES = [(2, 1), (2, 3, 1), (3, 4, 2), (2, 5, 4, 3), (4, 3, 3, 3, 2), (1, 2, 2, 2, 2, 2, 1)]
UNIT_ACTIVATIONS = sorted(ACTIVATIONS.keys() - {"softmax"})

# For each loss: what may give its predictions, and the targets of a single and of three outputs.
TARGETS = {
    "half_squared_error": (["identity", "tanh", "softmax"], 0.3, [0.3, -1.0, 2.0]),
    "mean_squared_error": (["identity", "sigmoid", "softmax"], 0.3, [0.3, -1.0, 2.0]),
    "binary_cross_entropy": (["sigmoid", "softmax"], 1, [1, 0, 0.25]),
    "binary_cross_entropy_from_logits": (["identity", "elu"], 0, [1, 0, 0.25]),
    "cross_entropy": (["softmax"], None, [0.2, 0.5, 0.3]),
    "cross_entropy_from_logits": (["identity", "relu"], None, 1),
    "hinge": (["identity", "tanh"], -1, [1, -1, 1]),
}
OF_LOSSES = [
    (loss, output, size, (single, row)[size > 1])
    for loss, (outputs, single, row) in TARGETS.items()
    for output in outputs
    for size in (1, 3)
    if size == 3 or (single is not None and output != "softmax")
]


def random_model(shape, seed=0, **kwargs):
    """A network with random weights and biases, and an example for it."""
    model = MLP(shape[0], shape[1:], seed=seed, **kwargs)
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if layer.bias is not None:
            layer.bias = rng.normal(size=len(layer.neurons))
    return model, rng.normal(size=shape[0])


def backpropagated(model, x, target, loss):
    """The engine's own E, and its gradients of each layer's weights and biases."""
    model.zero_grad()
    error = loss_function(loss)([model(x)], [target])
    error.backward()
    layers = [getattr(layer, "neurons", [layer]) for layer in getattr(model, "layers", [model])]
    of_weights = [[[w.grad for w in unit.w] for unit in units] for units in layers]
    return error.data, list(zip(of_weights, [[unit.b.grad for unit in units] for units in layers]))


def assert_explains_backward(model, x, target, loss):
    explanation = explain_network(model, x, target, loss)
    error, gradients = backpropagated(model, x, target, loss)
    assert explanation.error == error
    for layer, (of_weights, of_biases) in zip(explanation.layers, gradients, strict=True):
        np.testing.assert_allclose(layer.weight_grad, of_weights, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(layer.delta, of_biases, rtol=1e-11, atol=1e-13)
        np.testing.assert_array_equal(layer.bias_grad, layer.delta)


# Against the engine's own backpropagation.


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("activation", UNIT_ACTIVATIONS)
def test_gradients_are_those_of_backward_for_every_activation_and_depth(shape, activation):
    model, x = random_model(shape, activation=activation, output_activation=activation)
    target = 0.5 if shape[-1] == 1 else [0.5] * shape[-1]
    assert_explains_backward(model, x, target, "half_squared_error")


@pytest.mark.parametrize(("loss", "output", "size", "target"), OF_LOSSES)
def test_gradients_are_those_of_backward_for_every_loss(loss, output, size, target):
    model, x = random_model((2, 4, size), seed=3, activation="tanh", output_activation=output)
    assert_explains_backward(model, x, target, loss)


def test_every_loss_is_among_those_tested():
    assert TARGETS.keys() == LOSSES.keys()


def test_a_softmax_between_layers_has_the_whole_jacobian():
    first, last = Layer(2, 3, activation="softmax", seed=1), Layer(3, 1, activation="identity", seed=2)
    assert_explains_backward(MLP.from_layers([first, last]), [0.5, -1.0], 2.0, "mean_squared_error")


@pytest.mark.parametrize("activation", [partial(leaky_relu, slope=0.1), partial(elu, a=2.0), lambda z: z * tanh(z)])
def test_functions_of_ones_own_are_activations_too(activation):
    model, x = random_model((2, 3, 1), seed=5, activation=activation, output_activation=activation)
    assert_explains_backward(model, x, 0.5, lambda outputs, targets: (outputs[0] - targets[0]) ** 4)


def test_a_neuron_a_layer_and_a_network_without_biases_are_explained():
    assert_explains_backward(Neuron(2, activation="tanh", seed=1), [1.0, 2.0], 0.5, "half_squared_error")
    layer = Layer(3, 2, activation="sigmoid", seed=1)
    assert_explains_backward(layer, [1.0, -2.0, 0.5], [0, 1], "binary_cross_entropy")
    explanation = explain_network(MLP(2, [2, 1], bias=False, seed=1), [1.0, 2.0], 0.0, "half_squared_error")
    assert [(layer.bias, layer.bias_grad) for layer in explanation.layers] == [(None, None)] * 2
    assert "∂E/∂b" not in str(explanation) + explanation._repr_html_()


def test_a_model_whose_parameters_are_plain_numbers_is_explained():
    unit = Neuron(1, activation="tanh").with_parameters([2.0, 0.5])
    [layer] = explain_network(unit, [0.0], 0.0, "half_squared_error").layers
    assert layer.delta[0] == pytest.approx(math.tanh(0.5) * (1 - math.tanh(0.5) ** 2), rel=1e-14)


def test_a_saturated_probability_gives_the_nan_that_backward_gives():
    unit = Neuron(1, activation="sigmoid").with_parameters([Value(1.0), Value(0.0)])
    [layer] = explain_network(unit, [800.0], 0, "binary_cross_entropy").layers
    loss_function("binary_cross_entropy")([unit([800.0])], [0]).backward()
    assert math.isnan(unit.b.grad)
    assert math.isnan(layer.delta[0])


def test_no_gradient_is_read_or_changed():
    model, x = random_model((2, 3, 1))
    for parameter in model.parameters():
        parameter.grad = 7.0
    explain_network(model, x, 1.0, "half_squared_error")
    assert {parameter.grad for parameter in model.parameters()} == {7.0}


# Against PyTorch.


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "leaky_relu", "softplus", "elu", "silu", "gelu"])
@pytest.mark.parametrize("shape", SHAPES)
def test_deltas_are_pytorchs_gradients_of_the_sums(name, shape):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model, x = random_model(shape, seed=7, activation=name)
    target = np.random.default_rng(8).normal(size=shape[-1])
    explanation = explain_network(model, x, target if shape[-1] > 1 else target[0], "half_squared_error")
    sums, y = [], torch.tensor(x)
    for i, layer in enumerate(model.layers):
        z = torch.tensor(layer.weight.copy()) @ y + torch.tensor(layer.bias.copy())
        sums.append(z.requires_grad_() if z.is_leaf else z)
        y = z if i == len(model.layers) - 1 else getattr(torch.nn.functional, name)(z)
    grads = torch.autograd.grad(((y - torch.tensor(target)) ** 2).sum() / 2, sums)
    for layer, grad in zip(explanation.layers, grads, strict=True):
        np.testing.assert_allclose(layer.delta, grad.numpy(), rtol=1e-11, atol=1e-13)


# The notes' formulas.


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


CANONICAL = [
    ("identity", "half_squared_error", [0.3, -1.0, 2.0], lambda y: y),
    ("sigmoid", "binary_cross_entropy", [1, 0, 1], lambda y: y),
    ("identity", "binary_cross_entropy_from_logits", [1, 0, 1], sigmoid),
    ("softmax", "cross_entropy", [0, 0, 1], lambda y: y),
    ("identity", "cross_entropy_from_logits", [0, 0, 1], lambda y: np.exp(y) / np.exp(y).sum()),
]


@pytest.mark.parametrize(("output", "loss", "target", "link"), CANONICAL)
def test_with_a_canonical_link_the_output_delta_is_the_error(output, loss, target, link):
    model, x = random_model((2, 4, 3), seed=2, activation="tanh", output_activation=output)
    explanation: Any = explain_network(model, x, target, loss)
    np.testing.assert_allclose(explanation.canonical_delta, link(explanation.layers[-1].y) - target, rtol=1e-12)
    np.testing.assert_allclose(explanation.layers[-1].delta, explanation.canonical_delta, rtol=1e-12, atol=1e-15)
    assert "canonical link: δ = ŷ - t = (" in str(explanation)


@pytest.mark.parametrize(("output", "loss"), [("sigmoid", "half_squared_error"), ("identity", "mean_squared_error")])
def test_without_a_canonical_link_it_is_not_and_nothing_says_so(output, loss):
    model, x = random_model((2, 4, 1), seed=2, output_activation=output)
    explanation = explain_network(model, x, 0.3, loss)
    assert explanation.canonical_delta is None
    assert abs(explanation.layers[-1].delta[0] - (explanation.layers[-1].y[0] - 0.3)) > 1e-3
    assert "canonical" not in str(explanation)


# What is shown.

NUMBER = r"-?(?:\d+(?:\.\d+)?(?:e[+-]\d+)?|inf|nan)"
EQUATION = re.compile(rf"= ((?:[-+()\d.e·… ]|inf|nan)*·(?:[-+()\d.e·… ]|inf|nan)*?) = ({NUMBER})")


def equations(text):
    """The products and sums in a text, and the number that each is said to be."""
    return [(left.replace("·", "*"), float(right)) for left, right in EQUATION.findall(text)]


@pytest.mark.parametrize(("loss", "output", "size", "target"), OF_LOSSES)
def test_printed_numbers_replayed_by_plain_arithmetic_agree(loss, output, size, target):
    model, x = random_model((2, 3, size), seed=3, activation="sigmoid", output_activation=output)
    text = str(explain_network(model, x, target, loss))
    found = equations(text)
    assert len(found) == 2 * (3 + size) + (2 * 3 + 3 * size)  # z and delta of each unit, each weight
    for left, right in found:
        without_signs = eval(left.replace("(-", "("))  # cancellation leaves fewer than the 4 digits of each factor
        assert eval(left) == pytest.approx(right, abs=2e-3 * without_signs)


# Each formula of h'(z) that is shown, as a function of z and y = h(z).
FORMULAS = {
    "1": lambda z, y: 1.0,
    "y (1 - y)": lambda z, y: y * (1 - y),
    "1 - y²": lambda z, y: 1 - y**2,
    "1 if z > 0, else 0": lambda z, y: float(z > 0),
    "1 if z > 0, else the slope below 0": lambda z, y: 1.0 if z > 0 else 0.01,
    "1 if z ≥ 0, else y + a": lambda z, y: 1.0 if z >= 0 else y + 1.0,
    "σ(z)": lambda z, y: sigmoid(z),
}


@pytest.mark.parametrize("activation", UNIT_ACTIVATIONS)
@pytest.mark.parametrize("z", [-2.0, -0.3, 0.0, 0.7, 3.0])
def test_the_formula_shown_for_an_activation_is_its_derivative(activation, z):
    unit = Neuron(1, activation=activation).with_parameters([0.0, z])
    [layer] = explain_network(unit, [1.0], 0.0, "half_squared_error").layers
    if activation in ("silu", "gelu"):
        assert layer.slope_formula == "h'(z)"  # the notes don't have these
    else:
        assert FORMULAS[layer.slope_formula](z, layer.y[0]) == pytest.approx(layer.slope[0], rel=1e-14)


# Each formula of dE/dy that is shown, as a function of all outputs and targets.
LOSS_FORMULAS = {
    "y - t": lambda y, t: y - t,
    "2 (y - t)": lambda y, t: 2 * (y - t),
    "(y - t) / (y (1 - y))": lambda y, t: (y - t) / (y * (1 - y)),
    "σ(y) - t": lambda y, t: sigmoid(y) - t,
    "-t / y": lambda y, t: -t / y,
    "softmax(y) - t": lambda y, t: np.exp(y) / np.exp(y).sum() - t,
    "-t if t y < 1, else 0": lambda y, t: np.where(t * y < 1, -t, 0),
}


@pytest.mark.parametrize(("loss", "output", "size", "target"), OF_LOSSES)
def test_the_formula_shown_for_a_loss_is_its_derivative(loss, output, size, target):
    model, x = random_model((2, 3, size), seed=3, activation="tanh", output_activation=output)
    explanation = explain_network(model, x, target, loss)
    t = np.eye(size)[target] if loss == "cross_entropy_from_logits" else np.array(target)
    layer = explanation.layers[-1]
    np.testing.assert_allclose(LOSS_FORMULAS[explanation.loss_slope_formula](layer.y, t), layer.output_grad, rtol=1e-12)


def test_the_text_names_units_as_the_drawing_does():
    model = MLP.from_layers(
        [
            Layer.from_matrix([[3, 4, -2], [2, 3, -4]], activation="sigmoid"),
            Layer.from_matrix([[5, -5, -2]], activation="sigmoid"),
        ]
    )
    lines = str(explain_network(model, (1, 0), 1, "half_squared_error")).splitlines()
    assert lines[0] == "E = 0.03314 (half_squared_error) for x = (1, 0), t = 1"
    assert "    h₁⁽¹⁾: z = 3 · 1 + 4 · 0 + (-2) = 1, y = h(1) = 0.7311" in lines
    assert "    y: δ = 0.1912 · (-0.2574) = -0.04922" in lines
    assert "    h₂⁽¹⁾: δ = 0.105 · ((-5) · (-0.04922)) = 0.02584" in lines
    assert "    x₁ → h₂⁽¹⁾: ∂E/∂w = 1 · 0.02584 = 0.02584" in lines
    assert (
        lines.index("  layer 1, Sigmoid") < lines.index("  layer 2, Sigmoid") < lines.index("Backward: δ_j = ∂E/∂z_j")
    )


def test_units_of_several_hidden_layers_are_told_apart():
    model, x = random_model((1, 1, 2, 1))
    lines = str(explain_network(model, x, 1.0, "half_squared_error")).splitlines()
    tails = [line.split(":")[0].strip() for line in lines if "∂E/∂w =" in line]
    assert tails == ["h₁⁽²⁾ → y", "h₂⁽²⁾ → y", "h₁⁽¹⁾ → h₁⁽²⁾", "h₁⁽¹⁾ → h₂⁽²⁾", "x₁ → h₁⁽¹⁾"]


def test_long_sums_are_shortened():
    text = str(explain_network(Neuron(20, seed=1), [1.0] * 20, 1.0, "half_squared_error"))
    assert re.search(r"z = (?:\S+ · 1 \+ ){4}… \+ \S+ · 1 \+ 0 = ", text)


def test_a_large_network_is_shown_by_layer():
    model, x = random_model((20, 30, 4), activation="tanh")
    explanation = explain_network(model, x, 2, "cross_entropy_from_logits")
    text, page = str(explanation), explanation._repr_html_()
    for layer in explanation.layers:
        row = f"{layer.activation} +{layer.weight.shape[0]} x {layer.weight.shape[1]} "
        norms = [np.linalg.norm(array) for array in (layer.z, layer.y, layer.delta, layer.weight_grad)]
        [line] = [line for line in text.splitlines() if re.search(row, line)]
        assert [float(number) for number in line.split()[-4:]] == pytest.approx(norms, rel=1e-3)
        for number in line.split()[-4:]:
            assert f">{number}</td>" in page
    assert "h₁⁽¹⁾" not in text + page
    assert len(text) < 1000
    assert len(page) < 2000


def test_limit_says_from_where_on_a_network_is_large():
    model, x = random_model((2, 3, 1))  # 13 parameters
    assert "h₃⁽¹⁾" in str(explain_network(model, x, 1.0, "half_squared_error", limit=13))
    assert "h₃⁽¹⁾" not in str(explain_network(model, x, 1.0, "half_squared_error", limit=12))
    with pytest.raises(ValueError, match="limit must be at least 1, not 0"):
        explain_network(model, x, 1.0, "half_squared_error", limit=0)


def test_the_html_has_the_texts_lines_as_rows_of_tables():
    model, x = random_model((2, 3, 2), activation="tanh")
    explanation = explain_network(model, x, [0.5, 1.0], "half_squared_error")
    root = ElementTree.fromstring(explanation._repr_html_())
    assert {element.tag for element in root.iter()} <= set("div p sub table caption tbody tr th td".split())
    rows = ["".join(row[0].itertext()) + ": " + ", ".join("".join(td.itertext()) for td in row[1:])
            for row in root.iterfind("table/tbody/tr")]  # fmt: skip
    lines = [line.strip() for line in str(explanation).splitlines() if line.startswith("    ")]
    assert rows == lines
    assert len(rows) == 2 * 5 + 9 + 8 + 1  # z and y, and delta, of each unit; each gradient; the canonical link


def test_indices_are_set_as_such_and_names_are_not():
    page = explain_network(Neuron(1, seed=1), [1.0], 1.0, "half_squared_error")._repr_html_()
    assert "∂E/∂w<sub>ij</sub> = y<sub>i</sub> · δ<sub>j</sub>" in page
    assert "half_squared_error" in page


def test_names_that_look_like_html_are_shown_as_text():
    def loss(outputs, targets):
        return (outputs[0] - targets[0]) ** 2

    loss.__name__ = "<script>alert(1)</script>"
    page = explain_network(Neuron(1, activation=lambda z: z * 2.0, seed=1), [1.0], 1.0, loss)._repr_html_()
    root = ElementTree.fromstring(page)
    assert "script" not in {element.tag for element in root.iter()}
    assert "(<script>alert(1)</script>)" in str(root.findtext("p"))
    assert "layer 1, <lambda>" in str(root.findtext("table/caption"))


def test_what_is_explained_cannot_be_changed():
    explanation = explain_network(Neuron(1, seed=1), [1.0], 1.0, "half_squared_error")
    with pytest.raises(AttributeError):
        explanation.error = 0.0  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        explanation.layers[0].delta[0] = 0.0


# Errors.


class Residual(MLP):
    """Adds its input: no longer layers one after another."""

    def __call__(self, x):
        return super().__call__(x) + x[0]


class Line(Module):
    """No layers at all."""


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((Line(), [1.0, 2.0], 1.0, "hinge"), TypeError, r"an MLP, a Layer or a Neuron, not .*autograd_mini\.explain"),
        ((Residual(2, [2, 1]), [1.0, 2.0], 1.0, "half_squared_error"), ValueError, "this Residual computes something"),
        ((MLP(2, [1]), [1.0, 2.0], math.nan, "half_squared_error"), ValueError, "target must be finite"),
        ((MLP(2, [1]), [1.0, 2.0], [1.0, 2.0], "half_squared_error"), ValueError, "must be shaped like"),
        ((MLP(2, [3]), [1.0, 2.0], 3, "cross_entropy_from_logits"), ValueError, "a class index from 0 to 2, not 3"),
        ((MLP(2, [1]), [1.0, 2.0], 1.0, "squares"), ValueError, "unknown loss 'squares'; known are"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        explain_network(*arguments)
