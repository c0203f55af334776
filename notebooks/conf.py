"""How Sphinx makes the pages: `python -m sphinx -W notebooks site`.

Formulas become MathML, which browsers show by themselves: the pages ask nothing of the network.
"""

from __future__ import annotations

from typing import Any

from docutils.nodes import SkipNode
from latex2mathml.converter import convert
from sphinx.application import Sphinx

from autograd_mini.version import VERSION

project = "autograd_mini"
author = "the developers of autograd_mini"
release = version = VERSION
html_title = "autograd_mini"
html_theme = "furo"
html_static_path = ["pictures"]
html_show_sourcelink = False

extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["**/.ipynb_checkpoints"]
nb_execution_mode = "off"  # pages show the outputs that tests have found current
nb_mime_priority_overrides = [("html", "image/svg+xml", 5), ("html", "text/html", 1)]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings give the types
numpydoc_show_class_members = False
default_role = "py:obj"
html_math_renderer = "mathml"


def visit_math(translator: Any, node: Any) -> None:
    """Write a formula within a sentence."""
    translator.body.append(convert(node.astext(), display="inline"))
    raise SkipNode


def visit_math_block(translator: Any, node: Any) -> None:
    """Write a formula on a line of its own."""
    translator.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise SkipNode


def close_examples(app: Sphinx, name: str, source: list[str]) -> None:
    """Take away the empty line that ends an example for doctest."""
    source[0] = source[0].replace("\n\n```\n", "\n```\n")


def setup(app: Sphinx) -> None:
    """Give Sphinx the writer of formulas."""
    app.connect("source-read", close_examples)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
