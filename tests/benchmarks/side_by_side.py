"""Time the same work in several engines, in alternation, and print a table of ratios.

Each engine runs in a process of its own (workers.py). Rounds go from engine to engine, so that other load on the
machine slows all engines alike. The fastest step of each engine counts. Peers that are not installed are left out.
The gradients of all engines are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import autograd_mini

WORKERS = Path(__file__).with_name("workers.py")


class Contender(NamedTuple):
    """What is timed: a name, the worker, the package that it needs, and how many steps make a round."""

    name: str
    worker: str
    package: str
    steps: int


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
    compiled = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    for package in ("autograd_mini", "nn"):
        source = Path(autograd_mini.__file__).parents[1] / package
        shutil.copytree(source, Path(folder, package), ignore=compiled)
    return folder


def measure(contenders: Sequence[Contender], rounds: int) -> dict[str, float]:
    """Give each contender's best seconds per step."""
    installed = [c for c in contenders if importlib.util.find_spec(c.package)]
    if not autograd_mini.COMPILED:
        installed = [c for c in installed if "compiled" not in c.name]
    with tempfile.TemporaryDirectory() as folder:
        plain = plain_copy(folder)
        workers = {c.name: Worker(c.worker, plain if "plain" in c.name else None) for c in installed}
        reference = workers[installed[0].name].gradient
        for name, worker in workers.items():
            error = max(abs(a - b) for a, b in zip(worker.gradient, reference, strict=True))
            if error > 1e-12:
                raise RuntimeError(f"the gradients of {name} are off by {error}")
        best = {}
        for _ in range(rounds):
            for contender in installed:
                best[contender.name] = workers[contender.name].best_seconds(contender.steps)
        for worker in workers.values():
            worker.close()
    return best


def compare(title: str, contenders: Sequence[Contender], peers: Sequence[str]) -> None:
    """Run the command line of a benchmark: measure, and print a table with a column for each peer."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--rounds", type=int, default=20, help="how often each engine has its turn (20)")
    best = measure(contenders, parser.parse_args().rounds)
    peers = [peer for peer in peers if peer in best]
    rows = [["engine", "ms per step", *(f"times {peer}" for peer in peers)]]
    for name, seconds in best.items():
        rows.append([name, f"{seconds * 1e3:.2f}", *(format_ratio(best[peer] / seconds) for peer in peers)])
    print(title, end="\n\n")
    print_table(rows)


def format_ratio(ratio: float) -> str:
    """Write how many times: 291, 8.2, 0.064."""
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table: the heading first, and numbers in all columns but the first."""
    heading, *others = rows
    for row in (heading, ["---", *["---:"] * (len(heading) - 1)], *others):
        print("| " + " | ".join(row) + " |")
