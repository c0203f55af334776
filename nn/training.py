"""Training: `fit` goes from batch to batch and from epoch to epoch, and knows when to stop."""

from __future__ import annotations

import math
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any, NoReturn

from autograd_mini import Value, no_grad
from nn.adam import Adam
from nn.checks import count, describe, look_up
from nn.data import DataSet, Examples, Stream, as_examples
from nn.evaluation import Metric, Output, as_number, as_numbers, check_model, metric_function
from nn.history import History
from nn.initialisers import random_generator
from nn.line_search import LineSearch
from nn.losses import Loss, loss_function
from nn.losses import l2 as l2_term
from nn.module import Module
from nn.newton import Newton
from nn.optimiser import Optimiser, Schedule, not_negative
from nn.progress import progress_bar
from nn.sgd import SGD
from nn.stopping import Callback, StoppingRules

# Learns from a batch; gives its loss before that, and the outputs that the loss was computed from.
Step = Callable[[Examples], tuple[float, list[Output]]]

# Measures the validation data: their loss, and metric if there is one.
Validate = Callable[[], tuple[float, float | None]]

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
        Whether to show a bar (tqdm) where stderr is a terminal or a notebook.

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
        If there is something else than numbers in X or y, or an argument is of the wrong type.
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
    objective = _objective(model, loss_function(loss), not_negative(l2, "l2"))
    measure = None if metric is None else metric_function(metric, loss)
    optimiser = _optimiser(optimizer, lr, model)
    rules = StoppingRules(epochs, tol, patience, max_seconds, callback)
    evaluate = partial(_evaluate, model, objective, measure)
    held_out = None if validation is None else _held_out(validation)
    size = None if batch_size is None else count(batch_size, "batch_size")
    data: DataSet | Stream
    if y is None:
        steps = 100 if steps_per_epoch is None else count(steps_per_epoch, "steps_per_epoch")
        data = Stream(_check_stream(X), size or 1, steps)
    else:
        _check_rules_for_data(rules, steps_per_epoch)
        data = DataSet(as_examples(X, y), size, random_generator(seed) if shuffle else None)
        evaluate(data.examples, probe=True)
    if held_out is not None:
        evaluate(held_out, probe=True)
    step = graph_step(model, objective, optimiser, keep_outputs=measure is not None)
    history = History(metric if isinstance(metric, str) else "metric")
    training = _Training(step, optimiser, data, measure, rules, history)
    with progress_bar(progress, epochs) as advance:
        training.run(advance, None if held_out is None else partial(evaluate, held_out))
    return history


def graph_step(model: Module, objective: Loss, optimiser: Optimiser, keep_outputs: bool) -> Step:
    """Make the function that learns from a batch by backpropagation over the graph of its loss."""

    def step(batch: Examples) -> tuple[float, list[Output]]:
        outputs: list[Output] = []

        def closure() -> Value:
            predictions = [model(x) for x in batch.inputs]
            if keep_outputs and not outputs:  # a line search comes here again, from where it tries to go
                outputs.extend(map(as_numbers, predictions))
            return objective(predictions, batch.targets)  # type: ignore[no-any-return]

        loss: Any = optimiser.step(closure)
        return loss.data, outputs

    return step


class _Training:
    """A training under way: what it has learned so far, and what it can go back to."""

    def __init__(
        self,
        step: Step,
        optimiser: Optimiser,
        data: DataSet | Stream,
        measure: Metric | None,
        rules: StoppingRules,
        history: History,
    ) -> None:
        self.step = step
        self.optimiser = optimiser
        self.data = data
        self.measure = measure
        self.rules = rules
        self.history = history
        self.began = perf_counter()
        self.start = self.latest = self._parameters()
        self.best: list[float] | None = None

    def run(self, advance: Callable[[History], None], validate: Validate | None) -> None:
        """Train until a rule says stop, the data end, or Ctrl-C."""
        stopped = ""
        try:
            while not stopped:
                stopped = self._epoch(advance, validate)
        except KeyboardInterrupt:
            stopped = "interrupted by Ctrl-C"
            self._restore(self.best or self.latest)
        if self.rules.patience is not None and self.best is not None:
            self._restore(self.best)
        self.history.stopped = stopped

    def _epoch(self, advance: Callable[[History], None], validate: Validate | None) -> str:
        """Train for an epoch and record it; say why it was the last, if so."""
        began, before = perf_counter(), self._parameters()
        figures = self._learn()
        if figures is None:
            if not self.history:
                raise ValueError("the iterator X gave no observation to learn from")
            return "the data ended"
        loss, metric = figures
        validation_loss, validation_metric = (None, None) if validate is None else validate()
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
                self.best = before if self.data.is_one_batch and validate is None else self._parameters()
        advance(self.history)
        return self.rules.reason_to_stop(self.history, perf_counter() - self.began)

    def _learn(self) -> tuple[float, float | None] | None:
        """Go through the batches of an epoch; give its loss and metric, or None if there was no batch."""
        total, seen = 0.0, 0
        outputs: list[Output] = []
        targets: list[Any] = []
        for batch in self.data:
            loss, of_batch = self.step(batch)
            if not math.isfinite(loss):
                self._diverge(loss)
            size = len(batch.targets)
            total, seen = total + loss * size, seen + size
            if self.measure is not None:
                outputs += of_batch
                targets += batch.targets
            if self.best is None:
                self.latest = self._parameters()
            if self.rules.time_is_over(perf_counter() - self.began):
                break
        if not seen:
            return None
        return total / seen, None if self.measure is None else self.measure(outputs, targets)

    def _diverge(self, loss: float) -> NoReturn:
        self._restore(self.best or self.start)
        kept = f"the best, of epoch {self.history.best_epoch}" if self.best else "those from before"
        raise FloatingPointError(
            f"the loss became {loss} in epoch {len(self.history) + 1}; a lower learning rate may help, or inputs "
            f"scaled to about 1. The model's parameters are {kept}"
        )

    def _parameters(self) -> list[float]:
        return [parameter.data for parameter in self.optimiser.parameters]

    def _restore(self, numbers: list[float]) -> None:
        for parameter, number in zip(self.optimiser.parameters, numbers):
            parameter.data = number


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


def _objective(model: Module, loss: Loss, strength: float) -> Loss:
    """Give what training minimises: the loss, and the L2 term if it has any strength."""
    if not strength:
        return loss
    weights = model.weights()
    return lambda predictions, targets: loss(predictions, targets) + l2_term(weights, strength)


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


def _evaluate(
    model: Module, objective: Loss, measure: Metric | None, examples: Examples, probe: bool = False
) -> tuple[float, float | None]:
    """Compute loss and metric without recording a graph.

    A probe calls the model for the first input alone, and so checks all targets at little cost.
    """
    inputs, targets = examples
    with no_grad():
        predictions = [model(x) for x in inputs[:1]] * len(inputs) if probe else [model(x) for x in inputs]
        loss = as_number(objective(predictions, targets), "the loss")
        return loss, None if measure is None else measure(list(map(as_numbers, predictions)), targets)
