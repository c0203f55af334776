"""Compiled scalar code against array libraries: time per step after compilation, and to compile.

    python tests/benchmarks/jit.py                  # all cases
    python tests/benchmarks/jit.py 2-16-16-1 paths  # some
    python tests/benchmarks/jit.py --help           # their names

A step of a network is value and gradient over the batch, and the SGD update of all parameters. A step of an irregular
graph is value and gradient. Every engine runs the same algorithm in float64; the numbers of the first step are compared
to 1e-9 before anything is timed. Every case but `threads` runs on one thread; jit_measure.py says how, and which time
counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
from jit_graphs import bodies_case, graph_case, path_case, recurrent_case
from jit_measure import PROCESSORS, Case, Contender, check_names, compare, pin, use_one_thread
from jit_networks import Task, contenders, prepare_jit


def moons(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw two interleaving half circles with noise, and their labels."""
    generator = np.random.default_rng(0)
    angles = generator.uniform(0.0, np.pi, points)
    labels = generator.choice([-1.0, 1.0], points)
    x = np.where(labels > 0, np.cos(angles), 1.0 - np.cos(angles))
    y = np.where(labels > 0, np.sin(angles), 0.5 - np.sin(angles))
    return np.stack([x, y], axis=1) + generator.normal(scale=0.1, size=(points, 2)), labels


def small() -> Case:
    task = Task((2, 16, 16, 1), "relu", *moons(100))
    return Case("One SGD step of a 2-16-16-1 network: ReLU, hinge loss, 100 points", contenders(task, scalars=True))


def wide() -> Case:
    task = Task((2, 64, 64, 1), "relu", *moons(100))
    return Case("One SGD step of a 2-64-64-1 network: ReLU, hinge loss, 100 points", contenders(task, scalars=False))


def digits() -> Case:
    from sklearn.datasets import load_digits

    inputs, classes = load_digits(return_X_y=True)
    task = Task((64, 32, 10), "relu", inputs[:256] / 16.0, np.eye(10)[classes[:256]])
    title = "One SGD step of a 64-32-10 network: ReLU, cross-entropy, 256 of scikit-learn's digits"
    return Case(title, contenders(task, scalars=False))


def large() -> Case:
    generator = np.random.default_rng(0)
    inputs, classes = generator.uniform(size=(128, 784)), generator.integers(0, 10, 128)
    task = Task((784, 128, 10), "relu", inputs, np.eye(10)[classes])
    title = "One SGD step of a 784-128-10 network: ReLU, cross-entropy, 128 random pictures"
    return Case(title, contenders(task, scalars=False))


CASES: dict[str, Callable[[], Case]] = {
    "2-16-16-1": small,
    "2-64-64-1": wide,
    "64-32-10": digits,
    "784-128-10": large,
    "graph-500": lambda: graph_case(500),
    "graph-2000": lambda: graph_case(2_000),
    "graph-20000": lambda: graph_case(20_000),
    "graph-200000": lambda: graph_case(200_000),
    "recurrent": recurrent_case,
    "path": lambda: path_case(1),
    "paths": lambda: path_case(10_000),
    "bodies": lambda: bodies_case(1),
    "systems": lambda: bodies_case(1_000),
}


def compare_threads(seconds: float) -> None:
    """Time a large batch with one thread and with two, on all processors."""
    pin(PROCESSORS)
    task = Task((2, 16, 16, 1), "relu", *moons(100_000))
    contenders = [
        Contender(f"{count} thread{'s'[: count > 1]}", "llvmlite", True, partial(prepare_jit, task, count))
        for count in (1, 2)
    ]
    title = "One SGD step of a 2-16-16-1 network, 100,000 points"
    compare(Case(title, contenders), seconds, rotate=False)


def main() -> None:
    names = [*CASES, "threads"]
    parser = argparse.ArgumentParser(description="Compiled scalar code against array libraries.")
    parser.add_argument("cases", nargs="*", metavar="case", help=f"of {', '.join(names)}; all unless given")
    parser.add_argument("--seconds", type=float, default=3.0, help="for how long each engine is timed (3)")
    arguments = parser.parse_args()
    check_names(parser, arguments.cases, names)
    use_one_thread()
    for name in arguments.cases or names:
        if name == "threads":
            compare_threads(arguments.seconds)
        else:
            compare(CASES[name](), arguments.seconds)


if __name__ == "__main__":
    main()
