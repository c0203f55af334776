"""Losses: against their formulas, against PyTorch in training, at their edges, and what they refuse."""

import math
from typing import Any

import numpy as np
import pytest

from autograd_mini import Value, check_grads, jit, sigmoid, softmax, value_and_grad
from nn import (
    LOSSES,
    MLP,
    SGD,
    binary_cross_entropy,
    binary_cross_entropy_from_logits,
    cross_entropy,
    cross_entropy_from_logits,
    half_squared_error,
    hinge,
    l2,
    loss_function,
    mean_squared_error,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 3))
REAL = RNG.normal(size=(6, 2))
BINARY = np.array([0, 1, 1, 0, 1, 0])
SOFT = np.array([0.0, 1.0, 0.25, 0.5, 1.0, 0.9])
CLASSES = np.array([0, 3, 1, 2, 2, 0])
DISTRIBUTIONS = RNG.dirichlet(np.ones(4), size=6)


def torch_losses(torch):
    """The same losses in PyTorch: by name, a function of (outputs, targets)."""
    f = torch.nn.functional
    return {
        "half_squared_error": lambda y, t: ((y - t) ** 2).sum(dim=1).mean() / 2,
        "mean_squared_error": lambda y, t: f.mse_loss(y, t) * y.shape[1],
        "binary_cross_entropy": lambda y, t: f.binary_cross_entropy(y[:, 0], t),
        "binary_cross_entropy_from_logits": lambda y, t: f.binary_cross_entropy_with_logits(y[:, 0], t),
        "cross_entropy": lambda y, t: -(t * y.log()).sum(dim=1).mean() if t.ndim == 2 else f.nll_loss(y.log(), t),
        "cross_entropy_from_logits": f.cross_entropy,
        "hinge": lambda y, t: (1 - t * y[:, 0]).clamp(min=0).mean(),
    }


CASES = [
    ("half_squared_error", "identity", REAL),
    ("mean_squared_error", "identity", REAL),
    ("binary_cross_entropy", "sigmoid", BINARY),
    ("binary_cross_entropy", "sigmoid", SOFT),
    ("binary_cross_entropy_from_logits", "identity", BINARY),
    ("binary_cross_entropy_from_logits", "identity", SOFT),
    ("cross_entropy", "softmax", CLASSES),
    ("cross_entropy", "softmax", DISTRIBUTIONS),
    ("cross_entropy_from_logits", "identity", CLASSES),
    ("cross_entropy_from_logits", "identity", DISTRIBUTIONS),
    ("hinge", "identity", 2 * BINARY - 1),
]


def outputs_of(targets, loss):
    if targets.ndim == 2:
        return targets.shape[1]
    return 4 if loss.startswith("cross") else 1


@pytest.mark.parametrize(("loss", "output", "targets"), CASES)
def test_training_is_pytorchs_over_50_steps(loss, output, targets):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    nout = outputs_of(targets, loss)
    model = MLP(3, [4, nout], activation="tanh", output_activation=output, seed=1)
    layers = [layer.state_dict() for layer in model.layers]
    theirs = [torch.tensor(array, requires_grad=True) for layer in layers for array in layer.values()]
    squash = {"identity": lambda z: z, "sigmoid": torch.sigmoid, "softmax": lambda z: torch.softmax(z, dim=1)}[output]
    inputs = torch.tensor(X)
    wanted = torch.tensor(targets, dtype=torch.int64 if targets is CLASSES else torch.float64)
    ours, torchs = SGD(model.parameters(), lr=0.2), torch.optim.SGD(theirs, lr=0.2)
    for _ in range(50):
        value = ours.step(lambda: loss_function(loss)([model(x) for x in X], targets))
        torchs.zero_grad()
        w, b, u, c = theirs
        expected = torch_losses(torch)[loss](squash(torch.tanh(inputs @ w.T + b) @ u.T + c), wanted)
        expected.backward()
        torchs.step()
        assert value.data == pytest.approx(expected.item(), rel=1e-10, abs=1e-10)
        for array, tensor in zip(model.state_dict().values(), theirs):
            assert np.allclose(array, tensor.detach().numpy(), rtol=1e-10, atol=1e-10)


def test_every_loss_is_compared_with_pytorch():
    assert {name for name, _, _ in CASES} == LOSSES.keys()


@pytest.mark.parametrize(
    ("loss", "predictions", "targets", "expected"),
    [
        (half_squared_error, [1.0, 4.0], [0.0, 2.0], (0.5 * 1 + 0.5 * 4) / 2),
        (half_squared_error, [[1.0, 4.0]], [[0.0, 2.0]], 0.5 * (1 + 4)),
        (mean_squared_error, [1.0, 4.0], [0.0, 2.0], (1 + 4) / 2),
        (mean_squared_error, [[1.0, 4.0]], [[0.0, 2.0]], 1 + 4),
        (binary_cross_entropy, [0.9, 0.4], [1, 0], -(math.log(0.9) + math.log(0.6)) / 2),
        (binary_cross_entropy, [[0.9, 0.4]], [[1, 0]], -(math.log(0.9) + math.log(0.6))),
        (binary_cross_entropy_from_logits, [0.0], [0.3], math.log(2)),
        (cross_entropy, [[0.25, 0.75]], [1], -math.log(0.75)),
        (cross_entropy, [[0.25, 0.75]], [[0.5, 0.5]], -(math.log(0.25) + math.log(0.75)) / 2),
        (cross_entropy_from_logits, [[0.0, 0.0, 0.0]], [2], math.log(3)),
        (hinge, [2.0, 0.5, -1.0], [1, 1, 1], (0 + 0.5 + 2) / 3),
    ],
)
def test_losses_of_numbers_are_the_formulas(loss, predictions, targets, expected):
    assert loss(predictions, targets) == pytest.approx(expected, rel=1e-14)
    assert isinstance(loss(predictions, targets), float)


@pytest.mark.parametrize("z", [-1e300, -1000.0, -40.0, 0.0, 40.0, 1000.0, 1e300])
def test_binary_cross_entropy_from_logits_is_exact_for_every_logit(z):
    def exact(z):  # log(1 + e**z), whose e**z alone is left where z is very negative
        return z + math.log1p(math.exp(-z)) if z > 0 else math.log1p(math.exp(z))

    assert binary_cross_entropy_from_logits([z], [0]) == pytest.approx(exact(z), rel=1e-14)
    assert binary_cross_entropy_from_logits([z], [1]) == pytest.approx(exact(-z), rel=1e-14)
    logit = Value(z)
    binary_cross_entropy_from_logits([logit], [1]).backward()
    assert logit.grad == pytest.approx(-1 / (1 + math.exp(z)) if z < 700 else 0.0, rel=1e-14)


def test_cross_entropy_from_logits_does_not_overflow():
    logits = [Value(1e300), Value(-1e300), Value(0.0)]
    loss = cross_entropy_from_logits([logits], [0])
    loss.backward()
    assert loss.data == 0.0
    assert [z.grad for z in logits] == [0.0, 0.0, 0.0]
    assert cross_entropy_from_logits([logits], [2]).data == 1e300


def test_a_certain_and_right_prediction_costs_nothing_and_a_wrong_one_infinitely_much():
    assert binary_cross_entropy([1.0, 0.0], [1, 0]) == 0.0
    assert binary_cross_entropy([0.0], [1]) == math.inf
    assert cross_entropy([[1.0, 0.0]], [0]) == 0.0
    assert cross_entropy([[1.0, 0.0]], [[1, 0]]) == 0.0
    assert cross_entropy([[1.0, 0.0]], [1]) == math.inf


def test_targets_may_be_values_too_as_in_a_traced_training_step():
    p, t = Value(0.25), Value(1.0)
    loss = binary_cross_entropy([p], [t])
    loss.backward()
    assert loss.data == pytest.approx(-math.log(0.25), rel=1e-15)
    assert p.grad == -4.0
    zero = Value(0.0)
    loss = binary_cross_entropy([zero], [Value(0.0)])
    loss.backward()
    assert loss.data == 0.0
    assert zero.grad == 1.0


@pytest.mark.parametrize(
    "loss",
    [
        lambda z: half_squared_error([z], [[0.5, -1.0, 2.0]]),
        lambda z: binary_cross_entropy([sigmoid(x) for x in z], [1, 0, 0.25]),
        lambda z: binary_cross_entropy_from_logits(z, [1, 0, 0.25]),
        lambda z: cross_entropy([softmax(z)], [2]),
        lambda z: cross_entropy_from_logits([z], [[0.25, 0.25, 0.5]]),
        lambda z: hinge(z, [1, -1, 1]),
        lambda z: l2(z, 0.3),
    ],
)
def test_gradients_and_second_derivatives_agree_with_finite_differences(loss):
    check_grads(loss, ([0.3, -0.7, 1.9],), order=2)


def test_l2_is_half_the_strength_times_the_squared_weights_without_the_biases():
    model = MLP(2, [3, 1], seed=1)
    for neuron in model.layers[0].neurons:
        neuron.b.data = 100.0
    squares = sum((layer.weight**2).sum() for layer in model.layers)
    penalty = l2(model.weights(), strength=0.2)
    assert penalty.data == pytest.approx(0.1 * squares, rel=1e-14)
    penalty.backward()
    assert [w.grad for w in model.weights()] == pytest.approx([0.2 * w.data for w in model.weights()], rel=1e-14)
    assert model.layers[0].neurons[0].b.grad == 0.0


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize(
    ("predictions", "targets", "error", "message"),
    [
        ([], [], ValueError, "the batch is empty"),
        ([0.5, 0.5], [1], ValueError, "as many targets as predictions, but got 1 and 2"),
        (Value(0.5), [1], TypeError, "predictions.* must be a sequence, not Value"),
        ([0.5], 1, TypeError, "targets.* must be a sequence, not 1"),
        ([None], [1], (TypeError, ValueError), "not None"),
    ],
)
def test_a_bad_batch_is_refused(loss, predictions, targets, error, message):
    with pytest.raises(error, match=message):
        loss(predictions, targets)


@pytest.mark.parametrize(
    ("loss", "predictions", "targets", "error", "message"),
    [
        (half_squared_error, [[1.0, 2.0]], [[1.0]], ValueError, r"targets\[0\] must be shaped like predictions\[0\]"),
        (binary_cross_entropy, [1.5], [1], ValueError, "from 0 to 1, not 1.5; for logits use"),
        (binary_cross_entropy, [0.5], [2], ValueError, "a target must be a probability from 0 to 1, not 2"),
        (binary_cross_entropy_from_logits, [0.5], [-1], ValueError, "a target must be a probability from 0 to 1"),
        (cross_entropy, [[0.5, 0.6]], [0], ValueError, r"predictions\[0\] must be probabilities that sum to 1.*logits"),
        (cross_entropy, [[-3.0, 4.0]], [0], ValueError, r"predictions\[0\] must be a probability.*from_logits"),
        (cross_entropy, [0.5], [0], ValueError, "a row of outputs.*binary cross-entropy"),
        (cross_entropy_from_logits, [[1.0, 2.0]], [2], ValueError, r"targets\[0\] must be a class index .* not 2"),
        (cross_entropy_from_logits, [[1.0, 2.0]], [0.5], ValueError, "class index from 0 to 1, not 0.5"),
        (cross_entropy_from_logits, [[1.0, 2.0]], [[0.5, 0.6]], ValueError, r"targets\[0\].*sum to 1, but .* 1.1"),
        (cross_entropy_from_logits, [[1.0, 2.0]], [[1.0]], ValueError, "1 probabilities for 2 classes"),
        (cross_entropy_from_logits, [[1.0, 2.0]], ["dog"], TypeError, "a class index or a row of probab.*, not 'dog'"),
        (hinge, [0.5], [0], ValueError, r"needs targets -1 and 1, but got 0 \(int\); for 0 and 1 give 2\*t - 1"),
    ],
)
def test_bad_predictions_and_targets_are_refused(loss, predictions, targets, error, message):
    with pytest.raises(error, match=message):
        loss(predictions, targets)


def test_a_bad_l2_strength_is_refused():
    with pytest.raises(ValueError, match=r"strength must be 0 or more and finite, not -0\.1"):
        l2([Value(1.0)], -0.1)


@pytest.mark.parametrize("compiled", [lambda f: f, jit], ids=["eager", "jit"])
@pytest.mark.parametrize("target", [0, [1.0, 0.0]])
def test_cross_entropy_of_huge_logits_loses_no_digits(compiled: Any, target: Any) -> None:
    both = compiled(value_and_grad(lambda z: cross_entropy_from_logits([z], [target])))
    assert both([1e16, 1e16]) == (pytest.approx(math.log(2.0), rel=1e-15), [-0.5, 0.5])
    value, slopes = both([3.0, -math.inf])
    assert (value, slopes) == (0.0, [0.0, 0.0])


def test_cross_entropy_takes_this_package_s_softmax() -> None:
    assert cross_entropy([softmax([1e11, 1e11])], [0]) == pytest.approx(math.log(2.0), rel=1e-15)
