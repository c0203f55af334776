"""One process for one engine: builds the same network from its numbers and times training steps on demand.

The workload is micrograd's demo: a 2-16-16-1 network with ReLU and hinge loss over 100 points, about 65,000 operations.
Every engine runs the same Python code on its own kind of number.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from operator import mul
from typing import Any

SIZES = (2, 16, 16, 1)
POINTS = 100


def points_labels_weights() -> tuple[list[list[float]], list[float], list[list[list[float]]]]:
    """Draw the data, and for each layer the rows of weights and bias."""
    generator = random.Random(0)
    points = [[generator.uniform(-1, 1) for _ in range(SIZES[0])] for _ in range(POINTS)]
    labels = [generator.choice((-1.0, 1.0)) for _ in points]
    weights = [
        [[generator.uniform(-1, 1) for _ in range(nin)] + [0.0] for _ in range(nout)]
        for nin, nout in zip(SIZES, SIZES[1:])
    ]
    return points, labels, weights


def neuron(ws: Sequence[Any], b: Any, xs: Sequence[Any]) -> Any:
    return sum(map(mul, ws, xs), b)


def make_step(
    number: Callable[[float], Any],
    relu: Callable[[Any], Any],
    differentiate: Callable[[Callable[[], Any], list[Any]], list[float]],
    neuron: Callable[..., Any] = neuron,
) -> Callable[[], list[float]]:
    """Make the function that computes loss and gradient once, from an engine's own operations."""
    points, labels, weights = points_labels_weights()
    layers = [[([number(w) for w in row[:-1]], number(row[-1])) for row in rows] for rows in weights]
    parameters = [p for layer in layers for ws, b in layer for p in (*ws, b)]

    def model(xs: Sequence[Any]) -> Any:
        for layer in layers[:-1]:
            xs = [relu(neuron(ws, b, xs)) for ws, b in layer]
        return neuron(*layers[-1][0], xs)

    def loss() -> Any:
        losses = [relu(1 + -y * model([number(x) for x in point])) for y, point in zip(labels, points)]
        return sum(losses) * (1.0 / POINTS)

    return lambda: differentiate(loss, parameters)


def by_backward(loss: Callable[[], Any], parameters: list[Any]) -> list[float]:
    for p in parameters:
        p.grad = 0.0
    loss().backward()
    return [p.grad for p in parameters]


def autograd_mini_step() -> Callable[[], list[float]]:
    from autograd_mini import Value

    return make_step(Value, Value.relu, by_backward)


def fused_step() -> Callable[[], list[float]]:
    from autograd_mini import Value, dot

    return make_step(Value, Value.relu, by_backward, lambda ws, b, xs: dot(ws, xs, b))


def micrograd_step() -> Callable[[], list[float]]:
    from micrograd.engine import Value

    sys.setrecursionlimit(100_000)
    return make_step(Value, Value.relu, by_backward)


def torch_step() -> Callable[[], list[float]]:
    import torch

    torch.set_num_threads(1)

    def number(x: float) -> Any:
        return torch.tensor(x, dtype=torch.float64, requires_grad=True)

    def differentiate(loss: Callable[[], Any], parameters: list[Any]) -> list[float]:
        return [g.item() for g in torch.autograd.grad(loss(), parameters)]

    return make_step(number, torch.relu, differentiate)


def xad_step() -> Callable[[], list[float]]:
    from xad.adj_1st import Real, Tape
    from xad.math import max as larger

    def differentiate(loss: Callable[[], Any], parameters: list[Any]) -> list[float]:
        with Tape() as tape:
            for p in parameters:
                tape.registerInput(p)
            tape.newRecording()
            root = loss()
            tape.registerOutput(root)
            root.derivative = 1.0
            tape.computeAdjoints()
            return [p.derivative for p in parameters]

    zero = Real(0.0)
    return make_step(Real, lambda x: larger(x, zero), differentiate)


# Training steps through each package's own networks, from the same weights.


def nn_training_step() -> Callable[[], list[float]]:
    from nn import MLP, SGD, Layer, hinge

    points, labels, weights = points_labels_weights()
    activations = ["relu", "relu", "identity"]
    model = MLP.from_layers([Layer.from_matrix(w, activation=a) for w, a in zip(weights, activations)])
    optimizer = SGD(model.parameters(), lr=1e-6)

    def step() -> list[float]:
        optimizer.step(lambda: hinge([model(x) for x in points], labels))
        return [p.grad for p in optimizer.parameters]

    return step


def micrograd_training_step() -> Callable[[], list[float]]:
    from micrograd.engine import Value
    from micrograd.nn import MLP

    sys.setrecursionlimit(100_000)
    points, labels, weights = points_labels_weights()
    model = MLP(SIZES[0], list(SIZES[1:]))
    for p, number in zip(model.parameters(), (n for layer in weights for row in layer for n in row)):
        p.data = number

    def step() -> list[float]:
        scores = [model(list(map(Value, x))) for x in points]
        losses = [(1 + -y * score).relu() for y, score in zip(labels, scores)]
        model.zero_grad()
        (sum(losses) * (1.0 / POINTS)).backward()
        for p in model.parameters():
            p.data -= 1e-6 * p.grad
        return [p.grad for p in model.parameters()]

    return step


def torch_training_step() -> Callable[[], list[float]]:
    import torch

    torch.set_num_threads(1)
    points, labels, weights = points_labels_weights()
    layers: list[Any] = []
    for rows in weights:
        linear = torch.nn.Linear(len(rows[0]) - 1, len(rows), dtype=torch.float64)
        matrix = torch.tensor(rows, dtype=torch.float64)
        linear.load_state_dict({"weight": matrix[:, :-1], "bias": matrix[:, -1]})
        layers += [linear, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    x, y = torch.tensor(points, dtype=torch.float64), torch.tensor(labels, dtype=torch.float64)

    def step() -> list[float]:
        loss = torch.relu(1 - y * model(x)[:, 0]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return []

    def first_step() -> list[float]:
        step()
        pairs = [(layer.weight.grad, layer.bias.grad) for layer in layers[::2]]
        return [g for w, b in pairs for row, bias in zip(w, b) for g in (*row.tolist(), bias.item())]

    return iter_first(first_step, step)


def iter_first(first: Callable[[], list[float]], then: Callable[[], list[float]]) -> Callable[[], list[float]]:
    """Call `first` once and `then` from then on."""
    steps = [first]
    return lambda: (steps.pop() if steps else then)()


ENGINES = {
    "autograd_mini": autograd_mini_step,
    "autograd_mini, dot": fused_step,
    "micrograd": micrograd_step,
    "XAD": xad_step,
    "PyTorch": torch_step,
    "nn": nn_training_step,
    "micrograd, nn": micrograd_training_step,
    "PyTorch, nn": torch_training_step,
}


def main() -> None:
    """Print the gradient; then answer each line `n` on standard input with the best seconds of n steps.

    The very first step, which computes that gradient, is not timed: it is no step of a training under
    way. For micrograd it is the fastest, since its graphs are cyclic, and from the second step on there
    is the garbage of the one before to collect; for the others it is the slowest.
    """
    step = ENGINES[sys.argv[1]]()
    print(*step(), flush=True)
    best = float("inf")
    for line in sys.stdin:
        for _ in range(int(line)):
            start = time.perf_counter()
            step()
            best = min(best, time.perf_counter() - start)
        print(best, flush=True)


if __name__ == "__main__":
    main()
