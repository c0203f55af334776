"""From a function to the graph that it computes.

The function runs once, with numbers of a kind of their own, `Traced`: what is computed with them is
recorded, and what would make a decision by them is an error. Knows nothing of what becomes of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Any, NamedTuple, NoReturn

from autograd_mini.compiler.graph import Graph, Node
from autograd_mini.engine import modes
from autograd_mini.engine.arithmetic import Scalar, is_real
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import detach, identity
from autograd_mini.engine.refusals import BRANCHES, FUNCTIONS, TRANSFORMS, TracingError, refuse, user_line
from autograd_mini.engine.value import Value
from autograd_mini.transforms.trees import Structure, flatten, unflatten

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython


class Trace(NamedTuple):
    """What one run of a function has recorded."""

    graph: Graph  # begins with the function's arguments; other rows that compute nothing are captured, or constants
    captured: list[Value]  # from outside, in the order of their rows; their data is read in each call
    result: Structure


def trace(function: Callable[..., Any], structures: Sequence[Structure]) -> Trace:
    """Run a function once, with arguments that are nested so, and record what it computes."""
    tracer = Tracer(sum([structure.size for structure in structures]))
    # In a context of its own: then not even Ctrl-C on the way out of a block leaves it open here.
    return copy_context().run(_record, function, structures, tracer)


def _record(function: Callable[..., Any], structures: Sequence[Structure], tracer: Tracer) -> Trace:
    arguments = iter([tracer.number(node) for node in range(tracer.graph.arguments)])
    nested = [unflatten(structure, [next(arguments) for _ in range(structure.size)]) for structure in structures]
    with modes.tracing(tracer), modes.recording():
        roots, structure = flatten(function(*nested), "the function's result")
        tracer.graph.results = [tracer.node_of(root, identity) for root in roots]
    return Trace(tracer.graph, tracer.captured, structure)


@cython.final
@cython.cclass
class Tracer:
    """Records what is computed while it is the tracer, as rows of a graph."""

    def __init__(self, arguments: int) -> None:
        self.graph: Graph = Graph(arguments)
        self.captured: list[Value] = []
        self._captured: dict[int, int] = {}
        self._born: dict[int, Value] = {}

    def number(self, node: Node) -> Traced:
        traced: Traced = Traced.__new__(Traced)
        traced.tracer = self
        traced.node = node
        traced.label = ""
        return traced

    def record(self, operation: Operation, operands: Sequence[Any]) -> Traced:
        node: cython.Py_ssize_t = self.graph.append(operation, tuple([self.node_of(x, operation) for x in operands]))
        if operation is not detach and not modes.recorded.get():
            node = self.graph.append(detach, (node,))
        return self.number(node)

    def variable(self, number: float) -> Traced:
        return self.record(identity, (number,))

    def node_of(self, number: Any, operation: Operation) -> Node:
        """Give the row of a number: traced, captured from outside, or a constant."""
        if isinstance(number, Traced):
            traced: Traced = number
            if traced.tracer is not self:
                _refuse_outside()
            return traced.node
        if not isinstance(number, Value):
            return self.graph.constant(operation.number(number))
        key = id(number)
        if key in self._born:
            return self.graph.constant(number.data)
        node = self._captured.get(key)
        if node is None:
            node = self._captured[key] = self.graph.append(None, ())
            self.captured.append(number)
        return node

    def note_birth(self, leaf: Value) -> None:
        self._born[id(leaf)] = leaf

    def is_traced(self, node: Value) -> bool:
        return id(node) not in self._born

    def compare(self, operation: Operation, left: Any, right: Any) -> Any:
        numbers = [self._number_of(operand, operation) for operand in (left, right)]
        if None not in numbers:
            return bool(operation.function(*numbers))
        if not modes.in_rules.get():
            refuse("comparing", BRANCHES)
        # Outside of a trace a rule's comparison is a bool: no gradient flows through it, so here neither.
        return self.record(detach, (self.record(operation, (left, right)),))

    def _number_of(self, operand: Any, operation: Operation) -> float | None:
        """Give a number that is known now; None for one that is traced."""
        if isinstance(operand, Value):
            return None if self.is_traced(operand) else operand.data
        return None if isinstance(operand, Scalar) else operation.number(operand)


def _refusal(what: str, remedy: str) -> Callable[..., NoReturn]:
    """Make a method that only raises: see `refuse`."""

    def refused(*args: Any, **kwargs: Any) -> NoReturn:
        refuse(what, remedy)

    return refused


@cython.final
@cython.cclass
class Traced(Scalar):
    """A number that will be another one in each call: the argument of a function that `jit` traces, or its result."""

    tracer: Tracer
    node: cython.Py_ssize_t
    label: str

    data = property(
        _refusal("reading .data of", "; compute with the Value itself"),
        _refusal("assigning to .data of", "; make a new Value instead"),
    )
    grad = property(_refusal("reading .grad of", TRANSFORMS), _refusal("assigning to .grad of", TRANSFORMS))
    local_derivatives = property(_refusal("reading .local_derivatives of", TRANSFORMS))
    item = _refusal("reading .item() of", "; compute with the Value itself")
    backward = _refusal("backward() from", TRANSFORMS)

    @property
    def op(self) -> Operation | None:
        operation: Operation | None = self.tracer.graph.operations[self.node]
        return operation

    @property
    def operands(self) -> tuple[Traced, ...]:
        return tuple([self.tracer.number(node) for node in self.tracer.graph.operands[self.node]])

    @property
    def is_leaf(self) -> bool:
        return self.op is None

    @property
    def requires_grad(self) -> bool:
        return self.op is not detach

    @property
    def is_traced(self) -> bool:
        return True

    def _apply(self, operation: Operation, operands: Sequence[Any]) -> Any:
        if modes.tracer.get() is not self.tracer:
            _refuse_outside()
        return self.tracer.record(operation, operands)

    def _compare(self, operation: Operation, other: Any) -> Any:
        if not (isinstance(other, Scalar) or is_real(other)):
            if operation.name in ("equal", "not_equal"):
                refuse("comparing", BRANCHES)
            return NotImplemented
        if modes.tracer.get() is not self.tracer:
            _refuse_outside()
        return self.tracer.compare(operation, self, other)

    def _history(self, inputs: Sequence[Any]) -> tuple[list[Any], list[list[int]], list[int]]:
        """List what this number is computed from, the places of each node's operands, those of the inputs or -1."""
        graph: Graph = self.tracer.graph
        nodes: list[int] = graph.ordered(self.node)
        place: list[int] = [-1] * len(graph.operands)
        node: cython.Py_ssize_t
        i: cython.Py_ssize_t
        order: list[Traced] = []
        places: list[list[int]] = []
        for i in range(len(nodes)):
            node = nodes[i]
            place[node] = i
            order.append(self.tracer.number(node))
            places.append([place[operand] for operand in graph.operands[node]])
        return order, places, [place[x.node] for x in inputs]

    def __reduce__(self) -> NoReturn:
        refuse("copying or pickling", "; compute with the Value itself")

    def _hash(self) -> int:
        refuse("looking up", f"{BRANCHES}; or look up id(x)")

    def __bool__(self) -> bool:
        refuse("the truth of", BRANCHES)

    def __float__(self) -> float:
        refuse("float() of", FUNCTIONS)

    def __int__(self) -> int:
        refuse("int() of", "; write autograd_mini.trunc(v)")

    def __repr__(self) -> str:
        return "Value(traced)"

    def __format__(self, specification: str) -> str:
        if specification:
            refuse("formatting", "; compute with the Value itself")
        return repr(self)


def _refuse_outside() -> NoReturn:
    raise TracingError(f"a value that jit traced is used outside of the function that was traced{user_line()}")
