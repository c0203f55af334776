"""From functions to functions: gradients, Jacobians, Hessians, of any order; knows nothing of compilation.

At the outermost level a transform takes numbers and gives numbers. Inside another transform, or called with Values,
it gives Values, which can be differentiated again: the derivative of a graph is a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from itertools import islice
from typing import Any

import numpy as np

from autograd_mini.engine import modes
from autograd_mini.engine.arithmetic import Scalar, is_real
from autograd_mini.engine.checks import describe
from autograd_mini.engine.derivatives import derivative_graph, gradient
from autograd_mini.engine.operations import identity
from autograd_mini.engine.value import Value, topological_order
from autograd_mini.transforms.trees import Structure, flatten, make_array, unflatten

ArgNums = int | tuple[int, ...]

# The ids of the Values that the transforms now running, in any thread, differentiate for. A result computed from
# one of these Values must stay on the graph.
_open_inputs: set[int] = set()


def grad(f: Callable[..., Any], argnums: ArgNums = 0) -> Callable[..., Any]:
    """Make the function that computes the gradient of `f`.

    Parameters
    ----------
    f : callable
        Gives one number. Called with Values in place of the numbers of the arguments `argnums`.
    argnums : int or tuple of int, optional
        Which positional arguments to differentiate for.

    Returns
    -------
    callable
        Takes what `f` takes: numbers, or nested lists, tuples, dicts and arrays of numbers. Gives the derivative for
        each number, nested like the argument, and a tuple of them for a tuple of `argnums`. Numbers give floats.
        Values in any argument give Values that can be differentiated again. Inside another transform, a result that
        depends on its variable is a Value too: transforms nest. No Value's `.grad` is touched.

    Raises
    ------
    TypeError
        On the call, if an argument contains anything but numbers, or `f` does not give one number.
    ValueError
        On the call, if `argnums` names an argument twice.

    Notes
    -----
    A Value that `f` takes from around it, not as an argument, is a constant here. `no_grad` around the call makes no
    difference. `f` must not assign to the `.data` of a Value that it has used.

    Examples
    --------
    >>> from autograd_mini import grad
    >>> cube = lambda x: x * x * x
    >>> grad(cube)(2.0), grad(grad(cube))(2.0)
    (12.0, 12.0)
    >>> grad(lambda w, x: w[0] * x + w[1])([3.0, 1.0], 2.0)
    [2.0, 1.0]
    """
    both = value_and_grad(f, argnums)

    @wraps(f, updated=())
    def gradient_of_f(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient_of_f


def value_and_grad(f: Callable[..., Any], argnums: ArgNums = 0) -> Callable[..., tuple[Any, Any]]:
    """Make the function that computes the pair of f's result and its gradient; see `grad`, which gives the gradient.

    Examples
    --------
    >>> from autograd_mini import value_and_grad
    >>> value_and_grad(lambda x, y: x * y, argnums=(0, 1))(2.0, 3.0)
    (6.0, (3.0, 2.0))
    """

    @wraps(f, updated=())
    def value_and_gradient_of_f(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        call = _Call(f, args, kwargs, argnums)
        root = call.result
        if not (isinstance(root, Scalar) or is_real(root)):
            raise TypeError(f"grad needs a function that gives one number, but got {describe(root)}; see jacobian")
        return call.finish(root), unflatten(call.structure, call.derivatives(root))

    return value_and_gradient_of_f


def jacobian(f: Callable[..., Any], argnums: ArgNums = 0) -> Callable[..., Any]:
    """Make the function that computes the Jacobian of `f`: every derivative of every result.

    Parameters
    ----------
    f, argnums
        As for `grad`; but f may give nested numbers.

    Returns
    -------
    callable
        Gives f's result with each number replaced by its derivatives, which are nested like the argument. An array
        of shape (m,) as the result, for an argument of shape (n,), gives an array of shape (m, n).

    Examples
    --------
    >>> from autograd_mini import jacobian
    >>> jacobian(lambda v: [v[0] * v[1], v[0] + v[1]])([2.0, 3.0])
    [[3.0, 2.0], [1.0, 1.0]]
    """

    @wraps(f, updated=())
    def jacobian_of_f(*args: Any, **kwargs: Any) -> Any:
        call = _Call(f, args, kwargs, argnums)
        roots, structure = flatten(call.result, "the function's result")
        return _outer(structure, call.structure, [call.derivatives(root) for root in roots])

    return jacobian_of_f


def hessian(f: Callable[..., Any], argnums: ArgNums = 0) -> Callable[..., Any]:
    """Make the function that computes the Hessian of `f`, all its second derivatives; arguments as for `grad`.

    It is the `jacobian` of the `grad`: n lists of n numbers for a list of n, shape (n, n) for an array of shape (n,).

    Examples
    --------
    >>> from autograd_mini import hessian
    >>> hessian(lambda v: v[0] * v[0] * v[1])([2.0, 3.0])
    [[6.0, 4.0], [4.0, 0.0]]
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function that computes the Hessian of `f` times a vector, without the Hessian.

    Parameters
    ----------
    f : callable
        Gives one number; differentiated twice for its first argument.

    Returns
    -------
    callable
        Takes f's first argument, then the vector, nested like that argument, then f's other arguments: the order of
        `hessp` in `scipy.optimize.minimize`. Gives the product, nested like the argument. A vector that is nested
        otherwise is a ValueError.

    Examples
    --------
    >>> from autograd_mini import hvp
    >>> hvp(lambda v: v[0] * v[0] * v[1])([2.0, 3.0], [1.0, 10.0])
    [46.0, 4.0]
    """

    @wraps(f, updated=())
    def hessian_vector_product_of_f(x: Any, vector: Any, *args: Any, **kwargs: Any) -> Any:
        wanted, given = flatten(x, "argument 0")[1], flatten(vector, "the vector")[1]
        if list(wanted.paths("")) != list(given.paths("")):
            raise ValueError(
                f"the vector must be nested like argument 0, which has {wanted.size} numbers; it has {given.size}"
            )

        def slope(point: Any, vector: Any, *args: Any) -> Any:
            partials, _ = flatten(grad(f)(point, *args, **kwargs), "the gradient")
            return sum(weight * partial for weight, partial in zip(flatten(vector, "the vector")[0], partials))

        return grad(slope)(x, vector, *args)

    return hessian_vector_product_of_f


class _Call:
    """One call of a function, with Values in place of the numbers to differentiate for."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], argnums: ArgNums) -> None:
        places = _check_argnums(argnums, len(args))
        flat = [flatten(args[place], f"argument {place}") for place in places]
        structures = tuple(structure for _, structure in flat)
        self.structure = Structure(tuple, (), structures) if isinstance(argnums, tuple) else structures[0]
        numbers = [number for numbers, _ in flat for number in numbers]
        self.given_values = any(_holds_value(argument) for argument in (*args, *kwargs.values()))
        with modes.recording():
            self.inputs = list(map(_variable, numbers))
            remaining = iter(self.inputs)
            replaced = list(args)
            for place, structure in zip(places, structures):
                replaced[place] = unflatten(structure, remaining)
            open_here = {id(node) for node in self.inputs}
            _open_inputs.update(open_here)
            try:
                self.result = f(*replaced, **kwargs)
            finally:
                _open_inputs.difference_update(open_here)

    def stays_on_graph(self, root: Any) -> bool:
        """Say whether the caller may differentiate further: then a number of the result stays a Value."""
        return self.given_values or modes.is_tracing() or is_differentiated(root)

    def derivatives(self, root: Any) -> list[Any]:
        """Give the derivative of one number of the result for every number to differentiate for."""
        if not isinstance(root, Scalar) or (isinstance(root, Value) and modes.is_tracing()):
            return [0.0] * len(self.inputs)  # it does not depend on the inputs
        if isinstance(root, Value) and not self.stays_on_graph(root):
            return gradient(root, self.inputs)
        with modes.recording(), modes.rules():
            return derivative_graph(root, self.inputs)

    def finish(self, root: Any) -> Any:
        """Give one number of the result: a Value if the caller may differentiate further, else a float."""
        if isinstance(root, Scalar) and self.stays_on_graph(root):
            return root
        return root.data if isinstance(root, Value) else float(root)


def _check_argnums(argnums: ArgNums, count: int) -> tuple[int, ...]:
    """List the positional arguments that `argnums` names, of as many as there are."""
    places = argnums if isinstance(argnums, tuple) else (argnums,)
    for place in places:
        if not isinstance(place, int):
            raise TypeError(f"argnums must be an integer or a tuple of integers, not {describe(argnums)}")
        if not -count <= place < count:
            raise TypeError(f"argnums={argnums} names positional argument {place}, but only {count} were given")
    if len({place % count for place in places}) < len(places):
        raise ValueError(f"argnums={argnums} names an argument twice")
    return places


def _variable(number: Any) -> Any:
    """Make a node of its own for a number to differentiate for: no other use of the number is this node."""
    if isinstance(number, Scalar):
        return identity(number)
    tracer = modes.tracer.get()
    return Value(number) if tracer is None else tracer.variable(number)


def is_differentiated(number: Any) -> bool:
    """Say whether a number is a Value computed from an argument of a function that is being differentiated now."""
    if not _open_inputs or not isinstance(number, Value):
        return False
    return any(id(node) in _open_inputs for node in topological_order(number))


def _holds_value(argument: Any) -> bool:
    if isinstance(argument, dict):
        return any(map(_holds_value, argument.values()))
    if isinstance(argument, (list, tuple)):
        return any(map(_holds_value, argument))
    if isinstance(argument, np.ndarray) and argument.dtype == object:
        return any(isinstance(x, Scalar) for x in argument.flat)
    return isinstance(argument, Scalar)


def _outer(outer: Structure, inner: Structure, rows: Sequence[Sequence[Any]]) -> Any:
    """Nest the rows of a matrix like the result, and the numbers in each part of the result like the argument."""
    remaining = iter(rows)

    def block(result: Structure) -> Any:
        columns = iter(zip(*islice(remaining, result.size)))

        def entry(argument: Structure) -> Any:
            entries = [x for row in zip(*islice(columns, argument.size)) for x in row]
            is_number = result.kind is argument.kind is float
            return entries[0] if is_number else make_array(entries, (*result.keys, *argument.keys))

        return inner.nest(entry)

    return outer.nest(block)
