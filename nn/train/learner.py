"""Learner: an optimizer at work on an objective; knows nothing of epochs and of when to stop."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_mini import Value, no_grad
from autograd_mini.engine.vectors import read, write
from nn.optim.line_search import LineSearch
from nn.optim.optimizer import Optimizer
from nn.train.contract import compiling, foreign_part
from nn.train.data import Array, Examples, Rows
from nn.train.objective import CompiledObjective, GraphObjective


class Learner:
    """Does steps of training.

    Where the objective is compiled and the optimizer computes with arrays, one array holds all parameters between
    steps: `write` copies it to the Values, and `read` copies them back. Elsewhere the Values hold the parameters.
    """

    def __init__(self, objective: GraphObjective, optimizer: Optimizer) -> None:
        self.objective, self.optimizer = objective, optimizer
        kind = type(optimizer)
        computes_with_arrays = kind.step is Optimizer.step and kind._update is Optimizer._update
        self._by_arrays = objective.engine == "jit" and computes_with_arrays
        places = {parameter: i for i, parameter in enumerate(objective.parameters)}
        chosen = [places[parameter] for parameter in optimizer.parameters]
        self._chosen = None if chosen == list(range(len(places))) else np.array(chosen)
        self._numbers = self._gradient = np.zeros(0)
        self.read()

    def step(self, batch: Rows) -> tuple[float, Any]:
        """Learn from a batch; give its loss before that, and the outputs that the objective keeps."""
        if self._by_arrays:
            loss, gradient = self.objective(self._numbers, batch)
            self._move(gradient)
            return loss, self.objective.outputs
        outputs: list[Any] = []

        def closure() -> Value:
            node = self.objective.node(batch)
            if not outputs:  # a line search comes here again, from where it tries to go
                outputs.append(self.objective.outputs)
            return node

        node: Any = self.optimizer.step(closure)
        return node.data, outputs[0]

    def evaluate(self, batch: Rows) -> tuple[float, Any]:
        """Compute the loss of a batch, and the outputs that the objective keeps."""
        if self._by_arrays:
            loss, _ = self.objective(self._numbers, batch)
        else:
            with no_grad():
                loss = self.objective.node(batch).data
        return loss, self.objective.outputs

    def numbers(self) -> Any:
        """Give the numbers of all parameters, for `restore`; they must not be changed."""
        return self._numbers if self._by_arrays else [parameter.data for parameter in self.objective.parameters]

    def restore(self, numbers: Any) -> None:
        """Set all parameters."""
        self._numbers = np.array(numbers)
        for parameter, number in zip(self.objective.parameters, numbers):
            parameter.data = float(number)

    def read(self) -> None:
        """Copy parameters and gradients from the Values, which a callback may have changed."""
        if self._by_arrays:
            self._numbers = read(self.objective.parameters, "data")
            self._gradient = read(self.objective.parameters, "grad")

    def write(self) -> None:
        """Copy parameters and gradients to the Values, where a callback can read them."""
        if self._by_arrays:
            write(self.objective.parameters, "data", self._numbers)
            write(self.objective.parameters, "grad", self._gradient)

    def _move(self, gradient: Array) -> None:
        numbers, chosen = self._numbers, self._chosen
        if chosen is None:
            numbers = self.optimizer.step_arrays(numbers, gradient)
        else:  # the gradients of parameters outside of the optimizer add up: nothing sets them to zero
            numbers, own = numbers.copy(), gradient[chosen]
            numbers[chosen] = self.optimizer.step_arrays(numbers[chosen], own)
            gradient = gradient + self._gradient
            gradient[chosen] = own
        self._numbers, self._gradient = numbers, gradient


def choose_objective(
    graph: GraphObjective, optimizer: Optimizer, jit: bool | None, first_batch: Examples
) -> tuple[GraphObjective, str]:
    """Choose between the graph and jit, as `fit` documents it; say why the graph, unless `jit` is False."""
    if jit is False:
        return graph, ""
    if type(optimizer).step not in (Optimizer.step, LineSearch.step):
        why = f"{type(optimizer).__name__} works on the graph of the loss"
        if jit:
            raise TypeError(f"{why}, so it can't train with jit=True")
        return graph, why
    foreign = foreign_part(graph.model, graph.loss)
    if foreign and jit is None:
        return graph, f"{foreign} is not nn's own; jit=True compiles pure functions"
    compiled = CompiledObjective(graph.model, graph.loss, graph.strength, graph.keeps_outputs)
    graph.check(first_batch)  # its errors name numbers, as errors of a trace can't
    with compiling():
        if foreign:
            compiled.check_contract(first_batch)
        compiled.compile(first_batch)
    return compiled, ""
