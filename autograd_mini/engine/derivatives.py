"""The chain rule over a recorded graph, backwards and forwards: as plain numbers, and as numbers that are a graph."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

from autograd_mini.engine import modes, operations
from autograd_mini.engine.anomaly import check_backward
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.choices import gradients
from autograd_mini.engine.fan import Fan, make_fan
from autograd_mini.engine.locks import walking
from autograd_mini.engine.node import check_values, fan_of
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.value import Value, evaluate, ordered

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

_MUL = operations.mul


def gradient(root: Value, inputs: Sequence[Value]) -> list[float]:
    """Compute the derivatives of `root` for `inputs`, and leave the `.grad` of every node as it is.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> x = Value(3.0)
    >>> gradient(x * x, [x]), x.grad
    ([6.0], 0.0)
    """
    node: Value
    operand: Value
    upstream: cython.double
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    check_values(inputs)
    with walking:
        order: list[Any] = ordered([root])
        if modes.is_checking():
            check_backward(order, 1.0)
        node = order[0]
        first: cython.longlong = node._mark  # then `ordered` has marked the others: first + 1, first + 2, ...
        grads: Fan = make_fan(tuple(order))
        for i in range(len(order)):
            grads.local[i] = 0.0
        grads.local[len(order) - 1] = 1.0
        for i in range(len(order) - 1, -1, -1):
            node = order[i]
            upstream = grads.local[i]
            if node._left is not None:
                grads.local[node._left._mark - first] += upstream * node._local_left
                if node._right is not None:
                    grads.local[node._right._mark - first] += upstream * node._local_right
            elif node._right is not None:
                fan: Fan = fan_of(node)
                for j in range(len(fan.operands)):
                    operand = fan.operands[j]
                    grads.local[operand._mark - first] += upstream * fan.local[j]
        places = [node._mark - first if node._mark >= first else -1 for node in inputs]
        found = [0.0 if place < 0 else grads.local[place] for place in places]
        if any(map(math.isnan, found)):
            exact = gradients(order, 1.0)
            found = [0.0 if place < 0 else exact[place] for place in places]
        return found


def slopes(roots: Sequence[Value], variable: Value) -> list[float]:
    """Compute the derivative of each root for one variable, forwards."""
    node: Value
    operand: Value
    slope: cython.double
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    with walking:
        order: list[Any] = ordered(list(reversed(roots)))
        node = order[0]
        first: cython.longlong = node._mark
        found: Fan = make_fan(tuple(order))
        for i in range(len(order)):
            node = order[i]
            slope = 0.0
            if node is variable:
                slope = 1.0
            elif node._left is not None:
                slope = node._local_left * found.local[node._left._mark - first]
                if node._right is not None:
                    slope += node._local_right * found.local[node._right._mark - first]
            elif node._right is not None:
                fan: Fan = fan_of(node)
                for j in range(len(fan.operands)):
                    operand = fan.operands[j]
                    slope += fan.local[j] * found.local[operand._mark - first]
            found.local[i] = slope
        listed = [found.local[node._mark - first] for node in roots]
    if any(map(math.isnan, listed)):
        listed = [x.data for x in pushforward(roots, [variable], [1.0])]
    return listed


def pullback(roots: Sequence[Any], upstreams: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """Write backpropagation down, as a graph that can be differentiated: from roots, with gradients, to inputs.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> x = Value(2.0)
    >>> (slope,) = pullback([x * x * x], [1.0], [x])
    >>> slope.backward()
    >>> slope.data, x.grad
    (12.0, 12.0)
    """
    history: Any = roots[0]._history(roots, inputs)
    return flow_back(history, zip(history.roots, upstreams, repeat(True))).results(history.inputs)


def flow_back(history: Any, starts: Iterable[tuple[int, Any, Any]]) -> Flows:
    """Let gradients flow back."""
    node: cython.Py_ssize_t
    place: cython.Py_ssize_t
    flows: Flows = Flows(history, starts)
    wanted: list[bool] = _depends(history)
    ends, rules = frozenset(history.inputs), history.rules
    for node in reversed(history.order):
        if flows.found[node] is None or not wanted[node] or node in ends:
            continue
        if rules is not None and node in rules:
            rules.pull(flows, node, wanted)
            continue
        places: Any = history.operands[node]
        flows.differentiate(node, [wanted[place] for place in places])
        for place, slope in zip(places, flows.local):
            if wanted[place]:
                flows.add(node, place, slope)
        flows.found[node] = None
    return flows


def pushforward(roots: Sequence[Any], inputs: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
    """Write forward mode down, as a graph that can be differentiated: from inputs, with tangents, to roots.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> x = Value(2.0)
    >>> pushforward([x * x, x * 3.0], [x], [1.0])
    [Value(data=4.0, grad=0.0), Value(data=3.0, grad=0.0)]
    """
    history: Any = roots[0]._history(roots, inputs)
    return flow_forward(history, zip(history.inputs, tangents, repeat(True))).results(history.roots)


def flow_forward(history: Any, starts: Iterable[tuple[int, Any, Any]]) -> Flows:
    """Let tangents flow forwards."""
    node: cython.Py_ssize_t
    place: cython.Py_ssize_t
    flows: Flows = Flows(history, starts)
    wanted: list[bool] = _depends(history)
    ends, rules = frozenset(history.inputs), history.rules
    for node in history.order:
        if not wanted[node] or node in ends:
            continue
        if rules is not None and node in rules:
            rules.push(flows, node)
            continue
        places: Any = history.operands[node]
        flows.differentiate(node, [flows.found[place] is not None for place in places])
        for place, slope in zip(places, flows.local):
            if flows.found[place] is not None:
                flows.add(place, node, slope)
    return flows


def _depends(history: Any) -> list[bool]:
    """Say for each place whether its number depends on an input, by a path that derivatives take."""
    node: cython.Py_ssize_t
    place: cython.Py_ssize_t
    operands: Any = history.operands
    numbers: Any = history.numbers
    depends: list[bool] = [False] * len(operands)
    for place in history.inputs:
        if place >= 0:
            depends[place] = True
    for node in history.order:
        if not depends[node]:
            for place in operands[node]:
                if depends[place]:
                    depends[node] = numbers[node].requires_grad
                    break
    return depends


@cython.cclass
class Flows:
    """Gradients or tangents that flow from place to place, and where they flow: see choices.py.

    Each starts at a place, with a number, and with whether the place is reached; one at a place below 0 flows nowhere.
    """

    def __init__(self, history: Any, starts: Iterable[tuple[int, Any, Any]]) -> None:
        self.history, self.numbers, self.operands = history, history.numbers, history.operands
        self.found: list[Any] = [None] * len(history.operands)
        self.reached: list[Any] = [False] * len(history.operands)  # True, False, or a number 0 or 1
        self._in_doubt = False
        self.local: list[Any] = []  # of the operation that is passed last, and whether it chooses
        self.chooses = False
        for place, flow, reached in starts:
            if place >= 0:
                self.put(place, flow, reached)

    def differentiate(self, node: cython.Py_ssize_t, wanted: list[bool]) -> None:
        """Apply an operation's rules to its node."""
        out = self.numbers[node]
        operands: list[Any] = [self.numbers[place] for place in self.operands[node]]
        operation: Operation = out.op
        if type(out) is Value:
            check_current(out)
        if operation is _MUL:  # called so often that the way through Python would cost
            self.local = [operands[1], operands[0]]
        else:
            self.local = list(operation.local_derivatives(out, operands, wanted))
        self.chooses = operation.chooses

    def add(self, source: cython.Py_ssize_t, target: cython.Py_ssize_t, local: Any) -> None:
        """Let a number flow through that operation from one place to another, if the operand was chosen."""
        reached: Any = self.reached[source]
        if self.chooses:
            reached = self._choose(reached, local)
        if reached is False:
            return
        flow: Any = _times(self.found[source], local)
        if reached is not True:
            flow = operations.where(reached, flow, 0.0)
        self.put(target, flow, reached)

    def put(self, target: cython.Py_ssize_t, flow: Any, reached: Any) -> None:
        """Let a number flow into a place."""
        total: Any = self.found[target]
        if total is None:
            self.found[target], self.reached[target] = flow, reached
            return
        self.found[target] = total + flow
        self.reached[target] = either(reached, self.reached[target])

    def _choose(self, reached: Any, local: Any) -> Any:
        """Say whether an operand is reached that an operation chooses, or does not, from a node that is reached."""
        if type(local) is Value:
            local = local.data
        if not isinstance(local, Scalar):
            return reached if local != 0.0 else False
        if self.history.note is not None:
            self._in_doubt = True
            return reached
        chosen = operations.not_equal(local, 0.0)
        return chosen if reached is True else operations.mul(reached, chosen)

    def results(self, places: Sequence[int]) -> list[Any]:
        """List what has flowed to some places."""
        listed = []
        for place in places:
            number = None if place < 0 else self.found[place]
            if not isinstance(number, Scalar):
                number = Value(0.0 if number is None else number)
            elif self.history.note is not None:
                self.history.note(number, self._in_doubt)
            listed.append(number)
        return listed


def either(reached: Any, before: Any) -> Any:
    """Say whether a place is reached by one way or by another."""
    if before is True or reached is False:
        return before
    return reached if reached is True or before is False else operations.where(reached, 1.0, before)


def _times(flow: Any, local: Any) -> Any:
    """Multiply, but make no node for a factor of exactly 1."""
    if not isinstance(local, Scalar) and local == 1.0:
        return flow
    if not isinstance(flow, Scalar) and flow == 1.0:
        return local
    return flow * local


def check_current(node: Value) -> None:
    """Compute a node once more, data and local derivatives: a ValueError if any bit of them is another one."""
    if node.op is not None and not is_current(node.op, node):
        name = f"{node.label} = " if node.label else ""
        raise ValueError(
            f"{name}{node!r}, which {node.op.name} gave, was computed before the data of its operands changed, or was "
            "itself assigned to: its derivative would be that of another function; make a new Value instead"
        )


def is_current(operation: Operation, node: Value) -> bool:
    """Say whether data and local derivatives of a node are those of its operation on its operands, bit by bit."""
    numbers = [operand.data for operand in node.operands]
    wanted = [operand.requires_grad for operand in node.operands]
    data, slopes = evaluate(operation, numbers, wanted)
    compared = zip(node.local_derivatives, slopes, wanted)
    pairs = [(node.data, data), *[(then, now) for then, now, is_wanted in compared if is_wanted]]
    return all(then == now or (then != then and now != now) for then, now in pairs)
