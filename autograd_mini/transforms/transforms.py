"""From functions to functions: gradients, Jacobians, Hessians, of any order.

The derivative of a graph is a graph: `derivative_graph` writes the chain rule down as Values, with
the rules of the table of operations. At the outermost level a transform takes numbers and gives
numbers; inside another transform, or called with Values, it gives Values, which can be
differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from numbers import Real
from typing import Any

import numpy as np

from autograd_mini.engine import modes
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import describe
from autograd_mini.engine.derivatives import derivative_graph, gradient
from autograd_mini.engine.operations import identity
from autograd_mini.engine.value import Value, topological_order
from autograd_mini.transforms.finite_differences import central_differences
from autograd_mini.transforms.trees import Structure, flatten, make_array, unflatten

ArgNums = int | tuple[int, ...]

# The ids of the Values that the transforms now running, in any thread, differentiate for. What was
# computed from one of them must stay on the graph.
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
        Takes what `f` takes: numbers, or lists, tuples, dicts and arrays of numbers, nested. Gives
        the derivative for each number, nested like the argument; a tuple of these for a tuple of
        `argnums`. Numbers give floats. Values, in any argument, give Values that can be
        differentiated again, and so does what depends on the variable of another transform that is
        running: transforms nest. `.grad` of no Value is touched.

    Raises
    ------
    TypeError
        On the call, if an argument contains something else than numbers, or `f` gives something
        else than one number.
    ValueError
        If `argnums` names an argument twice.

    Notes
    -----
    A Value that `f` takes from around it, not as an argument, is a constant here. `no_grad` around
    the call makes no difference. `f` must not assign to `.data` of what it has used.

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
    """Make the function that computes `f` and its gradient in one go.

    Parameters
    ----------
    f, argnums
        As for `grad`.

    Returns
    -------
    callable
        Gives the pair of f's result and what `grad` gives.

    Raises
    ------
    TypeError
        As for `grad`.

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
        if not isinstance(root, (Scalar, Real)):
            raise TypeError(f"grad needs a function that gives one number, but got {describe(root)}; see jacobian")
        return call.finish(root), unflatten(call.structure, call.derivatives(root))

    return value_and_gradient_of_f


def jacobian(f: Callable[..., Any], argnums: ArgNums = 0) -> Callable[..., Any]:
    """Make the function that computes the Jacobian of `f`: every derivative of every result.

    Parameters
    ----------
    f : callable
        Gives a number, or nested numbers. Called as for `grad`.
    argnums : int or tuple of int, optional
        Which positional arguments to differentiate for.

    Returns
    -------
    callable
        Gives f's result with each number replaced by its derivatives, which are nested like the
        argument. A result that is an array of shape (m,), for an argument that is an array of
        shape (n,), gives an array of shape (m, n); so for all shapes.

    Raises
    ------
    TypeError
        On the call, if an argument or f's result contains something else than numbers.

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
    """Make the function that computes the Hessian of `f`: all its second derivatives.

    Parameters
    ----------
    f, argnums
        As for `grad`.

    Returns
    -------
    callable
        Gives the `jacobian` of the `grad`: for a list of n numbers n lists of n, for an array of
        shape (n,) one of shape (n, n).

    Raises
    ------
    TypeError
        As for `grad`.

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
        Takes f's first argument, then the vector, nested like it, then f's other arguments: the
        order of `hessp` in `scipy.optimize.minimize`. Gives the product, nested like the argument.

    Raises
    ------
    ValueError
        On the call, if the vector is not nested like the argument.
    TypeError
        As for `grad`.

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


def check_grads(
    f: Callable[..., Any], args: Sequence[Any], order: int = 2, rtol: float = 1e-5, atol: float = 1e-7
) -> None:
    """Compare derivatives with finite differences, for every argument of `f` and up to an order.

    Parameters
    ----------
    f : callable
        Gives a number, or nested numbers.
    args : sequence
        The arguments to call it with: numbers, or nested numbers. A kink within a step of about
        1e-5 of them can't be told from a wrong derivative.
    order : int, optional
        Derivatives of order 1 to this one are compared.
    rtol, atol : float, optional
        How far they may differ, relative to the derivative and absolutely.

    Raises
    ------
    AssertionError
        If a derivative disagrees: of which result, for which input, both figures.

    Examples
    --------
    >>> from autograd_mini import check_grads, operation, tanh
    >>> check_grads(lambda x, y: tanh(x * y), (0.5, 2.0))
    >>> wrong = operation("wrong(x)", lambda x: x * x, lambda out, x: 3 * x)
    >>> check_grads(wrong, (2.0,))
    Traceback (most recent call last):
        ...
    AssertionError: order 1: the derivative of f for args[0] is 6.0, but finite differences give 4
    """
    if not isinstance(args, (list, tuple)):
        raise TypeError(f"args must be a list or tuple of arguments, not {describe(args)}")
    if order < 1:
        raise ValueError(f"order must be at least 1, not {order}")
    numbers, structure = flatten(tuple(args), "args")
    inputs = list(structure.paths("args"))

    def all_results(point: Sequence[Any]) -> list[Any]:
        return flatten(f(*unflatten(structure, point)), "the function's result")[0]

    results: Callable[[Sequence[Any]], list[Any]] = all_results
    count = len(results(numbers))
    names = ["f"] if count == 1 else [f"f[{i}]" for i in range(count)]
    for step in range(1, order + 1):
        exact = jacobian(results)(numbers)
        for i, name in enumerate(names):
            estimates = central_differences(_component(results, i), numbers)
            for place, found, estimate in zip(inputs, exact[i], estimates):
                if not abs(found - estimate) <= atol + rtol * abs(estimate):
                    raise AssertionError(
                        f"order {step}: the derivative of {name} for {place} is {found}, "
                        f"but finite differences give {estimate:.6g}"
                    )
        results = _row_by_row(jacobian(results))
        names = [f"(the derivative of {name} for {place})" for name in names for place in inputs]


def _component(results: Callable[[Sequence[Any]], list[Any]], i: int) -> Callable[[Sequence[float]], float]:
    return lambda point: _float(results(point)[i])


def _row_by_row(matrix_of: Callable[..., Any]) -> Callable[[Sequence[Any]], list[Any]]:
    return lambda point: [entry for row in matrix_of(point) for entry in row]


def _float(number: Any) -> float:
    return number.data if isinstance(number, Value) else float(number)


class _Call:
    """One call of a function, with Values in place of the numbers to differentiate for."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], argnums: ArgNums) -> None:
        places = argnums if isinstance(argnums, tuple) else (argnums,)
        for place in places:
            if not isinstance(place, int):
                raise TypeError(f"argnums must be an integer or a tuple of integers, not {describe(argnums)}")
            if not -len(args) <= place < len(args):
                raise TypeError(f"argnums={argnums} names positional argument {place}, but only {len(args)} were given")
        if len({place % len(args) for place in places}) < len(places):
            raise ValueError(f"argnums={argnums} names an argument twice")
        flat = [flatten(args[place], f"argument {place}") for place in places]
        structures = tuple(structure for _, structure in flat)
        self.structure = Structure(tuple, (), structures) if isinstance(argnums, tuple) else structures[0]
        numbers = [number for numbers, _ in flat for number in numbers]
        self.given_values = any(_holds_value(argument) for argument in (*args, *kwargs.values()))
        with modes.recording():
            # A Value gets a node of its own here, so that no other use of it counts as this argument.
            self.inputs = list(map(_variable, numbers))
            remaining = iter(self.inputs)
            replaced = list(args)
            for place, structure in zip(places, structures):
                replaced[place] = unflatten(structure, [next(remaining) for _ in range(structure.size)])
            open_here = {id(node) for node in self.inputs}
            _open_inputs.update(open_here)
            try:
                self.result = f(*replaced, **kwargs)
            finally:
                _open_inputs.difference_update(open_here)

    def stays_on_graph(self, root: Any) -> bool:
        """Say whether the caller may want to differentiate what is computed from a number of the result."""
        return self.given_values or modes.is_tracing() or is_differentiated(root)

    def derivatives(self, root: Any) -> list[Any]:
        """Give the derivative of one number of the result for every number to differentiate for."""
        if not isinstance(root, Scalar) or (isinstance(root, Value) and modes.is_tracing()):
            return [0.0] * len(self.inputs)  # no input took part in it
        if isinstance(root, Value) and not self.stays_on_graph(root):
            return gradient(root, self.inputs)
        with modes.recording(), modes.rules():
            return derivative_graph(root, self.inputs)

    def finish(self, root: Any) -> Any:
        """Give one number of the result as this level's caller wants it."""
        return root if isinstance(root, Scalar) and self.stays_on_graph(root) else _float(root)


def _variable(number: Any) -> Any:
    """Make a number one to differentiate for; a node of its own, which no other use of that number is."""
    if isinstance(number, Scalar):
        return identity(number)
    tracer = modes.tracer.get()
    return Value(number) if tracer is None else tracer.variable(number)


def is_differentiated(number: Any) -> bool:
    """Say whether a number is a Value computed from what a function is given that is being differentiated now."""
    if not _open_inputs or not isinstance(number, Value):
        return False
    return any(id(node) in _open_inputs for node in topological_order(number))


def _holds_value(argument: Any) -> bool:
    if isinstance(argument, (list, tuple)):
        return any(_holds_value(part) for part in argument)
    if isinstance(argument, dict):
        return any(_holds_value(part) for part in argument.values())
    if isinstance(argument, np.ndarray):
        return argument.dtype == object and any(isinstance(x, Scalar) for x in argument.flat)
    return isinstance(argument, Scalar)


def _outer(outer: Structure, inner: Structure, rows: Sequence[Sequence[Any]]) -> Any:
    """Nest a matrix like the result it is for, and each part of that like the argument."""
    remaining = iter(rows)

    def block(result: Structure) -> Any:
        own_rows = [next(remaining) for _ in range(result.size)]
        column = 0

        def entry(argument: Structure) -> Any:
            nonlocal column
            entries = [x for row in own_rows for x in row[column : column + argument.size]]
            column += argument.size
            if result.kind is argument.kind is float:
                return entries[0]
            return make_array(entries, (*result.keys, *argument.keys))

        return inner.nest(entry)

    return outer.nest(block)
