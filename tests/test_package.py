"""The package as installed: which engine runs, what it exports, and its doctests."""

from __future__ import annotations

import ast
import doctest
import graphlib
import importlib
import os
import pkgutil
from pathlib import Path

import pytest

import autograd_mini
import nn
from autograd_mini.command.expression import FUNCTIONS
from autograd_mini.engine import functions
from autograd_mini.engine.operations import TABLE

ROOT = Path(__file__).parents[1]
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
    assert names <= set(autograd_mini.__all__)
    assert names <= set(FUNCTIONS)


# What a part of the house may import, itself aside: data goes down one staircase.
STAIRCASE = {
    "autograd_mini.engine": set(),
    "autograd_mini.transforms": {"autograd_mini.engine"},
    "autograd_mini.compiler": {"autograd_mini.transforms", "autograd_mini.engine"},
    "autograd_mini.show": {"autograd_mini.transforms", "autograd_mini.engine"},
    "autograd_mini.command": {
        "autograd_mini.show",
        "autograd_mini.transforms",
        "autograd_mini.engine",
        "autograd_mini",
    },
    "nn": {"autograd_mini", "autograd_mini.engine.checks", "autograd_mini.show.format", "autograd_mini.show.files"},
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


def test_examples_in_the_readme_run() -> None:
    outcome = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert outcome.attempted > 0
    assert outcome.failed == 0
