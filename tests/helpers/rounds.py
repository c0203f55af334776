"""Loops written out by hand, to compare `scan` with, and models that are recursions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

import numpy as np

from autograd_mini import (
    clip,
    cos,
    detach,
    div,
    exp,
    grad,
    greater,
    jit,
    log,
    logsumexp,
    maximum,
    minimum,
    no_grad,
    relu,
    sigmoid,
    sin,
    sqrt,
    tanh,
    where,
)
from autograd_mini import (
    sum as total,
)

Scan = Callable[..., tuple[Any, Any]]


def unrolled(f: Any, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False) -> tuple[Any, Any]:
    """Do what scan does in the plainest Python."""
    rows: list[Any]
    if isinstance(xs, dict):
        rows = [dict(zip(xs, row, strict=True)) for row in zip(*xs.values(), strict=True)]
    elif isinstance(xs, tuple):
        rows = list(zip(*xs, strict=True))
    else:
        rows = [None] * (length or 0) if xs is None else list(xs)
    carry, ys = init, []
    for x in reversed(rows) if reverse else rows:
        carry, y = f(carry, x)
        ys.append(y)
    if reverse:
        ys.reverse()
    return carry, _columns(ys) if ys and ys[0] is not None else None


def _columns(ys: list[Any]) -> Any:
    """Nest lists as what a round gives is nested."""
    if isinstance(ys[0], dict):
        return {key: _columns([y[key] for y in ys]) for key in ys[0]}
    if isinstance(ys[0], (list, tuple)):
        return type(ys[0])(_columns([y[k] for y in ys]) for k in range(len(ys[0])))
    return np.array(ys)


def _data(length: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=length)


class Model(NamedTuple):
    """A function that is written with a loop, and where to call it."""

    write: Callable[[Scan], Callable[..., Any]]
    point: list[float]


def garch(scan: Scan) -> Any:
    returns = _data(30)

    def loss(p: Any) -> Any:
        def day(variance: Any, r: Any) -> Any:
            return p[0] + p[1] * r * r + p[2] * variance, 0.5 * (log(variance) + r * r / variance)

        return total(scan(day, p[3], returns)[1])

    return loss


def carries(scan: Scan) -> Any:
    """A carry of many parts, arrays among them."""

    def f(p: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            (a, b), more = c["pair"], c["more"]
            new = {"pair": (a * p[0] + sin(b), b - p[1] * more[1, 0] * x["u"]), "more": tanh_all(more) * p[2] + a}
            return new, (a * b, [more[0, 1], x["v"][0] * x["v"][1]])

        u, v = _data(5), _data(10, 1).reshape(5, 2)
        c, ys = scan(step, {"pair": (p[0], 0.5), "more": np.array([[p[1], 2.0], [0.1, p[2]]])}, {"u": u, "v": v})
        return c["pair"][0] * c["pair"][1] + total(c["more"].ravel()) + total(ys[0] * ys[1][0]) + total(ys[1][1])

    return f


def tanh_all(array: Any) -> Any:
    made = np.empty(array.shape, object)
    for i in np.ndindex(array.shape):
        made[i] = tanh(array[i])
    return made


def traced_xs(scan: Scan) -> Any:
    """Elements that are arguments, or computed from them, partly data."""

    def f(p: Any) -> Any:
        xs = [p[0] * p[1], 1.5, p[2], exp(p[0])]
        rows = np.array([[p[0], 2.0], [p[1], p[2]], [0.5, 0.25], [p[2] * p[2], -p[1]]])
        c, ys = scan(lambda c, x: (c * x[0] + x[1][0] * cos(x[1][1]), c * x[1][1]), p[1], (xs, rows))
        return c * ys[2] + total(ys) + ys[0]

    return f


def chained(scan: Scan) -> Any:
    """The results of a loop are the elements of the next, from its end."""

    def f(p: Any) -> Any:
        _, ys = scan(lambda c, x: (tanh(c * p[0] + x), (c, c * c)), p[1], _data(6))
        back, zs = scan(lambda c, y: (c * p[2] + y[0], y[1] / (1.0 + c * c)), p[0], ys, reverse=True)
        c, _ = scan(lambda c, z: (c + z * z, None), back, zs)
        return c * zs[1] + ys[1][3]

    return f


def heston(scan: Scan) -> Any:
    """A variance that is cut at zero before its root: what is not chosen gives nothing."""
    noise = (_data(12, 3) * 3.0, _data(12, 4))

    def f(p: Any) -> Any:
        def step(state: Any, z: Any) -> Any:
            price, v = state
            deviation = sqrt(maximum(v, 0.0) * 0.1)
            return (
                price * exp(deviation * z[0] - 0.05 * maximum(v, 0.0)),
                v + p[0] * (p[1] - v) * 0.1 + p[2] * deviation * z[1],
            ), None

        (price, v), _ = scan(step, (1.0, 0.01), noise)
        return price * (1.0 + v)

    return f


def choices(scan: Scan) -> Any:
    """Branches that are not taken are infinite, or have infinite derivatives."""

    def f(p: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            root = where(greater(c - x, 0.0), sqrt(c - x), 0.0)
            kept = where(greater(x, 10.0), log(c * 0.0), c)
            return clip(kept * p[0] - root * p[1], -2.0, 2.0) + relu(x) * minimum(p[2], c), root

        c, ys = scan(step, p[0], _data(9, 5))
        return c + total(ys)

    return f


def dead_carry(scan: Scan) -> Any:
    """A carry that some branch throws away, a carry that never changes, one that nothing needs, and a swap."""

    def f(p: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            a, b, fixed, idle, one = c
            return (b, where(greater(x, 0.0), a * fixed, log(one - 1.0) * 0.0 + 2.0), fixed, idle * x, one), (
                a,
                fixed * x,
            )

        (a, b, fixed, _, _), ys = scan(step, (p[0], p[1], p[2], p[0], 2.0), [1.0, p[0], -1.0, 1.0, 1.0])
        return a * b + fixed + total(ys[0]) * ys[1][1]

    return f


def nested(scan: Scan) -> Any:
    def f(p: Any) -> Any:
        def outer(c: Any, x: Any) -> Any:
            inner, ys = scan(lambda d, w: (d * p[0] + sin(w * c) + x, d * w), c * p[1], [p[2], 0.5, 1.5])
            return 0.5 * inner + 0.1 * total(ys), (inner, ys)

        c, (inner, ys) = scan(outer, p[0], _data(4, 6))
        return c * inner[1] + total([ys[i, k] * (i + 1.0) for i in range(4) for k in range(3)])

    return f


def nested_three(scan: Scan) -> Any:
    def f(p: Any) -> Any:
        def outer(c: Any, x: Any) -> Any:
            def middle(d: Any, y: Any) -> Any:
                def inner(e: Any, z: Any) -> Any:
                    return tanh(e * p[0] + z * x + c * y), e * d

                e, es = scan(inner, d * y, _data(2, 7), reverse=True)
                return e + d * p[1], total(es)

            d, ds = scan(middle, c + p[2], [x, p[1] * x, 1.0])
            return 0.3 * d + c, ds

        c, ds = scan(outer, p[0], _data(3, 8))
        return c + total(ds.ravel()) * ds[0, 1]

    return f


def nested_xs(scan: Scan) -> Any:
    """The rows of an outer loop are what the inner goes through; the ys of an inner one are used by a second one."""

    def f(p: Any) -> Any:
        rows = np.array([[p[0], 1.0, p[1]], [0.5, p[2], 2.0]])

        def outer(c: Any, row: Any) -> Any:
            d, ys = scan(lambda d, x: (d * x + p[0], d * d), c, row)
            e, zs = scan(lambda e, y: (e + tanh(y), e * y), d, ys, reverse=True)
            return e * 0.5, zs

        c, zs = scan(outer, p[2], rows)
        return c + total(zs.ravel())

    return f


def lengths(scan: Scan) -> Any:
    def f(p: Any) -> Any:
        c = p[0]
        for length in (0, 1, 2, 7):
            c, ys = scan(lambda c, _: (sin(c * p[1]) + p[2], c), c, length=length)
            c = c + (ys[-1] if length else 0.0)
        return c

    return f


def inner_grad(scan: Scan) -> Any:
    """Newton's method, whose slope is a gradient that is taken within the round."""

    def f(p: Any) -> Any:
        def g(e: Any) -> Any:
            return e - p[0] * sin(e) - p[1]

        e, es = scan(lambda e, _: (e - g(e) / grad(g)(e), e), p[1], length=4)
        return e * p[2] + es[1]

    return f


def inner_grad_of_loop(scan: Scan) -> Any:
    """A step down along the gradient of a loop, in a loop."""

    def f(p: Any) -> Any:
        def loss(w: Any) -> Any:
            return scan(lambda c, x: (c + (tanh(w * x) - p[0] * x) ** 2, None), 0.0, _data(3, 9))[0]

        w, _ = scan(lambda w, _: (w - p[1] * grad(loss)(w), None), p[2], length=3)
        return w

    return f


def left_out(scan: Scan) -> Any:
    """What leaves the graph in a round."""

    def f(p: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            with no_grad():
                scale = tanh(c * p[1])
            return c * scale + detach(p[0] * c) + x * p[2], detach(c) * p[0]

        c, ys = scan(step, p[0], _data(4, 10))
        return c + total(ys)

    return f


def inner_jit(scan: Scan) -> Any:
    step = jit(lambda c, x, p: c * p[0] + sigmoid(x * p[1]) * p[2])

    def f(p: Any) -> Any:
        return scan(lambda c, x: (step(c, x, p), None), p[0], _data(5, 11))[0]

    return f


def markov(scan: Scan) -> Any:
    def f(p: Any) -> Any:
        moves = [[p[0], 0.2, p[1]], [0.1, p[2], 0.4], [0.3, 0.3, p[0] * p[1]]]

        def step(alpha: Any, x: Any) -> Any:
            return [logsumexp([alpha[j] + moves[j][i] for j in range(3)]) - (x - i) ** 2 for i in range(3)], None

        return logsumexp(scan(step, [0.0, p[1], p[2]], _data(6, 12))[0])

    return f


def unused(scan: Scan) -> Any:
    """A result that no gradient reaches, and a loop that depends on no argument."""

    def f(p: Any) -> Any:
        c, ys = scan(lambda c, x: (c * 0.5 + x, (c, p[0] * c)), 1.0, _data(5, 13))
        return p[1] * c * ys[0][2] + p[2]

    return f


def tail(scan: Scan) -> Any:
    """One early result, from which a gradient begins in the middle of a loop."""

    def f(p: Any) -> Any:
        _, ys = scan(lambda c, x: (sqrt(c * p[0] + x * x), c * p[1]), p[2], _data(5, 14))
        return ys[2] * ys[2] + ys[0]

    return f


POINT = [0.7, 0.4, 0.9]
MODELS = {
    "garch": Model(garch, [0.1, 0.2, 0.6, 0.5]),
    **{
        model.__name__: Model(model, POINT)
        for model in (
            *(carries, traced_xs, chained, heston, choices, dead_carry, nested, nested_three, nested_xs, lengths),
            *(inner_grad, inner_grad_of_loop, left_out, inner_jit, markov, unused, tail),
        )
    },
}


# Random loops. What a round computes is bounded, so that rounding errors stay small.

UNARY: list[Callable[[Any], Any]] = [
    *(sin, cos, tanh, sigmoid, relu, abs, detach, lambda x: -x, lambda x: exp(-x * x), lambda x: 0.5 * x + 0.25),
    lambda x: where(greater(x, 0.0), sqrt(x), 0.0),
    lambda x: where(greater(x, 0.0), x * log(x), -0.25 * x),
    lambda x: sqrt(maximum(x, 0.0)) * x,
    lambda x: clip(div(1.0, x), -1.0, 1.5),  # of floats, too
    lambda x: x**2,
    lambda x: x * 0.0 + 1.0,
    lambda x: 0.5,
]
BINARY: list[Callable[[Any, Any], Any]] = [
    *(lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x / (y * y + 1.0)),
    *(maximum, minimum, lambda x, y: where(greater(x, y), x * 0.5, y)),
    *(lambda x, y: total([x, y, 0.5, x * y, y]), lambda x, y: x),
]
BOUNDED: list[Callable[[Any], Any]] = [
    sin,
    cos,
    tanh,
    sigmoid,
    lambda x: clip(x, -1.0, 1.0),
    lambda x: x / (1.0 + x * x),
]


class RandomLoop:
    """A random loop, in whose rounds there may be others: a function of known numbers, which gives some more."""

    def __init__(self, random: Random, depth: int, lengths: Sequence[int] = (0, 1, 2, 3, 5)) -> None:
        self.carries, self.length, self.reverse = random.randint(1, 3), random.choice(lengths), random.random() < 0.4
        self.starts = [random.randrange(1000) for _ in range(self.carries)]
        self.steps: list[Any] = []
        for _ in range(random.randint(1, 7)):
            if depth > 1 and random.random() < 0.25:
                self.steps.append(RandomLoop(random, depth - 1, (0, 1, 2, 3)))
            else:
                arity = random.randint(1, 2)
                operands = [random.randrange(1000) for _ in range(arity)]
                self.steps.append(
                    (random.choice(UNARY if arity == 1 else BINARY), operands, random.choice([*BOUNDED, None]))
                )
        self.results = [(random.choice([*BOUNDED, sin, None]), random.randrange(1000)) for _ in range(self.carries)]
        self.made = [random.randrange(1000) for _ in range(random.randint(0, 3))]
        self.kind = random.choice(["none", "data", "numbers", "mixed", "pair", "rows"])
        self.data = [round(random.uniform(-1.5, 1.5), 3) for _ in range(2 * self.length)]
        self.elements = [random.randrange(1000) for _ in range(2 * self.length)]

    def xs(self, known: Sequence[Any]) -> Any:
        numbers = [known[i % len(known)] for i in self.elements]
        first, second = numbers[: self.length], self.data[self.length :]
        mixed = [x if i % 2 else y for i, (x, y) in enumerate(zip(first, second, strict=True))]
        choices = {"none": None, "data": np.array(second), "numbers": first, "mixed": mixed, "pair": (first, second)}
        if self.kind == "rows":
            return np.array(numbers).reshape(self.length, 2)
        return choices[self.kind]

    def __call__(self, scan: Scan, known: Sequence[Any]) -> list[Any]:
        def do_round(carry: Any, x: Any) -> Any:
            parts = [] if x is None else [x] if self.kind in ("data", "numbers", "mixed") else list(x)
            pool = [*carry, *parts, *known]
            for step in self.steps:
                if isinstance(step, RandomLoop):
                    pool = [*step(scan, pool), *pool]
                else:
                    operation, operands, bound = step
                    result = operation(*[pool[i % len(pool)] for i in operands])
                    pool.insert(0, bound(result) if bound else result)
            following = [
                pool[i % len(pool)] if bound is None else bound(pool[i % len(pool)]) for bound, i in self.results
            ]
            made = [pool[i % len(pool)] for i in self.made]
            return following, tuple(made) if made else None

        init = [known[i % len(known)] for i in self.starts]
        xs = self.xs(known)
        carry, ys = scan(do_round, init, xs, length=self.length if xs is None else None, reverse=self.reverse)
        return [*carry, *[y for column in ys or () for y in column]]


def random_function(seed: int, depth: int = 3) -> Callable[[Scan], Callable[..., Any]]:
    """Make a function of three numbers, which is a random loop or two."""
    random = Random(seed)
    loops = [RandomLoop(random, depth) for _ in range(random.randint(1, 2))]

    def write(scan: Scan) -> Any:
        def f(p: Any) -> Any:
            known = list(p)
            for loop in loops:
                known = [*loop(scan, known), *known]
            return total([sin(x) * (1.0 + 0.1 * i) for i, x in enumerate(known[:20])])

        return f

    return write
