"""Module: the base of neurons, layers and networks; it finds their parameters."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from autograd_mini import Scalar, Value
from autograd_mini.engine.checks import describe
from nn.checks import check_sequence, finite_array, is_traced

# The modules that are alive, in the order in which they were made; none is kept alive.
_living: weakref.WeakValueDictionary[int, Module] = weakref.WeakValueDictionary()


def living_modules() -> list[Module]:
    """List the modules that are alive, in the order in which they were made."""
    references = _living.valuerefs()  # a copy made at once: other threads may make modules meanwhile
    return [module for reference in references if (module := reference()) is not None]


class Module:
    """Base class of everything that has parameters.

    A subclass assigns its parameters, Values, and its parts, Modules, to attributes, also inside
    of lists, tuples and dicts. They are found there, in the order of assignment.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.intercept = Value(2.0), Value(1.0)
    ...     def __call__(self, x):
    ...         return self.slope * x + self.intercept
    >>> line = Line()
    >>> line(3.0)
    Value(data=7.0, grad=0.0)
    >>> [name for name, _ in line.named_parameters()]
    ['slope', 'intercept']
    """

    _trained_with: str  # the name of the loss of the last `fit`, which says what the outputs are; absent before it

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Make the module known to drawings, which look up there where a parameter belongs."""
        module = super().__new__(cls)
        _living[id(module)] = module
        return module

    def __call__(self, x: Any) -> Any:
        """Compute the output for one example; a subclass says how."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def parameters(self) -> list[Value]:
        """List the parameters, which training may change: each once, also where two parts share it.

        Examples
        --------
        >>> from nn import MLP
        >>> len(MLP(2, [16, 16, 1]).parameters())
        337
        """
        return [parameter for _, parameter in self.named_parameters()]

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Give each parameter with the path of attributes and places that leads to it.

        Examples
        --------
        >>> from nn import Layer
        >>> [name for name, _ in Layer(2, 1).named_parameters()]
        ['neurons.0.w.0', 'neurons.0.w.1', 'neurons.0.b']
        """
        return _walk(self, "", _given_to(self), {})

    def weights(self) -> list[Value]:
        """List the parameters that L2 regularization holds small: all that are not called `b` or `bias`.

        The biases stay free (Chapter 11: Neural Network, section 11.3).

        Examples
        --------
        >>> from nn import Layer
        >>> len(Layer(2, 3).weights())
        6
        """
        return [p for name, p in self.named_parameters() if name.rpartition(".")[2] not in ("b", "bias")]

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to zero.

        Examples
        --------
        >>> from nn import Neuron
        >>> neuron = Neuron(2, nonlin=False)
        >>> neuron([1.0, 2.0]).backward()
        >>> neuron.zero_grad()
        >>> neuron.b.grad
        0.0
        """
        for parameter in self.parameters():
            parameter.grad = 0.0

    def state_dict(self) -> dict[str, NDArray[np.float64]]:
        """Copy all parameters into arrays, by path; a layer has a matrix `weight` and a vector `bias`.

        Examples
        --------
        >>> from nn import MLP
        >>> {name: array.shape for name, array in MLP(2, [3, 1]).state_dict().items()}
        {'layers.0.weight': (3, 2), 'layers.0.bias': (3,), 'layers.1.weight': (1, 3), 'layers.1.bias': (1,)}
        """
        return {name: read_numbers(values) for name, values in self._places().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set all parameters from the arrays of a `state_dict`; on any error none is changed.

        Raises
        ------
        KeyError
            If an array is missing, or there is one that this module has no place for.

        Examples
        --------
        >>> from nn import MLP
        >>> model, other = MLP(2, [3, 1]), MLP(2, [3, 1])
        >>> other.load_state_dict(model.state_dict())
        >>> other([1.0, 2.0]).data == model([1.0, 2.0]).data
        True
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be a mapping from names to arrays, not {describe(state)}")
        places = self._places()
        missing, unexpected = sorted(places.keys() - state.keys()), sorted(map(str, state.keys() - places.keys()))
        if missing or unexpected:
            raise KeyError(f"state does not fit: missing {missing or 'nothing'}, unexpected {unexpected or 'nothing'}")
        arrays = {name: finite_array(state[name], name, values.shape) for name, values in places.items()}
        for name, values in places.items():
            write_numbers(values, arrays[name])

    def with_parameters(self, values: Sequence[Any]) -> Self:
        """Copy the module with other numbers or Values in the place of its parameters.

        So a model becomes a function of its parameters, which `grad` or `hessian` can transform:
        `lambda values: loss(model.with_parameters(values))`.

        The values are in the order of `parameters()`, and are the parameters of the copy; numbers become Values. The
        copy shares nothing with this module that one could change.

        Examples
        --------
        >>> from nn import Neuron
        >>> Neuron(2, nonlin=False).with_parameters([2.0, 3.0, 1.0])([10.0, 100.0]).data
        321.0
        """
        parameters = self.parameters()
        if len(check_sequence(values, "values")) != len(parameters):
            raise ValueError(f"expected {len(parameters)} values, one for each parameter, but got {len(values)}")
        return copy_with(self, parameters, [value if isinstance(value, Scalar) else Value(value) for value in values])

    def _places(self) -> dict[str, NDArray[Any]]:
        try:
            return dict(self._arrays())
        except RecursionError:
            raise ValueError(
                f"this {type(self).__name__} has a part that leads back to it, so the names of its parameters never end"
            ) from None

    def _arrays(self, prefix: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
        """Give the parameters as arrays of Values, under the names of `state_dict`."""
        for name, part in parts_of(self):
            yield from _arrays_in(part, prefix + name, _given_to(self))


M = TypeVar("M", bound=Module)


def copy_with(module: M, parameters: Sequence[Value], values: Iterable[Any]) -> M:
    """Copy a module with values in the place of parameters; under jit it shares all other Values."""
    values = list(values)
    memo: dict[int, Any] = {}  # from the identity of an object to its copy
    if any(map(is_traced, values)):
        memo |= {id(part): part for part in all_parts(module) if isinstance(part, Value)}
    memo |= {id(parameter): value for parameter, value in zip(parameters, values)}
    copied = copy.deepcopy(module, memo)
    for part in memo.values():
        if isinstance(part, Module):
            vars(part)["_given"] = values
    return copied


def _given_to(module: Module) -> frozenset[int]:
    """Identify the values of `with_parameters`: they are parameters, although they may be results, or traced."""
    return frozenset(map(id, vars(module).get("_given", ())))


def parts_of(thing: Any) -> list[tuple[Any, Any]]:
    """List the parts of a module or a container, each with its attribute or place."""
    if isinstance(thing, Module):
        return [(name, part) for name, part in vars(thing).items() if name not in ("_given", "_trained_with")]
    if isinstance(thing, Mapping):
        return list(thing.items())
    return list(enumerate(thing)) if isinstance(thing, (list, tuple)) else []


def own_parts(module: Module) -> list[Any]:
    """List the Values and modules that a module has itself, within containers too, but not in its parts."""
    found: list[Any] = []
    waiting, seen = [part for _, part in parts_of(module)], set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, (Value, Module)):
            found.append(part)
        elif id(part) not in seen:
            seen.add(id(part))
            waiting.extend(part if isinstance(part, (list, tuple)) else [inner for _, inner in parts_of(part)])
    return found


def all_parts(model: Module) -> list[Any]:
    """List a model, its parts, their parts and so on."""
    found: list[Any] = []
    seen: set[int] = set()
    waiting: list[Any] = [model]
    while waiting:
        part = waiting.pop()
        found.append(part)
        if isinstance(part, Value) or id(part) in seen:
            continue
        seen.add(id(part))
        waiting.extend(part if isinstance(part, (list, tuple)) else [inner for _, inner in parts_of(part)])
    return found


def is_parameter(thing: Any, given: frozenset[int] = frozenset()) -> bool:
    """Tell a parameter from a result or a constant that a module keeps."""
    if not isinstance(thing, Scalar):
        return False
    return id(thing) in given or (isinstance(thing, Value) and thing.is_leaf and thing.requires_grad)


def _walk(thing: Any, path: str, given: frozenset[int], seen: dict[int, Any]) -> Iterator[tuple[str, Value]]:
    """Find parameters in what has not been seen: parts may be shared, or lead back to what they are a part of."""
    if id(thing) in seen:
        return
    seen[id(thing)] = thing  # kept, so that no other object gets its identity
    if is_parameter(thing, given):
        yield path, thing
    for name, part in parts_of(thing):
        yield from _walk(part, f"{path}.{name}" if path else str(name), given, seen)


def _arrays_in(thing: Any, path: str, given: frozenset[int]) -> Iterator[tuple[str, NDArray[Any]]]:
    if isinstance(thing, Module):
        yield from thing._arrays(path + ".")
    elif is_parameter(thing, given) or (
        isinstance(thing, (list, tuple)) and thing and all(is_parameter(entry, given) for entry in thing)
    ):
        yield path, np.array(thing, dtype=object)
    else:
        for name, part in parts_of(thing):
            yield from _arrays_in(part, f"{path}.{name}", given)


def read_numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """Copy the data of an array of Values."""
    return np.array([value.data for value in values.flat], dtype=np.float64).reshape(values.shape)


def write_numbers(values: NDArray[Any], numbers: NDArray[np.float64]) -> None:
    """Set the data of an array of Values."""
    for value, number in zip(values.flat, numbers.flat):
        value.data = float(number)
