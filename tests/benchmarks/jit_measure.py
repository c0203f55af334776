"""Time steps of several engines within one process, in alternation; print tables of ratios.

Everything runs on one processor at a time. The process is pinned to one processor before any engine is imported, so
that thread pools (XLA's above all) are made for one thread. OpenBLAS, OpenMP, PyTorch and XLA are set to one thread
besides. All threads move to the next processor in each round, since other programs may keep one processor busy. The
fastest of many short windows counts.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from side_by_side import format_ratio, print_table
from threadpoolctl import threadpool_limits

Array = NDArray[np.float64]

WINDOW = 0.002  # seconds
FEWEST_STEPS = 3

PROCESSORS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


class Program(NamedTuple):
    """What is timed: a step, and what it has computed, to be compared with the other engines' numbers."""

    step: Callable[[], Any]
    read: Callable[[], Array]


class Contender(NamedTuple):
    """An engine: its name, the package that it needs, whether it compiles, and what prepares a program."""

    name: str
    package: str
    compiles: bool
    prepare: Callable[[], Program]


class Case(NamedTuple):
    title: str
    contenders: Sequence[Contender]


class Timing:
    """A program that has run once, and its best time so far."""

    def __init__(self, contender: Contender) -> None:
        began = time.perf_counter()
        self.program = contender.prepare()
        self.program.step()
        self.first = time.perf_counter() - began
        self.numbers = self.program.read().copy()
        self.best = float("inf")
        self.spent = 0.0
        self.steps = 0

    def run_window(self) -> None:
        step, count = self.program.step, max(1, int(WINDOW / self.best))
        began = time.perf_counter()
        for _ in range(count):
            step()
        seconds = time.perf_counter() - began
        self.best = min(self.best, seconds / count)
        self.spent += seconds
        self.steps += count


def check_names(parser: argparse.ArgumentParser, given: Sequence[str], known: Sequence[str]) -> None:
    """End the program if there is no case of some name."""
    for name in given:
        if name not in known:
            parser.error(f"no case {name!r}: there are {', '.join(known)}")


def use_one_thread(*packages: str) -> None:
    """Limit all packages imported from now on to one thread; pay the engines' costs of a first call.

    Without names that is done for all engines that are installed.
    """
    pin(PROCESSORS[:1])
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    threadpool_limits(1)
    names = packages or ("llvmlite", "jax", "torch")
    installed = [name for name in names if importlib.util.find_spec(name)]
    if "llvmlite" in installed:
        import autograd_mini

        autograd_mini.jit(lambda x: x * x)(1.0)
    if "jax" in installed:
        import jax

        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_cpu_enable_async_dispatch", False)  # steps this short are faster without
        jax.jit(lambda x: x * x)(1.0).block_until_ready()
    if "torch" in installed:
        import torch

        torch.set_num_threads(1)


def in_new_processes(function: Callable[..., Any], *args: Any, processes: int) -> list[Any]:
    """Call a function once in each of some new processes: a process keeps what it has compiled."""
    spawn = multiprocessing.get_context("spawn")
    results = []
    for _ in range(processes):
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            results.append(pool.submit(function, *args).result())
    return results


def pin(processors: Sequence[int]) -> None:
    """Keep all threads of this process to some processors, where the system can."""
    if processors:
        for task in Path("/proc/self/task").iterdir():
            os.sched_setaffinity(int(task.name), processors)


def measure(case: Case, seconds: float, rotate: bool) -> dict[str, tuple[Contender, Timing]]:
    """Prepare what is installed, compare the numbers of all, and time each for some seconds."""
    timings: dict[str, tuple[Contender, Timing]] = {}
    missing = []
    for contender in case.contenders:
        if importlib.util.find_spec(contender.package) is None:
            missing.append(contender.name)
            continue
        importlib.import_module(contender.package)
        timings[contender.name] = contender, Timing(contender)
    if missing:
        print(f"not installed: {', '.join(missing)}\n")
    (reference, first), *others = timings.values()
    for contender, timing in others:
        expected = first.numbers[: len(timing.numbers)]  # some engines compute the value alone
        error = np.max(np.abs(timing.numbers - expected) / np.maximum(1.0, np.abs(expected)))
        if not error <= 1e-9:
            raise RuntimeError(f"{contender.name} and {reference.name} differ by {error:.1e}")
    gc.collect()
    gc.freeze()  # what is there is not scanned again; new garbage, as of micrograd's cyclic graphs, is collected
    running = [timing for _, timing in timings.values()]
    processors = cycle(PROCESSORS)
    while running:
        if rotate and PROCESSORS:
            pin([next(processors)])
        for timing in running:
            timing.run_window()
        running = [timing for timing in running if timing.spent < seconds or timing.steps < FEWEST_STEPS]
    return timings


def compare(case: Case, seconds: float, rotate: bool = True) -> None:
    """Measure a case and print its table; ratios are to the first contender's time.

    With `rotate`, all is done on one processor at a time.
    """
    timings = measure(case, seconds, rotate)
    print(case.title, end="\n\n")
    ours = next(iter(timings.values()))[1].best
    rows = [["engine", "per step", "times ours", "to compile", "steps"]]
    for name, (contender, timing) in timings.items():
        compiling = format_seconds(timing.first - timing.best) if contender.compiles else ""
        rows.append([name, format_seconds(timing.best), format_ratio(timing.best / ours), compiling, str(timing.steps)])
    print_table(rows)
    print(flush=True)


def format_seconds(seconds: float) -> str:
    if seconds >= 1.0:
        return f"{seconds:.3g} s"
    return f"{1e3 * seconds:.3g} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.3g} µs"
