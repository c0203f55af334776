"""The stepper: a page of its own in which a graph, its formulas and its gradients fill in step by step.

Puts the drawing, the steps' lines and their typeset formulas into stepper.html, with stepper.css and stepper.js.
Nothing in the page is loaded from elsewhere, and it works without a server, a kernel or a network.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from functools import cache, partial
from html import escape
from pathlib import Path
from string import Template
from xml.etree import ElementTree

from autograd_mini.engine.value import Value, topological_order
from autograd_mini.show.drawing import Drawing, Face, compose, drawn_operands
from autograd_mini.show.format import COLORS, listed, number, sign, tinted
from autograd_mini.show.formulas import MathML
from autograd_mini.show.steps import AccumulationStep, BackwardStep, ChainRuleStep, ForwardStep, SeedStep, Step

_HEIGHT = 680  # of a frame, in CSS pixels
_NARROW = 520  # up to this width, in points, a drawing has room beside the list of steps
_TOOLTIP = "{http://www.w3.org/1999/xlink}title"
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


def page(forward: Sequence[ForwardStep], backward: Sequence[BackwardStep], digits: int) -> str:
    """Compose the page for the steps of one graph, a complete HTML document."""
    graph = _Graph(forward, backward, digits)
    colors = {name: tinted(color, 0.92, ground=0) for name, color in COLORS.items()}  # to be read on tinted ground
    style, script = Template(_asset("stepper.css")).substitute(colors), _asset("stepper.js")
    root = forward[-1]
    return Template(_asset("stepper.html")).substitute(
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'",
        title=escape(f"{root.name} = {number(root.data, digits)}, step by step"),
        style=style,
        script=script,
        layout="wide" if float(graph.svg.get("width", "0")) > _NARROW else "narrow",
        graph=ElementTree.tostring(graph.svg, encoding="unicode"),
        forward="\n".join(_item(step, graph) for step in forward),
        backward="\n".join(_item(step, graph) for step in backward),
        backward_hidden="" if backward else " hidden",
    )


def frame(forward: Sequence[ForwardStep], backward: Sequence[BackwardStep], digits: int) -> str:
    """Compose a frame with the page in it, for a notebook: neither style nor script reach out of the frame."""
    title = escape(f"{forward[-1].name}, step by step")
    document = escape(page(forward, backward, digits))
    return (
        f'<iframe title="{title}" sandbox="allow-scripts" width="100%" height="{_HEIGHT}" '
        f'style="border: 0; width: 100%; height: {_HEIGHT}px" srcdoc="{document}"></iframe>'
    )


@cache
def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Name an inline style or script in a content security policy: the policy allows no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# The list of steps, from which the script reads what each one does.


def _item(step: Step, graph: _Graph) -> str:
    notation = MathML(graph.digits)
    title, sentence = _words(step, partial(number, digits=graph.digits))
    facts = {"node": graph.keys[step.node], "title": title, "said": sentence, "edges": " ".join(graph.edges(step))}
    if isinstance(step, ChainRuleStep):
        facts["from"] = graph.keys[step.result]
    if isinstance(step, BackwardStep):
        facts |= {"grad": f"grad {number(step.grad, graph.digits)}", "sign": sign(step.grad)}
    attributes = "".join(f' data-{name}="{escape(fact)}"' for name, fact in facts.items())
    formula = "".join(f"<div>{notation.equation(sides)}</div>" for sides in step.equations(notation))
    return f'<li{attributes}><button type="button">{escape(str(step))}</button><template>{formula}</template></li>'


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
            reaches = f"Another path reaches {name}, and gradients along different paths add up"
            makes = f"{listed([*map(number, step.contributions)])} make {number(step.grad)}"
            return "Backward: paths meet", f"{reaches}: {makes}."
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
        texts[-2].set("class", "data")
        texts[-1].set("class", "grad")


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
