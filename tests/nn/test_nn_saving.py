"""Keeping a model: what PyTorch reads of a file, what a reader refuses, and what survives a kill."""

from __future__ import annotations

import json
import math
import os
import random
import struct
from functools import partial

import numpy as np
import pytest
from processes import run

from autograd_mini import Value, leaky_relu, tanh
from nn import MLP, Layer, Module, Neuron
from nn.saving import load, load_into, save

safetensors = pytest.importorskip("safetensors", reason="safetensors is not installed")
tensors_of = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")

INPUTS = np.random.default_rng(5).normal(size=(7, 3))


class Line(Module):
    """A module of a user's own."""

    def __init__(self):
        self.slope, self.intercept = Value(2.0), Value(-1.0)

    def __call__(self, x):
        return self.slope * x + self.intercept


def outputs(model):
    rows = [model(x.tolist()) for x in INPUTS]
    return np.array([[y.data for y in row] if isinstance(row, list) else [row.data] for row in rows])


def numbers(model):
    return [p.data for p in model.parameters()]


def write(path, arrays, metadata=None):
    """Write a file as another program would."""
    tensors_of.save_file(arrays, path, metadata=metadata)
    return path


def described(path, arrays, **architecture):
    """Write a file that claims to be from `save`."""
    architecture = {"version": 1, "model": "MLP", "activations": ["identity"]} | architecture
    return write(path, arrays, {"autograd_mini.nn": json.dumps(architecture)})


MODELS = {
    "hidden layers": lambda: MLP(3, [4, 5, 2], activation="tanh", init="normal", seed=1),
    "softmax output": lambda: MLP(3, [4, 2], activation="elu", output_activation="softmax", seed=2),
    "identity inside": lambda: MLP(3, [4, 2], activation="identity", output_activation="sigmoid", seed=3),
    "no bias": lambda: MLP(3, [4, 1], bias=False, seed=4),
    "bias in one layer": lambda: MLP.from_layers([Layer(3, 2, bias=False, seed=5), Layer(2, 1, seed=5)]),
    "one layer": lambda: MLP(3, [2], seed=6),
    "slope of its own": lambda: MLP(3, [4, 1], activation=partial(leaky_relu, slope=0.1), seed=7),
    "a layer": lambda: Layer(3, 2, activation="softplus", seed=8),
    "a neuron": lambda: Neuron(3, activation="sigmoid", seed=9),
    "a neuron without bias": lambda: Neuron(3, nonlin=False, bias=False, seed=10),
}


def biased(model):
    """Move the biases from 0, where they start."""
    for i, parameter in enumerate(model.parameters()):
        parameter.data += 0.01 * i
    return model


@pytest.fixture(params=MODELS)
def model(request):
    return biased(MODELS[request.param]())


# There and back.


def test_loading_gives_the_model_that_was_saved(model, tmp_path):
    state = random.getstate()
    save(model, tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert random.getstate() == state
    assert type(again) is type(model)
    assert repr(again) == repr(model)
    assert numbers(again) == numbers(model)
    assert outputs(again).tolist() == outputs(model).tolist()


def test_loading_into_a_model_sets_its_parameters(model, tmp_path):
    save(model, tmp_path / "model.safetensors")
    expected = numbers(model)
    parameters = model.parameters()
    for parameter in parameters:
        parameter.data = 0.0
    load_into(model, tmp_path / "model.safetensors")
    assert numbers(model) == expected
    assert model.parameters() == parameters


def test_a_module_of_ones_own_is_saved_under_the_names_of_its_state_dict(tmp_path):
    line, other = Line(), Line()
    line.slope.data = 7.5
    save(line, tmp_path / "line.safetensors")
    assert sorted(tensors_of.load_file(tmp_path / "line.safetensors")) == ["intercept", "slope"]
    load_into(other, tmp_path / "line.safetensors")
    assert other.slope.data == 7.5
    with pytest.raises(ValueError, match="saved from a Line that is a class of its own"):
        load(tmp_path / "line.safetensors")


def test_a_subclass_keeps_the_parameters_that_it_adds(tmp_path):
    class Scaled(MLP):
        def __init__(self):
            super().__init__(2, [1])
            self.scale = Value(3.0)

    save(Scaled(), tmp_path / "scaled.safetensors")
    assert tensors_of.load_file(tmp_path / "scaled.safetensors")["scale"] == 3.0


@pytest.mark.parametrize(
    "model",
    [
        MLP(3, [2, 1], activation=lambda x: x * x),
        MLP(3, [2, 1], activation=partial(leaky_relu, slope=Value(0.2))),
        MLP.from_layers([Layer(3, 3)] * 2),
    ],
    ids=["activation without a name", "activation with a Value in it", "shared parameters"],
)
def test_what_cannot_be_described_is_saved_for_load_into(model, tmp_path):
    path = tmp_path / "model.safetensors"
    save(model, path)
    with pytest.raises(ValueError, match=r"can't load .* shares parameters, or has an activation without .*load_into"):
        load(path)
    expected = numbers(model)
    for parameter in model.parameters():
        parameter.data = 0.0
    load_into(model, path)
    assert numbers(model) == expected


def test_a_unit_whose_activation_was_changed_alone_is_not_taken_for_its_layers(tmp_path):
    layer = Layer(3, 2)
    layer.neurons[1].activation = tanh
    save(layer, tmp_path / "layer.safetensors")
    with pytest.raises(ValueError, match="load_into"):
        load(tmp_path / "layer.safetensors")


# PyTorch.


@pytest.mark.parametrize("name", list(MODELS))
def test_torch_sequential_loads_the_file_and_computes_the_same(name, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch_tensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
    nn = torch.nn
    modules = {
        "hidden layers": [nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)],
        "softmax output": [nn.Linear(3, 4), nn.ELU(), nn.Linear(4, 2), nn.Softmax(dim=-1)],
        "identity inside": [nn.Linear(3, 4), nn.Linear(4, 2), nn.Sigmoid()],
        "no bias": [nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 1, bias=False)],
        "bias in one layer": [nn.Linear(3, 2, bias=False), nn.ReLU(), nn.Linear(2, 1), nn.ReLU()],
        "one layer": [nn.Linear(3, 2)],
        "slope of its own": [nn.Linear(3, 4), nn.LeakyReLU(0.1), nn.Linear(4, 1)],
        "a layer": [nn.Linear(3, 2), nn.Softplus()],
        "a neuron": [nn.Linear(3, 1), nn.Sigmoid()],
        "a neuron without bias": [nn.Linear(3, 1, bias=False)],
    }
    ours = biased(MODELS[name]())
    save(ours, tmp_path / "model.safetensors")
    sequential = nn.Sequential(*modules[name]).double()
    sequential.load_state_dict(torch_tensors.load_file(tmp_path / "model.safetensors"))
    theirs = sequential(torch.tensor(INPUTS)).detach().numpy()
    np.testing.assert_allclose(outputs(ours), theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_a_file_that_torch_saved_is_loaded_into_a_model(dtype, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch_tensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
    torch.manual_seed(0)
    sequential = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(4, 2)
    ).to(getattr(torch, dtype))
    torch_tensors.save_file(sequential.state_dict(), tmp_path / "torch.safetensors")
    model = MLP(3, [4, 2])
    load_into(model, tmp_path / "torch.safetensors")
    theirs = sequential.double().eval()(torch.tensor(INPUTS)).detach().numpy()
    np.testing.assert_allclose(outputs(model), theirs, rtol=1e-12)
    with pytest.raises(ValueError, match=r"without the architecture .* load_into\(model, path\)"):
        load(tmp_path / "torch.safetensors")


def test_places_in_a_sequential_are_ordered_as_numbers(tmp_path):
    first, last = np.full((2, 2), 2.0), np.full((2, 2), 10.0)
    model = MLP(2, [2, 2], bias=False)
    load_into(model, write(tmp_path / "f.safetensors", {"10.weight": last, "2.weight": first}))
    assert [layer.weight[0, 0] for layer in model.layers] == [2.0, 10.0]


# Files that are refused.


def assert_refused(path, message, error=ValueError):
    """Loading fails, and changes nothing of the model."""
    with pytest.raises(error, match=message):
        load(path)
    assert_not_loaded_into(MLP(2, [3, 1], seed=1), path, message, error)


def assert_not_loaded_into(model, path, message, error=ValueError):
    before = numbers(model)
    with pytest.raises(error, match=message):
        load_into(model, path)
    assert numbers(model) == before


def header(text):
    return struct.pack("<Q", len(text)) + text


FOREIGN = {
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s.",
    "huge header": struct.pack("<Q", 2**62) + b"{}",
    "header that is no JSON": header(b"{" * 1000),
    "header of deep nesting": header(b'{"a":' * 100_000),
    "shape beyond the file": header(b'{"0.weight":{"dtype":"F64","shape":[9,9],"data_offsets":[0,648]}}') + b"\0" * 8,
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_foreign_file_is_refused(content, tmp_path):
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(content)
    assert_refused(path, "foreign.safetensors'.*: it is truncated, damaged or no safetensors file")


def test_file_truncated_anywhere_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save(MLP(2, [3, 1], seed=2), path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert_refused(path, "truncated")


def layer_arrays(nout=1, nin=2):
    return {"0.weight": np.ones((nout, nin)), "0.bias": np.zeros(nout)}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"0.weight": np.array([[1.0, np.nan]])}, "0.weight must be finite, but .* is nan"),
        ({"0.weight": np.ones((1, 2), dtype=np.int64)}, "0.weight has the type I64; expected floats: F64, F32, F16"),
        ({"0.weight": np.ones(2)}, r"0.weight must have the shape \(nout, nin\), but has \(2,\)"),
        (layer_arrays() | {"0.bias": np.zeros(3)}, r"0.bias must have the shape \(1,\), but has \(3,\)"),
        ({"0.bias": np.zeros(1)}, "there is a 0.bias, but no 0.weight"),
        (layer_arrays() | {"scale": np.ones(1)}, "unexpected tensor 'scale'"),
        ({"0.running_mean": np.ones(2)}, "unexpected tensor '0.running_mean'"),
    ],
)
def test_tensors_that_are_no_layers_are_refused(arrays, message, tmp_path):
    assert_refused(described(tmp_path / "f.safetensors", arrays), message)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"version": 2}, "version 2 of the format, and this package reads version 1"),
        ({"activations": "identity"}, "description of the architecture is damaged"),
    ],
)
def test_damaged_architecture_is_refused(architecture, message, tmp_path):
    assert_refused(described(tmp_path / "f.safetensors", layer_arrays(), **architecture), message)


@pytest.mark.parametrize("text", ["", "[", "[]", "[" * 100_000, "9" * 5000, '{"version": 1}'], ids=range(6))
def test_architecture_that_is_no_json_object_is_refused(text, tmp_path):
    path = write(tmp_path / "f.safetensors", layer_arrays(), {"autograd_mini.nn": text})
    assert_refused(path, "description of the architecture is damaged")


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"activations": ["__import__('os')"]}, 'unknown activation "__import__'),
        ({"activations": [7]}, "expected the name of an activation, but found 7"),
        ({"activations": [["leaky_relu", {"slope": float("nan")}]]}, "expected the name of an activation"),
        ({"activations": [["tanh", {"slope": 0.5}]]}, "tanh does not take the parameters {'slope': 0.5}"),
        ({"activations": ["softmax"]}, "softmax of a single unit"),
        ({"activations": ["relu", "relu"]}, "1 layers, but 2 activations"),
        ({"model": "Tree"}, "its tensors, 1x2, are not those of a Tree"),
    ],
)
def test_architecture_that_makes_no_model_is_refused(architecture, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load(described(tmp_path / "f.safetensors", layer_arrays(), **architecture))


@pytest.mark.parametrize(
    ("kind", "arrays", "message"),
    [
        ("Neuron", {"0.weight": np.ones((2, 2))}, "2x2 without bias, are not those of a Neuron"),
        ("Layer", {"0.weight": np.ones((2, 2)), "1.weight": np.ones((1, 2))}, "are not those of a Layer"),
        ("MLP", {"0.weight": np.ones((2, 2)), "1.weight": np.ones((1, 3))}, "layer 0 has 2 units, but layer 1 takes 3"),
    ],
)
def test_tensors_that_do_not_fit_the_architecture_are_refused(kind, arrays, message, tmp_path):
    path = described(tmp_path / "f.safetensors", arrays, model=kind, activations=["relu"] * len(arrays))
    with pytest.raises(ValueError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (MLP(2, [4, 1]), "the file holds 3x2, 1x3, but the model has 4x2, 1x4"),
        (MLP(2, [3, 1], bias=False), "but the model has 3x2 without bias, 1x3 without bias"),
        (Neuron(2), "can't load .* into this Neuron: the file holds"),
        (MLP(2, [3, 1], activation="tanh"), "layer 0 was saved with the activation 'relu', but the model has 'tanh'"),
        (Line(), "missing .*'intercept', 'slope'.* unexpected .*'0.bias'"),
    ],
)
def test_a_model_of_another_shape_is_left_alone(other, message, tmp_path):
    save(MLP(2, [3, 1]), tmp_path / "model.safetensors")
    assert_not_loaded_into(other, tmp_path / "model.safetensors", message)


def test_a_missing_file_is_named_and_a_folder_is_no_file(tmp_path):
    assert_refused(tmp_path / "none.safetensors", "no such file: .*none.safetensors", FileNotFoundError)
    assert_refused(tmp_path, "no such file", FileNotFoundError)


# Writing.


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match=r"load_into needs a Module, such as an MLP, not \[1\] \(list\)"):
        load_into([1], "model")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="save needs a Module, such as an MLP, not 'model'"):
        save("model", MLP(2, [1]))  # type: ignore[arg-type]


def test_a_diverged_model_does_not_replace_a_good_one(tmp_path):
    model = MLP(2, [2, 1], seed=1)
    save(model, tmp_path / "model.safetensors")
    expected = numbers(model)
    model.layers[1].neurons[0].w[0].data = math.inf
    with pytest.raises(ValueError, match=r"2\.weight must be finite, but .* is inf"):
        save(model, tmp_path / "model.safetensors")
    assert numbers(load(tmp_path / "model.safetensors")) == expected


def test_a_module_without_parameters_is_refused(tmp_path):
    with pytest.raises(ValueError, match="this Module has no parameters to save"):
        save(Module(), tmp_path / "model.safetensors")


KILLING = """
import os, random, signal, sys, time
from pathlib import Path
from nn import MLP
from nn.saving import load, save

path = Path(sys.argv[1])
models = [MLP(8, [64, 64, 1], seed=seed) for seed in range(2)]
whole = [[p.data for p in model.parameters()] for model in models]
save(models[0], path)
waits = random.Random(1)
rounds = 0
while rounds < 20 or (len(os.listdir(path.parent)) < 4 and rounds < 500):  # 3 drafts: killed while writing
    rounds += 1
    child = os.fork()
    if child == 0:
        while True:
            for model in models:
                save(model, path)
    time.sleep(waits.uniform(0.0, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert [p.data for p in load(path).parameters()] in whole
print(len(os.listdir(path.parent)) - 1, "drafts")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_while_saving_leaves_a_whole_file(tmp_path):
    drafts = int(run(KILLING, str(tmp_path / "model.safetensors")).split()[0])
    assert drafts >= 3
    assert [file.name for file in tmp_path.glob("*.safetensors")] == ["model.safetensors"]


FULL_DISK = """
import resource, sys
from nn import MLP, Neuron
from nn.saving import save
save(Neuron(2, seed=1), sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save(MLP(8, [64, 1]), sys.argv[1])
except OSError:
    print("refused")
"""


@pytest.mark.skipif(os.name != "posix", reason="limits are POSIX's")
def test_a_full_disk_leaves_the_old_file_and_no_draft(tmp_path):
    assert run(FULL_DISK, str(tmp_path / "model.safetensors")) == "refused\n"
    assert numbers(load(tmp_path / "model.safetensors")) == numbers(Neuron(2, seed=1))
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_without_safetensors_the_error_names_the_extra(tmp_path):
    script = """
import sys
sys.modules["safetensors"] = None
from nn import Neuron
from nn.saving import load, save
for call in (lambda: save(Neuron(2), sys.argv[1]), lambda: load(sys.argv[1])):
    try:
        call()
    except ImportError as error:
        print(error)
"""
    message = "saving and loading need safetensors: pip install 'autograd_mini[train]'\n"
    assert run(script, str(tmp_path / "m")) == message * 2
