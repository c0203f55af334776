"""Training steps of one network in every engine: value and gradient over a batch, and the SGD update.

The parameters are one vector: for each layer its weights by rows, then its biases. Each engine takes the vector in the
form that suits the engine best. All engines that work on scalars run the same code.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from operator import mul
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from jit_measure import Array, Contender, Program

LEARNING_RATE = 1e-3


class Task(NamedTuple):
    """A network's layer sizes, the activation of its hidden layers, and a batch of examples.

    Targets are -1.0 or 1.0, with hinge loss, for one output, and else rows of probabilities, with
    cross-entropy of softmax.
    """

    sizes: Sequence[int]
    hidden: str
    inputs: Array
    targets: Array

    def parameters(self) -> Array:
        generator = np.random.default_rng(0)
        parts = []
        for nin, nout in zip(self.sizes, self.sizes[1:]):
            parts += [generator.normal(scale=nin**-0.5, size=nin * nout), np.zeros(nout)]
        return np.concatenate(parts)


def cut_matrices(w: Any, sizes: Sequence[int]) -> list[tuple[Any, Any]]:
    """Cut a vector into each layer's matrix and biases."""
    layers, end = [], 0
    for nin, nout in zip(sizes, sizes[1:]):
        begin, middle, end = end, end + nin * nout, end + nin * nout + nout
        layers.append((w[begin:middle].reshape(nout, nin), w[middle:end]))
    return layers


# Scalar code, for any engine's numbers.


def cut_rows(w: Any, sizes: Sequence[int]) -> Iterator[tuple[list[list[Any]], list[Any]]]:
    """Cut a vector into each layer's rows of weights, and biases."""
    numbers = iter(w)
    for nin, nout in zip(sizes, sizes[1:]):
        rows = [[next(numbers) for _ in range(nin)] for _ in range(nout)]
        yield rows, [next(numbers) for _ in range(nout)]


def layer(rows: Any, biases: Any, xs: Any) -> list[Any]:
    return [sum(map(mul, row, xs), b) for row, b in zip(rows, biases)]


def scalar_loss(ops: Any, sizes: Sequence[int], hidden: str) -> Callable[[Any, Any, Any], Any]:
    """Write the loss of one example with an engine's functions."""
    activation = getattr(ops, hidden)

    def loss(w: Any, x: Any, y: Any) -> Any:
        *inner, last = cut_rows(w, sizes)
        for rows, biases in inner:
            x = [activation(z) for z in layer(rows, biases, x)]
        scores = layer(*last, x)
        if len(scores) == 1:
            return ops.relu(1 - y * scores[0])
        return ops.logsumexp(scores) - sum(map(mul, scores, y))

    return loss


def prepare_jit(task: Task, threads: int = 1, fuse: bool = False) -> Program:
    import autograd_mini
    from autograd_mini import jit, value_and_grad

    loss = scalar_loss(autograd_mini, task.sizes, task.hidden)
    mean_loss = jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce="mean", threads=threads, fuse=fuse)
    w, x, y = task.parameters(), task.inputs, task.targets
    losses = [0.0]

    def step() -> None:
        nonlocal w
        losses[0], gradient = mean_loss(w, x, y)
        w -= LEARNING_RATE * gradient

    return Program(step, lambda: learnt(task, w, losses[0]))


def learnt(task: Task, w: Any, loss: Any) -> Array:
    """Give the loss and, from what the first step did to the parameters, its gradient."""
    return np.array([loss, *(task.parameters() - np.asarray(w)) / LEARNING_RATE])


def prepare_micrograd(task: Task) -> Program:
    from micrograd.engine import Value

    def tanh(x: Value) -> Value:  # as in micrograd's lecture; the package has only relu
        out = Value(math.tanh(x.data), (x,), "tanh")

        def backward() -> None:
            x.grad += (1 - out.data * out.data) * out.grad

        out._backward = backward
        return out

    sys.setrecursionlimit(100_000)
    ops = SimpleNamespace(tanh=tanh, relu=Value.relu)
    loss = scalar_loss(ops, task.sizes, task.hidden)
    w = [Value(number) for number in task.parameters().tolist()]
    examples = list(zip(task.inputs.tolist(), task.targets.tolist()))
    losses = [0.0]

    def step() -> None:
        mean = sum(loss(w, x, y) for x, y in examples) * (1.0 / len(examples))
        for p in w:
            p.grad = 0.0
        mean.backward()
        for p in w:
            p.data -= LEARNING_RATE * p.grad
        losses[0] = mean.data

    return Program(step, lambda: learnt(task, [p.data for p in w], losses[0]))


def prepare_casadi(task: Task) -> Program:
    import casadi

    ops = SimpleNamespace(
        tanh=casadi.tanh,
        relu=lambda z: casadi.fmax(z, 0.0),
        logsumexp=lambda zs: casadi.logsumexp(casadi.vertcat(*zs)),
    )
    w = task.parameters()
    inputs, targets = np.ascontiguousarray(task.inputs), np.ascontiguousarray(task.targets)
    targets_each = 1 if targets.ndim == 1 else targets.shape[1]
    symbols = [casadi.SX.sym(name, size) for name, size in (("w", w.size), ("x", task.sizes[0]), ("y", targets_each))]
    ws, xs, ys = map(casadi.vertsplit, symbols)
    loss = scalar_loss(ops, task.sizes, task.hidden)(ws, xs, ys if targets_each > 1 else ys[0])
    one = casadi.Function("one", symbols, [loss, casadi.gradient(loss, symbols[0])])
    batch = one.map("batch", "serial", len(inputs), [0], [0, 1])  # w is the same for all; results are added up
    total, gradient = np.zeros(1), np.zeros(w.size)
    buffer: Any
    buffer, evaluate = batch.buffer()
    for i, array in enumerate((w, inputs, targets)):
        buffer.set_arg(i, array.data)
    buffer.set_res(0, total.data)
    buffer.set_res(1, gradient.data)

    def step(held: Any = buffer) -> None:  # it owns what `evaluate` works on
        nonlocal w
        evaluate()
        w -= LEARNING_RATE / len(inputs) * gradient

    return Program(step, lambda: learnt(task, w, total[0] / len(inputs)))


def prepare_jax_scalars(task: Task) -> Program:
    import jax
    import jax.numpy as jnp

    ops = SimpleNamespace(tanh=jnp.tanh, relu=jax.nn.relu)
    loss = jax.vmap(scalar_loss(ops, task.sizes, task.hidden), in_axes=(None, 0, 0))
    return jax_program(task, lambda w, x, y: loss(w, x, y).mean(), cut=False)


# Arrays.


def prepare_jax(task: Task, cut: bool) -> Program:
    import jax
    import jax.numpy as jnp

    activation = {"tanh": jnp.tanh, "relu": jax.nn.relu}[task.hidden]

    def loss(w: Any, x: Any, y: Any) -> Any:
        *inner, last = w if cut else cut_matrices(w, task.sizes)
        for matrix, bias in inner:
            x = activation(x @ matrix.T + bias)
        scores = x @ last[0].T + last[1]
        if scores.shape[1] == 1:
            return jax.nn.relu(1 - y * scores[:, 0]).mean()
        return (jax.nn.logsumexp(scores, axis=1) - (scores * y).sum(axis=1)).mean()

    return jax_program(task, loss, cut)


def jax_program(task: Task, loss: Callable[..., Any], cut: bool) -> Program:
    """Compile a training step; the parameters are one vector, or cut into an array for each purpose."""
    import jax
    import jax.numpy as jnp

    @jax.jit
    def update(w: Any, x: Any, y: Any) -> Any:
        value, gradient = jax.value_and_grad(loss)(w, x, y)
        return value, jax.tree.map(lambda p, g: p - LEARNING_RATE * g, w, gradient)

    vector = task.parameters()
    w = jax.tree.map(jnp.array, cut_matrices(vector, task.sizes)) if cut else jnp.array(vector)
    x, y = jnp.array(task.inputs), jnp.array(task.targets)
    losses = [0.0]

    def step() -> None:
        nonlocal w
        value, w = update(w, x, y)
        losses[0] = float(value)

    def read() -> Array:
        return learnt(task, np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(w)]), losses[0])

    return Program(step, read)


def prepare_torch(task: Task) -> Program:
    import torch

    activation = {"tanh": torch.tanh, "relu": torch.relu}[task.hidden]
    x, y = torch.tensor(task.inputs), torch.tensor(task.targets)
    layers = [
        (torch.tensor(matrix, requires_grad=True), torch.tensor(bias, requires_grad=True))
        for matrix, bias in cut_matrices(task.parameters(), task.sizes)
    ]
    parameters = [p for pair in layers for p in pair]
    losses = [0.0]

    def loss() -> Any:
        h = x
        for matrix, bias in layers[:-1]:
            h = activation(torch.nn.functional.linear(h, matrix, bias))
        scores = torch.nn.functional.linear(h, *layers[-1])
        if scores.shape[1] == 1:
            return torch.relu(1 - y * scores[:, 0]).mean()
        return torch.nn.functional.cross_entropy(scores, y)

    def step() -> None:
        value = loss()
        gradient = torch.autograd.grad(value, parameters)
        with torch.no_grad():
            torch._foreach_add_(parameters, gradient, alpha=-LEARNING_RATE)
        losses[0] = value.item()

    def read() -> Array:
        return learnt(task, torch.cat([p.detach().ravel() for p in parameters]).numpy(), losses[0])

    return Program(step, read)


def prepare_numpy(task: Task) -> Program:
    """Write backpropagation down by hand."""
    w, x, y = task.parameters(), task.inputs, task.targets
    gradient = np.empty_like(w)
    layers, slopes = cut_matrices(w, task.sizes), cut_matrices(gradient, task.sizes)
    losses = [0.0]

    def step() -> None:
        nonlocal w
        signals = [x]
        for matrix, bias in layers[:-1]:
            z = signals[-1] @ matrix.T
            z += bias
            signals.append(np.tanh(z, out=z) if task.hidden == "tanh" else np.maximum(z, 0.0, out=z))
        scores = signals[-1] @ layers[-1][0].T + layers[-1][1]
        if len(layers[-1][1]) == 1:
            margins = 1.0 - y * scores[:, 0]
            losses[0] = float(np.maximum(margins, 0.0).sum() / len(x))
            delta = np.where(margins > 0.0, y * (-1.0 / len(x)), 0.0)[:, None]
        else:
            scores -= scores.max(axis=1, keepdims=True)
            powers = np.exp(scores)
            totals = powers.sum(axis=1, keepdims=True)
            losses[0] = float((np.log(totals).sum() - (scores * y).sum()) / len(x))
            delta = (powers / totals - y) / len(x)
        for i in range(len(layers) - 1, -1, -1):
            np.matmul(delta.T, signals[i], out=slopes[i][0])
            delta.sum(axis=0, out=slopes[i][1])
            if i:
                delta = delta @ layers[i][0]
                delta *= 1.0 - signals[i] ** 2 if task.hidden == "tanh" else signals[i] > 0.0
        w -= LEARNING_RATE * gradient

    return Program(step, lambda: learnt(task, w, losses[0]))


def contenders(task: Task, scalars: bool) -> list[Contender]:
    """List the engines; JAX and micrograd need long for scalar code, and are left out unless asked for."""
    every = [
        Contender("autograd_mini, jit", "llvmlite", True, lambda: prepare_jit(task)),
        Contender("autograd_mini, jit, fuse=True", "llvmlite", True, lambda: prepare_jit(task, fuse=True)),
        Contender("NumPy, by hand", "numpy", False, lambda: prepare_numpy(task)),
        Contender("JAX jit, arrays, one vector", "jax", True, lambda: prepare_jax(task, cut=False)),
        Contender("JAX jit, arrays, pytree", "jax", True, lambda: prepare_jax(task, cut=True)),
        Contender("PyTorch, tensors", "torch", False, lambda: prepare_torch(task)),
        Contender("CasADi SX, mapped", "casadi", True, lambda: prepare_casadi(task)),
    ]
    if scalars:
        every += [
            Contender("JAX jit, the same scalar code", "jax", True, lambda: prepare_jax_scalars(task)),
            Contender("micrograd", "micrograd", False, lambda: prepare_micrograd(task)),
        ]
    return every
