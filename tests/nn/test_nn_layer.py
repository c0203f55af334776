"""Layer: what it computes, and its weights as the matrix of the notes."""

import math

import numpy as np
import pytest

from nn import Layer, save


def test_a_layer_is_a_matrix_product_and_an_activation():
    rng = np.random.default_rng(0)
    W, b, x = rng.normal(size=(3, 4)), rng.normal(size=3), rng.normal(size=4)
    layer = Layer(4, 3, activation="tanh")
    layer.weight, layer.bias = W, b
    assert [h.data for h in layer(x)] == pytest.approx(np.tanh(W @ x + b), rel=1e-14)


def test_softmax_is_over_all_units():
    layer = Layer.from_matrix([[5], [2], [-1], [3]], activation="softmax", bias=False)
    exponentials = [math.exp(z) for z in (5, 2, -1, 3)]
    assert [p.data for p in layer([1.0])] == pytest.approx([e / sum(exponentials) for e in exponentials], rel=1e-14)


def test_a_change_of_the_read_matrix_is_refused_for_it_would_be_lost():
    with pytest.raises(ValueError, match="read-only"):
        Layer(2, 3).weight[0, 0] = 1.0


def test_from_matrix_takes_the_bias_as_last_column():
    layer = Layer.from_matrix([[3, 4, -2], [2, 3, -4]], activation="sigmoid")
    assert layer.weight.tolist() == [[3.0, 4.0], [2.0, 3.0]]
    assert layer.bias.tolist() == [-2.0, -4.0]
    assert repr(layer) == "Layer of [SigmoidNeuron(2), SigmoidNeuron(2)]"


def test_from_matrix_without_bias_takes_all_columns_as_weights():
    layer = Layer.from_matrix([[3, 4, -2]], bias=False)
    assert layer.weight.tolist() == [[3.0, 4.0, -2.0]]
    assert layer.bias is None
    assert list(layer.state_dict()) == ["weight"]


@pytest.mark.parametrize(
    ("init", "deviation", "bound"),
    [
        ("uniform", 1 / math.sqrt(3), 1.0),
        ("normal", 1.0, math.inf),
        ("xavier", math.sqrt(6 / 100) / math.sqrt(3), math.sqrt(6 / 100)),  # Glorot and Bengio 2010, equation 16
        ("he", math.sqrt(2 / 40), math.inf),  # He et al. 2015, equation 10
    ],
)
def test_weights_have_the_distribution_of_their_initializer(init, deviation, bound):
    weights = Layer(40, 60, init=init, seed=3).weight
    # 2,400 draws: a mean is off by less than 0.1 deviations, a deviation by less than 10 %
    assert abs(weights.mean()) < 0.1 * deviation
    assert weights.std() == pytest.approx(deviation, rel=0.1)
    assert -bound <= weights.min() < -min(0.98 * bound, 2.5 * deviation)
    assert min(0.98 * bound, 2.5 * deviation) < weights.max() <= bound


@pytest.mark.parametrize(
    ("arguments", "kwargs", "error", "message"),
    [
        ((2, 0), {}, ValueError, "nout must be at least 1, not 0"),
        ((2, 1), {"activation": "softmax"}, ValueError, "softmax of a single unit is always 1"),
    ],
)
def test_bad_arguments_are_refused(arguments, kwargs, error, message):
    with pytest.raises(error, match=message):
        Layer(*arguments, **kwargs)


@pytest.mark.parametrize(
    ("matrix", "error", "message"),
    [
        ([[1], [2]], ValueError, "a row for each unit, the weights, then the bias"),
        ([[]], ValueError, r"has the shape \(1, 0\)"),
        (None, TypeError, "must be an array of numbers, not None"),
    ],
)
def test_a_bad_matrix_is_refused(matrix, error, message):
    with pytest.raises(error, match=message):
        Layer.from_matrix(matrix)


@pytest.mark.parametrize(
    ("name", "numbers", "error", "message"),
    [
        ("weight", np.zeros((2, 3)), ValueError, r"weight must have the shape \(3, 2\), but has \(2, 3\)"),
        ("weight", [[1, 2], [3, 4], [5, float("nan")]], ValueError, "weight must be finite, but .* is nan"),
        ("bias", [1, 2], ValueError, r"bias must have the shape \(3,\), but has \(2,\)"),
    ],
)
def test_setting_what_does_not_fit_is_refused_and_changes_nothing(name, numbers, error, message):
    layer = Layer(2, 3)
    before = [p.data for p in layer.parameters()]
    with pytest.raises(error, match=message):
        setattr(layer, name, numbers)
    assert [p.data for p in layer.parameters()] == before


def test_setting_a_bias_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="bias=False"):
        Layer(1, 2, bias=False).bias = [1.0, 2.0]


@pytest.mark.parametrize("without", [0, 1])
def test_a_layer_with_a_bias_for_some_of_its_neurons_is_refused_where_it_would_be_lost(without, tmp_path):
    layer = Layer(1, 2, bias=True)
    layer.neurons[without].b = None
    for lose in (lambda: layer.bias, layer.state_dict, lambda: save(layer, tmp_path / "layer.safetensors")):
        with pytest.raises(ValueError, match=f"neuron {without} of this layer has no bias"):
            lose()
    assert list(tmp_path.iterdir()) == []
    assert layer.weight.shape == (2, 1)
