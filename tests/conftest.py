"""The targets of the compiler, for tests that hold on each of them; and what was skipped, a line for each reason."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

# pytest has put this folder first on the path, and its folder nn would stand before the package nn.
sys.path.remove(str(Path(__file__).parent))


@pytest.fixture(params=["llvm", "numpy"], scope="module")
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Compile for one target, then for the other; ask for it by `usefixtures`."""
    if request.param == "llvm" and not find_spec("llvmlite"):
        pytest.skip("native code needs the extra jit: llvmlite")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOGRAD_MINI_BACKEND", request.param)
        yield request.param


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, also in a job in the background, which starts without."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Sum up what was skipped."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple):  # an expected failure has a traceback here
            reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1
    if reasons:
        terminalreporter.section("skipped")
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count:5} {reason}")
