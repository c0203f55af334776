"""Compiled functions of Dask arrays on a cluster, whose workers are processes of their own."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement import bits
from interrupts import interrupt_after

from autograd_mini import dot, exp, jit, operation, tanh, value_and_grad

dask = pytest.importorskip("dask", reason="a cluster needs the extra dask")
da = pytest.importorskip("dask.array", reason="a cluster needs the extra dask")
distributed = pytest.importorskip("distributed", reason="a cluster needs the extra dask")
minimize = pytest.importorskip("scipy.optimize", reason="the fit needs the extra train: SciPy").minimize

pytestmark = pytest.mark.filterwarnings("ignore:Running on a single-machine scheduler")  # which is what is wanted

LIMIT = 320 << 20  # bytes of memory for a worker
COLUMNS = 3
WEIGHTS = np.array([0.1, 0.2, -0.3, 0.05])


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Start a cluster of one worker; tests add others."""
    options = {"distributed.comm.timeouts.connect": "2s", "logging": {"distributed": "critical"}}
    with (
        dask.config.set(options),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, memory_limit=LIMIT, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def scale(client: Any, workers: int) -> None:
    client.cluster.scale(workers)
    client.wait_for_workers(workers, timeout=60)


def loss(w: Any, x: Any, y: Any) -> Any:
    return (tanh(dot(w[:-1], x, w[-1])) - y) ** 2


def drawn(rows: int, length: int) -> tuple[Any, Any]:
    """Give data that workers make."""
    xs = da.random.default_rng(0).normal(size=(rows, COLUMNS), chunks=(length, COLUMNS))
    return xs, da.tanh(xs @ np.array([0.3, -0.2, 0.5]) + 0.1)


def compiled_loss() -> Any:
    return jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce="mean")


def in_one_process(compiled: Any, *args: Any) -> Any:
    with dask.config.set(scheduler="synchronous"):
        return compiled(*args)


def pids(client: Any) -> dict[str, int]:
    found: dict[str, int] = client.run(os.getpid)
    return found


def tasks(client: Any, wanted: int) -> list[str]:
    """List the tasks that wait, run, or have results in memory, once there are so many as are wanted.

    Names that the scheduler still knows, of tasks that nobody wants, are none: Dask leaves such by itself.
    """

    def known(dask_scheduler: Any) -> list[str]:
        return [str(task.key) for task in dask_scheduler.tasks.values() if task.state not in ("released", "forgotten")]

    for _ in range(200):
        found: list[str] = client.run_on_scheduler(known)
        if len(found) == wanted:
            break
        time.sleep(0.05)
    return found


def kernels_of_a_process() -> int:
    from autograd_mini.compiler.chunks import _kernels

    return len(_kernels)


def test_one_worker_and_two_give_the_bits_of_one_process_and_a_late_worker_works(client: Any) -> None:
    compiled, (xs, ys) = compiled_loss(), drawn(2000, 37)
    expected = bits(in_one_process(compiled, WEIGHTS, xs, ys))
    assert bits(compiled(WEIGHTS, xs, ys)) == expected
    assert list(client.run(kernels_of_a_process).values()) == [1], "compiled once in the process"
    scale(client, 2)
    slow = xs.map_blocks(rest, dtype=float)
    assert bits(compiled(WEIGHTS, slow, ys)) == expected
    assert bits(compiled(WEIGHTS, slow, ys)) == expected
    assert list(client.run(kernels_of_a_process).values()) == [1, 1], "the kernel came to the late worker, once"
    [sent] = tasks(client, 1)
    assert sent.startswith("kernel-"), "for the next call"
    del compiled
    assert tasks(client, 0) == []


def rest(x: Any) -> Any:
    time.sleep(0.02)  # so that there is something to do for a second worker
    return x


def test_lazy_results_stay_on_the_workers_until_they_are_asked_for(client: Any) -> None:
    compiled, (xs, ys) = jit(value_and_grad(loss), in_axes=(None, 0, 0)), drawn(200, 30)
    value, slope = compiled(WEIGHTS, xs, ys)
    expected = in_one_process(dask.compute, value, slope)
    assert bits(client.gather(client.compute([value, slope]))) == bits(list(expected))
    kept = slope.persist()
    assert kept.chunks == slope.chunks
    assert bits(kept.compute()) == bits(expected[1])


def test_a_function_of_the_session_with_operations_of_its_own_needs_nothing_on_the_workers(client: Any) -> None:
    own = operation("own(x)", lambda x: np.exp(-x * x), lambda out, x: -2 * x * out, lowering=lambda x: exp(-x * x))
    xs = np.linspace(-1.0, 1.0, 20)
    compiled = jit(lambda x: own(x), in_axes=0, reduce="sum")
    assert compiled(da.from_array(xs, chunks=7)) == pytest.approx(np.exp(-xs * xs).sum(), rel=1e-14)


def test_a_worker_that_is_killed_amid_a_fit_changes_no_number(client: Any) -> None:
    scale(client, 2)
    compiled, (xs, ys) = compiled_loss(), drawn(500, 25)
    before = set(pids(client).values())

    def fit(callback: Any) -> Any:
        return minimize(
            compiled, np.zeros(4), args=(xs, ys), jac=True, method="BFGS", callback=callback, options={"gtol": 1e-9}
        )

    def kill(point: Any) -> None:
        if set(pids(client).values()) == before:
            os.kill(min(before), signal.SIGKILL)

    expected, got = in_one_process(fit, None), fit(kill)
    assert min(before) not in pids(client).values()
    assert got.nit == expected.nit > 3
    assert bits([got.x, got.fun, got.jac]) == bits([expected.x, expected.fun, expected.jac])
    np.testing.assert_allclose(got.x, [0.3, -0.2, 0.5, 0.1], atol=1e-7)


def test_after_a_restart_of_the_cluster_the_kernel_is_sent_once_more(client: Any) -> None:
    compiled, (xs, ys) = compiled_loss(), drawn(100, 30)
    expected = bits(compiled(WEIGHTS, xs, ys))
    client.restart(timeout=60)
    assert bits(compiled(WEIGHTS, xs, ys)) == expected


def test_an_exception_of_a_worker_arrives_with_its_message_once(client: Any) -> None:
    def refuse(x: Any) -> Any:
        raise LookupError("row 17 is not there")

    compiled, (xs, ys) = compiled_loss(), drawn(200, 10)
    with pytest.raises(LookupError, match=r"^row 17 is not there$") as caught:
        compiled(WEIGHTS, xs.map_blocks(refuse, dtype=float), ys)
    assert caught.value.__cause__ is caught.value.__context__ is None
    del caught
    assert len(tasks(client, 1)) == 1
    assert bits(compiled(WEIGHTS, xs, ys)) == bits(in_one_process(compiled, WEIGHTS, xs, ys))


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupt_at_the_client_cancels_what_runs(client: Any, tmp_path: Path) -> None:
    compiled, (xs, ys) = compiled_loss(), drawn(1000, 10)
    call = interrupt_after(5, tmp_path)

    def interrupt(x: Any) -> Any:
        call()
        time.sleep(0.02)
        return x

    with pytest.raises(KeyboardInterrupt):
        compiled(WEIGHTS, xs.map_blocks(interrupt, dtype=float), ys)
    assert len(tasks(client, 1)) == 1
    assert len(list(tmp_path.iterdir())) < 100, "chunks that nobody has begun are not computed any more"
    assert bits(compiled(WEIGHTS, xs, ys)) == bits(in_one_process(compiled, WEIGHTS, xs, ys))


def most_memory() -> int:
    """Give the most bytes that a process has had in memory."""
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) << 10


@pytest.mark.skipif("not sys.platform.startswith('linux')", reason="reads /proc")
def test_data_larger_than_the_memory_of_all_workers_goes_through_them(client: Any) -> None:
    scale(client, 2)
    before, own = pids(client), most_memory()
    compiled, (xs, ys) = compiled_loss(), drawn(22_000_000, 250_000)
    assert xs.nbytes + ys.nbytes > 2 * LIMIT, "more than fits into all workers"
    value, slope = compiled(WEIGHTS, xs, ys)
    assert np.isfinite([value, *slope]).all()
    assert pids(client) == before, "no worker was stopped and started anew"
    assert max(client.run(most_memory).values()) < LIMIT
    assert most_memory() - own < LIMIT / 8, "no rows come to the client"
