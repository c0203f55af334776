"""History: what it keeps of a training, its figures as dict, text and plot."""

import math

import pytest

from nn import History


@pytest.fixture
def history():
    history = History(metric_name="accuracy")
    for i, validation in enumerate([0.9, 0.6, 0.7]):
        history.record(
            loss=0.5 - 0.1 * i,
            metric=0.7 + 0.1 * i,
            validation_loss=validation,
            validation_metric=0.5,
            lr=0.25,
            seconds=0.125,
        )
    return history


@pytest.mark.parametrize(
    ("losses", "validation_losses", "best"),
    [
        ([], [], 0),
        ([0.5, 0.2, 0.3, 0.2], [None] * 4, 2),
        ([0.5, 0.4, 0.3], [0.9, 0.6, 0.7], 2),
        ([0.1] * 4, [math.nan, math.inf, 5.0, math.nan], 3),
    ],
)
def test_the_best_epoch_has_the_lowest_validation_loss_or_without_any_the_lowest_loss(losses, validation_losses, best):
    history = History()
    for loss, validation in zip(losses, validation_losses):
        history.record(loss=loss, validation_loss=validation, lr=0.1, seconds=0.0)
    assert history.best_epoch == best


def test_as_dict_has_what_was_recorded_and_shares_no_list(history):
    columns = history.as_dict()
    assert list(columns) == ["loss", "metric", "validation_loss", "validation_metric", "lr", "seconds"]
    assert all(columns[name] == getattr(history, name) for name in columns)
    columns["loss"].clear()
    assert len(history) == 3


def test_as_dict_leaves_out_what_was_not_recorded():
    history = History()
    history.record(loss=0.5, lr=0.1, seconds=0.25)
    assert history.as_dict() == {"loss": [0.5], "lr": [0.1], "seconds": [0.25]}


def test_repr_tells_the_last_figures_and_why_training_ended(history):
    history.stopped = "epochs = 3 are done"
    assert repr(history) == (
        "History(3 epochs: loss 0.3, accuracy 0.9, validation loss 0.7, validation accuracy 0.5; epochs = 3 are done)"
    )
    assert repr(History()) == "History(0 epochs; in training)"


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def curves(axes):
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}


@pytest.mark.parametrize(("what", "label"), [("loss", "loss"), ("metric", "accuracy")])
def test_the_plot_has_the_figures_by_epoch_and_goes_where_it_is_told(what, label, history, pyplot):
    _, axes = pyplot.subplots()
    assert history.plot(what, axes) is axes
    assert curves(axes)["training"] == ([1, 2, 3], getattr(history, what))
    assert curves(axes)["validation"] == ([1, 2, 3], getattr(history, f"validation_{what}"))
    assert axes.get_ylabel() == label


def test_without_validation_data_there_is_one_curve(pyplot):
    history = History()
    history.record(loss=0.5, lr=0.1, seconds=0.0)
    assert list(curves(history.plot())) == ["training"]


def test_what_is_not_there_is_not_plotted(history):
    with pytest.raises(ValueError, match="what must be 'loss' or 'metric', not 'accuracy'"):
        history.plot("accuracy")
    with pytest.raises(ValueError, match="no loss was recorded"):
        History().plot()
    with pytest.raises(ValueError, match="no metric was recorded"):
        History().plot("metric")
