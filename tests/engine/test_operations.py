"""Every operation of the table, every argument, first and second order, against independent references."""

from __future__ import annotations

import doctest
import math
import pickle
from collections.abc import Sequence
from operator import attrgetter
from random import Random
from typing import Any

import numpy as np
import pytest
from agreement import same
from mpmath import mp
from references import REFERENCES, Deviation, Reference

import autograd_mini
from autograd_mini import Value, grad, jit, operation
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import TABLE

SAMPLES = 12
VALUE_TOLERANCE = 1e-13
DERIVATIVE_TOLERANCE = 1e-13
GRAPH_TOLERANCE = 1e-12
PYTORCH_TOLERANCE = 1e-12
# Below this a float64 has lost digits, or has none left, and relative errors say nothing.
UNDERFLOW = 1e-290

inf, nan = math.inf, math.nan
named = attrgetter("name")
every_operation = pytest.mark.parametrize("op", TABLE.values(), ids=TABLE.keys())
# detach is the one operation whose derivative is not that of its function.
every_derivative = pytest.mark.parametrize("op", [op for op in TABLE.values() if op.name != "detach"], ids=named)
operations_of_pytorch = pytest.mark.parametrize("op", [TABLE[n] for n, r in REFERENCES.items() if r.torch], ids=named)
operations_of_jax = pytest.mark.parametrize("op", [TABLE[n] for n, r in REFERENCES.items() if r.jax], ids=named)


def reference_of(op: Operation) -> Reference:
    if op.name not in REFERENCES:
        pytest.fail(f"add a reference for {op.name} to tests/helpers/references.py")
    return REFERENCES[op.name]


def samples_of(op: Operation) -> list[tuple[float, ...]]:
    rng = Random(op.name)
    return [reference_of(op).sample(rng) for _ in range(SAMPLES)]


def apply(op: Operation, operands: Sequence[float]) -> tuple[Value, list[Value]]:
    leaves = [Value(x) for x in operands]
    return op.apply(leaves), leaves


def gradients_of(derivative: Any, leaves: list[Value]) -> list[float]:
    """Differentiate once more."""
    for leaf in leaves:
        leaf.grad = 0.0
    if isinstance(derivative, Value):
        derivative.backward()
    return [leaf.grad for leaf in leaves]


def number(derivative: Any) -> float:
    return derivative.data if isinstance(derivative, Value) else float(derivative)


def exact_derivative(reference: Reference, operands: Sequence[float], order: tuple[int, ...]) -> Any:
    """Differentiate with mpmath, `order[i]` times by operand i.

    Each operand is varied in proportion to its own size, since one step can't suit 1e-60 and 1e60.
    """
    smallest = min((abs(x) for x in operands if x), default=1.0)
    scales = [mp.mpf(abs(x) or smallest) for x in operands]
    xs = [mp.mpf(x) for x in operands]

    def scaled(*steps: Any) -> Any:
        return reference.mpmath(*(x + scale * step for x, scale, step in zip(xs, scales, steps, strict=True)))

    origin = tuple(mp.zero for _ in xs)
    size = abs(scaled(*origin))
    result = mp.diff(scaled, origin, order) if len(xs) > 1 else mp.diff(scaled, mp.zero, order[0])
    if abs(result) < size * mp.mpf(10) ** (50 - reference.digits):
        return mp.zero  # the rounding of mpmath itself
    for scale, times in zip(scales, order, strict=True):
        result /= scale**times
    return result


def order_of(n: int, *indices: int) -> tuple[int, ...]:
    return tuple(indices.count(i) for i in range(n))


def assert_close(actual: float, exact: Any, tolerance: float, floor: float, what: str) -> None:
    error = abs(mp.mpf(actual) - exact)
    assert error <= tolerance * abs(exact) + max(floor, UNDERFLOW), (
        f"{what} is {actual!r}, mpmath has {mp.nstr(exact, 17)}"
    )


# The systematic tests.


@every_derivative
def test_values_and_derivatives_agree_with_mpmath(op: Operation) -> None:
    reference = reference_of(op)
    with mp.workdps(reference.digits):
        for xs in samples_of(op):
            n = len(xs)
            out, leaves = apply(op, xs)
            call = f"{op.name}{xs}"
            assert_close(out.data, reference.mpmath(*map(mp.mpf, xs)), VALUE_TOLERANCE, 0.0, call)
            floor = 1e-15 if any(abs(xs[0] - place) < 0.5 for place in reference.sign_changes) else 0.0
            for i, derivative in enumerate(op.local_derivatives(out, leaves)):
                exact = exact_derivative(reference, xs, order_of(n, i))
                what = f"derivative {i} of {call}"
                assert_close(out.local_derivatives[i], exact, DERIVATIVE_TOLERANCE, floor, what)
                for j, second in enumerate(gradients_of(derivative, leaves)):
                    exact = exact_derivative(reference, xs, order_of(n, i, j))
                    assert_close(second, exact, DERIVATIVE_TOLERANCE, floor, f"derivative {j} of {what}")


@every_operation
def test_stored_local_derivatives_equal_those_of_the_graph(op: Operation) -> None:
    for xs in [*samples_of(op), *reference_of(op).edges]:
        out, leaves = apply(op, xs)
        graph = [number(derivative) for derivative in op.local_derivatives(out, leaves)]
        stored = list(out.local_derivatives)
        assert len(stored) == len(graph) == len(xs)
        assert all(same(a, b, GRAPH_TOLERANCE) for a, b in zip(stored, graph, strict=True)), (xs, stored, graph)


@every_operation
def test_numbers_in_give_the_same_number_out(op: Operation) -> None:
    for xs in reference_of(op).edges:
        result = op.apply(xs)
        assert type(result) is float
        assert same(result, op.apply([*map(Value, xs)]).data, 0.0), xs


@operations_of_pytorch
def test_values_and_gradients_agree_with_pytorch_at_the_edges(op: Operation) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    reference = reference_of(op)
    assert reference.torch is not None
    columns = [torch.tensor(column, dtype=torch.float64, requires_grad=True) for column in zip(*reference.edges)]
    out = reference.torch(*columns)
    if out.requires_grad:
        gradients = torch.autograd.grad(out.sum(), columns, allow_unused=True)
    else:  # PyTorch does not differentiate comparisons
        gradients = [None] * len(columns)
    rows = [[0.0] * len(out) if g is None else g.tolist() for g in gradients]
    assert_agrees_at_the_edges(op, reference, list(zip(out.tolist(), *rows, strict=True)))


@operations_of_jax
def test_values_and_gradients_agree_with_jax_at_the_edges(op: Operation) -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    jax.config.update("jax_enable_x64", True)
    reference = reference_of(op)
    function = reference.jax
    assert function is not None
    columns = [jax.numpy.array(column) for column in zip(*reference.edges)]
    rows = jax.grad(lambda *xs: function(*xs).sum(), argnums=tuple(range(len(columns))))(*columns)
    assert_agrees_at_the_edges(
        op, reference, list(zip(function(*columns).tolist(), *(row.tolist() for row in rows), strict=True))
    )


def assert_agrees_at_the_edges(op: Operation, reference: Reference, peers: Sequence[Sequence[float]]) -> None:
    """Compare value and partial derivatives at each edge, and each deviation with the truth it claims."""
    needed = set()
    for xs, peer in zip(reference.edges, peers, strict=True):
        out, _ = apply(op, xs)
        ours = [out.data, *out.local_derivatives]
        expected = list(peer)
        for deviation in reference.deviations:
            if deviation.where(*xs):
                expected = truth_of(reference, deviation, xs, peer)
                if not agree(expected, peer):
                    needed.add(deviation.reason)
        assert agree(ours, expected), f"{op.name}{xs}: value and derivatives are {ours}, but should be {expected}"
    unneeded = {deviation.reason for deviation in reference.deviations if deviation.always} - needed
    assert not unneeded, "a deviation that deviates nowhere"


def truth_of(reference: Reference, deviation: Deviation, xs: Sequence[float], peer: Sequence[float]) -> list[float]:
    if deviation.truth is not None:
        return [theirs if truth is None else truth for truth, theirs in zip(deviation.truth(*xs), peer, strict=True)]
    n = len(xs)
    with mp.workdps(reference.digits):
        value = float(reference.mpmath(*map(mp.mpf, xs)))
        return [value, *(float(exact_derivative(reference, xs, order_of(n, i))) for i in range(n))]


def agree(some: Sequence[float], others: Sequence[float]) -> bool:
    return all(same(a, b, PYTORCH_TOLERANCE) for a, b in zip(some, others, strict=True))


# What DESIGN's kinks and edges are, in figures, also where PyTorch is not installed.


@pytest.mark.parametrize(
    ("name", "operands", "value", "partials"),
    [
        ("relu", (0.0,), 0.0, (0.0,)),
        ("relu", (-0.0,), 0.0, (0.0,)),
        ("leaky_relu", (0.0, 0.1), 0.0, (0.1, 0.0)),
        ("elu", (0.0, 2.0), 0.0, (1.0, 0.0)),
        ("abs", (0.0,), 0.0, (0.0,)),
        ("maximum", (2.0, 2.0), 2.0, (0.5, 0.5)),
        ("minimum", (2.0, 2.0), 2.0, (0.5, 0.5)),
        ("maximum", (inf, inf), inf, (0.5, 0.5)),
        ("clip", (1.0, 1.0, 2.0), 1.0, (1.0, 0.0, 0.0)),
        ("clip", (2.0, 1.0, 2.0), 2.0, (1.0, 0.0, 0.0)),
        ("clip", (1.5, 2.0, 1.0), 1.0, (0.0, 0.0, 1.0)),
        ("where", (nan, 3.0, 4.0), 3.0, (0.0, 1.0, 0.0)),
        ("where", (-0.0, 3.0, 4.0), 4.0, (0.0, 0.0, 1.0)),
        ("div", (1.0, 0.0), inf, (inf, -inf)),
        ("div", (0.0, 0.0), nan, (inf, nan)),
        ("sqrt", (0.0,), 0.0, (inf,)),
        ("sqrt", (-1.0,), nan, (nan,)),
        ("log", (0.0,), -inf, (inf,)),
        ("log", (-1.0,), nan, (-1.0,)),
        ("pow", (0.0, 0.0), 1.0, (0.0, 0.0)),
        ("pow", (0.0, 2.0), 0.0, (0.0, 0.0)),
        ("pow", (0.0, 0.5), 0.0, (inf, 0.0)),
        ("pow", (0.0, -1.0), inf, (-inf, -inf)),
        ("pow", (-2.0, 3.0), -8.0, (12.0, nan)),
        ("pow", (-8.0, 1.0 / 3.0), nan, (nan, nan)),
        ("pow", (nan, 0.0), 1.0, (0.0, nan)),
        ("cbrt", (0.0,), 0.0, (inf,)),
        ("exp", (1000.0,), inf, (inf,)),
        ("tanh", (1e308,), 1.0, (0.0,)),
        ("sigmoid", (-1e308,), 0.0, (0.0,)),
        ("softplus", (1e308,), 1e308, (1.0,)),
        ("hypot", (1e300, 1e300), 1.4142135623730951e300, (0.7071067811865475, 0.7071067811865475)),
        ("hypot", (0.0, 0.0), 0.0, (nan, nan)),
        ("atan2", (0.0, 0.0), 0.0, (0.0, 0.0)),
        ("dist", (1.0, 1.0), 0.0, (0.0, 0.0)),
        ("floor", (-0.0,), -0.0, (0.0,)),
        ("floor", (inf,), inf, (0.0,)),
        ("remainder", (5.0, 2.0), 1.0, (1.0, -2.0)),
        ("remainder", (7.0, 2.0), -1.0, (1.0, -4.0)),
        ("remainder", (5.0, 0.0), nan, (1.0, nan)),
        ("remainder", (inf, 2.0), nan, (1.0, nan)),
        ("remainder", (5.0, inf), 5.0, (1.0, 0.0)),
        ("mod", (-5.0, 0.0), nan, (1.0, inf)),
        ("floor_divide", (-5.0, 0.0), -inf, (0.0, 0.0)),
        ("logsumexp", (-inf, 1.0, 1.0), 1.6931471805599454, (0.0, 0.5, 0.5)),
        ("logsumexp", (-inf, -inf), -inf, (0.0, 0.0)),
    ],
)
def test_kinks_and_edges(name: str, operands: tuple[float, ...], value: float, partials: tuple[float, ...]) -> None:
    out, _ = apply(TABLE[name], operands)
    assert same(out.data, value, 1e-15)
    assert math.copysign(1.0, out.data) == math.copysign(1.0, value) or math.isnan(value)
    assert agree(out.local_derivatives, partials), out.local_derivatives


@pytest.mark.parametrize(("exponent", "second"), [(0.0, 0.0), (1.0, 0.0), (2.0, 2.0), (3.0, 0.0), (4.0, 0.0)])
def test_second_derivative_of_a_power_at_zero(exponent: float, second: float) -> None:
    out, leaves = apply(TABLE["pow"], (0.0, exponent))
    slope = TABLE["pow"].local_derivatives(out, leaves)[0]
    assert gradients_of(slope, leaves)[0] == second


@pytest.mark.parametrize("x", [2.0, 0.25, 1e10])
def test_mixed_derivative_of_a_power_at_exponent_zero(x: float) -> None:
    out, leaves = apply(TABLE["pow"], (x, 0.0))
    by_x, by_y = TABLE["pow"].local_derivatives(out, leaves)
    # x**(y - 1) (1 + y log x) at y = 0
    assert gradients_of(by_x, leaves)[1] == pytest.approx(1.0 / x, rel=1e-15)
    assert gradients_of(by_y, leaves)[0] == pytest.approx(1.0 / x, rel=1e-15)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "relu", "leaky_relu", "elu", "silu", "gelu", "atan"])
@pytest.mark.parametrize("x", [-1e308, -1e4, -710.0, 710.0, 1e4, 1e308])
def test_activations_have_finite_derivatives_of_both_orders_for_huge_inputs(name: str, x: float) -> None:
    op = TABLE[name]
    operands = [Value(x)]
    out = op(*operands)
    leaves = list(out.operands)
    derivative = op.local_derivatives(out, leaves)[0]
    assert math.isfinite(out.data)
    assert math.isfinite(out.local_derivatives[0])
    assert math.isfinite(gradients_of(derivative, leaves)[0])


# Documentation.


@every_operation
def test_docstring_states_an_example_that_runs(op: Operation) -> None:
    test = doctest.DocTestParser().get_doctest(op.__doc__ or "", {}, op.name, None, None)
    assert len(test.examples) >= 2, "an import and a call"
    report: list[str] = []
    failures, _ = doctest.DocTestRunner().run(test, out=report.append)
    assert failures == 0, "".join(report)


@every_operation
def test_name_is_where_python_finds_it(op: Operation) -> None:
    assert TABLE[op.name] is op
    assert op.__name__ == op.name
    assert getattr(autograd_mini.engine.operations, op.name) is op
    assert pickle.loads(pickle.dumps(op)) is op


# The Operation itself.

cube = operation("cube(x)", lambda x: x * x * x, lambda out, x: 3.0 * x * x)
scaled_norm = operation(
    "scaled_norm(*xs)",
    lambda *xs: 2.0 * math.hypot(*xs),
    lambda out, *xs: [4.0 * x / out for x in xs],
)


def test_user_operation_is_differentiable_twice() -> None:
    x = Value(5.0)
    out = cube(x)
    (slope,) = cube.local_derivatives(out, [x])
    slope.backward()
    assert (out.data, out.local_derivatives, slope.data, x.grad) == (125.0, (75.0,), 75.0, 30.0)


def test_user_operation_of_any_number_of_operands() -> None:
    xs = [Value(2.0), Value(3.0), Value(6.0)]
    out = scaled_norm(*xs)
    assert out.data == 14.0
    assert out.operands == tuple(xs)
    assert out.local_derivatives == pytest.approx((4.0 / 7.0, 6.0 / 7.0, 12.0 / 7.0), rel=1e-15)


def test_user_operation_is_named_in_the_graph() -> None:
    twice = operation("twice(x)", lambda x: 2.0 * x, lambda out, x: 2.0, symbol="×2", doc="Twice x.")
    out = twice(Value(1.0))
    assert out.op is twice
    assert (twice.name, twice.symbol, twice.__doc__) == ("twice", "×2", "Twice x.")
    assert cube.symbol == "cube"
    assert "cube(x)" in (cube.__doc__ or "")


def test_user_operation_of_a_module_is_pickled_by_reference() -> None:
    assert pickle.loads(pickle.dumps(cube)) is cube
    copied = pickle.loads(pickle.dumps(cube(Value(2.0))))
    assert copied.op is cube


def test_exception_of_a_users_function_reaches_the_caller() -> None:
    def refuse(x: float) -> float:
        raise LookupError("no value there")

    x = Value(1.0)
    with pytest.raises(LookupError, match="no value there"):
        operation("refuse(x)", refuse, lambda out, x: 1.0)(x)
    assert (x.grad, x.operands) == (0.0, ())


def test_users_derivative_that_divides_by_zero_is_infinite() -> None:
    logarithm = operation("logarithm(x)", lambda x: math.log(x) if x else -inf, lambda out, x: 1.0 / x)
    assert logarithm(Value(0.0)).local_derivatives == (inf,)


def test_users_function_may_give_any_real_number() -> None:
    count = operation("count(x)", lambda x: round(x), lambda out, x: 0.0)
    assert type(count(2.6)) is float
    assert count(np.float32(2.6)) == count(Value(2.6)).data == 3.0


@pytest.mark.parametrize("operand", [1.0, Value(1.0)], ids=["number", "Value"])
def test_users_function_must_give_a_number(operand: Any) -> None:
    spell: Any = operation("spell(x)", lambda x: "one", lambda out, x: 0.0)  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match=r"the result of spell must be a real number, not 'one' \(str\)"):
        spell(operand)


def test_users_rule_must_give_a_derivative_for_each_operand() -> None:
    forgetful = operation("forgetful(*xs)", lambda *xs: xs[0], lambda out, *xs: [1.0])
    with pytest.raises(ValueError, match="the rule of forgetful gave 1 derivatives for 3 operands"):
        forgetful(Value(1.0), Value(2.0), Value(3.0))


@pytest.mark.parametrize(
    ("signature", "rules", "message"),
    [
        ("f(x, y)", 1, r"f\(x, y\) has 2 operands and needs a rule for each, but got 1"),
        ("f(x)", 0, "has 1 operands and needs a rule for each, but got 0"),
        ("f(*xs)", 2, "needs one rule, for the derivatives of all operands, but got 2"),
        ("f(*xs)", 0, "needs one rule, for the derivatives of all operands, but got 0"),
        ("f", 1, "signature reads like .* not 'f'"),
        ("f(x", 1, r"signature reads like .* not 'f\(x'"),
        ("f()", 0, "signature reads like"),
        ("f(x, x)", 2, "signature reads like"),
        ("f(x=1, y)", 2, "signature reads like"),
        ("f(x=a)", 1, "signature reads like"),
        ("f(x, *ys)", 2, "signature reads like"),
        ("2f(x)", 1, "signature reads like"),
        ("f(x)(y)", 1, "signature reads like"),
    ],
)
def test_bad_definition_is_refused(signature: Any, rules: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        operation(signature, lambda *xs: 0.0, *[lambda out, *xs: 0.0] * rules)


@every_operation
def test_lowering_that_is_a_function_computes_the_operation_on_numbers_too(op: Operation) -> None:
    if not callable(op.lowering):
        return
    for xs in [*samples_of(op), *reference_of(op).edges]:
        assert same(float(op.lowering(*xs)), op.function(*xs), VALUE_TOLERANCE), xs


@pytest.mark.parametrize(
    ("signature", "lowering", "message"),
    [
        *[(wrong, None, type(wrong).__name__) for wrong in (None, 3, b"f(x)")],
        *[("f(x)", wrong, r"lowering of f\(x\) must be a function or a name, not ") for wrong in (3, 1.0, ["exp"])],
    ],
)
def test_definition_by_things_of_the_wrong_type_is_refused(signature: Any, lowering: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        operation(signature, lambda x: x, lambda out, x: 1.0, lowering=lowering)


def test_operands_by_keyword_and_by_default() -> None:
    elu, leaky_relu, clip = TABLE["elu"], TABLE["leaky_relu"], TABLE["clip"]
    assert elu(-1.0) == elu(-1.0, 1.0) == elu(x=-1.0, a=1) == math.expm1(-1.0)
    assert elu(-1.0, a=2.0) == 2.0 * math.expm1(-1.0)
    assert leaky_relu(-2.0) == leaky_relu(-2.0, slope=0.01) == -0.02
    assert clip(high=1.0, low=0.0, x=5.0) == 1.0
    x: Any = Value(-2.0)
    slope = Value(0.5)
    for out in (leaky_relu(x, slope=slope), x.leaky_relu(slope=slope)):
        assert out.operands == (x, slope)
        assert out.local_derivatives == (0.5, -2.0)


ONE: Any = Value(1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TABLE["exp"](), r"exp\(x\): missing a required argument: 'x'"),
        (lambda: TABLE["exp"](1.0, 2.0), r"exp\(x\): too many positional arguments"),
        (lambda: TABLE["pow"](Value(1.0)), r"pow\(x, y\): missing a required argument: 'y'"),
        (lambda: TABLE["elu"](1.0, alpha=2.0), r"elu\(x, a=1\.0\): got an unexpected keyword argument 'alpha'"),
        (lambda: TABLE["sum"](1.0, 2.0, 3.0), r"sum\(terms, start=0\.0\): too many positional arguments"),
        (lambda: TABLE["dist"]([ONE]), r"dist\(p, q\): missing a required argument: 'q'"),
        (lambda: TABLE["fsum"]([ONE], start=0.0), r"fsum\(terms\): got an unexpected keyword argument 'start'"),
        (lambda: ONE.clip(0.0), r"clip\(x, low, high\): missing a required argument: 'high'"),
        (lambda: TABLE["exp"]("1"), r"exp takes Values and real numbers, not '1' \(str\)"),
        (lambda: TABLE["pow"](Value(1.0), None), r"pow takes Values and real numbers, not None \(NoneType\)"),
        (lambda: TABLE["maximum"](Value(1.0), 1j), r"maximum takes Values and real numbers, not 1j \(complex\)"),
        (
            lambda: TABLE["exp"]([0.0, 0.0]),
            r"exp takes Values and real numbers, not \[0\.0, 0\.0\] \(list\)",
        ),
        (lambda: TABLE["sum"]([Value(1.0), Value(2.0), "3"]), r"sum takes Values and real numbers, not '3' \(str\)"),
        (lambda: TABLE["hypot"](Value(1.0), [2.0]), r"hypot takes Values and real numbers, not \[2\.0\] \(list\)"),
    ],
)
def test_wrong_call_names_the_operation_and_what_was_wrong(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


def test_repr_shows_the_signature() -> None:
    assert repr(TABLE["leaky_relu"]) == "<operation leaky_relu(x, slope=0.01)>"
    assert repr(TABLE["hypot"]) == "<operation hypot(*coordinates)>"


@pytest.mark.parametrize(
    "terms", [(1e16, 1e16), (1e8, 1e8), (1e5, 1e5 - 1, 1e5 - 2), (-1e300, -1e300, -1e300), (3.0, -inf, 2.0)]
)
def test_derivatives_of_logsumexp_are_accurate_for_huge_terms(terms: tuple[float, ...]) -> None:
    leaves = [Value(x) for x in terms]
    out = TABLE["logsumexp"](leaves)
    with mp.workdps(60):
        shares = [mp.exp(mp.mpf(x) - max(terms)) for x in terms]
        exact = [float(share / mp.fsum(shares)) for share in shares]
    assert out.local_derivatives == pytest.approx(exact, rel=1e-15, abs=0.0)
    assert jit(grad(lambda *xs: TABLE["logsumexp"](xs), argnums=tuple(range(len(terms)))))(*terms) == pytest.approx(
        tuple(exact), rel=1e-12
    )
