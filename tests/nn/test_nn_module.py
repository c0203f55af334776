"""Module: finding, naming, zeroing, copying and loading parameters."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from autograd_mini import Value, grad, hessian, jit, value_and_grad
from nn import MLP, Layer, Module, Neuron, l2


class Tangle(Module):
    """Parameters in every place where they are looked for, and Values that are none."""

    def __init__(self):
        self.scale = Value(2.0)
        self.table = {"rows": [[Value(3.0), Value(4.0)], (Value(5.0),)]}
        self.part = Neuron(1, init="zeros")
        self.shared = self.scale
        self.constant = Value(7.0).detach()
        self.last_output = Value(1.0) * 2
        self.name = "tangle"


def test_parameters_are_found_in_attributes_lists_dicts_and_parts():
    names = [name for name, _ in Tangle().named_parameters()]
    assert names == ["scale", "table.rows.0.0", "table.rows.0.1", "table.rows.1.0", "part.w.0", "part.b"]


def test_a_part_may_lead_back_to_its_module_but_has_no_end_of_names_then():
    model: Any = Module()
    model.layer = Layer(2, 1)
    model.layer.owner = model
    model.parts = [Value(1.0)]
    model.parts.append(model.parts)
    assert [name for name, _ in model.named_parameters()] == [
        "layer.neurons.0.w.0",
        "layer.neurons.0.w.1",
        "layer.neurons.0.b",
        "parts.0",
    ]
    with pytest.raises(ValueError, match="this Module has a part that leads back to it"):
        model.state_dict()


def test_zero_grad_zeroes_every_gradient():
    model = MLP(2, [3, 1])
    model([1.0, 2.0]).backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert [p.grad for p in model.parameters()] == [0.0] * 13


def test_state_dict_is_keyed_by_layer_and_holds_matrices():
    model = MLP(2, [2, 1])
    model.layers[0].weight = [[1, 2], [3, 4]]
    model.layers[0].bias = [5, 6]
    state = model.state_dict()
    assert list(state) == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    assert state["layers.0.weight"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert state["layers.0.bias"].tolist() == [5.0, 6.0]


def test_state_dict_of_any_module_holds_all_of_its_parameters():
    state = Tangle().state_dict()
    assert {name: array.tolist() for name, array in state.items()} == {
        "scale": 2.0,
        "table.rows.0": [3.0, 4.0],
        "table.rows.1": [5.0],
        "part.w": [0.0],
        "part.b": 0.0,
        "shared": 2.0,
    }


def test_state_dict_is_a_copy():
    layer = Layer(1, 1, init="zeros")
    layer.state_dict()["weight"][0, 0] = 5.0
    assert layer.weight[0, 0] == 0.0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: s.pop("layers.1.bias"), KeyError, "missing.*layers.1.bias"),
        (lambda s: s.update(extra=np.zeros(1)), KeyError, "unexpected.*extra"),
        (lambda s: s.update({"layers.1.weight": np.zeros((3, 1))}), ValueError, r"\(1, 3\).*\(3, 1\)"),
        (lambda s: s.update({"layers.1.bias": [float("nan")]}), ValueError, "layers.1.bias must be finite.*nan"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(change, error, message):
    model = MLP(2, [3, 1])
    before = [p.data for p in model.parameters()]
    state = {name: array + 1.0 for name, array in model.state_dict().items()}
    change(state)
    with pytest.raises(error, match=message):
        model.load_state_dict(state)
    assert [p.data for p in model.parameters()] == before


def test_a_state_that_is_no_mapping_is_refused():
    with pytest.raises(TypeError, match="mapping from names to arrays, not 3"):
        MLP(1, [1]).load_state_dict(3)  # type: ignore[arg-type]


def test_with_parameters_computes_with_the_given_values_and_leaves_the_module_alone():
    model = Neuron(2, nonlin=False)
    before = [p.data for p in model.parameters()]
    assert grad(lambda values: model.with_parameters(values)([3.0, 4.0]))([1.0, 2.0, 0.5]) == [3.0, 4.0, 1.0]
    assert [p.data for p in model.parameters()] == before
    assert [p.grad for p in model.parameters()] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("make", [lambda: MLP(1, [2, 1]), Tangle])
@pytest.mark.parametrize("compiled", [lambda f: f, jit])
def test_the_values_given_to_with_parameters_are_parameters_in_every_transform(make, compiled):
    model = make()
    is_weight = np.array([not name.endswith("b") for name, _ in model.named_parameters()], dtype=float)
    values = np.arange(1.0, len(is_weight) + 1.0)

    def penalty(values):  # the sum of the squares of the weights
        return l2(model.with_parameters([2.0 * value for value in values]).weights(), strength=0.5)

    value, slope = compiled(value_and_grad(penalty))(values)
    assert value == pytest.approx(np.dot(is_weight, values**2))
    assert slope == pytest.approx(2.0 * is_weight * values)
    assert np.array(compiled(hessian(penalty))(values)) == pytest.approx(np.diag(2.0 * is_weight))


def test_with_parameters_makes_values_of_numbers():
    model = MLP(2, [2, 1]).with_parameters(range(9))
    assert model.layers[0].weight.tolist() == [[0.0, 1.0], [3.0, 4.0]]
    assert [p.data for p in pickle.loads(pickle.dumps(model)).weights()] == [0.0, 1.0, 3.0, 4.0, 6.0, 7.0]
    model.load_state_dict(MLP(2, [2, 1], init="zeros").state_dict())
    assert l2(model.weights(), 1.0).data == 0.0


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([1.0, 2.0], ValueError, r"expected 3 values.*got 2"),
        (3.0, TypeError, "values must be a sequence, not 3.0"),
    ],
)
def test_with_parameters_wants_one_value_for_each_parameter(values, error, message):
    with pytest.raises(error, match=message):
        Neuron(2).with_parameters(values)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copied_model_computes_the_same_with_parameters_of_its_own(copied):
    model = MLP(2, [3, 2], activation="tanh", output_activation="softmax")
    other = copied(model)
    assert [p.data for p in other([1.0, 2.0])] == [p.data for p in model([1.0, 2.0])]
    assert not set(other.parameters()) & set(model.parameters())


def test_a_module_without_call_says_so():
    with pytest.raises(NotImplementedError, match="Tangle does not define __call__"):
        Tangle()([1.0])
