"""Time one training step of the same network on each engine, in alternation, and print ratios.

    python tests/benchmarks/engine.py

Each engine runs in a process of its own (workers.py); rounds go from engine to engine, so that
what else the machine does falls on all alike, and the fastest step of each counts. Peers that are
not installed are left out. The gradients of all are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import autograd_mini

WORKERS = Path(__file__).with_name("workers.py")

# What is timed: its name, the worker, the package that it needs, and how many steps make a round.
CONTENDERS = [
    ("autograd_mini, compiled", "autograd_mini", "autograd_mini", 40),
    ("autograd_mini, compiled, one dot node per neuron", "autograd_mini, dot", "autograd_mini", 100),
    ("autograd_mini, plain Python", "autograd_mini", "autograd_mini", 5),
    ("autograd_mini, plain Python, one dot node per neuron", "autograd_mini, dot", "autograd_mini", 10),
    ("XAD", "XAD", "xad", 5),
    ("PyTorch, scalar tensors", "PyTorch", "torch", 1),
    ("micrograd", "micrograd", "micrograd", 1),
]


class Worker:
    """A process that runs training steps on one engine."""

    def __init__(self, engine: str, path: str | None) -> None:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}
        if path is not None:
            environment["PYTHONPATH"] = path
        self.process = subprocess.Popen(
            [sys.executable, str(WORKERS), engine],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tempfile.gettempdir(),
        )
        self.gradient = [float(g) for g in self.answer().split()]

    def answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with exit code {self.process.wait()}")
        return line

    def best_seconds(self, steps: int) -> float:
        assert self.process.stdin is not None
        print(steps, file=self.process.stdin, flush=True)
        return float(self.answer())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def plain_copy(folder: str) -> str:
    """Copy the engine without its compiled parts."""
    source = Path(autograd_mini.__file__).parent
    compiled = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(source, Path(folder, "autograd_mini"), ignore=compiled)
    return folder


def measure(rounds: int) -> dict[str, float]:
    """Give each contender's best seconds per step."""
    installed = [c for c in CONTENDERS if importlib.util.find_spec(c[2])]
    if not autograd_mini.COMPILED:
        installed = [c for c in installed if "compiled" not in c[0]]
    with tempfile.TemporaryDirectory() as folder:
        plain = plain_copy(folder)
        workers = {name: Worker(engine, plain if "plain" in name else None) for name, engine, _, _ in installed}
        reference = workers[installed[0][0]].gradient
        for name, worker in workers.items():
            error = max(abs(a - b) for a, b in zip(worker.gradient, reference, strict=True))
            if error > 1e-12:
                raise RuntimeError(f"the gradients of {name} are off by {error}")
        best = {}
        for _ in range(rounds):
            for name, _, _, steps in installed:
                best[name] = workers[name].best_seconds(steps)
        for worker in workers.values():
            worker.close()
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=20, help="how often each engine has its turn (20)")
    best = measure(parser.parse_args().rounds)
    peers = [peer for peer in ("micrograd", "XAD") if peer in best]
    print("Forward and backward of a 2-16-16-1 ReLU network, hinge loss, 100 points, about 65,000 nodes\n")
    rows = [["engine", "ms per step", *(f"times {peer}" for peer in peers)], ["---", *["---:"] * (len(peers) + 1)]]
    for name, seconds in best.items():
        rows.append([name, f"{seconds * 1e3:.2f}", *(f"{best[peer] / seconds:.1f}" for peer in peers)])
    for row in rows:
        print("| " + " | ".join(row) + " |")
    engine = "compiled" if autograd_mini.COMPILED else "plain Python"
    node = autograd_mini.Value(1.0) * autograd_mini.Value(1.0)
    print(f"\nA binary node of the {engine} engine takes {sys.getsizeof(node)} bytes.")


if __name__ == "__main__":
    main()
