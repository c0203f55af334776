"""Models as ONNX files: ONNX's evaluator, and ONNX Runtime, compute the same in float32, for a batch of any size."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_mini import __version__, elu, leaky_relu, sin
from nn import ACTIVATIONS, MLP, Embedding, Layer, Neuron, export_onnx

onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
from onnx.reference import ReferenceEvaluator  # noqa: E402

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

ONES = [name for name in ACTIVATIONS if name != "softmax"]


def run(path: Path, x: Any) -> Any:
    evaluator: Any = ReferenceEvaluator(str(path))
    found = evaluator.run(["y"], {"x": x})[0]
    if onnxruntime is not None:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        np.testing.assert_allclose(session.run(["y"], {"x": x})[0], found, rtol=1e-6)
    return found


@pytest.mark.parametrize("activation", [*ONES, partial(leaky_relu, slope=0.2), partial(elu, a=1.5)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_the_runtime_computes_the_same(activation: Any, bias: bool, tmp_path: Path) -> None:
    model = MLP(3, [5, 4], activation=activation, output_activation="softmax", bias=bias, seed=2)
    export_onnx(model, tmp_path / "model.onnx")
    for batch in (1, 7):
        x = np.linspace(-1.0, 1.0, 3 * batch).reshape(batch, 3).astype(np.float32)
        expected = [[p.data for p in model(row)] for row in x.astype(np.float64)]
        np.testing.assert_allclose(run(tmp_path / "model.onnx", x), expected, rtol=1e-6)


@pytest.mark.parametrize("make", [Layer, Neuron])
def test_a_layer_and_a_neuron_are_networks_too(make: Any, tmp_path: Path) -> None:
    model = Layer(2, 1, activation="tanh", seed=1) if make is Layer else Neuron(2, activation="tanh", seed=1)
    export_onnx(model, tmp_path / "model.onnx")
    x = np.array([[0.5, -1.0]], np.float32)
    assert run(tmp_path / "model.onnx", x).tolist() == [[pytest.approx(model(x[0].tolist()).data, rel=1e-6)]]


def test_an_embedding_looks_integers_up(tmp_path: Path) -> None:
    model = Embedding(5, 3, seed=1)
    export_onnx(model, tmp_path / "model.onnx")
    found = run(tmp_path / "model.onnx", np.array([4, 0, 4]))
    assert (found == model.weight[[4, 0, 4]].astype(np.float32)).all()


def test_the_file_says_what_is_in_it(tmp_path: Path) -> None:
    model = MLP(2, [3, 1], activation="silu")
    export_onnx(model, str(tmp_path / "model.onnx"))
    written = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(written, full_check=True)
    assert (written.producer_name, written.producer_version, written.graph.name) == (
        "autograd_mini",
        __version__,
        "MLP",
    )
    assert {tensor.name: tuple(tensor.dims) for tensor in written.graph.initializer} == {
        name: array.shape for name, array in model.state_dict().items()
    }
    assert [node.op_type for node in written.graph.node] == ["Gemm", "Sigmoid", "Mul", "Gemm"]
    x, y = (value.type.tensor_type.shape.dim for value in (written.graph.input[0], written.graph.output[0]))
    assert [x[0].dim_param, x[1].dim_value, y[0].dim_param, y[1].dim_value] == ["batch", 2, "batch", 1]


def test_what_can_not_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("old")
    huge = Layer.from_matrix([[1e300, 2.0, 0.0]])
    with pytest.raises(ValueError, match=r"weight has 1e\+300, which is beyond float32"):
        export_onnx(huge, tmp_path / "model.onnx")
    with pytest.raises(ValueError, match=r"export_onnx knows the activations.*layer 1 has Sin"):
        export_onnx(MLP(2, [2, 1], output_activation=sin), tmp_path / "model.onnx")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        export_onnx(MLP(2, [2, 1]), tmp_path / "missing" / "model.onnx")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_without_onnx_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'autograd_mini\[onnx\]'"):
        export_onnx(MLP(2, [1]), "never.onnx")
