"""What a model's outputs mean, and how good they are: evaluation, which records no graph.

The loss that a model was trained with says what its outputs are: numbers, scores, logits or
probabilities (S4, section 11.2: each loss has its link).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd_mini import Value, no_grad, sigmoid, softmax
from nn.checks import describe, is_row, look_up
from nn.losses import LOSSES, Loss, loss_function
from nn.metrics import accuracy, classification_error, predicted_class
from nn.module import Module
from nn.train.compiled import SAMPLE, CompiledModel, NotCompiled, check_jit, inputs_of
from nn.train.data import as_examples, as_rows, constants

Output = float | list[float]
Metric = Callable[[Sequence[Any], Sequence[Any]], Any]

METRICS: dict[str, Metric] = {"accuracy": accuracy, "classification_error": classification_error, **LOSSES}

# A single output above this says class 1. Squared errors leave it open: it depends on how classes are coded.
_THRESHOLDS = {"hinge": 0.0, "binary_cross_entropy": 0.5, "binary_cross_entropy_from_logits": 0.0}

# With fewer parameters times examples, compiling a model takes longer than its outputs do.
_WORTH_COMPILING = 1_000_000

_CLASSIFIERS = {*_THRESHOLDS, "cross_entropy", "cross_entropy_from_logits"}


def predict(model: Module, X: Any, loss: str | Loss | None = None, *, jit: bool | None = None) -> NDArray[Any]:
    """Compute a model's outputs, or the classes that they say.

    Parameters
    ----------
    model : Module
    X : array-like of shape (n, features)
    loss : str or callable, optional
        What the model was trained with. A loss of classification gives classes, coded as the
        targets of that loss: of several outputs the largest says the class; a single one says 1 if
        it is above 0.5 (`binary_cross_entropy`) or 0 (`binary_cross_entropy_from_logits`,
        `hinge`), and else 0, or -1 for `hinge`. Any other loss, and none, gives the outputs.
    jit : bool, optional
        Whether to compute through `autograd_mini.jit`. Unless given, where the model can be traced
        and there is so much to compute that it takes longer than to compile.

    Returns
    -------
    array of int of shape (n,), or of float of shape (n,) or (n, outputs)

    Raises
    ------
    ValueError
        If X has the wrong shape or contains nan or inf, or the loss is unknown.
    TypeError
        If X contains something else than numbers, `model` is no Module, or with `jit=True` the
        model can't be traced.
    ImportError
        With `jit=True`, if llvmlite is not installed.

    Examples
    --------
    >>> from nn import Neuron
    >>> unit = Neuron(1, nonlin=False).with_parameters([2.0, -1.0])
    >>> predict(unit, [[0.0], [3.0]])
    array([-1.,  5.])
    >>> predict(unit, [[0.0], [3.0]], loss="hinge")
    array([-1,  1])
    """
    trained_with = _name_of(loss)
    outputs = _outputs_for(model, X, trained_with, jit)
    if trained_with not in _CLASSIFIERS:
        return np.array(outputs)
    threshold = _THRESHOLDS.get(trained_with, 0.5)
    classes = np.array([predicted_class(output, threshold) for output in outputs])
    return 2 * classes - 1 if trained_with == "hinge" and not is_row(outputs[0]) else classes


def predict_proba(model: Module, X: Any, loss: str | Loss, *, jit: bool | None = None) -> NDArray[np.float64]:
    """Compute the probabilities that a classifier's outputs say.

    Parameters
    ----------
    model : Module
    X : array-like of shape (n, features)
    loss : str or callable
        What the model was trained with: one of the four cross-entropies.
    jit : bool, optional
        As for `predict`.

    Returns
    -------
    array of float
        Of shape (n,), the probability of class 1, for a single output; else of shape (n, outputs).

    Raises
    ------
    ValueError
        If the loss is another one, whose outputs are no probabilities; also as for `predict`.
    TypeError, ImportError
        As for `predict`.

    Examples
    --------
    >>> from nn import Neuron
    >>> unit = Neuron(1, nonlin=False).with_parameters([2.0, 0.0])
    >>> predict_proba(unit, [[0.0]], loss="binary_cross_entropy_from_logits")
    array([0.5])
    """
    trained_with = _name_of(loss)
    if trained_with not in _CLASSIFIERS - {"hinge"}:
        raise ValueError(f"a model trained with {trained_with} gives no probabilities; with a cross-entropy it would")
    outputs = _outputs_for(model, X, trained_with, jit)
    if trained_with == "binary_cross_entropy_from_logits":
        outputs = [[sigmoid(z) for z in row] if isinstance(row, list) else sigmoid(row) for row in outputs]
    elif trained_with == "cross_entropy_from_logits":
        outputs = [softmax(row) for row in outputs if isinstance(row, list)]
    return np.array(outputs)


def score(
    model: Module,
    X: Any,
    y: Any,
    metric: str | Metric = "accuracy",
    *,
    loss: str | Loss | None = None,
    jit: bool | None = None,
) -> float:
    """Measure a model on data.

    Parameters
    ----------
    model : Module
    X : array-like of shape (n, features)
    y : array-like of shape (n,) or (n, outputs)
    metric : str or callable, optional
        `"accuracy"`, `"classification_error"`, a loss's name, or a function of outputs and targets
        that gives a number.
    loss : str or callable, optional
        What the model was trained with. The accuracy of a model with a single output needs it, to
        tell where one class ends: see `predict`.
    jit : bool, optional
        As for `predict`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shapes or lengths are wrong, X or y contain nan or inf, a label is out of range, a
        name is unknown, or the loss does not say where one class ends.
    TypeError
        If there is something else than numbers; also as for `predict`.
    ImportError
        As for `predict`.

    Examples
    --------
    >>> from nn import Neuron
    >>> unit = Neuron(1, nonlin=False).with_parameters([2.0, -1.0])
    >>> score(unit, [[0.0], [3.0]], [-1, -1], loss="hinge")
    0.5
    >>> score(unit, [[0.0], [3.0]], [-1.0, 4.0], metric="mean_squared_error")
    0.5
    """
    check_model(model)
    measure = metric_function(metric, loss)
    examples = as_examples(X, y)
    return measure(outputs_of(model, inputs_of(examples.inputs).tolist(), jit), examples.targets)  # type: ignore[no-any-return]


def check_model(model: Any) -> None:
    """Check that a model is one."""
    if not isinstance(model, Module):
        raise TypeError(f"model must be a Module, such as an MLP, not {describe(model)}")


def outputs_of(model: Module, rows: Sequence[Sequence[float]], jit: bool | None) -> list[Output]:
    """Compute a model's outputs as plain numbers, without recording a graph."""
    check_jit(jit)
    is_worth_compiling = len(rows) * len(model.parameters()) >= _WORTH_COMPILING
    if jit or (jit is None and is_worth_compiling):
        try:
            compiled = CompiledModel(model)
            compiled.check_outputs([constants(row) for row in rows[:SAMPLE]])
            return compiled.outputs(compiled.parameters(), np.array(rows))
        except (ImportError, NotCompiled):
            if jit:
                raise
    with no_grad():
        return [as_numbers(model(constants(row))) for row in rows]


def as_numbers(output: Any) -> Output:
    """Read the numbers of an output, or row of outputs.

    Examples
    --------
    >>> as_numbers([Value(1.0), Value(2.0)])
    [1.0, 2.0]
    """
    if is_row(output):
        return [as_numbers(entry) for entry in output]  # type: ignore[misc]
    return output.data if isinstance(output, Value) else float(output)


def metric_function(metric: str | Metric, loss: str | Loss | None) -> Metric:
    """Make the function that measures outputs, given the loss that says what they are."""
    if isinstance(metric, str):
        function = look_up(METRICS, metric, "metric")
        if function in (accuracy, classification_error):
            return partial(_classify, function, _name_of(loss))
        return function
    if not callable(metric):
        raise TypeError(f"metric must be a name or a function, not {describe(metric)}")
    return partial(_measure, metric)


def as_number(result: Any, role: str) -> float:
    """Read the number that a loss or metric gave."""
    number = result.data if isinstance(result, Value) else result
    if not isinstance(number, Real):
        raise TypeError(f"{role} must be a number, not {describe(result)}")
    return float(number)


def _outputs_for(model: Any, X: Any, trained_with: str, jit: bool | None) -> list[Output]:
    check_model(model)
    outputs = outputs_of(model, as_rows(X), jit)
    if trained_with in ("cross_entropy", "cross_entropy_from_logits") and not is_row(outputs[0]):
        raise ValueError(f"a model trained with {trained_with} has an output for each class, but this one has one")
    return outputs


def _classify(function: Callable[..., float], trained_with: str, outputs: Any, targets: Any) -> float:
    if is_row(outputs[0]):
        return function(outputs, targets)
    if trained_with not in _THRESHOLDS:
        raise ValueError(
            f"loss={trained_with} does not say which outputs mean class 1; say it with "
            f"metric=functools.partial({function.__name__}, threshold=0.5), or whatever lies between the classes"
        )
    return function(outputs, targets, _THRESHOLDS[trained_with])


def _measure(function: Metric, outputs: Any, targets: Any) -> float:
    return as_number(function(outputs, targets), "the metric")


def _name_of(loss: str | Loss | None) -> str:
    """Name a loss, by its key in `LOSSES` if it is there."""
    if loss is None:
        return "None"
    function = loss_function(loss)
    names = [name for name, known in LOSSES.items() if known is function]
    return names[0] if names else str(getattr(function, "__name__", "a function"))
