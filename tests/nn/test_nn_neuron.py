"""Neuron: what it computes, what it records, how it starts, what it refuses."""

import random
from fractions import Fraction

import numpy as np
import pytest

from autograd_mini import Value, topological_order
from nn import Neuron


def with_weights(weights, bias, **kwargs):
    neuron = Neuron(len(weights), **kwargs)
    for w, number in zip(neuron.w, weights):
        w.data = number
    neuron.b.data = bias
    return neuron


def test_gradients_are_those_of_the_weighted_sum():
    neuron = with_weights([2.0, -3.0], 0.5, nonlin=False)
    x = [Value(5.0), Value(7.0)]
    neuron(x).backward()
    assert [w.grad for w in neuron.w] == [5.0, 7.0]
    assert neuron.b.grad == 1.0
    assert [xi.grad for xi in x] == [2.0, -3.0]


@pytest.mark.parametrize(("activation", "nodes"), [("relu", 2), ("sigmoid", 2), ("identity", 1)])
def test_a_neuron_is_one_dot_node_and_its_activation(activation, nodes):
    out = Neuron(5, activation=activation)([1.0] * 5)
    assert sum(not node.is_leaf for node in topological_order(out)) == nodes


def test_micrograds_attributes_and_positional_switch():
    neuron = Neuron(3, False)
    assert len(neuron.w) == 3
    assert neuron.b.data == 0.0
    assert neuron.nonlin is False
    assert Neuron(3).nonlin is True
    assert neuron.parameters() == [*neuron.w, neuron.b]


def test_inputs_of_every_real_kind_are_taken():
    neuron = with_weights([1.0, 1.0, 1.0, 1.0, 1.0], 0.0)
    assert neuron([1, 0.5, Fraction(1, 4), np.float32(2.0), Value(3.0)]).data == 6.75
    assert neuron(np.arange(5)).data == 10.0


def test_a_seed_leaves_pythons_global_generator_alone():
    random.seed(5)
    expected = random.random()
    random.seed(5)
    Neuron(4, seed=1)
    assert random.random() == expected


def test_without_seed_weights_come_from_pythons_global_generator():
    random.seed(1337)
    expected = [random.uniform(-1, 1) for _ in range(3)]
    random.seed(1337)
    assert [w.data for w in Neuron(3).w] == expected


@pytest.mark.parametrize(
    ("arguments", "kwargs", "error", "message"),
    [
        ((0,), {}, ValueError, "nin must be at least 1, not 0"),
        ((2.5,), {}, TypeError, "nin must be an integer, not 2.5"),
        ((2,), {"activation": "rely"}, ValueError, "unknown activation 'rely'; known are: .*relu"),
        ((2,), {"activation": "softmax"}, ValueError, "softmax needs the outputs of a whole layer"),
        ((2, False), {"activation": "tanh"}, ValueError, "nonlin=False.*'tanh'"),
        ((2,), {"init": "ones"}, ValueError, "unknown initializer 'ones'; known are: he, normal"),
        ((2,), {"init": None}, TypeError, "init must be a name or a function"),
        ((2,), {"seed": "x"}, TypeError, "seed must be an integer"),
    ],
)
def test_bad_arguments_are_refused(arguments, kwargs, error, message):
    with pytest.raises(error, match=message):
        Neuron(*arguments, **kwargs)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([1.0, 2.0, 3.0], ValueError, "expected 2 inputs, but got 3"),
        (1.0, TypeError, "must be a sequence, not 1.0"),
        (np.array(1.0), TypeError, "not a single number"),
        ([1.0, "2"], TypeError, "input 1 must be a number or a Value, not '2'"),
    ],
)
def test_bad_inputs_are_refused(x, error, message):
    with pytest.raises(error, match=message):
        Neuron(2)(x)
