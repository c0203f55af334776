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
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import check_label, is_real
from autograd_mini.engine.history import History
from autograd_mini.engine.lines import Place, here, written
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import detach, identity
from autograd_mini.engine.refusals import BRANCHES, FUNCTIONS, INDEX, TRANSFORMS, TracingError, refuse
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
    is_doubtful: bool  # whether a nan among the graph's results may be a number in truth: see choices.py


def trace(function: Callable[..., Any], structures: Sequence[Structure], is_guarded: bool = False) -> Trace:
    """Run a function once, with arguments that are nested so, and record what it computes.

    In a guarded trace, derivatives themselves see to it that nothing flows to what is not chosen.
    """
    tracer = Tracer(sum([structure.size for structure in structures]), is_guarded)
    # In a context of its own: then not even Ctrl-C on the way out of a block leaves it open here.
    return copy_context().run(_record, function, structures, tracer)


def _record(function: Callable[..., Any], structures: Sequence[Structure], tracer: Tracer) -> Trace:
    arguments = iter([tracer.number(node) for node in range(tracer.graph.arguments)])
    with modes.tracing(tracer), modes.recording():
        nested = [unflatten(structure, [next(arguments) for _ in range(structure.size)]) for structure in structures]
        try:
            roots, structure = flatten(function(*nested), "the function's result")
        except Exception:
            if tracer.refusal is not None:  # the cause: NumPy goes on with an error in its hands, until Python notices
                raise tracer.refusal from None
            raise
        results = [tracer.node_of(root, identity) for root in roots]
        if tracer.refusal is not None:
            raise tracer.refusal  # which the function has caught
        known = set(results)
        tracer.graph.results = results + [node for node in dict.fromkeys(tracer.doubts) if node not in known]
    return Trace(tracer.graph, tracer.captured, structure, bool(tracer.doubts))


_tracer, _recorded = modes.tracer, modes.recorded


@cython.final
@cython.cclass
class Tracer:
    """Records what is computed while it is the tracer, as rows of a graph."""

    def __init__(self, arguments: int, is_guarded: bool) -> None:
        self.is_guarded = is_guarded
        self.doubts: list[Node] = []
        self.refusal: Exception | None = None
        self.graph: Graph = Graph(arguments)
        self.captured: list[Value] = []
        self._captured: dict[int, int] = {}
        self._born: dict[int, Value] = {}

    def number(self, node: Node, place: Place | None = None) -> Traced:
        traced: Traced = Traced.__new__(Traced)
        traced.tracer, traced.node, traced.place = self, node, place
        traced._label = ""
        return traced

    def __getitem__(self, node: Node) -> Traced:
        return self.number(node)

    def record(self, operation: Operation, operands: Sequence[Any]) -> Traced:
        node: Node = self.graph.append(operation, tuple([self.node_of(x, operation) for x in operands]))
        if operation is not detach and not _recorded.get():
            node = self.graph.append(detach, (node,))
        return self.number(node, here())

    def variable(self, number: float) -> Traced:
        return self.record(identity, (number,))

    def node_of(self, number: Any, operation: Operation) -> Node:
        """Give the row of a number: traced, captured from outside, or a constant."""
        if isinstance(number, Traced):
            traced: Traced = number
            if traced.tracer is not self:
                traced.refuse_outside()
            return traced.node
        if type(number) is not Value:
            return self.graph.constant(operation.number(number))
        key = id(number)
        if key in self._born:
            return self.graph.constant(number.data)
        node = self._captured.get(key)
        if node is None:
            node = self._captured[key] = self.graph.append(None, ())
            self.captured.append(number)
        return node

    def note_refusal(self, error: Exception) -> None:
        self.refusal = self.refusal or error

    def doubt(self, number: Traced) -> None:
        """Take note of a derivative, which may be nan only since what was not chosen has flowed into it."""
        self.doubts.append(number.node)

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
        if type(operand) is Value:
            return None if self.is_traced(operand) else operand.data
        return None if isinstance(operand, Scalar) else operation.number(operand)


def _refusal(what: str, remedy: str) -> Callable[..., NoReturn]:
    """Make a method that only raises: see `refuse`."""

    def refused(*args: Any, **kwargs: Any) -> NoReturn:
        refuse(what, remedy)

    return refused


@cython.final
@cython.no_gc
@cython.cclass
class Traced(Scalar):
    """A number that will be another one in each call: the argument of a function that `jit` traces, or its result."""

    tracer: Tracer
    node: Node
    place: Place | None  # where the user's code made it
    _label: str

    data = property(
        _refusal("reading .data of", "; compute with the Value itself"),
        _refusal("assigning to .data of", "; make a new Value instead"),
    )
    grad = property(_refusal("reading .grad of", TRANSFORMS), _refusal("assigning to .grad of", TRANSFORMS))
    _prev = property(_refusal("reading ._prev of", "; read .operands"))
    _op = property(_refusal("reading ._op of", "; read .op.symbol"))
    local_derivatives = property(_refusal("reading .local_derivatives of", TRANSFORMS))
    item = _refusal("reading .item() of", "; compute with the Value itself")
    backward = _refusal("backward() from", TRANSFORMS)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return Value  # so that isinstance(x, Value) is what it is elsewhere

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

    @property
    def label(self) -> str:
        return self._label

    @label.setter
    def label(self, text: Any) -> None:
        self._label = check_label(text)

    def _apply(self, operation: Operation, operands: Sequence[Any]) -> Any:
        if _tracer.get() is not self.tracer:
            self.refuse_outside()
        return self.tracer.record(operation, operands)

    def _compare(self, operation: Operation, other: Any) -> Any:
        if not (isinstance(other, Scalar) or is_real(other)):
            if operation.name in ("equal", "not_equal"):
                refuse("comparing", BRANCHES)
            return NotImplemented
        if _tracer.get() is not self.tracer:
            self.refuse_outside()
        return self.tracer.compare(operation, self, other)

    def _history(self, roots: Sequence[Traced], inputs: Sequence[Traced]) -> History:
        tracer, graph = self.tracer, self.tracer.graph
        starts, ends = [x.node for x in roots], [x.node for x in inputs]
        return History(tracer, graph.operands, graph.ordered(starts), starts, ends, tracer.is_guarded, tracer.doubt)

    def refuse_outside(self) -> None:
        """Say that this number is used after its trace, within another one, or by another thread."""
        if _tracer.get() is self.tracer:
            return
        raise TracingError(
            f"a value that jit traced{written(self.place)} is used outside of the trace, "
            f"where it has no number{written(here())}; return it from the function, and use the result"
        )

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

    def __index__(self) -> int:
        refuse("an index from", INDEX)

    def __repr__(self) -> str:
        return "Value(traced)"

    def __format__(self, specification: str) -> str:
        if specification:
            refuse(
                "formatting", "; print(x) shows it as Value(traced); to format a number, format the result of the call"
            )
        return repr(self)
