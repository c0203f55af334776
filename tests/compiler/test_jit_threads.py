"""Compiled functions in several threads at once: called, called for the first time, traced. Without the GIL too."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import threading
from collections import Counter
from typing import Any

import pytest
from agreement import assert_agree
from threads import in_threads

from autograd_mini import TracingError, Value, grad, jit, scan, sin, tanh, value_and_grad
from autograd_mini.compiler.runtime import parallel

pytestmark = pytest.mark.usefixtures("backend")


def loss(w: Any, x: Any) -> Any:
    return sum(tanh(w[i] * x + w[i + 1]) for i in range(0, 6, 2)) ** 2


WEIGHTS = [0.1 * i - 0.3 for i in range(7)]


def test_threads_call_and_first_call_and_trace_at_once() -> None:
    shared, fresh = jit(value_and_grad(loss)), jit(value_and_grad(loss))
    expected = value_and_grad(loss)(WEIGHTS, 0.3)
    rounds = [grad(lambda x, n=n: scan(lambda s, _: (sin(s) * x, None), x, range(n))[0])(0.7) for n in range(4)]
    shared(WEIGHTS, 0.3)

    def work(i: int) -> list[Any]:
        first = fresh(WEIGHTS, 0.3)
        own = jit(value_and_grad(loss))(WEIGHTS, 0.3)
        assert jit(grad(lambda x: scan(lambda s, _: (sin(s) * x, None), x, range(i))[0]))(0.7) == pytest.approx(
            rounds[i], rel=1e-12
        )
        with pytest.raises(TracingError):
            jit(lambda x: x if x > 0.0 else -x)(1.0)
        return [first, own, *[shared(WEIGHTS, 0.3) for _ in range(50)]]

    for found in in_threads(4, work):
        assert_agree(found, [expected] * len(found))


def test_threads_drop_kernels_that_others_are_calling() -> None:
    compiled = jit(value_and_grad(loss), max_kernels=1)
    expected = value_and_grad(loss)(WEIGHTS, 0.3)

    def work(i: int) -> list[Any]:
        weights: Any = WEIGHTS if i % 2 else tuple(WEIGHTS)
        return [compiled(weights, 0.3) for _ in range(20)]

    for found in in_threads(4, work):
        assert_agree([[value, list(gradient)] for value, gradient in found], [[expected[0], expected[1]]] * len(found))


def test_a_call_reads_the_captured_value_that_its_own_thread_has_set() -> None:
    def work(i: int) -> bool:
        v = Value(0.0)
        scaled = jit(lambda x: v * x)
        for k in range(50):
            v.data = float(k + i)
            if scaled(2.0) != 2.0 * (k + i):
                return False
        return True

    assert all(in_threads(4, work))


def test_each_part_is_taken_by_one_thread() -> None:
    def work(_: int) -> Counter[int]:
        taken: list[int] = []
        parallel.share(taken.extend, range(0, 3000, 3), 4)
        return Counter(taken)

    assert in_threads(4, work) == [Counter(range(0, 3000, 3))] * 4


def test_a_traced_number_is_refused_in_another_thread() -> None:
    refused: list[BaseException] = []

    def use(x: Any) -> None:
        try:
            x * x
        except TracingError as error:
            refused.append(error)

    def function(x: Any) -> Any:
        thread = threading.Thread(target=use, args=(x,))
        thread.start()
        thread.join()
        return x

    assert jit(function)(2.0) == 2.0
    assert len(refused) == 1


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has the GIL")
def test_no_module_brings_the_gil_back() -> None:
    code = "import sys, autograd_mini as a; a.jit(a.grad(a.sin))(0.5); a.draw; sys.exit(sys._is_gil_enabled())"
    environment = {name: text for name, text in os.environ.items() if name != "PYTHON_GIL"}
    subprocess.run([sys.executable, "-W", "error", "-c", code], env=environment, check=True, timeout=60)
