"""Value and gradient, or the Hessian, of a model that is a loop, by each engine."""

from __future__ import annotations

import ctypes
import math
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from jit_graphs import casadi_program, program
from jit_measure import Array, Program
from loop_models import GARCH_IN_C, Model

Loop = Callable[..., Any]  # of a round's function, the carry, xs and the number of rounds


class Task(NamedTuple):
    """A model and where it is differentiated.

    Mapped over "xs" there is a series for each example, and the mean counts; mapped over "point" there are parameters
    for each, and each has its own value and gradient.
    """

    model: Model
    point: Array
    xs: Array | None
    mapped: str = ""
    hessian: bool = False

    def function(self, ops: Any, loop: Loop) -> Callable[..., Any]:
        """Write the model as a function of its parameters and its series, for the numbers of an engine."""
        start, step, end, rounds = self.model

        def f(p: Any, xs: Any = None) -> Any:
            constants, carry = start(ops, p)
            carry = loop(lambda c, x: step(ops, constants, c, x), carry, xs, rounds)
            return end(ops, constants, carry)

        return f

    def arguments(self) -> list[Array]:
        return [self.point] if self.xs is None else [self.point, self.xs]


def unroll(step: Any, carry: Any, xs: Any, rounds: int) -> Any:
    for x in range(rounds) if xs is None else xs:
        carry = step(carry, x)
    return carry


def repeat(lower: int, upper: int, step: Any, carry: Any) -> Any:
    for i in range(lower, upper):
        carry = step(i, carry)
    return carry


def prepare_jit(task: Task, unrolled: bool = False) -> Program:
    import autograd_mini
    from autograd_mini import hessian, jit, scan, value_and_grad

    def loop(step: Any, carry: Any, xs: Any, rounds: int) -> Any:
        return scan(lambda c, x: (step(c, x), None), carry, xs, rounds)[0]

    ops = SimpleNamespace(**vars(autograd_mini) | {"fori_loop": repeat}) if unrolled else autograd_mini
    f = task.function(ops, unroll if unrolled else loop)
    in_axes, reduce = {"": (None, None), "xs": ((None, 0), "mean"), "point": (0, None)}[task.mapped]
    derived = hessian(f) if task.hessian else value_and_grad(f)
    compiled = jit(derived, in_axes=in_axes, reduce=reduce, threads=1)
    arguments = task.arguments()
    return program(lambda: in_tuple(compiled(*arguments)))


def in_tuple(given: Any) -> tuple[Any, ...]:
    """Give value and gradient as they are, and the Hessian alone."""
    return given if isinstance(given, tuple) else (given,)


def prepare_jax(task: Task, arrays: Callable[..., Any] | None = None) -> Program:
    """Compile the same scalar code, or a function of arrays, which for mapped series gives the mean."""
    import jax
    import jax.numpy as jnp

    ops = SimpleNamespace(
        **{name: getattr(jnp, name) for name in ("sin", "cos", "tanh", "exp", "log", "sqrt", "maximum")},
        fori_loop=jax.lax.fori_loop,
        relu=jax.nn.relu,
        sigmoid=jax.nn.sigmoid,
        logsumexp=lambda zs: jax.nn.logsumexp(jnp.stack(zs)),
    )

    def loop(step: Any, carry: Any, xs: Any, rounds: int) -> Any:
        carry = [jnp.asarray(x, jnp.float64) for x in carry]
        return jax.lax.scan(lambda c, x: (step(c, x), None), carry, xs, rounds)[0]

    f = task.function(ops, loop)
    if arrays is not None:
        f = arrays
    elif task.mapped == "xs":
        scalar = f
        f = lambda p, xs: jax.vmap(scalar, (None, 0))(p, xs).mean()  # noqa: E731
    derived = jax.hessian(f) if task.hessian else jax.value_and_grad(f)
    compiled = jax.jit(jax.vmap(derived) if task.mapped == "point" else derived)
    arguments = [jnp.array(argument) for argument in task.arguments()]
    return program(lambda: in_tuple(jax.block_until_ready(compiled(*arguments))))


# CasADi.


def casadi_ops() -> Any:
    import casadi

    return SimpleNamespace(
        **{name: getattr(casadi, name) for name in ("sin", "cos", "tanh", "exp", "log", "sqrt")},
        fori_loop=repeat,
        maximum=casadi.fmax,
        relu=lambda z: casadi.fmax(z, 0.0),
        sigmoid=lambda z: 1 / (1 + casadi.exp(-z)),
        logsumexp=lambda zs: casadi.logsumexp(casadi.vertcat(*zs)),
    )


def prepare_casadi(task: Task, in_c: bool = False) -> Program:
    """Unroll the loop into scalar operations, for CasADi's virtual machine or for a C compiler."""
    import casadi

    p = casadi.SX.sym("p", task.point.shape[-1])
    symbols, given = [p], [casadi.vertsplit(p)]
    if task.xs is not None:
        shape = task.xs.shape[1:] if task.mapped == "xs" else task.xs.shape
        xs = casadi.SX.sym("xs", math.prod(shape))
        symbols.append(xs)
        rows: Any = casadi.vertsplit(xs)
        if len(shape) == 2:
            rows = [rows[i : i + shape[1]] for i in range(0, len(rows), shape[1])]
        given.append(rows)
    value = task.function(casadi_ops(), unroll)(*given)
    return differentiate_in_casadi(task, symbols, value, in_c)


def prepare_mapaccum(task: Task) -> Program:
    """Let CasADi loop: a round in scalar operations, and mapaccum over all."""
    import casadi

    model, ops = task.model, casadi_ops()
    p = casadi.MX.sym("p", task.point.size)
    constants, carry = model.start(ops, casadi.vertsplit(p))
    sizes = [("carry", len(carry)), ("x", 1 if task.xs.ndim == 1 else task.xs.shape[1]), ("constants", len(constants))]
    inner = [casadi.SX.sym(name, size) for name, size in sizes]
    c, x, k = map(casadi.vertsplit, inner)
    advance = casadi.Function("round", inner, [casadi.vertcat(*model.step(ops, k, c, x if len(x) > 1 else x[0]))])
    xs = casadi.MX.sym("xs", task.xs.size)
    series = casadi.reshape(xs, sizes[1][1], model.rounds)
    repeated = casadi.repmat(casadi.vertcat(*constants), 1, model.rounds)
    last = advance.mapaccum(model.rounds)(casadi.vertcat(*carry), series, repeated)[:, -1]
    return differentiate_in_casadi(task, [p, xs], model.end(ops, constants, casadi.vertsplit(last)))


def differentiate_in_casadi(task: Task, symbols: Any, value: Any, in_c: bool = False) -> Program:
    import casadi

    size = task.point.shape[-1]
    if task.hessian:
        f = casadi.Function("f", symbols, [casadi.densify(casadi.hessian(value, symbols[0])[0])])
        return casadi_program(f, task.arguments(), [(size, size)], 1)
    f = casadi.Function("f", symbols, [value, casadi.densify(casadi.gradient(value, symbols[0]))])
    if in_c:
        f = by_compiler(f)
    examples = len(task.arguments()[-1])
    if task.mapped == "xs":
        return casadi_program(
            f.map("f", "serial", examples, [0], [0, 1]), task.arguments(), [(1,), task.point.shape], examples
        )
    if task.mapped == "point":
        return casadi_program(f.map(examples, "serial"), task.arguments(), [(examples,), task.point.shape], 1)
    return casadi_program(f, task.arguments(), [(1,), task.point.shape], 1)


def by_compiler(f: Any) -> Any:
    """Write a function of CasADi as C, and compile and load that."""
    import casadi

    with tempfile.TemporaryDirectory() as folder:
        generator = casadi.CodeGenerator("f.c")
        generator.add(f)
        generator.generate(f"{folder}/")
        return casadi.external("f", compile_c(Path(folder, "f.c"), "-O1"))


# C and Python.


def compile_c(source: Path, optimize: str) -> str:
    library = source.with_suffix(".so")
    subprocess.run(["cc", optimize, "-shared", "-fPIC", str(source), "-o", str(library), "-lm"], check=True)
    return str(library)


def prepare_garch_in_c(task: Task) -> Program:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "garch.c")
        source.write_text(GARCH_IN_C)
        garch = ctypes.CDLL(compile_c(source, "-O2")).garch
    garch.restype = ctypes.c_double
    kept, gradient = np.zeros(task.model.rounds), np.zeros(4)
    assert task.xs is not None
    point, xs, variances, slopes = (
        array.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for array in (task.point, task.xs, kept, gradient)
    )
    days = ctypes.c_long(len(task.xs))
    return program(lambda: (garch(point, xs, days, variances, slopes), gradient))


def prepare_python(task: Task) -> Program:
    """Compute the value alone, with Python's numbers."""
    ops = SimpleNamespace(
        **{name: getattr(math, name) for name in ("sin", "cos", "tanh", "exp", "log", "sqrt")},
        fori_loop=repeat,
        maximum=max,
        relu=lambda z: max(z, 0.0),
        sigmoid=lambda z: 1 / (1 + math.exp(-z)),
        logsumexp=lambda zs: max(zs) + math.log(sum(math.exp(z - max(zs)) for z in zs)),
    )
    f = task.function(ops, unroll)
    arguments = [argument.tolist() for argument in task.arguments()]
    return program(lambda: (f(*arguments),))
