"""The stepper: a page of its own in which a graph, its formulas and its gradients fill in step by step.

Puts the drawing, the steps' lines and their typeset formulas into stepper.html, with stepper.css and stepper.js.
Nothing in the page is loaded from elsewhere, and it works without a server, a kernel or a network.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib import resources
from string import Template
from xml.etree import ElementTree

from autograd_mini.engine.value import Value, topological_order
from autograd_mini.show.drawing import draw, short_number
from autograd_mini.show.mathml import typeset
from autograd_mini.show.steps import AccumulationStep, BackwardStep, ChainRuleStep, ForwardStep, SeedStep, number

_HEIGHT = 680  # of a frame, in CSS pixels
_NARROW = 520  # up to this width, in points, a drawing has room beside the list of steps
_TOOLTIP = "{http://www.w3.org/1999/xlink}title"
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


def page(forward: Sequence[ForwardStep], backward: Sequence[BackwardStep]) -> str:
    """Compose the page for the steps of one graph.

    Parameters
    ----------
    forward, backward : sequences of steps

    Returns
    -------
    str
        A complete HTML document.

    Raises
    ------
    RuntimeError
        If no renderer of drawings works here; the message says what to install.
    """
    graph = _Graph(forward, backward)
    style, script = _asset("stepper.css"), _asset("stepper.js")
    root = forward[-1]
    return Template(_asset("stepper.html")).substitute(
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'",
        title=escape(f"{root.name} = {number(root.data)}, step by step"),
        style=style,
        script=script,
        layout="wide" if graph.width > _NARROW else "narrow",
        graph=graph.svg(),
        forward=_items(forward, graph),
        backward=_items(backward, graph),
        backward_hidden="" if backward else " hidden",
    )


def frame(forward: Sequence[ForwardStep], backward: Sequence[BackwardStep]) -> str:
    """Compose a frame with the page in it, to stand in a page that shares neither style nor script with it."""
    title = escape(f"{forward[-1].name}, step by step")
    return (
        f'<iframe title="{title}" sandbox="allow-scripts" width="100%" height="{_HEIGHT}" '
        f'style="border: 0; width: 100%; height: {_HEIGHT}px" srcdoc="{escape(page(forward, backward))}"></iframe>'
    )


@cache
def _asset(name: str) -> str:
    return resources.files("autograd_mini.show").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Name an inline style or script in a content security policy, which then allows no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# The list of steps, from which the script reads what each one does.


def _items(steps: Sequence[ForwardStep | BackwardStep], graph: _Graph) -> str:
    return "\n".join(_item(step, graph) for step in steps)


def _item(step: ForwardStep | BackwardStep, graph: _Graph) -> str:
    facts = {"node": graph.key(step.node), "title": _title(step), "said": _sentence(step)}
    facts["edges"] = " ".join(graph.edges_of(step))
    if isinstance(step, ChainRuleStep):
        facts["from"] = graph.key(step.result)
    if not isinstance(step, ForwardStep):
        facts["grad"] = f"grad {short_number(step.grad)}"
        facts["sign"] = _sign(step.grad)
    attributes = "".join(f' data-{name}="{escape(fact)}"' for name, fact in facts.items())
    return (
        f'<li{attributes}><button type="button">{escape(str(step))}</button><template>{typeset(step)}</template></li>'
    )


def _title(step: ForwardStep | BackwardStep) -> str:
    match step:
        case ForwardStep():
            return "Forward"
        case SeedStep():
            return "Backward: start"
        case ChainRuleStep():
            return "Backward: chain rule"
        case AccumulationStep():
            return "Backward: paths meet"


def _sentence(step: ForwardStep | BackwardStep) -> str:
    """Say in words what happens, for those who listen too."""
    match step:
        case ForwardStep(node=node, name=name) if node.op is None:
            given = "is given" if node.requires_grad else "is a constant"
            return f"{name} {given}: {number(step.data)}."
        case ForwardStep():
            operands = dict.fromkeys(operand.name or number(operand.data) for operand in step.operands)
            return f"{step.name} is computed from {_listed(list(operands))}: {number(step.data)}."
        case SeedStep():
            return f"The backward pass starts at the result: the derivative of {step.name} for itself is 1."
        case ChainRuleStep():
            passes = f"{step.result_name} passes its gradient {number(step.upstream)} back to {step.name}"
            local = f"times the local derivative {number(step.local_derivative)}"
            return f"{passes}, {local}: that makes {number(step.contribution)}."
        case AccumulationStep():
            return (
                f"Another path reaches {step.name}, and gradients along different paths add up: "
                f"{number(step.before)} and {number(step.contribution)} make {number(step.grad)}."
            )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sign(x: float) -> str:
    if math.isnan(x):
        return "nan"
    return "positive" if x > 0.0 else "negative" if x < 0.0 else "zero"


# The graph.


class _Graph:
    """The drawing of a graph, its nodes and edges marked for the script.

    Drawn is a copy, which has the steps' names as labels and their gradients in `.grad`; in the copy's picture a node
    is recognised by its name, an edge by the nodes that it joins.
    """

    def __init__(self, forward: Sequence[ForwardStep], backward: Sequence[BackwardStep]) -> None:
        root = forward[-1].node
        size = sum(1 + len(step.operands) for step in forward)
        drawn = draw(_copied(forward, backward), limit=size).svg()
        self._svg = ElementTree.fromstring(drawn[drawn.index("<svg") :])
        for element in self._svg.iter():
            element.tag = element.tag.rpartition("}")[2]  # a page in HTML has no namespaces
        self._keys: dict[Value, str] = {}
        self._edges: dict[tuple[Value, int], str] = {}
        self._mark_nodes({step.name: step for step in forward}, root)
        self._mark_edges({(step.result, step.position): step for step in backward if isinstance(step, ChainRuleStep)})
        self._leave_out_what_tells_too_early()

    @property
    def width(self) -> float:
        return float(self._svg.get("width", "0"))

    def svg(self) -> str:
        return ElementTree.tostring(self._svg, encoding="unicode")

    def key(self, node: Value) -> str:
        return self._keys[node]

    def edges_of(self, step: ForwardStep | BackwardStep) -> list[str]:
        """List the edges that a step goes along: to a node from its operands, or from a result to one of them."""
        match step:
            case ForwardStep():
                ways = [(step.node, position) for position in range(len(step.operands))]
            case ChainRuleStep():
                ways = [(step.result, step.position)]
            case _:
                ways = []
        return [self._edges[way] for way in ways if way in self._edges]

    def _groups(self, kind: str) -> list[ElementTree.Element]:
        """List the drawing's nodes or edges in the order in which draw listed them."""
        groups = [group for group in self._svg.iter("g") if group.get("class") == kind]
        return sorted(groups, key=lambda group: int(group.get("id", "").removeprefix(kind)))

    def _mark_nodes(self, steps: Mapping[str, ForwardStep], root: Value) -> None:
        for group in self._groups("node"):
            name, *rest = _tooltip(group).replace("\xa0", " ").split("\n")
            step = steps.get(name) if rest else None  # a number that stood in an expression has no name, only data
            if step is None:
                group.set("class", "node number")
                continue
            self._keys[step.node] = group.findtext("title", "")
            kind = "number" if not step.node.requires_grad else "leaf" if step.node.is_leaf else "result"
            group.set("class", f"node {kind}{' root' if step.node is root else ''}")
            group.set("data-key", self.key(step.node))
            group.set("role", "button")
            group.set("data-name", name)
            group.set("data-number", f"data {short_number(step.data)}")
            texts = list(group.iter("text"))
            for text in texts:
                text.set("class", "name")
            if kind != "number":
                texts[-2].set("class", "data")
                texts[-1].set("class", "grad")

    def _mark_edges(self, steps: Mapping[tuple[Value, int], ChainRuleStep]) -> None:
        """Mark each edge by the operand that it comes from, edges of a node being listed in its operands' order."""
        edges: dict[str, list[ElementTree.Element]] = defaultdict(list)
        for group in self._groups("edge"):
            edges[group.findtext("title", "").rpartition(">")[2]].append(group)
        for node, key in self._keys.items():
            for position, group in enumerate(edges[key]):  # the last operand, where it is a mere number, may have none
                way = (node, position)
                self._edges[way] = f"{key}-{position}"
                sign = _sign(steps[way].contribution) if way in steps else "zero"
                group.set("class", f"edge {sign}")
                group.set("data-key", self._edges[way])
                group.set("aria-hidden", "true")  # the steps tell what it shows, and of which operand

    def _leave_out_what_tells_too_early(self) -> None:
        """Leave out titles and tooltips, which hold the gradients, and the background, which is the page's."""
        for element in self._svg.iter():
            for child in list(element):
                if child.tag == "title" or child.get("fill") == "white":
                    element.remove(child)
            element.attrib.pop("id", None)
            element.attrib.pop(_TOOLTIP, None)
            element.attrib.pop(_SPACE, None)
            element.tag = "g" if element.tag == "a" else element.tag
        for measure in ("width", "height"):
            self._svg.set(measure, self._svg.get(measure, "").removesuffix("pt"))
        self._svg.set("role", "group")
        self._svg.set("aria-label", "Computation graph")


def _copied(forward: Sequence[ForwardStep], backward: Sequence[BackwardStep]) -> Value:
    """Copy the graph with the steps' names and numbers, whatever its own have become since."""
    root = forward[-1].node
    twin = copy.deepcopy(root)
    twins = dict(zip(topological_order(root), topological_order(twin), strict=True))
    for copied in twins.values():
        copied.label, copied.grad = "", 0.0
    for computed in forward:
        twins[computed.node].label, twins[computed.node].data = computed.name, computed.data
    for found in backward:
        twins[found.node].grad = found.grad
    return twin


def _tooltip(group: ElementTree.Element) -> str:
    return next((anchor.get(_TOOLTIP, "") for anchor in group.iter("a")), "")
