"""Fit a GARCH(1,1) model by maximum likelihood: derivatives from jit against finite differences.

    python tests/benchmarks/scipy_fit.py

The 1,000 daily returns are drawn from the model itself, with a fixed seed. Every fit begins at the same point. The
largest component of the gradient at its end, computed by jit, says how good a fit is. The first fit compiles: its time
is the fastest of new processes that have imported the packages and have compiled and minimized something small. The
time of a later fit is the fastest of several.
"""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import numpy as np
from jit_measure import Array, format_seconds, in_new_processes, use_one_thread
from scipy.optimize import OptimizeResult, minimize
from side_by_side import print_table

from autograd_mini import exp, hessian, jit, log, scan, sigmoid, value_and_grad

DAYS = 1000
START = np.array([0.0, 0.0, 2.0, -1.0])
FITS = 5


def garch(theta: Any, returns: Any) -> Any:
    """Give the mean negative log-likelihood of a day, but for a constant.

    T. Bollerslev, Generalized autoregressive conditional heteroskedasticity, Journal of Econometrics
    31 (1986). The parameters are free numbers: the mean return; the logarithm of the variance in the
    long run; the logits of how much of the variance lasts, and of the part of that due to the last return.
    """
    mean, long_run, persistence = theta[0], exp(theta[1]), sigmoid(theta[2])
    alpha = persistence * sigmoid(theta[3])
    beta, omega = persistence - alpha, long_run * (1 - persistence)

    def day(carry: Any, r: Any) -> Any:
        variance, total = carry
        shock = (r - mean) ** 2
        total = total + 0.5 * (log(variance) + shock / variance)
        return (omega + alpha * shock + beta * variance, total), None

    (_, total), _ = scan(day, (long_run, 0.0), returns)
    return total / len(returns)


def plain_garch(theta: Any, returns: Any) -> float:
    """Compute the same with Python's numbers."""
    mean, long_run, persistence, share = theta[0], math.exp(theta[1]), logistic(theta[2]), logistic(theta[3])
    alpha = persistence * share
    beta, omega = persistence - alpha, long_run * (1 - persistence)
    variance, total = long_run, 0.0
    for r in returns:
        shock = (r - mean) ** 2
        total += 0.5 * (math.log(variance) + shock / variance)
        variance = omega + alpha * shock + beta * variance
    return total / len(returns)


def logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def simulate(mean: float, omega: float, alpha: float, beta: float, days: int = DAYS) -> Array:
    """Draw returns in percent."""
    variance, returns = omega / (1.0 - alpha - beta), []
    for z in np.random.default_rng(1).normal(size=days):
        shock = z * variance**0.5
        returns.append(mean + shock)
        variance = omega + alpha * shock * shock + beta * variance
    return np.array(returns)


class Way(NamedTuple):
    """A way to fit: its name, SciPy's method, and the other options."""

    name: str
    method: str
    options: dict[str, Any]


def ways(returns: Array) -> list[Way]:
    """List the ways, with functions that have compiled nothing so far."""
    rows = returns.tolist()
    both, curvature = jit(value_and_grad(garch)), jit(hessian(garch))
    return [
        Way("jit, gradient and Hessian", "trust-exact", {"fun": both, "jac": True, "hess": curvature}),
        Way("jit, gradient and Hessian", "Newton-CG", {"fun": both, "jac": True, "hess": curvature}),
        Way("jit, gradient", "BFGS", {"fun": both, "jac": True}),
        Way("jit, finite differences", "BFGS", {"fun": jit(garch)}),
        Way("plain Python, finite differences", "BFGS", {"fun": lambda theta, _: plain_garch(theta.tolist(), rows)}),
        Way(
            "gradient without jit",
            "BFGS",
            {"fun": lambda theta, _: value_and_grad(garch)(theta, rows), "jac": True},
        ),
    ]


def fit(way: Way, returns: Array) -> tuple[OptimizeResult, float]:
    """Fit once; give the result and the time."""
    began = time.perf_counter()
    result = minimize(x0=START, args=(returns,), method=way.method, tol=1e-8, **way.options)
    return result, time.perf_counter() - began


def fit_first(i: int) -> float:
    """Give the time of the first fit of the process, by one of the ways."""
    use_one_thread("llvmlite")
    small = {"jac": lambda x: 2 * x, "hess": lambda x: 2 * np.eye(1)}
    returns = daily_returns()
    way = ways(returns)[i]
    minimize(lambda x: float(x @ x), [1.0], method=way.method, **{k: small[k] for k in small if k in way.options})
    return fit(way, returns)[1]


def daily_returns() -> Array:
    return simulate(mean=0.05, omega=0.05, alpha=0.1, beta=0.85)


def main() -> None:
    use_one_thread("llvmlite")
    returns = daily_returns()
    slopes = jit(value_and_grad(garch))
    rows = [["derivatives", "method", "first fit", "later", "iterations", "function calls", "largest slope at the end"]]
    for i, way in enumerate(ways(returns)):
        fits = [fit(way, returns) for _ in range(FITS)]
        result, best = fits[0][0], min(seconds for _, seconds in fits)
        first = in_new_processes(fit_first, i, processes=FITS)
        slope = np.abs(slopes(result.x, returns)[1]).max()
        times = [format_seconds(min(first)), format_seconds(best)]
        rows.append([way.name, way.method, *times, str(result.nit), str(result.nfev), f"{slope:.0e}"])
    print(f"Maximum-likelihood fit of a GARCH(1,1) model to {DAYS:,} returns\n")
    print_table(rows)


if __name__ == "__main__":
    main()
