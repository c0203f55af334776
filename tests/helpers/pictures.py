"""Drawings as a reader sees them: nodes and edges, read back from their SVG."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.etree import ElementTree

from autograd_mini import Drawing


@dataclass
class Shape:
    """A node or an edge as a reader of the SVG sees it."""

    texts: list[str]
    tooltip: str
    colors: set[str]
    widths: set[float]
    dashed: bool = False
    place: tuple[float, float] | None = None  # of a circle


@dataclass
class Seen:
    nodes: dict[str, Shape] = field(default_factory=dict)
    edges: list[tuple[str, str, Shape]] = field(default_factory=list)

    def key(self, *texts: str) -> str:
        """Find the one node that shows all of these texts."""
        [key] = [key for key, node in self.nodes.items() if set(texts) <= set(node.texts)]
        return key

    def between(self, tail: str, head: str) -> list[Shape]:
        return [edge for t, h, edge in self.edges if (t, h) == (tail, head)]

    def edge(self, tail: str, head: str) -> Shape:
        [edge] = self.between(tail, head)
        return edge

    def into(self, head: str) -> list[Shape]:
        return [edge for _, h, edge in self.edges if h == head]


def look_at(drawing: Drawing) -> Seen:
    """Read nodes and edges back from the rendered SVG."""
    seen = Seen()
    for group in parse(drawing).iterfind(".//{*}g"):
        if group.get("class") == "node":
            seen.nodes[group.findtext("{*}title") or ""] = shape_of(group)
        elif group.get("class") == "edge":
            tail, head = (group.findtext("{*}title") or "").split("->")
            seen.edges.append((tail, head, shape_of(group)))
    return seen


def parse(drawing: Drawing) -> ElementTree.Element:
    return ElementTree.fromstring(drawing.svg())


def shape_of(group: ElementTree.Element) -> Shape:
    circle = group.find(".//{*}ellipse")
    strokes = [e for kind in ("path", "polygon", "polyline", "ellipse") for e in group.iterfind(".//{*}" + kind)]
    colors = {e.get(key, "none") for e in strokes for key in ("fill", "stroke")} - {"none"}
    return Shape(
        texts=[text for e in group.iterfind(".//{*}text") if (text := (e.text or "").replace("\xa0", " ")).strip()],
        tooltip=next((e.get("{http://www.w3.org/1999/xlink}title", "") for e in group.iterfind(".//{*}a")), ""),
        colors={color.lower() for color in colors},
        widths={float(e.get("stroke-width", "1")) for e in strokes},
        dashed=any(e.get("stroke-dasharray") for e in strokes),
        place=None if circle is None else (float(circle.get("cx", "")), float(circle.get("cy", ""))),
    )


def width(edge: Shape) -> float:
    return max(edge.widths)
