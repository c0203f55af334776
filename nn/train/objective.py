"""Objectives: functions (parameters, batch) -> (loss, gradient), along the graph or through jit.

They know nothing of optimizers. Both kinds give the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from autograd_mini import Value, jit, no_grad, operation, value_and_grad
from autograd_mini.engine.checks import describe
from nn.checks import as_numbers, is_row
from nn.losses import Loss, l2
from nn.module import Module, copy_with, is_parameter
from nn.train.contract import check_same, compiling, foreign_part
from nn.train.data import Array, Examples, Rows, constants

# On so many inputs compiled outputs of a user's model are compared with the model's own.
_SAMPLE = 8


class GraphObjective:
    """The mean loss of a batch's examples, plus the L2 term, computed along the graph.

    For a metric it keeps the outputs of the last batch.

    Examples
    --------
    >>> from nn import Neuron, mean_squared_error
    >>> from nn.train.data import as_examples
    >>> objective = GraphObjective(Neuron(1, nonlin=False), mean_squared_error)
    >>> objective(np.array([2.0, -1.0]), as_examples([[1.0], [3.0]], [0.0, 4.0]))
    (1.0, array([4., 2.]))
    """

    engine = "plain"

    def __init__(self, model: Module, loss: Loss, strength: float = 0.0, keeps_outputs: bool = False) -> None:
        self.model, self.loss, self.strength, self.keeps_outputs = model, loss, strength, keeps_outputs
        self.parameters = parameters_of(model)
        self.outputs: Any = []  # a list, or a lazy array of Dask
        self._weights = model.weights() if strength else []

    def __call__(self, numbers: Array, batch: Rows) -> tuple[float, Array]:
        """Compute the loss of a batch, and its derivative for each parameter."""
        for parameter, number in zip(self.parameters, numbers.tolist()):
            parameter.data = number
            parameter.grad = 0.0
        loss = GraphObjective.node(self, batch)  # the graph's, also where a subclass has another
        loss.backward()
        return loss.data, np.array([parameter.grad for parameter in self.parameters])

    def node(self, batch: Any) -> Value:
        """Compute the loss of a batch from the parameters as they are, as a Value that has their gradient."""
        predictions = [self.model(x) for x in batch.inputs()]
        loss: Value = self._total(predictions, batch.targets)
        if self.keeps_outputs:
            self.outputs = list(map(as_numbers, predictions))
        return loss

    def check(self, batch: Examples) -> Any:
        """Let the loss check all targets of a batch, with the model's output for the first input as predictions.

        Give the numbers of this output.
        """
        with no_grad():
            predictions = [self.model(batch.take([0]).inputs()[0])] * len(batch)
            loss = self._total(predictions, batch.targets)
            if not isinstance(loss, Value):
                raise TypeError(f"the loss must give a Value, not {describe(loss)}")
            output = as_numbers(predictions[0])
            self.outputs = [output] * len(batch) if self.keeps_outputs else []
        return output

    def _total(self, predictions: Sequence[Any], targets: Sequence[Any]) -> Any:
        loss = self.loss(predictions, targets)
        return loss + l2(self._weights, self.strength) if self._weights else loss


class CompiledObjective(GraphObjective):
    """The same objective through `autograd_mini.jit`; it is traced when it is first called.

    A batch without arrays goes along the graph. So does a batch whose loss is nan: there the loss refuses a wrong
    prediction, and `detect_anomaly` names the operation. Of a batch on workers the loss sees the outputs there.
    """

    engine = "jit"

    def __init__(self, model: Module, loss: Loss, strength: float = 0.0, keeps_outputs: bool = False) -> None:
        super().__init__(model, loss, strength, keeps_outputs)
        places = {parameter: i for i, parameter in enumerate(self.parameters)}
        self._weight_places = [places[weight] for weight in self._weights]
        self._kernel = jit(value_and_grad(self._loss_of_example), in_axes=(None, 0, 0), reduce="mean")
        self._outputs_of = compiled_outputs(model)
        self._operation = operation("loss(*parameters)", self._value, self._local_derivatives)

    def __call__(self, numbers: Array, batch: Rows) -> tuple[float, Array]:
        found = self._run(numbers, batch)
        return super().__call__(numbers, batch) if found is None else found

    def node(self, batch: Any) -> Value:
        """Compute the loss as one node, whose operands are the parameters."""
        self._batch = batch
        try:
            return self._operation(*self.parameters)  # type: ignore[no-any-return]
        except FloatingPointError:
            if isinstance(batch, Examples):
                return super().node(batch)
            raise

    def compile(self, batch: Examples) -> None:
        """Compile for examples like the first one of a batch."""
        self._run(np.array([parameter.data for parameter in self.parameters]), batch.take([0]))

    def check_contract(self, batch: Examples) -> None:
        """Compare loss and gradient of a batch with the graph's; the parameters stay as they are."""
        if batch.arrays is None:
            raise ValueError("jit=True needs examples of one shape, but in the first batch they differ")
        numbers, slopes = ([getattr(p, name) for p in self.parameters] for name in ("data", "grad"))
        try:
            expected = super().__call__(np.array(numbers), batch)
            found = self._kernel(np.array(numbers), *batch.arrays)
        finally:
            for parameter, slope in zip(self.parameters, slopes):
                parameter.grad = slope
        for what, ours, graphs in zip(("loss", "gradient"), found, expected):
            check_same(what, ours, graphs)

    def _run(self, numbers: Array, batch: Rows) -> tuple[float, Array] | None:
        """Run compiled code; give None if the graph has to say more."""
        if batch.arrays is None:
            return None
        try:
            loss, gradient = self._kernel(numbers, *batch.arrays)
        except FloatingPointError:  # of detect_anomaly
            if isinstance(batch, Examples):
                return None
            raise
        if math.isnan(loss):
            if isinstance(batch, Examples):
                return None
            batch.measure(partial(_number, self.loss), [(self._outputs_of(numbers, batch.arrays[0]), batch.targets)])
        if self.keeps_outputs:
            self.outputs = self._outputs_of(numbers, batch.arrays[0])
        return loss, gradient

    def _value(self, *numbers: float) -> float:
        found = self._run(np.array(numbers), self._batch)
        if found is None:
            raise FloatingPointError("the graph has to say more")
        loss, self._gradient = found
        return loss

    def _local_derivatives(self, loss: float, *numbers: float) -> list[float]:
        return self._gradient.tolist()  # type: ignore[no-any-return]

    def _loss_of_example(self, parameters: Any, x: Any, target: Any) -> Any:
        output = copy_with(self.model, self.parameters, parameters)(list(x))
        loss = self.loss([output], [list(target) if is_row(target) else target])
        return loss + l2([parameters[i] for i in self._weight_places], self.strength) if self._weights else loss


def compiled_outputs(model: Module) -> Callable[[Array, Any], Any]:
    """Compile a model: make the function from parameters and inputs to each example's output, or row of outputs.

    It gives a list, and of inputs in a Dask array a lazy one.
    """

    def output_of_example(parameters: Any, x: Any) -> Any:
        output = copy_with(model, parameters_of(model), parameters)(list(x))
        return np.array(list(output)) if is_row(output) else output

    run = jit(output_of_example, in_axes=(None, 0))

    def outputs(numbers: Array, inputs: Any) -> Any:
        found = run(numbers, inputs)
        return found.tolist() if isinstance(found, np.ndarray) else found

    return outputs


def outputs_through_jit(model: Module, X: Any) -> Any:
    """Compute a model's outputs; compare a user's model with its graph on the first ones."""
    numbers = np.array([parameter.data for parameter in parameters_of(model)])
    with compiling():
        found = compiled_outputs(model)(numbers, X)
    if foreign_part(model):
        expected = outputs_along_graph(model, np.asarray(X[:_SAMPLE]))
        check_same("outputs", np.asarray(found[:_SAMPLE]), expected)
    return found


def outputs_along_graph(model: Module, X: Array) -> list[Any]:
    """Compute a model's outputs as plain numbers."""
    with no_grad():
        return [as_numbers(model(constants(row))) for row in X.tolist()]


def _number(loss: Loss, outputs: Sequence[Any], targets: Sequence[Any]) -> Any:
    return as_numbers(loss(outputs, targets))


def parameters_of(model: Module) -> list[Value]:
    """List the parameters that can be trained; a copy by `with_parameters` may have results among its parameters."""
    return [parameter for parameter in model.parameters() if is_parameter(parameter)]
