"""Many starts: their order, the best of them, what fails and what Ctrl-C ends."""

from __future__ import annotations

import math
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest
from processes import run

from autograd_mini import jit, multistart, value_and_grad


def valley(x):
    """Have two minima, the lower one left of 0."""
    return x[0] ** 4 - 3.0 * x[0] ** 2 + x[0]


def descend(start, steps=200):
    """Go down the valley by gradient descent; give the loss and where it is."""
    slope = jit(value_and_grad(valley))
    x = [start]
    for _ in range(steps):
        _, gradient = slope(x)
        x = [x[0] - 0.01 * gradient[0]]
    return slope(x)[0], x


def give_up(start):
    """End this process for one start."""
    if start == 3.0:
        os._exit(1)
    return start


STARTS = [2.0, 0.5, -0.5, -2.0, 1.0]


def test_the_lowest_minimum_is_found():
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    found = multistart(lambda start: optimize.minimize(value_and_grad(valley), [start], jac=True), STARTS)
    assert found.starts == STARTS
    assert found.losses == [result.fun for result in found.results]
    roots = optimize.brentq(lambda x: 4.0 * x**3 - 6.0 * x + 1.0, -2.0, -1.0)
    assert found.best.x[0] == pytest.approx(roots, abs=1e-4)
    assert found.best_index in (2, 3)
    assert not found.errors


def test_threads_and_processes_give_the_bits_of_this_process():
    here = multistart(descend, STARTS)
    with ThreadPoolExecutor(3) as threads, ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        for executor in (threads, processes):
            there = multistart(partial(descend, steps=200), STARTS, executor)
            assert (there.results, there.losses, there.best_index) == (here.results, here.losses, here.best_index)


def test_results_are_in_the_order_of_the_starts_whoever_comes_first():
    done = [threading.Event() for _ in range(4)]
    done[3].set()

    def run(i):
        if i < 3:
            done[i + 1].wait()
        done[i].set()
        return float(-i), i

    with ThreadPoolExecutor(4) as executor:
        found = multistart(run, range(4), executor)
    assert found.results == [(0.0, 0), (-1.0, 1), (-2.0, 2), (-3.0, 3)]
    assert found.best == (-3.0, 3)


def test_nan_is_never_the_best_and_of_equal_losses_the_first_is():
    found = multistart(lambda loss: (loss, "other results"), [math.nan, 2.0, math.inf, 1.0, math.nan, 1.0])
    assert (found.best_index, found.best) == (3, (1.0, "other results"))
    assert repr(found) == "Multistart(6 starts: lowest loss 1, of start 3)"
    none = multistart(float, ["nan", "nan"])
    assert repr(none) == "Multistart(2 starts: every loss is nan)"
    with pytest.raises(ValueError, match="none of the 2 starts is the best: every loss is nan"):
        none.best  # noqa: B018


def test_the_loss_of_a_history_is_that_of_its_last_epoch():
    nn = pytest.importorskip("nn")

    def train(seed, validation=None):
        model = nn.MLP(1, [1], seed=seed)
        options = {"loss": "mean_squared_error", "epochs": 3, "validation": validation, "progress": False}
        return nn.fit(model, [[0.0], [1.0]], [1.0, 3.0], **options), model

    found = multistart(train, range(3))
    assert found.losses == [history.loss[-1] for history, _ in found.results]
    held_out = multistart(partial(train, validation=([[2.0]], [5.0])), range(3))
    assert held_out.losses == [history.validation_loss[-1] for history, _ in held_out.results]
    assert multistart(lambda seed: train(seed)[0], range(3)).losses == found.losses


@pytest.mark.parametrize("executor", [None, "threads"])
def test_a_start_that_fails_is_named_and_loses_no_other(executor):
    def run(start):
        return {4: 4.0, 2: "two", 3: 3.0}[start]

    def at(pool):
        with pytest.warns(RuntimeWarning, match=r"2 of 4 starts failed: start 1, 7 \(int\): KeyError: 7; start 2, 2 "):
            return multistart(run, [4, 7, 2, 3], pool)

    if executor:
        with ThreadPoolExecutor(2) as pool:
            found = at(pool)
    else:
        found = at(None)
    assert found.results == [4.0, None, "two", 3.0]
    assert found.losses == [pytest.approx(loss, nan_ok=True) for loss in (4.0, math.nan, math.nan, 3.0)]
    assert {i: type(error) for i, error in found.errors.items()} == {1: KeyError, 2: TypeError}
    assert str(found.errors[2]).endswith("must be a real number, not 'two' (str)")
    assert found.best_index == 3
    assert repr(found) == "Multistart(4 starts, 2 failed: lowest loss 3, of start 3)"


def test_an_error_of_every_start_is_an_error_of_the_call():
    with pytest.raises(RuntimeError, match=r"every start failed: start 0, 1 \(int\): ZeroDivisionError.*and 2 more"):
        multistart(lambda start: start / 0, [1, 2, 3, 4, 5])


def test_results_without_losses_are_not_lost():
    with pytest.warns(RuntimeWarning, match="2 of 2 starts failed: start 0, 1 .* must be a real number, not 'one'"):
        found = multistart(lambda start: ("one", start), [1, 2])
    assert found.results == [("one", 1), ("one", 2)]
    with pytest.raises(ValueError, match="every loss is nan"):
        found.best  # noqa: B018


def test_a_process_that_ends_loses_no_result_that_came_before():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        assert multistart(give_up, [1.0, 2.0], executor).losses == [1.0, 2.0]
        with pytest.warns(RuntimeWarning, match=r"start 2, 3\.0 .*BrokenProcessPool"):
            found = multistart(give_up, [1.0, 2.0, 3.0, 4.0], executor)
        assert found.results == [1.0, 2.0, None, None]
        with pytest.raises(RuntimeError, match=r"every start failed: start 0, 1\.0 .*BrokenProcessPool"):
            multistart(give_up, [1.0], executor)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3, [1]), TypeError, r"takes a function of a start, not 3 \(int\)"),
        ((float, 3), TypeError, r"starts must be a sequence of them, not 3 \(int\)"),
        ((float, []), ValueError, "there is no start"),
        ((float, [1], 2), TypeError, r"must be a concurrent.futures.Executor, not 2 \(int\)"),
    ],
)
def test_bad_input_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        multistart(*arguments)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_begins_no_other_start_also_where_run_takes_it_for_its_own_end():
    begun = []

    def run(start):
        begun.append(start)
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            return 0.0

    usual = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        multistart(run, range(3))
    assert begun == [0]
    assert signal.getsignal(signal.SIGINT) is usual


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_cancels_what_an_executor_did_not_begin():
    begun, is_over = [], threading.Event()

    def run(start):
        begun.append(start)
        os.kill(os.getpid(), signal.SIGINT)
        while not is_over.wait(2.0):  # a signal just before the main thread waits is seen at the next one
            os.kill(os.getpid(), signal.SIGINT)
        return 0.0

    with ThreadPoolExecutor(1) as executor:
        try:
            with pytest.raises(KeyboardInterrupt):
                multistart(run, range(3), executor)
        finally:
            is_over.set()
    assert begun == [0]


def test_multistart_is_imported_when_first_used():
    run("import sys, autograd_mini; assert 'concurrent.futures' not in sys.modules; autograd_mini.multistart")
