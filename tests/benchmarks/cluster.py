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
from typing import Any, NamedTuple

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
            n_workers=workers, threads_per_worker=1, memory_limit=MEMORY, dashboard_address=":0", silence_logs=50
        ) as local,
        Client(local) as client,
    ):
        yield client


class Costs(NamedTuple):
    """The seconds of a step, and how long processors are at work for it."""

    step: float  # from the call to its result, at best
    client: float  # of client and scheduler, which are one process here
    workers: float  # of all workers


def cost(step: Callable[[], Any], client: Client | None = None, steps: int = STEPS) -> Costs:
    """Measure some steps; the one before, which compiles, does not count."""
    step()
    before = processor_seconds(client)
    times = []
    for _ in range(steps):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    after = processor_seconds(client)
    return Costs(min(times), (after[0] - before[0]) / steps, (after[1] - before[1]) / steps)


def processor_seconds(client: Client | None) -> tuple[float, float]:
    """Say how long processors have been at work for this process, and for all workers."""
    return time.process_time(), sum(client.run(time.process_time).values()) if client else 0.0


def print_costs(heading: str, found: dict[str, Costs]) -> None:
    """Print a table; ratios are to the first one's time."""
    first = next(iter(found.values()))
    table = [[heading, "time", "times one process", "processor time of client and scheduler", "of all workers"]]
    for name, own in found.items():
        times = [format_seconds(own.step), format_ratio(first.step / own.step)]
        table.append([name, *times, format_seconds(own.client), format_seconds(own.workers) if own.workers else ""])
    print_table(table)


def rows_per_second() -> float:
    """Print how long a step takes in one process, and on workers; give the rows per second of a processor."""
    weights = np.random.default_rng(1).normal(size=PARAMETERS)
    compiled = compiled_loss()
    xs, ys = draw(ROWS, CHUNK)
    with dask.config.set(scheduler="synchronous"):
        here = dask.compute(xs, ys)
        expected = compiled(weights, xs, ys)
    found = {"one process without Dask": cost(partial(compiled, weights, *here))}
    for workers in (1, 2):
        with cluster(workers) as client:
            there = client.persist([xs, ys])
            wait(there)
            value, slope = compiled(weights, *there)
            if value != expected[0] or not np.array_equal(slope, expected[1]):
                raise RuntimeError(f"{workers} workers give other bits than one process")
            found[f"{workers} worker{'s'[: workers != 1]}"] = cost(partial(compiled, weights, *there), client)
    print_costs(f"{ROWS:,} rows in {ROWS // CHUNK} chunks", found)
    rate = ROWS / found["one process without Dask"].client
    print(f"\nA processor computes {rate:,.0f} rows a second.")
    return rate


def costs() -> dict[int, Costs]:
    """Print what steps cost whatever they compute; give these costs by the number of chunks."""
    found: dict[int, Costs] = {}
    table = [["chunks", "parameters", "per step", "processor time of client and scheduler", "of all workers"]]
    with cluster(2) as client:
        for parameters in (10_000, PARAMETERS):
            compiled = jit(value_and_grad(lambda w, x: dot(w, w) * x), in_axes=(None, 0), reduce="sum")
            for chunks in (1, 128):
                xs = client.persist(da.ones(chunks, chunks=1))
                wait(xs)
                found[chunks] = cost(partial(compiled, np.ones(parameters), xs), client)
                table.append([str(chunks), f"{parameters:,}", *map(format_seconds, found[chunks])])
    print("\nA step over chunks of one row, on 2 workers\n")
    print_table(table)
    return found


def model(rate: float, found: dict[int, Costs]) -> None:
    """Print what many workers would do: the scheduler serves one chunk after another, while workers compute."""
    few, many = found[1], found[128]
    least, of_scheduler = few.step, (many.client - few.client) / 127
    of_worker = (many.workers - few.workers) / 127
    table = [["workers", *(f"{rows:,} rows" for rows in (10**6, 10**8, 10**10))]]
    for workers in (1, 10, 100):
        cells = []
        for rows in (10**6, 10**8, 10**10):
            chunks = max(4 * workers, rows // 10**6)
            seconds = max(chunks * of_scheduler, (rows / rate + chunks * of_worker) / workers)
            cells.append(format_seconds(least + seconds))
        table.append([str(workers), *cells])
    print(
        f"\nThe model: {format_seconds(least)} for a step; for each chunk {format_seconds(of_scheduler)} of the "
        f"scheduler's time and {format_seconds(of_worker)} of a worker's; {rate:,.0f} rows a second; 4 chunks for each "
        "worker, of at most a million rows\n"
    )
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
    here = fit_samples(range(FITS))
    found = {"one process without Dask": cost(partial(fit_samples, range(FITS)), steps=3)}
    for workers in (1, 2):
        with cluster(workers) as client:
            client.run(fit_samples, range(1))

            def step(client: Client = client) -> list[Any]:
                results: list[Any] = client.gather(client.map(fit_samples, tasks, pure=False))
                return results

            if not np.array_equal(here, np.concatenate(step())):
                raise RuntimeError("the fits differ")
            found[f"{workers} worker{'s'[: workers != 1]}"] = cost(step, client, steps=3)
    print()
    print_costs(f"GARCH(1,1): {FITS} samples of {DAYS:,} days drawn and fitted", found)
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
    model(rate, costs())
    bootstrap()


if __name__ == "__main__":
    main()
