"""The package as installed: which engine runs, what it exports, and its doctests."""

from __future__ import annotations

import ast
import builtins
import doctest
import graphlib
import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import autograd_mini
import nn
from autograd_mini.command.expression import FUNCTIONS
from autograd_mini.engine import functions
from autograd_mini.engine.operations import TABLE

ROOT = Path(__file__).parents[2]
MODULES = [
    module.name
    for package in (autograd_mini, nn)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.endswith("__main__")
]


@pytest.mark.skipif("AUTOGRAD_MINI_ENGINE" not in os.environ, reason="AUTOGRAD_MINI_ENGINE names no engine to expect")
def test_the_engine_under_test_is_the_one_the_environment_names() -> None:
    assert autograd_mini.COMPILED == (os.environ["AUTOGRAD_MINI_ENGINE"] == "compiled")


def test_every_operation_and_function_is_exported() -> None:
    own = {n for n, f in vars(functions).items() if getattr(f, "__module__", "") == functions.__name__ and n[0] != "_"}
    names = {*TABLE, *own} - {"log_to_base"}  # known to users as log
    assert names <= set(autograd_mini.__all__) | set(vars(builtins))
    assert names <= set(vars(autograd_mini))
    assert names <= set(FUNCTIONS)


NEW_ROW = """
cube = _row("cube(x)", "Third power.", lambda x: x * x * x, lambda out, x: 3.0 * x * x,
    lowering=lambda x: x * x * x, example="cube(2.0) -> 8.0")
"""

USES_OF_THE_NEW_ROW = """
import contextlib, importlib.util, io, os, re

import numpy as np

import autograd_mini
from autograd_mini import *
from autograd_mini import Value, draw, explain, grad, hessian, jit
from autograd_mini.command.cli import main
from autograd_mini.engine import operations

assert not autograd_mini.COMPILED
assert "cube" in autograd_mini.__all__
assert cube is autograd_mini.cube is operations.cube
assert ">>> cube(2.0)\\n8.0" in cube.__doc__

assert cube(2.0) == 8.0
x = Value(2.0)
y = x.cube()
y.backward()
assert (y.data, x.grad) == (8.0, 12.0)
assert grad(cube)(2.0) == 12.0
assert grad(grad(cube))(2.0) == 12.0
assert hessian(lambda v: cube(v[0]) * v[1])([2.0, 5.0]) == [[60.0, 12.0], [12.0, 0.0]]

assert "cube" in draw(y).source
assert "cube" in str(explain(y))
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    main(["cube(x)", "x=2"])
assert re.search(r"cube\\(x\\) +8$", printed.getvalue(), re.MULTILINE)
assert re.search(r"x +12 +12", printed.getvalue())

for backend in ["numpy", *["llvm"] * bool(importlib.util.find_spec("llvmlite"))]:
    os.environ["AUTOGRAD_MINI_BACKEND"] = backend
    assert jit(cube)(2.0) == 8.0
    assert jit(grad(cube))(2.0) == 12.0
    assert jit(grad(cube), in_axes=0)(np.array([1.0, 2.0, 3.0])).tolist() == [3.0, 12.0, 27.0]
"""


def test_a_row_of_the_table_is_found_everywhere(tmp_path: Path) -> None:
    copy = shutil.copytree(
        ROOT / "autograd_mini", tmp_path / "autograd_mini", ignore=shutil.ignore_patterns("*.so", "*.pyd", "*.c")
    )
    table = copy / "engine" / "operations.py"
    rows, end_of_table, rest = table.read_text().partition('globals()["__all__"]')
    assert end_of_table
    table.write_text(rows + NEW_ROW + end_of_table + rest)
    done = subprocess.run(
        [sys.executable, "-c", USES_OF_THE_NEW_ROW],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


# What a part of the house may import, itself aside: data goes down one staircase.
STAIRCASE = {
    "autograd_mini.engine": set(),
    "autograd_mini.transforms": {"autograd_mini.engine"},
    "autograd_mini.compiler": {"autograd_mini.transforms", "autograd_mini.engine", "autograd_mini.version"},
    "autograd_mini.show": {"autograd_mini.transforms", "autograd_mini.engine"},
    "autograd_mini.command": {
        "autograd_mini.show",
        "autograd_mini.transforms",
        "autograd_mini.engine",
        "autograd_mini",
    },
    "nn": {
        "autograd_mini",
        "autograd_mini.compiler.progress",
        "autograd_mini.engine.checks",
        "autograd_mini.engine.vectors",
        "autograd_mini.show.format",
        "autograd_mini.show.names",
        "autograd_mini.show.arguments",
        "autograd_mini.show.browser",
        "autograd_mini.show.formulas",
        "autograd_mini.show.stepper",
        "autograd_mini.engine.files",
    },
}


def imports_of(source: Path) -> set[str]:
    """List the project's modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    modules = {*MODULES, "autograd_mini.command", "autograd_mini.engine"}
    return {name for name in found if name in modules and name.partition(".")[0] in ("autograd_mini", "nn")}


def sources() -> dict[str, Path]:
    files = [*(ROOT / "autograd_mini").rglob("*.py"), *(ROOT / "nn").rglob("*.py")]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


@pytest.mark.parametrize("floor", STAIRCASE)
def test_no_import_points_up(floor: str) -> None:
    for module, source in sources().items():
        if module == floor or module.startswith(f"{floor}."):
            for name in imports_of(source):
                lower = {floor, *STAIRCASE[floor]}
                rooms = () if floor == "nn" else tuple(f"{part}." for part in lower - {"autograd_mini"})
                assert name in lower or name.startswith((f"{floor}.", *rooms)), f"{module} imports {name}"


def test_there_is_no_circle_of_imports() -> None:
    packages = {"autograd_mini", "autograd_mini.engine", "nn"}  # they import their parts
    graph = {m: imports_of(s) - packages for m, s in sources().items() if m not in packages}
    tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
