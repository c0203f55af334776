"""Evaluation: outputs, classes and probabilities as arrays, metrics, and no graph behind them."""

from functools import partial

import numpy as np
import pytest

from nn import MLP, Module, Neuron, accuracy, predict, predict_proba, score

X = [[-2.0], [0.0], [0.2], [3.0]]
IDENTITY = Neuron(1, nonlin=False).with_parameters([1.0, 0.0])  # outputs -2, 0, 0.2, 3
ROWS = MLP(1, [3], init="zeros").with_parameters([1.0, 0.0, 0.0, 0.1, -1.0, 0.0])  # outputs x, 0.1, -x


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-np.asarray(z)))


@pytest.mark.parametrize("loss", [None, "half_squared_error", "mean_squared_error", lambda p, t: 0.0])
def test_without_a_loss_of_classification_predict_gives_outputs(loss):
    found = predict(IDENTITY, X, loss)
    assert found.dtype == np.float64
    assert found.tolist() == [-2.0, 0.0, 0.2, 3.0]
    assert predict(ROWS, X, loss).tolist() == [[-2.0, 0.1, 2.0], [0.0, 0.1, 0.0], [0.2, 0.1, -0.2], [3.0, 0.1, -3.0]]


@pytest.mark.parametrize(
    ("loss", "classes"),
    [
        ("hinge", [-1, -1, 1, 1]),
        ("binary_cross_entropy_from_logits", [0, 0, 1, 1]),
        ("binary_cross_entropy", [0, 0, 0, 1]),
    ],
)
def test_a_single_output_is_compared_with_the_losss_threshold(loss, classes):
    found = predict(IDENTITY, X, loss)
    assert found.dtype.kind == "i"
    assert found.tolist() == classes


@pytest.mark.parametrize("loss", ["cross_entropy_from_logits", "cross_entropy", "hinge", "binary_cross_entropy"])
def test_of_several_outputs_the_largest_says_the_class(loss):
    assert predict(ROWS, X, loss).tolist() == [2, 1, 0, 0]


def test_probabilities_of_a_single_output():
    found = predict_proba(IDENTITY, X, "binary_cross_entropy_from_logits")
    assert np.allclose(found, sigmoid([-2.0, 0.0, 0.2, 3.0]), rtol=1e-14)
    unit = Neuron(1, activation="sigmoid").with_parameters([1.0, 0.0])
    assert np.allclose(predict_proba(unit, X, "binary_cross_entropy"), found, rtol=1e-14)


def test_probabilities_of_several_outputs():
    logits = predict(ROWS, X)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(predict_proba(ROWS, X, "cross_entropy_from_logits"), expected, rtol=1e-14)
    assert np.allclose(predict_proba(ROWS, X, "binary_cross_entropy_from_logits"), sigmoid(logits), rtol=1e-14)
    assert predict_proba(ROWS, X, "cross_entropy").tolist() == logits.tolist()


@pytest.mark.parametrize("loss", ["hinge", "half_squared_error"])
def test_outputs_that_are_no_probabilities_are_not_called_so(loss):
    with pytest.raises(ValueError, match=f"trained with {loss} gives no probabilities"):
        predict_proba(IDENTITY, X, loss)


@pytest.mark.parametrize("evaluate", [predict, predict_proba])
def test_a_cross_entropy_of_classes_needs_several_outputs(evaluate):
    with pytest.raises(ValueError, match="has an output for each class, but this one has one"):
        evaluate(IDENTITY, X, "cross_entropy_from_logits")


@pytest.mark.parametrize(
    ("y", "metric", "loss", "expected"),
    [
        ([-1, 1, 1, 1], "accuracy", "hinge", 0.75),
        ([0, 1, 1, 1], "accuracy", "binary_cross_entropy_from_logits", 0.75),
        ([0, 0, 0, 1], "accuracy", "binary_cross_entropy", 1.0),
        ([0, 0, 1, 1], "classification_error", "binary_cross_entropy", 0.25),
        ([0, 0, 0, 1], partial(accuracy, threshold=2.0), None, 1.0),
        ([0, 0, 0, 0], "mean_squared_error", None, (4 + 0.04 + 9) / 4),
        ([0, 0, 0, 0], "half_squared_error", "hinge", (4 + 0.04 + 9) / 8),
        ([0, 0, 0, 0], lambda outputs, targets: np.max(np.subtract(outputs, targets)), None, 3.0),
    ],
)
def test_score_of_a_single_output(y, metric, loss, expected):
    assert score(IDENTITY, X, y, metric, loss=loss) == pytest.approx(expected, rel=1e-14)


def test_score_of_several_outputs_needs_no_loss():
    assert score(ROWS, X, [2, 1, 1, 1]) == 0.5
    assert score(ROWS, X, np.eye(3)[[2, 1, 0, 1]]) == 0.75


@pytest.mark.parametrize("loss", [None, "half_squared_error"])
def test_where_a_loss_does_not_say_what_class_1_is_the_error_says_how_to(loss):
    with pytest.raises(ValueError, match=rf"loss={loss} does not say .*functools.partial\(accuracy, threshold=0.5\)"):
        score(IDENTITY, X, [0, 0, 1, 1], loss=loss)


class Watched(Module):
    """Keeps its last output."""

    def __init__(self):
        self.unit = Neuron(1, nonlin=False)

    def __call__(self, x):
        self.output = self.unit(x)
        return self.output


@pytest.mark.parametrize(
    "evaluate",
    [
        lambda model: predict(model, X),
        lambda model: predict_proba(model, X, "binary_cross_entropy_from_logits"),
        lambda model: score(model, X, [0, 0, 1, 1], "half_squared_error"),
    ],
)
def test_no_graph_is_recorded(evaluate):
    model = Watched()
    evaluate(model)
    assert model.output.operands == ()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: predict(len, X), TypeError, "model must be a Module.*not <built-in function len>"),  # type: ignore[arg-type]
        (lambda: predict(IDENTITY, [[1.0, 2.0]]), ValueError, "expected 1 inputs, but got 2"),
        (lambda: predict(IDENTITY, X, "hinged"), ValueError, "'hinged'.*binary_cross_entropy,"),
        (lambda: score(IDENTITY, X, [0, 1]), ValueError, "X has 4 rows and y 2"),
        (lambda: score(IDENTITY, X, [0] * 4, 3), TypeError, "metric must be a name or a function, not 3"),  # type: ignore[arg-type]
        (lambda: score(IDENTITY, X, [0] * 4, lambda p, t: None), TypeError, "the metric must be a number, not None"),
        (lambda: score(IDENTITY, X, [0, 1, 2, 1], loss="hinge"), ValueError, "must be 0 or 1, or -1 or 1, not 2"),
    ],
)
def test_bad_calls_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
