"""The engine: a `Value` is a node of the computation graph, and `backward()` is backpropagation.

Every operation makes a node and stores the local derivative for each operand in it, so that
backward() is one multiply-add per edge. This file is ordinary Python; where a C compiler is,
Cython compiles it with the C types of value.pxd. It knows the table of operations, and nothing of
what is built on Values.
"""

from __future__ import annotations

import inspect
import linecache
import math
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ContextDecorator, suppress
from contextvars import ContextVar, Token
from numbers import Real
from pathlib import Path
from typing import Any, NoReturn

from autograd_mini.engine import operations
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import as_float, describe
from autograd_mini.engine.operations import (
    Operation,
    add_,
    add_d,
    div_,
    div_dx,
    div_dy,
    mul_,
    mul_dx,
    mul_dy,
    neg_,
    neg_dx,
    relu_,
    relu_dx,
    sub_,
    sub_dy,
)

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

if cython.compiled:
    from cython.cimports.cpython.mem import PyMem_Free, PyMem_Malloc

COMPILED: bool = cython.compiled

_ADD = operations.add
_SUB = operations.sub
_MUL = operations.mul
_DIV = operations.div
_NEG = operations.neg
_RELU = operations.relu
_DOT = operations.dot_

# What detach() is while a function is traced: a node through which no gradient flows back.
DETACH = operations.operation("detach_(x)", lambda x: x, lambda out, x: 0.0, symbol="detach")

# Stand in a leaf for the operation that made it, where no gradient is wanted of that leaf, or where
# the function that made it is being traced.
_CONSTANT = object()
_BORN_IN_TRACE = object()

# How many blocks such as `no_grad`, `detect_anomaly` and `tracing` are open in the whole process.
# While there is none, making a node costs one comparison; else the context variables say what holds here.
_open_blocks = 0
_recording: ContextVar[bool] = ContextVar("recording", default=True)
_checking: ContextVar[bool] = ContextVar("checking", default=False)
_comparing: ContextVar[bool] = ContextVar("comparing", default=False)
_tape: ContextVar[list[Value] | None] = ContextVar("tape", default=None)

# Held while a graph is walked: the walk leaves marks in nodes, and threads may share nodes.
_lock = threading.Lock()
_walk = 0
_blocks_lock = threading.RLock()  # its own: the collector may close a block in the middle of a walk

# Nodes that await deallocation because the chain that led to them was long.
_depth = 0
_condemned: list[Any] = []


@cython.final
@cython.no_gc
@cython.freelist(4096)
@cython.cclass
class _Fan:
    """The operands of a node that has more than two, with the local derivative, or another double, for each."""

    __slots__ = ("operands", "partials")

    operands: tuple[Value, ...]
    partials: cython.p_double

    def __dealloc__(self) -> None:  # called in the compiled engine alone
        _release(self)


@cython.final
@cython.no_gc  # a graph has no cycles, so it need not be searched for them
@cython.cclass
class Value(Scalar):
    """A number that remembers how it was computed.

    Arithmetic on Values, and the functions of this package, record the computation graph;
    `backward()` then gives the derivative of the result for every Value that it was computed
    from, in their `.grad`.

    Parameters
    ----------
    data : real number
        The number, kept as float64.
    label : str, optional
        A name, for drawings and messages.

    Attributes
    ----------
    data : float
    grad : float
        Derivative of the last `backward()`'s root for this node. A leaf's accumulates from call
        to call until it is set to zero, any other node's starts from zero at each call.
    label : str
    op : Operation or None
        What computed this node; None for a leaf.
    inputs : tuple of Value
        The operands that it was computed from; empty for a leaf.
    local_grads : tuple of float
        The derivative of this node alone for each of `inputs`.

    Raises
    ------
    TypeError
        If `data` is no real number or `label` no string.

    Notes
    -----
    What leaves the graph is spelled out: `data`, `item()`, `detach()`, `no_grad()`.
    Ordering (`<` and so on) and truth look at `data`; `==` and `hash` are identity. While `jit` traces
    a function, none of these may be asked of its arguments, and of what it computes.

    Examples
    --------
    The example of lecture note S3:

    >>> from autograd_mini import Value
    >>> x, y, z = Value(-2.0), Value(5.0), Value(-4.0)
    >>> f = (x + y) * z
    >>> f.backward()
    >>> f.data, x.grad, y.grad, z.grad
    (-12.0, -4.0, -4.0, 3.0)
    """

    __slots__ = ("_d_left", "_d_right", "_data", "_fan", "_grad", "_label", "_left", "_mark", "_operation", "_right")

    def __init__(self, data: Any, label: str = "") -> None:
        self.label = label
        self._data = data if type(data) is float else as_float(data, "data")
        self._grad = 0.0
        self._operation: Any = None
        if not cython.compiled:  # a compiled Value starts with these
            self._left: Any = None
            self._right: Any = None
            self._fan: Any = None
            self._d_left = self._d_right = 0.0
            self._mark = 0
        tape: Any = _tape.get() if _open_blocks else None
        if tape is not None:
            _write_down(self, _BORN_IN_TRACE, tape)

    def __dealloc__(self) -> None:  # called in the compiled engine alone
        """Free a chain of any length: past 100 nodes deep the rest waits in a list."""
        global _depth
        if self._left is None and self._fan is None:
            return
        if _depth >= 100:
            _condemned.append(self._fan)
            _condemned.append(self._left)
            _condemned.append(self._right)
            return
        _depth += 1
        self._right = None  # the youngest first: memory freed backwards is reused forwards, which caches like
        self._left = None
        self._fan = None
        if _depth == 1:
            while _condemned:
                _condemned.pop()
        _depth -= 1

    @property
    def data(self) -> float:
        if _open_blocks and self.is_traced:
            _refuse("reading .data of", "; compute with the Value itself")
        return self._data

    @data.setter
    def data(self, number: Any) -> None:
        if _open_blocks and self.is_traced:
            _refuse("assigning to .data of", "; make a new Value instead")
        self._data = number if type(number) is float else as_float(number, "data")

    @property
    def grad(self) -> float:
        return self._grad

    @grad.setter
    def grad(self, number: Any) -> None:
        self._grad = number if type(number) is float else as_float(number, "grad")

    @property
    def label(self) -> str:
        return self._label

    @label.setter
    def label(self, text: Any) -> None:
        if not isinstance(text, str):
            raise TypeError(
                f"label must be a string, not {describe(text)}; to define an operation, see autograd_mini.operation"
            )
        self._label = str(text)

    @property
    def op(self) -> Operation | None:
        return None if self.is_leaf else self._operation

    @property
    def inputs(self) -> tuple[Value, ...]:
        if self._fan is not None:
            operands: tuple[Value, ...] = self._fan.operands
            return operands
        if self._left is None:
            return ()
        if self._right is None:
            return (self._left,)
        return (self._left, self._right)

    @property
    def local_grads(self) -> tuple[float, ...]:
        if _open_blocks and self.is_traced:
            _refuse("reading .local_grads of", "; differentiate with grad, value_and_grad or jacobian")
        if self._fan is not None:
            return tuple([self._fan.partials[i] for i in range(len(self._fan.operands))])
        if self._left is None:
            return ()
        if self._right is None:
            return (self._d_left,)
        return (self._d_left, self._d_right)

    @property
    def is_leaf(self) -> bool:
        """Whether this Value was given rather than computed."""
        return self._left is None and self._fan is None

    @property
    def requires_grad(self) -> bool:
        """False for a number that stood in an expression, and for what `detach` and `no_grad` give."""
        return _is_differentiable(self)

    @property
    def is_traced(self) -> bool:
        """Whether `jit` is tracing the function that runs here, and this Value has other data in each call of it."""
        if _tape.get() is None:
            return False
        return self._operation is not _CONSTANT and self._operation is not _BORN_IN_TRACE

    @property
    def _prev(self) -> set[Value]:
        """The inputs as micrograd has them."""
        return set(self.inputs)

    @property
    def _op(self) -> str:
        """The operation as micrograd writes it."""
        operation = self.op
        if operation is None:
            return ""
        if operation is operations.pow and not self._right.requires_grad:
            return f"**{self._right.data:g}"
        return str(operation.symbol)

    def item(self) -> float:
        """Give the data as a float, which is no part of the graph."""
        return self.data

    def detach(self) -> Value:
        """Give a new leaf with the same data and label, through which no gradient flows back."""
        if _open_blocks and self.is_traced:
            return _node(DETACH, self, None, math.nan, 0.0, 0.0)
        leaf = _constant(self._data)
        leaf._label = self._label
        return leaf

    def backward(self, seed: Any = 1.0) -> None:
        """Compute the derivative of this node for every node that it was computed from.

        As in PyTorch: leaves add it to their `.grad`, all other nodes start from zero.

        Parameters
        ----------
        seed : real number, optional
            The gradient that this node itself starts with.

        Raises
        ------
        TypeError
            If `seed` is no real number.
        RuntimeError
            If this Value is a constant, or was computed under `no_grad`.
        FloatingPointError
            Under `detect_anomaly`, at the first operation that makes a nan or an inf.

        Examples
        --------
        >>> from autograd_mini import Value
        >>> x = Value(3.0)
        >>> (x * x).backward()
        >>> x.grad
        6.0
        """
        if _open_blocks and self.is_traced:
            _refuse("backward() from", "; differentiate with grad, value_and_grad or jacobian")
        start: cython.double = as_float(seed, "seed")
        if self._operation is _CONSTANT:
            raise RuntimeError(
                f"backward() from a constant, {self!r}: it was detached or computed under no_grad(), "
                "so there is no graph to go back through; compute it outside"
            )
        with _lock:
            if _open_blocks and _checking.get():
                _check_backward(_topological_order(self), start)
            _backpropagate(_topological_order(self, reset=True), start)

    # Arithmetic. Each operator looks at its operands, and leaves the mathematics to the table.

    def __add__(self, other: Any) -> Value:
        rhs: Value = other if isinstance(other, Value) else _lift(other)
        if rhs is None:
            return NotImplemented
        x: cython.double = self._data
        y: cython.double = rhs._data
        out: cython.double = add_(x, y)
        return _node(_ADD, self, rhs, out, add_d(out, x, y), add_d(out, x, y))

    def __radd__(self, other: Any) -> Value:
        lhs: Value = _lift(other)
        return NotImplemented if lhs is None else lhs + self

    def __sub__(self, other: Any) -> Value:
        rhs: Value = other if isinstance(other, Value) else _lift(other)
        if rhs is None:
            return NotImplemented
        x: cython.double = self._data
        y: cython.double = rhs._data
        out: cython.double = sub_(x, y)
        return _node(_SUB, self, rhs, out, add_d(out, x, y), sub_dy(out, x, y))

    def __rsub__(self, other: Any) -> Value:
        lhs: Value = _lift(other)
        return NotImplemented if lhs is None else lhs - self

    def __mul__(self, other: Any) -> Value:
        rhs: Value = other if isinstance(other, Value) else _lift(other)
        if rhs is None:
            return NotImplemented
        x: cython.double = self._data
        y: cython.double = rhs._data
        out: cython.double = mul_(x, y)
        return _node(_MUL, self, rhs, out, mul_dx(out, x, y), mul_dy(out, x, y))

    def __rmul__(self, other: Any) -> Value:
        lhs: Value = _lift(other)
        return NotImplemented if lhs is None else lhs * self

    def __truediv__(self, other: Any) -> Value:
        rhs: Value = other if isinstance(other, Value) else _lift(other)
        if rhs is None:
            return NotImplemented
        x: cython.double = self._data
        y: cython.double = rhs._data
        out: cython.double = div_(x, y)
        return _node(_DIV, self, rhs, out, div_dx(out, x, y), div_dy(out, x, y))

    def __rtruediv__(self, other: Any) -> Value:
        lhs: Value = _lift(other)
        return NotImplemented if lhs is None else lhs / self

    def __pow__(self, other: Any, modulo: Any = None) -> Value:
        rhs: Value = other if isinstance(other, Value) else _lift(other)
        if rhs is None or modulo is not None:
            return NotImplemented
        return _record(operations.pow, (self, rhs))

    def __rpow__(self, other: Any, modulo: Any = None) -> Value:
        lhs: Value = _lift(other)
        return NotImplemented if lhs is None or modulo is not None else _record(operations.pow, (lhs, self))

    def __mod__(self, other: Any) -> Value:
        rhs: Value = other if isinstance(other, Value) else _lift(other)
        return NotImplemented if rhs is None else _record(operations.mod, (self, rhs))

    def __rmod__(self, other: Any) -> Value:
        lhs: Value = _lift(other)
        return NotImplemented if lhs is None else _record(operations.mod, (lhs, self))

    def __floordiv__(self, other: Any) -> Value:
        rhs: Value = other if isinstance(other, Value) else _lift(other)
        return NotImplemented if rhs is None else _record(operations.floor_divide, (self, rhs))

    def __rfloordiv__(self, other: Any) -> Value:
        lhs: Value = _lift(other)
        return NotImplemented if lhs is None else _record(operations.floor_divide, (lhs, self))

    def __neg__(self) -> Value:
        x: cython.double = self._data
        out: cython.double = neg_(x)
        return _node(_NEG, self, None, out, neg_dx(out, x), 0.0)

    def __pos__(self) -> Value:
        return self

    def conjugate(self) -> Value:
        """Give this Value itself, as a real number's conjugate: numpy.std and numpy.vdot ask for it."""
        return self

    def relu(self) -> Value:
        """Rectified linear unit, max(0, x)."""
        return _relu(self)

    def _apply(self, operation: Operation, operands: Sequence[Any]) -> Value:
        """Record an operation on operands of which one is this Value: what a call of it leads to."""
        if operation is _RELU:
            return _relu(self)
        return _record(operation, _as_values(operation, operands))

    # The table's functions as methods, under the names of `math` and of NumPy.

    def __abs__(self) -> Value:
        return _record(operations.abs, (self,))

    __floor__ = operations.floor
    __ceil__ = operations.ceil
    __trunc__ = operations.trunc
    exp = operations.exp
    expm1 = operations.expm1
    exp2 = operations.exp2
    log = operations.log
    log1p = operations.log1p
    log2 = operations.log2
    log10 = operations.log10
    sqrt = operations.sqrt
    cbrt = operations.cbrt
    sin = operations.sin
    cos = operations.cos
    tan = operations.tan
    asin = arcsin = operations.asin
    acos = arccos = operations.acos
    atan = arctan = operations.atan
    atan2 = arctan2 = operations.atan2
    sinh = operations.sinh
    cosh = operations.cosh
    tanh = operations.tanh
    asinh = arcsinh = operations.asinh
    acosh = arccosh = operations.acosh
    atanh = arctanh = operations.atanh
    degrees = rad2deg = operations.degrees
    radians = deg2rad = operations.radians
    hypot = operations.hypot
    fabs = operations.abs
    sigmoid = operations.sigmoid
    softplus = operations.softplus
    leaky_relu = operations.leaky_relu
    elu = operations.elu
    silu = operations.silu
    gelu = operations.gelu
    clip = operations.clip

    def __lt__(self, other: Any) -> Any:
        rhs: Value = other if isinstance(other, Value) else _lift(other)
        if rhs is None:
            return NotImplemented
        if _open_blocks and _tape.get() is not None:
            return _compare_traced(operations.less, self, rhs)
        return self._data < rhs._data

    def __le__(self, other: Any) -> Any:
        rhs: Value = other if isinstance(other, Value) else _lift(other)
        if rhs is None:
            return NotImplemented
        if _open_blocks and _tape.get() is not None:
            return _compare_traced(operations.less_equal, self, rhs)
        return self._data <= rhs._data

    def __gt__(self, other: Any) -> Any:
        rhs: Value = other if isinstance(other, Value) else _lift(other)
        if rhs is None:
            return NotImplemented
        if _open_blocks and _tape.get() is not None:
            return _compare_traced(operations.greater, self, rhs)
        return self._data > rhs._data

    def __ge__(self, other: Any) -> Any:
        rhs: Value = other if isinstance(other, Value) else _lift(other)
        if rhs is None:
            return NotImplemented
        if _open_blocks and _tape.get() is not None:
            return _compare_traced(operations.greater_equal, self, rhs)
        return self._data >= rhs._data

    def __eq__(self, other: object) -> bool:  # Values are equal only to themselves; to ask it of a number is a mistake
        if _open_blocks and self.is_traced and (isinstance(other, Real) or _is_of_trace(self)):
            _refuse("comparing", _BRANCHES)
        return NotImplemented

    def __bool__(self) -> bool:
        if _open_blocks and self.is_traced:
            _refuse("the truth of", _BRANCHES)
        return self._data != 0.0

    def __hash__(self) -> int:
        if _open_blocks and _is_of_trace(self):
            _refuse("looking up", f"{_BRANCHES}; or look up id(x)")
        return id(self) >> 4

    def __float__(self) -> float:
        if _open_blocks and self.is_traced:
            _refuse("float() of", "; instead of math.exp(v) and the like call autograd_mini.exp(v)")
        raise TypeError(
            "a Value does not turn into a float by itself, since its gradient would be lost: instead of "
            "math.exp(v) and the like call autograd_mini.exp(v); to leave the graph on purpose write v.data"
        )

    def __int__(self) -> int:
        if _open_blocks and self.is_traced:
            _refuse("int() of", "; write autograd_mini.trunc(v)")
        raise TypeError("a Value does not turn into an int by itself; write int(v.data), or autograd_mini.trunc(v)")

    def __repr__(self) -> str:
        if _open_blocks and self.is_traced:
            return "Value(traced)"
        return f"Value(data={self._data}, grad={self._grad})"

    def __format__(self, specification: str) -> str:
        return format(self.data, specification) if specification else repr(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reduce(self)


# Making nodes.


def _lift(number: Any) -> Any:
    """Make a number in an expression a constant; None if it is no number."""
    try:
        return _constant(number if type(number) is float else as_float(number, "operand"))
    except TypeError:
        return None


def _is_differentiable(node: Value) -> bool:
    return node._operation is not _CONSTANT and node._operation is not DETACH


def _as_values(operation: Operation, operands: Sequence[Any]) -> list[Value]:
    return [x if isinstance(x, Value) else _constant(operation.number(x)) for x in operands]


def _constant(data: float) -> Value:
    leaf: Value = Value.__new__(Value)
    leaf._data = data
    leaf._label = ""
    leaf._operation = _CONSTANT
    if not cython.compiled:
        leaf._grad = 0.0
        leaf._left = leaf._right = leaf._fan = None
        leaf._mark = 0
    tape: Any = _tape.get() if _open_blocks else None
    if tape is not None:
        _write_down(leaf, _CONSTANT, tape)
    return leaf


def _node(operation: Operation, left: Value, right: Value | None, data: float, d_left: float, d_right: float) -> Value:
    """Record an operation of one or two operands."""
    tape: Any = _tape.get() if _open_blocks else None
    if _open_blocks and tape is None and not _is_recorded(operation, (left,) if right is None else (left, right), data):
        return _constant(data)
    node: Value = Value.__new__(Value)
    node._data = data
    node._label = ""
    node._operation = operation
    node._left = left
    node._right = right
    node._d_left = d_left
    node._d_right = d_right
    if not cython.compiled:
        node._grad = 0.0
        node._fan = None
        node._mark = 0
    return node if tape is None else _write_down(node, operation, tape)


def _relu(operand: Value) -> Value:
    """Record the one activation that is as quick as arithmetic, as arithmetic is."""
    x: cython.double = operand._data
    out: cython.double = relu_(x)
    return _node(_RELU, operand, None, out, relu_dx(out, x), 0.0)


def _record(operation: Operation, operands: Sequence[Value]) -> Value:
    """Record any operation of the table or of a user, on Values."""
    if _open_blocks and _tape.get() is not None:
        return _record_traced(operation, operands)
    xs = [operand.data for operand in operands]
    data = operation.function(*xs)
    if type(data) is not float:
        data = as_float(data, f"the result of {operation.name}")
    if _open_blocks and not _is_recorded(operation, operands, data):
        return _constant(data)
    partials = _local_derivatives(operation, data, xs)
    if len(operands) == 1:
        return _node(operation, operands[0], None, data, partials[0], 0.0)
    if len(operands) == 2:
        return _node(operation, operands[0], operands[1], data, partials[0], partials[1])
    fan: _Fan = _make_fan(tuple(operands))
    for i in range(len(partials)):
        fan.partials[i] = partials[i]
    return _fan_node(operation, fan, data)


def _fan_node(operation: Operation, fan: _Fan, data: float) -> Value:
    """Record an operation of any number of operands."""
    tape: Any = _tape.get() if _open_blocks else None
    if _open_blocks and tape is None and not _is_recorded(operation, fan.operands, data):
        return _constant(data)
    node: Value = Value.__new__(Value)
    node._data = data
    node._label = ""
    node._operation = operation
    node._fan = fan
    if not cython.compiled:
        node._grad = 0.0
        node._left = node._right = None
        node._mark = 0
    return node if tape is None else _write_down(node, operation, tape)


def _make_fan(operands: tuple[Value, ...]) -> _Fan:
    fan: _Fan = _Fan.__new__(_Fan)
    fan.operands = operands
    fan.partials = _allocate(len(operands))
    if cython.compiled:  # Values are in no cycle, so the collector need not visit a tuple of them
        PyObject_GC_UnTrack(operands)  # type: ignore[name-defined]  # noqa: F821 (declared in value.pxd)
    return fan


def _local_derivatives(operation: Operation, out: float, xs: list[float]) -> list[float]:
    """Apply an operation's rules to floats; where floats raise and Values do not, to Values."""
    try:
        partials = operation.partials(out, xs)
        if any(type(partial) is complex for partial in partials):  # a power of a negative float
            raise ArithmeticError
    except ArithmeticError:
        with no_grad(), _unchecked():
            partials = operation.partials(_constant(out), [_constant(x) for x in xs])
    role = f"a derivative of {operation.name}"
    return [p if type(p) is float else p.data if isinstance(p, Value) else as_float(p, role) for p in partials]


def dot(ws: Sequence[Any], xs: Sequence[Any], bias: Any = 0.0) -> Any:
    """Scalar product with a bias, w1*x1 + ... + wn*xn + bias, as a single node.

    Parameters
    ----------
    ws, xs : sequences of Value or real number, of one length
    bias : Value or real number, optional

    Returns
    -------
    Value, or float if no operand is a Value

    Raises
    ------
    ValueError
        If `ws` and `xs` differ in length.
    TypeError
        If an operand is neither a Value nor a real number.

    Examples
    --------
    >>> from autograd_mini import Value, dot
    >>> dot([Value(1.0), Value(2.0)], [3.0, 4.0], bias=0.5)
    Value(data=11.5, grad=0.0)
    """
    listed: list[Any] = [*ws]
    n: cython.Py_ssize_t = len(listed)
    listed.extend(xs)
    if len(listed) != 2 * n:
        raise ValueError(f"dot needs as many ws as xs, but got {n} and {len(listed) - n}")
    listed.append(bias)
    i: cython.Py_ssize_t
    numbers: cython.Py_ssize_t = 0
    for i in range(2 * n + 1):
        if not isinstance(listed[i], Value):
            listed[i] = _constant(_DOT.number(listed[i]))
            numbers += 1
    operands: tuple[Value, ...] = tuple(listed)
    fan: _Fan = _make_fan(operands)
    left: Value
    right: Value
    total: cython.double = 0.0
    for i in range(n):  # in machine arithmetic what the rows mul and add of the table say, one by one
        left = operands[i]
        right = operands[n + i]
        total += left._data * right._data
        fan.partials[i] = right._data
        fan.partials[n + i] = left._data
    right = operands[2 * n]
    total += right._data
    fan.partials[2 * n] = 1.0
    return total if numbers == 2 * n + 1 else _fan_node(_DOT, fan, total)


# Walking the graph.


def topological_order(root: Any) -> list[Value]:
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
    if not isinstance(root, Value):
        raise TypeError(f"topological_order needs a Value, not {describe(root)}")
    with _lock:
        return _topological_order(root)


def gradient(root: Value, inputs: Sequence[Value]) -> list[float]:
    """Compute the derivatives of `root` for `inputs`, and leave the `.grad` of every node as it is.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> x = Value(3.0)
    >>> gradient(x * x, [x]), x.grad
    ([6.0], 0.0)
    """
    with _lock:
        order = _topological_order(root)
        if _open_blocks and _checking.get():
            _check_backward(order, 1.0)
        return _propagate_aside(order, inputs)


def derivative_graph(root: Value, inputs: Sequence[Value]) -> list[Value]:
    """Write the derivatives of `root` for `inputs` as Values: backpropagation that can be differentiated.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> x = Value(2.0)
    >>> (slope,) = derivative_graph(x * x * x, [x])
    >>> slope.backward()
    >>> slope.data, x.grad
    (12.0, 12.0)
    """
    node: Value
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    place: cython.Py_ssize_t
    order: list[Value] = topological_order(root)
    places: list[tuple[int, ...]] = operand_places(order)
    ends: dict[int, int] = dict.fromkeys(map(id, inputs), -1)
    is_end: list[bool] = [False] * len(order)
    depends: list[bool] = [False] * len(order)
    for i in range(len(order)):
        node = order[i]
        if id(node) in ends:
            ends[id(node)] = i
            is_end[i] = depends[i] = True
        elif _is_differentiable(node):
            for place in places[i]:
                if depends[place]:
                    depends[i] = True
                    break
    upstream: list[Any] = [None] * len(order)
    upstream[len(order) - 1] = 1.0
    for i in range(len(order) - 1, -1, -1):
        arriving: Any = upstream[i]
        if arriving is None or is_end[i] or not depends[i]:
            continue
        node = order[i]
        upstream[i] = None
        operation: Operation = node._operation
        operands: tuple[int, ...] = places[i]
        partials: Any = operation.partials(node, node.inputs) if operation.is_variadic else None
        for j in range(len(operands)):
            place = operands[j]
            if depends[place]:
                contribution = _times(arriving, _partial(node, j) if partials is None else partials[j])
                upstream[place] = contribution if upstream[place] is None else upstream[place] + contribution
    found = [None if ends[id(node)] < 0 else upstream[ends[id(node)]] for node in inputs]
    return [x if isinstance(x, Value) else Value(0.0 if x is None else x) for x in found]


def operand_places(nodes: list[Value], results: Sequence[Value] = ()) -> list[tuple[int, ...]]:
    """Say for each of some nodes, operands before results, where in the list its operands are; -1 for nowhere.

    The last entry says it of `results`.
    """
    global _walk
    node: Value
    first: cython.longlong
    i: cython.Py_ssize_t
    places: list[tuple[int, ...]] = []
    with _lock:
        first = _walk + 1
        _walk = first + len(nodes)
        for i in range(len(nodes)):
            node = nodes[i]
            node._mark = first + i
            if node._left is not None:
                if node._right is None:
                    places.append((_place(node._left, first),))
                else:
                    places.append((_place(node._left, first), _place(node._right, first)))
            elif node._fan is not None:
                places.append(_places(node._fan.operands, first))
            else:
                places.append(())
        places.append(_places(tuple(results), first))
    return places


def _place(node: Value, first: cython.longlong) -> cython.longlong:
    return max(node._mark - first, -1)


def _places(nodes: tuple[Value, ...], first: cython.longlong) -> tuple[int, ...]:
    node: Value
    places = []
    for node in nodes:
        places.append(_place(node, first))
    return tuple(places)


def _partial(node: Value, i: cython.Py_ssize_t) -> Any:
    """Apply the rule for one operand to a node that has one or two."""
    operation: Operation = node._operation
    if operation is _MUL:  # called so often that the way through Python would cost
        return _partial_of_product(i, node, node._left, node._right)
    return operation.rules[i](node, *node.inputs)


def _partial_of_product(i: cython.Py_ssize_t, out: Any, x: Any, y: Any) -> Any:
    return mul_dx(out, x, y) if i == 0 else mul_dy(out, x, y)


def _times(upstream: Any, partial: Any) -> Any:
    """Multiply, but make no node for a factor of exactly 1."""
    if not isinstance(partial, Value) and partial == 1.0:
        return upstream
    if not isinstance(upstream, Value) and upstream == 1.0:
        return partial
    return upstream * partial


def _topological_order(root: Value, reset: bool = False) -> list[Value]:
    # A node's mark is the number of the walk once it is opened, and its place after that once it is
    # listed. The next walk's number is higher than all of these.
    global _walk
    opened: cython.longlong = _walk + 1
    order: list[Value] = []
    stack: list[Value] = [root]
    node: Value
    operand: Value
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
            if node._fan is not None:
                for operand in reversed(node._fan.operands):
                    if operand._mark < opened:
                        stack.append(operand)
                continue
        stack.pop()
        if node._mark == opened:
            order.append(node)
            node._mark = opened + len(order)
            if reset and (node._left is not None or node._fan is not None):
                node._grad = 0.0
    _walk = opened + len(order)
    return order


def _backpropagate(order: list[Value], seed: float) -> None:
    """Pass gradients back through a topological order in which all but leaves start from zero."""
    node: Value
    operand: Value
    upstream: cython.double
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    node = order[-1]
    node._grad += seed
    for i in range(len(order) - 1, -1, -1):
        node = order[i]
        if node._left is not None:
            upstream = node._grad
            node._left._grad += upstream * node._d_left
            if node._right is not None:
                node._right._grad += upstream * node._d_right
        elif node._fan is not None:
            upstream = node._grad
            fan: _Fan = node._fan
            for j in range(len(fan.operands)):
                operand = fan.operands[j]
                operand._grad += upstream * fan.partials[j]


def _propagate_aside(order: list[Value], inputs: Sequence[Value]) -> list[float]:
    """Pass gradients back through the latest topological order, and store them in no node."""
    node: Value
    operand: Value
    upstream: cython.double
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    first: cython.longlong = order[0]._mark
    grads: _Fan = _make_fan(tuple(order))
    for i in range(len(order)):
        grads.partials[i] = 0.0
    grads.partials[len(order) - 1] = 1.0
    for i in range(len(order) - 1, -1, -1):
        node = order[i]
        upstream = grads.partials[i]
        if node._left is not None:
            grads.partials[node._left._mark - first] += upstream * node._d_left
            if node._right is not None:
                grads.partials[node._right._mark - first] += upstream * node._d_right
        elif node._fan is not None:
            fan: _Fan = node._fan
            for j in range(len(fan.operands)):
                operand = fan.operands[j]
                grads.partials[operand._mark - first] += upstream * fan.partials[j]
    found = []
    for node in inputs:
        found.append(grads.partials[node._mark - first] if node._mark >= first else 0.0)
    return found


# Modes.


class _Block(ContextDecorator):
    """A `with` block that sets a context variable, for this thread or task and no other."""

    _variable: ContextVar[Any]
    _setting: Any

    def __init__(self) -> None:
        self._token: Token[Any] | None = None

    def _recreate_cm(self) -> _Block:
        return type(self)()  # as a decorator: a block of its own for each call

    def __call__(self, function: Any) -> Any:
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise TypeError(f"{type(self).__name__} can't decorate a generator or coroutine; use `with` inside it")
        return super().__call__(function)

    def __enter__(self) -> None:
        if self._token is not None:
            raise RuntimeError(f"this {type(self).__name__} block is open already; make another one")
        _count_blocks(1)
        self._token = self._variable.set(self._setting)

    def __exit__(self, *exception: object) -> None:
        token, self._token = self._token, None
        with suppress(ValueError):  # closed in another context than it was opened in: nothing to undo there
            self._variable.reset(token)  # type: ignore[arg-type]
        _count_blocks(-1)


class no_grad(_Block):
    """Compute without recording: results in this block are constants, with no graph behind them.

    A context manager, and a decorator. It holds for this thread, or asyncio task, alone.

    Examples
    --------
    >>> from autograd_mini import Value, no_grad
    >>> x = Value(3.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.inputs
    ()
    """

    _variable = _recording
    _setting = False


class recording(_Block):
    """Record the graph even where `no_grad` holds outside: what a transform does."""

    _variable = _recording
    _setting = True


class detect_anomaly(_Block):
    """Raise at the first operation that makes a nan or an inf out of finite inputs.

    Holds for the forward computation and for backward(), in this thread or asyncio task.

    Raises
    ------
    FloatingPointError
        Names the operation, its inputs and their labels.

    Examples
    --------
    >>> from autograd_mini import Value, detect_anomaly, log
    >>> with detect_anomaly():
    ...     log(Value(0.0, label="p"))
    Traceback (most recent call last):
        ...
    FloatingPointError: log gave -inf for the inputs p = 0.0
    """

    _variable = _checking
    _setting = True


class _unchecked(_Block):
    """Compute local derivatives: detect_anomaly judges them when gradient flows through them."""

    _variable = _checking
    _setting = False


class tracing(_Block):
    """Write every node down on a tape, as operations on numbers yet unknown: what `jit` compiles.

    Whatever would make a decision by a number is a `TracingError` then. Values made before stand for
    the numbers that they have when the compiled code is called.

    Parameters
    ----------
    tape : list or None
        Gets the nodes, operands before results; None for computing with numbers for a while.
    """

    _variable = _tape

    def __init__(self, tape: list[Value] | None) -> None:
        super().__init__()
        self._setting = tape


class comparing(_Block):
    """Let traced Values be compared, as derivative rules do it: the result is 0 or 1, and a node."""

    _variable = _comparing
    _setting = True


class TracingError(TypeError):
    """A function that `jit` traces asked for a number that will be another one in each call."""


def _count_blocks(change: int) -> None:
    global _open_blocks
    with _blocks_lock:
        _open_blocks += change


def _is_recorded(operation: Operation, operands: Sequence[Value], data: float) -> bool:
    """Say whether the blocks open here let a node be made, unless one of them finds its data an anomaly."""
    if _checking.get():
        _check_forward(operation, operands, data)
    return _recording.get()


def is_tracing() -> bool:
    """Say whether a function is being traced here."""
    return _open_blocks > 0 and _tape.get() is not None


def is_checking() -> bool:
    """Say whether `detect_anomaly` holds here."""
    return _open_blocks > 0 and _checking.get()


def _check_forward(operation: Operation, operands: Sequence[Value], data: float) -> None:
    if not math.isfinite(data) and all(math.isfinite(operand.data) for operand in operands):
        raise FloatingPointError(f"{operation.name} gave {data} for the inputs {_name(operands)}")


def _check_backward(order: list[Value], seed: float) -> None:
    """Backpropagate on paper: raise at the first anomaly, before any `.grad` has changed."""
    node: Value
    grads = {id(node): 0.0 if node.inputs else node.grad for node in order}
    grads[id(order[-1])] += seed
    for node in reversed(order):
        upstream = grads[id(node)]
        for operand, partial in zip(node.inputs, node.local_grads):
            grad = grads[id(operand)] + upstream * partial
            finite_before = math.isfinite(upstream) and math.isfinite(grads[id(operand)])
            if not math.isfinite(grad) and finite_before and operand.requires_grad:
                raise FloatingPointError(
                    f"the backward pass of {node._operation.name} gave the gradient {grad} for "
                    f"{_name([operand])}: upstream gradient {upstream}, local derivative {partial}, "
                    f"inputs {_name(node.inputs)}"
                )
            grads[id(operand)] = grad


def _name(operands: Sequence[Value]) -> str:
    shown = [f"{operand.label or '?'} = {operand.data}" for operand in operands[:6]]
    return ", ".join(shown) + (f" and {len(operands) - 6} more" if len(operands) > 6 else "")


# Tracing. A node on the tape has no data; a leaf on it is a number that stood in an expression, or
# that the traced function made itself.

_BRANCHES = (
    "; write autograd_mini.where(autograd_mini.greater(x, y), a, b), maximum, minimum, clip or relu, which choose "
    "anew in each call"
)


def _is_of_trace(node: Value) -> bool:
    """Tell an argument or result from what comes from outside, which may be asked whether it is the same object."""
    return math.isnan(node._data) and node.is_traced


def _write_down(node: Value, operation: Any, tape: list[Value]) -> Value:
    node._operation = operation
    tape.append(node)
    if node._left is None and node._fan is None:
        return node
    node._data = math.nan
    if operation is not DETACH and not _recording.get():
        return _node(DETACH, node, None, math.nan, 0.0, 0.0)
    return node


def _record_traced(operation: Operation, operands: Sequence[Value]) -> Value:
    if len(operands) == 1:
        return _node(operation, operands[0], None, math.nan, math.nan, 0.0)
    if len(operands) == 2:
        return _node(operation, operands[0], operands[1], math.nan, math.nan, math.nan)
    fan: _Fan = _make_fan(tuple(operands))
    for i in range(len(operands)):
        fan.partials[i] = math.nan
    return _fan_node(operation, fan, math.nan)


def _compare_traced(operation: Operation, left: Value, right: Value) -> Any:
    if not (left.is_traced or right.is_traced):
        return bool(operation.function(left._data, right._data))
    if not _comparing.get():
        _refuse("comparing", _BRANCHES)
    # A rule's comparison is no node but a bool where nothing is traced, and so no gradient flows through it.
    return _node(DETACH, _record(operation, (left, right)), None, math.nan, 0.0, 0.0)


def _refuse(what: str, remedy: str) -> NoReturn:
    raise TracingError(f"{what} a value that jit traces would freeze one call's number for all calls{remedy}{_line()}")


def _line() -> str:
    """Name the line of code that is being run outside this package, NumPy and Python's own library."""
    frame = sys._getframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__")).partition(".")[0]
        if module not in ("autograd_mini", "numpy") and module not in sys.stdlib_module_names:
            break
        frame = frame.f_back  # type: ignore[assignment]
    else:
        return ""
    file, line = frame.f_code.co_filename, frame.f_lineno
    source = linecache.getline(file, line, frame.f_globals).strip()
    return f" (line {line} of {Path(file).name}{': ' + source if source else ''})"


# Pickling and copying. pickle and copy recurse from a node to its operands. So that no graph is too
# deep for them, a node first hands over all that it was computed from, in topological order: each
# of these nodes finds its operands done already, and they keep their identity.


class _Handed(threading.local):
    """The nodes that this thread has handed to pickle or copy, by id, to be taken one by one."""

    def __init__(self) -> None:
        self.ids: set[int] = set()


_handed = _Handed()


class _Before:
    """Pickles as the list of what a node was computed from."""

    def __init__(self, node: Value) -> None:
        self.node = node

    def __reduce__(self) -> tuple[Any, ...]:
        return (list, (), None, self.hand_over())

    def hand_over(self) -> Iterator[Value]:
        try:
            for node in topological_order(self.node)[:-1]:
                if not node.is_leaf:
                    _handed.ids.add(id(node))
                yield node
        except GeneratorExit:  # pickling failed half-way
            _handed.ids.clear()
            raise


class _After:
    """Pickles as None, once all that `_Before` hands over is done."""

    def __reduce__(self) -> tuple[Any, ...]:
        _handed.ids.clear()
        return (type(None), ())


def _reduce(value: Value) -> tuple[Any, ...]:
    if value.is_leaf:
        return (_restore_leaf, (value.data, value.grad, value.label, value.requires_grad))
    content = (value.op, value.data, value.grad, value.label, value.inputs, value.local_grads)
    if id(value) in _handed.ids:
        _handed.ids.discard(id(value))
        return (_restore_node, (None, None, *content))
    return (_restore_node, (_Before(value), _After(), *content))


def _restore_leaf(data: float, grad: float, label: str, requires_grad: bool) -> Value:
    leaf: Value = Value(data, label) if requires_grad else _constant(data)
    leaf.label = label
    leaf.grad = grad
    return leaf


def _restore_node(
    before: object,
    after: object,
    operation: Operation,
    data: float,
    grad: float,
    label: str,
    inputs: tuple[Value, ...],
    local_grads: tuple[float, ...],
) -> Value:
    node: Value
    fan: _Fan
    with recording(), _unchecked():
        if len(inputs) == 1:
            node = _node(operation, inputs[0], None, data, local_grads[0], 0.0)
        elif len(inputs) == 2:
            node = _node(operation, inputs[0], inputs[1], data, local_grads[0], local_grads[1])
        else:
            fan = _make_fan(inputs)
            for i, (_, partial) in enumerate(zip(inputs, local_grads, strict=True)):
                fan.partials[i] = partial
            node = _fan_node(operation, fan, data)
    node.label = label
    node.grad = grad
    return node


# What differs between the two engines.


def _allocate(n: cython.Py_ssize_t) -> cython.p_double:
    """Make room for n doubles."""
    if cython.compiled:
        room = cython.cast(cython.p_double, PyMem_Malloc(n * cython.sizeof(cython.double)))
        if not room:
            raise MemoryError
        return room
    else:
        return [0.0] * n


def _release(fan: _Fan) -> None:
    if cython.compiled:
        PyMem_Free(fan.partials)


def _refuse_subclass(cls: type, **_: object) -> None:
    raise TypeError("type 'autograd_mini.engine.value.Value' is not an acceptable base type")


if not cython.compiled:
    Value.__init_subclass__ = classmethod(_refuse_subclass)  # type: ignore[assignment, arg-type]


if hasattr(os, "register_at_fork"):  # a forked child must not inherit a lock that another thread holds
    for lock in (_lock, _blocks_lock):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
