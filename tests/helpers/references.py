"""What each operation of the table is measured against: mpmath, PyTorch or JAX, and where to sample it.

One entry per operation; the systematic test of test_operations.py fails for an operation without one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

from mpmath import mp

with suppress(ImportError):  # the tests that need them are skipped where they are not installed
    import torch
    from torch.nn import functional
with suppress(ImportError):
    import jax

Draw = Callable[[Random], float]
Sampler = Callable[[Random], tuple[float, ...]]


@dataclass(frozen=True)
class Deviation:
    """Operands at which this project means to differ from PyTorch or JAX.

    Attributes
    ----------
    reason : str
    where : callable
        Operands to bool.
    truth : callable, optional
        Operands to the value followed by the partial derivatives that are right instead; None
        stands for "as PyTorch has it". Without it, mpmath says what is right.
    always : bool
        Whether the peers differ on every machine. False where that depends on the processor for
        which theirs was built; what is right is checked on all.
    """

    reason: str
    where: Callable[..., bool]
    truth: Callable[..., Sequence[float | None]] | None = None
    always: bool = True


@dataclass(frozen=True)
class Reference:
    """The references of one operation.

    Attributes
    ----------
    mpmath : callable
        Arbitrary-precision numbers to an arbitrary-precision number.
    sample : callable
        A random generator to operands inside the domain, off the kinks.
    torch, jax : callable, optional
        Tensors or arrays of operands to one of results, element by element.
    edges : sequence of tuple of float
        Operands at the edges: zeros, ties, infinities, nan, huge and tiny numbers.
    sign_changes : tuple of float
        Where a first or second derivative goes through zero. Near there rounding, of the size of
        the derivative's terms, is compared with 1 instead of with the vanishing derivative.
    deviations : tuple of Deviation
    digits : int
        What mpmath computes with. Unless given, enough for the difference of 1 and a sigmoid that is 1 to within the
        smallest float64; where nothing cancels so far, fewer save most of the time.
    """

    mpmath: Callable[..., Any]
    sample: Sampler
    torch: Callable[..., Any] | None = None
    jax: Callable[..., Any] | None = None
    edges: Sequence[tuple[float, ...]] = ()
    sign_changes: tuple[float, ...] = ()
    deviations: tuple[Deviation, ...] = ()
    digits: int = 360


_ZEROS = (0.0, -0.0)
_SMALL = (5e-324, 1e-300, 1e-8)
_COMMON = (0.5, 1.0, 2.0, 3.0, math.pi)
_LARGE = (710.0, 1e4, 1e200, 1e300, math.inf)

ONE = [(x,) for x in (*_ZEROS, *(s * x for x in (*_SMALL, *_COMMON, *_LARGE) for s in (1.0, -1.0)), math.nan)]
TWO = [(x, y) for (x,) in ONE for (y,) in ONE]
_FEW = (0.0, -0.0, 1.0, -2.0, 5e-324, 1e4, 1e300, math.inf, -math.inf, math.nan)
THREE = list(product(_FEW, repeat=3))
FOUR = list(product((0.0, 1.0, -2.0, 1e-300, 1e300, math.inf, math.nan), repeat=4))
FIVE = list(product((0.0, -2.0, 1e300, -math.inf, math.nan), repeat=5))

EARLY_OVERFLOW = (
    Deviation(
        "where PyTorch works with whole vectors, its sinh and cosh overflow from log(largest float64) on, ln 2 early",
        lambda x: 709.5 < abs(x) < 710.4,
        always=False,
    ),
)

# Samplers. Magnitudes are spread evenly over the powers of ten.


def _positive(low: float, high: float) -> Draw:
    """Numbers between 10**low and 10**high."""
    return lambda rng: math.pow(10.0, rng.uniform(low, high))


def _real(low: float, high: float) -> Draw:
    """Numbers of either sign, their size between 10**low and 10**high."""
    return lambda rng: rng.choice((-1.0, 1.0)) * math.pow(10.0, rng.uniform(low, high))


def _between(low: float, high: float) -> Draw:
    return lambda rng: rng.uniform(low, high)


def _inside_one(rng: Random) -> float:
    """Give a number between -1 and 1, as close to either of them as to zero."""
    distance = math.pow(10.0, rng.uniform(-9, -1))
    return rng.choice((-1.0, 1.0)) * rng.choice((distance, 1.0 - distance))


def _above_minus_one(rng: Random) -> float:
    return rng.choice((_inside_one, _positive(-12, 100)))(rng)


def _above_one(rng: Random) -> float:
    return 1.0 + math.pow(10.0, rng.uniform(-8, 60))


def _each(*draws: Draw) -> Sampler:
    return lambda rng: tuple(draw(rng) for draw in draws)


def _alike(*signs: float) -> Sampler:
    """Operands of about one size: beside a much larger one the smaller would be rounded away."""

    def sample(rng: Random) -> tuple[float, ...]:
        scale = math.pow(10.0, rng.uniform(-60, 60))
        return tuple(sign * scale * rng.uniform(0.3, 1.0) for sign in signs)

    return sample


def _remainder_operands(rng: Random) -> tuple[float, float]:
    """Give x and y whose quotient keeps away from integers and halves, where a remainder jumps."""
    y = rng.choice((-1.0, 1.0)) * math.pow(10.0, rng.uniform(-8, 8))
    return y * (rng.randint(-50, 50) + rng.choice((0.2, 0.7))), y


def _near_integer(rng: Random) -> float:
    return rng.randint(-50, 50) + rng.uniform(-0.4, 0.4)


def _clip_operands(rng: Random) -> tuple[float, float, float]:
    """Give x, low and high, x being on any side of low < high."""
    low, middle, high = sorted(rng.uniform(-100.0, 100.0) for _ in range(3))
    return rng.choice((low - 1.0, middle, high + 1.0)), low, high


_ANY = _real(-60, 60)
_ONE_REAL = _each(_ANY)
_TWO_REALS = _each(_ANY, _ANY)
_ACTIVATION = _each(_real(-8, 4))

# References that take more than a name.


def _ieee_remainder(x: Any, y: Any) -> Any:
    return x - y * mp.nint(x / y)  # nint rounds half to even, as the standard has it


def _truncated(x: Any) -> Any:
    return mp.sign(x) * mp.floor(abs(x))


def _dot(w1: Any, w2: Any, x1: Any, x2: Any, bias: Any) -> Any:
    return w1 * x1 + w2 * x2 + bias


def _torch_elu(x: Any, a: Any) -> Any:
    """ELU with a gradient for `a`, which PyTorch's own takes as a number only."""
    rows = [functional.elu(row, number) for row, number in zip(x, a.tolist())]
    by_a = torch.expm1(x.detach().minimum(torch.zeros(())))
    return torch.stack(rows) + (a - a.detach()) * by_a


def _quotient_overflows(x: float, y: float) -> bool:
    return 0.0 < abs(y) < 1.0 and math.isfinite(x) and abs(x) > abs(y) * 1e308


def _angle_derivatives(y: float, x: float) -> tuple[None, float, float]:
    """Evaluate PyTorch's formula in numbers whose exponent has no limit; differences would cross the cut at y = 0."""
    square = mp.mpf(x) ** 2 + mp.mpf(y) ** 2
    return None, float(x / square), float(-y / square)


def _squares_overflow(*xs: float) -> bool:
    return all(map(math.isfinite, xs)) and any(xs) and not 1e-140 < max(map(abs, xs)) < 1e150


_POLES = [(x,) for x in (0.0, -0.0, -1.0, -2.0, 1.0, 2.0, 0.5, -0.5, 1e4, 1e300, math.inf, math.nan)]
# Zeros of sinc, and of its first two derivatives: it has some within 1/2 of everywhere.
_SINC_CHANGES = tuple(0.5 * k for k in range(-11, 12))


REFERENCES: dict[str, Reference] = {
    # Arithmetic.
    "add": Reference(lambda x, y: x + y, _alike(1, 1), lambda x, y: x + y, edges=TWO),
    "sub": Reference(lambda x, y: x - y, _alike(1, -1), lambda x, y: x - y, edges=TWO),
    "mul": Reference(lambda x, y: x * y, _TWO_REALS, lambda x, y: x * y, edges=TWO),
    "div": Reference(lambda x, y: x / y, _TWO_REALS, lambda x, y: x / y, edges=TWO),
    "neg": Reference(lambda x: -x, _ONE_REAL, lambda x: -x, edges=ONE),
    "relu": Reference(lambda x: max(x, 0), _ONE_REAL, lambda x: torch.relu(x), edges=ONE),
    # Powers, exponentials and logarithms.
    "pow": Reference(
        lambda x, y: x**y, _each(_positive(-8, 8), _real(-3, 1.3)), lambda x, y: torch.pow(x, y), edges=TWO
    ),
    "exp": Reference(mp.exp, _each(_between(-700, 700)), lambda x: torch.exp(x), edges=ONE),
    "expm1": Reference(mp.expm1, _each(_real(-12, 2.8)), lambda x: torch.expm1(x), edges=ONE),
    "exp2": Reference(lambda x: mp.mpf(2) ** x, _each(_between(-1000, 1000)), lambda x: torch.exp2(x), edges=ONE),
    "log": Reference(mp.log, _each(_positive(-100, 100)), lambda x: torch.log(x), edges=ONE),
    "log1p": Reference(mp.log1p, _each(_above_minus_one), lambda x: torch.log1p(x), edges=ONE),
    "log2": Reference(lambda x: mp.log(x, 2), _each(_positive(-100, 100)), lambda x: torch.log2(x), edges=ONE),
    "log10": Reference(lambda x: mp.log(x, 10), _each(_positive(-100, 100)), lambda x: torch.log10(x), edges=ONE),
    "sqrt": Reference(mp.sqrt, _each(_positive(-100, 100)), lambda x: torch.sqrt(x), edges=ONE),
    "cbrt": Reference(
        lambda x: mp.sign(x) * mp.cbrt(abs(x)),
        _each(_real(-100, 100)),
        jax=lambda x: jax.numpy.cbrt(x),
        edges=ONE,
        deviations=(Deviation("XLA takes subnormal numbers for zero", lambda x: 0.0 < abs(x) < 1e-307),),
    ),
    "hypot": Reference(
        lambda *xs: mp.sqrt(mp.fsum(x * x for x in xs)), _alike(1, -1, 1), lambda x, y: torch.hypot(x, y), edges=TWO
    ),
    # Trigonometric and hyperbolic functions.
    "sin": Reference(mp.sin, _each(_real(-8, 3)), lambda x: torch.sin(x), edges=ONE),
    "cos": Reference(mp.cos, _each(_real(-8, 3)), lambda x: torch.cos(x), edges=ONE),
    "tan": Reference(mp.tan, _each(_real(-8, 3)), lambda x: torch.tan(x), edges=ONE),
    "asin": Reference(mp.asin, _each(_inside_one), lambda x: torch.asin(x), edges=ONE, sign_changes=(0.0,)),
    "acos": Reference(mp.acos, _each(_inside_one), lambda x: torch.acos(x), edges=ONE, sign_changes=(0.0,)),
    "atan": Reference(mp.atan, _each(_real(-8, 60)), lambda x: torch.atan(x), edges=ONE),
    "atan2": Reference(
        mp.atan2,
        _each(_real(-8, 8), _real(-8, 8)),
        lambda y, x: torch.atan2(y, x),
        edges=TWO,
        deviations=(
            Deviation(
                "PyTorch's x / (x*x + y*y) overflows or underflows on the way", _squares_overflow, _angle_derivatives
            ),
        ),
    ),
    "sinh": Reference(mp.sinh, _each(_real(-8, 2.8)), lambda x: torch.sinh(x), edges=ONE, deviations=EARLY_OVERFLOW),
    "cosh": Reference(mp.cosh, _each(_real(-8, 2.8)), lambda x: torch.cosh(x), edges=ONE, deviations=EARLY_OVERFLOW),
    "tanh": Reference(mp.tanh, _ACTIVATION, lambda x: torch.tanh(x), edges=ONE, sign_changes=(0.0,)),
    "asinh": Reference(
        mp.asinh,
        _each(_real(-8, 60)),
        lambda x: torch.asinh(x),
        edges=ONE,
        deviations=(
            Deviation("PyTorch's 1 / sqrt(x*x + 1) overflows on the way", lambda x: 1e154 < abs(x) < math.inf),
        ),
    ),
    "acosh": Reference(
        mp.acosh,
        _each(_above_one),
        lambda x: torch.acosh(x),
        edges=ONE,
        deviations=(
            Deviation("PyTorch's 1 / sqrt(x*x - 1) overflows on the way", lambda x: 1e154 < x < math.inf),
            Deviation(
                "where the value is nan, PyTorch's derivative is that of acosh(-x), or inf",
                lambda x: x <= -1.0,
                lambda x: (math.nan, math.nan),
            ),
        ),
    ),
    "atanh": Reference(mp.atanh, _each(_inside_one), lambda x: torch.atanh(x), edges=ONE, sign_changes=(0.0,)),
    "degrees": Reference(mp.degrees, _ONE_REAL, lambda x: torch.rad2deg(x), edges=ONE),
    "radians": Reference(mp.radians, _ONE_REAL, lambda x: torch.deg2rad(x), edges=ONE),
    # Error function and activations.
    "erf": Reference(mp.erf, _each(_real(-8, 1.4)), lambda x: torch.erf(x), edges=ONE),
    "erfc": Reference(mp.erfc, _each(_real(-8, 1.4)), lambda x: torch.erfc(x), edges=ONE),
    "sigmoid": Reference(
        lambda x: 1 / (1 + mp.exp(-x)), _ACTIVATION, lambda x: torch.sigmoid(x), edges=ONE, sign_changes=(0.0,)
    ),
    "softplus": Reference(
        lambda x: mp.log1p(mp.exp(x)),
        _ACTIVATION,
        lambda x: functional.softplus(x, threshold=700.0),  # the default, 20, is right to 10 digits only
        edges=ONE,
    ),
    "silu": Reference(
        lambda x: x / (1 + mp.exp(-x)),
        _ACTIVATION,
        lambda x: functional.silu(x),
        edges=ONE,
        sign_changes=(-1.278, -2.399, 2.399),
    ),
    "gelu": Reference(
        lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
        _each(_real(-8, 1.4)),
        lambda x: functional.gelu(x),
        edges=ONE,
        sign_changes=(-0.752, -1.414, 1.414),
    ),
    "leaky_relu": Reference(
        lambda x, slope: max(x, 0) + slope * min(x, 0),
        _TWO_REALS,
        lambda x, slope: functional.prelu(x[None], slope)[0],
        edges=TWO,
    ),
    "elu": Reference(
        lambda x, a: x if x > 0 else a * mp.expm1(x),
        _each(_real(-8, 2.5), _real(-3, 1)),
        _torch_elu,
        edges=[(x, a) for (x,) in ONE for a in (1.0, 0.5, 2.0, 0.0, -1.0, 1e300)],
        deviations=(
            Deviation(
                "elu'(0) is 1 whatever a is; PyTorch has a, the slope from the left",
                lambda x, a: x == 0.0,
                lambda x, a: (0.0, 1.0, 0.0),
            ),
        ),
    ),
    "detach": Reference(lambda x: x, _ONE_REAL),
    "identity": Reference(lambda x: x, _ONE_REAL, lambda x: x.clone(), edges=ONE),
    # Pieces.
    "abs": Reference(abs, _ONE_REAL, lambda x: torch.abs(x), edges=ONE),
    "maximum": Reference(max, _TWO_REALS, lambda x, y: torch.maximum(x, y), edges=TWO),
    "minimum": Reference(min, _TWO_REALS, lambda x, y: torch.minimum(x, y), edges=TWO),
    "clip": Reference(
        lambda x, low, high: min(max(x, low), high),
        _clip_operands,
        lambda x, low, high: torch.clamp(x, low, high),
        edges=THREE,
    ),
    "where": Reference(
        lambda condition, x, y: x if condition else y,
        _each(_ANY, _ANY, _ANY),
        lambda condition, x, y: torch.where(condition != 0.0, x, y),
        edges=THREE,
    ),
    "copysign": Reference(
        lambda x, y: abs(x) * mp.sign(y),
        _TWO_REALS,
        lambda x, y: torch.copysign(x, y),
        edges=TWO,
        deviations=(
            Deviation(
                "PyTorch divides the result by x, and inf / inf is nan",
                lambda x, y: math.isinf(x),
                lambda x, y: (None, math.copysign(1.0, x) * math.copysign(1.0, y), None),
            ),
        ),
    ),
    # Piecewise constant, and remainders.
    "floor": Reference(mp.floor, _each(_real(-3, 6)), lambda x: torch.floor(x), edges=ONE),
    "ceil": Reference(mp.ceil, _each(_real(-3, 6)), lambda x: torch.ceil(x), edges=ONE),
    "trunc": Reference(_truncated, _each(_real(-3, 6)), lambda x: torch.trunc(x), edges=ONE),
    "sign": Reference(
        mp.sign,
        _ONE_REAL,
        lambda x: torch.sign(x),
        edges=ONE,
        deviations=(Deviation("the sign of nan is nan, as in NumPy", math.isnan, lambda x: (math.nan, None)),),
    ),
    "fmod": Reference(
        lambda x, y: x - y * _truncated(x / y),
        _remainder_operands,
        lambda x, y: torch.fmod(x, y),
        edges=TWO,
        deviations=(
            Deviation(
                "PyTorch's value is nan where x / y overflows",
                _quotient_overflows,
                lambda x, y: (math.copysign(abs(Fraction(x)) % abs(Fraction(y)), x), None, None),
            ),
        ),
    ),
    "remainder": Reference(_ieee_remainder, _remainder_operands, edges=TWO),
    "mod": Reference(
        lambda x, y: x - y * mp.floor(x / y),
        _remainder_operands,
        lambda x, y: torch.remainder(x, y),
        edges=TWO,
        deviations=(
            Deviation(
                "PyTorch's value is nan where x / y overflows",
                _quotient_overflows,
                lambda x, y: (float(Fraction(x) % Fraction(y)), None, None),
            ),
        ),
    ),
    "floor_divide": Reference(
        lambda x, y: mp.floor(x / y),
        _remainder_operands,
        lambda x, y: torch.div(x, y, rounding_mode="floor"),
        edges=TWO,
    ),
    # Comparisons.
    "rint": Reference(mp.nint, _each(_near_integer), lambda x: torch.round(x), edges=ONE),
    "heaviside": Reference(lambda x, at_zero: mp.mpf(x > 0), _TWO_REALS, edges=TWO),
    "isnan": Reference(lambda x: mp.mpf(0), _ONE_REAL, lambda x: torch.isnan(x).double(), edges=ONE),
    "isinf": Reference(lambda x: mp.mpf(0), _ONE_REAL, lambda x: torch.isinf(x).double(), edges=ONE),
    "isfinite": Reference(lambda x: mp.mpf(1), _ONE_REAL, lambda x: torch.isfinite(x).double(), edges=ONE),
    # Special functions. A second derivative cancels where a function is nearly linear, or nearly a parabola.
    "gamma": Reference(mp.gamma, _each(_between(0.01, 30.0)), edges=ONE, sign_changes=(1.4616,), digits=100),
    "lgamma": Reference(
        mp.loggamma,
        _each(_between(0.01, 60.0)),
        lambda x: torch.lgamma(x),
        edges=_POLES,
        sign_changes=(1.4616,),
        digits=100,
    ),
    "digamma": Reference(mp.digamma, _each(_between(0.01, 60.0)), edges=_POLES, sign_changes=(1.4616,), digits=100),
    "polygamma": Reference(
        lambda n, x: mp.psi(int(mp.nint(n)), x),
        lambda rng: (float(rng.randint(0, 4)), rng.uniform(0.05, 40.0)),
        edges=TWO,
        digits=100,
    ),
    "erfinv": Reference(mp.erfinv, _each(_inside_one), lambda x: torch.erfinv(x), edges=ONE, digits=100),
    "xlogy": Reference(
        lambda x, y: x * mp.log(y),
        _each(_ANY, _positive(-60, 60)),
        lambda x, y: torch.xlogy(x, y),
        edges=TWO,
        deviations=(
            Deviation(
                "what is 0 whatever y is has no slope in y: PyTorch's is 0 / 0",
                lambda x, y: x == 0.0 and y == 0.0,
                lambda x, y: (0.0, 0.0, 0.0),
            ),
        ),
    ),
    "logaddexp": Reference(
        lambda x, y: mp.log(mp.exp(x) + mp.exp(y)),
        _each(_between(-50.0, 50.0), _between(-50.0, 50.0)),
        lambda x, y: torch.logaddexp(x, y),
        edges=TWO,
        deviations=(
            Deviation(
                "equal infinities share as other equal numbers do, and nothing is shared by -inf: PyTorch has nan",
                lambda x, y: x == y and math.isinf(x),
                lambda x, y: (x, 0.5, 0.5) if x > 0.0 else (x, 0.0, 0.0),
            ),
        ),
    ),
    "logaddexp2": Reference(
        lambda x, y: mp.log(2**x + 2**y, 2), _each(_between(-50.0, 50.0), _between(-50.0, 50.0)), edges=TWO
    ),
    "sinc": Reference(mp.sincpi, _each(_between(-5.0, 5.0)), edges=ONE, sign_changes=_SINC_CHANGES),
    "log_sigmoid": Reference(
        lambda x: -mp.log1p(mp.exp(-x)), _ACTIVATION, lambda x: functional.logsigmoid(x), edges=ONE
    ),
    "log_ndtr": Reference(
        lambda x: mp.log(mp.erfc(-x / mp.sqrt(2)) / 2), _each(_between(-40.0, 8.0)), edges=ONE, digits=100
    ),
    "less": Reference(lambda x, y: mp.mpf(x < y), _TWO_REALS, lambda x, y: (x < y).double(), edges=TWO),
    "equal": Reference(lambda x, y: mp.mpf(x == y), _TWO_REALS, lambda x, y: (x == y).double(), edges=TWO),
    "not_equal": Reference(lambda x, y: mp.mpf(x != y), _TWO_REALS, lambda x, y: (x != y).double(), edges=TWO),
    "less_equal": Reference(lambda x, y: mp.mpf(x <= y), _TWO_REALS, lambda x, y: (x <= y).double(), edges=TWO),
    "greater": Reference(lambda x, y: mp.mpf(x > y), _TWO_REALS, lambda x, y: (x > y).double(), edges=TWO),
    "greater_equal": Reference(lambda x, y: mp.mpf(x >= y), _TWO_REALS, lambda x, y: (x >= y).double(), edges=TWO),
    # Any number of operands.
    "sum": Reference(lambda *xs: mp.fsum(xs), _alike(1, 1, 1), lambda *xs: sum(xs), edges=THREE),
    "fsum": Reference(lambda *xs: mp.fsum(xs), _each(_ANY, _ANY, _ANY), lambda *xs: sum(xs), edges=THREE),
    "dot": Reference(_dot, _each(*[_positive(-30, 30)] * 5), _dot, edges=FIVE),
    "dist": Reference(
        lambda p1, p2, q1, q2: mp.sqrt((p1 - q1) ** 2 + (p2 - q2) ** 2),
        _alike(1, -1, -1, 1),
        lambda p1, p2, q1, q2: torch.hypot(p1 - q1, p2 - q2),
        edges=FOUR,
        deviations=(
            Deviation(
                "the gradient at p = q is 0, as that of torch.dist; torch.hypot has nan",
                lambda p1, p2, q1, q2: math.dist((p1, p2), (q1, q2)) == 0.0,
                lambda *_: (0.0, 0.0, 0.0, 0.0, 0.0),
            ),
        ),
    ),
    "logsumexp": Reference(
        lambda *xs: mp.log(mp.fsum(mp.exp(x) for x in xs)),
        _each(*[_between(-5.0, 5.0)] * 3),
        lambda *xs: torch.logsumexp(torch.stack(xs), 0),
        edges=THREE,
        deviations=(
            Deviation(
                "PyTorch's derivatives e**(x - result) add up to more than 1 where the result was rounded",
                lambda *xs: xs.count(1e300) > 1 and max(xs) == 1e300 and not any(map(math.isnan, xs)),
                lambda *xs: [1e300, *((x == 1e300) / xs.count(1e300) for x in xs)],
            ),
            Deviation(
                "of nothing but -inf no term has a share; PyTorch has nan, which would spread through the whole model",
                lambda *xs: max(xs) == -math.inf and not any(map(math.isnan, xs)),
                lambda *xs: [-math.inf, *(0.0 for _ in xs)],
            ),
        ),
    ),
}


def rows_of(name: str, samples: int) -> list[list[tuple[float, ...]]]:
    """List samples and edges of an operation in random order; rows of one length are a list of their own."""
    reference, rng = REFERENCES[name], Random(name)
    rows = [reference.sample(rng) for _ in range(samples)] + list(reference.edges)
    rng.shuffle(rows)
    return [[row for row in rows if len(row) == length] for length in {len(row): None for row in rows}]
