"""no_grad and detect_anomaly: what they do, and for whom."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import math
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from processes import run

from autograd_mini import Value, detect_anomaly, dot, exp, grad, log, no_grad, sqrt, tanh, where
from autograd_mini import sum as sum_of
from autograd_mini.engine.modes import OfThread


def test_no_grad_results_are_constants() -> None:
    x = Value(3.0)
    with no_grad():
        results = [x * x, -x, exp(x), x**2, dot([x], [x]), x.relu()]
    for result in results:
        assert (result.operands, result.op, result.requires_grad) == ((), None, False)
    with pytest.raises(RuntimeError, match="no_grad"):
        results[0].backward()
    assert (x * x).operands == (x, x)


def test_no_grad_ends_with_its_block_also_after_an_error_and_when_nested() -> None:
    x = Value(3.0)
    with no_grad():
        with no_grad():
            pass
        assert (x * x).operands == ()
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (x * x).operands == (x, x)


def test_no_grad_decorates_functions_and_recursive_ones() -> None:
    x = Value(2.0)

    @no_grad()
    def power(n: int) -> Value:
        return x * power(n - 1) if n else Value(1.0)

    assert (power(3).data, power(3).operands) == (8.0, ())
    assert (x * x).operands == (x, x)


def test_no_grad_of_one_thread_does_not_reach_another() -> None:
    x = Value(3.0)
    with no_grad(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: x * x).result().operands == (x, x)


def test_a_mode_of_one_thread_does_not_reach_another_that_takes_its_context_over() -> None:
    mode = OfThread("mode", "off")
    mode.set("on")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(contextvars.copy_context().run, mode.get).result() == "off"
    assert mode.get() == "on"


def test_no_grad_of_one_task_does_not_reach_another() -> None:
    x = Value(3.0)

    async def without() -> Value:
        with no_grad():
            await asyncio.sleep(0)
            return x * x

    async def recording() -> Value:
        await asyncio.sleep(0)
        return x * x

    async def both() -> tuple[Value, Value]:
        return await asyncio.gather(without(), recording())

    first, second = asyncio.run(both())
    assert (first.operands, second.operands) == ((), (x, x))


def test_detect_anomaly_names_the_forward_operation_its_inputs_and_labels() -> None:
    p = Value(0.0, "p")
    with detect_anomaly():
        with pytest.raises(FloatingPointError, match=r"log gave -inf for the operands p = 0\.0"):
            log(p)
        with pytest.raises(
            FloatingPointError,
            match=r"div gave inf for the operands 1\.0, p = 0\.0 \(line \d+ of test_modes\.py: 1 / p\)",
        ):
            1 / p
        with pytest.raises(FloatingPointError, match=r"log gave -inf for the operands the result of sub = 0\.0"):
            log(p - p)
        with pytest.raises(FloatingPointError, match=r"dot.* gave inf"):
            dot([Value(1e200)], [Value(1e200)])
        with pytest.raises(FloatingPointError, match="exp gave inf"), no_grad():
            exp(Value(1000.0))
    assert log(p).data == -math.inf


def test_detect_anomaly_lets_inf_and_nan_from_outside_pass() -> None:
    with detect_anomaly():
        x = Value(math.inf) * 2
        y = Value(math.nan) + 1
    assert x.data == math.inf
    assert math.isnan(y.data)


def test_detect_anomaly_finds_the_backward_operation_and_changes_no_gradient() -> None:
    x, w = Value(0.0, "x"), Value(2.0, "w")
    with detect_anomaly():
        root = sqrt(x) * w
        with pytest.raises(FloatingPointError, match=r"backward pass of sqrt gave the gradient inf for x = 0\.0"):
            root.backward()
        assert (x.grad, w.grad, root.grad) == (0.0, 0.0, 0.0)
        with pytest.raises(
            FloatingPointError, match=r"sqrt .* for x = 0\.0: .* \(line \d+ of .*: root = sqrt\(x\) \* w\)"
        ):
            root.backward()
        with pytest.raises(FloatingPointError, match=r"gradient inf for the result of mul = 0\.0"):
            sqrt(x * w).backward()
        with pytest.raises(FloatingPointError, match="backward pass of sqrt"):
            grad(sqrt)(0.0)
    root.backward()
    assert x.grad == math.inf


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("tanh", tanh),
        ("mul", lambda x: x * 1.0),
        ("where", lambda x: where(1.0, x, 2.0)),
        ("dot", lambda x: dot([x], [1.0])),
        ("sum", lambda x: sum_of([x, 1.0, 2.0])),
    ],
)
def test_the_backward_pass_names_the_line_of_every_kind_of_node(name: str, f: Callable[[Value], Value]) -> None:
    x = Value(0.0)
    x.grad = 1e308
    with detect_anomaly():
        node = f(x)
        with pytest.raises(FloatingPointError, match=rf"backward pass of {name} .*\(line \d+ of test_modes\.py: .*\)"):
            node.backward(1e308)


def test_lines_that_detect_anomaly_keeps_change_nothing_else_of_a_node() -> None:
    x = Value(3.0)
    with detect_anomaly():
        nodes = [x * x, exp(x), dot([x, x], [x, x])]
    for node, name in zip(nodes, ["mul", "exp", "dot"]):
        assert node.op is not None
        assert (node.op.name, node.label, node.requires_grad, node.is_leaf) == (name, "", True, False)
        node.label = "a"
        node.label = "b"
        assert (node.op.name, node.label) == (name, "b")
        copied = copy.deepcopy(node)
        assert copied.op is node.op
        assert (copied.data, copied.label) == (node.data, "b")
        node.label = ""
        assert (node.op.name, node.label) == (name, "")


def test_detect_anomaly_ignores_the_gradient_of_a_constant_exponent() -> None:
    x = Value(-3.0)
    with detect_anomaly():
        (x**2).backward()
    assert x.grad == -6.0


def test_detect_anomaly_finds_overflow_of_an_accumulated_gradient() -> None:
    x = Value(0.25, "x")
    root = x * 1e308 + x * 1e308
    with detect_anomaly(), pytest.raises(FloatingPointError, match="gradient inf for x"):
        root.backward()


def test_division_by_zero_inside_a_rule_is_no_anomaly_by_itself() -> None:
    with detect_anomaly():
        assert sqrt(Value(0.0)).local_derivatives == (math.inf,)
        assert (Value(0.0) / 2.0).data == 0.0


def test_a_block_is_open_once_at_a_time_and_then_again() -> None:
    block = no_grad()
    with block:
        with pytest.raises(RuntimeError, match="open already"), block:
            pass
        assert (Value(1.0) * 2).operands == ()
    with block:
        assert (Value(1.0) * 2).operands == ()
    assert (Value(1.0) * 2).operands != ()


def test_no_grad_refuses_to_decorate_what_runs_after_the_call() -> None:
    async def coroutine() -> None: ...

    def generator() -> Iterator[int]:
        yield 1

    async def asynchronous_generator() -> AsyncIterator[int]:
        yield 1

    for function in (coroutine, generator, asynchronous_generator):
        with pytest.raises(TypeError, match="generator or coroutine"):
            no_grad()(function)
    with pytest.raises(TypeError, match=r"as a decorator write @no_grad\(\)"):
        no_grad(generator)


SUSPENDED_BLOCKS = """
import contextvars, gc
from autograd_mini import Value, detect_anomaly, no_grad

closed = []


def suspended():
    try:
        with no_grad():
            yield
    finally:
        closed.append(1)


root = Value(1.0)
for _ in range(50_000):  # enough for the collector to run at least once in most passes
    root = root * 1.0
context = contextvars.Context()
in_backward = []
for _ in range(20):
    generator = suspended()
    context.run(next, generator)
    cycle = [generator]
    cycle.append(cycle)
    del generator, cycle
    with detect_anomaly():
        before = len(closed)
        root.backward()
        in_backward.append(len(closed) - before)
gc.collect()
assert sum(in_backward) > 1
assert root.grad == 1.0
with detect_anomaly():  # while any block is open, what the context says counts
    assert (root * 1.0).operands != ()
"""


def test_a_block_that_the_collector_closes_during_backward_does_not_block_it() -> None:
    run(SUSPENDED_BLOCKS)  # among the objects of all tests the collector of free-threaded Python waits for too many


def test_copies_under_detect_anomaly_may_hold_inf() -> None:
    root = Value(1.0) / 0.0
    with detect_anomaly():
        assert copy.deepcopy(root).data == math.inf
