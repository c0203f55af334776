"""MLP: micrograd's network, and what goes beyond it."""

import random
from typing import Any

import numpy as np
import pytest

from autograd_mini import topological_order
from nn import MLP, Layer, Neuron


def micrograd_model(sizes):
    engine = pytest.importorskip("micrograd.nn", reason="micrograd is not installed")
    random.seed(1337)
    return engine.MLP(sizes[0], list(sizes[1:]))


@pytest.mark.parametrize("sizes", [(2, 16, 16, 1), (3, 4, 2), (2, 1)])
def test_weights_outputs_gradients_and_repr_are_micrograds(sizes):
    theirs = micrograd_model(sizes)
    random.seed(1337)
    ours = MLP(sizes[0], list(sizes[1:]))
    x = [0.5, -1.25, 2.0][: sizes[0]]
    assert repr(ours) == repr(theirs)
    assert [p.data for p in ours.parameters()] == [p.data for p in theirs.parameters()]
    out, expected = ours(x), theirs(x)
    if sizes[-1] > 1:
        assert isinstance(out, list)
        out, expected = sum(o * o for o in out), sum(o * o for o in expected)
    assert out.data == pytest.approx(expected.data, rel=1e-13)
    out.backward()
    expected.backward()
    assert [p.grad for p in ours.parameters()] == pytest.approx([p.grad for p in theirs.parameters()], rel=1e-12)


def test_hidden_layers_and_output_have_activations_of_their_own():
    model = MLP(2, [3, 3, 2], activation="tanh", output_activation="softmax")
    assert [repr(layer).split("(")[0] for layer in model.layers] == [
        "Layer of [TanhNeuron",
        "Layer of [TanhNeuron",
        "Softmax Layer of [LinearNeuron",
    ]


def test_a_layer_of_one_unit_feeds_the_next():
    model = MLP.from_layers([Layer.from_matrix([[2, 1]]), Layer.from_matrix([[3, 0], [-1, 5]])])
    assert [y.data for y in model([10.0])] == [63.0, 0.0]


def test_a_seed_makes_a_network_reproducible_and_a_generator_is_drawn_from():
    generator = random.Random(7)
    models = [MLP(2, [2, 2], seed=seed) for seed in (7, generator, generator)]
    by_number, first, second = ([layer.weight.tolist() for layer in model.layers] for model in models)
    assert by_number == first
    assert all(w != v for w, v in [(first[0], first[1]), (first[0], second[0])])


def test_numbers_are_made_values_once_for_all_neurons():
    leaves = [node for node in topological_order(MLP(2, [16, 1])([1.0, 2.0])) if node.is_leaf]
    assert sum(not leaf.requires_grad for leaf in leaves) == 2


def test_sizes_may_be_any_integers():
    two: Any = np.int64(2)
    three: Any = np.int64(3)
    assert len(MLP(two, (three, 1)).parameters()) == 13


def test_a_layer_that_is_there_twice_has_its_parameters_once():
    layer = Layer(2, 2)
    assert MLP.from_layers([layer, layer]).parameters() == layer.parameters()


@pytest.mark.parametrize(
    ("arguments", "kwargs", "error", "message"),
    [
        ((2, []), {}, ValueError, "at least one layer"),
        ((2, 3), {}, TypeError, "nouts must be a sequence, not 3"),
        ((2, [3, 0]), {}, ValueError, "a layer's size in nouts must be at least 1, not 0"),
        ((2, [3, 1]), {"output_activation": "softmax"}, ValueError, "single unit"),
    ],
)
def test_bad_arguments_are_refused(arguments, kwargs, error, message):
    with pytest.raises(error, match=message):
        MLP(*arguments, **kwargs)


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ([], ValueError, "at least one layer"),
        ([Layer(2, 3), Layer(2, 1)], ValueError, "layer 0 has 3 units, but layer 1 takes 2 inputs"),
        ([[1, 2]], TypeError, r"takes Layers, not \[1, 2\]"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers, error, message):
    with pytest.raises(error, match=message):
        MLP.from_layers(layers)


@pytest.mark.parametrize("model", [Neuron(2), Layer(2, 3), MLP(2, [3, 1])])
def test_a_wrong_number_of_inputs_is_refused(model):
    with pytest.raises(ValueError, match="expected 2 inputs, but got 1"):
        model([1.0])
