"""Many starts of one minimization, each on its own: here, in threads, in processes or on a cluster."""

from __future__ import annotations

import math
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import clear_frames
from typing import Any

from autograd_mini.engine.checks import as_float, describe

_Outcome = tuple[Any, Exception | None]


@dataclass(frozen=True, repr=False, eq=False)
class Multistart:
    """What `multistart` found; every list has an entry for each start, in the order of the starts.

    Attributes
    ----------
    starts : list
    results : list
        What `run` gave; None where it failed.
    losses : list of float
        The loss of each result; nan where there is none.
    errors : dict of int to Exception
        Why starts failed, by their places.
    """

    starts: list[Any]
    results: list[Any]
    losses: list[float]
    errors: dict[int, Exception]

    @property
    def best_index(self) -> int:
        """The place of the lowest loss, of equal ones the first; a loss that is nan is never the lowest.

        Raises
        ------
        ValueError
            If every loss is nan.
        """
        places = [i for i, loss in enumerate(self.losses) if not math.isnan(loss)]
        if not places:
            raise ValueError(f"none of the {len(self.losses)} starts is the best: every loss is nan")
        return min(places, key=self.losses.__getitem__)

    @property
    def best(self) -> Any:
        """The result with the lowest loss."""
        return self.results[self.best_index]

    def __repr__(self) -> str:
        counts = f"{len(self.starts)} starts" + f", {len(self.errors)} failed" * bool(self.errors)
        if all(map(math.isnan, self.losses)):
            return f"Multistart({counts}: every loss is nan)"
        return f"Multistart({counts}: lowest loss {self.losses[self.best_index]:.6g}, of start {self.best_index})"


def multistart(run: Callable[[Any], Any], starts: Iterable[Any], executor: Executor | None = None) -> Multistart:
    """Minimize from many starts, and find the lowest loss.

    Parameters
    ----------
    run : callable
        Called with each start alone. It gives SciPy's `OptimizeResult`, an `nn.History`, a loss, or a tuple that
        begins with one of them, such as `(history, model)`. The loss of a history is the loss of its last epoch, of
        the validation data if there are any.
    starts : iterable
        Points to start from, seeds, or whatever `run` takes.
    executor : concurrent.futures.Executor, optional
        Where to run: a pool of threads or of processes, or a Dask cluster by `client.get_executor()`. This process
        runs one start after another unless given. Processes get `run` pickled, so that it must be a function at the
        top of a module, or `functools.partial` of one; Dask takes any function.

    Returns
    -------
    Multistart
        All results in the order of the starts, whichever came first, and the best of them.

    Raises
    ------
    RuntimeError
        If every start fails and none gives a result; its cause is the error of the first one.

    Warns
    -----
    RuntimeWarning
        If some starts fail, or give no loss. It names them, and `errors` has their exceptions.

    Notes
    -----
    The executor stays open. Ctrl-C cancels what did not begin, and raises KeyboardInterrupt; this also ends the starts
    of a `run` that itself takes a Ctrl-C for its end, as `nn.fit` does.

    Examples
    --------
    The lowest of the minima of a polynomial:

    >>> from scipy.optimize import minimize
    >>> from autograd_mini import value_and_grad
    >>> f = value_and_grad(lambda x: x[0] ** 4 - 3 * x[0] ** 2 + x[0])
    >>> found = multistart(lambda x0: minimize(f, [x0], jac=True), [2.0, -2.0])
    >>> found
    Multistart(2 starts: lowest loss -3.51391, of start 1)
    >>> found.best.x.round(4)
    array([-1.3008])

    A network from five seeds:

    >>> from nn import MLP, fit
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> def train(seed):
    ...     model = MLP(2, [4, 1], activation="tanh", seed=seed)
    ...     return fit(model, X, y, loss="half_squared_error", epochs=50, lr=0.1), model
    >>> history, model = multistart(train, range(5)).best
    >>> [round(model(x).data) for x in X]
    [0, 1, 1, 0]
    """
    if not callable(run):
        raise TypeError(f"multistart takes a function of a start, not {describe(run)}")
    if not isinstance(starts, Iterable):
        raise TypeError(f"starts must be a sequence of them, not {describe(starts)}")
    if not (executor is None or isinstance(executor, Executor)):
        hint = "; a Dask client has one, client.get_executor()" if hasattr(executor, "get_executor") else ""
        raise TypeError(f"executor must be a concurrent.futures.Executor, not {describe(executor)}{hint}")
    listed = list(starts)
    if not listed:
        raise ValueError("there is no start to minimize from")
    outcomes = _run_here(run, listed) if executor is None else _run_on(executor, run, listed)
    found = Multistart(listed, *_judged(outcomes))
    _report(found)
    return found


def _run_here(run: Callable[[Any], Any], starts: list[Any]) -> list[_Outcome]:
    outcomes: list[_Outcome] = []
    with _noticing_interrupts() as interrupts:
        for start in starts:
            try:
                outcomes.append((run(start), None))
            except Exception as error:
                outcomes.append((None, error))
            if interrupts:  # which run has taken for its own end
                raise KeyboardInterrupt
    return outcomes


def _run_on(executor: Executor, run: Callable[[Any], Any], starts: list[Any]) -> list[_Outcome]:
    futures: list[Future[Any]] = []
    try:
        for start in starts:
            futures.append(_submitted(executor, run, start))
        return list(map(_outcome, futures))
    except BaseException:
        for future in futures:
            future.cancel()
        raise


def _submitted(executor: Executor, run: Callable[[Any], Any], start: Any) -> Future[Any]:
    try:
        return executor.submit(run, start)
    except BrokenExecutor as error:  # an earlier start ended a worker; what others gave is not lost
        future: Future[Any] = Future()
        future.set_exception(error)
        return future


def _outcome(future: Future[Any]) -> _Outcome:
    try:
        error = future.exception()
    except CancelledError as cancelled:
        return None, cancelled
    if error is None:
        return future.result(), None
    if not isinstance(error, Exception):  # a Ctrl-C in a worker, or its exit
        raise error
    clear_frames(error.__traceback__)  # a Dask client keeps errors, and their frames would keep the task
    return None, error


def _judged(outcomes: list[_Outcome]) -> tuple[list[Any], list[float], dict[int, Exception]]:
    """Give the results, their losses and the errors; a result without a loss is an error too."""
    results, losses, errors = [], [], {}
    for i, (result, error) in enumerate(outcomes):
        loss = math.nan
        if error is None:
            try:
                loss = _loss_of(result)
            except (TypeError, OverflowError) as no_loss:
                error = no_loss
        if error is not None:
            errors[i] = error
        results.append(result)
        losses.append(loss)
    return results, losses, errors


def _loss_of(result: Any) -> float:
    if isinstance(result, tuple) and result:
        return _loss_of(result[0])
    loss = getattr(result, "fun", result)  # SciPy's
    history = getattr(result, "validation_loss", None) or getattr(result, "loss", None)
    if isinstance(history, list) and history:  # nn's
        loss = history[-1]
    return as_float(loss, "the loss, which run gives alone, in a result of fit or minimize, or first in a tuple,")


def _report(found: Multistart) -> None:
    """Warn of the starts that failed, or raise if no start gave anything."""
    if not found.errors:
        return
    told = "; ".join(
        f"start {i}, {describe(found.starts[i])}: {type(error).__name__}: {error}"
        for i, error in list(found.errors.items())[:3]
    )
    more = f"; and {len(found.errors) - 3} more" if len(found.errors) > 3 else ""
    if len(found.errors) == len(found.starts) and all(result is None for result in found.results):
        raise RuntimeError(f"every start failed: {told}{more}") from found.errors[0]
    warnings.warn(
        f"{len(found.errors)} of {len(found.starts)} starts failed: {told}{more}", RuntimeWarning, stacklevel=3
    )


@contextmanager
def _noticing_interrupts() -> Iterator[list[int]]:
    """Note each Ctrl-C, which takes effect as usual; it reaches no thread but the main one."""
    noted: list[int] = []
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield noted
        return

    def note(number: int, frame: Any) -> None:
        noted.append(number)
        usual(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, usual)
