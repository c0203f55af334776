"""The engine: a Value, its graph, and backward. Knows nothing of what is built on it."""

from autograd_mini.engine import pickling as pickling  # registers how Values are pickled
from autograd_mini.engine.emscripten import IN_BROWSER, let_go
from autograd_mini.engine.node import Node
from autograd_mini.engine.value import COMPILED

if IN_BROWSER and not COMPILED:
    Node.__del__ = let_go  # type: ignore[attr-defined]
