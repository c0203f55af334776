"""Training: `fit` goes from batch to batch and from epoch to epoch, and knows when to stop."""

from __future__ import annotations

import math
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, NoReturn

from autograd_mini.engine.checks import check_count, describe
from nn.checks import check_not_negative, look_up
from nn.initializers import random_generator
from nn.losses import Loss, loss_function, loss_name
from nn.module import Module
from nn.optim.adam import Adam
from nn.optim.line_search import LineSearch
from nn.optim.newton import Newton
from nn.optim.optimizer import Optimizer, Schedule
from nn.optim.sgd import SGD
from nn.train.chunks import take_examples
from nn.train.contract import Structure
from nn.train.data import DataSet, Metric, Parts, Rows, Stream
from nn.train.evaluation import METRICS, check_metric, check_model, metric_function
from nn.train.history import History
from nn.train.learner import Learner, choose_objective
from nn.train.objective import GraphObjective, parameters_of
from nn.train.progress import Tell, progress_bar
from nn.train.stopping import Callback, Stall, StoppingRules

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": SGD,
    "adam": Adam,
    "line_search": LineSearch,
    "newton": Newton,
}


def fit(
    model: Module,
    X: Any,
    y: Any = None,
    *,
    loss: str | Loss,
    optimizer: str | Optimizer = "adam",
    lr: float | Schedule | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    shuffle: bool = True,
    seed: int | random.Random | None = None,
    steps_per_epoch: int | None = None,
    l2: float = 0.0,
    metric: str | Metric | None = None,
    validation: tuple[Any, Any] | None = None,
    tol: float | None = None,
    patience: int | None = None,
    max_seconds: float | None = None,
    callback: Callback | None = None,
    progress: bool = True,
    jit: bool | None = None,
) -> History:
    """Train a model: change its parameters, batch by batch, so that the loss gets lower.

    Parameters
    ----------
    model : Module
    X : array-like of shape (n, features), or iterator of pairs (x, y)
        The inputs: lists, tuples, an array, a pandas frame, a Dask array or dataframe. An iterator is learned from
        online: each observation as it arrives, and none is stored (Chapter 11: Neural Network, section 11.2).
    y : array-like of shape (n,) or (n, outputs), optional
        The targets, as the loss wants them; integers stay integers. Left out if X is an iterator, of Dask if X is.
    loss : str or callable
        A key of `nn.LOSSES`, or a function of a batch's outputs and targets that gives the mean of
        the examples' losses.
    optimizer : str or Optimizer, optional
        A key of `nn.OPTIMIZERS`, or an optimizer of all or some of the model's parameters, which goes on from its
        present state.
    lr : float or callable, optional
        The learning rate of an optimizer given by name, or a schedule: a function of the number of
        steps done so far. Necessary for `"sgd"`.
    epochs : int, optional
        How many times to go through the data; no limit unless given.
    batch_size : int, optional
        How many examples each step learns from; the last batch of an epoch may be smaller. None makes one batch of
        all examples, or batches of 1 of an iterator.
    shuffle : bool, optional
        Whether an epoch of several batches takes the examples in a random order, drawn anew by
        `generator.sample(range(n), n)`, or in the order of the data. Of Dask arrays the chunks are taken in a random
        order, and the rows of each chunk in one.
    seed : int or random.Random, optional
        The generator of that order; Python's global one unless given.
    steps_per_epoch : int, optional
        For an iterator: after how many steps the history gets an entry and stopping rules are
        judged; 100 unless given.
    l2 : float, optional
        The strength of the L2 term on weights, not biases. The recorded losses include it.
    metric : str or callable, optional
        A measure to record besides the loss, as for `score`.
    validation : pair of array-like, optional
        X and y that are measured after each epoch, and not learned from.
    tol : float, optional
        Stop once the loss of an epoch differs from the loss of the epoch before by no more than this.
    patience : int, optional
        Stop once so many epochs in a row have not lowered the validation loss, or without validation data the loss.
    max_seconds : float, optional
        Stop after the first step that ends after so many seconds.
    callback : callable, optional
        Called with the history after each epoch; a true result stops.
    progress : bool, optional
        Whether to tell how training runs: by a bar (tqdm) where stderr is a terminal or a notebook. Elsewhere the
        logger `"nn.fit"` says why training runs along the graph, if it does. `repr` of the history says so too.
    jit : bool, optional
        Whether to compute through `autograd_mini.jit`, with the same results, or along the graph of each batch.
        Unless given, through jit if model and loss are all nn's own. True compiles your own models and losses as
        well. Its contract: they are pure functions of parameters and examples, with no randomness, no memory and
        nothing else that changes, and the loss is the mean over the examples. This is checked on the first batch.
        Without llvmlite compiled code runs on NumPy; with few examples in a batch it is slower than the graph.

    Returns
    -------
    History
        Also says why training ended; `history.plot()` draws it.

    Raises
    ------
    ValueError
        If nothing would ever end training, or the optimizer has parameters that the model does not have; with
        `jit=True` also if loss or gradient of the first batch differ from the graph's.
    TypeError
        With `jit=True`, if model or loss can't be traced, or the optimizer needs the graph, as `"newton"` does. With
        Dask arrays, if one of X and y is of NumPy, or if jit was not to be used.
    RuntimeError
        If a callback adds, removes or exchanges parameters, and training is to go on.
    FloatingPointError
        If the loss becomes nan or infinite, as with too high a learning rate. The model then has the best parameters
        so far, or its first ones if no epoch is complete.

    Notes
    -----
    Data and options are checked before any parameter changes. This check calls the model for the first input, then loss
    and metric with this output as the prediction for every target.

    Ctrl-C ends training and gives the history. The model then has the best parameters so far, from the epoch
    `history.best_epoch`. Before the end of the first epoch it has the parameters after the last complete step, as after
    any other exception. With `patience` it has the best parameters however training ends; otherwise the last ones. The
    loss of an epoch of one batch is measured before the step. So without validation data the best parameters are the
    parameters before that step.

    A callback, a metric that is a function, and an iterator X may read `data` and `grad` of parameters. A callback may
    also change them, and may change other parts of the model: training goes on with the model as it then is.

    Rows of Dask arrays stay where they are, except the first 8, on which model, loss and metric are tried. A step sends
    the parameters to the chunks and gets the sum of their gradients, so history and parameters are those of NumPy
    arrays in the same order, to rounding. A batch takes consecutive rows; a batch size that the chunks' lengths are
    multiples of takes each from one chunk. Before the first step all rows are checked once. Chunks that are not
    persisted are made anew in each step: `client.persist` keeps them, if they fit. Training goes through jit alone.
    A metric is measured by chunk, so it must be the mean over the examples. Functions of your own travel to the workers
    as Dask pickles them.

    The order of shuffled chunks is `nn.train.chunks.draw_order(number of chunks, generator)`, drawn anew in each epoch.

    Examples
    --------
    The XOR problem (Neural Networks, chapter 1, section 1.4):

    >>> from nn import MLP
    >>> X, y = [[1, 0], [0, 0], [0, 1], [1, 1]], [1, 0, 1, 0]
    >>> model = MLP(2, [4, 1], activation="tanh", seed=1)
    >>> history = fit(model, X, y, loss="half_squared_error", optimizer="sgd", lr=0.5, epochs=500)
    >>> history.stopped
    'epochs = 500 are done'
    >>> [round(model(x).data) for x in X]
    [1, 0, 1, 0]

    Online learning of y = 2x + 1:

    >>> from itertools import count
    >>> from nn import Neuron
    >>> model = Neuron(1, nonlin=False, init="zeros")
    >>> stream = (([i % 3 - 1], 2 * (i % 3 - 1) + 1) for i in count())
    >>> history = fit(model, stream, loss="half_squared_error", optimizer="sgd", lr=0.1, epochs=5)
    >>> round(model([10.0]).data, 6)
    21.0
    """
    check_model(model, jit)
    measure = None if metric is None else metric_function(metric, loss)
    optimizer = _optimizer(optimizer, lr, model)
    objective = GraphObjective(model, loss_function(loss), check_not_negative(l2, "l2"), measure is not None)
    rules = StoppingRules(epochs, tol, patience, max_seconds, callback)
    held_out = None
    if validation is not None:
        if not isinstance(validation, (tuple, list)) or len(validation) != 2:
            raise TypeError(f"validation must be a pair (X, y), not {describe(validation)}")
        held_out = take_examples(*validation, "validation X", "validation y")
    size = None if batch_size is None else check_count(batch_size, "batch_size")
    history = History(metric if isinstance(metric, str) else "metric")
    data: DataSet | Stream
    if y is None:
        steps = 100 if steps_per_epoch is None else check_count(steps_per_epoch, "steps_per_epoch")
        if not isinstance(X, Iterator):
            raise TypeError(f"y is missing; only an iterator of pairs (x, y) goes without, and X is {describe(X)}")
        data = Stream(X, size or 1, steps)
    else:
        if rules.are_none:
            raise ValueError("nothing would end training: give epochs, tol, patience, max_seconds or a callback")
        if steps_per_epoch is not None:
            raise ValueError("steps_per_epoch is for an iterator; of a data set an epoch is every example once")
        data = DataSet(take_examples(X, y), size, random_generator(seed) if shuffle else None)
    model._trained_with = loss_name(loss)
    with progress_bar(progress, epochs) as tell:
        _Training(objective, optimizer, jit, measure, data, held_out, rules, history, tell).run()
    return history


@dataclass(eq=False)
class _Training:
    """A training under way: its state, and the parameters that it can go back to."""

    graph: GraphObjective
    optimizer: Optimizer
    jit: bool | None
    measure: Metric | None
    data: DataSet | Stream
    held_out: Rows | None
    rules: StoppingRules
    history: History
    tell: Tell

    def __post_init__(self) -> None:
        for rows in (self.data.rows if isinstance(self.data, DataSet) else None, self.held_out):
            if rows is not None:
                self._check(rows)
        self.learner = Learner(self.graph, self.optimizer)  # until a first batch chooses another
        self.is_chosen = False
        self.start = self.latest = self.learner.numbers()
        self.best: Any = None
        self.history.keep(self.start)
        self.began = perf_counter()
        # Whether a user's functions run between epochs or observations, and may look at the parameters.
        self.is_live = isinstance(self.data, Stream)
        has_own_metric = self.measure is not None and self.history.metric_name not in METRICS
        has_own_callback = not isinstance(self.rules.callback, (Stall, type(None)))
        self.is_watched = self.is_live or has_own_metric or has_own_callback

    def run(self) -> None:
        """Train until a rule says stop, the data end, or Ctrl-C."""
        stopped = ""
        try:
            if isinstance(self.data, DataSet):
                self._choose(self.data.first_batch())
            while not stopped:
                stopped = self._epoch()
        except KeyboardInterrupt:
            stopped = "interrupted by Ctrl-C"
            self.learner.restore(self.latest if self.best is None else self.best)
        finally:
            self.learner.write()
        if self.rules.patience is not None and self.best is not None:
            self.learner.restore(self.best)
        self.history.stopped = stopped

    def _check(self, rows: Rows) -> None:
        """Let loss and metric check all targets, with the model's output for the first input as predictions."""
        functions, sample = [self.graph.loss], rows.at_hand()
        prediction = self.graph.check(sample)
        if self.measure is not None:
            functions.append(self.measure)
            self.measure(self.graph.outputs, sample.targets)
            check_metric(self.measure, self.graph.model, rows)
        rows.check_elsewhere(functions, prediction)

    def _measure(self, rows: Rows, parts: Parts) -> float | None:
        return None if self.measure is None else rows.measure(self.measure, parts)

    def _choose(self, batch: Rows) -> None:
        """Choose along the graph or through jit, for the model as it is."""
        objective, why = choose_objective(self.graph, self.optimizer, self.jit, batch.at_hand())
        self.history.why_plain = why
        self.history.engine = objective.engine
        self.learner = Learner(objective, self.optimizer)
        if isinstance(self.data, DataSet):
            self.data = replace(self.data, rows=self.data.rows.for_engine(objective.engine, why))
        if self.held_out is not None:
            self.held_out = self.held_out.for_engine(objective.engine, why)
        if self.is_watched:
            self.structure = Structure(objective.model)
        self.is_chosen = True
        self.tell(self.history, 0)
        if not self.history:
            self.began = perf_counter()

    def _epoch(self) -> str:
        """Train for an epoch and record it; give the reason to stop after it, empty if there is none."""
        began, before = perf_counter(), self.learner.numbers()
        figures = self._learn()
        if figures is None:
            if not self.history:
                raise ValueError("the iterator X gave no observation to learn from")
            return "the data ended"
        loss, metric = figures
        validation_loss, validation_metric = None, None
        if self.held_out is not None:
            validation_loss, outputs = self.learner.evaluate(self.held_out)
            validation_metric = self._measure(self.held_out, [(outputs, self.held_out.targets)])
        with interrupts_wait():  # for a history and best parameters that fit together
            self.history.record(
                loss=loss,
                metric=metric,
                validation_loss=validation_loss,
                validation_metric=validation_metric,
                lr=_last_rate(self.optimizer),
                seconds=perf_counter() - began,
            )
            if self.history.best_epoch == len(self.history):
                is_of_before = self.data.is_one_batch and self.held_out is None
                self.best = before if is_of_before else self.learner.numbers()
        self.history.keep(self.learner.numbers())
        self.tell(self.history, 1)
        try:
            stopped = self.rules.reason_to_stop(self.history, perf_counter() - self.began)
        finally:
            if self.is_watched:
                self.learner.read()
        if self.is_watched and not stopped:
            self._notice_changes()
        return stopped

    def _learn(self) -> tuple[float, float | None] | None:
        """Go through the batches of an epoch; give its loss and metric, or None if there was no batch."""
        total, seen = 0.0, 0
        parts: list[tuple[Any, Any]] = []
        for batch in self.data:
            if not self.is_chosen:
                self._choose(batch)
            loss, of_batch = self.learner.step(batch)
            if not math.isfinite(loss):
                self._diverge(loss)
            if self.is_live:
                self.learner.write()
            size = len(batch)
            total, seen = total + loss * size, seen + size
            if self.measure is not None:
                parts.append((of_batch, batch.targets))
            if self.best is None:
                self.latest = self.learner.numbers()
            if self.rules.time_is_over(perf_counter() - self.began):
                break
        if not seen:
            return None
        if self.is_watched:
            self.learner.write()
        return total / seen, self._measure(batch, parts)

    def _notice_changes(self) -> None:
        """Go on with the model as a callback has left it, or refuse that."""
        model, parameters = self.graph.model, self.graph.parameters
        if self.structure.is_of(model):
            return
        self.structure = Structure(model)
        if list(map(id, parameters_of(model))) != list(map(id, parameters)):
            raise RuntimeError(
                "the model has other parameters than those that this fit trains: a callback added, removed or "
                "exchanged some. To train them let the callback return True, which ends this fit, and call fit again"
            )
        self.is_chosen = self.history.engine == "plain"  # else the next batch compiles the model as it is

    def _diverge(self, loss: float) -> NoReturn:
        self.learner.restore(self.start if self.best is None else self.best)
        kept = "those from before" if self.best is None else f"the best, of epoch {self.history.best_epoch}"
        raise FloatingPointError(
            f"the loss became {loss} in epoch {len(self.history) + 1}; a lower learning rate may help, or inputs "
            f"scaled to about 1. The model's parameters are {kept}"
        )


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Let a Ctrl-C take effect only after this block; it reaches no thread but the main one."""
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield
        return
    arrived: list[Any] = []
    signal.signal(signal.SIGINT, lambda *arguments: arrived.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if arrived:
            usual(*arrived[-1])


def _optimizer(optimizer: str | Optimizer, lr: float | Schedule | None, model: Module) -> Optimizer:
    parameters = model.parameters()
    if isinstance(optimizer, str):
        make = look_up(OPTIMIZERS, optimizer, "optimizer")
        if lr is not None:
            return make(parameters, lr)
        if make is SGD:
            raise ValueError("sgd needs a learning rate, such as lr=0.1")
        return make(parameters)
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be a name or an Optimizer, not {describe(optimizer)}")
    if lr is not None:
        raise ValueError("lr is for an optimizer given by name; this one has a learning rate already, optimizer.lr")
    if not set(optimizer.parameters) <= set(parameters):
        raise ValueError("the optimizer was made for parameters that this model does not have")
    return optimizer


def _last_rate(optimizer: Optimizer) -> float:
    if isinstance(optimizer, LineSearch):
        return optimizer.chosen_lr
    return float(optimizer.lr(optimizer.steps - 1) if callable(optimizer.lr) else optimizer.lr)
