"""Compiled: a model and its loss as machine code for whole batches, where `jit` can trace them.

Numbers of parameters and examples go in; outputs, losses and gradients come out. Nothing is known here of
optimisers.
"""

from __future__ import annotations

import copy
import inspect
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd_mini import Operation, TracingError, Value, jit, no_grad, topological_order, value_and_grad
from nn.checks import describe, is_row
from nn.losses import Loss, l2
from nn.module import Module
from nn.train.data import Examples

Array = NDArray[np.float64]

# On so many examples compiled code is compared with the graph, where nothing speaks for more.
SAMPLE = 8

# How far compiled code may be off from the graph: relative to the largest number, and absolutely.
_RELATIVE, _ABSOLUTE = 1e-10, 1e-13

# Packages whose functions keep nothing from call to call, but in what they are given.
_OWN = ("autograd_mini", "nn", "numpy")

# What has attributes, but keeps nothing of a model.
_CODE = (type, ModuleType, FunctionType, Operation)


class NotCompiled(TypeError):
    """A model or loss that can't be computed through jit; the message says why not."""


class Rows(NamedTuple):
    """Examples as compiled code takes them.

    Attributes
    ----------
    inputs : array of shape (n, features)
    numbers : array of shape (n,) or (n, outputs)
        The targets; the index of one class among several is a one-hot row.
    targets : list
        The targets as they were.
    """

    inputs: Array
    numbers: Array
    targets: list[Any]

    def take(self, places: Sequence[int]) -> Rows:
        """Choose examples."""
        return Rows(self.inputs[places], self.numbers[places], [self.targets[i] for i in places])


class CompiledModel:
    """A model's outputs, computed by machine code.

    Parameters
    ----------
    model : Module

    Attributes
    ----------
    values : list of Value
        The parameters.

    Raises
    ------
    ImportError
        If llvmlite is not installed.

    Examples
    --------
    >>> from nn import Neuron
    >>> compiled = CompiledModel(Neuron(1, nonlin=False))
    >>> compiled.outputs(np.array([2.0, -1.0]), np.array([[0.0], [3.0]]))
    [-1.0, 5.0]
    """

    def __init__(self, model: Module) -> None:
        # after with_parameters there may be numbers among them
        self.values = [value for value in model.parameters() if isinstance(value, Value)]
        self._model = model
        self._outputs = jit(self._output, in_axes=(None, 0))

    def parameters(self) -> Array:
        """Read the numbers of all parameters."""
        return np.array([value.data for value in self.values])

    def outputs(self, parameters: Array, inputs: Array) -> list[Any]:
        """Compute the output, or row of outputs, for each example."""
        found = self._outputs(parameters, inputs)
        return (np.stack(found, axis=1) if isinstance(found, list) else found).tolist()  # type: ignore[no-any-return]

    def check_outputs(self, sample: Sequence[Sequence[Value]]) -> None:
        """Compare the outputs for some inputs with those of the model itself.

        Raises
        ------
        NotCompiled
            If they differ, or the model can't be traced, or changes when it is called.
        """
        with _refusing(), no_grad():
            found = [_listed(y) for y in self.outputs(self.parameters(), inputs_of(sample))]
            outputs = [_listed(self._model(x)) for x in sample]
            _compare("outputs", found, [[y.data if isinstance(y, Value) else float(y) for y in row] for row in outputs])

    def _output(self, parameters: Any, x: Any) -> Any:
        twin = self._twin(parameters)
        with _pure(twin):
            output = twin(list(x))
        return list(output) if is_row(output) else output

    def _twin(self, parameters: Iterable[Any]) -> Module:
        """Copy the model, with other Values in the place of its parameters; any other Value is shared."""
        memo: dict[int, Any] = {id(value): value for value in _values(self._model)}
        memo.update({id(old): new for old, new in zip(self.values, parameters)})
        return copy.deepcopy(self._model, memo)


class CompiledLoss(CompiledModel):
    """A model's loss and its gradient, means over the examples of a batch, computed by machine code.

    Parameters
    ----------
    model : Module
    loss : callable
        A function of outputs and targets.
    strength : float
        Of the L2 term.
    sample : Examples
        Of these, loss and gradient are compared with those of the graph.

    Raises
    ------
    ImportError
        If llvmlite is not installed.
    NotCompiled
        If they differ, model or loss can't be traced, or they change when called.

    Examples
    --------
    >>> from nn import Neuron, mean_squared_error
    >>> examples = Examples([[Value(1.0)], [Value(3.0)]], [0.0, 4.0])
    >>> compiled = CompiledLoss(Neuron(1, nonlin=False), mean_squared_error, 0.0, examples)
    >>> compiled.loss_and_gradient(np.array([2.0, -1.0]), compiled.encode(examples))
    (1.0, array([4., 2.]))
    """

    def __init__(self, model: Module, loss: Loss, strength: float, sample: Examples) -> None:
        super().__init__(model)
        self._loss, self._strength = loss, strength
        self._weights = model.weights() if strength else []
        if any(isinstance(thing, Iterator) for thing in _surroundings(loss, set())):
            raise NotCompiled("the loss draws from an iterator")
        with _refusing():
            twin = self._twin(self.values)
            with no_grad(), _pure(twin):
                output = twin(sample.inputs[0])
            classes = len(output) if is_row(output) and _are_classes(sample.targets, len(output)) else 0
        try:
            self._compile(classes, sample)
        except NotCompiled:
            if not classes:
                raise
            self._compile(0, sample)  # these integers may be no classes

    def loss_and_gradient(self, parameters: Array, rows: Rows) -> tuple[float, Array]:
        """Compute the loss of a batch, and its derivative for each parameter."""
        return self._kernel(parameters, rows.inputs, rows.numbers)  # type: ignore[no-any-return]

    def encode(self, examples: Examples) -> Rows:
        """Write examples as arrays.

        Raises
        ------
        NotCompiled
            If they are no arrays, or a target is no class where others were.
        """
        inputs, targets = examples
        with _refusing():
            if not self.classes:
                return Rows(inputs_of(inputs), np.array(targets, dtype=np.float64), targets)
            if not _are_classes(targets, self.classes):
                raise NotCompiled(f"a target is no class from 0 to {self.classes - 1}")
            return Rows(inputs_of(inputs), np.eye(self.classes)[np.array(targets, dtype=np.intp)], targets)

    def _compile(self, classes: int, sample: Examples) -> None:
        self.classes = classes
        self._kernel = jit(value_and_grad(self._loss_of_example), in_axes=(None, 0, 0), reduce="mean")
        with _refusing():
            loss, gradient = self.loss_and_gradient(self.parameters(), self.encode(sample))
            expected_loss, expected_gradient = self._along_graph(sample)
            _compare("loss", loss, expected_loss)
            _compare("gradient", gradient, expected_gradient)

    def _loss_of_example(self, parameters: Any, x: Any, target: Any) -> Any:
        twin = self._twin(parameters)
        with _pure(twin, self._loss):
            loss = self._loss([twin(list(x))], [list(target) if is_row(target) else target])
        traced = dict(zip(self.values, parameters)) if self._weights else {}
        return self._with_l2(loss, [traced[weight] for weight in self._weights])

    def _with_l2(self, loss: Any, weights: Sequence[Any]) -> Any:
        if not isinstance(loss, Value):
            raise NotCompiled("the loss gives no Value")
        return loss + l2(weights, self._strength) if self._strength else loss

    def _along_graph(self, examples: Examples) -> tuple[float, list[float]]:
        """Compute loss and gradient as training without jit does, and leave no trace of it."""
        inputs, targets = examples
        loss = self._with_l2(self._loss([self._model(x) for x in inputs], targets), self._weights)
        leaves = [node for node in topological_order(loss) if node.is_leaf]
        before = [leaf.grad for leaf in leaves]
        try:
            for leaf in leaves:
                leaf.grad = 0.0
            loss.backward()
            slopes = {leaf: leaf.grad for leaf in leaves}
            return loss.data, [slopes.get(value, 0.0) for value in self.values]
        finally:
            for leaf, slope in zip(leaves, before):
                leaf.grad = slope


def check_jit(jit: Any) -> None:
    """Check the option that says whether to compute through jit."""
    if not (jit is None or isinstance(jit, bool)):
        raise TypeError(f"jit must be True, False or None, not {describe(jit)}")


def inputs_of(rows: Sequence[Sequence[Value]]) -> Array:
    """Read the numbers of the inputs of some examples."""
    return np.array([[x.data for x in row] for row in rows])


def _listed(output: Any) -> Any:
    return output if is_row(output) else [output]


def _are_classes(targets: Sequence[Any], classes: int) -> bool:
    indices = np.asarray(targets)
    return indices.ndim == 1 and bool(((indices >= 0) & (indices < classes) & (indices % 1 == 0)).all())


def _compare(what: str, found: Any, expected: Any) -> None:
    expected = np.asarray(expected)
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
    if not np.allclose(found, expected, rtol=0.0, atol=_RELATIVE * scale + _ABSOLUTE, equal_nan=True):
        raise NotCompiled(
            f"the {what} would differ: there are random numbers in it, or it is not the mean over the examples"
        )


@contextmanager
def _refusing() -> Iterator[None]:
    """Make of any error that model or loss raise on the way the reason not to compile them."""
    of_python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (what users may draw from)
    try:
        yield
    except (ImportError, NotCompiled):
        raise
    except Exception as error:
        name = "" if isinstance(error, TracingError) else f"{type(error).__name__}: "
        raise NotCompiled(f"{name}{error}") from error
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)  # noqa: NPY002


@contextmanager
def _pure(model: Module, loss: Any = None) -> Iterator[None]:
    """Refuse a block that draws random numbers or leaves other traces, which machine code would not."""
    functions = [loss, *_methods(model)]

    def states() -> dict[str, Any]:
        seen: set[int] = set()
        of_numpy: Any = np.random.get_state()  # noqa: NPY002 (what users may draw from)
        return {
            "draws random numbers": (random.getstate(), of_numpy[1].tolist(), of_numpy[2:]),
            f"changes attributes of the {type(model).__name__}": _state(model, set()),
            "changes variables": [
                _state(thing, set()) for function in functions for thing in _surroundings(function, seen)
            ],
        }

    before = states()
    yield
    for effect, after in states().items():
        if after != before[effect]:
            raise NotCompiled(f"each call {effect}")


def _methods(model: Module) -> Iterator[FunctionType]:
    """List the methods of all that a model consists of, but for this package's own."""
    kinds = dict.fromkeys(kind for thing in _everything(model, set()) for kind in type(thing).__mro__)
    for kind in kinds:
        if not _is_own(kind):
            for method in vars(kind).values():
                function = method.fget if isinstance(method, property) else getattr(method, "__func__", method)
                if isinstance(function, FunctionType):
                    yield function


def _surroundings(function: Any, seen: set[int]) -> list[Any]:
    """List what a function and those that it calls could change: variables around them, and what they are bound to."""
    if isinstance(function, partial):
        return [*function.args, *function.keywords.values(), *_surroundings(function.func, seen)]
    if isinstance(function, MethodType):
        return [function.__self__, *_surroundings(function.__func__, seen)]
    if not isinstance(function, FunctionType):
        return [function]
    if id(function) in seen or _is_own(function):
        return []
    seen.add(id(function))
    around = [*inspect.getclosurevars(function).nonlocals.values()]
    around += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    around += [function.__globals__.get(name) for name in _names(function.__code__)]
    return [part for thing in around for part in _surroundings(thing, seen)]


def _names(code: CodeType) -> list[str]:
    """List the global names that code uses, the functions and comprehensions in it included."""
    inner = [name for constant in code.co_consts if isinstance(constant, CodeType) for name in _names(constant)]
    return [*code.co_names, *inner]


def _is_own(thing: Any) -> bool:
    return str(thing.__module__).partition(".")[0] in (*_OWN, "builtins")


def _everything(thing: Any, seen: set[int]) -> Iterator[Any]:
    """List all that a model keeps; Values that stand side by side as one."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    yield thing
    if not _is_row_of_values(thing):
        for _, part in _parts(thing):
            yield from _everything(part, seen)


def _values(model: Module) -> Iterator[Value]:
    """List all Values that a model keeps, whether parameters or not."""
    for thing in _everything(model, set()):
        if isinstance(thing, Value):
            yield thing
        elif _is_row_of_values(thing):
            yield from thing


def _state(thing: Any, seen: set[int]) -> Any:
    """Describe all that a model keeps, so that a change shows in ==."""
    if _is_row_of_values(thing):
        return list(thing)
    if isinstance(thing, random.Random):
        return thing.getstate()
    if isinstance(thing, np.random.Generator):
        return repr(thing.bit_generator.state)
    if isinstance(thing, np.ndarray):
        return thing.tolist() if thing.dtype == object else thing.tobytes()
    found = _parts(thing)
    if not found or id(thing) in seen:
        return thing
    seen.add(id(thing))
    return type(thing), [(name, _state(part, seen)) for name, part in found]


def _is_row_of_values(thing: Any) -> bool:
    """Tell what is quickly gone through, as most of a model is."""
    return isinstance(thing, (list, tuple)) and set(map(type, thing)) == {Value}


def _parts(thing: Any) -> list[tuple[Any, Any]]:
    """List what an object or a container consists of."""
    if isinstance(thing, dict):
        return list(thing.items())
    if isinstance(thing, (list, tuple)):
        return list(enumerate(thing))
    return list(vars(thing).items()) if hasattr(thing, "__dict__") and not isinstance(thing, _CODE) else []
