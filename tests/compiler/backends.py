"""The backends of the compiler, for tests that hold on each."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

NAMES = ["llvm", "numpy"] if find_spec("llvmlite") else ["numpy"]


@pytest.fixture(params=NAMES)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Compile for one backend, then for the other."""
    monkeypatch.setenv("AUTOGRAD_MINI_BACKEND", request.param)
    return str(request.param)
