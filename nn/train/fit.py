"""Training: `fit` goes from batch to batch and from epoch to epoch, and knows when to stop."""

from __future__ import annotations

import math
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any, NoReturn

from nn.checks import count, describe, look_up
from nn.initializers import random_generator
from nn.losses import Loss, loss_function
from nn.module import Module
from nn.optim.adam import Adam
from nn.optim.line_search import LineSearch
from nn.optim.newton import Newton
from nn.optim.optimizer import Optimiser, Schedule, not_negative
from nn.optim.sgd import SGD
from nn.train.compiled import check_jit
from nn.train.data import DataSet, Examples, Stream, as_examples
from nn.train.evaluation import METRICS, Metric, Output, check_model, metric_function
from nn.train.history import History
from nn.train.learners import GraphLearner, Task, learner_for
from nn.train.progress import progress_bar
from nn.train.stopping import Callback, StoppingRules

OPTIMISERS: dict[str, Callable[..., Optimiser]] = {
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
    optimizer: str | Optimiser = "adam",
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
        The inputs: lists, tuples, an array, a pandas frame. An iterator is learned from online:
        each observation as it arrives, none is stored, and none is taken that is not learned from
        (S4, section 11.2).
    y : array-like of shape (n,) or (n, outputs), optional
        The targets, as the loss wants them; integers stay integers. Without them X is an iterator.
    loss : str or callable
        A key of `nn.LOSSES`, or a function of a batch's outputs and targets that gives the mean of
        the examples' losses.
    optimizer : str or Optimiser, optional
        `"sgd"`, `"adam"`, `"line_search"`, `"newton"`, or an optimiser of the model's parameters or
        of some of them, which goes on from the state that it is in.
    lr : float or callable, optional
        The learning rate of an optimiser given by name, or a schedule: a function of the number of
        steps done so far. Necessary for `"sgd"`.
    epochs : int, optional
        How many times to go through the data; no limit unless given.
    batch_size : int, optional
        How many examples each step learns from: 1 is stochastic, n mini-batch gradient descent
        (S3). None, or more than there are, is batch gradient descent, for which an epoch is one
        step. The last batch of an epoch may be smaller. For an iterator None is 1.
    shuffle : bool, optional
        Whether an epoch of several batches takes the examples in a random order, drawn anew by
        `generator.sample(range(n), n)`, or in that of the data.
    seed : int or random.Random, optional
        The generator of that order; Python's global one unless given.
    steps_per_epoch : int, optional
        For an iterator: after how many steps the history gets an entry and stopping rules are
        judged; 100 unless given.
    l2 : float, optional
        The strength of the L2 term on weights, not biases: S4's lambda. The recorded losses
        include it.
    metric : str or callable, optional
        What to record besides the loss, as for `score`.
    validation : pair of array-like, optional
        X and y to measure after each epoch, and not to learn from.
    tol : float, optional
        Stop once the loss of an epoch differs from that of the one before by no more.
    patience : int, optional
        Stop once the validation loss, or without validation data the loss, was no lower than
        its lowest for so many epochs.
    max_seconds : float, optional
        Stop after the first step that ends later.
    callback : callable, optional
        Called with the history after each epoch; a true result stops.
    progress : bool, optional
        Whether to show a bar (tqdm) where stderr is a terminal or a notebook. It begins with `jit`,
        or with `plain` and why not through jit.
    jit : bool, optional
        True computes losses and gradients through `autograd_mini.jit`, False along the graph of
        each batch, with the same results. Unless given, through jit where llvmlite is installed and
        model and loss can be traced; `history.engine` tells.

    Returns
    -------
    History
        Also says why training ended; `history.plot()` draws it.

    Raises
    ------
    ValueError
        If X or y has the wrong shape, contains nan or inf or is empty, their lengths differ, a
        label is out of range, a name is unknown, an option out of range, nothing would ever end
        training, or the optimiser has parameters that the model has not.
    TypeError
        If there is something else than numbers in X or y, or an argument is of the wrong type; with
        `jit=True` also if model, loss or optimiser can't go through jit.
    ImportError
        With `jit=True`, if llvmlite is not installed.
    FloatingPointError
        If the loss becomes nan or infinite, as with too high a learning rate. The model then has
        the best parameters so far, or if no epoch is complete those from before.

    Notes
    -----
    Data and options are checked before any parameter changes; for that the model is called for the
    first input, and the loss and the metric judge all targets against that output.

    Ctrl-C ends training and gives the history. The model then has the best parameters so far: those
    of the epoch `history.best_epoch`, or before the end of the first epoch those after the last
    complete step. With `patience` it has the best parameters however training ends, otherwise the
    last. Of a single batch an epoch's loss is that of the parameters before it, so these are what
    is kept for it, unless there are validation data; otherwise they are those after it.

    Any other exception, such as one from `callback`, leaves the parameters of the last complete step.

    Through jit, model and loss run in Python only to be traced, and for the first batch to be
    compared with machine code. Of a model or loss that draws random numbers, changes its attributes
    or variables, branches on a number, or is no mean over the examples, the graph is computed
    instead; so it is for `"newton"` and other optimisers with a `step` of their own. What can't be
    seen from there needs `jit=False`: a loss that prints, or a plain number that the callback
    changes and the model or loss uses. `data` and `grad` of parameters are brought up to date before
    the callback, a metric that is a function, or an iterator X is called, and at the end.

    Examples
    --------
    The XOR problem of S2, section 1.4:

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
    >>> model
    LinearNeuron(1)
    >>> round(model([10.0]).data, 6)
    21.0
    """
    check_model(model)
    check_jit(jit)
    measure = None if metric is None else metric_function(metric, loss)
    strength, optimiser = not_negative(l2, "l2"), _optimiser(optimizer, lr, model)
    task = Task(model, loss_function(loss), strength, optimiser, measure)
    rules = StoppingRules(epochs, tol, patience, max_seconds, callback)
    held_out = None if validation is None else _held_out(validation)
    size = None if batch_size is None else count(batch_size, "batch_size")
    graph = GraphLearner(task)
    data: DataSet | Stream
    if y is None:
        steps = 100 if steps_per_epoch is None else count(steps_per_epoch, "steps_per_epoch")
        data = Stream(_check_stream(X), size or 1, steps)
    else:
        _check_rules_for_data(rules, steps_per_epoch)
        examples = as_examples(X, y)
        data = DataSet(examples, size, random_generator(seed) if shuffle else None)
        graph.evaluate(examples, probe=True)
    if held_out is not None:
        graph.evaluate(held_out, probe=True)
    history = History(metric if isinstance(metric, str) else "metric")
    choose = partial(learner_for, task, jit)
    training = _Training(graph, choose, data, held_out, rules, history)
    with progress_bar(progress, epochs) as advance:
        training.run(advance)
    return history


class _Training:
    """A training under way: what it has learned so far, and what it can go back to."""

    def __init__(
        self,
        graph: GraphLearner,
        choose: Callable[[Examples], GraphLearner],
        data: DataSet | Stream,
        held_out: Examples | None,
        rules: StoppingRules,
        history: History,
    ) -> None:
        self.learner = graph  # until there are examples to choose by
        self.choose = choose
        self.optimiser = graph.task.optimiser
        self.measure = graph.task.measure
        self.data: Any = data
        self.held_out: Any = held_out
        self.rules = rules
        self.history = history
        self.start = self.latest = graph.parameters()
        self.best: Any = None
        self.began = perf_counter()
        # Whether functions of the user's, which run between epochs or observations, could look at the parameters.
        self.is_watched = rules.callback is not None or (
            self.measure is not None and history.metric_name not in METRICS
        )
        self.is_live = isinstance(data, Stream)

    def run(self, advance: Callable[[History], None]) -> None:
        """Train until a rule says stop, the data end, or Ctrl-C."""
        stopped = ""
        try:
            if isinstance(self.data, DataSet):
                self._learn_with(self.choose(self.data.first_batch()))
            while not stopped:
                stopped = self._epoch(advance)
        except KeyboardInterrupt:
            stopped = "interrupted by Ctrl-C"
            self.learner.restore(self.latest if self.best is None else self.best)
        finally:
            self.learner.write()
        if self.rules.patience is not None and self.best is not None:
            self.learner.restore(self.best)
        self.history.stopped = stopped

    def _learn_with(self, learner: GraphLearner) -> None:
        self.began = perf_counter()
        self.history.engine, self.history.why_plain = learner.engine, learner.why
        self.start = self.latest = learner.parameters()
        if self.held_out is not None:
            self.held_out = learner.encode(self.held_out)
        if isinstance(self.data, DataSet):
            self.data = replace(self.data, examples=learner.encode(self.data.examples))
        self.learner = learner

    def _epoch(self, advance: Callable[[History], None]) -> str:
        """Train for an epoch and record it; say why it was the last, if so."""
        began, before = perf_counter(), self.learner.parameters()
        figures = self._learn()
        if figures is None:
            if not self.history:
                raise ValueError("the iterator X gave no observation to learn from")
            return "the data ended"
        loss, metric = figures
        validation_loss, validation_metric = None, None
        if self.held_out is not None:
            validation_loss, validation_metric = self.learner.evaluate(self.held_out)
        with interrupts_wait():  # for a history and best parameters that fit together
            self.history.record(
                loss=loss,
                metric=metric,
                validation_loss=validation_loss,
                validation_metric=validation_metric,
                lr=_last_rate(self.optimiser),
                seconds=perf_counter() - began,
            )
            if self.history.best_epoch == len(self.history):
                is_of_before = self.data.is_one_batch and self.held_out is None
                self.best = before if is_of_before else self.learner.parameters()
        advance(self.history)
        try:
            return self.rules.reason_to_stop(self.history, perf_counter() - self.began)
        finally:
            if self.is_watched:
                self.learner.read()

    def _learn(self) -> tuple[float, float | None] | None:
        """Go through the batches of an epoch; give its loss and metric, or None if there was no batch."""
        total, seen = 0.0, 0
        outputs: list[Output] = []
        targets: list[Any] = []
        for batch in self.data:
            if not self.history.engine:
                self._learn_with(self.choose(batch))
            loss, of_batch = self.learner.step(batch)
            if not math.isfinite(loss):
                self._diverge(loss)
            if self.is_live:
                self.learner.write()
            size = len(batch.targets)
            total, seen = total + loss * size, seen + size
            if self.measure is not None:
                outputs += of_batch
                targets += batch.targets
            if self.best is None:
                self.latest = self.learner.parameters()
            if self.rules.time_is_over(perf_counter() - self.began):
                break
        if not seen:
            return None
        if self.is_watched:
            self.learner.write()
        return total / seen, None if self.measure is None else self.measure(outputs, targets)

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


def _optimiser(optimizer: str | Optimiser, lr: float | Schedule | None, model: Module) -> Optimiser:
    parameters = model.parameters()
    if isinstance(optimizer, str):
        make = look_up(OPTIMISERS, optimizer, "optimiser")
        if lr is not None:
            return make(parameters, lr)
        if make is SGD:
            raise ValueError("sgd needs a learning rate, such as lr=0.1")
        return make(parameters)
    if not isinstance(optimizer, Optimiser):
        raise TypeError(f"optimizer must be a name or an Optimiser, not {describe(optimizer)}")
    if lr is not None:
        raise ValueError("lr is for an optimiser given by name; this one has a learning rate already, optimizer.lr")
    if not set(optimizer.parameters) <= set(parameters):
        raise ValueError("the optimiser was made for parameters that this model does not have")
    return optimizer


def _last_rate(optimiser: Optimiser) -> float:
    if isinstance(optimiser, LineSearch):
        return optimiser.chosen_lr
    return float(optimiser.lr(optimiser.steps - 1) if callable(optimiser.lr) else optimiser.lr)


def _held_out(validation: Any) -> Examples:
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise TypeError(f"validation must be a pair (X, y), not {describe(validation)}")
    X, y = validation
    return as_examples(X, y, "validation X", "validation y")


def _check_stream(X: Any) -> Iterator[Any]:
    if not isinstance(X, Iterator):
        raise TypeError(f"y is missing; only an iterator of pairs (x, y) goes without, and X is {describe(X)}")
    return X


def _check_rules_for_data(rules: StoppingRules, steps_per_epoch: int | None) -> None:
    if rules.are_none:
        raise ValueError("nothing would end training: give epochs, tol, patience, max_seconds or a callback")
    if steps_per_epoch is not None:
        raise ValueError("steps_per_epoch is for an iterator; of a data set an epoch is every example once")
