"""Ctrl-C at hundreds of random times: it arrives, nothing stays locked or half-open, and gradients are whole."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from types import FrameType
from typing import Any

import pytest

from autograd_mini import Value
from autograd_mini.engine.value import COMPILED

# A child process: a timer raises KeyboardInterrupt at random times while some work is done over and over.
STORM = """
import json, random, signal, sys
from autograd_mini import Value, detect_anomaly, exp, grad, hessian, jit, no_grad
from autograd_mini.engine import modes
from autograd_mini.engine.locks import walking
from nn import MLP, fit

x, others = Value(2.0), [Value(0.1 * i) for i in range(50)]
f = jit(grad(lambda v: v * v * exp(v)))
f(1.0)
torn = []


def backward():
    y = x * x
    for other in others:
        y = y + other * other
    x.grad = others[-1].grad = 0.0
    try:
        y.backward()
    finally:
        if (x.grad, others[-1].grad) not in ((0.0, 0.0), (4.0, 2 * others[-1].data)):
            torn.append((x.grad, others[-1].grad))


def blocks():
    with no_grad(), detect_anomaly():
        x * x


def derivatives():
    hessian(lambda v: v[0] * v[1] * exp(v[0]))([1.0, 2.0])


def call():
    f(2.0)


def compilation():
    jit(grad(lambda v: v * v * exp(v)))(1.0)


def training():
    fit(MLP(2, [2, 1]), [[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0], loss="half_squared_error", epochs=3, progress=False)


def interrupt(*_):
    raise KeyboardInterrupt


signal.signal(signal.SIGALRM, interrupt)
work, caught, others_caught = globals()[sys.argv[1]], 0, []
for _ in range(500):
    try:
        try:
            # again where Python has dropped it, as in the callback of a weak reference
            signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 1e-3), 0.02)
            while True:
                work()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
    except KeyboardInterrupt:
        caught += 1
    except BaseException as error:
        others_caught.append(repr(error))
with no_grad():  # which forgets blocks that are gone
    pass
held = [name for name, lock in (("walking", walking),) if lock.locked()]
state = [modes.BLOCKS.open, bool(modes.recorded.get()), bool(modes.checked.get()), modes.tracer.get()]
print(json.dumps([caught, others_caught[:3], held, state, torn[:3]]))
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the platform has no interval timers")
@pytest.mark.parametrize("work", ["backward", "blocks", "derivatives", "call", "compilation", "training"])
def test_an_interrupt_arrives_and_leaves_nothing_behind(work: str) -> None:
    child = subprocess.run([sys.executable, "-c", STORM, work], capture_output=True, text=True, timeout=300)
    assert child.returncode == 0, child.stderr[-2000:]
    caught, others, held, state, torn = json.loads(child.stdout)
    assert (caught, others, held, torn) == (500, [], [], [])
    assert state == [0, True, False, None]


@pytest.mark.skipif(COMPILED, reason="compiled code has no lines to stop at")
def test_the_walk_after_one_that_was_interrupted_meets_every_node() -> None:
    x, y = Value(2.0), Value(3.0)
    f = (x * y + x) * y  # x y^2 + x y
    interrupted = 0
    for line in range(200):
        with suppress(KeyboardInterrupt), interrupt_at_line(line, "ordered"):
            f.backward()
            break
        interrupted += 1
        x.grad = y.grad = 0.0
        f.backward()
        assert (x.grad, y.grad) == (12.0, 14.0)
        x.grad = y.grad = 0.0
    assert interrupted > 30


@contextmanager
def interrupt_at_line(number: int, function: str) -> Iterator[None]:
    """Raise KeyboardInterrupt at a line of a function, counted as they run from 0."""
    lines = count()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if event == "line" and next(lines) == number:
            raise KeyboardInterrupt
        return trace if frame.f_code.co_name == function else None

    before = sys.gettrace()  # that of coverage
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
