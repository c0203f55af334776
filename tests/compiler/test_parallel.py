"""Threads: results do not depend on their number, calls do not disturb each other, the GIL is free meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from agreement import assert_agree, bits
from threads import in_threads, switch_interval

from autograd_mini import Value, exp, grad, jit, sin, tanh, value_and_grad
from autograd_mini.compiler.runtime import parallel

pytestmark = pytest.mark.usefixtures("backend")

LARGE = 100_003  # cut into several parts, the last of which is not full


def loss(w: Any, x: Any, y: Any) -> Any:
    hidden = [tanh(w[i] * x + w[i + 1]) for i in range(0, 8, 2)]
    return (sum(w[i] * h for i, h in enumerate(hidden)) - y) ** 2


@pytest.fixture(scope="module")
def batch() -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    return rng.normal(size=9).tolist(), rng.normal(size=LARGE), rng.normal(size=LARGE)


@pytest.mark.parametrize("reduce", [None, "sum", "mean"])
def test_results_do_not_depend_on_the_number_of_threads(batch: tuple[Any, ...], reduce: str | None) -> None:
    derive = value_and_grad(loss)
    runs = [
        jit(derive, in_axes=(None, 0, 0), reduce=reduce, threads=threads)(*batch) for threads in (1, 2, 3, 16, None)
    ]
    assert all(bits(run) == bits(runs[0]) for run in runs[1:])


def test_any_number_of_threads_may_be_allowed() -> None:
    xs = np.linspace(0.0, 1.0, 5)
    assert jit(lambda x: x * 2.0, in_axes=0, threads=10**30)(xs).tolist() == (xs * 2.0).tolist()


def test_parts_of_a_large_batch_are_taken_by_as_many_threads_as_there_are(
    batch: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[int] = set()
    meeting = threading.Barrier(3)

    def noted(work: Callable[[Iterator[int]], None], parts: range, threads: int) -> None:
        def after_meeting(remaining: Iterator[int]) -> None:
            seen.add(threading.get_ident())
            meeting.wait(timeout=60)  # for three threads, or the test fails
            work(remaining)

        parallel.share(after_meeting, parts, threads)

    monkeypatch.setattr("autograd_mini.compiler.runtime.kernel.share", noted)
    monkeypatch.setattr(parallel, "cpu_count", lambda: 2)
    jit(loss, in_axes=(None, 0, 0), threads=3)(*batch)
    assert len(seen) == 3


def test_an_error_in_another_thread_is_raised_in_this_one() -> None:
    meeting = threading.Barrier(2)

    def work(remaining: Iterator[int]) -> None:
        for _ in remaining:
            meeting.wait(timeout=60)  # so that each thread has a part
            if threading.current_thread() is not threading.main_thread():
                raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        parallel.share(work, range(2), 2)


def test_after_an_error_in_this_thread_the_others_take_no_more_parts() -> None:
    begun, taken = threading.Event(), []

    def work(remaining: Iterator[int]) -> None:
        if threading.current_thread() is threading.main_thread():
            assert begun.wait(timeout=60)
            raise KeyboardInterrupt
        for part in remaining:
            taken.append(part)
            begun.set()
            time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        parallel.share(work, range(1000), 2)
    so_far = len(taken)
    assert so_far < 1000
    time.sleep(0.05)
    assert len(taken) == so_far


def test_parts_of_a_large_batch_are_put_together_in_their_order(batch: tuple[Any, ...]) -> None:
    _, x, y = batch
    product, pair = jit(lambda a, b: (a * b, [a, b]), in_axes=0, threads=3)(x, y)
    assert bits([product, *pair]) == bits([x * y, x, y])


def test_a_large_sum_is_numpys(batch: tuple[Any, ...]) -> None:
    _, x, y = batch
    found = jit(lambda a, b: [a * b, a, 1.0], in_axes=0, reduce="sum")(x, y)
    assert found == pytest.approx([np.dot(x, y), x.sum(), float(LARGE)], rel=1e-11)


def test_calls_at_the_same_time_do_not_disturb_each_other() -> None:
    compiled = jit(value_and_grad(lambda w, x: exp(w[0] * x) + w[1] * sin(x)), in_axes=(None, 0))
    arguments = [([0.1 * i, 1.0 - i], np.linspace(0.0, i, 5 + 40 * i)) for i in range(8)]
    expected = [compiled(*each) for each in arguments]

    def work(i: int) -> bool:
        return all(bits(compiled(*arguments[i])) == bits(expected[i]) for _ in range(200))

    assert all(in_threads(8, work))


def test_large_calls_at_the_same_time_do_not_disturb_each_other(batch: tuple[Any, ...]) -> None:
    w, x, y = batch
    compiled = jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce="mean", threads=2)
    expected = [bits(compiled([v * i for v in w], x, y)) for i in range(4)]
    found = in_threads(4, lambda i: [bits(compiled([v * i for v in w], x, y)) for _ in range(5)])
    assert all(each == expected[i] for i, results in enumerate(found) for each in results)


def test_first_calls_of_many_threads_compile_once() -> None:
    traced: list[int] = []

    def function(x: Any) -> Any:
        traced.append(threading.get_ident())
        return grad(lambda v: sin(v) * v)(x)

    compiled = jit(function)
    expected = function(0.5)
    traced.clear()
    assert_agree(in_threads(8, lambda i: compiled(0.5)), [expected] * 8)
    assert len(traced) == 1


def test_different_functions_are_compiled_by_many_threads() -> None:
    def work(i: int) -> list[float]:
        return [jit(grad(lambda x, n=n: sin(x * n) + i))(0.5) for n in range(3)]

    expected = [[grad(lambda x, n=n: sin(x * n))(0.5) for n in range(3)]] * 6
    assert_agree(in_threads(6, work), expected)


def test_while_one_thread_traces_another_computes_and_calls_what_is_compiled() -> None:
    inside, done = threading.Event(), threading.Event()
    ready = jit(lambda x: x + 1.0)
    assert ready(1.0) == 2.0

    def function(x: Any) -> Any:
        inside.set()
        assert done.wait(timeout=60)
        return x * x

    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(jit(function), 3.0)
        assert inside.wait(timeout=60)
        try:
            assert ready(2.0) == 3.0
            v = Value(2.0)
            assert v > 1.0
            assert (v * v).data == 4.0
            assert grad(lambda x: x * x if x > 0.0 else -x)(3.0) == 6.0
        finally:
            done.set()
        assert call.result(timeout=60) == 9.0


def test_the_interpreter_is_free_while_a_kernel_runs() -> None:
    def long_chain(x: Any) -> Any:
        for _ in range(300):
            x = sin(x)
        return x

    compiled = jit(long_chain, in_axes=0, reduce="sum", threads=1)
    batch = np.linspace(0.0, 1.0, 50_000)
    compiled(batch)
    steps = 0
    stop = threading.Event()

    def count() -> None:
        nonlocal steps
        while not stop.is_set():
            steps += 1
            time.sleep(0)  # lets go of the interpreter

    def progress_meanwhile() -> int:
        before = steps
        compiled(batch)
        return steps - before

    # A thread that has the interpreter keeps it until it lets go.
    with switch_interval(1000.0), ThreadPoolExecutor(1) as pool:
        pool.submit(count)
        try:
            assert any(progress_meanwhile() for _ in range(100))
        finally:
            stop.set()
