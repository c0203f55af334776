"""Learners: what does one step of training, along the graph of a batch or through jit, and measures a batch.

Each holds the parameters in its own way, and gives the same losses and the same parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_mini import Value, no_grad, operation
from nn.losses import LOSSES, Loss, l2
from nn.module import Module
from nn.optim.adam import Adam
from nn.optim.line_search import LineSearch
from nn.optim.optimizer import Optimiser
from nn.optim.sgd import SGD
from nn.train.compiled import SAMPLE, Array, CompiledLoss, NotCompiled, Rows
from nn.train.data import Examples, constants
from nn.train.evaluation import Metric, Output, as_number, as_numbers


class Task(NamedTuple):
    """What to learn.

    Attributes
    ----------
    model : Module
    loss : callable
    strength : float
        Of the L2 term.
    optimiser : Optimiser
    measure : callable or None
        The metric.
    """

    model: Module
    loss: Loss
    strength: float
    optimiser: Optimiser
    measure: Metric | None


class GraphLearner:
    """Learns by backpropagation over the graph of a batch's loss.

    Parameters
    ----------
    task : Task
    why : str
        Why not through jit.
    """

    engine = "plain"

    def __init__(self, task: Task, why: str = "") -> None:
        self.task, self.why = task, why
        self._weights = task.model.weights() if task.strength else []

    def encode(self, examples: Examples) -> Any:
        """Write examples in the form that `step` and `evaluate` take."""
        return examples

    def step(self, batch: Any) -> tuple[float, list[Output]]:
        """Learn from a batch; give its loss before that, and the outputs if there is a metric of them."""
        outputs: list[Output] = []

        def closure() -> Value:
            predictions = [self.task.model(x) for x in batch.inputs]
            if self.task.measure and not outputs:  # a line search comes here again, from where it tries to go
                outputs.extend(map(as_numbers, predictions))
            return self._objective(predictions, batch.targets)  # type: ignore[no-any-return]

        loss: Any = self.task.optimiser.step(closure)
        return loss.data, outputs

    def evaluate(self, batch: Any, probe: bool = False) -> tuple[float, float | None]:
        """Compute loss and metric.

        A probe calls the model for the first input alone, and so checks all targets at little cost.
        """
        model, measure = self.task.model, self.task.measure
        inputs, targets = batch
        with no_grad():
            predictions = [model(x) for x in inputs[:1]] * len(inputs) if probe else [model(x) for x in inputs]
            loss = as_number(self._objective(predictions, targets), "the loss")
            return loss, None if measure is None else measure(list(map(as_numbers, predictions)), targets)

    def parameters(self) -> Any:
        """Keep what the optimiser changes, to `restore` it."""
        return [parameter.data for parameter in self.task.optimiser.parameters]

    def restore(self, numbers: Any) -> None:
        """Set what the optimiser changes."""
        for parameter, number in zip(self.task.optimiser.parameters, numbers):
            parameter.data = number

    def read(self) -> None:
        """Take notice of what others have done to the parameters."""

    def write(self) -> None:
        """Let others see parameters and gradients."""

    def _objective(self, predictions: Sequence[Any], targets: Sequence[Any]) -> Any:
        """Compute what training minimises: the loss, and the L2 term if it has any strength."""
        loss = self.task.loss(predictions, targets)
        return loss + l2(self._weights, self.task.strength) if self._weights else loss


class CompiledLearner(GraphLearner):
    """Learns through jit: to the optimiser, the loss of a batch is a single operation on all parameters.

    Parameters
    ----------
    task : Task
    sample : Examples
        Of these, compiled code and graph must give the same.

    Raises
    ------
    ImportError
        If llvmlite is not installed.
    NotCompiled
        If the model or the loss can't be compiled, or the optimiser needs a graph.
    """

    engine = "jit"

    def __init__(self, task: Task, sample: Examples) -> None:
        super().__init__(task)
        if type(task.optimiser).step not in (Optimiser.step, LineSearch.step):
            raise NotCompiled(f"{type(task.optimiser).__name__} works on the graph of the loss")
        self._compiled = CompiledLoss(task.model, task.loss, task.strength, sample)
        if task.measure:
            self._compiled.check_outputs(sample.inputs[:SAMPLE])
        with no_grad():
            self._some_output = task.model(sample.inputs[0])
        self._gradient = np.zeros(0)
        self._operation = operation("loss(*parameters)", self._loss, self._slopes)

    def encode(self, examples: Examples) -> Rows | Examples:
        """Write examples as arrays, if they can be."""
        try:
            return self._compiled.encode(examples)
        except NotCompiled:
            return examples

    def step(self, batch: Any) -> tuple[float, list[Output]]:
        """Learn from a batch; give its loss before that, and the outputs if there is a metric of them."""
        if isinstance(batch, Examples):
            self.task.loss([self._some_output] * len(batch.targets), batch.targets)  # which checks the targets
            batch = self.encode(batch)
            if isinstance(batch, Examples):
                return self._step_along_graph(batch)
        try:
            outputs = self._compiled.outputs(self._numbers(), batch.inputs) if self.task.measure else []
            return self._learn(batch), outputs
        except FloatingPointError:
            return self._step_along_graph(_examples(batch))

    def evaluate(self, batch: Any, probe: bool = False) -> tuple[float, float | None]:
        """Compute loss and metric."""
        if isinstance(batch, Examples):
            return self._evaluate_along_graph(batch, probe)
        numbers, measure = self._numbers(), self.task.measure
        try:
            loss, _ = self._loss_and_gradient(numbers, batch)
            outputs = self._compiled.outputs(numbers, batch.inputs) if measure else []
        except FloatingPointError:
            return self._evaluate_along_graph(_examples(batch), probe)
        return loss, measure(outputs, batch.targets) if measure else None

    def _evaluate_along_graph(self, batch: Examples, probe: bool) -> tuple[float, float | None]:
        self.write()
        return super().evaluate(batch, probe)

    def _loss_and_gradient(self, numbers: Array, rows: Rows) -> tuple[float, Array]:
        """Compute both.

        Raises
        ------
        FloatingPointError
            If along the graph there may be an error that says more: `detect_anomaly` names the operation,
            and a loss what is wrong with its predictions.
        """
        loss, gradient = self._compiled.loss_and_gradient(numbers, rows)
        if math.isnan(loss):
            raise FloatingPointError("the loss is nan")
        return loss, gradient

    def _numbers(self) -> Array:
        return self._compiled.parameters()

    def _learn(self, rows: Rows) -> float:
        self._rows = rows
        loss: Any = self.task.optimiser.step(lambda: self._operation(*self._compiled.values))
        return loss.data  # type: ignore[no-any-return]

    def _loss(self, *parameters: float) -> float:
        loss, self._gradient = self._loss_and_gradient(np.array(parameters), self._rows)
        return loss

    def _slopes(self, loss: float, *parameters: float) -> list[float]:
        slopes: list[float] = self._gradient.tolist()
        return slopes

    def _step_along_graph(self, batch: Examples) -> tuple[float, list[Output]]:
        self.write()
        try:
            return super().step(batch)
        finally:
            self.read()


class ArrayLearner(CompiledLearner):
    """Learns through jit with the optimisers that compute with arrays: parameters are read and written on demand.

    Parameters
    ----------
    task, sample
        As for `CompiledLearner`.

    Raises
    ------
    ImportError, NotCompiled
        As for `CompiledLearner`.
    """

    def __init__(self, task: Task, sample: Examples) -> None:
        super().__init__(task, sample)
        places = {value: i for i, value in enumerate(self._compiled.values)}
        chosen = [places[parameter] for parameter in task.optimiser.parameters]
        self._data = np.zeros(0)
        self._chosen = None if chosen == list(range(len(places))) else np.array(chosen)
        self.read()

    def parameters(self) -> Array:
        """Keep all parameters, to `restore` them."""
        return self._data

    def restore(self, numbers: Any) -> None:
        """Set all parameters."""
        self._data = numbers
        self.write()

    def read(self) -> None:
        """Take notice of what others have done to the parameters."""
        self._data = self._compiled.parameters()
        self._gradient = np.array([value.grad for value in self._compiled.values])

    def write(self) -> None:
        """Let others see parameters and gradients."""
        for value, number, slope in zip(self._compiled.values, self._data.tolist(), self._gradient.tolist()):
            value.data = number
            value.grad = slope

    def _numbers(self) -> Array:
        return self._data

    def _learn(self, rows: Rows) -> float:
        loss, gradient = self._loss_and_gradient(self._data, rows)
        chosen, data = self._chosen, self._data
        if chosen is None:
            data = self.task.optimiser.step_arrays(data, gradient)
        else:  # the gradients of the others add up, since nobody sets them to zero
            data, own = data.copy(), gradient[chosen]
            data[chosen] = self.task.optimiser.step_arrays(data[chosen], own)
            gradient = gradient + self._gradient
            gradient[chosen] = own
        self._data, self._gradient = data, gradient
        return loss


def _examples(rows: Rows) -> Examples:
    return Examples([constants(x) for x in rows.inputs.tolist()], rows.targets)


def learner_for(task: Task, compiled: bool | None, sample: Examples) -> GraphLearner:
    """Choose how to learn.

    Parameters
    ----------
    task : Task
    compiled : bool or None
        Whether through jit; None for if possible.
    sample : Examples
        The first batch, for which compiled code is compared with the graph.

    Raises
    ------
    ImportError, NotCompiled
        If it must be through jit, and can't be.
    """
    if compiled is False:
        return GraphLearner(task)
    kind = ArrayLearner if type(task.optimiser) in (SGD, Adam) else CompiledLearner
    if task.loss in LOSSES.values():
        sample = sample.take(range(min(SAMPLE, len(sample.targets))))
    try:
        return kind(task, sample)
    except (ImportError, NotCompiled) as error:
        if compiled:
            raise
        return GraphLearner(task, str(error))
