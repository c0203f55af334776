"""Python in a browser, as Pyodide is: no native code, no threads, no processes, and a short stack of C.

There plain nodes free chains of any length by `let_go` when they end.
"""

from __future__ import annotations

import sys
from typing import Any

IN_BROWSER = sys.platform == "emscripten"

_waiting: list[Any] = []
_is_freeing = False


def let_go(node: Any) -> None:
    """Let a node's operands go one after another, and not each within the one that held it."""
    global _is_freeing
    if node._left is None and node._right is None:
        return
    _waiting.extend((node._left, node._right))  # no variable here may hold them
    node._left = node._right = None
    if _is_freeing:
        return
    _is_freeing = True
    while _waiting:
        _waiting.pop()
    _is_freeing = False
