"""The stepper of a graph: its drawing, its steps' lines and formulas, and the expression it computes, on a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from xml.etree import ElementTree

from autograd_mini.engine.value import Value, topological_order
from autograd_mini.show.drawing import Drawing, Face, compose, drawn_operands
from autograd_mini.show.format import listed, number, sign
from autograd_mini.show.formulas import Formula, MathML, Operand, Side, Term, Text
from autograd_mini.show.stepper import Item, Page, Shown
from autograd_mini.show.steps import (
    AccumulationStep,
    BackwardStep,
    ChainRuleStep,
    ForwardStep,
    SeedStep,
    Step,
    without_bias,
)

_TOOLTIP = "{http://www.w3.org/1999/xlink}title"
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"

_LEGEND = (
    ("is-leaf", "leaf"),
    ("is-result", "result"),
    ("is-now", "this step"),
    ("is-from", "its gradient comes from here"),
    ("is-positive", "gradient > 0"),
    ("is-negative", "gradient < 0"),
    ("is-zero", "none, or not yet"),
    ("is-note", "at an arrow: the local derivative; values go along it, gradients against it"),
)


def graph_page(forward: Sequence[ForwardStep], backward: Sequence[BackwardStep], digits: int) -> Page:
    """Compose the page for the steps of one graph."""
    graph = _Graph(forward, backward, digits)
    return Page(
        title=f"{Text(digits).equation(_result(forward, Text(digits)))}, step by step",
        heading=MathML(digits).equation(_result(forward, MathML(digits))),
        picture=ElementTree.tostring(graph.svg, encoding="unicode"),
        width=float(graph.svg.get("width", "0")),
        height=float(graph.svg.get("height", "0")),
        sections=[
            ("Forward", [_item(step, graph) for step in forward]),
            ("Backward", [_item(step, graph) for step in backward]),
        ],
        legend=_LEGEND,
    )


# The title.

_LONGEST = 16  # operations and operands in a title


def _result(forward: Sequence[ForwardStep], notation: Text) -> list[Side]:
    """Write the root, the expression that it computes if that is short, and its number."""
    sizes: dict[Value, int] = {}
    formulas: dict[Value, Operand] = {}
    for step in forward:
        node, operands = step.node, without_bias(step.node, step.operands)
        sizes[node] = 1 + sum(sizes.get(x, 1) for x, _ in zip(node.operands, operands))
        formulas[node] = Term(step.name, step.data)
        if node.op is not None:
            inlined = [formulas.get(x, term) for x, term in zip(node.operands, operands)]
            formulas[node] = Formula(node.op, tuple(inlined))
    root, formula = forward[-1], formulas[forward[-1].node]
    sides = [Side("", notation.label(root.name)), Side("=", notation.number(root.data), [root.data])]
    if isinstance(formula, Formula) and sizes[root.node] <= _LONGEST:
        sides.insert(1, Side("=", notation.term(formula), formula.numbers()))
    return sides


# The list of steps.


def _item(step: Step, graph: _Graph) -> Item:
    notation = MathML(graph.digits)
    title, said = _words(step, partial(number, digits=graph.digits))
    key = graph.keys[step.node]
    item = Item(
        title,
        said,
        line="\n".join(step.lines(Text(graph.digits))),
        formulas=[notation.equation(sides) for sides in step.equations(notation)],
        node=key,
        edges=graph.edges(step),
    )
    match step:
        case ForwardStep(node=node, data=data):
            shows = [Shown(f"{key}-data", f"data {number(data, graph.digits)}")] if node.requires_grad else []
            uses = [graph.keys[x] for x in dict.fromkeys(node.operands) if x in graph.keys]
            return item._replace(uses=uses, shows=shows)
        case ChainRuleStep(result=result):
            item = item._replace(source=graph.keys[result], uses=[graph.keys[result]])
    assert isinstance(step, BackwardStep)
    return item._replace(
        shows=[Shown(f"{key}-grad", f"grad {number(step.grad, graph.digits)}", sign(step.grad))], flows=True
    )


def _words(step: Step, number: Callable[[float], str]) -> tuple[str, str]:
    """Say what happens in a title and a sentence, which a screen reader reads."""
    match step:
        case ForwardStep(node=node, name=name) if node.op is None:
            given = "is given" if node.requires_grad else "is a constant"
            return "Forward", f"{name} {given}: {number(step.data)}."
        case ForwardStep(name=name):
            operands = dict.fromkeys(operand.name or number(operand.data) for operand in step.operands)
            return "Forward", f"{name} is computed from {listed(list(operands))}: {number(step.data)}."
        case SeedStep(name=name):
            said = f"The backward pass starts at the result: the derivative of {name} for itself is 1."
            return "Backward: start", said
        case ChainRuleStep(name=name):
            passes = f"{step.result_name} passes its gradient {number(step.upstream)} back to {name}"
            local = f"times the local derivative {number(step.local_derivative)}"
            return "Backward: chain rule", f"{passes}, {local}: that makes {number(step.contribution)}."
        case AccumulationStep(name=name):
            makes = f"{listed([*map(number, step.contributions)])} make {number(step.grad)}"
            return "Backward: paths meet", f"Gradients along different paths to {name} add up: {makes}."
    raise AssertionError(step)


# The graph.


class _Graph:
    """The drawing of a graph with the steps' names and numbers, its nodes and edges marked for the script."""

    def __init__(self, forward: Sequence[ForwardStep], backward: Sequence[BackwardStep], digits: int) -> None:
        root = forward[-1].node
        named = {step.node for step in forward}
        faces = _faces(forward, backward)
        self.digits = digits
        picture = compose(root, faces, named, digits=digits)
        self.keys = dict(zip(faces, (box.key for box in picture.boxes)))  # how the page calls the nodes
        self._edges = {
            (node, position): f"{key}-{position}"
            for node, key in self.keys.items()
            for position, _ in enumerate(drawn_operands(node, named))
        }
        self.svg = _parsed(Drawing(picture.source(), len(faces)).svg())
        groups = {group.get("id"): group for group in self.svg.iter("g")}
        nodes = {group.findtext("title"): group for group in groups.values() if group.get("class") == "node"}
        for box in picture.boxes:
            nodes[box.key].set("class", "node number")
        for step in forward:
            _mark_node(nodes[self.keys[step.node]], step, digits, is_root=step is forward[-1])
        for i, (key, arrow) in enumerate(zip(self._edges.values(), picture.arrows), start=1):
            # Hidden from screen readers: the steps tell what an edge shows, and of which operand.
            groups[f"edge{i}"].attrib |= {"class": f"edge {sign(arrow.flow)}", "data-key": key, "aria-hidden": "true"}
        _remove_spoilers(self.svg)

    def edges(self, step: Step) -> list[str]:
        """List the edges that a step goes along: to a node from its operands, or from a result to one of them."""
        edges: list[tuple[Value, int]] = []
        if isinstance(step, ForwardStep):
            edges = [(step.node, position) for position in range(len(step.operands))]
        elif isinstance(step, ChainRuleStep):
            edges = [(step.result, step.position)]
        return [self._edges[edge] for edge in edges if edge in self._edges]


def _faces(forward: Sequence[ForwardStep], backward: Sequence[BackwardStep]) -> dict[Value, Face]:
    """Take names and numbers from the steps, as the graph's may have changed since; numbers have no steps."""
    grads = {step.node: step.grad for step in backward}
    faces = {step.node: Face(step.name, step.data, grads.get(step.node)) for step in forward}
    named = set(faces)
    for step in forward:
        drawn = zip(drawn_operands(step.node, named), step.operands)
        faces |= {x: Face("", term.data, None) for (x, _), term in drawn if x not in named}
    return {node: faces[node] for node in topological_order(forward[-1].node) if node in faces}


def _parsed(svg: str) -> ElementTree.Element:
    """Read an SVG, and take its namespaces away, which a page in HTML does not have."""
    root = ElementTree.fromstring(svg[svg.index("<svg") :])
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _mark_node(group: ElementTree.Element, step: ForwardStep, digits: int, is_root: bool) -> None:
    kind = "number" if not step.node.requires_grad else "leaf" if step.node.is_leaf else "result"
    group.attrib |= {
        "class": f"node {kind}{' root' if is_root else ''}",
        "data-key": group.findtext("title", ""),
        "role": "button",
        "data-name": step.name,
        "data-number": f"data {number(step.data, digits)}",
    }
    texts = list(group.iter("text"))
    for text in texts:
        text.set("class", "name")
    if kind != "number":
        for text, slot in zip(texts[-2:], ("data", "grad")):
            text.attrib |= {"class": slot, "data-kind": slot, "data-slot": f"{group.findtext('title')}-{slot}"}


def _remove_spoilers(svg: ElementTree.Element) -> None:
    """Remove titles and tooltips, which hold the gradients, and the background, which is the page's."""
    for element in svg.iter():
        for child in list(element):
            if child.tag == "title" or child.get("fill") == "white":
                element.remove(child)
        for attribute in ("id", _TOOLTIP, _SPACE):
            element.attrib.pop(attribute, None)
        element.tag = "g" if element.tag == "a" else element.tag
    for measure in ("width", "height"):
        svg.set(measure, svg.get(measure, "").removesuffix("pt"))
    svg.set("role", "group")
    svg.set("aria-label", "Computation graph")
