"""One process for one engine: builds the same network from its numbers and times training steps on demand.

The network is DESIGN's workload: 2-16-16-1 with ReLU and hinge loss over 100 points, some 65,000
operations; every engine runs the same Python code on its own kind of number.
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


def neuron(ws: Sequence[Any], b: Any, xs: Sequence[Any]) -> Any:
    return sum(map(mul, ws, xs), b)


def make_step(
    number: Callable[[float], Any],
    relu: Callable[[Any], Any],
    differentiate: Callable[[Callable[[], Any], list[Any]], list[float]],
    neuron: Callable[..., Any] = neuron,
) -> Callable[[], list[float]]:
    """Make the function that computes loss and gradient once, from an engine's own operations."""
    generator = random.Random(0)
    points = [[generator.uniform(-1, 1) for _ in range(SIZES[0])] for _ in range(POINTS)]
    labels = [generator.choice((-1.0, 1.0)) for _ in points]
    layers = [
        [([number(generator.uniform(-1, 1)) for _ in range(nin)], number(0.0)) for _ in range(nout)]
        for nin, nout in zip(SIZES, SIZES[1:])
    ]
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


ENGINES = {
    "autograd_mini": autograd_mini_step,
    "autograd_mini, dot": fused_step,
    "micrograd": micrograd_step,
    "XAD": xad_step,
    "PyTorch": torch_step,
}


def main() -> None:
    """Print the gradient; then answer each line `n` on standard input with the best seconds of n steps.

    The very first step counts too: micrograd's graphs are cyclic, so that from its second step on
    it has the garbage of the one before to collect.
    """
    step = ENGINES[sys.argv[1]]()
    best = float("inf")

    def timed_step() -> list[float]:
        nonlocal best
        start = time.perf_counter()
        gradient = step()
        best = min(best, time.perf_counter() - start)
        return gradient

    print(*timed_step(), flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            timed_step()
        print(best, flush=True)


if __name__ == "__main__":
    main()
