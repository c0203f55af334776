"""Evaluation: a model's outputs, the classes and probabilities that they say, and how good they are.

The loss that a model was trained with says what its outputs are: numbers, scores, logits or probabilities
(Chapter 11: Neural Network, section 11.2). No graph is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd_mini import Value, sigmoid, softmax
from autograd_mini.engine.checks import describe
from nn.checks import find_function, is_row
from nn.losses import LOSSES, THRESHOLDS, Loss, loss_name
from nn.metrics import accuracy, classification_error, predicted_class
from nn.module import Module
from nn.train.chunks import is_of_dask, over_rows, take_examples, take_rows
from nn.train.contract import check_mean, foreign_part
from nn.train.data import Metric, Rows
from nn.train.objective import outputs_along_graph, outputs_through_jit

METRICS: dict[str, Metric] = {"accuracy": accuracy, "classification_error": classification_error, **LOSSES}

_CLASSIFIERS = {*THRESHOLDS, "cross_entropy", "cross_entropy_from_logits"}

# With fewer parameters times examples, compiling a model takes longer than its outputs do.
_WORTH_COMPILING = 1_000_000


def predict(model: Module, X: Any, loss: str | Loss | None = None, *, jit: bool | None = None) -> NDArray[Any]:
    """Compute a model's outputs, or the classes that they say.

    Parameters
    ----------
    model : Module
    X : array-like of shape (n, features), Dask array or dataframe
    loss : str or callable, optional
        The loss that the model was trained with. A loss of classification gives classes, coded as the
        targets of that loss: of several outputs the largest says the class; a single one says 1 if
        it is above 0.5 (`binary_cross_entropy`) or 0 (`binary_cross_entropy_from_logits`,
        `hinge`), and else 0, or -1 for `hinge`. Any other loss, and none, gives the outputs.
    jit : bool, optional
        Whether to compute through `autograd_mini.jit`. Unless given, a model that is all nn's own goes through jit
        where that takes less time. For other models True has the contract of `fit`, checked on some of the outputs.

    Returns
    -------
    array of int of shape (n,), or of float of shape (n,) or (n, outputs)
        For an X of Dask a lazy Dask array of the same chunks. It is computed through jit, so models of your own need
        `jit=True`.

    Examples
    --------
    >>> from nn import Neuron
    >>> unit = Neuron(1, nonlin=False).with_parameters([2.0, -1.0])
    >>> predict(unit, [[0.0], [3.0]])
    array([-1.,  5.])
    >>> predict(unit, [[0.0], [3.0]], loss="hinge")
    array([-1,  1])
    """
    trained_with = loss_name(loss)
    outputs = _outputs(model, take_rows(X), jit, trained_with)
    answers = partial(_classes, trained_with) if trained_with in _CLASSIFIERS else np.array
    return over_rows(answers, outputs)  # type: ignore[no-any-return]


def predict_proba(model: Module, X: Any, loss: str | Loss, *, jit: bool | None = None) -> NDArray[np.float64]:
    """Compute the probabilities that a classifier's outputs say; arguments are as for `predict`.

    The model was trained with `loss`, one of the four cross-entropies. The array has the shape (n,), with the
    probability of class 1, for a single output, and else (n, outputs).

    Examples
    --------
    >>> from nn import Neuron
    >>> unit = Neuron(1, nonlin=False).with_parameters([2.0, 0.0])
    >>> predict_proba(unit, [[0.0]], loss="binary_cross_entropy_from_logits")
    array([0.5])
    """
    trained_with = loss_name(loss)
    if trained_with not in _CLASSIFIERS - {"hinge"}:
        raise ValueError(f"a model trained with {trained_with} gives no probabilities; with a cross-entropy it would")
    outputs = _outputs(model, take_rows(X), jit, trained_with)
    return over_rows(partial(_probabilities, trained_with), outputs)  # type: ignore[no-any-return]


def score(
    model: Module,
    X: Any,
    y: Any,
    metric: str | Metric = "accuracy",
    *,
    loss: str | Loss | None = None,
    jit: bool | None = None,
) -> float:
    """Measure a model on data; `model`, `X`, `loss` and `jit` are as for `predict`.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, outputs); of Dask if X is
    metric : str or callable, optional
        A key of `nn.METRICS`, or a function of outputs and targets that gives a number. The accuracy of a model with a
        single output needs the loss too, to tell where one class ends. Chunks of Dask arrays are measured where they
        are; there a function must be the mean over the examples.

    Examples
    --------
    >>> from nn import Neuron
    >>> unit = Neuron(1, nonlin=False).with_parameters([2.0, -1.0])
    >>> score(unit, [[0.0], [3.0]], [-1, -1], loss="hinge")
    0.5
    >>> score(unit, [[0.0], [3.0]], [-1.0, 4.0], metric="mean_squared_error")
    0.5
    """
    measure, rows = metric_function(metric, loss), take_examples(X, y)
    arrays: Any = rows.arrays
    outputs = _outputs(model, arrays[0], jit)
    check_metric(measure, model, rows)
    return rows.measure(measure, [(outputs, rows.targets)])


def check_model(model: Any, jit: Any) -> None:
    """Check a model, and the option whether to compute through jit."""
    if not isinstance(model, Module):
        raise TypeError(f"model must be a Module, such as an MLP, not {describe(model)}")
    if not (jit is None or isinstance(jit, bool)):
        raise TypeError(f"jit must be True, False or None, not {describe(jit)}")


def metric_function(metric: str | Metric, loss: str | Loss | None) -> Metric:
    """Make the function that measures outputs, given the loss that says what they are."""
    function = find_function(METRICS, metric, "metric")
    if function in (accuracy, classification_error) and isinstance(metric, str):
        return partial(_classify, function, loss_name(loss))
    return partial(_measure, function)


def check_metric(measure: Metric, model: Module, rows: Rows) -> None:
    """Refuse a metric of rows on workers that is no mean over examples, as far as the first ones show it."""
    sample = rows.at_hand()
    if sample is not rows and sample.arrays is not None:
        check_mean(measure, outputs_along_graph(model, sample.arrays[0]), sample.targets)


def _outputs(model: Any, X: Any, jit: bool | None, trained_with: str = "None") -> Any:
    """Give a list of outputs, or a Dask array of them."""
    check_model(model, jit)
    if is_of_dask(X):
        foreign = foreign_part(model)
        if jit is False or (foreign and not jit):
            why = f"{foreign} is not nn's own; jit=True compiles pure functions" if foreign else "jit=False was given"
            raise TypeError(f"outputs for rows of Dask are computed through jit alone, and {why}")
        jit = True
    elif jit is None:
        jit = len(X) * len(model.parameters()) >= _WORTH_COMPILING and not foreign_part(model)
    outputs = outputs_through_jit(model, X) if jit else outputs_along_graph(model, X)
    if trained_with in ("cross_entropy", "cross_entropy_from_logits") and not is_row(outputs[0]):
        raise ValueError(f"a model trained with {trained_with} has an output for each class, but this one has one")
    return outputs


def _classes(trained_with: str, outputs: list[Any]) -> NDArray[Any]:
    threshold = THRESHOLDS.get(trained_with, 0.5)
    classes = np.array([predicted_class(output, threshold) for output in outputs])
    return 2 * classes - 1 if trained_with == "hinge" and not is_row(outputs[0]) else classes


def _probabilities(trained_with: str, outputs: list[Any]) -> NDArray[Any]:
    if trained_with == "binary_cross_entropy_from_logits":
        outputs = [[sigmoid(z) for z in row] if isinstance(row, list) else sigmoid(row) for row in outputs]
    elif trained_with == "cross_entropy_from_logits":
        outputs = [softmax(row) for row in outputs if isinstance(row, list)]
    return np.array(outputs)


def _classify(function: Callable[..., float], trained_with: str, outputs: Any, targets: Any) -> float:
    if is_row(outputs[0]):
        return function(outputs, targets)
    if trained_with not in THRESHOLDS:
        raise ValueError(
            f"loss={trained_with} does not say which outputs mean class 1; say it with "
            f"metric=functools.partial({function.__name__}, threshold=0.5), or whatever lies between the classes"
        )
    return function(outputs, targets, THRESHOLDS[trained_with])


def _measure(function: Metric, outputs: Any, targets: Any) -> float:
    result = function(outputs, targets)
    number = result.data if isinstance(result, Value) else result
    if not isinstance(number, Real):
        raise TypeError(f"the metric must be a number, not {describe(result)}")
    return float(number)
