"""The derivative of a loop is a loop: how gradients and tangents pass the loops and arrays of a trace.

A loop's way back is a second loop, through the same rounds from the last to the first. The rules of derivatives.py make
its round: the round of the first loop is written down anew, and what flows into its results flows back to its operands.
The second loop computes the numbers of the first loop again where that is cheap. The others are residuals, which the
first loop keeps in arrays. Tangents go forwards, by a loop of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from autograd_mini.compiler.columns import Rows
from autograd_mini.compiler.graph import DATA, ELEMENT, LOOP, OUTPUT, SLICE, STACK, Graph, Loop, Node
from autograd_mini.engine import modes, operations
from autograd_mini.engine.derivatives import Flows, either, flow_back, flow_forward
from autograd_mini.engine.history import History

# A round computes these operations again, rather than keep their results, if no more than so many lead to a number.
CHEAP = frozenset(
    getattr(operations, name)
    for name in "add sub mul neg abs relu where maximum minimum less less_equal greater greater_equal equal not_equal "
    "identity detach".split()
)
FEW = 8

# What shares nothing with what the first loop computes.
ARITHMETIC = CHEAP | {operations.div}

# Markers that compute nothing, but say where numbers are.
_PLACES = (DATA, ELEMENT, SLICE, STACK)

# Their local derivatives are finite where operands are: a gradient of 0 stays 0, be it by a choice or as a number.
TAME = frozenset(
    getattr(operations, name) for name in "add sub mul neg abs relu sin cos tanh sigmoid softplus identity".split()
)

# A gradient or a tangent, and whether it is reached: True, False, or a number that says it.
Flow = tuple[Any, Any]
NOTHING: Flow = (0.0, False)

# Which outputs of a derivative's loop are a flow and its flag; None for one that is always reached.
Place = tuple[int, int | None]


class TracedArray:
    """An array of numbers that is traced as one node."""

    def __init__(self, tracer: Any, node: Node, size: int) -> None:
        self.tracer, self.node, self.size = tracer, node, size


class Rules:
    """How gradients and tangents pass the loops and arrays of a trace; these nodes are what the rules contain."""

    def __init__(self, tracer: Any) -> None:
        self.tracer = tracer
        self.graph: Graph = tracer.graph

    def __contains__(self, node: Node) -> bool:
        return node in self.graph.details

    def pull(self, flows: Flows, node: Node, wanted: Sequence[bool]) -> None:
        """Let what has flowed into a node flow back to its operands."""
        graph, operands = self.graph, self.graph.operands[node]
        flow, reached = flows.found[node], flows.reached[node]
        flows.found[node] = None
        operation = graph.operations[node]
        if operation is ELEMENT:
            self._flow_into(flows, operands[0]).element(graph.details[node], flow, reached)
        elif operation is SLICE:
            which = graph.details[node]
            array, reached = flow.join(self.tracer, len(which))
            inflow = self._flow_into(flows, operands[0])
            for i, place in enumerate(which):
                inflow.element(place, self.tracer.element(array, i), self._flag(reached, i))
        elif operation is STACK:
            array, reached = flow.join(self.tracer, len(operands))
            for i, place in enumerate(operands):
                if wanted[place]:
                    flows.put(place, self.tracer.element(array, i), self._flag(reached, i))
        elif operation is OUTPUT:
            if node in graph.sizes:
                flow, reached = flow.join(self.tracer, graph.sizes[node])
            flows.put(operands[0], _Outputs({graph.details[node]: (flow, reached)}), True)
        elif operation is LOOP:
            self._pull_loop(flows, node, flow, wanted)

    def push(self, flows: Flows, node: Node) -> None:
        """Let what has flowed into the operands of a node flow on to it."""
        graph, operands = self.graph, self.graph.operands[node]
        operation, which = graph.operations[node], graph.details[node]
        if operation is ELEMENT or operation is SLICE:
            array, flag = flows.found[operands[0]], flows.reached[operands[0]]
            if array is not None:
                take = self.tracer.element if operation is ELEMENT else self.tracer.slice
                reached = flag if isinstance(flag, bool) else take(flag, which)
                flows.put(node, take(array, which), reached)
        elif operation is STACK:
            found = [(flows.found[place], flows.reached[place]) for place in operands]
            if any(flow is not None for flow, _ in found):
                flows.put(node, *_stacked(self.tracer, found))
        elif operation is OUTPUT:
            outputs = flows.found[operands[0]] or {}
            if which in outputs:
                flows.put(node, *outputs[which])
        elif operation is LOOP:
            tangents = {
                i: (flows.found[place], flows.reached[place])
                for i, place in enumerate(operands)
                if flows.found[place] is not None
            }
            if tangents:
                flows.put(node, self._push_loop(node, tangents), True)

    def _flow_into(self, flows: Flows, array: Node) -> Inflow:
        if flows.found[array] is None:
            flows.put(array, Inflow(), True)
        inflow: Inflow = flows.found[array]
        return inflow

    def _flag(self, reached: Any, i: int) -> Any:
        return reached if isinstance(reached, bool) else self.tracer.element(reached, i)

    # Loops.

    def _pull_loop(self, flows: Flows, node: Node, outputs: _Outputs, wanted: Sequence[bool]) -> None:
        operands = self.graph.operands[node]
        loop: Loop = self.graph.details[node]
        dependent = _dependent(loop, [wanted[place] for place in operands])
        starts = {k: flow for k, flow in outputs.items() if k >= loop.carries or dependent[k]}
        back = _settled(lambda flagged: _Back(self.tracer, node, starts, dependent, flagged), starts, loop.carries)
        for i, flow, reached in back.close():
            if wanted[operands[i]]:
                flows.put(operands[i], flow, reached)

    def _push_loop(self, node: Node, tangents: dict[int, Flow]) -> _Outputs:
        carries = self.graph.details[node].carries
        return _settled(lambda flagged: _Forward(self.tracer, node, tangents, flagged), tangents, carries).close()


class _Outputs(dict[int, Flow]):
    """What flows into the outputs of a loop, or out of them: by their numbers, each with whether it is reached."""

    def __add__(self, other: _Outputs) -> _Outputs:
        self.update(other)
        return self


class Inflow:
    """What flows into an array: arrays, and numbers into some elements, each with whether these are reached."""

    def __init__(self) -> None:
        self.arrays: list[Flow] = []
        self.elements: dict[int, Flow] = {}

    def array(self, flow: Any, reached: Any) -> Inflow:
        self.arrays.append((flow, reached))
        return self

    def element(self, i: int, flow: Any, reached: Any) -> Inflow:
        if i in self.elements:
            before, was_reached = self.elements[i]
            flow, reached = before + flow, either(reached, was_reached)
        self.elements[i] = (flow, reached)
        return self

    def __add__(self, other: Inflow) -> Inflow:
        self.arrays += other.arrays
        for i, flow in other.elements.items():
            self.element(i, *flow)
        return self

    def join(self, tracer: Any, size: int) -> Flow:
        """Make one array of it all."""
        arrays = list(self.arrays)
        if self.elements:
            arrays.append(_stacked(tracer, [self.elements.get(i, (None, False)) for i in range(size)]))
        total, reached = arrays[0]
        for array, flag in arrays[1:]:
            (total,) = tracer.loop(lambda _, xs: [xs[0] + xs[1]], [], [total, array], length=size)
            if reached is not True and flag is not True:
                (reached,) = tracer.loop(lambda _, xs: [either(*xs)], [], [flag, reached], length=size)
            else:
                reached = True
        return total, reached


def _stacked(tracer: Any, found: Sequence[Flow]) -> Flow:
    """Make one array of what flows into elements, and one of whether they are reached, unless all are."""
    array = tracer.array([0.0 if flow is None else flow for flow, _ in found])
    if all(reached is True for _, reached in found):
        return array, True
    return array, tracer.array([float(reached) if isinstance(reached, bool) else reached for _, reached in found])


def _dependent(loop: Loop, wanted: Sequence[bool]) -> list[bool]:
    """Say for each operand of a loop whether it depends on what is wanted, in any round."""
    body, dependent = loop.body, list(wanted)
    while True:
        inputs = [node for node, some in zip(loop.given, dependent) if some]
        depends = body.dependents(inputs, operations.detach)
        grown = [some or (j < loop.carries and depends[body.results[j]]) for j, some in enumerate(dependent)]
        if grown == dependent:
            return dependent
        dependent = grown


class _Round:
    """The round of a derivative's loop, while it is traced; a loop's own round is written down in it anew.

    `starts` flow into the first round, by carries, and into all rounds, by other numbers. `flagged` are the carries
    along which something flows from round to round, and whether a flag beside it says if it is reached.
    """

    flow_out: dict[int, Flow]  # by the carries and whatever else something flows to in a round

    def __init__(self, tracer: Any, node: Node, starts: dict[int, Flow], flagged: dict[int, bool]) -> None:
        self.tracer, self.node, self.starts, self.flagged = tracer, node, starts, flagged
        self.loop: Loop = tracer.graph.details[node]
        self.inner = tracer.nested(tracer.is_guarded)
        self.carried: list[tuple[Any, Any, Any]] = []  # what a round is given, what the first is given, the result
        self.taken: list[tuple[Any, Any]] = []  # an element of an array in a round, and the array
        self.made: list[Any] = []  # an element of each array that the loop makes
        self.given = [self.parameter(self.loop.body.sizes.get(node)) for node in self.loop.given]
        places = {node: x.node for node, x in zip(self.loop.given, self.given)}
        self.places: dict[Node, Node] = self.inner.replay(self.loop.body, places)
        self.results = [self.places[node] for node in self.loop.body.results]
        self.flow_in = {j: (self.parameter(), self.parameter() if flag else True) for j, flag in flagged.items()}

    def parameter(self, size: int | None = None) -> Any:
        """Make something that a round is given: a number, or an array."""
        return self.inner.given(size)

    def history(self, inputs: Sequence[Node], roots: Sequence[Node]) -> History:
        graph = self.inner.graph
        return History(self.inner, graph.operands, graph.ordered(roots), roots, inputs, None, Rules(self.inner))

    @contextmanager
    def recording(self) -> Iterator[None]:
        with modes.tracing(self.inner), modes.recording(), modes.rules():
            yield

    def piece(self, flow: Flow, node: Node) -> Flow:
        """Take the elements of a flow and its flags in a round, each as large as a node of the loop's round is."""
        size = self.loop.body.sizes.get(node)
        inside = [array if array is True else self.parameter(size) for array in flow]
        self.taken += [(x, array) for x, array in zip(inside, flow) if array is not True]
        return inside[0], inside[1]

    def flags(self) -> dict[int, bool]:
        """Say along which carries something flows, and whether a flag beside it says if it is reached."""
        found = {}
        for j in range(self.loop.carries):
            flags = [flow[1] for flow in (self.starts.get(j), self.flow_out.get(j)) if flow is not None]
            if flags:
                is_sometimes = len(flags) == 1 and not self.is_tame(j)
                found[j] = self.flagged.get(j, False) or is_sometimes or any(flag is not True for flag in flags)
        return found

    def is_tame(self, j: int) -> bool:
        """Say whether a flow of 0 along a carry does for none."""
        return False

    def carry(self, inside: Flow, start: Flow, result: Flow) -> Place:
        """Hand a flow, and its flag if it has one, on from round to round."""
        place = len(self.carried)
        self.carried.append((inside[0], start[0], result[0]))
        if inside[1] is True:
            return place, None
        self.carried.append((inside[1], _number(start[1]), _number(result[1])))
        return place, place + 1

    def carry_flows(self) -> dict[int, Place]:
        """Hand on what flows along carries."""
        starts, results = self.starts, self.flow_out
        return {j: self.carry(x, starts.get(j, NOTHING), results.get(j, NOTHING)) for j, x in self.flow_in.items()}

    def collect(self, flow: Flow) -> Place:
        """Collect the flows of all rounds in an array, and their flags in another; nothing is carried from then on."""
        place = len(self.carried) + len(self.made)
        self.made += [x for x in flow if x is not True]
        return place, None if flow[1] is True else place + 1

    def make(self, reverse: bool) -> list[Any]:
        """Record the loop, with the residuals that it needs; give its outputs."""
        tracer, inner = self.tracer, self.inner
        outer_operands = tracer.graph.operands[self.node]
        carries, arrays = self.loop.carries, self.loop.arrays
        given = [inside for inside, _, _ in self.carried]
        taken = [tracer.capture(start) for _, start, _ in self.carried]
        results = [inner.capture(result) for _, _, result in self.carried] + [inner.capture(x) for x in self.made]
        inner.graph.results = results
        elements = [*self.taken, *self._residuals()]
        elements += [(x, place) for x, place in zip(self.given[carries:][:arrays], outer_operands[carries:][:arrays])]
        inside = [x.node for x in given] + [getattr(x, "node", x) for x, _ in elements]
        outside = taken + [getattr(x, "node", x) for _, x in elements]
        for x, place in zip(self.given[carries + arrays :], outer_operands[carries + arrays :]):
            inside.append(x.node)
            outside.append(place)
        node = tracer.add_loop(
            inner,
            inside,
            outside,
            carries=len(given),
            arrays=len(elements),
            length=self.loop.length,
            reverse=reverse,
            is_recomputed=self.loop.is_recomputed,
        )
        return [tracer.output(node, k) for k in range(len(results))]

    def _residuals(self) -> list[tuple[Node, Node]]:
        """Take what the first loop keeps from there: nodes of the round, and arrays of the trace."""
        graph = self.inner.graph
        self._adopt_inner_loops()
        origin = {place: node for node, place in self.places.items()}
        self._share(origin)
        kept = self._kept(origin)
        moved = self._move(origin, kept)
        if moved:
            kept = self._kept(origin, moved)
        residuals = {node: self._keep(origin[node]).node for node in kept}
        graph.operands = Rows([() if node in residuals else row for node, row in enumerate(graph.operands)])
        for node in residuals:
            graph.operations[node] = None
            graph.details.pop(node, None)
        return [*residuals.items()]

    def _share(self, origin: dict[Node, Node]) -> None:
        """Let what the loop's own round computes already, such as the cosine in the derivative of a sine, be that."""
        graph = self.inner.graph
        found = {(graph.operations[node], graph.operands[node]): node for node in origin if graph.operands[node]}
        places = [*range(len(graph.operations))]
        rows: Rows = Rows()
        for node, operands in enumerate(graph.operands):
            if operands and node not in origin:
                operands = tuple([places[x] for x in operands])
                if node not in graph.details:
                    places[node] = found.get((graph.operations[node], operands), node)
            rows.append(operands)
        graph.operands = rows
        graph.results = [places[node] for node in graph.results]

    def _move(self, origin: dict[Node, Node], kept: Sequence[Node]) -> set[Node]:
        """Let the first loop compute factors such as sigmoid' for which alone it would keep a number; give them.

        As many numbers are kept, and the first loop has part of the factor already: the power in sigmoid.
        """
        graph, body, live = self.inner.graph, self.loop.body, self.inner.graph.live()
        own: dict[Node, bool] = {}  # what depends on the first loop's numbers alone, and whether it takes long
        used: set[Node] = {*graph.results}  # by what is not own
        for node in live:
            operation, operands = graph.operations[node], graph.operands[node]
            if node in origin or operation is None:
                continue
            is_number = node not in graph.details and not any(x in graph.sizes for x in (node, *operands))
            known = [x for x in operands if x in own or x in origin or x in graph.constants]
            if is_number and len(known) == len(operands):
                own[node] = operation not in ARITHMETIC or any(own.get(x, False) for x in operands)
            else:
                used.update(operands)
        factors = used & own.keys()
        # What needs each number: one of the factors, or None for several of them or anything else.
        users: dict[Node, Node | None] = dict.fromkeys(used & origin.keys())
        users |= {x: x for x in factors}
        ends = set(kept)
        for node in reversed(live):
            if node in users and node not in ends:
                for x in graph.operands[node]:
                    if x not in factors:
                        users[x] = users[node] if users.get(x, users[node]) == users[node] else None
        moved = {user for x in kept if (user := users.get(x)) is not None and own[user]}
        for node in graph.ordered(sorted(moved)):
            if node in own:
                operands = graph.operands[node]
                places = [origin[x] if x in origin else body.constant(graph.constants[x]) for x in operands]
                origin[node] = body.append(graph.operations[node], tuple(places))
        return moved

    def _kept(self, origin: dict[Node, Node], moved: Collection[Node] = ()) -> list[Node]:
        """Choose which numbers of the loop's own round are kept; the others that are needed are computed again."""
        graph, loop = self.inner.graph, self.loop
        carried = {x.node for x in self.given[: loop.carries]}
        given = {x.node for x in self.given} - carried
        needed = set(graph.results)
        for node in graph.live():
            if node not in origin:
                needed.update(graph.operands[node])
        costs: dict[Node, int] = {}
        kept: list[Node] = []
        pending = sorted(needed & origin.keys())
        while pending:
            node = pending[-1]
            if node in costs:
                pending.pop()
                continue
            operation = graph.operations[node]
            if node in given or (operation is None and node not in carried):
                costs[node] = 0
                continue
            is_cheap = operation in CHEAP or operation in _PLACES or loop.is_recomputed
            if node in carried or node in moved or not is_cheap:
                kept.append(node)
                costs[node] = 0
                continue
            unknown = [x for x in graph.operands[node] if x not in costs]
            if unknown:
                pending += unknown
                continue
            costs[node] = 1 + sum([costs[x] for x in graph.operands[node]])
            if costs[node] > FEW and not loop.is_recomputed and operation not in _PLACES:
                kept.append(node)
                costs[node] = 0
        return kept

    def _keep(self, node: Node) -> Any:
        """Give the array of the numbers that a node of the loop's round has in all rounds."""
        results, carries = self.loop.body.results, self.loop.carries
        if node not in results[carries:]:
            results.append(node)
        return self.tracer.output(self.node, carries + results[carries:].index(node))

    def _adopt_inner_loops(self) -> None:
        """Let the loops within the loop keep what their copies in this round have been asked to keep."""
        graph, body = self.inner.graph, self.loop.body
        loops = {place: node for node, place in self.places.items() if graph.operations[place] is LOOP}
        for place, node in loops.items():
            body.details[node] = graph.details[place]
        known = set(self.places.values())
        for place in range(len(graph.operations)):
            if graph.operations[place] is OUTPUT and place not in known and graph.operands[place][0] in loops:
                node = loops[graph.operands[place][0]]
                k, size = graph.details[place], graph.sizes.get(place)
                self.places[body.mark(OUTPUT, (node,), k, size)] = place


class _Back(_Round):
    """The round of a loop's way back."""

    def __init__(
        self, tracer: Any, node: Node, starts: dict[int, Flow], dependent: Sequence[bool], flagged: dict[int, bool]
    ) -> None:
        super().__init__(tracer, node, starts, flagged)
        with self.recording():
            self.flow_out = self._flow(dependent)

    def _flow(self, dependent: Sequence[bool]) -> dict[int, Flow]:
        """Let what flows into the results of a round flow back to the operands that depend on what is wanted."""
        loop = self.loop
        starts = [(self.results[j], flow, reached) for j, (flow, reached) in self.flow_in.items()]
        for k, arrays in self.starts.items():
            if k >= loop.carries:
                node = loop.body.results[k]
                flow, reached = self.piece(arrays, node)
                if node in loop.body.sizes:
                    flow, reached = Inflow().array(flow, reached), True
                starts.append((self.results[k], flow, reached))
        inputs = [x.node for x, some in zip(self.given, dependent) if some]
        flows = flow_back(self.history(inputs, [place for place, _, _ in starts]), starts)
        found: dict[int, Flow] = {}
        for i, (x, some) in enumerate(zip(self.given, dependent)):
            flow = flows.found[x.node]
            if some and flow is not None:
                size = self.inner.graph.sizes.get(x.node)
                found[i] = (flow, flows.reached[x.node]) if size is None else flow.join(self.inner, size)
        return found

    def is_tame(self, j: int) -> bool:
        """Say whether a gradient of 0 does for none, as long as operands are finite: then a carry needs no flag.

        In the rounds nothing comes of a 0, and `_reached_rounds` says what is reached after them.
        """
        if self.tracer.is_guarded:
            return False
        body = self.loop.body
        cone = body.ordered([body.results[j]])
        is_tame = all(body.operations[node] is None or body.operations[node] in TAME for node in cone)
        self.tracer.outermost().is_doubtful |= is_tame
        return is_tame

    def _reached_rounds(self) -> tuple[list[frozenset[int]], int]:
        """Say for each round of the way back which operands are reached; of those that have flags, that they may be.

        After the last of the rounds that are listed, those from the one of the given number on come again.
        """
        graph = self.inner.graph
        sources = {i: getattr(flow, "node", None) for i, (flow, _) in self.flow_out.items()}
        origins = [0] * len(graph.operations)  # of flows: bits, one for each carry without a flag, and one for the rest
        for x, _ in self.taken:
            origins[x.node] = 1
        for j, (x, flag) in self.flow_in.items():
            origins[x.node] = 2 << j if flag is True else 1
        for node, operands in enumerate(graph.operands):
            for place in operands:
                origins[node] |= origins[place]
        leads = {i: 1 if node is None else origins[node] for i, node in sources.items()}
        reached = frozenset(self.starts)
        rounds: dict[frozenset[int], int] = {}  # by the carries that are reached before
        found: list[frozenset[int]] = []
        while reached not in rounds and len(found) < self.loop.length:
            rounds[reached] = len(found)
            bits = 1 + sum([2 << j for j in reached])
            found.append(frozenset([i for i, origin in leads.items() if origin & bits]))
            reached = frozenset([i for i in found[-1] if i < self.loop.carries])
        return found, rounds.get(reached, 0)

    def close(self) -> list[tuple[int, Any, Any]]:
        """Record the loop, and give what flows to its operands: their places, numbers, and whether they are reached."""
        loop, end = self.loop, self.loop.carries + self.loop.arrays
        rounds, again = self._reached_rounds()
        last = loop.length - 1
        ending = rounds[last if last < len(rounds) else again + (last - again) % (len(rounds) - again)]
        flow_out = {i: flow for i, flow in self.flow_out.items() if any(i in some for some in rounds)}
        carried = self.carry_flows()
        totals = {i: self._add_up(flow) for i, flow in flow_out.items() if i >= end}
        arrays = {i: self.collect(flow) for i, flow in flow_out.items() if loop.carries <= i < end}
        found = self.make(reverse=not loop.reverse)
        flowing = [(j, *_found(found, place)) for j, place in carried.items() if j in ending]
        for i, places in totals.items():
            flows = [_found(found, place) for place in places]
            if isinstance(flow_out[i][0], TracedArray):
                flowing += [(i, Inflow().element(e, *flow), True) for e, flow in enumerate(flows)]
            else:
                flowing += [(i, *flow) for flow in flows]
        for i, place in arrays.items():
            flow, reached = _found(found, place)
            if reached is True:
                reached = self._reached_elements(i, rounds, again)
            flowing.append((i, Inflow().array(flow, reached), True))
        return flowing

    def _add_up(self, flow: Flow) -> list[Place]:
        """Add up over the rounds what flows to an invariant: a number, or each element of an array."""
        numbers, reached = flow
        with self.recording():
            if not isinstance(numbers, TracedArray):
                return [self._add_number(numbers, reached)]
            elements, flags = self.inner.elements(numbers), [True] * numbers.size
            if reached is not True:
                flags = self.inner.elements(reached)
            return [self._add_number(x, flag) for x, flag in zip(elements, flags)]

    def _add_number(self, x: Any, reached: Any) -> Place:
        total, flag = self.parameter(), True if reached is True else self.parameter()
        return self.carry((total, flag), NOTHING, (total + x, either(reached, flag)))

    def _reached_elements(self, i: int, rounds: list[frozenset[int]], again: int) -> Any:
        """Say which elements of an array are reached, by numbers 0 and 1; True if all are."""
        if all(i in some for some in rounds):
            return True
        loop = self.loop
        before, period = [i in some for some in rounds[:again]], [i in some for some in rounds[again:]]
        flags = np.append(before, np.resize(period, loop.length - again)).astype(np.float64)
        return self.tracer.array(
            np.repeat(flags if loop.reverse else flags[::-1], loop.body.sizes.get(loop.given[i], 1))
        )


def _number(reached: Any) -> Any:
    return float(reached) if isinstance(reached, bool) else reached


def _found(outputs: Sequence[Any], place: Place) -> Flow:
    flow, flag = place
    return outputs[flow], True if flag is None else outputs[flag]


class _Forward(_Round):
    """The round of the loop of a loop's tangents."""

    def __init__(self, tracer: Any, node: Node, starts: dict[int, Flow], flagged: dict[int, bool]) -> None:
        super().__init__(tracer, node, starts, flagged)
        with self.recording():
            self.flow_out = self._flow()

    def _flow(self) -> dict[int, Flow]:
        """Let what flows into the operands of a round flow on to its results."""
        loop = self.loop
        flowing = dict(self.flow_in)
        for i, flow in self.starts.items():
            if loop.carries <= i < loop.carries + loop.arrays:
                flowing[i] = self.piece(flow, loop.given[i])
            elif i >= loop.carries:
                flowing[i] = (self._whole(flow[0]), self._whole(flow[1]))
        starts = [(self.given[i].node, *flow) for i, flow in flowing.items()]
        flows = flow_forward(self.history([place for place, _, _ in starts], self.results), starts)
        results = [(flows.found[place], flows.reached[place]) for place in self.results]
        return {k: flow for k, flow in enumerate(results) if flow[0] is not None}

    def _whole(self, array: Any) -> Any:
        return self.inner.array(array) if isinstance(array, TracedArray) else array

    def close(self) -> _Outputs:
        """Record the loop, and give what flows to the outputs."""
        places = self.carry_flows()
        places |= {k: self.collect(flow) for k, flow in self.flow_out.items() if k >= self.loop.carries}
        found = self.make(reverse=self.loop.reverse)
        return _Outputs({k: _found(found, place) for k, place in places.items()})


_Derivative = TypeVar("_Derivative", bound=_Round)


def _settled(make: Callable[[dict[int, bool]], _Derivative], starts: dict[int, Flow], carries: int) -> _Derivative:
    """Make a round, again until what flows along its carries, and has flags, is what it was made with."""
    flagged = {j: reached is not True for j, (_, reached) in starts.items() if j < carries}
    while True:
        made = make(flagged)
        found = made.flags()
        if found == flagged:
            return made
        flagged = found
