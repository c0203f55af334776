"""The page that steps through a network: its figures, its picture's marks, and what it refuses."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest

from nn import MLP, Layer, Neuron, explain_network, half_squared_error
from nn.show.explanation import NetworkExplanation


def xor_network() -> MLP:
    """Make the network of Neural Networks, chapter 1, section 1.4, with the signs that its table has."""
    hidden = Layer.from_matrix([[3, 4, -2], [2, 3, -4]], activation="sigmoid")
    return MLP.from_layers([hidden, Layer.from_matrix([[5, -5, -2]], activation="sigmoid")])


def explained(**options: object) -> NetworkExplanation:
    return explain_network(xor_network(), [1, 0], 1, "half_squared_error", **options)  # type: ignore[arg-type]


def page_of(network: NetworkExplanation, folder: Path) -> str:
    return network.save(folder / "network.html").read_text(encoding="utf-8")


def shown_after_all_steps(page: str) -> dict[str, str]:
    """Give the last number that the steps write into each slot of the picture."""
    lists = [json.loads(html.unescape(found)) for found in re.findall(r'data-shows="([^"]*)"', page)]
    return {slot: text for shows in lists for slot, text, _ in shows}


def test_the_figures_of_the_notes_table_are_in_the_steps(tmp_path: Path) -> None:
    page = page_of(explained(), tmp_path)
    shown = shown_after_all_steps(page)
    assert [shown[f"u1-{j}-y"][:5] for j in (0, 1)] == ["0.731", "0.119"]
    assert shown["u2-0-y"][:5] == "0.742"  # .7426, which the notes round to .743
    assert "w₁₁⁽¹⁾ · x₁ + w₂₁⁽¹⁾ · x₂ + b₁⁽¹⁾ = 3 · 1 + 4 · 0 + (-2) = 1" in html.unescape(page)


def test_the_step_moves_every_weight_against_the_engines_gradient(tmp_path: Path) -> None:
    model, lr = xor_network(), 0.5
    half_squared_error([model([1, 0])], [1]).backward()
    network = explained(lr=lr)
    shown = shown_after_all_steps(page_of(network, tmp_path))
    for i, layer in enumerate(model.layers):
        for j, unit in enumerate(layer.neurons):
            for k, w in enumerate(unit.w):
                assert float(shown[f"u{i}-{k}-{j}"]) == pytest.approx(w.data - lr * w.grad, rel=1e-3)
            assert unit.b is not None
            assert float(shown[f"u{i + 1}-{j}-b"].removeprefix("b ")) == pytest.approx(
                unit.b.data - lr * unit.b.grad, rel=1e-3
            )
            unit.b.data -= lr * unit.b.grad
            for w in unit.w:
                w.data -= lr * w.grad
    after = half_squared_error([model([1, 0])], [1]).data
    assert network.after is not None
    assert network.after.error == pytest.approx(after, rel=1e-12)
    assert after < network.error
    assert float(shown["E-y"]) == pytest.approx(after, rel=1e-3)
    assert f"After it E = {shown['E-y']}" in str(network)


def test_without_a_learning_rate_the_page_ends_with_the_gradients(tmp_path: Path) -> None:
    page = page_of(explained(), tmp_path)
    assert re.findall("<h2>(.*?)</h2>", page)[:4] == [
        "Given",
        "Forward",
        "Backward: deltas",
        "Gradients of the weights",
    ]
    assert re.findall("<h2>(.*?)</h2>", page_of(explained(lr=0.1), tmp_path))[3:5] == [
        "Update, learning rate 0.1",
        "The next step",
    ]


@pytest.mark.parametrize("activation", ["softmax", "tanh", "identity"])
def test_all_keys_of_the_steps_are_in_the_picture(activation: str, tmp_path: Path) -> None:
    model = MLP(3, [7, 3], activation="relu", output_activation=activation, seed=1)
    loss, target = ("cross_entropy", 1) if activation == "softmax" else ("half_squared_error", [0.0, 1.0, 0.5])
    page = page_of(explain_network(model, [1.0, -2.0, 0.5], target, loss, lr=0.1), tmp_path)
    keys, slots = set(re.findall('data-key="(.*?)"', page)), set(re.findall('data-slot="(.*?)"', page))
    for name in ("node", "from", "edges", "uses"):
        assert {key for found in re.findall(f'data-{name}="(.*?)"', page) for key in found.split()} <= keys
    assert set(shown_after_all_steps(page)) <= slots
    assert len(re.findall("<li data-title", page)) == 3 + 2 * (7 + 3 + 1) + 10 + len(model.parameters()) + 1


def test_the_model_and_its_gradients_stay_as_they_are(tmp_path: Path) -> None:
    model = xor_network()
    before = model.state_dict()
    explain_network(model, [1, 0], 1, "half_squared_error", lr=1.0).save(tmp_path / "a.html")
    assert all(np.array_equal(array, before[name]) for name, array in model.state_dict().items())
    assert all(parameter.grad == 0.0 for parameter in model.parameters())


def test_shared_layers_move_by_the_sum_of_their_gradients() -> None:
    layer = Layer.from_matrix([[0.5, 0.1]], activation="tanh")
    model = MLP.from_layers([layer, layer])
    network = explain_network(model, [1.0], 1.0, "half_squared_error", lr=0.1)
    half_squared_error([model([1.0])], [1.0]).backward()
    assert network.after is not None
    w = layer.neurons[0].w[0]
    assert network.after.layers[0].weight[0, 0] == pytest.approx(w.data - 0.1 * w.grad, rel=1e-12)


def test_names_of_activations_are_escaped(tmp_path: Path) -> None:
    def activation(x):
        return x * x

    activation.__name__ = "<script>alert(1)</script>"
    page = page_of(explain_network(Neuron(1, activation=activation), [1.0], 1.0, "half_squared_error"), tmp_path)
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("name", "lr", "message"), [("a.svg", None, "saved as .html"), ("a.html", 0, "lr must be above 0")]
)
def test_bad_arguments_are_refused(name: str, lr: float | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        explained(lr=lr).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_overflows_is_shown_without_a_warning(tmp_path: Path) -> None:
    unit = Neuron(1, activation="identity").with_parameters([1.0, 0.0])
    network = explain_network(unit, [1e100], 0, "half_squared_error", lr=1e200)
    assert "∞" in page_of(network, tmp_path) or "inf" in page_of(network, tmp_path)


def test_a_network_above_the_limit_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"9 parameters and limit=8: a higher limit="):
        explained(limit=8).save(tmp_path / "a.html")


def test_show_opens_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    explained(lr=0.5).show()
    path = Path(opened[0].removeprefix("file://"))
    assert "The next step" in path.read_text(encoding="utf-8")
    path.unlink()
