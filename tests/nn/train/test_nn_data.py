"""Data sets and streams: what is taken for X and y, what is refused and how, and the batches made of them."""

import random

import numpy as np
import pytest

from autograd_mini import Value
from nn.train.data import DataSet, Stream, as_examples, as_rows

X = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
Y = [0, 1, 1]


def numbers(inputs):
    return [[x.data for x in row] for row in inputs]


@pytest.mark.parametrize(
    "same",
    [
        [[1, 2], [3, 4], [5, 6]],
        np.array(X),
        np.array(X, dtype=np.float32),
        np.array(X, dtype=np.int8),
        np.array(X, dtype=object),
        list(np.array(X)),
        np.ma.array(X),
    ],
)
def test_inputs_may_be_lists_tuples_and_arrays(same):
    assert numbers(as_examples(same, Y).inputs()) == X


def test_pandas_frames_and_series_are_taken():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame(
        {"age": [1, 3, 5], "income": [2.0, 4.0, 6.0], "high": [False, True, True]}, index=[7, 8, 9]
    )
    examples = as_examples(frame[["age", "income"]], frame["high"])
    assert numbers(examples.inputs()) == X
    assert examples.targets == Y
    assert as_examples(frame[["age", "income"]], frame[["high"]]).targets == Y
    assert as_rows(frame).tolist() == [[1.0, 2.0, 0.0], [3.0, 4.0, 1.0], [5.0, 6.0, 1.0]]


def test_pandas_missing_values_and_words_are_refused_by_their_place():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    with pytest.raises(TypeError, match=r"X must be an array of numbers, but X\[1, 1\] is 'BS' \(str\)"):
        as_rows(pandas.DataFrame({"age": [35, 40], "education": [3, "BS"]}))
    with pytest.raises((TypeError, ValueError), match=r"X\[1, 0\] is (<NA>|nan)"):
        as_rows(pandas.DataFrame({"age": pandas.array([35, None], dtype="Int64")}))


@pytest.mark.parametrize(
    ("y", "targets"),
    [
        ([0, 1, 1], [0, 1, 1]),
        ([[0], [1], [1]], [0, 1, 1]),
        (np.array([0, 1, 1], dtype=np.uint8), [0, 1, 1]),
        (np.array([False, True, True]), [0, 1, 1]),
        ([0.5, 1.0, 2.0], [0.5, 1.0, 2.0]),
        ([[1, 0], [0, 1], [0, 1]], [[1, 0], [0, 1], [0, 1]]),
    ],
)
def test_targets_keep_their_kind_of_number(y, targets):
    found = as_examples(X, y).targets
    assert found == targets
    assert list(map(type, np.ravel(np.array(found, dtype=object)))) == list(
        map(type, np.ravel(np.array(targets, dtype=object)))
    )


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([1.0, 2.0, 3.0], ValueError, r"\(n, features\), but has \(3,\).*np.reshape"),
        ([[]], ValueError, r"at least one example and one feature, but has the shape \(1, 0\)"),
        ([[1.0, 2.0], [3.0]], ValueError, "X must be an array of numbers, but its rows differ in length"),
        ([[1.0, "2"]], TypeError, r"X must be an array of numbers, but X\[0, 1\] is '2' \(str\)"),
        ([[1.0, Value(2.0)]], TypeError, r"X must be an array of numbers, but X\[0, 1\] is Value\(data=2.0"),
        ([[1.0, float("nan")]], ValueError, r"X must be finite, but X\[0, 1\] is nan"),
        ([[1.0, 10**400]], OverflowError, r"X\[0, 1\] is too large for float64: an integer of 1329 bits"),
        (np.ma.array([[1.0, 2.0]], mask=[[True, False]]), ValueError, "X must not be masked"),
        ("abc", TypeError, "X must be an array of numbers, not 'abc'"),
        (None, TypeError, "X must be an array of numbers, not None"),
    ],
)
def test_bad_inputs_are_refused(X, error, message):
    with pytest.raises(error, match=message):
        as_examples(X, [0])


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        ([0, 1], ValueError, "expected a target for each example, but X has 3 rows and y 2"),
        (np.zeros((3, 1, 1)), ValueError, r"y must have the shape \(n,\) or \(n, outputs\), but has \(3, 1, 1\)"),
        (["low", "high", "high"], TypeError, r"y must be an array of numbers, but y\[0\] is 'low' \(str\)"),
        (1.0, TypeError, "y must be an array of numbers, not 1.0"),
    ],
)
def test_bad_targets_are_refused(y, error, message):
    with pytest.raises(error, match=message):
        as_examples(X, y)


def test_a_data_set_is_one_batch_in_its_own_order_unless_a_size_is_given():
    examples = as_examples(X, Y)
    for size in (None, 3, 4, 100):
        data = DataSet(examples, size, random.Random(0))
        assert data.is_one_batch
        assert list(data) == [examples]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_an_epoch_has_every_example_once_in_the_order_that_the_generator_draws(size):
    n = 7
    examples = as_examples([[i] for i in range(n)], range(n))
    generator, twin = random.Random(3), random.Random(3)
    data = DataSet(examples, size, generator)
    assert not data.is_one_batch
    orders = []
    for _ in range(3):
        epoch = list(data)
        sizes = [len(batch.targets) for batch in epoch]
        assert sizes[:-1] == [size] * (len(epoch) - 1)
        assert 1 <= sizes[-1] <= size
        orders.append([t for batch in epoch for t in batch.targets])
        assert [row[0].data for batch in epoch for row in batch.at_hand().inputs()] == orders[-1]
    assert orders == [twin.sample(range(n), n) for _ in range(3)]


def test_without_a_generator_the_order_is_that_of_the_data():
    assert [batch.targets for batch in DataSet(as_examples(X, Y), 2)] == [[0, 1], [1]]


def test_a_stream_takes_what_it_is_asked_for_and_no_more():
    taken = []

    def observations():
        for i in range(10):
            taken.append(i)
            yield [float(i)], i

    stream = Stream(observations(), batch_size=2, steps=2)
    batches = iter(stream)
    assert taken == []
    assert next(batches).targets == [0, 1]
    assert taken == [0, 1]
    assert [batch.targets for batch in batches] == [[2, 3]]
    assert taken == [0, 1, 2, 3]
    assert [batch.targets for batch in stream] == [[4, 5], [6, 7]]
    assert [batch.targets for batch in stream] == [[8, 9]]
    assert list(stream) == []


def test_an_observations_target_is_a_number_or_a_row():
    stream = iter([([1.0], 2), (np.array([1.0]), np.float64(2.5)), ((1,), [3]), ([1.0], [0.0, 1.0])])
    [batch] = Stream(stream, batch_size=4, steps=1)
    assert numbers(batch.inputs()) == [[1.0]] * 4
    assert batch.targets == [2, 2.5, 3, [0.0, 1.0]]


@pytest.mark.parametrize(
    ("observation", "error", "message"),
    [
        ([1.0], TypeError, r"must give pairs \(x, y\), not \[1.0\]"),
        (([1.0], 2.0, 3.0), TypeError, r"must give pairs \(x, y\)"),
        ((1.0, 2.0), TypeError, r"an observation's x must be an array of numbers, not 1.0"),
        (([[1.0]], 2.0), ValueError, r"observation.* x .*row.*\(1, 1\)"),
        (([1.0], "a"), TypeError, r"an observation's y\[0\] is 'a'"),
        (([1.0], [[1.0]]), ValueError, r"an observation's y must be a row of numbers"),
    ],
)
def test_bad_observations_are_refused(observation, error, message):
    with pytest.raises(error, match=message):
        list(Stream(iter([observation]), batch_size=1, steps=1))
