"""Models that are loops: what stays the same in all rounds, a round, and the number that comes of the last.

Each is written once, for the numbers of any engine; `ops` has the engine's functions. Constants and the carry are flat
lists, so that every engine can take them. Where arrays are natural too, JAX has a version with arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

Numbers = Sequence[Any]


class Model(NamedTuple):
    """A loop: how it starts, given the parameters, its rounds, and the result.

    start(ops, p) gives constants and the carry, step(ops, constants, carry, x) the next carry, and
    end(ops, constants, carry) a number.
    """

    start: Callable[[Any, Numbers], tuple[list[Any], list[Any]]]
    step: Callable[[Any, Numbers, Numbers, Any], list[Any]]
    end: Callable[[Any, Numbers, Numbers], Any]
    rounds: int


# GARCH(1,1), as in scipy_fit.py: the mean negative log-likelihood of a day.


def garch(days: int) -> Model:
    def start(ops: Any, p: Numbers) -> tuple[list[Any], list[Any]]:
        mean, long_run, persistence = p[0], ops.exp(p[1]), ops.sigmoid(p[2])
        alpha = persistence * ops.sigmoid(p[3])
        return [mean, long_run * (1 - persistence), alpha, persistence - alpha], [long_run, 0.0]

    def step(ops: Any, constants: Numbers, carry: Numbers, r: Any) -> list[Any]:
        mean, omega, alpha, beta = constants
        variance, total = carry
        shock = (r - mean) ** 2
        total = total + 0.5 * (ops.log(variance) + shock / variance)
        return [omega + alpha * shock + beta * variance, total]

    return Model(start, step, lambda ops, constants, carry: carry[1] / days, days)


GARCH_IN_C = """
#include <math.h>
#include <stdlib.h>

/* The value, and its gradient by hand: the first loop keeps the variances, the second goes back. */
double garch(const double *p, const double *returns, long days, double *variances, double *gradient)
{
    double mean = p[0], long_run = exp(p[1]), persistence = 1 / (1 + exp(-p[2])), share = 1 / (1 + exp(-p[3]));
    double alpha = persistence * share, beta = persistence - alpha, omega = long_run * (1 - persistence);
    double variance = long_run, total = 0;
    for (long t = 0; t < days; t++) {
        double shock = (returns[t] - mean) * (returns[t] - mean);
        variances[t] = variance;
        total += 0.5 * (log(variance) + shock / variance);
        variance = omega + alpha * shock + beta * variance;
    }
    double by_mean = 0, by_omega = 0, by_alpha = 0, by_beta = 0, by_variance = 0, scale = 1.0 / days;
    for (long t = days - 1; t >= 0; t--) {
        double distance = returns[t] - mean, shock = distance * distance, inverse = 1 / variances[t];
        by_omega += by_variance;
        by_alpha += by_variance * shock;
        by_beta += by_variance * variances[t];
        by_mean -= 2 * distance * (by_variance * alpha + 0.5 * scale * inverse);
        by_variance = by_variance * beta + 0.5 * scale * inverse * (1 - shock * inverse);
    }
    double by_long_run = by_variance + by_omega * (1 - persistence);
    double by_persistence = -by_omega * long_run + by_beta * (1 - share) + by_alpha * share;
    gradient[0] = by_mean;
    gradient[1] = by_long_run * long_run;
    gradient[2] = by_persistence * persistence * (1 - persistence);
    gradient[3] = (by_alpha - by_beta) * persistence * share * (1 - share);
    return total * scale;
}
"""


# 60 compartments in a row, of which each gives to the next and loses by a saturated rate.


def chain(compartments: int, rounds: int) -> Model:
    def start(ops: Any, p: Numbers) -> tuple[list[Any], list[Any]]:
        return list(p), [0.1 * p[3]] * compartments

    def step(ops: Any, constants: Numbers, carry: Numbers, inflow: Any) -> list[Any]:
        rate, fastest, half, _ = constants
        before = [inflow, *carry]
        return [x + rate * (b - x) - fastest * x / (half + x) for b, x in zip(before, carry)]

    return Model(start, step, lambda ops, constants, carry: sum(carry[1:], carry[0]), rounds)


def chain_arrays(p: Any, inflows: Any) -> Any:
    import jax
    import jax.numpy as jnp

    rate, fastest, half, initial = p

    def step(xs: Any, inflow: Any) -> tuple[Any, None]:
        before = jnp.concatenate([inflow[None], xs[:-1]])
        return xs + rate * (before - xs) - fastest * xs / (half + xs), None

    return jax.lax.scan(step, jnp.full(60, 0.1 * initial), inflows)[0].sum()


# A Kalman filter: a level that returns to 0, observed with noise; the negative log-likelihood.


def kalman(rounds: int) -> Model:
    def start(ops: Any, p: Numbers) -> tuple[list[Any], list[Any]]:
        decay, process, noise = ops.tanh(p[0]), ops.exp(p[1]), ops.exp(p[2])
        return [decay, process, noise], [0.0, process, 0.0]

    def step(ops: Any, constants: Numbers, carry: Numbers, y: Any) -> list[Any]:
        decay, process, noise = constants
        level, uncertainty, total = carry
        predicted = decay * decay * uncertainty + process
        innovation, spread = y - decay * level, predicted + noise
        gain = predicted / spread
        total = total + 0.5 * (ops.log(spread) + innovation * innovation / spread)
        return [decay * level + gain * innovation, (1 - gain) * predicted, total]

    return Model(start, step, lambda ops, constants, carry: carry[2] / rounds, rounds)


# Ordinary differential equations by RK4: squared distances to observations, with a weight for each step.


def runge_kutta(slope: Callable[[Numbers], Numbers], state: Numbers, h: float) -> list[Any]:
    k1 = slope(state)
    k2 = slope([y + 0.5 * h * k for y, k in zip(state, k1)])
    k3 = slope([y + 0.5 * h * k for y, k in zip(state, k2)])
    k4 = slope([y + h * k for y, k in zip(state, k3)])
    return [y + h / 6 * (a + 2 * b + 2 * c + d) for y, a, b, c, d in zip(state, k1, k2, k3, k4)]


def epidemic(days: int, substeps: int) -> Model:
    """SIR: susceptible, infected and recovered parts of a population; a round is a substep."""

    def step(ops: Any, constants: Numbers, carry: Numbers, x: Any) -> list[Any]:
        state = runge_kutta(infect(constants), carry[:3], 1 / substeps)
        return [*state, carry[3] + x[1] * (state[1] - x[0]) ** 2]

    return Model(first_infections, step, lambda ops, constants, carry: carry[3], days * substeps)


def epidemic_by_days(days: int, substeps: int) -> Model:
    """The same; a round is a day, with a loop over its substeps."""

    def step(ops: Any, constants: Numbers, carry: Numbers, observed: Any) -> list[Any]:
        slope = infect(constants)
        state = ops.fori_loop(0, substeps, lambda i, y: runge_kutta(slope, y, 1 / substeps), list(carry[:3]))
        return [*state, carry[3] + (state[1] - observed) ** 2]

    return Model(first_infections, step, lambda ops, constants, carry: carry[3], days)


def first_infections(ops: Any, p: Numbers) -> tuple[list[Any], list[Any]]:
    infected = ops.exp(p[2])
    return [ops.exp(p[0]), ops.exp(p[1])], [1 - infected, infected, 0.0, 0.0]


def infect(rates: Numbers) -> Callable[[Numbers], Numbers]:
    infection, recovery = rates

    def slope(state: Numbers) -> list[Any]:
        new, gone = infection * state[0] * state[1], recovery * state[1]
        return [-new, new - gone, gone]

    return slope


def two_compartments(rounds: int) -> Model:
    """A dose in the blood, which goes to tissue and back, and is cleared."""

    def start(ops: Any, p: Numbers) -> tuple[list[Any], list[Any]]:
        clearance, central, exchange, tissue = (ops.exp(x) for x in p)
        return [clearance / central, exchange / central, exchange / tissue, central], [100.0, 0.0, 0.0]

    def step(ops: Any, constants: Numbers, carry: Numbers, observed: Any) -> list[Any]:
        out, to, back, central = constants

        def slope(state: Numbers) -> list[Any]:
            flow = to * state[0] - back * state[1]
            return [-out * state[0] - flow, flow]

        state = runge_kutta(slope, carry[:2], 0.05)
        return [*state, carry[2] + (ops.log(state[0] / central) - observed) ** 2]

    return Model(start, step, lambda ops, constants, carry: carry[2] / rounds, rounds)


# A recurrent network: LSTM units, of which the first layer of numbers reads 3 features, and an error in each step.

FEATURES, UNITS = 3, 8
WIDTH = FEATURES + UNITS + 1
GATES = 4 * UNITS * WIDTH


def lstm(rounds: int) -> Model:
    """S. Hochreiter, J. Schmidhuber, Long short-term memory (1997), with forget gates."""

    def start(ops: Any, p: Numbers) -> tuple[list[Any], list[Any]]:
        return list(p), [0.0] * (2 * UNITS + 1)

    def step(ops: Any, w: Numbers, carry: Numbers, x: Any) -> list[Any]:
        cells, total = carry[UNITS:-1], carry[-1]
        inputs = [*(x[i] for i in range(FEATURES)), *carry[:UNITS], 1.0]
        z = [sum(w[WIDTH * g + i] * inputs[i] for i in range(WIDTH)) for g in range(4 * UNITS)]
        forget, take, show = ([ops.sigmoid(a) for a in z[UNITS * k : UNITS * (k + 1)]] for k in range(3))
        new = [ops.tanh(a) for a in z[3 * UNITS :]]
        cells = [f * c + i * n for f, c, i, n in zip(forget, cells, take, new)]
        hidden = [o * ops.tanh(c) for o, c in zip(show, cells)]
        error = sum(w[GATES + i] * hidden[i] for i in range(UNITS)) - x[FEATURES]
        return [*hidden, *cells, total + error * error]

    return Model(start, step, lambda ops, constants, carry: carry[-1] / rounds, rounds)


def lstm_arrays(w: Any, sequences: Any) -> Any:
    import jax
    import jax.numpy as jnp

    matrix, readout = w[:GATES].reshape(4 * UNITS, WIDTH), w[GATES:]
    xs = sequences.swapaxes(0, 1)
    driven = xs[..., :FEATURES] @ matrix[:, :FEATURES].T + matrix[:, -1]

    def step(carry: Any, x: Any) -> tuple[Any, Any]:
        hidden, cells = carry
        forget, take, show, new = jnp.split(x + hidden @ matrix[:, FEATURES:-1].T, 4, axis=1)
        cells = jax.nn.sigmoid(forget) * cells + jax.nn.sigmoid(take) * jnp.tanh(new)
        hidden = jax.nn.sigmoid(show) * jnp.tanh(cells)
        return (hidden, cells), hidden

    zeros = jnp.zeros((xs.shape[1], UNITS))
    _, hidden = jax.lax.scan(step, (zeros, zeros), driven)
    return ((hidden @ readout - xs[..., FEATURES]) ** 2).mean()


# Paths of prices: a call by Heston's model, an Asian call by that of Black and Scholes.


def heston(rounds: int) -> Model:
    """S. Heston (1993), by Euler's method, with a smallest variance."""

    def start(ops: Any, p: Numbers) -> tuple[list[Any], list[Any]]:
        spot, variance, rate, speed, long_run, wildness, correlation = p
        h = 1 / rounds
        across = ops.sqrt(1 - correlation * correlation)
        constants = [rate * h, speed * h, long_run, wildness * math.sqrt(h), correlation, across, ops.exp(-rate)]
        return constants, [ops.log(spot), variance]

    def step(ops: Any, constants: Numbers, carry: Numbers, x: Any) -> list[Any]:
        drift, speed, long_run, wildness, correlation, across, _ = constants
        price, variance = carry
        deviation = ops.sqrt(variance)
        price = price + drift - (0.5 / rounds) * variance + deviation * x[0] * math.sqrt(1 / rounds)
        noise = correlation * x[0] + across * x[1]
        variance = variance + speed * (long_run - variance) + wildness * deviation * noise
        return [price, ops.maximum(variance, 1e-6)]

    def end(ops: Any, constants: Numbers, carry: Numbers) -> Any:
        return constants[-1] * ops.relu(ops.exp(carry[0]) - 90.0)

    return Model(start, step, end, rounds)


def black_scholes(rounds: int) -> Model:
    def start(ops: Any, p: Numbers) -> tuple[list[Any], list[Any]]:
        spot, strike, rate, volatility, maturity = p
        h = maturity / rounds
        drift = (rate - 0.5 * volatility * volatility) * h
        return [drift, volatility * ops.sqrt(h), strike, ops.exp(-rate * maturity)], [spot, 0.0]

    def step(ops: Any, constants: Numbers, carry: Numbers, z: Any) -> list[Any]:
        spot = carry[0] * ops.exp(constants[0] + constants[1] * z)
        return [spot, carry[1] + spot]

    def end(ops: Any, constants: Numbers, carry: Numbers) -> Any:
        return constants[3] * ops.relu(carry[1] / rounds - constants[2])

    return Model(start, step, end, rounds)


# Kepler's equation M = E - e sin E, solved for E by Newton's method, with its derivatives by M and e.


def kepler(rounds: int) -> Model:
    def start(ops: Any, p: Numbers) -> tuple[list[Any], list[Any]]:
        return [p[0], p[1]], [p[0] + p[1] * ops.sin(p[0])]

    def step(ops: Any, constants: Numbers, carry: Numbers, _: Any) -> list[Any]:
        (mean, e), (anomaly,) = constants, carry
        return [anomaly - (anomaly - e * ops.sin(anomaly) - mean) / (1 - e * ops.cos(anomaly))]

    return Model(start, step, lambda ops, constants, carry: carry[0], rounds)


def kepler_numpy(points: Any, rounds: int) -> tuple[Any, Any]:
    """Solve by the same steps; the derivatives are those of the implicit function."""
    mean, e = points.T
    anomaly = mean + e * np.sin(mean)
    for _ in range(rounds):
        anomaly = anomaly - (anomaly - e * np.sin(anomaly) - mean) / (1 - e * np.cos(anomaly))
    slope = 1 / (1 - e * np.cos(anomaly))
    return anomaly, np.stack([slope, np.sin(anomaly) * slope], axis=1)


# A hidden Markov model with normal observations, in logarithms: the negative log-likelihood.

STATES = 5


def markov(rounds: int) -> Model:
    def start(ops: Any, p: Numbers) -> tuple[list[Any], list[Any]]:
        moves: list[Any] = []
        for i in range(STATES):
            row = [p[STATES * i + j] for j in range(STATES)]
            total = ops.logsumexp(row)
            moves += [x - total for x in row]
        means = [p[STATES * STATES + i] for i in range(STATES)]
        widths = [p[STATES * (STATES + 1) + i] for i in range(STATES)]
        return [*moves, *means, *(ops.exp(-x) for x in widths), *widths], [-math.log(STATES)] * STATES

    def step(ops: Any, constants: Numbers, carry: Numbers, x: Any) -> list[Any]:
        means, scales, widths = (constants[STATES * k : STATES * (k + 1)] for k in range(STATES, STATES + 3))
        after = []
        for j in range(STATES):
            distance = (x - means[j]) * scales[j]
            reached = ops.logsumexp([carry[i] + constants[STATES * i + j] for i in range(STATES)])
            after.append(reached - widths[j] - 0.5 * distance * distance)
        return after

    return Model(start, step, lambda ops, constants, carry: -ops.logsumexp(list(carry)) / rounds, rounds)


def markov_arrays(p: Any, xs: Any) -> Any:
    import jax
    import jax.numpy as jnp

    moves = jax.nn.log_softmax(p[: STATES * STATES].reshape(STATES, STATES), axis=1)
    means, widths = p[STATES * STATES :].reshape(2, STATES)
    emissions = -widths - 0.5 * ((xs[:, None] - means) * jnp.exp(-widths)) ** 2

    def step(carry: Any, emission: Any) -> tuple[Any, None]:
        return jax.nn.logsumexp(carry[:, None] + moves, axis=0) + emission, None

    carry, _ = jax.lax.scan(step, jnp.full(STATES, -math.log(STATES)), emissions)
    return -jax.nn.logsumexp(carry) / len(xs)
