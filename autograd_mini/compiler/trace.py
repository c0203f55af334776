"""From a function to the graph that it computes.

The function runs once, with numbers of a kind of their own, `Traced`: what is computed with them is
recorded, and what would make a decision by them is an error. Knows nothing of what becomes of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn

import numpy as np

from autograd_mini.compiler.graph import DATA, ELEMENT, LOOP, OUTPUT, SLICE, STACK, Graph, Loop, Node
from autograd_mini.compiler.loops import Rules, TracedArray
from autograd_mini.engine import modes
from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import check_label, is_real
from autograd_mini.engine.history import History
from autograd_mini.engine.lines import Place, here, written
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import detach, identity
from autograd_mini.engine.refusals import BRANCHES, FUNCTIONS, INDEX, TRANSFORMS, TracingError, refuse
from autograd_mini.engine.value import Value
from autograd_mini.transforms.trees import Structure, flatten, make_array

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython


class Trace(NamedTuple):
    """What one run of a function has recorded."""

    graph: Graph  # begins with the arguments, numbers and arrays; other rows without operations are captured, or known
    captured: list[Value]  # from outside, in the order of their rows; their data is read in each call
    result: Structure
    is_doubtful: bool  # whether a nan among the graph's results may be a number in truth: see choices.py
    rows: int  # how many rows there were before the first derivative of any


def trace(function: Callable[..., Any], structures: Sequence[Structure], is_guarded: bool = False) -> Trace:
    """Run a function once, with arguments that are nested so, and record what it computes.

    In a guarded trace, derivatives themselves see to it that nothing flows to what is not chosen.
    """
    tracer = Tracer(sum([1 for structure in structures for _ in structure.leaves()]), is_guarded)
    # In a context of its own: then not even Ctrl-C on the way out of a block leaves it open here.
    return copy_context().run(_record, function, structures, tracer)


def _record(function: Callable[..., Any], structures: Sequence[Structure], tracer: Tracer) -> Trace:
    nodes = iter(range(tracer.graph.arguments))
    with modes.tracing(tracer), modes.recording():
        nested = [structure.nest(lambda part: tracer.argument(next(nodes), part)) for structure in structures]
        try:
            roots, structure = flatten(function(*nested), "the function's result")
        except Exception:
            if tracer.refusal is not None:  # the cause: NumPy goes on with an error in its hands, until Python notices
                raise tracer.refusal from None
            raise
        graph = tracer.graph
        graph.results = tracer.rows_of(roots)
        if tracer.refusal is not None:
            raise tracer.refusal  # which the function has caught
        if tracer.doubts:  # those that nothing reads are of no account
            graph.results += sorted({*tracer.doubts}.intersection(graph.live()).difference(graph.results))
    rows = len(graph.operations) if tracer.rows < 0 else tracer.rows
    return Trace(graph, tracer.captured, structure, tracer.is_doubtful, rows)


_tracer, _recorded, _in_rules = modes.tracer, modes.recorded, modes.in_rules


@cython.final
@cython.cclass
class Tracer:
    """Records what is computed while it is the tracer, as rows of a graph."""

    def __init__(self, arguments: int, is_guarded: bool, outer: Tracer | None = None) -> None:
        self.is_guarded = is_guarded
        self.is_doubtful = False  # whether a derivative may be nan that is a number in truth
        self.outer = outer  # of the loop around the one whose rounds are traced here, or of the function
        self.doubts: list[Node] = []
        self.rows = -1  # when the first derivative began
        self.refusal: Exception | None = None
        self.graph: Graph = Graph(arguments)
        self.captured: list[Any] = []
        self._captured: dict[Any, int] = {}
        self._outputs: dict[tuple[int, int], int] = {}
        self._born: dict[int, Value] = {}

    def number(self, node: Node | None, place: Place | None = None) -> Traced:
        traced: Traced = Traced.__new__(Traced)
        traced.tracer, traced._row, traced.place = self, node, place
        traced._array, traced._index = None, 0
        traced._label = ""
        return traced

    def argument(self, node: Node, part: Structure) -> Any:
        """Give an argument to the function: a number, or an array of numbers."""
        if part.kind is float:
            return self.number(node)
        self.graph.sizes[node] = part.size
        return make_array(self.elements(TracedArray(self, node, part.size)), part.keys)

    def rows_of(self, numbers: list[Any]) -> list[Node]:
        """Give the rows of numbers; one row for elements of an array that are evenly spaced in it."""
        i: cython.Py_ssize_t = 0
        size: cython.Py_ssize_t
        rows: list[Node] = []
        while i < len(numbers):
            size = self._run_at(numbers, i)
            if size == 1:
                rows.append(self.node_of(numbers[i], identity))
            else:
                rows.append(self._slice_of(numbers[i], numbers[i + 1], size))
            i += size
        return rows

    def __getitem__(self, node: Node) -> Traced:
        return self.number(node)

    def record(self, operation: Operation, operands: Sequence[Any]) -> Traced:
        node: Node = self.graph.append(operation, tuple([self.node_of(x, operation) for x in operands]))
        if operation is not detach and not _recorded.get():
            node = self.graph.append(detach, (node,))
        return self.number(node, None if _in_rules.get() else here())  # a derivative's line is that of what asks for it

    def variable(self, number: float) -> Traced:
        return self.record(identity, (number,))

    def node_of(self, number: Any, operation: Operation) -> Node:
        """Give the row of a number: traced, captured from outside, or a constant."""
        if isinstance(number, Traced):
            traced: Traced = number
            if traced.tracer is self:
                return traced.node if traced._row is None else traced._row
            if not self.is_within(traced.tracer):
                traced.refuse_outside()
            return self._capture((traced.tracer, traced.node), number)
        if type(number) is not Value:
            return self.graph.constant(operation.number(number))
        if not self.is_traced(number):
            return self.graph.constant(number.data)
        return self._capture(id(number), number)

    def _capture(self, key: Any, number: Any) -> Node:
        """Give the row of a number from outside: a Value, or what was traced around this loop."""
        node = self._captured.get(key)
        if node is None:
            node = self._captured[key] = self.graph.append(None, ())
            self.captured.append(number)
        return node

    def is_within(self, other: Tracer) -> bool:
        """Say whether this traces a loop in what another tracer traces."""
        tracer: Tracer | None = self.outer
        while tracer is not None and tracer is not other:
            tracer = tracer.outer
        return tracer is not None

    def outermost(self) -> Tracer:
        """Give the tracer of the function itself."""
        tracer = self
        while tracer.outer is not None:
            tracer = tracer.outer
        return tracer

    def made(self, number: Any) -> bool:
        """Say whether a number was computed here, and not before."""
        if not isinstance(number, Traced):
            return False
        traced: Traced = number
        traced.refuse_outside()
        return traced.tracer is self

    # Loops and arrays.

    def loop(
        self, trace_round: Any, init: Sequence[Any], arrays: Sequence[Any], piece: int = 1, **settings: Any
    ) -> list[Any]:
        """Record a loop: trace one round, given the carries and an element of each array. Give its outputs.

        `trace_round` gives the next carries, then an element for each array that the loop makes. An element is a piece,
        an array of its own, if it has more than one number. The settings are those of `Loop`.
        """
        inner = self.nested()
        taken = [self.node_of(x, identity) for x in init] + [self.array(x).node for x in arrays]
        given = [inner.given(piece if i >= len(init) and piece > 1 else None) for i in range(len(taken))]
        with modes.tracing(inner):
            results = trace_round(given[: len(init)], given[len(init) :])
            inner.graph.results = [inner.capture(x) for x in results]
        if inner.refusal is not None:
            raise inner.refusal  # which the function has caught
        node = self.add_loop(inner, [x.node for x in given], taken, carries=len(init), arrays=len(arrays), **settings)
        return [self.output(node, k) for k in range(len(inner.graph.results))]

    def nested(self, is_guarded: bool = True) -> Tracer:
        """Make a tracer for the rounds of a loop; only those of a derivative may be less than guarded."""
        return Tracer(0, is_guarded, self)

    def given(self, size: int | None = None) -> Any:
        """Make something that each round is given: a number, or an array of some size."""
        node = self.graph.append(None, ())
        if size is None:
            return self.number(node)
        self.graph.sizes[node] = size
        return TracedArray(self, node, size)

    def replay(self, graph: Graph, places: dict[Node, Node]) -> dict[Node, Node]:
        """Record what another graph computes, given the rows of what it is given; give the rows of all its nodes."""
        places = dict(places)
        for node in graph.live():
            if node in places:
                continue
            operation, operands = graph.operations[node], tuple([places[x] for x in graph.operands[node]])
            details: Any = graph.details.get(node)
            if operation is LOOP:
                details = replace(details, body=details.body.copy())
            places[node] = self.graph.add_row(graph, node, operands, details)
            if operation is OUTPUT:
                self._outputs[operands[0], details] = places[node]
        return places

    def add_loop(self, inner: Tracer, given: list[Node], taken: list[Node], **settings: Any) -> Node:
        """Record a loop whose round another tracer has recorded, with what it has captured as invariants."""
        given = [*given, *inner._captured.values()]
        operands = (*taken, *[self.capture(x) for x in inner.captured])
        return self.graph.mark(LOOP, operands, Loop(inner.graph, given, **settings))

    def capture(self, number: Any) -> Node:
        """Give the row of a number or an array, traced here or around."""
        if isinstance(number, TracedArray):
            if number.tracer is self:
                return number.node
            node = self._capture((number.tracer, number.node), number)
            self.graph.sizes[node] = number.size
            return node
        return self.node_of(number, identity)

    def output(self, node: Node, k: int) -> Any:
        """Give an output of a loop: a number, or an array."""
        loop: Loop = self.graph.details[node]
        size = None if k < loop.carries else loop.length * loop.body.sizes.get(loop.body.results[k], 1)
        row = self._outputs.get((node, k))
        if row is None:
            row = self._outputs[node, k] = self.graph.mark(OUTPUT, (node,), k, size)
        return self.number(row) if size is None else TracedArray(self, row, size)

    def array(self, numbers: Any) -> TracedArray:
        """Record an array: of floats as they are, of traced numbers, or of both."""
        if isinstance(numbers, TracedArray):
            return numbers if numbers.tracer is self else TracedArray(self, self.capture(numbers), numbers.size)
        size = len(numbers)
        if isinstance(numbers, np.ndarray) and numbers.dtype != object:
            known = np.array(numbers, dtype=np.float64)
            return TracedArray(self, self.graph.mark(DATA, (), known, size), size)
        if size and self.outer is not None and self._are_around(numbers):  # recorded there, and taken over as a whole
            return self.array(self.outer.array(numbers))
        if size > 1 and self._run_at(numbers, 0) == size:
            return TracedArray(self, self._slice_of(numbers[0], numbers[1], size), size)
        nodes = [self.node_of(x, identity) for x in numbers]
        return TracedArray(self, self.graph.mark(STACK, tuple(nodes), None, size), size)

    def _are_around(self, numbers: Any) -> bool:
        """Say whether all numbers are traced around this loop."""
        number: Any
        known: Any = None
        for number in numbers:
            if not isinstance(number, Traced):
                return False
            traced: Traced = number
            if traced.tracer is not known:
                known = traced.tracer
                if known is self or not self.is_within(known):
                    return False
        return True

    def _run_at(self, numbers: Any, begin: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Say how many numbers from there on are elements of one array, evenly spaced; 1 if they are not."""
        i: cython.Py_ssize_t
        step: cython.Py_ssize_t = 0
        if not isinstance(numbers[begin], Traced):
            return 1
        first: Traced = numbers[begin]
        array: Any = first._array
        if array is None or first.tracer is not self:
            return 1
        for i in range(1, len(numbers) - begin):
            number: Any = numbers[begin + i]
            if not isinstance(number, Traced):
                return i
            traced: Traced = number
            if i == 1:
                step = traced._index - first._index
            if traced._index != first._index + i * step or traced._array != array or not step:
                return i
        return len(numbers) - begin

    def _slice_of(self, first: Traced, second: Traced, size: cython.Py_ssize_t) -> Node:
        """Give the array of so many elements of an array, of which these are the first."""
        array: Any = first._array
        step: cython.Py_ssize_t = second._index - first._index
        which = range(first._index, first._index + size * step, step)
        return self.slice(TracedArray(self, array, self.graph.sizes[array]), which).node

    def slice(self, array: TracedArray, which: range) -> TracedArray:
        if which == range(array.size):
            return array
        return TracedArray(self, self.graph.mark(SLICE, (array.node,), which, len(which)), len(which))

    def element(self, array: TracedArray, i: cython.Py_ssize_t) -> Traced:
        traced: Traced = self.number(None)
        traced._array, traced._index = array.node, i
        return traced

    def elements(self, array: TracedArray) -> list[Any]:
        i: cython.Py_ssize_t
        size: cython.Py_ssize_t = array.size
        listed: list[Any] = []
        for i in range(size):
            listed.append(self.element(array, i))
        return listed

    def note_refusal(self, error: Exception) -> None:
        self.refusal = self.refusal or error

    def note_derivative(self, number: Traced, is_doubtful: bool) -> None:
        """Take note of a derivative, which may be nan only since what was not chosen has flowed into it or others."""
        self.is_doubtful |= is_doubtful
        if self.is_doubtful:
            self.doubts.append(number.node)

    def note_birth(self, leaf: Value) -> None:
        self._born[id(leaf)] = leaf

    def is_traced(self, node: Value) -> bool:
        return id(node) not in self._born and (self.outer is None or self.outer.is_traced(node))

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
    place: Place | None  # where the user's code made it
    _row: Node | None  # None for an element of an array that was not looked at by itself
    _array: Any  # the node of the array whose element it is; None if it is none
    _index: int
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
    def node(self) -> Node:
        """The row of the graph that computes it."""
        if self._row is None:
            self._row = self.tracer.graph.mark(ELEMENT, (self._array,), self._index)
        return self._row

    @property
    def op(self) -> Operation | None:
        if self._array is not None and self.tracer.graph.operations[self._array] is None:
            return None  # of an array that is given
        operation: Operation | None = self.tracer.graph.operations[self.node]
        return operation

    @property
    def operands(self) -> tuple[Traced, ...]:
        return () if self.op is None else tuple([self.tracer[node] for node in self.tracer.graph.operands[self.node]])

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
        return self.recorder().record(operation, operands)

    def recorder(self) -> Tracer:
        """Give the tracer at work: that of this number, or of a loop that takes it from around."""
        recorder: Any = _tracer.get()
        if recorder is not self.tracer:
            self.refuse_outside()
        return recorder

    def _compare(self, operation: Operation, other: Any) -> Any:
        if not (isinstance(other, Scalar) or is_real(other)):
            if operation.name in ("equal", "not_equal"):
                refuse("comparing", BRANCHES)
            return NotImplemented
        return self.recorder().compare(operation, self, other)

    def _history(self, roots: Sequence[Traced], inputs: Sequence[Traced]) -> History:
        tracer, graph = self.tracer, self.tracer.graph
        if tracer.rows < 0:
            tracer.rows = len(graph.operations)
        starts, ends = [x.node for x in roots], [x.node for x in inputs]
        note = None if tracer.is_guarded or tracer.outer is not None else tracer.note_derivative
        return History(tracer, graph.operands, graph.ordered(starts), starts, ends, note, Rules(tracer))

    def refuse_outside(self) -> None:
        """Say that this number is used after its trace, within another one, or by another thread."""
        tracer: Any = _tracer.get()
        if tracer is self.tracer or (isinstance(tracer, Tracer) and tracer.is_within(self.tracer)):
            return
        if self.tracer.outer is not None:
            raise TracingError(
                f"a number of a round of a loop{written(self.place)} is used outside of the round{written(here())}; "
                "let the round hand it on in the carry, or give it as its result"
            )
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
