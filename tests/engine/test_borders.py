"""No sequence of Python calls crashes: what crosses into C is checked at the border."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import autograd_mini
from autograd_mini import Value, grad, hessian, operation
from autograd_mini.compiler.graph import Graph
from autograd_mini.compiler.trace import Traced, Tracer
from autograd_mini.engine.derivatives import gradient, pullback, pushforward
from autograd_mini.engine.fan import Fan, make_fan
from autograd_mini.engine.formula import formula_of
from autograd_mini.engine.node import Node, fan_of
from autograd_mini.engine.operations import TABLE
from autograd_mini.engine.value import evaluate, make_node, ordered

x = Value(2.0)

ATTACKS: dict[str, Callable[[], Any]] = {
    "a fan of a leaf": lambda: fan_of(x) if autograd_mini.COMPILED else fan_of(x).operands,
    "a fan of nothing": lambda: fan_of(None),  # type: ignore[arg-type]
    "a formula of fewer operands than none": lambda: formula_of(TABLE["add"], -7).compute,
    "a node without a number": lambda: Node(),
    "operands that are none": lambda: make_node(TABLE["add"], [None, None], 1.0, [1.0, 1.0]),
    "too few operands": lambda: make_node(TABLE["mul"], [x], 1.0, [1.0]),
    "too few derivatives": lambda: make_node(TABLE["mul"], [x, x], 1.0, [1.0]),
    "an order of nothing": lambda: ordered([None]),
    "an order of numbers": lambda: ordered([1.0]),
    "inputs that are none": lambda: gradient(x * x, [None]),  # type: ignore[list-item]
    "a root that is none": lambda: gradient(None, [x]),  # type: ignore[arg-type]
    "roots that are none": lambda: pullback([None], [1.0], [x]),
    "tangents of nothing": lambda: pushforward([None], [x], [1.0]),
    "no operation": lambda: evaluate(None, [1.0], [True]),  # type: ignore[arg-type]
    "a fan of no tuple": lambda: make_fan(None),  # type: ignore[arg-type]
    "a number of no trace": lambda: Traced() + 1,
    "the operation of a number of no trace": lambda: Traced().op,
    "a row that is not there": lambda: Tracer(1, False).number(99).op,
    "a result that is not there": lambda: _live(Graph(2), 99),
    "an operand that is not there": lambda: _live(Graph(2), 2, (99,)),
    "the state of a pickle": lambda: x.__setstate__((2.0, 0.0, None, 0.0, 0.0, 6, None, x)),  # type: ignore[attr-defined]
    "a method without operands": lambda: x._apply(TABLE["mul"], []),
    "a rule that gives too few": lambda: operation("f(*xs)", lambda *xs: 1.0, lambda out, *xs: [1.0])(x, x, x),
    "a rule that gives no float": lambda: operation("f(x)", lambda x: 1.0, lambda out, x: "1")(x),
}


def _live(graph: Graph, result: int, operands: tuple[int, ...] = ()) -> list[int]:
    if operands:
        graph.append(TABLE["exp"], operands)
    graph.results = [result]
    return graph.live()


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_an_error(attack: str) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError, IndexError)):
        ATTACKS[attack]()
    assert grad(lambda v: v * v)(3.0) == 6.0


def test_a_fan_made_by_hand_keeps_nothing() -> None:
    assert isinstance(Fan.__new__(Fan), Fan)


def test_a_node_that_is_initialised_again_is_a_clean_leaf() -> None:
    y = x * x
    y.backward()
    y.__init__(3.0)
    assert (y.data, y.grad, y.operands, y.op, y.is_leaf) == (3.0, 0.0, (), None, True)
    assert hessian(lambda v: v * y)(1.0) == 0.0


def test_an_exception_within_a_check_is_not_lost() -> None:
    class Strange:
        @property  # type: ignore[misc]
        def __class__(self) -> type:
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        Value(Strange())
