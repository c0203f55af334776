"""The stepper: a page of its own in which a picture, its formulas and its numbers fill in step by step.

Puts any picture and the steps through it into stepper.html, with stepper.css and stepper.js, which says what it looks
for in a picture. Nothing in the page is loaded from elsewhere, and it works without a server, a kernel or a network.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

from autograd_mini.engine.files import write_file
from autograd_mini.show.format import COLORS, tinted


class Shown(NamedTuple):
    """A number that a step writes into the picture: where, what, and its sign or other class."""

    slot: str
    text: str
    kind: str = ""


class Item(NamedTuple):
    """A step of a page. Nodes and edges are those of the picture, by their keys."""

    title: str
    said: str  # a sentence, which a screen reader reads
    line: str  # in the list of steps; there may be several lines
    formulas: Sequence[str]  # typeset, below one another
    node: str
    source: str = ""  # the node that the number comes from, if it is about one
    edges: Sequence[str] = ()
    uses: Sequence[str] = ()  # nodes whose numbers the step uses
    shows: Sequence[Shown] = ()
    flows: bool = False  # whether the edges keep their colours from then on

    def html(self) -> str:
        facts = {"title": self.title, "said": self.said, "node": self.node}
        lists = {"edges": " ".join(self.edges), "uses": " ".join(self.uses), "from": self.source}
        facts |= {name: text for name, text in lists.items() if text}
        if self.shows:
            facts["shows"] = json.dumps(self.shows, ensure_ascii=False)
        if self.flows:
            facts["flows"] = ""
        attributes = "".join(f' data-{name}="{escape(fact)}"' for name, fact in facts.items())
        formulas = "".join(f"<div>{formula}</div>" for formula in self.formulas)
        return f'<li{attributes}><button type="button">{escape(self.line)}</button><template>{formulas}</template></li>'


class Page(NamedTuple):
    """What a page shows.

    `picture` is an SVG, its nodes, edges and numbers marked as stepper.js says. `heading` is typeset, and `title` the
    same as text. `sections` have a heading each; those without steps are left out. `legend` has the class of a swatch
    and what it means.
    """

    title: str
    heading: str
    picture: str
    width: float  # of the picture
    height: float
    sections: Sequence[tuple[str, Sequence[Item]]]
    legend: Sequence[tuple[str, str]]

    def html(self) -> str:
        """Compose a complete HTML document."""
        colors = {name: tinted(color, 0.92, ground=0) for name, color in COLORS.items()}  # to be read on tinted ground
        style, script = Template(_asset("stepper.css")).substitute(colors), _asset("stepper.js")
        return Template(_asset("stepper.html")).substitute(
            policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'",
            title=escape(self.title),
            heading=self.heading,
            style=style,
            script=script,
            layout="wide" if self.width > _NARROW else "narrow",
            picture=self.picture,
            sections="\n".join(_section(heading, items) for heading, items in self.sections if items),
            legend="\n".join(f'<li class="{name}">{escape(meaning)}</li>' for name, meaning in self.legend),
        )

    def frame(self) -> str:
        """Compose a frame with the page in it, for a notebook: neither style nor script reach out of the frame."""
        height = round(min(max(_OTHERS + self.height * min(1.6, _COLUMN / self.width), _LOWEST), _HIGHEST))
        style = f"border: 0; display: block; width: 100%; height: {height}px"
        return (
            f'<iframe title="{escape(self.title)}" sandbox="allow-scripts" width="100%" height="{height}" '
            f'style="{style}" srcdoc="{escape(self.html())}"></iframe>'
        )


def save_page(page: Callable[[], Page], path: str | os.PathLike[str]) -> Path:
    """Write the page of an explanation, once its file is known to be one for it."""
    target = Path(path)
    if target.suffix.lower() != ".html":
        raise ValueError(f"can't tell the format from {str(target)!r}: an explanation is saved as .html")
    write_file(target, page().html().encode())
    return target


_NARROW = 520  # up to this width, in points, a picture has room beside the list of steps

# A frame, in CSS pixels: as high as the picture needs in a notebook's column, with all that stands around it.
_COLUMN = 960
_OTHERS, _LOWEST, _HIGHEST = 450, 540, 760


def _section(heading: str, items: Sequence[Item]) -> str:
    return "\n".join([f"<h2>{escape(heading)}</h2>", "<ol>", *(item.html() for item in items), "</ol>"])


@cache
def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Name an inline style or script in a content security policy: the policy allows no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
