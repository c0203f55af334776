"""A small language model of scalars, written with nothing but a Value: a training step on three engines, and by jit.

The model is a transformer of one layer, 4,192 parameters, as Karpathy's microgpt has it: embeddings, four heads of
attention, root-mean-square normalisation, a layer of ReLUs, cross-entropy, Adam by hand. The program is the same for
the three engines; only the class of its numbers differs.

python tests/benchmarks/gpt.py
"""

from __future__ import annotations

import gc
import math
import random
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_mini
from nn import Adam

WIDTH, HEADS, LETTERS, LENGTH = 16, 4, 27, 16
SIZE = WIDTH // HEADS
SHAPES = {
    "letters": (LETTERS, WIDTH),
    "places": (LENGTH, WIDTH),
    "queries": (WIDTH, WIDTH),
    "keys": (WIDTH, WIDTH),
    "values": (WIDTH, WIDTH),
    "mix": (WIDTH, WIDTH),
    "widen": (4 * WIDTH, WIDTH),
    "narrow": (WIDTH, 4 * WIDTH),
    "out": (LETTERS, WIDTH),
}
NAME = [26, 8, 18, 0, 1, 4, 11, 11, 0, 26]  # between two marks of beginning and end


def listed(root):
    """List a graph, operands before results, by recursion."""
    order, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for parent in node.parents:
                visit(parent)
            order.append(node)

    visit(root)
    return order


class Arithmetic:
    """What follows from sums, products and powers."""

    __slots__ = ()

    def __neg__(self: Any):
        return self * -1

    def __sub__(self: Any, other):
        return self + -other

    def __truediv__(self: Any, other):
        return self * other**-1


class ClosureValue(Arithmetic):
    """A number with a function that passes its gradient on: the least that does it."""

    def __init__(self, data, parents=()):
        self.data, self.grad, self.parents, self.pass_on = data, 0, parents, lambda: None

    def __add__(self, other):
        other = other if isinstance(other, ClosureValue) else ClosureValue(other)
        out = ClosureValue(self.data + other.data, (self, other))

        def pass_on():
            self.grad += out.grad
            other.grad += out.grad

        out.pass_on = pass_on
        return out

    def __mul__(self, other):
        other = other if isinstance(other, ClosureValue) else ClosureValue(other)
        out = ClosureValue(self.data * other.data, (self, other))

        def pass_on():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out.pass_on = pass_on
        return out

    def apply(self, data, slope):
        out = ClosureValue(data, (self,))

        def pass_on():
            self.grad += slope * out.grad

        out.pass_on = pass_on
        return out

    def __pow__(self, power):
        return self.apply(self.data**power, power * self.data ** (power - 1))

    def exp(self):
        return self.apply(math.exp(self.data), math.exp(self.data))

    def log(self):
        return self.apply(math.log(self.data), 1 / self.data)

    def relu(self):
        return self.apply(max(0, self.data), float(self.data > 0))

    def backward(self):
        self.grad = 1
        for node in reversed(listed(self)):
            node.pass_on()

    __radd__, __rmul__ = __add__, __mul__


class SlotsValue(Arithmetic):
    """A number with slots, that stores its local derivatives."""

    __slots__ = ("data", "grad", "parents", "slopes")

    def __init__(self, data, parents=(), slopes=()):
        self.data, self.grad, self.parents, self.slopes = data, 0, parents, slopes

    def __add__(self, other):
        other = other if isinstance(other, SlotsValue) else SlotsValue(other)
        return SlotsValue(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other):
        other = other if isinstance(other, SlotsValue) else SlotsValue(other)
        return SlotsValue(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, power):
        return SlotsValue(self.data**power, (self,), (power * self.data ** (power - 1),))

    def exp(self):
        return SlotsValue(math.exp(self.data), (self,), (math.exp(self.data),))

    def log(self):
        return SlotsValue(math.log(self.data), (self,), (1 / self.data,))

    def relu(self):
        return SlotsValue(max(0, self.data), (self,), (float(self.data > 0),))

    def backward(self):
        self.grad = 1
        for node in reversed(listed(self)):
            for parent, slope in zip(node.parents, node.slopes):
                parent.grad += slope * node.grad

    __radd__, __rmul__ = __add__, __mul__


def linear(x, weights):
    return [sum(w * number for w, number in zip(row, x)) for row in weights]


def normalise(x):
    scale = (sum(number * number for number in x) / len(x) + 1e-5) ** -0.5
    return [number * scale for number in x]


def softmax(logits):
    powers = [logit.exp() for logit in logits]  # the logits of this model are small
    total = sum(powers)
    return [power / total for power in powers]


def attend(query, keys, values):
    """Attention of one head to all places up to now."""
    weights = softmax([sum(q * k for q, k in zip(query, key)) * SIZE**-0.5 for key in keys])
    return [sum(w * value[i] for w, value in zip(weights, values)) for i in range(SIZE)]


def loss_of(model, name):
    keys, values, losses = [], [], []
    for place, (letter, following) in enumerate(zip(name, name[1:])):
        x = normalise([a + b for a, b in zip(model["letters"][letter], model["places"][place])])
        inner = normalise(x)
        query = linear(inner, model["queries"])
        keys.append(linear(inner, model["keys"]))
        values.append(linear(inner, model["values"]))
        heads = []
        for start in range(0, WIDTH, SIZE):
            part = slice(start, start + SIZE)
            heads += attend(query[part], [key[part] for key in keys], [value[part] for value in values])
        x = [a + b for a, b in zip(linear(heads, model["mix"]), x)]
        hidden = [number.relu() for number in linear(normalise(x), model["widen"])]
        x = [a + b for a, b in zip(linear(hidden, model["narrow"]), x)]
        losses.append(-softmax(linear(x, model["out"]))[following].log())
    return sum(losses) * (1 / len(losses))


def initial_numbers():
    generator = random.Random(1)
    return {
        name: [[generator.gauss(0, 0.08) for _ in range(columns)] for _ in range(rows)]
        for name, (rows, columns) in SHAPES.items()
    }


class HandWrittenAdam:
    """Adam as people write it for scalars."""

    def __init__(self, parameters):
        self.parameters, self.count = parameters, 0
        self.means, self.squares = [0.0] * len(parameters), [0.0] * len(parameters)

    def step(self):
        self.count += 1
        for i, p in enumerate(self.parameters):
            self.means[i] = 0.85 * self.means[i] + (1 - 0.85) * p.grad
            self.squares[i] = 0.99 * self.squares[i] + (1 - 0.99) * p.grad**2
            mean, square = self.means[i] / (1 - 0.85**self.count), self.squares[i] / (1 - 0.99**self.count)
            p.data -= 0.01 * mean / (square**0.5 + 1e-8)

    def zero_grad(self):
        for p in self.parameters:
            p.grad = 0


def ready_made_adam(parameters):
    return Adam(parameters, lr=0.01, betas=(0.85, 0.99))


def eager_steps(kind, optimizer_of=HandWrittenAdam) -> Callable[[], tuple[float, list[float]]]:
    """Prepare the program as people write it; give a function that does a step and tells how long its parts took."""
    model = {name: [[kind(x) for x in row] for row in rows] for name, rows in initial_numbers().items()}
    parameters = [x for rows in model.values() for row in rows for x in row]
    optimizer = optimizer_of(parameters)

    def step():
        times = [time.perf_counter()]
        loss = loss_of(model, NAME)
        times.append(time.perf_counter())
        loss.backward()
        times.append(time.perf_counter())
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter())
        return loss.data, [b - a for a, b in zip(times, times[1:])]

    return step


def compiled_steps() -> Callable[[], tuple[float, list[float]]]:
    """Prepare the same step, its loss and gradient by jit, and Adam by NumPy."""
    model = {name: np.array(rows) for name, rows in initial_numbers().items()}
    means, squares = ({name: np.zeros_like(rows) for name, rows in model.items()} for _ in range(2))
    loss_and_gradient = autograd_mini.jit(autograd_mini.value_and_grad(lambda model: loss_of(model, NAME)))
    count = 0

    def step():
        nonlocal count
        times = [time.perf_counter()]
        loss, gradient = loss_and_gradient(model)
        times.append(time.perf_counter())
        count += 1
        for name, slope in gradient.items():
            means[name] = 0.85 * means[name] + 0.15 * slope
            squares[name] = 0.99 * squares[name] + 0.01 * slope**2
            mean, square = means[name] / (1 - 0.85**count), squares[name] / (1 - 0.99**count)
            model[name] = model[name] - 0.01 * mean / (square**0.5 + 1e-8)
        times.append(time.perf_counter())
        return float(loss), [times[1] - times[0], 0.0, times[2] - times[1]]

    return step


def main() -> None:
    sys.setrecursionlimit(100_000)
    contenders: dict[str, Any] = {
        "closures": eager_steps(ClosureValue),
        "slots": eager_steps(SlotsValue),
        "autograd_mini": eager_steps(autograd_mini.Value),
        "autograd_mini, nn.Adam": eager_steps(autograd_mini.Value, ready_made_adam),
        "autograd_mini, jit": compiled_steps(),
    }
    best: dict[str, list[float]] = {}
    for _ in range(5):  # in alternation, so that other load slows all alike; the same number of steps, the same losses
        losses = []
        for name, step in contenders.items():
            gc.collect()
            found = [step() for _ in range(4)]
            losses.append(found[-1][0])
            best[name] = min([best.get(name, [math.inf]), *[times for _, times in found]], key=sum)
        assert max(losses) - min(losses) < 1e-9, losses
    closures, slots = sum(best["closures"]), sum(best["slots"])
    print(f"{'':22} {'step':>10} {'forward':>10} {'backward':>10} {'Adam':>10}   times closures  times slots")
    for name, times in best.items():
        listed = " ".join(f"{1e3 * x:7.2f} ms" for x in [sum(times), *times])
        print(f"{name:22} {listed} {closures / sum(times):16.1f} {slots / sum(times):12.1f}")


if __name__ == "__main__":
    main()
