"""A `Value` is a node of the computation graph, `backward()` is backpropagation; the mathematics is in operations.py.

A node stores a local derivative for each operand, so that backward() is one multiply-add per edge. C types: value.pxd.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from autograd_mini.engine import anomaly, choices, history, locks, modes, operations, refusals
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.arrays import refuse_masked
from autograd_mini.engine.checks import are_floats, as_float, describe, is_real, to_float
from autograd_mini.engine.elementary import add_, add_d, div_, div_dx, div_dy, mul_, mul_dx, mul_dy
from autograd_mini.engine.fan import Fan, gather_factors, make_fan
from autograd_mini.engine.formula import Formula, formula_of, holds
from autograd_mini.engine.node import CONSTANT, Node, complete, fan_of, located, origin_of, restore_leaves
from autograd_mini.engine.operation import Operation, Recorder, set_recorder

# isort: split
from autograd_mini.engine.elementary import neg_, neg_dx, relu_, relu_dx, sub_, sub_dy
from autograd_mini.engine.node import check_values

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

if not cython.compiled:
    from autograd_mini.engine.node import linked_node, set_fan  # compiled, C alone calls these: they check nothing


def _node(
    operation: Operation, left: Node, right: Node | None, data: float, local_left: float, local_right: float
) -> Any:
    """Make the node of an operation on one operand or two."""
    if _blocks.open:
        other: Any = _node_in_blocks(operation, left, right, data, local_left, local_right)
        if other is not None:
            return other
    node: Value = linked_node(operation, left, right)
    node._data = data
    node._local_left, node._local_right = local_left, local_right
    return node


def ordered(stack: list[Any], reset: bool = False) -> list[Value]:
    """List every node that some roots were computed from, operands before results: depth first, without recursion."""
    global _walk
    check_values(stack)
    _walk = opened = _walk + 1  # a node that is opened gets this mark, a node that is listed the next: none is larger
    order: list[Value] = []
    while stack:
        node = stack[-1]
        if node._mark < opened:
            node._mark = opened
            if node._left is not None:
                if node._right is not None and node._right._mark < opened:
                    stack.append(node._right)
                if node._left._mark < opened:
                    stack.append(node._left)
                continue
            if node._right is not None:
                for operand in reversed(fan_of(node).operands):
                    if operand._mark < opened:
                        stack.append(operand)
                continue
        stack.pop()
        if node._mark == opened:
            _walk += 1
            node._mark = _walk
            order.append(node)
            if reset:
                _reset(node)
    return order


def _backpropagate(order: list[Value]) -> bool:
    """Pass gradients back through a topological order, from its last node; say whether no leaf got nan."""
    fine = True
    for node in reversed(order):
        upstream = node._grad
        if node._left is not None:
            node._left._grad += upstream * node._local_left
            if node._right is not None:
                node._right._grad += upstream * node._local_right
        elif node._right is not None:
            fan: Fan = fan_of(node)
            for i in range(len(fan.operands)):
                operand = fan.operands[i]
                operand._grad += upstream * fan.local[i]
        elif upstream != upstream:
            fine = False
    return fine


@cython.final
@cython.no_gc
@cython.cclass
class Value(Node):
    """A number that remembers how it was computed.

    Parameters
    ----------
    data : real number
        The number, kept as float64.
    label : str, optional
        A name, for drawings and messages.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> x, y, z = Value(-2.0), Value(5.0), Value(-4.0)
    >>> f = (x + y) * z
    >>> f.backward()
    >>> f.data, x.grad, y.grad, z.grad
    (-12.0, -4.0, -4.0, 3.0)
    """

    __slots__ = ()

    def __init__(self, data: Any, label: Any = "") -> None:
        self._data = to_float(data, "data") if is_real(data) else refusals.as_data(data)
        self._origin = self._left = self._right = None  # also where a node is initialised again
        self._grad, self._mark = 0.0, 0
        if label != "" or _blocks.open:
            _finish(self, label)

    def __mul__(self, other: Any) -> Any:
        rhs: Value = other if type(other) is Value else _lift(other)
        if rhs is None:
            return NotImplemented
        out: cython.double = mul_(self._data, rhs._data)
        return _node(_MUL, self, rhs, out, mul_dx(out, self._data, rhs._data), mul_dy(out, self._data, rhs._data))

    def backward(self, seed: Any = 1.0) -> None:
        """Compute the derivative of this node for every node behind it; leaves add it up in `.grad`, as in PyTorch.

        Parameters
        ----------
        seed : real number, optional
            The gradient that this node itself starts with.

        Raises
        ------
        RuntimeError
            If this Value is a constant; FloatingPointError at an anomaly that `detect_anomaly` looks for.
        """
        start: cython.double = _checked_seed(self, seed)
        with locks.walking:
            _run_backward(ordered([self], reset=True), start)

    def __add__(self, other: Any) -> Any:
        rhs: Value = other if type(other) is Value else _lift(other)
        if rhs is None:
            return NotImplemented
        out: cython.double = add_(self._data, rhs._data)
        return _node(_ADD, self, rhs, out, add_d(out, self._data, rhs._data), add_d(out, self._data, rhs._data))

    def __sub__(self, other: Any) -> Any:
        rhs: Value = other if type(other) is Value else _lift(other)
        if rhs is None:
            return NotImplemented
        out: cython.double = sub_(self._data, rhs._data)
        return _node(_SUB, self, rhs, out, add_d(out, self._data, rhs._data), sub_dy(out, self._data, rhs._data))

    def __truediv__(self, other: Any) -> Any:
        rhs: Value = other if type(other) is Value else _lift(other)
        if rhs is None:
            return NotImplemented
        out: cython.double = div_(self._data, rhs._data)
        return _node(_DIV, self, rhs, out, div_dx(out, self._data, rhs._data), div_dy(out, self._data, rhs._data))

    def __radd__(self, other: Any) -> Any:
        lhs: Value = _lift(other)
        return NotImplemented if lhs is None else lhs + self

    def __rsub__(self, other: Any) -> Any:
        lhs: Value = _lift(other)
        return NotImplemented if lhs is None else lhs - self

    def __rmul__(self, other: Any) -> Any:
        lhs: Value = _lift(other)
        return NotImplemented if lhs is None else lhs * self

    def __rtruediv__(self, other: Any) -> Any:
        lhs: Value = _lift(other)
        return NotImplemented if lhs is None else lhs / self

    def __pow__(self, other: Any, modulo: Any = None) -> Any:
        recorded: Any = _record_few(_POW, 2, self, other, None) if modulo is None else NotImplemented
        return Scalar.__pow__(self, other, modulo) if recorded is NotImplemented else recorded

    def __neg__(self) -> Any:
        out: cython.double = neg_(self._data)
        return _node(_NEG, self, None, out, neg_dx(out, self._data), 0.0)

    def relu(self) -> Any:
        """Rectified linear unit, max(0, x)."""
        return _relu(self)

    def detach(self) -> Any:
        """Give a new leaf with the same data and label, through which no gradient flows back."""
        if _blocks.open and self.is_traced:
            return operations.detach(self)
        leaf = constant(self._data)
        leaf.label = self.label
        return leaf

    def _backward(self) -> None:
        """Add what this node's gradient contributes to its operands' gradients: a step of backward(), by hand."""
        for operand, local in zip(self.operands, self.local_derivatives):
            if choices.is_chosen(origin_of(self), local):
                operand.grad += self._grad * local

    def _apply(self, operation: Operation, operands: Sequence[Any]) -> Any:
        return _apply_operation(operation, operands)

    def _compare(self, operation: Operation, other: Any) -> Any:
        """Compare data, as PyTorch and NumPy do."""
        if not _is_plain(other):
            return NotImplemented
        tracer: Any = modes.tracer.get() if _blocks.open else None
        return _holds(operation, self, other) if tracer is None else tracer.compare(operation, self, other)

    def _history(self, roots: Sequence[Any], inputs: Sequence[Any]) -> Any:
        """Give what some roots were computed from, of which this is one: see derivatives.py."""
        with locks.walking:
            return history.of_values(ordered(list(reversed(roots))), roots, inputs)


complete(Value)
COMPILED: bool = cython.compiled

_ADD, _SUB, _MUL, _DIV = operations.add, operations.sub, operations.mul, operations.div
_NEG, _POW, _RELU, _DOT, _SUM = operations.neg, operations.pow, operations.relu, operations.dot, operations.sum

_blocks = modes.BLOCKS
_walk = 0  # the largest mark that a walk has left in a node


def topological_order(root: Any) -> list[Any]:
    """List every node that `root` was computed from, operands before results, and `root` last.

    The order is that of a depth-first search from left to right; backpropagation goes through it
    backwards, and so finds the gradients of f = (x + y) z in the order f, z, x + y, y, x.

    Examples
    --------
    >>> from autograd_mini import Value, topological_order
    >>> x = Value(2.0)
    >>> [node.data for node in topological_order(x * x)]
    [2.0, 4.0]
    """
    if type(root) is not Value:
        if isinstance(root, Scalar):
            refusals.refuse("walking through the graph of", "; call it on the Values of a call without jit")
        raise TypeError(f"topological_order needs a Value, not {describe(root)}")
    with locks.walking:
        return ordered([root])


def _checked_seed(root: Value, seed: Any) -> float:
    """Check what backward() is called with, and under detect_anomaly what it would do."""
    if _blocks.open and root.is_traced:
        refusals.refuse("backward() from", refusals.TRANSFORMS)
    if origin_of(root) is CONSTANT:
        raise RuntimeError(f"backward() from a constant, {root!r}{refusals.NO_GRAPH}")
    start = as_float(seed, "seed")
    if _blocks.open and modes.checked.get():
        anomaly.check_backward(topological_order(root), start)
    return start


def _reset(node: Value) -> None:
    """Let a node's gradient start from zero; a leaf keeps what it had, and also notes it, in case it must go back."""
    if node._left is None and node._right is None:
        node._local_left = node._grad
    else:
        node._grad = 0.0


def _run_backward(order: list[Value], seed: float) -> None:
    """Backpropagate; where products alone do not give the gradients, set them anew; after Ctrl-C as before."""
    root: Value = order[-1]
    try:
        root._grad += seed
        if not _backpropagate(order):
            choices.mend(order, seed)
    except BaseException:
        restore_leaves(order)
        raise


# Leaves.


def constant(data: float) -> Value:
    """Make a leaf that no gradient is wanted of."""
    leaf: Value = linked_node(CONSTANT, None, None)
    leaf._data = data
    if _blocks.open:
        _finish(leaf, "")
    return leaf


def _lift(number: Any) -> Any:
    """Make a number in an expression a constant; None if it is no number."""
    if type(number) is float:
        return constant(number)
    if is_real(number):
        return constant(to_float(number, "operand"))
    refuse_masked(number)
    return None


def dot(ws: Iterable[Any], xs: Iterable[Any], bias: Any = 0.0) -> Any:
    """Call the operation `dot` without the way through Python that others take: a neuron is one such call."""
    operands: list[Any] = gather_factors(ws, xs, bias)
    if _blocks.open or type(operands[0]) is not Value:
        return _DOT.apply(operands)
    return _total(_DOT, tuple(_as_values(_DOT, operands)))


def _as_value(operation: Operation, operand: Any) -> Any:
    """Make a number among the operands of an operation a constant."""
    if type(operand) is Value:
        return operand
    return constant(operand if type(operand) is float else operation.number(operand))


def _as_values(operation: Operation, operands: list[Any]) -> list[Any]:
    """Make the numbers among some operands constants, in their places."""
    for i in range(len(operands)):
        if type(operands[i]) is not Value:
            operands[i] = _as_value(operation, operands[i])
    return operands


def _finish(leaf: Value, label: Any) -> None:
    """Name a leaf, and tell the tracer, if there is one."""
    if label != "":
        leaf.label = label
    tracer: Any = modes.tracer.get() if _blocks.open else None
    if tracer is not None:
        tracer.note_birth(leaf)


# Nodes of any operation.


def _apply_operation(operation: Operation, operands: Sequence[Any]) -> Any:
    """Compute or record an operation on operands of which one at least is a Value."""
    tracer: Any = modes.tracer.get() if _blocks.open else None
    if tracer is not None:
        return tracer.record(operation, operands)
    values: Any = tuple(_as_values(operation, list(operands)))
    if operation is _SUM or operation is _DOT:
        return _total(operation, values)
    n: cython.Py_ssize_t = len(values)
    formula: Any = formula_of(operation, n)
    if formula is None:
        return _record(operation, values)
    if n > 3:
        fan: Fan = make_fan(values)
        return _record_fan(operation, fan, cython.cast(Formula, formula).compute_fan(fan))
    return _record_formula(operation, formula, n, values[0], values[min(1, n - 1)], values[n - 1])


@cython.cclass
class _ValueRecorder(Recorder):
    def record(self, operation: Operation, operands: Sequence[Any]) -> Any:
        return _apply_operation(operation, operands)

    def record_few(self, operation: Operation, n: cython.Py_ssize_t, x: Any, y: Any, z: Any) -> Any:
        return _record_few(operation, n, x, y, z)

    def compare_few(self, operation: Operation, x: Any, y: Any) -> Any:
        return _holds(operation, x, y) if type(x) is Value and _is_plain(y) and not _blocks.open else NotImplemented


set_recorder(_ValueRecorder(Value))


def _node_in_blocks(
    operation: Operation, left: Node, right: Node | None, data: float, local_left: float, local_right: float
) -> Any:
    """Do what `_node` does where blocks are open: None where they change nothing."""
    operands = (left,) if right is None else (left, right)
    other: Any = _outside_graph(operation, operands, data)
    if other is None and modes.is_checking():
        other = make_node(operation, operands, data, (local_left, local_right)[: len(operands)])
    return other


def _outside_graph(operation: Operation, operands: Sequence[Any], data: float) -> Any:
    """Give what an operation's result is under a tracer or `no_grad`; None where it is a node of the graph."""
    tracer: Any = modes.tracer.get()
    if tracer is not None:
        return tracer.record(operation, operands)
    if modes.checked.get():
        anomaly.check_forward(operation, operands, data)
    return None if modes.recorded.get() else constant(data)


def _record(operation: Operation, operands: Sequence[Value]) -> Any:
    """Record an operation as its row says."""
    xs = [operand._data for operand in operands]
    data = _computed(operation, xs)
    other: Any = _outside_graph(operation, operands, data) if _blocks.open else None
    if other is not None:
        return other
    wanted = [origin_of(operand) is not CONSTANT for operand in operands]
    return make_node(operation, operands, data, _local_derivatives(operation, data, xs, wanted))


def _record_few(operation: Operation, n: cython.Py_ssize_t, x: Any, y: Any, z: Any) -> Any:
    """Record an operation on one to three Values or real numbers; give NotImplemented for others, and under blocks."""
    is_met: bool = type(x) is Value or type(y) is Value or type(z) is Value
    if not (is_met and _is_plain(x) and (n < 2 or _is_plain(y)) and (n < 3 or _is_plain(z))) or _blocks.open:
        return NotImplemented
    formula: Any = formula_of(operation, n)
    return NotImplemented if formula is None else _record_formula(operation, formula, n, x, y, z)


def _holds(comparison: Operation, left: Value, right: Any) -> bool:
    if type(right) is Value:
        other: Value = right
        return holds(comparison, left._data, other._data)
    return holds(comparison, left._data, to_float(right, "operand"))


def _is_plain(operand: Any) -> bool:
    return type(operand) is Value or is_real(operand)


def _record_formula(operation: Operation, formula: Formula, n: cython.Py_ssize_t, x: Any, y: Any, z: Any) -> Any:
    """Record an operation on one to three operands as its row says, in machine arithmetic."""
    left: Value = _as_value(operation, x)
    right: Value = left if n < 2 else _as_value(operation, y)
    third: Value = left if n < 3 else _as_value(operation, z)
    is_one = operation.is_variadic  # one rule gives the derivatives for all operands
    by_x, by_y, by_z = is_one or _is_wanted(left), is_one or _is_wanted(right), is_one or _is_wanted(third)
    found = [0.0, 0.0, 0.0, 0.0]
    formula.compute(left._data, right._data, third._data, by_x, by_y, by_z, found)
    if n < 3:
        return _node(operation, left, right if n == 2 else None, found[0], found[1], found[2])
    fan: Fan = make_fan((left, right, third))
    fan.local[0], fan.local[1], fan.local[2] = found[1], found[2], found[3]
    return _record_fan(operation, fan, found[0])


def _is_wanted(operand: Value) -> bool:
    return operand._origin is None or type(operand._origin) is Operation or origin_of(operand) is not CONSTANT


def evaluate(operation: Operation, xs: list[float], wanted: Sequence[bool]) -> tuple[float, list[float]]:
    """Compute an operation, and its local derivatives as far as they are wanted."""
    data = _computed(operation, xs)
    return data, _local_derivatives(operation, data, xs, wanted)


def _computed(operation: Operation, xs: list[Any]) -> float:
    data = operation.function(*xs)
    return data if type(data) is float else as_float(data, f"the result of {operation.name}")


def make_node(operation: Operation, operands: Sequence[Any], data: float, local: Sequence[float]) -> Value:
    """Make a node of any number of operands, with a local derivative for each, whatever blocks are open."""
    n = len(operands)
    if not n == len(local) == (operation.arity or n):
        raise ValueError(f"a node of {operation.name} can't have {n} operands and {len(local)} local derivatives")
    check_values(operands)
    if n in (1, 2):
        node = _unlinked(operation, data)
        node._left, node._local_left = operands[0], local[0]
        if n == 2:
            node._right, node._local_right = operands[1], local[1]
        return node
    fan: Fan = make_fan(tuple(operands))
    for i in range(n):
        fan.local[i] = local[i]
    return _with_fan(operation, fan, data)  # type: ignore[no-any-return]


def _record_fan(operation: Operation, fan: Fan, data: float) -> Any:
    """Record an operation of any number of operands, which a `Fan` has with their local derivatives."""
    n: cython.Py_ssize_t = len(fan.operands)
    if 0 < n < 3:
        right: Any = fan.operands[1] if n == 2 else None
        return _node(operation, fan.operands[0], right, data, fan.local[0], fan.local[n - 1])
    other: Any = _outside_graph(operation, fan.operands, data) if _blocks.open else None
    return _with_fan(operation, fan, data) if other is None else other


def _with_fan(operation: Operation, fan: Fan, data: float) -> Any:
    node = _unlinked(operation, data)
    set_fan(node, fan)
    return node


def _unlinked(operation: Operation, data: float) -> Value:
    origin: Any = located(operation) if _blocks.open and modes.is_checking() else operation
    node: Value = linked_node(origin, None, None)
    node._data = data
    return node


def _local_derivatives(operation: Operation, out: float, xs: list[float], wanted: Sequence[bool]) -> list[float]:
    """Apply an operation's rules to floats; where floats raise and Values do not, to Values. Give 0 for constants."""
    try:
        local = operation.local_derivatives(out, xs, wanted)
        if not are_floats(local) and complex in map(type, local):  # a power of a negative float
            raise ArithmeticError
    except ArithmeticError:
        with modes.no_grad(), modes.unchecked():
            local = operation.local_derivatives(constant(out), [constant(x) for x in xs], wanted)
    if are_floats(local):
        return list(local)
    return [p.data if type(p) is Value else as_float(p, f"a derivative of {operation.name}") for p in local]


def _relu(operand: Value) -> Any:
    """Record the one activation that is as quick as arithmetic."""
    out: cython.double = relu_(operand._data)
    return _node(_RELU, operand, None, out, relu_dx(out, operand._data), 0.0)


def _total(operation: Operation, operands: tuple[Value, ...]) -> Any:
    """Record a sum or a scalar product: in machine arithmetic what the rows add and mul of the table say."""
    fan: Fan = make_fan(operands)
    total: cython.double = 0.0
    n: cython.Py_ssize_t = len(operands) // 2 if operation is _DOT else 0
    for i in range(n):
        left, right = operands[i], operands[n + i]
        total += left._data * right._data
        fan.local[i], fan.local[n + i] = right._data, left._data
    for i in range(2 * n, len(operands)):
        right = operands[i]
        total += right._data
        fan.local[i] = 1.0
    return _record_fan(operation, fan, total)
