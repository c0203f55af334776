"""Activations: each by its name, against the formula of its source and against PyTorch."""

import math
from functools import partial

import pytest

from autograd_mini import Value, leaky_relu
from nn import ACTIVATIONS, Neuron, activation_function, activation_title

FORMULAS = {
    "identity": lambda x: x,
    "linear": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": lambda x: (math.exp(x) - math.exp(-x)) / (math.exp(x) + math.exp(-x)),
    "relu": lambda x: max(0.0, x),
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "softplus": lambda x: math.log(1 + math.exp(x)),
    "elu": lambda x: x if x >= 0 else math.exp(x) - 1,
    "silu": lambda x: x / (1 + math.exp(-x)),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
}
POINTS = [-3.0, -1.0, -0.25, 0.0, 0.25, 1.0, 3.0]


def test_every_activation_of_one_unit_has_a_formula_here():
    assert ACTIVATIONS.keys() - FORMULAS.keys() == {"softmax"}


@pytest.mark.parametrize("name", FORMULAS)
def test_activation_is_the_formula_of_its_source(name):
    function = activation_function(name)
    for x in POINTS:
        assert function(Value(x)).data == pytest.approx(FORMULAS[name](x), rel=1e-12, abs=1e-15)


def test_a_partial_function_sets_another_slope():
    neuron = Neuron(1, activation=partial(leaky_relu, slope=0.1), init=lambda generator: 1.0)
    assert neuron([-2.0]).data == pytest.approx(-0.2, rel=1e-15)
    assert repr(neuron) == "LeakyReLUNeuron(1)"


def test_a_functions_title_is_its_name():
    def bump(x):
        return x * x

    assert activation_title(bump) == "Bump"
