"""The table of operations: what each computes, its derivative, its name, how it is drawn and compiled.

A row is the whole truth about its operation. The left of its two functions works on floats; the
derivative rules at its right are written with operators and other rows of the table, so that they
work on floats (local derivatives), on `Value`s (the derivative of a graph is a graph) and on the
numbers that jit traces and compiles. This module knows nothing of `Value` itself.

A rule gets the result first, then the operands, and gives the local derivative for one operand.
It may compare operands, for use as 0 or 1. Rules avoid differences of nearly equal numbers where an
equivalent form has none: sigmoid' is s(x) s(-x) rather than s (1 - s).

The column `lowering` says how jit compiles an operation: the name of a function of C's math
library, of an LLVM intrinsic or instruction, or a function written as the rules are. Without it the
operation is compiled by its own name.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from autograd_mini.engine import ieee
from autograd_mini.engine.elementary import (
    add_,
    add_d,
    div_,
    div_dx,
    div_dy,
    mul_,
    mul_dx,
    mul_dy,
    neg_,
    neg_dx,
    relu_,
    relu_dx,
    sub_,
    sub_dy,
)
from autograd_mini.engine.fan import gather_all, gather_factors, gather_points, gather_some, gather_terms
from autograd_mini.engine.ieee import FloatFunction
from autograd_mini.engine.operation import Lowering, Operation, Rule

TABLE: dict[str, Operation] = {}

# Other names under which NumPy and `math` call an operation; methods of numbers have them too.
ALIASES: dict[str, str] = {}


ITSELF = "itself"


def _row(
    signature: str,
    doc: str,
    function: FloatFunction,
    *rules: Rule,
    example: str,
    symbol: str | None = None,
    notation: str | None = None,
    lowering: Lowering | None = None,
    bound: FloatFunction | float | None = None,
    aliases: str = "",
    gather: Callable[..., list[Any]] | None = None,
    chooses: bool = False,
    textbook: Rule | tuple[Rule, ...] = (),
    parameters: str = "",
    raises: str = "",
) -> Operation:
    """Add an operation to the table, its docstring composed from one line and one example.

    Parameters
    ----------
    lowering : callable or str, optional
        The operation's own name unless given; `ITSELF` where the function is compiled as it stands.
    aliases : str, optional
        Other names of the method, separated by spaces.
    gather : callable, optional
        Lists the operands, given the arguments of a call; `parameters` and `raises` then document these.
    textbook : callable or tuple of callables, optional
        The derivative rules as textbooks write them, which `explain` shows. The engine computes with the others, which
        keep all digits where these lose some.
    """
    name, _, rest = signature.partition("(")
    operands = ", ".join(operand.split("=")[0].strip() for operand in rest.removesuffix(")").split(","))
    call, _, result = example.partition(" -> ")
    text = f"""{doc}

Parameters
----------
{parameters or f"{operands} : Value or real number"}

Returns
-------
Value, or float if no operand is a Value

Raises
------
{raises}TypeError
    If an operand is neither a Value nor a real number.

Examples
--------
>>> from autograd_mini import {name}
>>> {call}
{result}
"""
    row = TABLE[name] = Operation(
        signature,
        _for_objects(function),
        tuple([_for_objects(rule) for rule in rules]),
        symbol=symbol,
        doc=text,
        lowering=None if lowering is ITSELF else _for_objects(lowering or name),
        notation=notation,
        bound=bound,
        gather=gather,
        chooses=chooses,
        textbook=textbook if isinstance(textbook, tuple) else (textbook,),
    )
    row.__module__ = __name__
    ALIASES.update(dict.fromkeys(aliases.split(), name))
    return row


def _for_objects(function: Any) -> Any:
    """Give the version for objects of a function that Cython compiles for C doubles too; else the function."""
    return getattr(function, "__signatures__", {}).get("object", function)


# A row reads across: signature and meaning; the function, then its derivative rules; the rest.
# fmt: off

# Arithmetic.

add = _row("add(x, y)", "Sum, x + y.",
    add_, add_d, add_d,
    symbol="+", lowering=add_, bound=lambda x, y: x + y, example="add(1.0, 2.0) -> 3.0")
sub = _row("sub(x, y)", "Difference, x - y.",
    sub_, add_d, sub_dy,
    symbol="-", lowering=sub_, bound=lambda x, y: x + y, example="sub(1.0, 2.0) -> -1.0")
mul = _row("mul(x, y)", "Product, x * y.",
    mul_, mul_dx, mul_dy,
    symbol="*", lowering=mul_, bound=lambda x, y: x * y, example="mul(3.0, 2.0) -> 6.0")
div = _row("div(x, y)", "Quotient, x / y; 1 / 0 is inf.",
    div_, div_dx, div_dy,
    textbook=(lambda out, x, y: 1.0 / y, lambda out, x, y: -x / (y * y)),
    symbol="/", notation="fraction", lowering=div_, example="div(1.0, 0.0) -> inf")
neg = _row("neg(x)", "Negative, -x.",
    neg_, neg_dx,
    symbol="-", lowering=neg_, example="neg(2.0) -> -2.0")
relu = _row("relu(x)",
    "Rectified linear unit, max(0, x), with relu'(0) = 0 (From Logistic Regression to Neural Network, eq. 2).",
    relu_, relu_dx,
    symbol="ReLU", chooses=True, lowering=lambda x: where(x <= 0.0, 0.0, x), example="relu(-2.0) -> 0.0")

# Powers, exponentials and logarithms. At the edges of pow, sqrt and log: PyTorch's float64 gradients.

pow = _row("pow(x, y)", "Power, x ** y; nan for a negative x and a y that is no integer.",
    ieee.ieee(math.pow, np.power), lambda out, x, y: y * pow(_pow_base(x, y), y - 1.0),
    lambda out, x, y: out * log(x + (x == 0.0) * (y >= 0.0)),
    symbol="**", notation="power", example="pow(2.0, 10.0) -> 1024.0")
exp = _row("exp(x)", "Exponential, e ** x.",
    ieee.ieee(math.exp, np.exp), lambda out, x: out,
    example="exp(0.0) -> 1.0")
expm1 = _row("expm1(x)", "e ** x - 1, exact also near 0.",
    ieee.ieee(math.expm1, np.expm1), lambda out, x: exp(x),
    example="expm1(1e-20) -> 1e-20")
exp2 = _row("exp2(x)", "2 ** x.",
    ieee.ieee(math.exp2, np.exp2), lambda out, x: out * math.log(2.0),
    example="exp2(3.0) -> 8.0")
log = _row("log(x)", "Natural logarithm; log(0) is -inf, log(-1) is nan.",
    ieee.ieee(math.log, np.log), lambda out, x: 1.0 / x,
    example="log(1.0) -> 0.0")
log1p = _row("log1p(x)", "log(1 + x), exact also near 0.",
    ieee.ieee(math.log1p, np.log1p), lambda out, x: 1.0 / (1.0 + x),
    example="log1p(1e-20) -> 1e-20")
log2 = _row("log2(x)", "Logarithm to base 2.",
    ieee.ieee(math.log2, np.log2), lambda out, x: 1.0 / (x * math.log(2.0)),
    example="log2(8.0) -> 3.0")
log10 = _row("log10(x)", "Logarithm to base 10.",
    ieee.ieee(math.log10, np.log10), lambda out, x: 1.0 / (x * math.log(10.0)),
    example="log10(1000.0) -> 3.0")
logaddexp = _row("logaddexp(x, y)", "log(e**x + e**y), without overflow.",
    lambda x, y: _logaddexp(x, y), lambda out, x, y: _share(x, y, _difference(x, y)),
    lambda out, x, y: _share(x, y, -_difference(x, y)),
    textbook=(lambda out, x, y: exp(x - out), lambda out, x, y: exp(y - out)),
    lowering=ITSELF, example="logaddexp(1000.0, 1000.0) -> 1000.6931471805599")
logaddexp2 = _row("logaddexp2(x, y)", "log2(2**x + 2**y), without overflow.",
    lambda x, y: _logaddexp2(x, y), lambda out, x, y: _share(x, y, math.log(2.0) * _difference(x, y)),
    lambda out, x, y: _share(x, y, -(math.log(2.0) * _difference(x, y))),
    textbook=(lambda out, x, y: exp2(x - out), lambda out, x, y: exp2(y - out)),
    lowering=ITSELF, example="logaddexp2(3.0, 3.0) -> 4.0")
xlogy = _row("xlogy(x, y)", "x * log(y), and 0 where x is 0, whatever y.",
    lambda x, y: _xlogy(x, y), lambda out, x, y: where((x == 0.0) * (y <= 0.0), 0.0, log(y)),
    lambda out, x, y: where((x == 0.0) * (y == y), 0.0, div(x, y)),
    lowering=ITSELF, example="xlogy(0.0, 0.0) -> 0.0")
sqrt = _row("sqrt(x)", "Square root; nan for a negative x, and sqrt'(0) = inf.",
    ieee.ieee(math.sqrt, np.sqrt), lambda out, x: 0.5 / out,
    textbook=lambda out, x: 1.0 / (2.0 * out), notation="root", example="sqrt(9.0) -> 3.0")
cbrt = _row("cbrt(x)", "Cube root, of negative numbers too.",
    math.cbrt, lambda out, x: 1.0 / (3.0 * out * out),
    example="cbrt(-8.0) -> -2.0")
hypot = _row("hypot(*coordinates)", "Euclidean length, sqrt(x*x + y*y + ...), without overflow on the way.",
    math.hypot, lambda out, *xs: [x / out for x in xs],
    lowering=lambda *xs: _length(xs), example="hypot(3.0, 4.0) -> 5.0")

# Trigonometric and hyperbolic functions.

sin = _row("sin(x)", "Sine of x radians.",
    ieee.ieee(math.sin, np.sin), lambda out, x: cos(x),
    example="sin(0.0) -> 0.0")
cos = _row("cos(x)", "Cosine of x radians.",
    ieee.ieee(math.cos, np.cos), lambda out, x: -sin(x),
    example="cos(0.0) -> 1.0")
tan = _row("tan(x)", "Tangent of x radians.",
    ieee.ieee(math.tan, np.tan), lambda out, x: 1.0 + out * out,
    example="tan(0.0) -> 0.0")
sinc = _row("sinc(x)", "sin(pi x) / (pi x), and 1 at 0, as NumPy's.",
    lambda x: _sinc(x), lambda out, x: _sinc_slope(out, x),
    textbook=lambda out, x: (cos(math.pi * x) - out) / x,
    lowering=ITSELF, example="sinc(0.5) -> 0.6366197723675814")
asin = _row("asin(x)", "Arc sine, in radians.",
    ieee.ieee(math.asin, np.arcsin), lambda out, x: 1.0 / sqrt((1.0 - x) * (1.0 + x)),
    textbook=lambda out, x: 1.0 / sqrt(1.0 - x * x), aliases="arcsin", example="asin(1.0) -> 1.5707963267948966")
acos = _row("acos(x)", "Arc cosine, in radians.",
    ieee.ieee(math.acos, np.arccos), lambda out, x: -1.0 / sqrt((1.0 - x) * (1.0 + x)),
    textbook=lambda out, x: -1.0 / sqrt(1.0 - x * x), aliases="arccos", example="acos(1.0) -> 0.0")
atan = _row("atan(x)", "Arc tangent, in radians.",
    math.atan, lambda out, x: 1.0 / (1.0 + x * x),
    aliases="arctan", example="atan(0.0) -> 0.0")
atan2 = _row("atan2(y, x)", "Angle of the point (x, y), in radians, from -pi to pi; the gradient at the origin is 0.",
    math.atan2, lambda out, y, x: _over_square(x, y), lambda out, y, x: -_over_square(y, x),
    textbook=(lambda out, y, x: x / (x * x + y * y), lambda out, y, x: -y / (x * x + y * y)),
    aliases="arctan2", example="atan2(0.0, -1.0) -> 3.141592653589793")
sinh = _row("sinh(x)", "Hyperbolic sine.",
    ieee.ieee(math.sinh, np.sinh), lambda out, x: cosh(x),
    example="sinh(0.0) -> 0.0")
cosh = _row("cosh(x)", "Hyperbolic cosine.",
    ieee.ieee(math.cosh, np.cosh), lambda out, x: sinh(x),
    example="cosh(0.0) -> 1.0")
tanh = _row("tanh(x)", "Hyperbolic tangent (From Logistic Regression to Neural Network, eq. 1), 2 sigmoid(2x) - 1.",
    math.tanh, lambda out, x: 4.0 * sigmoid(2.0 * x) * sigmoid(-(2.0 * x)),
    textbook=lambda out, x: 1.0 - out * out, example="tanh(0.0) -> 0.0")
asinh = _row("asinh(x)", "Inverse hyperbolic sine.",
    math.asinh, lambda out, x: 1.0 / where(abs(x) < 1e150, sqrt(x * x + 1.0), abs(x)),
    textbook=lambda out, x: 1.0 / sqrt(x * x + 1.0), aliases="arcsinh", example="asinh(0.0) -> 0.0")
acosh = _row("acosh(x)", "Inverse hyperbolic cosine; nan below 1.",
    ieee.ieee(math.acosh, np.arccosh), lambda out, x: 1.0 / (sqrt(x - 1.0) * sqrt(x + 1.0)),
    textbook=lambda out, x: 1.0 / sqrt(x * x - 1.0), aliases="arccosh", example="acosh(1.0) -> 0.0")
atanh = _row("atanh(x)", "Inverse hyperbolic tangent; inf at 1, nan beyond.",
    ieee.ieee(math.atanh, np.arctanh), lambda out, x: 1.0 / ((1.0 - x) * (1.0 + x)),
    textbook=lambda out, x: 1.0 / (1.0 - x * x), aliases="arctanh", example="atanh(0.0) -> 0.0")
degrees = _row("degrees(x)", "Angle x from radians to degrees.",
    math.degrees, lambda out, x: 180.0 / math.pi,
    lowering=lambda x: x * (180.0 / math.pi), aliases="rad2deg", example="degrees(0.0) -> 0.0")
radians = _row("radians(x)", "Angle x from degrees to radians.",
    math.radians, lambda out, x: math.pi / 180.0,
    lowering=lambda x: x * (math.pi / 180.0), aliases="deg2rad", example="radians(180.0) -> 3.141592653589793")

# Error function and the activations of the lecture notes that are built on the above.

erf = _row("erf(x)", "Error function.",
    math.erf, lambda out, x: 2.0 / math.sqrt(math.pi) * exp(-x * x),
    example="erf(0.0) -> 0.0")
erfc = _row("erfc(x)", "Complementary error function, 1 - erf(x), exact also for large x.",
    math.erfc, lambda out, x: -2.0 / math.sqrt(math.pi) * exp(-x * x),
    example="erfc(0.0) -> 1.0")
erfinv = _row("erfinv(x)", "Inverse of the error function; inf at 1, nan beyond.",
    lambda x: _erfinv(x), lambda out, x: 0.5 * math.sqrt(math.pi) * exp(out * out),
    lowering=ITSELF, example="erfinv(0.5) -> 0.4769362762044699")
log_ndtr = _row("log_ndtr(x)", "Logarithm of the standard normal distribution function, exact also in the tails.",
    lambda x: _log_ndtr(x), lambda out, x: _log_ndtr_slope(out, x),
    textbook=lambda out, x: exp(-0.5 * x * x - out) / math.sqrt(2.0 * math.pi),
    lowering=ITSELF, example="log_ndtr(0.0) -> -0.6931471805599453")
gamma = _row("gamma(x)", "Gamma function, (x - 1)! for a whole x.",
    ieee.gamma, lambda out, x: out * digamma(x),
    lowering="tgamma", example="gamma(5.0) -> 24.0")
lgamma = _row("lgamma(x)", "Logarithm of the size of the gamma function; inf at the poles 0, -1, -2 and so on.",
    lambda x: _lgamma(x), lambda out, x: digamma(x),
    lowering=ITSELF, aliases="gammaln", example="lgamma(1.0) -> 0.0")
digamma = _row("digamma(x)", "Derivative of lgamma; nan at the poles -1, -2 and so on.",
    lambda x: _digamma(x), lambda out, x: polygamma(1.0, x),
    lowering=ITSELF, example="digamma(5.0) -> 1.5061176684318005")
polygamma = _row("polygamma(n, x)",
    "The nth derivative of digamma, for a whole n. No gradient flows to n.",
    lambda n, x: _polygamma(n, x), lambda out, n, x: 0.0, lambda out, n, x: polygamma(n + 1.0, x),
    lowering=ITSELF, example="polygamma(1.0, 1.0) -> 1.6449340668482264")
log_sigmoid = _row("log_sigmoid(x)", "log(sigmoid(x)), exact also for large negative x.",
    lambda x: -ieee.softplus(-x), lambda out, x: sigmoid(-x),
    lowering=lambda x: -softplus(-x), example="log_sigmoid(-1000.0) -> -1000.0")
sigmoid = _row("sigmoid(x)",
    "Logistic function, 1 / (1 + e**-x) (From Logistic Regression to Neural Network, section 1).",
    ieee.sigmoid, lambda out, x: out * sigmoid(-x),
    textbook=lambda out, x: out * (1.0 - out),
    lowering=lambda x: _sigmoid(x, exp(-abs(x))), example="sigmoid(0.0) -> 0.5")
softplus = _row("softplus(x)", "Smooth ReLU, log(1 + e**x) (From Logistic Regression to Neural Network, eq. 4).",
    ieee.softplus, lambda out, x: sigmoid(x),
    lowering=lambda x: where(x > 0.0, x, 0.0) + log1p(exp(-abs(x))), example="softplus(0.0) -> 0.6931471805599453")
silu = _row("silu(x)", "Sigmoid linear unit or swish, x * sigmoid(x) (Elfwing et al. 2018).",
    lambda x: x * ieee.sigmoid(x), lambda out, x: sigmoid(x) * (1.0 + x * sigmoid(-x)),
    lowering=lambda x: x * sigmoid(x), example="silu(0.0) -> 0.0")
gelu = _row("gelu(x)", "Gaussian error linear unit, x * P(N(0, 1) <= x), by erf (Hendrycks and Gimpel 2016).",
    ieee.gelu, lambda out, x: 0.5 * erfc(x * -math.sqrt(0.5)) + x * exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi),
    lowering=lambda x: x * 0.5 * erfc(-x * math.sqrt(0.5)), example="gelu(0.0) -> 0.0")
leaky_relu = _row("leaky_relu(x, slope=0.01)",
    "ReLU with a slope for negative x, also the derivative at 0 (From Logistic Regression to Neural Network, eq. 3).",
    lambda x, slope: x if x > 0.0 else slope * x, lambda out, x, slope: where(x > 0.0, 1.0, slope),
    lambda out, x, slope: minimum(x, 0.0),
    lowering=lambda x, slope: where(x > 0.0, x, slope * x), example="leaky_relu(-2.0) -> -0.02")
elu = _row("elu(x, a=1.0)", "Exponential linear unit: x, or a (e**x - 1) for negative x; elu'(0) = 1.",
    lambda x, a: x if x >= 0.0 else a * math.expm1(x), lambda out, x, a: where(x < 0.0, a * exp(minimum(x, 0.0)), 1.0),
    lambda out, x, a: expm1(minimum(x, 0.0)),
    lowering=lambda x, a: where(x >= 0.0, x, a * expm1(x)), example="elu(0.5) -> 0.5")
identity = _row("identity(x)", "x itself, as a node of its own: the activation of a linear unit.",
    lambda x: x, lambda out, x: 1.0,
    lowering=lambda x: x, example="identity(2.0) -> 2.0")
detach = _row("detach(x)", "x itself, through which no gradient flows back.",
    lambda x: x, lambda out, x: 0.0,
    chooses=True, lowering=lambda x: x, example="detach(2.0) -> 2.0")

# Pieces: the gradient is shared half and half on a tie; clip's boundaries belong to x, as in PyTorch.

abs = _row("abs(x)", "Absolute value; abs'(0) = 0.",
    math.fabs, lambda out, x: (x > 0.0) - (x < 0.0),
    lowering="fabs", aliases="fabs", example="abs(-2.0) -> 2.0")
maximum = _row("maximum(x, y)", "The larger of two; on a tie each gets half of the gradient.",
    ieee.maximum, lambda out, x, y: 1.0 - (x < y) - 0.5 * (x == y), lambda out, x, y: 1.0 - (y < x) - 0.5 * (x == y),
    symbol="max", chooses=True, lowering=lambda x, y: where(x <= x, where(x > y, x, y), x),
    example="maximum(1.0, 2.0) -> 2.0")
minimum = _row("minimum(x, y)", "The smaller of two; on a tie each gets half of the gradient.",
    ieee.minimum, lambda out, x, y: 1.0 - (x > y) - 0.5 * (x == y), lambda out, x, y: 1.0 - (y > x) - 0.5 * (x == y),
    symbol="min", chooses=True, lowering=lambda x, y: where(x <= x, where(x < y, x, y), x),
    example="minimum(1.0, 2.0) -> 1.0")
clip = _row("clip(x, low, high)", "x kept between low and high; high wins where they cross.",
    lambda x, low, high: ieee.minimum(ieee.maximum(x, low), high),
    lambda out, x, low, high: (x >= low) * (x <= high) * 1.0, lambda out, x, low, high: (x < low) * (low < high) * 1.0,
    lambda out, x, low, high: 1.0 - (1.0 - (x > high)) * (1.0 - (high < low)),
    chooses=True, lowering=lambda x, low, high: minimum(maximum(x, low), high), example="clip(5.0, 0.0, 1.0) -> 1.0")
where = _row("where(condition, x, y)",
    "x where the condition is true or a number other than 0, else y; only the chosen one gets gradient.",
    lambda condition, x, y: x if condition else y, lambda out, condition, x, y: 0.0,
    lambda out, condition, x, y: 1.0 * (condition != 0.0), lambda out, condition, x, y: 1.0 * (condition == 0.0),
    chooses=True, example="where(True, 1.0, 2.0) -> 1.0")
copysign = _row("copysign(x, y)", "The absolute value of x with the sign of y.",
    math.copysign, lambda out, x, y: sign(x) * copysign(1.0, y), lambda out, x, y: 0.0,
    example="copysign(2.0, -0.0) -> -2.0")

# Piecewise constant, and remainders: gradients as PyTorch's.

floor = _row("floor(x)", "Largest integer not above x, as a float.",
    ieee.integral(math.floor), lambda out, x: 0.0,
    example="floor(-1.5) -> -2.0")
ceil = _row("ceil(x)", "Smallest integer not below x, as a float.",
    ieee.integral(math.ceil), lambda out, x: 0.0,
    example="ceil(-1.5) -> -1.0")
trunc = _row("trunc(x)", "x without its fraction, as a float.",
    ieee.integral(math.trunc), lambda out, x: 0.0,
    example="trunc(-1.5) -> -1.0")
rint = _row("rint(x)", "The nearest integer, as a float; halves go to even ones.",
    ieee.rint, lambda out, x: 0.0,
    example="rint(2.5) -> 2.0")
heaviside = _row("heaviside(x, at_zero)", "Step function: 0 below 0, 1 above it, and what is said at 0 itself.",
    lambda x, at_zero: x if x != x else at_zero if x == 0.0 else float(x > 0.0),
    lambda out, x, at_zero: 0.0, lambda out, x, at_zero: 1.0 * (x == 0.0),
    chooses=True, lowering=lambda x, at_zero: where(x == 0.0, at_zero, where(x <= x, 1.0 * (x > 0.0), x)),
    example="heaviside(0.0, 0.5) -> 0.5")
sign = _row("sign(x)", "-1, 0 or 1.",
    lambda x: float((x > 0.0) - (x < 0.0)) if x == x else x, lambda out, x: 0.0,
    lowering=lambda x: where(x <= x, (x > 0.0) - (x < 0.0), x), example="sign(-3.0) -> -1.0")
fmod = _row("fmod(x, y)", "Remainder of x / y with the sign of x.",
    ieee.ieee(math.fmod, np.fmod), lambda out, x, y: 1.0, lambda out, x, y: -trunc(x / y),
    example="fmod(-5.0, 3.0) -> -2.0")
remainder = _row("remainder(x, y)", "IEEE 754 remainder: x minus the multiple of y that is nearest.",
    ieee.ieee(math.remainder, ieee.nan), lambda out, x, y: 1.0, lambda out, x, y: -floor((x - out) / y + 0.5),  # whole
    example="remainder(5.0, 3.0) -> -1.0")
mod = _row("mod(x, y)", "Remainder of x / y with the sign of y, Python's x % y.",
    ieee.floor_mod, lambda out, x, y: 1.0, lambda out, x, y: -floor_divide(x, y),
    symbol="%", lowering=lambda x, y: _mod(x, y), example="mod(-5.0, 3.0) -> 1.0")
floor_divide = _row("floor_divide(x, y)", "x / y rounded down, Python's x // y.",
    ieee.floor_divide, lambda out, x, y: 0.0, lambda out, x, y: 0.0,
    symbol="//", lowering=lambda x, y: _floor_divide(x, y), example="floor_divide(-5.0, 3.0) -> -2.0")

# Comparisons as numbers, 1.0 for true: conditions for `where` that are nodes of the graph.


def _comparison(name: str, compare: Callable[[Any, Any], Any], symbol: str, example: str) -> Operation:
    """Add a comparison to the table. No gradient flows through it."""
    return _row(
        f"{name}(x, y)",
        f"1.0 where x {symbol} y, else 0.0.",
        lambda x, y: float(compare(x, y)),
        lambda out, x, y: 0.0,
        lambda out, x, y: 0.0,
        symbol=symbol,
        lowering=compare,
        bound=1.0,
        chooses=True,
        example=example,
    )


less = _comparison("less", operator.lt, "<", "less(1.0, 2.0) -> 1.0")
less_equal = _comparison("less_equal", operator.le, "<=", "less_equal(1.0, 1.0) -> 1.0")
greater = _comparison("greater", operator.gt, ">", "greater(1.0, 2.0) -> 0.0")
greater_equal = _comparison("greater_equal", operator.ge, ">=", "greater_equal(1.0, 1.0) -> 1.0")
equal = _comparison("equal", operator.eq, "==", "equal(1.0, 2.0) -> 0.0")
not_equal = _comparison("not_equal", operator.ne, "!=", "not_equal(1.0, 2.0) -> 1.0")

isnan = _row("isnan(x)", "1.0 for nan, else 0.0.",
    lambda x: float(x != x), lambda out, x: 0.0,
    chooses=True, bound=1.0, lowering=lambda x: 1.0 * (x != x), example="isnan(0.0) -> 0.0")
isinf = _row("isinf(x)", "1.0 for inf and -inf, else 0.0.",
    lambda x: float(math.isinf(x)), lambda out, x: 0.0,
    chooses=True, bound=1.0, lowering=lambda x: 1.0 * (abs(x) == math.inf), example="isinf(0.0) -> 0.0")
isfinite = _row("isfinite(x)", "1.0 for a number, 0.0 for inf, -inf and nan.",
    lambda x: float(math.isfinite(x)), lambda out, x: 0.0,
    chooses=True, bound=1.0, lowering=lambda x: 1.0 * (abs(x) < math.inf), example="isfinite(0.0) -> 1.0")

# Operations of any number of operands, each a single node. They are called with sequences.

_TERMS = "terms : iterable of Value or real number"

sum = _row("sum(*terms)", "Sum of all terms, left to right, where the built-in `sum` makes a node for each term.",
    ieee.sum_left_to_right, lambda out, *terms: [1.0] * len(terms),
    symbol="Σ", notation="sum", lowering=ieee.sum_left_to_right, gather=gather_terms,
    parameters=_TERMS + "\nstart : Value or real number, optional", example="sum([1.0, 2.0, 3.0]) -> 6.0")
fsum = _row("fsum(*terms)", "Exactly rounded sum, as `math.fsum`.",
    ieee.fsum, lambda out, *terms: [1.0] * len(terms),
    gather=gather_all, parameters=_TERMS, example="fsum([0.1] * 10) -> 1.0")
dot = _row("dot(*operands)",
    "Scalar product with a bias, w1*x1 + ... + wn*xn + bias; its operands are w1 ... wn, x1 ... xn, bias.",
    ieee.dot, lambda out, *operands: [*operands[len(operands) // 2 : -1], *operands[: len(operands) // 2], 1.0],
    symbol="Σ", notation="dot", lowering=ieee.dot, gather=gather_factors,
    parameters="ws, xs : iterables of Value or real number, of one length\nbias : Value or real number, optional",
    raises="ValueError\n    If `ws` and `xs` differ in length.\n",
    example="dot([1.0, 2.0], [3.0, 4.0], bias=0.5) -> 11.5")
dist = _row("dist(*operands)", "Distance of two points p and q, as `math.dist`; its gradient at p = q is 0.",
    lambda *operands: _length([*map(sub, operands[: len(operands) // 2], operands[len(operands) // 2 :])]),
    lambda out, *operands: _dist_derivatives(out, operands),
    notation="points", lowering=ITSELF,
    gather=gather_points, parameters="p, q : iterables of Value or real number, of one length",
    raises="ValueError\n    If `p` and `q` differ in length.\n", example="dist([1.0, 1.0], [4.0, 5.0]) -> 5.0")
logsumexp = _row("logsumexp(*terms)", "log(e**x1 + ... + e**xn), without overflow.",
    lambda *terms: _logsumexp(terms), lambda out, *terms: _shares(out, terms),
    textbook=lambda out, *terms: [exp(term - out) for term in terms],
    lowering=ITSELF, gather=gather_some, parameters=_TERMS + ", not empty",
    raises="ValueError\n    If there is no term.\n", example="logsumexp([1000.0, 1000.0]) -> 1000.6931471805599")

# fmt: on


# Rules that take more than a line.


def _pow_base(x: Any, y: Any) -> Any:
    """Give x, but 1 where y is 0 and x is nan or so small that 1 / x, and so 0 / x, is not finite to high order."""
    return where(y == 0.0, where((x > 1e-100) + (x < -1e-100), x, 1.0), x)


def _over_square(x: Any, y: Any) -> Any:
    """Give x / (x*x + y*y), without overflow on the way; 0 at the origin."""
    is_smaller = abs(x) < abs(y)
    larger = where(is_smaller, y, x)
    divisor = larger + (larger == 0.0)
    ratio = where(is_smaller, x, y) / divisor
    return x / divisor / (1.0 + ratio * ratio) / divisor


def _dist_derivatives(out: Any, operands: Sequence[Any]) -> list[Any]:
    half = len(operands) // 2
    by_p = [(p - q) / (out + (out == 0.0)) for p, q in zip(operands[:half], operands[half:])]
    return [*by_p, *(-derivative for derivative in by_p)]


def _shares(out: Any, terms: Sequence[Any]) -> list[Any]:
    """Give e**x / (sum of all e**x) for each term x, 0 where the sum is 0; dividing undoes the rounding of `out`."""
    shift = where(out == -math.inf, 0.0, out)
    weights = [exp(term - shift) for term in terms]
    total = where(out == math.inf, 1.0, sum(weights))
    return [weight / (total + (total == 0.0)) for weight in weights]


# Functions, and lowerings, that take more than a line.


def _length(coordinates: Sequence[Any]) -> Any:
    """Give sqrt(x*x + y*y + ...), the squares kept in range by a power of two; inf beats nan, as in math.hypot."""
    sizes = [abs(x) for x in coordinates]
    largest: Any = 0.0
    for size in sizes:
        largest = where(size > largest, size, largest)
    is_usual = (largest > 1e-140) * (largest < 1e150)
    down = where(is_usual, 1.0, where(largest < 1.0, 2.0**600, 2.0**-600))
    root = sqrt(_sum_pairwise([(down * size) * (down * size) for size in sizes])) / down
    return where(largest == math.inf, math.inf, root)


def _sigmoid(x: Any, e: Any) -> Any:
    """Give 1 / (1 + e^-x), from x and e = e^-|x|, which never overflows."""
    return where(x >= 0.0, 1.0, e) * (1.0 / (1.0 + e))  # sigmoid(-x) has the same reciprocal


def _sum_pairwise(terms: Sequence[Any]) -> Any:
    """Sum with an error that grows with the logarithm of the number of terms."""
    while len(terms) > 1:
        terms = [*map(operator.add, terms[::2], terms[1::2]), *terms[len(terms) // 2 * 2 :]]
    return terms[0] if terms else 0.0


def _logsumexp(terms: Sequence[Any]) -> Any:
    largest = terms[0]
    for term in terms[1:]:
        largest = where(term > largest, term, largest)
    shift = where(abs(largest) < math.inf, largest, 0.0)
    return shift + log(_sum_pairwise([exp(term - shift) for term in terms]))


def _logaddexp(x: Any, y: Any) -> Any:
    return maximum(x, y) + log1p(exp(-abs(_difference(x, y))))


def _logaddexp2(x: Any, y: Any) -> Any:
    return maximum(x, y) + log1p(exp2(-abs(_difference(x, y)))) / math.log(2.0)


def _difference(x: Any, y: Any) -> Any:
    """Give x - y, and 0 for equal infinities."""
    return where(x == y, 0.0, x - y)


def _share(x: Any, y: Any, lead: Any) -> Any:
    """Give the part of e**x + e**y, or of powers to another base, that one has by its lead; none where all is 0."""
    return where((x == -math.inf) * (y == -math.inf), 0.0, sigmoid(lead))


def _xlogy(x: Any, y: Any) -> Any:
    return where((x == 0.0) * (y == y), 0.0, x * log(y))


def _sinc(x: Any) -> Any:
    z = math.pi * where(x == 0.0, 1.0, x)
    return where(x == 0.0, 1.0, sin(z) / z)


def _sinc_slope(out: Any, x: Any) -> Any:
    """Give (cos(pi x) - sinc(x)) / x; near 0, where that cancels, the sum of 2k (-1)**k z**(2k-1) / (2k+1)!."""
    z = math.pi * x
    near = where(abs(z) < 1.0, z, 0.0)
    series = _polynomial([2.0 * k * (-1.0) ** k / math.factorial(2 * k + 1) for k in range(9, 0, -1)], near * near)
    return where(abs(z) < 1.0, math.pi * near * series, (cos(z) - out) / where(x == 0.0, 1.0, x))


def _polynomial(coefficients: Sequence[Any], x: Any) -> Any:
    """Evaluate a polynomial; the highest power comes first. By Estrin's scheme, whose products don't wait in a row."""
    terms: list[Any] = [*coefficients][::-1]
    while len(terms) > 1:
        terms = [*[a + b * x for a, b in zip(terms[::2], terms[1::2])], *terms[len(terms) // 2 * 2 :]]
        x = x * x
    return terms[0]


# Fits of erfinv(y) / y to 7 digits, as polynomials of w - 3 for w = -log(1 - y * y) < 6, and of sqrt(w) - 4 beyond.
_ERFINV_NEAR = [-5.8268178e-09, -4.3348346e-09, 4.5558313e-07, -1.88533477e-06, -1.27572306e-05, 0.000195476339]
_ERFINV_NEAR += [-0.000836071496, -0.00573858064, 0.241630325, 1.62354208]
_ERFINV_FAR = [-4.13145784e-06, 2.46463906e-05, -5.1812621e-05, 5.31938107e-05, -9.05094142e-05, 0.000318747005]
_ERFINV_FAR += [-0.00088446122, 0.00126101517, 1.00949574, 3.83978376]


def _erfinv(y: Any) -> Any:
    """Start from a fit, and triple its digits by a step of Halley's method."""
    size = abs(y)
    inside = where(size < 1.0, size, 0.5)
    w = -log1p(-inside * inside)
    is_near = w < 6.0
    x = inside * where(is_near, _polynomial(_ERFINV_NEAR, w - 3.0), _polynomial(_ERFINV_FAR, sqrt(w) - 4.0))
    error = where(inside < 0.5, erf(x) - inside, (1.0 - inside) - erfc(x))  # the error by erfc where erf is near 1
    step = error * exp(x * x) * (0.5 * math.sqrt(math.pi))
    known = where(size == 1.0, math.inf, where(size <= 1.0, x - step / (1.0 + x * step), math.nan))
    return where(y == 0.0, y, copysign(known, y))


def _hazard_fraction() -> tuple[list[float], list[float]]:
    """Give the continued fraction z + 1/(z + 2/(z + 3/(z + ...))) as z times a quotient of polynomials in 1 / z**2."""
    above, below = [1], [1]  # coefficients, the lowest first
    for k in range(32, 0, -1):
        longer = [*above, *[0] * (len(below) + 1 - len(above))]
        above, below = [a + k * b for a, b in zip(longer, [0, *below, *[0] * len(longer)])], above
    return [float(a) for a in reversed(above)], [float(b) for b in reversed(below)]


_ABOVE, _BELOW = _hazard_fraction()


def _hazard(z: Any) -> Any:
    """Give density over tail of the normal distribution at z >= 4. No sum here has terms of both signs."""
    u = 1.0 / (z * z)
    return z * (_polynomial(_ABOVE, u) / _polynomial(_BELOW, u))


def _log_ndtr(x: Any) -> Any:
    z = where(x < -4.0, -x, 4.0)
    tail = -0.5 * z * z - log(math.sqrt(2.0 * math.pi) * _hazard(z))
    near = where(x > 0.0, log1p(-0.5 * erfc(x * math.sqrt(0.5))), log(0.5 * erfc(-x * math.sqrt(0.5))))
    return where(x < -4.0, tail, near)


def _log_ndtr_slope(out: Any, x: Any) -> Any:
    near = exp(-0.5 * x * x - where(x < -4.0, 0.0, out)) / math.sqrt(2.0 * math.pi)
    return where(x < -4.0, _hazard(where(x < -4.0, -x, 4.0)), near)


# B2, B4, B6 ...
_BERNOULLI = [float(Fraction(b)) for b in "1/6 -1/30 1/42 -1/30 5/66 -691/2730 7/6 -3617/510".split()]

# The Taylor coefficients of log gamma(2 + z) from z on: 1 - Euler's constant, then (-1)**k (zeta(k) - 1) / k.
# fmt: off
_LGAMMA = (
    0.42278433509846713,
    0.3224670334241132, -0.0673523010531981, 0.020580808427784546, -0.007385551028673986,
    0.0028905103307415234, -0.001192753911703261, 0.0005096695247430425, -0.00022315475845357939,
    9.945751278180853e-05, -4.492623673813314e-05, 2.050721277567069e-05, -9.439488275268397e-06,
    4.374866789907488e-06, -2.039215753801366e-06, 9.55141213040742e-07, -4.492469198764566e-07,
    2.1207184805554665e-07, -1.0043224823968099e-07, 4.7698101693639804e-08, -2.2711094608943164e-08,
    1.0838659214896955e-08, -5.183475041970047e-09, 2.4836745438024785e-09, -1.1921401405860912e-09,
    5.731367241678862e-10, -2.7595228851242334e-10, 1.330476437424449e-10, -6.4229645638381e-11,
)
# fmt: on


def _lgamma(x: Any) -> Any:
    """Reflect to z >= 1/2; from there to 10 sum Taylor's series around 2, and shift; beyond sum Stirling's."""
    z = where(x < 0.5, 1.0 - x, x)
    near = z - where(z < 1.5, 1.0, where(z < 9.5, floor(z + 0.5), 10.0))
    product = 1.0  # of what comes to z - 2 by steps of 1: no digits cancel, as they would in a shift to large numbers
    for k in range(1, 9):
        product = product * where(z < k + 1.5, 1.0, z - k)
    taylor = near * _polynomial(_LGAMMA[::-1], near) + where(z < 1.5, -log1p(near), log(product))
    u = 1.0 / (z * z)
    series = _polynomial([b / ((2 * k + 1) * (2 * k + 2)) for k, b in reversed(list(enumerate(_BERNOULLI)))], u)
    stirling = (z - 0.5) * (log(z) - 1.0) + (0.5 * math.log(2.0 * math.pi) - 0.5 + series / z)
    right = where(z < 10.0, taylor, stirling)
    fraction = x - floor(x + 0.5)
    reflected = where(fraction == 0.0, math.inf, -(log(abs(fraction)) + log(sinc(fraction)) + right))
    return where(abs(x) == math.inf, math.inf, where(x < 0.5, reflected, right))


def _digamma(x: Any) -> Any:
    """Reflect to z >= 1/2; from 10 on sum the asymptotic series, or shift."""
    z = where(x < 0.5, 1.0 - x, x)
    p, q, r, s = _pairs(z)
    below = where(z < 10.0, (2.0 * z + 7.0) * (1.0 / p + 1.0 / q + (1.0 / r + 1.0 / s)), 0.0)
    z8 = where(z < 10.0, z + 8.0, z)
    u = 1.0 / (z8 * z8)
    series = u * _polynomial([b / (2 * k + 2) for k, b in reversed(list(enumerate(_BERNOULLI)))], u)
    right = log(z8) - below - (0.5 / z8 + series)
    fraction = x - floor(x + 0.5)
    reflected = where((x < 0.0) * (fraction == 0.0), math.nan, right - div(math.pi, tan(math.pi * fraction)))
    return where(x < 0.5, reflected, right)


def _pairs(z: Any) -> list[Any]:
    """Multiply the first and the last of z, z + 1 ... z + 7, then those beside them, and so on."""
    outermost = z * (z + 7.0)
    return [outermost, outermost + 6.0, outermost + 10.0, outermost + 12.0]


def _polygamma(n: Any, x: Any) -> Any:
    """Give (-1)**(n+1) n! zeta(n + 1, x), the sum of (x + k)**-(n+1); for x < 0 from sums to both sides of zero."""
    s = n + 1.0
    sign_of = where(floor(0.5 * n) * 2.0 == n, -1.0, 1.0)
    r = x - floor(x + 0.5)
    total = _zeta(s, where(x < 0.0, 1.0 + r, x))
    pole = where(r == 0.0, math.inf, pow(abs(r), -s) * where(r < 0.0, sign_of, 1.0))
    left = sign_of * (_zeta(s, 1.0 - r) - _zeta(s, where(x < 0.0, 1.0 - x, 1.0)))
    value = sign_of * gamma(s) * where(x < 0.0, total + pole + left, total)
    whole = (n >= 0.0) * (n == floor(n))
    return where(n == 0.0, digamma(x), where(whole, where(x == math.inf, 0.0, value), math.nan))


def _zeta(s: Any, z: Any) -> Any:
    """Sum (z + k)**-s over k = 0, 1, 2 ... by Euler and Maclaurin's formula, after 8 terms where z is small."""
    z = abs(z)
    is_small = z < s + 8.0
    squares = [div(2.0 * pair + d * d, pair * pair) for d, pair in zip((7.0, 5.0, 3.0, 1.0), _pairs(z))]
    powers = [pow(z + float(k), -s) for k in range(8)]
    below = where(is_small, where(s == 2.0, _sum_pairwise(squares), _sum_pairwise(powers)), 0.0)
    a = where(is_small, z + 8.0, z)
    u = div(1.0, a * a)
    factor, coefficients = s, []
    for k, b in enumerate(_BERNOULLI):
        coefficients.append(b / float(math.factorial(2 * k + 2)) * factor)
        factor = (s + (2 * k + 1)) * (s + (2 * k + 2)) * factor
    series = _polynomial(coefficients[::-1], u)
    return below + where(s == 2.0, u, pow(a, -s)) * (a / where(s == 1.0, 1.0, s - 1.0) + 0.5 + div(series, a))


def _mod(x: Any, y: Any) -> Any:
    """Give x % y as Python does: C's fmod, moved to the sign of y."""
    rest = fmod(x, y)
    return where(rest, where(copysign(1.0, y) * rest < 0.0, rest + y, rest), copysign(0.0, y))


def _floor_divide(x: Any, y: Any) -> Any:
    """Give x // y as Python does: a quotient that is whole but for rounding, then rounded to the nearest integer."""
    rest = fmod(x, y)
    quotient = div(x - rest, y) - (copysign(1.0, y) * rest < 0.0)
    below = floor(quotient)
    rounded = where(quotient, below + (quotient - below > 0.5), copysign(0.0, div(x, y)))
    return where(y, rounded, div(x, y))


# For type checkers, which can't compute this list, all names here are public.
globals()["__all__"] = [*TABLE]
