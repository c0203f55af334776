"""Native code: when it is freed."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("llvmlite", reason="compiling needs the extra jit: llvmlite")

CYCLES = """
import gc
from autograd_mini import jit
for i in range(50):
    f = jit(lambda x: x * x + i)
    f(2.0)
    f.itself = f
    del f
    gc.collect()
"""


def test_code_in_a_cycle_of_references_is_freed_without_a_crash():
    subprocess.run([sys.executable, "-c", CYCLES], check=True, cwd=Path(__file__).parents[2], timeout=100)
