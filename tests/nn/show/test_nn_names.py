"""The names that a network's nodes have in graphs without being asked for."""

from __future__ import annotations

import copy
import gc
import threading
import weakref

import pytest

from autograd_mini import Value, draw, explain, jit, topological_order
from nn import MLP, Layer, Module, Neuron, half_squared_error
from nn.mlp import layers_of
from nn.show import unit_names
from nn.show.unit_names import names_in_graph


def names(root: Value) -> dict[Value, str]:
    return names_in_graph(topological_order(root))


def name_of(found: dict[Value, str], node: Value | None) -> str:
    assert node is not None
    return found[node]


def test_weights_inputs_units_and_outputs_have_the_names_of_the_notes() -> None:
    model = MLP(2, [3, 1], activation="tanh", output_activation="sigmoid", seed=1)
    y = model([1.0, 2.0])
    found = names(y)
    # w_ij leads from the unit i to the unit j (From Logistic Regression to Neural Network, equation 7).
    assert found[model.layers[0].neurons[1].w[0]] == "w₁₂⁽¹⁾"
    assert found[model.layers[1].neurons[0].w[2]] == "w₃₁⁽²⁾"
    assert name_of(found, model.layers[0].neurons[0].b) == "b₁⁽¹⁾"
    assert {"x₁", "x₂", "z₁⁽¹⁾", "h₁⁽¹⁾", "h₃⁽¹⁾", "z"} < set(found.values())
    assert found[y] == "y"
    assert len(set(found.values())) == len(found) == len(topological_order(y))


@pytest.mark.parametrize("activation", ["identity", "relu", "leaky_relu", "elu", "softplus", "softmax"])
def test_outputs_are_found_behind_every_activation(activation: str) -> None:
    outputs = MLP(1, [2, 3], output_activation=activation, seed=1)
    ys = outputs([1.0])
    assert [names(y)[y] for y in ys] == ["y₁", "y₂", "y₃"]


def test_places_of_two_digits_are_set_apart() -> None:
    layer = Layer(12, 2)
    assert names(layer([1.0] * 12)[1])[layer.neurons[1].w[10]] == "w₁₁,₂"


def test_drawings_and_explanations_show_the_names_and_labels_and_given_names_go_first() -> None:
    unit = Neuron(2, activation="sigmoid", seed=1)
    unit.w[1].label = "slope"
    y = unit([1.0, 2.0])
    assert unit.b is not None
    text = str(explain(y, offset=unit.b))
    assert "z = w₁ · x₁ + slope · x₂ + offset" in text
    source = draw(y, offset=unit.b).source
    assert "w₁" in source
    assert "slope" in source
    assert "offset" in source
    assert [w.label for w in unit.w] == ["", "slope"]


def test_the_network_that_fits_a_graph_names_it_where_two_share_layers() -> None:
    small = MLP(2, [3, 2], seed=1)
    large = MLP.from_layers([*small.layers, Layer(2, 1)])
    weight = small.layers[1].neurons[0].w[0]
    assert names(small([1.0, 2.0])[0])[weight] == "w₁₁⁽²⁾"
    y = large([1.0, 2.0])
    assert names(y)[weight] == "w₁₁⁽²⁾"
    assert names(y)[y] == "y"


def test_a_module_of_several_networks_says_which() -> None:
    class Gated(Module):
        def __init__(self) -> None:
            self.gate, self.body, self.scale = Neuron(1), MLP(1, [1, 1]), Value(2.0)

        def __call__(self, x: object) -> Value:
            return self.gate(x) * self.body(x) * self.scale

    model = Gated()
    found = names(model([1.0]))
    assert found[model.gate.w[0]] == "gate.w₁"
    assert name_of(found, model.body.layers[1].neurons[0].b) == "body.b₁⁽²⁾"
    assert found[model.scale] == "scale"


def test_names_keep_no_model_alive_and_copies_have_their_own() -> None:
    model = MLP(2, [2, 1])
    twin = copy.deepcopy(model)
    assert names(twin([1.0, 2.0]))[twin.layers[0].neurons[0].w[0]] == "w₁₁⁽¹⁾"
    y, gone = model([1.0, 2.0]), weakref.ref(model)
    draw(y)
    del model
    gc.collect()
    assert gone() is None
    assert names(y) == {}


def test_every_example_of_a_batch_has_its_units_named() -> None:
    model = MLP(1, [1, 1])
    loss = half_squared_error([model([1.0]), model([2.0])], [0.0, 1.0])
    assert sorted(names(loss).values()).count("h₁⁽¹⁾") == 2
    assert "h₁⁽¹⁾#2" in str(explain(loss))


def test_an_activation_of_ones_own_is_not_called_to_find_names() -> None:
    calls = []

    def square(x: Value) -> Value:
        calls.append(x)
        return x * x + 0.0 * x

    model = MLP(1, [1, 1], activation=square, output_activation=square)
    y = model([1.0])
    before = len(calls)
    assert "h₁⁽¹⁾" in names(y).values()
    assert len(calls) == before


def test_models_under_a_trace_or_never_finished_stay_out_of_the_way() -> None:
    kept: list[object] = []

    def traced(numbers: list[float]) -> Value:
        kept.append(Neuron(1).with_parameters(numbers))
        return numbers[0] * 2.0  # type: ignore[return-value]

    jit(traced)([1.0, 2.0])
    with pytest.raises(ValueError, match="softmax needs"):
        Neuron(2, activation="softmax")
    kept += [MLP.__new__(MLP), Layer.__new__(Layer), Neuron.__new__(Neuron)]
    vars(kept[-1])["activation"] = None
    x = Value(1.0, "x")
    assert names(x * 2.0) == {}
    unit = Neuron(1)
    assert names(unit([1.0]))[unit.w[0]] == "w₁"


def test_models_taken_apart_do_not_keep_other_graphs_from_being_shown() -> None:
    bare, empty, strange = Neuron(2), MLP(1, [2, 1]), MLP(1, [1])
    bare.w, empty.layers = [], []
    strange.layers = "x"  # type: ignore[assignment]
    assert bare.b is not None
    assert names(bare.b * 2.0) == {}
    unit = Neuron(1)
    assert names(unit([1.0]))[unit.w[0]] == "w₁"


def test_graphs_are_named_while_other_threads_make_models() -> None:
    stop = threading.Event()

    def make() -> None:
        while not stop.is_set():
            MLP(2, [3, 1])

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        unit = Neuron(1)
        for _ in range(100):
            assert names(unit([1.0]))[unit.w[0]] == "w₁"
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_large_models_elsewhere_are_not_named_to_show_a_small_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    large = MLP(30, [30, 1])
    unit = Neuron(1)
    named: list[object] = []
    monkeypatch.setattr(unit_names, "layers_of", lambda part: named.append(part) or layers_of(part))
    assert names(unit([1.0]))[unit.w[0]] == "w₁"
    assert unit in named
    assert large not in named
