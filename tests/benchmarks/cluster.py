"""Steps of a fit on a Dask cluster: rows per second, what a step costs whatever it computes, and many fits at once.

    python tests/benchmarks/cluster.py
    python tests/benchmarks/cluster.py --memory 10    # GiB of rows through workers of 1 GiB: memory, and nothing else

Workers are processes of this machine with one thread each. A step is value and gradient of a network 10-16-1, 193
parameters, over all rows. The rows of the first table lie in the workers' memory, as after `persist()`. The fastest of
several steps counts.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster, wait
from jit_measure import Array, format_seconds
from scipy.optimize import minimize
from scipy_fit import START, garch
from side_by_side import format_ratio, print_table

from autograd_mini import dot, jit, tanh, value_and_grad

INPUTS, HIDDEN = 10, 16
PARAMETERS = HIDDEN * (INPUTS + 2) + 1
ROWS, CHUNK = 2_000_000, 125_000
STEPS = 7
FITS, FITS_OF_A_TASK, DAYS = 200, 10, 1000
MEMORY = 1 << 30  # bytes for a worker


def loss(w: Any, x: Any, y: Any) -> Any:
    """Give the squared error of a network for one row."""
    rows = [w[i : i + INPUTS + 1] for i in range(0, HIDDEN * (INPUTS + 1), INPUTS + 1)]
    hidden = [tanh(dot(row[:-1], x, row[-1])) for row in rows]
    return (dot(w[-HIDDEN - 1 : -1], hidden, w[-1]) - y) ** 2


def compiled_loss() -> Any:
    return jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce="mean", threads=1)


def draw(rows: int, chunk: int, inputs: int = INPUTS) -> tuple[Any, Any]:
    """Give data that the workers make."""
    xs = da.random.default_rng(0).normal(size=(rows, inputs), chunks=(chunk, inputs))
    return xs, da.tanh(xs.sum(axis=1))


@contextmanager
def cluster(workers: int) -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, memory_limit=MEMORY, dashboard_address=None, silence_logs=50
        ) as local,
        Client(local) as client,
    ):
        yield client


def best(step: Callable[[], Any], steps: int = STEPS) -> float:
    """Give the seconds of the fastest step; the first, which compiles, does not count."""
    step()
    times = []
    for _ in range(steps):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return min(times)


def rows_per_second() -> float:
    """Print the rows per second of one process, and of workers; give those of one worker."""
    weights = np.random.default_rng(1).normal(size=PARAMETERS)
    compiled = compiled_loss()
    xs, ys = draw(ROWS, CHUNK)
    with dask.config.set(scheduler="synchronous"):
        here = dask.compute(xs, ys)
        expected = compiled(weights, xs, ys)
    times = {"one process without Dask": best(partial(compiled, weights, *here))}
    for workers in (1, 2):
        with cluster(workers) as client:
            there = client.persist([xs, ys])
            wait(there)
            value, slope = compiled(weights, *there)
            if value != expected[0] or not np.array_equal(slope, expected[1]):
                raise RuntimeError(f"{workers} workers give other bits than one process")
            times[f"{workers} worker{'s'[: workers != 1]}"] = best(partial(compiled, weights, *there))
    first = next(iter(times.values()))
    table = [["", "per step", "rows per second", "times one process"]]
    for name, seconds in times.items():
        table.append([name, format_seconds(seconds), f"{ROWS / seconds:,.0f}", format_ratio(first / seconds)])
    print(f"Value and gradient over {ROWS:,} rows in {ROWS // CHUNK} chunks\n")
    print_table(table)
    return ROWS / times["1 worker"]


def costs() -> tuple[float, float, float]:
    """Print what a step costs whatever it computes; give the seconds of a step, a task, and a number that is added."""
    times: dict[tuple[int, int], float] = {}
    with cluster(2) as client:
        for parameters in (1, 10_000):
            compiled = jit(value_and_grad(lambda w, x: dot(w, w) * x), in_axes=(None, 0), reduce="sum")
            for chunks in (1, 16, 128):
                xs = client.persist(da.ones(chunks, chunks=1))
                wait(xs)
                weights = np.ones(parameters)
                times[parameters, chunks] = best(partial(compiled, weights, xs), 20)
    step = times[1, 1]
    task = (times[1, 128] - step) / 127
    number = max(0.0, (times[10_000, 128] - times[1, 128]) / (128 * 10_000))
    table = [["parameters", *(f"{chunks} chunk{'s'[: chunks != 1]}" for chunks in (1, 16, 128))]]
    for parameters in (1, 10_000):
        table.append([f"{parameters:,}", *(format_seconds(times[parameters, chunks]) for chunks in (1, 16, 128))])
    print("\nA step over chunks of one row, on 2 workers\n")
    print_table(table)
    print(
        f"\nA step takes {format_seconds(step)}, a chunk {format_seconds(task)} of the scheduler's time, and each "
        f"number of its gradient {1e9 * number:.3g} ns."
    )
    return step, task, number


def model(rate: float, step: float, task: float, number: float) -> None:
    """Print what many workers would do: the scheduler serves one chunk after the other, workers compute beside it."""
    table = [["workers", *(f"{rows:,} rows" for rows in (10**6, 10**8, 10**10))]]
    for workers in (1, 10, 100):
        cells = []
        for rows in (10**6, 10**8, 10**10):
            chunks = max(4 * workers, rows // 10**6)
            serial = chunks * (task + number * PARAMETERS)
            cells.append(format_seconds(step + max(serial, rows / (workers * rate))))
        table.append([str(workers), *cells])
    print("\nThe model: a step of this network, with 4 chunks for each worker, and at most a million rows in a chunk\n")
    print_table(table)


@cache
def compiled_garch() -> Any:
    return jit(value_and_grad(garch))


def fit_samples(seeds: Iterable[int]) -> list[Array]:
    """Draw samples from a GARCH(1,1) model, and fit it to each."""
    return [
        minimize(compiled_garch(), START, args=(draw_returns(seed),), jac=True, method="BFGS", tol=1e-8).x
        for seed in seeds
    ]


def draw_returns(seed: int) -> Array:
    variance, returns = 1.0, np.empty(DAYS)
    for day, z in enumerate(np.random.default_rng(seed).normal(size=DAYS)):
        shock = z * variance**0.5
        returns[day] = 0.05 + shock
        variance = 0.05 + 0.1 * shock * shock + 0.85 * variance
    return returns


def bootstrap() -> None:
    """Print the time of a parametric bootstrap: one fit for each of many samples."""
    from cluster import fit_samples  # by its module's name, under which workers find it too

    tasks = [range(begin, begin + FITS_OF_A_TASK) for begin in range(0, FITS, FITS_OF_A_TASK)]
    fit_samples(range(1))
    began = time.perf_counter()
    here = fit_samples(range(FITS))
    times = {"one process without Dask": time.perf_counter() - began}
    for workers in (1, 2):
        with cluster(workers) as client:
            client.run(fit_samples, range(1))
            began = time.perf_counter()
            there = np.concatenate(client.gather(client.map(fit_samples, tasks, pure=False)))
            times[f"{workers} worker{'s'[: workers != 1]}"] = time.perf_counter() - began
            if not np.array_equal(here, there):
                raise RuntimeError("the fits differ")
    first = next(iter(times.values()))
    table = [["", f"{FITS} fits", "times one process"]]
    table += [[name, format_seconds(seconds), format_ratio(first / seconds)] for name, seconds in times.items()]
    print(f"\nA bootstrap of a GARCH(1,1) model: {FITS} samples of {DAYS:,} days, drawn and fitted\n")
    print_table(table)
    errors = np.std(here, axis=0, ddof=1)
    print("\nstandard errors of the parameters: " + ", ".join(f"{error:.3f}" for error in errors))


def most_memory() -> float:
    """Give the most MiB that this process has had in memory, on Linux."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(gib: float) -> None:
    """Print how much memory client and workers take for rows that no machine of theirs could hold."""
    rows = int(gib * 2**30 / 8 / (INPUTS + 1))
    compiled, (xs, ys) = compiled_loss(), draw(rows, 250_000)
    weights = np.random.default_rng(1).normal(size=PARAMETERS)
    with cluster(2) as client:
        before = client.run(os.getpid)
        began = time.perf_counter()
        compiled(weights, xs, ys)
        seconds = time.perf_counter() - began
        if client.run(os.getpid) != before:
            raise RuntimeError("a worker was stopped, and started anew")
        workers = ", ".join(f"{mib:,.0f} MiB" for mib in client.run(most_memory).values())
        print(f"{rows:,} rows, {gib:g} GiB, made on 2 workers of {MEMORY >> 20:,} MiB: {format_seconds(seconds)}")
        print(f"most memory of the workers: {workers}; of the client: {most_memory():,.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description="Steps of a fit on a Dask cluster")
    parser.add_argument("--memory", type=float, metavar="GIB", help="only send so many GiB of rows through the workers")
    gib = parser.parse_args().memory
    if gib:
        memory(gib)
        return
    rate = rows_per_second()
    model(rate, *costs())
    bootstrap()


if __name__ == "__main__":
    main()
