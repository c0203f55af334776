"""Uses a bit of everything and gives what it finds, as JSON: run here, and by Pyodide, it must be the same."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ |= {"MPLBACKEND": "agg", "AUTOGRAD_MINI_BACKEND": "numpy"}

import numpy as np

import nn
from autograd_mini import Value, draw, explain, grad, hessian, hvp, jacobian, jit, jvp, scan, tanh, value_and_grad, vmap


def pictures() -> dict[str, Any]:
    x, y, z = Value(-2.0), Value(5.0), Value(-4.0)
    f = (x + y) * z
    f.backward()
    stepper = explain(f, x=x, y=y, z=z, f=f)
    return {
        "gradients": [x.grad, y.grad, z.grad],
        "svg": draw(f, x=x, y=y, z=z, f=f).svg(),
        "steps": str(stepper),
        "page": stepper._repr_html_(),
        "chain": draw(sum([Value(i) for i in range(60)], Value(0.0)), limit=400).svg(),
    }


def transformed() -> dict[str, Any]:
    def f(v: Any) -> Any:
        return tanh(v[0] * v[1]) + v[0] ** 3

    def round_of(carry: Any, x: Any) -> Any:
        return tanh(carry + x), carry

    point = [0.3, -0.7]
    return {
        "grad": grad(f)(point),
        "hessian": hessian(f)(point),
        "hvp": hvp(f)(point, [1.0, 2.0]),
        "jvp": jvp(f, (point,), ([1.0, 2.0],)),
        "jacobian": jacobian(lambda v: [f(v), v[0] / v[1]])(point),
        "vmap": np.asarray(vmap(grad(f))(np.array([[0.1, 0.2], [0.3, 0.4]]))).tolist(),
        "scan": grad(lambda x: scan(round_of, x, [0.1, 0.2, 0.3])[0])(0.5),
    }


def compiled() -> dict[str, Any]:
    def f(v: Any) -> Any:
        return tanh(v[0] * v[1]) + v[0] ** 3

    batch = np.linspace(-1.0, 1.0, 20_000).reshape(-1, 2)
    several = jit(value_and_grad(f), in_axes=0, threads=4)
    loss, slope = several(batch)
    return {
        "one": jit(grad(f))([0.3, -0.7]),
        "hessian": jit(hessian(f))([0.3, -0.7]),
        "batch": [float(np.sum(loss)), np.asarray(slope).sum(axis=tuple(range(np.ndim(slope) - 1))).tolist()],
    }


def trained() -> dict[str, Any]:
    model = nn.MLP(2, [4, 1], activation="tanh", seed=0)
    X, T = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    history = nn.fit(model, X, T, loss="half_squared_error", optimizer="adam", lr=0.1, epochs=50)
    try:
        nn.fit(nn.MLP(2, [3, 1], seed=0), X[:1], T[:1], loss="half_squared_error", optimizer="newton", epochs=2)
        refused = ""
    except ValueError as error:
        refused = str(error)
    with tempfile.TemporaryDirectory() as folder:
        plot = Path(folder, "plot.png")
        nn.plot_curves({"loss": history.loss}).figure.savefig(plot)
        is_png = plot.read_bytes().startswith(b"\x89PNG")
    return {"outputs": nn.predict(model, X).tolist(), "engine": history.engine, "singular": refused, "plot": is_png}


if __name__ == "__main__":
    print(json.dumps(pictures() | transformed() | compiled() | trained()))
