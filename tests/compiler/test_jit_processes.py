"""jit across processes: pickling, forks, interrupts, garbage, and an interpreter without llvmlite."""

from __future__ import annotations

import copy
import gc
import importlib
import os
import pickle
import signal
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement import bits
from processes import run

import autograd_mini
from autograd_mini import Value, cos, exp, grad, greater, jit, log, sin, tanh, value_and_grad, where

pytest.importorskip("llvmlite", reason="compiling needs the extra jit: llvmlite")

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform can't fork")
XS = np.array([0.5, -1.5, 2.0])


# Pickling.


def softened(p: Any, x: Any) -> Any:
    return tanh(p["w"] * x) + exp(p["b"] * x)


def test_a_function_at_the_top_of_a_module_travels_with_its_kernels() -> None:
    compiled = jit(softened, in_axes=(None, 0), threads=1)
    expected = compiled({"w": 0.5, "b": 0.1}, XS)
    for other in (pickle.loads(pickle.dumps(compiled)), copy.deepcopy(compiled), copy.copy(compiled)):
        assert bits(other({"w": 0.5, "b": 0.1}, XS)) == bits(expected)
        assert other.__name__ == "softened"
        assert bits(other({"w": 0.5, "b": 0.1}, XS[:2])) == bits(compiled({"w": 0.5, "b": 0.1}, XS[:2]))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_lambda_travels_as_its_graphs(protocol: int) -> None:
    compiled = jit(value_and_grad(lambda x, rest: sin(x) * x + sum(rest)), in_axes=(0, None))
    expected = compiled(XS, []), compiled(XS, [1.0])
    other = pickle.loads(pickle.dumps(compiled, protocol))
    assert bits([other(XS, []), other(XS, [1.0])]) == bits(list(expected))
    assert other(np.zeros(7), [])[1].shape == (7,), "the kernel is for all sizes of batches"
    with pytest.raises(ValueError, match=r"pickled without its source, .* code for 2 structures of arguments"):
        other(XS, [1.0, 2.0])
    again = pickle.loads(pickle.dumps(other, protocol))
    assert bits(again(XS, [])) == bits(expected[0])


@pytest.mark.parametrize("max_kernels", [1, 64])
def test_a_lambda_travels_with_what_computes_a_nan_that_is_none(max_kernels: int) -> None:
    compiled = jit(grad(lambda x: where(greater(x, 0.0), x * log(x), x)), max_kernels=max_kernels)
    assert compiled(1.0) == 1.0
    other = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(compiled))))
    assert [other(0.0), other(-1.0), other(1.0)] == [1.0, 1.0, 1.0]


def test_options_travel() -> None:
    compiled = jit(
        lambda w, x: w * x, in_axes=(None, 0), reduce="mean", threads=2, max_kernels=5, fuse=True, cache=False
    )
    assert compiled(2.0, XS) == pytest.approx(2.0 / 3.0, rel=1e-15)
    other = pickle.loads(pickle.dumps(compiled))
    assert (other.in_axes, other.reduce, other.threads, other.max_kernels) == ((None, 0), "mean", 2, 5)
    assert other.fuse
    assert other.cache is False
    assert other.lower(2.0, XS).llvm_ir == compiled.lower(2.0, XS).llvm_ir
    assert bits(other(3.0, XS)) == bits(compiled(3.0, XS))


def test_captured_values_travel_with_the_data_that_they_have() -> None:
    own = Value(3.0)
    compiled = jit(lambda x: own * x)
    compiled(1.0)
    own.data = 5.0
    other = pickle.loads(pickle.dumps(compiled))
    own.data = 7.0
    assert (other(2.0), compiled(2.0)) == (10.0, 14.0)


def test_graphs_with_folds_constants_and_dots_travel() -> None:
    def model(ws: Any, xs: Any) -> Any:
        return autograd_mini.sum(w * x for w, x in zip(ws, xs, strict=True)) * 0.1 + exp(ws[0]) * float("nan")

    compiled = jit(value_and_grad(lambda ws, xs: model(ws, xs)), in_axes=(None, 0), reduce="sum")
    rows = np.arange(40.0).reshape(5, 8)
    expected = compiled([0.5] * 8, rows)
    assert bits(pickle.loads(pickle.dumps(compiled))([0.5] * 8, rows)) == bits(expected)


def test_kernels_are_compiled_again_in_a_fresh_process() -> None:
    compiled = jit(value_and_grad(lambda x: sin(x) * x), in_axes=0)
    expected = compiled(XS)
    program = (
        "import pickle, sys; import numpy as np\n"
        "compiled = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "value, slope = compiled(np.array([0.5, -1.5, 2.0]))\n"
        "print(value.tobytes().hex(), slope.tobytes().hex())"
    )
    assert run(program, pickle.dumps(compiled).hex()).split() == [part.tobytes().hex() for part in expected]


def test_an_uncalled_lambda_has_nothing_to_travel_as() -> None:
    other = pickle.loads(pickle.dumps(jit(lambda x: x)))
    with pytest.raises(ValueError, match="code for 0 structures of arguments, and not for these"):
        other(1.0)


MODULE = """
from autograd_mini import Value, jit
weight = Value(3.0)
def scaled(x):
    return weight * x
@jit
def decorated(x):
    return weight * x
"""


def test_what_captures_variables_of_its_module_uses_those_where_it_lands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("some_module")
    for compiled in (jit(module.scaled), module.decorated):
        compiled(1.0)
        other = pickle.loads(pickle.dumps(compiled))
        module.weight.data += 1.0
        assert other(2.0) == compiled(2.0) == 2.0 * module.weight.data
        assert other(XS).tolist() == compiled(XS).tolist()
    assert other is module.decorated, "it travels by name, as a function does"


# Forks.

FORK_AFTER_COMPILING = """
import numpy as np
from autograd_mini import grad, jit, sin, value_and_grad
from processes import check_in_children
compiled = jit(value_and_grad(lambda x: sin(x) * x), in_axes=0, reduce="sum", threads=2)
batch = np.linspace(0.0, 1.0, 300_000)
expected = compiled(batch)  # starts threads, which a child does not have

def is_right():
    right = compiled(batch) == expected and compiled(batch[:10])[0] > 0.0
    return right and jit(grad(lambda x: x * x * x))(2.0) == 12.0

check_in_children(3, is_right)
assert compiled(batch) == expected
"""

FORK_WHILE_COMPILING = """
import time
from itertools import count
from autograd_mini import grad, jit, sin
from processes import at_work, check_in_children
numbers = count()

def compile_another():
    n = next(numbers)
    jit(grad(lambda x: sin(x * n)))(0.5)
    time.sleep(0)  # let the main thread have the lock, too

with at_work(compile_another, 2):
    check_in_children(5, lambda: jit(grad(lambda x: x * x * x))(2.0) == 12.0)
"""

FORK_WHILE_A_BATCH_IS_COMPUTED = """
import numpy as np
from autograd_mini import jit, sin
from processes import at_work, check_in_children
compiled = jit(lambda x: sin(sin(sin(x))), in_axes=0, reduce="sum", threads=2)
batch = np.linspace(0.0, 1.0, 300_000)
expected = compiled(batch)
with at_work(lambda: compiled(batch)):
    check_in_children(8, lambda: compiled(batch) == expected)
"""

MULTIPROCESSING = """
import multiprocessing
from autograd_mini import jit, sin, value_and_grad
compiled = jit(value_and_grad(sin))

if __name__ == "__main__":
    expected = [compiled(0.1 * i) for i in range(20)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(compiled, [0.1 * i for i in range(20)]) == expected
"""


@needs_fork
@pytest.mark.parametrize(
    "program",
    [FORK_AFTER_COMPILING, FORK_WHILE_COMPILING, FORK_WHILE_A_BATCH_IS_COMPUTED, MULTIPROCESSING],
    ids=["after compiling", "while compiling", "while a batch is computed", "multiprocessing"],
)
def test_a_forked_child_calls_and_compiles(program: str) -> None:
    run(program)


# Ctrl-C.


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupt_while_tracing_leaves_nothing_half_done() -> None:
    interrupt = True

    def function(x: Any) -> Any:
        result = x * x
        if interrupt:
            signal.raise_signal(signal.SIGINT)
        return result

    compiled = jit(function)
    for call in (compiled, compiled.lower):
        with pytest.raises(KeyboardInterrupt):
            call(3.0)
    assert Value(1.0) > 0.0, "no trace is open"
    interrupt = False
    assert compiled(3.0) == 9.0
    assert jit(lambda x: x + 1.0)(1.0) == 2.0, "no lock is held"


MANY_INTERRUPTS = """
import faulthandler, signal, time
import numpy as np
from autograd_mini import jit, sin

class Interrupt(KeyboardInterrupt):
    pass

def interrupt(*_):
    if is_ready:
        raise Interrupt

faulthandler.dump_traceback_later(50, exit=True)  # where it hangs
is_ready = False
signal.signal(signal.SIGALRM, interrupt)
compiled = jit(lambda x: sin(x), in_axes=0, reduce="sum", threads=3)
batch = np.linspace(0.0, 1.0, 300_000)
expected = compiled(batch)
began = time.perf_counter()
compiled(batch)
seconds = time.perf_counter() - began
draw, interrupts = np.random.default_rng(0), 0
for _ in range(400):
    try:
        is_ready = True
        signal.setitimer(signal.ITIMER_REAL, draw.uniform(1e-5, 1.3 * seconds))
        for _ in range(10):
            assert compiled(batch) == expected
    except Interrupt:
        interrupts += 1
    is_ready = False
    signal.setitimer(signal.ITIMER_REAL, 0)
assert interrupts > 0
assert compiled(batch) == expected
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this platform has no timers that interrupt")
def test_no_interrupt_leaves_a_lock_that_later_calls_wait_for() -> None:
    run(MANY_INTERRUPTS)


def test_a_trace_has_a_context_of_its_own_so_that_no_interrupt_leaves_it_open() -> None:
    variable: ContextVar[bool] = ContextVar("variable", default=False)
    assert jit(lambda x: x if variable.set(True) else -x)(2.0) == 2.0
    assert not variable.get()


INTERRUPT_WHILE_THREADS_WRITE = """
import signal, threading, time
import numpy as np
from autograd_mini import jit, sin
from autograd_mini.compiler.runtime import kernel, parallel

main = threading.main_thread().ident
helper_is_there, helper_is_done = threading.Event(), threading.Event()

def slow_share(work, parts, threads):
    def slow_work(remaining):
        if threading.get_ident() == main:
            helper_is_there.wait(60)  # and leave all parts to the other thread
        else:
            helper_is_there.set()
            time.sleep(0.1)  # the other one is waiting now
            signal.pthread_kill(main, signal.SIGINT)
            time.sleep(0.1)  # time enough to free the memory of the call and to use it again
            work(remaining)
            helper_is_done.set()
    parallel.share(slow_work, parts, threads)

compiled = jit(lambda x: [sin(x) + i for i in range(2, 18)], in_axes=0, threads=2)
batch = np.linspace(0.0, 1.0, 50_000)
compiled(batch)
kernel.share = slow_share
try:
    compiled(batch)
except KeyboardInterrupt:
    pass
arrays = [np.zeros(size) for size in (50_000, 800_000, 800_000)]
assert helper_is_there.is_set() and helper_is_done.wait(60)
assert not any(array.any() for array in arrays)
kernel.share = parallel.share
np.testing.assert_allclose(compiled(batch)[15], np.sin(batch) + 17.0)
"""


def test_an_interrupt_frees_no_memory_that_threads_still_write_to() -> None:
    run(INTERRUPT_WHILE_THREADS_WRITE)


# Garbage.

CYCLES = """
import gc
from autograd_mini import exp, jit
for i in range(40):
    compiled = jit(lambda x: exp(x) * x)
    compiled(1.0)
    cycle = [compiled]
    cycle.append(cycle)
    del compiled, cycle
    gc.collect()
"""

AT_EXIT = """
import sys
import numpy as np
from autograd_mini import exp, jit
sys.kept = compiled = jit(lambda x: exp(x) * x, in_axes=0, reduce="sum", threads=2)
compiled(np.linspace(0.0, 1.0, 300_000))
compiled.itself = compiled
"""


@pytest.mark.parametrize("program", [CYCLES, AT_EXIT], ids=["in a cycle", "at exit"])
def test_code_is_freed_safely(program: str) -> None:
    run(program)


KEPT = """
import gc
from pathlib import Path
from autograd_mini import jit, sin

def grown_by(times):
    gc.collect()
    before = int(Path("/proc/self/statm").read_text().split()[1])
    for n in range(times):
        jit(lambda xs: [sin(x * n) for x in xs])([1.0] * 20)
    return int(Path("/proc/self/statm").read_text().split()[1]) - before

grown_by(20)
print(grown_by(40))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_functions_that_are_gone_leave_no_memory_behind() -> None:
    assert int(run(KEPT)) < 400, "pages of 4 KiB; kept alive, each would take 30 or more"


@pytest.mark.parametrize(("axes", "batch"), [(None, 0.5), (0, XS)], ids=["number", "batch"])
def test_kernels_and_their_graphs_are_freed_without_the_collector(axes: int | None, batch: Any) -> None:
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        jit(value_and_grad(lambda x: where(greater(x, 0.37), exp(x) * sin(x), cos(x))), in_axes=axes)(batch)
        gc.collect()
        kinds = {type(thing) for thing in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert {kind.__name__ for kind in kinds if kind.__module__.startswith("autograd_mini")} == set()


# Without llvmlite.

WITHOUT = """
import sys
sys.modules["llvmlite"] = None
import pickle
from autograd_mini import grad, jit
square = jit(grad(lambda x: x * x))
print(square(3.0), pickle.loads(bytes.fromhex(sys.argv[1]))(3.0))
print(square)
"""


def test_without_llvmlite_numpy_computes_the_same_and_repr_says_so() -> None:
    compiled = jit(grad(lambda x: x * x))
    compiled(1.0)
    numbers, told = run(WITHOUT, pickle.dumps(compiled).hex()).split("\n", 1)
    assert numbers == "6.0 6.0"
    assert "NumPy" in told
    assert "pip install 'autograd_mini[jit]'" in told
    assert "NumPy" not in repr(compiled)


NATIVE_WITHOUT = """
import os, sys
sys.modules["llvmlite"] = None
os.environ["AUTOGRAD_MINI_BACKEND"] = "llvm"
from autograd_mini import jit
try:
    jit(lambda x: x * x)(3.0)
except ImportError as error:
    print(error)
"""


def test_native_code_without_llvmlite_is_refused_and_the_error_names_the_extra() -> None:
    assert "needs llvmlite: pip install 'autograd_mini[jit]'" in run(NATIVE_WITHOUT)


def test_importing_the_package_does_not_import_llvmlite() -> None:
    program = "import sys, autograd_mini; print([name for name in sys.modules if name.startswith('llvmlite')])"
    assert run(program).strip() == "[]"
