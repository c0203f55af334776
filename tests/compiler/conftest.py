"""The targets of the compiler, for tests that hold on each of them."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest


@pytest.fixture(params=["llvm", "numpy"], scope="module")
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Compile for one target, then for the other; ask for it by `usefixtures`."""
    if request.param == "llvm" and not find_spec("llvmlite"):
        pytest.skip("native code needs the extra jit: llvmlite")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOGRAD_MINI_BACKEND", request.param)
        yield request.param
