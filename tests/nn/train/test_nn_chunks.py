"""Rows of Dask: what `fit`, `predict` and `score` give for NumPy arrays of the same order, and what is refused."""

import os
import random
import signal
from typing import Any

import numpy as np
import pytest
from interrupts import interrupt_after

from autograd_mini import Value, detect_anomaly
from nn import MLP, Module, Neuron, fit, predict, predict_proba, score
from nn.train.chunks import draw_order

dask = pytest.importorskip("dask", reason="a cluster needs the extra dask")
da = pytest.importorskip("dask.array", reason="a cluster needs the extra dask")
distributed = pytest.importorskip("distributed", reason="a cluster needs the extra dask")

RNG = np.random.default_rng(0)
LENGTHS = (20, 0, 13, 17)
X = RNG.normal(size=(50, 3))
Y = np.tanh(X @ [1.0, -2.0, 0.5]) + RNG.normal(scale=0.1, size=50)
LABELS = (Y > 0).astype(int)
THREE = np.digitize(Y, [-0.5, 0.5])
DX, DY = da.from_array(X, chunks=(LENGTHS, 2)), da.from_array(Y, chunks=30)

pytestmark = [
    pytest.mark.filterwarnings("ignore:Running on a single-machine scheduler"),  # which is what is wanted
]


@pytest.fixture(autouse=True)
def one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def client():
    options = {"distributed.comm.timeouts.connect": "2s", "logging": {"distributed": "critical"}}
    with (
        dask.config.set(options),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


class OrderOfChunks(random.Random):
    """Draws for NumPy arrays the order in which chunks of these lengths are learned from."""

    def __init__(self, seed):
        super().__init__(seed)
        self.of_chunks = random.Random(seed)

    def sample(self, population, k, *, counts=None):
        starts = np.cumsum([0, *LENGTHS])
        drawn = draw_order(len(LENGTHS), self.of_chunks)
        return np.concatenate(
            [starts[i] + np.random.default_rng(seed).permutation(LENGTHS[i]) for i, seed in drawn]
        ).tolist()


def computed(lazy):
    """Compute what must be lazy."""
    assert isinstance(lazy, da.Array)
    return lazy.compute()


def mlp(outputs=1):
    return MLP(3, [4, outputs], activation="tanh", seed=1)


def train(inputs, targets, *, outputs=1, loss="mean_squared_error", **options):
    model = mlp(outputs)
    history = fit(model, inputs, targets, loss=loss, **{"epochs": 6, "lr": 0.1, **options})
    return model, history


def figures(model, history):
    """All that a training leaves, as arrays."""
    columns = {name: np.array(column) for name, column in history.as_dict().items() if name != "seconds"}
    parameters = model.parameters()
    return {**columns, "data": np.array([p.data for p in parameters]), "grad": np.array([p.grad for p in parameters])}


def check_same(found, expected):
    ours, theirs = figures(*found), figures(*expected)
    assert ours.keys() == theirs.keys()
    assert found[1].stopped == expected[1].stopped
    for name, numbers in theirs.items():
        np.testing.assert_allclose(ours[name], numbers, rtol=1e-12, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("batch_size", [None, 7, 20, 33, 50])
@pytest.mark.parametrize("shuffle", [False, True])
def test_history_and_parameters_are_those_of_numpy(batch_size, shuffle):
    options = {"batch_size": batch_size, "shuffle": shuffle}
    found = train(DX, DY, seed=random.Random(3), **options)
    assert found[1].engine == "jit"
    check_same(found, train(X, Y, seed=OrderOfChunks(3), **options))


@pytest.mark.parametrize(
    ("y", "options"),
    [
        (LABELS, {"loss": "binary_cross_entropy_from_logits", "metric": "accuracy", "batch_size": 11}),
        (THREE, {"loss": "cross_entropy_from_logits", "outputs": 3, "metric": "classification_error", "l2": 0.1}),
        (np.stack([Y, Y**2], 1), {"outputs": 2, "metric": "half_squared_error", "patience": 1, "lr": 2.0}),
        (2 * LABELS - 1, {"loss": "hinge", "optimizer": "line_search", "lr": 1.0, "metric": "hinge"}),
        (Y, {"optimizer": "sgd", "tol": 1e-3, "epochs": 50, "batch_size": 20}),
    ],
)
def test_losses_metrics_validation_and_stopping_are_those_of_numpy(y, options):
    chunked = da.from_array(y, chunks=19)
    found = train(DX, chunked, validation=(DX[:25], chunked[:25]), shuffle=False, **options)
    check_same(found, train(X, y, validation=(X[:25], y[:25]), shuffle=False, **options))


def test_a_callback_may_change_the_model_between_epochs():
    def freeze(model):
        def callback(history):
            if len(history) == 2:
                model.layers[1].neurons[0].b.data = 5.0
            return len(history) == 4

        return callback

    runs = []
    for inputs, targets in ((DX, DY), (X, Y)):
        model = mlp()
        runs.append((model, fit(model, inputs, targets, loss="mean_squared_error", callback=freeze(model))))
    check_same(*runs)
    assert len(runs[0][1]) == 4


def test_validation_data_may_be_of_numpy_and_rows_of_dask_or_the_other_way_round():
    expected = train(X, Y, validation=(X, Y))
    check_same(train(DX, DY, validation=(X, Y)), expected)
    check_same(train(X, Y, validation=(DX, DY)), expected)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X.astype("float32"), Y.astype("float32")),
        (X > 0, LABELS > 0),
        (X.astype(object), LABELS.astype(object)),
        (np.ma.array(X), np.ma.array(Y)),
        (X, Y[:, None]),
        (np.asfortranarray(X), Y.astype(">f8")),
    ],
)
def test_numbers_of_other_types_are_those_of_numpy(x, y):
    found = train(da.from_array(x, chunks=(20, 3)), da.from_array(y, chunks=20), metric="mean_squared_error")
    check_same(found, train(x, y, metric="mean_squared_error"))


@pytest.mark.parametrize(
    ("loss", "outputs"),
    [
        (None, 1),
        (None, 2),
        ("hinge", 1),
        ("binary_cross_entropy_from_logits", 1),
        ("binary_cross_entropy_from_logits", 2),
        ("cross_entropy_from_logits", 3),
    ],
)
def test_predictions_are_lazy_arrays_of_the_numbers_of_numpy(loss, outputs):
    model = mlp(outputs)
    pairs: list[Any] = [(predict(model, DX, loss), predict(model, X, loss))]
    if loss not in (None, "hinge"):
        pairs.append((predict_proba(model, DX, loss), predict_proba(model, X, loss)))
    for lazy, expected in pairs:
        assert lazy.chunks[0] == LENGTHS
        assert lazy.dtype == expected.dtype
        found = computed(lazy)
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_scores_are_those_of_numpy():
    model = mlp()
    labels = da.from_array(LABELS, chunks=50)
    for y, chunked, options in (
        (Y, DY, {"metric": "mean_squared_error"}),
        (LABELS, labels, {"loss": "binary_cross_entropy_from_logits"}),
        (Y, DY, {"metric": lambda outputs, targets: np.abs(np.subtract(outputs, targets)).mean()}),
    ):
        assert score(model, DX, chunked, **options) == pytest.approx(score(model, X, y, **options), rel=1e-12)


def test_no_more_than_a_few_rows_come_to_the_client():
    sizes = []

    def count(graph, keys, **options):
        results = dask.get(graph, keys, **options)
        sizes.append(sum(np.size(array) for array in _flatten(results)))
        return results

    rows = 10_000
    inputs = da.random.default_rng(0).normal(size=(rows, 3), chunks=(1000, 3))
    targets = da.tanh(inputs.sum(axis=1))
    with dask.config.set(scheduler=count):
        model, history = train(inputs, targets, batch_size=2500, metric="mean_squared_error", epochs=2)
        score(model, inputs, targets, "mean_squared_error")
        predict(model, inputs)
    assert len(history) == 2
    assert max(sizes) <= 8 * 4
    assert sizes.count(1 + len(model.parameters())) == 8, "a step asks the workers once"


def _flatten(results):
    return [leaf for part in results for leaf in _flatten(part)] if isinstance(results, (list, tuple)) else [results]


class Line(Module):
    """A model of one's own."""

    def __init__(self):
        self.w = [Value(0.1), Value(0.2), Value(0.3)]

    def __call__(self, x):
        return sum(a * b for a, b in zip(self.w, x))


class Moody(Line):
    """No pure function: it gives something else each time."""

    def __call__(self, x):
        self.factor = 2 * getattr(self, "factor", 1)
        return self.factor * super().__call__(x)


def test_a_model_of_ones_own_needs_jit_and_is_checked():
    for task in (
        lambda: fit(Line(), DX, DY, loss="mean_squared_error", epochs=1),
        lambda: predict(Line(), DX),
        lambda: score(Line(), DX, DY, "mean_squared_error"),
    ):
        with pytest.raises(TypeError, match="through jit alone, and this Line is not nn's own; jit=True compiles"):
            task()
    runs = []
    for inputs, targets in ((DX, DY), (X, Y)):
        line = Line()
        runs.append((line, fit(line, inputs, targets, loss="mean_squared_error", lr=0.1, epochs=4, jit=True)))
    check_same(*runs)
    np.testing.assert_allclose(computed(predict(line, DX, jit=True)), predict(line, X), rtol=1e-12)
    with pytest.raises(ValueError, match="model and loss must be pure functions"):
        fit(Moody(), DX, DY, loss="mean_squared_error", epochs=1, jit=True)


def r_squared(outputs, targets):
    return 1.0 - np.var(np.subtract(outputs, targets)) / np.var(targets)


@pytest.mark.parametrize(
    ("inputs", "targets", "options", "kind", "message"),
    [
        (DX, Y, {}, TypeError, r"X is of Dask, and y is not: .*from_array\(y, chunks=...\)"),
        (X, DY, {}, TypeError, "y is of Dask, and X is not"),
        (DX, DY[:-1], {}, ValueError, "X has 50 rows and y 49"),
        (DX[DY > 0], DY[DY > 0], {}, ValueError, r"chunks of X have unknown lengths: call X.compute_chunk_sizes\(\)"),
        (DX[:, 0], DY, {}, ValueError, r"X must have a row for each example"),
        (DX[:0], DY[:0], {}, ValueError, "at least one example"),
        (DX, da.ones((50, 1, 1)), {}, ValueError, "y must have the shape"),
        (DX, DY.sum(), {}, TypeError, "y must be an array of numbers"),
        (DX * 1j, DY, {}, TypeError, "X must be an array of numbers, not dask.array"),
        (DX.astype(str), DY, {}, TypeError, "X must be an array of numbers, not dask.array"),
        (DX.astype(str).astype(object), DY, {}, TypeError, r"but X.blocks\[0, \d\]\[0, 0\] is '0.* \(str\)"),
        (da.where(DX > 1.5, np.nan, DX), DY, {}, ValueError, r"X.blocks\[\d, \d\] must be finite, but .* is nan"),
        (da.ma.masked_array(DX, DX > 1.0), DY, {}, ValueError, r"X.blocks\[\d, \d\] must not be masked"),
        (dask.delayed(X), DY, {}, TypeError, "X must be a Dask array or dataframe, not Delayed"),
        (
            DX,
            da.from_array(LABELS * 3, chunks=9),
            {"loss": "hinge"},
            ValueError,
            "needs targets -1 and 1, but got [03]",
        ),
        (DX, da.from_array(LABELS, chunks=9), {"loss": "binary_cross_entropy"}, ValueError, "for logits use"),
        (DX, DY, {"jit": False}, TypeError, "through jit alone, and jit=False was given"),
        (DX, DY, {"optimizer": "newton"}, TypeError, "through jit alone, and Newton works on the graph"),
        (DX, DY, {"metric": r_squared}, ValueError, "it must be the mean over the examples, and this one is not"),
        (DX, DY, {"validation": (DX, Y)}, TypeError, "validation X is of Dask, and validation y is not"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_changes(inputs, targets, options, kind, message):
    model = mlp()
    with pytest.raises(kind, match=message):
        fit(model, inputs, targets, **{"loss": "mean_squared_error", "epochs": 2, **options})
    assert [p.data for p in model.parameters()] == [p.data for p in mlp().parameters()]


def test_a_prediction_that_the_loss_refuses_later_is_refused_on_the_workers():
    unit = Neuron(1, nonlin=False).with_parameters([0.0, 0.5])  # which is a probability in the beginning
    x, y = da.from_array(np.linspace(0, 9, 10)[:, None], chunks=3), da.from_array(np.arange(10) > 4, chunks=3)
    with pytest.raises(ValueError, match="a prediction must be a probability from 0 to 1"):
        fit(unit, x, y, loss="binary_cross_entropy", optimizer="sgd", lr=1.0, epochs=3)


def test_a_loss_that_grows_without_bounds_ends_training_as_with_numpy():
    messages = []
    for inputs, targets in ((DX, DY), (X, Y)):
        unit = Neuron(3, nonlin=False, init="zeros")
        with pytest.raises(FloatingPointError) as caught:
            fit(unit, inputs, targets, loss="mean_squared_error", optimizer="sgd", lr=1e200, epochs=9)
        messages.append((str(caught.value), [p.data for p in unit.parameters()]))
    assert messages[0][0] == messages[1][0]
    np.testing.assert_allclose(messages[0][1], messages[1][1], rtol=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "line_search"])
def test_detect_anomaly_holds_on_the_workers(optimizer):
    unit = Neuron(3, nonlin=False, init="zeros")
    with detect_anomaly(), pytest.raises(FloatingPointError, match="nan or inf for finite arguments"):
        fit(unit, DX, DY, loss="mean_squared_error", optimizer=optimizer, lr=1e200, epochs=3)


def test_sparse_chunks_are_refused_with_what_converts_them():
    sparse = pytest.importorskip("scipy.sparse", reason="scipy is not installed")
    rows = DX.rechunk({1: -1}).map_blocks(sparse.csr_matrix)
    with pytest.raises(
        TypeError, match=r"must be NumPy arrays, not csr_matrix; .* chunk.toarray\(\), meta=np.empty\(\(0, 0\)\)\)"
    ):
        predict(mlp(), rows)
    full = rows.map_blocks(lambda chunk: chunk.toarray(), meta=np.empty((0, 0)))
    np.testing.assert_allclose(computed(predict(mlp(), full)), predict(mlp(), X), rtol=1e-12)


def test_dataframes_are_taken_and_only_their_lengths_are_computed_at_first():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    dataframe = pytest.importorskip("dask.dataframe", reason="dask.dataframe needs pyarrow", exc_type=ImportError)
    frame = pandas.DataFrame(X, columns=["a", "b", "c"]).assign(y=LABELS)
    chunked = dataframe.from_pandas(frame, npartitions=4)
    features, loss = ["a", "b", "c"], "binary_cross_entropy_from_logits"
    options = {"loss": loss, "metric": "accuracy", "batch_size": 15, "shuffle": False}
    found = train(chunked[features], chunked["y"], **options)
    check_same(found, train(frame[features], frame["y"], **options))
    model = found[0]
    np.testing.assert_array_equal(computed(predict(model, chunked[features], loss)), predict(model, X, loss))
    assert score(model, chunked[features], chunked[["y"]], loss=loss) == pytest.approx(
        score(model, X, LABELS, loss=loss), rel=1e-12
    )
    with pytest.raises(TypeError, match=r"X.blocks\[0, 0\] must be an array of numbers, but .* is 'x'"):
        fit(mlp(), chunked[features].assign(word="x")[["a", "b", "word"]], chunked["y"], loss=loss, epochs=1)


# On a cluster of processes.


def drawn():
    x = da.random.default_rng(0).normal(size=(300, 3), chunks=(40, 3))
    return x, da.tanh(x @ np.array([1.0, -2.0, 0.5]))


def test_a_worker_killed_amid_a_fit_changes_no_number(client):
    options = {"batch_size": 70, "seed": 1, "metric": "mean_squared_error", "epochs": 4}
    x, y = drawn()
    expected = train(x, y, validation=(x[:50], y[:50]), **options)
    first = min(client.run(os.getpid).values())

    def kill(history):
        if len(history) == 2:
            os.kill(first, signal.SIGKILL)

    with dask.config.set(scheduler=client):
        model, history = train(x, y, validation=(x[:50], y[:50]), callback=kill, **options)
    assert first not in client.run(os.getpid).values()
    ours, theirs = figures(model, history), figures(*expected)
    for name, numbers in theirs.items():
        np.testing.assert_array_equal(ours[name], numbers, err_msg=name)


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupt_gives_the_history_and_the_best_parameters(client, tmp_path):
    x, y = drawn()
    call = interrupt_after(60, tmp_path)

    def interrupt(rows):
        call()
        return rows

    with dask.config.set(scheduler=client):
        model, history = train(x.map_blocks(interrupt, dtype=float), y, epochs=1000)
    assert history.stopped == "interrupted by Ctrl-C"
    assert 2 <= len(history) < 10
    loss = score(model, x, y, "mean_squared_error")
    assert loss == pytest.approx(history.loss[history.best_epoch - 1], rel=1e-12)
