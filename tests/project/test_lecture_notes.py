"""The lecture notes' figures, formulas and effects, computed through the public API.

Each test names its place in a note by the note's title; notebooks/README.md lists the notes.
"""

import math
import random
from typing import Any

import numpy as np
import pytest

from autograd_mini import Value, softmax
from nn import (
    MLP,
    SGD,
    Layer,
    Neuron,
    binary_cross_entropy,
    binary_cross_entropy_from_logits,
    classification_error,
    cross_entropy,
    cross_entropy_from_logits,
    fit,
    half_squared_error,
    l2,
    mean_squared_error,
    score,
    step_decay,
)

# The XOR problem of Neural Networks, chapter 1, section 1.4, in the order of its table.
XOR_INPUTS = [(1, 0), (0, 0), (0, 1), (1, 1)]
XOR_TARGETS = [1, 0, 1, 0]

SHAPES = [(2, 1), (2, 3, 1), (3, 4, 2), (2, 5, 4, 3), (4, 3, 3, 3, 2), (1, 2, 2, 2, 2, 2, 1)]


def matrices(model):
    """Each layer's W and b."""
    return [(layer.weight, layer.bias) for layer in model.layers]


def gradients(model):
    """Each layer's dE/dW and dE/db."""
    return [
        (np.array([[w.grad for w in n.w] for n in layer.neurons]), np.array([n.b.grad for n in layer.neurons]))
        for layer in model.layers
    ]


def random_model(shape, seed, **kwargs):
    """A network with random weights and biases."""
    model = MLP(shape[0], shape[1:], seed=seed, **kwargs)
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        layer.bias = rng.normal(size=len(layer.neurons))
    return model


def outputs(model, X):
    """One row of outputs for each example, also where there is one output."""
    rows = [model(x) for x in X]
    return [row if isinstance(row, list) else [row] for row in rows]


def agree(found, expected):
    return all(
        np.allclose(a, b, rtol=1e-12, atol=1e-12) for pair in zip(found, expected) for a, b in zip(*pair, strict=True)
    )


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


# Softmax and the three measures of CISC6000: Neural Networks.


def test_softmax_of_four_numbers():
    assert [round(p, 3) for p in softmax([5, 2, -1, 3])] == [0.842, 0.042, 0.002, 0.114]
    layer = Layer.from_matrix([[5], [2], [-1], [3]], activation="softmax", bias=False)
    assert [round(p.data, 3) for p in layer([1.0])] == [0.842, 0.042, 0.002, 0.114]


@pytest.mark.parametrize(
    ("predictions", "error", "squared", "entropy"),
    [
        ([[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]], 0.33, 0.25, 0.38),
        ([[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]], 0.33, 0.71, 1.06),
    ],
)
def test_measures_of_two_networks(predictions, error, squared, entropy):
    targets = [[1, 0], [0, 1], [1, 0]]
    assert round(classification_error(predictions, targets), 2) == error
    assert round(mean_squared_error(predictions, targets), 2) == squared
    assert round(cross_entropy(predictions, targets), 2) == entropy
    assert round(cross_entropy(predictions, [0, 1, 0]), 2) == entropy


# The XOR network of Neural Networks, chapter 1.


@pytest.mark.parametrize(
    ("x", "hidden", "y"),
    [
        ((1, 0), [0.731, 0.119], 0.743),
        ((0, 0), [0.119, 0.018], 0.183),
        ((0, 1), [0.881, 0.269], 0.743),
        ((1, 1), [0.993, 0.731], 0.334),
    ],
)
def test_forward_table_of_the_xor_network(x, hidden, y):
    # The signs of the biases are lost in the note's text; with these its table comes out.
    first = Layer.from_matrix([[3, 4, -2], [2, 3, -4]], activation="sigmoid")
    model = MLP.from_layers([first, Layer.from_matrix([[5, -5, -2]], activation="sigmoid")])
    assert [round(h.data, 3) for h in first(x)] == hidden
    assert round(model(x).data, 3) == y


# Equations 1.26 and 1.27.
TRAINED_W = [[1.52183263, 1.55282077, -1.55282077], [1.0637993, 1.0637993, 0.39200322]]
TRAINED_U = [[-1.31420497, 0.94002694, -0.36849359]]


def relu_network(W, U):
    return MLP.from_layers([Layer.from_matrix(W), Layer.from_matrix(U)])


def test_the_trained_weights_compute_xor():
    model = relu_network(TRAINED_W, TRAINED_U)
    assert half_squared_error([model(x) for x in XOR_INPUTS], XOR_TARGETS).data < 1e-16
    assert [round(model(x).data, 7) for x in XOR_INPUTS] == XOR_TARGETS


def test_batch_gradient_descent_reaches_the_trained_weights():
    model = relu_network([[3, 4, 2], [2, 3, 4]], [[5, 5, 2]])
    fit(model, XOR_INPUTS, XOR_TARGETS, loss="half_squared_error", optimizer="sgd", lr=0.01, epochs=30_000)
    (W, b), (U, c) = matrices(model)
    assert np.column_stack([W, b]).round(8).tolist() == TRAINED_W
    assert np.column_stack([U, c]).round(8).tolist() == TRAINED_U


def xor_gradients_by_hand(W, U, x, t):
    """Equations 1.15 to 1.24: what each of the nine updates takes away from its weight."""

    def r(s):
        return s if s > 0 else 0.0

    def r_prime(s):
        return 1.0 if s > 0 else 0.0

    (w11, w12, w13), (w21, w22, w23) = W
    ((u1, u2, u3),) = U
    x1, x2 = x
    s_h1, s_h2 = w11 * x1 + w12 * x2 + w13, w21 * x1 + w22 * x2 + w23
    h1, h2 = r(s_h1), r(s_h2)
    s_y = u1 * h1 + u2 * h2 + u3
    delta = -(t - r(s_y)) * r_prime(s_y)
    into_1, into_2 = delta * u1 * r_prime(s_h1), delta * u2 * r_prime(s_h2)
    return [into_1 * x1, into_1 * x2, into_1, into_2 * x1, into_2 * x2, into_2, delta * h1, delta * h2, delta]


XOR_WEIGHTS = [
    ([[3, 4, 2], [2, 3, 4]], [[5, 5, 2]]),
    (TRAINED_W, TRAINED_U),
    ([[0.5, -1.0, 0.25], [-2.0, 1.5, 0.75]], [[0.3, 0.7, 0.1]]),
]


@pytest.mark.parametrize(("W", "U"), XOR_WEIGHTS)
@pytest.mark.parametrize(("x", "t"), list(zip(XOR_INPUTS, XOR_TARGETS)))
def test_the_nine_updates_are_the_engines_gradients(W, U, x, t):
    model = relu_network(W, U)
    half_squared_error([model(x)], [t]).backward()
    by_hand = xor_gradients_by_hand(W, U, x, t)
    assert [p.grad for p in model.parameters()] == pytest.approx(by_hand, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("W", "U"), XOR_WEIGHTS)
def test_a_batch_gradient_is_the_mean_of_the_examples_gradients(W, U):
    model = relu_network(W, U)
    half_squared_error([model(x) for x in XOR_INPUTS], XOR_TARGETS).backward()
    each = [xor_gradients_by_hand(W, U, x, t) for x, t in zip(XOR_INPUTS, XOR_TARGETS)]
    assert [p.grad for p in model.parameters()] == pytest.approx(np.mean(each, axis=0), rel=1e-12, abs=1e-12)


# Neural Networks, chapter 1, section 1.2.


@pytest.mark.parametrize("shape", [(2, 3, 1), (4, 5, 3), (1, 6, 2), (3, 2, 4, 5, 2)])
def test_stacked_linear_layers_collapse(shape):
    model = MLP(shape[0], shape[1:], activation="identity", bias=False, seed=1)
    collapsed = Layer.from_matrix(
        np.linalg.multi_dot([layer.weight for layer in reversed(model.layers)]), activation="identity", bias=False
    )
    for x in np.random.default_rng(0).normal(size=(5, shape[0])):
        stacked, single = outputs(model, [x])[0], outputs(collapsed, [x])[0]
        assert [y.data for y in stacked] == pytest.approx([y.data for y in single], rel=1e-12, abs=1e-12)


def test_layers_with_a_nonlinearity_do_not_collapse():
    model = MLP(2, [3, 1], activation="relu", bias=False, seed=1)
    here, there = np.array([1.0, -2.0]), np.array([-1.5, 0.5])
    assert abs(model(here + there).data - model(here).data - model(there).data) > 0.1


# The delta rules, written out.


@pytest.mark.parametrize("shape", SHAPES)
def test_delta_rule_for_sigmoid_units(shape):
    model = random_model(shape, 1, activation="sigmoid", output_activation="sigmoid")
    rng = np.random.default_rng(2)
    x, target = rng.normal(size=shape[0]), rng.uniform(size=shape[-1])
    half_squared_error(outputs(model, [x]), [target]).backward()

    ys = [x]
    for W, b in matrices(model):
        ys.append(sigmoid(W @ ys[-1] + b))
    delta = -ys[-1] * (1 - ys[-1]) * (target - ys[-1])  # From Logistic Regression to Neural Network, equation 13
    expected: list[Any] = []
    for (W, _), y in zip(reversed(matrices(model)), reversed(ys[:-1])):
        expected.insert(0, (np.outer(delta, y), delta))  # equation 15; a bias is the weight of an input 1
        delta = y * (1 - y) * (W.T @ delta)  # equation 14
    assert agree(gradients(model), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_delta_rule_for_tanh_units(shape):
    model = random_model(shape, 3, activation="tanh", output_activation="tanh")
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=shape[0]), rng.uniform(-1, 1, size=shape[-1])
    mean_squared_error(outputs(model, [x]), [y]).backward()

    xs = [x]
    for W, b in matrices(model):
        xs.append(np.tanh(W @ xs[-1] + b))
    delta = 2 * (xs[-1] - y) * (1 - xs[-1] ** 2)  # e = (x - y)**2, theta'(s) = 1 - theta(s)**2
    expected: list[Any] = []
    for (W, _), below in zip(reversed(matrices(model)), reversed(xs[:-1])):
        expected.insert(0, (np.outer(delta, below), delta))
        delta = (1 - below**2) * (W.T @ delta)
    assert agree(gradients(model), expected)


def softmax_rows(Z):
    exponentials = np.exp(Z - Z.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


# How Chapter 11: Neural Network pairs outputs and losses: the note's link h, the network's activation, the loss.
CANONICAL_LINKS = {
    "regression": (lambda Z: Z, "identity", half_squared_error),
    "binary": (sigmoid, "sigmoid", binary_cross_entropy),
    "binary from logits": (sigmoid, "identity", binary_cross_entropy_from_logits),
    "classes": (softmax_rows, "softmax", cross_entropy),
    "classes from logits": (softmax_rows, "identity", cross_entropy_from_logits),
}


@pytest.mark.parametrize("link", CANONICAL_LINKS)
@pytest.mark.parametrize("shape", [(2, 3), (3, 4, 2), (2, 5, 4, 3), (4, 3, 3, 3, 2)])
@pytest.mark.parametrize("strength", [0.0, 0.3])
def test_canonical_links_and_the_matrix_form_of_backpropagation(link, shape, strength):
    h, activation, loss = CANONICAL_LINKS[link]
    model = random_model(shape, 5, activation="tanh", output_activation=activation)
    rng = np.random.default_rng(6)
    X: Any = rng.normal(size=(7, shape[0]))
    Y: Any = rng.normal(size=(7, shape[-1]))
    if link.startswith("binary"):
        Y = (Y > 0).astype(float)
    elif link.startswith("classes"):
        Y = np.eye(shape[-1])[rng.integers(shape[-1], size=7)]
    # The note sums over the examples; the losses here take their mean.
    (7 * loss(outputs(model, X), Y) + l2(model.weights(), strength)).backward()

    Xs, layers = [X], matrices(model)
    for W, b in layers[:-1]:
        Xs.append(np.tanh(Xs[-1] @ W.T + b))
    W, b = layers[-1]
    delta = h(Xs[-1] @ W.T + b) - Y  # equation 11.6; in 11.3 read J = 1/2 sum (y^ - y)**2
    expected: list[Any] = []
    for (W, _), below in zip(reversed(layers), reversed(Xs)):
        expected.insert(0, (delta.T @ below + strength * W, delta.sum(axis=0)))  # 11.22 to 11.25, and L2
        delta = (1 - below**2) * (delta @ W)  # 11.11, 11.27
    assert agree(gradients(model), expected)


# Lecture 11: Neural Networks, example 1.


def disc_in_ring(seed, n=40):
    """Points of a disc, class 1, and of a ring around it, class 0."""
    rng = np.random.default_rng(seed)
    radius = np.concatenate([rng.uniform(0.0, 1.0, n), rng.uniform(1.4, 2.0, n)])
    angle = rng.uniform(0.0, 2 * np.pi, 2 * n)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), np.repeat([1, 0], n)


def accuracy_of_logistic_regression(features, labels):
    unit, loss = Neuron(features.shape[1], nonlin=False, init="zeros"), "binary_cross_entropy_from_logits"
    fit(unit, features, labels, loss=loss, optimizer="line_search", lr=10.0, epochs=60)
    return score(unit, features, labels, loss=loss)


def test_logistic_regression_on_squares_separates_a_disc_from_its_ring():
    X, labels = disc_in_ring(seed=0)
    phi = np.column_stack([X, X**2])  # the 1 of phi(x) is the bias's input
    assert accuracy_of_logistic_regression(phi, labels) == 1.0
    assert accuracy_of_logistic_regression(X, labels) < 0.75


# Lecture 11: Neural Networks, Vanishing gradient problem.


def first_layer_gradient(activation, init, depth):
    """Root mean square of the output's derivatives for the first layer's weights, over 20 networks."""
    squares = []
    for seed in range(20):
        model = MLP(4, [16] * depth + [1], activation=activation, init=init, seed=seed)
        generator = random.Random(seed)
        model([generator.gauss(0, 1) for _ in range(4)]).backward()
        squares += [w.grad**2 for neuron in model.layers[0].neurons for w in neuron.w]
    return math.sqrt(sum(squares) / len(squares))


def test_gradients_vanish_with_depth_for_sigmoid_and_tanh_but_not_for_relu():
    depths = (1, 4, 16)
    of_sigmoid = [first_layer_gradient("sigmoid", "xavier", depth) for depth in depths]
    of_tanh = [first_layer_gradient("tanh", "xavier", depth) for depth in depths]
    of_relu = [first_layer_gradient("relu", "he", depth) for depth in depths]
    assert of_sigmoid[1] < of_sigmoid[0] / 10
    assert of_sigmoid[2] < of_sigmoid[0] / 1e9  # sigmoid' is at most 1/4
    assert of_tanh[2] < of_tanh[1] < of_tanh[0]
    assert of_tanh[2] < of_tanh[0] / 3
    assert min(of_relu) > of_relu[0] / 2


# CISC6000: Neural Networks, Logistic Regression.

# Two overlapping classes, so that the optimum is finite.
RNG = np.random.default_rng(2)
LABELS = np.repeat([0, 1], 8)
POINTS = RNG.normal(size=(16, 2)) + LABELS[:, None]
DESIGN = np.column_stack([POINTS, np.ones(16)])  # x_0 = 1 comes last, for the bias


def convex_loss(w):
    return np.mean(np.logaddexp(0.0, DESIGN @ w) - LABELS * (DESIGN @ w))


def gradient_of_convex_loss(w):
    """1/N sum over i of x_i (P(y=1|x_i) - y_i); it is 0 at the optimum and only there."""
    return DESIGN.T @ (sigmoid(DESIGN @ w) - LABELS) / 16


def fit_logistic_regression(**options):
    unit = Neuron(2, nonlin=False, init="zeros")
    fit(unit, POINTS, LABELS, loss="binary_cross_entropy_from_logits", seed=1, **options)
    return [p.data for p in unit.parameters()]


def test_newton_raphson_reaches_the_optimum_in_under_10_steps():
    w = fit_logistic_regression(optimizer="newton", epochs=9)
    assert np.abs(gradient_of_convex_loss(w)).max() < 1e-12


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({"optimizer": "line_search", "lr": 10.0, "tol": 1e-13}, 1e-4),
        ({"optimizer": "sgd", "lr": 2.0, "epochs": 600}, 1e-7),
        # A rate that falls lets the noise of small batches die away.
        ({"optimizer": "sgd", "lr": step_decay(1.0, every=400, factor=0.5), "batch_size": 4, "epochs": 800}, 1e-2),
        ({"optimizer": "sgd", "lr": step_decay(0.5, every=1600, factor=0.5), "batch_size": 1, "epochs": 800}, 1e-2),
    ],
    ids=["line search", "batch", "mini-batch", "stochastic"],
)
def test_every_descent_reaches_the_optimum_that_scipy_finds(options, tolerance):
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    solver = {"jac": gradient_of_convex_loss, "method": "BFGS", "options": {"gtol": 1e-10}}
    optimum = optimize.minimize(convex_loss, np.zeros(3), **solver).x
    assert fit_logistic_regression(**options) == pytest.approx(optimum, rel=tolerance)


# CISC6000: Neural Networks, "what happens when W = 0 init is used?"


def trained_hidden_rows(init):
    """Weights into and out of each hidden unit, after training."""
    model = MLP(2, [4, 1], activation="sigmoid", init=init, seed=2)
    optimizer = SGD(model.parameters(), lr=0.5, momentum=0.9)
    X, y = POINTS[:12], LABELS[:12]  # 8 of one class, 4 of the other
    fit(model, X, y, loss="binary_cross_entropy_from_logits", optimizer=optimizer, epochs=100)
    (W, b), (U, _) = matrices(model)
    return np.column_stack([W, b, U[0]])


@pytest.mark.parametrize("init", ["zeros", lambda generator: 0.7], ids=["zeros", "all 0.7"])
def test_units_that_start_equal_stay_equal(init):
    rows = trained_hidden_rows(init)
    assert np.abs(rows).max() > 0.01  # training did move them
    assert (rows == rows[0]).all()


def test_units_that_start_random_do_not():
    rows = trained_hidden_rows("uniform")
    assert np.abs(rows - rows[0])[1:].max(axis=1).min() > 0.1


def test_with_w_0_and_tanh_nothing_but_the_output_bias_ever_moves():
    model = MLP(2, [4, 1], activation="tanh", init="zeros")
    fit(model, XOR_INPUTS, [1, 0, 1, 1], loss="half_squared_error", optimizer="sgd", lr=0.5, epochs=20)
    moved: list[Value] = [p for p in model.parameters() if p.data != 0.0]
    assert moved == [model.layers[1].neurons[0].b]
