"""What importing the packages brings in, and the second name of `nn`."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import autograd_mini
import nn

ROOT = Path(__file__).parents[2]


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program whose own folder is the first in which modules are looked for."""
    program = folder / "program.py"
    program.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, program], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_compiler_and_the_pictures_are_imported_when_they_are_used(tmp_path: Path) -> None:
    late = "[name for name in ('autograd_mini.compiler', 'autograd_mini.show.drawing') if name in sys.modules]"
    code = f"import sys; import autograd_mini; print({late}); autograd_mini.jit; autograd_mini.draw; print({late})"
    done = run(code, tmp_path)
    assert done.stderr == ""
    assert done.stdout == "[]\n['autograd_mini.compiler', 'autograd_mini.show.drawing']\n"


def test_what_is_imported_late_is_listed_and_kept() -> None:
    assert set(autograd_mini.__all__) <= set(dir(autograd_mini))
    assert autograd_mini.jit is autograd_mini.jit
    assert "jit" in vars(autograd_mini)
    with pytest.raises(AttributeError, match="module 'autograd_mini' has no attribute 'no_such_name'"):
        autograd_mini.no_such_name  # noqa: B018


def test_nn_has_a_second_name_for_the_same_modules(tmp_path: Path) -> None:
    code = """
from autograd_mini.nn.optim.adam import Adam
import autograd_mini, nn, nn.layer, sys
import autograd_mini.nn.layer
assert autograd_mini.nn is nn and Adam is nn.Adam
assert autograd_mini.nn.layer is nn.layer
assert (nn.__name__, nn.__spec__.name, Adam.__module__) == ("nn", "nn", "nn.optim.adam")
"""
    assert run(code, tmp_path).stderr == ""


def test_every_module_of_nn_is_reached_by_the_second_name() -> None:
    assert autograd_mini.nn is nn
    names = {".".join(file.relative_to(ROOT).with_suffix("").parts) for file in (ROOT / "nn").rglob("*.py")}
    for name in {name.removesuffix(".__init__") for name in names}:
        module = importlib.import_module(f"autograd_mini.{name}")
        assert module is importlib.import_module(name) is sys.modules[f"autograd_mini.{name}"]
        assert module.__spec__ is not None
        assert module.__spec__.name == name


def test_a_file_that_hides_nn_is_named(tmp_path: Path) -> None:
    (tmp_path / "nn.py").write_text("mine = 1\n")
    done = run("from autograd_mini.nn import MLP", tmp_path)
    assert f"ImportError: the name nn means {tmp_path / 'nn.py'} here" in done.stderr


def test_a_folder_that_hides_nn_is_named(tmp_path: Path) -> None:
    (tmp_path / "nn").mkdir()
    (tmp_path / "nn" / "__init__.py").write_text("")
    done = run("import autograd_mini; autograd_mini.nn", tmp_path)
    assert f"ImportError: the name nn means {tmp_path / 'nn' / '__init__.py'} here" in done.stderr
