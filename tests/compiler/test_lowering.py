"""Every operation of the table as machine code, on single doubles and on vectors, against the engine."""

from __future__ import annotations

import ctypes
import gc
import math
import platform
import re
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from agreement import identical
from references import rows_of

import autograd_mini
from autograd_mini import exp, grad, jit, operation, sigmoid, tanh, where
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import TABLE

pytest.importorskip("llvmlite", reason="compiling needs the extra jit: llvmlite")

from llvmlite import ir

from autograd_mini.compiler.backends import machine
from autograd_mini.compiler.backends.lanes import Lanes
from autograd_mini.compiler.backends.lowering import Number

SAMPLES = 40
TOLERANCE = 1e-14  # a hundred times better than the law; the worst is a few units in the last place
ROUNDED_ALIKE = {
    *"add sub mul div neg relu sqrt degrees radians leaky_relu identity abs maximum minimum clip where".split(),
    *"copysign floor ceil trunc sign fmod remainder mod floor_divide less less_equal greater greater_equal".split(),
    *"equal not_equal detach".split(),
    *"sum dot".split(),
}
NEARLY_ZERO = {"digamma": 1e-15, "polygamma": 1e-15}  # near their zeros these are sums of larger terms that cancel
WIDTHS = sorted({1, 2, 4, 8, machine.vector_width()})

inf, nan = math.inf, math.nan
CAN_FUSE = bool(machine._features().get("fma") or platform.machine() in ("arm64", "aarch64"))
# fsum is no expression, but a pattern of its own.
EXPRESSIONS = [op for op in TABLE.values() if op.lowering != "fsum"]
every_operation = pytest.mark.parametrize("op", EXPRESSIONS, ids=[op.name for op in EXPRESSIONS])
every_width = pytest.mark.parametrize("width", WIDTHS, ids=lambda width: f"width{width}")


def module_of(function: Callable[..., Any], arity: int, width: int, fuse: bool = False) -> ir.Module:
    """Write f(in, out), where `in` has a vector for each operand."""
    module = ir.Module("test")
    doubles = ir.DoubleType().as_pointer()
    f = ir.Function(module, ir.FunctionType(ir.VoidType(), [doubles, doubles]), "f")
    builder = ir.IRBuilder(f.append_basic_block())
    lanes = Lanes(builder, width, fuse)

    def place(pointer: ir.Value, index: int) -> ir.Value:
        element = builder.gep(pointer, [ir.IntType(64)(index * width)])
        return builder.bitcast(element, lanes.type.as_pointer())

    operands = [Number(lanes, builder.load(place(f.args[0], i), align=8)) for i in range(arity)]
    result = function.apply(operands) if isinstance(function, Operation) else function(*operands)
    assert isinstance(result, Number)
    builder.store(result.value, place(f.args[1], 0), align=8)
    builder.ret_void()
    return module


def compute(
    function: Callable[..., Any], rows: Sequence[Sequence[float]], width: int, fuse: bool = False
) -> list[float]:
    """Compute each row, as many at a time as there are lanes; what is missing in the end repeats the last row."""
    code = machine.Code(str(module_of(function, len(rows[0]), width, fuse)))
    f = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(code.address("f"))
    out = np.empty(width)
    results: list[float] = []
    for start in range(0, len(rows), width):
        some = list(rows[start : start + width])
        columns = np.ascontiguousarray(np.array(some + [some[-1]] * (width - len(some))).T)
        f(columns.ctypes.data, out.ctypes.data)
        results += out[: len(some)].tolist()
    return results


def assert_same(op: Operation, rows: Sequence[Sequence[float]], results: Sequence[float]) -> None:
    """Compare relatively, but inf, nan and signed zeros exactly, and all where each step is rounded alike."""
    tolerance = 0.0 if op.name in ROUNDED_ALIKE else TOLERANCE
    for row, result in zip(rows, results, strict=True):
        right = op.function(*row)
        smallest = NEARLY_ZERO.get(op.name, 5e-324 if tolerance else 0.0)
        is_close = math.isclose(result, right, rel_tol=tolerance, abs_tol=smallest)
        assert identical(result, right) or (right != 0.0 and is_close), (
            f"{op.name}{tuple(row)} is {result!r}, the engine has {right!r}"
        )


# The systematic test.


@every_width
@every_operation
def test_machine_code_agrees_with_the_engine(op: Operation, width: int) -> None:
    for rows in rows_of(op.name, SAMPLES):
        assert_same(op, rows, compute(op, rows, width))


@every_operation
def test_machine_code_without_vectorised_math_agrees_with_the_engine(
    op: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_vector_library", lambda: None)
    for rows in rows_of(op.name, SAMPLES):
        assert "_ZGV" not in str(module_of(op, len(rows[0]), 4))
        assert_same(op, rows, compute(op, rows, 4))


@every_width
@pytest.mark.parametrize("n", [1, 2, 3, 5, 40])
@pytest.mark.parametrize("name", ["hypot", "sum", "dot", "dist", "logsumexp"])
def test_any_number_of_operands(name: str, n: int, width: int) -> None:
    rng = Random(n)
    count = 2 * n + (name == "dot") if name in ("dot", "dist") else n
    size = 5.0 if name == "logsumexp" else 1e8
    rows = [[rng.uniform(-size, size) for _ in range(count)] for _ in range(9)]
    assert_same(TABLE[name], rows, compute(TABLE[name], rows, width))


HUGE = sys.float_info.max


@every_width
def test_lengths_stay_in_range(width: int) -> None:
    sizes = [0.0, 5e-324, 1e-310, 1e-300, 1e-160, 1e-140, 1.0, 1e140, 1e150, 1e160, 1e300, HUGE, inf, nan]
    rows = [(x, -y, z) for x in sizes for y in sizes for z in sizes[::3]]
    assert_same(TABLE["hypot"], rows, compute(TABLE["hypot"], rows, width))


# Numbers.


@every_width
def test_products_and_sums_are_rounded_each(width: int) -> None:
    x = 1.0 + 2.0**-27
    assert compute(lambda x, y, z: x * y + z, [(x, x, -1.0)], width) == [x * x - 1.0]
    assert compute(lambda x, y, z: z - x * y, [(x, x, 1.0)], width) == [1.0 - x * x]


def rounded_once(x: float, y: float, z: float) -> float:
    return float(Fraction(x) * Fraction(y) + Fraction(z))


@pytest.mark.skipif(not CAN_FUSE, reason="this processor has no fused multiply-add")
@every_width
def test_products_and_sums_are_rounded_once_where_they_may_fuse(width: int) -> None:
    rng = Random(0)
    rows = [(rng.uniform(-2.0, 2.0), rng.uniform(-2.0, 2.0), rng.uniform(-2.0, 2.0)) for _ in range(50)]
    fused, apart = (compute(lambda x, y, z: x * y + z, rows, width, fuse) for fuse in (True, False))
    assert fused == [rounded_once(*row) for row in rows]
    assert apart == [x * y + z for x, y, z in rows]
    assert fused != apart
    assert compute(lambda x, y, z: z - x * y, rows, width, fuse=True) == [rounded_once(-x, y, z) for x, y, z in rows]
    assert compute(lambda x, y, z: x * y - z, rows, width, fuse=True) == [rounded_once(x, y, -z) for x, y, z in rows]


def test_contract_is_the_only_flag_and_stands_where_products_may_fuse() -> None:
    def function(x: Any, y: Any) -> Any:
        return where(x < y, -x / y, x * y - y + abs(x))

    lines = str(module_of(function, 2, 4, fuse=True)).splitlines()
    flagged = [line.split("=")[1].split() for line in lines if " contract " in line]
    assert [words[:3] for words in flagged] == [[name, "contract", "<4"] for name in ("fmul", "fsub", "fadd")]
    assert "contract" not in str(module_of(function, 2, 4))


@every_width
def test_numbers_do_the_arithmetic_of_floats(width: int) -> None:
    def function(x: Any, y: Any) -> Any:
        forward = (x + y) * (x - y) / (x * y) + (x + 2) * (x - 2.0) / (x * np.float64(2.0)) + x**2 + x // 3 + x % 3
        backward = (1 + y) * (np.float64(1.0) - y) / (3.0 * (2 / y)) + 2.0**y + 7 // y + 7 % y
        return forward + backward + abs(-y) + +y

    rows = [(1.5, 2.5), (-3.25, 0.5), (10.0, -4.0)]
    assert compute(function, rows, width) == pytest.approx([function(*row) for row in rows], rel=1e-14)


@every_width
def test_comparisons_are_one_or_zero_and_false_for_nan(width: int) -> None:
    rows = [(x, y) for x in (-1.0, 0.0, -0.0, 1.0, inf, nan) for y in (-1.0, 0.0, 1.0, nan)]
    comparisons: list[Callable[[Any, Any], Any]] = [
        lambda x, y: x < y,
        lambda x, y: x <= y,
        lambda x, y: x > y,
        lambda x, y: x >= y,
        lambda x, y: x == y,
        lambda x, y: x != y,
        lambda x, y: 0.0 < y,
        lambda x, y: 1 >= x,
    ]
    for compare in comparisons:
        assert compute(compare, rows, width) == [float(compare(*row)) for row in rows]


def test_condition_of_where_is_not_turned_into_a_number() -> None:
    module = module_of(lambda x, y: autograd_mini.where(x > y, x, y), 2, 4)
    text = str(machine.optimise(str(module), machine.describe_processor()))
    assert len(re.findall(r"= select", text)) == 1
    assert "uitofp" not in text


@pytest.mark.parametrize(
    "ask",
    [
        lambda x: 1.0 if x > 0.0 else x,
        lambda x: x and 1.0,
        lambda x: max(x, 1.0),
        lambda x: math.exp(x),
        lambda x: float(x),
        lambda x: int(x),
        lambda x: sorted([x, 1.0]),
    ],
)
def test_number_of_compiled_code_is_not_known(ask: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"a number that compiled code computes has no .*where\(condition, a, b\)"):
        module_of(ask, 1, 1)


def test_number_does_not_mix_with_other_things() -> None:
    for wrong in ("1", None, 1j, [1.0]):
        with pytest.raises(TypeError, match="unsupported operand"):
            module_of(lambda x, wrong=wrong: x + wrong, 1, 1)
    with pytest.raises(TypeError, match=r"exp takes|pow takes Values and real numbers, not '1' \(str\)"):
        module_of(lambda x: TABLE["pow"](x, "1"), 1, 1)


@every_width
def test_splat_and_constant_fill_all_lanes(width: int) -> None:
    def function(x: Number) -> Any:
        double = ir.DoubleType()(0.25)
        return x * x.target.splat(double) + x.target.constant(-0.0)

    assert compute(function, [(float(i),) for i in range(8)], width) == [0.25 * i for i in range(8)]


@pytest.mark.parametrize("special", [0.0, -0.0, inf, -inf, nan, 5e-324, HUGE, 0.1])
@every_width
def test_constants_keep_every_bit(special: float, width: int) -> None:
    zero_first = compute(lambda x: autograd_mini.where(x > 0.0, x.target.constant(special), -special), [(1.0,)], width)
    assert identical(zero_first[0], special)


# Operations of users.

cube = operation("cube(x)", lambda x: x * x * x, lambda out, x: 3.0 * x * x)


@every_width
def test_user_operation_is_compiled_as_its_function_says(width: int) -> None:
    rows = [(-2.0,), (0.5,), (3.0,), (nan,), (1e200,)]
    assert compute(cube, rows, width) == pytest.approx([x * x * x for (x,) in rows], rel=0.0, nan_ok=True)


@every_width
def test_user_operation_is_compiled_as_its_lowering_says(width: int) -> None:
    softstep = operation(
        "softstep(x, a=2.0)",
        lambda x, a: math.exp(-a * x) if x > 0.0 else 1.0,
        lambda out, x, a: where(x > 0.0, -a * out, 0.0),
        lambda out, x, a: where(x > 0.0, -x * out, 0.0),
        lowering=lambda x, a: where(x > 0.0, exp(-a * x), 1.0),
    )
    rows = [(-2.0, 1.0), (0.5, 3.0), (0.0, 1.0), (nan, 1.0), (2.0, -1.0)]
    assert_same(softstep, rows, compute(softstep, rows, width))
    assert compute(lambda x: softstep(x), [(1.0,)], width) == pytest.approx([math.exp(-2.0)], rel=1e-15)


@every_width
def test_user_operation_may_name_a_function_of_the_c_library(width: int) -> None:
    gamma = operation("gamma(x)", math.gamma, lambda out, x: out, lowering="tgamma")
    assert compute(gamma, [(0.5,), (5.0,)], width) == pytest.approx([math.sqrt(math.pi), 24.0], rel=1e-14)


def test_user_operation_may_be_constant_or_ask_for_equality() -> None:
    assert compute(operation("seven(x)", lambda x: 7, lambda out, x: 0.0), [(1.0,)], 1) == [7.0]
    is_nan = operation("is_nan(x)", lambda x: 1.0 * (x != x), lambda out, x: 0.0)
    assert compute(is_nan, [(nan,), (1.0,)], 1) == [1.0, 0.0]


def _swallowing(x: Any) -> Any:
    try:
        return math.log(x)
    except Exception:
        return nan


@pytest.mark.parametrize(
    "function", [math.sin, lambda x: x if x > 0.0 else 0.0, _swallowing, lambda x: np.sin(x), lambda x: x.real]
)
def test_user_operation_that_has_no_lowering_says_what_to_do(function: Callable[[float], float]) -> None:
    with pytest.raises(TypeError, match=r"wave has no lowering, and its function can't be .*operation\(\.\.\., lower"):
        module_of(operation("wave(x)", function, lambda out, x: 1.0), 1, 1)


def test_lowering_that_fails_is_named() -> None:
    broken = operation("broken(x)", math.sin, lambda out, x: 1.0, lowering=lambda x: math.sin(x))
    with pytest.raises(TypeError, match="broken has a lowering that can't be compiled"):
        module_of(broken, 1, 1)
    odd: Any = operation("odd(x)", math.sin, lambda out, x: 1.0, lowering=lambda x: "x")
    with pytest.raises(TypeError, match=r"the result of odd must be a real number, not 'x' \(str\)"):
        module_of(odd, 1, 1)


@pytest.mark.parametrize("name", ["printf", "pow", "llvm.sqrt", "copysign", "where", ""])
def test_lowering_must_name_a_function_of_as_many_doubles(name: str) -> None:
    wrong = operation("wrong(x)", math.sin, lambda out, x: 1.0, lowering=name)
    with pytest.raises(
        TypeError,
        match=rf"lowering of wrong is '{name}', but .* knows these functions of as many operands \(1\): acos, ",
    ):
        module_of(wrong, 1, 1)


# The machine.


def test_vectors_are_as_wide_as_the_processors() -> None:
    assert machine.vector_width() in (2, 4, 8)
    module, processor = module_of(lambda x, y: x * y, 2, machine.vector_width()), machine.describe_processor()
    text = processor.emit_assembly(machine.optimise(str(module), processor))
    assert len(re.findall(r"mulpd|fmul", text)) == 1


@pytest.mark.skipif(machine._vector_library() is None, reason="no libmvec on this platform")
@pytest.mark.parametrize("width", [2, 4, 8])
def test_vectorised_math_is_used_where_the_platform_has_it(width: int) -> None:
    for name in ("tanh", "exp", "log", "pow"):
        text = str(module_of(TABLE[name], len(TABLE[name].parameters), width))
        assert "_ZGV" in text
        assert f'@"{name}"' not in text


@pytest.mark.parametrize("f", [lambda x: sigmoid(x) * sigmoid(-x), grad(tanh)], ids=["sigmoid", "tanh"])
def test_numbers_of_both_signs_share_an_exponential(f: Callable[[Any], Any]) -> None:
    compiled = jit(f)
    assert math.isclose(compiled(0.7), f(0.7), rel_tol=1e-15)
    assert compiled.lower(0.7).llvm_ir.count('call double @"exp"') == 1


def test_address_of_an_unknown_function_is_refused() -> None:
    code = machine.Code(str(module_of(cube, 1, 1)))
    with pytest.raises(ValueError, match="this code has no function 'g'"):
        code.address("g")


def test_wrong_text_is_refused() -> None:
    with pytest.raises(RuntimeError, match="parsing error"):
        machine.Code("define nothing")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_code_is_freed() -> None:
    text = str(module_of(lambda *xs: TABLE["dot"].apply(xs), 301, 4))

    def grown_by_compiling(times: int) -> int:
        gc.collect()
        before = int(Path("/proc/self/statm").read_text().split()[1])
        for _ in range(times):
            machine.Code(text)
        return int(Path("/proc/self/statm").read_text().split()[1]) - before

    grown_by_compiling(20)
    assert grown_by_compiling(40) < 40, "pages of 4 KiB; kept alive, each would take 30 or more"
