"""Fit a GARCH(1,1) model by maximum likelihood: derivatives from jit against finite differences.

    python tests/benchmarks/scipy_fit.py

The 1,000 daily returns are drawn from the model itself, with a fixed seed. Every fit begins at the same point. The
largest component of the gradient at its end, computed by jit, says how good a fit is. The time is the fastest of
several fits, without compilation.
"""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import numpy as np
from jit_measure import Array, format_seconds
from scipy.optimize import OptimizeResult, minimize
from side_by_side import print_table

from autograd_mini import Jitted, exp, hessian, jit, log, sigmoid, value_and_grad

DAYS = 1000
START = np.array([0.0, 0.0, 2.0, -1.0])
FITS = 5


def garch(theta: Any, returns: Any, exp: Any = exp, log: Any = log, sigmoid: Any = sigmoid) -> Any:
    """Give the mean negative log-likelihood of a day, but for a constant.

    T. Bollerslev, Generalized autoregressive conditional heteroskedasticity, Journal of Econometrics
    31 (1986). The parameters are free numbers: the mean return; the logarithm of the variance in the
    long run; the logits of how much of the variance lasts, and of the part of that due to the last return.
    """
    mean, long_run, persistence = theta[0], exp(theta[1]), sigmoid(theta[2])
    alpha = persistence * sigmoid(theta[3])
    beta, omega = persistence - alpha, long_run * (1 - persistence)
    variance, total = long_run, 0.0
    for r in returns:
        shock = (r - mean) ** 2
        total += 0.5 * (log(variance) + shock / variance)
        variance = omega + alpha * shock + beta * variance
    return total / len(returns)


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


def ways(value: Jitted, both: Jitted, curvature: Jitted, returns: Array) -> list[Way]:
    """List the ways, given the compiled functions."""
    rows = returns.tolist()

    def plain(theta: Array, _: Array) -> float:
        return garch(theta.tolist(), rows, math.exp, math.log, lambda x: 1.0 / (1.0 + math.exp(-x)))

    def engine(theta: Array, _: Array) -> Any:
        return value_and_grad(garch)(theta, rows)

    return [
        Way("jit, gradient and Hessian", "trust-exact", {"fun": both, "jac": True, "hess": curvature}),
        Way("jit, gradient and Hessian", "Newton-CG", {"fun": both, "jac": True, "hess": curvature}),
        Way("jit, gradient", "BFGS", {"fun": both, "jac": True}),
        Way("jit, finite differences", "BFGS", {"fun": value}),
        Way("plain Python, finite differences", "BFGS", {"fun": plain}),
        Way("gradient without jit", "BFGS", {"fun": engine, "jac": True}),
    ]


def fit(way: Way, returns: Array) -> tuple[OptimizeResult, float]:
    """Fit several times; give the result, and the time of the fastest."""
    best = float("inf")
    for _ in range(FITS):
        began = time.perf_counter()
        result = minimize(x0=START, args=(returns,), method=way.method, tol=1e-8, **way.options)
        best = min(best, time.perf_counter() - began)
    return result, best


def main() -> None:
    returns = simulate(mean=0.05, omega=0.05, alpha=0.1, beta=0.85)
    value, both, curvature = jit(garch), jit(value_and_grad(garch)), jit(hessian(garch))
    compiling = []
    for name, compiled in (("the value", value), ("value and gradient", both), ("the Hessian", curvature)):
        began = time.perf_counter()
        compiled(START, returns)
        compiling.append(f"{name} in {format_seconds(time.perf_counter() - began)}")
    rows = [["derivatives", "method", "time", "iterations", "function calls", "largest slope at the end"]]
    for way in ways(value, both, curvature, returns):
        result, seconds = fit(way, returns)
        slope = np.abs(both(result.x, returns)[1]).max()
        counts = [str(result.nit), str(result.nfev)]
        rows.append([way.name, way.method, format_seconds(seconds), *counts, f"{slope:.0e}"])
    print(f"Maximum-likelihood fit of a GARCH(1,1) model to {DAYS:,} returns\n")
    print_table(rows)
    print(f"\nCompiled: {', '.join(compiling)}")


if __name__ == "__main__":
    main()
