"""The table of operations: what each computes, its derivative, its name, how it is drawn and compiled.

A row is the whole truth about its operation. The left of its two functions works on floats; the
derivative rules at its right are written with operators and other rows of the table, so that they
work on floats (local derivatives), on `Value`s (the derivative of a graph is a graph) and on
whatever else answers to `_apply`. This module knows nothing of `Value` itself.

A rule gets the result first, then the operands, and gives the partial derivative for one operand.
It may compare operands with < <= > >=, for use as 0 or 1, but not with ==, which on Values is
identity. Rules avoid differences of nearly equal numbers where an equivalent form has none:
sigmoid' is s(x) s(-x) rather than s (1 - s).

The column `lowering` says how jit compiles an operation: the name of a function of C's math
library, of an LLVM intrinsic or instruction, or a function written as the rules are. A row without
one is compiled as its function says, with numbers of the compiler in the place of floats.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from types import MethodType
from typing import Any

import numpy as np

from autograd_mini.engine import ieee
from autograd_mini.engine.checks import as_float, describe

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

Rule = Callable[..., Any]
Lowering = str | Rule


@cython.cclass
class Operation:
    """One differentiable operation; call it on Values or numbers.

    Made by `operation`, which documents the arguments.

    Attributes
    ----------
    name : str
        What Python calls it: `"tanh"`.
    symbol : str
        What a drawing calls it: `"*"` for `mul`, else the name.
    parameters : tuple of str
        The names of its operands; empty for an operation of any number of operands.
    function : callable
        Floats to float, total: nan or inf rather than an exception.
    lowering : str, callable or None
        How it is compiled, where that is not as `function` says.
    """

    def __init__(
        self,
        signature: str,
        function: ieee.FloatFunction,
        rules: tuple[Rule, ...],
        symbol: str | None,
        doc: str,
        module: str,
        lowering: Lowering | None,
    ) -> None:
        self.name, self.__signature__ = _parse_signature(signature)
        self.__name__ = self.__qualname__ = self.name
        self.__module__ = module
        self.__doc__ = doc
        self.symbol = symbol or self.name
        self.function = function
        self.rules = rules
        self.lowering = lowering
        if not (lowering is None or isinstance(lowering, str) or callable(lowering)):
            raise TypeError(f"the lowering of {signature} must be a function or a name, not {describe(lowering)}")
        for part in (function, *rules):
            if not callable(part):
                raise TypeError(f"{signature} needs functions: what it computes, then its rules, not {describe(part)}")
        names = tuple(self.__signature__.parameters)
        self.is_variadic = self.__signature__.parameters[names[0]].kind is inspect.Parameter.VAR_POSITIONAL
        self.parameters = () if self.is_variadic else names
        self.arity = len(self.parameters)
        if self.is_variadic and len(rules) != 1:
            raise ValueError(f"{signature} needs one rule, for the derivatives of all operands, but got {len(rules)}")
        if not self.is_variadic and len(rules) != len(names):
            raise ValueError(f"{signature} has {len(names)} operands and needs a rule for each, but got {len(rules)}")

    def partials(self, out: Any, operands: Sequence[Any]) -> Sequence[Any]:
        """Give the local derivative for each operand, as the rules say, in the operands' own kind."""
        if self.is_variadic:
            partials = list(self.rules[0](out, *operands))
            if len(partials) != len(operands):
                raise ValueError(
                    f"the rule of {self.name} gave {len(partials)} derivatives for {len(operands)} operands"
                )
            return partials
        return [rule(out, *operands) for rule in self.rules]

    def __call__(self, *operands: Any, **named: Any) -> Any:
        if named or (len(operands) != self.arity and not self.is_variadic):
            try:
                bound = self.__signature__.bind(*operands, **named)
            except TypeError as error:
                raise TypeError(f"{self.name}{self.__signature__}: {error}") from None
            bound.apply_defaults()
            operands = bound.args
        floats = True
        for operand in operands:
            if type(operand) is not float:
                if hasattr(type(operand), "_apply"):
                    return operand._apply(self, operands)
                floats = False
        result = self.function(*(operands if floats else [self.number(operand) for operand in operands]))
        return result if type(result) is float else as_float(result, f"the result of {self.name}")

    def number(self, operand: Any) -> float:
        """Convert an operand to a float, or say that this operation has no use for it."""
        return as_operand(operand, self.name.removesuffix("_"))  # sum_ is known to users as sum

    def __get__(self, instance: Any, owner: Any) -> Any:
        """Bind as a method where a class has an operation as attribute, as functions do."""
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<operation {self.name}{self.__signature__}>"

    def __reduce__(self) -> str:
        return self.name  # pickled by reference, as functions are


def as_operand(operand: Any, function: str) -> float:
    """Convert a number to a float, or say that `function` has no use for it."""
    if type(operand) is float:
        return operand
    try:
        return as_float(operand, f"an operand of {function}")
    except TypeError:
        raise TypeError(f"{function} takes Values and real numbers, not {describe(operand)}") from None


def _parse_signature(text: str) -> tuple[str, inspect.Signature]:
    """Read `"elu(x, a=1.0)"` or `"hypot(*coordinates)"`."""
    if not isinstance(text, str):
        raise TypeError(f"an operation's signature must be a string, not {describe(text)}")
    try:
        name, rest = text.removesuffix(")").split("(")
        parameters = [_parse_parameter(part) for part in rest.split(",")]
        parsed = inspect.Signature(parameters)
        starred = [p for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL]
        if name.isidentifier() and text.endswith(")") and (not starred or len(parameters) == 1):
            return name, parsed
    except (IndexError, ValueError):  # a nameless parameter, a wrong one
        pass
    raise ValueError(f"an operation's signature reads like 'elu(x, a=1.0)' or 'sum(*terms)', not {text!r}")


def _parse_parameter(text: str) -> inspect.Parameter:
    name, equals, default = (piece.strip() for piece in text.partition("="))
    starred = name.startswith("*")
    kind = inspect.Parameter.VAR_POSITIONAL if starred else inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(
        name.removeprefix("*"), kind, default=float(default) if equals else inspect.Parameter.empty
    )


def operation(
    signature: str,
    function: ieee.FloatFunction,
    *rules: Rule,
    symbol: str | None = None,
    doc: str = "",
    lowering: Lowering | None = None,
) -> Operation:
    """Define an operation: what it computes and its derivative, side by side.

    The result is called on Values or numbers like any built-in function, and is drawn,
    differentiated to any order and checked like one.

    Parameters
    ----------
    signature : str
        Name and operands, with defaults where there are any: `"elu(x, a=1.0)"`. One starred
        operand, `"hypot(*coordinates)"`, makes an operation of any number of operands.
    function : callable
        Takes as many floats, gives a float. For an argument outside its domain it should give nan
        or inf; an exception that it raises reaches the caller, with nothing recorded.
    *rules : callable
        One for each operand: takes the result, then all operands, and gives the derivative for
        that operand. Written with arithmetic and this package's functions, never those of `math`,
        so that it can be differentiated again. It may use comparisons by < <= > >= as 0 or 1, but
        not ==, which asks whether two Values are the same object. For a starred operand a single rule gives the
        sequence of all derivatives.
    symbol : str, optional
        What a drawing calls the operation; its name unless given.
    doc : str, optional
        The docstring.
    lowering : callable or str, optional
        How jit compiles it: a function of the operands written as the rules are, or the name of a
        function of C's math library, `"tgamma"`. Not needed where `function` itself is written so,
        with neither functions of `math` nor branches.

    Returns
    -------
    Operation

    Raises
    ------
    ValueError
        If `signature` can't be read, or there is not one rule for each operand.
    TypeError
        If `signature` is no string, or what should be a function is none.

    Examples
    --------
    >>> from autograd_mini import Value, operation
    >>> cube = operation("cube(x)", lambda x: x * x * x, lambda out, x: 3 * x * x)
    >>> x = Value(2.0)
    >>> cube(x).backward()
    >>> x.grad
    12.0
    """
    home = rules[0] if rules else function
    module = getattr(home, "__module__", None) or "__main__"
    return Operation(
        signature, function, rules, symbol, doc or f"User-defined operation {signature}.", module, lowering
    )


TABLE: dict[str, Operation] = {}


def _row(
    signature: str,
    doc: str,
    function: ieee.FloatFunction,
    *rules: Rule,
    example: str,
    symbol: str | None = None,
    lowering: Lowering | None = None,
) -> Operation:
    """Add an operation to the table, its docstring composed from one line and one example."""
    name, parsed = _parse_signature(signature)
    operands = ", ".join(str(p).split("=")[0] for p in parsed.parameters.values())
    call, _, result = example.partition(" -> ")
    text = f"""{doc}

Parameters
----------
{operands} : Value or real number

Returns
-------
Value, or float if no operand is a Value

Raises
------
TypeError
    If an operand is neither a Value nor a real number.

Examples
--------
>>> from autograd_mini.engine.operations import {name}
>>> {call}
{result}
"""
    rules = tuple([_for_objects(rule) for rule in rules])
    TABLE[name] = Operation(signature, _for_objects(function), rules, symbol, text, __name__, lowering)
    return TABLE[name]


def _for_objects(function: Callable[..., Any]) -> Callable[..., Any]:
    """Choose, of a function compiled for C doubles and for objects, the latter; else take it as it is."""
    return getattr(function, "__signatures__", {}).get("object", function)  # type: ignore[no-any-return]


# Arithmetic. These functions are compiled twice, for C doubles and for objects (operations.pxd):
# Value's operators call the first kind, graphs of derivatives the second.


def add_(x: Any, y: Any) -> Any:
    return x + y


def add_d(out: Any, x: Any, y: Any) -> Any:
    return 1.0


def sub_(x: Any, y: Any) -> Any:
    return x - y


def sub_dy(out: Any, x: Any, y: Any) -> Any:
    return -1.0


def mul_(x: Any, y: Any) -> Any:
    return x * y


def mul_dx(out: Any, x: Any, y: Any) -> Any:
    return y


def mul_dy(out: Any, x: Any, y: Any) -> Any:
    return x


def div_(x: Any, y: Any) -> Any:
    try:
        return x / y
    except ZeroDivisionError:  # floats outside the compiled engine
        return ieee.divide(x, y)


def div_dx(out: Any, x: Any, y: Any) -> Any:
    return div_(1.0, y)


def div_dy(out: Any, x: Any, y: Any) -> Any:
    return -div_(out, y)


def neg_(x: Any) -> Any:
    return -x


def neg_dx(out: Any, x: Any) -> Any:
    return -1.0


def relu_(x: Any) -> Any:
    return 0.0 if x <= 0.0 else x


def relu_dx(out: Any, x: Any) -> Any:
    return 1.0 - (x <= 0.0)


add = _row("add(x, y)", "Sum, x + y.", add_, add_d, add_d, symbol="+", example="add(1.0, 2.0) -> 3.0")
sub = _row("sub(x, y)", "Difference, x - y.", sub_, add_d, sub_dy, symbol="-", example="sub(1.0, 2.0) -> -1.0")
mul = _row("mul(x, y)", "Product, x * y.", mul_, mul_dx, mul_dy, symbol="*", example="mul(3.0, 2.0) -> 6.0")
div = _row(
    "div(x, y)", "Quotient, x / y; 1 / 0 is inf.", div_, div_dx, div_dy, symbol="/", example="div(1.0, 0.0) -> inf"
)
neg = _row("neg(x)", "Negative, -x.", neg_, neg_dx, symbol="-", example="neg(2.0) -> -2.0")
relu = _row(
    "relu(x)",
    "Rectified linear unit, max(0, x), with relu'(0) = 0 (lecture note S0, equation 2).",
    relu_,
    relu_dx,
    symbol="ReLU",
    lowering=lambda x: where(x <= 0.0, 0.0, x),
    example="relu(-2.0) -> 0.0",
)


def _is_zero(x: Any) -> Any:
    """Give 1 where x is zero and 0 elsewhere, nan included, by comparisons that a rule may use."""
    return (x >= 0.0) * (x <= 0.0)


def _pow_base(x: Any, y: Any) -> Any:
    """Give x, but 1 where y is 0 and x is nan or so small that 1 / x, and so 0 / x, is not finite to high order."""
    return where(_is_zero(y) * (1.0 - (x > 1e-100) - (x < -1e-100)), 1.0, x)


# Powers, exponentials and logarithms. At the edges of pow, sqrt and log: PyTorch's float64 gradients.

pow = _row(
    "pow(x, y)",
    "Power, x ** y; nan for a negative x and a y that is no integer.",
    ieee.ieee(math.pow, np.power),
    lambda out, x, y: y * pow(_pow_base(x, y), y - 1.0),
    lambda out, x, y: out * log(x + _is_zero(x) * (y >= 0.0)),
    symbol="**",
    lowering="pow",
    example="pow(2.0, 10.0) -> 1024.0",
)
exp = _row(
    "exp(x)",
    "Exponential, e ** x.",
    ieee.ieee(math.exp, np.exp),
    lambda out, x: out,
    lowering="exp",
    example="exp(0.0) -> 1.0",
)
expm1 = _row(
    "expm1(x)",
    "e ** x - 1, exact also near 0.",
    ieee.ieee(math.expm1, np.expm1),
    lambda out, x: exp(x),
    lowering="expm1",
    example="expm1(1e-20) -> 1e-20",
)
exp2 = _row(
    "exp2(x)",
    "2 ** x.",
    ieee.ieee(math.exp2, np.exp2),
    lambda out, x: out * math.log(2.0),
    lowering="exp2",
    example="exp2(3.0) -> 8.0",
)
log = _row(
    "log(x)",
    "Natural logarithm; log(0) is -inf, log(-1) is nan.",
    ieee.ieee(math.log, np.log),
    lambda out, x: 1.0 / x,
    lowering="log",
    example="log(1.0) -> 0.0",
)
log1p = _row(
    "log1p(x)",
    "log(1 + x), exact also near 0.",
    ieee.ieee(math.log1p, np.log1p),
    lambda out, x: 1.0 / (1.0 + x),
    lowering="log1p",
    example="log1p(1e-20) -> 1e-20",
)
log2 = _row(
    "log2(x)",
    "Logarithm to base 2.",
    ieee.ieee(math.log2, np.log2),
    lambda out, x: 1.0 / (x * math.log(2.0)),
    lowering="log2",
    example="log2(8.0) -> 3.0",
)
log10 = _row(
    "log10(x)",
    "Logarithm to base 10.",
    ieee.ieee(math.log10, np.log10),
    lambda out, x: 1.0 / (x * math.log(10.0)),
    lowering="log10",
    example="log10(1000.0) -> 3.0",
)
sqrt = _row(
    "sqrt(x)",
    "Square root; nan for a negative x, and sqrt'(0) = inf.",
    ieee.ieee(math.sqrt, np.sqrt),
    lambda out, x: 0.5 / out,
    lowering="llvm.sqrt",
    example="sqrt(9.0) -> 3.0",
)
cbrt = _row(
    "cbrt(x)",
    "Cube root, of negative numbers too.",
    math.cbrt,
    lambda out, x: 1.0 / (3.0 * out * out),
    lowering="cbrt",
    example="cbrt(-8.0) -> -2.0",
)
hypot = _row(
    "hypot(*coordinates)",
    "Euclidean length, sqrt(x*x + y*y + ...), without overflow on the way.",
    math.hypot,
    lambda out, *xs: [x / out for x in xs],
    lowering=lambda *xs: _length(xs),
    example="hypot(3.0, 4.0) -> 5.0",
)

# Trigonometric and hyperbolic functions.

sin = _row(
    "sin(x)",
    "Sine of x radians.",
    ieee.ieee(math.sin, np.sin),
    lambda out, x: cos(x),
    lowering="sin",
    example="sin(0.0) -> 0.0",
)
cos = _row(
    "cos(x)",
    "Cosine of x radians.",
    ieee.ieee(math.cos, np.cos),
    lambda out, x: -sin(x),
    lowering="cos",
    example="cos(0.0) -> 1.0",
)
tan = _row(
    "tan(x)",
    "Tangent of x radians.",
    ieee.ieee(math.tan, np.tan),
    lambda out, x: 1.0 + out * out,
    lowering="tan",
    example="tan(0.0) -> 0.0",
)
asin = _row(
    "asin(x)",
    "Arc sine, in radians.",
    ieee.ieee(math.asin, np.arcsin),
    lambda out, x: 1.0 / sqrt((1.0 - x) * (1.0 + x)),
    lowering="asin",
    example="asin(1.0) -> 1.5707963267948966",
)
acos = _row(
    "acos(x)",
    "Arc cosine, in radians.",
    ieee.ieee(math.acos, np.arccos),
    lambda out, x: -1.0 / sqrt((1.0 - x) * (1.0 + x)),
    lowering="acos",
    example="acos(1.0) -> 0.0",
)
atan = _row(
    "atan(x)",
    "Arc tangent, in radians.",
    math.atan,
    lambda out, x: 1.0 / (1.0 + x * x),
    lowering="atan",
    example="atan(0.0) -> 0.0",
)
atan2 = _row(
    "atan2(y, x)",
    "Angle of the point (x, y), in radians, from -pi to pi; the gradient at the origin is 0.",
    math.atan2,
    lambda out, y, x: x / _radius(y, x) / _radius(y, x),
    lambda out, y, x: -y / _radius(y, x) / _radius(y, x),
    lowering="atan2",
    example="atan2(0.0, -1.0) -> 3.141592653589793",
)
sinh = _row(
    "sinh(x)",
    "Hyperbolic sine.",
    ieee.ieee(math.sinh, np.sinh),
    lambda out, x: cosh(x),
    lowering="sinh",
    example="sinh(0.0) -> 0.0",
)
cosh = _row(
    "cosh(x)",
    "Hyperbolic cosine.",
    ieee.ieee(math.cosh, np.cosh),
    lambda out, x: sinh(x),
    lowering="cosh",
    example="cosh(0.0) -> 1.0",
)
tanh = _row(
    "tanh(x)",
    "Hyperbolic tangent (S0, equation 1; S1: 2 sigmoid(2x) - 1).",
    math.tanh,
    lambda out, x: 4.0 * sigmoid(2.0 * x) * sigmoid(-2.0 * x),  # = 1 - out**2
    lowering="tanh",
    example="tanh(0.0) -> 0.0",
)
asinh = _row(
    "asinh(x)",
    "Inverse hyperbolic sine.",
    math.asinh,
    lambda out, x: 1.0 / hypot(1.0, x),
    lowering="asinh",
    example="asinh(0.0) -> 0.0",
)
acosh = _row(
    "acosh(x)",
    "Inverse hyperbolic cosine; nan below 1.",
    ieee.ieee(math.acosh, np.arccosh),
    lambda out, x: 1.0 / (sqrt(x - 1.0) * sqrt(x + 1.0)),
    lowering="acosh",
    example="acosh(1.0) -> 0.0",
)
atanh = _row(
    "atanh(x)",
    "Inverse hyperbolic tangent; inf at 1, nan beyond.",
    ieee.ieee(math.atanh, np.arctanh),
    lambda out, x: 1.0 / ((1.0 - x) * (1.0 + x)),
    lowering="atanh",
    example="atanh(0.0) -> 0.0",
)
degrees = _row(
    "degrees(x)",
    "Angle x from radians to degrees.",
    math.degrees,
    lambda out, x: 180.0 / math.pi,
    lowering=lambda x: x * (180.0 / math.pi),
    example="degrees(0.0) -> 0.0",
)
radians = _row(
    "radians(x)",
    "Angle x from degrees to radians.",
    math.radians,
    lambda out, x: math.pi / 180.0,
    lowering=lambda x: x * (math.pi / 180.0),
    example="radians(180.0) -> 3.141592653589793",
)


def _radius(y: Any, x: Any) -> Any:
    """Give the distance from the origin, but 1 at the origin itself."""
    r = hypot(x, y)
    return r + _is_zero(r)


# Error function and the activations of the lecture notes that are built on the above.

erf = _row(
    "erf(x)",
    "Error function.",
    math.erf,
    lambda out, x: 2.0 / math.sqrt(math.pi) * exp(-x * x),
    lowering="erf",
    example="erf(0.0) -> 0.0",
)
erfc = _row(
    "erfc(x)",
    "Complementary error function, 1 - erf(x), exact also for large x.",
    math.erfc,
    lambda out, x: -2.0 / math.sqrt(math.pi) * exp(-x * x),
    lowering="erfc",
    example="erfc(0.0) -> 1.0",
)
sigmoid = _row(
    "sigmoid(x)",
    "Logistic function, 1 / (1 + e**-x) (S0, section 1).",
    ieee.sigmoid,
    lambda out, x: out * sigmoid(-x),  # = out * (1 - out)
    lowering=lambda x: _sigmoid(x, exp(-abs(x))),
    example="sigmoid(0.0) -> 0.5",
)
softplus = _row(
    "softplus(x)",
    "Smooth ReLU, log(1 + e**x) (S0, equation 4).",
    ieee.softplus,
    lambda out, x: sigmoid(x),
    lowering=lambda x: where(x > 0.0, x, 0.0) + log1p(exp(-abs(x))),
    example="softplus(0.0) -> 0.6931471805599453",
)
silu = _row(
    "silu(x)",
    "Sigmoid linear unit or swish, x * sigmoid(x) (Elfwing et al. 2018).",
    lambda x: x * ieee.sigmoid(x),
    lambda out, x: sigmoid(x) * (1.0 + x * sigmoid(-x)),
    lowering=lambda x: x * sigmoid(x),
    example="silu(0.0) -> 0.0",
)
gelu = _row(
    "gelu(x)",
    "Gaussian error linear unit, x * P(N(0, 1) <= x), by erf (Hendrycks and Gimpel 2016).",
    ieee.gelu,
    lambda out, x: 0.5 * erfc(x * -math.sqrt(0.5)) + x * exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi),
    lowering=lambda x: x * 0.5 * erfc(-x * math.sqrt(0.5)),
    example="gelu(0.0) -> 0.0",
)
leaky_relu = _row(
    "leaky_relu(x, slope=0.01)",
    "ReLU with a slope for negative x, also the derivative at 0 (S0, equation 3; S3 has slope 0.1).",
    lambda x, slope: x if x > 0.0 else slope * x,
    lambda out, x, slope: where(x > 0.0, 1.0, slope),
    lambda out, x, slope: minimum(x, 0.0),
    lowering=lambda x, slope: where(x > 0.0, x, slope * x),
    example="leaky_relu(-2.0) -> -0.02",
)
elu = _row(
    "elu(x, a=1.0)",
    "Exponential linear unit: x, or a (e**x - 1) for negative x; elu'(0) = 1 (S0, equation 5).",
    lambda x, a: x if x >= 0.0 else a * math.expm1(x),
    lambda out, x, a: where(x < 0.0, a * exp(minimum(x, 0.0)), 1.0),
    lambda out, x, a: expm1(minimum(x, 0.0)),
    lowering=lambda x, a: where(x >= 0.0, x, a * expm1(x)),
    example="elu(0.5) -> 0.5",
)
identity = _row(
    "identity(x)",
    "x itself, as a node of its own: the activation of a linear unit.",
    lambda x: x,
    lambda out, x: 1.0,
    example="identity(2.0) -> 2.0",
)

# Pieces: the gradient is shared half and half on a tie; clip's boundaries belong to x, as in PyTorch.

abs = _row(
    "abs(x)",
    "Absolute value; abs'(0) = 0.",
    math.fabs,
    lambda out, x: (x > 0.0) - (x < 0.0),
    lowering="llvm.fabs",
    example="abs(-2.0) -> 2.0",
)
maximum = _row(
    "maximum(x, y)",
    "The larger of two; on a tie each gets half of the gradient.",
    ieee.maximum,
    lambda out, x, y: 1.0 - (x < y) - 0.5 * (x <= y) * (x >= y),
    lambda out, x, y: 1.0 - (y < x) - 0.5 * (x <= y) * (x >= y),
    symbol="max",
    lowering=lambda x, y: where(x <= x, where(x > y, x, y), x),
    example="maximum(1.0, 2.0) -> 2.0",
)
minimum = _row(
    "minimum(x, y)",
    "The smaller of two; on a tie each gets half of the gradient.",
    ieee.minimum,
    lambda out, x, y: 1.0 - (x > y) - 0.5 * (x <= y) * (x >= y),
    lambda out, x, y: 1.0 - (y > x) - 0.5 * (x <= y) * (x >= y),
    symbol="min",
    lowering=lambda x, y: where(x <= x, where(x < y, x, y), x),
    example="minimum(1.0, 2.0) -> 1.0",
)
clip = _row(
    "clip(x, low, high)",
    "x kept between low and high; high wins where they cross.",
    lambda x, low, high: ieee.minimum(ieee.maximum(x, low), high),
    lambda out, x, low, high: (x >= low) * (x <= high) * 1.0,
    lambda out, x, low, high: (x < low) * (low < high) * 1.0,
    lambda out, x, low, high: 1.0 - (1.0 - (x > high)) * (1.0 - (high < low)),
    lowering=lambda x, low, high: minimum(maximum(x, low), high),
    example="clip(5.0, 0.0, 1.0) -> 1.0",
)
where = _row(
    "where(condition, x, y)",
    "x where the condition is true or a number other than 0, else y; only the chosen one gets gradient.",
    lambda condition, x, y: x if condition else y,
    lambda out, condition, x, y: 0.0,
    lambda out, condition, x, y: 1.0 - _is_zero(condition),
    lambda out, condition, x, y: 1.0 * _is_zero(condition),
    lowering="select",
    example="where(True, 1.0, 2.0) -> 1.0",
)
copysign = _row(
    "copysign(x, y)",
    "|x| with the sign of y.",
    math.copysign,
    lambda out, x, y: sign(x) * copysign(1.0, y),
    lambda out, x, y: 0.0,
    lowering="llvm.copysign",
    example="copysign(2.0, -0.0) -> -2.0",
)

# Piecewise constant, and remainders: gradients as PyTorch's.

floor = _row(
    "floor(x)",
    "Largest integer not above x, as a float.",
    ieee.integral(math.floor),
    lambda out, x: 0.0,
    lowering="llvm.floor",
    example="floor(-1.5) -> -2.0",
)
ceil = _row(
    "ceil(x)",
    "Smallest integer not below x, as a float.",
    ieee.integral(math.ceil),
    lambda out, x: 0.0,
    lowering="llvm.ceil",
    example="ceil(-1.5) -> -1.0",
)
trunc = _row(
    "trunc(x)",
    "x without its fraction, as a float.",
    ieee.integral(math.trunc),
    lambda out, x: 0.0,
    lowering="llvm.trunc",
    example="trunc(-1.5) -> -1.0",
)
sign = _row(
    "sign(x)",
    "-1, 0 or 1.",
    lambda x: float((x > 0.0) - (x < 0.0)) if x == x else x,
    lambda out, x: 0.0,
    lowering=lambda x: where(x <= x, (x > 0.0) - (x < 0.0), x),
    example="sign(-3.0) -> -1.0",
)
fmod = _row(
    "fmod(x, y)",
    "Remainder of x / y with the sign of x.",
    ieee.ieee(math.fmod, np.fmod),
    lambda out, x, y: 1.0,
    lambda out, x, y: -trunc(x / y),
    lowering="fmod",
    example="fmod(-5.0, 3.0) -> -2.0",
)
remainder = _row(
    "remainder(x, y)",
    "IEEE 754 remainder: x minus the multiple of y that is nearest.",
    ieee.ieee(math.remainder, ieee.nan),
    lambda out, x, y: 1.0,
    lambda out, x, y: -floor((x - out) / y + 0.5),  # a whole number, and so of derivative 0
    lowering="remainder",
    example="remainder(5.0, 3.0) -> -1.0",
)
mod = _row(
    "mod(x, y)",
    "Remainder of x / y with the sign of y, Python's x % y.",
    ieee.floor_mod,
    lambda out, x, y: 1.0,
    lambda out, x, y: -floor_divide(x, y),
    symbol="%",
    lowering=lambda x, y: _mod(x, y),
    example="mod(-5.0, 3.0) -> 1.0",
)
floor_divide = _row(
    "floor_divide(x, y)",
    "x / y rounded down, Python's x // y.",
    ieee.floor_divide,
    lambda out, x, y: 0.0,
    lambda out, x, y: 0.0,
    symbol="//",
    lowering=lambda x, y: _floor_divide(x, y),
    example="floor_divide(-5.0, 3.0) -> -2.0",
)

# Comparisons as numbers, 1.0 for true: conditions for `where` that keep no secret from a graph.

less = _row(
    "less(x, y)",
    "1.0 where x < y, else 0.0.",
    lambda x, y: float(x < y),
    lambda out, x, y: 0.0,
    lambda out, x, y: 0.0,
    symbol="<",
    lowering=lambda x, y: x < y,
    example="less(1.0, 2.0) -> 1.0",
)
less_equal = _row(
    "less_equal(x, y)",
    "1.0 where x <= y, else 0.0.",
    lambda x, y: float(x <= y),
    lambda out, x, y: 0.0,
    lambda out, x, y: 0.0,
    symbol="<=",
    lowering=lambda x, y: x <= y,
    example="less_equal(1.0, 1.0) -> 1.0",
)
greater = _row(
    "greater(x, y)",
    "1.0 where x > y, else 0.0.",
    lambda x, y: float(x > y),
    lambda out, x, y: 0.0,
    lambda out, x, y: 0.0,
    symbol=">",
    lowering=lambda x, y: x > y,
    example="greater(1.0, 2.0) -> 0.0",
)
greater_equal = _row(
    "greater_equal(x, y)",
    "1.0 where x >= y, else 0.0.",
    lambda x, y: float(x >= y),
    lambda out, x, y: 0.0,
    lambda out, x, y: 0.0,
    symbol=">=",
    lowering=lambda x, y: x >= y,
    example="greater_equal(1.0, 1.0) -> 1.0",
)

# Sums over any number of operands, each a single node. functions.py gives them their usual signatures.

sum_ = _row(
    "sum_(*terms)",
    "Sum of all operands, left to right.",
    ieee.sum_left_to_right,
    lambda out, *terms: [1.0] * len(terms),
    symbol="Σ",
    example="sum_(1.0, 2.0, 3.0) -> 6.0",
)
fsum_ = _row(
    "fsum_(*terms)",
    "Sum of all operands, exactly rounded.",
    ieee.fsum,
    lambda out, *terms: [1.0] * len(terms),
    symbol="fsum",
    lowering="fsum",
    example="fsum_(1e100, 1.0, -1e100) -> 1.0",
)
dot_ = _row(
    "dot_(*operands)",
    "w1*x1 + ... + wn*xn + bias, from the operands w1 ... wn, x1 ... xn, bias.",
    ieee.dot,
    lambda out, *operands: [*operands[len(operands) // 2 : -1], *operands[: len(operands) // 2], 1.0],
    symbol="Σ",
    example="dot_(1.0, 2.0, 3.0, 4.0, 0.5) -> 11.5",
)
dist_ = _row(
    "dist_(*operands)",
    "Distance of the points p and q, from the operands p1 ... pn, q1 ... qn; its gradient at p = q is 0.",
    lambda *operands: math.dist(operands[: len(operands) // 2], operands[len(operands) // 2 :]),
    lambda out, *operands: _dist_partials(out, operands),
    symbol="dist",
    lowering=lambda *operands: _length([*map(sub, operands[: len(operands) // 2], operands[len(operands) // 2 :])]),
    example="dist_(1.0, 1.0, 4.0, 5.0) -> 5.0",
)
logsumexp_ = _row(
    "logsumexp_(*terms)",
    "log(e**x1 + ... + e**xn), without overflow.",
    ieee.logsumexp,
    lambda out, *terms: [exp(term - out) for term in terms],
    symbol="logsumexp",
    lowering=lambda *terms: _logsumexp(terms),
    example="logsumexp_(1000.0, -1000.0) -> 1000.0",
)


def _dist_partials(out: Any, operands: Sequence[Any]) -> list[Any]:
    half = len(operands) // 2
    toward_p = [(p - q) / (out + _is_zero(out)) for p, q in zip(operands[:half], operands[half:])]
    return [*toward_p, *(-partial for partial in toward_p)]


# Lowerings that take more than a line.


def _length(coordinates: Sequence[Any]) -> Any:
    """Give sqrt(x*x + y*y + ...), the squares kept in range by a power of two; inf beats nan, as in math.hypot."""
    sizes = [abs(x) for x in coordinates]
    largest = 0.0
    for size in sizes:
        largest = where(size > largest, size, largest)
    down = where(largest > 1e150, 2.0**-600, where(largest < 1e-140, 2.0**600, 1.0))
    up = where(largest > 1e150, 2.0**600, where(largest < 1e-140, 2.0**-600, 1.0))
    squares = [(down * size) * (down * size) for size in sizes]
    return where(largest >= math.inf, math.inf, up * sqrt(_sum_pairwise(squares)))


def _sigmoid(x: Any, e: Any) -> Any:
    """Give 1 / (1 + e^-x), from x and e = e^-|x|, which never overflows."""
    return where(x >= 0.0, 1.0, e) / (1.0 + e)


def _sum_pairwise(terms: Sequence[Any]) -> Any:
    """Sum with an error that grows with the logarithm of the number of terms."""
    while len(terms) > 1:
        terms = [*map(add, terms[::2], terms[1::2]), *terms[len(terms) // 2 * 2 :]]
    return terms[0]


def _logsumexp(terms: Sequence[Any]) -> Any:
    largest = terms[0]
    for term in terms[1:]:
        largest = where(term > largest, term, largest)
    shift = where(abs(largest) < math.inf, largest, 0.0)
    return shift + log(_sum_pairwise([exp(term - shift) for term in terms]))


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
