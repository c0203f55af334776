"""Programs: how they are printed and checked, and that each backend computes the same of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from agreement import bits
from graphs import graph_of
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_mini.compiler.arguments import Block
from autograd_mini.compiler.pipeline import compile_graph
from autograd_mini.compiler.program import Body, ExactSum, Expression, Fold, Load, Outer, Program, Run, check
from autograd_mini.engine.operations import TABLE
from autograd_mini.transforms.trees import NUMBER, Structure


def table(*rows: Any) -> Any:
    return np.array(rows, dtype=np.int32)


LOAD = Run(Load(), {"result": table(0, 1), "array": table(0, 0), "place": table(0, 1)})
BODY = Body(((None, ()), (None, ()), (TABLE["sin"], (1,)), (TABLE["mul"], (0, 2))), (3,))
PRODUCT = Expression(BODY, "us")
EXPRESSION = Run(PRODUCT, {"results": table([2], [3]), "operands": table([0, 1], [1, 2])})
EXACT = Run(ExactSum("s"), {"result": table(4), "terms": table([0, 1, 3, 3])})
FOLD = Run(Fold(), {"total": table(0), "operand": table(4)})
OUTER = Run(Outer(), {"left": table(2), "right": table(0, 1), "total": table([1, 2])})
PROGRAM = Program(1, {1: 0.25}, {"u": 2, "s": 5, "total": 3}, [], [LOAD, EXPRESSION, EXACT, FOLD, OUTER], table())


def test_a_program_reads_like_a_listing() -> None:
    check(PROGRAM)
    assert str(PROGRAM).splitlines() == [
        "u0 = arguments",
        "u1 = 0.25",
        "for each example, in 5 slots:",
        "load",
        "    s0 = array0[0]",
        "    s1 = array0[1]",
        "expression",
        "    s2 = mul(u0, sin(s1))",
        "    s3 = mul(u1, sin(s2))",
        "exactsum",
        "    s4 = fsum s0 s1 s3 s3",
        "fold",
        "    total0 += s4",
        "outer",
        "    total1 total2 += s2 x s0 s1",
    ]


@pytest.mark.parametrize(
    ("each", "told"),
    [
        ([EXPRESSION], r"each\[0\], Expression: s1 is read before it is written"),
        ([LOAD, Run(PRODUCT, {"results": table([2]), "operands": table([0, 2])})], "s2 is read before"),
        ([LOAD, Run(PRODUCT, {"results": table([5]), "operands": table([0, 1])})], "there is no s5: there are 5"),
        ([LOAD, Run(ExactSum("s"), {"result": table(2), "terms": table([0, 3])})], "s3 is read before"),
        ([LOAD, Run(PRODUCT, {"results": table([2]), "operands": table([2, 1])})], "there is no u2: there are 2"),
        ([LOAD, Run(PRODUCT, {"results": table([2]), "operands": table([0])})], r"'operands' has the shape \(1, 1\)"),
        ([LOAD, Run(PRODUCT, {"results": table([2], [3]), "operands": table([0, 1])})], "'operands' has the shape"),
        ([LOAD, Run(PRODUCT, {"results": table([2])})], "the columns are results, not results, operands"),
        ([LOAD, Run(Fold(), {"total": table(3), "operand": table(0)})], "there is no total3"),
    ],
)
def test_what_is_wrong_with_a_program_is_said(each: list[Run], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check(replace(PROGRAM, each=each))


def test_results_must_be_written() -> None:
    with pytest.raises(ValueError, match="u2 is a result, and never written"):
        check(replace(PROGRAM, each=[], sizes={"u": 3, "s": 0, "total": 0}, results=table(0, 2)))


# Backends.

OPERATIONS = "add sub mul div neg relu tanh exp sqrt maximum where less abs mod".split()
OPERATIONS += "sum dot fsum pow sin floor erf log1p".split()
NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 3.0, -2.5, 1e-200, 1e200, math.inf, math.nan]) | st.floats(-3, 3)


@st.composite
def graphs(draw: st.DrawFn) -> Any:
    """Draw a graph of six arguments, and what is mapped."""
    nodes: list[Any] = [draw(NUMBERS), 0.0]
    for _ in range(draw(st.integers(1, 40))):
        name = draw(st.sampled_from(OPERATIONS))
        arity = len(TABLE[name].parameters) or draw(st.integers(2, 5)) * 2 + 1
        operand = st.integers(max(0, len(nodes) + 6 - draw(st.sampled_from([5, 40]))), len(nodes) + 5)
        nodes.append((name, *[draw(operand) for _ in range(arity)]))
    results = draw(st.lists(st.integers(0, len(nodes) + 5), min_size=1, max_size=6))
    return graph_of(6, *nodes, results=results), draw(st.sampled_from([0, 2, 6]))


@settings(max_examples=25, deadline=None)
@given(graphs(), st.sampled_from([None, "sum", "mean"]), st.randoms(use_true_random=False))
def test_native_code_computes_what_numpy_computes(drawn: Any, reduce: Any, random: Any) -> None:
    pytest.importorskip("llvmlite", reason="native code needs the extra jit: llvmlite")
    graph, mapped = drawn
    blocks = [Block((mapped,), True)] * (mapped > 0) + [Block((), False)] * (6 - mapped)
    structure = Structure(list, (), (NUMBER,) * len(graph.results))
    kernels = [
        compile_graph(graph, [], blocks, reduce if mapped else None, structure, backend=name)
        for name in ("llvm", "numpy")
    ]
    check(kernels[0].program)
    for batch in (0, 1, 7, 19):
        rows = np.array([[random.uniform(-2.0, 2.0) for _ in range(6)] for _ in range(batch)]).reshape(batch, 6)
        leaves = [rows[:, :mapped]] * (mapped > 0) + [0.5, -1.5, 0.0, 2.0, -0.25, 1.0][: 6 - mapped]
        native, interpreted = (np.array(kernel(leaves, kernel.cut(batch), 1)) for kernel in kernels)
        np.testing.assert_array_equal(np.isnan(native), np.isnan(interpreted))
        np.testing.assert_allclose(native, interpreted, rtol=1e-12, atol=1e-12 if reduce else 0.0)


def test_both_add_up_examples_in_one_order() -> None:
    pytest.importorskip("llvmlite", reason="native code needs the extra jit: llvmlite")
    rows = np.random.default_rng(0).normal(size=(1000, 2)) * 10.0 ** np.arange(-8, 8).repeat(125)[:1000, None][::-1]
    graph = graph_of(2, ("mul", 0, 1), results=[2, 0])
    structure = Structure(list, (), (NUMBER, NUMBER))
    blocks = [Block((2,), True)]
    kernels = [compile_graph(graph, [], blocks, "sum", structure, backend=name) for name in ("llvm", "numpy")]
    if kernels[0].code.step == kernels[1].code.step:
        first, second = (kernel([rows], kernel.cut(1000), 1) for kernel in kernels)
        assert bits(first) == bits(second)
