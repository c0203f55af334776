"""Models that are loops, by `scan` and unrolled, against JAX, CasADi and C: time per call, and the first call's.

    python tests/benchmarks/loops.py                # all cases
    python tests/benchmarks/loops.py --quick        # those that take some seconds
    python tests/benchmarks/loops.py garch kalman   # some
    python tests/benchmarks/loops.py --casadi-c     # CasADi's C besides, for which a C compiler needs minutes
    python tests/benchmarks/loops.py --help         # their names

A step is value and gradient by all parameters, or the Hessian, in float64 on one thread. The scalar code is the same
for all engines (loop_models.py); JAX loops by lax.scan, CasADi unrolls or loops by mapaccum. The numbers of the first
step are compared to 1e-9 before anything is timed; jit_measure.py says how, and which time counts. A first call traces,
compiles and computes, in a process that has imported the package and compiled something small. The fastest counts, of
the call in this process and of those in new ones (`--processes`).
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

import numpy as np
from jit_graphs import program
from jit_measure import (
    Array,
    Case,
    Contender,
    Timing,
    check_names,
    format_seconds,
    in_new_processes,
    measure,
    use_one_thread,
)
from loop_engines import (
    Task,
    prepare_casadi,
    prepare_garch_in_c,
    prepare_jax,
    prepare_jit,
    prepare_mapaccum,
    prepare_python,
)
from loop_models import (
    FEATURES,
    GATES,
    UNITS,
    black_scholes,
    chain,
    chain_arrays,
    epidemic,
    epidemic_by_days,
    garch,
    heston,
    kalman,
    kepler,
    kepler_numpy,
    lstm,
    lstm_arrays,
    markov,
    markov_arrays,
    two_compartments,
)
from scipy_fit import START, simulate
from side_by_side import format_ratio, print_table


def contenders(
    task: Task, arrays: Callable[..., object] | None = None, others: Sequence[Contender] = ()
) -> list[Contender]:
    """List the engines that can do a task; `arrays` is JAX's function of arrays."""
    every = [
        Contender("autograd_mini, scan", "llvmlite", True, partial(prepare_jit, task)),
        Contender("autograd_mini, unrolled", "llvmlite", True, partial(prepare_jit, task, unrolled=True)),
        *others,
        Contender("JAX, lax.scan", "jax", True, partial(prepare_jax, task)),
    ]
    if arrays is not None:
        every.append(Contender("JAX, lax.scan, arrays", "jax", True, partial(prepare_jax, task, arrays)))
    every.append(Contender("CasADi SX", "casadi", True, partial(prepare_casadi, task)))
    if task.xs is not None and not task.mapped and not task.hessian:
        every.append(Contender("CasADi mapaccum", "casadi", True, partial(prepare_mapaccum, task)))
        every.append(Contender("CasADi SX, its C, -O1", "casadi", True, partial(prepare_casadi, task, in_c=True)))
    if not task.mapped and not task.hessian:
        every.append(Contender("plain Python, value only", "numpy", False, partial(prepare_python, task)))
    return every


def garch_case(days: int, hessian: bool = False) -> Case:
    task = Task(garch(days), START, simulate(0.05, 0.05, 0.1, 0.85, days), hessian=hessian)
    others = []
    if shutil.which("cc") and not hessian:
        others.append(Contender("C by hand, -O2", "numpy", False, partial(prepare_garch_in_c, task)))
    title = f"GARCH(1,1), {days:,} days, {'Hessian' if hessian else 'value and gradient'}"
    return Case(title, contenders(task, others=others))


def chain_case() -> Case:
    inflows = draw(614, low=0.0)
    task = Task(chain(60, 614), np.array([0.3, 0.1, 0.5, 1.0]), inflows)
    return Case("60 compartments, 614 steps", contenders(task, chain_arrays))


def kalman_case() -> Case:
    observed = np.random.default_rng(0).normal(size=1000)
    return Case("Kalman filter, 1,000 steps", contenders(Task(kalman(1000), np.array([0.8, -1.0, -0.5]), observed)))


def epidemic_case(by_days: bool) -> Case:
    days, substeps, point = 60, 20, np.log([0.4, 0.1, 0.01])
    observed = 0.2 * draw(days, low=0.0)
    if by_days:
        task = Task(epidemic_by_days(days, substeps), point, observed)
        return Case("SIR by RK4, a loop over 60 days, each a loop over 20 substeps", contenders(task))
    rows = np.zeros((days * substeps, 2))  # what is observed, and its weight: at the end of each day 1
    rows[substeps - 1 :: substeps] = np.stack([observed, np.ones(days)], axis=1)
    task = Task(epidemic(days, substeps), point, rows)
    return Case("SIR by RK4, a loop over 1,200 substeps", contenders(task))


def two_compartments_case() -> Case:
    point = np.log([1.0, 10.0, 2.0, 20.0])
    return Case("Two compartments by RK4, 200 steps", contenders(Task(two_compartments(200), point, draw(200))))


def lstm_case() -> Case:
    generator = np.random.default_rng(0)
    weights = generator.normal(scale=0.3, size=GATES + UNITS)
    sequences = generator.normal(size=(32, 100, FEATURES + 1))
    task = Task(lstm(100), weights, sequences, "xs")
    return Case("LSTM, 8 units, 100 steps, 32 sequences", contenders(task, lstm_arrays))


def heston_case(paths: int) -> Case:
    normals = np.random.default_rng(3).normal(size=(paths, 250, 2))
    point = np.array([100.0, 0.04, 0.02, 2.0, 0.04, 0.2, -0.7])
    task = Task(heston(250), point, normals[0]) if paths == 1 else Task(heston(250), point, normals, "xs")
    return Case(f"Call by Heston's model, 250 steps, {paths:,} path{'s'[: paths > 1]}", contenders(task))


def black_scholes_case() -> Case:
    normals = np.random.default_rng(0).normal(size=250)
    task = Task(black_scholes(250), np.array([100.0, 95.0, 0.02, 0.25, 1.0]), normals)
    return Case("Asian call by Black and Scholes, 250 steps, 1 path", contenders(task))


def kepler_case() -> Case:
    points = np.stack([draw(10_000, low=0.0) * 2 * np.pi, 0.8 * draw(10_000, low=0.0)], axis=1)
    by_hand = Contender("NumPy, by hand", "numpy", False, lambda: program(lambda: kepler_numpy(points, 10)))
    task = Task(kepler(10), points, None, "point")
    return Case("Kepler's equation, 10 Newton steps, 10,000 orbits", contenders(task, others=[by_hand]))


def markov_case() -> Case:
    generator = np.random.default_rng(0)
    point = np.concatenate([generator.normal(size=25), np.arange(5.0), 0.1 * generator.normal(size=5)])
    task = Task(markov(500), point, generator.normal(2.0, 2.0, size=500))
    return Case("Hidden Markov model in logarithms, 5 states, 500 steps", contenders(task, markov_arrays))


def draw(count: int, low: float = -1.0) -> Array:
    return np.random.default_rng(0).uniform(low, 1.0, count)


CASES: dict[str, Callable[[], Case]] = {
    "garch": partial(garch_case, 1_000),
    "garch-hessian": partial(garch_case, 1_000, hessian=True),
    "chain": chain_case,
    "kalman": kalman_case,
    "sir": partial(epidemic_case, by_days=False),
    "sir-days": partial(epidemic_case, by_days=True),
    "lstm": lstm_case,
    "heston": partial(heston_case, 1),
    "heston-10000": partial(heston_case, 10_000),
    "kepler": kepler_case,
    "markov": markov_case,
    "black-scholes": black_scholes_case,
    "compartments": two_compartments_case,
}
LONG = 3.0  # seconds, of a first call that is not repeated
QUICK = ("garch", "kalman", "heston", "kepler", "black-scholes", "compartments")


def first_call(make_case: Callable[[], Case], engine: str, processes: int) -> float:
    """Give the time of the first call in a new process, the fastest of some, in seconds."""
    return min(in_new_processes(call_first, make_case, engine, processes=processes))


def call_first(make_case: Callable[[], Case], engine: str) -> float:
    (contender,) = (contender for contender in make_case().contenders if contender.name == engine)
    use_one_thread(contender.package)
    return Timing(contender).first


def compare_case(make_case: Callable[[], Case], seconds: float, processes: int, in_c: bool) -> None:
    """Measure a case and print its table; ratios are to the first engine's time."""
    title, engines = make_case()
    timings = measure(Case(title, [e for e in engines if in_c or "its C" not in e.name]), seconds, rotate=True)
    ours = next(iter(timings.values()))[1].best
    rows = [["engine", "a call", "times scan", "first call"]]
    for name, (contender, timing) in timings.items():
        first = timing.first
        if contender.compiles and processes and first < LONG:
            first = min(first, first_call(make_case, name, processes))
        shown = format_seconds(first) if contender.compiles else ""
        rows.append([name, format_seconds(timing.best), format_ratio(timing.best / ours), shown])
    print(title, end="\n\n")
    print_table(rows)
    print(flush=True)


def compare_lengths(processes: int) -> None:
    """Time the first call of GARCH over few days and many."""
    engines = [("autograd_mini, scan", "llvmlite"), ("JAX, lax.scan", "jax")]
    engines = [(name, package) for name, package in engines if importlib.util.find_spec(package)]
    rows = [["first call", *(name for name, _ in engines)]]
    for hessian, days in product((False, True), (100, 1_000, 100_000)):
        make_case = partial(garch_case, days, hessian)
        times = [first_call(make_case, name, max(1, processes)) for name, _ in engines]
        rows.append([make_case().title, *map(format_seconds, times)])
    print_table(rows)
    print(flush=True)


def main() -> None:
    names = [*CASES, "lengths"]
    parser = argparse.ArgumentParser(description="Models that are loops, against JAX, CasADi and C.")
    parser.add_argument("cases", nargs="*", metavar="case", help=f"of {', '.join(names)}; all unless given")
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}, and first calls in one process")
    parser.add_argument("--casadi-c", action="store_true", help="compile CasADi's C too, which takes minutes")
    parser.add_argument("--seconds", type=float, default=1.0, help="for how long each engine is timed (1)")
    parser.add_argument("--processes", type=int, default=1, help="how many new processes make a first call (1)")
    arguments = parser.parse_args()
    check_names(parser, arguments.cases, names)
    use_one_thread()
    processes = 0 if arguments.quick else arguments.processes
    for name in arguments.cases or (QUICK if arguments.quick else names):
        if name == "lengths":
            compare_lengths(processes)
        else:
            compare_case(CASES[name], arguments.seconds, processes, arguments.casadi_c)


if __name__ == "__main__":
    main()
