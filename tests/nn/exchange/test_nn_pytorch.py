"""Models to PyTorch and back: the same parameters, outputs and gradients; what has no counterpart is named."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from agreement import assert_agree

from autograd_mini import Value, elu, leaky_relu, sin
from nn import ACTIVATIONS, MLP, Embedding, Layer, Module, Neuron, from_torch, to_torch

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

ONES = [name for name in ACTIVATIONS if name != "softmax"]
FUNCTIONS = [*ONES, partial(leaky_relu, slope=0.2), partial(elu, a=1.5)]
X = np.linspace(-30.0, 30.0, 33).reshape(11, 3)


def outputs(model: Any, xs: Any = X) -> Any:
    rows = [model(x) for x in xs]
    return [row if isinstance(row, list) else [row] for row in rows]


def assert_same(model: Any, sequential: Any) -> None:
    """Compare outputs, and the gradient of their squares."""
    made, theirs = outputs(model), sequential(torch.tensor(X))
    assert_agree([[x.data for x in row] for row in made], theirs.tolist(), floor=1e-14)
    model.zero_grad()
    sum([x * x for row in made for x in row]).backward()
    (theirs**2).sum().backward()
    for name, array in model._arrays():
        theirs = sequential.get_parameter(name)
        scale = float(theirs.grad.abs().max())
        ours = np.array([value.grad for value in array.flat])
        assert np.abs(ours - theirs.grad.numpy().ravel()).max() <= 1e-12 * scale


@pytest.mark.parametrize("activation", FUNCTIONS, ids=str)
def test_a_layer_and_its_gradient_are_pytorchs(activation: Any) -> None:
    layer = Layer(3, 4, activation=activation, seed=1)
    layer.bias = [0.5, -0.5, 0.0, 1.0]
    sequential = to_torch(layer)
    for name, array in layer.state_dict().items():
        assert (sequential[0].get_parameter(name).detach().numpy() == array).all()
        assert sequential[0].get_parameter(name).dtype == torch.float64
    sequential.get_parameter = sequential[0].get_parameter
    assert_same(layer, sequential)


@pytest.mark.parametrize("activation", FUNCTIONS, ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_there_and_back_gives_the_same_model(activation: Any, bias: bool) -> None:
    model = MLP(3, [4, 2, 3], activation=activation, output_activation="softmax", bias=bias, seed=1)
    again = from_torch(to_torch(model))
    assert repr(again) == repr(model)
    assert [p.data for p in again.parameters()] == [p.data for p in model.parameters()]
    assert [[x.data for x in row] for row in outputs(again)] == [[x.data for x in row] for row in outputs(model)]


def test_a_neuron_and_an_embedding_have_counterparts() -> None:
    neuron, embedding = Neuron(3, activation="sigmoid", seed=1), Embedding(4, 2, seed=1)
    assert to_torch(neuron)(torch.tensor(X[0])).tolist() == pytest.approx([neuron(X[0]).data], rel=1e-14)
    assert (to_torch(embedding)(torch.tensor([3, 1])).detach().numpy() == embedding.weight[[3, 1]]).all()
    assert (from_torch(to_torch(embedding)).weight == embedding.weight).all()


def test_no_random_number_of_pytorch_is_drawn() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    to_torch(MLP(3, [4, 2]))
    assert torch.rand(1) == expected


def test_nested_sequentials_identities_and_idle_dropouts_compute_nothing_else() -> None:
    leaky = torch.nn.LeakyReLU(0.3)  # twice the same module
    sequential = torch.nn.Sequential(
        torch.nn.Sequential(torch.nn.Identity(), torch.nn.Linear(3, 2)),
        torch.nn.Dropout(0.5),
        leaky,
        torch.nn.Linear(2, 2, bias=False),
        leaky,
        torch.nn.Linear(2, 2),
        torch.nn.Softmax(dim=1),
    ).eval()
    model = from_torch(sequential)
    assert repr(model).startswith("MLP of [Layer of [LeakyReLUNeuron(3)")
    expected = sequential.double()(torch.tensor(X)).tolist()
    assert_agree([[x.data for x in row] for row in outputs(model)], expected)


class Own(Module):
    def __init__(self) -> None:
        self.w = Value(1.0)


def shared() -> MLP:
    layer = Layer(2, 2)
    return MLP.from_layers([layer, layer])


def mixed() -> Layer:
    layer = Layer(2, 2)
    layer.neurons[1].activation = sin
    return layer


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (Own, TypeError, "not what the Own does"),
        (lambda: 3.0, TypeError, "not 3.0"),
        (lambda: MLP, TypeError, "needs an MLP"),
        (lambda: MLP(2, [2, 1], activation=sin), ValueError, "layer 0 has Sin"),
        (lambda: MLP(2, [2, 1], activation=lambda z: z), ValueError, "layer 0 has <lambda>"),
        (shared, ValueError, "shares some"),
        (mixed, ValueError, r"unit 1 of layer 0 is SinNeuron\(2\)"),
    ],
)
def test_what_pytorch_has_no_module_for_is_refused(make: Callable[[], Any], error: Any, told: str) -> None:
    with pytest.raises(error, match=told):
        to_torch(make())


def linear() -> Any:
    return torch.nn.Linear(2, 2)


def tied() -> Any:
    one = linear()
    return torch.nn.Sequential(one, one)


def hooked() -> Any:
    layer = linear()
    layer.register_forward_hook(lambda module, given, made: 2.0 * made)
    return torch.nn.Sequential(torch.nn.Sequential(layer))


def doubled() -> Any:
    return type("Doubled", (torch.nn.Sequential,), {"forward": lambda self, x: 2.0 * x})(linear())


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (linear, TypeError, "needs a torch.nn.Sequential"),
        (lambda: torch.nn.Sequential(), ValueError, "at least one Linear"),
        (
            lambda: torch.nn.Sequential(linear(), torch.nn.BatchNorm1d(2)),
            TypeError,
            "module 1, BatchNorm1d.*counterpart",
        ),
        (lambda: torch.nn.Sequential(torch.nn.Conv1d(1, 1, 1)), TypeError, "module 0, Conv1d"),
        (lambda: torch.nn.Sequential(linear(), torch.nn.Dropout()), ValueError, r"module 1, Dropout.*eval\(\)"),
        (lambda: torch.nn.Sequential(torch.nn.ReLU(), linear()), ValueError, r"module 0, ReLU\(\), follows no Linear"),
        (lambda: torch.nn.Sequential(linear(), torch.nn.ReLU(), torch.nn.Tanh()), ValueError, "module 2, Tanh"),
        (lambda: torch.nn.Sequential(linear(), torch.nn.GELU("tanh")), ValueError, "approximate='none', not 'tanh'"),
        (lambda: torch.nn.Sequential(linear(), torch.nn.Softmax(0)), ValueError, "dim=-1, not 0"),
        (lambda: torch.nn.Sequential(linear(), torch.nn.Softplus(2.0)), ValueError, "beta=1.0, not 2.0"),
        (lambda: torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Softmax(1)), ValueError, "single unit"),
        (lambda: torch.nn.Sequential(torch.nn.Linear(2, 3), linear()), ValueError, "3 units"),
        (lambda: torch.nn.Sequential(torch.nn.Sequential(torch.nn.GRU(2, 2))), TypeError, "module 0.0, GRU"),
        (lambda: torch.nn.Sequential(torch.nn.Embedding(3, 2, max_norm=1.0)), ValueError, "changes its vectors"),
        (tied, ValueError, "shares some"),
        (hooked, ValueError, "take over hooks"),
        (doubled, TypeError, "forward of Doubled"),
        (lambda: torch.nn.Sequential(torch.nn.Linear(2, 2, dtype=torch.complex128)), TypeError, "complex"),
        (
            lambda: torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1, device="meta")),
            ValueError,
            "module 1 ",
        ),
    ],
)
def test_what_has_no_counterpart_here_is_refused_with_its_place(make: Any, error: Any, told: str) -> None:
    with pytest.raises(error, match=told):
        from_torch(make())


def test_a_weight_that_is_not_finite_is_refused_with_its_place() -> None:
    sequential = torch.nn.Sequential(linear())
    sequential[0].weight.data[0, 1] = torch.nan
    with pytest.raises(ValueError, match=r"module 0, Linear.*weight\[0, 1\] is nan"):
        from_torch(sequential)


def test_without_pytorch_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="to_torch needs PyTorch: pip install torch"):
        to_torch(MLP(2, [1]))
