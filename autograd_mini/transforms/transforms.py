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
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.arrays import packed
from autograd_mini.engine.checks import check_places, describe, is_real
from autograd_mini.engine.derivatives import gradient, pullback, pushforward, slopes
from autograd_mini.engine.operations import identity
from autograd_mini.engine.value import Value, topological_order
from autograd_mini.transforms.trees import Structure, flatten, make_array, map_parts, parts_of, unflatten

ArgNums = int | tuple[int, ...]

# The ids of the Values that the transforms now running, in any thread, differentiate for. A result computed from
# one of these Values must stay on the graph.
_open_inputs: set[int] = set()


def grad(f: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Make the function that computes the gradient of `f`.

    Parameters
    ----------
    f : callable
        Gives one number. Called with Values in place of the numbers of the arguments `argnums`.
    argnums : int or tuple of int, optional
        Which positional arguments to differentiate for.
    has_aux : bool, optional
        Whether f gives a pair, the number and anything else, which is passed on beside the gradient.

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
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f, updated=())
    def gradient_of_f(*args: Any, **kwargs: Any) -> Any:
        value, derivatives = both(*args, **kwargs)
        return (derivatives, value[1]) if has_aux else derivatives

    return gradient_of_f


def value_and_grad(
    f: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """Make the function that computes the pair of f's result and its gradient; see `grad`, which gives the gradient.

    Examples
    --------
    >>> from autograd_mini import value_and_grad
    >>> value_and_grad(lambda x, y: x * y, argnums=(0, 1))(2.0, 3.0)
    (6.0, (3.0, 2.0))
    >>> value_and_grad(lambda x: (x * x, {"x": x}), has_aux=True)(3.0)
    ((9.0, {'x': 3.0}), 6.0)
    """

    @wraps(f, updated=())
    def value_and_gradient_of_f(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        call = _Call(f, args, kwargs, argnums)
        root = call.result
        if has_aux:
            if not (isinstance(root, tuple) and len(root) == 2):
                raise TypeError(f"with has_aux=True the function gives a pair (number, anything), not {describe(root)}")
            root, aux = root
        if isinstance(root, np.ndarray) and root.size == 1:
            root = root.item()
        if not (isinstance(root, Scalar) or is_real(root)):
            raise TypeError(f"grad needs a function that gives one number, but got {describe(root)}; see jacobian")
        value = call.finish(root)
        derivatives = unflatten(call.structure, call.row(root))
        return ((value, call.finish_all(aux)) if has_aux else value), derivatives

    return value_and_gradient_of_f


def jacobian(f: Callable[..., Any], argnums: ArgNums = 0) -> Callable[..., Any]:
    """Make the function that computes the Jacobian of `f`: every derivative of every result.

    It goes forwards for as many results as numbers to differentiate for, or more; else backwards.

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
        if len(call.inputs) > len(roots):
            rows = [call.row(root) for root in roots]
        else:
            columns = [call.column(roots, variable) for variable in call.inputs]
            rows = [[column[i] for column in columns] for i in range(len(roots))]
        return _outer(structure, call.structure, rows)

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


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Compute f's result, and its derivative in a direction: forward mode, in one pass, without the Jacobian.

    Parameters
    ----------
    f : callable
        Gives nested numbers.
    primals : tuple or list
        The arguments of f.
    tangents : tuple or list
        The direction: for each argument numbers that are nested like it.

    Returns
    -------
    tuple
        f's result, and the Jacobian times the direction, nested like the result.

    Raises
    ------
    ValueError
        If the tangents are not nested like the primals.

    Examples
    --------
    >>> from autograd_mini import jvp
    >>> jvp(lambda x, y: [x * y, x + y], (2.0, 3.0), (1.0, 0.0))
    ([6.0, 5.0], [3.0, 1.0])
    """
    primals, tangents = _listed(primals, "primals"), _listed(tangents, "tangents")
    call = _Call(f, tuple(primals), {}, tuple(range(len(primals))))
    directions = _alike(call.structure, tuple(tangents), "the tangents", "the primals")
    roots, structure = flatten(call.result, "the function's result")
    stays = any(isinstance(direction, Scalar) for direction in directions)
    pushed = [x if stays else call.finish(x) for x in call.push(roots, directions)]
    return unflatten(structure, map(call.finish, roots)), unflatten(structure, pushed)


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Compute f's result, and give the function that pulls gradients back through it: reverse mode, from any results.

    Parameters
    ----------
    f : callable
        Gives nested numbers.
    *primals
        The arguments of f.

    Returns
    -------
    tuple
        f's result, and a function. It takes gradients that are nested like the result, and gives a tuple: for each
        argument the gradients times the Jacobian, nested like the argument. Gradients that are nested otherwise are a
        ValueError.

    Examples
    --------
    >>> from autograd_mini import vjp
    >>> value, pull = vjp(lambda x, y: [x * y, x + y], 2.0, 3.0)
    >>> value, pull([1.0, 0.0]), pull([0.0, 1.0])
    ([6.0, 5.0], (3.0, 2.0), (1.0, 1.0))
    """
    call = _Call(f, primals, {}, tuple(range(len(primals))))
    roots, structure = flatten(call.result, "the function's result")

    def pull(gradients: Any) -> tuple[Any, ...]:
        upstreams = _alike(structure, gradients, "the gradients", "the function's result")
        stays = any(isinstance(upstream, Scalar) for upstream in upstreams)
        pulled = [x if stays else call.finish(x) for x in call.pull(roots, upstreams)]
        nested: tuple[Any, ...] = unflatten(call.structure, pulled)
        return nested

    return unflatten(structure, map(call.finish, roots)), pull


def hvp(f: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function that computes the Hessian of `f` times a vector, without the Hessian: forward over reverse.

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
        _alike(flatten(x, "argument 0")[1], vector, "the vector", "argument 0")
        return jvp(lambda point: grad(f)(point, *args, **kwargs), (x,), (vector,))[1]

    return hessian_vector_product_of_f


def _listed(things: Any, name: str) -> list[Any]:
    if not isinstance(things, (tuple, list)):
        raise TypeError(f"{name} must be a tuple with something for each argument, not {describe(things)}")
    return list(things)


def _alike(wanted: Structure, given: Any, name: str, model: str) -> list[Any]:
    """List numbers that must be nested like others."""
    numbers, structure = flatten(given, name)
    if list(structure.paths("")) != list(wanted.paths("")):
        raise ValueError(f"{name} must be nested like {model}, with {wanted.size} numbers, not {structure.size}")
    return numbers


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
            self.inputs = list(map(make_variable, numbers))
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

    def row(self, root: Any) -> list[Any]:
        """Give the derivatives of one number of the result for every number to differentiate for."""
        if type(root) is Value and not self.stays_on_graph(root):
            return gradient(root, self.inputs)
        return self.pull([root], [1.0])

    def column(self, roots: Sequence[Any], variable: Any) -> list[Any]:
        """Give the derivatives of some numbers of the result for one number to differentiate for."""
        if modes.is_tracing() or any(map(self.stays_on_graph, filter(_is_scalar, roots))):
            return self.push(roots, [1.0 if x is variable else None for x in self.inputs])
        values = list(filter(_is_scalar, roots))
        found = iter(slopes(values, variable) if values else ())
        return [next(found) if type(root) is Value else 0.0 for root in roots]

    def pull(self, roots: Sequence[Any], upstreams: Sequence[Any]) -> list[Any]:
        """Give what flows back from numbers of the result to every number to differentiate for."""
        pairs = [(root, upstream) for root, upstream in zip(roots, upstreams) if _is_computed(root)]
        if not pairs:
            return [0.0] * len(self.inputs)
        some, flowing = zip(*pairs)
        with modes.recording(), modes.rules():
            return pullback(some, flowing, self.inputs)

    def push(self, roots: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
        """Give what flows to numbers of the result from numbers to differentiate for; nothing from where it is None."""
        pairs = [(x, tangent) for x, tangent in zip(self.inputs, tangents) if tangent is not None]
        some = [root for root in roots if _is_computed(root)]
        if not (some and pairs):
            return [0.0] * len(roots)
        with modes.recording(), modes.rules():
            found = iter(pushforward(some, *zip(*pairs)))
        return [next(found) if _is_computed(root) else 0.0 for root in roots]

    def finish(self, root: Any) -> Any:
        """Give one number of the result: a Value if the caller may differentiate further, else a float."""
        if isinstance(root, Scalar) and self.stays_on_graph(root):
            return root
        return root.data if type(root) is Value else float(root)

    def finish_all(self, aux: Any) -> Any:
        """Finish the Values within whatever else the function gives."""
        if isinstance(aux, Scalar):
            return self.finish(aux)
        if isinstance(aux, np.ndarray):
            finished: Any = np.frompyfunc(self.finish_all, 1, 1)
            return packed(finished(aux, out=np.empty_like(aux))) if aux.dtype == object else aux
        return map_parts(self.finish_all, aux)


def _is_scalar(number: Any) -> bool:
    return isinstance(number, Scalar)


def _is_computed(root: Any) -> bool:
    """Say whether a number may depend on another one; while jit traces, others were there before."""
    tracer = modes.tracer.get()
    return isinstance(root, Scalar) and (tracer is None or tracer.made(root))


def _check_argnums(argnums: ArgNums, count: int) -> tuple[int, ...]:
    """List the positional arguments that `argnums` names, of as many as there are."""
    places = check_places(argnums, "argnums")
    for place in places:
        if not -count <= place < count:
            raise TypeError(f"argnums={argnums} names positional argument {place}, but only {count} were given")
    if len({place % count for place in places}) < len(places):
        raise ValueError(f"argnums={argnums} names an argument twice")
    return places


def make_variable(number: Any) -> Any:
    """Make a node of its own for a number to differentiate for: no other use of the number is this node."""
    if isinstance(number, Scalar):
        return identity(number)
    tracer = modes.tracer.get()
    return Value(number) if tracer is None else tracer.variable(number)


def is_differentiated(number: Any) -> bool:
    """Say whether a number is a Value computed from an argument of a function that is being differentiated now."""
    if not _open_inputs or type(number) is not Value:
        return False
    return any(id(node) in _open_inputs for node in topological_order(number))


def _holds_value(argument: Any) -> bool:
    """Say whether there is a Value in an argument, which may be nested as it will, and contain itself."""
    waiting, seen = [argument], set()
    while waiting:
        tree = waiting.pop()
        if type(tree) is float:
            continue
        if isinstance(tree, Scalar):
            return True
        parts = parts_of(tree)
        if parts and id(tree) not in seen:
            seen.add(id(tree))
            waiting.extend(parts)
    return False


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
