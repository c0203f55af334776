"""The package as installed: which engine runs, what it exports, and its doctests."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
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
    # The rest of the table stands behind Python's operators, and behind functions of sequences.
    behind_operators = {"add", "sub", "mul", "div", "neg", "mod", "floor_divide"}
    rows = {name for name in TABLE if not name.endswith("_")} - behind_operators
    assert rows <= set(autograd_mini.__all__)
    assert rows <= set(FUNCTIONS)
    own = {n for n, f in vars(functions).items() if getattr(f, "__module__", "") == functions.__name__ and n[0] != "_"}
    assert own <= set(autograd_mini.__all__)
    assert own <= set(FUNCTIONS)


def test_the_engine_imports_nothing_of_nn() -> None:
    for source in (ROOT / "autograd_mini").glob("*.py"):
        assert not re.search(r"^\s*(from|import) nn\b", source.read_text(), re.MULTILINE), source.name


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_examples_in_the_readme_run() -> None:
    outcome = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert outcome.attempted > 0
    assert outcome.failed == 0
