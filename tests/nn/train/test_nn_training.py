"""fit: what it computes against PyTorch and SciPy, how it ends, what it refuses, and what the notes say of training."""

import random
import signal
import subprocess
import sys
import time
import weakref
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import pytest

from autograd_mini import Value
from nn import MLP, SGD, Adam, History, LineSearch, Neuron, fit, half_squared_error, score, step_decay
from nn.train.fit import interrupts_wait

RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 3))
Y: Any = X @ [1.0, -2.0, 0.5] + RNG.normal(scale=0.3, size=10) + 0.7
LABELS = (Y > 0.5).astype(int)


def linear(seed=1):
    return Neuron(3, nonlin=False, seed=seed)


def data_of(model):
    return [parameter.data for parameter in model.parameters()]


def train(model, **options):
    return fit(model, X, Y, **{"loss": "half_squared_error", "optimizer": "sgd", "lr": 0.1, **options})


def half_squared_error_of(model, X=X, y=Y):
    return sum((model(x).data - t) ** 2 / 2 for x, t in zip(X, y)) / len(y)


# Against PyTorch, step by step.


@pytest.mark.parametrize(("batch_size", "epochs"), [(None, 50), (10, 50), (64, 50), (5, 25), (4, 17), (1, 5)])
@pytest.mark.parametrize("strength", [0.0, 0.03])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_every_epoch_ends_with_pytorchs_parameters(batch_size, epochs, strength, optimizer):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model = MLP(3, [4, 1], activation="tanh", seed=1)
    tensors = [torch.tensor(array, requires_grad=True) for array in model.state_dict().values()]
    w, b, u, c = tensors
    theirs = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer](tensors, lr=0.05)
    inputs, targets, orders = torch.tensor(X), torch.tensor(Y), random.Random(7)

    def epoch_of_pytorch():
        one_batch = batch_size is None or batch_size >= len(Y)
        order = list(range(len(Y))) if one_batch else orders.sample(range(len(Y)), len(Y))
        losses = []
        for batch in torch.tensor(order).split(batch_size or len(Y)):
            theirs.zero_grad()
            errors = (torch.tanh(inputs[batch] @ w.T + b) @ u.T + c)[:, 0] - targets[batch]
            loss = (errors**2).mean() / 2 + strength / 2 * ((w**2).sum() + (u**2).sum())
            loss.backward()
            theirs.step()
            losses += [loss.item()] * len(batch)
        return np.mean(losses)

    def compare_parameters():
        for array, tensor in zip(model.state_dict().values(), tensors):
            assert np.allclose(array, tensor.detach().numpy(), rtol=1e-10, atol=1e-10)

    def compare(history):
        assert history.loss[-1] == pytest.approx(epoch_of_pytorch(), rel=1e-10)
        compare_parameters()

    options = {"optimizer": optimizer, "lr": 0.05, "batch_size": batch_size, "seed": 7, "l2": strength}
    history = train(model, epochs=epochs, callback=compare, **options)
    assert len(history) == epochs
    compare_parameters()  # without patience the last ones stay, not the best


def test_batches_are_drawn_from_the_global_generator_unless_there_is_a_seed():
    first, second = linear(), linear()
    for model in (first, second):
        random.seed(5)
        train(model, epochs=3, batch_size=2)
    assert data_of(first) == data_of(second)
    state = random.getstate()
    train(first, epochs=3, batch_size=2, seed=1)
    assert random.getstate() == state


def test_an_optimizer_goes_on_from_the_state_that_it_is_in():
    whole, halves = linear(), linear()
    train(whole, epochs=10, optimizer="adam")
    optimizer = Adam(halves.parameters(), lr=0.1)
    for _ in range(2):
        train(halves, epochs=5, optimizer=optimizer, lr=None)
    assert data_of(halves) == data_of(whole)


# What is recorded.


def test_validation_is_measured_after_the_epoch_and_not_learned_from():
    model, alone = linear(), linear()
    held_out = RNG.normal(size=(4, 3)), RNG.normal(size=4)
    expected = []
    history = train(
        model,
        epochs=5,
        validation=held_out,
        metric="mean_squared_error",
        callback=lambda history: expected.append(half_squared_error_of(model, *held_out)),
    )
    train(alone, epochs=5)
    assert history.validation_loss == pytest.approx(expected, rel=1e-12)
    assert history.validation_metric == pytest.approx([2 * loss for loss in expected], rel=1e-12)
    assert data_of(model) == data_of(alone)


def test_the_l2_term_is_part_of_both_losses():
    plain, regular = linear(), linear()
    penalty = 0.3 / 2 * sum(w.data**2 for w in plain.w)
    options = {"epochs": 1, "optimizer": SGD([plain.b], lr=1e-300), "lr": None, "validation": (X, Y)}
    without = train(plain, **options)
    options["optimizer"] = SGD([regular.b], lr=1e-300)  # which leaves the weights
    history = train(regular, l2=0.3, **options)
    assert history.loss == pytest.approx([without.loss[0] + penalty], rel=1e-12)
    assert history.validation_loss == pytest.approx([without.validation_loss[0] + penalty], rel=1e-12)


@pytest.mark.parametrize("batch_size", [None, 3])
@pytest.mark.parametrize("optimizer", ["sgd", "line_search"])
def test_the_metric_is_that_of_the_outputs_that_were_learned_from(batch_size, optimizer):
    history = train(linear(), epochs=4, batch_size=batch_size, metric="half_squared_error", optimizer=optimizer)
    assert history.metric == pytest.approx(history.loss, rel=1e-12)
    assert history.metric_name == "half_squared_error"


def test_accuracy_is_recorded_and_has_the_losss_threshold():
    model = linear()
    expected = np.mean([(model(x).data > 0.0) == label for x, label in zip(X, LABELS)])
    history = fit(model, X, 2 * LABELS - 1, loss="hinge", metric="accuracy", epochs=1, validation=(X, 2 * LABELS - 1))
    assert history.metric == [expected]
    assert history.validation_metric == [score(model, X, LABELS, loss="hinge")]


def test_learning_rates_are_recorded():
    assert train(linear(), epochs=3).lr == [0.1] * 3
    schedule = step_decay(0.1, every=2, factor=0.5)
    assert train(linear(), epochs=4, lr=schedule).lr == [0.1, 0.1, 0.05, 0.05]
    # of two batches an epoch, the rate of the second
    assert train(linear(), epochs=2, batch_size=5, lr=lambda step: 1 / (step + 1)).lr == [1 / 2, 1 / 4]
    searching = linear()
    optimizer = LineSearch(searching.parameters())
    assert train(searching, epochs=1, optimizer=optimizer, lr=None).lr == [optimizer.chosen_lr]


def test_seconds_are_those_of_each_epoch():
    started = time.perf_counter()
    history = train(linear(), epochs=3, callback=lambda history: time.sleep(0.01))
    assert len(history.seconds) == 3
    assert 0.0 < sum(history.seconds) < time.perf_counter() - started - 0.03


# How training ends.


def test_training_ends_by_each_rule_and_says_so():
    assert train(linear(), epochs=3).stopped == "epochs = 3 are done"
    assert train(linear(), tol=1e-9).stopped == "the loss changed by no more than tol = 1e-09"
    assert train(linear(), patience=1, lr=1.2).stopped == "no lower loss for patience = 1 epochs"
    assert train(linear(), callback=lambda history: len(history) == 2).stopped == "the callback asked for it"
    assert train(linear(), max_seconds=0.01).stopped == "max_seconds = 0.01 are over"


def test_time_ends_an_epoch_early():
    steps = count(-1)  # the first call checks the targets

    def slow(predictions, targets):
        next(steps)
        time.sleep(0.01)
        return half_squared_error(predictions, targets)

    history = train(linear(), loss=slow, batch_size=1, max_seconds=0.02)
    assert len(history) == 1
    assert 1 <= next(steps) <= 2  # of 10


def test_patience_ends_with_the_parameters_of_the_lowest_validation_loss():
    model = MLP(3, [10, 1], activation="tanh", seed=2)
    held_out = RNG.normal(size=(10, 3)), RNG.normal(size=10)
    seen = []
    history = train(
        model,
        optimizer="adam",
        validation=held_out,
        patience=5,
        batch_size=2,
        callback=lambda history: seen.append(data_of(model)),
    )
    best = int(np.argmin(history.validation_loss))
    assert len(history) == best + 1 + 5
    assert history.best_epoch == best + 1
    assert data_of(model) == seen[best]
    assert half_squared_error_of(model, *held_out) == pytest.approx(min(history.validation_loss), rel=1e-12)


def test_patience_restores_the_best_also_where_another_rule_ends_training():
    model = linear()
    history = train(model, lr=1.0, patience=100, epochs=8)
    assert half_squared_error_of(model) == pytest.approx(min(history.loss), rel=1e-12)


# Ctrl-C.


def press_ctrl_c_after(epochs):
    def callback(history):
        if len(history) == epochs:
            raise KeyboardInterrupt

    return callback


def test_ctrl_c_gives_the_history_and_the_best_parameters_of_batch_descent():
    model = linear()
    history = train(model, lr=1.0, callback=press_ctrl_c_after(8))  # a rate at which the loss goes up again
    assert isinstance(history, History)
    assert history.stopped == "interrupted by Ctrl-C"
    assert len(history) == 8
    assert half_squared_error_of(model) == pytest.approx(min(history.loss), rel=1e-12)


class Interrupted(SGD):
    """Is hit by Ctrl-C in the middle of a step, and remembers the parameters from before it."""

    def __init__(self, parameters, lr, at):
        super().__init__(parameters, lr)
        self.at = at

    def _update(self, rate):
        if self.steps < self.at:
            super()._update(rate)
            return
        self.before = [parameter.data for parameter in self.parameters]
        self.parameters[0].data += 1000.0
        raise KeyboardInterrupt


@pytest.mark.parametrize("at", [0, 4])
def test_ctrl_c_in_the_first_epoch_leaves_the_last_complete_step(at):
    model = linear()
    optimizer = Interrupted(model.parameters(), lr=0.1, at=at)
    history = train(model, optimizer=optimizer, lr=None, batch_size=1, epochs=1)
    assert len(history) == 0
    assert data_of(model) == optimizer.before


def test_ctrl_c_in_the_middle_of_a_later_step_leaves_the_best_epoch():
    model, seen = linear(), []
    optimizer = Interrupted(model.parameters(), lr=0.1, at=25)
    history = train(
        model, optimizer=optimizer, lr=None, batch_size=1, seed=1, callback=lambda history: seen.append(data_of(model))
    )
    assert len(history) == 2
    assert data_of(model) == seen[history.best_epoch - 1]


@pytest.mark.parametrize("optimizer", ["line_search", "newton", "adam"])
def test_ctrl_c_in_the_loss_is_no_different(optimizer):
    calls = count()

    def loss(predictions, targets):
        if next(calls) == 20:
            raise KeyboardInterrupt
        return half_squared_error(predictions, targets)

    model = linear()
    history = train(model, loss=loss, optimizer=optimizer, lr=None, epochs=100)
    assert history.stopped == "interrupted by Ctrl-C"
    assert half_squared_error_of(model) == pytest.approx(min(history.loss), rel=1e-12)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows delivers Ctrl-C to a whole console")
def test_a_real_ctrl_c():
    script = """
import signal
from nn import MLP, fit, half_squared_error
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts without
X, y = [[0.1 * i, 1.0] for i in range(20)], [(0.1 * i) ** 2 for i in range(20)]
model = MLP(2, [8, 1], activation="tanh", seed=1)
tell = lambda history: print("started", flush=True) if len(history) == 3 else None
history = fit(model, X, y, loss="half_squared_error", optimizer="sgd", lr=0.1, callback=tell)
print(history.stopped)
kept = half_squared_error([model(x) for x in X], y).data
print(abs(kept - min(history.loss)) < 1e-14)  # the loss of an epoch is a mean over batches, rounded
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "started\n"
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (out, err) == ("interrupted by Ctrl-C\nTrue\n", "")


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupt_waits_for_history_and_best_parameters_to_fit_together():
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_wait():  # noqa: PT012 (the block is what is tested)
        signal.raise_signal(signal.SIGINT)
        done.append("all of the block")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert done == ["all of the block"]


# Errors under way.


@pytest.mark.parametrize("jit", [None, False])
def test_a_loss_that_diverges_is_an_error_and_the_best_parameters_stay(jit):
    model = linear()
    seen: list[History] = []
    message = r"the loss became (inf|nan) in epoch \d+; a lower learning rate may help.*the best, of epoch 1"
    with pytest.raises(FloatingPointError, match=message):
        train(model, lr=1e3, jit=jit, callback=seen.append)
    assert half_squared_error_of(model) == pytest.approx(min(seen[0].loss), rel=1e-12)


def test_a_loss_that_diverges_in_the_first_epoch_leaves_the_model_as_it_was():
    model = linear()
    before = data_of(model)
    with pytest.raises(FloatingPointError, match=r"in epoch 1;.*parameters are those from before"):
        train(model, lr=1e200, batch_size=1, epochs=1)
    assert data_of(model) == before


def test_an_error_in_the_callback_leaves_the_last_parameters():
    model, seen = linear(), []

    def callback(history):
        model.w[0].data += 1.0
        seen.append(data_of(model))
        if len(history) == 3:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        train(model, callback=callback)
    assert data_of(model) == seen[-1]


# What is refused, before any parameter changes.


BINARY = "binary_cross_entropy_from_logits"
GOOD = {"loss": "half_squared_error", "epochs": 2}
BAD_CALLS = [
    ((X[:, :2], Y), GOOD, ValueError, "expected 3 inputs, but got 2"),
    ((X, Y[:9]), GOOD, ValueError, "X has 10 rows and y 9"),
    ((np.where(X > 1.0, np.nan, X), Y), GOOD, ValueError, "X must be finite"),
    ((X, np.stack([Y, Y], axis=1)), GOOD, ValueError, r"targets\[0\] must be shaped like predictions\[0\]"),
    ((X, [*LABELS[:9], 2]), {**GOOD, "loss": "hinge"}, ValueError, "needs targets -1 and 1, but got 0"),
    ((X, LABELS), {**GOOD, "loss": "cross_entropy_from_logits"}, ValueError, "for a single output use the binary"),
    ((X,), GOOD, TypeError, r"y is missing.*iterator of pairs.*X is array"),
    ((iter(X), Y), GOOD, TypeError, "X must be an array of numbers, not <"),
    ((X, Y), {"epochs": 2}, TypeError, "loss"),
    ((X, Y), {**GOOD, "loss": lambda p, t: None}, TypeError, "the loss must give a Value, not None"),
    ((X, Y), {**GOOD, "optimizer": "adagrad"}, ValueError, "'adagrad'.*adam, line_search"),
    ((X, Y), {**GOOD, "optimizer": SGD}, TypeError, "optimizer must be a name or an Optimizer, not <class"),
    ((X, Y), {**GOOD, "optimizer": "sgd"}, ValueError, "sgd needs a learning rate, such as lr=0.1"),
    ((X, Y), {**GOOD, "optimizer": SGD([Value(1.0)], lr=1)}, ValueError, "parameters that this model does not"),
    ((X, Y), {**GOOD, "metric": "f1"}, ValueError, "unknown metric 'f1'; known are: accuracy"),
    ((X, Y), {**GOOD, "metric": lambda p, t: "good"}, TypeError, "the metric must be a number, not 'good'"),
    ((X, LABELS), {**GOOD, "metric": "accuracy"}, ValueError, "loss=half_squared_error does not say which outputs"),
    ((X, Y), {**GOOD, "loss": "mean_squared_error", "l2": -1.0}, ValueError, "l2 must be 0 or more and finite, not -1"),
    ((X, Y), {**GOOD, "batch_size": 0}, ValueError, "batch_size must be at least 1, not 0"),
    ((X, Y), {**GOOD, "seed": "x"}, TypeError, "seed must be an integer or a random.Random, not 'x'"),
    ((X, Y), {**GOOD, "epochs": None}, ValueError, "nothing would end training: give epochs"),
    ((X, Y), {**GOOD, "steps_per_epoch": 3}, ValueError, "steps_per_epoch is for an iterator"),
    ((X, Y), {**GOOD, "validation": X}, TypeError, r"validation must be a pair \(X, y\), not array"),
    ((X, Y), {**GOOD, "validation": (X, Y[:9])}, ValueError, "validation X has 10 rows and validation y 9"),
    ((X, Y), {**GOOD, "validation": (X[:, :2], Y)}, ValueError, "expected 3 inputs, but got 2"),
    ((X, LABELS), {**GOOD, "loss": BINARY, "validation": (X, 2 * LABELS)}, ValueError, "from 0 to 1, not 2"),
    ((iter([]),), GOOD, ValueError, "the iterator X gave no observation"),
]


@pytest.mark.parametrize(("data", "options", "error", "message"), BAD_CALLS)
def test_bad_calls_are_refused_and_change_nothing(data, options, error, message):
    model = linear()
    before = data_of(model)
    with pytest.raises(error, match=message):
        fit(model, *data, **options)
    assert data_of(model) == before


# Online learning, underfitting and overfitting, as the lecture notes describe them.


class Row(list):
    """A list that can be referred to weakly."""


def test_online_learning_takes_observations_as_they_arrive_and_keeps_none():
    generator, rows, most_alive = random.Random(1), [], 0

    def world():
        nonlocal most_alive
        while True:
            x = Row([generator.uniform(-1.0, 1.0) for _ in range(3)])
            rows.append(weakref.ref(x))
            most_alive = max(most_alive, sum(row() is not None for row in rows))
            yield x, x[0] - 2.0 * x[1] + 0.5 * x[2] + 0.7
            del x

    model = Neuron(3, nonlin=False, init="zeros")
    history = fit(model, world(), loss="half_squared_error", optimizer="sgd", lr=0.2, epochs=20, steps_per_epoch=50)
    assert history.stopped == "epochs = 20 are done"
    assert len(history) == 20
    assert data_of(model) == pytest.approx([1.0, -2.0, 0.5, 0.7], abs=1e-3)
    assert len(rows) == 1000
    assert most_alive <= 2


@pytest.mark.parametrize("batch_size", [1, 4])
def test_online_learning_is_descent_in_the_order_of_arrival(batch_size):
    online, expected = linear(), linear()
    history = fit(online, zip(X, Y), loss="half_squared_error", optimizer="sgd", lr=0.1, batch_size=batch_size)
    assert history.stopped == "the data ended"
    optimizer = SGD(expected.parameters(), lr=0.1)
    losses = []
    for start in range(0, len(X), batch_size):
        batch = slice(start, start + batch_size)
        loss: Any = optimizer.step(partial(lambda i: half_squared_error([expected(x) for x in X[i]], Y[i]), batch))
        losses.append(loss.data * len(X[batch]) / len(X))
    assert data_of(online) == pytest.approx(data_of(expected), rel=1e-13)
    assert history.loss == [pytest.approx(sum(losses), rel=1e-13)]


@pytest.mark.parametrize(
    ("rule", "stopped"),
    [
        ({"epochs": 2}, "epochs = 2 are done"),
        ({"callback": lambda history: len(history) == 2}, "the callback asked for it"),
        ({"max_seconds": 0.02}, "max_seconds = 0.02 are over"),
    ],
)
def test_an_endless_stream_ends_by_rule_and_no_observation_is_lost(rule, stopped):
    arrived, learned = count(), count()
    stream = (([1.0, float(i % 3), 0.0], 1.0) for i in arrived)

    def loss(predictions, targets):
        next(learned)
        return half_squared_error(predictions, targets)

    history = fit(linear(), stream, loss=loss, optimizer="sgd", lr=0.1, steps_per_epoch=7, **rule)
    assert history.stopped == stopped
    assert next(arrived) == next(learned) > 0


def test_too_few_epochs_underfit_and_too_many_overfit():
    rng = np.random.default_rng(0)

    def sample(n):
        x = rng.uniform(-1.0, 1.0, size=(n, 1))
        return x, np.sin(3.0 * x[:, 0]) + rng.normal(scale=0.5, size=n)

    model = MLP(1, [20, 1], activation="tanh", seed=0, init=lambda generator: generator.gauss(0.0, 2.0))
    training, validation = sample(10), sample(25)
    history = fit(model, *training, loss="half_squared_error", lr=0.05, epochs=400, validation=validation)
    best = history.best_epoch - 1
    assert 10 < best < 200
    # before: both curves are far up
    assert history.loss[0] > 10 * history.loss[best]
    assert history.validation_loss[0] > 10 * history.validation_loss[best]
    # after: they part
    assert history.loss[-1] < history.loss[best] / 3
    assert history.validation_loss[-1] > history.validation_loss[best] * 1.3
