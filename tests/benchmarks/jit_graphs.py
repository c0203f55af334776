"""Irregular graphs in every engine: value and gradient of a random graph, a path, a recurrence, a system of bodies.

Each graph is one function of numbers, written once for all engines that work on scalars. Where arrays are natural too,
PyTorch, JAX and NumPy (with derivatives by hand) have a version with arrays.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Sequence
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
from jit_measure import Array, Case, Contender, Program

Scalars = Callable[..., Any]  # of an engine's functions, and the arguments


def program(compute: Callable[[], Sequence[Any]]) -> Program:
    """Keep what a step has computed, such as value and gradient."""
    results: list[Any] = []

    def step() -> None:
        results[:] = compute()

    return Program(step, lambda: np.concatenate([np.ravel(np.asarray(r, dtype=float)) for r in results]))


# The engines. The first argument is differentiated; over a batch `examples` is another, mapped.


def prepare_jit(function: Scalars, point: Array, examples: Array | None) -> Program:
    import autograd_mini
    from autograd_mini import jit, value_and_grad

    f = value_and_grad(lambda *args: function(autograd_mini, *args))
    if examples is None:
        compiled = jit(f, threads=1)
        return program(lambda: compiled(point))
    if len(examples) == 1:  # which is no batch
        compiled = jit(f, threads=1)
        return program(lambda: compiled(point, examples[0]))
    compiled = jit(f, in_axes=(None, 0), reduce="mean", threads=1)
    return program(lambda: compiled(point, examples))


def prepare_mapped_jit(function: Scalars, points: Array) -> Program:
    import autograd_mini
    from autograd_mini import jit, value_and_grad

    compiled = jit(value_and_grad(lambda x: function(autograd_mini, x)), in_axes=0, threads=1)
    return program(lambda: compiled(points))


def prepare_engine(function: Scalars, point: Array) -> Program:
    import autograd_mini
    from autograd_mini import value_and_grad

    f = value_and_grad(lambda x: function(autograd_mini, x))
    numbers = point.tolist()
    return program(lambda: f(numbers))


def prepare_casadi(function: Scalars, point: Array, examples: Array | None = None, each: bool = False) -> Program:
    """Compile to CasADi's virtual machine; with `each`, a row of `point` is an example."""
    import casadi

    ops = SimpleNamespace(
        **{name: getattr(casadi, name) for name in ("sin", "cos", "tanh", "exp", "sqrt")},
        relu=lambda z: casadi.fmax(z, 0.0),
    )
    given = [point] if examples is None else [point, examples]
    symbols = [casadi.SX.sym("p", point.shape[-1])]
    if examples is not None:
        symbols.append(casadi.SX.sym("x", examples.shape[1]))
    value = function(ops, *map(casadi.vertsplit, symbols))
    f = casadi.Function("f", symbols, [value, casadi.gradient(value, symbols[0])])
    rows = 1
    if examples is not None:
        rows = len(examples)
        f = f.map("batch", "serial", rows, [0], [0, 1])
    elif each:
        f = f.map(len(point), "serial")
    return casadi_program(f, given, [(len(point),) if each else (1,), point.shape], rows)


def casadi_program(f: Any, given: Sequence[Array], shapes: Sequence[tuple[int, ...]], divisor: int) -> Program:
    """Run a function of CasADi on arrays, without copies; its results have the shapes given, and are divided."""
    held = [np.ascontiguousarray(array) for array in given]
    found = [np.zeros(shape) for shape in shapes]
    buffer: Any
    buffer, evaluate = f.buffer()
    for i, array in enumerate(held):
        buffer.set_arg(i, array.data)
    for i, array in enumerate(found):
        buffer.set_res(i, array.data)

    def compute(held: Any = (buffer, held)) -> Any:  # it owns what `evaluate` works on
        evaluate()
        return [array / divisor for array in found]

    return program(compute)


def prepare_jax(function: Callable[..., Any], *args: Array) -> Program:
    """Compile a function of arrays, or of scalars if it takes arrays apart."""
    import jax

    compiled = jax.jit(jax.value_and_grad(function))
    given = [jax.numpy.array(argument) for argument in args]
    return program(lambda: jax.block_until_ready(compiled(*given)))


def jax_scalars() -> Any:
    import jax
    import jax.numpy as jnp

    return SimpleNamespace(sin=jnp.sin, cos=jnp.cos, tanh=jnp.tanh, exp=jnp.exp, sqrt=jnp.sqrt, relu=jax.nn.relu)


def prepare_torch(function: Callable[..., Any], point: Array, *others: Array) -> Program:
    """Differentiate a function of tensors, or of scalar tensors if it takes one apart."""
    import torch

    x = torch.tensor(point, requires_grad=True)
    given = [torch.tensor(other) for other in others]

    def compute() -> tuple[Any, Any]:
        value = function(x, *given)
        (gradient,) = torch.autograd.grad(value, [x])
        return value.item(), gradient

    return program(compute)


def prepare_micrograd(function: Scalars, point: Array) -> Program:
    from micrograd.engine import Value

    def unary(compute: Callable[[float], float], slope: Callable[[float], float]) -> Callable[[Value], Value]:
        def apply(x: Value) -> Value:  # as micrograd's own operations are written
            out = Value(compute(x.data), (x,))

            def backward() -> None:
                x.grad += slope(x.data) * out.grad

            out._backward = backward
            return out

        return apply

    sys.setrecursionlimit(100_000)
    ops = SimpleNamespace(
        sin=unary(math.sin, math.cos),
        cos=unary(math.cos, lambda x: -math.sin(x)),
        tanh=unary(math.tanh, lambda x: 1.0 - math.tanh(x) ** 2),
    )

    def compute() -> tuple[Any, Any]:
        xs = [Value(x) for x in point.tolist()]
        root = function(ops, xs)
        root.backward()
        return root.data, [x.grad for x in xs]

    return program(compute)


# Random graphs.


def random_graph(size: int) -> Scalars:
    """Draw a function of 20 numbers: operands are among the 200 nodes before; nodes without a reader are summed."""
    generator = random.Random(size)
    kinds = generator.choices(["add", "sub", "mul", "sin", "cos", "tanh"], k=size)
    draws = [(generator.random(), generator.random()) for _ in kinds]

    def function(ops: Any, xs: Sequence[Any]) -> Any:
        nodes = list(xs)
        used = bytearray(len(xs) + size)
        for kind, (r, s) in zip(kinds, draws):
            window = min(len(nodes), 200)
            i, j = (len(nodes) - 1 - int(draw * window) for draw in (r, s))
            used[i] = 1
            x, y = nodes[i], nodes[j]
            if kind in ("add", "sub", "mul"):
                used[j] = 1
                nodes.append((x + y) * 0.5 if kind == "add" else x - y if kind == "sub" else x * y)
            else:
                nodes.append(getattr(ops, kind)(x))
        total = 0.0
        for node, is_used in zip(nodes, used):
            if not is_used:
                total = total + node
        return total * (1.0 / size)

    return function


def graph_case(size: int) -> Case:
    function, point = random_graph(size), np.random.default_rng(0).uniform(-1.0, 1.0, 20)
    contenders = [
        Contender("autograd_mini, jit", "llvmlite", True, lambda: prepare_jit(function, point, None)),
        Contender("autograd_mini, without jit", "autograd_mini", False, lambda: prepare_engine(function, point)),
        Contender("CasADi SX", "casadi", True, lambda: prepare_casadi(function, point)),
    ]
    if size <= 20_000:

        def torch_function(x: Any) -> Any:
            import torch

            return function(torch, x.unbind())

        contenders.append(
            Contender("PyTorch, scalar tensors", "torch", False, lambda: prepare_torch(torch_function, point))
        )
    if size <= 2_000:
        contenders.append(
            Contender("micrograd", "micrograd", False, lambda: prepare_micrograd(function, point)),
        )
    if size <= 500:  # for 2,000 JAX compiles for minutes

        def jax_function(x: Any) -> Any:
            return function(jax_scalars(), list(x))

        contenders.append(
            Contender("JAX jit, the same scalar code", "jax", True, lambda: prepare_jax(jax_function, point))
        )
    return Case(f"Value and gradient of a random graph of {size:,} nodes", contenders)


# A recurrent network: 60 steps of 3 features, 8 units, the squared error of the prediction at the end.

STEPS, FEATURES, UNITS = 60, 3, 8


def recurrent(ops: Any, w: Sequence[Any], sequence: Sequence[Any]) -> Any:
    numbers = iter(w)
    rows = [[next(numbers) for _ in range(FEATURES + UNITS + 1)] for _ in range(UNITS)]
    readout = [next(numbers) for _ in range(UNITS)]
    h: list[Any] = [0.0] * UNITS
    for t in range(STEPS):
        xs = [*(sequence[t * FEATURES + i] for i in range(FEATURES)), *h, 1.0]
        h = [ops.tanh(sum(a * x for a, x in zip(row, xs))) for row in rows]
    error = sum(a * x for a, x in zip(readout, h)) - sequence[STEPS * FEATURES]
    return error * error


def recurrent_jax(w: Any, sequences: Any) -> Any:
    import jax
    import jax.numpy as jnp

    matrix = w[:-UNITS].reshape(UNITS, -1)
    xs = sequences[:, :-1].reshape(-1, STEPS, FEATURES).swapaxes(0, 1)

    def advance(h: Any, x: Any) -> tuple[Any, None]:
        return jnp.tanh(x @ matrix[:, :FEATURES].T + h @ matrix[:, FEATURES:-1].T + matrix[:, -1]), None

    h, _ = jax.lax.scan(advance, jnp.zeros((xs.shape[1], UNITS)), xs)
    return ((h @ w[-UNITS:] - sequences[:, -1]) ** 2).mean()


def recurrent_torch(w: Any, sequences: Any) -> Any:
    import torch

    matrix, readout = w[:-UNITS].reshape(UNITS, -1), w[-UNITS:]
    xs = sequences[:, :-1].reshape(-1, STEPS, FEATURES)
    driven = xs @ matrix[:, :FEATURES].T + matrix[:, -1]
    recurrence = matrix[:, FEATURES:-1].T
    h = torch.tanh(driven[:, 0])
    for t in range(1, STEPS):
        h = torch.tanh(torch.addmm(driven[:, t], h, recurrence))
    return ((h @ readout - sequences[:, -1]) ** 2).mean()


def recurrent_numpy(w: Array, sequences: Array) -> tuple[float, Array]:
    """Backpropagate through time by hand."""
    matrix, readout = w[:-UNITS].reshape(UNITS, -1), w[-UNITS:]
    n = len(sequences)
    xs = sequences[:, :-1].reshape(n, STEPS, FEATURES)
    driven = xs @ matrix[:, :FEATURES].T + matrix[:, -1]
    recurrence = matrix[:, FEATURES:-1]
    states = np.zeros((STEPS + 1, n, UNITS))
    for t in range(STEPS):
        np.tanh(states[t] @ recurrence.T + driven[:, t], out=states[t + 1])
    error = states[-1] @ readout - sequences[:, -1]
    slope = 2.0 / n * error
    delta = slope[:, None] * readout
    deltas = np.empty((STEPS, n, UNITS))
    for t in range(STEPS - 1, -1, -1):
        deltas[t] = delta * (1.0 - states[t + 1] ** 2)
        delta = deltas[t] @ recurrence
    flat = deltas.reshape(-1, UNITS).T
    gradient = np.empty_like(matrix)
    gradient[:, :FEATURES] = flat @ xs.swapaxes(0, 1).reshape(-1, FEATURES)
    gradient[:, FEATURES:-1] = flat @ states[:-1].reshape(-1, UNITS)
    gradient[:, -1] = flat.sum(axis=1)
    return float((error**2).mean()), np.concatenate([gradient.ravel(), states[-1].T @ slope])


def recurrent_case() -> Case:
    generator = np.random.default_rng(0)
    w = generator.normal(scale=0.3, size=UNITS * (FEATURES + UNITS + 1) + UNITS)
    sequences = generator.normal(size=(32, STEPS * FEATURES + 1))
    return Case(
        "Value and gradient of a recurrent network of 8 units over 60 steps, 32 sequences",
        [
            Contender("autograd_mini, jit", "llvmlite", True, lambda: prepare_jit(recurrent, w, sequences)),
            Contender("NumPy, by hand", "numpy", False, lambda: program(lambda: recurrent_numpy(w, sequences))),
            Contender("JAX jit, arrays, scan", "jax", True, lambda: prepare_jax(recurrent_jax, w, sequences)),
            Contender("PyTorch, tensors", "torch", False, lambda: prepare_torch(recurrent_torch, w, sequences)),
            Contender("CasADi SX, mapped", "casadi", True, lambda: prepare_casadi(recurrent, w, sequences)),
        ],
    )


# An Asian call option on a path of 250 steps: price and pathwise greeks by spot, strike, rate, volatility and time.

PATH = 250
MARKET = np.array([100.0, 95.0, 0.02, 0.25, 1.0])


def asian_call(ops: Any, market: Sequence[Any], normals: Sequence[Any]) -> Any:
    spot, strike, rate, volatility, maturity = market
    step = maturity / PATH
    drift = (rate - 0.5 * volatility * volatility) * step
    noise = volatility * ops.sqrt(step)
    total = 0.0
    for z in normals:
        spot = spot * ops.exp(drift + noise * z)
        total = total + spot
    return ops.exp(-rate * maturity) * ops.relu(total / PATH - strike)


def asian_call_arrays(xp: Any, relu: Any, cumsum: Any, market: Any, normals: Any) -> Any:
    """Follow all paths at once, for PyTorch and JAX."""
    spot, strike, rate, volatility, maturity = market
    step = maturity / PATH
    increments = (rate - 0.5 * volatility**2) * step + volatility * xp.sqrt(step) * normals
    means = (spot * xp.exp(cumsum(increments))).mean(1)
    return (xp.exp(-rate * maturity) * relu(means - strike)).mean()


def asian_call_jax(market: Any, normals: Any) -> Any:
    import jax
    import jax.numpy as jnp

    return asian_call_arrays(jnp, jax.nn.relu, lambda x: jnp.cumsum(x, axis=1), market, normals)


def asian_call_torch(market: Any, normals: Any) -> Any:
    import torch

    return asian_call_arrays(torch, torch.relu, lambda x: torch.cumsum(x, 1), market, normals)


def asian_call_numpy(market: Array, normals: Array) -> tuple[float, Array]:
    """Derive the greeks by hand: each spot S = S₀ exp(X), with X linear in the path's sum of normals."""
    spot, strike, rate, volatility, maturity = market
    step = maturity / PATH
    times = step * np.arange(1, PATH + 1)
    sums = normals.cumsum(axis=1)
    spots = spot * np.exp((rate - 0.5 * volatility**2) * times + volatility * math.sqrt(step) * sums)
    payoffs = np.maximum(spots.mean(axis=1) - strike, 0.0)
    discount = math.exp(-rate * maturity)
    paid = spots[payoffs > 0.0]
    weight = discount / len(normals)
    value = weight * payoffs.sum()
    by_time = paid.sum(axis=0) / PATH
    brownian = np.vdot(paid, sums[payoffs > 0.0]) * math.sqrt(step) / PATH
    timed = by_time @ times
    return value, np.array(
        [
            weight * by_time.sum() / spot,
            -weight * len(paid),
            weight * timed - maturity * value,
            weight * (brownian - volatility * timed),
            weight * ((rate - 0.5 * volatility**2) * timed + 0.5 * volatility * brownian) / maturity - rate * value,
        ]
    )


def path_case(paths: int) -> Case:
    normals = np.random.default_rng(0).normal(size=(paths, PATH))
    contenders = [
        Contender("autograd_mini, jit", "llvmlite", True, lambda: prepare_jit(asian_call, MARKET, normals)),
        Contender("NumPy, by hand", "numpy", False, lambda: program(lambda: asian_call_numpy(MARKET, normals))),
        Contender("JAX jit, arrays", "jax", True, lambda: prepare_jax(asian_call_jax, MARKET, normals)),
        Contender("PyTorch, tensors", "torch", False, lambda: prepare_torch(asian_call_torch, MARKET, normals)),
        Contender("CasADi SX, mapped", "casadi", True, lambda: prepare_casadi(asian_call, MARKET, normals)),
    ]
    return Case(
        f"Price and greeks of an Asian call, 250 Black-Scholes steps, {paths:,} path{'s'[: paths > 1]}", contenders
    )


# Bodies that attract each other.

BODIES = 20


def potential(ops: Any, positions: Sequence[Any]) -> Any:
    """Add up the softened energies of all pairs of bodies of masses 1, 2, 3, ..."""
    bodies = [(i + 1.0, positions[3 * i : 3 * i + 3]) for i in range(BODIES)]
    energy = 0.0
    for (m, p), (n, q) in combinations(bodies, 2):
        distance = ops.sqrt(sum((a - b) * (a - b) for a, b in zip(p, q)) + 0.01)
        energy = energy - m * n / distance
    return energy


PAIRS = np.triu_indices(BODIES, 1)
MASSES = np.arange(1.0, BODIES + 1.0)
PRODUCTS = MASSES[PAIRS[0]] * MASSES[PAIRS[1]]


def potentials_jax(positions: Any) -> Any:
    import jax.numpy as jnp

    bodies = positions.reshape(-1, BODIES, 3)
    between = bodies[:, PAIRS[0]] - bodies[:, PAIRS[1]]
    return -(PRODUCTS / jnp.sqrt((between**2).sum(axis=2) + 0.01)).sum(axis=1)


def potentials_torch(positions: Any) -> Any:
    import torch

    bodies = positions.reshape(-1, BODIES, 3)
    between = bodies[:, PAIRS[0]] - bodies[:, PAIRS[1]]
    return -(torch.from_numpy(PRODUCTS) / torch.sqrt((between**2).sum(2) + 0.01)).sum(1)


def potentials_numpy(positions: Array) -> tuple[Array, Array]:
    """Derive the forces by hand, from all ordered pairs."""
    bodies = positions.reshape(-1, BODIES, 3)
    between = bodies[:, :, None] - bodies[:, None]
    squares = np.einsum("nijk,nijk->nij", between, between) + 0.01
    energies = MASSES[:, None] * MASSES / np.sqrt(squares)
    gradient = np.einsum("nij,nijk->nik", energies / squares, between)
    values = -0.5 * (energies.sum(axis=(1, 2)) - np.einsum("nii->n", energies))
    return values, gradient.reshape(positions.shape)


def prepare_mapped_jax(points: Array) -> Program:
    import jax

    def both(x: Any) -> Any:
        values, pull = jax.vjp(potentials_jax, x)
        return values, pull(jax.numpy.ones_like(values))[0]

    compiled, x = jax.jit(both), jax.numpy.array(points)
    return program(lambda: jax.block_until_ready(compiled(x)))


def prepare_mapped_torch(points: Array) -> Program:
    import torch

    x = torch.tensor(points, requires_grad=True)

    def compute() -> tuple[Any, Any]:
        values = potentials_torch(x)
        return values.detach(), torch.autograd.grad(values.sum(), [x])[0]

    return program(compute)


def bodies_case(systems: int) -> Case:
    points = np.random.default_rng(0).normal(size=(systems, 3 * BODIES))
    one = points[0]
    contenders = [
        Contender("NumPy, by hand", "numpy", False, lambda: program(lambda: potentials_numpy(points))),
        Contender("JAX jit, arrays", "jax", True, lambda: prepare_mapped_jax(points)),
        Contender("PyTorch, tensors", "torch", False, lambda: prepare_mapped_torch(points)),
    ]
    if systems > 1:
        ours = Contender("autograd_mini, jit", "llvmlite", True, lambda: prepare_mapped_jit(potential, points))
        contenders.append(
            Contender("CasADi SX, mapped", "casadi", True, lambda: prepare_casadi(potential, points, each=True))
        )
    else:
        ours = Contender("autograd_mini, jit", "llvmlite", True, lambda: prepare_jit(potential, one, None))
        contenders += [
            Contender("CasADi SX", "casadi", True, lambda: prepare_casadi(potential, one)),
            Contender("autograd_mini, without jit", "autograd_mini", False, lambda: prepare_engine(potential, one)),
        ]
    title = f"Energy and forces of 20 bodies, {systems:,} system{'s'[: systems > 1]}"
    return Case(title, [ours, *contenders])
