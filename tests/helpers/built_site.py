"""The site, which several files test and which is built once."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@cache
def build_site(folder: Path) -> Path:
    """Build the site; its code runs in the pages where AUTOGRAD_MINI_PYODIDE names a distribution of Pyodide."""
    for package in ("sphinx", "myst_nb", "furo", "numpydoc", "latex2mathml"):
        pytest.importorskip(package, reason="the extra `docs` is not installed")
    options = ["-q", "-W", "-d", str(folder / "doctrees")]
    command = [sys.executable, "-m", "sphinx", *options, str(ROOT / "notebooks"), str(folder / "html")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder / "html"
