"""What a node of the graph keeps, in 80 bytes: its number and gradient, its operands and local derivatives, its name.

Knows what may be read of a node, and nothing of how nodes are made.
"""

# What node.pxd declares, and the plain engine never comes to:
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import repeat
from typing import Any

from autograd_mini.engine import modes, operations
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import as_float, check_label, describe
from autograd_mini.engine.fan import Fan
from autograd_mini.engine.lines import here
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.refusals import BRANCHES, FLOAT, FUNCTIONS, INDEX, INT, NO_INDEX, TRANSFORMS, refuse

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

_blocks = modes.BLOCKS

# Stands in a leaf for the operation that made it, where no gradient is wanted of that leaf.
CONSTANT = object()


class _Labelled:
    """Where a node with a label, or a line of the user's code, comes from: it stands in the place of the operation.

    Most nodes have no label, and only nodes made under `detect_anomaly` have a line.
    """

    __slots__ = ("label", "origin", "place")

    def __init__(self, origin: Any, label: str, place: Any) -> None:
        self.origin, self.label, self.place = origin, label, place


@cython.no_gc  # a graph has no cycles, so it need not be searched for them
@cython.cclass
class Node(Scalar):
    """The fields of a `Value`.

    A leaf has no operands. A node of one operand keeps it in `_left`, a node of two in `_left` and `_right`; a node of
    more keeps a `Fan` in `_right`, and nothing in `_left`.
    """

    __slots__ = ("_data", "_grad", "_left", "_local_left", "_local_right", "_mark", "_origin", "_right")

    _data: cython.double
    _grad: cython.double
    _origin: Any  # an Operation, None for a leaf, CONSTANT; or one of these with a label
    _left: Any
    _right: Any
    _local_left: cython.double
    _local_right: cython.double
    _mark: cython.longlong  # left by the last walk that met this node

    def __init__(self) -> None:
        raise TypeError("a node is made by Value(data) or by an operation")

    def __dealloc__(self) -> None:  # called in the compiled engine alone, and there only without the GIL: see slabs.pxd
        if self._left is not None or self._right is not None:
            release_operands(self)

    @property
    def data(self) -> float:
        """The number, a float."""
        if _blocks.open and self.is_traced:
            refuse("reading .data of", "; compute with the Value itself")
        return self._data

    @data.setter
    def data(self, number: Any) -> None:
        if _blocks.open and modes.is_tracing():
            refuse("assigning to .data of", "; make a new Value instead")
        self._data = number if type(number) is float else as_float(number, "data")

    @property
    def grad(self) -> float:
        """The derivative of the last root for this node. In a leaf it accumulates until it is set to zero."""
        if _blocks.open and self.is_traced:
            refuse("reading .grad of", TRANSFORMS)
        return self._grad

    @grad.setter
    def grad(self, number: Any) -> None:
        if _blocks.open and modes.is_tracing():
            refuse("assigning to .grad of", TRANSFORMS)
        self._grad = number if type(number) is float else as_float(number, "grad")

    @property
    def label(self) -> str:
        """A name, for drawings and messages."""
        return self._origin.label if type(self._origin) is _Labelled else ""

    @label.setter
    def label(self, text: Any) -> None:
        name = check_label(text)
        if type(self._origin) is not _Labelled:
            if not name:
                return
            # What stands there is kept, and is replaced once: other threads may be reading it.
            labelled: Any = _Labelled(self._origin, name, None)
            with cython.critical_section(self):
                if type(self._origin) is not _Labelled:
                    self._origin = labelled
        self._origin.label = name

    @property
    def op(self) -> Operation | None:
        """The operation that computed this node; None for a leaf."""
        return None if self.is_leaf else origin_of(self)

    @property
    def operands(self) -> tuple[Any, ...]:
        """The operands that this node was computed from; empty for a leaf."""
        if self._right is None:
            return () if self._left is None else (self._left,)
        return fan_of(self).operands if self._left is None else (self._left, self._right)

    @property
    def local_derivatives(self) -> tuple[float, ...]:
        """The local derivative of this node for each of `operands`."""
        if _blocks.open and self.is_traced:
            refuse("reading .local_derivatives of", TRANSFORMS)
        if self._right is None:
            return () if self._left is None else (self._local_left,)
        if self._left is not None:
            return (self._local_left, self._local_right)
        fan: Fan = fan_of(self)
        return tuple([fan.local[i] for i in range(len(fan.operands))])

    @property
    def is_leaf(self) -> bool:
        """Whether this Value was given rather than computed."""
        return self._left is None and self._right is None

    @property
    def requires_grad(self) -> bool:
        """False for a number that stood in an expression, and for what `detach` and `no_grad` give."""
        return origin_of(self) is not CONSTANT

    @property
    def is_traced(self) -> bool:
        """Whether `jit` is tracing the function that runs here, and this Value has other data in each call of it."""
        tracer: Any = modes.tracer.get()
        return tracer is not None and tracer.is_traced(self)

    @property
    def _prev(self) -> set[Any]:
        """The operands as micrograd has them."""
        return set(self.operands)

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

    def __bool__(self) -> bool:
        if _blocks.open and self.is_traced:
            refuse("the truth of", BRANCHES)
        return self._data != 0.0

    def __float__(self) -> float:
        if _blocks.open and self.is_traced:
            refuse("float() of", FUNCTIONS)
        raise TypeError(FLOAT)

    def __int__(self) -> int:
        if _blocks.open and self.is_traced:
            refuse("int() of", "; write autograd_mini.trunc(v)")
        raise TypeError(INT)

    def __index__(self) -> int:
        if _blocks.open and self.is_traced:
            refuse("an index from", INDEX)
        raise TypeError(NO_INDEX)

    def __repr__(self) -> str:
        if _blocks.open and self.is_traced:
            return "Value(traced)"
        return f"Value(data={self._data}, grad={self._grad})"

    def __format__(self, specification: str) -> str:
        return format(self.data, specification) if specification else repr(self)


def check_values(nodes: Sequence[Any]) -> None:
    """Refuse what is no Value, before C reads it as one."""
    for node in nodes:
        if not isinstance(node, Node):
            raise TypeError(f"this takes Values, not {describe(node)}")


def set_gradient(node: Node, grad: float) -> None:
    """Set what backward() finds for a node; in a leaf it is added to the gradient that the leaf had before."""
    node._grad = node._local_left + grad if node._left is None and node._right is None else grad


def restore_leaves(order: list[Any]) -> None:
    """Give the leaves of a topological order the gradients back that they had before backward()."""
    leaves = [node for node in order if node.is_leaf]
    deque(map(set_gradient, leaves, repeat(0.0)), maxlen=0)  # a loop that Ctrl-C can't stop


def origin_of(node: Node) -> Any:
    """Give the operation that made a node; None for a leaf, or CONSTANT."""
    origin: Any = node._origin
    return origin.origin if type(origin) is _Labelled else origin


def place_of(node: Node) -> Any:
    """Give the place in the user's code where a node was made; None where `detect_anomaly` did not hold."""
    origin: Any = node._origin
    return origin.place if type(origin) is _Labelled else None


def located(operation: Operation) -> Any:
    """Give what says of a node which operation made it, and on which line of the user's code."""
    return _Labelled(operation, "", here())


def fan_of(node: Node) -> Fan:
    """Give the `Fan` of a node that has one: a node of more than two operands, or of an operation called with none."""
    if cython.compiled:
        if node._left is not None or node._right is None:
            raise TypeError("only a node of more than two operands keeps them in a fan")
        return cython.cast(Fan, node._right)
    else:
        return node._right


def set_fan(node: Node, fan: Fan) -> None:
    """Put a `Fan` where `fan_of` finds it."""
    if cython.compiled:
        node._right = cython.cast(Node, fan)  # nothing reads it as a Node where `_left` is None
    else:
        node._right = fan


_class: Any = None  # of nodes, when that is complete


def complete(cls: Any) -> None:
    """Do for a class of nodes what its own lines can't, which are the same in both engines."""
    global _class
    _class = cls
    if cython.compiled:
        keep_in_slabs(cls, cls.__new__(cls))
    else:
        cls.__init_subclass__ = classmethod(_refuse_subclass)  # type: ignore[arg-type]


def linked_node(origin: Any, left: Node | None, right: Node | None) -> Any:
    """Make a node of which nothing else is known yet."""
    node: Any = new_node(origin, left, right) if cython.compiled else None
    if node is None:
        node = _class.__new__(_class)
        fill: Node = node
        fill._origin, fill._left, fill._right = origin, left, right
        fill._grad, fill._mark = 0.0, 0
    return node


def _refuse_subclass(cls: type, **_: object) -> None:
    raise TypeError("type 'autograd_mini.engine.value.Value' is not an acceptable base type")
